/* EXPLAIN: the plan as text.
 *
 *      Result n.name                          operators from the root down; what stands right of an
 *      Project n.name                         operator (APPLY, UNION, MERGE, FOREACH) is indented
 *      Traverse                               steps in the order they run, each on the shard that
 *        Scan n:Person                        the row is on
 *        Property n.age > 30
 *        Fetch n.name
 *      Unit
 *
 * Steps name slots and tokens, whose names are known only while planning, so a traversal's steps are
 * printed then, into its operator's `text`. */
#include <stdio.h>

#include "base/assert.h"
#include "engine/plan/planner.h"

/* A string that grows in the arena. */
struct sheet {
    struct arena *arena;
    char *data;
    size_t size, room;
    bool failed;
};

static void
sheet_put(struct sheet *sheet, struct text text)
{
    if (sheet->failed || text.size == 0)
        return;
    if (sheet->size + text.size > sheet->room) {
        size_t room = (sheet->room + text.size) * 2;
        char *grown = arena_allocate(sheet->arena, room);
        sheet->failed = !grown;
        if (!grown)
            return;
        if (sheet->size)
            memcpy(grown, sheet->data, sheet->size);
        sheet->data = grown;
        sheet->room = room;
    }
    memcpy(sheet->data + sheet->size, text.data, text.size);
    sheet->size += text.size;
}

static void
sheet_put_string(struct sheet *sheet, const char *string)
{
    sheet_put(sheet, text_of(string));
}

static void
sheet_put_number(struct sheet *sheet, uint64_t number)
{
    char digits[24];
    snprintf(digits, sizeof(digits), "%llu", (unsigned long long)number);
    sheet_put_string(sheet, digits);
}

/* A variable's name; what begins with ANONYMOUS_BYTE is shown as @offset. */
static void
sheet_put_name(struct sheet *sheet, struct text name)
{
    if (name_is_anonymous(name)) {
        sheet_put_string(sheet, "@");
        name = (struct text){name.data + 1, name.size - 1};
    }
    sheet_put(sheet, name);
}

static void
sheet_put_expr(struct sheet *sheet, const struct expr *expr, const struct text *names)
{
    struct text text = expr ? expr_print(sheet->arena, expr, names) : TEXT("*");
    sheet->failed = sheet->failed || !text.data;
    if (text.data)
        sheet_put(sheet, text);
}

/* --- steps --- */

struct step_sheet {
    struct sheet sheet;
    const struct planner *planner;
    const struct text *names; /* of slots */
};

static void
put_slot(struct step_sheet *out, uint32_t slot)
{
    if (slot != SLOT_NONE)
        sheet_put(&out->sheet, out->names[slot]);
}

static void
put_token(struct step_sheet *out, enum token_kind kind, uint32_t token)
{
    sheet_put(
        &out->sheet,
        token == TOKEN_NONE ? TEXT("?") : catalog_name(out->planner->catalog, kind, token));
}

/* (a)-[r:T*1..3]->(b) */
static void
put_hop(struct step_sheet *out, const struct step *step)
{
    struct sheet *sheet = &out->sheet;
    sheet_put_string(sheet, " (");
    put_slot(out, step->from_slot);
    sheet_put_string(sheet, step->direction == DIRECTION_IN ? ")<-[" : ")-[");
    put_slot(out, step->rel_slot);
    for (uint32_t i = 0; i < step->type_count; i++) {
        sheet_put_string(sheet, i == 0 ? ":" : "|");
        put_token(out, TOKEN_TYPE, step->types[i]);
    }
    if (step->kind == STEP_VAR_EXPAND) {
        sheet_put_string(sheet, "*");
        sheet_put_number(sheet, step->min);
        sheet_put_string(sheet, "..");
        if (step->max != UINT32_MAX)
            sheet_put_number(sheet, step->max);
    }
    sheet_put_string(sheet, step->direction == DIRECTION_OUT ? "]->(" : "]-(");
    put_slot(out, step->to_slot);
    sheet_put_string(sheet, ")");
}

static void
put_fetches(struct step_sheet *out, const struct step *step)
{
    for (uint32_t i = 0; i < step->fetch_count; i++) {
        sheet_put_string(&out->sheet, i == 0 ? " " : ", ");
        put_slot(out, step->fetches[i].slot);
    }
}

