/* Writing clauses.
 *
 * Their expressions are computed from the rows as they came in; whatever was fetched or hydrated before a
 * write is forgotten after it (builder_forget), so later clauses fetch again.
 *
 * MERGE is a match and a creation of the same pattern:
 *
 *      left row --> right side: the pattern as MATCH --found--> ON MATCH SET
 *                                        |
 *                                        +--not found--> create --> ON CREATE SET
 *
 * Its row is the left row, one column for each thing the pattern may make, and behind them what ON MATCH
 * reads of what was found. */
#include "base/assert.h"
#include "engine/plan/planner.h"

/* --- what CREATE and MERGE make --- */

/* A pattern element to be made, or an end of one. */
struct made {
    const struct ast *ast;
    struct text name;
    bool is_rel;
    uint32_t start, end; /* of a relationship: other elements of the list */
    bool bound;          /* in the row already */
    uint32_t column;
    uint32_t first_value; /* its property expressions in `values` */
};

struct making_list {
    struct builder *builder;
    const char *clause; /* for messages */
    struct made *made;
    uint32_t count, room;
    const struct ast **values; /* of all properties */
    uint32_t value_count, value_room;
};

static struct text
made_name(struct builder *builder, const struct ast *element)
{
    if (element->node.variable)
        return element->node.variable->text;
    struct text name = arena_printf(
        builder->planner->arena, "%c%u", ANONYMOUS_BYTE, (unsigned)element->offset);
    if (!name.data)
        planner_no_memory(builder->planner);
    return name;
}

static bool
values_add(struct making_list *list, const struct ast *properties)
{
    struct planner *planner = list->builder->planner;
    uint32_t count = !properties ? 0 : properties->kind == AST_MAP ? properties->item_count : 1;
    for (uint32_t i = 0; i < count; i++) {
        const struct ast **added = array_push(
            planner, (void **)&list->values, &list->value_count, &list->value_room,
            sizeof(const struct ast *));
        if (!added)
            return false;
        *added = properties->kind == AST_MAP ? properties->items[i]->entry.value : properties;
    }
    return true;
}

static uint32_t
made_add(struct making_list *list, const struct ast *element, bool is_rel)
{
    struct planner *planner = list->builder->planner;
    struct made *made = array_push(
        planner, (void **)&list->made, &list->count, &list->room, sizeof(*made));
    if (!made)
        return SLOT_NONE;
    made->ast = element;
    made->name = made_name(list->builder, element);
    made->is_rel = is_rel;
    made->column = SLOT_NONE;
    made->first_value = list->value_count;
    return values_add(list, is_rel ? element->rel.properties : element->node.properties)
               ? list->count - 1
               : SLOT_NONE;
}

static bool
labels_are_simple(const struct ast *labels)
{
    if (!labels || labels->kind == AST_LABEL)
        return true;
    return labels->kind == AST_LABEL_AND && labels_are_simple(labels->label_and.left) &&
           labels_are_simple(labels->label_and.right);
}

/* The element of a node; a variable may come again without labels and properties. */
static uint32_t
made_node(struct making_list *list, const struct ast *element, bool is_alone)
{
    struct builder *builder = list->builder;
    struct planner *planner = builder->planner;
    bool says_more = element->node.labels || element->node.properties;
    if (element->node.where) {
        planner_fail(
            planner, element->node.where, ERR(SYNTAX), "WHERE is not allowed in %s", list->clause);
        return SLOT_NONE;
    }
    if (!labels_are_simple(element->node.labels)) {
        planner_fail(
            planner, element->node.labels, ERR(SYNTAX),
            "Label expressions in patterns are not allowed in %s, only :A:B", list->clause);
        return SLOT_NONE;
    }
    struct text name = made_name(builder, element);
    uint32_t column = row_find(&builder->row, name);
    uint32_t known = SLOT_NONE;
    for (uint32_t i = 0; i < list->count; i++) {
        if (text_equal(list->made[i].name, name))
            known = i;
    }
    if (known == SLOT_NONE && column == SLOT_NONE)
        return made_add(list, element, false);
    bool is_node = known != SLOT_NONE ? !list->made[known].is_rel
                                      : (builder->row.columns[column].type.mask &
                                         (TYPE_BIT_NODE | TYPE_BIT_NULL)) != 0;
    if (!is_node) {
        planner_fail(
            planner, element, ERR(SYNTAX),
            "Type mismatch: `%.*s` defined with conflicting type (expected Node)", TEXT_ARGS(name));
        return SLOT_NONE;
    }
    if (says_more || is_alone) {
        planner_fail(
            planner, element, ERR(SYNTAX), "Variable `%.*s` already declared", TEXT_ARGS(name));
        return SLOT_NONE;
    }
    if (known != SLOT_NONE)
        return known;
    uint32_t index = made_add(list, element, false);
    if (index != SLOT_NONE) {
        list->made[index].bound = true;
        list->made[index].column = column;
    }
    return index;
}

