/* Results: rows handed out one at a time.
 *
 * A row comes from one of two places: the receive buffer, when the result is being read as its rows
 * arrive, or the result's stash, when they arrived while another result was read. The stash comes first.
 *
 * Invariants
 *  1. `row` is valid only while has_row; both places keep their bytes until the next call.
 *  2. state only goes forward: RUNNING, STREAMING, DONE. A failed result is DONE at once, its stash empty.
 *  3. A result closed by the caller lives until its last answer has come (request.c frees it). */
#include "net/client/client.h"

#include <stdlib.h>

struct qv_result *
result_new(struct qv_connection *connection)
{
    struct qv_result *result = calloc(1, sizeof(*result));
    if (!result)
        return NULL;
    result->connection = connection;
    result->in_transaction = connection->transaction == TRANSACTION_OPEN;
    result->query_id = -1;
    result->fetch_size = connection->fetch_size;
    result->first_row_ms = -1;
    list_push_back(&connection->results, &result->link);
    return result;
}

static void
stash_destroy(struct qv_result *result)
{
    if (result->connection)
        result->connection->stash_size -= result->stash.capacity;
    free(result->stash.data);
    result->stash = (struct stash){0};
}

void
result_free(struct qv_result *result)
{
    stash_destroy(result);
    if (result->connection) {
        list_remove(&result->link);
        if (result->connection->limited == result)
            result->connection->limited = NULL;
        if (result->connection->unpulled == result)
            result->connection->unpulled = NULL;
    }
    client_error_destroy(&result->error);
    free(result->head);
    free(result->tail);
    free(result->columns);
    free(result->row);
    free(result);
}

void
result_fail(struct qv_result *result, const struct client_error *error)
{
    if (result->connection && result->connection->limited == result)
        result->connection->limited = NULL;
    if (result->state == RESULT_DONE)
        return;
    result->state = RESULT_DONE;
    result->has_error = true;
    client_error_copy(&result->error, error);
    stash_destroy(result);
}

static enum qv_status
fail_here(struct qv_result *result, enum qv_status status, const char *text)
{
    struct client_error error = {.text = NULL};
    client_error_set(&error, status, "%s", text);
    result_fail(result, &error);
    client_error_destroy(&error);
    return status;
}

static uint8_t *
copy_encoded(struct qv_value value)
{
    uint8_t *copy = malloc(value.encoded_size);
    if (copy)
        memcpy(copy, value.encoded, value.encoded_size);
    return copy;
}

enum qv_status
result_take_head(struct qv_result *result, struct qv_value metadata)
{
    struct qv_value copied, item;
    size_t used;
    if (result->state != RESULT_RUNNING)
        return QV_OK;
    result->head = copy_encoded(metadata);
    if (!result->head || !client_value_decode(result->head, metadata.encoded_size, &copied, &used))
        return QV_NO_MEMORY;
    result->head_size = used;
    struct qv_value fields = qv_map_get(copied, "fields");
    if (fields.type != QV_LIST)
        return QV_PROTOCOL;
    result->columns = calloc(fields.size + 1, sizeof(*result->columns));
    result->row = calloc(fields.size + 1, sizeof(*result->row));
    if (!result->columns || !result->row)
        return QV_NO_MEMORY;
    struct qv_iterator items = qv_value_items(fields);
    for (uint32_t i = 0; i < fields.size; i++) {
        if (qv_iterator_next(&items, NULL, &item) != QV_OK || item.type != QV_STRING)
            return QV_PROTOCOL;
        result->columns[i] = qv_value_text(item);
    }
    result->column_count = fields.size;
    struct qv_value query_id = qv_map_get(copied, "qid"), first = qv_map_get(copied, "t_first");
    if (query_id.type == QV_INTEGER)
        result->query_id = query_id.integer;
    if (first.type == QV_INTEGER)
        result->first_row_ms = first.integer;
    result->state = RESULT_STREAMING;
    return QV_OK;
}

enum qv_status
result_take_tail(struct qv_result *result, struct qv_value metadata)
{
    if (result->state == RESULT_DONE)
        return QV_OK;
    result->tail = copy_encoded(metadata);
    result->tail_size = metadata.encoded_size;
    result->state = RESULT_DONE;
    if (!result->tail)
        return client_break(result->connection, QV_NO_MEMORY, "no memory");
    return QV_OK;
}

/* ---- rows ---- */

