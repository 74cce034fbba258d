/* Expressions from text, for tests: the parser's tree turned into a `struct expr` and evaluated, without
 * planner, store or shard. Variables of comprehensions become locals; a free variable is the column of
 * that name, when the test gave columns. Not for the program: the planner's own translation binds names
 * to patterns and fetches properties. */
#ifndef TESTS_LIB_EXPRESSION_H
#define TESTS_LIB_EXPRESSION_H

#include "engine/run/expr.h"
#include "engine/run/function.h"
#include "engine/value/zone.h"

struct expression_fixture {
    struct arena arena;
    struct expr_context context;
    struct failure failure;
    struct value locals[64];
    uint32_t column_count;
    const char *const *column_names;
    uint64_t random_state;
};

void expression_fixture_create(struct expression_fixture *fixture);
void expression_fixture_destroy(struct expression_fixture *fixture);

/* The tree of one expression; fails the test when the text does not parse. */
const struct expr *expression_compile(struct expression_fixture *fixture, const char *text);
/* Evaluates it without columns. */
err_t expression_eval(struct expression_fixture *fixture, const char *text, struct value *out);
/* Its value printed as a Cypher literal; "ERROR <code name>" when it failed. */
const char *expression_result(struct expression_fixture *fixture, const char *text);
#define assert_expression(fixture, text, printed)                                                  \
    assert_string_equal(expression_result(fixture, text), printed)

#endif
