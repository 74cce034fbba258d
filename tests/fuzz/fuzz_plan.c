/* Any bytes as a query: a plan that can be printed, or a failure with a place. The catalog is a small one
 * of this file's own, with an index on :A(x). */
#include <stdint.h>
#include <stdlib.h>

#include "engine/plan/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const names[] = {"A", "B", "T", "x", "y", "name"};
enum { NAME_COUNT = sizeof(names) / sizeof(names[0]) };

uint32_t
catalog_lookup(const struct catalog *catalog, enum token_kind kind, struct text name)
{
    (void)catalog;
    (void)kind;
    for (uint32_t i = 0; i < NAME_COUNT; i++) {
        if (text_equal(text_of(names[i]), name))
            return i;
    }
    return TOKEN_NONE;
}

struct text
catalog_name(const struct catalog *catalog, enum token_kind kind, uint32_t token)
{
    (void)catalog;
    (void)kind;
    if (token >= NAME_COUNT)
        abort();
    return text_of(names[token]);
}

uint32_t
catalog_token_count(const struct catalog *catalog, enum token_kind kind)
{
    (void)catalog;
    (void)kind;
    return NAME_COUNT;
}

uint64_t
catalog_schema_version(const struct catalog *catalog)
{
    (void)catalog;
    return 1;
}

const struct index_info *
catalog_index_find(const struct catalog *catalog, uint32_t label, uint32_t key)
{
    static const struct index_info index = {.id = 1, .label = 0, .key = 3, .state = INDEX_ONLINE};
    (void)catalog;
    return label == 0 && key == 3 ? &index : NULL;
}

const struct index_info *
catalog_index_at(const struct catalog *catalog, uint32_t position)
{
    (void)catalog;
    (void)position;
    return NULL;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char catalog = 0;
    struct arena arena;
    arena_create(&arena, memory_heap(), 64 << 20);
    struct plan *plan;
    struct failure failure;
    struct text query = {(const char *)data, size};
    err_t err = plan_query(
        &arena, query, (const struct catalog *)(const void *)&catalog, NULL, &plan, &failure);
    if (err && (failure.err != err || failure.message.size == 0 || failure.offset > (int64_t)size))
        abort();
    if (!err && (!plan->root || plan->root->kind != OP_RESULT))
        abort();
    if (!err)
        plan_print(plan, &arena);
    arena_destroy(&arena);
    return 0;
}
