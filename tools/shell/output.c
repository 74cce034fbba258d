/* Rows as table, CSV, JSON or lines.
 *
 * A table must know how wide its columns are before the first line: the first HELD_ROW_COUNT rows are held
 * back and measured, later ones are printed as they come, wrapped into the same widths. On a terminal the
 * widest columns shrink until the table fits; when even that does not help each row becomes a block of
 * lines. Output into a file or pipe is never shrunk or wrapped. */
#include "tools/shell/shell.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
    HELD_ROW_COUNT = 5000,
    COLUMN_WIDTH_MIN = 6,
};

struct column {
    char *name;
    size_t width;
    bool is_number; /* all values seen so far are numbers or null */
};

struct output {
    const struct shell *shell;
    enum shell_format format;
    uint32_t column_count;
    struct column *columns;
    struct buffer *held; /* column_count cells for each held row */
    uint8_t *held_types;
    size_t held_count;
    bool has_printed, headed;
    uint64_t row_count;
    size_t terminal_width; /* 0: no limit */
    struct buffer line;
};

/* The pieces of a frame: corners and crossings from left to right, for top, middle and bottom. */
struct frame {
    const char *horizontal, *vertical;
    const char *corners[3][3];
};
static const struct frame frame_unicode = {
    "─", "│", {{"╭", "┬", "╮"}, {"├", "┼", "┤"}, {"╰", "┴", "╯"}}};
static const struct frame frame_ascii = {
    "-", "|", {{"+", "+", "+"}, {"+", "+", "+"}, {"+", "+", "+"}}};

static size_t
terminal_width(const struct shell *shell)
{
    struct winsize size;
    if (!shell->decorate || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0)
        return 0;
    return size.ws_col;
}

struct output *
output_new(const struct shell *shell, const struct qv_result *result)
{
    struct output *output = allocate_or_die(sizeof(*output));
    *output = (struct output){.shell = shell, .format = shell->format};
    output->column_count = qv_result_column_count(result);
    output->columns = allocate_or_die(output->column_count * sizeof(*output->columns));
    for (uint32_t i = 0; i < output->column_count; i++) {
        struct qv_text name = qv_result_column(result, i);
        struct buffer printable = {0};
        buffer_append_printable(&printable, name.data, name.size);
        size_t width = text_width(printable.data, printable.size);
        output->columns[i] = (struct column){printable.data, width, true};
    }
    if (output->format == FORMAT_TABLE) {
        size_t cell_count = (size_t)output->column_count * HELD_ROW_COUNT;
        output->held = allocate_or_die(cell_count * sizeof(*output->held));
        output->held_types = allocate_or_die(cell_count);
        output->terminal_width = terminal_width(shell);
    }
    return output;
}

void
output_delete(struct output *output)
{
    if (!output)
        return;
    for (size_t i = 0; i < output->held_count * output->column_count; i++)
        buffer_destroy(&output->held[i]);
    for (uint32_t i = 0; i < output->column_count; i++)
        free(output->columns[i].name);
    free(output->columns);
    free(output->held);
    free(output->held_types);
    buffer_destroy(&output->line);
    free(output);
}

bool
output_has_printed(const struct output *output)
{
    return output->has_printed;
}

/* ---- tables ---- */

static const struct frame *
frame_of(const struct output *output)
{
    return output->shell->unicode ? &frame_unicode : &frame_ascii;
}

static void
print_rule(const struct output *output, int which)
{
    const struct frame *frame = frame_of(output);
    fputs(style(output->shell, "2"), stdout);
    for (uint32_t i = 0; i < output->column_count; i++) {
        fputs(frame->corners[which][i == 0 ? 0 : 1], stdout);
        for (size_t k = 0; k < output->columns[i].width + 2; k++)
            fputs(frame->horizontal, stdout);
    }
    fputs(frame->corners[which][2], stdout);
    fputs(style(output->shell, "0"), stdout);
    putchar('\n');
}

static void
print_spaces(size_t count)
{
    printf("%*s", (int)count, "");
}

/* One line of one cell: up to its width; returns the bytes used. */
static size_t
print_cell_line(
    const struct output *output,
    uint32_t column,
    const char *data,
    size_t size,
    bool right,
    const char *code)
{
    size_t room = output->columns[column].width;
    size_t used = output->terminal_width ? text_prefix(data, size, room) : size;
    size_t width = text_width(data, used);
    size_t padding = width < room ? room - width : 0;
    putchar(' ');
    if (right)
        print_spaces(padding);
    fputs(style(output->shell, code), stdout);
    fwrite(data, 1, used, stdout);
    fputs(code[0] ? style(output->shell, "0") : "", stdout);
    if (!right)
        print_spaces(padding);
    putchar(' ');
    return used;
}

