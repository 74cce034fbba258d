/* Expanding nodes along their adjacency lists.
 *
 * A batch of random nodes waits for memory three times per node: for the record, for the head of the list,
 * for the rest of the list. Rows are taken in groups, and each of the three is loaded for the whole group
 * in a loop of its own, in which nothing depends on the load before; so the processor has a dozen misses
 * under way at once. Plain loads, not prefetch instructions: those are dropped when the address misses the
 * first-level TLB, which for a large graph is always (measured: 80 M edges/s without either, 130 M with
 * prefetch, 350-460 M with loads).
 *
 *     records[i] = address        lists[i] = record->out        head of list        its second line
 *     (tables in cache)           (miss)                        (miss)              (miss)
 *
 * A clean list that is wanted whole is copied; anything else goes through list_walk. */
#include "shards/store/state.h"

enum { GROUP_MAX = 64, GROUP_MIN = 8, LINE_SIZE = 64, DEGREE_USUAL = 16 };

/* One side of one source row being written out. */
struct expansion {
    struct store *store;
    struct view view;
    const uint32_t *types;
    uint32_t type_count;
    struct expand_output *out;
    uint32_t written, max;
    uint32_t row;
    uint64_t skip;    /* visible entries still to be passed over */
    uint32_t emitted; /* of this row, by this call */
};

static void
copy_others(uint64_t *out, const struct base *base, uint64_t from, uint32_t count)
{
    if (base->flags & BASE_OTHERS_WIDE) {
        const uint64_t *others = (const uint64_t *)base_others(base) + from;
        for (uint32_t i = 0; i < count; i++)
            out[i] = others[i];
    } else {
        const uint32_t *others = (const uint32_t *)base_others(base) + from;
        for (uint32_t i = 0; i < count; i++)
            out[i] = others[i];
    }
}

/* A relationship lives in the partition of its start node: the source's, or the other's. */
static void
copy_rels(
    uint64_t *out,
    const struct base *base,
    uint64_t from,
    uint32_t count,
    uint64_t source,
    bool incoming)
{
    for (uint32_t i = 0; i < count; i++) {
        uint64_t start = incoming ? base_other(base, from + i) : source;
        out[i] = id_make(base_number(base, from + i), partition_of(start));
    }
}

static void
fill_u32(uint32_t *out, uint32_t count, uint32_t value)
{
    for (uint32_t i = 0; i < count; i++)
        out[i] = value;
}

/* Columns that are the same for a stretch of one type. */
static void
write_plain(struct expansion *expansion, uint32_t count, uint32_t type, bool incoming)
{
    struct expand_output *out = expansion->out;
    uint32_t at = expansion->written;
    if (out->source_rows)
        fill_u32(out->source_rows + at, count, expansion->row);
    if (out->types)
        fill_u32(out->types + at, count, type);
    if (out->directions)
        memset(out->directions + at, incoming ? DIRECTION_IN : DIRECTION_OUT, count);
    expansion->written += count;
    expansion->emitted += count;
}

/* Writes a stretch of a base as far as there is room. */
static void
write_base(
    struct expansion *expansion,
    const struct base *base,
    uint64_t from,
    uint64_t count,
    uint32_t type,
    uint64_t source,
    bool incoming)
{
    if (expansion->skip >= count) {
        expansion->skip -= count;
        return;
    }
    from += expansion->skip;
    count -= expansion->skip;
    expansion->skip = 0;
    uint32_t room = expansion->max - expansion->written;
    uint32_t taken = count < room ? (uint32_t)count : room;
    struct expand_output *out = expansion->out;
    if (out->others)
        copy_others(out->others + expansion->written, base, from, taken);
    if (out->rels)
        copy_rels(out->rels + expansion->written, base, from, taken, source, incoming);
    write_plain(expansion, taken, type, incoming);
}

static void
write_entry(struct expansion *expansion, const struct entry *entry, uint64_t source, bool incoming)
{
    if (expansion->skip) {
        expansion->skip--;
        return;
    }
    struct expand_output *out = expansion->out;
    if (out->others)
        out->others[expansion->written] = entry->other;
    if (out->rels)
        out->rels[expansion->written] = id_make(
            entry->number, partition_of(incoming ? entry->other : source));
    write_plain(expansion, 1, entry->type, incoming);
}

