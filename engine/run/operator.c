#include "engine/run/operator.h"

#include <stdarg.h>
#include <stdio.h>

#include "engine/run/step.h"
#include "engine/value/value_ops.h"

static void *
limited_allocate(struct memory *source, size_t size)
{
    struct limited_memory *limited = (struct limited_memory *)(void *)source;
    if (size > source->limit_size || source->used_size > source->limit_size - size)
        return NULL;
    void *pointer = memory_allocate(limited->parent, size);
    if (pointer)
        source->used_size += size;
    return pointer;
}

static void
limited_release(struct memory *source, void *pointer, size_t size)
{
    struct limited_memory *limited = (struct limited_memory *)(void *)source;
    assert(source->used_size >= size);
    source->used_size -= size;
    memory_release(limited->parent, pointer, size);
}

void
limited_memory_create(struct limited_memory *memory, struct memory *parent, size_t limit_size)
{
    *memory = (struct limited_memory){
        .memory =
            {.allocate = limited_allocate, .release = limited_release, .limit_size = limit_size},
        .parent = parent,
    };
}

void
execution_fail(struct execution *execution, err_t err, const char *format, ...)
{
    assert(err);
    if (execution->failure.err)
        return;
    struct failure *failure = &execution->failure;
    bool has_message = failure->message.size > 0 && !format;
    failure->err = err;
    if (has_message)
        return;
    failure->message = text_of(err_text(err_code(err)));
    failure->offset = -1;
    failure->line = failure->column = 0;
    if (!format)
        return;
    char line[512];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    struct text copy = arena_text(&execution->arena, text_of(line));
    if (copy.data)
        failure->message = copy;
}

static const struct operator_class *
operator_class_of(enum op_kind kind)
{
    static const struct operator_class *const classes[OP_KIND_COUNT] = {
#define OP(name, text) [OP_##name] = &operator_class_##name,
#include "engine/plan/ops.def"
#undef OP
    };
    assert(kind < OP_KIND_COUNT);
    return classes[kind];
}

/* The operators whose right side begins with ARGUMENT. */
static bool
op_gives_argument(enum op_kind kind)
{
    return kind == OP_APPLY || kind == OP_MERGE || kind == OP_FOREACH;
}

struct operator*
    operator_open(struct execution *execution, const struct op *op, struct argument *argument)
{
    struct operator* made = arena_zeroed(&execution->arena, sizeof(*made));
    if (!made) {
        execution_fail(execution, ERR(MEMORY_QUERY), NULL);
        return NULL;
    }
    *made = (struct operator){
        .class = operator_class_of(op->kind),
        .op = op,
        .execution = execution,
        .argument = argument,
    };
    arena_create(&made->arena, &execution->memory.memory, SIZE_MAX);
    made->out.column_count = op->column_count;
    made->out.columns = arena_zeroed(&execution->arena, sizeof(struct column) * op->column_count);
    made->state = arena_zeroed(&execution->arena, made->class->state_size);
    struct argument *inner = argument;
    if (op_gives_argument(op->kind)) {
        inner = arena_zeroed(&execution->arena, sizeof(*inner));
        if (inner)
            inner->tagged = (op->kind == OP_APPLY && !op->flag) ||
                            (op->kind == OP_MERGE && merge_right_is_tagged(op));
    }
    if (!made->out.columns || !made->state || (op_gives_argument(op->kind) && !inner)) {
        execution_fail(execution, ERR(MEMORY_QUERY), NULL);
        return NULL;
    }
    if (op->left && !(made->left = operator_open(execution, op->left, argument)))
        goto fail;
    if (op->right && !(made->right = operator_open(execution, op->right, inner)))
        goto fail;
    if (made->class->open) {
        err_t err = made->class->open(made);
        if (err) {
            execution_fail(execution, err, NULL);
            goto fail;
        }
    }
    return made;
fail:
    operator_close(made);
    return NULL;
}

void operator_close(struct operator* op)
{
    if (!op)
        return;
    if (op->class->close)
        op->class->close(op);
    operator_close(op->left);
    operator_close(op->right);
    arena_destroy(&op->arena);
}

void operator_rewind(struct operator* op)
{
    if (op->class->rewind)
        op->class->rewind(op);
    if (op->left)
        operator_rewind(op->left);
    if (op->right)
        operator_rewind(op->right);
}

