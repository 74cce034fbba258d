/* RESULT: the root. A statement without RETURN runs to its end and gives no rows. */
#include "engine/run/operator.h"

static enum pull
result_next(struct operator* op, struct batch **out)
{
    for (;;) {
        enum pull pull = operator_next(op->left, out);
        if (pull != PULL_BATCH || op->execution->plan->column_count > 0)
            return pull;
        if (task_slice_is_over(op->execution->shard))
            return PULL_AGAIN;
    }
}

const struct operator_class operator_class_RESULT = {.next = result_next};
