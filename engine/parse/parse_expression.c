/* Expressions, loosest binding first:
 *
 *      OR  XOR  AND             lists of operands (level 0, 1, 2)
 *      NOT
 *      = <> < <= > >=           chained: a < b < c
 *      IN, STARTS WITH, ENDS WITH, CONTAINS, =~, IS NULL, IS ::
 *      + - ||   * / %   ^       to the left (level 0, 1, 2)
 *      unary + -
 *      .key [index] [from..to] :Label
 *      atoms */
#include <math.h>
#include <stdlib.h>

#include "base/assert.h"
#include "engine/parse/parser.h"

static struct ast *parse_logical(struct parser *parser, uint32_t level);
static struct ast *parse_not(struct parser *parser);
static struct ast *parse_comparison(struct parser *parser);
static struct ast *parse_predicate(struct parser *parser);
static struct ast *parse_arithmetic(struct parser *parser, uint32_t level);
static struct ast *parse_unary(struct parser *parser);
static struct ast *parse_postfix(struct parser *parser);
static struct ast *parse_atom(struct parser *parser);
static struct ast *parse_named_atom(struct parser *parser);

struct ast *
parse_expression(struct parser *parser)
{
    if (!parser_enter(parser))
        return NULL;
    struct ast *node = parse_logical(parser, 0);
    parser_leave(parser);
    return node;
}

/* An expression inside brackets of its own, where '|' means nothing special. */
static struct ast *
parse_enclosed(struct parser *parser)
{
    bool bar_ends = parser->bar_ends;
    parser->bar_ends = false;
    struct ast *node = parse_expression(parser);
    parser->bar_ends = bar_ends;
    return node;
}

bool
parse_expression_list(struct parser *parser, struct ast *node, uint8_t end, const char *end_text)
{
    struct ast_list list = {0};
    if (parser_take(parser, end))
        return true;
    do {
        if (!ast_list_add(parser, &list, parse_enclosed(parser)))
            return false;
    } while (parser_take(parser, ','));
    ast_list_give(&list, node);
    return parser_expect(parser, end, end_text);
}

/* --- operators --- */

static struct ast *
parse_logical(struct parser *parser, uint32_t level)
{
    static const char *const keywords[] = {"OR", "XOR", "AND"};
    static const enum ast_kind kinds[] = {AST_OR, AST_XOR, AST_AND};
    struct ast *first = level == 2 ? parse_not(parser) : parse_logical(parser, level + 1);
    if (!first || !parser_is_keyword(parser, keywords[level]))
        return first;
    struct ast *node = ast_new(parser, kinds[level], first->offset);
    struct ast_list list = {0};
    ast_list_add(parser, &list, first);
    while (parser_take_keywords(parser, keywords[level])) {
        struct ast *next = level == 2 ? parse_not(parser) : parse_logical(parser, level + 1);
        if (!ast_list_add(parser, &list, next))
            return NULL;
    }
    if (!node)
        return NULL;
    ast_list_give(&list, node);
    return ast_finish(parser, node);
}

static struct ast *
parse_not(struct parser *parser)
{
    if (!parser_is_keyword(parser, "NOT"))
        return parse_comparison(parser);
    if (!parser_enter(parser))
        return NULL;
    struct ast *node = ast_new(parser, AST_NOT, parser->token.offset);
    parser_advance(parser);
    struct ast *operand = parse_not(parser);
    parser_leave(parser);
    if (!node || !operand)
        return NULL;
    node->unary.operand = operand;
    return ast_finish(parser, node);
}

static enum ast_kind
comparison_kind(const struct parser *parser)
{
    switch (parser->token.kind) {
    case '=':
        return AST_EQUAL;
    case LEX_NOT_EQUAL:
        return AST_NOT_EQUAL;
    case '<':
        return AST_LESS;
    case LEX_LESS_EQUAL:
        return AST_LESS_EQUAL;
    case '>':
        return AST_GREATER;
    case LEX_GREATER_EQUAL:
        return AST_GREATER_EQUAL;
    default:
        return AST_ABSENT;
    }
}

