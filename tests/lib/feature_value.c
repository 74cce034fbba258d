#include "tests/lib/feature_value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/value/value_ops.h"

void
text_buffer_add(struct text_buffer *buffer, const char *data, size_t size)
{
    if (buffer->size + size + 1 > buffer->room) {
        buffer->room = (buffer->size + size + 1) * 2;
        buffer->data = realloc(buffer->data, buffer->room);
        assert(buffer->data);
    }
    memcpy(buffer->data + buffer->size, data, size);
    buffer->size += size;
    buffer->data[buffer->size] = 0;
}

void
text_buffer_free(struct text_buffer *buffer)
{
    free(buffer->data);
    *buffer = (struct text_buffer){0};
}

static void
add(struct text_buffer *out, const char *literal)
{
    text_buffer_add(out, literal, strlen(literal));
}

/* --- a list of pieces that is sorted before it is joined --- */

struct pieces {
    struct text_buffer *items;
    uint32_t count, room;
};

static struct text_buffer *
piece_new(struct pieces *pieces)
{
    if (pieces->count == pieces->room) {
        pieces->room = pieces->room ? pieces->room * 2 : 8;
        pieces->items = realloc(pieces->items, sizeof(*pieces->items) * pieces->room);
        assert(pieces->items);
    }
    pieces->items[pieces->count] = (struct text_buffer){0};
    text_buffer_add(&pieces->items[pieces->count], "", 0);
    return &pieces->items[pieces->count++];
}

static int
piece_compare(const void *a, const void *b)
{
    const struct text_buffer *x = a, *y = b;
    return strcmp(x->data, y->data);
}

static void
pieces_join(struct pieces *pieces, struct text_buffer *out, const char *separator, bool sorted)
{
    if (sorted && pieces->count)
        qsort(pieces->items, pieces->count, sizeof(*pieces->items), piece_compare);
    for (uint32_t i = 0; i < pieces->count; i++) {
        if (i)
            add(out, separator);
        text_buffer_add(out, pieces->items[i].data, pieces->items[i].size);
        text_buffer_free(&pieces->items[i]);
    }
    free(pieces->items);
    *pieces = (struct pieces){0};
}

/* --- values --- */

static void
string_canonical(struct text_buffer *out, struct text text)
{
    add(out, "'");
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '\'' || text.data[i] == '\\')
            add(out, "\\");
        text_buffer_add(out, &text.data[i], 1);
    }
    add(out, "'");
}

static void
entries_canonical(
    struct text_buffer *out, const struct map_entry *entries, uint32_t count, bool any_order)
{
    struct pieces pieces = {0};
    for (uint32_t i = 0; i < count; i++) {
        struct text_buffer *piece = piece_new(&pieces);
        text_buffer_add(piece, entries[i].key.data, entries[i].key.size);
        add(piece, ": ");
        value_canonical(piece, entries[i].value, any_order);
    }
    add(out, "{");
    pieces_join(&pieces, out, ", ", true);
    add(out, "}");
}

static void
node_canonical(struct text_buffer *out, struct value value, bool any_order)
{
    if (!(value.flags & VALUE_FLAG_HYDRATED)) {
        add(out, "(bare)");
        return;
    }
    struct pieces labels = {0};
    for (uint32_t i = 0; i < value.node->label_count; i++) {
        struct text_buffer *piece = piece_new(&labels);
        add(piece, ":");
        text_buffer_add(piece, value.node->labels[i].data, value.node->labels[i].size);
    }
    bool has_labels = labels.count > 0;
    add(out, "(");
    pieces_join(&labels, out, "", true);
    if (value.node->property_count) {
        add(out, has_labels ? " " : "");
        entries_canonical(out, value.node->properties, value.node->property_count, any_order);
    }
    add(out, ")");
}

static void
rel_canonical(struct text_buffer *out, struct value value, bool any_order)
{
    add(out, "[:");
    text_buffer_add(out, value.rel->type.data ? value.rel->type.data : "?", value.rel->type.size);
    if (value.rel->property_count) {
        add(out, " ");
        entries_canonical(out, value.rel->properties, value.rel->property_count, any_order);
    }
    add(out, "]");
}

static void
path_canonical(struct text_buffer *out, const struct value_path *path, bool any_order)
{
    add(out, "<");
    node_canonical(out, path->nodes[0], any_order);
    for (uint32_t i = 0; i < path->rel_count; i++) {
        bool forward = path->rels[i].rel->start.id == value_node_id(path->nodes[i]).id;
        add(out, forward ? "-" : "<-");
        rel_canonical(out, path->rels[i], any_order);
        add(out, forward ? "->" : "-");
        node_canonical(out, path->nodes[i + 1], any_order);
    }
    add(out, ">");
}

static void
float_canonical(struct text_buffer *out, double real)
{
    char line[32];
    uint32_t size = value_print_float(real, line);
    text_buffer_add(out, line, size);
}

static void
integer_canonical(struct text_buffer *out, int64_t integer)
{
    char line[32];
    snprintf(line, sizeof(line), "%lld", (long long)integer);
    add(out, line);
}

