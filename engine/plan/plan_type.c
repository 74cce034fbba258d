/* Static types and the checks of expressions at compile time.
 *
 * A type is a set: what a value may be as far as the text tells. A check fails only when no member of the
 * set is allowed, so a query that could run with some data is never refused. */
#include <stdio.h>

#include "base/assert.h"
#include "engine/plan/planner.h"

struct static_type
type_make(uint32_t mask)
{
    struct static_type type = {.mask = (uint16_t)mask};
    bool may_nest = mask & (TYPE_BIT_LIST | TYPE_BIT_MAP);
    type.holds = (mask & TYPE_BIT_PATH) || (may_nest && (mask & TYPE_MASK_ENTITY));
    type.items = may_nest ? (uint16_t)(type.holds ? TYPE_MASK_ALL : TYPE_MASK_PLAIN) : 0;
    return type;
}

struct static_type
type_list_of(struct static_type item)
{
    return (struct static_type){
        .mask = TYPE_BIT_LIST, .items = item.mask, .holds = type_holds_entity(item)};
}

struct static_type
type_item(struct static_type list)
{
    /* UNWIND takes anything else than a list as one item, and null as none. */
    uint32_t mask = list.items | (list.mask & ~(uint32_t)(TYPE_BIT_LIST | TYPE_BIT_NULL));
    if (!(list.mask & TYPE_BIT_LIST))
        mask = list.mask;
    struct static_type item = type_make(mask);
    item.holds = item.holds && list.holds;
    if (!list.holds)
        item.items &= TYPE_MASK_PLAIN;
    return item;
}

struct static_type
type_union(struct static_type a, struct static_type b)
{
    return (struct static_type){
        .mask = a.mask | b.mask, .items = a.items | b.items, .holds = a.holds || b.holds};
}

bool
type_holds_entity(struct static_type type)
{
    return type.holds || (type.mask & (TYPE_MASK_ENTITY | TYPE_BIT_PATH));
}

bool
type_is_entity(struct static_type type)
{
    uint32_t known = type.mask & ~(uint32_t)TYPE_BIT_NULL;
    return known != 0 && !(known & ~(uint32_t)TYPE_MASK_ENTITY);
}

const char *
type_name(struct static_type type, char out[160])
{
    static const char *const names[] = {
        "Null",         "Boolean", "Integer",           "Float", "String", "List", "Map", "Node",
        "Relationship", "Path",    "Temporal or Point",
    };
    size_t size = 0;
    out[0] = '\0';
    uint32_t shown = type.mask == TYPE_BIT_NULL ? type.mask : type.mask & ~(uint32_t)TYPE_BIT_NULL;
    for (uint32_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (shown & (1u << i))
            size += (size_t)snprintf(out + size, 160 - size, "%s%s", size ? " or " : "", names[i]);
    }
    return out;
}

/* --- types of functions --- */

struct function_type {
    const char *name;
    uint16_t result;
    uint16_t argument; /* what the first argument may be; 0: not checked */
};

