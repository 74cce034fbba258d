/* Reading nodes, one at a time and in columns.
 *
 * The column forms work in groups: find where each row's cell or record is and ask for its cache line; load
 * all of them in a loop that does nothing else, so that many misses are under way at once; then look. The
 * prefetch helps while the addresses are computed, the loads where the TLB drops prefetches (expand.c). */
#include <math.h>

#include "shards/store/column.h"
#include "shards/store/state.h"

enum { GROUP = 128 };

struct node_state
node_state(struct store *store, const struct node_record *record, uint64_t node, struct view view)
{
    if (!record)
        return (struct node_state){0, false};
    if (record->flags & NODE_VERSIONED) {
        const struct version *version = chain_visible(chain_lookup(store, CHAIN_NODE, node), view);
        if (version)
            return (struct node_state){version->label_set, version->exists};
    }
    return (struct node_state){record->label_set, (record->flags & NODE_EXISTS) != 0};
}

static struct node_state
node_state_of(struct store *store, node_id node, struct view view)
{
    return node_state(store, node_record_lookup(store, node.id), node.id, view);
}

bool
store_node_exists(struct store *store, struct view view, node_id node)
{
    return node_state_of(store, node, view).exists;
}

uint32_t
store_node_labels(struct store *store, struct view view, node_id node, uint32_t *out, uint32_t max)
{
    struct node_state state = node_state_of(store, node, view);
    if (!state.exists || state.label_set == 0)
        return 0;
    const struct label_set *set = store->label_sets[state.label_set];
    for (uint32_t i = 0; i < set->count && i < max; i++)
        out[i] = set->tokens[i];
    return set->count;
}

bool
store_node_has_label(struct store *store, struct view view, node_id node, uint32_t label)
{
    struct node_state state = node_state_of(store, node, view);
    return state.exists && label_set_has(store, state.label_set, label);
}

struct value
store_node_property(struct store *store, struct view view, node_id node, uint32_t key)
{
    return cell_read(store, ENTITY_NODE, key, node.id, view);
}

uint32_t
store_node_properties(
    struct store *store, struct view view, node_id node, struct property *out, uint32_t max)
{
    return entity_properties(store, ENTITY_NODE, node.id, view, out, max);
}

/* --- columns --- */

/* Where the cell of one row is. `cell` is NULL when there is none, or when versions go before it. */
struct cell_place {
    const struct column_slot *slot;
    const void *cell;
};

/* Finds the cells of a group and asks for their lines. */
static void
places_find(
    const struct column *column, const uint64_t *nodes, uint32_t count, struct cell_place *places)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct column_part *part = &column->parts[partition_of(nodes[i])];
        uint64_t local = id_local(nodes[i]), chunk = local >> CHUNK_BITS,
                 index = local & (CHUNK_COUNT - 1);
        places[i] = (struct cell_place){NULL, NULL};
        if (chunk >= part->count)
            continue;
        const struct column_slot *slot = &part->slots[chunk];
        places[i].slot = slot;
        if (slot->type == SLOT_EMPTY || index >> slot->capacity_bits)
            continue;
        places[i].cell = (const char *)slot->cells + (index << (slot->type == SLOT_MIXED ? 4 : 3));
        __builtin_prefetch(places[i].cell);
    }
}

static struct value
place_read(
    struct store *store, uint32_t key, uint64_t node, struct cell_place place, struct view view)
{
    if (!place.slot)
        return value_null();
    if (slot_is_versioned(place.slot, node)) {
        const struct version *version = chain_visible(
            chain_lookup(store, cell_item(ENTITY_NODE, key), node), view);
        if (version)
            return version->value;
    }
    if (!place.cell)
        return value_null();
    if (place.slot->type == SLOT_MIXED)
        return *(const struct value *)place.cell;
    return cell_value(place.slot->type, *(const uint64_t *)place.cell);
}

static const struct column *
node_column(const struct store *store, uint32_t key)
{
    return key < store->column_count[ENTITY_NODE] ? store->columns[ENTITY_NODE][key] : NULL;
}

void
store_node_property_column(
    struct store *store,
    struct view view,
    const uint64_t *nodes,
    uint32_t count,
    uint32_t key,
    struct value *out)
{
    const struct column *column = node_column(store, key);
    struct cell_place places[GROUP];
    for (uint32_t from = 0; from < count; from += GROUP) {
        uint32_t group = count - from < GROUP ? count - from : GROUP;
        if (column)
            places_find(column, nodes + from, group, places);
        for (uint32_t i = 0; i < group; i++)
            out[from + i] = column ? place_read(store, key, nodes[from + i], places[i], view)
                                   : value_null();
    }
}

