/* Bytes that claim to be a value, or the state of an aggregate: decoding, and then everything that walks
 * what came out. A value that was read must be written and read again to an equivalent one. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "engine/run/aggregate.h"
#include "engine/run/expr.h"
#include "engine/value/value_codec.h"
#include "engine/value/value_ops.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
try_value(struct arena *arena, const uint8_t *data, size_t size)
{
    const uint8_t *cursor = data;
    struct value value, copy, again;
    if (value_decode(arena, &cursor, data + size, &value))
        return;
    assert(cursor <= data + size);
    (void)value_print(arena, value);
    (void)value_type_text(arena, value);
    if (value_copy(arena, value, &copy))
        return;
    assert(value_equivalent(value, copy));
    assert(value_hash(value, 1) == value_hash(copy, 1));
    uint64_t encoded_size = value_encoded_size(value);
    uint8_t *bytes = malloc(encoded_size);
    assert(bytes);
    value_encode(value, bytes);
    cursor = bytes;
    if (!value_decode(arena, &cursor, bytes + encoded_size, &again)) {
        assert(cursor == bytes + encoded_size);
        assert(value_equivalent(value, again));
    }
    free(bytes);
}

static void
try_aggregate(struct arena *arena, const uint8_t *data, size_t size)
{
    const uint8_t *cursor = data;
    struct aggregate aggregate, sum;
    struct value out;
    struct expr_context context;
    if (aggregate_decode(&aggregate, arena, &cursor, data + size))
        return;
    expr_context_create(&context, arena, memory_heap());
    aggregate_create(&sum, aggregate.kind, aggregate.distinct);
    sum.distinct = aggregate.distinct;
    if (!aggregate_merge(&sum, &context, NULL, arena, &aggregate) &&
        !aggregate_finish(&sum, &context, NULL, arena, &out))
        (void)value_print(arena, out);
    expr_context_destroy(&context);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct arena arena;
    arena_create(&arena, memory_heap(), 32 << 20);
    if (data[0] & 1)
        try_aggregate(&arena, data + 1, size - 1);
    else
        try_value(&arena, data + 1, size - 1);
    arena_destroy(&arena);
    return 0;
}
