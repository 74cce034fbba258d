/* Import by phases.
 *
 *      phase 1: nodes            phase 2: relationships
 *      chunk -> worker ----+     chunk -> worker ----+
 *                id -> node map            map: ends -> node ids
 *                NODE_CREATE               REL_CREATE, REL_ATTACH
 *
 * Invariants
 *  1. All nodes are in the map before the first relationship is read.
 *  2. A node's number is given once: sequence s becomes partition s mod 1,024, local s / 1,024 + 1, so nodes
 *     of one file are spread evenly and lie together inside each partition.
 *  3. The first error stops every worker; it names file and line. */
#include "tools/load/load.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/limits.h"
#include "tools/load/idmap.h"
#include "tools/load/progress.h"

enum { SEQUENCE_LEASE = 1024, SPACE_COUNT_MAX = 255, WORD_COUNT_MAX = 64, PREFETCH_ROWS = 64 };

struct load {
    const struct load_options *options;
    struct source *sources;
    uint32_t source_count;
    struct sink *sink;
    struct idmap *ids;
    struct progress progress;

    struct text spaces[SPACE_COUNT_MAX];
    uint32_t space_count;

    pthread_mutex_t lock; /* guards the five below, and the message */
    bool relationships;   /* the phase */
    uint32_t source_index, file_index;
    size_t position;
    uint64_t line;
    char *message;
    size_t message_size;

    atomic_bool failed;
    atomic_uint_fast64_t next_sequence;
    atomic_uint_fast64_t next_rel[PARTITION_COUNT];
    atomic_uint_fast64_t nodes, rels, properties, skipped_rels, skipped_nodes;
};

struct worker {
    struct load *load;
    uint32_t index;
    pthread_t thread;
    uint64_t sequence, sequence_end;
    struct arena arena; /* of one row */
    struct csv_reader reader;
    const struct source *source;
    const struct csv_chunk *chunk;
};

static void
load_fail(
    struct load *load,
    const char *path,
    uint64_t line,
    const char *why,
    const char *column,
    struct text value)
{
    pthread_mutex_lock(&load->lock);
    if (!atomic_exchange(&load->failed, true)) {
        int shown = value.size > 60 ? 60 : (int)value.size;
        if (column && *column)
            snprintf(
                load->message, load->message_size, "%s:%llu: %s: `%.*s` (column %s)", path,
                (unsigned long long)line, why, shown, value.data, column);
        else if (value.data)
            snprintf(
                load->message, load->message_size, "%s:%llu: %s: `%.*s`", path,
                (unsigned long long)line, why, shown, value.data);
        else
            snprintf(
                load->message, load->message_size, "%s:%llu: %s", path, (unsigned long long)line,
                why);
    }
    pthread_mutex_unlock(&load->lock);
}

static void
worker_fail(
    struct worker *worker, const char *why, const struct header_column *column, struct text value)
{
    char name[128] = "";
    if (column && column->name.size)
        snprintf(name, sizeof(name), "%.*s", TEXT_ARGS(column->name));
    load_fail(worker->load, worker->chunk->file->path, worker->reader.line, why, name, value);
}

static uint32_t
space_find(struct load *load, struct text space)
{
    for (uint32_t i = 0; i < load->space_count; i++)
        if (text_equal(load->spaces[i], space))
            return i;
    assert(load->space_count < SPACE_COUNT_MAX);
    load->spaces[load->space_count] = space;
    return load->space_count++;
}

/* The next chunk of the current phase, over all its sources and files. */
static bool
chunk_take(struct load *load, const struct source **source, struct csv_chunk *chunk)
{
    bool found = false;
    pthread_mutex_lock(&load->lock);
    while (!found && load->source_index < load->source_count) {
        struct source *current = &load->sources[load->source_index];
        if (current->relationships != load->relationships ||
            load->file_index == current->file_count) {
            load->source_index++;
            load->file_index = 0;
            load->position = 0;
            continue;
        }
        struct csv_file *file = &current->files[load->file_index];
        if (load->position == 0) {
            load->position = file->header_size;
            load->line = file->header_lines + 1;
        }
        found = csv_chunk_next(file, load->options->dialect, &load->position, &load->line, chunk);
        if (!found || load->position == file->size) {
            load->file_index += 1;
            load->position = 0;
        }
        *source = current;
    }
    pthread_mutex_unlock(&load->lock);
    return found;
}