/* Loads what the records of a group say, in one go; no record is a record that says nothing. */
static void
records_load(
    const struct store *store, const uint64_t *nodes, uint32_t count, struct node_record *out)
{
    static const struct node_record none;
    const struct node_record *records[GROUP];
    for (uint32_t i = 0; i < count; i++) {
        const struct node_record *record = node_record_lookup(store, nodes[i]);
        records[i] = record ? record : &none;
        __builtin_prefetch(&records[i]->label_set);
    }
    for (uint32_t i = 0; i < count; i++) {
        out[i].label_set = records[i]->label_set;
        out[i].flags = records[i]->flags;
    }
}

uint32_t
store_node_select_label(
    struct store *store,
    struct view view,
    const uint64_t *nodes,
    uint32_t count,
    uint32_t label,
    uint32_t *selected)
{
    struct node_record records[GROUP];
    uint32_t selected_count = 0, known_set = 0;
    bool known_has = label == LABEL_ANY;
    for (uint32_t from = 0; from < count; from += GROUP) {
        uint32_t group = count - from < GROUP ? count - from : GROUP;
        records_load(store, nodes + from, group, records);
        for (uint32_t i = 0; i < group; i++) {
            struct node_state state = node_state(store, &records[i], nodes[from + i], view);
            if (state.label_set != known_set) {
                known_set = state.label_set;
                known_has = label == LABEL_ANY || label_set_has(store, known_set, label);
            }
            selected[selected_count] = from + i;
            selected_count += state.exists && known_has;
        }
    }
    return selected_count;
}

/* --- comparing with a constant --- */

static bool
order_passes(int order, enum compare compare)
{
    switch (compare) {
    case COMPARE_EQ:
        return order == 0;
    case COMPARE_NE:
        return order != 0;
    case COMPARE_LT:
        return order < 0;
    case COMPARE_LE:
        return order <= 0;
    case COMPARE_GT:
        return order > 0;
    case COMPARE_GE:
        return order >= 0;
    }
    return false;
}

/* Exact, also where a double cannot hold the integer. The double is not NaN. */
static int
order_integer_real(int64_t integer, double real)
{
    if (real >= 9223372036854775808.0)
        return -1;
    if (real < -9223372036854775808.0)
        return 1;
    int64_t whole = (int64_t)real;
    if (integer != whole)
        return integer < whole ? -1 : 1;
    double rest = real - (double)whole;
    return rest > 0 ? -1 : rest < 0;
}

static int
order_real(double a, double b)
{
    return (a > b) - (a < b);
}

static bool
value_is_number(struct value value)
{
    return value.type == VALUE_INTEGER || value.type == VALUE_FLOAT;
}

static bool
value_passes(struct value value, enum compare compare, struct value constant)
{
    int order;
    if (value_is_number(value) && value_is_number(constant)) {
        bool nan = (value.type == VALUE_FLOAT && isnan(value.real)) ||
                   (constant.type == VALUE_FLOAT && isnan(constant.real));
        if (nan)
            return compare == COMPARE_NE;
        if (value.type == VALUE_INTEGER && constant.type == VALUE_INTEGER)
            order = (value.integer > constant.integer) - (value.integer < constant.integer);
        else if (value.type == VALUE_INTEGER)
            order = order_integer_real(value.integer, constant.real);
        else if (constant.type == VALUE_INTEGER)
            order = -order_integer_real(constant.integer, value.real);
        else
            order = order_real(value.real, constant.real);
    } else if (value.type != constant.type) {
        return false;
    } else if (value.type == VALUE_STRING) {
        order = text_compare(value_text(value), value_text(constant));
    } else if (value.type == VALUE_BOOLEAN) {
        order = (int)value.boolean - (int)constant.boolean;
    } else {
        return false;
    }
    return order_passes(order, compare);
}

/* True when every cell of the group is a plain cell of the constant's type. */
static bool
places_are_plain(const struct cell_place *places, uint32_t count, uint8_t type)
{
    bool plain = true;
    for (uint32_t i = 0; i < count; i++)
        plain &= places[i].cell && places[i].slot->type == type && !places[i].slot->versioned;
    return plain;
}

#define SELECT_LOOP(condition)                                                                     \
    for (uint32_t i = 0; i < count; i++) {                                                         \
        int64_t cell = (int64_t)words[i];                                                          \
        selected[selected_count] = from + i;                                                       \
        selected_count += (uint32_t)(words[i] != CELL_ABSENT && (condition));                      \
    }                                                                                              \
    break

