/* Values as text, in the notations of qv_value_print. */
#include "net/client/client.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { PRINT_NESTING_MAX = 128 };

/* Where the text goes; counts on when there is no room left. */
struct printer {
    char *out;
    size_t out_size;
    size_t size; /* of the whole text */
    enum qv_notation notation;
    uint32_t depth;
};

static void
print_bytes(struct printer *printer, const char *data, size_t size)
{
    if (printer->size + 1 < printer->out_size) {
        size_t room = printer->out_size - 1 - printer->size;
        memcpy(printer->out + printer->size, data, size < room ? size : room);
    }
    printer->size += size;
}

static void
print_text(struct printer *printer, const char *text)
{
    print_bytes(printer, text, strlen(text));
}

static void __attribute__((format(printf, 2, 3)))
print_format(struct printer *printer, const char *format, ...)
{
    char text[128];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    assert(size >= 0 && (size_t)size < sizeof(text));
    print_bytes(printer, text, (size_t)size);
}

static void
print_quoted(struct printer *printer, struct qv_text text, char quote)
{
    print_bytes(printer, &quote, 1);
    size_t start = 0;
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c >= 0x20 && c != '\\' && c != (unsigned char)quote && c != 0x7f)
            continue;
        print_bytes(printer, text.data + start, i - start);
        start = i + 1;
        if (c == '\n')
            print_text(printer, "\\n");
        else if (c == '\t')
            print_text(printer, "\\t");
        else if (c == '\r')
            print_text(printer, "\\r");
        else if (c < 0x20 || c == 0x7f)
            print_format(printer, "\\u%04x", c);
        else
            print_format(printer, "\\%c", c);
    }
    print_bytes(printer, text.data + start, text.size - start);
    print_bytes(printer, &quote, 1);
}

/* A key or label: bare when it is an identifier, else in backticks. */
static void
print_name(struct printer *printer, struct qv_text name)
{
    bool plain = name.size > 0;
    for (size_t i = 0; i < name.size; i++) {
        unsigned char c = (unsigned char)name.data[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c >= 0x80;
        plain = plain && (letter || (i > 0 && c >= '0' && c <= '9'));
    }
    if (plain) {
        print_bytes(printer, name.data, name.size);
        return;
    }
    print_text(printer, "`");
    for (size_t i = 0; i < name.size; i++) {
        print_bytes(printer, name.data + i, 1);
        if (name.data[i] == '`')
            print_text(printer, "`");
    }
    print_text(printer, "`");
}

/* The shortest digits that read back as the same number, always with a point or an exponent. */
static void
print_float(struct printer *printer, double real)
{
    char text[40];
    bool json = printer->notation == QV_JSON;
    if (isnan(real) || isinf(real)) {
        const char *name = isnan(real) ? "NaN" : real > 0 ? "Infinity" : "-Infinity";
        print_format(printer, json ? "\"%s\"" : "%s", name);
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, real);
        if (strtod(text, NULL) == real) /* NOLINT: exact on purpose */
            break;
    }
    print_text(printer, text);
    if (!strpbrk(text, ".e"))
        print_text(printer, ".0");
}

static void
print_hex(struct printer *printer, struct qv_value value)
{
    print_text(printer, printer->notation == QV_JSON ? "\"" : "0x");
    for (uint32_t i = 0; i < value.size; i++)
        print_format(printer, "%02X", value.bytes[i]);
    if (printer->notation == QV_JSON)
        print_text(printer, "\"");
}

/* ---- temporals ---- */

/* Proleptic Gregorian date of a day number (Howard Hinnant, "chrono-compatible low-level date algorithms"). */
static void
print_day(struct printer *printer, int64_t days)
{
    if (days < -400000000000 || days > 400000000000) {
        print_format(printer, "%lld days", (long long)days);
        return;
    }
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted_month = (5 * day_of_year + 2) / 153;
    int64_t day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    int64_t month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
    int64_t year = year_of_era + era * 400 + (month <= 2);
    const char *sign = year < 0 ? "-" : year > 9999 ? "+" : "";
    print_format(
        printer, "%s%04lld-%02lld-%02lld", sign, (long long)(year < 0 ? -year : year),
        (long long)month, (long long)day);
}

