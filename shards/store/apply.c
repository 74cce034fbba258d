/* Applying one operation as intents of a transaction.
 *
 * Who may write what (first committer wins; the other transaction's open intent is ERR(DEADLOCK), its
 * commit after our snapshot ERR(CONFLICT)):
 *
 *                        existence   labels       property k   another key   list entry
 *     node delete        conflicts   conflicts    conflicts    conflicts     conflicts
 *     labels             conflicts   conflicts    if indexed   -             -
 *     property k         conflicts   conflicts    conflicts    -             -
 *     rel create/attach  if deleted  -            -            -             -
 *     rel delete         that relationship and its properties
 *
 * Labels and properties of one node conflict through the node's chain (and through the cells an index
 * needs), because the entries of an index follow from both.
 *
 * Invariants
 *  1. An operation is applied whole or leaves no trace: each step records its intent, and an error takes
 *     back the intents since the operation began.
 *  2. A relationship is created only at nodes whose existence nobody is taking away; a node is deleted
 *     only when its lists are empty for everybody, so no entry can hang on a node that is gone. The list
 *     entry itself is the shared existence intent. */
#include <string.h>

#include "shards/store/state.h"

struct apply {
    struct store *store;
    struct store_txn *txn;
    struct view view;
    uint64_t stamp;
    struct arena *arena;
    struct operation_outcome *outcome;
    struct operation *index_operations;
    uint32_t index_operation_capacity;
};

/* --- conflicts --- */

static err_t
blocked(struct apply *apply, uint64_t stamp)
{
    apply->outcome->blocking_txid = stamp & ~STAMP_INTENT;
    return ERR(DEADLOCK);
}

/* A version with this stamp goes before what we saw: is that in our way? */
static err_t
stamp_check(struct apply *apply, uint64_t stamp)
{
    if (stamp_is_visible(stamp, apply->view.snapshot, apply->view.txid))
        return 0;
    return stamp_is_intent(stamp) ? blocked(apply, stamp) : ERR(CONFLICT);
}

static err_t
chain_check(struct apply *apply, uint32_t item, uint64_t id)
{
    const struct chain *chain = chain_lookup(apply->store, item, id);
    return chain ? stamp_check(apply, chain->newest->stamp) : 0;
}

static err_t
cell_check(struct apply *apply, enum entity entity, uint32_t key, uint64_t id)
{
    const struct column_slot *slot = column_slot_lookup(apply->store, entity, key, id);
    if (!slot || !slot_is_versioned(slot, id))
        return 0;
    return chain_check(apply, cell_item(entity, key), id);
}

/* The node as we see it. Its existence must not be changing under us; with `labels`, its labels neither. */
static err_t
node_check(struct apply *apply, uint64_t node, bool labels, struct node_state *state)
{
    const struct node_record *record = node_record_lookup(apply->store, node);
    *state = node_state(apply->store, record, node, apply->view);
    if (record && (record->flags & NODE_VERSIONED)) {
        const struct version *version = chain_lookup(apply->store, CHAIN_NODE, node)->newest;
        for (; version; version = version->older) {
            err_t err = stamp_check(apply, version->stamp);
            if (!err)
                break;
            if (labels || version->exists != state->exists)
                return state->exists ? err : ERR(ENTITY_NOT_FOUND);
        }
    }
    return state->exists ? 0 : ERR(ENTITY_NOT_FOUND);
}

/* Whether a list has entries besides those of `but` (0: besides none) in the newest state, as far as we
 * may know it. */
