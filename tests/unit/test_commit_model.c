/* An exhaustive check of the commit protocol (shards/txn/commit.c) at small size.
 *
 * Two shards and three transactions are run through every interleaving of their steps, where each read
 * or write of a word another shard can change is a step of its own; in every state reached, a crash is
 * tried with every surviving tail of both logs, and recovery's rule is applied to what survived.
 *
 *      begin     1 publish snap   2 read next_ts   3 read the other's low   4 read the other's floor, store floor
 *                5 raise snap to the snapshot
 *      script    one step for each read or write of an item, at its owner
 *      commit    1 read next_ts   2 publish low    3 fetch_add next_ts      4 final low, COMMIT to the owners
 *      owner     COMMIT: stamp, append a record (items that are index entries: no record, STAMPED at once)
 *      log       put any prefix of the records that wait into a frame; the oldest frame completes: DURABLE
 *      finish    all in: raise low; read the words as begin does; stable >= ts: answer
 *
 * While a transaction is between two numbered steps its shard does nothing else: the loop is not
 * interrupted. Messages are delivered in any order.
 *
 * What must hold
 *  1. A snapshot never misses a version: whatever has ts <= snapshot and writes the item is stamped.
 *  2. What was answered before a transaction began is inside its snapshot.
 *  3. No lost update: of two writers of one item the later one's snapshot contains the earlier one.
 *  4. Crash: answered transactions are kept; ts <= D has all its records; a kept transaction, and a
 *     reader that got an answer, depends on nothing that was dropped.
 *  5. No snapshot is older than a horizon handed out for collecting versions.
 *
 * Each way to break the protocol that we know of is tried too, and must be caught. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SHARDS = 2, TXNS = 3, ITEMS = 4, STEPS = 4, INFINITE = 255 };

enum variant {
    CORRECT,
    NO_FLOOR,             /* stable is computed from next_ts and low alone */
    LOW_BEFORE_NEXT,      /* low is read before next_ts */
    FETCH_BEFORE_PUBLISH, /* the timestamp is taken before low is published */
    NO_FIRST_COMMITTER,   /* a newer committed version does not stop a write */
    DURABLE_BEFORE_FLUSH, /* an owner reports DURABLE when the record is appended */
    ANSWER_BEFORE_STABLE, /* the client is answered when all are in */
    STAMPED_NOT_AWAITED,  /* owners of index entries are told, but not waited for */
    SNAP_AFTER_STABLE,    /* the oldest snapshot is published only once it is known */
    VARIANT_COUNT
};

/* Items 0 and 1 live on shards 0 and 1 and are logged; 2 and 3 are index entries on shards 0 and 1. */
static const uint8_t item_owner[ITEMS] = {0, 1, 0, 1};
static const uint8_t item_logged[ITEMS] = {1, 1, 0, 0};

struct script {
    uint8_t home;
    const char *steps; /* "r0w1": read item 0, write item 1 */
};

struct scenario {
    const char *name;
    struct script txns[TXNS];
    uint8_t horizons; /* a shard with its bit set computes the horizon once */
};

static const struct scenario scenarios[] = {
    {"conflicting cross-shard writers and a reader", {{0, "w0w1"}, {1, "w0w1"}, {0, "r0r1"}}, 0},
    {"writers that depend on what they read", {{0, "r0w1"}, {1, "r1w0"}, {1, "r0w1"}}, 0},
    {"two writers on one coordinator, reader elsewhere", {{0, "w0"}, {0, "w1"}, {1, "r0r1"}}, 0},
    {"a remote writer, its successor, a reader", {{1, "w0"}, {0, "r0w1"}, {1, "r1r0"}}, 0},
    {"index entries on the other shard", {{0, "w0w3"}, {1, "r3r0"}, {1, "w1"}}, 0},
    {"index entries at home, data elsewhere", {{0, "w1w2"}, {1, "w0w3"}, {1, "r2r1"}}, 0},
    {"three updates of one item", {{0, "r0w0"}, {1, "r0w0"}, {1, "r0w0"}}, 0},
    {"horizons beside two writers and a reader", {{0, "w0"}, {1, "r0"}, {1, "w1"}}, 3},
};
enum { SCENARIOS = sizeof(scenarios) / sizeof(scenarios[0]) };

