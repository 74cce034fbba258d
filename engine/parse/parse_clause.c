/* Clauses, unions and subqueries. */
#include "base/assert.h"
#include "engine/parse/parser.h"

typedef struct ast *clause_parse_fn(struct parser *parser);

static clause_parse_fn parse_match, parse_unwind, parse_with, parse_create, parse_merge, parse_set,
    parse_remove, parse_delete, parse_foreach, parse_call, parse_load_csv, parse_use;

/* In the order they are tried: of two that begin alike the longer one first. */
static const struct {
    const char *keywords;
    clause_parse_fn *parse;
} clauses[] = {
    {"MATCH", parse_match},          {"OPTIONAL MATCH", parse_match},
    {"OPTIONAL CALL", parse_call},   {"WHERE", NULL},
    {"RETURN", parse_return},        {"WITH", parse_with},
    {"UNWIND", parse_unwind},        {"CREATE", parse_create},
    {"MERGE", parse_merge},          {"SET", parse_set},
    {"REMOVE", parse_remove},        {"DELETE", parse_delete},
    {"DETACH DELETE", parse_delete}, {"NODETACH DELETE", parse_delete},
    {"FOREACH", parse_foreach},      {"CALL", parse_call},
    {"LOAD CSV", parse_load_csv},    {"USE", parse_use},
};

static const char clause_expected[] = "MATCH, OPTIONAL MATCH, UNWIND, WITH, RETURN, CREATE, MERGE, "
                                      "SET, REMOVE, DELETE, FOREACH or CALL";

/* Which of `clauses` begins here; -1 for none. */
static int
clause_find(const struct parser *parser)
{
    if (!parser_is(parser, LEX_NAME))
        return -1;
    for (uint32_t i = 0; i < sizeof(clauses) / sizeof(clauses[0]); i++) {
        if (clauses[i].parse && parser_is_keywords(parser, clauses[i].keywords))
            return (int)i;
    }
    return -1;
}

static struct ast *
parse_clauses(struct parser *parser)
{
    struct ast *node = ast_new(parser, AST_CLAUSES, parser->token.offset);
    struct ast_list list = {0};
    while (!parser->err) {
        int found = clause_find(parser);
        if (found < 0)
            break;
        ast_list_add(parser, &list, clauses[found].parse(parser));
    }
    if (!parser->err && list.count == 0)
        return parser_unexpected(parser, clause_expected);
    if (parser->err || !node)
        return NULL;
    ast_list_give(&list, node);
    return ast_finish(parser, node);
}

struct ast *
parse_query_body(struct parser *parser, uint32_t offset)
{
    struct ast *node = ast_new(parser, AST_QUERY, offset);
    struct ast_list list = {0};
    if (parser_is_schema_command(parser)) {
        struct ast *branch = ast_new(parser, AST_CLAUSES, offset);
        if (!ast_list_add(parser, &list, parse_schema_command(parser)))
            return NULL;
        ast_list_give(&list, branch);
        list = (struct ast_list){0};
        ast_list_add(parser, &list, ast_finish(parser, branch));
    } else {
        uint32_t flags = 0;
        do {
            struct ast *branch = parse_clauses(parser);
            if (!ast_list_add(parser, &list, branch))
                return NULL;
            branch->flags |= flags;
            flags = 0;
            if (!parser_take_keywords(parser, "UNION"))
                break;
            if (parser_take_keywords(parser, "ALL"))
                flags = AST_FLAG_UNION_ALL;
            else
                parser_take_keywords(parser, "DISTINCT");
        } while (!parser->err);
    }
    if (parser->err || !node)
        return NULL;
    ast_list_give(&list, node);
    return ast_finish(parser, node);
}

struct ast *
parse_subquery(struct parser *parser)
{
    if (!parser_enter(parser))
        return NULL;
    bool bar_ends = parser->bar_ends;
    parser->bar_ends = false;
    uint32_t offset = parser->token.offset;
    struct ast *node = NULL;
    if (!parser_expect(parser, '{', "'{'"))
        goto done;
    if (clause_find(parser) >= 0 && parser_peek(parser, 1).kind != '=') {
        node = parse_query_body(parser, offset);
    } else {
        /* { (a)-->(b) WHERE ... }: a MATCH without its keyword. */
        struct ast *match = ast_new(parser, AST_MATCH, offset);
        struct ast *branch = ast_new(parser, AST_CLAUSES, offset);
        struct ast_list list = {0};
        node = ast_new(parser, AST_QUERY, offset);
        if (!match || !branch || !node || !parse_path_list(parser, match))
            goto done;
        if (parser_is_keyword(parser, "WHERE"))
            match->match.where = parse_where(parser);
        if (!ast_list_add(parser, &list, ast_finish(parser, match)))
            goto done;
        ast_list_give(&list, branch);
        list = (struct ast_list){0};
        if (!ast_list_add(parser, &list, ast_finish(parser, branch)))
            goto done;
        ast_list_give(&list, node);
        node = ast_finish(parser, node);
    }
    parser_expect(parser, '}', "'}'");
done:
    parser->bar_ends = bar_ends;
    parser_leave(parser);
    return parser->err ? NULL : node;
}

