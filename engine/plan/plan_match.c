/* MATCH: patterns to the steps of a traversal.
 *
 * The patterns of one MATCH become a graph: nodes (one per variable), relationships between them, and
 * conjuncts, which is everything that must be true: the parts of WHERE, labels, property maps, inline
 * WHEREs. Then
 *
 *      while a node or relationship is left
 *          a relationship with an end that is bound?  expand the one with the fewest rows to follow
 *          none?                                      begin at the cheapest node: bound, id, index, label, all
 *          apply every conjunct whose variables are bound by now
 *          fetch here what later clauses want of this node
 *      paths, then the conjuncts with subqueries, which need the rows at home
 *
 * Where to begin is tried for each node: the sum of the rows of all steps decides. Estimates come from
 * label and type counts; the degree of a node is the relationships of the type over the nodes of its
 * label.
 *
 * Columns may be renumbered by a conjunct that closes the traversal, so elements know their column only
 * by name; elements without a variable get a name nobody can write. */
#include "engine/plan/pattern.h"

#include "base/assert.h"
#include "base/limits.h"

enum { SIMULATED_NODE_MAX = 48, DEMAND_KEY_MAX = 64 };

/* How a node is found when nothing leads to it. */
struct access {
    enum step_kind kind;
    struct conjunct *conjunct; /* INDEX_SEEK, ID_SEEK */
    const struct index_info *index;
    struct conjunct *label; /* SCAN; NULL: all nodes */
    double rows;
};

static bool steps_emit(struct matcher *matcher);
static bool paths_emit(struct matcher *matcher);
static bool conjuncts_apply(struct matcher *matcher, bool late);
static bool demand_fetch(struct matcher *matcher, struct pattern_node *node);
static bool shortest_emit(struct matcher *matcher, const struct ast *path);

/* Steps, paths and late conditions of a graph that is complete. */
static bool
graph_emit(struct matcher *matcher)
{
    struct builder *builder = matcher->builder;
    if (!graph_finish(matcher) || !steps_emit(matcher))
        return false;
    for (uint32_t i = 0; i < matcher->path_count; i++) {
        if (path_is_shortest(matcher->paths[i].ast) &&
            !shortest_emit(matcher, matcher->paths[i].ast))
            return false;
    }
    if (!paths_emit(matcher) || !conjuncts_apply(matcher, true))
        return false;
    for (uint32_t i = 0; i < matcher->node_count; i++) {
        if (!demand_fetch(matcher, &matcher->nodes[i]))
            return false;
    }
    for (uint32_t i = 0; i < builder->row.count; i++)
        builder->row.columns[i].shown = false;
    for (uint32_t i = 0; i < builder->substitution_count; i++)
        builder->row.columns[builder->substitutions[i].column].shown = true;
    return !builder->planner->err;
}

bool
pattern_plan(
    struct builder *builder, struct ast *const *paths, uint32_t path_count, const struct ast *where)
{
    struct matcher matcher = {.builder = builder};
    return graph_add(&matcher, paths, path_count, where, 0) && graph_emit(&matcher);
}

/* --- several MATCH clauses as one --- */

static bool
match_has_shortest(const struct ast *match)
{
    for (uint32_t i = 0; i < match->item_count; i++) {
        if (path_is_shortest(match->items[i]))
            return true;
    }
    return false;
}

/* Whether the clause names the variable as a node of its patterns. */
static bool
match_has_node(const struct ast *match, struct text name)
{
    for (uint32_t i = 0; i < match->item_count; i++) {
        for (uint32_t k = 0; k < match->items[i]->item_count; k += 2) {
            const struct ast *variable = match->items[i]->items[k]->node.variable;
            if (variable && text_equal(variable->text, name))
                return true;
        }
    }
    return false;
}

/* A variable of a MATCH may be joined with the clauses before it if it is a node for all of them, or new:
 * a condition must not see what only a later clause declares, and a relationship that was matched before
 * is a bound one. */
static bool
variable_joins(
    const struct builder *builder,
    uint32_t first,
    uint32_t index,
    const struct ast *variable,
    bool is_node)
{
    if (!variable)
        return true;
    bool is_known = row_find(&builder->row, variable->text) != SLOT_NONE;
    for (uint32_t i = first; i < index && !is_known; i++) {
        bool has_node = match_has_node(builder->clauses[i], variable->text);
        if (!has_node && ast_uses(builder->clauses[i], variable->text))
            return false;
        is_known = has_node;
    }
    return is_node || !is_known;
}

static bool
match_joins(const struct builder *builder, uint32_t first, uint32_t index)
{
    const struct ast *match = builder->clauses[index];
    if (match->kind != AST_MATCH || (match->flags & AST_FLAG_OPTIONAL) || match_has_shortest(match))
        return false;
    for (uint32_t i = 0; i < match->item_count; i++) {
        const struct ast *path = match->items[i];
        if (!variable_joins(builder, first, index, path->path.variable, false))
            return false;
        for (uint32_t k = 0; k < path->item_count; k++) {
            if (!variable_joins(builder, first, index, path->items[k]->node.variable, k % 2 == 0))
                return false;
        }
    }
    return true;
}

static bool
matches_plan(struct builder *builder)
{
    struct matcher matcher = {.builder = builder};
    uint32_t first = builder->clause_first, last = first;
    while (!match_has_shortest(builder->clauses[first]) && last + 1 < builder->clause_count &&
           match_joins(builder, first, last + 1))
        last++;
    builder->clause_index = last;
    for (uint32_t i = first; i <= last; i++) {
        const struct ast *match = builder->clauses[i];
        if (!graph_add(&matcher, match->items, match->item_count, match->match.where, i))
            return false;
    }
    return graph_emit(&matcher);
}

