#include "engine/route/exchange.h"

#include <string.h>

#include "engine/route/run.h"
#include "engine/value/value_codec.h"

enum {
    CREDIT_COUNT = 8,      /* messages in flight to one segment of one shard */
    ROWS_SIZE_GOAL = 3840, /* bytes of rows in a message: a block, less its header and ours */
    ENCODED_VALUE_SIZE_GUESS = 12,
};

/* --- life of a local run --- */

static err_t
segment_create(struct local_run *run, struct segment *segment, const struct segment_shape *shape)
{
    const struct shape *whole = run->spec->shape;
    *segment = (struct segment){.shape = shape};
    list_init(&segment->queue);
    arena_create(&segment->arena, &run->memory.memory, SIZE_MAX);
    segment->rows.column_count = whole->slot_count;
    segment->rows.columns = arena_zeroed(&run->arena, sizeof(struct column) * whole->slot_count);
    if (!segment->rows.columns)
        return ERR(MEMORY_QUERY);
    for (uint32_t i = 0; i < whole->slot_count; i++)
        segment->rows.columns[i].kind = whole->slot_kinds[i] == COLUMN_NODE ? COLUMN_NODE
                                                                            : COLUMN_VALUE;
    return 0;
}

static err_t
gathering_create(struct local_run *run)
{
    const struct run_spec *spec = run->spec;
    const struct traversal *traversal = spec->shape->traversal;
    if (traversal->aggregate_partial)
        return grouping_create(
            &run->grouping, &run->memory.memory, SIZE_MAX, &run->step.expressions,
            traversal->groups, traversal->group_count, traversal->aggregates,
            traversal->aggregate_count);
    if (traversal->top_key_count == 0)
        return 0;
    struct slot_list carried = spec->shape->segments[spec->shape->exit].carried;
    run->sorter_slots = arena_allocate(&run->arena, sizeof(uint32_t) * carried.count);
    if (!run->sorter_slots)
        return ERR(MEMORY_QUERY);
    for (uint32_t i = 0; i < carried.count; i++)
        run->sorter_slots[i] = carried.slots[i];
    return sorter_create(
        &run->sorter, &run->memory.memory, SIZE_MAX, &run->step.expressions, traversal->top_keys,
        traversal->top_key_count, carried.count, spec->top_limit);
}

static struct text
type_name(void *argument, uint32_t type_token)
{
    return catalog_name(argument, TOKEN_TYPE, type_token);
}

static void
step_context_fill(struct local_run *run)
{
    const struct run_spec *spec = run->spec;
    struct step_context *step = &run->step;
    step->shard = run->shard;
    step->store = run->shard->store;
    step->view = spec->view;
    step->slot_count = spec->shape->slot_count;
    step->slot_kinds = spec->shape->slot_kinds;
    step->memory = &run->memory.memory;
    step->scratch = &run->engine->scratch;
    struct expr_context *expressions = &step->expressions;
    expr_context_create(expressions, &run->arena, &run->memory.memory);
    expressions->parameters = spec->parameters;
    expressions->parameter_count = spec->parameter_count;
    expressions->failure = &run->failure;
    expressions->statement_wall_ns = spec->statement_wall_ns;
    expressions->transaction_wall_ns = spec->transaction_wall_ns;
    expressions->type_name = type_name;
    expressions->catalog_argument = run->shard->catalog;
    engine_clocks_set(expressions, run->shard);
}

static enum task_result local_run_task(struct task *task);

err_t
local_run_create(
    struct engine *engine, const struct run_spec *spec, struct run *home, struct local_run **out)
{
    struct memory *source = shard_memory(engine->shard);
    struct local_run *run = memory_allocate(source, sizeof(*run));
    if (!run)
        return ERR(MEMORY_POOL);
    *run = (struct local_run){
        .id = spec->id, .spec = spec, .engine = engine, .shard = engine->shard, .home = home};
    limited_memory_create(&run->memory, source, spec->memory_max);
    arena_create(&run->arena, &run->memory.memory, SIZE_MAX);
    arena_create(&run->loop_arena, &run->memory.memory, SIZE_MAX);
    task_init(&run->task, TASK_EXCHANGE, local_run_task);
    step_context_fill(run);
    list_push_back(&engine->runs[spec->id % RUN_BUCKET_COUNT], &run->link);
    engine->run_count++;
    run->segment_count = spec->shape->exit + 1;
    run->segments = arena_zeroed(&run->arena, sizeof(struct segment) * run->segment_count);
    err_t err = run->segments ? 0 : ERR(MEMORY_QUERY);
    if (err)
        run->segment_count = 0;
    for (uint32_t i = 0; !err && i < run->segment_count; i++)
        err = segment_create(run, &run->segments[i], &spec->shape->segments[i]);
    run->loop_rows.column_count = spec->shape->slot_count;
    run->loop_rows.columns = arena_zeroed(
        &run->arena, sizeof(struct column) * spec->shape->slot_count);
    run->step.expressions.local_count = spec->local_count;
    run->step.expressions.locals = arena_zeroed(
        &run->arena, sizeof(struct value) * spec->local_count);
    if (!run->loop_rows.columns || !run->step.expressions.locals)
        err = ERR(MEMORY_QUERY);
    for (uint32_t i = 0; !err && i < spec->shape->slot_count; i++)
        run->loop_rows.columns[i].kind = run->segments[0].rows.columns[i].kind;
    if (!err)
        err = gathering_create(run);
    if (err) {
        local_run_destroy(run);
        return err;
    }
    *out = run;
    return 0;
}