static struct ast *
parse_comparison(struct parser *parser)
{
    struct ast_list list = {0};
    struct ast *left = parse_predicate(parser);
    while (left && comparison_kind(parser) != AST_ABSENT) {
        struct ast *node = ast_new(parser, comparison_kind(parser), left->offset);
        parser_advance(parser);
        struct ast *right = parse_predicate(parser);
        if (!node || !right)
            return NULL;
        if (list.count > 0 && (left->flags & AST_FLAG_SHARES))
            return parser_fail(
                parser, left->offset, ERR(UNSUPPORTED),
                "A chained comparison must not stand inside the middle of another one");
        node->equal.left = left;
        node->equal.right = right;
        if (!ast_list_add(parser, &list, ast_finish(parser, node)))
            return NULL;
        left = right;
    }
    if (!left || list.count == 0)
        return left;
    if (list.count == 1)
        return list.items[0];
    struct ast *node = ast_new(parser, AST_AND, list.items[0]->offset);
    if (!node)
        return NULL;
    ast_list_give(&list, node);
    node->flags |= AST_FLAG_SHARES;
    return ast_finish(parser, node);
}

/* The words of a type: INTEGER, LIST<STRING NOT NULL>, ZONED DATETIME, INTEGER | FLOAT. */
static bool
parse_type(struct parser *parser)
{
    static const char *const words[] = {
        "BOOL",   "BOOLEAN",      "VARCHAR", "STRING",   "INT",      "INTEGER",  "SIGNED",
        "FLOAT",  "DATE",         "LOCAL",   "ZONED",    "TIME",     "DATETIME", "TIMESTAMP",
        "WITH",   "WITHOUT",      "ZONE",    "TIMEZONE", "DURATION", "POINT",    "NODE",
        "VERTEX", "RELATIONSHIP", "EDGE",    "MAP",      "LIST",     "ARRAY",    "PATH",
        "PATHS",  "ANY",          "VALUE",   "PROPERTY", "NULL",     "NOTHING",
    };
    if (!parser_enter(parser))
        return false;
    uint32_t word_count = 0;
    for (bool found = true; found;) {
        found = false;
        for (uint32_t i = 0; i < sizeof(words) / sizeof(words[0]) && !found; i++)
            found = parser_take_keywords(parser, words[i]);
        word_count += found;
    }
    if (word_count == 0)
        parser_unexpected(parser, "the name of a type");
    if (!parser->err && parser_take(parser, '<')) {
        parse_type(parser);
        parser_expect(parser, '>', "'>'");
    }
    if (!parser_take_keywords(parser, "NOT NULL"))
        parser_take(parser, '!');
    if (!parser->err && !parser->bar_ends && parser_take(parser, '|'))
        parse_type(parser);
    parser_leave(parser);
    return !parser->err;
}

/* What follows IS. */
static struct ast *
parse_is(struct parser *parser, struct ast *operand)
{
    parser_advance(parser);
    bool is_negated = parser_take_keywords(parser, "NOT");
    struct ast *node = ast_new(parser, is_negated ? AST_IS_NOT_NULL : AST_IS_NULL, operand->offset);
    if (!node)
        return NULL;
    node->is_null.operand = operand;
    if (parser_take_keywords(parser, "NULL"))
        return ast_finish(parser, node);
    if (parser_take(parser, LEX_COLON_COLON) || parser_take_keywords(parser, "TYPED")) {
        node->kind = AST_IS_TYPE;
        node->flags |= is_negated ? AST_FLAG_NEGATED : 0;
        uint32_t from = parser->token.offset;
        if (!parse_type(parser))
            return NULL;
        node->text = (struct text){parser->query.data + from, parser->previous_end - from};
        return ast_finish(parser, node);
    }
    if (parser_is_keyword(parser, "NORMALIZED"))
        return parser_fail(
            parser, parser->token.offset, ERR(UNSUPPORTED), "IS NORMALIZED is not supported");
    return parser_unexpected(parser, "NULL, NOT NULL or '::'");
}

static struct ast *
parse_predicate(struct parser *parser)
{
    struct ast *left = parse_arithmetic(parser, 0);
    while (left) {
        enum ast_kind kind = AST_ABSENT;
        if (parser_is_keyword(parser, "IS")) {
            left = parse_is(parser, left);
            continue;
        }
        if (parser_take_keywords(parser, "IN"))
            kind = AST_IN;
        else if (parser_take_keywords(parser, "STARTS WITH"))
            kind = AST_STARTS_WITH;
        else if (parser_take_keywords(parser, "ENDS WITH"))
            kind = AST_ENDS_WITH;
        else if (parser_take_keywords(parser, "CONTAINS"))
            kind = AST_CONTAINS;
        else if (parser_take(parser, LEX_MATCHES))
            kind = AST_MATCHES;
        else
            return left;
        struct ast *node = ast_new(parser, kind, left->offset);
        struct ast *right = parse_arithmetic(parser, 0);
        if (!node || !right)
            return NULL;
        node->in.left = left;
        node->in.right = right;
        left = ast_finish(parser, node);
    }
    return NULL;
}