struct ast *
parse_where(struct parser *parser)
{
    if (!parser_expect_keyword(parser, "WHERE"))
        return NULL;
    return parse_expression(parser);
}

/* USING INDEX and its kin: hints, which the planner does not need; read and ignored. */
static bool
parse_hints(struct parser *parser)
{
    while (parser_is_keywords(parser, "USING INDEX") || parser_is_keywords(parser, "USING SCAN") ||
           parser_is_keywords(parser, "USING JOIN") || parser_is_keywords(parser, "USING RANGE") ||
           parser_is_keywords(parser, "USING TEXT") || parser_is_keywords(parser, "USING POINT")) {
        while (!parser->err && parser_is(parser, LEX_NAME))
            parser_advance(parser);
        if (parser_take(parser, ':'))
            parser_advance(parser);
        if (parser_take(parser, '(')) {
            while (parser_is(parser, LEX_NAME) || parser_is(parser, LEX_QUOTED_NAME) ||
                   parser_is(parser, ','))
                parser_advance(parser);
            parser_expect(parser, ')', "')'");
        }
    }
    return !parser->err;
}

static struct ast *
parse_match(struct parser *parser)
{
    struct ast *node = ast_new(parser, AST_MATCH, parser->token.offset);
    if (!node)
        return NULL;
    if (parser_take_keywords(parser, "OPTIONAL"))
        node->flags |= AST_FLAG_OPTIONAL;
    if (!parser_expect_keyword(parser, "MATCH") || !parse_path_list(parser, node) ||
        !parse_hints(parser))
        return NULL;
    if (parser_is_keyword(parser, "WHERE"))
        node->match.where = parse_where(parser);
    return ast_finish(parser, node);
}

static struct ast *
parse_unwind(struct parser *parser)
{
    struct ast *node = ast_new(parser, AST_UNWIND, parser->token.offset);
    if (!node || !parser_expect_keyword(parser, "UNWIND"))
        return NULL;
    node->unwind.list = parse_expression(parser);
    if (!node->unwind.list || !parser_expect_keyword(parser, "AS"))
        return NULL;
    node->unwind.variable = parse_variable(parser);
    return ast_finish(parser, node);
}

/* --- projections --- */

static struct ast *
parse_column(struct parser *parser)
{
    struct ast *node = ast_new(parser, AST_COLUMN, parser->token.offset);
    if (!node)
        return NULL;
    node->column.value = parse_expression(parser);
    if (!node->column.value)
        return NULL;
    if (parser_take_keywords(parser, "AS")) {
        struct ast *name = parse_variable(parser);
        if (!name)
            return NULL;
        node->flags |= AST_FLAG_ALIASED;
        node->text = name->text;
    } else if (node->column.value->kind == AST_VARIABLE) {
        node->text = node->column.value->text;
    } else {
        node->text = (struct text){
            parser->query.data + node->offset, parser->previous_end - node->offset};
    }
    return ast_finish(parser, node);
}

/* DISTINCT? (* | column) (, column)* into `node`. */
static bool
parse_columns(struct parser *parser, struct ast *node)
{
    struct ast_list list = {0};
    if (parser_take_keywords(parser, "DISTINCT"))
        node->flags |= AST_FLAG_DISTINCT;
    if (parser_take(parser, '*')) {
        node->flags |= AST_FLAG_STAR;
        if (!parser_take(parser, ','))
            return !parser->err;
    }
    do {
        if (!ast_list_add(parser, &list, parse_column(parser)))
            return false;
    } while (parser_take(parser, ','));
    ast_list_give(&list, node);
    return !parser->err;
}

static struct ast *
parse_sort(struct parser *parser)
{
    struct ast *node = ast_new(parser, AST_SORT, parser->token.offset);
    if (!node)
        return NULL;
    node->sort.value = parse_expression(parser);
    if (parser_take_keywords(parser, "DESC") || parser_take_keywords(parser, "DESCENDING"))
        node->flags |= AST_FLAG_DESCENDING;
    else if (!parser_take_keywords(parser, "ASC"))
        parser_take_keywords(parser, "ASCENDING");
    return ast_finish(parser, node);
}

