/* A batch: up to BATCH_ROW_COUNT_MAX rows held by column, the unit operators and expressions work on.
 *
 *      column 0 (VALUE)   column 1 (NODE)
 *      [value value ...]  [id id ...]          rows 0 .. row_count - 1
 *
 * A column of nodes costs 8 bytes a row, so traversals do not carry 16. Who fills a batch owns its
 * arrays; an expression only reads them, and what its results point at may be inside the batch, so the
 * results live no longer than the batch and the arena of the evaluation. */
#ifndef ENGINE_VALUE_BATCH_H
#define ENGINE_VALUE_BATCH_H

#include "base/limits.h"
#include "base/value.h"

enum column_kind {
    COLUMN_VALUE, /* struct value[] */
    COLUMN_NODE,  /* uint64_t[]: ids of nodes, NODE_ABSENT = null */
};

/* What OPTIONAL MATCH leaves in a column of nodes. */
#define NODE_ABSENT UINT64_MAX
static_assert(NODE_ABSENT > ID_MAX, "no node has this id");

struct column {
    enum column_kind kind;
    union {
        struct value *values;
        uint64_t *nodes;
    };
};

struct batch {
    uint32_t row_count; /* <= BATCH_ROW_COUNT_MAX */
    uint32_t column_count;
    struct column *columns;
};

static inline struct value
column_value(const struct column *column, uint32_t row)
{
    if (column->kind == COLUMN_VALUE)
        return column->values[row];
    uint64_t id = column->nodes[row];
    return id == NODE_ABSENT ? value_null() : value_node_bare((node_id){id});
}

static inline struct value
batch_value(const struct batch *batch, uint32_t column_index, uint32_t row)
{
    assert_hot(column_index < batch->column_count && row < batch->row_count);
    return column_value(&batch->columns[column_index], row);
}

#endif
