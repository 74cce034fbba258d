/* One statement from Enter to its summary.
 *
 * While the shell waits for the server, the library calls progress() ten times a second; it draws a line
 * with a spinner on standard error, which is wiped before anything else is printed. Ctrl-C reaches
 * on_interrupt(), which asks the library to cancel; the statement then ends like one that failed. */
#include "tools/shell/shell.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PROGRESS_AFTER_US = 400000 };

/* What the signal handler needs; NULL while no statement runs. */
static struct qv_connection *volatile interruptible;
static volatile sig_atomic_t interrupt_count;

struct progress {
    uint64_t started_us;
    bool shown; /* a line stands on the terminal */
    bool may_show;
    unsigned frame;
};

static struct progress current;

static void
on_interrupt(int signal_number)
{
    (void)signal_number;
    struct qv_connection *connection = interruptible;
    if (!connection || ++interrupt_count > 3)
        _exit(130); /* nobody answers: let people out */
    qv_cancel(connection);
}

static void
progress_wipe(void)
{
    if (!current.shown)
        return;
    fputs("\r\033[K", stderr);
    current.shown = false;
}

static bool
progress(void *context, uint64_t row_count, uint64_t waited_ms)
{
    static const char *const unicode[] = {"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"};
    static const char ascii[] = "|/-\\";
    const struct shell *shell = context;
    uint64_t elapsed_us = clock_us() - current.started_us;
    (void)waited_ms;
    if (!current.may_show || elapsed_us < PROGRESS_AFTER_US)
        return true;
    char plain[2] = {ascii[current.frame % 4], 0};
    const char *spinner = shell->unicode ? unicode[current.frame % 10] : plain;
    current.frame++;
    fprintf(stderr, "\r\033[K%s %.1f s", spinner, (double)elapsed_us / 1e6);
    if (row_count)
        fprintf(stderr, ", %llu rows", (unsigned long long)row_count);
    fprintf(stderr, " (Ctrl-C cancels)");
    fflush(stderr);
    current.shown = true;
    return true;
}

static void
progress_start(struct shell *shell)
{
    struct sigaction action = {.sa_handler = on_interrupt};
    interruptible = shell->connection;
    interrupt_count = 0;
    sigaction(SIGINT, &action, NULL);
    current = (struct progress){.started_us = clock_us(), .may_show = isatty(STDERR_FILENO) == 1};
}

static void
progress_stop(const struct shell *shell)
{
    /* Between statements of a session Ctrl-C is a key; pressed a moment before the line editor has the
     * terminal it must not end the shell. */
    struct sigaction action = {.sa_handler = shell->interactive ? SIG_IGN : SIG_DFL};
    sigaction(SIGINT, &action, NULL);
    interruptible = NULL;
    progress_wipe();
}

/* ---- errors ---- */

/* Bytes of the first `count` characters. */
static size_t
characters_size(const char *text, size_t size, uint32_t count)
{
    size_t at = 0;
    while (at < size && count > 0) {
        at++;
        while (at < size && ((unsigned char)text[at] & 0xC0) == 0x80)
            at++;
        count--;
    }
    return at;
}

static void
print_caret(const char *statement, uint32_t line, uint32_t column)
{
    const char *start = statement;
    for (uint32_t i = 1; i < line && start; i++) {
        start = strchr(start, '\n');
        start = start ? start + 1 : NULL;
    }
    if (!start || column == 0)
        return;
    size_t size = strcspn(start, "\n");
    size_t before = characters_size(start, size, column - 1);
    fprintf(stderr, "  %.*s\n  %*s^\n", (int)size, start, (int)text_width(start, before), "");
}