static bool
made_rel_check(struct making_list *list, const struct ast *element)
{
    struct planner *planner = list->builder->planner;
    if (element->rel.range)
        return planner_fail(
            planner, element, ERR(SYNTAX), "Variable length relationships cannot be used in %s",
            list->clause);
    if (!element->rel.types || element->rel.types->kind != AST_LABEL)
        return planner_fail(
            planner, element, ERR(SYNTAX), "Exactly one relationship type must be specified for %s",
            list->clause);
    if (rel_direction(element) == DIRECTION_BOTH && strcmp(list->clause, "MERGE") != 0)
        return planner_fail(
            planner, element, ERR(SYNTAX), "Only directed relationships are supported in %s",
            list->clause);
    if (element->rel.where)
        return planner_fail(
            planner, element->rel.where, ERR(SYNTAX), "WHERE is not allowed in %s", list->clause);
    const struct ast *variable = element->rel.variable;
    bool is_known = variable && row_find(&list->builder->row, variable->text) != SLOT_NONE;
    for (uint32_t i = 0; i < list->count && variable && !is_known; i++)
        is_known = text_equal(list->made[i].name, variable->text);
    if (is_known)
        return planner_fail(
            planner, element, ERR(SYNTAX), "Variable `%.*s` already declared",
            TEXT_ARGS(variable->text));
    return true;
}

static bool
made_path(struct making_list *list, const struct ast *path)
{
    struct planner *planner = list->builder->planner;
    if (path->flags & (AST_FLAG_SHORTEST | AST_FLAG_ALL_SHORTEST))
        return planner_fail(
            planner, path, ERR(SYNTAX), "shortestPath(...) cannot be used to %s", list->clause);
    if (path->path.variable &&
        row_find(&list->builder->row, path->path.variable->text) != SLOT_NONE)
        return planner_fail(
            planner, path->path.variable, ERR(SYNTAX), "Variable `%.*s` already declared",
            TEXT_ARGS(path->path.variable->text));
    uint32_t left = made_node(list, path->items[0], path->item_count == 1);
    for (uint32_t i = 1; i < path->item_count && left != SLOT_NONE; i += 2) {
        if (!made_rel_check(list, path->items[i]))
            return false;
        uint32_t rel = made_add(list, path->items[i], true);
        uint32_t right = rel == SLOT_NONE ? SLOT_NONE : made_node(list, path->items[i + 1], false);
        if (right == SLOT_NONE)
            return false;
        bool is_left = rel_direction(path->items[i]) == DIRECTION_IN;
        list->made[rel].start = is_left ? right : left;
        list->made[rel].end = is_left ? left : right;
        left = right;
    }
    return left != SLOT_NONE;
}

static uint32_t
label_tokens(struct planner *planner, const struct ast *labels, uint32_t *out, uint32_t count)
{
    if (!labels)
        return count;
    if (labels->kind == AST_LABEL_AND) {
        count = label_tokens(planner, labels->label_and.left, out, count);
        return label_tokens(planner, labels->label_and.right, out, count);
    }
    if (out)
        out[count] = token_make(planner, TOKEN_LABEL, labels->text);
    return count + 1;
}

/* Keys and values of a property map, or the expression that gives a map. */
static bool
properties_fill(
    struct planner *planner,
    const struct ast *properties,
    const struct expr *const *values,
    uint32_t *count,
    const uint32_t **keys,
    const struct expr *const **property_values,
    const struct expr **map)
{
    if (!properties)
        return true;
    if (properties->kind != AST_MAP) {
        *map = values[0];
        return true;
    }
    uint32_t *tokens = planner_allocate(planner, properties->item_count * sizeof(*tokens));
    if (!tokens)
        return false;
    for (uint32_t i = 0; i < properties->item_count; i++)
        tokens[i] = token_make(planner, TOKEN_KEY, properties->items[i]->text);
    *count = properties->item_count;
    *keys = tokens;
    *property_values = values;
    return true;
}