enum pull
operator_next(struct operator* op, struct batch **out)
{
    struct execution *execution = op->execution;
    if (execution->stop) {
        execution_fail(execution, execution->stop, NULL);
        return PULL_FAILED;
    }
    op->tags = NULL;
    enum pull pull = op->class->next(op, out);
    assert(pull != PULL_FAILED || execution_failed(execution));
    if (pull == PULL_BATCH) {
        assert((*out)->row_count <= BATCH_ROW_COUNT_MAX);
        assert_hot(!operator_is_tagged(op) || op->tags);
        op->row_count += (*out)->row_count;
    }
    return pull;
}

enum pull
operator_fail(struct operator* op, err_t err)
{
    execution_fail(op->execution, err, NULL);
    return PULL_FAILED;
}

err_t
operator_columns(struct operator* op, struct batch *out, uint32_t row_count)
{
    for (uint32_t i = 0; i < out->column_count; i++) {
        bool nodes = op->op->column_kinds && op->op->column_kinds[i] == COLUMN_NODE;
        out->columns[i].kind = nodes ? COLUMN_NODE : COLUMN_VALUE;
        size_t width = nodes ? sizeof(uint64_t) : sizeof(struct value);
        void *array = arena_allocate(&op->arena, width * row_count);
        if (!array)
            return ERR(MEMORY_QUERY);
        if (nodes)
            out->columns[i].nodes = array;
        else
            out->columns[i].values = array;
    }
    out->row_count = row_count;
    return 0;
}

void
column_gather(const struct column *from, struct column *to, const uint32_t *rows, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = rows ? rows[i] : i;
        if (from->kind == COLUMN_NODE && to->kind == COLUMN_NODE) {
            to->nodes[i] = from->nodes[row];
            continue;
        }
        struct value value = column_value(from, row);
        if (to->kind == COLUMN_VALUE)
            to->values[i] = value;
        else
            to->nodes[i] = value.type == VALUE_NODE ? value_node_id(value).id : NODE_ABSENT;
    }
}

err_t
batch_copy(struct arena *arena, const struct batch *batch, struct batch *out)
{
    *out = (struct batch){.row_count = batch->row_count, .column_count = batch->column_count};
    out->columns = arena_allocate(arena, sizeof(struct column) * batch->column_count);
    if (!out->columns)
        return ERR(MEMORY_QUERY);
    for (uint32_t i = 0; i < batch->column_count; i++) {
        const struct column *from = &batch->columns[i];
        struct column *to = &out->columns[i];
        *to = (struct column){.kind = from->kind};
        if (from->kind == COLUMN_NODE) {
            to->nodes = arena_allocate(arena, sizeof(uint64_t) * batch->row_count);
            if (!to->nodes)
                return ERR(MEMORY_QUERY);
            if (batch->row_count)
                memcpy(to->nodes, from->nodes, sizeof(uint64_t) * batch->row_count);
            continue;
        }
        to->values = arena_allocate(arena, sizeof(struct value) * batch->row_count);
        if (!to->values)
            return ERR(MEMORY_QUERY);
        for (uint32_t row = 0; row < batch->row_count; row++) {
            to->values[row] = from->values[row];
            err_t err = value_is_inline(from->values[row])
                            ? 0
                            : value_copy(arena, from->values[row], &to->values[row]);
            if (err)
                return err;
        }
    }
    return 0;
}

err_t
operator_row_count(
    struct operator* op, const struct expr *expr, const char *clause, uint64_t none, uint64_t *out)
{
    *out = none;
    if (!expr)
        return 0;
    struct expr_context *context = &op->execution->expressions;
    struct value value;
    context->arena = &op->execution->arena;
    err_t err = expr_eval(expr, context, NULL, 0, &value);
    if (err)
        return err;
    if (value.type != VALUE_INTEGER)
        return expr_fail(
            context, expr, ERR(TYPE), "%s takes an integer, got %s", clause,
            value_type_name(value));
    if (value.integer < 0)
        return expr_fail(
            context, expr, ERR(ARGUMENT), "%s takes a number of rows, got %lld", clause,
            (long long)value.integer);
    *out = (uint64_t)value.integer;
    return 0;
}

err_t
batch_list_add(
    struct batch_list *list, struct arena *arena, const struct batch *batch, const uint64_t *tags)
{
    struct batch_node *node = arena_zeroed(arena, sizeof(*node));
    if (!node)
        return ERR(MEMORY_QUERY);
    err_t err = batch_copy(arena, batch, &node->batch);
    if (err)
        return err;
    if (tags) {
        node->tags = arena_allocate(arena, sizeof(*tags) * batch->row_count);
        if (!node->tags)
            return ERR(MEMORY_QUERY);
        memcpy(node->tags, tags, sizeof(*tags) * batch->row_count);
    }
    if (list->last)
        list->last->next = node;
    else
        list->first = node;
    list->last = node;
    list->row_count += batch->row_count;
    return 0;
}
