#include "bench/query/graph.h"

#include <stdlib.h>

#include "base/assert.h"
#include "shards/store/catalog_state.h"

/* Tokens of the names, in a catalog that holds no others. */
enum { TOKEN_N = 0, TYPE_R = 0, KEY_ID = 0, KEY_VALUE = 1 };

struct loader {
    const struct rmat *graph;
    uint64_t *rel_first; /* local id of a node's first relationship in its partition */
};

static uint64_t
node_of(uint32_t vertex)
{
    return (uint64_t)(vertex / PARTITION_COUNT + 1) << PARTITION_BITS | vertex % PARTITION_COUNT;
}

static void
rel_replay(
    struct loader *loader, struct shard *shard, struct arena *arena, uint32_t from, uint64_t edge)
{
    uint32_t to = loader->graph->targets[edge];
    uint64_t local = loader->rel_first[from] + (edge - loader->graph->starts[from]);
    struct operation operation = {
        .type = OPERATION_REL_CREATE,
        .start = {node_of(from)},
        .end = {node_of(to)},
        .rel = {local << PARTITION_BITS | from % PARTITION_COUNT},
        .rel_type = TYPE_R};
    if (id_owner(shard, operation.start.id) == shard->index) {
        err_t err = store_replay(shard->store, &operation, 1, arena);
        assert(!err);
    }
    operation.type = OPERATION_REL_ATTACH;
    if (id_owner(shard, operation.end.id) == shard->index) {
        err_t err = store_replay(shard->store, &operation, 1, arena);
        assert(!err);
    }
}

static void
node_replay(struct loader *loader, struct shard *shard, struct arena *arena, uint32_t vertex)
{
    static const uint32_t label = TOKEN_N;
    struct property properties[2] = {
        {KEY_ID, value_integer(vertex)}, {KEY_VALUE, value_integer(loader->graph->values[vertex])}};
    struct operation operation = {
        .type = OPERATION_NODE_CREATE,
        .node = {node_of(vertex)},
        .label_count = 1,
        .labels = &label,
        .property_count = 2,
        .properties = properties};
    err_t err = store_replay(shard->store, &operation, 1, arena);
    assert(!err);
}

static void
names_replay(struct shard *shard)
{
    static const struct {
        const char *name;
        enum token_kind kind;
        uint32_t token;
    } names[] = {
        {"N", TOKEN_LABEL, TOKEN_N},
        {"R", TOKEN_TYPE, TYPE_R},
        {"id", TOKEN_KEY, KEY_ID},
        {"v", TOKEN_KEY, KEY_VALUE}};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        uint8_t bytes[64];
        uint8_t *end = change_token_encode(
            bytes, names[i].kind, names[i].token, text_of(names[i].name));
        err_t err = catalog_replay(shard->catalog, bytes, (size_t)(end - bytes));
        assert(!err);
    }
}

/* On each shard, before its first turn: nodes first, then relationships, of the partitions it owns. */
static void
graph_preload(void *context, struct shard *shard)
{
    struct loader *loader = context;
    const struct rmat *graph = loader->graph;
    names_replay(shard);
    struct arena arena;
    arena_create(&arena, memory_heap(), SIZE_MAX);
    for (uint32_t v = 0; v < graph->node_count; v++)
        if (id_owner(shard, node_of(v)) == shard->index)
            node_replay(loader, shard, &arena, v);
    for (uint32_t v = 0; v < graph->node_count; v++) {
        for (uint64_t e = graph->starts[v]; e < graph->starts[v + 1]; e++)
            rel_replay(loader, shard, &arena, v, e);
        arena_reset(&arena);
    }
    arena_destroy(&arena);
    err_t err = store_replay_finish(shard->store);
    assert(!err);
}

struct driver *
graph_driver_start(const struct bench_options *options, const struct rmat *graph)
{
    struct loader loader = {
        .graph = graph, .rel_first = calloc(graph->node_count, sizeof(uint64_t))};
    assert(loader.rel_first);
    uint64_t next[PARTITION_COUNT];
    for (uint32_t p = 0; p < PARTITION_COUNT; p++)
        next[p] = 1;
    for (uint32_t v = 0; v < graph->node_count; v++) {
        loader.rel_first[v] = next[v % PARTITION_COUNT];
        next[v % PARTITION_COUNT] += graph->starts[v + 1] - graph->starts[v];
    }
    struct driver *driver = driver_start(options, false, graph_preload, &loader);
    free(loader.rel_first);
    driver_query(driver, "CREATE INDEX FOR (n:N) ON (n.id)");
    return driver;
}