/* Columns for what is made, behind those of the row. */
static bool
made_columns_add(struct making_list *list)
{
    struct builder *builder = list->builder;
    for (uint32_t i = 0; i < list->count; i++) {
        struct made *made = &list->made[i];
        if (made->bound)
            continue;
        made->column = row_add(
            builder->planner, &builder->row, made->name, made->is_rel ? COLUMN_VALUE : COLUMN_NODE,
            type_make(made->is_rel ? TYPE_BIT_REL : TYPE_BIT_NODE));
        if (made->column == SLOT_NONE)
            return false;
    }
    return true;
}

static bool
made_fill(struct making_list *list, struct op *op, const struct expr *const *values)
{
    struct planner *planner = list->builder->planner;
    struct create_node *nodes = planner_allocate(planner, list->count * sizeof(*nodes));
    struct create_rel *rels = planner_allocate(planner, list->count * sizeof(*rels));
    if (!nodes || !rels)
        return false;
    for (uint32_t i = 0; i < list->count; i++) {
        const struct made *made = &list->made[i];
        const struct expr *const *own = values + made->first_value;
        if (made->is_rel) {
            struct create_rel *rel = &rels[op->create_rel_count++];
            rel->slot = made->column;
            rel->start_slot = list->made[made->start].column;
            rel->end_slot = list->made[made->end].column;
            rel->type = token_make(planner, TOKEN_TYPE, made->ast->rel.types->text);
            if (!properties_fill(
                    planner, made->ast->rel.properties, own, &rel->property_count,
                    &rel->property_keys, &rel->property_values, &rel->property_map))
                return false;
        } else if (!made->bound) {
            struct create_node *node = &nodes[op->create_node_count++];
            node->slot = made->column;
            uint32_t label_count = label_tokens(planner, made->ast->node.labels, NULL, 0);
            uint32_t *labels = planner_allocate(planner, label_count * sizeof(*labels));
            if (!labels)
                return false;
            node->label_count = label_tokens(planner, made->ast->node.labels, labels, 0);
            node->labels = labels;
            if (!properties_fill(
                    planner, made->ast->node.properties, own, &node->property_count,
                    &node->property_keys, &node->property_values, &node->property_map))
                return false;
        }
    }
    op->create_nodes = nodes;
    op->create_rels = rels;
    return true;
}

/* The path a writing clause names, once everything on it is there. */
static bool
made_path_compute(struct builder *builder, const struct ast *path)
{
    struct planner *planner = builder->planner;
    if (!path->path.variable || !builder_uses(builder, path->path.variable->text, true))
        return true;
    struct expr *expr = expr_new(planner->arena, EXPR_PATH, path->offset, path->item_count);
    if (!expr)
        return planner_no_memory(planner);
    for (uint32_t i = 0; i < path->item_count; i++) {
        uint32_t column = row_find(&builder->row, made_name(builder, path->items[i]));
        assert(column != SLOT_NONE);
        expr->children[i] = expr_column(planner->arena, path->items[i]->offset, column);
        if (!expr->children[i])
            return planner_no_memory(planner);
    }
    return builder_compute(builder, path->path.variable->text, expr, type_make(TYPE_BIT_PATH)) !=
           SLOT_NONE;
}

/* One CREATE operator for the paths. */
static bool
create_op_plan(struct builder *builder, struct making_list *list)
{
    struct planner *planner = builder->planner;
    const struct expr **values = planner_allocate(
        planner, (list->value_count + 1) * sizeof(const struct expr *));
    if (!values ||
        !expressions_plan_home(builder, list->values, list->value_count, CHECK_VALUE, values))
        return false;
    if (!builder_close(builder))
        return false;
    for (uint32_t i = 0; i < list->count; i++) {
        if (list->made[i].bound)
            list->made[i].column = row_find(&builder->row, list->made[i].name);
    }
    struct op *op = builder_op(builder, OP_CREATE);
    if (!op || !made_columns_add(list) || !made_fill(list, op, values) || !op_seal(builder, op))
        return false;
    builder_forget(builder);
    return true;
}

/* Whether a property of the path reads something that a path before it in the clause makes. */
static bool
path_reads_made(const struct making_list *list, const struct ast *path)
{
    for (uint32_t i = 0; i < path->item_count; i++) {
        const struct ast *properties =
            path->items[i]->node.properties; /* the same slot in AST_REL */
        for (uint32_t k = 0; properties && k < list->count; k++) {
            if (!list->made[k].bound && ast_uses(properties, list->made[k].name))
                return true;
        }
    }
    return false;
}

