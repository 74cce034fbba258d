/* The graph of a MATCH: its nodes, relationships and conjuncts, checked and estimated.
 *
 *      (a:A {x: 1})-[r:R]->(b) WHERE b.y > 2 AND (a)-->(c)
 *
 *      nodes       a, b
 *      rels        r from a to b
 *      conjuncts   a:A    a.x = 1    b.y > 2    (a)-->(c)
 *
 * What a pattern says in its own way, labels and property maps, becomes a tree like those of WHERE, so that
 * the rest of the planner knows one kind of condition. */
#include "engine/plan/pattern.h"

#include "base/limits.h"

struct ast *
ast_make_variable(struct planner *planner, struct text name, uint32_t offset)
{
    struct ast *variable = planner_allocate(planner, sizeof(*variable));
    if (!variable)
        return NULL;
    variable->kind = AST_VARIABLE;
    variable->depth = 1;
    variable->offset = variable->end = offset;
    variable->text = name;
    return variable;
}

struct text
element_name(struct matcher *matcher, const struct ast *element)
{
    if (element->node.variable)
        return element->node.variable->text;
    struct text name = arena_printf(
        matcher->builder->planner->arena, "%c%u", ANONYMOUS_BYTE, (unsigned)element->offset);
    if (!name.data)
        planner_no_memory(matcher->builder->planner);
    return name;
}

static struct conjunct *
conjunct_add(struct matcher *matcher, const struct ast *ast)
{
    struct conjunct *added = array_push(
        matcher->builder->planner, (void **)&matcher->conjuncts, &matcher->conjunct_count,
        &matcher->conjunct_room, sizeof(*added));
    if (added)
        *added = (struct conjunct){.ast = ast, .node = SLOT_NONE, .rel = SLOT_NONE};
    return added;
}

uint32_t
node_find(const struct matcher *matcher, struct text name)
{
    for (uint32_t i = 0; i < matcher->node_count; i++) {
        if (text_equal(matcher->nodes[i].name, name))
            return i;
    }
    return SLOT_NONE;
}

static uint32_t
rel_find(const struct matcher *matcher, struct text name)
{
    for (uint32_t i = 0; i < matcher->rel_count; i++) {
        if (text_equal(matcher->rels[i].name, name))
            return i;
    }
    return SLOT_NONE;
}

static bool
conflict(struct matcher *matcher, const struct ast *at, struct text name, const char *expected)
{
    return planner_fail(
        matcher->builder->planner, at, ERR(SYNTAX),
        "Type mismatch: `%.*s` defined with conflicting type (expected %s)", TEXT_ARGS(name),
        expected);
}

/* Labels of a pattern, as conjuncts: :A:B and :A&B are one each; the rest is one test. */
static bool
labels_add(struct matcher *matcher, uint32_t node, const struct ast *labels)
{
    struct planner *planner = matcher->builder->planner;
    if (labels->kind == AST_LABEL_AND)
        return labels_add(matcher, node, labels->label_and.left) &&
               labels_add(matcher, node, labels->label_and.right);
    struct ast *test = planner_allocate(planner, sizeof(*test));
    struct conjunct *added = test ? conjunct_add(matcher, test) : NULL;
    if (!added)
        return false;
    test->kind = AST_LABEL_TEST;
    test->depth = (uint16_t)(labels->depth + 1);
    test->offset = labels->offset;
    test->end = labels->end;
    test->label_test.subject = ast_make_variable(
        planner, matcher->nodes[node].name, labels->offset);
    test->label_test.labels = (struct ast *)(uintptr_t)labels;
    added->node = node;
    added->label = labels->kind == AST_LABEL ? labels : NULL;
    matcher->nodes[node].needed = true;
    return test->label_test.subject != NULL;
}

