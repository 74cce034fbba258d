#include "tools/shell/shell.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

typedef bool command_fn(struct shell *shell, const char *argument);

static command_fn do_help, do_exit, do_param, do_params, do_begin, do_commit, do_rollback,
    do_source, do_format, do_timing, do_schema;

static const struct command {
    const char *name, *usage, *help;
    command_fn *run;
} commands[] = {
    {":help", "", "this list", do_help},
    {":exit", "", "leave (also :quit, Ctrl-D)", do_exit},
    {":quit", "", NULL, do_exit},
    {":param", "NAME EXPRESSION", "keep the value of an expression as $NAME", do_param},
    {":params", "[clear]", "show the parameters, or forget them", do_params},
    {":begin", "", "open a transaction", do_begin},
    {":commit", "", "make it durable", do_commit},
    {":rollback", "", "undo it", do_rollback},
    {":source", "FILE", "run the statements in a file", do_source},
    {":format", "table|csv|json|lines", "how rows are printed", do_format},
    {":timing", "on|off", "print rows, time and changes behind each statement", do_timing},
    {":schema", "", "labels, relationship types, indexes and constraints", do_schema},
};

const char *const command_names[] = {":help",   ":exit",   ":quit",     ":param",  ":params",
                                     ":begin",  ":commit", ":rollback", ":source", ":format",
                                     ":timing", ":schema", NULL};

static bool
complain(const char *text)
{
    fprintf(stderr, "error: %s\n", text);
    return false;
}

bool
command_run(struct shell *shell, const char *line)
{
    size_t name_size = strcspn(line, " \t\n\r;");
    const char *start = line + name_size;
    start += strspn(start, " \t\n\r");
    size_t size = strlen(start);
    while (size > 0 && (isspace((unsigned char)start[size - 1]) || start[size - 1] == ';'))
        size--;
    char *argument = copy_or_die(start, size);
    bool good = false, known = false;
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]) && !known; i++) {
        known = strlen(commands[i].name) == name_size &&
                strncasecmp(commands[i].name, line, name_size) == 0;
        if (known)
            good = commands[i].run(shell, argument);
    }
    if (!known)
        fprintf(stderr, "error: no such command: %.*s; :help lists them\n", (int)name_size, line);
    free(argument);
    return good;
}

static bool
do_help(struct shell *shell, const char *argument)
{
    (void)argument;
    printf(
        "%sStatements%s end with a semicolon; they may have several lines.\n", style(shell, "1"),
        style(shell, "0"));
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (commands[i].help)
            printf("  %-9s %-21s %s\n", commands[i].name, commands[i].usage, commands[i].help);
    }
    printf(
        "%sKeys%s  Tab completes keywords, labels, types and property names; Ctrl-R searches the "
        "history;\n"
        "      Ctrl-C drops the line being typed or cancels the statement that runs; Ctrl-D "
        "leaves.\n",
        style(shell, "1"), style(shell, "0"));
    return true;
}

static bool
do_exit(struct shell *shell, const char *argument)
{
    (void)argument;
    shell->quit = true;
    return true;
}

/* ---- parameters ---- */

static void
keep_value(void *context, const struct qv_result *row)
{
    struct shell_param *param = context;
    struct qv_value value = qv_result_value(row, 0);
    param->encoded = (uint8_t *)copy_or_die((const char *)value.encoded, value.encoded_size);
    param->encoded_size = value.encoded_size;
}

bool
param_set(struct shell *shell, const char *name, const char *expression)
{
    struct buffer statement = {0};
    struct shell_param param = {0};
    struct qv_result *result = NULL;
    if (!shell_connect(shell))
        return false;
    buffer_append_text(&statement, "RETURN ");
    buffer_append_text(&statement, expression);
    struct qv_params *params = shell_params(shell);
    enum qv_status status = qv_run(shell->connection, statement.data, params, NULL, &result);
    if (status == QV_OK)
        status = qv_result_next(result);
    if (status == QV_OK) {
        keep_value(&param, result);
        status = qv_result_finish(result);
    } else if (status == QV_DONE) {
        status = QV_MISUSE;
    }
    if (status != QV_OK && qv_connection_error(shell->connection))
        print_error(shell, qv_connection_error(shell->connection), statement.data);
    qv_result_close(result);
    qv_params_delete(params);
    buffer_destroy(&statement);
    if (status != QV_OK || !param.encoded) {
        free(param.encoded);
        return false;
    }
    param.name = copy_or_die(name, strlen(name));
    for (size_t i = 0; i < shell->param_count; i++) {
        if (strcmp(shell->params[i].name, name) != 0)
            continue;
        free(shell->params[i].name);
        free(shell->params[i].encoded);
        shell->params[i] = param;
        return true;
    }
    shell->params = resize_or_die(shell->params, (shell->param_count + 1) * sizeof(*shell->params));
    shell->params[shell->param_count++] = param;
    return true;
}