static err_t
list_alive_check(
    struct apply *apply, uint64_t list, uint64_t but, bool *alive, uint64_t *alive_other)
{
    const struct base *base = list_base(list);
    const struct delta *delta = list_delta(list);
    uint64_t base_alive = base ? base->count : 0;
    *alive = false;
    for (uint32_t i = 0; delta && i < delta->count; i++) {
        const struct entry *entry = &delta->entries[i];
        base_alive -= entry->created == STAMP_BASE;
        if (but && entry->other == but)
            continue;
        err_t created = stamp_check(apply, entry->created);
        if (created && (stamp_is_intent(entry->created) || entry->deleted == STAMP_NEVER))
            return created;
        if (entry->deleted == STAMP_NEVER) {
            *alive = true;
            *alive_other = entry->other;
            continue;
        }
        err_t deleted = stamp_check(apply, entry->deleted);
        if (deleted)
            return deleted;
    }
    if (base_alive == 0)
        return 0;
    for (uint64_t i = 0; i < base->count && !*alive; i++) {
        uint64_t other = base_other(base, i);
        struct key key = {.other = other, .number = base_number(base, i), .type = 0};
        if (but && other == but)
            continue;
        if (but && delta && delta_find(&apply->store->pool, list_delta(list), key))
            continue;
        *alive = true;
        *alive_other = other;
    }
    return 0;
}

/* --- intents --- */

static err_t
push_node(struct apply *apply, uint64_t node, bool exists, uint32_t label_set)
{
    struct intent *intent = intent_open(apply->store, apply->txn);
    if (!intent || !node_record_make(apply->store, node))
        return ERR(MEMORY_POOL);
    err_t err = label_bits_set(apply->store, label_set, node);
    if (err)
        return err;
    struct chain *chain;
    struct version *version = chain_push(apply->store, CHAIN_NODE, node, apply->stamp, &chain);
    if (!version)
        return ERR(MEMORY_POOL);
    version->exists = exists;
    version->label_set = label_set;
    *intent = (struct intent){.kind = INTENT_NODE, .chain = chain, .version = version};
    intent_keep(apply->txn);
    return 0;
}

static err_t
push_cell(struct apply *apply, enum entity entity, uint32_t key, uint64_t id, struct value value)
{
    struct store *store = apply->store;
    err_t err = cell_check(apply, entity, key, id);
    if (err)
        return err;
    struct value owned;
    err = value_own(&store->pool, value, &owned);
    if (err)
        return err;
    struct intent *intent = intent_open(store, apply->txn);
    struct chain *chain;
    struct version *version = NULL;
    if (intent && column_slot_make(store, entity, key, id))
        version = chain_push(store, cell_item(entity, key), id, apply->stamp, &chain);
    if (!version) {
        value_disown(&store->pool, owned);
        return ERR(MEMORY_POOL);
    }
    version->value = owned;
    *intent = (struct intent){.kind = INTENT_CELL, .chain = chain, .version = version};
    intent_keep(apply->txn);
    return 0;
}

static err_t
entry_create(
    struct apply *apply, uint64_t *list, enum list_kind kind, uint64_t owner, struct key key)
{
    struct store *store = apply->store;
    struct intent *intent = intent_open(store, apply->txn);
    struct delta *delta = list_delta_make(&store->pool, list, kind, owner);
    if (!intent || !delta)
        return ERR(MEMORY_POOL);
    dirty_add(store, &delta->dirty, DIRTY_LIST);
    struct entry entry = {
        .other = key.other,
        .number = key.number,
        .type = key.type,
        .created = apply->stamp,
        .deleted = STAMP_NEVER,
    };
    err_t err = delta_insert(&store->pool, delta, entry);
    if (err)
        return err;
    *intent = (struct intent){
        .kind = INTENT_ENTRY_CREATE,
        .type = key.type,
        .list = list,
        .other = key.other,
        .number = key.number};
    intent_keep(apply->txn);
    return 0;
}

