/* Inside the parser: the state its files share. Nobody outside engine/parse/ includes this.
 *
 * Every parse_ function returns a node, or NULL after it has set parser->err; callers stop at once.
 * parser->token is the token to be read next. */
#ifndef ENGINE_PARSE_PARSER_H
#define ENGINE_PARSE_PARSER_H

#include "engine/parse/lexer.h"
#include "engine/parse/parse.h"

struct parser {
    struct arena *arena;
    struct text query;
    struct lexer lexer;
    struct token token;    /* next to be read */
    uint32_t previous_end; /* of the last token read */
    uint32_t nesting; /* open expressions, patterns and subqueries; QUERY_NESTING_MAX at most */
    bool bar_ends; /* inside [x IN xs WHERE ... | ...]: a '|' is not part of a label expression */
    err_t err;
    struct failure *failure;
};

/* A list of nodes while it grows. */
struct ast_list {
    struct ast **items;
    uint32_t count, room;
};

/* --- parse.c: tokens, nodes, errors --- */

void parser_advance(struct parser *parser);
/* The token `ahead` after the next one; parser_peek(parser, 0) is parser->token. */
struct token parser_peek(const struct parser *parser, uint32_t ahead);
bool parser_is(const struct parser *parser, uint8_t kind);
/* Whether a token is the keyword, written in capitals here. A quoted name never is. */
bool token_is_keyword(const struct parser *parser, struct token token, const char *keyword);
bool parser_is_keyword(const struct parser *parser, const char *keyword);
/* Whether the next tokens are these keywords, at most four, separated by one space: "DETACH DELETE". */
bool parser_is_keywords(const struct parser *parser, const char *keywords);
/* If it is there, reads it. */
bool parser_take(struct parser *parser, uint8_t kind);
bool parser_take_keywords(struct parser *parser, const char *keywords);
/* Reads it or fails. */
bool parser_expect(struct parser *parser, uint8_t kind, const char *what);
bool parser_expect_keyword(struct parser *parser, const char *keyword);
/* "Invalid input 'x': expected ...". Always NULL. */
struct ast *parser_unexpected(struct parser *parser, const char *expected);
struct ast *parser_fail(struct parser *parser, uint32_t offset, err_t err, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* False, and an error, when the query is nested too deeply. Each enter that returned true has a leave. */
bool parser_enter(struct parser *parser);
void parser_leave(struct parser *parser);

struct ast *ast_new(struct parser *parser, enum ast_kind kind, uint32_t offset);
/* Closes a node: its end, its depth. Passes NULL through, so `return ast_finish(parser, node)` is the
 * usual last line. */
struct ast *ast_finish(struct parser *parser, struct ast *node);
bool ast_list_add(struct parser *parser, struct ast_list *list, struct ast *node);
void ast_list_give(struct ast_list *list, struct ast *node);
/* Decodes the token into node->text. */
bool ast_set_text(struct parser *parser, struct ast *node, struct token token);

/* Any name, keywords included: labels, types, property keys. A node of `kind` with the name as text. */
struct ast *parse_name(struct parser *parser, enum ast_kind kind, const char *what);
/* A variable: any name; in expressions the words that begin or join clauses are refused. */
struct ast *parse_variable(struct parser *parser);
bool parser_is_variable(const struct parser *parser);
/* name or name.name.name, as text. */
struct ast *parse_dotted_name(struct parser *parser, enum ast_kind kind, const char *what);

/* --- parse_clause.c --- */

/* Branches and unions up to what ends them: '}' or the end. An AST_QUERY. */
struct ast *parse_query_body(struct parser *parser, uint32_t offset);
/* The inside of EXISTS { }, COUNT { }, COLLECT { }: a query, or a pattern with WHERE. */
struct ast *parse_subquery(struct parser *parser);
struct ast *
parse_where(struct parser *parser); /* WHERE expression; only when the keyword is there */
struct ast *parse_return(struct parser *parser);
struct ast *parse_yield(struct parser *parser);

/* --- parse_schema.c --- */

bool parser_is_schema_command(const struct parser *parser);
struct ast *parse_schema_command(struct parser *parser);

/* --- parse_pattern.c --- */

struct ast *parse_path(struct parser *parser);
/* path, path, ... into node->items. */
bool parse_path_list(struct parser *parser, struct ast *node);
struct ast *parse_label_expression(struct parser *parser);
/* :A:B as a list of AST_LABEL (SET and REMOVE). */
bool parse_label_list(struct parser *parser, struct ast *node);
/* Whether a pattern with at least one relationship begins at the next token, which is '('. If so and
 * `after` is not NULL, stores the token after the pattern. */
bool parser_is_pattern(const struct parser *parser, struct token *after);
/* shortestPath( or allShortestPaths( is next. */
bool parser_is_shortest(const struct parser *parser);
/* Whether what follows `lexer` (just after '[') is `name = (pattern)` or `(pattern)`, then WHERE or '|'. */
bool parser_is_pattern_comprehension(const struct parser *parser);
struct ast *parse_pattern_comprehension(struct parser *parser);

/* --- parse_expression.c --- */

struct ast *parse_expression(struct parser *parser);
struct ast *parse_map(struct parser *parser);
struct ast *parse_integer(struct parser *parser);
struct ast *parse_parameter(struct parser *parser);
/* expression, expression, ... up to `end`, which is read. */
bool
parse_expression_list(struct parser *parser, struct ast *node, uint8_t end, const char *end_text);
/* A property access such as n.p, for SET, REMOVE and schema commands. */
struct ast *parse_property_target(struct parser *parser);

#endif