bool
create_plan(struct builder *builder, const struct ast *clause)
{
    struct making_list list = {.builder = builder, .clause = "CREATE"};
    builder->planner->writes = true;
    for (uint32_t i = 0; i < clause->item_count; i++) {
        if (path_reads_made(&list, clause->items[i])) {
            if (!create_op_plan(builder, &list))
                return false;
            list = (struct making_list){.builder = builder, .clause = "CREATE"};
        }
        if (!made_path(&list, clause->items[i]))
            return false;
    }
    if (!create_op_plan(builder, &list))
        return false;
    for (uint32_t i = 0; i < clause->item_count; i++) {
        if (!made_path_compute(builder, clause->items[i]))
            return false;
    }
    return true;
}

/* --- SET and REMOVE --- */

static struct text
written_key(const struct ast *item)
{
    if (item->kind == AST_SET_PROPERTY)
        return item->set_property.target->text;
    if (item->kind == AST_REMOVE_PROPERTY)
        return item->remove_property.target->text;
    return (struct text){0};
}

/* Whether a value reads something of an entity that an item before it wrote. */
static bool
reads_written(const struct builder *builder, const struct ast *ast, const struct ast *item)
{
    if (ast->kind == AST_PROPERTY && ast->property.subject->kind == AST_VARIABLE) {
        struct text key = written_key(item);
        return !key.data || text_equal(key, ast->text);
    }
    if (ast->kind == AST_VARIABLE) {
        uint32_t column = row_find(&builder->row, ast->text);
        return column != SLOT_NONE && type_holds_entity(builder->row.columns[column].type);
    }
    for (uint32_t i = 0; i < ast_child_count(ast); i++) {
        const struct ast *child = ast_child(ast, i);
        if (child && reads_written(builder, child, item))
            return true;
    }
    return false;
}

static const struct ast *
item_target(const struct ast *item)
{
    if (item->kind == AST_SET_PROPERTY || item->kind == AST_REMOVE_PROPERTY)
        return item->slot[0]->slot[0];
    return item->slot[0];
}

static const struct ast *
item_value(const struct ast *item)
{
    bool has_value = item->kind == AST_SET_PROPERTY || item->kind == AST_SET_REPLACE ||
                     item->kind == AST_SET_ADD;
    return has_value ? item->slot[1] : NULL;
}

static bool
item_check(struct builder *builder, const struct ast *item)
{
    struct planner *planner = builder->planner;
    const struct ast *target = item->slot[0];
    bool is_property = item->kind == AST_SET_PROPERTY || item->kind == AST_REMOVE_PROPERTY;
    if (is_property && target->kind == AST_INDEX)
        return planner_fail(
            planner, target, ERR(UNSUPPORTED),
            "Setting a dynamic property is not supported; use n += {key: value}");
    const struct ast *entity = item_target(item);
    if (!expression_check(builder, NULL, entity, CHECK_VALUE, false))
        return false;
    struct static_type type = type_of(builder, NULL, entity);
    uint32_t allowed = TYPE_MASK_ENTITY | TYPE_BIT_NULL;
    if (!(type.mask & allowed) || (entity->kind != AST_VARIABLE && !type_holds_entity(type))) {
        char name[160];
        return planner_fail(
            planner, entity, ERR(SYNTAX), "Type mismatch: expected Node or Relationship but was %s",
            type_name(type, name));
    }
    bool is_labels = item->kind == AST_SET_LABELS || item->kind == AST_REMOVE_LABELS;
    if (is_labels && !(type.mask & (TYPE_BIT_NODE | TYPE_BIT_NULL)))
        return planner_fail(
            planner, entity, ERR(SYNTAX), "Type mismatch: expected Node but was Relationship");
    return true;
}

/* Entities whose properties are the value: they are hydrated. */
static void
item_value_want(struct builder *builder, const struct ast *item)
{
    const struct ast *value = item_value(item);
    if ((item->kind != AST_SET_REPLACE && item->kind != AST_SET_ADD) || value->kind != AST_VARIABLE)
        return;
    uint32_t column = row_find(&builder->row, value->text);
    if (column != SLOT_NONE)
        builder->row.columns[column].wanted = true;
}

