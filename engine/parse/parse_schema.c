/* Schema commands, SHOW, and the administration commands that are known but not executed. */
#include "base/assert.h"
#include "engine/parse/parser.h"

static struct ast *parse_create_index(struct parser *parser);
static struct ast *parse_create_constraint(struct parser *parser);
static struct ast *parse_drop(struct parser *parser);
static struct ast *parse_show(struct parser *parser);
static struct ast *parse_command(struct parser *parser);

/* Kinds of index a CREATE may name, and what it is called in the tree. */
static const struct {
    const char *keywords;
    const char *kind;
} index_kinds[] = {
    {"CREATE INDEX", "range"},         {"CREATE RANGE INDEX", "range"},
    {"CREATE BTREE INDEX", "range"},   {"CREATE TEXT INDEX", "text"},
    {"CREATE POINT INDEX", "point"},   {"CREATE LOOKUP INDEX", "lookup"},
    {"CREATE VECTOR INDEX", "vector"}, {"CREATE FULLTEXT INDEX", "fulltext"},
};

/* Commands of administration: a clear "not supported" instead of a syntax error. */
static const char *const commands[] = {
    "CREATE DATABASE", "CREATE COMPOSITE DATABASE",
    "CREATE USER",     "CREATE ROLE",
    "CREATE ALIAS",    "CREATE OR REPLACE",
    "DROP DATABASE",   "DROP USER",
    "DROP ROLE",       "DROP ALIAS",
    "ALTER",           "GRANT",
    "REVOKE",          "DENY",
    "RENAME",          "START DATABASE",
    "STOP DATABASE",   "TERMINATE",
    "ENABLE SERVER",   "DEALLOCATE",
};

static bool
parser_is_create_index(const struct parser *parser)
{
    for (uint32_t i = 0; i < sizeof(index_kinds) / sizeof(index_kinds[0]); i++) {
        if (parser_is_keywords(parser, index_kinds[i].keywords))
            return true;
    }
    return false;
}

static bool
parser_is_command(const struct parser *parser)
{
    for (uint32_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (parser_is_keywords(parser, commands[i]))
            return true;
    }
    return false;
}

bool
parser_is_schema_command(const struct parser *parser)
{
    return parser_is_create_index(parser) || parser_is_keywords(parser, "CREATE CONSTRAINT") ||
           parser_is_keywords(parser, "DROP INDEX") ||
           parser_is_keywords(parser, "DROP CONSTRAINT") || parser_is_keyword(parser, "SHOW") ||
           parser_is_command(parser);
}

struct ast *
parse_schema_command(struct parser *parser)
{
    if (parser_is_create_index(parser))
        return parse_create_index(parser);
    if (parser_is_keywords(parser, "CREATE CONSTRAINT"))
        return parse_create_constraint(parser);
    if (parser_is_keywords(parser, "DROP INDEX") || parser_is_keywords(parser, "DROP CONSTRAINT"))
        return parse_drop(parser);
    if (parser_is_keyword(parser, "SHOW"))
        return parse_show(parser);
    return parse_command(parser);
}

static struct ast *
kind_node(struct parser *parser, const char *kind)
{
    struct ast *node = ast_new(parser, AST_STRING, parser->previous_end);
    if (node)
        node->text = text_of(kind);
    return ast_finish(parser, node);
}

/* name? (IF NOT EXISTS)? */
static bool
parse_schema_name(struct parser *parser, struct ast *node)
{
    bool has_name = parser_is(parser, LEX_QUOTED_NAME) ||
                    (parser_is(parser, LEX_NAME) && !parser_is_keywords(parser, "IF NOT EXISTS") &&
                     !parser_is_keywords(parser, "IF EXISTS") &&
                     !parser_is_keyword(parser, "FOR") && !parser_is_keyword(parser, "ON"));
    if (has_name) {
        struct ast *name = parse_name(parser, AST_VARIABLE, "a name");
        if (!name)
            return false;
        node->text = name->text;
    }
    if (parser_take_keywords(parser, "IF NOT EXISTS"))
        node->flags |= AST_FLAG_IF_NOT_EXISTS;
    return !parser->err;
}

/* (n:Label) or ()-[r:TYPE]-() into the two slots; flags of `node` say which. */
static bool
parse_schema_entity(
    struct parser *parser, struct ast *node, struct ast **variable, struct ast **label)
{
    if (!parser_expect(parser, '(', "'('"))
        return false;
    bool is_relationship = parser_is(parser, ')');
    uint8_t close = ')';
    if (is_relationship) {
        node->flags |= AST_FLAG_RELATIONSHIP;
        parser_advance(parser);
        parser_take(parser, '<');
        if (!parser_expect(parser, '-', "'-'") || !parser_expect(parser, '[', "'['"))
            return false;
        close = ']';
    }
    *variable = parse_variable(parser);
    if (!*variable || !parser_expect(parser, ':', "':'"))
        return false;
    *label = parse_name(parser, AST_LABEL, "a label");
    if (!*label || !parser_expect(parser, close, is_relationship ? "']'" : "')'"))
        return false;
    if (is_relationship) {
        if (!parser_expect(parser, '-', "'-'"))
            return false;
        parser_take(parser, '>');
        return parser_expect(parser, '(', "'('") && parser_expect(parser, ')', "')'");
    }
    return true;
}

