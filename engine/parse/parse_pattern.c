/* Patterns: paths, nodes, relationships, label expressions.
 *
 * A '(' where an expression may stand begins a pattern exactly when the tokens ahead look like
 *
 *      ( name? labels? map-or-parameter? WHERE...? )   then   - or <   then   - or [
 *
 * The walker below reads tokens without making nodes and gives up at the first that does not fit. */
#include "base/assert.h"
#include "engine/parse/parser.h"

static struct ast *parse_node(struct parser *parser);
static struct ast *parse_rel(struct parser *parser);

/* --- look-ahead --- */

struct walker {
    const struct parser *parser;
    struct lexer lexer;
    struct token token;
};

static void
walker_advance(struct walker *walker)
{
    walker->token = lexer_next(&walker->lexer);
}

static bool
walker_take(struct walker *walker, uint8_t kind)
{
    if (walker->token.kind != kind)
        return false;
    walker_advance(walker);
    return true;
}

/* Skips to behind the bracket that closes the one just read. */
static bool
walker_skip_to(struct walker *walker, uint8_t close)
{
    uint32_t open_count = 1;
    while (walker->token.kind != LEX_END && walker->token.kind != LEX_INVALID) {
        uint8_t kind = walker->token.kind;
        walker_advance(walker);
        if (kind == '(' || kind == '[' || kind == '{')
            open_count++;
        else if (kind == ')' || kind == ']' || kind == '}')
            open_count--;
        if (open_count == 0)
            return kind == close;
    }
    return false;
}

static bool
walker_node(struct walker *walker)
{
    if (!walker_take(walker, '('))
        return false;
    if (walker->token.kind == LEX_NAME || walker->token.kind == LEX_QUOTED_NAME)
        walker_advance(walker);
    uint8_t kind = walker->token.kind;
    if (kind == ')') {
        walker_advance(walker);
        return true;
    }
    bool is_where = token_is_keyword(walker->parser, walker->token, "WHERE") ||
                    token_is_keyword(walker->parser, walker->token, "IS");
    if (kind != ':' && kind != '{' && kind != LEX_PARAMETER && !is_where)
        return false;
    return walker_skip_to(walker, ')');
}

/* -- and -[...]- with arrow heads. */
static bool
walker_rel(struct walker *walker)
{
    walker_take(walker, '<');
    if (!walker_take(walker, '-'))
        return false;
    if (walker_take(walker, '[') && !walker_skip_to(walker, ']'))
        return false;
    if (!walker_take(walker, '-'))
        return false;
    walker_take(walker, '>');
    return walker->token.kind == '(';
}

static bool
walker_pattern(struct walker *walker)
{
    if (!walker_node(walker) || !walker_rel(walker) || !walker_node(walker))
        return false;
    for (;;) {
        struct walker next = *walker;
        if (!walker_rel(&next) || !walker_node(&next))
            return true;
        *walker = next;
    }
}

bool
parser_is_pattern(const struct parser *parser, struct token *after)
{
    struct walker walker = {.parser = parser, .lexer = parser->lexer, .token = parser->token};
    if (!after)
        return walker_node(&walker) && walker_rel(&walker);
    if (!walker_pattern(&walker))
        return false;
    *after = walker.token;
    return true;
}

bool
parser_is_shortest(const struct parser *parser)
{
    return (parser_is_keyword(parser, "shortestPath") ||
            parser_is_keyword(parser, "allShortestPaths")) &&
           parser_peek(parser, 1).kind == '(';
}

bool
parser_is_pattern_comprehension(const struct parser *parser)
{
    struct walker walker = {.parser = parser, .lexer = parser->lexer, .token = parser->token};
    if (walker.token.kind == LEX_NAME || walker.token.kind == LEX_QUOTED_NAME) {
        walker_advance(&walker);
        if (!walker_take(&walker, '='))
            return false;
    }
    if (walker.token.kind != '(' || !walker_pattern(&walker))
        return false;
    return walker.token.kind == '|' || token_is_keyword(parser, walker.token, "WHERE");
}

/* --- paths --- */

bool
parse_path_list(struct parser *parser, struct ast *node)
{
    struct ast_list list = {0};
    do {
        if (!ast_list_add(parser, &list, parse_path(parser)))
            return false;
    } while (parser_take(parser, ','));
    ast_list_give(&list, node);
    return true;
}

