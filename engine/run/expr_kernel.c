/* Loops over columns for the operators that queries spend their time in.
 *
 * Each loop is written once and compiled once for each operator, which is a constant inside it. The right
 * operand is a column (stride 1) or one value for all rows (stride 0). Pairs of integers, of floats and,
 * for equality, of strings are done in the loop; whatever else comes goes to the general function, value by
 * value, so the results are those of expr_apply_binary. */
#include "engine/run/expr_internal.h"

enum { KERNEL_IN_LIST_MIN = 8, KERNEL_IN_ROWS_MIN = 4 };

#define COMPARISONS(X) X(EQUAL) X(NOT_EQUAL) X(LESS) X(LESS_EQUAL) X(GREATER) X(GREATER_EQUAL)

#define MATCHES(op, a, b)                                                                          \
    ((op) == OPERATOR_EQUAL        ? (a) == (b)                                                    \
     : (op) == OPERATOR_NOT_EQUAL  ? (a) != (b)                                                    \
     : (op) == OPERATOR_LESS       ? (a) < (b)                                                     \
     : (op) == OPERATOR_LESS_EQUAL ? (a) <= (b)                                                    \
     : (op) == OPERATOR_GREATER    ? (a) > (b)                                                     \
                                   : (a) >= (b))

static inline __attribute__((always_inline)) struct value
compare(const enum expr_operator op, struct value a, struct value b)
{
    if (a.type == VALUE_INTEGER && b.type == VALUE_INTEGER)
        return value_boolean(MATCHES(op, a.integer, b.integer));
    if (a.type == VALUE_FLOAT && b.type == VALUE_FLOAT)
        return value_boolean(MATCHES(op, a.real, b.real));
    if ((op == OPERATOR_EQUAL || op == OPERATOR_NOT_EQUAL) && a.type == VALUE_STRING &&
        b.type == VALUE_STRING) {
        bool equal = a.size == b.size && (!a.size || memcmp(a.string, b.string, a.size) == 0);
        return value_boolean(equal == (op == OPERATOR_EQUAL));
    }
    return expr_apply_compare(op, a, b);
}

#define COMPARE_LOOP(name)                                                                         \
    static void compare_##name(                                                                    \
        struct value *left, const struct value *right, uint32_t stride, uint32_t count)            \
    {                                                                                              \
        for (uint32_t i = 0; i < count; i++)                                                       \
            left[i] = compare(OPERATOR_##name, left[i], right[i * stride]);                        \
    }
COMPARISONS(COMPARE_LOOP)

/* Without branches on the outcome: the row is always written and counted when it matches. */
#define FILTER_LOOP(name)                                                                          \
    static uint32_t filter_##name(                                                                 \
        const struct value *values, const uint16_t *from, uint32_t count, struct value scalar,     \
        uint16_t *rows)                                                                            \
    {                                                                                              \
        uint32_t kept = 0;                                                                         \
        for (uint32_t i = 0; i < count; i++) {                                                     \
            uint32_t row = from ? from[i] : i;                                                     \
            struct value result = compare(OPERATOR_##name, values[row], scalar);                   \
            rows[kept] = (uint16_t)row;                                                            \
            kept += result.type == VALUE_BOOLEAN && result.boolean;                                \
        }                                                                                          \
        return kept;                                                                               \
    }
COMPARISONS(FILTER_LOOP)

void
kernel_compare(
    enum expr_operator op,
    struct value *left,
    const struct value *right,
    uint32_t stride,
    uint32_t count)
{
    switch ((uint32_t)op) {
#define CASE(name)                                                                                 \
    case OPERATOR_##name:                                                                          \
        compare_##name(left, right, stride, count);                                                \
        return;
        COMPARISONS(CASE)
#undef CASE
    default:
        assert(!"not a comparison");
    }
}

uint32_t
kernel_filter(
    enum expr_operator op,
    const struct value *values,
    const uint16_t *from,
    uint32_t count,
    struct value scalar,
    uint16_t *rows)
{
    switch ((uint32_t)op) {
#define CASE(name)                                                                                 \
    case OPERATOR_##name:                                                                          \
        return filter_##name(values, from, count, scalar, rows);
        COMPARISONS(CASE)
#undef CASE
    default:
        assert(!"not a comparison");
        return 0;
    }
}

bool
kernel_is_comparison(uint32_t op)
{
    return op >= OPERATOR_EQUAL && op <= OPERATOR_GREATER_EQUAL;
}
static_assert(OPERATOR_GREATER_EQUAL - OPERATOR_EQUAL == 5, "the comparisons stand together");

/* From row `start` to the first row that is not a pair of integers without overflow, or of floats. */
#define ARITHMETIC_LOOP(name, overflow, operator)                                                  \
    static uint32_t arithmetic_##name(                                                             \
        struct value *left, const struct value *right, uint32_t stride, uint32_t start,            \
        uint32_t count)                                                                            \
    {                                                                                              \
        for (uint32_t i = start; i < count; i++) {                                                 \
            struct value a = left[i], b = right[i * stride];                                       \
            int64_t integer;                                                                       \
            if (a.type == VALUE_INTEGER && b.type == VALUE_INTEGER) {                              \
                if (overflow(a.integer, b.integer, &integer))                                      \
                    return i;                                                                      \
                left[i].integer = integer;                                                         \
            } else if (a.type == VALUE_FLOAT && b.type == VALUE_FLOAT) {                           \
                left[i].real = a.real operator b.real;                                             \
            } else {                                                                               \
                return i;                                                                          \
            }                                                                                      \
        }                                                                                          \
        return count;                                                                              \
    }
