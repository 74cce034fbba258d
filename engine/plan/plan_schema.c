/* Schema commands, procedures, and SHOW, which is a procedure with a syntax of its own. */
#include "engine/plan/planner.h"
#include "engine/run/procedure.h"

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
        return planner_fail(
            planner, clause, ERR(UNSUPPORTED), "%s on relationships is not supported", what);
    if (clause->item_count != 1)
        return planner_fail(
            planner, clause, ERR(UNSUPPORTED), "%s on several properties is not supported", what);
    if (!is_index && !text_equal(clause->create_constraint.kind->text, TEXT("unique")))
        return planner_fail(
            planner, clause, ERR(UNSUPPORTED),
            "Only constraints that say IS UNIQUE are supported, not %s",
            text_equal(clause->create_constraint.kind->text, TEXT("key")) ? "IS NODE KEY"
                                                                          : "IS NOT NULL");
    const struct ast *options = is_index ? clause->create_index.options
                                         : clause->create_constraint.options;
    if (options)
        return planner_fail(planner, options, ERR(UNSUPPORTED), "OPTIONS is not supported");
    const struct ast *property = clause->items[0];
    const struct ast *variable = is_index ? clause->create_index.variable
                                          : clause->create_constraint.variable;
    const struct ast *subject = property->property.subject;
    if (variable &&
        (!subject || subject->kind != AST_VARIABLE || !text_equal(subject->text, variable->text)))
        return planner_fail(
            planner, property, ERR(SYNTAX), "Expected a property of `%.*s`",
            TEXT_ARGS(variable->text));
    return schema_emit(
        builder, clause,
        (struct schema_command){
            .action = is_index ? SCHEMA_INDEX_CREATE : SCHEMA_CONSTRAINT_CREATE,
            .label = is_index ? clause->create_index.label->text
                              : clause->create_constraint.label->text,
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
        return schema_emit(
            builder, clause, (struct schema_command){.action = SCHEMA_CONSTRAINT_DROP});
    default:
        return planner_fail(
            builder->planner, clause, ERR(UNSUPPORTED), "This clause is not supported: %s",
            ast_kind_name(clause->kind));
    }
}

/* --- procedures --- */

struct yielding {
    struct builder *builder;
    const struct procedure *procedure;
    uint32_t *slots; /* columns of the procedure */
    uint32_t count;
};

static bool
yield_add(struct yielding *yielding, const struct ast *at, uint32_t slot, struct text name)
{
    struct builder *builder = yielding->builder;
    if (row_find(&builder->row, name) != SLOT_NONE)
        return planner_fail(
            builder->planner, at, ERR(SYNTAX), "Variable `%.*s` already declared", TEXT_ARGS(name));
    yielding->slots[yielding->count++] = slot;
    return row_add(
               builder->planner, &builder->row, name, COLUMN_VALUE, type_make(TYPE_MASK_PLAIN)) !=
           SLOT_NONE;
}

/* The columns asked for; without YIELD all, or the brief ones. */
static bool
yield_columns(struct yielding *yielding, const struct ast *at, const struct ast *yield, bool brief)
{
    const struct procedure *procedure = yielding->procedure;
    bool is_list = yield && !(yield->flags & AST_FLAG_STAR);
    for (uint32_t i = 0; !is_list && i < procedure->column_count; i++) {
        if (brief && !procedure->columns[i].brief)
            continue;
        if (!yield_add(yielding, at, i, procedure->columns[i].name))
            return false;
    }
    for (uint32_t i = 0; is_list && i < yield->item_count; i++) {
        const struct ast *column = yield->items[i];
        uint32_t slot = procedure_column_index(procedure, column->column.value->text);
        if (slot == SLOT_NONE)
            return planner_fail(
                yielding->builder->planner, column, ERR(SYNTAX), "Unknown procedure output: `%.*s`",
                TEXT_ARGS(column->column.value->text));
        if (!yield_add(yielding, column, slot, column->text))
            return false;
    }
    return true;
}