static bool
set_item_compile(struct builder *builder, const struct ast *item, struct set_item *out)
{
    struct planner *planner = builder->planner;
    static const struct ast null_value = {.kind = AST_NULL};
    const struct ast *value = item_value(item);
    out->entity = expression_compile(builder, item_target(item));
    if (!out->entity)
        return false;
    switch (item->kind) {
    case AST_SET_PROPERTY:
    case AST_REMOVE_PROPERTY:
        out->kind = SET_PROPERTY;
        out->key = token_make(planner, TOKEN_KEY, written_key(item));
        value = value ? value : &null_value;
        break;
    case AST_SET_REPLACE:
        out->kind = SET_REPLACE;
        break;
    case AST_SET_ADD:
        out->kind = SET_MERGE;
        break;
    default:
        out->kind = item->kind == AST_SET_LABELS ? SET_LABELS : REMOVE_LABELS;
        break;
    }
    uint32_t *labels = planner_allocate(planner, item->item_count * sizeof(*labels));
    if (!labels)
        return false;
    for (uint32_t i = 0; i < item->item_count; i++)
        labels[i] = out->kind == SET_LABELS
                        ? token_make(planner, TOKEN_LABEL, item->items[i]->text)
                        : token_find(planner, TOKEN_LABEL, item->items[i]->text);
    out->labels = labels;
    out->label_count = item->item_count;
    out->value = value ? expression_compile(builder, value) : NULL;
    return !value || out->value;
}

/* Checks and prepares items, at home. */
static bool
set_items_prepare(struct builder *builder, struct ast *const *items, uint32_t count)
{
    struct planner *planner = builder->planner;
    const struct ast **asts = planner_allocate(
        planner, (2 * count + 1) * sizeof(const struct ast *));
    const struct expr **exprs = planner_allocate(
        planner, (2 * count + 1) * sizeof(const struct expr *));
    if (!asts || !exprs)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        if (!item_check(builder, items[i]))
            return false;
        asts[2 * i] = item_target(items[i]);
        asts[2 * i + 1] = item_value(items[i]);
        item_value_want(builder, items[i]);
    }
    return expressions_plan_home(builder, asts, 2 * count, CHECK_VALUE, exprs);
}

static bool
set_op_plan(struct builder *builder, struct ast *const *items, uint32_t count)
{
    struct planner *planner = builder->planner;
    struct set_item *sets = planner_allocate(planner, count * sizeof(*sets));
    if (!sets || !set_items_prepare(builder, items, count))
        return false;
    for (uint32_t i = 0; i < count; i++) {
        if (!set_item_compile(builder, items[i], &sets[i]))
            return false;
    }
    struct op *op = builder_op(builder, OP_SET);
    if (!op)
        return false;
    op->sets = sets;
    op->set_count = count;
    if (!op_seal(builder, op))
        return false;
    builder_forget(builder);
    return true;
}

bool
set_plan(struct builder *builder, const struct ast *clause)
{
    builder->planner->writes = true;
    uint32_t from = 0;
    for (uint32_t i = 1; i <= clause->item_count; i++) {
        const struct ast *value = i < clause->item_count ? item_value(clause->items[i]) : NULL;
        bool is_cut = i == clause->item_count;
        for (uint32_t k = from; k < i && value && !is_cut; k++)
            is_cut = reads_written(builder, value, clause->items[k]);
        if (!is_cut)
            continue;
        if (!set_op_plan(builder, clause->items + from, i - from))
            return false;
        from = i;
    }
    return true;
}

/* --- MERGE --- */

/* The pattern with a variable for every element, so that matching it gives a column for each. */
static struct ast *
merge_pattern(struct builder *builder, const struct ast *path, struct ast **names)
{
    struct planner *planner = builder->planner;
    struct ast *copy = planner_allocate(planner, sizeof(*copy));
    struct ast *list = planner_allocate(planner, sizeof(*list));
    struct ast **items = planner_allocate(planner, path->item_count * sizeof(struct ast *));
    struct ast **variables = planner_allocate(planner, path->item_count * sizeof(struct ast *));
    if (!copy || !list || !items || !variables)
        return NULL;
    *copy = *path;
    copy->path.variable = NULL;
    copy->items = items;
    for (uint32_t i = 0; i < path->item_count; i++) {
        struct ast *element = planner_allocate(planner, sizeof(*element));
        if (!element)
            return NULL;
        *element = *path->items[i];
        element->node.variable = ast_make_variable(
            planner, made_name(builder, path->items[i]), path->items[i]->offset);
        items[i] = element;
        variables[i] = element->node.variable;
        if (!element->node.variable)
            return NULL;
    }
    list->kind = AST_LIST;
    list->items = variables;
    list->item_count = path->item_count;
    *names = list;
    return copy;
}