/* Ends the entry, which the view must see. */
static err_t
entry_delete(
    struct apply *apply, uint64_t *list, enum list_kind kind, uint64_t owner, struct key key)
{
    struct store *store = apply->store;
    if (!list || !*list)
        return ERR(ENTITY_NOT_FOUND);
    struct delta *delta = list_delta(*list);
    struct entry *entry = delta ? delta_find(&store->pool, delta, key) : NULL;
    if (entry) {
        if (!stamp_is_visible(entry->created, apply->view.snapshot, apply->view.txid))
            return ERR(ENTITY_NOT_FOUND);
        if (stamp_is_visible(entry->deleted, apply->view.snapshot, apply->view.txid))
            return ERR(ENTITY_NOT_FOUND);
        if (entry->deleted != STAMP_NEVER)
            return stamp_check(apply, entry->deleted);
    } else if (!base_has(list_base(*list), key)) {
        return ERR(ENTITY_NOT_FOUND);
    }
    struct intent *intent = intent_open(store, apply->txn);
    if (!intent)
        return ERR(MEMORY_POOL);
    if (entry) {
        entry->deleted = apply->stamp;
    } else {
        delta = list_delta_make(&store->pool, list, kind, owner);
        if (!delta)
            return ERR(MEMORY_POOL);
        dirty_add(store, &delta->dirty, DIRTY_LIST);
        struct entry shadow = {
            .other = key.other,
            .number = key.number,
            .type = key.type,
            .created = STAMP_BASE,
            .deleted = apply->stamp,
        };
        err_t err = delta_insert(&store->pool, delta, shadow);
        if (err)
            return err;
    }
    *intent = (struct intent){
        .kind = INTENT_ENTRY_DELETE,
        .type = key.type,
        .list = list,
        .other = key.other,
        .number = key.number};
    intent_keep(apply->txn);
    return 0;
}

/* --- index entries that follow --- */

static err_t
index_operation_add(
    struct apply *apply, uint8_t type, uint32_t index, uint64_t node, struct value value)
{
    struct operation_outcome *outcome = apply->outcome;
    if (!value_is_indexable(value))
        return 0;
    if (outcome->index_operation_count == apply->index_operation_capacity) {
        uint32_t capacity = apply->index_operation_capacity ? apply->index_operation_capacity * 2
                                                            : 8;
        struct operation *grown = arena_zeroed(apply->arena, capacity * sizeof(*grown));
        if (!grown)
            return ERR(MEMORY_POOL);
        if (outcome->index_operation_count)
            memcpy(grown, apply->index_operations, outcome->index_operation_count * sizeof(*grown));
        apply->index_operations = grown;
        apply->index_operation_capacity = capacity;
        outcome->index_operations = grown;
    }
    assert(apply->index_operations);
    struct operation *operation = &apply->index_operations[outcome->index_operation_count];
    *operation = (struct operation){.type = type, .index = index, .node = {node}};
    if (!value_copy_deep(apply->arena, value, &operation->value))
        return ERR(MEMORY_POOL);
    outcome->index_operation_count++;
    return 0;
}

static const struct index_info *
index_at(const struct apply *apply, uint32_t position)
{
    const struct catalog *catalog = apply->store->shard->catalog;
    return catalog ? catalog_index_at(catalog, position) : NULL;
}

/* A transaction that wrote here before it heard of an index does not maintain it: the population waits for
 * its end and reads what it left. */
static bool
index_is_maintained(const struct apply *apply, const struct index_info *index)
{
    const struct store *store = apply->store;
    return index->id >= store->index_since_count ||
           apply->txn->sequence > store->index_since[index->id];
}

/* The property of a node with these labels goes from one value to another. */
static err_t
index_follow_property(
    struct apply *apply,
    uint64_t node,
    uint32_t label_set,
    uint32_t key,
    struct value from,
    struct value to)
{
    const struct index_info *index;
    err_t err = 0;
    if (values_index_equal(from, to))
        return 0;
    for (uint32_t i = 0; !err && (index = index_at(apply, i)); i++) {
        if (index->key != key || !index_is_maintained(apply, index) ||
            !label_set_has(apply->store, label_set, index->label))
            continue;
        err = index_operation_add(apply, OPERATION_INDEX_REMOVE, index->id, node, from);
        if (!err)
            err = index_operation_add(apply, OPERATION_INDEX_ADD, index->id, node, to);
    }
    return err;
}