static void
put_found(struct step_sheet *out, const struct step *step)
{
    sheet_put_string(&out->sheet, " ");
    put_slot(out, step->to_slot);
    if (step->label != LABEL_ANY) {
        sheet_put_string(&out->sheet, ":");
        put_token(out, TOKEN_LABEL, step->label);
    }
    if (step->kind == STEP_INDEX_SEEK) {
        sheet_put_string(&out->sheet, " ");
        put_token(out, TOKEN_KEY, step->key);
    }
    if (step->expr) {
        sheet_put_string(&out->sheet, " = ");
        sheet_put_expr(&out->sheet, step->expr, out->names);
    }
}

static void
put_property(struct step_sheet *out, const struct step *step)
{
    static const char *const compares[] = {" = ", " <> ", " < ", " <= ", " > ", " >= "};
    sheet_put_string(&out->sheet, " ");
    put_slot(out, step->from_slot);
    sheet_put_string(&out->sheet, ".");
    put_token(out, TOKEN_KEY, step->key);
    sheet_put_string(&out->sheet, compares[step->compare]);
    sheet_put_expr(&out->sheet, step->expr, out->names);
}

static const char *const step_names[] = {
    [STEP_NONE] = "None",
    [STEP_SCAN] = "Scan",
    [STEP_INDEX_SEEK] = "IndexSeek",
    [STEP_ID_SEEK] = "IdSeek",
    [STEP_MOVE] = "Move",
    [STEP_EXPAND] = "Expand",
    [STEP_EXPAND_INTO] = "ExpandInto",
    [STEP_EXPAND_EXISTS] = "ExpandExists",
    [STEP_VAR_EXPAND] = "VarExpand",
    [STEP_LABEL] = "Label",
    [STEP_PROPERTY] = "Property",
    [STEP_FETCH] = "Fetch",
    [STEP_HYDRATE] = "Hydrate",
    [STEP_FILTER] = "Filter",
    [STEP_COMPUTE] = "Compute",
    [STEP_REL_DISTINCT] = "RelDistinct",
    [STEP_NODE_EQUAL] = "NodeEqual",
};
_Static_assert(
    sizeof(step_names) / sizeof(step_names[0]) == STEP_KIND_COUNT, "every step has a name");

static void
put_step(struct step_sheet *out, const struct step *step)
{
    struct sheet *sheet = &out->sheet;
    if (step->negate)
        sheet_put_string(sheet, "Not");
    sheet_put_string(sheet, step_names[step->kind]);
    switch (step->kind) {
    case STEP_SCAN:
    case STEP_INDEX_SEEK:
    case STEP_ID_SEEK:
        put_found(out, step);
        return;
    case STEP_EXPAND:
    case STEP_EXPAND_INTO:
    case STEP_EXPAND_EXISTS:
    case STEP_VAR_EXPAND:
        put_hop(out, step);
        return;
    case STEP_FETCH:
        put_fetches(out, step);
        return;
    case STEP_PROPERTY:
        put_property(out, step);
        return;
    case STEP_LABEL:
        sheet_put_string(sheet, " ");
        put_slot(out, step->from_slot);
        sheet_put_string(sheet, ":");
        put_token(out, TOKEN_LABEL, step->label);
        return;
    case STEP_REL_DISTINCT:
        sheet_put_string(sheet, " ");
        put_slot(out, step->rel_slot);
        for (uint32_t i = 0; i < step->slot_count; i++) {
            sheet_put_string(sheet, ", ");
            put_slot(out, step->slots[i]);
        }
        return;
    case STEP_FILTER:
        sheet_put_string(sheet, " ");
        sheet_put_expr(sheet, step->expr, out->names);
        return;
    case STEP_COMPUTE:
        sheet_put_string(sheet, " ");
        put_slot(out, step->to_slot);
        sheet_put_string(sheet, " = ");
        sheet_put_expr(sheet, step->expr, out->names);
        return;
    case STEP_NODE_EQUAL:
        sheet_put_string(sheet, " ");
        put_slot(out, step->from_slot);
        sheet_put_string(sheet, ", ");
        put_slot(out, step->to_slot);
        return;
    default:
        sheet_put_string(sheet, " ");
        put_slot(out, step->from_slot);
    }
}