static const struct function_type function_types[] = {
    {"id", TYPE_BIT_INTEGER, TYPE_MASK_ENTITY},
    {"elementId", TYPE_BIT_STRING, TYPE_MASK_ENTITY},
    {"type", TYPE_BIT_STRING, TYPE_BIT_REL},
    {"labels", TYPE_BIT_LIST, TYPE_BIT_NODE},
    {"keys", TYPE_BIT_LIST, TYPE_MASK_ENTITY | TYPE_BIT_MAP},
    {"properties", TYPE_BIT_MAP, TYPE_MASK_ENTITY | TYPE_BIT_MAP},
    {"startNode", TYPE_BIT_NODE, TYPE_BIT_REL},
    {"endNode", TYPE_BIT_NODE, TYPE_BIT_REL},
    {"length", TYPE_BIT_INTEGER, TYPE_BIT_PATH},
    {"size", TYPE_BIT_INTEGER, TYPE_BIT_LIST | TYPE_BIT_STRING | TYPE_BIT_MAP},
    {"nodes", TYPE_BIT_LIST, TYPE_BIT_PATH},
    {"relationships", TYPE_BIT_LIST, TYPE_BIT_PATH},
    {"toInteger", TYPE_BIT_INTEGER, TYPE_MASK_NUMBER | TYPE_BIT_STRING | TYPE_BIT_BOOLEAN},
    {"toFloat", TYPE_BIT_FLOAT, TYPE_MASK_NUMBER | TYPE_BIT_STRING},
    {"toBoolean", TYPE_BIT_BOOLEAN, TYPE_BIT_BOOLEAN | TYPE_BIT_STRING | TYPE_BIT_INTEGER},
    {"toString", TYPE_BIT_STRING,
     TYPE_MASK_NUMBER | TYPE_BIT_STRING | TYPE_BIT_BOOLEAN | TYPE_BIT_OTHER},
    {"exists", TYPE_BIT_BOOLEAN, 0},
    {"isEmpty", TYPE_BIT_BOOLEAN, 0},
    {"isNaN", TYPE_BIT_BOOLEAN, 0},
    {"abs", TYPE_MASK_NUMBER, TYPE_MASK_NUMBER},
    {"ceil", TYPE_BIT_FLOAT, TYPE_MASK_NUMBER},
    {"floor", TYPE_BIT_FLOAT, TYPE_MASK_NUMBER},
    {"round", TYPE_BIT_FLOAT, TYPE_MASK_NUMBER},
    {"sqrt", TYPE_BIT_FLOAT, TYPE_MASK_NUMBER},
    {"sign", TYPE_BIT_INTEGER, TYPE_MASK_NUMBER},
    {"rand", TYPE_BIT_FLOAT, 0},
    {"timestamp", TYPE_BIT_INTEGER, 0},
    {"substring", TYPE_BIT_STRING, TYPE_BIT_STRING},
    {"trim", TYPE_BIT_STRING, TYPE_BIT_STRING},
    {"toUpper", TYPE_BIT_STRING, TYPE_BIT_STRING},
    {"toLower", TYPE_BIT_STRING, TYPE_BIT_STRING},
    {"replace", TYPE_BIT_STRING, TYPE_BIT_STRING},
    {"count", TYPE_BIT_INTEGER, 0},
    {"avg", TYPE_MASK_NUMBER | TYPE_BIT_OTHER, 0},
    {"sum", TYPE_MASK_NUMBER | TYPE_BIT_OTHER, 0},
    {"stDev", TYPE_BIT_FLOAT, 0},
    {"stDevP", TYPE_BIT_FLOAT, 0},
};

static const struct function_type *
function_type_find(struct text name)
{
    for (uint32_t i = 0; i < sizeof(function_types) / sizeof(function_types[0]); i++) {
        if (text_equal_fold(name, text_of(function_types[i].name)))
            return &function_types[i];
    }
    return NULL;
}