static void
print_fraction(struct printer *printer, int64_t nanoseconds)
{
    char digits[16];
    if (nanoseconds == 0)
        return;
    int size = snprintf(digits, sizeof(digits), ".%09lld", (long long)nanoseconds);
    while (size > 0 && digits[size - 1] == '0')
        digits[--size] = 0;
    print_text(printer, digits);
}

static void
print_clock(struct printer *printer, int64_t seconds, int64_t nanoseconds)
{
    print_format(printer, "%02d:%02d", (int)(seconds / 3600 % 100), (int)(seconds / 60 % 60));
    if (seconds % 60 || nanoseconds)
        print_format(printer, ":%02d", (int)(seconds % 60));
    print_fraction(printer, nanoseconds);
}

static void
print_offset(struct printer *printer, int32_t offset)
{
    if (offset == 0) {
        print_text(printer, "Z");
        return;
    }
    int64_t magnitude = offset < 0 ? -(int64_t)offset : offset;
    print_format(
        printer, "%c%02d:%02d", offset < 0 ? '-' : '+', (int)(magnitude / 3600),
        (int)(magnitude / 60 % 60));
    if (magnitude % 60)
        print_format(printer, ":%02d", (int)(magnitude % 60));
}

static void
print_date_time(struct printer *printer, struct qv_value value)
{
    struct qv_date_time when;
    if (qv_value_date_time(value, &when) != QV_OK || when.seconds > INT64_MAX / 2 ||
        when.seconds < INT64_MIN / 2) {
        print_text(printer, "?");
        return;
    }
    int64_t seconds = when.seconds + when.offset_seconds;
    int64_t days = (seconds >= 0 ? seconds : seconds - 86399) / 86400;
    print_day(printer, days);
    print_text(printer, "T");
    print_clock(printer, seconds - days * 86400, when.nanoseconds);
    if (value.type == QV_DATE_TIME)
        print_offset(printer, when.offset_seconds);
    if (when.zone.size) {
        print_text(printer, "[");
        print_bytes(printer, when.zone.data, when.zone.size);
        print_text(printer, "]");
    }
}

static void
print_duration(struct printer *printer, struct qv_value value)
{
    struct qv_duration duration;
    if (qv_value_duration(value, &duration) != QV_OK) {
        print_text(printer, "?");
        return;
    }
    print_text(printer, "P");
    if (duration.months / 12)
        print_format(printer, "%lldY", (long long)(duration.months / 12));
    if (duration.months % 12)
        print_format(printer, "%lldM", (long long)(duration.months % 12));
    if (duration.days)
        print_format(printer, "%lldD", (long long)duration.days);
    bool clock = duration.seconds || duration.nanoseconds;
    if (!clock) {
        if (!duration.months && !duration.days)
            print_text(printer, "T0S");
        return;
    }
    print_text(printer, "T");
    int64_t seconds = duration.seconds, nanoseconds = duration.nanoseconds;
    if (seconds < 0 && nanoseconds > 0) { /* -1 s + 0.5 s is -0.5 s */
        seconds++;
        nanoseconds = 1000000000 - nanoseconds;
    }
    if (seconds / 3600)
        print_format(printer, "%lldH", (long long)(seconds / 3600));
    if (seconds / 60 % 60)
        print_format(printer, "%lldM", (long long)(seconds / 60 % 60));
    if (seconds % 60 || nanoseconds) {
        print_format(
            printer, "%s%lld", duration.seconds < 0 && seconds % 60 == 0 && nanoseconds ? "-" : "",
            (long long)(seconds % 60));
        print_fraction(printer, nanoseconds < 0 ? -nanoseconds : nanoseconds);
        print_text(printer, "S");
    }
}

