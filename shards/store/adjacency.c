/* Base and delta of one list.
 *
 *     base   | type 3: 2 | type 7: 4 | others  a c | b d d f | numbers  9 4 | 1 2 8 5 |
 *     delta  | (3,b,11) created 40 | (7,d,2) base, deleted 41 | tail: (3,a,12) intent of 9 |
 *     walk   at snapshot 41: 3:[a] 3:b(delta) 3:[c] 7:[b] 7:[d(8) f]
 *
 * Inserts append to the tail of the delta; the tail is sorted into the rest when somebody reads in order,
 * or when a look-up finds it long. Thus a transaction that hangs a million
 * relationships on one node pays one sort, not a million insertions into an array.
 *
 * Invariants
 *  1. Base, and delta up to sorted_count, are strictly ascending by (type, other, number).
 *  2. An entry of the delta with the key of a base entry has created == STAMP_BASE, and the other way
 *     round. It overrides the base entry.
 *  3. A base is never empty; runs are ascending by type, none is empty, their counts add up.
 *  4. deleted is STAMP_NEVER, or not older than created. */
#include "shards/store/adjacency.h"

#include <string.h>

#include "base/assert.h"
#include "shards/store/stamp.h"

/* A tail grows with what is sorted, so that neither scanning it nor merging it dominates. */
enum { TAIL_SCAN_MAX = 64, TAIL_SCAN_PART = 1024 };
enum { DELTA_CAPACITY_FIRST = 4, SORT_SMALL = 16 };

static inline int
order(
    uint32_t type_a,
    uint64_t other_a,
    uint64_t number_a,
    uint32_t type_b,
    uint64_t other_b,
    uint64_t number_b)
{
    if (type_a != type_b)
        return type_a < type_b ? -1 : 1;
    if (other_a != other_b)
        return other_a < other_b ? -1 : 1;
    return number_a < number_b ? -1 : number_a > number_b;
}

static inline bool
entry_before(const struct entry *a, const struct entry *b)
{
    return order(a->type, a->other, a->number, b->type, b->other, b->number) < 0;
}

/* --- sorting: heap sort below a depth quicksort should not reach, insertion sort for few --- */

static inline void
entry_swap(struct entry *a, struct entry *b)
{
    struct entry kept = *a;
    *a = *b;
    *b = kept;
}

static void
sort_insertion(struct entry *entries, uint64_t count)
{
    for (uint64_t i = 1; i < count; i++) {
        if (!entry_before(&entries[i], &entries[i - 1]))
            continue;
        struct entry moving = entries[i];
        uint64_t to = i;
        for (; to > 0 && entry_before(&moving, &entries[to - 1]); to--)
            entries[to] = entries[to - 1];
        entries[to] = moving;
    }
}

static void
sort_sift(struct entry *entries, uint64_t at, uint64_t count)
{
    for (;;) {
        uint64_t child = at * 2 + 1;
        if (child >= count)
            return;
        if (child + 1 < count && entry_before(&entries[child], &entries[child + 1]))
            child++;
        if (!entry_before(&entries[at], &entries[child]))
            return;
        entry_swap(&entries[at], &entries[child]);
        at = child;
    }
}

static void
sort_heap(struct entry *entries, uint64_t count)
{
    for (uint64_t i = count / 2; i-- > 0;)
        sort_sift(entries, i, count);
    for (uint64_t end = count; end-- > 1;) {
        entry_swap(&entries[0], &entries[end]);
        sort_sift(entries, 0, end);
    }
}

/* Splits around the median of three; returns the place of the pivot. */
static uint64_t
sort_split(struct entry *entries, uint64_t count)
{
    uint64_t last = count - 1, middle = count / 2;
    if (entry_before(&entries[middle], &entries[0]))
        entry_swap(&entries[middle], &entries[0]);
    if (entry_before(&entries[last], &entries[middle])) {
        entry_swap(&entries[last], &entries[middle]);
        if (entry_before(&entries[middle], &entries[0]))
            entry_swap(&entries[middle], &entries[0]);
    }
    struct entry pivot = entries[middle];
    uint64_t low = 0, high = last;
    for (;;) {
        while (entry_before(&entries[low], &pivot))
            low++;
        while (entry_before(&pivot, &entries[high]))
            high--;
        if (low >= high)
            return high + 1;
        entry_swap(&entries[low++], &entries[high--]);
    }
}

