/* One change to the store, decoded, and its bytes.
 *
 *     0      1        2..3         4..7   8 ...
 *     +------+--------+------------+------+--------------------------------------------+
 *     | type | flags  | zero       | size | body, little-endian; values in the property |
 *     |      |        |            | all  | encoding below                              |
 *     +------+--------+------------+------+--------------------------------------------+
 *
 * Invariants
 *  1. An encoded operation names ids, tokens and values, never a shard.
 *  2. operation_decode accepts nothing operation_encode could not have written.
 *  3. Applying the operations of a transaction at the partition owners, in order, is the transaction. */
#ifndef SHARDS_STORE_OPERATION_H
#define SHARDS_STORE_OPERATION_H

#include "base/arena.h"
#include "base/error.h"
#include "base/value.h"

enum operation_type {
    OPERATION_NONE = 0,
#define OPERATION(name, logged, text) OPERATION_##name,
#include "shards/store/operations.def"
#undef OPERATION
    OPERATION_TYPE_COUNT
};

struct property {
    uint32_t key;
    struct value value;
};

struct operation {
    uint8_t type;
    bool replace; /* *_PROPERTIES: properties not named are removed */
    node_id node; /* NODE_*, INDEX_* */
    rel_id
        rel; /* REL_*; REL_CREATE in a request: id 0 = the owner allocates one (ids begin above 0) */
    node_id start, end;
    uint32_t rel_type;
    uint32_t index;
    uint32_t label_count,
        removed_label_count; /* NODE_LABELS: `labels` holds the added, then the removed */
    const uint32_t *labels;
    uint32_t property_count;
    const struct property *properties;
    struct value value; /* INDEX_* */
};

/* Bytes that operation_encode will write. */
size_t operation_size(const struct operation *operation);
/* Writes exactly operation_size bytes at `out`. */
void operation_encode(const struct operation *operation, uint8_t *out);
/* Decodes the operation at `bytes`; strings and lists point into `bytes` or `arena`. `*used` = its size.
 * ERR(STORAGE_DAMAGE) when the bytes are not an operation. */
err_t operation_decode(
    const uint8_t *bytes, size_t size, struct arena *arena, struct operation *out, size_t *used);
/* The partition whose owner must apply it. */
uint32_t operation_partition(const struct operation *operation);
/* For the WAL dump and error messages: one line, without newline. */
struct text operation_print(const struct operation *operation, struct arena *arena);

/* Storable values as bytes. encode writes property_size bytes. Deterministic: equal values, equal bytes
 * (1 and 1.0 are equal to an index: property_index_hash hashes them the same). */
size_t property_size(struct value value);
void property_encode(struct value value, uint8_t *out);
err_t property_decode(
    const uint8_t *bytes, size_t size, struct arena *arena, struct value *out, size_t *used);
bool value_is_storable(struct value value);
uint64_t property_index_hash(struct value value);
uint32_t index_partition(uint32_t index, struct value value);

#endif