static void
expand_walk(struct expansion *expansion, struct list_walk *walk, uint64_t source, bool incoming)
{
    struct list_piece piece;
    while (expansion->written < expansion->max && list_walk_next(walk, &piece)) {
        if (piece.entry)
            write_entry(expansion, piece.entry, source, incoming);
        else
            write_base(
                expansion, walk->base, piece.from, piece.count, piece.type, source, incoming);
    }
}

static bool
type_is_wanted(const struct expansion *expansion, uint32_t type)
{
    bool wanted = expansion->type_count == 0;
    for (uint32_t i = 0; i < expansion->type_count; i++)
        wanted |= expansion->types[i] == type;
    return wanted;
}

/* The wanted runs of a clean list. */
static void
expand_runs(struct expansion *expansion, const struct base *base, uint64_t source, bool incoming)
{
    uint64_t from = 0;
    for (uint32_t i = 0; i < base->run_count && expansion->written < expansion->max; i++) {
        const struct base_run *run = &base->runs[i];
        if (type_is_wanted(expansion, run->type))
            write_base(expansion, base, from, run->count, run->type, source, incoming);
        from += run->count;
    }
}

/* What is visible of a list, as far as there is room. A clean list needs no walk, unless loops in it are to
 * be left out. */
static void
expand_list(
    struct expansion *expansion, uint64_t list, uint64_t source, bool incoming, bool skip_self)
{
    if (!list || expansion->written == expansion->max)
        return;
    const struct base *base = list_base(list);
    if (!list_is_dirty(list) && !(skip_self && (base->flags & BASE_HAS_SELF))) {
        if (expansion->type_count == 0 && !expansion->out->types)
            write_base(expansion, base, 0, base->count, 0, source, incoming);
        else
            expand_runs(expansion, base, source, incoming);
        return;
    }
    struct list_walk walk;
    list_walk_begin(
        &walk, &expansion->store->pool, list, expansion->view.snapshot, expansion->view.txid,
        expansion->types, expansion->type_count);
    walk.skip_self = skip_self;
    walk.other = source;
    expand_walk(expansion, &walk, source, incoming);
}

/* Lists of a group of rows, in cache. */
struct expand_group {
    uint32_t first, count;
    uint64_t lists[2][GROUP_MAX]; /* OUT, IN */
};

static void
group_touch(const uint64_t *lists, uint32_t count, bool with_numbers)
{
    static const struct base none;
    uint64_t heads[GROUP_MAX];
    for (uint32_t i = 0; i < count; i++) {
        uint64_t list = lists[i] ? lists[i] & ~UINT64_C(1) : (uint64_t)(uintptr_t)&none;
        heads[i] = *(const volatile uint64_t *)(uintptr_t)list;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (list_is_dirty(lists[i]) || !lists[i])
            continue;
        const struct base *base = (const struct base *)(uintptr_t)lists[i];
        uint32_t entry_count = (uint32_t)heads[i];
        if (entry_count < LINE_SIZE / 8)
            continue;
        const volatile char *bytes = (const volatile char *)base;
        (void)bytes[LINE_SIZE];
        if (with_numbers)
            (void)bytes[base_numbers_offset(base) + entry_count * 4 - 1];
    }
}

/* Loads the lists of the rows from `first` on. */
static void
group_load(
    struct expand_group *group,
    const struct store *store,
    const uint64_t *nodes,
    uint32_t count,
    enum direction direction,
    bool with_numbers)
{
    static const struct node_record none;
    const struct node_record *records[GROUP_MAX];
    group->count = count;
    for (uint32_t i = 0; i < count; i++) {
        const struct node_record *record = node_record_lookup(store, nodes[i]);
        records[i] = record ? record : &none;
    }
    for (uint32_t i = 0; i < count; i++) {
        group->lists[0][i] = direction & DIRECTION_OUT ? records[i]->out : 0;
        group->lists[1][i] = direction & DIRECTION_IN ? records[i]->in : 0;
    }
    if (direction & DIRECTION_OUT)
        group_touch(group->lists[0], count, with_numbers);
    if (direction & DIRECTION_IN)
        group_touch(group->lists[1], count, with_numbers);
}

