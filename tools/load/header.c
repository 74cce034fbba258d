#include "tools/load/header.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "engine/value/temporal.h"
#include "shards/store/catalog.h"

struct type_name {
    const char *name;
    enum field_type type;
};

static const struct type_name type_names[] = {
    {"string", FIELD_STRING},
    {"char", FIELD_STRING},
    {"int", FIELD_INTEGER},
    {"long", FIELD_INTEGER},
    {"short", FIELD_INTEGER},
    {"byte", FIELD_INTEGER},
    {"float", FIELD_FLOAT},
    {"double", FIELD_FLOAT},
    {"boolean", FIELD_BOOLEAN},
    {"date", FIELD_DATE},
    {"localtime", FIELD_LOCAL_TIME},
    {"time", FIELD_TIME},
    {"localdatetime", FIELD_LOCAL_DATE_TIME},
    {"datetime", FIELD_DATE_TIME},
    {"duration", FIELD_DURATION},
};

static bool
type_find(struct text name, enum field_type *type)
{
    for (size_t i = 0; i < sizeof(type_names) / sizeof(*type_names); i++) {
        if (text_equal_fold(name, text_of(type_names[i].name))) {
            *type = type_names[i].type;
            return true;
        }
    }
    return false;
}

/* Splits "WORD(Space)" or "WORD{...}": the options in braces are accepted and ignored, as ids are always
 * kept as they are written. */
static struct text
role_split(struct text spec, struct text *space)
{
    *space = (struct text){NULL, 0};
    const char *brace = memchr(spec.data, '{', spec.size);
    if (brace)
        spec.size = (size_t)(brace - spec.data);
    const char *open = memchr(spec.data, '(', spec.size);
    if (!open)
        return spec;
    size_t word_size = (size_t)(open - spec.data);
    if (spec.size > word_size + 1 && spec.data[spec.size - 1] == ')')
        *space = (struct text){open + 1, spec.size - word_size - 2};
    return (struct text){spec.data, word_size};
}

static bool
role_find(struct text word, bool relationships, enum column_role *role)
{
    static const struct {
        const char *word;
        enum column_role role;
        bool relationships, nodes;
    } roles[] = {
        {"ID", ROLE_ID, false, true},          {"LABEL", ROLE_LABEL, false, true},
        {"START_ID", ROLE_START, true, false}, {"END_ID", ROLE_END, true, false},
        {"TYPE", ROLE_TYPE, true, false},      {"IGNORE", ROLE_IGNORE, true, true},
    };
    for (size_t i = 0; i < sizeof(roles) / sizeof(*roles); i++) {
        if (text_equal_fold(word, text_of(roles[i].word)) &&
            (relationships ? roles[i].relationships : roles[i].nodes)) {
            *role = roles[i].role;
            return true;
        }
    }
    return false;
}

/* One header field. Returns NULL, or what is wrong with it. */
static const char *
column_parse(struct text field, bool relationships, struct header_column *column)
{
    *column = (struct header_column){
        .role = ROLE_PROPERTY, .type = FIELD_STRING, .key = TOKEN_NONE};
    const char *colon = memrchr(field.data, ':', field.size);
    struct text name = field, spec = {NULL, 0};
    if (colon) {
        name.size = (size_t)(colon - field.data);
        spec = (struct text){colon + 1, field.size - name.size - 1};
    }
    column->name = name;
    if (spec.size == 0)
        return name.size ? NULL : "a column has neither a name nor a type";
    if (spec.size > 2 && memcmp(spec.data + spec.size - 2, "[]", 2) == 0) {
        column->array = true;
        spec.size -= 2;
    }
    if (type_find(spec, &column->type))
        return name.size ? NULL : "a property column has no name";
    struct text space;
    struct text word = role_split(spec, &space);
    if (column->array || !role_find(word, relationships, &column->role))
        return "unknown column type";
    column->space = space;
    return NULL;
}

static const char *
roles_check(const struct header *header, bool relationships)
{
    uint32_t counts[ROLE_IGNORE + 1] = {0};
    for (uint32_t i = 0; i < header->column_count; i++)
        counts[header->columns[i].role]++;
    if (relationships && (counts[ROLE_START] != 1 || counts[ROLE_END] != 1))
        return "a relationship file needs exactly one :START_ID and one :END_ID column";
    if (counts[ROLE_ID] > 1 || counts[ROLE_LABEL] > 1 || counts[ROLE_TYPE] > 1)
        return "a file may have one :ID, one :LABEL and one :TYPE column";
    for (uint32_t i = 0; i < header->column_count; i++)
        for (uint32_t k = 0; k < i; k++)
            if (header->columns[i].role == ROLE_PROPERTY &&
                header->columns[k].role == ROLE_PROPERTY &&
                text_equal(header->columns[i].name, header->columns[k].name))
                return "two columns have the same name";
    return NULL;
}

