/* Values as text: as Cypher literals, and as toString() has it. */
#include <math.h>
#include <stdlib.h>

#include "engine/value/builder.h"
#include "engine/value/point.h"
#include "engine/value/temporal.h"
#include "engine/value/value_ops.h"

static void print_value(struct builder *builder, struct value value);

/* The shortest of the decimal forms with 1 to 17 digits that reads back as the same float: digits without
 * a point in `digits`, and the exponent of the first one. */
uint32_t
value_float_digits(double real, char digits[20], int *exponent)
{
    assert(isfinite(real) && real >= 0);
    char text[40];
    for (int precision = 14; precision < 17; precision++) {
        /* A float that has a form of fewer than 15 digits prints as it and zeros, which are cut below. */
        snprintf(text, sizeof(text), "%.*e", precision, real);
        if (strtod(text, NULL) == real)
            break;
    }
    uint32_t count = 0;
    const char *at = text;
    for (; *at != 'e'; at++)
        if (*at != '.')
            digits[count++] = *at;
    *exponent = (int)strtol(at + 1, NULL, 10);
    while (count > 1 && digits[count - 1] == '0')
        count--;
    return count;
}

static uint32_t
print_plain(const char *digits, uint32_t count, int exponent, char *out)
{
    uint32_t size = 0;
    if (exponent < 0) {
        out[size++] = '0';
        out[size++] = '.';
        for (int i = -1; i > exponent; i--)
            out[size++] = '0';
        for (uint32_t i = 0; i < count; i++)
            out[size++] = digits[i];
        return size;
    }
    for (uint32_t i = 0; i <= (uint32_t)exponent || i < count; i++) {
        if (i == (uint32_t)exponent + 1)
            out[size++] = '.';
        out[size++] = i < count ? digits[i] : '0';
    }
    if (count <= (uint32_t)exponent + 1) {
        out[size++] = '.';
        out[size++] = '0';
    }
    return size;
}

uint32_t
value_print_float(double real, char *out)
{
    struct text special = isnan(real) ? TEXT("NaN")
                          : real > 0  ? TEXT("Infinity")
                                      : TEXT("-Infinity");
    if (!isfinite(real)) {
        memcpy(out, special.data, special.size);
        return (uint32_t)special.size;
    }
    uint32_t size = 0;
    if (signbit(real))
        out[size++] = '-';
    char digits[20] = "0";
    int exponent = 0;
    uint32_t count = value_float_digits(fabs(real), digits, &exponent);
    if (exponent >= -3 && exponent < 7)
        return size + print_plain(digits, count, exponent, out + size);
    out[size++] = digits[0];
    out[size++] = '.';
    if (count == 1)
        out[size++] = '0';
    for (uint32_t i = 1; i < count; i++)
        out[size++] = digits[i];
    int tail = snprintf(out + size, 8, "E%d", exponent);
    assert(tail > 0 && size + (uint32_t)tail < 32);
    return size + (uint32_t)tail;
}

static void
print_float(struct builder *builder, double real)
{
    char text[32];
    uint32_t size = value_print_float(real, text);
    builder_add(builder, (struct text){text, size});
}

static void
print_string(struct builder *builder, struct text text)
{
    builder_char(builder, '\'');
    for (size_t i = 0; i < text.size; i++) {
        char character = text.data[i];
        if (character == '\'' || character == '\\') {
            builder_char(builder, '\\');
            builder_char(builder, character);
        } else if (character == '\n') {
            builder_add(builder, TEXT("\\n"));
        } else if (character == '\r') {
            builder_add(builder, TEXT("\\r"));
        } else if (character == '\t') {
            builder_add(builder, TEXT("\\t"));
        } else {
            builder_char(builder, character);
        }
    }
    builder_char(builder, '\'');
}