static struct ast *
parse_order(struct parser *parser)
{
    struct ast *node = ast_new(parser, AST_ORDER, parser->token.offset);
    struct ast_list list = {0};
    if (!node || !parser_expect_keyword(parser, "ORDER") || !parser_expect_keyword(parser, "BY"))
        return NULL;
    do {
        if (!ast_list_add(parser, &list, parse_sort(parser)))
            return NULL;
    } while (parser_take(parser, ','));
    ast_list_give(&list, node);
    return ast_finish(parser, node);
}

/* ORDER BY, SKIP and LIMIT, each optional. */
static bool
parse_order_skip_limit(
    struct parser *parser, struct ast **order, struct ast **skip, struct ast **limit)
{
    if (parser_is_keywords(parser, "ORDER BY"))
        *order = parse_order(parser);
    if (parser_take_keywords(parser, "SKIP") || parser_take_keywords(parser, "OFFSET"))
        *skip = parse_expression(parser);
    if (parser_take_keywords(parser, "LIMIT"))
        *limit = parse_expression(parser);
    return !parser->err;
}

struct ast *
parse_return(struct parser *parser)
{
    struct ast *node = ast_new(parser, AST_RETURN, parser->token.offset);
    if (!node || !parser_expect_keyword(parser, "RETURN") || !parse_columns(parser, node))
        return NULL;
    parse_order_skip_limit(parser, &node->return_.order, &node->return_.skip, &node->return_.limit);
    return ast_finish(parser, node);
}

static struct ast *
parse_with(struct parser *parser)
{
    struct ast *node = ast_new(parser, AST_WITH, parser->token.offset);
    if (!node || !parser_expect_keyword(parser, "WITH") || !parse_columns(parser, node))
        return NULL;
    if (!parse_order_skip_limit(parser, &node->with.order, &node->with.skip, &node->with.limit))
        return NULL;
    if (parser_is_keyword(parser, "WHERE"))
        node->with.where = parse_where(parser);
    return ast_finish(parser, node);
}

/* --- writing --- */

static struct ast *
parse_create(struct parser *parser)
{
    struct ast *node = ast_new(parser, AST_CREATE, parser->token.offset);
    if (!node || !parser_expect_keyword(parser, "CREATE") || !parse_path_list(parser, node))
        return NULL;
    return ast_finish(parser, node);
}

/* One item of SET. */
static struct ast *
parse_set_item(struct parser *parser)
{
    uint32_t offset = parser->token.offset;
    uint8_t next = parser_peek(parser, 1).kind;
    if (parser_is_variable(parser) && (next == '=' || next == LEX_PLUS_EQUAL)) {
        struct ast *variable = parse_variable(parser);
        struct ast *node = ast_new(parser, next == '=' ? AST_SET_REPLACE : AST_SET_ADD, offset);
        parser_advance(parser);
        if (!node)
            return NULL;
        node->set_replace.variable = variable;
        node->set_replace.value = parse_expression(parser);
        return ast_finish(parser, node);
    }
    if (parser_is_variable(parser) && next == ':') {
        struct ast *node = ast_new(parser, AST_SET_LABELS, offset);
        if (!node)
            return NULL;
        node->set_labels.variable = parse_variable(parser);
        parse_label_list(parser, node);
        return ast_finish(parser, node);
    }
    struct ast *node = ast_new(parser, AST_SET_PROPERTY, offset);
    if (!node)
        return NULL;
    node->set_property.target = parse_property_target(parser);
    if (!node->set_property.target || !parser_expect(parser, '=', "'='"))
        return NULL;
    node->set_property.value = parse_expression(parser);
    return ast_finish(parser, node);
}

/* item, item, ... onto the list. */
static bool
parse_set_items(struct parser *parser, struct ast_list *list)
{
    do {
        if (!ast_list_add(parser, list, parse_set_item(parser)))
            return false;
    } while (parser_take(parser, ','));
    return true;
}

static struct ast *
parse_set(struct parser *parser)
{
    struct ast *node = ast_new(parser, AST_SET, parser->token.offset);
    struct ast_list list = {0};
    if (!node || !parser_expect_keyword(parser, "SET") || !parse_set_items(parser, &list))
        return NULL;
    ast_list_give(&list, node);
    return ast_finish(parser, node);
}