static struct static_type
function_result_type(
    const struct builder *builder, const struct local *locals, const struct ast *ast)
{
    struct static_type first = {0};
    for (uint32_t i = 0; i < ast->item_count; i++) {
        struct static_type argument = type_of(builder, locals, ast->items[i]);
        first = i == 0 ? argument : first;
        if (text_equal_fold(ast->text, TEXT("coalesce")) && i > 0)
            first = type_union(first, argument);
    }
    if (text_equal_fold(ast->text, TEXT("nodes")))
        return type_list_of(type_make(TYPE_BIT_NODE));
    if (text_equal_fold(ast->text, TEXT("relationships")))
        return type_list_of(type_make(TYPE_BIT_REL));
    bool is_end = text_equal_fold(ast->text, TEXT("startNode")) ||
                  text_equal_fold(ast->text, TEXT("endNode"));
    if (is_end && first.mask == TYPE_BIT_REL)
        return type_make(TYPE_BIT_NODE);
    if (text_equal_fold(ast->text, TEXT("range")))
        return type_list_of(type_make(TYPE_BIT_INTEGER));
    if (text_equal_fold(ast->text, TEXT("labels")) || text_equal_fold(ast->text, TEXT("keys")) ||
        text_equal_fold(ast->text, TEXT("split")))
        return type_list_of(type_make(TYPE_BIT_STRING));
    if (text_equal_fold(ast->text, TEXT("collect")))
        return type_list_of(first);
    if (text_equal_fold(ast->text, TEXT("coalesce")) || text_equal_fold(ast->text, TEXT("tail")) ||
        text_equal_fold(ast->text, TEXT("reverse")) || text_equal_fold(ast->text, TEXT("min")) ||
        text_equal_fold(ast->text, TEXT("max"))) {
        first.mask |= TYPE_BIT_NULL;
        return first;
    }
    if (text_equal_fold(ast->text, TEXT("head")) || text_equal_fold(ast->text, TEXT("last")))
        return type_union(type_item(first), type_make(TYPE_BIT_NULL));
    const struct function_type *known = function_type_find(ast->text);
    if (known) {
        struct static_type type = type_make(known->result | TYPE_BIT_NULL);
        type.holds = known->result == TYPE_BIT_NODE;
        type.items = known->result == TYPE_BIT_MAP ? TYPE_MASK_PLAIN : 0;
        return type;
    }
    bool may_hold = false;
    for (uint32_t i = 0; i < ast->item_count && !may_hold; i++)
        may_hold = type_holds_entity(type_of(builder, locals, ast->items[i]));
    return type_make(may_hold ? TYPE_MASK_ALL : TYPE_MASK_PLAIN);
}

/* --- types of expressions --- */

static struct static_type
arithmetic_type(const struct builder *builder, const struct local *locals, const struct ast *ast)
{
    struct static_type left = type_of(builder, locals, ast->binary.left);
    struct static_type right = type_of(builder, locals, ast->binary.right);
    uint32_t both = left.mask | right.mask, null = both & TYPE_BIT_NULL;
    if ((left.mask | right.mask) & ~(uint32_t)(TYPE_MASK_NUMBER | TYPE_BIT_NULL)) {
        if (ast->kind == AST_ADD || ast->kind == AST_CONCATENATE) {
            struct static_type sum = type_union(left, right);
            if ((left.mask | right.mask) & TYPE_BIT_LIST) {
                sum.items |= (left.mask | right.mask) & (uint16_t)~TYPE_BIT_LIST;
                sum.holds = type_holds_entity(left) || type_holds_entity(right);
                sum.mask = TYPE_BIT_LIST | TYPE_BIT_NULL;
                if (!(left.mask & ~(uint32_t)TYPE_BIT_LIST) ||
                    !(right.mask & ~(uint32_t)TYPE_BIT_LIST))
                    return sum;
                sum.mask |= (left.mask | right.mask) & (TYPE_MASK_PLAIN);
                return sum;
            }
            return type_make((both & TYPE_MASK_PLAIN) | TYPE_BIT_STRING | TYPE_BIT_NULL);
        }
        return type_make(TYPE_MASK_NUMBER | TYPE_BIT_OTHER | TYPE_BIT_NULL);
    }
    if (ast->kind == AST_POWER)
        return type_make(TYPE_BIT_FLOAT | null);
    if (both & TYPE_BIT_FLOAT)
        return type_make(TYPE_BIT_FLOAT | (both & TYPE_BIT_INTEGER) | null);
    return type_make(both);
}

static struct static_type
property_type(const struct builder *builder, const struct local *locals, const struct ast *ast)
{
    struct static_type subject = type_of(builder, locals, ast->property.subject);
    if (type_is_entity(subject))
        return type_make(TYPE_MASK_PLAIN & ~TYPE_BIT_MAP);
    return type_make(type_holds_entity(subject) && subject.holds ? TYPE_MASK_ALL : TYPE_MASK_PLAIN);
}