bool
match_plan(struct builder *builder, const struct ast *match)
{
    builder->planner->reads = true;
    if (!(match->flags & AST_FLAG_OPTIONAL))
        return matches_plan(builder);
    if (!builder_close(builder))
        return false;
    struct builder right;
    builder_create(&right, builder->planner, builder);
    right.clauses = builder->clauses;
    right.clause_count = builder->clause_count;
    right.clause_first = right.clause_index = builder->clause_index;
    right.extra = builder->extra;
    if (builder->planner->err ||
        !pattern_plan(&right, match->items, match->item_count, match->match.where))
        return false;
    right.substitution_count = 0;
    right.clause_first = ++right.clause_index;
    return builder_finish(&right, SLOT_NONE) &&
           builder_apply(builder, &right, APPLY_OPTIONAL) != NULL;
}

/* --- order --- */

static double
rel_degree(
    const struct matcher *matcher, const struct pattern_rel *rel, const struct pattern_node *from)
{
    struct planner *planner = matcher->builder->planner;
    double count = rel->type_count == 0 ? type_count(planner, TYPE_ANY) : 0;
    for (uint32_t i = 0; i < rel->type_count; i++)
        count += rel->types[i] == TOKEN_NONE ? 0 : type_count(planner, rel->types[i]);
    double degree = count / (from->card > 1 ? from->card : 1);
    if (rel_direction(rel->ast) == DIRECTION_BOTH)
        degree *= 2;
    if (!rel->is_list)
        return degree;
    double rows = 1;
    for (uint32_t i = 0; i < rel->max && i < 4; i++)
        rows *= degree > 1 ? degree : 1;
    return rows;
}

/* Rows after following the relationship, for each row before; below 0 when no end is bound. */
static double
rel_factor(
    const struct matcher *matcher,
    const struct pattern_rel *rel,
    const bool *bound,
    bool *from_right)
{
    const struct pattern_node *left = &matcher->nodes[rel->left],
                              *right = &matcher->nodes[rel->right];
    bool has_left = bound[rel->left], has_right = bound[rel->right];
    *from_right = false;
    if (rel->bound_before)
        return 0.5;
    if (has_left && has_right) {
        double from_left_degree = rel_degree(matcher, rel, left),
               from_right_degree = rel_degree(matcher, rel, right);
        *from_right = from_right_degree < from_left_degree;
        double degree = *from_right ? from_right_degree : from_left_degree;
        double card = *from_right ? left->card : right->card;
        return degree / (card > 1 ? card : 1);
    }
    if (has_left)
        return rel_degree(matcher, rel, left) * right->selectivity;
    if (has_right) {
        *from_right = true;
        return rel_degree(matcher, rel, right) * left->selectivity;
    }
    return -1;
}

/* The relationship to follow next, or SLOT_NONE. */
static uint32_t
rel_choose(
    const struct matcher *matcher,
    const bool *bound,
    const bool *done,
    double *factor,
    bool *from_right)
{
    uint32_t best = SLOT_NONE;
    for (uint32_t i = 0; i < matcher->rel_count; i++) {
        bool right = false;
        double rows = done[i] ? -1 : rel_factor(matcher, &matcher->rels[i], bound, &right);
        if (rows < 0 || (best != SLOT_NONE && rows >= *factor))
            continue;
        best = i;
        *factor = rows;
        *from_right = right;
    }
    return best;
}

static bool
element_is_bound(const struct matcher *matcher, uint32_t element)
{
    if (element < matcher->node_count)
        return matcher->nodes[element].bound;
    return matcher->rels[element - matcher->node_count].done;
}

/* Whether all the conjunct names is bound, apart from its own node when `except_own`. */
static bool
conjunct_is_ready(const struct matcher *matcher, const struct conjunct *conjunct, bool except_own)
{
    for (uint32_t i = 0; i < conjunct->element_count; i++) {
        bool is_own = except_own && conjunct->elements[i] == conjunct->node;
        if (!is_own && !element_is_bound(matcher, conjunct->elements[i]))
            return false;
    }
    return true;
}

/* Not entirely unlike a parameter: no variables, no randomness. */
static bool
ast_is_row_free(const struct ast *ast)
{
    if (ast->kind == AST_VARIABLE || ast_has_subquery(ast))
        return false;
    if (ast->kind == AST_FUNCTION) {
        const struct function *function = function_lookup(ast->text);
        if (!function || (function->flags & FUNCTION_NOT_DETERMINISTIC))
            return false;
    }
    for (uint32_t i = 0; i < ast_child_count(ast); i++) {
        const struct ast *child = ast_child(ast, i);
        if (child && !ast_is_row_free(child))
            return false;
    }
    return true;
}

/* Seeks for the items of a list: DISTINCT over the items is right only where no two input rows are equal,
 * over the single first row. */
static bool
seek_list_is_possible(const struct matcher *matcher)
{
    return matcher->builder->op->kind == OP_UNIT && !matcher->builder->open;
}