/* ":param name value", ":param name => value", ":param name: value", ":param $name = value". */
static bool
do_param(struct shell *shell, const char *argument)
{
    argument += *argument == '$';
    size_t size = 0;
    while (isalnum((unsigned char)argument[size]) || argument[size] == '_' ||
           (unsigned char)argument[size] >= 0x80)
        size++;
    const char *value = argument + size;
    value += strspn(value, " \t");
    if (strncmp(value, "=>", 2) == 0)
        value += 2;
    else if (*value == ':' || *value == '=')
        value++;
    value += strspn(value, " \t");
    if (size == 0 || !*value)
        return complain("usage: :param NAME EXPRESSION, for example :param name 'Ada'");
    char *name = copy_or_die(argument, size);
    bool good = param_set(shell, name, value);
    free(name);
    return good;
}

/* The value of a kept parameter, printed by asking the server for it: the library reads only answers. */
static bool
do_params(struct shell *shell, const char *argument)
{
    if (strcmp(argument, "clear") == 0) {
        for (size_t i = 0; i < shell->param_count; i++) {
            free(shell->params[i].name);
            free(shell->params[i].encoded);
        }
        shell->param_count = 0;
        return true;
    }
    if (shell->param_count == 0) {
        printf("no parameters; :param NAME EXPRESSION makes one\n");
        return true;
    }
    struct buffer statement = {0};
    for (size_t i = 0; i < shell->param_count; i++) {
        buffer_append_text(&statement, i == 0 ? "RETURN $`" : ", $`");
        buffer_append_text(&statement, shell->params[i].name);
        buffer_append_text(&statement, "` AS `");
        buffer_append_text(&statement, shell->params[i].name);
        buffer_append_text(&statement, "`");
    }
    bool good = execute_statement(shell, statement.data);
    buffer_destroy(&statement);
    return good;
}

/* ---- transactions ---- */

static bool
report(struct shell *shell, enum qv_status status)
{
    if (status != QV_OK)
        print_error(shell, qv_connection_error(shell->connection), NULL);
    return status == QV_OK;
}

static bool
do_begin(struct shell *shell, const char *argument)
{
    (void)argument;
    return shell_connect(shell) && report(shell, qv_begin(shell->connection, NULL));
}

static bool
do_commit(struct shell *shell, const char *argument)
{
    (void)argument;
    return shell_connect(shell) && report(shell, qv_commit(shell->connection));
}

static bool
do_rollback(struct shell *shell, const char *argument)
{
    (void)argument;
    return shell_connect(shell) && report(shell, qv_rollback(shell->connection));
}

/* ---- the rest ---- */

static bool
do_source(struct shell *shell, const char *argument)
{
    FILE *file = fopen(argument, "r");
    if (!file) {
        fprintf(stderr, "error: %s: %s\n", argument, strerror(errno));
        return false;
    }
    bool good = input_run_file(shell, file);
    fclose(file);
    return good;
}

bool
format_parse(const char *name, enum shell_format *format)
{
    static const char *const names[] = {"table", "csv", "json", "lines"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcasecmp(names[i], name) == 0) {
            *format = (enum shell_format)i;
            return true;
        }
    }
    return false;
}

static bool
do_format(struct shell *shell, const char *argument)
{
    return format_parse(argument, &shell->format) ||
           complain("usage: :format table|csv|json|lines");
}

static bool
do_timing(struct shell *shell, const char *argument)
{
    if (strcmp(argument, "on") != 0 && strcmp(argument, "off") != 0)
        return complain("usage: :timing on|off");
    shell->timing = strcmp(argument, "on") == 0;
    return true;
}

static bool
do_schema(struct shell *shell, const char *argument)
{
    (void)argument;
    return execute_statement(shell, "CALL db.labels() YIELD label RETURN label ORDER BY label") &&
           execute_statement(
               shell, "CALL db.relationshipTypes() YIELD relationshipType RETURN relationshipType "
                      "ORDER BY relationshipType") &&
           execute_statement(shell, "SHOW INDEXES") && execute_statement(shell, "SHOW CONSTRAINTS");
}
