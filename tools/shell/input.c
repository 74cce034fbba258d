/* Text into statements, and the line editor.
 *
 * Statements end with a semicolon outside of quotes and comments; a line that starts with a colon, where
 * a statement would start, is a command and ends with its line. */
#include "tools/shell/shell.h"

#include <ctype.h>
#include <errno.h>
#include <histedit.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- statements ---- */

/* Behind the quote, comment or single character at `at`; `size` when it does not end. */
static size_t
skip_token(const char *text, size_t size, size_t at)
{
    char c = text[at];
    if (c == '\'' || c == '"' || c == '`') {
        for (at++; at < size && text[at] != c; at++) {
            if (text[at] == '\\' && c != '`')
                at++;
        }
        return at < size ? at + 1 : size;
    }
    if (c == '/' && at + 1 < size && text[at + 1] == '/') {
        const char *end = memchr(text + at, '\n', size - at);
        return end ? (size_t)(end - text) : size;
    }
    if (c == '/' && at + 1 < size && text[at + 1] == '*') {
        for (at += 2; at + 1 < size; at++) {
            if (text[at] == '*' && text[at + 1] == '/')
                return at + 2;
        }
        return size;
    }
    return at + 1;
}

size_t
statement_end(const char *text, size_t size)
{
    for (size_t at = 0; at < size; at = skip_token(text, size, at)) {
        if (text[at] == ';')
            return at;
    }
    return size;
}

static bool
is_comment(const char *text, size_t size, size_t at)
{
    return text[at] == '/' && at + 1 < size && (text[at + 1] == '/' || text[at + 1] == '*');
}

bool
statement_is_blank(const char *text, size_t size)
{
    for (size_t at = 0; at < size; at = skip_token(text, size, at)) {
        if (!isspace((unsigned char)text[at]) && !is_comment(text, size, at))
            return false;
    }
    return true;
}

/* One statement or command; false when it failed. */
static bool
run_one(struct shell *shell, const char *text, size_t size)
{
    char *copy = copy_or_die(text, size);
    bool good = copy[0] == ':' ? command_run(shell, copy) : execute_statement(shell, copy);
    free(copy);
    if (!good)
        shell->failure_count++;
    return good;
}

/* Runs the complete statements at the front of `text`, and the last one too when `is_all`. Returns the
 * bytes used. */
static size_t
run_complete(struct shell *shell, const char *text, size_t size, bool is_all, bool *good)
{
    size_t at = 0;
    *good = true;
    while (at < size && !shell->quit && (*good || shell->keep_going)) {
        size_t start = at;
        while (start < size && isspace((unsigned char)text[start]))
            start++;
        if (start == size)
            return is_all ? size : at;
        const char *line_end = memchr(text + start, '\n', size - start);
        if (text[start] == ':') {
            if (!line_end && !is_all)
                return at;
            size_t end = line_end ? (size_t)(line_end - text) : size;
            *good = run_one(shell, text + start, end - start);
            at = end;
            continue;
        }
        size_t end = start + statement_end(text + start, size - start);
        if (end == size && !is_all)
            return at;
        if (!statement_is_blank(text + start, end - start))
            *good = run_one(shell, text + start, end - start);
        at = end < size ? end + 1 : size;
    }
    return at;
}

bool
input_run_text(struct shell *shell, const char *text)
{
    bool good;
    int before = shell->failure_count;
    (void)run_complete(shell, text, strlen(text), true, &good);
    return shell->failure_count == before;
}

bool
input_run_file(struct shell *shell, FILE *file)
{
    struct buffer pending = {0};
    char piece[4096];
    int before = shell->failure_count;
    bool good = true;
    for (;;) {
        /* A line at a time: statements run as they arrive, which matters behind a pipe. */
        bool is_all = !fgets(piece, sizeof(piece), file);
        if (!is_all)
            buffer_append_text(&pending, piece);
        bool may_end = is_all || strpbrk(piece, ";\n");
        if (may_end && pending.size > 0 &&
            (is_all || strchr(piece, ';') || pending.data[0] == ':')) {
            size_t used = run_complete(shell, pending.data, pending.size, is_all, &good);
            memmove(pending.data, pending.data + used, pending.size - used + 1);
            pending.size -= used;
        }
        /* White space in front would hide a command from the test above. */
        size_t blank = 0;
        while (blank < pending.size && isspace((unsigned char)pending.data[blank]))
            blank++;
        if (blank > 0) {
            memmove(pending.data, pending.data + blank, pending.size - blank + 1);
            pending.size -= blank;
        }
        if (is_all || shell->quit || (!good && !shell->keep_going))
            break;
    }
    buffer_destroy(&pending);
    return shell->failure_count == before;
}