/* One row; cells that are wider than their column go on in the next line. `types` NULL: the header. */
static void
print_cells(const struct output *output, const struct buffer *cells, const uint8_t *types)
{
    const struct frame *frame = frame_of(output);
    size_t *offsets = allocate_or_die((output->column_count + 1) * sizeof(*offsets));
    memset(offsets, 0, (output->column_count + 1) * sizeof(*offsets));
    for (bool more = true; more;) {
        more = false;
        for (uint32_t i = 0; i < output->column_count; i++) {
            const struct column *column = &output->columns[i];
            const char *data = types ? cells[i].data : column->name;
            size_t size = (types ? cells[i].size : strlen(column->name)) - offsets[i];
            const char *code = !types ? "1" : types[i] == QV_NULL ? "2" : "";
            printf("%s%s%s", style(output->shell, "2"), frame->vertical, style(output->shell, "0"));
            bool right = column->is_number && (!types || types[i] != QV_NULL);
            offsets[i] += print_cell_line(
                output, i, data ? data + offsets[i] : "", size, right, code);
            more |= offsets[i] < (types ? cells[i].size : strlen(column->name));
        }
        printf("%s%s%s\n", style(output->shell, "2"), frame->vertical, style(output->shell, "0"));
    }
    free(offsets);
}

static void
print_block(const struct output *output, const struct buffer *cells, uint64_t number)
{
    size_t name_width = 0;
    printf(
        "%s-- row %llu%s\n", style(output->shell, "2"), (unsigned long long)number,
        style(output->shell, "0"));
    for (uint32_t i = 0; i < output->column_count; i++) {
        size_t width = text_width(output->columns[i].name, strlen(output->columns[i].name));
        name_width = width > name_width ? width : name_width;
    }
    for (uint32_t i = 0; i < output->column_count; i++) {
        const char *name = output->columns[i].name;
        printf("%s%s%s", style(output->shell, "1"), name, style(output->shell, "0"));
        print_spaces(name_width - text_width(name, strlen(name)));
        printf(" : %s\n", cells[i].data ? cells[i].data : "");
    }
}

/* Makes the table fit the terminal: the widest column gives way first. Else lines. */
static void
fit_columns(struct output *output)
{
    size_t total = 1;
    for (uint32_t i = 0; i < output->column_count; i++)
        total += output->columns[i].width + 3;
    while (output->terminal_width && total > output->terminal_width) {
        struct column *widest = &output->columns[0];
        for (uint32_t i = 1; i < output->column_count; i++) {
            if (output->columns[i].width > widest->width)
                widest = &output->columns[i];
        }
        if (widest->width <= COLUMN_WIDTH_MIN) {
            output->format = FORMAT_LINES;
            return;
        }
        widest->width--;
        total--;
    }
}

static void
print_table_row(struct output *output, const struct buffer *cells, const uint8_t *types)
{
    output->row_count++;
    if (output->format == FORMAT_LINES)
        print_block(output, cells, output->row_count);
    else
        print_cells(output, cells, types);
}

static void
release_held(struct output *output)
{
    if (output->headed)
        return;
    output->headed = output->has_printed = true;
    fit_columns(output);
    if (output->format == FORMAT_TABLE) {
        print_rule(output, 0);
        print_cells(output, NULL, NULL);
        print_rule(output, 1);
    }
    for (size_t row = 0; row < output->held_count; row++)
        print_table_row(
            output, output->held + row * output->column_count,
            output->held_types + row * output->column_count);
}

static void
take_cells(
    const struct output *output,
    const struct qv_result *result,
    struct buffer *cells,
    uint8_t *types)
{
    for (uint32_t i = 0; i < output->column_count; i++) {
        struct qv_value value = qv_result_value(result, i);
        types[i] = (uint8_t)value.type;
        buffer_append_value(&cells[i], value, value.type == QV_NULL ? QV_CYPHER : QV_PLAIN);
    }
}