static size_t
column_width(const struct column *column)
{
    return column->kind == COLUMN_NODE ? sizeof(uint64_t) : sizeof(struct value);
}

static void
rows_release(struct local_run *run, struct batch *rows)
{
    for (uint32_t i = 0; rows->columns && i < rows->column_count; i++)
        memory_release(
            &run->memory.memory, rows->columns[i].nodes,
            column_width(&rows->columns[i]) * BATCH_ROW_COUNT_MAX);
}

static void
arrival_release(struct local_run *run, struct arrival *arrival)
{
    if (!arrival)
        return;
    if (arrival->block) {
        block_release(run->shard, arrival->block);
        memory_release(&run->memory.memory, arrival, sizeof(*arrival));
    } else {
        memory_release(&run->memory.memory, arrival, sizeof(*arrival) + arrival->size);
    }
}

static void
outlets_release(struct local_run *run, struct segment *segment)
{
    for (uint32_t to = 0; segment->outlets && to < run->shard->count; to++) {
        struct outlet *outlet = &segment->outlets[to];
        uint32_t node_count = 0, value_count = 0;
        for (uint32_t i = 0; i < segment->shape->carried.count; i++) {
            if (run->step.slot_kinds[segment->shape->carried.slots[i]] == COLUMN_NODE)
                node_count++;
            else
                value_count++;
        }
        memory_release(
            &run->memory.memory, outlet->nodes, sizeof(uint64_t) * outlet->room * node_count);
        for (uint32_t i = 0; outlet->values && i < value_count; i++)
            memory_release(&run->memory.memory, outlet->values[i].bytes, outlet->values[i].room);
    }
}

/* Gives back everything but the structure itself. The spec may be gone afterwards. */
static void
local_run_clear(struct local_run *run)
{
    for (uint32_t i = 0; i < run->segment_count; i++) {
        struct segment *segment = &run->segments[i];
        if (!segment->shape)
            continue;
        rows_release(run, &segment->rows);
        outlets_release(run, segment);
        arrival_release(run, segment->held);
        struct list_link *link;
        while ((link = list_pop_front(&segment->queue)))
            arrival_release(run, list_entry(link, struct arrival, link));
        memory_release(
            &run->memory.memory, segment->cursor.nodes, sizeof(uint64_t) * BATCH_ROW_COUNT_MAX);
        arena_destroy(&segment->arena);
    }
    rows_release(run, &run->loop_rows);
    grouping_destroy(&run->grouping);
    sorter_destroy(&run->sorter);
    expr_context_destroy(&run->step.expressions);
    arena_destroy(&run->loop_arena);
    arena_destroy(&run->arena);
    assert(run->memory.memory.used_size == 0);
    run->segments = NULL;
    run->segment_count = 0;
    run->spec = NULL;
}

void
local_run_destroy(struct local_run *run)
{
    if (run->spec)
        local_run_clear(run);
    task_cancel(run->shard, &run->task);
    list_remove(&run->link);
    run->engine->run_count--;
    memory_release(shard_memory(run->shard), run, sizeof(*run));
}

struct local_run *
local_run_lookup(struct engine *engine, uint64_t id)
{
    struct list_link *head = &engine->runs[id % RUN_BUCKET_COUNT];
    list_for_each (link, head) {
        struct local_run *run = list_entry(link, struct local_run, link);
        if (run->id == id)
            return run;
    }
    return NULL;
}

err_t
local_run_rows_ensure(struct local_run *run, struct batch *rows, struct slot_list slots)
{
    for (uint32_t i = 0; i < slots.count; i++) {
        struct column *column = &rows->columns[slots.slots[i]];
        if (column->nodes)
            continue;
        void *array = memory_allocate(
            &run->memory.memory, column_width(column) * BATCH_ROW_COUNT_MAX);
        if (!array)
            return ERR(MEMORY_QUERY);
        if (column->kind == COLUMN_NODE)
            column->nodes = array;
        else
            column->values = array;
    }
    return 0;
}

/* --- rows to other shards --- */

static err_t
outlets_create(struct local_run *run, struct segment *segment)
{
    const struct slot_list carried = segment->shape->carried;
    uint32_t node_count = 0, value_count = 0;
    for (uint32_t i = 0; i < carried.count; i++) {
        if (run->step.slot_kinds[carried.slots[i]] == COLUMN_NODE)
            node_count++;
        else
            value_count++;
    }
    uint32_t width = node_count * (uint32_t)sizeof(uint64_t) +
                     value_count * ENCODED_VALUE_SIZE_GUESS;
    uint32_t room = width ? ROWS_SIZE_GOAL / width : BATCH_ROW_COUNT_MAX;
    if (room > BATCH_ROW_COUNT_MAX)
        room = BATCH_ROW_COUNT_MAX;
    if (room == 0)
        room = 1;
    struct outlet *outlets = arena_zeroed(&run->arena, sizeof(*outlets) * run->shard->count);
    if (!outlets)
        return ERR(MEMORY_QUERY);
    for (uint32_t to = 0; to < run->shard->count; to++) {
        outlets[to].room = room;
        outlets[to].credit_count = CREDIT_COUNT;
        outlets[to].values = arena_zeroed(&run->arena, sizeof(struct outlet_bytes) * value_count);
        if (!outlets[to].values)
            return ERR(MEMORY_QUERY);
    }
    segment->outlets = outlets;
    return 0;
}

