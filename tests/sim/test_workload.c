/* Random reads and writes from several clients over 1 to 4 shards, with crashes and other shard counts,
 * against a plain reference graph.
 *
 *   test_workload [--seed N] [--count N] [--verbose]       default: a few seeds; a failing one prints itself
 *
 * How a run is judged
 *  1. Every write that was answered has a commit timestamp, every read a snapshot. Replaying the writes on
 *     the reference in order of timestamp must explain each read at its snapshot: strict snapshot isolation.
 *     Each statement's effect depends only on items it also writes, so first-committer-wins makes the order
 *     of timestamps a serial order.
 *  2. After a crash a write that was running is there as a whole or not at all: some subset of them, in some
 *     order, must explain what the database holds. What was answered is there.
 *  3. The same seed twice gives the same trace. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/reference.h"
#include "tests/lib/world.h"

enum { CLIENT_MAX = 5, HISTORY_MAX = 4096, SHARDS_MAX = 4, LIVES_MAX = 3 };

enum event_kind {
    EVENT_CHANGE,
    EVENT_READ_NODES,
    EVENT_READ_RELS,
    EVENT_READ_SUM,
    EVENT_READ_KEY,
    EVENT_KIND_COUNT
};

/* One answered statement. */
struct event {
    uint8_t kind;
    bool wrote;
    uint64_t timestamp;
    struct change change;
    uint64_t row_count;
    int64_t *cells; /* of reads: three a row at most */
    uint32_t column_count;
};

struct client {
    struct statement *statement;
    struct event event; /* what it is doing */
};

struct run {
    uint64_t seed;
    struct world *world;
    struct client clients[CLIENT_MAX];
    uint32_t client_count;
    struct event history[HISTORY_MAX];
    uint32_t history_count;
    uint32_t next_rel;
    struct reference base; /* the state the current life began with */
    uint64_t answered, conflicts, reads;
};

static bool verbose;

static uint64_t
draw(struct run *run, uint64_t bound)
{
    return sim_random(world_sim(run->world), bound);
}

static const char *
change_text(const struct change *change)
{
    switch ((enum change_kind)change->kind) {
    case CHANGE_NODE_CREATE:
        return "CREATE (n:Node {key: $key, value: $value})";
    case CHANGE_NODE_MERGE:
        return "MERGE (n:Node {key: $key}) ON CREATE SET n.value = $value ON MATCH SET n.value = "
               "n.value + 1";
    case CHANGE_VALUE_SET:
        return "MATCH (n:Node {key: $key}) SET n.value = $value";
    case CHANGE_VALUE_ADD:
        return "MATCH (n:Node {key: $key}) SET n.value = n.value + $value";
    case CHANGE_LABEL_TOGGLE:
        return change->value & 1 ? "MATCH (n:Node {key: $key}) SET n:Flagged"
                                 : "MATCH (n:Node {key: $key}) REMOVE n:Flagged";
    case CHANGE_REL_CREATE:
        return "MATCH (a:Node {key: $key}), (b:Node {key: $key2}) CREATE (a)-[:LINK {id: "
               "$rel}]->(b)";
    case CHANGE_REL_DELETE:
        return "MATCH ()-[r:LINK {id: $rel}]->() DELETE r";
    case CHANGE_NODE_DELETE:
        return "MATCH (n:Node {key: $key}) DETACH DELETE n";
    case CHANGE_MOVE:
        return "MATCH (a:Node {key: $key}), (b:Node {key: $key2}) "
               "SET a.value = a.value - $value, b.value = b.value + $value";
    case CHANGE_KIND_COUNT:
        break;
    }
    return NULL;
}

static const char *
event_text(const struct event *event)
{
    switch ((enum event_kind)event->kind) {
    case EVENT_CHANGE:
        return change_text(&event->change);
    case EVENT_READ_NODES:
        return "MATCH (n:Node) RETURN n.key AS key, n.value AS value, n:Flagged AS flagged ORDER "
               "BY key";
    case EVENT_READ_RELS:
        return "MATCH (a:Node)-[r:LINK]->(b) RETURN r.id AS id, a.key AS a, b.key AS b ORDER BY id";
    case EVENT_READ_SUM:
        return "MATCH (n:Node) RETURN count(*) AS count, sum(n.value) AS sum";
    case EVENT_READ_KEY:
        return "MATCH (b:Node {key: $key})<-[r:LINK]-(a) RETURN r.id AS id, a.key AS a, b.key AS b "
               "ORDER BY id";
    case EVENT_KIND_COUNT:
        break;
    }
    return NULL;
}

