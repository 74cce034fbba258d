/* Columns of properties: one per kind of entity and key, cut by partition and chunk of 256 ids.
 *
 *     column[key].parts[partition].slots[chunk] = { cells, versioned bits, type, capacity }
 *                                                      |
 *         INTEGER  | 17 | absent | 4 | ...             8 bytes each
 *         STRING   | -> size, bytes | absent | ...     8 bytes each
 *         MIXED    | struct value | struct value | ... 16 bytes each
 *
 * Invariants
 *  1. A cell is what everybody sees of a property, unless its versioned bit is set: then a chain has
 *     versions that go before it.
 *  2. Cells of an entity that nobody sees are absent: a deletion writes absent versions. So reading a
 *     property need not look at the entity.
 *  3. A key is in the key list of a chunk when, and only when, it has a slot there. */
#include <string.h>

#include "shards/store/column.h"
#include "shards/store/state.h"

enum { CAPACITY_BITS_FIRST = 4 };

struct column_slot *
column_slot_lookup(const struct store *store, enum entity entity, uint32_t key, uint64_t id)
{
    if (key >= store->column_count[entity] || !store->columns[entity][key])
        return NULL;
    const struct column_part *part = &store->columns[entity][key]->parts[partition_of(id)];
    uint64_t chunk = id_local(id) >> CHUNK_BITS;
    return chunk < part->count ? &part->slots[chunk] : NULL;
}

const struct key_list *
key_list_lookup(const struct store *store, enum entity entity, uint64_t id)
{
    const struct partition *partition = &store->partitions[partition_of(id)];
    uint64_t chunk = id_local(id) >> CHUNK_BITS;
    return chunk < partition->key_list_count[entity] ? &partition->key_lists[entity][chunk] : NULL;
}

static bool
key_list_add(struct store *store, enum entity entity, uint32_t key, uint64_t id)
{
    struct partition *partition = &store->partitions[partition_of(id)];
    uint64_t chunk = id_local(id) >> CHUNK_BITS;
    if (!array_grow(
            &store->pool, (void **)&partition->key_lists[entity],
            &partition->key_list_count[entity], chunk + 1, sizeof(struct key_list)))
        return false;
    struct key_list *list = &partition->key_lists[entity][chunk];
    uint32_t at = 0;
    while (at < list->count && list->keys[at] < key)
        at++;
    if (at < list->count && list->keys[at] == key)
        return true;
    if (!array_grow(
            &store->pool, (void **)&list->keys, &list->capacity, list->count + UINT64_C(1),
            sizeof(uint32_t)))
        return false;
    memmove(list->keys + at + 1, list->keys + at, (list->count - at) * sizeof(uint32_t));
    list->keys[at] = key;
    list->count++;
    return true;
}

struct column_slot *
column_slot_make(struct store *store, enum entity entity, uint32_t key, uint64_t id)
{
    if (!array_grow(
            &store->pool, (void **)&store->columns[entity], &store->column_count[entity],
            key + UINT64_C(1), sizeof(struct column *)))
        return NULL;
    struct column **column = &store->columns[entity][key];
    if (!*column)
        *column = pool_zeroed(&store->pool, sizeof(struct column));
    if (!*column)
        return NULL;
    struct column_part *part = &(*column)->parts[partition_of(id)];
    uint64_t chunk = id_local(id) >> CHUNK_BITS;
    if (!array_grow(
            &store->pool, (void **)&part->slots, &part->count, chunk + 1,
            sizeof(struct column_slot)))
        return NULL;
    if (!key_list_add(store, entity, key, id))
        return NULL;
    return &part->slots[chunk];
}

struct value
cell_base(const struct column_slot *slot, uint64_t id)
{
    uint64_t index = id_local(id) & (CHUNK_COUNT - 1);
    if (slot->type == SLOT_EMPTY || index >> slot->capacity_bits)
        return value_null();
    if (slot->type == SLOT_MIXED)
        return ((const struct value *)slot->cells)[index];
    return cell_value(slot->type, ((const uint64_t *)slot->cells)[index]);
}

static bool
type_fits_word(uint8_t type)
{
    return type == VALUE_BOOLEAN || type == VALUE_INTEGER || type == VALUE_FLOAT ||
           type == VALUE_STRING || type == VALUE_DATE || type == VALUE_LOCAL_TIME;
}

static size_t
slot_cells_size(uint8_t type, uint8_t capacity_bits)
{
    return (size_t)(type == SLOT_MIXED ? sizeof(struct value) : sizeof(uint64_t)) << capacity_bits;
}

