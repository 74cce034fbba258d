/* Evaluation by batch.
 *
 *      filter:  age > 30 AND name = 'Ann'
 *
 *      rows 0..1023 --(age > 30)--> rows 3 8 9 .. --(name = 'Ann')--> rows 8 ..
 *
 * A node evaluates its children into whole columns and then runs one loop over them, so the cost of
 * walking the tree is paid once for up to 1,024 rows. The left operand goes straight into the output,
 * the right one into a scratch column. A predicate is a list of rows that gets shorter. Kinds that are
 * rare or loop by themselves (CASE, comprehensions, paths) fall back to rows.
 *
 * Invariants
 *  1. The results are those of expr_eval for each row; when some row fails, the batch fails.
 *  2. Rows that AND, OR or CASE do not need are not evaluated.
 *  3. What is the same for all rows is evaluated once, and only when there is a row.
 *  4. Every scratch column taken is given back, also on failure. */
#include "engine/run/expr_internal.h"

/* The rows asked for: rows[i], or i when rows is NULL. */
struct row_set {
    const struct batch *batch;
    const uint16_t *rows;
    uint32_t count;
};

static err_t eval_set(
    const struct expr *expr,
    struct expr_context *context,
    const struct row_set *set,
    struct value *out);

static uint32_t
set_row(const struct row_set *set, uint32_t i)
{
    return set->rows ? set->rows[i] : i;
}

static err_t
eval_by_row(
    const struct expr *expr,
    struct expr_context *context,
    const struct row_set *set,
    struct value *out)
{
    err_t err = 0;
    for (uint32_t i = 0; !err && i < set->count; i++)
        err = expr_eval_node(expr, context, set->batch, set_row(set, i), &out[i]);
    return err;
}

static void
gather_column(const struct column *column, const struct row_set *set, struct value *out)
{
    if (column->kind == COLUMN_VALUE && !set->rows) {
        memcpy(out, column->values, set->count * sizeof(*out));
        return;
    }
    for (uint32_t i = 0; i < set->count; i++)
        out[i] = column_value(column, set_row(set, i));
}

/* True when the value is the same for all rows: a literal, a parameter, 1 + $x, date(). */
static bool
expr_is_scalar(const struct expr *expr)
{
    if (expr->kind == EXPR_LITERAL || expr->kind == EXPR_PARAMETER)
        return true;
    return expr->kind != EXPR_COLUMN && expr->kind != EXPR_LOCAL && expr_is_row_free(expr) &&
           expr_is_deterministic(expr);
}

/* --- binary operators --- */

/* AND, OR: the right side only for the rows the left does not decide. */
static err_t
eval_logic(
    const struct expr *expr,
    struct expr_context *context,
    const struct row_set *set,
    struct value *out)
{
    err_t err = eval_set(expr->children[0], context, set, out);
    if (err)
        return err;
    struct expr_scratch *scratch = expr_scratch_take(context);
    if (!scratch)
        return expr_fail_memory(context, expr);
    bool decides = expr->op == OPERATOR_OR;
    struct row_set rest = {set->batch, scratch->rows, 0};
    for (uint32_t i = 0; !err && i < set->count; i++)
        if (out[i].type != VALUE_BOOLEAN || out[i].boolean != decides)
            scratch->rows[rest.count++] = (uint16_t)set_row(set, i);
    if (!err && rest.count)
        err = eval_set(expr->children[1], context, &rest, scratch->values);
    uint32_t next = 0;
    for (uint32_t i = 0; !err && i < set->count; i++) {
        if (out[i].type == VALUE_BOOLEAN && out[i].boolean == decides)
            continue;
        struct value right = scratch->values[next++];
        /* An undecided boolean on the left: the right is the answer. */
        if (out[i].type == VALUE_BOOLEAN && right.type == VALUE_BOOLEAN)
            out[i] = right;
        else
            err = expr_apply_binary(context, expr, expr->op, out[i], right, &out[i]);
    }
    expr_scratch_give(context, scratch);
    return err;
}

/* out[i] = out[i] op right[i * stride] for any operator but AND and OR. */
static err_t
apply_columns(
    const struct expr *expr,
    struct expr_context *context,
    struct value *out,
    const struct value *right,
    uint32_t stride,
    uint32_t count)
{
    if (kernel_is_comparison(expr->op)) {
        kernel_compare(expr->op, out, right, stride, count);
        return 0;
    }
    if (expr->op == OPERATOR_IN && stride == 0)
        return kernel_in(context, expr, out, *right, count);
    err_t err = 0;
    for (uint32_t i = 0; !err && i < count; i++) {
        i = kernel_arithmetic(expr->op, out, right, stride, i, count);
        if (i < count)
            err = expr_apply_binary(context, expr, expr->op, out[i], right[i * stride], &out[i]);
    }
    return err;
}

