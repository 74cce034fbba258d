/* DELETE: nodes, relationships and paths go, each once however often it is named. A barrier.
 *
 *     collect what is named -> DETACH: ask the nodes' owners for their relationships
 *         -> delete relationships -> delete nodes
 */
#include "engine/run/barrier.h"
#include "engine/run/entity.h"
#include "engine/run/step.h"
#include "engine/value/value_ops.h"

enum { DELETE_COUNT_MAX = 4096 }; /* operations in one write */

enum delete_phase { DELETE_DETACHING, DELETE_RELS, DELETE_NODES };

struct node_list {
    uint64_t *ids;
    uint32_t count, room;
};
struct rel_list {
    struct value_rel *rels;
    uint32_t count, room;
};

struct deleting {
    struct barrier barrier;
    struct writer *writer;
    struct arena arena;
    struct entity_reader reader;
    bool reader_ready, reading;
    struct node_list nodes;
    struct rel_list rels;
    enum delete_phase phase;
    uint32_t position;
};

static err_t delete_open(struct operator* op)
{
    struct deleting *state = op->state;
    barrier_create(&state->barrier, op);
    arena_create(&state->arena, &op->execution->memory.memory, SIZE_MAX);
    return writer_create(op->execution, &state->writer);
}

static void delete_close(struct operator* op)
{
    struct deleting *state = op->state;
    barrier_destroy(&state->barrier);
    entity_reader_close(&state->reader);
    writer_destroy(state->writer);
    state->writer = NULL;
    if (state->arena.source)
        arena_destroy(&state->arena);
}

static void delete_rewind(struct operator* op)
{
    struct deleting *state = op->state;
    barrier_rewind(&state->barrier);
    arena_reset(&state->arena);
    state->nodes = (struct node_list){0};
    state->rels = (struct rel_list){0};
    state->phase = DELETE_DETACHING;
    state->position = 0;
}

static err_t
node_name(struct operator* op, uint64_t id)
{
    struct deleting *state = op->state;
    bool first;
    err_t err = entity_delete_once(op->execution, value_node_bare((node_id){id}), &first);
    if (err || !first)
        return err;
    if (state->nodes.count == state->nodes.room) {
        uint32_t room = state->nodes.room ? state->nodes.room * 2 : 64;
        uint64_t *ids = arena_allocate(&state->arena, sizeof(*ids) * room);
        if (!ids)
            return ERR(MEMORY_QUERY);
        if (state->nodes.count)
            memcpy(ids, state->nodes.ids, sizeof(*ids) * state->nodes.count);
        state->nodes.ids = ids;
        state->nodes.room = room;
    }
    state->nodes.ids[state->nodes.count++] = id;
    return 0;
}

static err_t
rel_name(struct operator* op, struct value rel)
{
    struct deleting *state = op->state;
    bool first;
    err_t err = entity_delete_once(op->execution, rel, &first);
    if (err || !first)
        return err;
    if (state->rels.count == state->rels.room) {
        uint32_t room = state->rels.room ? state->rels.room * 2 : 64;
        struct value_rel *rels = arena_allocate(&state->arena, sizeof(*rels) * room);
        if (!rels)
            return ERR(MEMORY_QUERY);
        if (state->rels.count)
            memcpy(rels, state->rels.rels, sizeof(*rels) * state->rels.count);
        state->rels.rels = rels;
        state->rels.room = room;
    }
    state->rels.rels[state->rels.count++] = *rel.rel;
    return 0;
}

static err_t
value_name(struct operator* op, const struct expr *at, struct value value)
{
    err_t err = 0;
    if (value_is_null(value))
        return 0;
    if (value.type == VALUE_NODE)
        return node_name(op, value_node_id(value).id);
    if (value.type == VALUE_RELATIONSHIP)
        return rel_name(op, value);
    if (value.type != VALUE_PATH)
        return expr_fail(
            &op->execution->expressions, at, ERR(TYPE),
            "Expected a node, a relationship or a path to delete, got %s", value_type_name(value));
    for (uint32_t i = 0; !err && i <= value.path->rel_count; i++)
        err = value_name(op, at, value.path->nodes[i]);
    for (uint32_t i = 0; !err && i < value.path->rel_count; i++)
        err = value_name(op, at, value.path->rels[i]);
    return err;
}

