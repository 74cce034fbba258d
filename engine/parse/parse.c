/* The parser's entry, its errors and its handling of tokens and nodes.
 *
 * Recursive descent with one token of state and unlimited look-ahead by copying the lexer:
 *
 *      parse.c             parse(), errors, tokens, nodes, names
 *      parse_clause.c      clauses, unions, subqueries
 *      parse_schema.c      indexes, constraints, SHOW
 *      parse_pattern.c     paths, nodes, relationships, labels
 *      parse_expression.c  everything with a value
 *
 * Invariants
 *  1. The first error wins: once parser->err is set every function returns NULL without reading on.
 *  2. Recursion is bounded by parser_enter (QUERY_NESTING_MAX), and so is the depth of the tree, which
 *     also grows where the parser only loops (1 + 1 + 1 ...): ast_finish measures it.
 *  3. No input is parsed twice: where a '(' or '[' may begin two things, the tokens ahead decide, and the
 *     look-ahead stops at the first token that cannot be part of a pattern. */
#include "engine/parse/parse.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/limits.h"
#include "engine/parse/parser.h"

enum {
    AST_DEPTH_MAX = 2 *
                    QUERY_NESTING_MAX, /* a list, a map entry and so on are levels of their own */
    LINE_SHOWN_MAX = 160,              /* bytes of a query line an error shows on either side */
};

static err_t statement_parse(struct parser *parser, struct ast **out);
static struct text
line_around(struct text query, uint32_t offset, uint32_t *caret, const char **cut);

err_t
parse(struct arena *arena, struct text query, struct ast **out, struct failure *failure)
{
    assert(arena && out && failure);
    *out = NULL;
    *failure = (struct failure){.offset = -1};
    if (query.size > QUERY_TEXT_SIZE_MAX) {
        failure->err = ERR(LIMIT);
        failure->message = arena_printf(
            arena, "The query has %zu bytes; at most %d are allowed.", query.size,
            QUERY_TEXT_SIZE_MAX);
        return failure->err;
    }
    size_t invalid = text_utf8_invalid_offset(query);
    if (invalid < query.size)
        return parse_failure(
            arena, (struct text){query.data, invalid}, (uint32_t)invalid, ERR(SYNTAX),
            TEXT("The query is not valid UTF-8 after this point."), failure);
    struct parser parser = {
        .arena = arena, .query = query, .lexer = {.query = query}, .failure = failure};
    parser_advance(&parser);
    return statement_parse(&parser, out);
}

static err_t
statement_parse(struct parser *parser, struct ast **out)
{
    uint32_t flags = 0;
    /* CYPHER runtime=slotted planner=cost ...: options other engines understand; read and ignored. */
    if (parser_take_keywords(parser, "CYPHER")) {
        parser_take(parser, LEX_INTEGER);
        parser_take(parser, LEX_FLOAT);
        while (parser_is(parser, LEX_NAME) && parser_peek(parser, 1).kind == '=') {
            parser_advance(parser);
            parser_advance(parser);
            parser_advance(parser);
        }
    }
    if (parser_take_keywords(parser, "EXPLAIN"))
        flags = AST_FLAG_EXPLAIN;
    else if (parser_take_keywords(parser, "PROFILE"))
        flags = AST_FLAG_PROFILE;
    struct ast *query = parse_query_body(parser, parser->token.offset);
    if (query)
        query->flags |= flags;
    while (query && parser_take(parser, ';'))
        continue;
    if (query && !parser_is(parser, LEX_END))
        parser_unexpected(parser, "a clause or the end of the query");
    if (!parser->err)
        *out = query;
    assert(parser->err || query);
    return parser->err;
}

/* --- errors --- */