void
print_error(const struct shell *shell, const struct qv_error *error, const char *statement)
{
    bool color = shell->decorate && isatty(STDERR_FILENO);
    struct buffer message = {0};
    /* Lines stay lines; other control characters do not reach the terminal. */
    for (const char *line = error->message; *line;) {
        size_t size = strcspn(line, "\n");
        buffer_append_printable(&message, line, size);
        line += size;
        if (*line == '\n') {
            buffer_append_text(&message, "\n");
            line++;
        }
    }
    const char *name = error->status == QV_CANCELLED ? "cancelled" : "error";
    fprintf(
        stderr, "%s%s:%s %s\n", color ? "\033[31m" : "", name, color ? "\033[0m" : "",
        message.data ? message.data : "");
    if (statement && error->line > 0 && !strchr(error->message, '^'))
        print_caret(statement, error->line, error->column);
    if (error->code[0])
        fprintf(stderr, "%s(%s)%s\n", color ? "\033[2m" : "", error->code, color ? "\033[0m" : "");
    buffer_destroy(&message);
}

/* ---- connecting ---- */

bool
shell_connect(struct shell *shell)
{
    if (shell->connection && qv_connection_is_usable(shell->connection))
        return true;
    bool again = shell->connection != NULL;
    shell_disconnect(shell);
    shell->options.progress = progress;
    shell->options.progress_context = shell;
    current = (struct progress){.started_us = clock_us()};
    enum qv_status status = qv_connection_open(&shell->options, &shell->connection);
    if (status != QV_OK) {
        if (shell->connection)
            print_error(shell, qv_connection_error(shell->connection), NULL);
        shell_disconnect(shell);
        return false;
    }
    if (again)
        fprintf(stderr, "(connected again; an open transaction is gone)\n");
    shell->names_stale = true;
    return true;
}

void
shell_disconnect(struct shell *shell)
{
    interruptible = NULL;
    qv_connection_close(shell->connection);
    shell->connection = NULL;
}

struct qv_params *
shell_params(const struct shell *shell)
{
    struct qv_params *params = qv_params_new();
    for (size_t i = 0; params && i < shell->param_count; i++) {
        const struct shell_param *param = &shell->params[i];
        /* QV_UNKNOWN: only the encoding is looked at. */
        struct qv_value value = {
            .type = QV_UNKNOWN, .encoded = param->encoded, .encoded_size = param->encoded_size};
        qv_params_value(params, param->name, value);
    }
    return params;
}

/* ---- summaries ---- */

static void
append_counter(
    struct buffer *line, int64_t count, const char *verb, const char *one, const char *many)
{
    char text[96];
    if (count == 0)
        return;
    snprintf(text, sizeof(text), ", %s %lld %s", verb, (long long)count, count == 1 ? one : many);
    buffer_append_text(line, text);
}

static void
append_counters(struct buffer *line, const struct qv_summary *summary)
{
    append_counter(line, summary->nodes_created, "created", "node", "nodes");
    append_counter(line, summary->nodes_deleted, "deleted", "node", "nodes");
    append_counter(
        line, summary->relationships_created, "created", "relationship", "relationships");
    append_counter(
        line, summary->relationships_deleted, "deleted", "relationship", "relationships");
    append_counter(line, summary->properties_set, "set", "property", "properties");
    append_counter(line, summary->labels_added, "added", "label", "labels");
    append_counter(line, summary->labels_removed, "removed", "label", "labels");
    append_counter(line, summary->indexes_added, "added", "index", "indexes");
    append_counter(line, summary->indexes_removed, "removed", "index", "indexes");
    append_counter(line, summary->constraints_added, "added", "constraint", "constraints");
    append_counter(line, summary->constraints_removed, "removed", "constraint", "constraints");
}

static void
print_notifications(const struct shell *shell, struct qv_value metadata)
{
    static const char *const keys[] = {"notifications", "statuses"};
    struct qv_value note;
    for (size_t i = 0; i < 2; i++) {
        struct qv_iterator notes = qv_value_items(qv_map_get(metadata, keys[i]));
        while (qv_iterator_next(&notes, NULL, &note) == QV_OK) {
            struct qv_value title = qv_map_get(note, "title"),
                            text = qv_map_get(note, "description");
            if (text.type != QV_STRING || title.type != QV_STRING)
                continue; /* an outcome status, not a notification */
            struct buffer line = {0};
            buffer_append_printable(&line, text.string, text.size);
            fprintf(
                stderr, "%snote:%s %s\n", style(shell, "33"), style(shell, "0"),
                line.data ? line.data : "");
            buffer_destroy(&line);
        }
    }
}