/* ON CREATE SET / ON MATCH SET as often as they come, in any order. */
static bool
parse_merge_actions(struct parser *parser, struct ast *merge)
{
    struct ast_list lists[2] = {{0}, {0}};
    struct ast **targets[2] = {&merge->merge.on_create, &merge->merge.on_match};
    while (parser_is_keyword(parser, "ON")) {
        struct ast *set = ast_new(parser, AST_SET, parser->token.offset);
        parser_advance(parser);
        bool is_match = parser_take_keywords(parser, "MATCH");
        if (!is_match && !parser_take_keywords(parser, "CREATE")) {
            parser_unexpected(parser, "CREATE or MATCH");
            return false;
        }
        if (!parser_expect_keyword(parser, "SET") || !parse_set_items(parser, &lists[is_match]))
            return false;
        if (!*targets[is_match])
            *targets[is_match] = set;
    }
    for (uint32_t i = 0; i < 2; i++) {
        if (!*targets[i])
            continue;
        ast_list_give(&lists[i], *targets[i]);
        *targets[i] = ast_finish(parser, *targets[i]);
    }
    return !parser->err;
}

static struct ast *
parse_merge(struct parser *parser)
{
    struct ast *node = ast_new(parser, AST_MERGE, parser->token.offset);
    if (!node || !parser_expect_keyword(parser, "MERGE"))
        return NULL;
    node->merge.path = parse_path(parser);
    if (!node->merge.path || !parse_merge_actions(parser, node))
        return NULL;
    return ast_finish(parser, node);
}

static struct ast *
parse_remove(struct parser *parser)
{
    struct ast *node = ast_new(parser, AST_REMOVE, parser->token.offset);
    struct ast_list list = {0};
    if (!node || !parser_expect_keyword(parser, "REMOVE"))
        return NULL;
    do {
        struct ast *item;
        uint32_t offset = parser->token.offset;
        if (parser_is_variable(parser) && parser_peek(parser, 1).kind == ':') {
            item = ast_new(parser, AST_REMOVE_LABELS, offset);
            if (!item)
                return NULL;
            item->remove_labels.variable = parse_variable(parser);
            parse_label_list(parser, item);
        } else {
            item = ast_new(parser, AST_REMOVE_PROPERTY, offset);
            if (!item)
                return NULL;
            item->remove_property.target = parse_property_target(parser);
        }
        if (!ast_list_add(parser, &list, ast_finish(parser, item)))
            return NULL;
    } while (parser_take(parser, ','));
    ast_list_give(&list, node);
    return ast_finish(parser, node);
}

static struct ast *
parse_delete(struct parser *parser)
{
    struct ast *node = ast_new(parser, AST_DELETE, parser->token.offset);
    struct ast_list list = {0};
    if (!node)
        return NULL;
    if (parser_take_keywords(parser, "DETACH"))
        node->flags |= AST_FLAG_DETACH;
    else
        parser_take_keywords(parser, "NODETACH");
    if (!parser_expect_keyword(parser, "DELETE"))
        return NULL;
    do {
        if (!ast_list_add(parser, &list, parse_expression(parser)))
            return NULL;
    } while (parser_take(parser, ','));
    ast_list_give(&list, node);
    return ast_finish(parser, node);
}

static struct ast *
parse_foreach(struct parser *parser)
{
    struct ast *node = ast_new(parser, AST_FOREACH, parser->token.offset);
    struct ast_list list = {0};
    if (!node || !parser_enter(parser))
        return NULL;
    parser_advance(parser);
    if (!parser_expect(parser, '(', "'('"))
        goto done;
    node->foreach.variable = parse_variable(parser);
    if (!node->foreach.variable || !parser_expect_keyword(parser, "IN"))
        goto done;
    node->foreach.list = parse_expression(parser);
    if (!parser_expect(parser, '|', "'|'"))
        goto done;
    while (!parser->err && !parser_is(parser, ')')) {
        int found = clause_find(parser);
        if (found < 0) {
            parser_unexpected(parser, "CREATE, MERGE, SET, REMOVE, DELETE, FOREACH or ')'");
            goto done;
        }
        ast_list_add(parser, &list, clauses[found].parse(parser));
    }
    if (!parser->err && list.count == 0)
        parser_unexpected(parser, "CREATE, MERGE, SET, REMOVE, DELETE or FOREACH");
    parser_expect(parser, ')', "')'");
done:
    parser_leave(parser);
    if (parser->err)
        return NULL;
    ast_list_give(&list, node);
    return ast_finish(parser, node);
}

/* --- calls --- */

static struct ast *
parse_yield_column(struct parser *parser)
{
    struct ast *node = ast_new(parser, AST_COLUMN, parser->token.offset);
    if (!node)
        return NULL;
    node->column.value = parse_name(parser, AST_VARIABLE, "the name of a column");
    if (!node->column.value)
        return NULL;
    node->text = node->column.value->text;
    if (parser_take_keywords(parser, "AS")) {
        struct ast *name = parse_variable(parser);
        if (!name)
            return NULL;
        node->flags |= AST_FLAG_ALIASED;
        node->text = name->text;
    }
    return ast_finish(parser, node);
}