bool
header_read(
    struct csv_file *file,
    struct csv_dialect dialect,
    bool relationships,
    struct arena *arena,
    struct header *header,
    char *message,
    size_t message_size)
{
    struct csv_reader *reader = malloc(sizeof(*reader));
    assert(reader);
    const char *begin = file->data;
    size_t mark = file->size >= 3 && memcmp(begin, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    csv_reader_create(reader, dialect, begin + mark, file->size - mark, 1);
    const char *why = "the file has no header line";
    uint32_t column = 0;
    if (csv_read(reader) != CSV_RECORD) {
        why = reader->error ? reader->error : why;
        goto fail;
    }
    header->column_count = reader->field_count;
    header->columns = arena_zeroed(arena, reader->field_count * sizeof(*header->columns));
    assert(header->columns);
    for (column = 0; column < reader->field_count; column++) {
        struct text field = arena_text(arena, reader->fields[column]);
        why = column_parse(field, relationships, &header->columns[column]);
        if (why)
            goto fail;
    }
    column = 0;
    why = roles_check(header, relationships);
    if (why)
        goto fail;
    file->header_size = (size_t)(reader->cursor - begin);
    file->header_lines = reader->next_line - 1;
    csv_reader_destroy(reader);
    free(reader);
    return true;
fail:
    if (column < reader->field_count && reader->field_count)
        snprintf(
            message, message_size, "%s:1: %s (column %u, `%.*s`)", file->path, why, column + 1,
            TEXT_ARGS(reader->fields[column]));
    else
        snprintf(message, message_size, "%s:1: %s", file->path, why);
    csv_reader_destroy(reader);
    free(reader);
    return false;
}

static bool
integer_parse(struct text field, int64_t *out)
{
    size_t i = 0;
    bool negative = false;
    if (field.size && (field.data[0] == '-' || field.data[0] == '+')) {
        negative = field.data[0] == '-';
        i++;
    }
    if (i == field.size)
        return false;
    uint64_t magnitude = 0;
    for (; i < field.size; i++) {
        unsigned digit = (unsigned)(unsigned char)field.data[i] - '0';
        if (digit > 9 || __builtin_mul_overflow(magnitude, (uint64_t)10, &magnitude) ||
            __builtin_add_overflow(magnitude, (uint64_t)digit, &magnitude))
            return false;
    }
    if (magnitude > (uint64_t)INT64_MAX + negative)
        return false;
    *out = (int64_t)(negative ? 0 - magnitude : magnitude);
    return true;
}

static bool
float_parse(struct text field, double *out)
{
    char copy[64];
    if (field.size == 0 || field.size >= sizeof(copy))
        return false;
    memcpy(copy, field.data, field.size);
    copy[field.size] = 0;
    char *end;
    errno = 0;
    *out = strtod(copy, &end);
    return *end == 0 && (errno != ERANGE || fabs(*out) < 1);
}

static struct text
blanks_trim(struct text field)
{
    while (field.size && (field.data[0] == ' ' || field.data[0] == '\t')) {
        field.data++;
        field.size--;
    }
    while (field.size && (field.data[field.size - 1] == ' ' || field.data[field.size - 1] == '\t'))
        field.size--;
    return field;
}

static enum value_type
temporal_type(enum field_type type)
{
    switch (type) {
    case FIELD_DATE:
        return VALUE_DATE;
    case FIELD_LOCAL_TIME:
        return VALUE_LOCAL_TIME;
    case FIELD_TIME:
        return VALUE_TIME;
    case FIELD_LOCAL_DATE_TIME:
        return VALUE_LOCAL_DATE_TIME;
    case FIELD_DATE_TIME:
        return VALUE_DATE_TIME;
    case FIELD_DURATION:
        return VALUE_DURATION;
    case FIELD_STRING:
    case FIELD_INTEGER:
    case FIELD_FLOAT:
    case FIELD_BOOLEAN:
        break;
    }
    assert(!"not a temporal type");
    return VALUE_NULL;
}

static bool
scalar_parse(
    enum field_type type,
    struct text field,
    struct arena *arena,
    struct value *out,
    const char **why)
{
    struct text trimmed = type == FIELD_STRING ? field : blanks_trim(field);
    int64_t integer;
    double real;
    switch (type) {
    case FIELD_STRING:
        *out = value_string(field);
        return true;
    case FIELD_INTEGER:
        *why = "not an integer";
        if (!integer_parse(trimmed, &integer))
            return false;
        *out = value_integer(integer);
        return true;
    case FIELD_FLOAT:
        *why = "not a number";
        if (!float_parse(trimmed, &real))
            return false;
        *out = value_float(real);
        return true;
    case FIELD_BOOLEAN:
        /* As neo4j-admin: everything that is not "true" is false. Stricter here: a typo is an error. */
        *why = "not a boolean (true or false)";
        if (!text_equal_fold(trimmed, TEXT("true")) && !text_equal_fold(trimmed, TEXT("false")))
            return false;
        *out = value_boolean(text_equal_fold(trimmed, TEXT("true")));
        return true;
    case FIELD_DATE:
    case FIELD_LOCAL_TIME:
    case FIELD_TIME:
    case FIELD_LOCAL_DATE_TIME:
    case FIELD_DATE_TIME:
    case FIELD_DURATION:
        *why = "not a date, time or duration of the column's type";
        struct text reason;
        if (type == FIELD_DURATION)
            return duration_parse(arena, trimmed, out, &reason) == 0;
        return temporal_parse(arena, NULL, temporal_type(type), trimmed, out, &reason) == 0;
    }
    *why = "unknown column type";
    return false;
}

bool
field_parse(
    const struct header_column *column,
    struct text field,
    bool quoted,
    char array_delimiter,
    struct arena *arena,
    struct value *out,
    const char **why)
{
    if (field.size == 0 && !(quoted && column->type == FIELD_STRING)) {
        *out = value_null();
        return true;
    }
    if (!column->array)
        return scalar_parse(column->type, field, arena, out, why);
    uint32_t count = 1;
    for (size_t i = 0; i < field.size; i++)
        count += field.data[i] == array_delimiter;
    struct value *items = arena_allocate(arena, count * sizeof(*items));
    assert(items);
    const char *at = field.data, *end = field.data + field.size;
    for (uint32_t i = 0; i < count; i++) {
        const char *stop = memchr(at, array_delimiter, (size_t)(end - at));
        if (!stop)
            stop = end;
        if (!scalar_parse(
                column->type, (struct text){at, (size_t)(stop - at)}, arena, &items[i], why))
            return false;
        at = stop + 1;
    }
    *out = value_list(items, count);
    return true;
}