/* The labels of a node go from one set to another, its properties stay. */
static err_t
index_follow_labels(struct apply *apply, uint64_t node, uint32_t from, uint32_t to)
{
    const struct index_info *index;
    err_t err = 0;
    for (uint32_t i = 0; !err && (index = index_at(apply, i)); i++) {
        bool had = label_set_has(apply->store, from, index->label),
             has = label_set_has(apply->store, to, index->label);
        if (had == has)
            continue;
        /* Also for an index we do not maintain: whoever is changing the property maintains it by our labels. */
        err = cell_check(apply, ENTITY_NODE, index->key, node);
        if (err || !index_is_maintained(apply, index))
            continue;
        struct value value = cell_read(apply->store, ENTITY_NODE, index->key, node, apply->view);
        err = index_operation_add(
            apply, has ? OPERATION_INDEX_ADD : OPERATION_INDEX_REMOVE, index->id, node, value);
    }
    return err;
}

/* --- nodes --- */

static uint32_t
label_set_count(const struct store *store, uint32_t set)
{
    return set ? store->label_sets[set]->count : 0;
}

/* One property of an entity that was checked. */
static err_t
property_set(
    struct apply *apply,
    enum entity entity,
    uint64_t id,
    uint32_t label_set,
    uint32_t key,
    struct value value)
{
    if (!value_is_storable(value))
        return ERR(TYPE);
    struct value old = cell_read(apply->store, entity, key, id, apply->view);
    bool both_null = value_is_null(old) && value_is_null(value);
    if (both_null)
        return cell_check(apply, entity, key, id);
    if (entity == ENTITY_NODE) {
        err_t err = index_follow_property(apply, id, label_set, key, old, value);
        if (err)
            return err;
    }
    apply->outcome->properties_set++;
    return push_cell(apply, entity, key, id, value);
}

static bool
properties_name(const struct operation *operation, uint32_t key)
{
    for (uint32_t i = 0; i < operation->property_count; i++)
        if (operation->properties[i].key == key)
            return true;
    return false;
}

/* Every property the operation does not name goes away. */
static err_t
properties_clear_others(
    struct apply *apply,
    enum entity entity,
    uint64_t id,
    uint32_t label_set,
    const struct operation *operation)
{
    const struct key_list *list = key_list_lookup(apply->store, entity, id);
    err_t err = 0;
    /* Clearing makes no new slot, so the list stays as it is. */
    for (uint32_t i = 0; list && !err && i < list->count; i++)
        if (!properties_name(operation, list->keys[i]))
            err = property_set(apply, entity, id, label_set, list->keys[i], value_null());
    return err;
}

static err_t
properties_apply(
    struct apply *apply,
    enum entity entity,
    uint64_t id,
    uint32_t label_set,
    const struct operation *operation)
{
    err_t err = 0;
    if (operation->replace)
        err = properties_clear_others(apply, entity, id, label_set, operation);
    for (uint32_t i = 0; !err && i < operation->property_count; i++)
        err = property_set(
            apply, entity, id, label_set, operation->properties[i].key,
            operation->properties[i].value);
    return err;
}

static err_t
node_create(struct apply *apply, const struct operation *operation)
{
    const struct node_record *record = node_record_lookup(apply->store, operation->node.id);
    if (record && record->flags)
        return ERR(INTERNAL); /* ids are given once */
    uint32_t set;
    err_t err = label_set_change(apply->store, apply->arena, 0, operation, &set);
    if (!err)
        err = push_node(apply, operation->node.id, true, set);
    if (err)
        return err;
    apply->outcome->labels_added = label_set_count(apply->store, set);
    return properties_apply(apply, ENTITY_NODE, operation->node.id, set, operation);
}

static err_t
node_delete(struct apply *apply, const struct operation *operation)
{
    uint64_t node = operation->node.id;
    struct node_state state;
    err_t err = node_check(apply, node, true, &state);
    if (err)
        return err;
    for (int side = 0; side < 2; side++) {
        bool alive;
        uint64_t other;
        err = list_alive_check(apply, *node_list(apply->store, node, side == 1), 0, &alive, &other);
        if (!err && alive)
            err = ERR(NODE_HAS_RELATIONSHIPS);
        if (err)
            return err;
    }
    const struct operation none = {.replace = true};
    err = properties_clear_others(apply, ENTITY_NODE, node, state.label_set, &none);
    apply->outcome->properties_set = 0;
    return err ? err : push_node(apply, node, false, 0);
}

