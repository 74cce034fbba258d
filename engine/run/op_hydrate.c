/* HYDRATE: every entity in the given columns, however deep in lists, maps and paths, gets its labels or
 * type and its properties, as of now.
 *
 *     batch -> entities, each once -> their owners -> rebuilt values
 */
#include "engine/run/entity.h"
#include "engine/run/id_map.h"
#include "engine/run/step.h"
#include "engine/value/value_ops.h"

struct hydrating {
    struct entity_reader reader;
    struct id_map indexes; /* node id * 2, relationship id * 2 + 1 -> index into entities */
    struct arena arena;    /* entities and results of one batch */
    struct batch *input;
    struct value *entities, *results;
    uint32_t entity_count, entity_room;
    uint32_t fed_count;
    bool reading;
};

static err_t hydrate_open(struct operator* op)
{
    struct hydrating *state = op->state;
    id_map_create(&state->indexes, &op->execution->memory.memory);
    arena_create(&state->arena, &op->execution->memory.memory, SIZE_MAX);
    return entity_reader_hydrate(&state->reader, op->execution);
}

static void hydrate_close(struct operator* op)
{
    struct hydrating *state = op->state;
    if (!state->arena.source)
        return;
    entity_reader_close(&state->reader);
    id_map_destroy(&state->indexes);
    arena_destroy(&state->arena);
}

static void hydrate_rewind(struct operator* op)
{
    struct hydrating *state = op->state;
    if (state->reading)
        entity_reader_close(&state->reader);
    state->reading = false;
    state->input = NULL;
}

static uint64_t
entity_key(struct value value)
{
    uint64_t id = 0;
    bool is_entity = entity_id(value, &id);
    assert(is_entity);
    return id * 2 + (value.type == VALUE_RELATIONSHIP);
}

static err_t
entity_add(struct hydrating *state, struct value value)
{
    bool fresh;
    uint64_t *word = id_map_put(&state->indexes, entity_key(value), &fresh);
    if (!word)
        return ERR(MEMORY_QUERY);
    if (!fresh)
        return 0;
    if (state->entity_count == state->entity_room) {
        uint32_t room = state->entity_room ? state->entity_room * 2 : 64;
        struct value *entities = arena_allocate(&state->arena, sizeof(*entities) * room);
        if (!entities)
            return ERR(MEMORY_QUERY);
        if (state->entity_count)
            memcpy(entities, state->entities, sizeof(*entities) * state->entity_count);
        state->entities = entities;
        state->entity_room = room;
    }
    *word = state->entity_count;
    state->entities[state->entity_count++] = value;
    return 0;
}

static err_t
entities_collect(struct hydrating *state, struct value value)
{
    err_t err = 0;
    if (value.type == VALUE_NODE || value.type == VALUE_RELATIONSHIP)
        return entity_add(state, value);
    if (value.type == VALUE_LIST) {
        for (uint32_t i = 0; !err && i < value.size; i++)
            err = entities_collect(state, value.list[i]);
    } else if (value.type == VALUE_MAP) {
        for (uint32_t i = 0; !err && i < value.size; i++)
            err = entities_collect(state, value.map[i].value);
    } else if (value.type == VALUE_PATH) {
        for (uint32_t i = 0; !err && i <= value.path->rel_count; i++)
            err = entities_collect(state, value.path->nodes[i]);
        for (uint32_t i = 0; !err && i < value.path->rel_count; i++)
            err = entities_collect(state, value.path->rels[i]);
    }
    return err;
}

static bool
value_has_parts(struct value value)
{
    return value.type == VALUE_LIST || value.type == VALUE_MAP || value.type == VALUE_PATH;
}

static err_t value_rebuild(struct operator* op, struct value value, struct value *out);

static err_t
list_rebuild(
    struct operator* op, const struct value *from, uint32_t count, const struct value **out)
{
    struct value *items = arena_allocate(&op->arena, sizeof(*items) * count);
    err_t err = items ? 0 : ERR(MEMORY_QUERY);
    for (uint32_t i = 0; !err && i < count; i++)
        err = value_rebuild(op, from[i], &items[i]);
    *out = items;
    return err;
}

static err_t
value_rebuild(struct operator* op, struct value value, struct value *out)
{
    struct hydrating *state = op->state;
    *out = value;
    if (value.type == VALUE_NODE || value.type == VALUE_RELATIONSHIP) {
        const uint64_t *word = id_map_find(&state->indexes, entity_key(value));
        assert(word);
        *out = state->results[*word];
        return 0;
    }
    if (!value_has_parts(value))
        return 0;
    if (value.type == VALUE_LIST)
        return list_rebuild(op, value.list, value.size, &out->list);
    if (value.type == VALUE_MAP) {
        struct map_entry *entries = arena_allocate(&op->arena, sizeof(*entries) * value.size);
        err_t err = entries ? 0 : ERR(MEMORY_QUERY);
        for (uint32_t i = 0; !err && i < value.size; i++) {
            entries[i].key = value.map[i].key;
            err = value_rebuild(op, value.map[i].value, &entries[i].value);
        }
        out->map = entries;
        return err;
    }
    struct value_path *path = arena_allocate(&op->arena, sizeof(*path));
    if (!path)
        return ERR(MEMORY_QUERY);
    path->rel_count = value.path->rel_count;
    out->path = path;
    err_t err = list_rebuild(op, value.path->nodes, path->rel_count + 1, &path->nodes);
    return err ? err : list_rebuild(op, value.path->rels, path->rel_count, &path->rels);
}