/* The operator, with the arguments and the columns asked for. */
static bool
procedure_emit(
    struct builder *builder,
    const struct procedure *procedure,
    const struct ast *clause,
    const struct ast *yield,
    bool brief)
{
    struct planner *planner = builder->planner;
    bool is_show = clause->kind == AST_SHOW;
    uint32_t argument_count = is_show ? 0 : clause->item_count;
    if (argument_count < procedure->arguments_min || argument_count > procedure->arguments_max)
        return planner_fail(
            planner, clause, ERR(SYNTAX), "Procedure %.*s takes %u to %u arguments, %u given: %.*s",
            TEXT_ARGS(procedure->name), procedure->arguments_min, procedure->arguments_max,
            argument_count, TEXT_ARGS(procedure->signature));
    const struct expr **arguments = planner_allocate(
        planner, argument_count * sizeof(const struct expr *));
    uint32_t yield_count = yield ? yield->item_count : 0;
    uint32_t *slots = planner_allocate(
        planner, (procedure->column_count + yield_count) * sizeof(*slots));
    const struct ast *const *asts = (const struct ast *const *)clause->items;
    if (!arguments || !slots ||
        !expressions_plan_home(builder, asts, argument_count, CHECK_VALUE, arguments))
        return false;
    struct op *op = builder_op(builder, OP_PROCEDURE);
    struct yielding yielding = {.builder = builder, .procedure = procedure, .slots = slots};
    if (!op || !yield_columns(&yielding, clause, yield, brief))
        return false;
    op->procedure = procedure;
    op->exprs = arguments;
    op->expr_count = argument_count;
    op->slots = slots;
    op->slot_count = yielding.count;
    op->text = procedure->name;
    builder->rows *= 10;
    return op_seal(builder, op);
}

bool
call_plan(struct builder *builder, const struct ast *clause, bool is_alone)
{
    struct planner *planner = builder->planner;
    const struct procedure *procedure = procedure_lookup(clause->text);
    if (!procedure)
        return planner_fail(
            planner, clause, ERR(PROCEDURE_NOT_FOUND), "There is no procedure with the name `%.*s`",
            TEXT_ARGS(clause->text));
    const struct ast *yield = clause->call.yield;
    if ((clause->flags & AST_FLAG_NO_PARENTHESES) && !is_alone)
        return planner_fail(
            planner, clause, ERR(SYNTAX),
            "Procedure call inside a query does not support passing arguments implicitly; write "
            "%.*s()",
            TEXT_ARGS(clause->text));
    if (!yield && !is_alone && procedure->column_count > 0)
        return planner_fail(
            planner, clause, ERR(SYNTAX),
            "Procedure call inside a query does not support naming results implicitly; use YIELD");
    if (clause->flags & AST_FLAG_OPTIONAL)
        return planner_fail(
            planner, clause, ERR(UNSUPPORTED), "OPTIONAL CALL of a procedure is not supported");
    if (!procedure_emit(builder, procedure, clause, yield, false))
        return false;
    if (!yield || !yield->yield.where)
        return true;
    const struct expr *where = expression_plan(builder, yield->yield.where, CHECK_PREDICATE);
    return where && builder_filter(builder, where);
}

/* YIELD ... ORDER BY, SKIP, LIMIT, WHERE of a SHOW are those of a WITH over what was yielded. */
static bool
show_order(struct builder *builder, const struct ast *yield)
{
    struct planner *planner = builder->planner;
    struct ast *with = planner_allocate(planner, sizeof(*with));
    struct ast **items = planner_allocate(planner, builder->row.count * sizeof(struct ast *));
    if (!with || !items)
        return false;
    with->kind = AST_WITH;
    with->offset = yield->offset;
    with->end = yield->end;
    with->with.order = yield->yield.order;
    with->with.skip = yield->yield.skip;
    with->with.limit = yield->yield.limit;
    with->with.where = yield->yield.where;
    with->items = items;
    with->item_count = builder->row.count;
    for (uint32_t i = 0; i < builder->row.count; i++) {
        items[i] = ast_make_variable(planner, builder->row.columns[i].name, yield->offset);
        struct ast *column = planner_allocate(planner, sizeof(*column));
        if (!items[i] || !column)
            return false;
        column->kind = AST_COLUMN;
        column->depth = 2;
        column->text = builder->row.columns[i].name;
        column->column.value = items[i];
        items[i] = column;
    }
    return projection_plan(builder, with);
}

bool
show_plan(struct builder *builder, const struct ast *clause)
{
    struct planner *planner = builder->planner;
    struct text what = clause->text;
    if (text_equal(what, TEXT("DEFAULT DATABASE")) || text_equal(what, TEXT("HOME DATABASE")))
        what = TEXT("DATABASES");
    struct text name = arena_printf(planner->arena, "SHOW %.*s", TEXT_ARGS(what));
    const struct procedure *procedure = name.data ? procedure_lookup(name) : NULL;
    if (!procedure)
        return planner_fail(
            planner, clause, ERR(UNSUPPORTED), "SHOW %.*s is not supported", TEXT_ARGS(what));
    const struct ast *yield = clause->show.yield;
    if (!procedure_emit(builder, procedure, clause, yield, !yield))
        return false;
    bool is_ordered = yield && (yield->yield.order || yield->yield.skip || yield->yield.limit ||
                                yield->yield.where);
    if (is_ordered && !show_order(builder, yield))
        return false;
    if (clause->show.where) {
        const struct expr *where = expression_plan(builder, clause->show.where, CHECK_PREDICATE);
        if (!where || !builder_filter(builder, where))
            return false;
    }
    return !clause->show.returns || projection_plan(builder, clause->show.returns);
}