void
entries_sort(struct entry *entries, uint64_t count)
{
    struct {
        struct entry *entries;
        uint64_t count;
        int depth;
    } stack[64];
    int top = 0;
    int depth = count > 1 ? 2 * (64 - __builtin_clzll(count)) : 0;
    for (;;) {
        while (count > SORT_SMALL && depth-- > 0) {
            uint64_t split = sort_split(entries, count);
            if (split >= count)
                break; /* cannot happen with distinct keys; the insertion sort below is right anyway */
            /* The larger part waits, so the stack holds at most log2(count) of them. */
            bool left_first = split < count - split;
            assert(top < 64);
            stack[top].entries = left_first ? entries + split : entries;
            stack[top].count = left_first ? count - split : split;
            stack[top++].depth = depth;
            if (!left_first)
                entries += split;
            count = left_first ? split : count - split;
        }
        if (count > SORT_SMALL)
            sort_heap(entries, count);
        else
            sort_insertion(entries, count);
        if (top == 0)
            return;
        top--;
        entries = stack[top].entries;
        count = stack[top].count;
        depth = stack[top].depth;
    }
}

/* --- base --- */

size_t
base_size(const struct base *base)
{
    return base_numbers_offset(base) +
           (size_t)base->count * (base->flags & BASE_NUMBERS_WIDE ? 8 : 4);
}

void
base_destroy(struct pool *pool, struct base *base)
{
    if (base)
        pool_release(pool, base, base_size(base));
}