static bool
segment_may_send(const struct local_run *run, const struct segment *segment)
{
    if (!segment->outlets || segment->shape->source == SOURCE_LOOP)
        return true;
    for (uint32_t to = 0; to < run->shard->count; to++)
        if (segment->outlets[to].credit_count <= 0)
            return false;
    return true;
}

static size_t
outlet_size(const struct local_run *run, const struct segment *segment, const struct outlet *outlet)
{
    size_t size = sizeof(struct rows_header);
    uint32_t value_index = 0;
    for (uint32_t i = 0; i < segment->shape->carried.count; i++) {
        if (run->step.slot_kinds[segment->shape->carried.slots[i]] == COLUMN_NODE)
            size += sizeof(uint64_t) * outlet->row_count;
        else
            size += sizeof(uint64_t) + ((outlet->values[value_index++].size + 7) & ~(size_t)7);
    }
    return size;
}

static void
outlet_write(
    const struct local_run *run,
    const struct segment *segment,
    const struct outlet *outlet,
    uint8_t *out)
{
    struct rows_header header = {run->spec, (uint32_t)(segment - run->segments), outlet->row_count};
    memcpy(out, &header, sizeof(header));
    out += sizeof(header);
    uint32_t node_index = 0, value_index = 0;
    for (uint32_t i = 0; i < segment->shape->carried.count; i++) {
        if (run->step.slot_kinds[segment->shape->carried.slots[i]] == COLUMN_NODE) {
            size_t size = sizeof(uint64_t) * outlet->row_count;
            memcpy(out, outlet->nodes + (size_t)node_index++ * outlet->room, size);
            out += size;
            continue;
        }
        const struct outlet_bytes *values = &outlet->values[value_index++];
        uint64_t size = values->size, padded = (size + 7) & ~UINT64_C(7);
        memcpy(out, &size, sizeof(size));
        if (size)
            memcpy(out + sizeof(size), values->bytes, size);
        memset(out + sizeof(size) + size, 0, padded - size);
        out += sizeof(size) + padded;
    }
}

static err_t
outlet_send(struct local_run *run, struct segment *segment, uint32_t to)
{
    struct outlet *outlet = &segment->outlets[to];
    if (outlet->row_count == 0)
        return 0;
    size_t size = outlet_size(run, segment, outlet);
    if (size > UINT32_MAX)
        return ERR(LIMIT);
    enum message_type type = segment->shape->source == SOURCE_HOME ? MESSAGE_RUN_ROWS
                                                                   : MESSAGE_RUN_BATCH;
    if (segment == &run->segments[run->segment_count - 1])
        type = MESSAGE_RUN_ROWS;
    uint8_t *payload = mail_open(run->shard, to, type, run->id, (uint32_t)size);
    if (!payload)
        return ERR(MEMORY_POOL);
    outlet_write(run, segment, outlet, payload);
    mail_close(run->shard);
    segment->sent++;
    outlet->credit_count--;
    outlet->row_count = 0;
    for (uint32_t i = 0, v = 0; i < segment->shape->carried.count; i++)
        if (run->step.slot_kinds[segment->shape->carried.slots[i]] == COLUMN_VALUE)
            outlet->values[v++].size = 0;
    return 0;
}

static err_t
bytes_append(struct local_run *run, struct outlet_bytes *bytes, struct value value)
{
    uint64_t size = value_encoded_size(value);
    if (bytes->room - bytes->size < size) {
        size_t room = bytes->room ? bytes->room * 2 : 1024;
        while (room - bytes->size < size)
            room *= 2;
        uint8_t *grown = memory_resize(&run->memory.memory, bytes->bytes, bytes->room, room);
        if (!grown)
            return ERR(MEMORY_QUERY);
        bytes->bytes = grown;
        bytes->room = room;
    }
    value_encode(value, bytes->bytes + bytes->size);
    bytes->size += size;
    return 0;
}

/* Appends rows[0 .. count) to an outlet that has room for them. */
static err_t
outlet_fill(
    struct local_run *run,
    const struct segment *segment,
    struct outlet *outlet,
    const struct batch *rows,
    const uint16_t *positions,
    uint32_t count)
{
    uint32_t node_index = 0, value_index = 0;
    for (uint32_t i = 0; i < segment->shape->carried.count; i++) {
        const struct column *column = &rows->columns[segment->shape->carried.slots[i]];
        if (column->kind == COLUMN_NODE) {
            uint64_t *restrict to = outlet->nodes + (size_t)node_index++ * outlet->room +
                                    outlet->row_count;
            const uint64_t *restrict from = column->nodes;
            for (uint32_t k = 0; k < count; k++)
                to[k] = from[positions[k]];
            continue;
        }
        struct outlet_bytes *bytes = &outlet->values[value_index++];
        for (uint32_t k = 0; k < count; k++) {
            err_t err = bytes_append(run, bytes, column->values[positions[k]]);
            if (err)
                return err;
        }
    }
    outlet->row_count += count;
    return 0;
}

static bool
outlet_is_full(
    const struct local_run *run, const struct segment *segment, const struct outlet *outlet)
{
    return outlet->row_count == outlet->room || outlet_size(run, segment, outlet) >= ROWS_SIZE_GOAL;
}