/* The operator of the level that is next, or AST_ABSENT. */
static enum ast_kind
arithmetic_kind(const struct parser *parser, uint32_t level)
{
    static const struct {
        uint8_t token;
        uint8_t level;
        enum ast_kind kind;
    } operators[] = {
        {'+', 0, AST_ADD},      {'-', 0, AST_SUBTRACT}, {LEX_BAR_BAR, 0, AST_CONCATENATE},
        {'*', 1, AST_MULTIPLY}, {'/', 1, AST_DIVIDE},   {'%', 1, AST_MODULO},
        {'^', 2, AST_POWER},
    };
    /* The dashes of Unicode belong to patterns. */
    if (parser->token.kind == '-' && parser->token.end - parser->token.offset > 1)
        return AST_ABSENT;
    for (uint32_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++) {
        if (operators[i].token == parser->token.kind && operators[i].level == level)
            return operators[i].kind;
    }
    return AST_ABSENT;
}

static struct ast *
parse_arithmetic(struct parser *parser, uint32_t level)
{
    struct ast *left = level == 2 ? parse_unary(parser) : parse_arithmetic(parser, level + 1);
    while (left) {
        enum ast_kind kind = arithmetic_kind(parser, level);
        if (kind == AST_ABSENT)
            break;
        struct ast *node = ast_new(parser, kind, left->offset);
        parser_advance(parser);
        struct ast *right = level == 2 ? parse_unary(parser) : parse_arithmetic(parser, level + 1);
        if (!node || !right)
            return NULL;
        node->binary.left = left;
        node->binary.right = right;
        left = ast_finish(parser, node);
    }
    return left;
}

/* --- numbers --- */

/* The digits without '_' into `out`, NUL-terminated; false when they do not fit. */
static bool
number_copy(const struct parser *parser, struct token token, char *out, size_t out_size)
{
    size_t size = 0;
    for (uint32_t i = token.offset; i < token.end; i++) {
        if (parser->query.data[i] == '_')
            continue;
        if (size + 1 == out_size)
            return false;
        out[size++] = parser->query.data[i];
    }
    out[size] = '\0';
    return true;
}

static struct ast *
parse_integer_signed(struct parser *parser, uint32_t offset, bool is_negative)
{
    struct token token = parser->token;
    assert(token.kind == LEX_INTEGER);
    unsigned base = 10;
    uint32_t at = token.offset;
    if (token.end - at > 2 && parser->query.data[at] == '0') {
        unsigned char second = (unsigned char)parser->query.data[at + 1] | 0x20;
        base = second == 'x' ? 16 : second == 'o' ? 8 : 10;
        at += base == 10 ? 0 : 2;
    }
    uint64_t value = 0;
    for (; at < token.end; at++) {
        unsigned char byte = (unsigned char)parser->query.data[at];
        if (byte == '_')
            continue;
        unsigned digit = byte <= '9' ? byte - (unsigned)'0' : (byte | 0x20u) - 'a' + 10u;
        if (value > (UINT64_MAX - digit) / base)
            value = UINT64_MAX;
        else
            value = value * base + digit;
    }
    uint64_t max = (uint64_t)INT64_MAX + (is_negative ? 1 : 0);
    if (value > max)
        return parser_fail(
            parser, offset, ERR(SYNTAX), "The integer is too large: it must fit into 64 bits");
    struct ast *node = ast_new(parser, AST_INTEGER, offset);
    if (!node)
        return NULL;
    node->word.integer = is_negative ? (int64_t)(0 - value) : (int64_t)value;
    parser_advance(parser);
    return ast_finish(parser, node);
}

struct ast *
parse_integer(struct parser *parser)
{
    return parse_integer_signed(parser, parser->token.offset, false);
}