static void
table_row(struct output *output, const struct qv_result *result)
{
    size_t at = output->held_count * output->column_count;
    if (output->held_count < HELD_ROW_COUNT) {
        memset(output->held + at, 0, output->column_count * sizeof(*output->held));
        take_cells(output, result, output->held + at, output->held_types + at);
        output->held_count++;
        for (uint32_t i = 0; i < output->column_count; i++) {
            struct column *column = &output->columns[i];
            enum qv_type type = (enum qv_type)output->held_types[at + i];
            size_t width = text_width(output->held[at + i].data, output->held[at + i].size);
            column->width = width > column->width ? width : column->width;
            column->is_number &= type == QV_INTEGER || type == QV_FLOAT || type == QV_NULL;
        }
        return;
    }
    release_held(output);
    /* The first held row's cells serve again. */
    for (uint32_t i = 0; i < output->column_count; i++)
        buffer_clear(&output->held[i]);
    take_cells(output, result, output->held, output->held_types);
    print_table_row(output, output->held, output->held_types);
}

/* ---- CSV, JSON, lines ---- */

static void
print_csv_field(const char *data, size_t size)
{
    bool quoted = false;
    for (size_t i = 0; i < size; i++)
        quoted |= data[i] == '"' || data[i] == ',' || data[i] == '\n' || data[i] == '\r';
    if (!quoted) {
        fwrite(data, 1, size, stdout);
        return;
    }
    putchar('"');
    for (size_t i = 0; i < size; i++) {
        if (data[i] == '"')
            putchar('"');
        putchar(data[i]);
    }
    putchar('"');
}

static void
csv_head(struct output *output)
{
    output->headed = output->has_printed = true;
    for (uint32_t i = 0; i < output->column_count; i++) {
        if (i > 0)
            putchar(',');
        print_csv_field(output->columns[i].name, strlen(output->columns[i].name));
    }
    putchar('\n');
}

static void
csv_row(struct output *output, const struct qv_result *result)
{
    if (!output->headed)
        csv_head(output);
    for (uint32_t i = 0; i < output->column_count; i++) {
        struct qv_value value = qv_result_value(result, i);
        if (i > 0)
            putchar(',');
        if (value.type == QV_STRING) { /* as it is: data for programs, not for a terminal */
            print_csv_field(value.string, value.size);
            continue;
        }
        buffer_clear(&output->line);
        buffer_append_value(&output->line, value, QV_PLAIN);
        print_csv_field(output->line.data, output->line.size);
    }
    putchar('\n');
}

static void
print_json_text(const char *text)
{
    putchar('"');
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            putchar('\\');
        putchar(*text);
    }
    putchar('"');
}

/* One object per line and row. */
static void
json_row(struct output *output, const struct qv_result *result)
{
    output->has_printed = true;
    putchar('{');
    for (uint32_t i = 0; i < output->column_count; i++) {
        if (i > 0)
            putchar(',');
        print_json_text(output->columns[i].name);
        putchar(':');
        buffer_clear(&output->line);
        buffer_append_value(&output->line, qv_result_value(result, i), QV_JSON);
        fwrite(output->line.data, 1, output->line.size, stdout);
    }
    fputs("}\n", stdout);
}

static void
lines_row(struct output *output, const struct qv_result *result)
{
    output->has_printed = true;
    output->row_count++;
    printf(
        "%s-- row %llu%s\n", style(output->shell, "2"), (unsigned long long)output->row_count,
        style(output->shell, "0"));
    for (uint32_t i = 0; i < output->column_count; i++) {
        buffer_clear(&output->line);
        buffer_append_value(&output->line, qv_result_value(result, i), QV_PLAIN);
        printf(
            "%s%s%s: %s\n", style(output->shell, "1"), output->columns[i].name,
            style(output->shell, "0"), output->line.data ? output->line.data : "");
    }
}

void
output_row(struct output *output, const struct qv_result *result)
{
    switch (output->format) {
    case FORMAT_TABLE:
        table_row(output, result);
        break;
    case FORMAT_CSV:
        csv_row(output, result);
        break;
    case FORMAT_JSON:
        json_row(output, result);
        break;
    case FORMAT_LINES:
        if (output->held)
            table_row(output, result); /* a table that did not fit */
        else
            lines_row(output, result);
        break;
    }
}

void
output_finish(struct output *output)
{
    if (output->column_count == 0)
        return;
    if (output->held) {
        release_held(output);
        if (output->format == FORMAT_TABLE)
            print_rule(output, 2);
    } else if (output->format == FORMAT_CSV && !output->headed) {
        csv_head(output);
    }
    fflush(stdout);
}