/* node (rel node)* into path->items. */
static bool
parse_path_elements(struct parser *parser, struct ast *path)
{
    struct ast_list list = {0};
    if (!ast_list_add(parser, &list, parse_node(parser)))
        return false;
    while (parser_is(parser, '-') || parser_is(parser, '<')) {
        if (!ast_list_add(parser, &list, parse_rel(parser)) ||
            !ast_list_add(parser, &list, parse_node(parser)))
            return false;
    }
    if (parser_is(parser, '+') || parser_is(parser, '{') ||
        (list.count > 1 && parser_is(parser, '*')))
        parser_fail(
            parser, parser->token.offset, ERR(UNSUPPORTED),
            "Quantified path patterns are not supported");
    ast_list_give(&list, path);
    return !parser->err;
}

struct ast *
parse_path(struct parser *parser)
{
    struct ast *node = ast_new(parser, AST_PATH, parser->token.offset);
    if (!node || !parser_enter(parser))
        return NULL;
    if (parser_peek(parser, 1).kind == '=' && parser_is_variable(parser)) {
        node->path.variable = parse_variable(parser);
        parser_take(parser, '=');
    }
    if (parser_is_shortest(parser)) {
        node->flags |= parser_is_keyword(parser, "shortestPath") ? AST_FLAG_SHORTEST
                                                                 : AST_FLAG_ALL_SHORTEST;
        parser_advance(parser);
        parser_advance(parser);
        if (parse_path_elements(parser, node))
            parser_expect(parser, ')', "')'");
    } else if (!parser_is(parser, '(')) {
        parser_unexpected(parser, "a pattern, such as (n)");
    } else {
        struct token next = parser_peek(parser, 1);
        if (next.kind == '(')
            parser_fail(
                parser, next.offset, ERR(UNSUPPORTED),
                "Parenthesised and quantified path patterns are not supported");
        else
            parse_path_elements(parser, node);
    }
    parser_leave(parser);
    return ast_finish(parser, node);
}

/* The property map of a node or relationship: a map, or a parameter that holds one. */
static struct ast *
parse_properties(struct parser *parser)
{
    if (parser_is(parser, LEX_PARAMETER))
        return parse_parameter(parser);
    return parse_map(parser);
}

static bool
parse_inline_where(struct parser *parser, struct ast **where)
{
    if (!parser_is_keyword(parser, "WHERE"))
        return !parser->err;
    bool bar_ends = parser->bar_ends;
    parser->bar_ends = false;
    *where = parse_where(parser);
    parser->bar_ends = bar_ends;
    return !parser->err;
}

/* Whether the name ahead is the variable of a node or relationship, not the keyword WHERE or IS. */
static bool
element_has_variable(const struct parser *parser)
{
    if (parser_is(parser, LEX_QUOTED_NAME))
        return true;
    if (!parser_is(parser, LEX_NAME))
        return false;
    if (!parser_is_keyword(parser, "WHERE") && !parser_is_keyword(parser, "IS"))
        return true;
    uint8_t next = parser_peek(parser, 1).kind;
    return next == ')' || next == ':' || next == '{' || next == ']';
}

static struct ast *
parse_node(struct parser *parser)
{
    struct ast *node = ast_new(parser, AST_NODE, parser->token.offset);
    if (!node || !parser_expect(parser, '(', "'('"))
        return NULL;
    if (element_has_variable(parser))
        node->node.variable = parse_name(parser, AST_VARIABLE, "a variable");
    bool bar_ends = parser->bar_ends;
    parser->bar_ends = false;
    if (parser_take(parser, ':') || parser_take_keywords(parser, "IS"))
        node->node.labels = parse_label_expression(parser);
    parser->bar_ends = bar_ends;
    if (parser_is(parser, '{') || parser_is(parser, LEX_PARAMETER))
        node->node.properties = parse_properties(parser);
    if (!parse_inline_where(parser, &node->node.where))
        return NULL;
    if (!parser_expect(parser, ')', "':', '{', WHERE or ')'"))
        return NULL;
    return ast_finish(parser, node);
}

/* *, *2, *1..3, *..3, *1.. ; the star is read. */
static struct ast *
parse_range(struct parser *parser)
{
    struct ast *node = ast_new(parser, AST_RANGE, parser->previous_end - 1);
    if (!node)
        return NULL;
    if (parser_is(parser, LEX_INTEGER))
        node->range.from = parse_integer(parser);
    else if (parser_is(parser, LEX_PARAMETER))
        node->range.from = parse_parameter(parser);
    if (!parser_take(parser, LEX_DOT_DOT)) {
        node->range.to = node->range.from;
        return ast_finish(parser, node);
    }
    if (parser_is(parser, LEX_INTEGER))
        node->range.to = parse_integer(parser);
    else if (parser_is(parser, LEX_PARAMETER))
        node->range.to = parse_parameter(parser);
    return ast_finish(parser, node);
}