/* A negative zero that is written is a zero, as openCypher has it. */
static struct ast *
parse_float(struct parser *parser, uint32_t offset, bool is_negative)
{
    char digits[1024];
    struct token token = parser->token;
    if (!number_copy(parser, token, digits, sizeof(digits)))
        return parser_fail(parser, token.offset, ERR(SYNTAX), "The number has too many digits");
    double value = strtod(digits, NULL);
    if (!isfinite(value))
        return parser_fail(
            parser, token.offset, ERR(SYNTAX), "The floating point number is too large");
    struct ast *node = ast_new(parser, AST_FLOAT, offset);
    if (!node)
        return NULL;
    node->word.real = is_negative && value != 0 ? -value : value;
    parser_advance(parser);
    return ast_finish(parser, node);
}

/* A minus directly before a number belongs to it: otherwise the smallest integer could not be written. */
static struct ast *
parse_unary(struct parser *parser)
{
    if (!parser_is(parser, '-') && !parser_is(parser, '+'))
        return parse_postfix(parser);
    uint32_t offset = parser->token.offset;
    bool is_minus = parser_is(parser, '-');
    parser_advance(parser);
    bool is_number = parser_is(parser, LEX_INTEGER) || parser_is(parser, LEX_FLOAT);
    uint8_t after = is_number ? parser_peek(parser, 1).kind : '[';
    if (is_minus && after != '[' && after != '.' && after != ':')
        return parser_is(parser, LEX_FLOAT) ? parse_float(parser, offset, true)
                                            : parse_integer_signed(parser, offset, true);
    if (!parser_enter(parser))
        return NULL;
    struct ast *node = ast_new(parser, is_minus ? AST_NEGATE : AST_PLUS, offset);
    struct ast *operand = parse_unary(parser);
    parser_leave(parser);
    if (!node || !operand)
        return NULL;
    node->negate.operand = operand;
    return ast_finish(parser, node);
}

/* --- access --- */

/* [index], [from..to], [..to], [from..], [..]; the '[' is read. */
static struct ast *
parse_subscript(struct parser *parser, struct ast *subject)
{
    struct ast *first = NULL;
    if (!parser_is(parser, LEX_DOT_DOT)) {
        first = parse_enclosed(parser);
        if (!first)
            return NULL;
    }
    if (first && parser_take(parser, ']')) {
        struct ast *node = ast_new(parser, AST_INDEX, subject->offset);
        if (!node)
            return NULL;
        node->index.subject = subject;
        node->index.index = first;
        return ast_finish(parser, node);
    }
    struct ast *node = ast_new(parser, AST_SLICE, subject->offset);
    if (!node || !parser_expect(parser, LEX_DOT_DOT, "']' or '..'"))
        return NULL;
    node->slice.subject = subject;
    node->slice.from = first;
    if (!parser_is(parser, ']'))
        node->slice.to = parse_enclosed(parser);
    return parser_expect(parser, ']', "']'") ? ast_finish(parser, node) : NULL;
}

static struct ast *
parse_postfix(struct parser *parser)
{
    struct ast *left = parse_atom(parser);
    while (left) {
        if (parser_take(parser, '.')) {
            struct ast *node = parse_name(parser, AST_PROPERTY, "the name of a property");
            if (!node)
                return NULL;
            node->offset = left->offset;
            node->property.subject = left;
            left = ast_finish(parser, node);
        } else if (parser_take(parser, '[')) {
            left = parse_subscript(parser, left);
        } else if (parser_take(parser, ':')) {
            struct ast *node = ast_new(parser, AST_LABEL_TEST, left->offset);
            if (!node)
                return NULL;
            node->label_test.subject = left;
            node->label_test.labels = parse_label_expression(parser);
            left = ast_finish(parser, node);
        } else {
            return left;
        }
    }
    return NULL;
}

struct ast *
parse_property_target(struct parser *parser)
{
    uint32_t offset = parser->token.offset;
    struct ast *node = parse_postfix(parser);
    if (node && node->kind != AST_PROPERTY && node->kind != AST_INDEX)
        return parser_fail(
            parser, offset, ERR(SYNTAX), "Invalid input: expected a property, such as n.name");
    return node;
}

/* --- atoms --- */

struct ast *
parse_parameter(struct parser *parser)
{
    struct token token = parser->token;
    struct ast *node = ast_new(parser, AST_PARAMETER, token.offset);
    if (!ast_set_text(parser, node, token))
        return NULL;
    parser_advance(parser);
    return ast_finish(parser, node);
}