static err_t
node_labels(struct apply *apply, const struct operation *operation)
{
    uint64_t node = operation->node.id;
    struct node_state state;
    uint32_t set;
    err_t err = node_check(apply, node, true, &state);
    if (!err)
        err = label_set_change(apply->store, apply->arena, state.label_set, operation, &set);
    if (err || set == state.label_set)
        return err;
    for (uint32_t i = 0; i < label_set_count(apply->store, set); i++)
        apply->outcome->labels_added += !label_set_has(
            apply->store, state.label_set, apply->store->label_sets[set]->tokens[i]);
    apply->outcome->labels_removed = label_set_count(apply->store, state.label_set) +
                                     apply->outcome->labels_added -
                                     label_set_count(apply->store, set);
    err = index_follow_labels(apply, node, state.label_set, set);
    return err ? err : push_node(apply, node, true, set);
}

static err_t
node_properties(struct apply *apply, const struct operation *operation)
{
    struct node_state state;
    err_t err = node_check(apply, operation->node.id, true, &state);
    return err ? err
               : properties_apply(
                     apply, ENTITY_NODE, operation->node.id, state.label_set, operation);
}

/* --- relationships --- */

static struct key
out_key(const struct operation *operation, uint64_t rel)
{
    return (struct key){
        .other = operation->end.id, .number = id_local(rel), .type = operation->rel_type};
}

static struct key
in_key(const struct operation *operation)
{
    return (struct key){
        .other = operation->start.id,
        .number = id_local(operation->rel.id),
        .type = operation->rel_type};
}

static err_t
rel_create(struct apply *apply, const struct operation *operation)
{
    struct store *store = apply->store;
    uint32_t partition = partition_of(operation->start.id);
    uint64_t rel = operation->rel.id;
    struct node_state state;
    err_t err = node_check(apply, operation->start.id, false, &state);
    if (err)
        return err;
    if (!rel)
        rel = id_make(store->partitions[partition].next_local[ENTITY_REL], partition);
    if (id_local(rel) > UINT32_MAX || id_local(operation->start.id) > UINT32_MAX ||
        id_local(operation->end.id) > UINT32_MAX || operation->rel_type > UINT16_MAX)
        return ERR(LIMIT);
    struct rel_stored *stored = rel_stored_make(store, rel);
    if (!stored || !array_grow(
                       &store->pool, (void **)&store->type_counts, &store->type_count,
                       operation->rel_type + UINT64_C(1), sizeof(uint64_t)))
        return ERR(MEMORY_POOL);
    if (!rel_stored_is_empty(stored))
        return ERR(INTERNAL); /* ids are given once */
    err = entry_create(
        apply, node_list(store, operation->start.id, false), LIST_OUT, operation->start.id,
        out_key(operation, rel));
    if (err)
        return err;
    *stored = (struct rel_stored){
        .start_local = (uint32_t)id_local(operation->start.id),
        .end_local = (uint32_t)id_local(operation->end.id),
        .end_partition = (uint16_t)(partition_of(operation->end.id) | REL_VERSIONED),
        .type = (uint16_t)operation->rel_type,
    };
    apply->outcome->rel.id = rel;
    return properties_apply(apply, ENTITY_REL, rel, 0, operation);
}

static err_t
rel_attach(struct apply *apply, const struct operation *operation)
{
    struct node_state state;
    err_t err = node_check(apply, operation->end.id, false, &state);
    if (err)
        return err;
    return entry_create(
        apply, node_list(apply->store, operation->end.id, true), LIST_IN, operation->end.id,
        in_key(operation));
}