static void
print_temporal(struct printer *printer, struct qv_value value)
{
    struct qv_time time;
    struct qv_date date;
    bool json = printer->notation == QV_JSON;
    if (json)
        print_text(printer, "\"");
    if (value.type == QV_DATE && qv_value_date(value, &date) == QV_OK) {
        print_day(printer, date.days);
    } else if (qv_value_time(value, &time) == QV_OK && time.nanoseconds >= 0) {
        print_clock(printer, time.nanoseconds / 1000000000, time.nanoseconds % 1000000000);
        if (value.type == QV_TIME)
            print_offset(printer, time.offset_seconds);
    } else if (value.type == QV_DURATION) {
        print_duration(printer, value);
    } else {
        print_date_time(printer, value);
    }
    if (json)
        print_text(printer, "\"");
}

static void
print_point(struct printer *printer, struct qv_value value)
{
    struct qv_point point;
    bool json = printer->notation == QV_JSON;
    if (qv_value_point(value, &point) != QV_OK) {
        print_text(printer, json ? "null" : "?");
        return;
    }
    print_format(printer, json ? "{\"srid\":%u,\"x\":" : "point({srid: %u, x: ", point.srid);
    print_float(printer, point.x);
    print_text(printer, json ? ",\"y\":" : ", y: ");
    print_float(printer, point.y);
    if (point.dimensions == 3) {
        print_text(printer, json ? ",\"z\":" : ", z: ");
        print_float(printer, point.z);
    }
    print_text(printer, json ? "}" : "})");
}

/* ---- containers and entities ---- */

static void print_value(struct printer *printer, struct qv_value value);

static void
print_list(struct printer *printer, struct qv_value list)
{
    struct qv_iterator items = qv_value_items(list);
    struct qv_value item;
    print_text(printer, "[");
    for (bool first = true; qv_iterator_next(&items, NULL, &item) == QV_OK; first = false) {
        if (!first)
            print_text(printer, printer->notation == QV_JSON ? "," : ", ");
        print_value(printer, item);
    }
    print_text(printer, "]");
}

static void
print_map(struct printer *printer, struct qv_value map)
{
    struct qv_iterator items = qv_value_items(map);
    struct qv_text key;
    struct qv_value item;
    bool json = printer->notation == QV_JSON;
    print_text(printer, "{");
    for (bool first = true; qv_iterator_next(&items, &key, &item) == QV_OK; first = false) {
        if (!first)
            print_text(printer, json ? "," : ", ");
        if (json)
            print_quoted(printer, key, '"');
        else
            print_name(printer, key);
        print_text(printer, json ? ":" : ": ");
        print_value(printer, item);
    }
    print_text(printer, "}");
}

static void
print_node(struct printer *printer, const struct qv_node *node)
{
    if (printer->notation == QV_JSON) {
        print_format(printer, "{\"id\":%lld,\"elementId\":", (long long)node->id);
        print_quoted(printer, node->element_id, '"');
        print_text(printer, ",\"labels\":");
        print_list(printer, node->labels);
        print_text(printer, ",\"properties\":");
        print_map(printer, node->properties);
        print_text(printer, "}");
        return;
    }
    struct qv_iterator labels = qv_value_items(node->labels);
    struct qv_value label;
    print_text(printer, "(");
    while (qv_iterator_next(&labels, NULL, &label) == QV_OK) {
        print_text(printer, ":");
        print_name(printer, qv_value_text(label));
    }
    if (node->properties.size) {
        if (node->labels.size)
            print_text(printer, " ");
        print_map(printer, node->properties);
    }
    print_text(printer, ")");
}

static void
print_relationship(struct printer *printer, const struct qv_relationship *relationship)
{
    if (printer->notation == QV_JSON) {
        print_format(
            printer,
            "{\"id\":%lld,\"start\":%lld,\"end\":%lld,\"elementId\":", (long long)relationship->id,
            (long long)relationship->start_id, (long long)relationship->end_id);
        print_quoted(printer, relationship->element_id, '"');
        print_text(printer, ",\"type\":");
        print_quoted(printer, relationship->type, '"');
        print_text(printer, ",\"properties\":");
        print_map(printer, relationship->properties);
        print_text(printer, "}");
        return;
    }
    print_text(printer, "[:");
    print_name(printer, relationship->type);
    if (relationship->properties.size) {
        print_text(printer, " ");
        print_map(printer, relationship->properties);
    }
    print_text(printer, "]");
}

