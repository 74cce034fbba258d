/* Shared by the files function_*.c: declarations of every C function in functions.def, and the words of
 * their errors. */
#ifndef ENGINE_RUN_FUNCTION_INTERNAL_H
#define ENGINE_RUN_FUNCTION_INTERNAL_H

#include "engine/run/expr_internal.h"
#include "engine/run/function.h"
#include "engine/value/value_ops.h"

#define FUNCTION(name, arguments_min, arguments_max, flags, run) function_fn run;
#define AGGREGATE(name, arguments_min, arguments_max, kind)
#include "engine/run/functions.def"
#undef FUNCTION
#undef AGGREGATE

/* ERR(TYPE): "left() needs an INTEGER as argument 2, got STRING". */
err_t function_fail_type(
    struct expr_context *context,
    const struct expr *at,
    uint32_t index,
    const char *expected,
    struct value got);
/* ERR(ARGUMENT): "left(): ..." */
err_t function_fail_argument(struct expr_context *context, const struct expr *at, const char *what);

/* Checks and takes an argument. */
err_t function_take_text(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t index,
    struct text *out);
err_t function_take_integer(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t index,
    int64_t *out);
err_t function_take_real(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t index,
    double *out);
err_t function_take_list(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t index,
    struct value *out);

#endif