enum phase {
    IDLE,
    BEGIN_FIRST, /* the numbered steps of begin; the next three follow this order */
    BEGIN_SECOND,
    BEGIN_THIRD,
    BEGIN_FOURTH,
    ACTIVE,
    COMMIT_PUBLISH,
    COMMIT_FETCH,
    COMMIT_SEND,
    COMMITTING,
    DECIDED,
    FINISH_FIRST,
    FINISH_SECOND,
    FINISH_THIRD,
    ANSWERED,
    ABORTED
};

struct txn_state {
    uint8_t phase, step;
    uint8_t bound; /* min of next_ts and the lows read so far; low to publish while committing */
    uint8_t snapshot, ts;
    uint8_t answered_before;  /* ghost: largest ts answered when begin started */
    uint8_t intents, stamped; /* items */
    uint8_t commit_sent, done_sent, done_received; /* shards */
    uint8_t read_from[ITEMS];                      /* 1 + the writer, 0 = the initial version */
};

struct log_state {
    uint8_t record_count, framed_count, frame_count, complete_count;
    uint8_t records[TXNS];
    uint8_t frame_end[TXNS], frame_stable[TXNS];
};

struct horizon_state {
    uint8_t phase, bound; /* 0 not begun, 1..3 between its steps, 4 done */
};

struct state {
    uint8_t next_ts;
    uint8_t low[SHARDS], floor[SHARDS], snap[SHARDS];
    uint8_t answered_max, horizon_max; /* ghosts */
    struct txn_state txns[TXNS];
    struct log_state logs[SHARDS];
    struct horizon_state horizons[SHARDS];
};

struct checker {
    const struct scenario *scenario;
    enum variant variant;
    const char *violation; /* the first one found */
    struct state *states;  /* every state reached; also the queue */
    uint32_t *table;       /* index + 1 */
    size_t state_count, state_capacity, table_size, crash_count;
};

/* --- the set of states --- */

static uint64_t
state_hash(const struct state *state)
{
    const uint8_t *bytes = (const uint8_t *)state;
    uint64_t hash = UINT64_C(1469598103934665603);
    for (size_t i = 0; i < sizeof(*state); i++)
        hash = (hash ^ bytes[i]) * UINT64_C(1099511628211);
    return hash ^ (hash >> 29);
}

static void
checker_grow(struct checker *checker)
{
    size_t table_size = checker->table_size ? checker->table_size * 2 : 1 << 16;
    free(checker->table);
    checker->table = calloc(table_size, sizeof(*checker->table));
    checker->table_size = table_size;
    checker->state_capacity = table_size / 2;
    checker->states = realloc(checker->states, checker->state_capacity * sizeof(*checker->states));
    assert_non_null(checker->table);
    assert_non_null(checker->states);
    for (size_t i = 0; i < checker->state_count; i++) {
        size_t slot = state_hash(&checker->states[i]) & (table_size - 1);
        while (checker->table[slot])
            slot = (slot + 1) & (table_size - 1);
        checker->table[slot] = (uint32_t)i + 1;
    }
}

static void
checker_add(struct checker *checker, const struct state *state)
{
    if (checker->state_count == checker->state_capacity)
        checker_grow(checker);
    size_t slot = state_hash(state) & (checker->table_size - 1);
    for (; checker->table[slot]; slot = (slot + 1) & (checker->table_size - 1))
        if (!memcmp(&checker->states[checker->table[slot] - 1], state, sizeof(*state)))
            return;
    checker->states[checker->state_count++] = *state;
    checker->table[slot] = (uint32_t)checker->state_count;
}

static void
checker_violate(struct checker *checker, const char *what)
{
    if (!checker->violation)
        checker->violation = what;
}