static err_t
outlet_append(
    struct local_run *run,
    struct segment *segment,
    uint32_t to,
    const struct batch *rows,
    const uint16_t *positions,
    uint32_t count)
{
    err_t err = 0;
    if (!segment->outlets)
        err = outlets_create(run, segment);
    if (err)
        return err;
    struct outlet *outlet = &segment->outlets[to];
    bool has_values = false;
    uint32_t node_count = 0;
    for (uint32_t i = 0; i < segment->shape->carried.count; i++) {
        if (run->step.slot_kinds[segment->shape->carried.slots[i]] == COLUMN_NODE)
            node_count++;
        else
            has_values = true;
    }
    if (!outlet->nodes && node_count) {
        outlet->nodes = memory_allocate(
            &run->memory.memory, sizeof(uint64_t) * outlet->room * node_count);
        if (!outlet->nodes)
            return ERR(MEMORY_QUERY);
    }
    while (!err && count > 0) {
        uint32_t part = outlet->room - outlet->row_count;
        if (part > count)
            part = count;
        /* Encoded values have no fixed size: look after every few rows. */
        if (has_values && part > 16)
            part = 16;
        err = outlet_fill(run, segment, outlet, rows, positions, part);
        positions += part;
        count -= part;
        if (!err && outlet_is_full(run, segment, outlet))
            err = outlet_send(run, segment, to);
    }
    return err;
}

void
local_run_flush(struct local_run *run)
{
    for (uint32_t i = 0; i < run->segment_count; i++) {
        struct segment *segment = &run->segments[i];
        for (uint32_t to = 0; segment->outlets && to < run->shard->count; to++) {
            err_t err = outlet_send(run, segment, to);
            if (err)
                local_run_fail(run, err);
        }
    }
}

/* --- to whom does a row go --- */

/* Sorts positions of rows by the owner of the node in the column; a null goes nowhere. Bare ids, which
 * traversals carry, take a loop without a branch: each row is written to its owner's list and counted
 * unless it is null. A list is never longer than the rows before it, so the write stays inside. */
static void
leaving_by_entity(struct local_run *run, const struct column *column, uint32_t row_count)
{
    struct engine *engine = run->engine;
    uint32_t *counts = engine->leaving_count;
    if (column->kind == COLUMN_NODE) {
        const uint64_t *nodes = column->nodes;
        for (uint32_t row = 0; row < row_count; row++) {
            uint32_t owner = engine->owners[partition_of(nodes[row])];
            engine->leaving[owner][counts[owner]] = (uint16_t)row;
            counts[owner] += nodes[row] != NODE_ABSENT;
        }
        return;
    }
    for (uint32_t row = 0; row < row_count; row++) {
        uint64_t id;
        if (!entity_id(column->values[row], &id))
            continue;
        uint32_t owner = engine->owners[partition_of(id)];
        engine->leaving[owner][counts[owner]++] = (uint16_t)row;
    }
}

static err_t
leaving_by_value(
    struct local_run *run,
    const struct step *step,
    enum segment_source source,
    const struct batch *rows)
{
    struct engine *engine = run->engine;
    struct value *values = engine->scratch.values;
    err_t err = expr_eval_batch(step->expr, &run->step.expressions, rows, values);
    if (err)
        return err;
    for (uint32_t row = 0; row < rows->row_count; row++) {
        uint32_t partition;
        if (source == SOURCE_INDEX) {
            if (value_is_null(values[row]) || !value_is_storable(values[row]))
                continue;
            partition = index_partition(step->index, values[row]);
        } else {
            if (values[row].type != VALUE_INTEGER || values[row].integer <= 0)
                continue;
            partition = partition_of((uint64_t)values[row].integer);
        }
        uint32_t owner = engine->owners[partition];
        engine->leaving[owner][engine->leaving_count[owner]++] = (uint16_t)row;
    }
    return 0;
}

static void
leaving_to_one(struct engine *engine, uint32_t to, uint32_t row_count)
{
    for (uint32_t row = 0; row < row_count; row++)
        engine->leaving[to][row] = (uint16_t)row;
    engine->leaving_count[to] = row_count;
}

static bool
column_has_absent(const struct column *column, uint32_t row_count)
{
    if (column->kind != COLUMN_NODE)
        return true;
    bool absent = false;
    for (uint32_t row = 0; row < row_count; row++)
        absent |= column->nodes[row] == NODE_ABSENT;
    return absent;
}

static err_t
leaving_fill(struct local_run *run, const struct segment *segment, const struct batch *rows)
{
    struct engine *engine = run->engine;
    const struct segment_shape *shape = segment->shape;
    memset(engine->leaving_count, 0, sizeof(uint32_t) * run->shard->count);
    switch ((enum segment_source)shape->source) {
    case SOURCE_MOVE:
        leaving_by_entity(run, &rows->columns[shape->arrival->from_slot], rows->row_count);
        return 0;
    case SOURCE_LOOP:
        leaving_by_entity(run, &rows->columns[shape->arrival->to_slot], rows->row_count);
        return 0;
    case SOURCE_INDEX:
    case SOURCE_ID:
        return leaving_by_value(run, shape->arrival, shape->source, rows);
    case SOURCE_BROADCAST:
        for (uint32_t to = 0; to < run->shard->count; to++)
            leaving_to_one(engine, to, rows->row_count);
        return 0;
    case SOURCE_HOME:
        leaving_to_one(engine, run->spec->home, rows->row_count);
        return 0;
    case SOURCE_LOCAL:
    case SOURCE_INPUT:
        break;
    }
    leaving_to_one(engine, run->shard->index, rows->row_count);
    return 0;
}