static struct ast *
parse_string(struct parser *parser)
{
    struct token token = parser->token;
    struct ast *node = ast_new(parser, AST_STRING, token.offset);
    if (!ast_set_text(parser, node, token))
        return NULL;
    parser_advance(parser);
    return ast_finish(parser, node);
}

/* key: value */
static struct ast *
parse_entry(struct parser *parser)
{
    struct ast *node = parse_name(parser, AST_ENTRY, "a key");
    if (!node || !parser_expect(parser, ':', "':'"))
        return NULL;
    node->entry.value = parse_enclosed(parser);
    return ast_finish(parser, node);
}

struct ast *
parse_map(struct parser *parser)
{
    struct ast *node = ast_new(parser, AST_MAP, parser->token.offset);
    struct ast_list list = {0};
    if (!node || !parser_expect(parser, '{', "'{'"))
        return NULL;
    if (parser_take(parser, '}'))
        return ast_finish(parser, node);
    do {
        if (!ast_list_add(parser, &list, parse_entry(parser)))
            return NULL;
    } while (parser_take(parser, ','));
    ast_list_give(&list, node);
    return parser_expect(parser, '}', "',' or '}'") ? ast_finish(parser, node) : NULL;
}

/* Whether `name IN` is next. */
static bool
parser_is_iteration(const struct parser *parser, uint32_t ahead)
{
    struct token name = parser_peek(parser, ahead);
    if (name.kind != LEX_NAME && name.kind != LEX_QUOTED_NAME)
        return false;
    return token_is_keyword(parser, parser_peek(parser, ahead + 1), "IN");
}

/* variable IN list (WHERE predicate)?  */
static bool
parse_iteration(struct parser *parser, struct ast **variable, struct ast **list, struct ast **where)
{
    bool bar_ends = parser->bar_ends;
    parser->bar_ends = true;
    *variable = parse_variable(parser);
    if (*variable && parser_expect_keyword(parser, "IN"))
        *list = parse_expression(parser);
    if (!parser->err && where && parser_is_keyword(parser, "WHERE"))
        *where = parse_where(parser);
    parser->bar_ends = bar_ends;
    return !parser->err;
}

/* A list, a list comprehension or a pattern comprehension. */
static struct ast *
parse_bracket(struct parser *parser)
{
    uint32_t offset = parser->token.offset;
    parser_advance(parser);
    if (parser_is_iteration(parser, 0)) {
        struct ast *node = ast_new(parser, AST_LIST_COMPREHENSION, offset);
        if (!node || !parse_iteration(
                         parser, &node->list_comprehension.variable, &node->list_comprehension.list,
                         &node->list_comprehension.where))
            return NULL;
        if (parser_take(parser, '|'))
            node->list_comprehension.result = parse_enclosed(parser);
        return parser_expect(parser, ']', "WHERE, '|' or ']'") ? ast_finish(parser, node) : NULL;
    }
    if (parser_is_pattern_comprehension(parser)) {
        struct ast *node = parse_pattern_comprehension(parser);
        if (!node || !parser_expect(parser, ']', "']'"))
            return NULL;
        node->offset = offset;
        node->end = parser->previous_end;
        return node;
    }
    struct ast *node = ast_new(parser, AST_LIST, offset);
    if (!node || !parse_expression_list(parser, node, ']', "',' or ']'"))
        return NULL;
    return ast_finish(parser, node);
}

static struct ast *
parse_pattern_expression(struct parser *parser)
{
    struct ast *node = ast_new(parser, AST_PATTERN_EXPRESSION, parser->token.offset);
    if (!node)
        return NULL;
    node->pattern_expression.path = parse_path(parser);
    return ast_finish(parser, node);
}

static struct ast *
parse_atom(struct parser *parser)
{
    struct ast *node;
    switch (parser->token.kind) {
    case LEX_INTEGER:
        return parse_integer(parser);
    case LEX_FLOAT:
        return parse_float(parser, parser->token.offset, false);
    case LEX_STRING:
        return parse_string(parser);
    case LEX_PARAMETER:
        return parse_parameter(parser);
    case '[':
        return parse_bracket(parser);
    case '{':
        return parse_map(parser);
    case '(':
        if (parser_is_pattern(parser, NULL))
            return parse_pattern_expression(parser);
        parser_advance(parser);
        node = parse_enclosed(parser);
        return node && parser_expect(parser, ')', "')'") ? node : NULL;
    case LEX_NAME:
    case LEX_QUOTED_NAME:
        return parse_named_atom(parser);
    default:
        return parser_unexpected(parser, "an expression");
    }
}