/* --- the words --- */

static uint8_t
min_of(uint8_t a, uint8_t b)
{
    return a < b ? a : b;
}

static uint8_t
max_of(uint8_t a, uint8_t b)
{
    return a > b ? a : b;
}

/* The first three of the steps that compute `stable` on shard k; the fourth is stable_finish. */
static uint8_t
bound_first(const struct checker *checker, const struct state *state, unsigned k)
{
    return checker->variant == LOW_BEFORE_NEXT ? min_of(state->low[k], state->low[1 - k])
                                               : state->next_ts;
}

static uint8_t
bound_second(const struct checker *checker, const struct state *state, unsigned k, uint8_t bound)
{
    if (checker->variant == LOW_BEFORE_NEXT)
        return min_of(bound, state->next_ts);
    return min_of(bound, min_of(state->low[k], state->low[1 - k]));
}

static uint8_t
stable_finish(const struct checker *checker, struct state *state, unsigned k, uint8_t bound)
{
    uint8_t stable = (uint8_t)(bound - 1);
    if (checker->variant != NO_FLOOR)
        stable = max_of(stable, max_of(state->floor[0], state->floor[1]));
    state->floor[k] = max_of(state->floor[k], stable);
    return stable;
}

static uint8_t
oldest_snapshot(const struct checker *checker, const struct state *state, unsigned k)
{
    uint8_t oldest = INFINITE;
    for (unsigned t = 0; t < TXNS; t++) {
        const struct txn_state *txn = &state->txns[t];
        if (checker->scenario->txns[t].home == k && txn->phase >= ACTIVE && txn->phase < ANSWERED)
            oldest = min_of(oldest, txn->snapshot);
    }
    return oldest;
}

static uint8_t
written_items(const struct checker *checker, unsigned t)
{
    uint8_t items = 0;
    for (const char *step = checker->scenario->txns[t].steps; *step; step += 2)
        if (step[0] == 'w')
            items |= (uint8_t)(1 << (step[1] - '0'));
    return items;
}

/* Shards that own something the transaction wrote; only those with a log record when `logged`. */
static uint8_t
participants(const struct checker *checker, unsigned t, int logged)
{
    uint8_t shards = 0, items = written_items(checker, t);
    for (unsigned i = 0; i < ITEMS; i++)
        if ((items >> i & 1) && (!logged || item_logged[i]))
            shards |= (uint8_t)(1 << item_owner[i]);
    return shards;
}

/* --- crash --- */

static int
log_holds(const struct log_state *log, unsigned frames, unsigned t)
{
    unsigned count = frames ? log->frame_end[frames - 1] : 0;
    for (unsigned i = 0; i < count; i++)
        if (log->records[i] == t)
            return 1;
    return 0;
}

static void
crash_check_kept(
    struct checker *checker, const struct state *state, unsigned t, const uint8_t *kept)
{
    const struct txn_state *txn = &state->txns[t];
    for (unsigned i = 0; i < ITEMS; i++)
        if (txn->read_from[i] && !kept[txn->read_from[i] - 1])
            checker_violate(checker, "crash: what was read is gone");
    if (!txn->ts)
        return;
    for (unsigned other = 0; other < TXNS; other++) {
        const struct txn_state *before = &state->txns[other];
        if (other != t && before->ts && before->ts <= txn->snapshot && !kept[other] &&
            (written_items(checker, other) & written_items(checker, t)))
            checker_violate(checker, "crash: what was overwritten is gone");
    }
}