/* What to call each column of a row. NULL: no memory. */
const struct text *
row_names(struct planner *planner, const struct row *row)
{
    struct text *names = planner_allocate(planner, row->count * sizeof(*names));
    for (uint32_t i = 0; names && i < row->count; i++) {
        const struct plan_column *column = &row->columns[i];
        struct sheet sheet = {.arena = planner->arena};
        if (column->name.data) {
            sheet_put_name(&sheet, column->name);
        } else if (
            column->fetch_entity != SLOT_NONE && row->columns[column->fetch_entity].name.data) {
            sheet_put_name(&sheet, row->columns[column->fetch_entity].name);
            sheet_put_string(&sheet, column->fetch_kind == FETCH_LABEL ? ":" : ".");
            sheet_put(&sheet, column->fetch_name);
        } else {
            sheet_put_string(&sheet, "_");
            sheet_put_number(&sheet, i);
        }
        names[i] = (struct text){sheet.data, sheet.size};
        if (sheet.failed)
            planner_no_memory(planner);
    }
    return planner->err ? NULL : names;
}

bool
steps_print(struct builder *builder, struct op *op)
{
    struct planner *planner = builder->planner;
    struct step_sheet out = {
        .sheet = {.arena = planner->arena},
        .planner = planner,
        .names = row_names(planner, &builder->row)};
    if (!out.names)
        return false;
    for (uint32_t i = 0; i < op->traversal->step_count; i++) {
        if (i > 0)
            sheet_put_string(&out.sheet, "\n");
        put_step(&out, &op->traversal->steps[i]);
    }
    op->text = (struct text){out.sheet.data, out.sheet.size};
    return !out.sheet.failed || planner_no_memory(planner);
}

bool
traversal_end_print(struct builder *builder, struct op *op)
{
    struct planner *planner = builder->planner;
    const struct traversal *traversal = op->traversal;
    const struct text *names = row_names(planner, &builder->row);
    struct sheet sheet = {.arena = planner->arena};
    if (!names)
        return false;
    sheet_put(&sheet, op->text);
    if (traversal->aggregate_partial)
        sheet_put_string(&sheet, "\nAggregate");
    for (uint32_t i = 0; i < traversal->group_count; i++) {
        sheet_put_string(&sheet, i == 0 ? " by " : ", ");
        sheet_put_expr(&sheet, traversal->groups[i], names);
    }
    for (uint32_t i = 0; i < traversal->top_key_count; i++) {
        sheet_put_string(&sheet, i == 0 ? "\nTop by " : ", ");
        sheet_put_expr(&sheet, traversal->top_keys[i].expr, names);
        sheet_put_string(&sheet, traversal->top_keys[i].descending ? " DESC" : "");
    }
    op->text = (struct text){sheet.data, sheet.size};
    return !sheet.failed || planner_no_memory(planner);
}

/* --- operators --- */

static const char *const op_names[] = {
    [OP_NONE] = "None",
    [OP_UNIT] = "Unit",
    [OP_ARGUMENT] = "Argument",
    [OP_TRAVERSE] = "Traverse",
    [OP_FILTER] = "Filter",
    [OP_PROJECT] = "Project",
    [OP_UNWIND] = "Unwind",
    [OP_DISTINCT] = "Distinct",
    [OP_AGGREGATE] = "Aggregate",
    [OP_SORT] = "Sort",
    [OP_LIMIT] = "Limit",
    [OP_UNION] = "Union",
    [OP_APPLY] = "Apply",
    [OP_FETCH] = "Fetch",
    [OP_HYDRATE] = "Hydrate",
    [OP_SHORTEST_PATH] = "ShortestPath",
    [OP_CREATE] = "Create",
    [OP_MERGE] = "Merge",
    [OP_SET] = "Set",
    [OP_DELETE] = "Delete",
    [OP_FOREACH] = "Foreach",
    [OP_EAGER] = "Eager",
    [OP_PROCEDURE] = "Procedure",
    [OP_SCHEMA] = "Schema",
    [OP_RESULT] = "Result",
};
_Static_assert(
    sizeof(op_names) / sizeof(op_names[0]) == OP_KIND_COUNT, "every operator has a name");

static const char *const apply_names[] = {"Inner", "Optional", "Semi", "Count", "Collect"};

static void
put_columns(struct sheet *sheet, const struct op *op)
{
    for (uint32_t i = 0; i < op->column_count; i++) {
        sheet_put_string(sheet, i == 0 ? " " : ", ");
        if (op->column_names[i].size)
            sheet_put_name(sheet, op->column_names[i]);
        else
            sheet_put_string(sheet, "_");
    }
}