/* n.p, or (n.p, n.q) into node->items. */
static bool
parse_schema_properties(struct parser *parser, struct ast *node)
{
    struct ast_list list = {0};
    bool has_parenthesis = parser_take(parser, '(');
    do {
        struct ast *target = parse_property_target(parser);
        if (target && target->kind != AST_PROPERTY)
            parser_fail(
                parser, target->offset, ERR(SYNTAX),
                "Invalid input: expected a property, such as n.name");
        if (!ast_list_add(parser, &list, target))
            return false;
    } while (has_parenthesis && parser_take(parser, ','));
    if (has_parenthesis && !parser_expect(parser, ')', "',' or ')'"))
        return false;
    ast_list_give(&list, node);
    return true;
}

/* CREATE INDEX ON :Label(property), the form before Neo4j 4. ON is read. */
static struct ast *
parse_index_old(struct parser *parser, struct ast *node)
{
    struct ast_list list = {0};
    if (!parser_expect(parser, ':', "':'"))
        return NULL;
    node->create_index.label = parse_name(parser, AST_LABEL, "a label");
    if (!node->create_index.label || !parser_expect(parser, '(', "'('"))
        return NULL;
    do {
        struct ast *property = parse_name(parser, AST_PROPERTY, "a property");
        if (!ast_list_add(parser, &list, property))
            return NULL;
    } while (parser_take(parser, ','));
    ast_list_give(&list, node);
    return parser_expect(parser, ')', "')'") ? ast_finish(parser, node) : NULL;
}

static struct ast *
parse_create_index(struct parser *parser)
{
    struct ast *node = ast_new(parser, AST_CREATE_INDEX, parser->token.offset);
    const char *kind = "range";
    for (uint32_t i = 0; i < sizeof(index_kinds) / sizeof(index_kinds[0]); i++) {
        if (!parser_take_keywords(parser, index_kinds[i].keywords))
            continue;
        kind = index_kinds[i].kind;
        break;
    }
    if (!node || !parse_schema_name(parser, node))
        return NULL;
    node->create_index.kind = kind_node(parser, kind);
    if (strcmp(kind, "range") != 0)
        return parser_fail(
            parser, node->offset, ERR(UNSUPPORTED),
            "Indexes of kind %s are not supported; use CREATE INDEX", kind);
    if (parser_take_keywords(parser, "ON"))
        return parse_index_old(parser, node);
    if (!parser_expect_keyword(parser, "FOR") ||
        !parse_schema_entity(parser, node, &node->create_index.variable, &node->create_index.label))
        return NULL;
    if (!parser_expect_keyword(parser, "ON") || !parse_schema_properties(parser, node))
        return NULL;
    if (parser_take_keywords(parser, "OPTIONS"))
        node->create_index.options = parse_map(parser);
    return ast_finish(parser, node);
}

static const char *
parse_constraint_kind(struct parser *parser)
{
    if (parser_take_keywords(parser, "IS UNIQUE") ||
        parser_take_keywords(parser, "IS NODE UNIQUE") ||
        parser_take_keywords(parser, "IS RELATIONSHIP UNIQUE"))
        return "unique";
    if (parser_take_keywords(parser, "IS NODE KEY") || parser_take_keywords(parser, "IS KEY") ||
        parser_take_keywords(parser, "IS RELATIONSHIP KEY"))
        return "key";
    if (parser_take_keywords(parser, "IS NOT NULL"))
        return "not null";
    if (parser_is_keyword(parser, "IS")) {
        parser_fail(
            parser, parser->token.offset, ERR(UNSUPPORTED),
            "Constraints on the type of a property are not supported");
        return NULL;
    }
    parser_unexpected(parser, "IS UNIQUE");
    return NULL;
}

static struct ast *
parse_create_constraint(struct parser *parser)
{
    struct ast *node = ast_new(parser, AST_CREATE_CONSTRAINT, parser->token.offset);
    parser_take_keywords(parser, "CREATE CONSTRAINT");
    if (!node || !parse_schema_name(parser, node))
        return NULL;
    if (!parser_take_keywords(parser, "FOR") && !parser_expect_keyword(parser, "ON"))
        return NULL;
    if (!parse_schema_entity(
            parser, node, &node->create_constraint.variable, &node->create_constraint.label))
        return NULL;
    if (!parser_take_keywords(parser, "REQUIRE") && !parser_expect_keyword(parser, "ASSERT"))
        return NULL;
    if (!parse_schema_properties(parser, node))
        return NULL;
    const char *kind = parse_constraint_kind(parser);
    if (!kind)
        return NULL;
    node->create_constraint.kind = kind_node(parser, kind);
    if (parser_take_keywords(parser, "OPTIONS"))
        node->create_constraint.options = parse_map(parser);
    return ast_finish(parser, node);
}