/* Gives the slot cells of `type` and at least `capacity_bits`, converting what is there. */
static bool
slot_remake(struct store *store, struct column_slot *slot, uint8_t type, uint8_t capacity_bits)
{
    void *cells = pool_allocate(&store->pool, slot_cells_size(type, capacity_bits));
    if (!cells)
        return false;
    for (uint64_t i = 0; i < UINT64_C(1) << capacity_bits; i++) {
        struct value value = cell_base(slot, i << PARTITION_BITS);
        if (type == SLOT_MIXED)
            ((struct value *)cells)[i] = value;
        else
            ((uint64_t *)cells)[i] = value_is_null(value) ? CELL_ABSENT : value.word;
    }
    if (slot->type != SLOT_EMPTY)
        pool_release(&store->pool, slot->cells, slot_cells_size(slot->type, slot->capacity_bits));
    slot->cells = cells;
    slot->type = type;
    slot->capacity_bits = capacity_bits;
    return true;
}

static uint8_t
bits_for(const struct column_slot *slot, uint64_t index)
{
    uint8_t bits = slot->type == SLOT_EMPTY ? CAPACITY_BITS_FIRST : slot->capacity_bits;
    while (index >> bits)
        bits = bits + 2 > CHUNK_BITS ? CHUNK_BITS : (uint8_t)(bits + 2);
    return bits;
}

err_t
cell_base_set(struct store *store, struct column_slot *slot, uint64_t id, struct value value)
{
    uint64_t index = id_local(id) & (CHUNK_COUNT - 1);
    bool absent = value_is_null(value);
    if (absent && (slot->type == SLOT_EMPTY || index >> slot->capacity_bits))
        return 0;
    uint8_t type = slot->type;
    if (!absent) {
        bool fits = type_fits_word(value.type) && value.word != CELL_ABSENT;
        if (type == SLOT_EMPTY)
            type = fits ? value.type : SLOT_MIXED;
        else if (type != value.type || !fits)
            type = SLOT_MIXED;
    }
    uint8_t bits = bits_for(slot, index);
    if ((type != slot->type || bits != slot->capacity_bits) &&
        !slot_remake(store, slot, type, bits))
        return ERR(MEMORY_POOL);
    value_disown(&store->pool, cell_base(slot, id));
    if (type == SLOT_MIXED)
        ((struct value *)slot->cells)[index] = value;
    else
        ((uint64_t *)slot->cells)[index] = absent ? CELL_ABSENT : value.word;
    return 0;
}

struct value
cell_read(struct store *store, enum entity entity, uint32_t key, uint64_t id, struct view view)
{
    const struct column_slot *slot = column_slot_lookup(store, entity, key, id);
    if (!slot)
        return value_null();
    if (slot_is_versioned(slot, id)) {
        const struct version *version = chain_visible(
            chain_lookup(store, cell_item(entity, key), id), view);
        if (version)
            return version->value;
    }
    return cell_base(slot, id);
}

uint32_t
entity_properties(
    struct store *store,
    enum entity entity,
    uint64_t id,
    struct view view,
    struct property *out,
    uint32_t max)
{
    const struct key_list *list = key_list_lookup(store, entity, id);
    uint32_t count = 0;
    for (uint32_t i = 0; list && i < list->count; i++) {
        struct value value = cell_read(store, entity, list->keys[i], id, view);
        if (value_is_null(value))
            continue;
        if (count < max)
            out[count] = (struct property){.key = list->keys[i], .value = value};
        count++;
    }
    return count;
}

static void
slot_destroy(struct store *store, struct column_slot *slot)
{
    if (slot->type != SLOT_EMPTY) {
        for (uint64_t i = 0; i < UINT64_C(1) << slot->capacity_bits; i++)
            value_disown(&store->pool, cell_base(slot, i << PARTITION_BITS));
        pool_release(&store->pool, slot->cells, slot_cells_size(slot->type, slot->capacity_bits));
    }
    pool_release(&store->pool, slot->versioned, sizeof(uint64_t) * (CHUNK_COUNT / 64));
}

void
columns_destroy(struct store *store)
{
    for (int entity = 0; entity < ENTITY_COUNT; entity++) {
        for (uint32_t key = 0; key < store->column_count[entity]; key++) {
            struct column *column = store->columns[entity][key];
            for (uint32_t p = 0; column && p < PARTITION_COUNT; p++) {
                struct column_part *part = &column->parts[p];
                for (uint32_t i = 0; i < part->count; i++)
                    slot_destroy(store, &part->slots[i]);
                pool_release(&store->pool, part->slots, part->count * sizeof(struct column_slot));
            }
            if (column)
                pool_release(&store->pool, column, sizeof(*column));
        }
        pool_release(
            &store->pool, store->columns[entity],
            store->column_count[entity] * sizeof(struct column *));
    }
}