/* Sends the rows that belong elsewhere and keeps the others in place. */
static err_t
rows_scatter(struct local_run *run, struct segment *segment, struct batch *rows)
{
    uint32_t self = run->shard->index;
    const struct segment_shape *shape = segment->shape;
    bool stays = shape->source == SOURCE_LOCAL || (shape->source == SOURCE_HOME && run->home);
    if (!stays && run->shard->count == 1)
        stays = shape->source != SOURCE_MOVE ||
                !column_has_absent(&rows->columns[shape->arrival->from_slot], rows->row_count);
    if (stays || rows->row_count == 0)
        return 0;
    err_t err = leaving_fill(run, segment, rows);
    struct engine *engine = run->engine;
    for (uint32_t to = 0; !err && to < run->shard->count; to++)
        if (to != self && engine->leaving_count[to])
            err = outlet_append(
                run, segment, to, rows, engine->leaving[to], engine->leaving_count[to]);
    if (err)
        return err;
    for (uint32_t i = 0; i < engine->leaving_count[self]; i++)
        engine->scratch.positions[i] = engine->leaving[self][i];
    rows_select(
        &run->step, rows, shape->carried, engine->scratch.positions, engine->leaving_count[self]);
    return 0;
}

/* --- work --- */

static void
segment_begin(struct segment *segment)
{
    uint64_t *nodes = segment->cursor.nodes;
    segment->cursor = (struct step_cursor){.nodes = nodes};
    segment->pending = segment->rows.row_count > 0;
}

/* Makes a segment's rows free to be filled anew. */
static void
segment_clear(struct local_run *run, struct segment *segment)
{
    assert(!segment->pending);
    arena_reset(&segment->arena);
    arrival_release(run, segment->held);
    segment->held = NULL;
    segment->rows.row_count = 0;
}

static err_t
sieves_run(struct local_run *run, const struct segment_shape *shape, struct batch *rows)
{
    for (uint32_t i = 0; i < shape->sieve_count && rows->row_count; i++) {
        const struct sieve *sieve = &shape->sieves[i];
        err_t err = sieve->class->sieve(&run->step, sieve->step, rows, sieve->live);
        if (err)
            return err;
    }
    return 0;
}

/* The rows now in next->rows pass the sieves of `segment`; those that stay here become next's input. */
static err_t
rows_pass(struct local_run *run, struct segment *segment, struct segment *next)
{
    err_t err = sieves_run(run, segment->shape, &next->rows);
    if (!err)
        err = rows_scatter(run, next, &next->rows);
    if (!err)
        segment_begin(next);
    return err;
}

static void
rows_swap(struct batch *a, struct batch *b)
{
    struct batch other = *a;
    *a = *b;
    *b = other;
}

/* Keeps trails that belong here for later: encoded, because their batch is about to be used again. The
 * newest come first, so that the walk is depth-first and the queue short. */
static err_t
loop_keep(
    struct local_run *run,
    struct segment *segment,
    const struct batch *rows,
    const uint16_t *positions,
    uint32_t count)
{
    if (count == 0)
        return 0;
    uint32_t self = run->shard->index;
    err_t err = segment->outlets ? 0 : outlets_create(run, segment);
    struct outlet *outlet = err ? NULL : &segment->outlets[self];
    if (err)
        return err;
    uint32_t node_count = 0;
    for (uint32_t i = 0; i < segment->shape->carried.count; i++)
        node_count += run->step.slot_kinds[segment->shape->carried.slots[i]] == COLUMN_NODE;
    if (!outlet->nodes && node_count) {
        outlet->nodes = memory_allocate(
            &run->memory.memory, sizeof(uint64_t) * outlet->room * node_count);
        if (!outlet->nodes)
            return ERR(MEMORY_QUERY);
    }
    while (count > 0) {
        uint32_t part = count < outlet->room ? count : outlet->room;
        err = outlet_fill(run, segment, outlet, rows, positions, part);
        if (err)
            return err;
        size_t size = outlet_size(run, segment, outlet);
        struct arrival *arrival = memory_allocate(&run->memory.memory, sizeof(*arrival) + size);
        if (!arrival)
            return ERR(MEMORY_QUERY);
        *arrival = (struct arrival){.size = size, .from = self};
        arrival->header = (const struct rows_header *)(const void *)(arrival + 1);
        outlet_write(run, segment, outlet, (uint8_t *)(arrival + 1));
        list_push_front(&segment->queue, &arrival->link);
        outlet->row_count = 0;
        for (uint32_t i = 0, v = 0; i < segment->shape->carried.count; i++)
            if (run->step.slot_kinds[segment->shape->carried.slots[i]] == COLUMN_VALUE)
                outlet->values[v++].size = 0;
        positions += part;
        count -= part;
    }
    return 0;
}

/* One hop more for the trails of a loop. */
static err_t
loop_lengthen(struct local_run *run, struct segment *segment)
{
    const struct segment_shape *shape = segment->shape;
    arena_reset(&run->loop_arena);
    run->step.expressions.arena = &run->loop_arena;
    err_t err = local_run_rows_ensure(run, &run->loop_rows, shape->carried);
    if (err)
        return err;
    bool done = true;
    err = shape->expander_class->expand(
        &run->step, shape->expander, &segment->rows, &segment->cursor, shape->kept, &run->loop_rows,
        &done);
    if (err)
        return err;
    segment->pending = !done;
    if (run->loop_rows.row_count == 0)
        return 0;
    err = leaving_fill(run, segment, &run->loop_rows);
    struct engine *engine = run->engine;
    for (uint32_t to = 0; !err && to < run->shard->count; to++) {
        if (to == run->shard->index)
            err = loop_keep(
                run, segment, &run->loop_rows, engine->leaving[to], engine->leaving_count[to]);
        else if (engine->leaving_count[to])
            err = outlet_append(
                run, segment, to, &run->loop_rows, engine->leaving[to], engine->leaving_count[to]);
    }
    return err;
}