/* {key: value, ...} as conjuncts name.key = value. */
static bool
properties_add(
    struct matcher *matcher, struct text name, uint32_t node, uint32_t rel, const struct ast *map)
{
    struct planner *planner = matcher->builder->planner;
    if (map->kind == AST_PARAMETER)
        return planner_fail(
            planner, map, ERR(SYNTAX),
            "Parameter maps cannot be used in MATCH patterns (use a literal map instead, e.g. {id: "
            "$%.*s.id})",
            TEXT_ARGS(map->text));
    for (uint32_t i = 0; i < map->item_count; i++) {
        const struct ast *entry = map->items[i];
        struct ast *property = planner_allocate(planner, sizeof(*property));
        struct ast *equal = planner_allocate(planner, sizeof(*equal));
        struct conjunct *added = property && equal ? conjunct_add(matcher, equal) : NULL;
        if (!added)
            return false;
        *property = (struct ast){
            .kind = AST_PROPERTY,
            .depth = 2,
            .offset = entry->offset,
            .end = entry->end,
            .text = entry->text};
        property->property.subject = ast_make_variable(planner, name, entry->offset);
        *equal = (struct ast){
            .kind = AST_EQUAL,
            .depth = (uint16_t)(entry->depth + 1),
            .offset = entry->offset,
            .end = entry->end};
        equal->equal.left = property;
        equal->equal.right = entry->entry.value;
        added->node = node;
        added->rel = rel;
        added->key = entry->text;
        added->value = entry->entry.value;
        added->compare = COMPARE_EQ;
        if (!property->property.subject)
            return false;
    }
    return true;
}

static bool where_add(struct matcher *matcher, const struct ast *where);

/* The node of a pattern, new or known; its index in *out. */
static bool
node_add(struct matcher *matcher, const struct ast *ast, uint32_t *out)
{
    struct builder *builder = matcher->builder;
    struct text name = element_name(matcher, ast);
    uint32_t found = node_find(matcher, name);
    if (rel_find(matcher, name) != SLOT_NONE)
        return conflict(matcher, ast, name, "Node");
    if (found == SLOT_NONE) {
        uint32_t column = row_find(&builder->row, name);
        struct pattern_node *node = array_push(
            builder->planner, (void **)&matcher->nodes, &matcher->node_count, &matcher->node_room,
            sizeof(*node));
        if (!node)
            return false;
        node->name = name;
        node->ast = ast;
        node->needed = ast->node.variable && builder_uses(builder, name, true);
        found = matcher->node_count - 1;
        if (column != SLOT_NONE &&
            !(builder->row.columns[column].type.mask & (TYPE_BIT_NODE | TYPE_BIT_NULL)))
            return conflict(matcher, ast, name, "Node");
        node->bound = column != SLOT_NONE;
    } else {
        matcher->nodes[found].needed = true;
    }
    *out = found;
    if (ast->node.labels && !labels_add(matcher, found, ast->node.labels))
        return false;
    if (ast->node.properties &&
        !properties_add(matcher, name, found, SLOT_NONE, ast->node.properties))
        return false;
    if (ast->node.properties || ast->node.where)
        matcher->nodes[found].needed = true;
    return !ast->node.where || where_add(matcher, ast->node.where);
}

enum direction
rel_direction(const struct ast *rel)
{
    bool left = rel->flags & AST_FLAG_LEFT, right = rel->flags & AST_FLAG_RIGHT;
    return left == right ? DIRECTION_BOTH : left ? DIRECTION_IN : DIRECTION_OUT;
}

static uint32_t
label_leaf_count(const struct ast *types)
{
    if (types->kind != AST_LABEL_OR)
        return types->kind == AST_LABEL ? 1 : UINT32_MAX / 4;
    uint32_t left = label_leaf_count(types->label_or.left),
             right = label_leaf_count(types->label_or.right);
    return left + right > UINT32_MAX / 4 ? UINT32_MAX / 4 : left + right;
}

static void
label_leaves_find(struct planner *planner, const struct ast *types, uint32_t *out, uint32_t *count)
{
    if (types->kind == AST_LABEL_OR) {
        label_leaves_find(planner, types->label_or.left, out, count);
        label_leaves_find(planner, types->label_or.right, out, count);
        return;
    }
    uint32_t token = token_find(planner, TOKEN_TYPE, types->text);
    for (uint32_t i = 0; i < *count; i++) {
        if (out[i] == token)
            return;
    }
    out[(*count)++] = token;
}

bool
rel_types_find(struct planner *planner, const struct ast *types, uint32_t **out, uint32_t *count)
{
    *count = 0;
    *out = NULL;
    if (!types || types->kind == AST_LABEL_ANY)
        return true;
    uint32_t leaf_count = label_leaf_count(types);
    if (leaf_count >= UINT32_MAX / 4)
        return planner_fail(
            planner, types, ERR(UNSUPPORTED),
            "Relationship type expressions other than A|B are not supported; use WHERE on type(r)");
    *out = planner_allocate(planner, leaf_count * sizeof(**out));
    if (*out)
        label_leaves_find(planner, types, *out, count);
    return *out != NULL;
}