static err_t
eval_binary(
    const struct expr *expr,
    struct expr_context *context,
    const struct row_set *set,
    struct value *out)
{
    if (expr->op == OPERATOR_AND || expr->op == OPERATOR_OR)
        return eval_logic(expr, context, set, out);
    struct value scalar = {0};
    err_t err = eval_set(expr->children[0], context, set, out);
    if (err)
        return err;
    if (expr_is_scalar(expr->children[1])) {
        err = expr_eval_node(expr->children[1], context, NULL, 0, &scalar);
        return err ? err : apply_columns(expr, context, out, &scalar, 0, set->count);
    }
    struct expr_scratch *scratch = expr_scratch_take(context);
    if (!scratch)
        return expr_fail_memory(context, expr);
    err = eval_set(expr->children[1], context, set, scratch->values);
    if (!err)
        err = apply_columns(expr, context, out, scratch->values, 1, set->count);
    expr_scratch_give(context, scratch);
    return err;
}

/* --- the other kinds with kernels --- */

static err_t
eval_unary_kind(
    const struct expr *expr,
    struct expr_context *context,
    const struct row_set *set,
    struct value *out)
{
    err_t err = eval_set(expr->children[0], context, set, out);
    for (uint32_t i = 0; !err && i < set->count; i++) {
        struct value operand = out[i];
        if (expr->kind == EXPR_PROPERTY)
            err = expr_apply_property(context, expr, operand, expr->name, &out[i]);
        else if (expr->kind == EXPR_LABEL_TEST)
            err = expr_apply_label_test(context, expr, operand, expr->name, &out[i]);
        else if (expr->kind == EXPR_UNARY)
            err = expr_apply_unary(context, expr, expr->op, operand, &out[i]);
        else
            out[i] = value_boolean(expr_type_matches(expr->type, operand) != expr->type->negated);
    }
    return err;
}

/* coalesce(): each argument for the rows that have only nulls so far. */
static err_t
eval_lazy(
    const struct expr *expr,
    struct expr_context *context,
    const struct row_set *set,
    struct value *out)
{
    err_t err = eval_set(expr->children[0], context, set, out);
    struct expr_scratch *scratch = err || expr->child_count == 1 ? NULL
                                                                 : expr_scratch_take(context);
    if (!scratch)
        return err || expr->child_count == 1 ? err : expr_fail_memory(context, expr);
    for (uint32_t j = 1; !err && j < expr->child_count; j++) {
        struct row_set rest = {set->batch, scratch->rows, 0};
        for (uint32_t i = 0; i < set->count; i++)
            if (out[i].type == VALUE_NULL)
                scratch->rows[rest.count++] = (uint16_t)set_row(set, i);
        err = eval_set(expr->children[j], context, &rest, scratch->values);
        uint32_t next = 0;
        for (uint32_t i = 0; !err && i < set->count; i++)
            if (out[i].type == VALUE_NULL)
                out[i] = scratch->values[next++];
    }
    expr_scratch_give(context, scratch);
    return err;
}

/* Calls of up to CALL_COLUMNS_MAX arguments: one column for each, then one loop. */
static err_t
eval_call(
    const struct expr *expr,
    struct expr_context *context,
    const struct row_set *set,
    struct value *out)
{
    enum { CALL_COLUMNS_MAX = 3 };
    uint32_t argument_count = expr->child_count;
    if (expr->function->flags & FUNCTION_LAZY)
        return eval_lazy(expr, context, set, out);
    if (argument_count == 0 || argument_count > CALL_COLUMNS_MAX)
        return eval_by_row(expr, context, set, out);
    struct expr_scratch *columns[CALL_COLUMNS_MAX] = {NULL};
    struct value arguments[CALL_COLUMNS_MAX];
    err_t err = 0;
    for (uint32_t j = 0; !err && j < argument_count; j++) {
        columns[j] = expr_scratch_take(context);
        err = columns[j] ? eval_set(expr->children[j], context, set, columns[j]->values)
                         : expr_fail_memory(context, expr);
    }
    for (uint32_t i = 0; !err && i < set->count; i++) {
        for (uint32_t j = 0; j < argument_count && columns[j]; j++)
            arguments[j] = columns[j]->values[i];
        err = expr_apply_call(context, expr, arguments, argument_count, &out[i]);
    }
    for (uint32_t j = 0; j < argument_count; j++)
        expr_scratch_give(context, columns[j]);
    return err;
}