/* The trails of a loop that are long enough go on; the next call lengthens them. */
static err_t
loop_advance(struct local_run *run, struct segment *segment, struct segment *next)
{
    if (segment->cursor.forwarded)
        return loop_lengthen(run, segment);
    segment->cursor.forwarded = true;
    run->step.expressions.arena = &next->arena;
    const struct step *step = segment->shape->expander;
    err_t err = var_expand_arrive(&run->step, step, &segment->rows, segment->shape->carried);
    if (!err)
        err = local_run_rows_ensure(run, &next->rows, segment->shape->touched);
    if (err)
        return err;
    uint32_t *positions = run->step.scratch->positions;
    uint32_t count = var_expand_select(step, &segment->rows, positions);
    rows_gather(&run->step, &segment->rows, &next->rows, segment->shape->forward, positions, count);
    next->rows.row_count = count;
    return rows_pass(run, segment, next);
}

static err_t
segment_advance(struct local_run *run, struct segment *segment)
{
    struct segment *next = segment + 1;
    segment_clear(run, next);
    run->step.expressions.arena = &next->arena;
    const struct segment_shape *shape = segment->shape;
    if (shape->source == SOURCE_LOOP)
        return loop_advance(run, segment, next);
    err_t err;
    if (shape->expander) {
        err = local_run_rows_ensure(run, &next->rows, shape->touched);
        bool done = true;
        if (!err)
            err = shape->expander_class->expand(
                &run->step, shape->expander, &segment->rows, &segment->cursor, shape->kept,
                &next->rows, &done);
        segment->pending = !done;
    } else {
        rows_swap(&segment->rows, &next->rows);
        segment->pending = false;
        err = local_run_rows_ensure(run, &next->rows, shape->touched);
    }
    return err ? err : rows_pass(run, segment, next);
}

static err_t
exit_gather(struct local_run *run, struct segment *exit)
{
    exit->pending = false;
    run->step.expressions.arena = &exit->arena;
    if (run->spec->shape->traversal->aggregate_partial)
        return grouping_add(&run->grouping, &exit->rows);
    return sorter_add(&run->sorter, &exit->rows, run->sorter_slots);
}

static void
credit_return(struct local_run *run, const struct segment *segment, uint32_t to)
{
    if (to == run->shard->index || segment->shape->source == SOURCE_LOOP)
        return;
    struct credit_message credit = {(uint64_t)(segment - run->segments)};
    /* A credit that cannot be sent for lack of memory would park the sender for good. */
    if (mail_send(run->shard, to, MESSAGE_RUN_CREDIT, run->id, &credit, sizeof(credit)))
        local_run_fail(run, ERR(MEMORY_POOL));
}

static err_t
rows_decode(struct local_run *run, struct segment *segment, const struct arrival *arrival)
{
    const uint8_t *cursor = (const uint8_t *)(arrival->header + 1);
    const uint8_t *end = (const uint8_t *)arrival->header + arrival->size;
    uint32_t row_count = arrival->header->row_count;
    assert(row_count <= BATCH_ROW_COUNT_MAX);
    err_t err = local_run_rows_ensure(run, &segment->rows, segment->shape->carried);
    for (uint32_t i = 0; !err && i < segment->shape->carried.count; i++) {
        struct column *column = &segment->rows.columns[segment->shape->carried.slots[i]];
        if (column->kind == COLUMN_NODE) {
            assert((size_t)(end - cursor) >= sizeof(uint64_t) * row_count);
            memcpy(column->nodes, cursor, sizeof(uint64_t) * row_count);
            cursor += sizeof(uint64_t) * row_count;
            continue;
        }
        uint64_t size;
        memcpy(&size, cursor, sizeof(size));
        cursor += sizeof(size);
        const uint8_t *next = cursor + ((size + 7) & ~UINT64_C(7));
        assert(next <= end);
        for (uint32_t row = 0; !err && row < row_count; row++)
            err = value_decode(&segment->arena, &cursor, next, &column->values[row]);
        cursor = next;
    }
    segment->rows.row_count = row_count;
    return err;
}

static err_t
segment_receive(struct local_run *run, struct segment *segment)
{
    segment_clear(run, segment);
    struct arrival *arrival = list_entry(list_pop_front(&segment->queue), struct arrival, link);
    segment->held = arrival;
    if (arrival->block) {
        segment->received++;
        credit_return(run, segment, arrival->from);
    }
    err_t err = rows_decode(run, segment, arrival);
    if (!err)
        segment_begin(segment);
    return err;
}

void
local_run_drop(struct local_run *run)
{
    run->dropping = true;
    for (uint32_t i = 0; i < run->segment_count; i++) {
        struct segment *segment = &run->segments[i];
        struct list_link *link;
        segment->pending = false;
        while ((link = list_pop_front(&segment->queue))) {
            struct arrival *arrival = list_entry(link, struct arrival, link);
            if (arrival->block) {
                segment->received++;
                credit_return(run, segment, arrival->from);
            }
            arrival_release(run, arrival);
        }
        for (uint32_t to = 0; segment->outlets && to < run->shard->count; to++)
            segment->outlets[to].row_count = 0;
    }
}