static struct access
node_access(struct matcher *matcher, uint32_t index)
{
    struct planner *planner = matcher->builder->planner;
    const struct pattern_node *node = &matcher->nodes[index];
    struct access access = {.kind = STEP_SCAN, .rows = node->card};
    for (uint32_t i = 0; i < matcher->conjunct_count; i++) {
        struct conjunct *conjunct = &matcher->conjuncts[i];
        if (conjunct->node != index || conjunct->done)
            continue;
        if (conjunct->label) {
            uint32_t token = catalog_lookup(planner->catalog, TOKEN_LABEL, conjunct->label->text);
            bool is_best = !access.label;
            if (!is_best) {
                uint32_t best = catalog_lookup(
                    planner->catalog, TOKEN_LABEL, access.label->label->text);
                is_best = label_count(planner, token) < label_count(planner, best);
            }
            access.label = is_best ? conjunct : access.label;
        }
        if (conjunct->is_id && conjunct_is_ready(matcher, conjunct, true))
            return (struct access){.kind = STEP_ID_SEEK, .conjunct = conjunct, .rows = 1};
    }
    for (uint32_t i = 0; i < matcher->conjunct_count; i++) {
        struct conjunct *conjunct = &matcher->conjuncts[i];
        if (conjunct->node != index || conjunct->done || !conjunct->key.data ||
            conjunct->compare != COMPARE_EQ || !conjunct_is_ready(matcher, conjunct, true))
            continue;
        if (conjunct->is_in && !seek_list_is_possible(matcher))
            continue;
        uint32_t key = catalog_lookup(planner->catalog, TOKEN_KEY, conjunct->key);
        for (uint32_t k = 0; key != TOKEN_NONE && k < matcher->conjunct_count; k++) {
            if (matcher->conjuncts[k].node != index || !matcher->conjuncts[k].label)
                continue;
            uint32_t label = catalog_lookup(
                planner->catalog, TOKEN_LABEL, matcher->conjuncts[k].label->text);
            const struct index_info *found = label == TOKEN_NONE
                                                 ? NULL
                                                 : catalog_index_find(planner->catalog, label, key);
            double rows = !found ? node->card
                                 : (found->unique ? 1 : 1 + node->card / 100) *
                                       (conjunct->is_in ? 5 : 1);
            if (!found || rows > access.rows ||
                (access.index && access.index->unique && !found->unique))
                continue;
            access.kind = STEP_INDEX_SEEK;
            access.conjunct = conjunct;
            access.index = found;
            access.label = &matcher->conjuncts[k];
            access.rows = rows;
        }
    }
    return access;
}

/* Rows all steps handle when the rest of the pattern is matched beginning at `start`. */
static double
start_cost(struct matcher *matcher, uint32_t start, bool *bound, bool *done)
{
    struct access access = node_access(matcher, start);
    const struct pattern_node *node = &matcher->nodes[start];
    for (uint32_t i = 0; i < matcher->node_count; i++)
        bound[i] = matcher->nodes[i].bound;
    for (uint32_t i = 0; i < matcher->rel_count; i++)
        done[i] = matcher->rels[i].done;
    bound[start] = true;
    double cost = access.rows, factor = 0;
    double rows = access.kind == STEP_SCAN ? access.rows * node->selectivity : access.rows;
    for (;;) {
        bool from_right;
        uint32_t rel = rel_choose(matcher, bound, done, &factor, &from_right);
        if (rel == SLOT_NONE)
            return cost;
        done[rel] = true;
        bool is_new = !bound[matcher->rels[rel].left] || !bound[matcher->rels[rel].right];
        double reached =
            is_new
                ? rows * factor /
                      matcher
                          ->nodes[from_right ? matcher->rels[rel].left : matcher->rels[rel].right]
                          .selectivity
                : rows;
        cost += reached;
        rows *= factor;
        bound[matcher->rels[rel].left] = bound[matcher->rels[rel].right] = true;
    }
}

static uint32_t
start_choose(struct matcher *matcher)
{
    struct planner *planner = matcher->builder->planner;
    bool *bound = planner_allocate(planner, matcher->node_count);
    bool *done = planner_allocate(planner, matcher->rel_count);
    uint32_t best = SLOT_NONE;
    double best_cost = 0;
    for (uint32_t i = 0; bound && done && i < matcher->node_count; i++) {
        if (matcher->nodes[i].bound)
            continue;
        double cost = matcher->node_count <= SIMULATED_NODE_MAX
                          ? start_cost(matcher, i, bound, done)
                          : node_access(matcher, i).rows;
        if (best != SLOT_NONE && cost >= best_cost)
            continue;
        best = i;
        best_cost = cost;
    }
    return best;
}

/* --- steps --- */

static uint32_t
node_column(const struct matcher *matcher, uint32_t node)
{
    uint32_t column = row_find(&matcher->builder->row, matcher->nodes[node].name);
    assert(column != SLOT_NONE);
    return column;
}

static uint32_t
element_add(struct matcher *matcher, struct text name, uint8_t kind, uint32_t mask)
{
    struct builder *builder = matcher->builder;
    uint32_t column = row_add(builder->planner, &builder->row, name, kind, type_make(mask));
    if (column != SLOT_NONE)
        builder->row.columns[column].shown = true;
    return column;
}

/* n.key IN list with an index: one row per item, then seeks. Items that occur twice must not match twice. */
static const struct expr *
seek_list_unwind(struct matcher *matcher, const struct conjunct *conjunct)
{
    struct builder *builder = matcher->builder;
    struct planner *planner = builder->planner;
    const struct ast *list = conjunct->value;
    const struct expr *expr;
    if (!expressions_plan_home(builder, &list, 1, CHECK_VALUE, &expr))
        return NULL;
    struct op *op = builder_op(builder, OP_UNWIND);
    if (!op)
        return NULL;
    op->expr = expr;
    struct text name = arena_printf(
        planner->arena, "%clist%u", ANONYMOUS_BYTE, (unsigned)list->offset);
    uint32_t column = row_add(
        planner, &builder->row, name, COLUMN_VALUE, type_make(TYPE_MASK_PLAIN));
    if (column == SLOT_NONE || !op_seal(builder, op))
        return NULL;
    builder->row.columns[column].shown = true;
    struct op *distinct = builder_op(builder, OP_DISTINCT);
    if (!distinct || !op_seal(builder, distinct) || !builder_open(builder))
        return NULL;
    const struct expr *item = expr_column(planner->arena, list->offset, column);
    if (!item)
        planner_no_memory(planner);
    return item;
}