bool
rel_range_find(struct planner *planner, const struct ast *rel, uint32_t *min, uint32_t *max)
{
    *min = *max = 1;
    const struct ast *range = rel->rel.range;
    if (!range)
        return true;
    *max = UINT32_MAX;
    for (uint32_t i = 0; i < 2; i++) {
        const struct ast *bound = range->slot[i];
        if (!bound)
            continue;
        if (bound->kind != AST_INTEGER)
            return planner_fail(
                planner, bound, ERR(SYNTAX),
                "Parameters cannot be used as the length of a variable length relationship");
        if (bound->word.integer > INT32_MAX)
            return planner_fail(planner, bound, ERR(SYNTAX), "The length is too large");
        *(i == 0 ? min : max) = (uint32_t)bound->word.integer;
    }
    return true;
}

static bool
rel_add(struct matcher *matcher, const struct ast *ast, uint32_t left, uint32_t *out)
{
    struct builder *builder = matcher->builder;
    struct text name = element_name(matcher, ast);
    if (rel_find(matcher, name) != SLOT_NONE)
        return planner_fail(
            builder->planner, ast, ERR(SYNTAX),
            "Cannot use the same relationship variable '%.*s' for multiple relationships",
            TEXT_ARGS(name));
    if (node_find(matcher, name) != SLOT_NONE)
        return conflict(matcher, ast, name, "Relationship");
    struct pattern_rel *rel = array_push(
        builder->planner, (void **)&matcher->rels, &matcher->rel_count, &matcher->rel_room,
        sizeof(*rel));
    if (!rel)
        return false;
    rel->name = name;
    rel->ast = ast;
    rel->left = left;
    rel->is_list = ast->rel.range != NULL;
    rel->needs_value = ast->rel.variable && builder_uses(builder, name, true);
    *out = matcher->rel_count - 1;
    if (!rel_types_find(builder->planner, ast->rel.types, &rel->types, &rel->type_count) ||
        !rel_range_find(builder->planner, ast, &rel->min, &rel->max))
        return false;
    uint32_t column = row_find(&builder->row, name);
    rel->bound_before = column != SLOT_NONE;
    if (column != SLOT_NONE) {
        uint32_t expected = rel->is_list ? TYPE_BIT_LIST | TYPE_BIT_NULL
                                         : TYPE_BIT_REL | TYPE_BIT_NULL;
        if (!(builder->row.columns[column].type.mask & expected))
            return conflict(
                matcher, ast, name, rel->is_list ? "List<Relationship>" : "Relationship");
        /* A bound list is compared with each trail found. */
        if (rel->is_list) {
            rel->list_name = name;
            rel->bound_before = false;
            rel->needs_value = true;
            rel->name = arena_printf(
                builder->planner->arena, "%ctrail%u", ANONYMOUS_BYTE, (unsigned)ast->offset);
            if (!rel->name.data)
                return planner_no_memory(builder->planner);
        }
    }
    if (rel->is_list && ast->rel.where)
        return planner_fail(
            builder->planner, ast->rel.where, ERR(UNSUPPORTED),
            "WHERE inside a variable length relationship is not supported");
    if (ast->rel.properties && (ast->rel.properties->kind == AST_PARAMETER || !rel->is_list)) {
        rel->needs_value = true;
        if (!properties_add(matcher, name, SLOT_NONE, *out, ast->rel.properties))
            return false;
    }
    return !ast->rel.where || where_add(matcher, ast->rel.where);
}