static struct ast *
parse_drop(struct parser *parser)
{
    bool is_index = parser_is_keywords(parser, "DROP INDEX");
    struct ast *node = ast_new(
        parser, is_index ? AST_DROP_INDEX : AST_DROP_CONSTRAINT, parser->token.offset);
    parser_advance(parser);
    parser_advance(parser);
    struct ast *name = parse_name(
        parser, AST_VARIABLE, is_index ? "the name of an index" : "the name of a constraint");
    if (!name)
        return NULL;
    node->text = name->text;
    if (parser_take_keywords(parser, "IF EXISTS"))
        node->flags |= AST_FLAG_IF_EXISTS;
    return ast_finish(parser, node);
}

/* --- SHOW --- */

/* What may follow SHOW: the words as written, and the one name the tree has for it. */
static const struct {
    const char *keywords;
    const char *what;
} shows[] = {
    {"INDEXES", "INDEXES"},
    {"INDEX", "INDEXES"},
    {"ALL INDEXES", "INDEXES"},
    {"RANGE INDEXES", "INDEXES"},
    {"CONSTRAINTS", "CONSTRAINTS"},
    {"CONSTRAINT", "CONSTRAINTS"},
    {"ALL CONSTRAINTS", "CONSTRAINTS"},
    {"DATABASES", "DATABASES"},
    {"DEFAULT DATABASE", "DEFAULT DATABASE"},
    {"HOME DATABASE", "HOME DATABASE"},
    {"DATABASE", "DATABASES"},
    {"PROCEDURES", "PROCEDURES"},
    {"PROCEDURE", "PROCEDURES"},
    {"FUNCTIONS", "FUNCTIONS"},
    {"FUNCTION", "FUNCTIONS"},
    {"ALL FUNCTIONS", "FUNCTIONS"},
    {"BUILT IN FUNCTIONS", "FUNCTIONS"},
    {"TRANSACTIONS", "TRANSACTIONS"},
    {"TRANSACTION", "TRANSACTIONS"},
    {"SETTINGS", "SETTINGS"},
    {"SETTING", "SETTINGS"},
    {"USERS", "USERS"},
    {"CURRENT USER", "CURRENT USER"},
    {"SERVERS", "SERVERS"},
};

static struct ast *
parse_show(struct parser *parser)
{
    struct ast *node = ast_new(parser, AST_SHOW, parser->token.offset);
    parser_advance(parser);
    if (!node)
        return NULL;
    for (uint32_t i = 0; i < sizeof(shows) / sizeof(shows[0]) && !node->text.data; i++) {
        if (parser_take_keywords(parser, shows[i].keywords))
            node->text = text_of(shows[i].what);
    }
    if (!node->text.data) {
        if (parser_is(parser, LEX_NAME))
            return parser_fail(
                parser, parser->token.offset, ERR(UNSUPPORTED), "SHOW %.*s is not supported",
                (int)(parser->token.end - parser->token.offset),
                parser->query.data + parser->token.offset);
        return parser_unexpected(
            parser, "INDEXES, CONSTRAINTS, DATABASES, PROCEDURES, FUNCTIONS or TRANSACTIONS");
    }
    parser_take_keywords(parser, "EXECUTABLE BY CURRENT USER");
    parser_take_keywords(parser, "EXECUTABLE");
    if (parser_is_keyword(parser, "YIELD"))
        node->show.yield = parse_yield(parser);
    else if (parser_is_keyword(parser, "WHERE"))
        node->show.where = parse_where(parser);
    if (!parser->err && parser_is_keyword(parser, "RETURN"))
        node->show.returns = parse_return(parser);
    return ast_finish(parser, node);
}

/* Reads to the end: the words matter only to the message. */
static struct ast *
parse_command(struct parser *parser)
{
    struct ast *node = ast_new(parser, AST_COMMAND, parser->token.offset);
    if (!node)
        return NULL;
    uint32_t from = parser->token.offset;
    parser_advance(parser);
    if (parser_is(parser, LEX_NAME))
        parser_advance(parser);
    node->text = (struct text){parser->query.data + from, parser->previous_end - from};
    while (!parser_is(parser, LEX_END) && !parser_is(parser, LEX_INVALID))
        parser_advance(parser);
    return ast_finish(parser, node);
}