/* ON CREATE reads a property of what is made: that is what the pattern gives it. */
static const struct ast *
made_value(const struct making_list *list, const struct ast *property)
{
    static const struct ast null_value = {.kind = AST_NULL};
    for (uint32_t i = 0; i < list->count; i++) {
        const struct made *made = &list->made[i];
        if (made->bound || !text_equal(made->name, property->property.subject->text))
            continue;
        const struct ast *map = made->is_rel ? made->ast->rel.properties
                                             : made->ast->node.properties;
        for (uint32_t k = 0; map && map->kind == AST_MAP && k < map->item_count; k++) {
            if (text_equal(map->items[k]->text, property->text))
                return map->items[k]->entry.value;
        }
        return &null_value;
    }
    return NULL;
}

static struct ast *
made_replaced(const struct making_list *list, const struct ast *ast)
{
    struct planner *planner = list->builder->planner;
    if (ast->kind == AST_PROPERTY && ast->property.subject->kind == AST_VARIABLE) {
        const struct ast *value = made_value(list, ast);
        if (value)
            return (struct ast *)(uintptr_t)value;
    }
    struct ast *copy = planner_allocate(planner, sizeof(*copy));
    struct ast **items = planner_allocate(planner, ast->item_count * sizeof(struct ast *));
    if (!copy || !items)
        return NULL;
    *copy = *ast;
    copy->items = items;
    for (uint32_t i = 0; i < AST_SLOT_COUNT; i++)
        copy->slot[i] = ast->slot[i] ? made_replaced(list, ast->slot[i]) : NULL;
    for (uint32_t i = 0; i < ast->item_count; i++)
        items[i] = made_replaced(list, ast->items[i]);
    return planner->err ? NULL : copy;
}

/* Fetches, before the MERGE, the properties of bound entities that a tree reads. */
static bool
bound_properties_fetch(struct builder *builder, const struct ast *ast)
{
    if (ast->kind == AST_PROPERTY && ast->property.subject->kind == AST_VARIABLE) {
        uint32_t column = row_find(&builder->row, ast->property.subject->text);
        if (column != SLOT_NONE && type_is_entity(builder->row.columns[column].type))
            return builder_fetch(builder, column, FETCH_PROPERTY, ast->text) != SLOT_NONE;
    }
    for (uint32_t i = 0; i < ast_child_count(ast); i++) {
        const struct ast *child = ast_child(ast, i);
        if (child && !bound_properties_fetch(builder, child))
            return false;
    }
    return true;
}

/* ON CREATE: values over the row with what was made. The targets stay, the values are rewritten. */
static bool
on_create_rewrite(struct making_list *list, const struct ast *set, struct ast **items)
{
    struct builder *builder = list->builder;
    for (uint32_t i = 0; set && i < set->item_count; i++) {
        struct ast *item = planner_allocate(builder->planner, sizeof(*item));
        if (!item)
            return false;
        *item = *set->items[i];
        const struct ast *value = item_value(item);
        if (value && (ast_has_subquery(value) || ast_has_aggregate(value)))
            return planner_fail(
                builder->planner, value, ERR(UNSUPPORTED),
                "A subquery in ON CREATE SET is not supported");
        if (value) {
            item->slot[1] = made_replaced(list, value);
            if (!item->slot[1] || !bound_properties_fetch(builder, item->slot[1]))
                return false;
        }
        items[i] = item;
    }
    return true;
}

static bool
on_create_compile(struct making_list *list, struct ast *const *items, uint32_t count, struct op *op)
{
    struct builder *builder = list->builder;
    const struct op *top = builder->op;
    struct set_item *sets = planner_allocate(builder->planner, count * sizeof(*sets));
    if (!sets)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        const struct ast *value = item_value(items[i]);
        if (!item_check(builder, items[i]) ||
            (value && !expression_check(builder, NULL, value, CHECK_VALUE, false)))
            return false;
        if (!set_item_compile(builder, items[i], &sets[i]))
            return false;
        if (builder->op != top)
            return planner_fail(
                builder->planner, items[i], ERR(UNSUPPORTED),
                "ON CREATE SET cannot read this of what is being created");
    }
    op->sets = sets;
    op->set_count = count;
    return true;
}