struct ast *
parser_fail(struct parser *parser, uint32_t offset, err_t err, const char *format, ...)
{
    if (parser->err)
        return NULL;
    char message[512];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    size_t shown = size < 0                         ? 0
                   : (size_t)size < sizeof(message) ? (size_t)size
                                                    : sizeof(message) - 1;
    /* A name cut in its middle must not leave half a character. */
    shown = text_utf8_invalid_offset((struct text){message, shown});
    parser->err = parse_failure(
        parser->arena, parser->query, offset, err, (struct text){message, shown}, parser->failure);
    return NULL;
}

static struct ast *
parser_no_memory(struct parser *parser)
{
    if (!parser->err) {
        parser->err = ERR(MEMORY_QUERY);
        *parser->failure = (struct failure){
            .err = parser->err, .message = text_of(err_text(ERR_MEMORY_QUERY)), .offset = -1};
    }
    return NULL;
}

struct ast *
parser_unexpected(struct parser *parser, const char *expected)
{
    struct token token = parser->token;
    if (token.kind == LEX_INVALID)
        return parser_fail(
            parser, token.offset, ERR(SYNTAX), "Invalid input '%.*s': %s",
            (int)(token.end - token.offset > 40 ? 40 : token.end - token.offset),
            parser->query.data + token.offset, token.problem);
    if (token.kind == LEX_END)
        return parser_fail(
            parser, token.offset, ERR(SYNTAX),
            "Invalid input: the query ended where %s was expected", expected);
    uint32_t size = token.end - token.offset;
    return parser_fail(
        parser, token.offset, ERR(SYNTAX), "Invalid input '%.*s%s': expected %s",
        (int)(size > 60 ? 60 : size), parser->query.data + token.offset, size > 60 ? "..." : "",
        expected);
}

err_t
parse_failure(
    struct arena *arena,
    struct text query,
    uint32_t offset,
    err_t err,
    struct text message,
    struct failure *failure)
{
    assert(offset <= query.size && err);
    uint32_t line = 1, column = 1, caret;
    for (uint32_t i = 0; i < offset; i++) {
        if (query.data[i] == '\n') {
            line++;
            column = 1;
        } else if (((unsigned char)query.data[i] & 0xc0) != 0x80) {
            column++;
        }
    }
    const char *cut;
    struct text shown = line_around(query, offset, &caret, &cut);
    char spaces[LINE_SHOWN_MAX + 1];
    uint32_t space_count = 0;
    for (uint32_t i = 0; i < caret && space_count < LINE_SHOWN_MAX; i++) {
        if (((unsigned char)shown.data[i] & 0xc0) != 0x80)
            spaces[space_count++] = shown.data[i] == '\t' ? '\t' : ' ';
    }
    spaces[space_count] = '\0';
    struct text full = arena_printf(
        arena, "%.*s (line %u, column %u (offset: %u))\n\"%s%.*s\"\n %s%s^", TEXT_ARGS(message),
        line, column, offset, cut, TEXT_ARGS(shown), *cut ? "   " : "", spaces);
    *failure = (struct failure){
        .err = err,
        .message = full.data ? full : text_of(err_text(err_code(err))),
        .offset = offset,
        .line = line,
        .column = column,
    };
    return err;
}

/* The query line of the offset, or the part of it near the offset: *caret is the offset's place in it,
 * *cut what stands for what was left out before it. */
static struct text
line_around(struct text query, uint32_t offset, uint32_t *caret, const char **cut)
{
    size_t from = offset, to = offset;
    while (from > 0 && query.data[from - 1] != '\n')
        from--;
    while (to < query.size && query.data[to] != '\n' && query.data[to] != '\r')
        to++;
    *cut = "";
    if (offset - from > LINE_SHOWN_MAX) {
        from = offset - LINE_SHOWN_MAX / 2;
        while (((unsigned char)query.data[from] & 0xc0) == 0x80)
            from++;
        *cut = "...";
    }
    if (to - offset > LINE_SHOWN_MAX) {
        to = offset + LINE_SHOWN_MAX;
        while (((unsigned char)query.data[to] & 0xc0) == 0x80)
            to--;
    }
    *caret = (uint32_t)(offset - from);
    return (struct text){query.data + from, to - from};
}