static void
crash_try(struct checker *checker, const struct state *state, const unsigned *frames)
{
    checker->crash_count++;
    uint8_t largest = 0, kept[TXNS];
    for (unsigned k = 0; k < SHARDS; k++)
        for (unsigned f = 0; f < frames[k]; f++)
            largest = max_of(largest, state->logs[k].frame_stable[f]);
    for (unsigned t = 0; t < TXNS; t++) {
        const struct txn_state *txn = &state->txns[t];
        uint8_t missing = 0, needed = participants(checker, t, 1);
        for (unsigned k = 0; k < SHARDS; k++)
            if ((needed >> k & 1) && !log_holds(&state->logs[k], frames[k], t))
                missing |= (uint8_t)(1 << k);
        kept[t] = txn->ts && needed && (!missing || txn->ts <= largest);
        if (txn->ts && txn->ts <= largest && missing)
            checker_violate(checker, "crash: ts <= D, but a record is missing");
        if (txn->phase == ANSWERED && txn->ts && !kept[t])
            checker_violate(checker, "crash: an answered commit is gone");
    }
    for (unsigned t = 0; t < TXNS; t++)
        if (kept[t] || (state->txns[t].phase == ANSWERED && !state->txns[t].ts))
            crash_check_kept(checker, state, t, kept);
}

static void
crash_everywhere(struct checker *checker, const struct state *state)
{
    unsigned frames[SHARDS];
    for (frames[0] = state->logs[0].complete_count; frames[0] <= state->logs[0].frame_count;
         frames[0]++)
        for (frames[1] = state->logs[1].complete_count; frames[1] <= state->logs[1].frame_count;
             frames[1]++)
            crash_try(checker, state, frames);
}

/* --- steps of a transaction --- */

static void
txn_read(struct checker *checker, struct state *state, unsigned t, unsigned item)
{
    struct txn_state *txn = &state->txns[t];
    uint8_t newest = 0;
    for (unsigned other = 0; other < TXNS; other++) {
        struct txn_state *writer = &state->txns[other];
        if (!(written_items(checker, other) >> item & 1) || !writer->ts ||
            writer->ts > txn->snapshot)
            continue;
        if (!(writer->stamped >> item & 1))
            checker_violate(checker, "a snapshot misses a version");
        else if (writer->ts > newest) {
            newest = writer->ts;
            txn->read_from[item] = (uint8_t)(other + 1);
        }
    }
}

static void
txn_write_item(struct checker *checker, struct state *state, unsigned t, unsigned item)
{
    struct txn_state *txn = &state->txns[t];
    for (unsigned other = 0; other < TXNS; other++) {
        struct txn_state *holder = &state->txns[other];
        int newer = (holder->stamped >> item & 1) && holder->ts > txn->snapshot;
        if (other == t || (!(holder->intents >> item & 1) && !newer))
            continue;
        if ((holder->intents >> item & 1) || checker->variant != NO_FIRST_COMMITTER) {
            txn->phase = ABORTED;
            txn->intents = 0;
            return;
        }
    }
    txn->intents |= (uint8_t)(1 << item);
}

static void
txn_deliver_commit(struct checker *checker, struct state *state, unsigned t, unsigned k)
{
    struct txn_state *txn = &state->txns[t];
    txn->commit_sent &= (uint8_t) ~(1 << k);
    for (unsigned i = 0; i < ITEMS; i++)
        if (item_owner[i] == k && (txn->intents >> i & 1)) {
            txn->intents &= (uint8_t) ~(1 << i);
            txn->stamped |= (uint8_t)(1 << i);
        }
    if (participants(checker, t, 1) >> k & 1) {
        struct log_state *log = &state->logs[k];
        log->records[log->record_count++] = (uint8_t)t;
        if (checker->variant != DURABLE_BEFORE_FLUSH)
            return;
    }
    txn->done_sent |= (uint8_t)(1 << k);
}

static void
txn_take_timestamp(struct checker *checker, struct state *state, unsigned t)
{
    struct txn_state *txn = &state->txns[t];
    txn->ts = state->next_ts++;
    for (unsigned other = 0; other < TXNS; other++) {
        struct txn_state *before = &state->txns[other];
        if (other != t && before->ts && before->ts > txn->snapshot &&
            (written_items(checker, other) & written_items(checker, t)))
            checker_violate(checker, "a lost update");
    }
}