static struct static_type
children_type(
    const struct builder *builder, const struct local *locals, const struct ast *ast, uint32_t mask)
{
    struct static_type type = {.mask = (uint16_t)mask};
    for (uint32_t i = 0; i < ast->item_count; i++) {
        const struct ast *item = ast->items[i]->kind == AST_ENTRY ? ast->items[i]->entry.value
                                                                  : ast->items[i];
        if (item->kind == AST_PROJECT_KEY || item->kind == AST_PROJECT_ALL)
            continue;
        struct static_type child = type_of(builder, locals, item);
        type.items |= child.mask;
        type.holds = type.holds || type_holds_entity(child);
    }
    return type;
}

static struct static_type
comprehension_type(const struct builder *builder, const struct local *locals, const struct ast *ast)
{
    struct static_type list = type_of(builder, locals, ast->list_comprehension.list);
    if (!ast->list_comprehension.result)
        return list;
    struct local local = {
        .name = ast->list_comprehension.variable->text, .type = type_item(list), .outer = locals};
    return type_list_of(type_of(builder, &local, ast->list_comprehension.result));
}

static struct static_type
reduce_type(const struct builder *builder, const struct local *locals, const struct ast *ast)
{
    struct static_type initial = type_of(builder, locals, ast->reduce.initial);
    struct static_type list = type_of(builder, locals, ast->reduce.list);
    bool holds = type_holds_entity(initial) || type_holds_entity(list);
    return type_make(holds ? TYPE_MASK_ALL : TYPE_MASK_PLAIN);
}

static struct static_type
case_type(const struct builder *builder, const struct local *locals, const struct ast *ast)
{
    struct static_type type = type_make(TYPE_BIT_NULL);
    if (ast->case_.fallback)
        type = type_of(builder, locals, ast->case_.fallback);
    for (uint32_t i = 0; i < ast->item_count; i++)
        type = type_union(type, type_of(builder, locals, ast->items[i]->when.result));
    return type;
}

static struct static_type
variable_type(const struct builder *builder, const struct local *locals, const struct ast *ast)
{
    for (const struct local *local = locals; local; local = local->outer) {
        if (text_equal(local->name, ast->text))
            return local->type;
    }
    uint32_t column = row_find(&builder->row, ast->text);
    return column == SLOT_NONE ? type_make(TYPE_MASK_ALL) : builder->row.columns[column].type;
}