/* A name as it may stand in Cypher: in backticks unless it is a plain identifier. */
static void
print_name(struct builder *builder, struct text name)
{
    bool plain = name.size > 0 && !(name.data[0] >= '0' && name.data[0] <= '9');
    for (size_t i = 0; i < name.size; i++) {
        char c = name.data[i];
        plain &= (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                 c == '_';
    }
    if (plain) {
        builder_add(builder, name);
        return;
    }
    builder_char(builder, '`');
    for (size_t i = 0; i < name.size; i++) {
        builder_char(builder, name.data[i]);
        if (name.data[i] == '`')
            builder_char(builder, '`');
    }
    builder_char(builder, '`');
}

static void
print_entries(struct builder *builder, const struct map_entry *entries, uint32_t count)
{
    builder_char(builder, '{');
    for (uint32_t i = 0; i < count; i++) {
        if (i)
            builder_add(builder, TEXT(", "));
        print_name(builder, entries[i].key);
        builder_add(builder, TEXT(": "));
        print_value(builder, entries[i].value);
    }
    builder_char(builder, '}');
}

static void
print_node(struct builder *builder, struct value value)
{
    builder_char(builder, '(');
    if (!(value.flags & VALUE_FLAG_HYDRATED)) {
        builder_printf(builder, "#%llu)", (unsigned long long)value.node_id);
        return;
    }
    const struct value_node *node = value.node;
    for (uint32_t i = 0; i < node->label_count; i++) {
        builder_char(builder, ':');
        print_name(builder, node->labels[i]);
    }
    if (node->property_count) {
        if (node->label_count)
            builder_char(builder, ' ');
        print_entries(builder, node->properties, node->property_count);
    }
    builder_char(builder, ')');
}

static void
print_rel(struct builder *builder, const struct value_rel *rel)
{
    builder_char(builder, '[');
    if (!rel->hydrated) {
        builder_printf(builder, "#%llu]", (unsigned long long)rel->id.id);
        return;
    }
    builder_char(builder, ':');
    print_name(builder, rel->type);
    if (rel->property_count) {
        builder_char(builder, ' ');
        print_entries(builder, rel->properties, rel->property_count);
    }
    builder_char(builder, ']');
}

static void
print_path(struct builder *builder, const struct value_path *path)
{
    for (uint32_t i = 0; i < path->rel_count; i++) {
        bool forward = path->rels[i].rel->start.id == value_node_id(path->nodes[i]).id;
        print_node(builder, path->nodes[i]);
        builder_add(builder, forward ? TEXT("-") : TEXT("<-"));
        print_rel(builder, path->rels[i].rel);
        builder_add(builder, forward ? TEXT("->") : TEXT("-"));
    }
    print_node(builder, path->nodes[path->rel_count]);
}

static void
print_list(struct builder *builder, struct value list)
{
    builder_char(builder, '[');
    for (uint32_t i = 0; i < list.size; i++) {
        if (i)
            builder_add(builder, TEXT(", "));
        print_value(builder, list.list[i]);
    }
    builder_char(builder, ']');
}

static void
print_bytes(struct builder *builder, struct value bytes)
{
    builder_add(builder, TEXT("0x"));
    for (uint32_t i = 0; i < bytes.size; i++)
        builder_printf(builder, "%02x", bytes.bytes[i]);
}

static const char *const temporal_names[VALUE_TYPE_COUNT] = {
    [VALUE_DATE] = "date",          [VALUE_LOCAL_TIME] = "localtime",
    [VALUE_TIME] = "time",          [VALUE_LOCAL_DATE_TIME] = "localdatetime",
    [VALUE_DATE_TIME] = "datetime", [VALUE_DURATION] = "duration",
};

static void
print_value(struct builder *builder, struct value value)
{
    switch ((enum value_type)value.type) {
    case VALUE_NULL:
        builder_add(builder, TEXT("null"));
        return;
    case VALUE_BOOLEAN:
        builder_add(builder, value.boolean ? TEXT("true") : TEXT("false"));
        return;
    case VALUE_INTEGER:
        builder_printf(builder, "%lld", (long long)value.integer);
        return;
    case VALUE_FLOAT:
        print_float(builder, value.real);
        return;
    case VALUE_STRING:
        print_string(builder, value_text(value));
        return;
    case VALUE_BYTES:
        print_bytes(builder, value);
        return;
    case VALUE_LIST:
        print_list(builder, value);
        return;
    case VALUE_MAP:
        print_entries(builder, value.map, value.size);
        return;
    case VALUE_NODE:
        print_node(builder, value);
        return;
    case VALUE_RELATIONSHIP:
        print_rel(builder, value.rel);
        return;
    case VALUE_PATH:
        print_path(builder, value.path);
        return;
    case VALUE_DATE:
    case VALUE_LOCAL_TIME:
    case VALUE_TIME:
    case VALUE_LOCAL_DATE_TIME:
    case VALUE_DATE_TIME:
    case VALUE_DURATION:
        builder_printf(builder, "%s('", temporal_names[value.type]);
        temporal_print(builder, value);
        builder_add(builder, TEXT("')"));
        return;
    case VALUE_POINT:
        point_print(builder, value.point);
        return;
    case VALUE_TYPE_COUNT:
        break;
    }
    assert(!"no such type");
}

struct text
value_print(struct arena *arena, struct value value)
{
    struct builder builder = builder_start(arena);
    print_value(&builder, value);
    return builder_text(&builder);
}

struct text
value_to_string(struct arena *arena, struct value value)
{
    struct builder builder = builder_start(arena);
    switch ((enum value_type)value.type) {
    case VALUE_STRING:
        return value_text(value);
    case VALUE_DATE:
    case VALUE_LOCAL_TIME:
    case VALUE_TIME:
    case VALUE_LOCAL_DATE_TIME:
    case VALUE_DATE_TIME:
    case VALUE_DURATION:
        temporal_print(&builder, value);
        return builder_text(&builder);
    case VALUE_BOOLEAN:
    case VALUE_INTEGER:
    case VALUE_FLOAT:
    case VALUE_POINT:
        print_value(&builder, value);
        return builder_text(&builder);
    case VALUE_NULL:
    case VALUE_BYTES:
    case VALUE_LIST:
    case VALUE_MAP:
    case VALUE_NODE:
    case VALUE_RELATIONSHIP:
    case VALUE_PATH:
    case VALUE_TYPE_COUNT:
        break;
    }
    return (struct text){NULL, 0};
}