static node_id
node_take(struct worker *worker)
{
    if (worker->sequence == worker->sequence_end) {
        worker->sequence = atomic_fetch_add(&worker->load->next_sequence, SEQUENCE_LEASE);
        worker->sequence_end = worker->sequence + SEQUENCE_LEASE;
    }
    uint64_t sequence = worker->sequence++;
    return (node_id){
        (sequence / PARTITION_COUNT + 1) << PARTITION_BITS | sequence % PARTITION_COUNT};
}

/* Splits the field of a :LABEL column into tokens; returns how many there are in all. */
static uint32_t
labels_read(struct worker *worker, struct text field, uint32_t *labels, uint32_t count)
{
    const char *at = field.data, *end = at + field.size;
    while (at < end && count < WORD_COUNT_MAX) {
        const char *stop = memchr(at, worker->load->options->array_delimiter, (size_t)(end - at));
        stop = stop ? stop : end;
        if (stop > at)
            labels[count++] = sink_token(
                worker->load->sink, TOKEN_LABEL, (struct text){at, (size_t)(stop - at)});
        at = stop + 1;
    }
    return count;
}

static int
token_compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static int
property_compare(const void *a, const void *b)
{
    uint32_t x = ((const struct property *)a)->key, y = ((const struct property *)b)->key;
    return (x > y) - (x < y);
}

/* Adds the column's value to `properties` unless it is null. */
static bool
property_read(
    struct worker *worker,
    const struct header_column *column,
    uint32_t field_index,
    struct property *properties,
    uint32_t *count)
{
    const char *why = NULL;
    struct value value;
    struct text field = worker->reader.fields[field_index];
    if (!field_parse(
            column, field, worker->reader.quoted[field_index],
            worker->load->options->array_delimiter, &worker->arena, &value, &why)) {
        worker_fail(worker, why, column, field);
        return false;
    }
    if (!value_is_null(value))
        properties[(*count)++] = (struct property){column->key, value};
    return true;
}

static uint32_t
tokens_unique(uint32_t *tokens, uint32_t count)
{
    qsort(tokens, count, sizeof(*tokens), token_compare);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++)
        if (!kept || tokens[kept - 1] != tokens[i])
            tokens[kept++] = tokens[i];
    return kept;
}

static bool
node_row_load(struct worker *worker)
{
    struct load *load = worker->load;
    const struct header *header = &worker->source->header;
    struct csv_reader *reader = &worker->reader;
    uint32_t labels[SOURCE_NAME_COUNT_MAX + WORD_COUNT_MAX];
    uint32_t label_count = worker->source->name_count, property_count = 0;
    memcpy(labels, worker->source->tokens, label_count * sizeof(*labels));
    struct property *properties = arena_allocate(
        &worker->arena, header->column_count * sizeof(*properties));
    assert(properties);
    node_id node = node_take(worker);
    for (uint32_t i = 0; i < header->column_count; i++) {
        const struct header_column *column = &header->columns[i];
        if (column->role == ROLE_ID) {
            if (reader->fields[i].size == 0) {
                worker_fail(worker, "the id is empty", column, reader->fields[i]);
                return false;
            }
            if (!idmap_insert(load->ids, column->space_index, reader->fields[i], node.id)) {
                if (load->options->skip_duplicate_nodes) {
                    atomic_fetch_add(&load->skipped_nodes, 1);
                    return true;
                }
                worker_fail(worker, "the id is not unique", column, reader->fields[i]);
                return false;
            }
        }
        if (column->role == ROLE_LABEL)
            label_count = labels_read(worker, reader->fields[i], labels, label_count);
        if (column->key != TOKEN_NONE &&
            !property_read(worker, column, i, properties, &property_count))
            return false;
    }
    label_count = tokens_unique(labels, label_count);
    qsort(properties, property_count, sizeof(*properties), property_compare);
    struct operation operation = {
        .type = OPERATION_NODE_CREATE,
        .node = node,
        .label_count = label_count,
        .labels = labels,
        .property_count = property_count,
        .properties = properties};
    atomic_fetch_add_explicit(&load->nodes, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&load->properties, property_count, memory_order_relaxed);
    return sink_append(load->sink, worker->index, &operation);
}

/* The node an end names. False: the row cannot be loaded; *skip says whether to go on with the next. */
static bool
end_find(
    struct worker *worker,
    const struct header_column *column,
    struct text field,
    node_id *node,
    bool *skip)
{
    struct load *load = worker->load;
    node->id = idmap_lookup(load->ids, column->space_index, field);
    if (node->id)
        return true;
    *skip = load->options->skip_bad_relationships;
    if (!*skip)
        worker_fail(
            worker,
            column->role == ROLE_START ? "no node has this start id" : "no node has this end id",
            column, field);
    return false;
}