bool
parser_enter(struct parser *parser)
{
    if (parser->err)
        return false;
    if (parser->nesting >= QUERY_NESTING_MAX) {
        parser_fail(
            parser, parser->token.offset, ERR(LIMIT),
            "The query is nested too deeply: more than %d levels", QUERY_NESTING_MAX);
        return false;
    }
    parser->nesting++;
    return true;
}

void
parser_leave(struct parser *parser)
{
    assert(parser->nesting > 0);
    parser->nesting--;
}

/* --- tokens --- */

void
parser_advance(struct parser *parser)
{
    parser->previous_end = parser->token.end;
    parser->token = lexer_next(&parser->lexer);
}

struct token
parser_peek(const struct parser *parser, uint32_t ahead)
{
    struct lexer lexer = parser->lexer;
    struct token token = parser->token;
    for (uint32_t i = 0; i < ahead; i++)
        token = lexer_next(&lexer);
    return token;
}

bool
parser_is(const struct parser *parser, uint8_t kind)
{
    return parser->token.kind == kind;
}

bool
token_is_keyword(const struct parser *parser, struct token token, const char *keyword)
{
    struct text word = {parser->query.data + token.offset, token.end - token.offset};
    return token.kind == LEX_NAME && text_equal_fold(word, text_of(keyword));
}

bool
parser_is_keyword(const struct parser *parser, const char *keyword)
{
    return token_is_keyword(parser, parser->token, keyword);
}

bool
parser_is_keywords(const struct parser *parser, const char *keywords)
{
    struct lexer lexer = parser->lexer;
    struct token token = parser->token;
    for (;;) {
        const char *end = strchr(keywords, ' ');
        struct text keyword = {keywords, end ? (size_t)(end - keywords) : strlen(keywords)};
        struct text word = {parser->query.data + token.offset, token.end - token.offset};
        if (token.kind != LEX_NAME || !text_equal_fold(word, keyword))
            return false;
        if (!end)
            return true;
        keywords = end + 1;
        token = lexer_next(&lexer);
    }
}

bool
parser_take(struct parser *parser, uint8_t kind)
{
    if (parser->err || parser->token.kind != kind)
        return false;
    parser_advance(parser);
    return true;
}

bool
parser_take_keywords(struct parser *parser, const char *keywords)
{
    if (parser->err || !parser_is_keywords(parser, keywords))
        return false;
    parser_advance(parser);
    for (const char *at = keywords; *at; at++) {
        if (*at == ' ')
            parser_advance(parser);
    }
    return true;
}

bool
parser_expect(struct parser *parser, uint8_t kind, const char *what)
{
    if (parser_take(parser, kind))
        return true;
    parser_unexpected(parser, what);
    return false;
}

bool
parser_expect_keyword(struct parser *parser, const char *keyword)
{
    if (parser_take_keywords(parser, keyword))
        return true;
    parser_unexpected(parser, keyword);
    return false;
}

/* --- nodes --- */

struct ast *
ast_new(struct parser *parser, enum ast_kind kind, uint32_t offset)
{
    if (parser->err)
        return NULL;
    struct ast *node = arena_zeroed(parser->arena, sizeof(*node));
    if (!node)
        return parser_no_memory(parser);
    node->kind = (uint16_t)kind;
    node->offset = node->end = offset;
    return node;
}

