/* FETCH: properties and labels of entities become columns, read from their owners as of now. */
#include "engine/run/entity.h"
#include "engine/run/step.h"
#include "engine/value/value_ops.h"

/* The fetches of one entity column, read together. */
struct fetch_group {
    uint32_t entity_slot;
    uint32_t fetch_count;
    struct fetch *fetches;
    struct entity_reader reader;
    bool ready;
};

struct fetching {
    uint32_t group_count;
    struct fetch_group *groups;
    struct batch *input;
    uint32_t group; /* at work */
    bool fed;
};

static err_t fetch_open(struct operator* op)
{
    struct fetching *state = op->state;
    struct arena *arena = &op->execution->arena;
    state->groups = arena_zeroed(arena, sizeof(*state->groups) * op->op->fetch_count);
    if (!state->groups)
        return ERR(MEMORY_QUERY);
    for (uint32_t i = 0; i < op->op->fetch_count; i++) {
        const struct fetch *fetch = &op->op->fetches[i];
        struct fetch_group *group = NULL;
        for (uint32_t g = 0; g < state->group_count && !group; g++)
            if (state->groups[g].entity_slot == fetch->entity_slot)
                group = &state->groups[g];
        if (!group) {
            group = &state->groups[state->group_count++];
            group->entity_slot = fetch->entity_slot;
            group->fetches = arena_allocate(arena, sizeof(*group->fetches) * op->op->fetch_count);
            if (!group->fetches)
                return ERR(MEMORY_QUERY);
        }
        group->fetches[group->fetch_count++] = *fetch;
    }
    return 0;
}

static void fetch_close(struct operator* op)
{
    struct fetching *state = op->state;
    for (uint32_t i = 0; i < state->group_count; i++)
        entity_reader_close(&state->groups[i].reader);
}

static void fetch_rewind(struct operator* op)
{
    struct fetching *state = op->state;
    if (state->input)
        fetch_close(op);
    state->input = NULL;
}

static err_t
fetch_input(struct operator* op, struct batch *input)
{
    struct fetching *state = op->state;
    state->input = input;
    state->group = 0;
    state->fed = false;
    err_t err = operator_columns(op, &op->out, input->row_count);
    if (err)
        return err;
    for (uint32_t i = 0; i < input->column_count && i < op->out.column_count; i++)
        column_gather(&input->columns[i], &op->out.columns[i], NULL, input->row_count);
    for (uint32_t i = 0; i < op->op->fetch_count; i++) {
        struct column *column = &op->out.columns[op->op->fetches[i].slot];
        assert(column->kind == COLUMN_VALUE);
        for (uint32_t row = 0; row < input->row_count; row++)
            column->values[row] = value_null();
    }
    return 0;
}

/* What this statement deleted has no properties any more, not even null ones. */
static err_t
deleted_refuse(struct operator* op, const struct column *column, uint32_t row_count)
{
    const struct id_map *deleted = &op->execution->deleted;
    for (uint32_t row = 0; deleted->count && row < row_count; row++) {
        struct value entity = column_value(column, row);
        uint64_t id;
        if (!entity_id(entity, &id) ||
            !id_map_find(deleted, id * 2 + (entity.type == VALUE_RELATIONSHIP)))
            continue;
        err_t err = ERR(ENTITY_NOT_FOUND);
        execution_fail(
            op->execution, err, "%s with id %llu has been deleted in this transaction",
            entity.type == VALUE_NODE ? "Node" : "Relationship", (unsigned long long)id);
        return err;
    }
    return 0;
}

static err_t
group_feed(struct operator* op, struct fetch_group *group)
{
    struct fetching *state = op->state;
    struct column *column = &state->input->columns[group->entity_slot];
    err_t refused = deleted_refuse(op, column, state->input->row_count);
    if (refused)
        return refused;
    if (!group->ready) {
        err_t err = entity_reader_fetch(
            &group->reader, op->execution, column->kind, group->fetches, group->fetch_count);
        if (err)
            return err;
        group->ready = true;
    }
    uint64_t *tags = arena_allocate(&op->arena, sizeof(*tags) * state->input->row_count);
    if (!tags)
        return ERR(MEMORY_QUERY);
    for (uint32_t row = 0; row < state->input->row_count; row++)
        tags[row] = row;
    struct batch input = {
        .row_count = state->input->row_count, .column_count = 1, .columns = column};
    return entity_reader_feed(&group->reader, &input, tags);
}

/* END: the group's columns are filled. */
static enum pull
group_work(struct operator* op, struct fetch_group *group)
{
    struct fetching *state = op->state;
    err_t err = state->fed ? 0 : group_feed(op, group);
    if (err)
        return operator_fail(op, err);
    state->fed = true;
    for (;;) {
        const struct batch *rows;
        const uint64_t *tags;
        enum pull pull = entity_reader_pull(&group->reader, &rows, &tags);
        if (pull != PULL_BATCH)
            return pull;
        for (uint32_t i = 0; !err && i < group->fetch_count; i++) {
            struct value *values = op->out.columns[group->fetches[i].slot].values;
            for (uint32_t row = 0; !err && row < rows->row_count; row++)
                err = value_copy(&op->arena, rows->columns[i].values[row], &values[tags[row]]);
        }
        if (err)
            return operator_fail(op, err);
    }
}

static enum pull
fetch_next(struct operator* op, struct batch **out)
{
    struct fetching *state = op->state;
    if (!state->input) {
        struct batch *input;
        arena_reset(&op->arena);
        enum pull pull = operator_next(op->left, &input);
        if (pull != PULL_BATCH)
            return pull;
        err_t err = fetch_input(op, input);
        if (err)
            return operator_fail(op, err);
    }
    while (state->group < state->group_count) {
        enum pull pull = group_work(op, &state->groups[state->group]);
        if (pull != PULL_END)
            return pull;
        state->group++;
        state->fed = false;
    }
    state->input = NULL;
    op->tags = op->left->tags;
    *out = &op->out;
    return PULL_BATCH;
}

const struct operator_class operator_class_FETCH = {
    .state_size = sizeof(struct fetching),
    .open = fetch_open,
    .next = fetch_next,
    .rewind = fetch_rewind,
    .close = fetch_close,
};
