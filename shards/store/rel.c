/* Reading relationships by id. The record says what it is; the OUT entry at its start node says who sees
 * it, when the record is marked as having versions. */
#include "shards/store/state.h"

bool
rel_is_visible(struct store *store, const struct rel_stored *stored, uint64_t rel, struct view view)
{
    if (!stored || rel_stored_is_empty(stored))
        return false;
    if (!(stored->end_partition & REL_VERSIONED))
        return (stored->end_partition & REL_EXISTS) != 0;
    uint64_t *list = node_list(store, id_make(stored->start_local, partition_of(rel)), false);
    struct delta *delta = list_delta(*list);
    assert(delta);
    struct key key = {
        .other = rel_stored_end(stored), .number = id_local(rel), .type = stored->type};
    const struct entry *entry = delta_find(&store->pool, delta, key);
    assert(entry);
    return stamp_is_visible(entry->created, view.snapshot, view.txid) &&
           !stamp_is_visible(entry->deleted, view.snapshot, view.txid);
}

bool
store_rel_get(struct store *store, struct view view, rel_id rel, struct rel_record *out)
{
    const struct rel_stored *stored = rel_stored_lookup(store, rel.id);
    if (!rel_is_visible(store, stored, rel.id, view))
        return false;
    *out = (struct rel_record){
        .start = {id_make(stored->start_local, partition_of(rel.id))},
        .end = {rel_stored_end(stored)},
        .type = stored->type,
    };
    return true;
}

struct value
store_rel_property(struct store *store, struct view view, rel_id rel, uint32_t key)
{
    return cell_read(store, ENTITY_REL, key, rel.id, view);
}

uint32_t
store_rel_properties(
    struct store *store, struct view view, rel_id rel, struct property *out, uint32_t max)
{
    return entity_properties(store, ENTITY_REL, rel.id, view, out, max);
}