static enum pull
delete_work(struct operator* op, struct barrier_item *item)
{
    struct expr_context *expressions = &op->execution->expressions;
    arena_reset(&op->arena);
    expressions->arena = &op->arena;
    for (uint32_t row = 0; row < item->rows.row_count; row++) {
        for (uint32_t i = 0; i < op->op->expr_count; i++) {
            struct value value;
            err_t err = expr_eval(op->op->exprs[i], expressions, &item->rows, row, &value);
            if (!err)
                err = value_name(op, op->op->exprs[i], value);
            if (err)
                return operator_fail(op, err);
        }
    }
    return PULL_END;
}

static err_t detach_feed(struct operator* op)
{
    struct deleting *state = op->state;
    if (!state->reader_ready) {
        struct step any = {.direction = DIRECTION_BOTH};
        err_t err = entity_reader_expand(&state->reader, op->execution, &any);
        if (err)
            return err;
        state->reader_ready = true;
    }
    uint32_t count = state->nodes.count - state->position;
    if (count > BATCH_ROW_COUNT_MAX)
        count = BATCH_ROW_COUNT_MAX;
    struct column column = {.kind = COLUMN_NODE, .nodes = state->nodes.ids + state->position};
    struct batch batch = {.row_count = count, .column_count = 1, .columns = &column};
    state->position += count;
    state->reading = true;
    return entity_reader_feed(&state->reader, &batch, column.nodes);
}

static enum pull delete_detach(struct operator* op)
{
    struct deleting *state = op->state;
    while (op->op->flag) {
        if (!state->reading) {
            if (state->position == state->nodes.count)
                break;
            err_t err = detach_feed(op);
            if (err)
                return operator_fail(op, err);
        }
        const struct batch *rows;
        const uint64_t *tags;
        enum pull pull = entity_reader_pull(&state->reader, &rows, &tags);
        if (pull == PULL_END) {
            state->reading = false;
            continue;
        }
        if (pull != PULL_BATCH)
            return pull;
        for (uint32_t row = 0; row < rows->row_count; row++) {
            err_t err = rel_name(op, rows->columns[0].values[row]);
            if (err)
                return operator_fail(op, err);
        }
    }
    return PULL_END;
}

static bool
operation_make(struct deleting *state)
{
    struct operation *operation = writer_add(state->writer);
    if (!operation)
        return false;
    if (state->phase == DELETE_RELS) {
        const struct value_rel *rel = &state->rels.rels[state->position++];
        operation->type = OPERATION_REL_DELETE;
        operation->rel = rel->id;
        operation->start = rel->start;
        operation->end = rel->end;
        operation->rel_type = rel->type_token;
    } else {
        operation->type = OPERATION_NODE_DELETE;
        operation->node = (node_id){state->nodes.ids[state->position++]};
    }
    return true;
}

/* The relationships, or the nodes, a part at a time. */
static enum pull
delete_write(struct operator* op, uint32_t total)
{
    struct deleting *state = op->state;
    for (;;) {
        if (state->writer->count == 0) {
            if (state->position == total)
                return PULL_END;
            while (state->position < total && state->writer->count < DELETE_COUNT_MAX)
                if (!operation_make(state))
                    return operator_fail(op, ERR(MEMORY_QUERY));
        }
        enum pull pull = writer_run(state->writer);
        if (pull != PULL_END)
            return pull;
        writer_reset(state->writer);
    }
}

static enum pull
delete_finish(struct operator* op, struct barrier_item *item)
{
    struct deleting *state = op->state;
    assert(!item);
    for (;;) {
        enum pull pull = PULL_END;
        switch (state->phase) {
        case DELETE_DETACHING:
            pull = delete_detach(op);
            break;
        case DELETE_RELS:
            pull = delete_write(op, state->rels.count);
            break;
        case DELETE_NODES:
            return delete_write(op, state->nodes.count);
        }
        if (pull != PULL_END)
            return pull;
        state->phase++;
        state->position = 0;
    }
}

static enum pull
delete_next(struct operator* op, struct batch **out)
{
    struct deleting *state = op->state;
    return barrier_next(&state->barrier, delete_work, delete_finish, out);
}

const struct operator_class operator_class_DELETE = {
    .state_size = sizeof(struct deleting),
    .open = delete_open,
    .next = delete_next,
    .rewind = delete_rewind,
    .close = delete_close,
};
