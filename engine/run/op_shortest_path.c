/* SHORTEST_PATH: for each row a shortest path, or all of them, between two nodes.
 *
 * Two breadth-first searches, one from each end, a whole level at a time, the smaller frontier first. The
 * owners of the frontier's nodes expand it (entity.h); the searches themselves are here:
 *
 *      from  o---o---o---*---o---o  to        * a meeting node: seen by both
 *            depth 0 1 2 3   |
 *            level a + 1     level b
 *
 * When levels a and b are done and nothing met, every path is longer than a + b. So all meetings of the
 * next level a + 1 are with nodes of level b, and each shortest path has exactly one: combining what
 * leads to the meeting nodes on both sides gives all shortest paths, each once. */
#include "engine/run/entity.h"
#include "engine/run/id_map.h"
#include "engine/run/step.h"
#include "engine/value/value_ops.h"

/* One way a node was reached. */
struct parent {
    struct parent *next;
    uint32_t entry; /* the node before it */
    const struct value_rel *rel;
};

struct entry {
    uint64_t node;
    uint32_t depth;
    struct parent *parents;
};

struct side {
    struct entity_reader reader;
    struct id_map seen; /* node -> entry index */
    struct entry *entries;
    uint32_t count, room;
    uint32_t level_first; /* entries[level_first .. level_end) are the newest level */
    uint32_t level_end, fed;
    uint32_t depth;
};

struct shortest {
    struct arena arena; /* of one row's search */
    struct side sides[2];
    struct batch *input;
    uint32_t row;
    bool searching, reading;
    uint32_t active;    /* side */
    uint32_t *meetings; /* entries of side 0 */
    uint32_t meeting_count, meeting_room;
    struct value *paths; /* lists of relationships */
    uint32_t path_count, path_room, path_next;
};

static err_t shortest_open(struct operator* op)
{
    struct shortest *state = op->state;
    struct memory *memory = &op->execution->memory.memory;
    arena_create(&state->arena, memory, SIZE_MAX);
    id_map_create(&state->sides[0].seen, memory);
    id_map_create(&state->sides[1].seen, memory);
    return 0;
}

static void shortest_close(struct operator* op)
{
    struct shortest *state = op->state;
    if (!state->arena.source)
        return;
    for (uint32_t i = 0; i < 2; i++) {
        entity_reader_close(&state->sides[i].reader);
        id_map_destroy(&state->sides[i].seen);
    }
    arena_destroy(&state->arena);
}

static void shortest_rewind(struct operator* op)
{
    struct shortest *state = op->state;
    if (state->reading)
        for (uint32_t i = 0; i < 2; i++)
            entity_reader_close(&state->sides[i].reader);
    state->input = NULL;
    state->searching = state->reading = false;
    state->path_count = state->path_next = 0;
}

/* The expansion of one side; properties become literals, since they may read the row. */
static err_t
side_reader(struct operator* op, struct side *side, bool backward)
{
    const struct step *shortest = op->op->shortest;
    struct execution *execution = op->execution;
    const struct shortest *state = op->state;
    if (side->reader.traversal && shortest->property_count == 0)
        return 0;
    entity_reader_close(&side->reader);
    struct step step = {
        .direction = shortest->direction,
        .type_count = shortest->type_count,
        .types = shortest->types,
        .property_count = shortest->property_count,
        .property_keys = shortest->property_keys,
    };
    if (backward && step.direction != DIRECTION_BOTH)
        step.direction = step.direction == DIRECTION_OUT ? DIRECTION_IN : DIRECTION_OUT;
    const struct expr **values = arena_allocate(
        &execution->arena, sizeof(*values) * (step.property_count + 1));
    if (!values)
        return ERR(MEMORY_QUERY);
    execution->expressions.arena = &execution->arena;
    for (uint32_t i = 0; i < step.property_count; i++) {
        struct value value;
        err_t err = expr_eval(
            shortest->property_values[i], &execution->expressions, state->input, state->row,
            &value);
        if (!err)
            err = value_copy(&execution->arena, value, &value);
        if (err)
            return err;
        values[i] = expr_literal(&execution->arena, 0, value);
        if (!values[i])
            return ERR(MEMORY_QUERY);
    }
    step.property_values = values;
    return entity_reader_expand(&side->reader, execution, &step);
}