static err_t
rel_delete(struct apply *apply, const struct operation *operation)
{
    struct store *store = apply->store;
    err_t err = entry_delete(
        apply, node_list(store, operation->start.id, false), LIST_OUT, operation->start.id,
        out_key(operation, operation->rel.id));
    if (err)
        return err;
    rel_stored_lookup(store, operation->rel.id)->end_partition |= REL_VERSIONED;
    const struct operation none = {.replace = true};
    err = properties_clear_others(apply, ENTITY_REL, operation->rel.id, 0, &none);
    apply->outcome->properties_set = 0;
    return err;
}

static err_t
rel_detach(struct apply *apply, const struct operation *operation)
{
    return entry_delete(
        apply, node_list(apply->store, operation->end.id, true), LIST_IN, operation->end.id,
        in_key(operation));
}

static err_t
rel_properties(struct apply *apply, const struct operation *operation)
{
    struct store *store = apply->store;
    const struct rel_stored *stored = rel_stored_lookup(store, operation->rel.id);
    if (!rel_is_visible(store, stored, operation->rel.id, apply->view))
        return ERR(ENTITY_NOT_FOUND);
    if (stored->end_partition & REL_VERSIONED) {
        uint64_t start = id_make(stored->start_local, partition_of(operation->rel.id));
        struct key key = {
            .other = rel_stored_end(stored),
            .number = id_local(operation->rel.id),
            .type = stored->type};
        const struct entry *entry = delta_find(
            &store->pool, list_delta(*node_list(store, start, false)), key);
        err_t err = entry->deleted == STAMP_NEVER ? 0 : stamp_check(apply, entry->deleted);
        if (err)
            return err;
    }
    return properties_apply(apply, ENTITY_REL, operation->rel.id, 0, operation);
}

/* --- index entries --- */

/* The entry by which the view sees the node in the group. */
static bool
group_entry_find(struct apply *apply, const struct group *group, uint64_t node, struct key *key)
{
    struct list_walk walk;
    struct list_piece piece;
    list_walk_begin(
        &walk, &apply->store->pool, group->list, apply->view.snapshot, apply->view.txid, NULL, 0);
    walk.only_other = true;
    walk.other = node;
    if (!list_walk_next(&walk, &piece))
        return false;
    uint64_t number = piece.entry ? piece.entry->number : base_number(walk.base, piece.from);
    *key = (struct key){.other = node, .number = number};
    return true;
}

/* What this shard may do with entries of an index. One that is gone takes none any more: they are derived
 * data and nobody will look. One this shard has not heard of yet takes them: another shard has, and its
 * transactions maintain it already. */
struct index_rules {
    bool alive, populating, unique;
};

static struct index_rules
index_rules(const struct store *store, uint32_t index)
{
    const struct catalog *catalog = store->shard->catalog;
    const struct index_info *info = catalog ? catalog_index_by_id(catalog, index) : NULL;
    if (!info)
        return (struct index_rules){.alive = catalog != NULL, .populating = true};
    return (struct index_rules){
        .alive = info->state != INDEX_DROPPED,
        .populating = info->state == INDEX_POPULATING,
        .unique = info->unique,
    };
}

static err_t
index_add(struct apply *apply, const struct operation *operation)
{
    struct index_rules rules = index_rules(apply->store, operation->index);
    if (!rules.alive || !value_is_indexable(operation->value))
        return 0;
    struct group *group = group_make(apply->store, operation->index, operation->value);
    if (!group)
        return ERR(MEMORY_POOL);
    err_t err = 0;
    struct key key;
    if (rules.unique) {
        bool alive;
        uint64_t other;
        err = list_alive_check(apply, group->list, operation->node.id, &alive, &other);
        if (!err && alive) {
            apply->outcome->conflicting_node = other;
            err = ERR(CONSTRAINT);
        }
    }
    if (!err && !group_entry_find(apply, group, operation->node.id, &key)) {
        key = (struct key){.other = operation->node.id, .number = ++apply->store->index_sequence};
        err = entry_create(apply, &group->list, LIST_INDEX, (uint64_t)(uintptr_t)group, key);
    }
    if (err && !group->list)
        group_destroy(apply->store, group);
    return err;
}

/* The population has not brought the entry yet: put it there ended, so that the population finds it. Should
 * the transaction abort, it goes again, unless the population came by in the meantime. */