/* The right side ends in: the left's columns, what may be made, and everything else it still has. */
static bool
merge_right_finish(
    struct builder *left,
    struct builder *right,
    const struct making_list *list,
    uint32_t left_count)
{
    struct planner *planner = left->planner;
    uint32_t *kept = planner_allocate(
        planner, (right->row.count + left_count + list->count) * sizeof(*kept));
    bool *is_kept = planner_allocate(planner, right->row.count);
    uint32_t count = 0;
    if (!kept || !is_kept)
        return false;
    assert(list->made);
    for (uint32_t i = 0; i < left_count; i++) {
        uint32_t found = SLOT_NONE;
        for (uint32_t k = 0; k < right->row.count; k++) {
            if (right->row.columns[k].argument && right->row.columns[k].origin == i)
                found = k;
        }
        assert(found < right->row.count && right->row.columns && left->row.columns);
        is_kept[found] = true;
        kept[count++] = found;
        if (right->row.columns[found].kind != left->row.columns[i].kind)
            return planner_fail(
                planner, list->made[0].ast, ERR(UNSUPPORTED),
                "ON MATCH SET cannot read this of a bound entity; use SET after MERGE");
    }
    for (uint32_t i = 0; i < list->count; i++) {
        if (list->made[i].bound)
            continue;
        uint32_t found = row_find(&right->row, list->made[i].name);
        assert(found != SLOT_NONE);
        is_kept[found] = true;
        kept[count++] = found;
    }
    for (uint32_t i = 0; i < right->row.count; i++) {
        if (!is_kept[i])
            kept[count++] = i;
    }
    return builder_keep(right, kept, count);
}

static bool
merge_right_plan(
    struct builder *builder,
    struct builder *right,
    const struct making_list *list,
    const struct ast *clause,
    uint32_t left_count)
{
    struct planner *planner = builder->planner;
    struct ast *names = NULL;
    struct ast *path = merge_pattern(builder, clause->merge.path, &names);
    builder_create(right, planner, builder);
    if (!path || planner->err)
        return false;
    right->extra = names;
    for (uint32_t i = 0; i < right->row.count; i++)
        right->row.columns[i].shown = true;
    if (!pattern_plan(right, &path, 1, NULL))
        return false;
    const struct ast *on_match = clause->merge.on_match;
    for (uint32_t i = 0; i < right->row.count; i++)
        right->row.columns[i].shown = true;
    if (on_match && !set_items_prepare(right, on_match->items, on_match->item_count))
        return false;
    return merge_right_finish(builder, right, list, left_count);
}

bool
merge_plan(struct builder *builder, const struct ast *clause)
{
    struct planner *planner = builder->planner;
    struct making_list list = {.builder = builder, .clause = "MERGE"};
    const struct ast *on_create = clause->merge.on_create, *on_match = clause->merge.on_match;
    uint32_t on_create_count = on_create ? on_create->item_count : 0,
             on_match_count = on_match ? on_match->item_count : 0;
    planner->writes = planner->reads = true;
    if (!made_path(&list, clause->merge.path))
        return false;
    for (uint32_t i = 0; i < list.count; i++) {
        const struct ast *map = list.made[i].ast->node.properties;
        if (list.made[i].ast->node.properties && map->kind == AST_PARAMETER)
            return planner_fail(
                planner, map, ERR(SYNTAX), "Parameter maps cannot be used in MERGE patterns");
    }
    const struct expr **values = planner_allocate(
        planner, (list.value_count + 1) * sizeof(const struct expr *));
    struct ast **items = planner_allocate(planner, (on_create_count + 1) * sizeof(struct ast *));
    if (!values || !items ||
        !expressions_plan_home(builder, list.values, list.value_count, CHECK_VALUE, values))
        return false;
    if (!builder_close(builder) || !on_create_rewrite(&list, on_create, items))
        return false;
    /* SET r = a, with `a` bound: hydrated before, for both branches. */
    for (uint32_t i = 0; i < on_create_count; i++)
        item_value_want(builder, items[i]);
    for (uint32_t i = 0; i < on_match_count; i++)
        item_value_want(builder, on_match->items[i]);
    if (!builder_hydrate(builder))
        return false;
    uint32_t left_count = builder->row.count;
    for (uint32_t i = 0; i < list.count; i++) {
        if (list.made[i].bound)
            list.made[i].column = row_find(&builder->row, list.made[i].name);
    }
    struct builder right;
    if (!merge_right_plan(builder, &right, &list, clause, left_count))
        return false;
    struct op *op = builder_op(builder, OP_MERGE);
    if (!op || !made_columns_add(&list) || !made_fill(&list, op, values))
        return false;
    op->right = right.op;
    if (!on_create_compile(&list, items, on_create_count, op))
        return false;
    struct set_item *sets = planner_allocate(planner, on_match_count * sizeof(*sets));
    for (uint32_t i = 0; sets && i < on_match_count; i++) {
        if (!set_item_compile(&right, on_match->items[i], &sets[i]))
            return false;
    }
    op->right = right.op;
    op->sets2 = sets;
    op->set_count2 = on_match_count;
    /* What ON MATCH reads stands behind; nobody else can name it. */
    for (uint32_t i = builder->row.count; i < right.row.count; i++) {
        if (row_add(
                planner, &builder->row, (struct text){0}, right.row.columns[i].kind,
                right.row.columns[i].type) == SLOT_NONE)
            return false;
    }
    if (!op_seal(builder, op))
        return false;
    builder_forget(builder);
    return made_path_compute(builder, clause->merge.path);
}

