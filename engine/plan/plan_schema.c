/* Schema commands. */
#include "engine/plan/planner.h"

static bool
schema_emit(struct builder *builder, const struct ast *clause, struct schema_command command)
{
    struct planner *planner = builder->planner;
    struct schema_command *copy = planner_allocate(planner, sizeof(*copy));
    if (!copy)
        return false;
    command.name = clause->text;
    command.if_exists = clause->flags & AST_FLAG_IF_EXISTS;
    command.if_not_exists = clause->flags & AST_FLAG_IF_NOT_EXISTS;
    *copy = command;
    struct op *op = builder_op(builder, OP_SCHEMA);
    if (!op)
        return false;
    op->left = NULL;
    op->schema = copy;
    return op_seal(builder, op);
}

/* CREATE INDEX and CREATE CONSTRAINT: one property of nodes. */
static bool
creation_plan(struct builder *builder, const struct ast *clause)
{
    struct planner *planner = builder->planner;
    bool is_index = clause->kind == AST_CREATE_INDEX;
    const char *what = is_index ? "An index" : "A constraint";
    if (clause->flags & AST_FLAG_RELATIONSHIP)
        return planner_fail(planner, clause, ERR(UNSUPPORTED), "%s on relationships is not supported", what);
    if (clause->item_count != 1)
        return planner_fail(planner, clause, ERR(UNSUPPORTED), "%s on several properties is not supported", what);
    if (!is_index && !text_equal(clause->create_constraint.kind->text, TEXT("unique")))
        return planner_fail(
            planner, clause, ERR(UNSUPPORTED), "Only constraints that say IS UNIQUE are supported, not %s",
            text_equal(clause->create_constraint.kind->text, TEXT("key")) ? "IS NODE KEY" : "IS NOT NULL");
    const struct ast *options = is_index ? clause->create_index.options : clause->create_constraint.options;
    if (options)
        return planner_fail(planner, options, ERR(UNSUPPORTED), "OPTIONS is not supported");
    const struct ast *property = clause->items[0];
    const struct ast *variable = is_index ? clause->create_index.variable : clause->create_constraint.variable;
    const struct ast *subject = property->property.subject;
    if (variable && (!subject || subject->kind != AST_VARIABLE || !text_equal(subject->text, variable->text)))
        return planner_fail(
            planner, property, ERR(SYNTAX), "Expected a property of `%.*s`", TEXT_ARGS(variable->text));
    return schema_emit(
        builder, clause,
        (struct schema_command){
            .action = is_index ? SCHEMA_INDEX_CREATE : SCHEMA_CONSTRAINT_CREATE,
            .label = is_index ? clause->create_index.label->text : clause->create_constraint.label->text,
            .key = property->text,
        });
}

bool
schema_plan(struct builder *builder, const struct ast *clause)
{
    switch (clause->kind) {
    case AST_CREATE_INDEX:
    case AST_CREATE_CONSTRAINT:
        return creation_plan(builder, clause);
    case AST_DROP_INDEX:
        return schema_emit(builder, clause, (struct schema_command){.action = SCHEMA_INDEX_DROP});
    case AST_DROP_CONSTRAINT:
        return schema_emit(builder, clause, (struct schema_command){.action = SCHEMA_CONSTRAINT_DROP});
    default:
        return planner_fail(
            builder->planner, clause, ERR(UNSUPPORTED), "This clause is not supported: %s", ast_kind_name(clause->kind));
    }
}

bool
show_plan(struct builder *builder, const struct ast *clause)
{
    return planner_fail(builder->planner, clause, ERR(UNSUPPORTED), "SHOW %.*s is not supported", TEXT_ARGS(clause->text));
}

bool
call_plan(struct builder *builder, const struct ast *clause, bool is_alone)
{
    (void)is_alone;
    return planner_fail(
        builder->planner, clause, ERR(PROCEDURE_NOT_FOUND), "There is no procedure with the name `%.*s`", TEXT_ARGS(clause->text));
}
