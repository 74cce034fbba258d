#include "tests/lib/store_fixture.h"

#include "shards/store/catalog_state.h"

static struct store_fixture *
fixture_of(struct memory *source)
{
    return (struct store_fixture
                *)(void *)((char *)source - offsetof(struct store_fixture, seam.memory));
}

static void *
counted_allocate(struct memory *source, size_t size)
{
    struct store_fixture *fixture = fixture_of(source);
    fixture->allocation_count++;
    if (fixture->fail_at && fixture->allocation_count >= fixture->fail_at)
        return NULL;
    source->used_size += size;
    return memory_allocate(memory_heap(), size);
}

static void
counted_release(struct memory *source, void *pointer, size_t size)
{
    assert(source->used_size >= size);
    source->used_size -= size;
    memory_release(memory_heap(), pointer, size);
}

void
store_fixture_create(struct store_fixture *fixture)
{
    *fixture = (struct store_fixture){.timestamp = 1};
    fixture->seam.shard_count = 1;
    fixture->seam.memory = (struct memory){
        .allocate = counted_allocate, .release = counted_release, .limit_size = SIZE_MAX};
    fixture->shard.count = 1;
    fixture->shard.seam = &fixture->seam;
    err_t err = store_create(&fixture->shard, &fixture->store);
    assert(!err);
    err = catalog_create(&fixture->shard, &fixture->shard.catalog);
    assert(!err);
    fixture->shard.store = fixture->store;
    arena_create(&fixture->arena, memory_heap(), (size_t)1 << 30);
}

void
store_fixture_destroy(struct store_fixture *fixture)
{
    store_destroy(fixture->store);
    catalog_destroy(fixture->shard.catalog);
    arena_destroy(&fixture->arena);
    assert(fixture->seam.memory.used_size == 0);
}

struct view
fixture_begin(struct store_fixture *fixture)
{
    return (struct view){.snapshot = fixture->timestamp, .txid = ++fixture->txid};
}

uint64_t
fixture_commit(struct store_fixture *fixture, struct view view)
{
    store_commit(fixture->store, view.txid, ++fixture->timestamp);
    return fixture->timestamp;
}

struct view
fixture_now(const struct store_fixture *fixture)
{
    return (struct view){.snapshot = fixture->timestamp};
}

err_t
fixture_apply(struct store_fixture *fixture, struct view view, struct operation operation)
{
    err_t err = store_apply(fixture->store, view, &operation, &fixture->arena, &fixture->outcome);
    struct operation_outcome outcome = fixture->outcome, follow;
    if (!err &&
        (operation.type == OPERATION_REL_CREATE || operation.type == OPERATION_REL_DELETE)) {
        struct operation other = operation;
        other.type = operation.type == OPERATION_REL_CREATE ? OPERATION_REL_ATTACH
                                                            : OPERATION_REL_DETACH;
        if (operation.type == OPERATION_REL_CREATE)
            other.rel = outcome.rel;
        other.property_count = 0;
        err = store_apply(fixture->store, view, &other, &fixture->arena, &follow);
        if (err)
            fixture->outcome = follow;
    }
    for (uint32_t i = 0; !err && i < outcome.index_operation_count; i++) {
        err = store_apply(
            fixture->store, view, &outcome.index_operations[i], &fixture->arena, &follow);
        if (err)
            fixture->outcome = follow;
    }
    return err;
}

err_t
fixture_node(
    struct store_fixture *fixture,
    struct view view,
    node_id node,
    const uint32_t *labels,
    uint32_t label_count,
    const struct property *properties,
    uint32_t property_count)
{
    return fixture_apply(
        fixture, view,
        (struct operation){
            .type = OPERATION_NODE_CREATE,
            .node = node,
            .labels = labels,
            .label_count = label_count,
            .properties = properties,
            .property_count = property_count,
        });
}

err_t
fixture_node_delete(struct store_fixture *fixture, struct view view, node_id node)
{
    return fixture_apply(
        fixture, view, (struct operation){.type = OPERATION_NODE_DELETE, .node = node});
}

err_t
fixture_set(
    struct store_fixture *fixture, struct view view, node_id node, uint32_t key, struct value value)
{
    struct property property = {.key = key, .value = value};
    return fixture_apply(
        fixture, view,
        (struct operation){
            .type = OPERATION_NODE_PROPERTIES,
            .node = node,
            .properties = &property,
            .property_count = 1});
}

err_t
fixture_labels(
    struct store_fixture *fixture,
    struct view view,
    node_id node,
    const uint32_t *labels,
    uint32_t added,
    uint32_t removed)
{
    return fixture_apply(
        fixture, view,
        (struct operation){
            .type = OPERATION_NODE_LABELS,
            .node = node,
            .labels = labels,
            .label_count = added,
            .removed_label_count = removed,
        });
}

err_t
fixture_rel(
    struct store_fixture *fixture,
    struct view view,
    node_id start,
    node_id end,
    uint32_t type,
    rel_id *rel)
{
    err_t err = fixture_apply(
        fixture, view,
        (struct operation){
            .type = OPERATION_REL_CREATE, .start = start, .end = end, .rel_type = type});
    if (rel)
        *rel = fixture->outcome.rel;
    return err;
}

err_t
fixture_rel_delete(
    struct store_fixture *fixture,
    struct view view,
    rel_id rel,
    node_id start,
    node_id end,
    uint32_t type)
{
    return fixture_apply(
        fixture, view,
        (struct operation){
            .type = OPERATION_REL_DELETE,
            .rel = rel,
            .start = start,
            .end = end,
            .rel_type = type});
}

uint32_t
fixture_index(
    struct store_fixture *fixture, uint32_t label, uint32_t key, bool unique, uint8_t state)
{
    struct index_info index = {
        .id = fixture->shard.catalog->index_count,
        .label = label,
        .key = key,
        .unique = unique,
        .state = state};
    index.name = arena_printf(&fixture->arena, "index_%u", index.id);
    uint8_t bytes[128];
    change_index_encode(bytes, &index);
    err_t err = catalog_apply(fixture->shard.catalog, bytes, change_index_size(&index));
    assert(!err);
    return index.id;
}