/* No row can match. */
static bool
filter_nothing(struct matcher *matcher, const struct ast *at)
{
    struct builder *builder = matcher->builder;
    return builder_open(builder) &&
           builder_filter(
               builder, expr_literal(builder->planner->arena, at->offset, value_boolean(false)));
}

static bool
start_emit(struct matcher *matcher, uint32_t index)
{
    struct builder *builder = matcher->builder;
    struct access access = node_access(matcher, index);
    bool is_list = access.conjunct && access.conjunct->is_in;
    const struct expr *expr = NULL;
    if (is_list)
        expr = seek_list_unwind(matcher, access.conjunct);
    else if (access.conjunct)
        expr = expression_plan(builder, access.conjunct->value, CHECK_VALUE);
    if (access.conjunct && !expr)
        return false;
    uint32_t label = LABEL_ANY;
    if (access.label) {
        label = token_find(builder->planner, TOKEN_LABEL, access.label->label->text);
        access.label->done = true;
        /* TOKEN_NONE and LABEL_ANY are one number: a label nobody has must not become every label. */
        if (label == TOKEN_NONE && !filter_nothing(matcher, access.label->label))
            return false;
    }
    struct step *step = builder_step(builder, access.kind);
    uint32_t column = element_add(matcher, matcher->nodes[index].name, COLUMN_NODE, TYPE_BIT_NODE);
    if (!step || column == SLOT_NONE)
        return false;
    step->to_slot = column;
    step->expr = expr;
    step->label = label;
    if (access.index) {
        step->index = access.index->id;
        step->key = access.index->key;
    }
    if (access.conjunct)
        access.conjunct->done = true;
    builder->open->at = access.kind == STEP_INDEX_SEEK ? SLOT_NONE : column;
    matcher->nodes[index].bound = true;
    builder->rows *= access.rows;
    return true;
}

/* The slots of relationships this one must differ from. */
static bool
rel_distinct_emit(struct matcher *matcher, const struct pattern_rel *rel, uint32_t slot)
{
    struct builder *builder = matcher->builder;
    uint32_t *slots = planner_allocate(builder->planner, matcher->rel_count * sizeof(*slots));
    uint32_t count = 0;
    if (!slots)
        return false;
    for (uint32_t i = 0; i < matcher->rel_count; i++) {
        const struct pattern_rel *other = &matcher->rels[i];
        if (other != rel && other->done && rels_overlap(rel, other))
            slots[count++] = row_find(&builder->row, other->name);
    }
    if (count == 0)
        return true;
    struct step *step = builder_step(builder, STEP_REL_DISTINCT);
    if (!step)
        return false;
    step->rel_slot = slot;
    step->slots = slots;
    step->slot_count = count;
    return true;
}

static enum direction
direction_from(const struct pattern_rel *rel, bool from_right)
{
    enum direction direction = rel_direction(rel->ast);
    if (!from_right || direction == DIRECTION_BOTH)
        return direction;
    return direction == DIRECTION_OUT ? DIRECTION_IN : DIRECTION_OUT;
}

static bool
node_equal_emit(struct matcher *matcher, uint32_t a, uint32_t b)
{
    struct step *step = builder_step(matcher->builder, STEP_NODE_EQUAL);
    if (!step)
        return false;
    step->from_slot = a;
    step->to_slot = b;
    return true;
}

/* Keys and values of the property map of a variable length relationship. */
static bool
step_properties(
    struct builder *builder,
    struct step *step,
    const struct expr *const *values,
    const struct ast *map)
{
    uint32_t *keys = planner_allocate(builder->planner, map->item_count * sizeof(*keys));
    if (!keys)
        return false;
    for (uint32_t i = 0; i < map->item_count; i++)
        keys[i] = token_find(builder->planner, TOKEN_KEY, map->items[i]->text);
    step->property_count = map->item_count;
    step->property_keys = keys;
    step->property_values = values;
    return true;
}

static const struct expr **
map_values_plan(struct builder *builder, const struct ast *map)
{
    const struct expr **values = planner_allocate(
        builder->planner, map->item_count * sizeof(const struct expr *));
    for (uint32_t i = 0; values && i < map->item_count; i++) {
        values[i] = expression_plan(builder, map->items[i]->entry.value, CHECK_VALUE);
        if (!values[i])
            return NULL;
    }
    return values;
}

static bool
var_expand_emit(
    struct matcher *matcher, struct pattern_rel *rel, uint32_t from, uint32_t to, bool from_right)
{
    struct builder *builder = matcher->builder;
    const struct ast *map = rel->ast->rel.properties;
    const struct expr **values = map ? map_values_plan(builder, map) : NULL;
    if ((map && !values) || !builder_move(builder, node_column(matcher, from)))
        return false;
    struct step *step = builder_step(builder, STEP_VAR_EXPAND);
    if (!step)
        return false;
    step->from_slot = node_column(matcher, from);
    step->direction = (uint8_t)direction_from(rel, from_right);
    step->types = rel->types;
    step->type_count = rel->type_count;
    step->min = rel->min;
    step->max = rel->max;
    if (map && !step_properties(builder, step, values, map))
        return false;
    bool was_bound = matcher->nodes[to].bound;
    struct text end_name = was_bound ? (struct text){0} : matcher->nodes[to].name;
    uint32_t end = element_add(matcher, end_name, COLUMN_NODE, TYPE_BIT_NODE);
    uint32_t list = SLOT_NONE;
    if (rel->needs_value || rel->overlaps) {
        list = element_add(matcher, rel->name, COLUMN_VALUE, TYPE_BIT_LIST);
        if (list == SLOT_NONE)
            return false;
        builder->row.columns[list].type = type_list_of(type_make(TYPE_BIT_REL));
    }
    if (end == SLOT_NONE)
        return false;
    step->to_slot = end;
    step->rel_slot = list;
    builder->open->at = end;
    matcher->nodes[to].bound = true;
    if (was_bound && !node_equal_emit(matcher, end, node_column(matcher, to)))
        return false;
    if (from_right && rel->needs_value) {
        const struct expr *column = expr_column(builder->planner->arena, rel->ast->offset, list);
        const struct expr *reversed = expression_call(builder, "reverse", column, rel->ast->offset);
        builder->row.columns[list].name = (struct text){0};
        uint32_t ordered = builder_compute(
            builder, rel->name, reversed, type_list_of(type_make(TYPE_BIT_REL)));
        if (ordered == SLOT_NONE)
            return false;
        builder->row.columns[ordered].shown = true;
        list = ordered;
    }
    if (rel->list_name.data) {
        struct arena *arena = builder->planner->arena;
        uint32_t offset = rel->ast->offset;
        const struct expr *trail = expr_column(arena, offset, list);
        const struct expr *known = expr_column(
            arena, offset, row_find(&builder->row, rel->list_name));
        if (!builder_filter(builder, expr_binary(arena, offset, OPERATOR_EQUAL, trail, known)))
            return false;
    }
    return !rel->overlaps || rel_distinct_emit(matcher, rel, list);
}

