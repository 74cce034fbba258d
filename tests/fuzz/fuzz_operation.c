/* Whatever operation_decode and property_decode accept must encode to the very same bytes. */
#include <stdlib.h>

#include "base/assert.h"
#include "shards/store/operation.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_operation(const uint8_t *data, size_t size, struct arena *arena)
{
    struct operation operation;
    size_t used;
    if (operation_decode(data, size, arena, &operation, &used))
        return;
    assert(operation_size(&operation) == used);
    uint8_t *again = malloc(used);
    assert(again);
    operation_encode(&operation, again);
    assert(memcmp(again, data, used) == 0);
    free(again);
    assert(operation_partition(&operation) < 1024);
    assert(operation_print(&operation, arena).size > 0);
}

static void
check_property(const uint8_t *data, size_t size, struct arena *arena)
{
    struct value value;
    size_t used;
    if (property_decode(data, size, arena, &value, &used))
        return;
    assert(property_size(value) == used);
    uint8_t *again = malloc(used);
    assert(again);
    property_encode(value, again);
    assert(memcmp(again, data, used) == 0);
    free(again);
    assert(value_is_storable(value));
    (void)property_index_hash(value);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    arena_create(&arena, memory_heap(), 64 << 20);
    check_operation(data, size, &arena);
    check_property(data, size, &arena);
    arena_destroy(&arena);
    return 0;
}