void
local_run_fail(struct local_run *run, err_t err)
{
    if (run->dropping)
        return;
    if (!run->failure.err) {
        run->failure = (struct failure){
            .err = err, .message = text_of(err_text(err_code(err))), .offset = -1};
    } else {
        struct text copy = arena_text(&run->arena, run->failure.message);
        run->failure.message = copy.data ? copy : text_of(err_text(err_code(err)));
    }
    local_run_drop(run);
}

bool
local_run_is_idle(const struct local_run *run)
{
    for (uint32_t i = 0; i < run->segment_count; i++)
        if (run->segments[i].pending || !list_is_empty(&run->segments[i].queue))
            return false;
    return true;
}

enum work
local_run_work(struct local_run *run)
{
    if (run->dropping) {
        local_run_drop(run);
        return WORK_IDLE;
    }
    uint32_t exit = run->segment_count - 1;
    for (uint32_t i = run->segment_count; i-- > 0;) {
        struct segment *segment = &run->segments[i];
        err_t err;
        if (segment->pending && i == exit) {
            if (!run->spec->shape->gathers)
                return WORK_ROWS;
            err = exit_gather(run, segment);
        } else if (segment->pending) {
            if (!segment_may_send(run, segment + 1))
                return WORK_BLOCKED;
            err = segment_advance(run, segment);
        } else if (!list_is_empty(&segment->queue)) {
            err = segment_receive(run, segment);
        } else {
            continue;
        }
        if (err)
            local_run_fail(run, err);
        return WORK_MORE;
    }
    return WORK_IDLE;
}

/* --- away from home --- */

static uint64_t
counters_sum(const struct local_run *run)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < run->segment_count; i++)
        sum += run->segments[i].sent + run->segments[i].received;
    return sum;
}

/* Tells the home where this shard stands, if that has changed. */
static bool
report_send(struct local_run *run)
{
    uint64_t sum = counters_sum(run);
    bool failure = run->failure.err && !run->failure_reported;
    if (run->reported_once && sum == run->reported_sum && !failure &&
        run->probe == run->probe_reported)
        return true;
    struct text message = failure ? run->failure.message : (struct text){NULL, 0};
    size_t counters_size = sizeof(uint64_t) * 2 * run->segment_count;
    size_t size = sizeof(struct report_header) + counters_size + message.size;
    struct report_header *report = mail_open(
        run->shard, run->spec->home, MESSAGE_RUN_REPORT, run->id, (uint32_t)size);
    if (!report)
        return false;
    *report = (struct report_header){
        .spec = run->spec,
        .err = failure ? run->failure.err : 0,
        .segment_count = run->segment_count,
        .probe = run->probe,
        .failure_offset = run->failure.offset,
        .failure_line = run->failure.line,
        .failure_column = run->failure.column,
        .message_size = message.size,
    };
    for (uint32_t i = 0; i < run->segment_count; i++) {
        report->counters[i] = run->segments[i].sent;
        report->counters[run->segment_count + i] = run->segments[i].received;
    }
    if (message.size)
        memcpy(report->counters + 2 * (size_t)run->segment_count, message.data, message.size);
    mail_close(run->shard);
    run->reported_sum = sum;
    run->reported_once = true;
    run->failure_reported |= failure;
    run->probe_reported = run->probe;
    return true;
}

static bool
finished_send(
    struct local_run *run,
    uint32_t home,
    err_t err,
    bool last,
    const uint8_t *bytes,
    size_t size,
    uint32_t group_count)
{
    struct finished_header *header = mail_open(
        run->shard, home, MESSAGE_RUN_FINISHED, run->id, (uint32_t)(sizeof(*header) + size));
    if (!header)
        return false;
    *header = (struct finished_header){
        .err = err,
        .last = last,
        .group_count = group_count,
        .size = size,
        .rows_sent = run->finish_rows_sent};
    if (size)
        memcpy(header + 1, bytes, size);
    mail_close(run->shard);
    return true;
}

/* Top-k: the best rows of this shard, to the home. True when all were sent. */
static bool
best_rows_send(struct local_run *run, err_t *err)
{
    struct segment *exit = &run->segments[run->segment_count - 1];
    if (!sorter_work(&run->sorter, BATCH_ROW_COUNT_MAX * 8))
        return false;
    segment_clear(run, exit);
    *err = local_run_rows_ensure(run, &exit->rows, exit->shape->carried);
    if (*err)
        return true;
    struct column *columns = arena_allocate(
        &exit->arena, sizeof(*columns) * (run->sorter.column_count + 1));
    if (!columns) {
        *err = ERR(MEMORY_QUERY);
        return true;
    }
    for (uint32_t i = 0; i < run->sorter.column_count; i++)
        columns[i] = exit->rows.columns[run->sorter_slots[i]];
    uint32_t count = sorter_take(&run->sorter, columns);
    uint16_t positions[BATCH_ROW_COUNT_MAX];
    for (uint32_t i = 0; i < count; i++)
        positions[i] = (uint16_t)i;
    *err = outlet_append(run, exit, run->spec->home, &exit->rows, positions, count);
    if (!*err && count < BATCH_ROW_COUNT_MAX)
        *err = outlet_send(run, exit, run->spec->home);
    return *err || count < BATCH_ROW_COUNT_MAX;
}