void
value_canonical(struct text_buffer *out, struct value value, bool any_order)
{
    if (value.type == VALUE_NULL) {
        add(out, "null");
    } else if (value.type == VALUE_BOOLEAN) {
        add(out, value.boolean ? "true" : "false");
    } else if (value.type == VALUE_INTEGER) {
        integer_canonical(out, value.integer);
    } else if (value.type == VALUE_FLOAT) {
        float_canonical(out, value.real);
    } else if (value.type == VALUE_STRING) {
        string_canonical(out, value_text(value));
    } else if (value.type == VALUE_LIST) {
        struct pieces pieces = {0};
        for (uint32_t i = 0; i < value.size; i++)
            value_canonical(piece_new(&pieces), value.list[i], any_order);
        add(out, "[");
        pieces_join(&pieces, out, ", ", any_order);
        add(out, "]");
    } else if (value.type == VALUE_MAP) {
        entries_canonical(out, value.map, value.size, any_order);
    } else if (value.type == VALUE_NODE) {
        node_canonical(out, value, any_order);
    } else if (value.type == VALUE_RELATIONSHIP) {
        rel_canonical(out, value, any_order);
    } else if (value.type == VALUE_PATH) {
        path_canonical(out, value.path, any_order);
    } else {
        /* Temporal values and points stand in the kit as the strings they print as. */
        struct arena arena;
        arena_create(&arena, memory_heap(), 1 << 20);
        struct text text = value_to_string(&arena, value);
        string_canonical(out, text.data ? text : TEXT("?"));
        arena_destroy(&arena);
    }
}

/* --- cells --- */

struct cell {
    const char *at;
    bool any_order, ok;
};

static void
skip_space(struct cell *cell)
{
    while (*cell->at == ' ')
        cell->at++;
}

static bool
take(struct cell *cell, const char *literal)
{
    skip_space(cell);
    size_t size = strlen(literal);
    if (strncmp(cell->at, literal, size) != 0)
        return false;
    cell->at += size;
    return true;
}

static void cell_parse(struct cell *cell, struct text_buffer *out);

static void
name_parse(struct cell *cell, struct text_buffer *out)
{
    const char *start = cell->at;
    if (*start == '`') {
        const char *end = strchr(start + 1, '`');
        cell->ok = cell->ok && end;
        if (end) {
            text_buffer_add(out, start + 1, (size_t)(end - start - 1));
            cell->at = end + 1;
        }
        return;
    }
    while (*cell->at && !strchr(" :{}()[],|<>-", *cell->at))
        cell->at++;
    text_buffer_add(out, start, (size_t)(cell->at - start));
}

static void
map_parse(struct cell *cell, struct text_buffer *out)
{
    struct pieces pieces = {0};
    while (cell->ok && !take(cell, "}")) {
        struct text_buffer *piece = piece_new(&pieces);
        skip_space(cell);
        name_parse(cell, piece);
        cell->ok = cell->ok && take(cell, ":");
        add(piece, ": ");
        cell_parse(cell, piece);
        take(cell, ",");
        cell->ok = cell->ok && *cell->at;
    }
    add(out, "{");
    pieces_join(&pieces, out, ", ", true);
    add(out, "}");
}

static void
node_parse(struct cell *cell, struct text_buffer *out)
{
    struct pieces labels = {0};
    while (take(cell, ":")) {
        struct text_buffer *piece = piece_new(&labels);
        add(piece, ":");
        name_parse(cell, piece);
    }
    bool has_labels = labels.count > 0;
    add(out, "(");
    pieces_join(&labels, out, "", true);
    if (take(cell, "{")) {
        add(out, has_labels ? " " : "");
        map_parse(cell, out);
    }
    cell->ok = cell->ok && take(cell, ")");
    add(out, ")");
}

static void
rel_parse(struct cell *cell, struct text_buffer *out)
{
    add(out, "[:");
    name_parse(cell, out);
    if (take(cell, "{")) {
        add(out, " ");
        map_parse(cell, out);
    }
    cell->ok = cell->ok && take(cell, "]");
    add(out, "]");
}

static void
path_parse(struct cell *cell, struct text_buffer *out)
{
    add(out, "<");
    cell->ok = cell->ok && take(cell, "(");
    node_parse(cell, out);
    while (cell->ok && !take(cell, ">")) {
        bool backward = take(cell, "<-");
        if (!backward)
            cell->ok = take(cell, "-");
        add(out, backward ? "<-" : "-");
        cell->ok = cell->ok && take(cell, "[:");
        rel_parse(cell, out);
        cell->ok = cell->ok && take(cell, backward ? "-" : "->") && take(cell, "(");
        add(out, backward ? "-" : "->");
        node_parse(cell, out);
    }
    add(out, ">");
}

static void
list_parse(struct cell *cell, struct text_buffer *out)
{
    struct pieces pieces = {0};
    while (cell->ok && !take(cell, "]")) {
        cell_parse(cell, piece_new(&pieces));
        take(cell, ",");
        cell->ok = cell->ok && *cell->at;
    }
    add(out, "[");
    pieces_join(&pieces, out, ", ", cell->any_order);
    add(out, "]");
}