struct ast *
ast_finish(struct parser *parser, struct ast *node)
{
    if (parser->err || !node)
        return NULL;
    uint32_t depth = 0;
    for (uint32_t i = 0; i < AST_SLOT_COUNT + node->item_count; i++) {
        const struct ast *child = i < AST_SLOT_COUNT ? node->slot[i]
                                                     : node->items[i - AST_SLOT_COUNT];
        if (!child)
            continue;
        depth = child->depth > depth ? child->depth : depth;
        node->flags |= child->flags & AST_FLAG_SHARES;
    }
    if (depth >= AST_DEPTH_MAX)
        return parser_fail(
            parser, node->offset, ERR(LIMIT), "The query is nested too deeply: more than %d levels",
            AST_DEPTH_MAX);
    node->depth = (uint16_t)(depth + 1);
    node->end = parser->previous_end;
    assert(node->end >= node->offset);
    return node;
}

bool
ast_list_add(struct parser *parser, struct ast_list *list, struct ast *node)
{
    if (parser->err || !node)
        return false;
    if (list->count == list->room) {
        uint32_t room = list->room ? list->room * 2 : 4;
        struct ast **grown = arena_allocate(parser->arena, room * sizeof(struct ast *));
        if (!grown) {
            parser_no_memory(parser);
            return false;
        }
        if (list->count)
            memcpy(grown, list->items, list->count * sizeof(struct ast *));
        list->items = grown;
        list->room = room;
    }
    list->items[list->count++] = node;
    return true;
}

void
ast_list_give(struct ast_list *list, struct ast *node)
{
    assert(node && node->item_count == 0);
    node->items = list->items;
    node->item_count = list->count;
}

bool
ast_set_text(struct parser *parser, struct ast *node, struct token token)
{
    if (parser->err || !node)
        return false;
    if (token.kind == LEX_NAME) {
        node->text = (struct text){parser->query.data + token.offset, token.end - token.offset};
        return true;
    }
    uint32_t offset = token.offset;
    const char *problem = token_decode(parser->arena, parser->query, token, &node->text, &offset);
    if (problem)
        parser_fail(parser, offset, ERR(SYNTAX), "Invalid input: %s", problem);
    else if (!node->text.data)
        parser_no_memory(parser);
    return !parser->err;
}

/* --- names --- */

struct ast *
parse_name(struct parser *parser, enum ast_kind kind, const char *what)
{
    struct token token = parser->token;
    if (token.kind != LEX_NAME && token.kind != LEX_QUOTED_NAME)
        return parser_unexpected(parser, what);
    struct ast *node = ast_new(parser, kind, token.offset);
    if (!ast_set_text(parser, node, token))
        return NULL;
    parser_advance(parser);
    return ast_finish(parser, node);
}

bool
parser_is_variable(const struct parser *parser)
{
    static const char *const reserved[] = {
        "MATCH",  "RETURN", "WHERE", "WITH", "UNWIND", "CREATE", "MERGE", "DELETE",   "DETACH",
        "REMOVE", "UNION",  "AND",   "OR",   "XOR",    "NOT",    "IN",    "IS",       "THEN",
        "ELSE",   "WHEN",   "CASE",  "AS",   "TRUE",   "FALSE",  "NULL",  "DISTINCT",
    };
    if (parser->token.kind == LEX_QUOTED_NAME)
        return true;
    if (parser->token.kind != LEX_NAME)
        return false;
    for (uint32_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
        if (parser_is_keyword(parser, reserved[i]))
            return false;
    }
    return true;
}

struct ast *
parse_variable(struct parser *parser)
{
    if (!parser_is_variable(parser))
        return parser_unexpected(parser, "a variable");
    return parse_name(parser, AST_VARIABLE, "a variable");
}

struct ast *
parse_dotted_name(struct parser *parser, enum ast_kind kind, const char *what)
{
    struct ast *node = parse_name(parser, kind, what);
    while (node && parser_take(parser, '.')) {
        struct ast *part = parse_name(parser, kind, what);
        if (!part)
            return NULL;
        node->text = arena_printf(
            parser->arena, "%.*s.%.*s", TEXT_ARGS(node->text), TEXT_ARGS(part->text));
        if (!node->text.data)
            return parser_no_memory(parser);
        node->end = part->end;
    }
    return node;
}