/* As many rows as will probably fill the output. */
static uint32_t
group_size(uint32_t rows_left, uint32_t room)
{
    uint32_t size = room / DEGREE_USUAL;
    size = size < GROUP_MIN ? GROUP_MIN : size > GROUP_MAX ? GROUP_MAX : size;
    return size < rows_left ? size : rows_left;
}

uint32_t
store_expand(
    struct store *store,
    struct view view,
    const uint64_t *nodes,
    uint32_t count,
    enum direction direction,
    const uint32_t *types,
    uint32_t type_count,
    struct expand_cursor *cursor,
    struct expand_output *out,
    uint32_t max)
{
    assert(max > 0);
    struct expansion expansion = {
        .store = store,
        .view = view,
        .types = types,
        .type_count = type_count,
        .out = out,
        .max = max};
    struct expand_group group;
    uint32_t row = cursor->row;
    while (row < count) {
        group.first = row;
        group_load(
            &group, store, nodes + row, group_size(count - row, max - expansion.written), direction,
            out->rels != NULL);
        for (; row < group.first + group.count; row++) {
            uint32_t at = row - group.first;
            expansion.row = row;
            expansion.skip = cursor->skip;
            expansion.emitted = 0;
            expand_list(&expansion, group.lists[0][at], nodes[row], false, false);
            expand_list(
                &expansion, group.lists[1][at], nodes[row], true, direction == DIRECTION_BOTH);
            if (expansion.written == expansion.max) {
                cursor->row = row;
                cursor->skip += expansion.emitted;
                return expansion.written;
            }
            cursor->skip = 0;
        }
    }
    cursor->row = count;
    cursor->done = true;
    return expansion.written;
}

uint32_t
store_expand_into(
    struct store *store,
    struct view view,
    node_id node,
    node_id other,
    enum direction direction,
    const uint32_t *types,
    uint32_t type_count,
    struct expand_cursor *cursor,
    struct expand_output *out,
    uint32_t max)
{
    assert(max > 0);
    struct expansion expansion = {
        .store = store,
        .view = view,
        .types = types,
        .type_count = type_count,
        .out = out,
        .max = max};
    expansion.skip = cursor->skip;
    for (int side = 0; side < 2 && expansion.written < max; side++) {
        bool incoming = side == 1;
        if (!(direction & (incoming ? DIRECTION_IN : DIRECTION_OUT)))
            continue;
        if (incoming && direction == DIRECTION_BOTH && node.id == other.id)
            continue; /* a self-loop is seen once */
        const uint64_t *list = node_list(store, node.id, incoming);
        if (!list || !*list)
            continue;
        struct list_walk walk;
        list_walk_begin(&walk, &store->pool, *list, view.snapshot, view.txid, types, type_count);
        walk.only_other = true;
        walk.other = other.id;
        expand_walk(&expansion, &walk, node.id, incoming);
    }
    cursor->skip += expansion.emitted;
    cursor->done = expansion.written < max;
    return expansion.written;
}

uint64_t
store_degree(
    struct store *store,
    struct view view,
    node_id node,
    enum direction direction,
    const uint32_t *types,
    uint32_t type_count)
{
    uint64_t degree = 0;
    for (int side = 0; side < 2; side++) {
        bool incoming = side == 1;
        if (!(direction & (incoming ? DIRECTION_IN : DIRECTION_OUT)))
            continue;
        const uint64_t *list = node_list(store, node.id, incoming);
        if (!list || !*list)
            continue;
        struct list_walk walk;
        list_walk_begin(&walk, &store->pool, *list, view.snapshot, view.txid, types, type_count);
        walk.skip_self = incoming && direction == DIRECTION_BOTH;
        walk.other = node.id;
        struct list_piece piece;
        while (list_walk_next(&walk, &piece))
            degree += piece.count;
    }
    return degree;
}