static bool
path_add(struct matcher *matcher, const struct ast *path, uint32_t group)
{
    struct planner *planner = matcher->builder->planner;
    uint32_t left = 0, right = 0, rel = 0;
    if (path_is_shortest(path) && path->item_count != 3)
        return planner_fail(
            planner, path, ERR(SYNTAX),
            "shortestPath(...) requires a pattern containing a single relationship");
    if (path->path.variable &&
        row_find(&matcher->builder->row, path->path.variable->text) != SLOT_NONE)
        return planner_fail(
            planner, path->path.variable, ERR(SYNTAX), "Variable `%.*s` already declared",
            TEXT_ARGS(path->path.variable->text));
    struct pattern_path *added = array_push(
        planner, (void **)&matcher->paths, &matcher->path_count, &matcher->path_room,
        sizeof(*added));
    if (!added || !node_add(matcher, path->items[0], &left))
        return false;
    *added = (struct pattern_path){.ast = path, .group = group};
    for (uint32_t i = 1; i < path->item_count; i += 2) {
        if (path_is_shortest(path)) {
            if (!node_add(matcher, path->items[i + 1], &right))
                return false;
            matcher->nodes[left].needed = matcher->nodes[right].needed = true;
            continue;
        }
        if (!rel_add(matcher, path->items[i], left, &rel) ||
            !node_add(matcher, path->items[i + 1], &right))
            return false;
        matcher->rels[rel].right = right;
        matcher->rels[rel].group = group;
        matcher->nodes[left].rel_count++;
        matcher->nodes[right].rel_count++;
        left = right;
    }
    if (matcher->node_count + matcher->rel_count > ELEMENT_COUNT_MAX)
        return planner_fail(
            planner, path, ERR(LIMIT), "A pattern can have at most %d nodes and relationships",
            ELEMENT_COUNT_MAX);
    return true;
}

struct text
property_variable(const struct ast *ast)
{
    if (ast->kind != AST_PROPERTY || ast->property.subject->kind != AST_VARIABLE)
        return (struct text){0};
    return ast->property.subject->text;
}

static int
compare_of(enum ast_kind kind, bool swapped)
{
    if (kind == AST_EQUAL)
        return COMPARE_EQ;
    if (kind == AST_LESS)
        return swapped ? COMPARE_GT : COMPARE_LT;
    if (kind == AST_LESS_EQUAL)
        return swapped ? COMPARE_GE : COMPARE_LE;
    if (kind == AST_GREATER)
        return swapped ? COMPARE_LT : COMPARE_GT;
    if (kind == AST_GREATER_EQUAL)
        return swapped ? COMPARE_LE : COMPARE_GE;
    return -1;
}

/* Recognises n.key <op> value, n.key IN list and id(n) = value, either way round. */
static void
conjunct_classify(struct matcher *matcher, struct conjunct *conjunct)
{
    const struct ast *ast = conjunct->ast;
    bool is_in = ast->kind == AST_IN;
    for (uint32_t swapped = 0; swapped < (is_in ? 1u : 2u); swapped++) {
        int compare = is_in ? COMPARE_EQ : compare_of(ast->kind, swapped);
        if (compare < 0)
            return;
        const struct ast *left = ast->slot[swapped], *right = ast->slot[1 - swapped];
        bool is_id = left->kind == AST_FUNCTION && text_equal_fold(left->text, TEXT("id")) &&
                     left->item_count == 1 && left->items[0]->kind == AST_VARIABLE &&
                     compare == COMPARE_EQ && !is_in;
        struct text name = is_id ? left->items[0]->text : property_variable(left);
        if (!name.data || ast_uses(right, name) || ast_has_subquery(right))
            continue;
        conjunct->node = node_find(matcher, name);
        conjunct->rel = is_id ? SLOT_NONE : rel_find(matcher, name);
        if (conjunct->rel != SLOT_NONE && matcher->rels[conjunct->rel].is_list)
            conjunct->rel = SLOT_NONE;
        if (conjunct->node == SLOT_NONE && conjunct->rel == SLOT_NONE)
            continue;
        conjunct->key = is_id ? (struct text){0} : left->text;
        conjunct->value = right;
        conjunct->compare = (uint8_t)compare;
        conjunct->is_in = is_in;
        conjunct->is_id = is_id;
        return;
    }
}

static bool
where_add(struct matcher *matcher, const struct ast *where)
{
    if (where->kind == AST_AND) {
        for (uint32_t i = 0; i < where->item_count; i++) {
            if (!where_add(matcher, where->items[i]))
                return false;
        }
        return true;
    }
    return conjunct_add(matcher, where) != NULL;
}

/* WHERE n:A is the same as the label in the pattern. */
static void
conjunct_classify_label(struct matcher *matcher, struct conjunct *conjunct)
{
    const struct ast *ast = conjunct->ast;
    if (ast->kind != AST_LABEL_TEST || ast->label_test.subject->kind != AST_VARIABLE ||
        ast->label_test.labels->kind != AST_LABEL)
        return;
    uint32_t node = node_find(matcher, ast->label_test.subject->text);
    if (node == SLOT_NONE)
        return;
    conjunct->node = node;
    conjunct->label = ast->label_test.labels;
}