/* ---- the line editor ---- */

/* The editor calls back with nothing but itself; EL_CLIENTDATA holds this. */
struct editor {
    struct shell *shell;
    EditLine *line;
    History *history;
    struct buffer pending; /* lines of an unfinished statement */
    bool interrupted;
    char prompt[64];
};

static struct editor *
editor_of(EditLine *line)
{
    void *data = NULL;
    el_get(line, EL_CLIENTDATA, &data);
    return data;
}

static char *
prompt(EditLine *line)
{
    struct editor *editor = editor_of(line);
    const struct shell *shell = editor->shell;
    bool open = shell->connection && qv_in_transaction(shell->connection);
    if (editor->pending.size > 0)
        snprintf(
            editor->prompt, sizeof(editor->prompt), "%s", open ? "        ...> " : "    ...> ");
    else
        snprintf(
            editor->prompt, sizeof(editor->prompt), "%s", open ? "quiver (tx)> " : "quiver > ");
    return editor->prompt;
}

static unsigned char
on_control_c(EditLine *line, int character)
{
    struct editor *editor = editor_of(line);
    const LineInfo *info = el_line(line);
    (void)character;
    editor->interrupted = true;
    el_cursor(line, (int)(info->lastchar - info->cursor));
    fputs("^C\n", stdout);
    return CC_NEWLINE;
}

static void
print_candidates(const struct name_list *list)
{
    size_t widest = 0, at = 0;
    for (size_t i = 0; i < list->count; i++) {
        size_t width = text_width(list->names[i], strlen(list->names[i]));
        widest = width > widest ? width : widest;
    }
    size_t per_line = 78 / (widest + 2) + 1;
    size_t shown = list->count < 200 ? list->count : 200;
    putchar('\n');
    for (size_t i = 0; i < shown; i++) {
        size_t width = text_width(list->names[i], strlen(list->names[i]));
        bool last = ++at % per_line == 0 || i + 1 == shown;
        printf("%s%*s%s", list->names[i], (int)(widest - width) + 2, "", last ? "\n" : "");
    }
    if (shown < list->count)
        printf("... and %zu more\n", list->count - shown);
}

/* Bytes all candidates begin with, letter case of ASCII aside. */
static size_t
common_prefix(const struct name_list *list)
{
    size_t size = strlen(list->names[0]);
    for (size_t i = 1; i < list->count; i++) {
        size_t k = 0;
        while (k < size && tolower((unsigned char)list->names[i][k]) ==
                               tolower((unsigned char)list->names[0][k]))
            k++;
        size = k;
    }
    while (size > 0 && ((unsigned char)list->names[0][size] & 0xC0) == 0x80)
        size--;
    return size;
}

static unsigned char
on_tab(EditLine *line, int character)
{
    struct editor *editor = editor_of(line);
    const LineInfo *info = el_line(line);
    size_t cursor = (size_t)(info->cursor - info->buffer), start;
    (void)character;
    /* Brackets opened in earlier lines count. */
    struct buffer text = {0};
    buffer_append(&text, editor->pending.data ? editor->pending.data : "", editor->pending.size);
    buffer_append(&text, info->buffer, cursor);
    struct name_list list = complete_word(editor->shell, text.data, text.size, &start);
    size_t typed = text.size - start;
    unsigned char result = CC_REFRESH_BEEP;
    if (list.count > 0) {
        size_t common = common_prefix(&list);
        if (common > typed || list.count == 1) {
            char *insert = copy_or_die(list.names[0], common);
            el_deletestr(line, (int)text_width(text.data + start, typed));
            el_insertstr(line, insert);
            bool name = start > 0 && strchr(":.|&!", text.data[start - 1]);
            if (list.count == 1 && !name && insert[common > 0 ? common - 1 : 0] != '(')
                el_insertstr(line, " ");
            free(insert);
            result = CC_REFRESH;
        } else {
            print_candidates(&list);
            result = CC_REDISPLAY;
        }
    }
    name_list_destroy(&list);
    buffer_destroy(&text);
    return result;
}