static void
low_raise(const struct checker *checker, struct state *state, unsigned k)
{
    state->low[k] = INFINITE;
    for (unsigned t = 0; t < TXNS; t++) {
        const struct txn_state *txn = &state->txns[t];
        if (checker->scenario->txns[t].home == k && txn->phase == COMMITTING)
            state->low[k] = min_of(state->low[k], txn->ts);
    }
}

static void
txn_answer(struct checker *checker, struct state *state, unsigned t)
{
    struct txn_state *txn = &state->txns[t];
    txn->phase = ANSWERED;
    state->answered_max = max_of(state->answered_max, txn->ts);
    state->snap[checker->scenario->txns[t].home] = oldest_snapshot(
        checker, state, checker->scenario->txns[t].home);
}

static void
txn_begin_finish(struct checker *checker, struct state *state, unsigned t, unsigned home)
{
    struct txn_state *txn = &state->txns[t];
    txn->snapshot = stable_finish(checker, state, home, txn->bound);
    txn->phase = BEGIN_FOURTH;
    if (txn->snapshot < txn->answered_before)
        checker_violate(checker, "an answered commit is not in a later snapshot");
    if (txn->snapshot < state->horizon_max)
        checker_violate(checker, "a snapshot is older than a horizon");
}

static void
txn_commit_step(struct checker *checker, struct state *state, unsigned t, unsigned home)
{
    struct txn_state *txn = &state->txns[t];
    switch (txn->phase) {
    case COMMIT_PUBLISH:
        if (checker->variant == FETCH_BEFORE_PUBLISH)
            txn_take_timestamp(checker, state, t);
        else
            state->low[home] = min_of(state->low[home], txn->bound);
        txn->phase = COMMIT_FETCH;
        break;
    case COMMIT_FETCH:
        if (checker->variant == FETCH_BEFORE_PUBLISH)
            state->low[home] = min_of(state->low[home], txn->ts);
        else
            txn_take_timestamp(checker, state, t);
        txn->phase = COMMIT_SEND;
        break;
    default:
        txn->phase = COMMITTING;
        low_raise(checker, state, home);
        txn->commit_sent = participants(checker, t, 0);
        if (txn->commit_sent >> home & 1)
            txn_deliver_commit(checker, state, t, home);
        break;
    }
}

/* The next step of the transaction on its home shard, or at the owner of the item it is about. False
 * when it has none. */
static int
txn_step(struct checker *checker, struct state *state, unsigned t, const int *busy)
{
    struct txn_state *txn = &state->txns[t];
    const struct script *script = &checker->scenario->txns[t];
    unsigned home = script->home;
    const char *next = script->steps + 2 * (size_t)txn->step;
    switch (txn->phase) {
    case IDLE:
        txn->answered_before = state->answered_max;
        if (checker->variant != SNAP_AFTER_STABLE)
            state->snap[home] = min_of(state->snap[home], state->floor[home]);
        txn->phase = BEGIN_FIRST;
        return 1;
    case BEGIN_FIRST:
    case FINISH_FIRST:
        txn->bound = bound_first(checker, state, home);
        txn->phase++;
        return 1;
    case BEGIN_SECOND:
    case FINISH_SECOND:
        txn->bound = bound_second(checker, state, home, txn->bound);
        txn->phase++;
        return 1;
    case BEGIN_THIRD:
        txn_begin_finish(checker, state, t, home);
        return 1;
    case BEGIN_FOURTH:
        txn->phase = ACTIVE;
        state->snap[home] = oldest_snapshot(checker, state, home);
        return 1;
    case ACTIVE:
        if (*next) {
            unsigned item = (unsigned)(next[1] - '0');
            if (busy[item_owner[item]])
                return 0;
            txn->step++;
            if (next[0] == 'r')
                txn_read(checker, state, t, item);
            else
                txn_write_item(checker, state, t, item);
        } else if (busy[home]) {
            return 0;
        } else if (!written_items(checker, t)) {
            txn_answer(checker, state, t);
        } else {
            txn->bound = state->next_ts;
            txn->phase = COMMIT_PUBLISH;
        }
        return 1;
    case COMMIT_PUBLISH:
    case COMMIT_FETCH:
    case COMMIT_SEND:
        txn_commit_step(checker, state, t, home);
        return 1;
    case DECIDED:
        if (checker->variant == ANSWER_BEFORE_STABLE)
            txn_answer(checker, state, t);
        else
            txn->phase = FINISH_FIRST;
        return 1;
    case FINISH_THIRD:
        if (stable_finish(checker, state, home, txn->bound) >= txn->ts)
            txn_answer(checker, state, t);
        else
            txn->phase = DECIDED;
        return 1;
    default:
        return 0;
    }
}

