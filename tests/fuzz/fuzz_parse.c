/* Any bytes as a query: a tree that can be printed, or a failure with a place. */
#include <stdint.h>
#include <stdlib.h>

#include "engine/parse/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    arena_create(&arena, memory_heap(), 64 << 20);
    struct ast *tree;
    struct failure failure;
    struct text query = {(const char *)data, size};
    err_t err = parse(&arena, query, &tree, &failure);
    if (err && (failure.err != err || failure.message.size == 0 || failure.offset > (int64_t)size))
        abort();
    if (!err && (!tree || tree->kind != AST_QUERY || tree->offset > tree->end || tree->end > size))
        abort();
    if (!err)
        ast_print(&arena, tree);
    arena_destroy(&arena);
    return 0;
}