/* Branch-free: the position is written always and kept when it passes. */
static uint32_t
select_integers(
    const struct cell_place *places,
    uint32_t count,
    enum compare compare,
    int64_t constant,
    uint32_t from,
    uint32_t *selected)
{
    uint64_t words[GROUP];
    uint32_t selected_count = 0;
    for (uint32_t i = 0; i < count; i++)
        words[i] = *(const uint64_t *)places[i].cell;
    switch (compare) {
    case COMPARE_EQ:
        SELECT_LOOP(cell == constant);
    case COMPARE_NE:
        SELECT_LOOP(cell != constant);
    case COMPARE_LT:
        SELECT_LOOP(cell < constant);
    case COMPARE_LE:
        SELECT_LOOP(cell <= constant);
    case COMPARE_GT:
        SELECT_LOOP(cell > constant);
    case COMPARE_GE:
        SELECT_LOOP(cell >= constant);
    }
    return selected_count;
}

uint32_t
store_node_select_property(
    struct store *store,
    struct view view,
    const uint64_t *nodes,
    uint32_t count,
    uint32_t key,
    enum compare compare,
    struct value constant,
    uint32_t *selected)
{
    const struct column *column = node_column(store, key);
    struct cell_place places[GROUP];
    uint32_t selected_count = 0;
    for (uint32_t from = 0; column && from < count; from += GROUP) {
        uint32_t group = count - from < GROUP ? count - from : GROUP;
        places_find(column, nodes + from, group, places);
        if (constant.type == VALUE_INTEGER && places_are_plain(places, group, VALUE_INTEGER)) {
            selected_count += select_integers(
                places, group, compare, constant.integer, from, selected + selected_count);
            continue;
        }
        for (uint32_t i = 0; i < group; i++)
            if (value_passes(
                    place_read(store, key, nodes[from + i], places[i], view), compare, constant))
                selected[selected_count++] = from + i;
    }
    return selected_count;
}

/* --- scans --- */

enum { WORD_BITS = 64, CHUNK_WORDS = CHUNK_COUNT / WORD_BITS };

/* The nodes of 64 local ids that may be wanted: a bit each. */
static uint64_t
scan_word(const struct bitmap *bitmap, uint64_t at, uint64_t local_from)
{
    uint64_t word = UINT64_MAX;
    if (bitmap)
        word = at < bitmap->word_count ? bitmap->words[at] : 0;
    if (at == local_from / WORD_BITS)
        word &= UINT64_MAX << (local_from % WORD_BITS);
    return word;
}

/* Walks one partition from cursor->local; leaves cursor->local where it stopped. */
static uint32_t
scan_partition(
    struct store *store,
    struct view view,
    const struct bitmap *bitmap,
    uint32_t label,
    struct scan_cursor *cursor,
    uint64_t *out,
    uint32_t max,
    bool *ended)
{
    const struct node_chunks *nodes = &store->nodes[cursor->partition];
    uint64_t word_end = (uint64_t)nodes->count * CHUNK_WORDS;
    uint32_t count = 0, known_set = 0;
    bool known_has = label == LABEL_ANY;
    for (uint64_t at = cursor->local / WORD_BITS; at < word_end; at++) {
        const struct node_record *records = nodes->chunks[at / CHUNK_WORDS];
        uint64_t word = records ? scan_word(bitmap, at, cursor->local) : 0;
        for (; word; word &= word - 1) {
            uint64_t local = at * WORD_BITS + (uint64_t)__builtin_ctzll(word);
            uint64_t node = id_make(local, cursor->partition);
            struct node_state state = node_state(
                store, &records[local & (CHUNK_COUNT - 1)], node, view);
            if (state.label_set != known_set) {
                known_set = state.label_set;
                known_has = label == LABEL_ANY || label_set_has(store, known_set, label);
            }
            if (!state.exists || !known_has)
                continue;
            if (count == max) {
                cursor->local = local;
                *ended = false;
                return count;
            }
            out[count++] = node;
        }
    }
    *ended = true;
    return count;
}

uint32_t
store_scan_nodes(
    struct store *store,
    struct view view,
    uint32_t label,
    struct scan_cursor *cursor,
    uint64_t *out,
    uint32_t max)
{
    assert(max > 0);
    uint32_t count = 0;
    if (cursor->local ==
        0) { /* the beginning: partitions of this shard are index, index + count, ... */
        cursor->partition = cursor->partition < store->shard->index ? store->shard->index
                                                                    : cursor->partition;
        cursor->local = 1;
    }
    const struct label *bitmaps = NULL;
    if (label != LABEL_ANY) {
        bitmaps = label < store->label_count ? store->labels[label] : NULL;
        cursor->done |= !bitmaps; /* nobody has it */
    }
    while (!cursor->done) {
        bool ended;
        const struct bitmap *bitmap = bitmaps ? &bitmaps->parts[cursor->partition] : NULL;
        count += scan_partition(
            store, view, bitmap, label, cursor, out + count, max - count, &ended);
        if (!ended)
            break;
        cursor->local = 1;
        cursor->partition += store->shard->count;
        cursor->done = cursor->partition >= PARTITION_COUNT;
    }
    return count;
}
