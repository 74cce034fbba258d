/* PROPERTY: keeps the rows whose entity's property compares true with a value that is the same for all
 * rows. Nodes with a scalar on the right take the store's column kernel. */
#include "engine/run/step.h"

#include "engine/value/value_ops.h"

static bool
compare_holds(enum compare compare, struct value left, struct value right)
{
    if (compare == COMPARE_EQ)
        return value_equal(left, right) == TRIT_TRUE;
    if (compare == COMPARE_NE)
        return value_equal(left, right) == TRIT_FALSE;
    int order = 0;
    if (value_compare(left, right, &order) != TRIT_TRUE)
        return false;
    switch (compare) {
    case COMPARE_LT:
        return order < 0;
    case COMPARE_LE:
        return order <= 0;
    case COMPARE_GT:
        return order > 0;
    case COMPARE_GE:
        return order >= 0;
    case COMPARE_EQ:
    case COMPARE_NE:
        break;
    }
    return false;
}

static err_t
property_sieve(
    struct step_context *context,
    const struct step *step,
    struct batch *rows,
    struct slot_list live)
{
    struct value constant;
    err_t err = expr_eval(step->expr, &context->expressions, NULL, 0, &constant);
    if (err)
        return err;
    uint32_t count = 0;
    bool scalar = constant.type == VALUE_INTEGER || constant.type == VALUE_FLOAT ||
                  constant.type == VALUE_BOOLEAN || constant.type == VALUE_STRING;
    if (value_is_null(constant) || step->key == TOKEN_NONE) {
        count = 0;
    } else if (
        scalar && step->compare != COMPARE_NE &&
        rows->columns[step->from_slot].kind == COLUMN_NODE) {
        count = store_node_select_property(
            context->store, context->view, rows->columns[step->from_slot].nodes, rows->row_count,
            step->key, step->compare, constant, context->scratch->positions);
    } else {
        for (uint32_t row = 0; row < rows->row_count; row++) {
            struct value entity = batch_value(rows, step->from_slot, row), value;
            err = entity_property(context, context->expressions.arena, entity, step->key, &value);
            if (err)
                return err;
            context->scratch->positions[count] = row;
            count += compare_holds(step->compare, value, constant);
        }
    }
    rows_select(context, rows, live, context->scratch->positions, count);
    return 0;
}

const struct step_class step_class_PROPERTY = {.sieve = property_sieve};