static err_t
entry_add(struct shortest *state, struct side *side, uint64_t node, uint32_t depth, uint32_t *index)
{
    if (side->count == side->room) {
        uint32_t room = side->room ? side->room * 2 : 64;
        struct entry *entries = arena_allocate(&state->arena, sizeof(*entries) * room);
        if (!entries)
            return ERR(MEMORY_QUERY);
        if (side->count)
            memcpy(entries, side->entries, sizeof(*entries) * side->count);
        side->entries = entries;
        side->room = room;
    }
    side->entries[side->count] = (struct entry){.node = node, .depth = depth};
    *index = side->count++;
    return 0;
}

static err_t
side_begin(struct operator* op, uint32_t which, uint64_t node)
{
    struct shortest *state = op->state;
    struct side *side = &state->sides[which];
    err_t err = side_reader(op, side, which == 1);
    if (err)
        return err;
    id_map_clear(&side->seen);
    side->entries = NULL;
    side->count = side->room = 0;
    side->level_first = side->fed = side->depth = 0;
    side->level_end = 1;
    uint32_t index;
    bool fresh;
    err = entry_add(state, side, node, 0, &index);
    uint64_t *word = err ? NULL : id_map_put(&side->seen, node, &fresh);
    if (!word)
        return ERR(MEMORY_QUERY);
    *word = index;
    return 0;
}

static err_t
path_add(struct shortest *state, const struct value *rels, uint32_t count)
{
    if (state->path_count == state->path_room) {
        uint32_t room = state->path_room ? state->path_room * 2 : 16;
        struct value *paths = arena_allocate(&state->arena, sizeof(*paths) * room);
        if (!paths)
            return ERR(MEMORY_QUERY);
        if (state->path_count)
            memcpy(paths, state->paths, sizeof(*paths) * state->path_count);
        state->paths = paths;
        state->path_room = room;
    }
    struct value *copy = arena_allocate(&state->arena, sizeof(*copy) * count);
    if (!copy)
        return ERR(MEMORY_QUERY);
    if (count)
        memcpy(copy, rels, sizeof(*copy) * count);
    state->paths[state->path_count++] = value_list(copy, count);
    return 0;
}

/* Looks where the row's ends are. Sets searching when there is something to search. */
static err_t search_begin(struct operator* op)
{
    struct shortest *state = op->state;
    const struct step *shortest = op->op->shortest;
    arena_reset(&state->arena);
    state->paths = NULL;
    state->path_count = state->path_room = state->path_next = 0;
    state->meetings = NULL;
    state->meeting_count = state->meeting_room = 0;
    struct value from = batch_value(state->input, shortest->from_slot, state->row);
    struct value to = batch_value(state->input, shortest->to_slot, state->row);
    if (from.type != VALUE_NODE || to.type != VALUE_NODE)
        return 0;
    if (shortest->min > 1) {
        err_t err = ERR(UNSUPPORTED);
        execution_fail(
            op->execution, err, "shortestPath with a minimal length above 1 is not supported");
        return err;
    }
    uint64_t a = value_node_id(from).id, b = value_node_id(to).id;
    if (a == b)
        return shortest->min == 0 ? path_add(state, NULL, 0) : 0;
    err_t err = side_begin(op, 0, a);
    if (!err)
        err = side_begin(op, 1, b);
    state->searching = !err && shortest->max > 0;
    return err;
}

static err_t
meeting_add(struct shortest *state, uint32_t entry)
{
    if (state->meeting_count == state->meeting_room) {
        uint32_t room = state->meeting_room ? state->meeting_room * 2 : 16;
        uint32_t *meetings = arena_allocate(&state->arena, sizeof(*meetings) * room);
        if (!meetings)
            return ERR(MEMORY_QUERY);
        if (state->meeting_count)
            memcpy(meetings, state->meetings, sizeof(*meetings) * state->meeting_count);
        state->meetings = meetings;
        state->meeting_room = room;
    }
    state->meetings[state->meeting_count++] = entry;
    return 0;
}