/* One end of a bound relationship: compared with the node if that is bound, else it becomes the node. */
static bool
bound_end_emit(struct matcher *matcher, uint32_t node, const struct expr *end)
{
    struct builder *builder = matcher->builder;
    bool was_bound = matcher->nodes[node].bound;
    struct text name = was_bound ? (struct text){0} : matcher->nodes[node].name;
    uint32_t slot = builder_compute(builder, name, end, type_make(TYPE_BIT_NODE));
    if (slot == SLOT_NONE)
        return false;
    builder->row.columns[slot].shown = true;
    matcher->nodes[node].bound = true;
    if (!was_bound)
        return true;
    return builder_open(builder) && node_equal_emit(matcher, slot, node_column(matcher, node));
}

/* The other end of a bound relationship: of `from`, which is one of its ends. */
static const struct expr *
other_end(struct builder *builder, const struct expr *rel, uint32_t from, uint32_t offset)
{
    struct arena *arena = builder->planner->arena;
    const struct expr *start = expression_call(builder, "startNode", rel, offset);
    const struct expr *end = expression_call(builder, "endNode", rel, offset);
    struct expr *other = expr_new(arena, EXPR_CASE_SEARCHED, offset, 3);
    if (!start || !end || !other)
        return NULL;
    other->children[0] = expr_binary(
        arena, offset, OPERATOR_EQUAL, expr_column(arena, offset, from), start);
    other->children[1] = end;
    other->children[2] = start;
    return other->children[0] ? other : NULL;
}

/* Without direction: each end in turn is the left node; the right one is the other. */
static bool
bound_rel_both_emit(struct matcher *matcher, struct pattern_rel *rel)
{
    struct builder *builder = matcher->builder;
    struct planner *planner = builder->planner;
    uint32_t offset = rel->ast->offset;
    if (!builder_close(builder))
        return false;
    const struct expr *value = expr_column(
        planner->arena, offset, row_find(&builder->row, rel->name));
    const struct expr *start = expression_call(builder, "startNode", value, offset);
    const struct expr *end = expression_call(builder, "endNode", value, offset);
    struct expr *both = expr_new(planner->arena, EXPR_LIST, offset, 2);
    struct expr *once = expr_new(planner->arena, EXPR_LIST, offset, 1);
    struct expr *list = expr_new(planner->arena, EXPR_CASE_SEARCHED, offset, 3);
    if (!start || !end || !both || !once || !list)
        return planner_no_memory(planner);
    both->children[0] = once->children[0] = start;
    both->children[1] = end;
    list->children[0] = expr_binary(planner->arena, offset, OPERATOR_EQUAL, start, end);
    list->children[1] = once;
    list->children[2] = both;
    struct op *op = list->children[0] ? builder_op(builder, OP_UNWIND) : NULL;
    bool was_bound = matcher->nodes[rel->left].bound;
    struct text name = was_bound ? (struct text){0} : matcher->nodes[rel->left].name;
    uint32_t left = op ? element_add(matcher, name, COLUMN_VALUE, TYPE_BIT_NODE) : SLOT_NONE;
    if (left == SLOT_NONE)
        return false;
    op->expr = list;
    matcher->nodes[rel->left].bound = true;
    if (!op_seal(builder, op) || !builder_open(builder))
        return false;
    if (was_bound && !node_equal_emit(matcher, left, node_column(matcher, rel->left)))
        return false;
    return bound_end_emit(matcher, rel->right, other_end(builder, value, left, offset));
}

/* A relationship the row has already: its ends are compared, or become known. */
static bool
bound_rel_emit(struct matcher *matcher, struct pattern_rel *rel)
{
    struct builder *builder = matcher->builder;
    struct planner *planner = builder->planner;
    uint32_t column = row_find(&builder->row, rel->name), offset = rel->ast->offset;
    enum direction direction = rel_direction(rel->ast);
    if (!builder_open(builder))
        return false;
    const struct expr *value = expr_column(planner->arena, offset, column);
    const struct expr *known = value
                                   ? expr_unary(planner->arena, offset, OPERATOR_IS_NOT_NULL, value)
                                   : NULL;
    if (!builder_filter(builder, known))
        return false;
    builder->row.columns[column].type = type_make(TYPE_BIT_REL);
    if (rel->ast->rel.types) {
        struct ast test = {.kind = AST_LABEL_TEST, .offset = offset};
        test.label_test.subject = ast_make_variable(planner, rel->name, offset);
        test.label_test.labels = rel->ast->rel.types;
        const struct expr *type = test.label_test.subject
                                      ? expression_plan(builder, &test, CHECK_PREDICATE)
                                      : NULL;
        if (!type || !builder_filter(builder, type))
            return false;
    }
    if (direction == DIRECTION_BOTH) {
        if (!bound_rel_both_emit(matcher, rel))
            return false;
    } else {
        bool is_out = direction == DIRECTION_OUT;
        if (!bound_end_emit(
                matcher, rel->left,
                expression_call(builder, is_out ? "startNode" : "endNode", value, offset)) ||
            !bound_end_emit(
                matcher, rel->right,
                expression_call(builder, is_out ? "endNode" : "startNode", value, offset)))
            return false;
    }
    return !rel->overlaps || rel_distinct_emit(matcher, rel, row_find(&builder->row, rel->name));
}