/* --- DELETE and FOREACH --- */

bool
delete_plan(struct builder *builder, const struct ast *clause)
{
    struct planner *planner = builder->planner;
    planner->writes = true;
    for (uint32_t i = 0; i < clause->item_count; i++) {
        const struct ast *item = clause->items[i];
        if (item->kind == AST_LABEL_TEST)
            return planner_fail(
                planner, item, ERR(SYNTAX),
                "DELETE doesn't support removing labels from a node; use REMOVE");
        if (!expression_check(builder, NULL, item, CHECK_VALUE, false))
            return false;
        struct static_type type = type_of(builder, NULL, item);
        char name[160];
        if (!(type.mask & (TYPE_MASK_ENTITY | TYPE_BIT_PATH)) && type.mask != TYPE_BIT_NULL)
            return planner_fail(
                planner, item, ERR(SYNTAX),
                "Type mismatch: expected Node, Relationship or Path but was %s",
                type_name(type, name));
    }
    const struct expr **exprs = planner_allocate(
        planner, clause->item_count * sizeof(const struct expr *));
    const struct ast *const *asts = (const struct ast *const *)clause->items;
    if (!exprs || !expressions_plan_home(builder, asts, clause->item_count, CHECK_VALUE, exprs))
        return false;
    struct op *op = builder_op(builder, OP_DELETE);
    if (!op)
        return false;
    op->exprs = exprs;
    op->expr_count = clause->item_count;
    op->flag = clause->flags & AST_FLAG_DETACH;
    if (!op_seal(builder, op))
        return false;
    builder_forget(builder);
    return true;
}

bool
foreach_plan(struct builder *builder, const struct ast *clause)
{
    struct planner *planner = builder->planner;
    struct text name = clause->foreach.variable->text;
    planner->writes = true;
    if (row_find(&builder->row, name) != SLOT_NONE)
        return planner_fail(
            planner, clause->foreach.variable, ERR(SYNTAX), "Variable `%.*s` already declared",
            TEXT_ARGS(name));
    for (uint32_t i = 0; i < clause->item_count; i++) {
        enum ast_kind kind = clause->items[i]->kind;
        bool is_update = kind == AST_CREATE || kind == AST_MERGE || kind == AST_SET ||
                         kind == AST_REMOVE || kind == AST_DELETE || kind == AST_FOREACH;
        if (!is_update)
            return planner_fail(
                planner, clause->items[i], ERR(SYNTAX),
                "Invalid use of a reading clause inside FOREACH");
    }
    const struct ast *list = clause->foreach.list;
    const struct expr *expr;
    if (!expressions_plan_home(builder, &list, 1, CHECK_VALUE, &expr))
        return false;
    struct static_type type = type_of(builder, NULL, list);
    struct builder right;
    builder_create(&right, planner, builder);
    if (planner->err ||
        row_add(planner, &right.row, name, COLUMN_VALUE, type_item(type)) == SLOT_NONE)
        return false;
    if (!op_seal(&right, (struct op *)(uintptr_t)right.op) ||
        !clauses_plan(&right, clause->items, clause->item_count))
        return false;
    if (!builder_close(&right))
        return false;
    struct op *op = builder_op(builder, OP_FOREACH);
    if (!op)
        return false;
    op->expr = expr;
    op->right = right.op;
    if (!op_seal(builder, op))
        return false;
    builder_forget(builder);
    return true;
}