/* "3 rows, 12.1 ms (server 11 ms), created 2 nodes". Data formats keep standard output for data. */
static void
print_summary(const struct shell *shell, const struct qv_result *result, uint64_t elapsed_us)
{
    struct qv_summary summary;
    struct buffer line = {0};
    char text[128];
    bool table = shell->format == FORMAT_TABLE || shell->format == FORMAT_LINES;
    struct qv_value metadata = qv_result_metadata(result);
    struct qv_value plan = qv_map_get(metadata, "profile");
    if (plan.type != QV_MAP)
        plan = qv_map_get(metadata, "plan");
    if (table)
        plan_print(shell, plan);
    print_notifications(shell, metadata);
    if (qv_result_summary(result, &summary) != QV_OK || !table || !shell->timing)
        return;
    uint64_t rows = qv_result_row_count(result);
    snprintf(
        text, sizeof(text), "%llu row%s, %.1f ms", (unsigned long long)rows, rows == 1 ? "" : "s",
        (double)elapsed_us / 1000);
    buffer_append_text(&line, text);
    if (summary.first_row_ms >= 0 && summary.last_row_ms >= 0) {
        snprintf(
            text, sizeof(text), " (server %lld ms)",
            (long long)summary.first_row_ms + (long long)summary.last_row_ms);
        buffer_append_text(&line, text);
    }
    append_counters(&line, &summary);
    printf("%s%s%s\n", style(shell, "2"), line.data, style(shell, "0"));
    fflush(stdout);
    buffer_destroy(&line);
}

/* ---- running ---- */

static enum qv_status
print_rows(struct shell *shell, struct qv_result *result)
{
    struct output *output = NULL;
    enum qv_status status;
    while ((status = qv_result_next(result)) == QV_OK) {
        if (!output)
            output = output_new(shell, result);
        progress_wipe();
        output_row(output, result);
        if (output_has_printed(output))
            current.may_show = false; /* the rows are the progress now */
    }
    progress_wipe();
    /* Without rows the names of the columns are the answer, but not to EXPLAIN. */
    bool planned = qv_map_get(qv_result_metadata(result), "plan").type == QV_MAP;
    if (!output && status == QV_DONE && qv_result_column_count(result) > 0 && !planned)
        output = output_new(shell, result);
    if (output)
        output_finish(output);
    output_delete(output);
    return status;
}

bool
execute_statement(struct shell *shell, const char *statement)
{
    struct qv_result *result = NULL;
    if (!shell_connect(shell))
        return false;
    struct qv_params *params = shell_params(shell);
    progress_start(shell);
    uint64_t started_us = clock_us();
    enum qv_status status = qv_run(shell->connection, statement, params, NULL, &result);
    if (status == QV_OK)
        status = print_rows(shell, result);
    progress_stop(shell);
    uint64_t elapsed_us = clock_us() - started_us;
    qv_params_delete(params);
    if (status == QV_DONE) {
        struct qv_summary summary;
        if (qv_result_summary(result, &summary) == QV_OK && summary.contains_updates)
            shell->names_stale = true;
        print_summary(shell, result, elapsed_us);
    } else {
        fflush(stdout);
        const struct qv_error *error = result ? qv_result_error(result)
                                              : qv_connection_error(shell->connection);
        print_error(shell, error, statement);
    }
    qv_result_close(result);
    return status == QV_DONE;
}

bool
execute_quietly(
    struct shell *shell,
    const char *statement,
    void (*take)(void *context, const struct qv_result *row),
    void *context)
{
    struct qv_result *result;
    if (!shell->connection || !qv_connection_is_usable(shell->connection) ||
        qv_in_transaction(shell->connection))
        return false;
    current = (struct progress){.started_us = clock_us()};
    if (qv_run(shell->connection, statement, NULL, NULL, &result) != QV_OK)
        return false;
    enum qv_status status;
    while ((status = qv_result_next(result)) == QV_OK)
        take(context, result);
    qv_result_close(result);
    return status == QV_DONE;
}