/* The first position in [from, to) of one run whose (other, number) is not below. */
static uint64_t
base_bound(const struct base *base, uint64_t from, uint64_t to, uint64_t other, uint64_t number)
{
    while (from < to) {
        uint64_t middle = from + (to - from) / 2, at = base_other(base, middle);
        if (at < other || (at == other && base_number(base, middle) < number))
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

bool
base_has(const struct base *base, struct key key)
{
    uint64_t from = 0;
    for (uint32_t run = 0; base && run < base->run_count; run++) {
        uint64_t to = from + base->runs[run].count;
        if (base->runs[run].type == key.type) {
            uint64_t at = base_bound(base, from, to, key.other, key.number);
            return at < to && base_other(base, at) == key.other &&
                   base_number(base, at) == key.number;
        }
        from = to;
    }
    return false;
}

/* What becomes of a delta entry when everything up to the horizon goes to base. */
enum fate { FATE_LIVE, FATE_SHADOW, FATE_DEAD, FATE_PENDING };

static enum fate
entry_fate(const struct entry *entry, uint64_t horizon)
{
    if (entry->deleted <= horizon)
        return FATE_DEAD;
    if (entry->created > horizon)
        return FATE_PENDING;
    return entry->deleted == STAMP_NEVER ? FATE_LIVE : FATE_SHADOW;
}

/* The entries of the new base in order, twice: once to measure, once to write. */
struct base_merge {
    const struct base *old;
    const struct entry *entry, *entry_end;
    uint64_t horizon;
    uint32_t run;
    uint64_t at, run_end;
    struct key key;
};

static void
base_merge_begin(
    struct base_merge *merge,
    const struct base *old,
    const struct entry *entries,
    uint64_t count,
    uint64_t horizon)
{
    *merge = (struct base_merge){
        .old = old, .entry = entries, .entry_end = entries + count, .horizon = horizon};
    merge->run_end = old ? old->runs[0].count : 0;
}

static bool
base_merge_next(struct base_merge *merge)
{
    const struct base *old = merge->old;
    for (;;) {
        bool have_old = old && merge->at < old->count;
        if (!have_old && merge->entry == merge->entry_end)
            return false;
        if (have_old && merge->at == merge->run_end)
            merge->run_end += old->runs[++merge->run].count;
        struct key from_old = {0};
        if (have_old)
            from_old = (struct key){
                base_other(old, merge->at), base_number(old, merge->at),
                old->runs[merge->run].type};
        const struct entry *entry = merge->entry < merge->entry_end ? merge->entry : NULL;
        int way = !entry      ? -1
                  : !have_old ? 1
                              : order(
                                    from_old.type, from_old.other, from_old.number, entry->type,
                                    entry->other, entry->number);
        if (way < 0) {
            merge->at++;
            merge->key = from_old;
            return true;
        }
        merge->at += way == 0;
        merge->entry++;
        enum fate fate = entry_fate(entry, merge->horizon);
        if (fate == FATE_LIVE || fate == FATE_SHADOW) {
            merge->key = (struct key){entry->other, entry->number, entry->type};
            return true;
        }
    }
}

static void
base_write(struct base *base, struct base_merge *merge)
{
    uint64_t at = 0;
    uint32_t run = UINT32_MAX;
    uint32_t *others = (uint32_t *)(base->runs + base->run_count);
    uint64_t *wide_others = (uint64_t *)(base->runs + base->run_count);
    void *numbers = (char *)base + base_numbers_offset(base);
    while (base_merge_next(merge)) {
        if (run == UINT32_MAX || base->runs[run].type != merge->key.type)
            base->runs[++run] = (struct base_run){.type = merge->key.type};
        base->runs[run].count++;
        if (base->flags & BASE_OTHERS_WIDE)
            wide_others[at] = merge->key.other;
        else
            others[at] = (uint32_t)merge->key.other;
        if (base->flags & BASE_NUMBERS_WIDE)
            ((uint64_t *)numbers)[at] = merge->key.number;
        else
            ((uint32_t *)numbers)[at] = (uint32_t)merge->key.number;
        at++;
    }
    assert(at == base->count && run + 1 == base->run_count);
}

err_t
base_build(
    struct pool *pool,
    const struct base *old,
    const struct entry *entries,
    uint64_t count,
    uint64_t horizon,
    uint64_t self,
    struct base **out)
{
    struct base_merge merge;
    struct base head = {0};
    uint64_t total = 0, other_max = 0, number_max = 0;
    uint32_t runs = 0, type = 0;
    base_merge_begin(&merge, old, entries, count, horizon);
    while (base_merge_next(&merge)) {
        if (total == 0 || merge.key.type != type)
            runs++;
        type = merge.key.type;
        other_max = merge.key.other > other_max ? merge.key.other : other_max;
        number_max = merge.key.number > number_max ? merge.key.number : number_max;
        if (merge.key.other == self)
            head.flags |= BASE_HAS_SELF;
        total++;
    }
    *out = NULL;
    if (total == 0)
        return 0;
    if (total > UINT32_MAX || runs > UINT16_MAX)
        return ERR(LIMIT);
    head.count = (uint32_t)total;
    head.run_count = (uint16_t)runs;
    head.flags |=
        (uint8_t)((other_max > UINT32_MAX ? BASE_OTHERS_WIDE : 0) | (number_max > UINT32_MAX ? BASE_NUMBERS_WIDE : 0));
    struct base *base = pool_allocate(pool, base_size(&head));
    if (!base)
        return ERR(MEMORY_POOL);
    *base = head;
    base_merge_begin(&merge, old, entries, count, horizon);
    base_write(base, &merge);
    *out = base;
    return 0;
}

/* --- delta --- */

struct delta *
list_delta_make(struct pool *pool, uint64_t *list, enum list_kind kind, uint64_t owner)
{
    if (list_is_dirty(*list))
        return list_delta(*list);
    struct delta *delta = pool_zeroed(pool, sizeof(*delta));
    if (!delta)
        return NULL;
    delta->base = (struct base *)(uintptr_t)*list;
    delta->home = list;
    delta->owner = owner;
    delta->kind = (uint8_t)kind;
    list_init(&delta->dirty.link);
    *list = (uint64_t)(uintptr_t)delta | 1;
    return delta;
}

static uint32_t
delta_bound(const struct delta *delta, uint32_t from, struct key key)
{
    uint32_t to = delta->sorted_count;
    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        const struct entry *entry = &delta->entries[middle];
        if (order(entry->type, entry->other, entry->number, key.type, key.other, key.number) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

void
delta_normalise(struct pool *pool, struct delta *delta)
{
    uint32_t sorted = delta->sorted_count, tail = delta->count - sorted;
    if (tail == 0)
        return;
    struct entry *entries = delta->entries;
    entries_sort(entries + sorted, tail);
    delta->sorted_count = delta->count;
    if (sorted == 0 || entry_before(&entries[sorted - 1], &entries[sorted]))
        return;
    struct entry few[16];
    struct entry *copy = tail <= 16 ? few : pool_allocate(pool, sizeof(*copy) * tail);
    if (!copy) {
        entries_sort(entries, delta->count);
        return;
    }
    memcpy(copy, entries + sorted, sizeof(*copy) * tail);
    /* From the back: what is in place already stays untouched. */
    uint32_t to = delta->count, left = sorted, right = tail;
    while (right > 0) {
        if (left > 0 && entry_before(&copy[right - 1], &entries[left - 1]))
            entries[--to] = entries[--left];
        else
            entries[--to] = copy[--right];
    }
    if (copy != few)
        pool_release(pool, copy, sizeof(*copy) * tail);
}

struct entry *
delta_find(struct pool *pool, struct delta *delta, struct key key)
{
    if (delta->count - delta->sorted_count > TAIL_SCAN_MAX + delta->sorted_count / TAIL_SCAN_PART)
        delta_normalise(pool, delta);
    for (uint32_t i = delta->count; i > delta->sorted_count; i--) {
        struct entry *entry = &delta->entries[i - 1];
        if (order(entry->type, entry->other, entry->number, key.type, key.other, key.number) == 0)
            return entry;
    }
    uint32_t at = delta_bound(delta, 0, key);
    if (at == delta->sorted_count)
        return NULL;
    struct entry *entry = &delta->entries[at];
    return order(entry->type, entry->other, entry->number, key.type, key.other, key.number) == 0
               ? entry
               : NULL;
}

bool
list_has_other(struct pool *pool, uint64_t list, uint64_t other)
{
    const struct base *base = list_base(list);
    struct delta *delta = list_delta(list);
    struct key key = {.other = other};
    for (uint64_t from = 0, run = 0; base && run < base->run_count;
         from += base->runs[run++].count) {
        uint64_t to = from + base->runs[run].count, at = base_bound(base, from, to, other, 0);
        if (at < to && base_other(base, at) == other)
            return true;
    }
    if (!delta)
        return false;
    if (delta_find(pool, delta, key))
        return true;
    for (uint32_t i = delta->sorted_count; i < delta->count; i++)
        if (delta->entries[i].other == other)
            return true;
    uint32_t at = delta_bound(delta, 0, key);
    return at < delta->sorted_count && delta->entries[at].type == 0 &&
           delta->entries[at].other == other;
}

err_t
delta_insert(struct pool *pool, struct delta *delta, struct entry entry)
{
    assert(entry.deleted >= entry.created);
    if (delta->count == delta->capacity) {
        if (delta->capacity > UINT32_MAX / 2)
            return ERR(LIMIT);
        uint32_t capacity = delta->capacity ? delta->capacity * 2 : DELTA_CAPACITY_FIRST;
        struct entry *entries = pool_allocate(pool, sizeof(*entries) * capacity);
        if (!entries)
            return ERR(MEMORY_POOL);
        if (delta->count)
            memcpy(entries, delta->entries, sizeof(*entries) * delta->count);
        pool_release(pool, delta->entries, sizeof(*entries) * delta->capacity);
        delta->entries = entries;
        delta->capacity = capacity;
    }
    bool in_order = delta->sorted_count == delta->count &&
                    (delta->count == 0 || entry_before(&delta->entries[delta->count - 1], &entry));
    delta->entries[delta->count++] = entry;
    delta->sorted_count += in_order;
    return 0;
}

void
delta_remove(struct delta *delta, struct entry *entry)
{
    uint32_t at = (uint32_t)(entry - delta->entries);
    assert(at < delta->count);
    memmove(entry, entry + 1, sizeof(*entry) * (delta->count - at - 1));
    delta->count--;
    delta->sorted_count -= at < delta->sorted_count;
}

static void
delta_destroy(struct pool *pool, struct delta *delta)
{
    list_remove(&delta->dirty.link);
    pool_release(pool, delta->entries, sizeof(struct entry) * delta->capacity);
    pool_release(pool, delta, sizeof(*delta));
}

void
list_destroy(struct pool *pool, uint64_t *list)
{
    base_destroy(pool, (struct base *)(uintptr_t)list_base(*list));
    if (list_is_dirty(*list))
        delta_destroy(pool, list_delta(*list));
    *list = 0;
}

uint32_t
delta_foldable_count(const struct delta *delta, uint64_t horizon)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < delta->count; i++) {
        const struct entry *entry = &delta->entries[i];
        enum fate fate = entry_fate(entry, horizon);
        count += fate == FATE_LIVE || fate == FATE_DEAD ||
                 (fate == FATE_SHADOW && entry->created != STAMP_BASE);
    }
    return count;
}

err_t
delta_fold(
    struct pool *pool,
    struct delta *delta,
    uint64_t horizon,
    uint64_t self,
    delta_gone_fn *gone,
    void *context)
{
    delta_normalise(pool, delta);
    struct base *base = delta->base;
    if (delta_foldable_count(delta, horizon)) {
        err_t err = base_build(
            pool, delta->base, delta->entries, delta->count, horizon, self, &base);
        if (err)
            return err;
        base_destroy(pool, delta->base);
        delta->base = base;
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < delta->count; i++) {
        struct entry *entry = &delta->entries[i];
        enum fate fate = entry_fate(entry, horizon);
        if (fate == FATE_LIVE || fate == FATE_DEAD) {
            gone(context, delta, entry, fate == FATE_LIVE);
            continue;
        }
        if (fate == FATE_SHADOW)
            entry->created = STAMP_BASE;
        delta->entries[kept++] = *entry;
    }
    delta->count = delta->sorted_count = kept;
    if (kept)
        return 0;
    *delta->home = (uint64_t)(uintptr_t)base;
    delta_destroy(pool, delta);
    return 0;
}

/* --- walking --- */

void
list_walk_begin(
    struct list_walk *walk,
    struct pool *pool,
    uint64_t list,
    uint64_t snapshot,
    uint64_t txid,
    const uint32_t *types,
    uint32_t type_count)
{
    *walk = (struct list_walk){
        .base = list_base(list),
        .snapshot = snapshot,
        .txid = txid,
        .types = types,
        .type_count = type_count};
    struct delta *delta = list_delta(list);
    if (delta) {
        delta_normalise(pool, delta);
        walk->entry = delta->entries;
        walk->entry_end = delta->entries + delta->count;
    }
}

static bool
walk_wants_type(const struct list_walk *walk, uint32_t type)
{
    if (walk->type_count == 0)
        return true;
    for (uint32_t i = 0; i < walk->type_count; i++)
        if (walk->types[i] == type)
            return true;
    return false;
}

static bool
walk_wants_entry(const struct list_walk *walk, const struct entry *entry)
{
    if (walk->only_other && entry->other != walk->other)
        return false;
    if (walk->skip_self && entry->other == walk->other)
        return false;
    return walk_wants_type(walk, entry->type);
}

/* Opens the next run that is wanted. False at the end of the base. */
static bool
walk_open_run(struct list_walk *walk)
{
    while (walk->base && walk->run < walk->base->run_count) {
        const struct base_run *run = &walk->base->runs[walk->run];
        uint64_t from = walk->run_from, to = from + run->count;
        if (walk_wants_type(walk, run->type)) {
            walk->at = from;
            walk->run_end = to;
            if (walk->only_other) {
                walk->at = base_bound(walk->base, from, to, walk->other, 0);
                walk->run_end = base_bound(walk->base, walk->at, to, walk->other + 1, 0);
            }
            if (walk->at < walk->run_end)
                return walk->run_open = true;
        }
        walk->run_from = to;
        walk->run++;
    }
    return false;
}

static void
walk_close_run(struct list_walk *walk)
{
    walk->run_from += walk->base->runs[walk->run].count;
    walk->run++;
    walk->run_open = false;
}

/* Emits [at, to) of the open run, or the part of it before entries that are to be skipped. False when
 * nothing of it was wanted. */
static bool
walk_emit_base(struct list_walk *walk, uint64_t to, struct list_piece *piece)
{
    uint64_t from = walk->at;
    if (walk->skip_self && (walk->base->flags & BASE_HAS_SELF)) {
        uint64_t low = base_bound(walk->base, from, to, walk->other, 0);
        uint64_t high = base_bound(walk->base, low, to, walk->other + 1, 0);
        if (low == from) {
            walk->at = high;
            if (high == to)
                return false;
            from = high;
        } else {
            to = low;
        }
    }
    walk->at = to;
    *piece = (struct list_piece){
        .type = walk->base->runs[walk->run].type, .from = from, .count = to - from};
    return to > from;
}

bool
list_walk_next(struct list_walk *walk, struct list_piece *piece)
{
    for (;;) {
        while (walk->entry < walk->entry_end && !walk_wants_entry(walk, walk->entry))
            walk->entry++;
        const struct entry *entry = walk->entry < walk->entry_end ? walk->entry : NULL;
        if (walk->run_open && walk->at == walk->run_end)
            walk_close_run(walk);
        bool have_base = walk->run_open || walk_open_run(walk);
        if (!have_base && !entry)
            return false;
        uint32_t run_type = have_base ? walk->base->runs[walk->run].type : 0;
        if (have_base && (!entry || entry->type > run_type)) {
            if (walk_emit_base(walk, walk->run_end, piece))
                return true;
            continue;
        }
        if (have_base && entry->type == run_type) {
            uint64_t to = base_bound(
                walk->base, walk->at, walk->run_end, entry->other, entry->number);
            if (to > walk->at) {
                if (walk_emit_base(walk, to, piece))
                    return true;
                continue;
            }
            walk->at += entry->created == STAMP_BASE;
        }
        walk->entry++;
        if (!stamp_is_visible(entry->created, walk->snapshot, walk->txid) ||
            stamp_is_visible(entry->deleted, walk->snapshot, walk->txid))
            continue;
        *piece = (struct list_piece){.type = entry->type, .count = 1, .entry = entry};
        return true;
    }
}