struct static_type
type_of(const struct builder *builder, const struct local *locals, const struct ast *ast)
{
    for (uint32_t i = 0; i < builder->substitution_count; i++) {
        const struct substitution *known = &builder->substitutions[i];
        if (known->ast != ast && !(known->by_structure && ast_equal(known->ast, ast)))
            continue;
        struct static_type type = builder->row.columns[known->column].type;
        return known->head ? type_union(type_item(type), type_make(TYPE_BIT_NULL)) : type;
    }
    switch (ast->kind) {
    case AST_VARIABLE:
        return variable_type(builder, locals, ast);
    case AST_NULL:
        return type_make(TYPE_BIT_NULL);
    case AST_INTEGER:
    case AST_COUNT_STAR:
    case AST_COUNT:
        return type_make(TYPE_BIT_INTEGER);
    case AST_FLOAT:
        return type_make(TYPE_BIT_FLOAT);
    case AST_BOOLEAN:
        return type_make(TYPE_BIT_BOOLEAN);
    case AST_STRING:
        return type_make(TYPE_BIT_STRING);
    case AST_LIST:
        return children_type(builder, locals, ast, TYPE_BIT_LIST);
    case AST_MAP:
        return children_type(builder, locals, ast, TYPE_BIT_MAP);
    case AST_MAP_PROJECTION:
        return children_type(builder, locals, ast, TYPE_BIT_MAP | TYPE_BIT_NULL);
    case AST_PROPERTY:
        return property_type(builder, locals, ast);
    case AST_INDEX: {
        struct static_type subject = type_of(builder, locals, ast->index.subject);
        if (subject.mask == TYPE_BIT_LIST)
            return type_union(type_item(subject), type_make(TYPE_BIT_NULL));
        return type_make(subject.holds ? TYPE_MASK_ALL : TYPE_MASK_PLAIN);
    }
    case AST_SLICE:
        return type_of(builder, locals, ast->slice.subject);
    case AST_FUNCTION:
        return function_result_type(builder, locals, ast);
    case AST_ADD:
    case AST_SUBTRACT:
    case AST_MULTIPLY:
    case AST_DIVIDE:
    case AST_MODULO:
    case AST_POWER:
    case AST_CONCATENATE:
        return arithmetic_type(builder, locals, ast);
    case AST_NEGATE:
    case AST_PLUS:
        return type_of(builder, locals, ast->negate.operand);
    case AST_CASE:
        return case_type(builder, locals, ast);
    case AST_LIST_COMPREHENSION:
        return comprehension_type(builder, locals, ast);
    case AST_REDUCE:
        return reduce_type(builder, locals, ast);
    case AST_PATTERN_COMPREHENSION:
    case AST_COLLECT:
        return type_list_of(type_make(TYPE_MASK_ALL));
    case AST_PATTERN_EXPRESSION:
        return type_make(
            ast->pattern_expression.path->flags & (AST_FLAG_SHORTEST | AST_FLAG_ALL_SHORTEST)
                ? TYPE_BIT_PATH | TYPE_BIT_LIST | TYPE_BIT_NULL
                : TYPE_BIT_BOOLEAN);
    case AST_PARAMETER:
        return type_make(TYPE_MASK_PLAIN);
    default:
        return type_make(TYPE_BIT_BOOLEAN | TYPE_BIT_NULL);
    }
}

/* --- checks --- */

struct check {
    const struct builder *builder;
    bool aggregates_allowed;
};

static bool check_node(
    struct check *check, const struct local *locals, const struct ast *ast, enum check_place place);

static bool
check_type(
    struct check *check,
    const struct local *locals,
    const struct ast *ast,
    uint32_t allowed,
    const char *expected)
{
    struct static_type type = type_of(check->builder, locals, ast);
    /* Nothing at all: an item of an empty list, which is never looked at. */
    if (type.mask == 0 || (type.mask & (allowed | TYPE_BIT_NULL)))
        return true;
    char name[160];
    return planner_fail(
        check->builder->planner, ast, ERR(SYNTAX), "Type mismatch: expected %s but was %s",
        expected, type_name(type, name));
}

static bool
check_variable(struct check *check, const struct local *locals, const struct ast *ast)
{
    for (const struct local *local = locals; local; local = local->outer) {
        if (text_equal(local->name, ast->text))
            return true;
    }
    if (row_find(&check->builder->row, ast->text) != SLOT_NONE)
        return true;
    return planner_fail(
        check->builder->planner, ast, ERR(SYNTAX), "Variable `%.*s` not defined",
        TEXT_ARGS(ast->text));
}

static bool
check_children(
    struct check *check, const struct local *locals, const struct ast *ast, enum check_place place)
{
    for (uint32_t i = 0; i < ast_child_count(ast); i++) {
        const struct ast *child = ast_child(ast, i);
        if (child && !check_node(check, locals, child, place))
            return false;
    }
    return true;
}