static double
count_or(uint64_t count, double unknown)
{
    return count ? (double)count : unknown;
}

/* Nodes with the label; of a label nobody has, next to none. */
double
label_count(const struct planner *planner, uint32_t label)
{
    if (label == TOKEN_NONE)
        return 1;
    if (!planner->statistics)
        return 10000;
    return count_or(planner->statistics->node_count(planner->statistics->argument, label), 10);
}

static double
all_count(const struct planner *planner)
{
    if (!planner->statistics)
        return 100000;
    return count_or(planner->statistics->node_count(planner->statistics->argument, LABEL_ANY), 100);
}

double
type_count(const struct planner *planner, uint32_t type)
{
    if (!planner->statistics)
        return 1000000;
    return count_or(planner->statistics->rel_count(planner->statistics->argument, type), 10);
}

static void
nodes_estimate(struct matcher *matcher)
{
    struct planner *planner = matcher->builder->planner;
    for (uint32_t i = 0; i < matcher->node_count; i++) {
        matcher->nodes[i].card = all_count(planner);
        matcher->nodes[i].selectivity = 1;
    }
    for (uint32_t i = 0; i < matcher->conjunct_count; i++) {
        const struct conjunct *conjunct = &matcher->conjuncts[i];
        if (conjunct->node == SLOT_NONE)
            continue;
        struct pattern_node *node = &matcher->nodes[conjunct->node];
        if (conjunct->label) {
            uint32_t token = catalog_lookup(planner->catalog, TOKEN_LABEL, conjunct->label->text);
            double count = label_count(planner, token);
            node->card = count < node->card ? count : node->card;
        } else if (conjunct->is_id) {
            node->selectivity = 0;
        } else if (conjunct->value) {
            node->selectivity *= conjunct->compare == COMPARE_EQ ? (conjunct->is_in ? 0.2 : 0.05)
                                                                 : 0.3;
        } else {
            node->selectivity *= 0.5;
        }
    }
    for (uint32_t i = 0; i < matcher->node_count; i++) {
        double least = 1 / (matcher->nodes[i].card > 1 ? matcher->nodes[i].card : 1);
        if (matcher->nodes[i].selectivity < least)
            matcher->nodes[i].selectivity = least;
    }
}

bool
rels_overlap(const struct pattern_rel *a, const struct pattern_rel *b)
{
    if (a->group != b->group)
        return false;
    if (a->type_count == 0 || b->type_count == 0)
        return true;
    for (uint32_t i = 0; i < a->type_count; i++) {
        for (uint32_t k = 0; k < b->type_count; k++) {
            if (a->types[i] == b->types[k] && a->types[i] != TOKEN_NONE)
                return true;
        }
    }
    return false;
}

static bool
element_named(const struct matcher *matcher, const struct ast *ast, uint32_t element)
{
    struct text name = element < matcher->node_count
                           ? matcher->nodes[element].name
                           : matcher->rels[element - matcher->node_count].name;
    return ast_uses(ast, name);
}

/* The elements a conjunct names must be there when it is applied. */
static bool
conjunct_elements_find(struct matcher *matcher, struct conjunct *conjunct)
{
    uint32_t count = matcher->node_count + matcher->rel_count;
    uint32_t *elements = planner_allocate(matcher->builder->planner, count * sizeof(*elements));
    if (!elements)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        if (!element_named(matcher, conjunct->ast, i))
            continue;
        elements[conjunct->element_count++] = i;
        if (i < matcher->node_count)
            matcher->nodes[i].needed = true;
        else
            matcher->rels[i - matcher->node_count].needs_value = true;
    }
    conjunct->elements = elements;
    return true;
}

/* The variable of a path is used: so is everything on it. */
static void
path_use(struct matcher *matcher, struct pattern_path *path)
{
    path->is_used = true;
    for (uint32_t i = 0; i < path->ast->item_count; i++) {
        struct text name = element_name(matcher, path->ast->items[i]);
        uint32_t node = i % 2 == 0 ? node_find(matcher, name) : SLOT_NONE;
        uint32_t rel = i % 2 == 1 ? rel_find(matcher, name) : SLOT_NONE;
        if (node != SLOT_NONE)
            matcher->nodes[node].needed = true;
        if (rel != SLOT_NONE)
            matcher->rels[rel].needs_value = true;
    }
}