static int
phase_is_inside(uint8_t phase)
{
    return (phase >= BEGIN_FIRST && phase <= BEGIN_FOURTH) ||
           (phase >= COMMIT_PUBLISH && phase <= COMMIT_SEND) ||
           (phase >= FINISH_FIRST && phase <= FINISH_THIRD);
}

/* --- steps of logs, messages and horizons --- */

static void
explore_log(struct checker *checker, const struct state *state, unsigned k)
{
    const struct log_state *log = &state->logs[k];
    for (unsigned end = log->framed_count + 1u; end <= log->record_count; end++) {
        struct state after = *state;
        struct log_state *changed = &after.logs[k];
        uint8_t bound = bound_second(checker, &after, k, bound_first(checker, &after, k));
        changed->frame_stable[changed->frame_count] = stable_finish(checker, &after, k, bound);
        changed->frame_end[changed->frame_count++] = (uint8_t)end;
        changed->framed_count = (uint8_t)end;
        checker_add(checker, &after);
    }
    if (log->complete_count < log->frame_count) {
        struct state after = *state;
        unsigned from = log->complete_count ? log->frame_end[log->complete_count - 1] : 0;
        for (unsigned i = from; i < log->frame_end[log->complete_count]; i++)
            if (checker->variant != DURABLE_BEFORE_FLUSH)
                after.txns[log->records[i]].done_sent |= (uint8_t)(1 << k);
        after.logs[k].complete_count++;
        checker_add(checker, &after);
    }
}

static void
explore_messages(struct checker *checker, const struct state *state, unsigned t, const int *busy)
{
    const struct txn_state *txn = &state->txns[t];
    unsigned home = checker->scenario->txns[t].home;
    for (unsigned k = 0; k < SHARDS; k++) {
        if ((txn->commit_sent >> k & 1) && !busy[k] && txn->phase >= COMMITTING) {
            struct state after = *state;
            txn_deliver_commit(checker, &after, t, k);
            checker_add(checker, &after);
        }
        if ((txn->done_sent >> k & 1) && !busy[home] && txn->phase >= COMMITTING) {
            struct state after = *state;
            struct txn_state *changed = &after.txns[t];
            changed->done_sent &= (uint8_t) ~(1 << k);
            changed->done_received |= (uint8_t)(1 << k);
            uint8_t awaited = participants(checker, t, checker->variant == STAMPED_NOT_AWAITED);
            if (changed->phase == COMMITTING && (changed->done_received & awaited) == awaited) {
                changed->phase = DECIDED;
                low_raise(checker, &after, home);
            }
            checker_add(checker, &after);
        }
    }
}

static void
explore_horizon(struct checker *checker, const struct state *state, unsigned k)
{
    struct state after = *state;
    struct horizon_state *horizon = &after.horizons[k];
    switch (horizon->phase) {
    case 0:
        horizon->bound = bound_first(checker, &after, k);
        break;
    case 1:
        horizon->bound = bound_second(checker, &after, k, horizon->bound);
        break;
    case 2:
        horizon->bound = stable_finish(checker, &after, k, horizon->bound);
        break;
    default:
        horizon->bound = min_of(horizon->bound, min_of(after.snap[0], after.snap[1]));
        after.horizon_max = max_of(after.horizon_max, horizon->bound);
        for (unsigned t = 0; t < TXNS; t++)
            if (after.txns[t].phase >= BEGIN_FOURTH && after.txns[t].phase < ANSWERED &&
                after.txns[t].snapshot < horizon->bound)
                checker_violate(checker, "a horizon is newer than a snapshot in use");
        horizon->bound = 0;
        break;
    }
    horizon->phase++;
    checker_add(checker, &after);
}