/* Sends a part of what was gathered; false when there was nothing left. */
static bool
gathered_send(struct local_run *run, err_t *err)
{
    enum { PART_SIZE = 64 << 10 };
    if (run->dropping || *err)
        return false;
    if (run->sorter.memory)
        return !best_rows_send(run, err);
    if (!run->grouping.memory)
        return false;
    if (run->grouping.counts_rows_only && run->grouping.group_count == 0)
        *err = grouping_settle(&run->grouping);
    if (*err || run->finish_position == run->grouping.group_count)
        return false;
    struct segment *exit = &run->segments[run->segment_count - 1];
    arena_reset(&exit->arena);
    size_t size;
    uint32_t group_count;
    uint8_t *bytes = grouping_encode(
        &run->grouping, &exit->arena, &run->finish_position, PART_SIZE, &size, &group_count);
    if (bytes && finished_send(run, run->spec->home, 0, false, bytes, size, group_count))
        return true;
    *err = ERR(MEMORY_QUERY);
    return false;
}

/* Answers RUN_FINISH. What the shard holds is given back before the last word is sent, because the home
 * frees the spec when it hears it. */
static enum task_result
finish_work(struct local_run *run)
{
    err_t err = run->failure.err;
    while (run->spec && gathered_send(run, &err))
        if (task_slice_is_over(run->shard))
            return TASK_AGAIN;
    if (run->spec) {
        run->finish_home = run->spec->home;
        run->finish_err = err;
        run->finish_rows_sent = run->segments[run->segment_count - 1].sent;
        local_run_clear(run);
    }
    if (!finished_send(run, run->finish_home, run->finish_err, true, NULL, 0, 0))
        return TASK_AGAIN;
    engine_bury(run->engine, run);
    return TASK_DONE;
}

static enum task_result
local_run_task(struct task *task)
{
    struct local_run *run = list_entry(task, struct local_run, task);
    assert(!run->home);
    if (!run->spec)
        return finish_work(run);
    for (;;) {
        enum work work = local_run_work(run);
        if (work == WORK_BLOCKED) {
            local_run_flush(run);
            return TASK_DONE;
        }
        if (work == WORK_IDLE)
            break;
        if (task_slice_is_over(run->shard))
            return TASK_AGAIN;
    }
    local_run_flush(run);
    if (run->finishing)
        return finish_work(run);
    return report_send(run) ? TASK_DONE : TASK_AGAIN;
}

void
local_run_accept(struct local_run *run, const struct message *message)
{
    const struct rows_header *header = message_payload(message);
    assert(header->spec == run->spec && header->segment < run->segment_count);
    struct segment *segment = &run->segments[header->segment];
    struct arrival *arrival = run->dropping
                                  ? NULL
                                  : memory_allocate(&run->memory.memory, sizeof(*arrival));
    if (!arrival) {
        segment->received++;
        credit_return(run, segment, message->from);
        if (!run->dropping)
            local_run_fail(run, ERR(MEMORY_QUERY));
        return;
    }
    *arrival = (struct arrival){
        .block = block_hold(run->shard),
        .header = header,
        .size = message->size,
        .from = message->from,
    };
    list_push_back(&segment->queue, &arrival->link);
}

/* The local run a message is for, made now when it is the first. NULL never: without it the counts of
 * the run would be wrong for ever. */
static struct local_run *
local_run_of(struct shard *shard, const struct message *message, const struct run_spec *spec)
{
    struct engine *engine = shard_engine(shard);
    struct local_run *run = local_run_lookup(engine, message->scope);
    if (run)
        return run;
    assert(spec->home != shard->index);
    if (local_run_create(engine, spec, NULL, &run))
        shard->seam->ops->fatal(shard->seam, "route: no memory to take part in a query");
    return run;
}

static void
local_run_wake(struct local_run *run)
{
    if (run->home)
        run_event(run->home);
    else
        task_ready(run->shard, &run->task);
}

static void
on_rows(struct shard *shard, const struct message *message)
{
    const struct rows_header *header = message_payload(message);
    assert(message->size >= sizeof(*header));
    struct local_run *run = local_run_of(shard, message, header->spec);
    local_run_accept(run, message);
    local_run_wake(run);
}

static void
on_credit(struct shard *shard, const struct message *message)
{
    struct local_run *run = local_run_lookup(shard_engine(shard), message->scope);
    if (!run || !run->spec)
        return; /* forgotten: a credit for the last block */
    const struct credit_message *credit = message_payload(message);
    assert(credit->segment < run->segment_count && run->segments[credit->segment].outlets);
    run->segments[credit->segment].outlets[message->from].credit_count++;
    local_run_wake(run);
}

static void
on_control(struct shard *shard, const struct message *message)
{
    const struct control_message *control = message_payload(message);
    struct local_run *run = local_run_of(shard, message, control->spec);
    if (message->type == MESSAGE_RUN_FINISH)
        run->finishing = true;
    if (message->type == MESSAGE_RUN_CANCEL)
        local_run_drop(run);
    if (message->type == MESSAGE_RUN_PROBE)
        run->probe = (uint32_t)control->probe;
    local_run_wake(run);
}

void
exchange_register(struct shard *shard)
{
    mail_handler_set(shard, MESSAGE_RUN_BATCH, on_rows);
    mail_handler_set(shard, MESSAGE_RUN_ROWS, on_rows);
    mail_handler_set(shard, MESSAGE_RUN_CREDIT, on_credit);
    mail_handler_set(shard, MESSAGE_RUN_FINISH, on_control);
    mail_handler_set(shard, MESSAGE_RUN_CANCEL, on_control);
    mail_handler_set(shard, MESSAGE_RUN_PROBE, on_control);
}