static bool
check_function(struct check *check, const struct local *locals, const struct ast *ast)
{
    struct planner *planner = check->builder->planner;
    const struct function *function = function_lookup(ast->text);
    if (!function) {
        const struct function *near = function_suggest(ast->text);
        return planner_fail(
            planner, ast, ERR(SYNTAX),
            near ? "Unknown function '%.*s'; did you mean %.*s()?" : "Unknown function '%.*s'",
            TEXT_ARGS(ast->text), near ? (int)near->name.size : 0, near ? near->name.data : "");
    }
    bool is_aggregate = function->flags & FUNCTION_AGGREGATE;
    if (is_aggregate && !check->aggregates_allowed)
        return planner_fail(
            planner, ast, ERR(SYNTAX),
            "Invalid use of aggregating function %.*s(...) in this context", TEXT_ARGS(ast->text));
    if ((ast->flags & AST_FLAG_DISTINCT) && !is_aggregate)
        return planner_fail(
            planner, ast, ERR(SYNTAX),
            "DISTINCT is only allowed in aggregating functions, not in %.*s()",
            TEXT_ARGS(ast->text));
    bool too_many = function->arguments_max != FUNCTION_ARGUMENTS_ANY &&
                    ast->item_count > function->arguments_max;
    if (ast->item_count < function->arguments_min || too_many)
        return planner_fail(
            planner, ast, ERR(SYNTAX), "%s arguments for function '%.*s': %u given, %s%u expected",
            too_many ? "Too many" : "Insufficient", TEXT_ARGS(ast->text), ast->item_count,
            function->arguments_min == function->arguments_max ? ""
            : too_many                                         ? "at most "
                                                               : "at least ",
            too_many ? function->arguments_max : function->arguments_min);
    bool was_allowed = check->aggregates_allowed;
    check->aggregates_allowed = was_allowed && !is_aggregate;
    bool is_exists = text_equal_fold(ast->text, TEXT("exists"));
    bool is_good = true;
    for (uint32_t i = 0; i < ast->item_count && is_good; i++)
        is_good = check_node(
            check, locals, ast->items[i], is_exists ? CHECK_PREDICATE : CHECK_VALUE);
    if (is_aggregate && is_good) {
        for (uint32_t i = 0; i < ast->item_count; i++) {
            const struct function *inner = ast->items[i]->kind == AST_FUNCTION
                                               ? function_lookup(ast->items[i]->text)
                                               : NULL;
            if (inner && (inner->flags & FUNCTION_NOT_DETERMINISTIC))
                return planner_fail(
                    planner, ast->items[i], ERR(SYNTAX),
                    "Can't use non-deterministic (random) functions inside of aggregate functions");
        }
    }
    check->aggregates_allowed = was_allowed;
    const struct function_type *known = function_type_find(ast->text);
    if (is_good && known && known->argument && ast->item_count > 0) {
        char name[160];
        return check_type(
            check, locals, ast->items[0], known->argument,
            type_name(type_make(known->argument), name));
    }
    return is_good;
}

/* variable IN list WHERE ... | ...: the variable exists inside only. */
static bool
check_iteration(struct check *check, const struct local *locals, const struct ast *ast)
{
    bool is_comprehension = ast->kind == AST_LIST_COMPREHENSION;
    const struct ast *list = is_comprehension ? ast->list_comprehension.list : ast->quantifier.list;
    const struct ast *where = is_comprehension ? ast->list_comprehension.where
                                               : ast->quantifier.where;
    const struct ast *result = is_comprehension ? ast->list_comprehension.result : NULL;
    if (!check_node(check, locals, list, CHECK_VALUE) ||
        !check_type(check, locals, list, TYPE_BIT_LIST, "List"))
        return false;
    bool was_allowed = check->aggregates_allowed;
    check->aggregates_allowed = false;
    struct local local = {
        .name = ast->list_comprehension.variable->text,
        .type = type_item(type_of(check->builder, locals, list)),
        .outer = locals,
    };
    bool is_good = !where || (check_node(check, &local, where, CHECK_PREDICATE) &&
                              check_type(check, &local, where, TYPE_BIT_BOOLEAN, "Boolean"));
    is_good = is_good && (!result || check_node(check, &local, result, CHECK_VALUE));
    check->aggregates_allowed = was_allowed;
    return is_good;
}

