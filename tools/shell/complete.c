/* Completion of the word before the cursor.
 *
 *     :he|          commands, at the start of a line
 *     (p:Per|       labels, inside round brackets
 *     -[:KNO|       relationship types, inside square brackets
 *     p.na|  {na|   property names
 *     MAT|          keywords, functions, variables of this statement
 *
 * Names of the database are asked for once, and again after something was written. */
#include "tools/shell/shell.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *const keywords[] = {
    "ALL",
    "AND",
    "ANY",
    "AS",
    "ASC",
    "ASSERT",
    "BY",
    "CALL",
    "CASE",
    "CONSTRAINT",
    "CONTAINS",
    "COUNT",
    "CREATE",
    "DELETE",
    "DESC",
    "DETACH",
    "DISTINCT",
    "DROP",
    "ELSE",
    "END",
    "ENDS WITH",
    "EXISTS",
    "EXPLAIN",
    "FALSE",
    "FOR",
    "FOREACH",
    "IF",
    "IN",
    "INDEX",
    "IS",
    "IS NOT NULL",
    "IS NULL",
    "LIMIT",
    "MATCH",
    "MERGE",
    "NONE",
    "NOT",
    "NULL",
    "ON",
    "ON CREATE SET",
    "ON MATCH SET",
    "OPTIONAL MATCH",
    "OR",
    "ORDER BY",
    "PROFILE",
    "REMOVE",
    "REQUIRE",
    "RETURN",
    "SET",
    "SHOW CONSTRAINTS",
    "SHOW INDEXES",
    "SINGLE",
    "SKIP",
    "STARTS WITH",
    "THEN",
    "TRUE",
    "UNION",
    "UNION ALL",
    "UNIQUE",
    "UNWIND",
    "WHEN",
    "WHERE",
    "WITH",
    "XOR",
    "YIELD",
    "allShortestPaths(",
    "shortestPath(",
    "abs(",
    "avg(",
    "ceil(",
    "coalesce(",
    "collect(",
    "count(",
    "date(",
    "datetime(",
    "duration(",
    "elementId(",
    "endNode(",
    "exp(",
    "floor(",
    "head(",
    "id(",
    "keys(",
    "labels(",
    "last(",
    "left(",
    "length(",
    "localdatetime(",
    "localtime(",
    "log(",
    "max(",
    "min(",
    "nodes(",
    "percentileCont(",
    "percentileDisc(",
    "point(",
    "properties(",
    "rand(",
    "range(",
    "reduce(",
    "relationships(",
    "replace(",
    "reverse(",
    "right(",
    "round(",
    "sign(",
    "size(",
    "split(",
    "sqrt(",
    "startNode(",
    "stDev(",
    "substring(",
    "sum(",
    "tail(",
    "time(",
    "timestamp(",
    "toBoolean(",
    "toFloat(",
    "toInteger(",
    "toLower(",
    "toString(",
    "toUpper(",
    "trim(",
    "type(",
    "db.labels()",
    "db.propertyKeys()",
    "db.relationshipTypes()",
    NULL};

void
name_list_add(struct name_list *list, const char *data, size_t size)
{
    if (list->count % 64 == 0)
        list->names = resize_or_die(list->names, (list->count + 64) * sizeof(*list->names));
    list->names[list->count++] = copy_or_die(data, size);
}

void
name_list_destroy(struct name_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->names[i]);
    free(list->names);
    *list = (struct name_list){0};
}

static void
take_name(void *context, const struct qv_result *row)
{
    struct qv_text name = qv_value_text(qv_result_value(row, 0));
    struct name_list *list = context;
    if (name.size > 0 && list->count < 10000)
        name_list_add(list, name.data, name.size);
}

static void
refresh_names(struct shell *shell)
{
    if (!shell->names_stale || !shell->connection || qv_in_transaction(shell->connection))
        return;
    name_list_destroy(&shell->labels);
    name_list_destroy(&shell->types);
    name_list_destroy(&shell->keys);
    execute_quietly(shell, "CALL db.labels()", take_name, &shell->labels);
    execute_quietly(shell, "CALL db.relationshipTypes()", take_name, &shell->types);
    execute_quietly(shell, "CALL db.propertyKeys()", take_name, &shell->keys);
    shell->names_stale = false;
}

static bool
is_word(char c)
{
    unsigned char u = (unsigned char)c;
    return isalnum(u) || u == '_' || u >= 0x80;
}