static size_t
string_decode(struct cell *cell, char *out)
{
    size_t size = 0;
    while (*cell->at && *cell->at != '\'') {
        if (*cell->at == '\\' && cell->at[1]) {
            cell->at++;
            char c = *cell->at++;
            out[size++] = c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c;
            continue;
        }
        out[size++] = *cell->at++;
    }
    cell->ok = cell->ok && *cell->at == '\'';
    if (*cell->at)
        cell->at++;
    return size;
}

static void
scalar_parse(struct cell *cell, struct text_buffer *out)
{
    const char *start = cell->at;
    while (*cell->at && !strchr(",]})|", *cell->at))
        cell->at++;
    const char *end = cell->at;
    while (end > start && end[-1] == ' ')
        end--;
    char word[64];
    size_t size = (size_t)(end - start);
    if (size == 0 || size >= sizeof(word)) {
        cell->ok = false;
        return;
    }
    memcpy(word, start, size);
    word[size] = 0;
    char *rest;
    long long integer = strtoll(word, &rest, 10);
    if (!*rest) {
        integer_canonical(out, integer);
        return;
    }
    double real = strtod(word, &rest);
    if (!*rest && strcmp(word, "NaN") != 0 && strcmp(word, "Inf") != 0)
        float_canonical(out, real);
    else
        add(out, strcmp(word, "Inf") == 0    ? "Infinity"
                 : strcmp(word, "-Inf") == 0 ? "-Infinity"
                                             : word);
}

static void
cell_parse(struct cell *cell, struct text_buffer *out)
{
    skip_space(cell);
    if (!cell->ok)
        return;
    if (take(cell, "(")) {
        node_parse(cell, out);
    } else if (take(cell, "[:")) {
        rel_parse(cell, out);
    } else if (take(cell, "[")) {
        list_parse(cell, out);
    } else if (take(cell, "{")) {
        map_parse(cell, out);
    } else if (take(cell, "<")) {
        path_parse(cell, out);
    } else if (take(cell, "'")) {
        char *bytes = malloc(strlen(cell->at) + 1);
        assert(bytes);
        size_t size = string_decode(cell, bytes);
        string_canonical(out, (struct text){bytes, size});
        free(bytes);
    } else {
        scalar_parse(cell, out);
    }
}

bool
cell_canonical(struct text_buffer *out, const char *text, bool any_order)
{
    struct cell cell = {.at = text, .any_order = any_order, .ok = true};
    cell_parse(&cell, out);
    skip_space(&cell);
    return cell.ok && *cell.at == 0;
}

/* Parameters: scalars, strings, lists and maps. */
static bool
value_parse(struct arena *arena, struct cell *cell, struct value *out)
{
    enum { COUNT_MAX = 64 };
    skip_space(cell);
    if (take(cell, "'")) {
        char *bytes = arena_allocate(arena, strlen(cell->at) + 1);
        assert(bytes);
        *out = value_string((struct text){bytes, string_decode(cell, bytes)});
        return cell->ok;
    }
    if (take(cell, "[")) {
        struct value *items = arena_allocate(arena, sizeof(*items) * COUNT_MAX);
        uint32_t count = 0;
        while (!take(cell, "]")) {
            if (count == COUNT_MAX || !value_parse(arena, cell, &items[count++]))
                return false;
            take(cell, ",");
        }
        *out = value_list(items, count);
        return true;
    }
    if (take(cell, "{")) {
        struct map_entry *entries = arena_allocate(arena, sizeof(*entries) * COUNT_MAX);
        uint32_t count = 0;
        while (!take(cell, "}")) {
            struct text_buffer name = {0};
            skip_space(cell);
            name_parse(cell, &name);
            entries[count].key = arena_text(arena, (struct text){name.data, name.size});
            text_buffer_free(&name);
            if (!take(cell, ":") || count == COUNT_MAX ||
                !value_parse(arena, cell, &entries[count++].value))
                return false;
            take(cell, ",");
        }
        *out = value_map(entries, count);
        return true;
    }
    struct text_buffer word = {0};
    scalar_parse(cell, &word);
    bool known = cell->ok && word.data;
    char *rest;
    if (!known) {
        *out = value_null();
    } else if (strcmp(word.data, "null") == 0) {
        *out = value_null();
    } else if (strcmp(word.data, "true") == 0 || strcmp(word.data, "false") == 0) {
        *out = value_boolean(word.data[0] == 't');
    } else {
        long long integer = strtoll(word.data, &rest, 10);
        *out = *rest ? value_float(strtod(word.data, &rest)) : value_integer(integer);
        known = *rest == 0;
    }
    text_buffer_free(&word);
    return known;
}

bool
cell_value(struct arena *arena, const char *text, struct value *out)
{
    struct cell cell = {.at = text, .ok = true};
    return value_parse(arena, &cell, out);
}