static void
event_draw(struct run *run, struct event *event)
{
    *event = (struct event){
        .kind =
            (uint8_t)(draw(run, 100) < 65 ? EVENT_CHANGE : 1 + draw(run, EVENT_KIND_COUNT - 1))};
    struct change *change = &event->change;
    change->kind = (uint8_t)draw(run, CHANGE_KIND_COUNT);
    if (change->kind == CHANGE_NODE_DELETE && draw(run, 2))
        change->kind = CHANGE_NODE_MERGE;
    /* Few keys: conflicts are the point. */
    change->key = (uint32_t)draw(run, REFERENCE_KEY_MAX);
    change->key2 = (change->key + 1 + (uint32_t)draw(run, REFERENCE_KEY_MAX - 1)) %
                   REFERENCE_KEY_MAX;
    change->value = (int64_t)draw(run, 100);
    if (change->kind == CHANGE_REL_CREATE) {
        if (draw(run, 8) == 0)
            change->key2 = change->key;
        change->rel = run->next_rel++;
        assert_true(run->next_rel < REFERENCE_REL_MAX);
    } else {
        change->rel = (uint32_t)draw(run, run->next_rel + 1);
    }
}

static void
client_start(struct run *run, struct client *client)
{
    event_draw(run, &client->event);
    const struct change *change = &client->event.change;
    struct map_entry parameters[] = {
        {TEXT("key"), value_integer(change->key)},
        {TEXT("key2"), value_integer(change->key2)},
        {TEXT("value"), value_integer(change->value)},
        {TEXT("rel"), value_integer(change->rel)},
    };
    uint32_t shard = (uint32_t)draw(run, sim_shard_count(world_sim(run->world)));
    client->statement = world_start(
        run->world, shard, event_text(&client->event), value_map(parameters, 4), NULL);
}

static int64_t
cell(struct value value)
{
    assert_true(value.type == VALUE_INTEGER || value.type == VALUE_BOOLEAN);
    return value.type == VALUE_BOOLEAN ? value.boolean : value.integer;
}

static bool
counters_any(const struct write_counters *counters)
{
    return counters->nodes_created || counters->nodes_deleted || counters->rels_created ||
           counters->rels_deleted || counters->properties_set || counters->labels_added ||
           counters->labels_removed;
}

static void
client_finish(struct run *run, struct client *client)
{
    struct statement *statement = client->statement;
    client->statement = NULL;
    struct event event = client->event;
    if (statement->err) {
        enum err_code code = err_code(statement->err);
        bool taken = code == ERR_CONSTRAINT && event.kind == EVENT_CHANGE &&
                     event.change.kind == CHANGE_NODE_CREATE;
        if (!err_is_transient(code) && !taken)
            fail_msg(
                "seed %llu: %s: %.*s", (unsigned long long)run->seed, event_text(&event),
                TEXT_ARGS(statement->message));
        run->conflicts++;
        statement_delete(statement);
        return;
    }
    event.timestamp = statement->summary.bookmark;
    event.wrote = counters_any(&statement->summary.counters);
    event.row_count = statement->row_count;
    event.column_count = statement->column_count;
    if (event.kind != EVENT_CHANGE) {
        uint64_t count = event.row_count * event.column_count;
        event.cells = malloc((count ? count : 1) * sizeof(*event.cells));
        assert_non_null(event.cells);
        for (uint64_t i = 0; i < count; i++)
            event.cells[i] = cell(statement->rows[i]);
        run->reads++;
    }
    assert_true(run->history_count < HISTORY_MAX);
    run->history[run->history_count++] = event;
    run->answered++;
    statement_delete(statement);
}

/* --- judging --- */

static int
event_compare(const void *a, const void *b)
{
    const struct event *x = a, *y = b;
    if (x->timestamp != y->timestamp)
        return x->timestamp < y->timestamp ? -1 : 1;
    return (int)y->wrote - (int)x->wrote;
}