/* --- atoms that begin with a name --- */

/* CASE subject? (WHEN condition THEN result)+ (ELSE fallback)? END */
static struct ast *
parse_case(struct parser *parser)
{
    struct ast *node = ast_new(parser, AST_CASE, parser->token.offset);
    struct ast_list list = {0};
    if (!node)
        return NULL;
    parser_advance(parser);
    if (!parser_is_keyword(parser, "WHEN")) {
        node->case_.subject = parse_enclosed(parser);
        if (!node->case_.subject)
            return NULL;
    }
    while (parser_is_keyword(parser, "WHEN")) {
        struct ast *when = ast_new(parser, AST_WHEN, parser->token.offset);
        parser_advance(parser);
        struct ast *condition = parse_enclosed(parser);
        if (!when || !condition || !parser_expect_keyword(parser, "THEN"))
            return NULL;
        when->when.condition = condition;
        when->when.result = parse_enclosed(parser);
        if (!ast_list_add(parser, &list, ast_finish(parser, when)))
            return NULL;
    }
    if (list.count == 0)
        return parser_unexpected(parser, "WHEN");
    ast_list_give(&list, node);
    if (parser_take_keywords(parser, "ELSE"))
        node->case_.fallback = parse_enclosed(parser);
    return parser_expect_keyword(parser, "END") ? ast_finish(parser, node) : NULL;
}

/* all(x IN xs WHERE ...) and its three sisters. */
static struct ast *
parse_quantifier(struct parser *parser, enum ast_kind kind)
{
    struct ast *node = ast_new(parser, kind, parser->token.offset);
    if (!node)
        return NULL;
    parser_advance(parser);
    parser_advance(parser);
    if (!parse_iteration(
            parser, &node->quantifier.variable, &node->quantifier.list, &node->quantifier.where))
        return NULL;
    return parser_expect(parser, ')', "WHERE or ')'") ? ast_finish(parser, node) : NULL;
}

/* reduce(accumulator = initial, x IN xs | result) */
static struct ast *
parse_reduce(struct parser *parser)
{
    struct ast *node = ast_new(parser, AST_REDUCE, parser->token.offset);
    if (!node)
        return NULL;
    parser_advance(parser);
    parser_advance(parser);
    node->reduce.accumulator = parse_variable(parser);
    if (!node->reduce.accumulator || !parser_expect(parser, '=', "'='"))
        return NULL;
    node->reduce.initial = parse_enclosed(parser);
    if (!node->reduce.initial || !parser_expect(parser, ',', "','"))
        return NULL;
    if (!parse_iteration(parser, &node->reduce.variable, &node->reduce.list, NULL))
        return NULL;
    if (!parser_expect(parser, '|', "'|'"))
        return NULL;
    node->reduce.result = parse_enclosed(parser);
    return parser_expect(parser, ')', "')'") ? ast_finish(parser, node) : NULL;
}

/* EXISTS { }, COUNT { }, COLLECT { } */
static struct ast *
parse_subquery_expression(struct parser *parser, enum ast_kind kind)
{
    struct ast *node = ast_new(parser, kind, parser->token.offset);
    if (!node)
        return NULL;
    parser_advance(parser);
    node->exists.query = parse_subquery(parser);
    return ast_finish(parser, node);
}

/* One item of a map projection. */
static struct ast *
parse_projection_item(struct parser *parser)
{
    uint32_t offset = parser->token.offset;
    if (parser_take(parser, '.')) {
        if (parser_take(parser, '*'))
            return ast_finish(parser, ast_new(parser, AST_PROJECT_ALL, offset));
        struct ast *node = parse_name(parser, AST_PROJECT_KEY, "the name of a property or '*'");
        if (node)
            node->offset = offset;
        return node;
    }
    if (parser_peek(parser, 1).kind == ':')
        return parse_entry(parser);
    return parse_variable(parser);
}

static struct ast *
parse_map_projection(struct parser *parser)
{
    struct ast *node = ast_new(parser, AST_MAP_PROJECTION, parser->token.offset);
    struct ast_list list = {0};
    if (!node)
        return NULL;
    node->map_projection.subject = parse_variable(parser);
    if (!node->map_projection.subject || !parser_expect(parser, '{', "'{'"))
        return NULL;
    if (parser_take(parser, '}'))
        return ast_finish(parser, node);
    do {
        if (!ast_list_add(parser, &list, parse_projection_item(parser)))
            return NULL;
    } while (parser_take(parser, ','));
    ast_list_give(&list, node);
    return parser_expect(parser, '}', "',' or '}'") ? ast_finish(parser, node) : NULL;
}

