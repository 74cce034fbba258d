#include "engine/run/barrier.h"

#include "engine/run/step.h"
#include "engine/value/value_ops.h"

void
barrier_create(struct barrier *barrier, struct operator* op)
{
    *barrier = (struct barrier){.op = op};
    arena_create(&barrier->arena, &op->execution->memory.memory, SIZE_MAX);
}

void
barrier_destroy(struct barrier *barrier)
{
    if (barrier->op)
        arena_destroy(&barrier->arena);
    barrier->op = NULL;
}

void
barrier_rewind(struct barrier *barrier)
{
    arena_reset(&barrier->arena);
    barrier->first = barrier->last = barrier->working = barrier->giving = NULL;
    barrier->collected = barrier->worked = false;
}

struct barrier_item *
barrier_item_new(struct barrier *barrier, uint32_t row_count)
{
    const struct op *op = barrier->op->op;
    struct barrier_item *item = arena_zeroed(&barrier->arena, sizeof(*item));
    if (!item)
        return NULL;
    item->rows.row_count = row_count;
    item->rows.column_count = op->column_count;
    item->rows.columns = arena_zeroed(&barrier->arena, sizeof(struct column) * op->column_count);
    if (!item->rows.columns)
        return NULL;
    for (uint32_t i = 0; i < op->column_count; i++) {
        struct column *column = &item->rows.columns[i];
        bool nodes = op->column_kinds && op->column_kinds[i] == COLUMN_NODE;
        column->kind = nodes ? COLUMN_NODE : COLUMN_VALUE;
        size_t width = nodes ? sizeof(uint64_t) : sizeof(struct value);
        void *array = arena_zeroed(&barrier->arena, width * row_count);
        if (!array)
            return NULL;
        if (nodes)
            column->nodes = array;
        else
            column->values = array;
    }
    return item;
}

static err_t
item_collect(struct barrier *barrier, const struct batch *input, const uint64_t *tags)
{
    struct barrier_item *item = barrier_item_new(barrier, input->row_count);
    if (!item)
        return ERR(MEMORY_QUERY);
    uint32_t count = input->column_count < item->rows.column_count ? input->column_count
                                                                   : item->rows.column_count;
    for (uint32_t i = 0; i < count; i++) {
        struct column *to = &item->rows.columns[i];
        column_gather(&input->columns[i], to, NULL, input->row_count);
        for (uint32_t row = 0; to->kind == COLUMN_VALUE && row < input->row_count; row++) {
            if (value_is_inline(to->values[row]))
                continue;
            err_t err = value_copy(&barrier->arena, to->values[row], &to->values[row]);
            if (err)
                return err;
        }
    }
    if (tags) {
        item->tags = arena_allocate(&barrier->arena, sizeof(*tags) * input->row_count);
        if (!item->tags)
            return ERR(MEMORY_QUERY);
        memcpy(item->tags, tags, sizeof(*tags) * input->row_count);
    }
    if (barrier->last)
        barrier->last->next = item;
    else
        barrier->first = item;
    barrier->last = item;
    return 0;
}

enum pull
barrier_collect(struct barrier *barrier)
{
    struct operator* op = barrier->op;
    if (barrier->collected)
        return PULL_END;
    for (;;) {
        struct batch *input;
        enum pull pull = operator_next(op->left, &input);
        if (pull == PULL_END) {
            barrier->collected = true;
            barrier->working = barrier->first;
        }
        if (pull != PULL_BATCH)
            return pull;
        err_t err = input->row_count ? item_collect(barrier, input, op->left->tags) : 0;
        if (err)
            return operator_fail(op, err);
        if (task_slice_is_over(op->execution->shard))
            return PULL_AGAIN;
    }
}

enum pull
barrier_next(
    struct barrier *barrier, barrier_work_fn *work, barrier_work_fn *finish, struct batch **out)
{
    struct operator* op = barrier->op;
    enum pull collected = barrier_collect(barrier);
    if (collected != PULL_END)
        return collected;
    while (!barrier->worked) {
        enum pull pull = PULL_END;
        if (barrier->working)
            pull = work(op, barrier->working);
        else if (finish)
            pull = finish(op, NULL);
        if (pull != PULL_END)
            return pull;
        if (!barrier->working) {
            barrier->worked = true;
            barrier->giving = barrier->first;
            break;
        }
        barrier->working = barrier->working->next;
        if (task_slice_is_over(op->execution->shard))
            return PULL_AGAIN;
    }
    while (barrier->giving) {
        struct barrier_item *item = barrier->giving;
        barrier->giving = item->next;
        op->tags = item->tags;
        *out = &item->rows;
        if (item->rows.row_count)
            return PULL_BATCH;
    }
    return PULL_END;
}