/* The bracket that is open at the end of the text: '(', '[', '{' or 0. Quotes count. */
static char
open_bracket(const char *text, size_t size)
{
    char stack[256];
    size_t depth = 0;
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        if (c == '\'' || c == '"') {
            for (i++; i < size && text[i] != c; i++)
                i += text[i] == '\\';
        } else if ((c == '(' || c == '[' || c == '{') && depth < sizeof(stack)) {
            stack[depth++] = c;
        } else if ((c == ')' || c == ']' || c == '}') && depth > 0) {
            depth--;
        }
    }
    return depth > 0 ? stack[depth - 1] : 0;
}

static void
add_matches(
    struct name_list *list, const char *name, const char *word, size_t word_size, bool quote)
{
    size_t size = strlen(name);
    if (size < word_size || strncasecmp(name, word, word_size) != 0)
        return;
    bool plain = size > 0 && !isdigit((unsigned char)name[0]);
    for (size_t i = 0; i < size; i++)
        plain &= is_word(name[i]);
    if (plain || !quote) {
        name_list_add(list, name, size);
        return;
    }
    struct buffer quoted = {0};
    buffer_append(&quoted, "`", 1);
    for (size_t i = 0; i < size; i++)
        buffer_append(&quoted, name[i] == '`' ? "``" : name + i, name[i] == '`' ? 2 : 1);
    buffer_append(&quoted, "`", 1);
    name_list_add(list, quoted.data, quoted.size);
    buffer_destroy(&quoted);
}

static void
add_names(struct name_list *list, const struct name_list *names, const char *word, size_t size)
{
    for (size_t i = 0; i < names->count; i++)
        add_matches(list, names->names[i], word, size, true);
}

/* Keywords in the letter case the word was begun in. */
static void
add_keywords(struct name_list *list, const char *word, size_t size)
{
    bool lower = size > 0 && islower((unsigned char)word[0]);
    for (size_t i = 0; keywords[i]; i++) {
        if (size == 0 || strlen(keywords[i]) < size || strncasecmp(keywords[i], word, size) != 0)
            continue;
        char *copy = copy_or_die(keywords[i], strlen(keywords[i]));
        for (char *c = copy; lower && *c && !strchr(copy, '('); c++)
            *c = (char)tolower((unsigned char)*c);
        name_list_add(list, copy, strlen(copy));
        free(copy);
    }
}

/* Words already used in this statement: variables, mostly. */
static void
add_variables(struct name_list *list, const char *line, size_t start, const char *word, size_t size)
{
    for (size_t at = 0; at < start;) {
        size_t end = at;
        while (end < start && is_word(line[end]))
            end++;
        bool matches = end - at > size && strncmp(line + at, word, size) == 0 && size > 0;
        for (size_t i = 0; matches && i < list->count; i++) {
            const char *other = list->names[i];
            if (strlen(other) >= end - at && strncasecmp(other, line + at, end - at) == 0)
                matches = false;
        }
        if (matches)
            name_list_add(list, line + at, end - at);
        at = end > at ? end : at + 1;
    }
}

struct name_list
complete_word(struct shell *shell, const char *line, size_t cursor, size_t *start)
{
    struct name_list list = {0};
    size_t at = cursor;
    while (at > 0 && is_word(line[at - 1]))
        at--;
    *start = at;
    const char *word = line + at;
    size_t size = cursor - at;
    size_t before = at;
    while (before > 0 && line[before - 1] == ' ')
        before--;
    char previous = before > 0 ? line[before - 1] : 0;
    char bracket = open_bracket(line, before);
    if (previous == ':' && before == 1) {
        *start = 0;
        for (size_t i = 0; command_names[i]; i++)
            add_matches(&list, command_names[i], line, cursor, false);
        return list;
    }
    refresh_names(shell);
    if ((previous == ':' || previous == '|' || previous == '&' || previous == '!') &&
        bracket != '{')
        add_names(&list, bracket == '[' ? &shell->types : &shell->labels, word, size);
    else if (previous == '.' || ((previous == '{' || previous == ',') && bracket == '{'))
        add_names(&list, &shell->keys, word, size);
    if (list.count > 0 || previous == ':' || previous == '.')
        return list;
    add_keywords(&list, word, size);
    add_variables(&list, line, at, word, size);
    return list;
}