/* The inside of [ ]. */
static bool
parse_rel_detail(struct parser *parser, struct ast *node)
{
    if (element_has_variable(parser))
        node->rel.variable = parse_name(parser, AST_VARIABLE, "a variable");
    if (parser_take(parser, ':') || parser_take_keywords(parser, "IS")) {
        bool bar_ends = parser->bar_ends;
        parser->bar_ends = false;
        node->rel.types = parse_label_expression(parser);
        parser->bar_ends = bar_ends;
    }
    if (parser_take(parser, '*'))
        node->rel.range = parse_range(parser);
    if (parser_is(parser, '{') || parser_is(parser, LEX_PARAMETER))
        node->rel.properties = parse_properties(parser);
    return parse_inline_where(parser, &node->rel.where) &&
           parser_expect(parser, ']', "':', '*', '{', WHERE or ']'");
}

static struct ast *
parse_rel(struct parser *parser)
{
    struct ast *node = ast_new(parser, AST_REL, parser->token.offset);
    if (!node)
        return NULL;
    if (parser_take(parser, '<'))
        node->flags |= AST_FLAG_LEFT;
    if (!parser_expect(parser, '-', "'-'"))
        return NULL;
    if (parser_take(parser, '[') && !parse_rel_detail(parser, node))
        return NULL;
    if (!parser_expect(parser, '-', "'-'"))
        return NULL;
    if (parser_take(parser, '>'))
        node->flags |= AST_FLAG_RIGHT;
    return ast_finish(parser, node);
}

struct ast *
parse_pattern_comprehension(struct parser *parser)
{
    struct ast *node = ast_new(parser, AST_PATTERN_COMPREHENSION, parser->token.offset);
    if (!node)
        return NULL;
    bool bar_ends = parser->bar_ends;
    parser->bar_ends = true;
    node->pattern_comprehension.path = parse_path(parser);
    if (parser_is_keyword(parser, "WHERE"))
        node->pattern_comprehension.where = parse_where(parser);
    parser->bar_ends = bar_ends;
    if (!parser_expect(parser, '|', "'|'"))
        return NULL;
    node->pattern_comprehension.result = parse_expression(parser);
    return ast_finish(parser, node);
}

/* --- labels --- */

bool
parse_label_list(struct parser *parser, struct ast *node)
{
    struct ast_list list = {0};
    while (parser_take(parser, ':')) {
        if (!ast_list_add(parser, &list, parse_name(parser, AST_LABEL, "a label")))
            return false;
    }
    ast_list_give(&list, node);
    return !parser->err;
}

static struct ast *
parse_label_atom(struct parser *parser)
{
    uint32_t offset = parser->token.offset;
    if (!parser_enter(parser))
        return NULL;
    struct ast *node = NULL;
    if (parser_take(parser, '!')) {
        node = ast_new(parser, AST_LABEL_NOT, offset);
        struct ast *operand = parse_label_atom(parser);
        if (node)
            node->label_not.operand = operand;
        node = ast_finish(parser, node);
    } else if (parser_take(parser, '%')) {
        node = ast_finish(parser, ast_new(parser, AST_LABEL_ANY, offset));
    } else if (parser_take(parser, '(')) {
        bool bar_ends = parser->bar_ends;
        parser->bar_ends = false;
        node = parse_label_expression(parser);
        parser->bar_ends = bar_ends;
        parser_expect(parser, ')', "'&', '|' or ')'");
    } else if (parser_is(parser, '$')) {
        parser_fail(parser, offset, ERR(UNSUPPORTED), "Dynamic labels are not supported");
    } else {
        node = parse_name(parser, AST_LABEL, "a label or type name, '!', '%' or '('");
    }
    parser_leave(parser);
    return parser->err ? NULL : node;
}

/* level 0: |, level 1: & and the older form :A:B. Both associate to the left. */
static struct ast *
parse_label_level(struct parser *parser, uint32_t level)
{
    struct ast *left = level == 2 ? parse_label_atom(parser) : parse_label_level(parser, level + 1);
    while (left && level < 2) {
        if (level == 0 && (parser->bar_ends || !parser_take(parser, '|')))
            break;
        if (level == 1 && !parser_take(parser, '&') && !parser_take(parser, ':'))
            break;
        if (level == 0)
            parser_take(parser, ':'); /* the older form :A|:B */
        struct ast *node = ast_new(parser, level == 0 ? AST_LABEL_OR : AST_LABEL_AND, left->offset);
        if (!node)
            return NULL;
        node->label_or.left = left;
        node->label_or.right = parse_label_level(parser, level + 1);
        left = ast_finish(parser, node);
    }
    return left;
}

struct ast *
parse_label_expression(struct parser *parser)
{
    return parse_label_level(parser, 0);
}