static bool
rel_row_load(struct worker *worker)
{
    struct load *load = worker->load;
    const struct header *header = &worker->source->header;
    struct csv_reader *reader = &worker->reader;
    struct property *properties = arena_allocate(
        &worker->arena, header->column_count * sizeof(*properties));
    assert(properties);
    struct operation operation = {
        .type = OPERATION_REL_CREATE,
        .properties = properties,
        .rel_type = worker->source->name_count ? worker->source->tokens[0] : TOKEN_NONE};
    for (uint32_t i = 0; i < header->column_count; i++) {
        const struct header_column *column = &header->columns[i];
        bool skip = false;
        if ((column->role == ROLE_START &&
             !end_find(worker, column, reader->fields[i], &operation.start, &skip)) ||
            (column->role == ROLE_END &&
             !end_find(worker, column, reader->fields[i], &operation.end, &skip))) {
            if (skip)
                atomic_fetch_add(&load->skipped_rels, 1);
            return skip;
        }
        if (column->role == ROLE_TYPE && reader->fields[i].size)
            operation.rel_type = sink_token(load->sink, TOKEN_TYPE, reader->fields[i]);
        if (column->key != TOKEN_NONE &&
            !property_read(worker, column, i, properties, &operation.property_count))
            return false;
    }
    if (operation.rel_type == TOKEN_NONE) {
        worker_fail(worker, "the relationship has no type", NULL, (struct text){NULL, 0});
        return false;
    }
    uint64_t partition = operation.start.id & (PARTITION_COUNT - 1);
    uint64_t local =
        atomic_fetch_add_explicit(&load->next_rel[partition], 1, memory_order_relaxed) + 1;
    operation.rel = (rel_id){local << PARTITION_BITS | partition};
    qsort(properties, operation.property_count, sizeof(*properties), property_compare);
    atomic_fetch_add_explicit(&load->rels, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&load->properties, operation.property_count, memory_order_relaxed);
    if (!sink_append(load->sink, worker->index, &operation))
        return false;
    operation.type = OPERATION_REL_ATTACH;
    operation.property_count = 0;
    return sink_append(load->sink, worker->index, &operation);
}

/* Reads the next rows' ends without doing anything with them but to start fetching their place in the map,
 * then goes back: a look-up costs a cache miss or two, and this lets dozens of them overlap. */
static void
ends_prefetch(struct worker *worker)
{
    struct csv_reader *reader = &worker->reader;
    const struct header *header = &worker->source->header;
    struct csv_mark mark = csv_mark(reader);
    for (uint32_t row = 0; row < PREFETCH_ROWS && csv_read(reader) == CSV_RECORD; row++) {
        uint32_t count = reader->field_count < header->column_count ? reader->field_count
                                                                    : header->column_count;
        for (uint32_t i = 0; i < count; i++)
            if (header->columns[i].role == ROLE_START || header->columns[i].role == ROLE_END)
                idmap_prefetch(
                    worker->load->ids, header->columns[i].space_index, reader->fields[i]);
    }
    csv_return(reader, mark);
}

static bool
chunk_load(struct worker *worker)
{
    struct load *load = worker->load;
    struct csv_reader *reader = &worker->reader;
    const struct csv_chunk *chunk = worker->chunk;
    csv_reader_create(
        reader, load->options->dialect, chunk->file->data + chunk->begin, chunk->end - chunk->begin,
        chunk->first_line);
    enum csv_result result;
    for (uint64_t row = 0;; row++) {
        if (load->relationships && row % PREFETCH_ROWS == 0)
            ends_prefetch(worker);
        if ((result = csv_read(reader)) != CSV_RECORD)
            break;
        if (reader->field_count != worker->source->header.column_count) {
            char why[96];
            snprintf(
                why, sizeof(why), "%u fields where the header has %u", reader->field_count,
                worker->source->header.column_count);
            worker_fail(worker, why, NULL, (struct text){NULL, 0});
            return false;
        }
        if (!(load->relationships ? rel_row_load(worker) : node_row_load(worker)))
            return false;
        arena_reset(&worker->arena);
        if ((reader->line & 1023) == 0 && atomic_load_explicit(&load->failed, memory_order_relaxed))
            return false;
    }
    if (result == CSV_ERROR)
        load_fail(
            load, chunk->file->path, reader->line, reader->error, NULL, (struct text){NULL, 0});
    csv_reader_destroy(reader);
    progress_add(&load->progress, chunk->end - chunk->begin);
    return result == CSV_END;
}