/* One relationship found from entry `source` to `node`. */
static err_t
node_reach(
    struct operator* op,
    struct side *side,
    uint32_t source,
    uint64_t node,
    const struct value_rel *rel)
{
    struct shortest *state = op->state;
    uint32_t depth = side->depth + 1, index;
    bool fresh;
    uint64_t *word = id_map_put(&side->seen, node, &fresh);
    if (!word)
        return ERR(MEMORY_QUERY);
    err_t err = 0;
    if (fresh) {
        err = entry_add(state, side, node, depth, &index);
        *word = index;
        const uint64_t *met = id_map_find(&state->sides[1 - state->active].seen, node);
        if (!err && met)
            err = meeting_add(state, state->active == 0 ? index : (uint32_t)*met);
    } else {
        index = (uint32_t)*word;
        if (!op->op->flag || side->entries[index].depth != depth)
            return 0;
    }
    struct parent *parent = err ? NULL : arena_allocate(&state->arena, sizeof(*parent));
    struct value_rel *copy = err ? NULL : arena_allocate(&state->arena, sizeof(*copy));
    if (!parent || !copy)
        return err ? err : ERR(MEMORY_QUERY);
    *copy = *rel;
    *parent = (struct parent){.next = side->entries[index].parents, .entry = source, .rel = copy};
    side->entries[index].parents = parent;
    return 0;
}

static err_t
frontier_feed(struct shortest *state, struct side *side)
{
    uint64_t nodes[BATCH_ROW_COUNT_MAX], tags[BATCH_ROW_COUNT_MAX];
    uint32_t count = 0;
    for (; count < BATCH_ROW_COUNT_MAX && side->fed < side->level_end; count++, side->fed++) {
        nodes[count] = side->entries[side->fed].node;
        tags[count] = side->fed;
    }
    struct column column = {.kind = COLUMN_NODE, .nodes = nodes};
    struct batch batch = {.row_count = count, .column_count = 1, .columns = &column};
    state->reading = true;
    return entity_reader_feed(&side->reader, &batch, tags);
}

/* Expands the frontier of the active side. END: the whole level is there. */
static enum pull level_expand(struct operator* op)
{
    struct shortest *state = op->state;
    struct side *side = &state->sides[state->active];
    for (;;) {
        if (!state->reading) {
            if (side->fed == side->level_end)
                return PULL_END;
            err_t err = frontier_feed(state, side);
            if (err)
                return operator_fail(op, err);
        }
        const struct batch *rows;
        const uint64_t *tags;
        enum pull pull = entity_reader_pull(&side->reader, &rows, &tags);
        if (pull == PULL_END) {
            state->reading = false;
            continue;
        }
        if (pull != PULL_BATCH)
            return pull;
        bool enough = state->meeting_count && !op->op->flag;
        for (uint32_t row = 0; !enough && row < rows->row_count; row++) {
            err_t err = node_reach(
                op, side, (uint32_t)tags[row], rows->columns[1].nodes[row],
                rows->columns[0].values[row].rel);
            if (err)
                return operator_fail(op, err);
        }
        if (task_slice_is_over(op->execution->shard))
            return PULL_AGAIN;
    }
}

/* A path being put together: the relationships of side 0 are filled from the meeting node down to the
 * start, those of side 1 up to the end. */
struct assembling {
    struct operator* op;
    struct value *rels;
    uint32_t length;
    bool one;
};

static err_t
tail_assemble(struct assembling *path, uint32_t entry, uint32_t at)
{
    struct shortest *state = path->op->state;
    const struct entry *node = &state->sides[1].entries[entry];
    if (node->depth == 0) {
        assert(at == path->length);
        return path_add(state, path->rels, path->length);
    }
    err_t err = 0;
    for (const struct parent *parent = node->parents; parent && !err; parent = parent->next) {
        path->rels[at] = value_relationship(parent->rel);
        err = tail_assemble(path, parent->entry, at + 1);
        if (path->one)
            break;
    }
    return err;
}