static err_t
hydrate_input(struct operator* op, struct batch *input)
{
    struct hydrating *state = op->state;
    state->input = input;
    id_map_clear(&state->indexes);
    arena_reset(&state->arena);
    state->entities = NULL;
    state->entity_count = state->entity_room = state->fed_count = 0;
    state->reading = false;
    for (uint32_t i = 0; i < op->op->slot_count; i++) {
        const struct column *column = &input->columns[op->op->slots[i]];
        for (uint32_t row = 0; row < input->row_count; row++) {
            err_t err = entities_collect(state, column_value(column, row));
            if (err)
                return err;
        }
    }
    state->results = arena_zeroed(&state->arena, sizeof(struct value) * state->entity_count);
    return state->results ? 0 : ERR(MEMORY_QUERY);
}

static err_t hydrate_feed(struct operator* op)
{
    struct hydrating *state = op->state;
    uint32_t count = state->entity_count - state->fed_count;
    if (count > BATCH_ROW_COUNT_MAX)
        count = BATCH_ROW_COUNT_MAX;
    uint64_t tags[BATCH_ROW_COUNT_MAX];
    for (uint32_t i = 0; i < count; i++)
        tags[i] = state->fed_count + i;
    struct column column = {.kind = COLUMN_VALUE, .values = state->entities + state->fed_count};
    struct batch batch = {.row_count = count, .column_count = 1, .columns = &column};
    state->fed_count += count;
    state->reading = true;
    return entity_reader_feed(&state->reader, &batch, tags);
}

/* END: every entity of the batch has its result. */
static enum pull hydrate_read(struct operator* op)
{
    struct hydrating *state = op->state;
    for (;;) {
        if (!state->reading) {
            if (state->fed_count == state->entity_count)
                return PULL_END;
            err_t err = hydrate_feed(op);
            if (err)
                return operator_fail(op, err);
        }
        const struct batch *rows;
        const uint64_t *tags;
        enum pull pull = entity_reader_pull(&state->reader, &rows, &tags);
        if (pull == PULL_END)
            state->reading = false;
        else if (pull != PULL_BATCH)
            return pull;
        for (uint32_t row = 0; pull == PULL_BATCH && row < rows->row_count; row++) {
            err_t err = value_copy(
                &op->arena, rows->columns[0].values[row], &state->results[tags[row]]);
            if (err)
                return operator_fail(op, err);
        }
    }
}

static err_t hydrate_output(struct operator* op)
{
    struct hydrating *state = op->state;
    struct batch *input = state->input;
    op->out.row_count = input->row_count;
    for (uint32_t i = 0; i < op->out.column_count; i++)
        op->out.columns[i] = input->columns[i];
    for (uint32_t i = 0; i < op->op->slot_count; i++) {
        uint32_t slot = op->op->slots[i];
        struct value *values = arena_allocate(&op->arena, sizeof(*values) * input->row_count);
        if (!values)
            return ERR(MEMORY_QUERY);
        for (uint32_t row = 0; row < input->row_count; row++) {
            err_t err = value_rebuild(op, batch_value(input, slot, row), &values[row]);
            if (err)
                return err;
        }
        op->out.columns[slot] = (struct column){.kind = COLUMN_VALUE, .values = values};
    }
    return 0;
}

static enum pull
hydrate_next(struct operator* op, struct batch **out)
{
    struct hydrating *state = op->state;
    if (!state->input) {
        struct batch *input;
        arena_reset(&op->arena);
        enum pull pull = operator_next(op->left, &input);
        if (pull != PULL_BATCH)
            return pull;
        err_t err = hydrate_input(op, input);
        if (err)
            return operator_fail(op, err);
    }
    enum pull pull = hydrate_read(op);
    if (pull != PULL_END)
        return pull;
    err_t err = hydrate_output(op);
    if (err)
        return operator_fail(op, err);
    state->input = NULL;
    op->tags = op->left->tags;
    *out = &op->out;
    return PULL_BATCH;
}

const struct operator_class operator_class_HYDRATE = {
    .state_size = sizeof(struct hydrating),
    .open = hydrate_open,
    .next = hydrate_next,
    .rewind = hydrate_rewind,
    .close = hydrate_close,
};