static void *
worker_main(void *argument)
{
    struct worker *worker = argument;
    struct csv_chunk chunk;
    worker->chunk = &chunk;
    while (!atomic_load(&worker->load->failed) &&
           chunk_take(worker->load, &worker->source, &chunk)) {
        if (!chunk_load(worker)) {
            if (!atomic_load(&worker->load->failed))
                load_fail(
                    worker->load, chunk.file->path, worker->reader.line,
                    sink_error(worker->load->sink), NULL, (struct text){NULL, 0});
            break;
        }
    }
    return NULL;
}

static void
phase_run(struct load *load, bool relationships, struct worker *workers)
{
    load->relationships = relationships;
    load->source_index = load->file_index = 0;
    load->position = 0;
    progress_phase(
        &load->progress, relationships ? "relationships" : "nodes",
        relationships ? &load->rels : &load->nodes);
    for (uint32_t i = 0; i < load->options->worker_count; i++) {
        workers[i] = (struct worker){.load = load, .index = i};
        arena_create(&workers[i].arena, memory_heap(), SIZE_MAX);
        int failed = pthread_create(&workers[i].thread, NULL, worker_main, &workers[i]);
        assert(!failed);
    }
    for (uint32_t i = 0; i < load->options->worker_count; i++) {
        pthread_join(workers[i].thread, NULL);
        csv_reader_destroy(&workers[i].reader);
        arena_destroy(&workers[i].arena);
    }
}

/* Names become tokens and id spaces numbers before the workers start, so that they only read both. */
static void
names_resolve(struct load *load)
{
    for (uint32_t s = 0; s < load->source_count; s++) {
        struct source *source = &load->sources[s];
        for (uint32_t i = 0; i < source->name_count; i++)
            source->tokens[i] = sink_token(
                load->sink, source->relationships ? TOKEN_TYPE : TOKEN_LABEL, source->names[i]);
        for (uint32_t i = 0; i < source->header.column_count; i++) {
            struct header_column *column = &source->header.columns[i];
            bool kept = column->role == ROLE_PROPERTY ||
                        (column->role == ROLE_ID && column->name.size);
            column->key = kept ? sink_token(load->sink, TOKEN_KEY, column->name) : TOKEN_NONE;
            if (column->role == ROLE_ID || column->role == ROLE_START || column->role == ROLE_END)
                column->space_index = space_find(load, column->space);
        }
    }
}

bool
load_run(
    const struct load_options *options,
    struct source *sources,
    uint32_t source_count,
    struct sink *sink,
    struct load_totals *totals,
    char *message,
    size_t message_size)
{
    assert(options->worker_count >= 1);
    struct load *load = calloc(1, sizeof(*load));
    struct worker *workers = calloc(options->worker_count, sizeof(*workers));
    assert(load && workers);
    *load = (struct load){
        .options = options,
        .sources = sources,
        .source_count = source_count,
        .sink = sink,
        .ids = idmap_new(),
        .message = message,
        .message_size = message_size};
    pthread_mutex_init(&load->lock, NULL);
    names_resolve(load);
    uint64_t total_size = 0;
    for (uint32_t s = 0; s < source_count; s++)
        for (uint32_t f = 0; f < sources[s].file_count; f++)
            total_size += sources[s].files[f].size - sources[s].files[f].header_size;
    progress_start(&load->progress, total_size, options->progress);
    phase_run(load, false, workers);
    if (!atomic_load(&load->failed) && !sink_barrier(sink))
        load_fail(load, "the log", 0, sink_error(sink), NULL, (struct text){NULL, 0});
    if (!atomic_load(&load->failed))
        phase_run(load, true, workers);
    progress_stop(&load->progress);
    *totals = (struct load_totals){
        .nodes = load->nodes,
        .relationships = load->rels,
        .properties = load->properties,
        .skipped_relationships = load->skipped_rels,
        .skipped_nodes = load->skipped_nodes,
        .bytes = total_size,
        .seconds = progress_seconds(&load->progress)};
    bool good = !atomic_load(&load->failed);
    pthread_mutex_destroy(&load->lock);
    idmap_delete(load->ids);
    free(workers);
    free(load);
    return good;
}