/* Where the history lives: $XDG_STATE_HOME/quiver/history, or ~/.quiver_history. */
static char *
history_path(void)
{
    struct buffer path = {0};
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    if (state && state[0] == '/') {
        buffer_append_text(&path, state);
        buffer_append_text(&path, "/quiver");
        if (mkdir(path.data, 0700) == 0 || errno == EEXIST) {
            buffer_append_text(&path, "/history");
            return path.data;
        }
        buffer_clear(&path);
    }
    if (!home)
        home = ".";
    buffer_append_text(&path, home);
    buffer_append_text(&path, "/.quiver_history");
    return path.data;
}

/* A statement as one line for the history: white space and comments become single spaces. */
static char *
history_line(const char *text, size_t size)
{
    struct buffer line = {0};
    bool space = false;
    for (size_t at = 0; at < size;) {
        size_t next = skip_token(text, size, at);
        if (isspace((unsigned char)text[at]) || is_comment(text, size, at)) {
            space = line.size > 0;
        } else {
            if (space)
                buffer_append(&line, " ", 1);
            space = false;
            buffer_append(&line, text + at, next - at);
        }
        at = next;
    }
    return line.data ? line.data : copy_or_die("", 0);
}

static void
remember(struct editor *editor, const char *text, size_t size)
{
    HistEvent event;
    char *line = history_line(text, size);
    if (line[0])
        history(editor->history, &event, H_ENTER, line);
    free(line);
}

/* One line from the editor is in `text`. */
static void
take_line(struct editor *editor, const char *text)
{
    bool good;
    if (editor->pending.size == 0 && text[strspn(text, " \t\n")] == 0)
        return;
    buffer_append_text(&editor->pending, text);
    /* Without a semicolon a blank line, like Enter twice, does not run it: only a semicolon does. */
    size_t used = run_complete(
        editor->shell, editor->pending.data, editor->pending.size, false, &good);
    if (!good)
        used = editor->pending.size; /* what followed a failure is not run */
    if (used > 0) {
        remember(editor, editor->pending.data, used);
        memmove(editor->pending.data, editor->pending.data + used, editor->pending.size - used + 1);
        editor->pending.size -= used;
    }
    if (editor->pending.size > 0 && statement_is_blank(editor->pending.data, editor->pending.size))
        buffer_clear(&editor->pending);
}

static void
editor_open(struct editor *editor)
{
    HistEvent event;
    editor->line = el_init("quiver", stdin, stdout, stderr);
    editor->history = history_init();
    history(editor->history, &event, H_SETSIZE, 2000);
    history(editor->history, &event, H_SETUNIQUE, 1);
    el_set(editor->line, EL_CLIENTDATA, editor);
    el_set(editor->line, EL_PROMPT, prompt);
    el_set(editor->line, EL_EDITOR, "emacs");
    el_set(editor->line, EL_HIST, history, editor->history);
    el_set(editor->line, EL_SIGNAL, 0);
    el_set(editor->line, EL_ADDFN, "quiver-complete", "complete a word", on_tab);
    el_set(editor->line, EL_ADDFN, "quiver-interrupt", "drop the statement", on_control_c);
    el_set(editor->line, EL_BIND, "^I", "quiver-complete", NULL);
    el_set(editor->line, EL_BIND, "^R", "em-inc-search-prev", NULL);
    el_source(editor->line, NULL); /* ~/.editrc may rebind, except the next one */
    /* Ctrl-C is a key while a line is edited, and a signal while a statement runs. */
    el_set(editor->line, EL_SETTY, "-d", "-isig", NULL);
    el_set(editor->line, EL_BIND, "^C", "quiver-interrupt", NULL);
}

void
input_run_interactive(struct shell *shell)
{
    struct editor editor = {.shell = shell};
    HistEvent event;
    char *path = history_path();
    editor_open(&editor);
    history(editor.history, &event, H_LOAD, path);
    while (!shell->quit) {
        int size = 0;
        const char *text = el_gets(editor.line, &size);
        if (editor.interrupted) {
            editor.interrupted = false;
            buffer_clear(&editor.pending);
            continue;
        }
        if (!text || size <= 0) {
            putchar('\n');
            break;
        }
        char *copy = copy_or_die(text, (size_t)size);
        take_line(&editor, copy);
        free(copy);
        /* One exchange per statement: a killed terminal loses nothing. */
        history(editor.history, &event, H_SAVE, path);
    }
    (void)chmod(path, 0600); /* statements may hold secrets */
    free(path);
    history_end(editor.history);
    el_end(editor.line);
    buffer_destroy(&editor.pending);
}