static bool
expand_emit(struct matcher *matcher, struct pattern_rel *rel, bool from_right)
{
    struct builder *builder = matcher->builder;
    uint32_t from = from_right ? rel->right : rel->left, to = from_right ? rel->left : rel->right;
    if (rel->bound_before)
        return bound_rel_emit(matcher, rel);
    if (rel->is_list)
        return var_expand_emit(matcher, rel, from, to, from_right);
    if (!builder_move(builder, node_column(matcher, from)))
        return false;
    bool is_into = matcher->nodes[to].bound;
    struct step *step = builder_step(builder, is_into ? STEP_EXPAND_INTO : STEP_EXPAND);
    if (!step)
        return false;
    step->from_slot = node_column(matcher, from);
    step->direction = (uint8_t)direction_from(rel, from_right);
    step->types = rel->types;
    step->type_count = rel->type_count;
    uint32_t slot = SLOT_NONE, target = SLOT_NONE;
    if (is_into)
        target = node_column(matcher, to);
    else if (matcher->nodes[to].needed || matcher->nodes[to].rel_count > 1)
        target = element_add(matcher, matcher->nodes[to].name, COLUMN_NODE, TYPE_BIT_NODE);
    if (rel->needs_value || rel->overlaps)
        slot = element_add(
            matcher, rel->name, rel->needs_value ? COLUMN_VALUE : COLUMN_NODE, TYPE_BIT_REL);
    if (builder->planner->err)
        return false;
    step->to_slot = target;
    step->rel_slot = slot;
    if (slot != SLOT_NONE && step->direction != DIRECTION_BOTH)
        builder->row.columns[slot].home = step->direction == DIRECTION_OUT ? step->from_slot
                                                                           : target;
    matcher->nodes[to].bound = true;
    return !rel->overlaps || rel_distinct_emit(matcher, rel, slot);
}

/* Bound nodes that may be null, or something else than a node: no row matches with those. */
static bool
bound_nodes_check(struct matcher *matcher)
{
    struct builder *builder = matcher->builder;
    struct planner *planner = builder->planner;
    for (uint32_t i = 0; i < matcher->node_count; i++) {
        if (!matcher->nodes[i].bound)
            continue;
        uint32_t column = node_column(matcher, i);
        builder->row.columns[column].shown = true;
        if (builder->row.columns[column].type.mask == TYPE_BIT_NODE)
            continue;
        const struct expr *value = expr_column(
            planner->arena, matcher->nodes[i].ast->offset, column);
        const struct expr *test = value ? expr_unary(
                                              planner->arena, matcher->nodes[i].ast->offset,
                                              OPERATOR_IS_NOT_NULL, value)
                                        : NULL;
        if (!builder_filter(builder, test))
            return false;
        builder->row.columns[column].type = type_make(TYPE_BIT_NODE);
    }
    return true;
}

static bool
steps_emit(struct matcher *matcher)
{
    struct builder *builder = matcher->builder;
    struct planner *planner = builder->planner;
    bool *bound = planner_allocate(planner, matcher->node_count);
    bool *done = planner_allocate(planner, matcher->rel_count);
    if (!bound || !done || !bound_nodes_check(matcher))
        return false;
    for (uint32_t i = 0; i < matcher->rel_count; i++) {
        if (matcher->rels[i].bound_before)
            builder->row.columns[row_find(&builder->row, matcher->rels[i].name)].shown = true;
    }
    if (!conjuncts_apply(matcher, false))
        return false;
    for (;;) {
        for (uint32_t i = 0; i < matcher->node_count; i++)
            bound[i] = matcher->nodes[i].bound;
        for (uint32_t i = 0; i < matcher->rel_count; i++)
            done[i] = matcher->rels[i].done;
        double factor = 1;
        bool from_right = false;
        uint32_t next = rel_choose(matcher, bound, done, &factor, &from_right);
        if (next != SLOT_NONE) {
            struct pattern_rel *rel = &matcher->rels[next];
            struct pattern_node *from = &matcher->nodes[from_right ? rel->right : rel->left];
            if (from->bound && builder->open && !demand_fetch(matcher, from))
                return false;
            if (!expand_emit(matcher, rel, from_right))
                return false;
            rel->done = true;
            builder->rows *= factor;
        } else {
            uint32_t start = start_choose(matcher);
            if (planner->err)
                return false;
            if (start == SLOT_NONE)
                return true;
            if (!start_emit(matcher, start))
                return false;
        }
        if (!conjuncts_apply(matcher, false))
            return false;
    }
}

/* --- conjuncts --- */