static bool
row_decode(struct qv_result *result, const uint8_t *data, size_t size)
{
    struct pack_reader reader;
    struct pack_item list;
    pack_reader_create(&reader, data, size);
    if (pack_read_typed(&reader, PACK_LIST, &list) || list.size != result->column_count)
        return false;
    size_t offset = reader.offset, used;
    for (uint32_t i = 0; i < list.size; i++) {
        if (!client_value_decode(data + offset, size - offset, &result->row[i], &used))
            return false;
        offset += used;
    }
    return offset == size;
}

static enum qv_status
stash_append(struct qv_result *result, const uint8_t *data, size_t size)
{
    struct stash *stash = &result->stash;
    struct qv_connection *connection = result->connection;
    size_t need = sizeof(uint64_t) + size;
    if (stash->capacity - stash->size < need) {
        size_t capacity = stash->capacity ? stash->capacity * 2 : 4096;
        while (capacity - stash->size < need)
            capacity *= 2;
        size_t more = capacity - stash->capacity;
        if (connection->stash_size + more > connection->stash_size_max)
            return fail_here(
                result, QV_NO_MEMORY,
                "too many rows were kept while other results were read; read results in the order "
                "they were run");
        uint8_t *grown = realloc(stash->data, capacity);
        if (!grown)
            return fail_here(result, QV_NO_MEMORY, "no memory for rows");
        connection->stash_size += more;
        stash->data = grown;
        stash->capacity = capacity;
    }
    uint64_t word = size;
    memcpy(stash->data + stash->size, &word, sizeof(word));
    memcpy(stash->data + stash->size + sizeof(word), data, size);
    stash->size += need;
    return QV_OK;
}

enum qv_status
result_take_record(struct qv_result *result, const uint8_t *data, size_t size)
{
    struct qv_connection *connection = result->connection;
    if (result->dropping || result->state != RESULT_STREAMING)
        return QV_OK;
    if (connection->reader != result) {
        (void)stash_append(result, data, size); /* a failure is the result's own */
        return QV_OK;
    }
    if (!row_decode(result, data, size))
        return client_break(connection, QV_PROTOCOL, "the server sent a malformed row");
    result->has_row = true;
    return QV_OK;
}

/* The oldest stashed row becomes the current one; false when there is none. */
static bool
stash_take(struct qv_result *result)
{
    struct stash *stash = &result->stash;
    uint64_t size;
    if (stash->offset == stash->size) {
        stash->offset = stash->size = 0;
        return false;
    }
    memcpy(&size, stash->data + stash->offset, sizeof(size));
    const uint8_t *data = stash->data + stash->offset + sizeof(size);
    stash->offset += sizeof(size) + size;
    if (!row_decode(result, data, size)) {
        (void)client_break(result->connection, QV_PROTOCOL, "the server sent a malformed row");
        return false;
    }
    result->has_row = true;
    return true;
}

/* One step towards the next row or the end: ask when nothing was asked, then wait for one answer. */
static enum qv_status
result_advance(struct qv_result *result)
{
    struct qv_connection *connection = result->connection;
    enum qv_status status = QV_OK;
    if (result->state == RESULT_STREAMING && !result->pull_outstanding)
        status = request_more(connection, result);
    if (status == QV_OK)
        status = request_send(connection);
    /* While sending, rows may have been stashed and the end may have come. */
    if (status != QV_OK || result->state == RESULT_DONE ||
        result->stash.size > result->stash.offset)
        return status;
    connection->reader = result;
    status = request_step(connection);
    connection->reader = NULL;
    return status;
}

enum qv_status
qv_result_next(struct qv_result *result)
{
    result->has_row = false;
    if (result->connection)
        result->connection->has_error = false;
    while (!stash_take(result)) {
        if (result->state == RESULT_DONE) {
            if (!result->has_error)
                return QV_DONE;
            if (result->connection && !result->connection->is_broken)
                (void)request_send(
                    result->connection); /* the RESET that a failure made necessary */
            if (result->connection)
                (void)client_set_error(result->connection, &result->error);
            return result->error.public.status;
        }
        enum qv_status status = result_advance(result);
        if (status != QV_OK && result->state != RESULT_DONE)
            return fail_here(result, status, qv_connection_error(result->connection)->message);
        if (result->has_row)
            break;
    }
    result->row_count++;
    return QV_OK;
}