ARITHMETIC_LOOP(add, __builtin_add_overflow, +)
ARITHMETIC_LOOP(subtract, __builtin_sub_overflow, -)
ARITHMETIC_LOOP(multiply, __builtin_mul_overflow, *)

uint32_t
kernel_arithmetic(
    enum expr_operator op,
    struct value *left,
    const struct value *right,
    uint32_t stride,
    uint32_t start,
    uint32_t count)
{
    switch ((uint32_t)op) {
    case OPERATOR_ADD:
        return arithmetic_add(left, right, stride, start, count);
    case OPERATOR_SUBTRACT:
        return arithmetic_subtract(left, right, stride, start, count);
    case OPERATOR_MULTIPLY:
        return arithmetic_multiply(left, right, stride, start, count);
    default:
        return start;
    }
}

/* --- IN a long list --- */

/* The scalars of a list, by hash: slots hold index + 1, 0 is free. */
struct member_table {
    const struct value *items;
    uint32_t *slots;
    uint32_t mask;
    bool has_null;
};

static bool
value_is_container(struct value value)
{
    return value.type == VALUE_LIST || value.type == VALUE_MAP;
}

static bool
table_build(struct member_table *table, struct arena *arena, struct value list)
{
    uint64_t slot_count = 16;
    while (slot_count < list.size * UINT64_C(2))
        slot_count *= 2;
    table->slots = arena_zeroed(arena, slot_count * sizeof(*table->slots));
    if (!table->slots)
        return false;
    table->items = list.list;
    table->mask = (uint32_t)(slot_count - 1);
    for (uint32_t i = 0; i < list.size; i++) {
        table->has_null |= list.list[i].type == VALUE_NULL;
        if (list.list[i].type == VALUE_NULL || value_is_container(list.list[i]))
            continue;
        uint32_t slot = (uint32_t)value_hash(list.list[i], 0) & table->mask;
        while (table->slots[slot] &&
               !value_equivalent(list.list[i], list.list[table->slots[slot] - 1]))
            slot = (slot + 1) & table->mask;
        if (!table->slots[slot])
            table->slots[slot] = i + 1;
    }
    return true;
}

static struct value
table_contains(const struct member_table *table, struct value item)
{
    uint32_t slot = (uint32_t)value_hash(item, 0) & table->mask;
    for (; table->slots[slot]; slot = (slot + 1) & table->mask)
        if (value_equal(item, table->items[table->slots[slot] - 1]) == TRIT_TRUE)
            return value_boolean(true);
    return table->has_null ? value_null() : value_boolean(false);
}

/* Value by value when there are few rows or few items. */
err_t
kernel_in(
    struct expr_context *context,
    const struct expr *at,
    struct value *left,
    struct value list,
    uint32_t count)
{
    struct member_table table = {0};
    bool hashed = list.type == VALUE_LIST && list.size >= KERNEL_IN_LIST_MIN &&
                  count >= KERNEL_IN_ROWS_MIN;
    if (hashed && !table_build(&table, context->arena, list))
        return expr_fail_memory(context, at);
    err_t err = 0;
    for (uint32_t i = 0; !err && i < count; i++) {
        if (hashed && left[i].type != VALUE_NULL && !value_is_container(left[i]))
            left[i] = table_contains(&table, left[i]);
        else
            err = expr_apply_binary(context, at, OPERATOR_IN, left[i], list, &left[i]);
    }
    return err;
}