static bool
exists_step_emit(struct matcher *matcher, const struct conjunct *conjunct, bool negate)
{
    struct builder *builder = matcher->builder;
    const struct ast *ast = negate ? conjunct->ast->unary.operand : conjunct->ast;
    const struct ast *path = ast->pattern_expression.path;
    bool from_right = !path->items[0]->node.variable;
    const struct ast *from = path->items[from_right ? 2 : 0], *to = path->items[from_right ? 0 : 2];
    uint32_t column = row_find(&builder->row, from->node.variable->text);
    struct pattern_rel rel = {.ast = path->items[1]};
    if (!rel_types_find(builder->planner, path->items[1]->rel.types, &rel.types, &rel.type_count) ||
        !builder_move(builder, column))
        return false;
    struct step *step = builder_step(builder, STEP_EXPAND_EXISTS);
    if (!step)
        return false;
    step->from_slot = column;
    step->to_slot = to->node.variable ? row_find(&builder->row, to->node.variable->text)
                                      : SLOT_NONE;
    step->direction = (uint8_t)direction_from(&rel, from_right);
    step->types = rel.types;
    step->type_count = rel.type_count;
    step->negate = negate;
    return true;
}

/* a = b, a <> b between nodes of the pattern. */
static bool
conjunct_is_node_comparison(const struct matcher *matcher, const struct conjunct *conjunct)
{
    const struct ast *ast = conjunct->ast;
    if ((ast->kind != AST_EQUAL && ast->kind != AST_NOT_EQUAL) ||
        ast->equal.left->kind != AST_VARIABLE || ast->equal.right->kind != AST_VARIABLE)
        return false;
    return node_find(matcher, ast->equal.left->text) != SLOT_NONE &&
           node_find(matcher, ast->equal.right->text) != SLOT_NONE;
}

static bool
node_comparison_emit(struct matcher *matcher, const struct conjunct *conjunct)
{
    const struct ast *ast = conjunct->ast;
    struct step *step = builder_step(matcher->builder, STEP_NODE_EQUAL);
    if (!step)
        return false;
    step->from_slot = row_find(&matcher->builder->row, ast->equal.left->text);
    step->to_slot = row_find(&matcher->builder->row, ast->equal.right->text);
    step->negate = ast->kind == AST_NOT_EQUAL;
    return true;
}

static bool
conjunct_emit(struct matcher *matcher, struct conjunct *conjunct)
{
    struct builder *builder = matcher->builder;
    bool negate;
    if (!conjunct->late && conjunct_is_exists_step(matcher, conjunct, &negate))
        return exists_step_emit(matcher, conjunct, negate);
    if (conjunct->label) {
        uint32_t column = node_column(matcher, conjunct->node);
        if (!builder_move(builder, column))
            return false;
        uint32_t label = token_find(builder->planner, TOKEN_LABEL, conjunct->label->text);
        if (label == TOKEN_NONE)
            return filter_nothing(matcher, conjunct->label);
        struct step *step = builder_step(builder, STEP_LABEL);
        if (!step)
            return false;
        step->from_slot = column;
        step->label = label;
        return true;
    }
    if (conjunct_is_node_comparison(matcher, conjunct))
        return node_comparison_emit(matcher, conjunct);
    bool is_property = conjunct->value && !conjunct->is_in && !conjunct->is_id &&
                       ast_is_row_free(conjunct->value);
    if (is_property && expression_check(builder, NULL, conjunct->ast, CHECK_PREDICATE, false)) {
        struct text name = conjunct->node != SLOT_NONE ? matcher->nodes[conjunct->node].name
                                                       : matcher->rels[conjunct->rel].name;
        uint32_t column = row_find(&builder->row, name);
        const struct expr *value = expression_plan(builder, conjunct->value, CHECK_VALUE);
        if (!value || !builder_move(builder, column))
            return false;
        struct step *step = builder_step(builder, STEP_PROPERTY);
        if (!step)
            return false;
        step->from_slot = column;
        step->key = token_find(builder->planner, TOKEN_KEY, conjunct->key);
        step->compare = conjunct->compare;
        step->expr = value;
        return true;
    }
    const struct expr *expr = expression_plan(builder, conjunct->ast, CHECK_PREDICATE);
    return expr && builder_filter(builder, expr);
}

/* Applies what can be: every conjunct whose variables are bound. Those at the node where the row is come
 * first: they cost no MOVE. */
static bool
conjuncts_apply(struct matcher *matcher, bool late)
{
    for (uint32_t round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < matcher->conjunct_count; i++) {
            struct conjunct *conjunct = &matcher->conjuncts[i];
            if (conjunct->done || (conjunct->late && !late) ||
                !conjunct_is_ready(matcher, conjunct, false))
                continue;
            if (conjunct->node != SLOT_NONE && !matcher->nodes[conjunct->node].bound)
                continue;
            const struct open_traversal *open = matcher->builder->open;
            bool is_here = open && conjunct->node != SLOT_NONE && conjunct->element_count == 1 &&
                           open->at == node_column(matcher, conjunct->node);
            is_here = is_here || (open && conjunct_is_node_comparison(matcher, conjunct));
            if ((round == 0 && !is_here) || (round == 1 && !conjunct->label && !conjunct->value))
                continue;
            conjunct->done = true;
            if (!conjunct_emit(matcher, conjunct))
                return false;
        }
    }
    return !matcher->builder->planner->err;
}

/* --- what later clauses want --- */

struct demand {
    struct text name;
    struct text keys[DEMAND_KEY_MAX];
    uint32_t count;
};

static void
demand_collect(struct demand *demand, const struct ast *ast)
{
    struct text name = property_variable(ast);
    if (name.data && text_equal(name, demand->name) && demand->count < DEMAND_KEY_MAX) {
        bool is_known = false;
        for (uint32_t i = 0; i < demand->count && !is_known; i++)
            is_known = text_equal(demand->keys[i], ast->text);
        if (!is_known)
            demand->keys[demand->count++] = ast->text;
    }
    for (uint32_t i = 0; i < ast_child_count(ast); i++) {
        const struct ast *child = ast_child(ast, i);
        if (child)
            demand_collect(demand, child);
    }
}