static void
explore(struct checker *checker, const struct state *state)
{
    int busy[SHARDS] = {0};
    for (unsigned t = 0; t < TXNS; t++)
        if (phase_is_inside(state->txns[t].phase))
            busy[checker->scenario->txns[t].home] = 1;
    for (unsigned k = 0; k < SHARDS; k++)
        if (state->horizons[k].phase > 0 && state->horizons[k].phase < 4)
            busy[k] = 1;

    crash_everywhere(checker, state);
    for (unsigned t = 0; t < TXNS; t++) {
        struct state after = *state;
        int inside = phase_is_inside(state->txns[t].phase);
        int blocked = busy[checker->scenario->txns[t].home] && !inside &&
                      state->txns[t].phase != ACTIVE;
        if (!blocked && txn_step(checker, &after, t, busy))
            checker_add(checker, &after);
        explore_messages(checker, state, t, busy);
    }
    for (unsigned k = 0; k < SHARDS; k++) {
        uint8_t phase = state->horizons[k].phase;
        if ((checker->scenario->horizons >> k & 1) && phase < 4 && (phase > 0 || !busy[k]))
            explore_horizon(checker, state, k);
        if (!busy[k])
            explore_log(checker, state, k);
    }
}

/* Returns the violation found, or NULL. */
static const char *
check(
    const struct scenario *scenario, enum variant variant, size_t *state_count, size_t *crash_count)
{
    struct checker checker = {.scenario = scenario, .variant = variant};
    struct state first;
    memset(&first, 0, sizeof(first));
    first.next_ts = 1;
    memset(first.low, INFINITE, sizeof(first.low));
    memset(first.snap, INFINITE, sizeof(first.snap));
    checker_add(&checker, &first);
    for (size_t i = 0; i < checker.state_count && !checker.violation; i++) {
        struct state state = checker.states[i];
        explore(&checker, &state);
    }
    *state_count += checker.state_count;
    *crash_count += checker.crash_count;
    free(checker.states);
    free(checker.table);
    return checker.violation;
}

static void
protocol_holds_in_every_interleaving_and_crash(void **unused)
{
    (void)unused;
    size_t states = 0, crashes = 0;
    for (unsigned i = 0; i < SCENARIOS; i++) {
        const char *violation = check(&scenarios[i], CORRECT, &states, &crashes);
        if (violation)
            fail_msg("%s: %s", scenarios[i].name, violation);
    }
    print_message("%zu states, %zu crash outcomes\n", states, crashes);
    assert_true(states > 50000 && crashes > 70000);
}

static const char *const variant_names[VARIANT_COUNT] = {
    "correct",
    "no floor",
    "low read before next_ts",
    "timestamp taken before low is published",
    "no first committer wins",
    "DURABLE before the flush",
    "answer before stable",
    "STAMPED not awaited",
    "snapshot published after stable is read",
};

static void
each_broken_variant_is_caught(void **unused)
{
    (void)unused;
    for (enum variant variant = CORRECT + 1; variant < VARIANT_COUNT; variant++) {
        const char *violation = NULL;
        size_t states = 0, crashes = 0;
        for (unsigned i = 0; i < SCENARIOS && !violation; i++)
            violation = check(&scenarios[i], variant, &states, &crashes);
        if (!violation)
            fail_msg("not caught: %s", variant_names[variant]);
        print_message("%s: caught: %s\n", variant_names[variant], violation);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(protocol_holds_in_every_interleaving_and_crash),
        cmocka_unit_test(each_broken_variant_is_caught),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
