#include "net/client/client.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

const char *
qv_status_name(enum qv_status status)
{
    switch (status) {
    case QV_OK:
        return "QV_OK";
    case QV_DONE:
        return "QV_DONE";
    case QV_FAILED:
        return "QV_FAILED";
    case QV_IGNORED:
        return "QV_IGNORED";
    case QV_CANCELLED:
        return "QV_CANCELLED";
    case QV_TIMEOUT:
        return "QV_TIMEOUT";
    case QV_LOST:
        return "QV_LOST";
    case QV_OUTCOME_UNKNOWN:
        return "QV_OUTCOME_UNKNOWN";
    case QV_PROTOCOL:
        return "QV_PROTOCOL";
    case QV_MISUSE:
        return "QV_MISUSE";
    case QV_NO_MEMORY:
        return "QV_NO_MEMORY";
    case QV_TYPE:
        return "QV_TYPE";
    }
    return "unknown status";
}

void
client_error_clear(struct client_error *error)
{
    free(error->text);
    *error = (struct client_error){.public = {.offset = -1}};
    error->public.code = error->code;
    error->public.gql_status = error->gql_status;
    error->public.message = error->small;
}

void
client_error_destroy(struct client_error *error)
{
    free(error->text);
    error->text = NULL;
}

/* The message, on the heap when it is long; cut when there is no memory. */
static void
set_message(struct client_error *error, struct qv_text message)
{
    if (message.size >= sizeof(error->small)) {
        error->text = client_copy_text(message);
        if (error->text) {
            error->public.message = error->text;
            return;
        }
        message.size = sizeof(error->small) - 1;
    }
    if (message.size)
        memcpy(error->small, message.data, message.size);
    error->small[message.size] = 0;
}

enum qv_status
client_error_set(struct client_error *error, enum qv_status status, const char *format, ...)
{
    char text[640];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    client_error_clear(error);
    error->public.status = status;
    if (size < 0)
        size = 0;
    set_message(
        error,
        (struct qv_text){text, (size_t)size < sizeof(text) ? (size_t)size : sizeof(text) - 1});
    return status;
}

void
client_error_copy(struct client_error *to, const struct client_error *from)
{
    if (to == from)
        return;
    const struct qv_error *public = &from->public;
    client_error_clear(to);
    to->public.status = public->status;
    to->public.offset = public->offset;
    to->public.line = public->line;
    to->public.column = public->column;
    memcpy(to->code, from->code, sizeof(to->code));
    memcpy(to->gql_status, from->gql_status, sizeof(to->gql_status));
    set_message(to, (struct qv_text){public->message, strlen(public->message)});
}

static void
copy_field(char *to, size_t to_size, struct qv_text text)
{
    size_t size = text.size < to_size ? text.size : to_size - 1;
    if (size)
        memcpy(to, text.data, size);
    to[size] = 0;
}

static void
take_position(struct client_error *error, struct qv_value metadata)
{
    struct qv_value position = qv_map_get(qv_map_get(metadata, "diagnostic_record"), "_position");
    struct qv_value offset = qv_map_get(position, "offset");
    struct qv_value line = qv_map_get(position, "line"), column = qv_map_get(position, "column");
    if (offset.type == QV_INTEGER && line.type == QV_INTEGER && column.type == QV_INTEGER) {
        error->public.offset = offset.integer;
        error->public.line = (uint32_t)line.integer;
        error->public.column = (uint32_t)column.integer;
        return;
    }
    /* Before 5.7 the position is only in the text: "... (line 1, column 8 (offset: 7))". */
    const char *at = error->public.message, *last = NULL;
    while ((at = strstr(at, "(line ")))
        last = at++;
    unsigned line_number, column_number;
    long long offset_number;
    if (last && sscanf(
                    last, "(line %u, column %u (offset: %lld))", &line_number, &column_number,
                    &offset_number) == 3) {
        error->public.offset = offset_number;
        error->public.line = line_number;
        error->public.column = column_number;
    }
}

void
client_error_from_failure(struct client_error *error, struct qv_value metadata)
{
    client_error_clear(error);
    error->public.status = QV_FAILED;
    struct qv_value code = qv_map_get(metadata, "neo4j_code");
    if (code.type != QV_STRING)
        code = qv_map_get(metadata, "code");
    copy_field(error->code, sizeof(error->code), qv_value_text(code));
    copy_field(
        error->gql_status, sizeof(error->gql_status),
        qv_value_text(qv_map_get(metadata, "gql_status")));
    struct qv_text message = qv_value_text(qv_map_get(metadata, "message"));
    if (message.size == 0)
        message = (struct qv_text){"the server gave no message", 26};
    set_message(error, message);
    take_position(error, metadata);
}