/* Whether name(.name)* '(' is next. */
static bool
parser_is_function(const struct parser *parser)
{
    struct lexer lexer = parser->lexer;
    for (;;) {
        struct token token = lexer_next(&lexer);
        if (token.kind == '(')
            return true;
        if (token.kind != '.')
            return false;
        token = lexer_next(&lexer);
        if (token.kind != LEX_NAME && token.kind != LEX_QUOTED_NAME)
            return false;
    }
}

static struct ast *
parse_function(struct parser *parser)
{
    uint32_t offset = parser->token.offset;
    bool is_count = parser_is_keyword(parser, "count");
    struct ast *node = parse_dotted_name(parser, AST_FUNCTION, "the name of a function");
    if (!node || !parser_expect(parser, '(', "'('"))
        return NULL;
    if (is_count && parser_take(parser, '*')) {
        if (!parser_expect(parser, ')', "')'"))
            return NULL;
        return ast_finish(parser, ast_new(parser, AST_COUNT_STAR, offset));
    }
    if (parser_take_keywords(parser, "DISTINCT"))
        node->flags |= AST_FLAG_DISTINCT;
    else if (parser_is_keyword(parser, "ALL") && parser_peek(parser, 1).kind != '(')
        parser_advance(parser);
    if (!parse_expression_list(parser, node, ')', "',' or ')'"))
        return NULL;
    return ast_finish(parser, node);
}

static struct ast *
parse_word(struct parser *parser, enum ast_kind kind, bool value)
{
    struct ast *node = ast_new(parser, kind, parser->token.offset);
    if (!node)
        return NULL;
    node->word.boolean = value;
    parser_advance(parser);
    return ast_finish(parser, node);
}

static struct ast *
parse_named_atom(struct parser *parser)
{
    static const struct {
        const char *name;
        enum ast_kind kind;
    } quantifiers[] =
        {{"all", AST_ALL}, {"any", AST_ANY}, {"none", AST_NONE}, {"single", AST_SINGLE}},
      subqueries[] = {{"EXISTS", AST_EXISTS}, {"COUNT", AST_COUNT}, {"COLLECT", AST_COLLECT}};
    struct token next = parser_peek(parser, 1);
    if (parser_is_keyword(parser, "CASE"))
        return parse_case(parser);
    if (parser_is_keyword(parser, "TRUE") || parser_is_keyword(parser, "FALSE"))
        return parse_word(parser, AST_BOOLEAN, parser_is_keyword(parser, "TRUE"));
    if (parser_is_keyword(parser, "NULL"))
        return parse_word(parser, AST_NULL, false);
    for (uint32_t i = 0; next.kind == '{' && i < sizeof(subqueries) / sizeof(subqueries[0]); i++) {
        if (parser_is_keyword(parser, subqueries[i].name))
            return parse_subquery_expression(parser, subqueries[i].kind);
    }
    if (next.kind == '(') {
        for (uint32_t i = 0; i < sizeof(quantifiers) / sizeof(quantifiers[0]); i++) {
            if (parser_is_keyword(parser, quantifiers[i].name) && parser_is_iteration(parser, 2))
                return parse_quantifier(parser, quantifiers[i].kind);
        }
        if (parser_is_keyword(parser, "reduce") && parser_peek(parser, 3).kind == '=')
            return parse_reduce(parser);
        if (parser_is_shortest(parser))
            return parse_pattern_expression(parser);
        if ((parser_is_keyword(parser, "filter") || parser_is_keyword(parser, "extract")) &&
            parser_is_iteration(parser, 2))
            return parser_fail(
                parser, parser->token.offset, ERR(UNSUPPORTED),
                "filter() and extract() are not supported; use a list comprehension: [x IN list "
                "WHERE ... | ...]");
    }
    if (next.kind == '(' || next.kind == '.') {
        if (parser_is_function(parser))
            return parse_function(parser);
    }
    if (!parser_is_variable(parser))
        return parser_unexpected(parser, "an expression");
    if (next.kind == '{')
        return parse_map_projection(parser);
    return parse_variable(parser);
}