static err_t
eval_set(
    const struct expr *expr,
    struct expr_context *context,
    const struct row_set *set,
    struct value *out)
{
    if (set->count == 0)
        return 0;
    if (expr->kind == EXPR_LOCAL || expr_is_scalar(expr)) {
        struct value scalar = {0};
        err_t err = expr_eval_node(expr, context, NULL, 0, &scalar);
        for (uint32_t i = 0; !err && i < set->count; i++)
            out[i] = scalar;
        return err;
    }
    switch ((uint32_t)expr->kind) {
    case EXPR_COLUMN:
        assert(expr->slot < set->batch->column_count);
        gather_column(&set->batch->columns[expr->slot], set, out);
        return 0;
    case EXPR_PROPERTY:
    case EXPR_LABEL_TEST:
    case EXPR_UNARY:
    case EXPR_TYPE_TEST:
        return eval_unary_kind(expr, context, set, out);
    case EXPR_BINARY:
        return eval_binary(expr, context, set, out);
    case EXPR_CALL:
        return eval_call(expr, context, set, out);
    default:
        return eval_by_row(expr, context, set, out);
    }
}

err_t
expr_eval_batch(
    const struct expr *expr,
    struct expr_context *context,
    const struct batch *batch,
    struct value *out)
{
    assert(batch->row_count <= BATCH_ROW_COUNT_MAX);
    struct row_set set = {batch, NULL, batch->row_count};
    context->steps_spent = 0;
    return eval_set(expr, context, &set, out);
}

err_t
expr_eval_rows(
    const struct expr *expr,
    struct expr_context *context,
    const struct batch *batch,
    const uint16_t *rows,
    uint32_t count,
    struct value *out)
{
    assert(count <= BATCH_ROW_COUNT_MAX);
    struct row_set set = {batch, rows, count};
    context->steps_spent = 0;
    return eval_set(expr, context, &set, out);
}

/* --- filters --- */

/* column op scalar, the commonest of all predicates, without building a column of booleans. */
static bool
filter_column(
    const struct expr *predicate,
    struct expr_context *context,
    const struct row_set *set,
    uint16_t *rows,
    uint32_t *row_count)
{
    struct value scalar = {0};
    if (predicate->kind != EXPR_BINARY || !kernel_is_comparison(predicate->op))
        return false;
    const struct expr *left = predicate->children[0], *right = predicate->children[1];
    if (left->kind != EXPR_COLUMN || !expr_is_scalar(right))
        return false;
    const struct column *column = &set->batch->columns[left->slot];
    if (column->kind != COLUMN_VALUE || expr_eval_node(right, context, NULL, 0, &scalar))
        return false;
    *row_count = kernel_filter(predicate->op, column->values, set->rows, set->count, scalar, rows);
    return true;
}

/* `rows` may be the set's own list: it is written behind where it is read. */
static err_t
filter_set(
    const struct expr *predicate,
    struct expr_context *context,
    const struct row_set *set,
    uint16_t *rows,
    uint32_t *row_count)
{
    if (predicate->kind == EXPR_BINARY && predicate->op == OPERATOR_AND) {
        err_t err = filter_set(predicate->children[0], context, set, rows, row_count);
        struct row_set rest = {set->batch, rows, *row_count};
        return err ? err : filter_set(predicate->children[1], context, &rest, rows, row_count);
    }
    if (filter_column(predicate, context, set, rows, row_count))
        return 0;
    *row_count = 0;
    struct expr_scratch *scratch = expr_scratch_take(context);
    if (!scratch)
        return expr_fail_memory(context, predicate);
    err_t err = eval_set(predicate, context, set, scratch->values);
    uint32_t count = 0;
    for (uint32_t i = 0; !err && i < set->count; i++) {
        enum trit trit;
        uint32_t row = set_row(set, i);
        err = expr_as_trit(context, predicate, scratch->values[i], &trit);
        rows[count] = (uint16_t)row;
        count += !err && trit == TRIT_TRUE;
    }
    expr_scratch_give(context, scratch);
    *row_count = count;
    return err;
}

err_t
expr_filter_batch(
    const struct expr *predicate,
    struct expr_context *context,
    const struct batch *batch,
    uint16_t *rows,
    uint32_t *row_count)
{
    assert(batch->row_count <= BATCH_ROW_COUNT_MAX);
    struct row_set set = {batch, NULL, batch->row_count};
    context->steps_spent = 0;
    *row_count = 0;
    return filter_set(predicate, context, &set, rows, row_count);
}