/* Names for expr_print: empty ones and those nobody wrote made readable. */
static const struct text *
input_names(struct sheet *sheet, const struct op *op)
{
    if (!op->left)
        return NULL;
    struct text *names = arena_zeroed(sheet->arena, (op->left->column_count + 1) * sizeof(*names));
    sheet->failed = sheet->failed || !names;
    for (uint32_t i = 0; names && i < op->left->column_count; i++) {
        struct sheet name = {.arena = sheet->arena};
        if (op->left->column_names[i].size) {
            sheet_put_name(&name, op->left->column_names[i]);
        } else {
            sheet_put_string(&name, "_");
            sheet_put_number(&name, i);
        }
        names[i] = (struct text){name.data, name.size};
        sheet->failed = sheet->failed || name.failed;
    }
    return names;
}

static void
put_exprs(struct sheet *sheet, const struct op *op, const struct text *names)
{
    for (uint32_t i = 0; i < op->expr_count; i++) {
        sheet_put_string(sheet, i == 0 ? " " : ", ");
        sheet_put_expr(sheet, op->exprs[i], names);
    }
}

static void
put_sort(struct sheet *sheet, const struct op *op, const struct text *names)
{
    for (uint32_t i = 0; i < op->sort_key_count; i++) {
        sheet_put_string(sheet, i == 0 ? " " : ", ");
        sheet_put_expr(sheet, op->sort_keys[i].expr, names);
        sheet_put_string(sheet, op->sort_keys[i].descending ? " DESC" : "");
    }
    if (op->skip) {
        sheet_put_string(sheet, " SKIP ");
        sheet_put_expr(sheet, op->skip, names);
    }
    if (op->limit) {
        sheet_put_string(sheet, " LIMIT ");
        sheet_put_expr(sheet, op->limit, names);
    }
}

static void
put_op(struct sheet *sheet, const struct op *op)
{
    const struct text *names = input_names(sheet, op);
    if (sheet->failed)
        return;
    sheet_put_string(sheet, op_names[op->kind]);
    switch (op->kind) {
    case OP_RESULT:
    case OP_AGGREGATE:
    case OP_CREATE:
    case OP_MERGE:
    case OP_PROCEDURE:
    case OP_FETCH:
    case OP_TRAVERSE:
    case OP_UNION:
        put_columns(sheet, op);
        return;
    case OP_APPLY:
        sheet_put_string(sheet, apply_names[op->mode]);
        sheet_put_string(sheet, op->flag ? " one by one" : "");
        return;
    case OP_FILTER:
    case OP_UNWIND:
    case OP_FOREACH:
        sheet_put_string(sheet, " ");
        sheet_put_expr(sheet, op->expr, names);
        return;
    case OP_PROJECT:
    case OP_DELETE:
        put_exprs(sheet, op, names);
        return;
    case OP_SORT:
    case OP_LIMIT:
        put_sort(sheet, op, names);
        return;
    case OP_HYDRATE:
        for (uint32_t i = 0; i < op->slot_count; i++) {
            sheet_put_string(sheet, i == 0 ? " " : ", ");
            sheet_put(sheet, names[op->slots[i]]);
        }
        return;
    case OP_SHORTEST_PATH:
        sheet_put_string(sheet, op->flag ? " all (" : " (");
        sheet_put(sheet, names[op->shortest->from_slot]);
        sheet_put_string(sheet, "), (");
        sheet_put(sheet, names[op->shortest->to_slot]);
        sheet_put_string(sheet, ")");
        return;
    default:
        return;
    }
}

static void
sheet_indent(struct sheet *sheet, uint32_t depth)
{
    for (uint32_t i = 0; i < depth && i < 40; i++)
        sheet_put_string(sheet, "  ");
}

static void
put_tree(struct sheet *sheet, const struct op *op, uint32_t depth)
{
    for (; op && !sheet->failed; op = op->left) {
        sheet_indent(sheet, depth);
        put_op(sheet, op);
        sheet_put_string(sheet, "\n");
        struct text steps = op->kind == OP_TRAVERSE ? op->text : (struct text){0};
        for (size_t from = 0; from < steps.size;) {
            const char *end = memchr(steps.data + from, '\n', steps.size - from);
            size_t size = end ? (size_t)(end - (steps.data + from)) : steps.size - from;
            sheet_indent(sheet, depth + 1);
            sheet_put(sheet, (struct text){steps.data + from, size});
            sheet_put_string(sheet, "\n");
            from += size + 1;
        }
        if (op->right)
            put_tree(sheet, op->right, depth + 1);
    }
}

struct text
plan_print(const struct plan *plan, struct arena *arena)
{
    assert(plan && plan->root);
    struct sheet sheet = {.arena = arena};
    put_tree(&sheet, plan->root, 0);
    return (struct text){sheet.failed ? NULL : sheet.data, sheet.size};
}
