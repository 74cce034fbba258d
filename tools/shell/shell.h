/* The shell, `quiver`: what its files share.
 *
 *   main.c       options; where statements come from
 *   input.c      text -> statements and commands; the line editor
 *   complete.c   the Tab key
 *   command.c    :help, :param, :begin ...
 *   execute.c    one statement: run, progress, cancel, errors, summary
 *   plan.c       EXPLAIN and PROFILE as a tree
 *   output.c     rows as table, CSV, JSON
 *   text.c       display width, buffers */
#ifndef TOOLS_SHELL_SHELL_H
#define TOOLS_SHELL_SHELL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "quiver/quiver.h"

enum shell_format {
    FORMAT_TABLE,
    FORMAT_CSV,
    FORMAT_JSON,
    FORMAT_LINES, /* one line per value: column: value */
};

/* A growing NUL-terminated text on the heap. */
struct buffer {
    char *data; /* NULL while empty */
    size_t size, capacity;
};

struct shell_param {
    char *name;
    uint8_t *encoded; /* as the server sent it */
    size_t encoded_size;
};

struct name_list {
    char **names;
    size_t count;
};

struct shell {
    struct qv_options options;
    struct qv_connection *connection; /* NULL: not connected */
    enum shell_format format;
    bool interactive; /* people at both ends */
    bool decorate;    /* standard output is a terminal: colours */
    bool unicode;
    bool timing;
    bool keep_going;
    bool quit;
    bool names_stale;
    int failure_count;
    struct shell_param *params;
    size_t param_count;
    struct name_list labels, types, keys; /* of the database, for completion */
};

/* ---- text.c ---- */
void buffer_append(struct buffer *buffer, const char *data, size_t size);
void buffer_append_text(struct buffer *buffer, const char *text);
void buffer_clear(struct buffer *buffer);
void buffer_destroy(struct buffer *buffer);
/* The value as text, control characters escaped so that data cannot drive the terminal. */
void buffer_append_value(struct buffer *buffer, struct qv_value value, enum qv_notation notation);
void buffer_append_printable(struct buffer *buffer, const char *data, size_t size);
/* Columns the text takes on a terminal. */
size_t text_width(const char *data, size_t size);
/* Bytes of the longest prefix at most `width` columns wide; at least one character. */
size_t text_prefix(const char *data, size_t size, size_t width);
uint64_t clock_us(void);
/* Never returns NULL: no memory ends the program. */
void *allocate_or_die(size_t size);
void *resize_or_die(void *data, size_t size);
char *copy_or_die(const char *data, size_t size);
/* Style, when standard output shows it: "1" bold, "2" dim, "31" red. */
const char *style(const struct shell *shell, const char *code);

/* ---- input.c ---- */
/* Runs the statements and commands in a text; the last statement needs no semicolon. False when one
 * failed and the rest was not run. */
bool input_run_text(struct shell *shell, const char *text);
bool input_run_file(struct shell *shell, FILE *file);
void input_run_interactive(struct shell *shell);
/* Where the next statement of `text` ends: the offset of its semicolon, or `size` when it is not complete. */
size_t statement_end(const char *text, size_t size);
/* No statement: only white space and comments. */
bool statement_is_blank(const char *text, size_t size);

/* ---- complete.c ---- */
/* Candidates for the word before `cursor`; *start = offset of the word. Freed with name_list_destroy. */
struct name_list complete_word(struct shell *shell, const char *line, size_t cursor, size_t *start);
void name_list_destroy(struct name_list *list);
void name_list_add(struct name_list *list, const char *data, size_t size);

/* ---- command.c ---- */
/* `line` starts with a colon. False when it failed. */
bool command_run(struct shell *shell, const char *line);
extern const char *const command_names[]; /* ends with NULL */
bool format_parse(const char *name, enum shell_format *format);
/* Evaluates an expression at the server and keeps it as a parameter. */
bool param_set(struct shell *shell, const char *name, const char *expression);

/* ---- execute.c ---- */
bool shell_connect(struct shell *shell);
void shell_disconnect(struct shell *shell);
/* Runs one statement and prints what it gave. False when it failed. */
bool execute_statement(struct shell *shell, const char *statement);
/* Runs a statement silently and hands every row to `take`. False when it failed, silently too. */
bool execute_quietly(
    struct shell *shell,
    const char *statement,
    void (*take)(void *context, const struct qv_result *row),
    void *context);
void print_error(const struct shell *shell, const struct qv_error *error, const char *statement);
struct qv_params *shell_params(const struct shell *shell);

/* ---- plan.c ---- */
void plan_print(const struct shell *shell, struct qv_value plan);

/* ---- output.c ---- */
struct output;
struct output *output_new(const struct shell *shell, const struct qv_result *result);
void output_row(struct output *output, const struct qv_result *result);
/* Prints what is still held back. */
void output_finish(struct output *output);
/* True once something has been printed, so progress must not be drawn over it. */
bool output_has_printed(const struct output *output);
void output_delete(struct output *output);

#endif