static bool
nodes_explained(const struct reference *reference, const struct event *event)
{
    uint64_t row = 0;
    for (uint32_t key = 0; key < REFERENCE_KEY_MAX; key++) {
        const struct reference_node *node = &reference->nodes[key];
        if (!node->exists)
            continue;
        const int64_t *cells = &event->cells[row * 3];
        if (row++ >= event->row_count || cells[0] != (int64_t)key || cells[1] != node->value ||
            cells[2] != node->flagged)
            return false;
    }
    return row == event->row_count;
}

static bool
rels_explained(const struct reference *reference, const struct event *event, bool one_key)
{
    uint64_t row = 0;
    for (uint32_t id = 0; id < reference->rel_count; id++) {
        const struct reference_rel *rel = &reference->rels[id];
        if (!rel->exists || (one_key && rel->to != event->change.key))
            continue;
        const int64_t *cells = &event->cells[row * 3];
        if (row++ >= event->row_count || cells[0] != (int64_t)id ||
            cells[1] != (int64_t)rel->from || cells[2] != (int64_t)rel->to)
            return false;
    }
    return row == event->row_count;
}

static bool
sum_explained(const struct reference *reference, const struct event *event)
{
    int64_t count = 0;
    for (uint32_t key = 0; key < REFERENCE_KEY_MAX; key++)
        count += reference->nodes[key].exists;
    return event->row_count == 1 && event->cells[0] == count &&
           event->cells[1] == reference_value_sum(reference);
}

static bool
read_explained(const struct reference *reference, const struct event *event)
{
    switch ((enum event_kind)event->kind) {
    case EVENT_READ_NODES:
        return nodes_explained(reference, event);
    case EVENT_READ_RELS:
        return rels_explained(reference, event, false);
    case EVENT_READ_SUM:
        return sum_explained(reference, event);
    case EVENT_READ_KEY:
        return rels_explained(reference, event, true);
    case EVENT_CHANGE:
    case EVENT_KIND_COUNT:
        break;
    }
    return false;
}

/* Does the history, with `extra` changes at unknown times, explain all its reads? The extras were not
 * answered, so no answered write of this life conflicts with them later; each may have become visible at any
 * time. Reads that an extra could have changed are tried with and without it. */
static bool
event_explained(
    const struct reference *reference,
    const struct event *event,
    const struct change *extras,
    uint32_t count)
{
    for (uint32_t subset = 0; subset < 1u << count; subset++) {
        struct reference *copy = malloc(sizeof(*copy));
        assert_non_null(copy);
        *copy = *reference;
        for (uint32_t i = 0; i < count; i++)
            if (subset >> i & 1)
                reference_apply(copy, &extras[i]);
        bool explained;
        if (event->kind == EVENT_CHANGE) {
            struct reference *after = malloc(sizeof(*after));
            assert_non_null(after);
            *after = *copy;
            reference_apply(after, &event->change);
            explained = reference_equal(after, copy);
            free(after);
        } else {
            explained = read_explained(copy, event);
        }
        free(copy);
        if (explained)
            return true;
    }
    return false;
}

static void
event_print(FILE *out, const struct event *event)
{
    fprintf(
        out, "  ts %llu %s key %u key2 %u value %lld rel %u rows %llu:",
        (unsigned long long)event->timestamp, event_text(event), event->change.key,
        event->change.key2, (long long)event->change.value, event->change.rel,
        (unsigned long long)event->row_count);
    for (uint64_t i = 0; event->cells && i < event->row_count * event->column_count && i < 90; i++)
        fprintf(out, "%s%lld", i % event->column_count ? "," : " ", (long long)event->cells[i]);
    fputc('\n', out);
}

/* Replays the life on `reference`, checking every read on the way. */
static void
history_judge(
    struct run *run, struct reference *reference, const struct change *extras, uint32_t extra_count)
{
    qsort(run->history, run->history_count, sizeof(*run->history), event_compare);
    for (uint32_t i = 0; i < run->history_count; i++) {
        struct event *event = &run->history[i];
        if (event->kind == EVENT_CHANGE && event->wrote) {
            if (reference_apply(reference, &event->change))
                continue;
        } else if (event_explained(reference, event, extras, extra_count)) {
            continue;
        }
        fprintf(
            stderr, "seed %llu: statement %u of %u is not explained:\n",
            (unsigned long long)run->seed, i, run->history_count);
        for (uint32_t k = i > 12 ? i - 12 : 0; k <= i; k++)
            event_print(stderr, &run->history[k]);
        fail_msg(
            "a read or write is not explained by any snapshot; replay with --seed %llu",
            (unsigned long long)run->seed);
    }
}