static bool
check_reduce(struct check *check, const struct local *locals, const struct ast *ast)
{
    if (!check_node(check, locals, ast->reduce.initial, CHECK_VALUE) ||
        !check_node(check, locals, ast->reduce.list, CHECK_VALUE) ||
        !check_type(check, locals, ast->reduce.list, TYPE_BIT_LIST, "List"))
        return false;
    bool was_allowed = check->aggregates_allowed;
    check->aggregates_allowed = false;
    struct local accumulator = {
        .name = ast->reduce.accumulator->text, .type = type_make(TYPE_MASK_ALL), .outer = locals};
    struct local item = {
        .name = ast->reduce.variable->text,
        .type = type_item(type_of(check->builder, locals, ast->reduce.list)),
        .outer = &accumulator,
    };
    bool is_good = check_node(check, &item, ast->reduce.result, CHECK_VALUE);
    check->aggregates_allowed = was_allowed;
    return is_good;
}

static bool
check_operator(struct check *check, const struct local *locals, const struct ast *ast)
{
    if (!check_children(check, locals, ast, CHECK_VALUE))
        return false;
    switch (ast->kind) {
    case AST_SUBTRACT:
    case AST_MULTIPLY:
    case AST_DIVIDE:
    case AST_MODULO:
    case AST_POWER:
        for (uint32_t i = 0; i < 2; i++) {
            if (!check_type(
                    check, locals, ast->slot[i], TYPE_MASK_NUMBER | TYPE_BIT_OTHER,
                    "Integer, Float or Duration"))
                return false;
        }
        return true;
    case AST_ADD:
        for (uint32_t i = 0; i < 2; i++) {
            const struct ast *other = ast->slot[1 - i];
            struct static_type other_type = type_of(check->builder, locals, other);
            if (other_type.mask & (TYPE_BIT_LIST | TYPE_BIT_NULL))
                continue;
            uint32_t allowed = TYPE_MASK_NUMBER | TYPE_BIT_STRING | TYPE_BIT_LIST | TYPE_BIT_OTHER |
                               TYPE_BIT_BOOLEAN;
            if (!check_type(
                    check, locals, ast->slot[i], allowed, "Number, String, List or Duration"))
                return false;
        }
        return true;
    case AST_NEGATE:
    case AST_PLUS:
        return check_type(
            check, locals, ast->negate.operand, TYPE_MASK_NUMBER | TYPE_BIT_OTHER,
            "Integer, Float or Duration");
    case AST_IN:
        return check_type(check, locals, ast->in.right, TYPE_BIT_LIST, "List");
    case AST_INDEX: {
        struct static_type index = type_of(check->builder, locals, ast->index.index);
        struct static_type subject = type_of(check->builder, locals, ast->index.subject);
        if (!check_type(
                check, locals, ast->index.subject, TYPE_BIT_LIST | TYPE_BIT_MAP | TYPE_MASK_ENTITY,
                "List, Map, Node or Relationship"))
            return false;
        if (subject.mask == TYPE_BIT_LIST && !(index.mask & (TYPE_BIT_INTEGER | TYPE_BIT_NULL)))
            return check_type(check, locals, ast->index.index, TYPE_BIT_INTEGER, "Integer");
        return true;
    }
    case AST_SLICE:
        return check_type(check, locals, ast->slice.subject, TYPE_BIT_LIST, "List") &&
               (!ast->slice.from ||
                check_type(check, locals, ast->slice.from, TYPE_BIT_INTEGER, "Integer")) &&
               (!ast->slice.to ||
                check_type(check, locals, ast->slice.to, TYPE_BIT_INTEGER, "Integer"));
    case AST_PROPERTY:
        return check_type(
            check, locals, ast->property.subject, TYPE_BIT_MAP | TYPE_MASK_ENTITY | TYPE_BIT_OTHER,
            "Map, Node, Relationship, Point, Duration or a temporal value");
    default:
        return true;
    }
}

static bool
check_logical(struct check *check, const struct local *locals, const struct ast *ast)
{
    for (uint32_t i = 0; i < ast_child_count(ast); i++) {
        const struct ast *child = ast_child(ast, i);
        if (child && (!check_node(check, locals, child, CHECK_PREDICATE) ||
                      !check_type(check, locals, child, TYPE_BIT_BOOLEAN, "Boolean")))
            return false;
    }
    return true;
}