static void
paths_finish(struct matcher *matcher)
{
    for (uint32_t i = 0; i < matcher->path_count; i++) {
        struct pattern_path *path = &matcher->paths[i];
        const struct ast *variable = path->ast->path.variable;
        if (!variable)
            continue;
        if (builder_uses(matcher->builder, variable->text, true))
            path_use(matcher, path);
        for (uint32_t k = 0; k < matcher->conjunct_count; k++) {
            if (!ast_uses(matcher->conjuncts[k].ast, variable->text))
                continue;
            matcher->conjuncts[k].late = true;
            path_use(matcher, path);
        }
    }
}

bool
conjunct_is_exists_step(
    const struct matcher *matcher, const struct conjunct *conjunct, bool *negate)
{
    const struct ast *ast = conjunct->ast;
    *negate = ast->kind == AST_NOT;
    if (*negate)
        ast = ast->unary.operand;
    if (ast->kind != AST_PATTERN_EXPRESSION)
        return false;
    const struct ast *path = ast->pattern_expression.path;
    if (path->item_count != 3 || path_is_shortest(path))
        return false;
    const struct ast *rel = path->items[1];
    if (rel->rel.variable || rel->rel.range || rel->rel.properties || rel->rel.where)
        return false;
    for (uint32_t i = 0; i < 3; i += 2) {
        const struct ast *node = path->items[i];
        if (node->node.labels || node->node.properties || node->node.where)
            return false;
        if (!node->node.variable)
            continue;
        uint32_t column = row_find(&matcher->builder->row, node->node.variable->text);
        bool is_element = node_find(matcher, node->node.variable->text) != SLOT_NONE;
        if (!is_element && (column == SLOT_NONE ||
                            matcher->builder->row.columns[column].type.mask != TYPE_BIT_NODE))
            return false;
    }
    return path->items[0]->node.variable || path->items[2]->node.variable;
}

/* The variable of a path must be new; row_find has looked at what was there before the MATCH. */
static bool
path_variable_check(const struct matcher *matcher, uint32_t index)
{
    const struct ast *variable = matcher->paths[index].ast->path.variable;
    if (!variable)
        return true;
    bool is_known = node_find(matcher, variable->text) != SLOT_NONE ||
                    rel_find(matcher, variable->text) != SLOT_NONE;
    for (uint32_t k = 0; k < index && !is_known; k++) {
        const struct ast *other = matcher->paths[k].ast->path.variable;
        is_known = other && text_equal(other->text, variable->text);
    }
    if (is_known)
        return planner_fail(
            matcher->builder->planner, variable, ERR(SYNTAX), "Variable `%.*s` already declared",
            TEXT_ARGS(variable->text));
    return true;
}

bool
graph_add(
    struct matcher *matcher,
    struct ast *const *paths,
    uint32_t path_count,
    const struct ast *where,
    uint32_t group)
{
    for (uint32_t i = 0; i < path_count; i++) {
        if (!path_add(matcher, paths[i], group))
            return false;
    }
    return !where || where_add(matcher, where);
}

bool
graph_finish(struct matcher *matcher)
{
    for (uint32_t i = 0; i < matcher->path_count; i++) {
        if (!path_variable_check(matcher, i))
            return false;
    }
    for (uint32_t i = 0; i < matcher->conjunct_count; i++) {
        struct conjunct *conjunct = &matcher->conjuncts[i];
        bool negate;
        conjunct->late = ast_has_subquery(conjunct->ast) &&
                         !conjunct_is_exists_step(matcher, conjunct, &negate);
        if (ast_has_aggregate(conjunct->ast))
            return planner_fail(
                matcher->builder->planner, conjunct->ast, ERR(SYNTAX),
                "Invalid use of aggregating function in this context");
        if (conjunct->node == SLOT_NONE && conjunct->rel == SLOT_NONE) {
            conjunct_classify(matcher, conjunct);
            conjunct_classify_label(matcher, conjunct);
        }
        if (!conjunct_elements_find(matcher, conjunct))
            return false;
    }
    paths_finish(matcher);
    for (uint32_t i = 0; i < matcher->rel_count; i++) {
        for (uint32_t k = 0; k < i; k++) {
            if (rels_overlap(&matcher->rels[i], &matcher->rels[k]))
                matcher->rels[i].overlaps = matcher->rels[k].overlaps = true;
        }
    }
    nodes_estimate(matcher);
    return !matcher->builder->planner->err;
}