static void
history_forget(struct run *run)
{
    for (uint32_t i = 0; i < run->history_count; i++)
        free(run->history[i].cells);
    run->history_count = 0;
}

/* Tries every subset of the changes that were in doubt, in every order. */
static bool
doubts_resolve(
    struct reference *reference,
    const struct change *doubts,
    uint32_t count,
    uint32_t used,
    const struct reference *found)
{
    if (reference_equal(reference, found))
        return true;
    for (uint32_t i = 0; i < count; i++) {
        if (used >> i & 1)
            continue;
        struct reference *next = malloc(sizeof(*next));
        assert_non_null(next);
        *next = *reference;
        bool good = reference_apply(next, &doubts[i]) &&
                    doubts_resolve(next, doubts, count, used | 1u << i, found);
        free(next);
        if (good)
            return true;
    }
    return false;
}

/* What the database holds now, as a reference. */
static void
database_read(struct run *run, struct reference *found)
{
    memset(found, 0, sizeof(*found));
    found->rel_count = run->next_rel;
    struct event nodes = {.kind = EVENT_READ_NODES}, rels = {.kind = EVENT_READ_RELS};
    struct statement *statement = world_run(run->world, 0, event_text(&nodes), value_null());
    assert_int_equal(err_code(statement->err), ERR_NONE);
    for (uint64_t i = 0; i < statement->row_count; i++) {
        int64_t key = cell(statement->rows[i * 3]);
        assert_in_range(key, 0, REFERENCE_KEY_MAX - 1);
        assert_false(found->nodes[key].exists);
        found->nodes[key] = (struct reference_node){
            .exists = true,
            .value = cell(statement->rows[i * 3 + 1]),
            .flagged = cell(statement->rows[i * 3 + 2]) != 0};
    }
    statement_delete(statement);
    statement = world_run(
        run->world, sim_shard_count(world_sim(run->world)) - 1, event_text(&rels), value_null());
    assert_int_equal(err_code(statement->err), ERR_NONE);
    for (uint64_t i = 0; i < statement->row_count; i++) {
        int64_t id = cell(statement->rows[i * 3]);
        assert_in_range(id, 0, REFERENCE_REL_MAX - 1);
        assert_false(found->rels[id].exists);
        found->rels[id] = (struct reference_rel){
            true, (uint32_t)cell(statement->rows[i * 3 + 1]),
            (uint32_t)cell(statement->rows[i * 3 + 2])};
    }
    statement_delete(statement);
}

/* Every key through the index, every list from its other end: secondary structures agree. */
static void
secondary_check(struct run *run, const struct reference *found)
{
    for (uint32_t key = 0; key < REFERENCE_KEY_MAX; key++) {
        struct map_entry parameter = {TEXT("key"), value_integer(key)};
        struct event event = {.kind = EVENT_READ_KEY, .change = {.key = key}};
        struct statement *statement = world_run(
            run->world, key % sim_shard_count(world_sim(run->world)), event_text(&event),
            value_map(&parameter, 1));
        assert_int_equal(err_code(statement->err), ERR_NONE);
        event.row_count = statement->row_count;
        event.cells = malloc((statement->row_count + 1) * 3 * sizeof(*event.cells));
        assert_non_null(event.cells);
        for (uint64_t i = 0; i < statement->row_count * 3; i++)
            event.cells[i] = cell(statement->rows[i]);
        bool good = rels_explained(found, &event, true);
        if (!good)
            event_print(stderr, &event);
        free(event.cells);
        statement_delete(statement);
        assert_true(good);
    }
}

static bool
any_client_done(void *context)
{
    struct run *run = context;
    for (uint32_t i = 0; i < run->client_count; i++)
        if (run->clients[i].statement && run->clients[i].statement->done)
            return true;
    return false;
}

static void
clients_work(struct run *run, uint64_t statement_count)
{
    uint64_t until = run->answered + run->conflicts + statement_count;
    while (run->answered + run->conflicts < until) {
        for (uint32_t i = 0; i < run->client_count; i++)
            if (!run->clients[i].statement)
                client_start(run, &run->clients[i]);
        bool good = sim_run_until(world_sim(run->world), any_client_done, run, 600 * SIM_SECOND);
        if (!good)
            fail_msg(
                "seed %llu: nothing was answered for ten minutes", (unsigned long long)run->seed);
        for (uint32_t i = 0; i < run->client_count; i++)
            if (run->clients[i].statement && run->clients[i].statement->done)
                client_finish(run, &run->clients[i]);
    }
}

