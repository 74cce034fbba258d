#include "tools/load/csv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"

bool
csv_open(struct csv_file *file, const char *path, char *message, size_t message_size)
{
    *file = (struct csv_file){.path = strdup(path)};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (fd < 0 || fstat(fd, &status)) {
        snprintf(message, message_size, "%s: %s", path, strerror(errno));
        goto fail;
    }
    if (!S_ISREG(status.st_mode) || status.st_size == 0) {
        snprintf(
            message, message_size, "%s: %s", path,
            S_ISREG(status.st_mode) ? "the file is empty" : "not a file");
        goto fail;
    }
    file->size = (size_t)status.st_size;
    void *data = mmap(NULL, file->size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    if (data == MAP_FAILED) {
        snprintf(message, message_size, "%s: %s", path, strerror(errno));
        goto fail;
    }
    madvise(data, file->size, MADV_SEQUENTIAL);
    file->data = data;
    close(fd);
    return true;
fail:
    if (fd >= 0)
        close(fd);
    free(file->path);
    file->path = NULL;
    return false;
}

void
csv_close(struct csv_file *file)
{
    if (file->data)
        munmap((void *)(uintptr_t)file->data, file->size);
    free(file->path);
    *file = (struct csv_file){0};
}

struct boundary_count {
    uint64_t quotes, newlines;
};

/* A loop the compiler turns into vector compares. */
static struct boundary_count
boundary_count(const char *data, size_t size, char quote)
{
    struct boundary_count total = {0, 0};
    for (size_t i = 0; i < size; i++) {
        total.quotes += data[i] == quote;
        total.newlines += data[i] == '\n';
    }
    return total;
}

bool
csv_chunk_next(
    const struct csv_file *file,
    struct csv_dialect dialect,
    size_t *position,
    uint64_t *line,
    struct csv_chunk *chunk)
{
    assert(*position <= file->size);
    if (*position == file->size)
        return false;
    size_t begin = *position, end = begin + CSV_CHUNK_SIZE;
    *chunk = (struct csv_chunk){.file = file, .begin = begin, .first_line = *line};
    if (end >= file->size) {
        chunk->end = *position = file->size;
        return true;
    }
    struct boundary_count count = boundary_count(file->data + begin, end - begin, dialect.quote);
    bool inside = dialect.quote && (count.quotes & 1);
    uint64_t newlines = count.newlines;
    while (end < file->size) {
        char c = file->data[end++];
        if (dialect.quote && c == dialect.quote)
            inside = !inside;
        if (c == '\n') {
            newlines++;
            if (!inside)
                break;
        }
    }
    chunk->end = *position = end;
    *line += newlines;
    return true;
}

void
csv_reader_create(
    struct csv_reader *reader,
    struct csv_dialect dialect,
    const char *data,
    size_t size,
    uint64_t line)
{
    *reader = (struct csv_reader){
        .dialect = dialect, .cursor = data, .end = data + size, .next_line = line};
}

void
csv_reader_destroy(struct csv_reader *reader)
{
    free(reader->buffer);
    reader->buffer = NULL;
}

/* Reads a quoted field whose opening quote is at cursor; leaves the cursor behind the closing one. The text
 * without doubled quotes is put into the buffer only when there are any. */
static bool
quoted_read(struct csv_reader *reader, struct text *field)
{
    char quote = reader->dialect.quote;
    const char *begin = ++reader->cursor, *cursor = begin;
    bool doubled = false;
    for (;;) {
        const char *found = memchr(cursor, quote, (size_t)(reader->end - cursor));
        if (!found) {
            reader->error = "a quoted field is not closed";
            return false;
        }
        cursor = found + 1;
        if (cursor < reader->end && *cursor == quote) {
            doubled = true;
            cursor++;
            continue;
        }
        break;
    }
    size_t size = (size_t)(cursor - 1 - begin);
    for (const char *c = begin; (c = memchr(c, '\n', (size_t)(begin + size - c))) != NULL; c++)
        reader->next_line++;
    reader->cursor = cursor;
    *field = (struct text){begin, size};
    if (!doubled)
        return true;
    char *out = reader->buffer + reader->buffer_size, *first = out;
    for (size_t i = 0; i < size; i++) {
        *out++ = begin[i];
        if (begin[i] == quote)
            i++;
    }
    reader->buffer_size = (size_t)(out - reader->buffer);
    *field = (struct text){first, (size_t)(out - first)};
    return true;
}

/* Once per chunk: undone quotes of one record never need more than the chunk. Nothing when it has no quote. */
static bool
buffer_reserve(struct csv_reader *reader)
{
    size_t left = (size_t)(reader->end - reader->cursor);
    reader->prepared = true;
    if (!reader->dialect.quote || !memchr(reader->cursor, reader->dialect.quote, left))
        return true;
    reader->buffer = malloc(left);
    if (!reader->buffer)
        reader->error = "out of memory";
    return reader->buffer != NULL;
}

static void
empty_lines_skip(struct csv_reader *reader)
{
    while (reader->cursor < reader->end) {
        if (*reader->cursor == '\n')
            reader->cursor++;
        else if (
            *reader->cursor == '\r' && reader->cursor + 1 < reader->end &&
            reader->cursor[1] == '\n')
            reader->cursor += 2;
        else
            return;
        reader->next_line++;
    }
}

static void
plain_read(struct csv_reader *reader, struct text *field)
{
    const char *begin = reader->cursor, *cursor = begin;
    char delimiter = reader->dialect.delimiter;
    while (cursor < reader->end && *cursor != delimiter && *cursor != '\n')
        cursor++;
    reader->cursor = cursor;
    if (cursor > begin && cursor[-1] == '\r' && (cursor == reader->end || *cursor == '\n'))
        cursor--;
    *field = (struct text){begin, (size_t)(cursor - begin)};
}

struct csv_mark
csv_mark(const struct csv_reader *reader)
{
    return (struct csv_mark){reader->cursor, reader->next_line};
}

void
csv_return(struct csv_reader *reader, struct csv_mark mark)
{
    reader->cursor = mark.cursor;
    reader->next_line = mark.next_line;
    reader->error = NULL;
}

enum csv_result
csv_read(struct csv_reader *reader)
{
    empty_lines_skip(reader);
    if (reader->cursor >= reader->end)
        return CSV_END;
    reader->line = reader->next_line;
    reader->field_count = 0;
    if (!reader->prepared && !buffer_reserve(reader))
        return CSV_ERROR;
    reader->buffer_size = 0;
    for (;;) {
        if (reader->field_count == CSV_FIELD_COUNT_MAX) {
            reader->error = "too many fields in one line";
            return CSV_ERROR;
        }
        struct text *field = &reader->fields[reader->field_count];
        bool quoted = reader->cursor < reader->end && reader->dialect.quote &&
                      *reader->cursor == reader->dialect.quote;
        if (quoted) {
            if (!quoted_read(reader, field))
                return CSV_ERROR;
            if (reader->cursor < reader->end && *reader->cursor == '\r')
                reader->cursor++;
        } else {
            plain_read(reader, field);
        }
        reader->quoted[reader->field_count++] = quoted;
        if (reader->cursor >= reader->end)
            return CSV_RECORD;
        char c = *reader->cursor++;
        if (c == '\n') {
            reader->next_line++;
            return CSV_RECORD;
        }
        if (c != reader->dialect.delimiter) {
            reader->error = "text follows the closing quote of a field";
            return CSV_ERROR;
        }
    }
}