static err_t
head_assemble(struct assembling *path, uint32_t entry, uint32_t meeting, uint32_t middle)
{
    struct shortest *state = path->op->state;
    const struct entry *node = &state->sides[0].entries[entry];
    if (node->depth == 0) {
        const uint64_t *tail = id_map_find(
            &state->sides[1].seen, state->sides[0].entries[meeting].node);
        assert(tail);
        return tail_assemble(path, (uint32_t)*tail, middle);
    }
    err_t err = 0;
    for (const struct parent *parent = node->parents; parent && !err; parent = parent->next) {
        path->rels[node->depth - 1] = value_relationship(parent->rel);
        err = head_assemble(path, parent->entry, meeting, middle);
        if (path->one)
            break;
    }
    return err;
}

static err_t paths_assemble(struct operator* op)
{
    struct shortest *state = op->state;
    struct assembling path = {.op = op, .one = !op->op->flag};
    path.length = state->sides[0].depth + state->sides[1].depth;
    path.rels = arena_allocate(&state->arena, sizeof(struct value) * path.length);
    if (!path.rels)
        return ERR(MEMORY_QUERY);
    err_t err = 0;
    for (uint32_t i = 0; i < state->meeting_count && !err; i++) {
        uint32_t meeting = state->meetings[i];
        err = head_assemble(&path, meeting, meeting, state->sides[0].entries[meeting].depth);
        if (path.one)
            break;
    }
    return err;
}

/* END: the row's paths are in `paths`. */
static enum pull search_run(struct operator* op)
{
    struct shortest *state = op->state;
    const struct step *shortest = op->op->shortest;
    while (state->searching) {
        struct side *side = &state->sides[state->active];
        enum pull pull = level_expand(op);
        if (pull != PULL_END)
            return pull;
        side->depth++;
        side->level_first = side->level_end;
        side->level_end = side->count;
        uint64_t length = (uint64_t)state->sides[0].depth + state->sides[1].depth;
        if (state->meeting_count) {
            state->searching = false;
            err_t err = paths_assemble(op);
            if (err)
                return operator_fail(op, err);
        } else if (side->level_first == side->level_end || length >= shortest->max) {
            state->searching = false;
        }
        uint32_t sizes[2];
        for (uint32_t i = 0; i < 2; i++)
            sizes[i] = state->sides[i].level_end - state->sides[i].level_first;
        state->active = sizes[0] <= sizes[1] ? 0 : 1;
    }
    return PULL_END;
}

static enum pull
paths_hand_out(struct operator* op, struct batch **out)
{
    struct shortest *state = op->state;
    uint32_t left = state->path_count - state->path_next;
    uint32_t count = left < BATCH_ROW_COUNT_MAX ? left : BATCH_ROW_COUNT_MAX;
    uint32_t rows[BATCH_ROW_COUNT_MAX];
    if (operator_columns(op, &op->out, count))
        return operator_fail(op, ERR(MEMORY_QUERY));
    for (uint32_t i = 0; i < count; i++)
        rows[i] = state->row;
    for (uint32_t i = 0; i < op->out.column_count; i++) {
        if (i == op->op->slot)
            memcpy(
                op->out.columns[i].values, state->paths + state->path_next,
                sizeof(struct value) * count);
        else
            column_gather(&state->input->columns[i], &op->out.columns[i], rows, count);
    }
    state->path_next += count;
    *out = &op->out;
    return PULL_BATCH;
}

static enum pull
shortest_next(struct operator* op, struct batch **out)
{
    struct shortest *state = op->state;
    for (;;) {
        arena_reset(&op->arena);
        if (!state->input) {
            struct batch *input;
            enum pull pull = operator_next(op->left, &input);
            if (pull != PULL_BATCH)
                return pull;
            state->input = input;
            state->row = UINT32_MAX;
        }
        if (state->path_next < state->path_count)
            return paths_hand_out(op, out);
        if (!state->searching) {
            state->row++;
            if (state->row >= state->input->row_count) {
                state->input = NULL;
                continue;
            }
            err_t err = search_begin(op);
            if (err)
                return operator_fail(op, err);
        }
        enum pull pull = search_run(op);
        if (pull != PULL_END)
            return pull;
        if (task_slice_is_over(op->execution->shard) && state->path_count == 0)
            return PULL_AGAIN;
    }
}

const struct operator_class operator_class_SHORTEST_PATH = {
    .state_size = sizeof(struct shortest),
    .open = shortest_open,
    .next = shortest_next,
    .rewind = shortest_rewind,
    .close = shortest_close,
};