enum qv_status
qv_result_wait(struct qv_result *result)
{
    while (result->state == RESULT_RUNNING) {
        enum qv_status status = request_send(result->connection);
        if (status == QV_OK && result->state == RESULT_RUNNING)
            status = request_step(result->connection);
        if (status != QV_OK && result->state == RESULT_RUNNING)
            return fail_here(result, status, qv_connection_error(result->connection)->message);
    }
    if (!result->has_error)
        return QV_OK;
    if (result->connection)
        (void)client_set_error(result->connection, &result->error);
    return result->error.public.status;
}

enum qv_status
qv_result_finish(struct qv_result *result)
{
    result->dropping = true;
    result->has_row = false;
    stash_destroy(result);
    enum qv_status status = qv_result_next(result);
    assert(status != QV_OK);
    return status == QV_DONE ? QV_OK : status;
}

void
qv_result_close(struct qv_result *result)
{
    if (!result)
        return;
    result->closed = result->dropping = true;
    result->has_row = false;
    stash_destroy(result);
    struct qv_connection *connection = result->connection;
    if (connection && !connection->is_broken && result->state == RESULT_STREAMING &&
        !result->pull_outstanding)
        (void)request_more(connection, result);
    if (!connection || connection->is_broken ||
        (result->state == RESULT_DONE && !result->pull_outstanding))
        result_free(result);
    /* Else its last answer frees it. The server should not hold it open until the next call. */
    if (connection && !connection->is_broken && connection->wire.out.size > 0)
        (void)request_send(connection);
}

/* ---- looking ---- */

const struct qv_error *
qv_result_error(const struct qv_result *result)
{
    return result->has_error ? &result->error.public : NULL;
}

uint32_t
qv_result_column_count(const struct qv_result *result)
{
    return result->column_count;
}

struct qv_text
qv_result_column(const struct qv_result *result, uint32_t column)
{
    return column < result->column_count ? result->columns[column] : (struct qv_text){"", 0};
}

struct qv_value
qv_result_value(const struct qv_result *result, uint32_t column)
{
    if (!result->has_row || column >= result->column_count)
        return (struct qv_value){.type = QV_NULL};
    return result->row[column];
}

uint64_t
qv_result_row_count(const struct qv_result *result)
{
    return result->row_count;
}

struct qv_value
qv_result_metadata(const struct qv_result *result)
{
    struct qv_value metadata = {.type = QV_NULL};
    size_t used;
    if (result->tail && !client_value_decode(result->tail, result->tail_size, &metadata, &used))
        metadata.type = QV_NULL;
    return metadata;
}

static int64_t
integer_of(struct qv_value map, const char *key, int64_t otherwise)
{
    struct qv_value value = qv_map_get(map, key);
    return value.type == QV_INTEGER ? value.integer : otherwise;
}

enum qv_status
qv_result_summary(const struct qv_result *result, struct qv_summary *summary)
{
    *summary = (struct qv_summary){.first_row_ms = result->first_row_ms, .last_row_ms = -1};
    if (!result->tail)
        return QV_MISUSE;
    struct qv_value metadata = qv_result_metadata(result);
    struct qv_text type = qv_value_text(qv_map_get(metadata, "type"));
    struct qv_value stats = qv_map_get(metadata, "stats");
    if (type.size < sizeof(summary->type))
        memcpy(summary->type, type.data, type.size);
    summary->last_row_ms = integer_of(metadata, "t_last", -1);
    summary->contains_updates = stats.type == QV_MAP && stats.size > 0;
    summary->nodes_created = integer_of(stats, "nodes-created", 0);
    summary->nodes_deleted = integer_of(stats, "nodes-deleted", 0);
    summary->relationships_created = integer_of(stats, "relationships-created", 0);
    summary->relationships_deleted = integer_of(stats, "relationships-deleted", 0);
    summary->properties_set = integer_of(stats, "properties-set", 0);
    summary->labels_added = integer_of(stats, "labels-added", 0);
    summary->labels_removed = integer_of(stats, "labels-removed", 0);
    summary->indexes_added = integer_of(stats, "indexes-added", 0);
    summary->indexes_removed = integer_of(stats, "indexes-removed", 0);
    summary->constraints_added = integer_of(stats, "constraints-added", 0);
    summary->constraints_removed = integer_of(stats, "constraints-removed", 0);
    return QV_OK;
}