static void
print_path(struct printer *printer, struct qv_value value)
{
    struct qv_path path;
    struct qv_node node;
    struct qv_relationship relationship;
    bool forward = true, json = printer->notation == QV_JSON;
    bool readable = qv_value_path(value, &path) == QV_OK && qv_path_node(&path, 0, &node) == QV_OK;
    if (!readable) {
        print_text(printer, json ? "null" : "?");
        return;
    }
    if (json)
        print_text(printer, "[");
    print_node(printer, &node);
    for (uint32_t i = 0; i < path.length; i++) {
        if (qv_path_relationship(&path, i, &relationship, &forward) != QV_OK ||
            qv_path_node(&path, i + 1, &node) != QV_OK)
            break;
        print_text(printer, json ? "," : forward ? "-" : "<-");
        print_relationship(printer, &relationship);
        print_text(printer, json ? "," : forward ? "->" : "-");
        print_node(printer, &node);
    }
    if (json)
        print_text(printer, "]");
}

static void
print_entity(struct printer *printer, struct qv_value value)
{
    struct qv_node node;
    struct qv_relationship relationship;
    if (qv_value_node(value, &node) == QV_OK)
        print_node(printer, &node);
    else if (qv_value_relationship(value, &relationship) == QV_OK)
        print_relationship(printer, &relationship);
    else
        print_text(printer, printer->notation == QV_JSON ? "null" : "?");
}

static void
print_scalar(struct printer *printer, struct qv_value value)
{
    if (value.type == QV_NULL)
        print_text(printer, "null");
    else if (value.type == QV_BOOLEAN)
        print_text(printer, value.boolean ? "true" : "false");
    else if (value.type == QV_INTEGER)
        print_format(printer, "%lld", (long long)value.integer);
    else if (value.type == QV_FLOAT)
        print_float(printer, value.real);
    else if (value.type == QV_BYTES)
        print_hex(printer, value);
    else
        print_quoted(printer, qv_value_text(value), printer->notation == QV_JSON ? '"' : '\'');
}

static void
print_value(struct printer *printer, struct qv_value value)
{
    if (printer->depth >= PRINT_NESTING_MAX) {
        print_text(printer, printer->notation == QV_JSON ? "null" : "...");
        return;
    }
    printer->depth++;
    switch (value.type) {
    case QV_NULL:
    case QV_BOOLEAN:
    case QV_INTEGER:
    case QV_FLOAT:
    case QV_STRING:
    case QV_BYTES:
        print_scalar(printer, value);
        break;
    case QV_LIST:
    case QV_UNKNOWN:
        print_list(printer, value);
        break;
    case QV_MAP:
        print_map(printer, value);
        break;
    case QV_NODE:
    case QV_RELATIONSHIP:
        print_entity(printer, value);
        break;
    case QV_PATH:
        print_path(printer, value);
        break;
    case QV_DATE:
    case QV_TIME:
    case QV_LOCAL_TIME:
    case QV_DATE_TIME:
    case QV_LOCAL_DATE_TIME:
    case QV_DURATION:
        print_temporal(printer, value);
        break;
    case QV_POINT:
        print_point(printer, value);
        break;
    }
    printer->depth--;
}

size_t
qv_value_print(struct qv_value value, enum qv_notation notation, char *out, size_t size)
{
    struct printer printer = {.out = out, .out_size = size, .notation = notation};
    if (notation == QV_PLAIN && value.type == QV_STRING)
        print_bytes(&printer, value.string, value.size);
    else if (notation != QV_PLAIN || value.type != QV_NULL)
        print_value(&printer, value);
    if (size > 0)
        out[printer.size < size ? printer.size : size - 1] = 0;
    return printer.size;
}