static bool
check_map_projection(struct check *check, const struct local *locals, const struct ast *ast)
{
    if (!check_node(check, locals, ast->map_projection.subject, CHECK_VALUE))
        return false;
    for (uint32_t i = 0; i < ast->item_count; i++) {
        const struct ast *item = ast->items[i];
        if (item->kind == AST_PROJECT_ALL || item->kind == AST_PROJECT_KEY)
            continue;
        if (!check_node(
                check, locals, item->kind == AST_ENTRY ? item->entry.value : item, CHECK_VALUE))
            return false;
    }
    return true;
}

static bool
check_node(
    struct check *check, const struct local *locals, const struct ast *ast, enum check_place place)
{
    struct planner *planner = check->builder->planner;
    if (planner->err)
        return false;
    for (uint32_t i = 0; i < check->builder->substitution_count; i++) {
        if (check->builder->substitutions[i].by_structure &&
            ast_equal(check->builder->substitutions[i].ast, ast))
            return true;
    }
    switch (ast->kind) {
    case AST_VARIABLE:
        return check_variable(check, locals, ast);
    case AST_FUNCTION:
        return check_function(check, locals, ast);
    case AST_COUNT_STAR:
        if (!check->aggregates_allowed)
            return planner_fail(
                planner, ast, ERR(SYNTAX),
                "Invalid use of aggregating function count(*) in this context");
        return true;
    case AST_LIST_COMPREHENSION:
    case AST_ALL:
    case AST_ANY:
    case AST_NONE:
    case AST_SINGLE:
        return check_iteration(check, locals, ast);
    case AST_REDUCE:
        return check_reduce(check, locals, ast);
    case AST_MAP_PROJECTION:
        return check_map_projection(check, locals, ast);
    case AST_AND:
    case AST_OR:
    case AST_XOR:
    case AST_NOT:
        return check_logical(check, locals, ast);
    case AST_PATTERN_EXPRESSION:
        if (place != CHECK_PREDICATE &&
            !(ast->pattern_expression.path->flags & (AST_FLAG_SHORTEST | AST_FLAG_ALL_SHORTEST)))
            return planner_fail(
                planner, ast, ERR(SYNTAX),
                "A pattern expression may only be used to test the existence of a pattern; for the "
                "matches use a pattern comprehension");
        return true;
    case AST_EXISTS:
    case AST_COUNT:
    case AST_COLLECT:
    case AST_PATTERN_COMPREHENSION:
        return true; /* checked when planned, in its own scope */
    case AST_CASE:
        for (uint32_t i = 0; i < ast->item_count; i++) {
            if (!check_node(
                    check, locals, ast->items[i]->when.condition,
                    ast->case_.subject ? CHECK_VALUE : CHECK_PREDICATE) ||
                !check_node(check, locals, ast->items[i]->when.result, CHECK_VALUE))
                return false;
        }
        return (!ast->case_.subject ||
                check_node(check, locals, ast->case_.subject, CHECK_VALUE)) &&
               (!ast->case_.fallback ||
                check_node(check, locals, ast->case_.fallback, CHECK_VALUE));
    case AST_LABEL_TEST:
        return check_node(check, locals, ast->label_test.subject, CHECK_VALUE) &&
               check_type(
                   check, locals, ast->label_test.subject, TYPE_MASK_ENTITY,
                   "Node or Relationship");
    default:
        return check_operator(check, locals, ast);
    }
}

bool
expression_check(
    const struct builder *builder,
    const struct local *locals,
    const struct ast *ast,
    enum check_place place,
    bool aggregates_allowed)
{
    struct check check = {.builder = builder, .aggregates_allowed = aggregates_allowed};
    if (!check_node(&check, locals, ast, place))
        return false;
    if (place == CHECK_PREDICATE)
        return check_type(&check, locals, ast, TYPE_BIT_BOOLEAN, "Boolean");
    return true;
}
