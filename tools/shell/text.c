#include "tools/shell/shell.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wchar.h>

void *
allocate_or_die(size_t size)
{
    return resize_or_die(NULL, size);
}

void *
resize_or_die(void *data, size_t size)
{
    void *resized = realloc(data, size ? size : 1);
    if (!resized) {
        fputs("quiver: no memory\n", stderr);
        exit(2);
    }
    return resized;
}

char *
copy_or_die(const char *data, size_t size)
{
    char *copy = allocate_or_die(size + 1);
    if (size)
        memcpy(copy, data, size);
    copy[size] = 0;
    return copy;
}

static char *
buffer_reserve(struct buffer *buffer, size_t size)
{
    if (buffer->capacity - buffer->size <= size) {
        size_t capacity = buffer->capacity ? buffer->capacity * 2 : 128;
        while (capacity - buffer->size <= size)
            capacity *= 2;
        buffer->data = resize_or_die(buffer->data, capacity);
        buffer->capacity = capacity;
    }
    return buffer->data + buffer->size;
}

void
buffer_append(struct buffer *buffer, const char *data, size_t size)
{
    char *to = buffer_reserve(buffer, size);
    if (size)
        memcpy(to, data, size);
    buffer->size += size;
    buffer->data[buffer->size] = 0;
}

void
buffer_append_text(struct buffer *buffer, const char *text)
{
    buffer_append(buffer, text, strlen(text));
}

void
buffer_clear(struct buffer *buffer)
{
    buffer->size = 0;
    if (buffer->data)
        buffer->data[0] = 0;
}

void
buffer_destroy(struct buffer *buffer)
{
    free(buffer->data);
    *buffer = (struct buffer){0};
}

void
buffer_append_printable(struct buffer *buffer, const char *data, size_t size)
{
    size_t start = 0;
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)data[i];
        bool c1 = c == 0xC2 && i + 1 < size && (unsigned char)data[i + 1] < 0xA0;
        if (c >= 0x20 && c != 0x7f && !c1)
            continue;
        char escape[8];
        if (c == '\n' || c == '\t' || c == '\r')
            snprintf(escape, sizeof(escape), "\\%c", c == '\n' ? 'n' : c == '\t' ? 't' : 'r');
        else
            snprintf(escape, sizeof(escape), "\\u%04x", c1 ? (unsigned char)data[i + 1] : c);
        buffer_append(buffer, data + start, i - start);
        buffer_append_text(buffer, escape);
        i += c1;
        start = i + 1;
    }
    buffer_append(buffer, data + start, size - start);
}

void
buffer_append_value(struct buffer *buffer, struct qv_value value, enum qv_notation notation)
{
    if (notation != QV_JSON && value.type == QV_STRING && notation == QV_PLAIN) {
        buffer_append_printable(buffer, value.string, value.size);
        return;
    }
    size_t size = qv_value_print(value, notation, NULL, 0);
    char *to = buffer_reserve(buffer, size + 1);
    qv_value_print(value, notation, to, size + 1);
    buffer->size += size;
}

/* One character: its bytes and columns. Bytes that are no character count as one column each. */
static size_t
character_size(const char *data, size_t size, size_t *width)
{
    wchar_t wide;
    mbstate_t state = {0};
    size_t used = mbrtowc(&wide, data, size, &state);
    if (used == 0 || used > size) {
        *width = 1;
        return 1;
    }
    int columns = wcwidth(wide);
    *width = columns < 0 ? 1 : (size_t)columns;
    return used;
}

size_t
text_width(const char *data, size_t size)
{
    size_t total = 0, width;
    for (size_t at = 0; at < size; total += width)
        at += character_size(data + at, size - at, &width);
    return total;
}

size_t
text_prefix(const char *data, size_t size, size_t width)
{
    size_t at = 0, total = 0;
    while (at < size) {
        size_t columns, used = character_size(data + at, size - at, &columns);
        if (total + columns > width && at > 0)
            break;
        total += columns;
        at += used;
    }
    return at;
}

uint64_t
clock_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

const char *
style(const struct shell *shell, const char *code)
{
    static const struct {
        const char *code, *sequence;
    } known[] = {
        {"0", "\033[0m"},
        {"1", "\033[1m"},
        {"2", "\033[2m"},
        {"31", "\033[31m"},
        {"33", "\033[33m"}};
    for (size_t i = 0; shell->decorate && i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(known[i].code, code) == 0)
            return known[i].sequence;
    }
    return "";
}