/* Takes what was running; reads are forgotten, changes are in doubt. */
static uint32_t
clients_take(struct run *run, struct change *doubts)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < run->client_count; i++) {
        struct client *client = &run->clients[i];
        if (!client->statement)
            continue;
        if (client->statement->done) {
            client_finish(run, client);
            continue;
        }
        if (client->event.kind == EVENT_CHANGE)
            doubts[count++] = client->event.change;
        statement_delete(client->statement);
        client->statement = NULL;
    }
    return count;
}

static void
life_end(struct run *run, bool crash)
{
    struct change doubts[CLIENT_MAX];
    if (!crash) {
        for (uint32_t i = 0; i < run->client_count; i++)
            if (run->clients[i].statement)
                assert_true(world_await(run->world, run->clients[i].statement));
    } else {
        sim_run_for(world_sim(run->world), draw(run, 3 * SIM_MILLISECOND));
        world_crash(run->world);
    }
    uint32_t doubt_count = clients_take(run, doubts);
    assert_true(crash || doubt_count == 0);
    if (crash) {
        uint32_t shards = 1 + (uint32_t)draw(run, SHARDS_MAX);
        err_t err = world_restart(run->world, shards);
        assert_int_equal(err_code(err), ERR_NONE);
    }
    struct reference *reference = malloc(sizeof(*reference)), *found = malloc(sizeof(*found));
    assert_true(reference && found);
    *reference = run->base;
    history_judge(run, reference, doubts, doubt_count);
    database_read(run, found);
    reference->rel_count = found->rel_count = run->next_rel;
    if (!doubts_resolve(reference, doubts, doubt_count, 0, found))
        fail_msg(
            "seed %llu: the database is not what its history says", (unsigned long long)run->seed);
    secondary_check(run, found);
    run->base = *found;
    history_forget(run);
    free(reference);
    free(found);
}

static uint64_t
seed_run(uint64_t seed)
{
    struct run *run = calloc(1, sizeof(*run));
    assert_non_null(run);
    run->seed = seed;
    run->world = world_new(seed, 1 + (uint32_t)(seed % SHARDS_MAX), NULL);
    run->client_count = 1 + (uint32_t)draw(run, CLIENT_MAX);
    struct statement *statement = world_run(
        run->world, 0, "CREATE CONSTRAINT FOR (n:Node) REQUIRE n.key IS UNIQUE", value_null());
    assert_int_equal(err_code(statement->err), ERR_NONE);
    statement_delete(statement);
    uint32_t lives = 1 + (uint32_t)draw(run, LIVES_MAX);
    for (uint32_t life = 0; life < lives; life++) {
        clients_work(run, 20 + draw(run, 60));
        life_end(run, draw(run, 4) != 0);
    }
    uint64_t trace = sim_trace_hash(world_sim(run->world));
    if (verbose)
        printf(
            "seed %llu: %u clients, %u lives, %llu answered (%llu reads), %llu conflicts, trace "
            "%016llx\n",
            (unsigned long long)seed, run->client_count, lives, (unsigned long long)run->answered,
            (unsigned long long)run->reads, (unsigned long long)run->conflicts,
            (unsigned long long)trace);
    world_delete(run->world);
    free(run);
    return trace;
}

static uint64_t first_seed = 1, seed_count = 25;

static void
histories_are_explained(void **state)
{
    (void)state;
    for (uint64_t seed = first_seed; seed < first_seed + seed_count; seed++)
        seed_run(seed);
}

static void
same_seed_same_trace(void **state)
{
    (void)state;
    uint64_t trace = seed_run(first_seed);
    assert_true(trace == seed_run(first_seed));
    assert_true(trace != seed_run(first_seed + 1));
}

int
main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
            first_seed = strtoull(argv[++i], NULL, 10);
            seed_count = 1;
        } else if (strcmp(argv[i], "--count") == 0 && i + 1 < argc) {
            seed_count = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--verbose") == 0) {
            verbose = true;
        }
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(histories_are_explained),
        cmocka_unit_test(same_seed_same_trace),
    };
    return cmocka_run_group_tests_name("workload", tests, NULL, NULL);
}
