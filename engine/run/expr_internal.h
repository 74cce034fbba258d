/* What the files of expression evaluation share; nobody else includes it.
 *
 *      expr.c            trees: make, walk, compare, fold, context
 *      expr_print.c      trees as text
 *      expr_batch.c      evaluation by batch: kernels over columns
 *      expr_eval.c       evaluation by row, and what both do to single values
 *      expr_kernel.c     loops over columns for comparison and arithmetic
 *      expr_operator.c   unary and binary operators on values
 *      expr_list.c       indexing, slices, comprehensions, quantifiers, paths
 *      expr_regex.c      =~ */
#ifndef ENGINE_RUN_EXPR_INTERNAL_H
#define ENGINE_RUN_EXPR_INTERNAL_H

#include "engine/run/expr.h"
#include "engine/run/function.h"
#include "engine/value/value_ops.h"

/* A column of temporaries and a list of rows, from context->memory, kept on a free list. */
struct expr_scratch {
    struct expr_scratch *next;
    struct value values[BATCH_ROW_COUNT_MAX];
    uint16_t rows[BATCH_ROW_COUNT_MAX];
};
struct expr_scratch *expr_scratch_take(struct expr_context *context);
void expr_scratch_give(struct expr_context *context, struct expr_scratch *scratch);

/* expr_eval of a part of a tree: the steps of its loops count for the whole. */
err_t expr_eval_node(
    const struct expr *expr,
    struct expr_context *context,
    const struct batch *batch,
    uint32_t row,
    struct value *out);

/* Both operands are evaluated already. */
err_t expr_apply_unary(
    struct expr_context *context,
    const struct expr *at,
    enum expr_operator op,
    struct value a,
    struct value *out);
err_t expr_apply_binary(
    struct expr_context *context,
    const struct expr *at,
    enum expr_operator op,
    struct value a,
    struct value b,
    struct value *out);
/* The six comparisons, which cannot fail. */
struct value expr_apply_compare(enum expr_operator op, struct value a, struct value b);

bool kernel_is_comparison(uint32_t op);
/* left[i] = left[i] op right[i * stride]. */
void kernel_compare(
    enum expr_operator op,
    struct value *left,
    const struct value *right,
    uint32_t stride,
    uint32_t count);
/* The rows of `from` (NULL: 0 .. count - 1) where values[row] op scalar is true; returns how many. `rows`
 * may be `from`. */
uint32_t kernel_filter(
    enum expr_operator op,
    const struct value *values,
    const uint16_t *from,
    uint32_t count,
    struct value scalar,
    uint16_t *rows);
/* The same as kernel_compare for + - *, from row `start` on; returns the first row it leaves to others. */
uint32_t kernel_arithmetic(
    enum expr_operator op,
    struct value *left,
    const struct value *right,
    uint32_t stride,
    uint32_t start,
    uint32_t count);

/* left[i] = left[i] IN list, by a hash table when the list is long. */
err_t kernel_in(
    struct expr_context *context,
    const struct expr *at,
    struct value *left,
    struct value list,
    uint32_t count);

/* true, false or null as a trit; ERR(TYPE) for anything else. */
err_t expr_as_trit(
    struct expr_context *context, const struct expr *at, struct value value, enum trit *out);
bool expr_compare_matches(enum expr_operator op, int order);

err_t expr_apply_property(
    struct expr_context *context,
    const struct expr *at,
    struct value subject,
    struct text name,
    struct value *out);
err_t expr_apply_index(
    struct expr_context *context,
    const struct expr *at,
    struct value subject,
    struct value index,
    struct value *out);
err_t expr_apply_label_test(
    struct expr_context *context,
    const struct expr *at,
    struct value entity,
    struct text name,
    struct value *out);
err_t expr_apply_call(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t count,
    struct value *out);
bool expr_type_matches(const struct expr_type *type, struct value value);

/* Properties of a hydrated node or relationship; ERR(ENTITY_NOT_FOUND) when deleted, ERR(INTERNAL) when bare. */
err_t expr_entity_properties(
    struct expr_context *context,
    const struct expr *at,
    struct value entity,
    const struct map_entry **entries,
    uint32_t *count);

err_t expr_eval_slice(
    const struct expr *expr,
    struct expr_context *context,
    const struct batch *batch,
    uint32_t row,
    struct value *out);
err_t expr_eval_comprehension(
    const struct expr *expr,
    struct expr_context *context,
    const struct batch *batch,
    uint32_t row,
    struct value *out);
err_t expr_eval_reduce(
    const struct expr *expr,
    struct expr_context *context,
    const struct batch *batch,
    uint32_t row,
    struct value *out);
err_t expr_eval_quantifier(
    const struct expr *expr,
    struct expr_context *context,
    const struct batch *batch,
    uint32_t row,
    struct value *out);
err_t expr_eval_path(
    const struct expr *expr,
    struct expr_context *context,
    const struct batch *batch,
    uint32_t row,
    struct value *out);
err_t expr_eval_map_projection(
    const struct expr *expr,
    struct expr_context *context,
    const struct batch *batch,
    uint32_t row,
    struct value *out);

/* The whole of `text` against `pattern`; compiled patterns are kept in context->regexes. */
err_t regex_match(
    struct expr_context *context,
    const struct expr *at,
    struct text pattern,
    struct text text,
    bool *matches);
void regex_cache_destroy(struct regex_cache *cache, struct memory *memory);

/* Fails for lack of arena memory. */
err_t expr_fail_memory(struct expr_context *context, const struct expr *at);
/* Gives a failed operation of engine/value its message. `reason` may be empty. */
err_t expr_fail_reason(
    struct expr_context *context, const struct expr *at, err_t err, struct text reason);

#endif