struct ast *
parse_yield(struct parser *parser)
{
    struct ast *node = ast_new(parser, AST_YIELD, parser->token.offset);
    struct ast_list list = {0};
    if (!node || !parser_expect_keyword(parser, "YIELD"))
        return NULL;
    if (parser_take(parser, '*')) {
        node->flags |= AST_FLAG_STAR;
    } else if (parser_take(parser, '-')) {
        /* YIELD - of openCypher: no columns. */
    } else {
        do {
            if (!ast_list_add(parser, &list, parse_yield_column(parser)))
                return NULL;
        } while (parser_take(parser, ','));
        ast_list_give(&list, node);
    }
    parse_order_skip_limit(parser, &node->yield.order, &node->yield.skip, &node->yield.limit);
    if (parser_is_keyword(parser, "WHERE"))
        node->yield.where = parse_where(parser);
    return ast_finish(parser, node);
}

/* CALL { ... } and CALL (x, y) { ... }; CALL is read. */
static struct ast *
parse_call_subquery(struct parser *parser, struct ast *node)
{
    struct ast_list list = {0};
    if (parser_take(parser, '(')) {
        if (parser_take(parser, '*')) {
            node->flags |= AST_FLAG_STAR;
        } else if (!parser_is(parser, ')')) {
            do {
                if (!ast_list_add(parser, &list, parse_variable(parser)))
                    return NULL;
            } while (parser_take(parser, ','));
        }
        if (!parser_expect(parser, ')', "')'"))
            return NULL;
        ast_list_give(&list, node);
    } else {
        node->flags |= AST_FLAG_NO_PARENTHESES;
    }
    node->call_subquery.query = parse_subquery(parser);
    if (node->call_subquery.query && parser_is_keyword(parser, "IN"))
        return parser_fail(
            parser, parser->token.offset, ERR(UNSUPPORTED),
            "CALL { ... } IN TRANSACTIONS is not supported");
    return ast_finish(parser, node);
}

static struct ast *
parse_call(struct parser *parser)
{
    uint32_t offset = parser->token.offset;
    bool is_optional = parser_take_keywords(parser, "OPTIONAL");
    parser_advance(parser);
    if (parser_is(parser, '{') || parser_is(parser, '(')) {
        struct ast *node = ast_new(parser, AST_CALL_SUBQUERY, offset);
        if (!node)
            return NULL;
        node->flags |= is_optional ? AST_FLAG_OPTIONAL : 0;
        return parse_call_subquery(parser, node);
    }
    struct ast *node = ast_new(parser, AST_CALL, offset);
    struct ast *name = parse_dotted_name(parser, AST_VARIABLE, "the name of a procedure");
    if (!name)
        return NULL;
    node->text = name->text;
    node->flags |= is_optional ? AST_FLAG_OPTIONAL : 0;
    if (!parser_take(parser, '('))
        node->flags |= AST_FLAG_NO_PARENTHESES;
    else if (!parse_expression_list(parser, node, ')', "',' or ')'"))
        return NULL;
    if (parser_is_keyword(parser, "YIELD"))
        node->call.yield = parse_yield(parser);
    return ast_finish(parser, node);
}

static struct ast *
parse_load_csv(struct parser *parser)
{
    struct ast *node = ast_new(parser, AST_LOAD_CSV, parser->token.offset);
    if (!node)
        return NULL;
    parser_take_keywords(parser, "LOAD CSV");
    if (parser_take_keywords(parser, "WITH HEADERS"))
        node->flags |= AST_FLAG_WITH_HEADERS;
    if (!parser_expect_keyword(parser, "FROM"))
        return NULL;
    node->load_csv.url = parse_expression(parser);
    if (!node->load_csv.url || !parser_expect_keyword(parser, "AS"))
        return NULL;
    struct ast *variable = parse_variable(parser);
    if (!variable)
        return NULL;
    node->text = variable->text;
    if (parser_take_keywords(parser, "FIELDTERMINATOR"))
        parse_expression(parser);
    return ast_finish(parser, node);
}

static struct ast *
parse_use(struct parser *parser)
{
    struct ast *node = ast_new(parser, AST_USE, parser->token.offset);
    parser_advance(parser);
    struct ast *name = parse_dotted_name(parser, AST_VARIABLE, "the name of a graph");
    if (!name)
        return NULL;
    node->text = name->text;
    return ast_finish(parser, node);
}