static bool
clause_ends_demand(const struct ast *clause)
{
    return clause->kind != AST_MATCH && clause->kind != AST_UNWIND && clause->kind != AST_CALL;
}

/* Fetches now, while the row is at the node, what conjuncts to come and later clauses read of it. */
static bool
demand_fetch(struct matcher *matcher, struct pattern_node *node)
{
    struct builder *builder = matcher->builder;
    if (!node->bound || name_is_anonymous(node->name) || !builder->open)
        return true;
    struct demand *demand = planner_allocate(builder->planner, sizeof(*demand));
    uint32_t column = row_find(&builder->row, node->name);
    if (!demand || column == SLOT_NONE)
        return !builder->planner->err;
    demand->name = node->name;
    for (uint32_t i = 0; i < matcher->conjunct_count; i++) {
        if (!matcher->conjuncts[i].done)
            demand_collect(demand, matcher->conjuncts[i].ast);
    }
    /* Of a node of the query around an OPTIONAL MATCH, later clauses read what that query fetched. */
    bool is_argument = builder->row.columns[column].argument;
    for (uint32_t i = builder->clause_index + 1; !is_argument && i < builder->clause_count; i++) {
        const struct ast *clause = builder->clauses[i];
        /* The targets of SET and REMOVE are not read. */
        if (clause->kind != AST_SET && clause->kind != AST_REMOVE)
            demand_collect(demand, clause);
        if (clause_ends_demand(clause))
            break;
    }
    if (builder->extra)
        demand_collect(demand, builder->extra);
    return builder_fetch_keys(builder, column, demand->keys, demand->count);
}

/* --- paths --- */

static bool
path_compute(struct matcher *matcher, const struct ast *path)
{
    struct builder *builder = matcher->builder;
    struct planner *planner = builder->planner;
    struct expr *expr = expr_new(planner->arena, EXPR_PATH, path->offset, path->item_count);
    if (!expr)
        return planner_no_memory(planner);
    for (uint32_t i = 0; i < path->item_count; i++) {
        uint32_t column = row_find(&builder->row, element_name(matcher, path->items[i]));
        assert(column != SLOT_NONE);
        expr->children[i] = expr_column(planner->arena, path->items[i]->offset, column);
        if (!expr->children[i])
            return planner_no_memory(planner);
    }
    uint32_t column = builder_compute(
        builder, path->path.variable->text, expr, type_make(TYPE_BIT_PATH));
    if (column == SLOT_NONE)
        return false;
    builder->row.columns[column].shown = true;
    return true;
}

static bool
paths_emit(struct matcher *matcher)
{
    for (uint32_t i = 0; i < matcher->path_count; i++) {
        const struct ast *path = matcher->paths[i].ast;
        if (!path->path.variable ||
            row_find(&matcher->builder->row, path->path.variable->text) != SLOT_NONE)
            continue;
        if (!matcher->paths[i].is_used)
            continue;
        if (!path_compute(matcher, path))
            return false;
    }
    return true;
}

static bool
shortest_emit(struct matcher *matcher, const struct ast *path)
{
    struct builder *builder = matcher->builder;
    struct planner *planner = builder->planner;
    const struct ast *rel = path->items[1];
    for (uint32_t i = 0; i < matcher->conjunct_count; i++) {
        const struct ast *where = matcher->conjuncts[i].ast;
        bool names_path = path->path.variable && ast_uses(where, path->path.variable->text);
        if (names_path || (rel->rel.variable && ast_uses(where, rel->rel.variable->text)))
            return planner_fail(
                planner, where, ERR(UNSUPPORTED),
                "A condition on a shortest path in the same WHERE is not supported; put it after "
                "WITH to filter the shortest paths");
    }
    if (rel->rel.where)
        return planner_fail(
            planner, rel->rel.where, ERR(UNSUPPORTED),
            "WHERE inside shortestPath is not supported");
    struct step *step = planner_allocate(planner, sizeof(*step));
    const struct ast *map = rel->rel.properties;
    if (map && map->kind == AST_PARAMETER)
        return planner_fail(
            planner, map, ERR(SYNTAX), "Parameter maps cannot be used in MATCH patterns");
    const struct expr **values = map ? map_values_plan(builder, map) : NULL;
    if (!step || (map && !values) || !builder_close(builder))
        return false;
    values = map ? map_values_plan(builder, map) : NULL;
    uint32_t *types;
    if (!rel_types_find(planner, rel->rel.types, &types, &step->type_count) ||
        !rel_range_find(planner, rel, &step->min, &step->max))
        return false;
    if (step->min > 1)
        return planner_fail(
            planner, rel, ERR(SYNTAX),
            "shortestPath(...) does not support a minimal length different from 0 or 1");
    step->kind = STEP_VAR_EXPAND;
    step->types = types;
    step->direction = (uint8_t)rel_direction(rel);
    step->from_slot = row_find(&builder->row, element_name(matcher, path->items[0]));
    step->to_slot = row_find(&builder->row, element_name(matcher, path->items[2]));
    if (map && !step_properties(builder, step, values, map))
        return false;
    struct op *op = builder_op(builder, OP_SHORTEST_PATH);
    struct static_type type = type_list_of(type_make(TYPE_BIT_REL));
    uint32_t column = row_add(
        planner, &builder->row, element_name(matcher, rel), COLUMN_VALUE, type);
    if (!op || column == SLOT_NONE)
        return false;
    builder->row.columns[column].shown = true;
    step->rel_slot = column;
    op->shortest = step;
    op->slot = column;
    op->flag = path->flags & AST_FLAG_ALL_SHORTEST;
    return op_seal(builder, op);
}