static err_t
index_remove_ahead(struct apply *apply, const struct operation *operation)
{
    struct store *store = apply->store;
    struct group *group = group_make(store, operation->index, operation->value);
    struct key key = {.other = operation->node.id};
    if (!group)
        return ERR(MEMORY_POOL);
    struct delta *known = list_delta(group->list);
    if (known && delta_find(&store->pool, known, key))
        return 0;
    struct intent *intent = intent_open(store, apply->txn);
    struct delta *delta = list_delta_make(
        &store->pool, &group->list, LIST_INDEX, (uint64_t)(uintptr_t)group);
    struct entry entry = {
        .other = key.other,
        .flags = ENTRY_AHEAD,
        .created = STAMP_POPULATED,
        .deleted = apply->stamp};
    err_t err = intent && delta ? delta_insert(&store->pool, delta, entry) : ERR(MEMORY_POOL);
    if (delta)
        dirty_add(store, &delta->dirty, DIRTY_LIST);
    else if (!group->list)
        group_destroy(store, group);
    if (err)
        return err;
    assert(intent);
    *intent = (struct intent){
        .kind = INTENT_ENTRY_DELETE, .list = &group->list, .other = key.other};
    intent_keep(apply->txn);
    return 0;
}

static err_t
index_remove(struct apply *apply, const struct operation *operation)
{
    struct key key;
    struct index_rules rules = index_rules(apply->store, operation->index);
    if (!rules.alive || !value_is_indexable(operation->value))
        return 0;
    struct group *group = group_lookup(apply->store, operation->index, operation->value);
    if (group && group_entry_find(apply, group, operation->node.id, &key))
        return entry_delete(apply, &group->list, LIST_INDEX, (uint64_t)(uintptr_t)group, key);
    return rules.populating ? index_remove_ahead(apply, operation) : 0;
}

/* --- */

static err_t
operation_apply(struct apply *apply, const struct operation *operation)
{
    switch ((enum operation_type)operation->type) {
    case OPERATION_NODE_CREATE:
        return node_create(apply, operation);
    case OPERATION_NODE_DELETE:
        return node_delete(apply, operation);
    case OPERATION_NODE_LABELS:
        return node_labels(apply, operation);
    case OPERATION_NODE_PROPERTIES:
        return node_properties(apply, operation);
    case OPERATION_REL_CREATE:
        return rel_create(apply, operation);
    case OPERATION_REL_ATTACH:
        return rel_attach(apply, operation);
    case OPERATION_REL_DELETE:
        return rel_delete(apply, operation);
    case OPERATION_REL_DETACH:
        return rel_detach(apply, operation);
    case OPERATION_REL_PROPERTIES:
        return rel_properties(apply, operation);
    case OPERATION_INDEX_ADD:
        return index_add(apply, operation);
    case OPERATION_INDEX_REMOVE:
        return index_remove(apply, operation);
    case OPERATION_NONE:
    case OPERATION_TYPE_COUNT:
        break;
    }
    return ERR(INTERNAL);
}

err_t
store_apply(
    struct store *store,
    struct view view,
    const struct operation *operation,
    struct arena *arena,
    struct operation_outcome *outcome)
{
    assert(!store->loading);
    assert(view.txid && view.snapshot < STAMP_INTENT);
    assert(partition_owner(store->shard, operation_partition(operation)) == store->shard->index);
    *outcome = (struct operation_outcome){0};
    struct apply apply = {
        .store = store,
        .txn = store_txn_make(store, view.txid),
        .view = view,
        .stamp = STAMP_INTENT | view.txid,
        .arena = arena,
        .outcome = outcome,
    };
    if (!apply.txn)
        return ERR(MEMORY_POOL);
    uint64_t mark = apply.txn->count;
    err_t err = operation_apply(&apply, operation);
    if (err) {
        intent_undo(store, apply.txn, mark);
        *outcome = (struct operation_outcome){
            .blocking_txid = outcome->blocking_txid, .conflicting_node = outcome->conflicting_node};
    }
    return err;
}
