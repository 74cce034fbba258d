/* The words every shard may read, and how they are kept.
 *
 *      next_ts            the next commit timestamp                       fetch_add by all
 *      low[k]             lower bound of the timestamps of the commits    written by shard k
 *                         that k coordinates and that are not decided
 *      floor[k]           the highest `stable` that k ever computed       written by shard k
 *      snap[k]            the oldest snapshot in use on k                 written by shard k
 *
 *      stable = max( max over k of floor[k],  min( next_ts, min over k of low[k] ) - 1 )
 *
 * `stable` is computed by whoever needs it and stored nowhere but in the floors. A commit is *decided* when
 * all its owners have reported: DURABLE (the log record and all before it on that shard are on stable
 * storage) or STAMPED (index entries only, nothing logged).
 *
 *      client        coordinator k                          owner
 *        | commit ->   low[k] = next_ts (if it was free)
 *        |             ts = fetch_add(next_ts); low[k] = oldest undecided
 *        |             ------ COMMIT ts ------------------>  stamp the intents, append the record
 *        |             <----- DURABLE --------------------  frame durable, and all before it
 *        |             low[k] = oldest undecided left
 *        | <- answer   stable >= ts; floor[k] = stable
 *
 * Invariants (checked exhaustively at small size by tests/unit/test_commit_model.c)
 *  1. Who computes stable reads next_ts first, then the lows, then the floors. A coordinator publishes low
 *     before it takes its timestamp: so a reader that saw a larger next_ts also sees that low.
 *  2. Every commit with ts <= stable is decided: stamped on all its owners, and durable there. So a snapshot
 *     at stable misses nothing, and nothing that it saw can be lost.
 *  3. stable never goes back, on no shard: a low may be published late with an old next_ts, but the floors
 *     remember. (Without them a commit that was answered disappeared again for a moment.)
 *  4. A client is answered only when stable >= ts: what was answered is in every later snapshot.
 *  5. A shard publishes snap before it computes the snapshot (its own floor will do as a bound), and who
 *     computes the horizon stores its floor before it reads the snaps: so no snapshot is older than a horizon.
 *  6. Publishing low, taking the timestamp and the final store of low happen in one turn of one shard.
 *
 * Weak memory: all accesses are sequentially consistent. On x86 only the stores of low, floor and snap and
 * the fetch_add cost anything, some nanoseconds per writing transaction. */
#include "shards/txn/commit.h"

#include <stdatomic.h>

#include "base/assert.h"
#include "base/limits.h"
#include "shards/txn/txn.h"

/* What one shard writes. Padded so that two shards' words never share a cache line, however the whole is
 * aligned. */
struct shard_words {
    _Atomic uint64_t low, floor, snap, waiting;
    uint8_t padding[128 - 4 * sizeof(uint64_t)];
};
static_assert(sizeof(struct shard_words) == 128, "two cache lines: they are fetched in pairs");

struct commit_words {
    _Atomic uint64_t next_ts;
    uint8_t padding[128 - sizeof(uint64_t)];
    uint32_t shard_count; /* constant */
    _Atomic uint32_t defect;
    uint8_t padding_constant[128 - 2 * sizeof(uint32_t)];
    struct shard_words shards[];
};

size_t
commit_words_size(uint32_t shard_count)
{
    return sizeof(struct commit_words) + shard_count * sizeof(struct shard_words);
}

void
commit_words_create(struct commit_words *words, uint32_t shard_count, uint64_t first_timestamp)
{
    assert(shard_count > 0 && shard_count <= SHARD_COUNT_MAX && first_timestamp > 0);
    words->shard_count = shard_count;
    atomic_init(&words->next_ts, first_timestamp);
    atomic_init(&words->defect, COMMIT_DEFECT_NONE);
    for (uint32_t k = 0; k < shard_count; k++) {
        atomic_init(&words->shards[k].low, UINT64_MAX);
        atomic_init(&words->shards[k].floor, first_timestamp - 1);
        atomic_init(&words->shards[k].snap, UINT64_MAX);
        atomic_init(&words->shards[k].waiting, 0);
    }
}

uint64_t
commit_stable(struct commit_words *words, uint32_t k)
{
    assert(k < words->shard_count);
    uint64_t bound = atomic_load(&words->next_ts);
    for (uint32_t i = 0; i < words->shard_count; i++) {
        uint64_t low = atomic_load(&words->shards[i].low);
        bound = low < bound ? low : bound;
    }
    uint64_t stable = bound - 1, own = atomic_load(&words->shards[k].floor);
    for (uint32_t i = 0; i < words->shard_count; i++) {
        uint64_t floor = atomic_load(&words->shards[i].floor);
        stable = floor > stable ? floor : stable;
    }
    if (stable > own)
        atomic_store(&words->shards[k].floor, stable);
    return stable;
}

uint64_t
commit_snapshot_take(struct commit_words *words, uint32_t k, uint64_t oldest)
{
    if (oldest == UINT64_MAX)
        atomic_store(&words->shards[k].snap, atomic_load(&words->shards[k].floor));
    uint64_t snapshot = commit_stable(words, k);
    if (commit_defect(words) == COMMIT_DEFECT_SNAPSHOT_NEXT)
        snapshot = atomic_load(&words->next_ts) - 1;
    if (oldest == UINT64_MAX)
        atomic_store(&words->shards[k].snap, snapshot);
    assert(oldest == UINT64_MAX || oldest <= snapshot || commit_defect(words));
    return snapshot;
}

void
commit_snapshot_release(struct commit_words *words, uint32_t k, uint64_t oldest)
{
    atomic_store(&words->shards[k].snap, oldest);
}

uint64_t
commit_horizon(struct commit_words *words, uint32_t k)
{
    uint64_t horizon = commit_stable(words, k);
    for (uint32_t i = 0; i < words->shard_count; i++) {
        uint64_t snap = atomic_load(&words->shards[i].snap);
        horizon = snap < horizon ? snap : horizon;
    }
    return horizon;
}

uint64_t
commit_timestamp_take(struct commit_words *words, uint32_t k, bool has_undecided)
{
    if (!has_undecided)
        atomic_store(&words->shards[k].low, atomic_load(&words->next_ts));
    uint64_t timestamp = atomic_fetch_add(&words->next_ts, 1);
    if (!has_undecided)
        atomic_store(&words->shards[k].low, timestamp);
    return timestamp;
}

void
commit_low_set(struct commit_words *words, uint32_t k, uint64_t low)
{
    assert(low >= atomic_load(&words->shards[k].low));
    atomic_store(&words->shards[k].low, low);
}

uint64_t
commit_timestamp_next(const struct commit_words *words)
{
    return atomic_load(&words->next_ts);
}

void
commit_waiting_set(struct commit_words *words, uint32_t k, bool waiting)
{
    atomic_store(&words->shards[k].waiting, waiting);
}

bool
commit_is_waiting(const struct commit_words *words, uint32_t other)
{
    return atomic_load(&words->shards[other].waiting) != 0;
}

void
commit_defect_set(struct commit_words *words, enum commit_defect defect)
{
    atomic_store(&words->defect, (uint32_t)defect);
}

enum commit_defect
commit_defect(const struct commit_words *words)
{
    return (enum commit_defect)atomic_load_explicit(&words->defect, memory_order_relaxed);
}
