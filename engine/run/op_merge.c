/* MERGE: for each row the matches of its pattern, or else the pattern made. A barrier.
 *
 *     a portion of rows -> right side -> matched rows ------------------> ON MATCH -> out
 *                            |
 *                            +--> rows without match -> one of each key -> create, ON CREATE -> out
 *                                     the others of the key take what was made
 *
 * A row must see what earlier rows made. Rows of one batch can only meet in things made with equal keys
 * (property values and bound ends), so it is enough to make one of each key. ON MATCH may read what
 * earlier rows set, so with it a portion is a single row; else it is a batch.
 *
 * The right side runs tagged when all its operators allow that (plan.h, rule 8). */
#include "engine/run/barrier.h"
#include "engine/run/group.h"

enum merge_phase { MERGE_BEGIN, MERGE_MATCHING, MERGE_CREATING, MERGE_ON_CREATE, MERGE_ON_MATCH };

struct merging {
    struct barrier barrier;
    struct writer *writer;
    const struct expr **keys;
    uint32_t key_count;
    enum merge_phase phase;
    bool missing, whole;  /* whole: portions are batches */
    uint32_t first;       /* row of the item the portion begins with */
    struct batch portion; /* a view of the item's rows */
    bool matched[BATCH_ROW_COUNT_MAX];
    uint32_t row; /* untagged: the row the right side runs for */
    struct batch one;
    struct barrier_item *outputs, *last_output; /* finished rows */
    struct barrier_item *found, *last_found;    /* of this portion */
    struct barrier_item *setting;
    uint32_t made[BATCH_ROW_COUNT_MAX], made_count; /* rows of the portion to create */
    struct barrier_item *giving;
    bool given;
};

static bool
op_may_be_tagged(const struct op *op)
{
    if (!op)
        return true;
    switch ((enum op_kind)op->kind) {
    case OP_ARGUMENT:
    case OP_FILTER:
    case OP_PROJECT:
    case OP_UNWIND:
    case OP_FETCH:
    case OP_HYDRATE:
        break;
    case OP_TRAVERSE:
        if (op->traversal->aggregate_partial || op->traversal->top_key_count)
            return false;
        break;
    case OP_NONE:
    case OP_UNIT:
    case OP_DISTINCT:
    case OP_AGGREGATE:
    case OP_SORT:
    case OP_LIMIT:
    case OP_UNION:
    case OP_APPLY:
    case OP_SHORTEST_PATH:
    case OP_CREATE:
    case OP_MERGE:
    case OP_SET:
    case OP_DELETE:
    case OP_FOREACH:
    case OP_EAGER:
    case OP_PROCEDURE:
    case OP_SCHEMA:
    case OP_RESULT:
    case OP_KIND_COUNT:
        return false;
    }
    return op_may_be_tagged(op->left) && op_may_be_tagged(op->right);
}

bool
merge_right_is_tagged(const struct op *op)
{
    return op->set_count2 == 0 && op_may_be_tagged(op->right);
}

static void
key_add(struct merging *state, const struct expr *expr)
{
    if (expr)
        state->keys[state->key_count++] = expr;
}

/* The keys: everything that tells one made pattern from another. */
static err_t keys_make(struct operator* op)
{
    struct merging *state = op->state;
    struct arena *arena = &op->execution->arena;
    const struct op *plan = op->op;
    uint32_t room = 0;
    for (uint32_t i = 0; i < plan->create_node_count; i++)
        room += plan->create_nodes[i].property_count + 1;
    for (uint32_t i = 0; i < plan->create_rel_count; i++)
        room += plan->create_rels[i].property_count + 3;
    state->keys = arena_allocate(arena, sizeof(*state->keys) * room);
    if (!state->keys)
        return ERR(MEMORY_QUERY);
    for (uint32_t i = 0; i < plan->create_node_count; i++) {
        for (uint32_t k = 0; k < plan->create_nodes[i].property_count; k++)
            key_add(state, plan->create_nodes[i].property_values[k]);
        key_add(state, plan->create_nodes[i].property_map);
    }
    for (uint32_t i = 0; i < plan->create_rel_count; i++) {
        const struct create_rel *rel = &plan->create_rels[i];
        for (uint32_t k = 0; k < rel->property_count; k++)
            key_add(state, rel->property_values[k]);
        key_add(state, rel->property_map);
        uint32_t ends[2] = {rel->start_slot, rel->end_slot};
        for (uint32_t k = 0; k < 2; k++) {
            if (ends[k] >= plan->left->column_count)
                continue;
            const struct expr *end = expr_column(arena, 0, ends[k]);
            if (!end)
                return ERR(MEMORY_QUERY);
            key_add(state, end);
        }
    }
    assert(state->key_count <= room);
    return 0;
}

static err_t merge_open(struct operator* op)
{
    struct merging *state = op->state;
    barrier_create(&state->barrier, op);
    state->whole = op->op->set_count2 == 0;
    uint32_t column_count = op->op->column_count;
    state->portion.columns = arena_zeroed(
        &op->execution->arena, sizeof(struct column) * column_count);
    state->one.columns = arena_zeroed(&op->execution->arena, sizeof(struct column) * column_count);
    if (!state->portion.columns || !state->one.columns)
        return ERR(MEMORY_QUERY);
    err_t err = keys_make(op);
    return err ? err : writer_create(op->execution, &state->writer);
}

static void merge_close(struct operator* op)
{
    struct merging *state = op->state;
    barrier_destroy(&state->barrier);
    writer_destroy(state->writer);
    state->writer = NULL;
}

static void merge_rewind(struct operator* op)
{
    struct merging *state = op->state;
    barrier_rewind(&state->barrier);
    state->phase = MERGE_BEGIN;
    state->first = 0;
    state->outputs = state->last_output = state->found = state->last_found = state->giving = NULL;
    state->given = false;
}

static void
batch_view(const struct batch *from, struct batch *to, uint32_t first, uint32_t count)
{
    to->row_count = count;
    to->column_count = from->column_count;
    for (uint32_t i = 0; i < from->column_count; i++) {
        to->columns[i] = from->columns[i];
        if (to->columns[i].kind == COLUMN_NODE)
            to->columns[i].nodes += first;
        else
            to->columns[i].values += first;
    }
}

/* Points the right side at the portion, or at its next row. */
static void right_begin(struct operator* op)
{
    struct merging *state = op->state;
    struct argument *argument = op->right->argument;
    argument->batch = &state->portion;
    if (!argument->tagged) {
        batch_view(&state->portion, &state->one, state->row, 1);
        argument->batch = &state->one;
    }
    operator_rewind(op->right);
}

static void
portion_begin(struct operator* op, struct barrier_item *item)
{
    struct merging *state = op->state;
    uint32_t left = item->rows.row_count - state->first;
    batch_view(&item->rows, &state->portion, state->first, state->whole ? left : 1);
    memset(state->matched, 0, sizeof(state->matched));
    state->row = 0;
    state->found = state->last_found = NULL;
    state->missing = false;
    state->phase = MERGE_MATCHING;
    right_begin(op);
}

static void
item_append(struct barrier_item **first, struct barrier_item **last, struct barrier_item *item)
{
    if (*last)
        (*last)->next = item;
    else
        *first = item;
    *last = item;
}

static enum pull merge_match(struct operator* op)
{
    struct merging *state = op->state;
    bool tagged = op->right->argument->tagged;
    for (;;) {
        struct batch *rows;
        enum pull pull = operator_next(op->right, &rows);
        if (pull == PULL_END && !tagged && ++state->row < state->portion.row_count) {
            right_begin(op);
            continue;
        }
        if (pull != PULL_BATCH)
            return pull;
        for (uint32_t i = 0; i < rows->row_count; i++)
            state->matched[tagged ? op->right->tags[i] : state->row] = true;
        struct batch copy;
        err_t err = batch_copy(&state->barrier.arena, rows, &copy);
        struct barrier_item *item = err ? NULL : barrier_item_new(&state->barrier, rows->row_count);
        if (!item)
            return operator_fail(op, ERR(MEMORY_QUERY));
        for (uint32_t i = 0; i < item->rows.column_count && i < copy.column_count; i++)
            column_gather(&copy.columns[i], &item->rows.columns[i], NULL, copy.row_count);
        item_append(&state->found, &state->last_found, item);
    }
}

/* The rows without match as a batch of their own; which of them to make; whose making each shares. */
static err_t
rows_group(struct operator* op, struct barrier_item *item, uint32_t *groups)
{
    struct merging *state = op->state;
    struct grouping grouping;
    struct execution *execution = op->execution;
    err_t err = grouping_create(
        &grouping, &execution->memory.memory, SIZE_MAX, &execution->expressions, state->keys,
        state->key_count, NULL, 0);
    execution->expressions.arena = &op->arena;
    state->made_count = 0;
    if (!err && state->key_count) {
        err = grouping_distinct(&grouping, &item->rows, state->made, &state->made_count, groups);
    } else if (!err) {
        state->made[state->made_count++] = 0;
        memset(groups, 0, sizeof(*groups) * item->rows.row_count);
    }
    grouping_destroy(&grouping);
    return err;
}

static struct barrier_item *unmatched_take(struct operator* op)
{
    struct merging *state = op->state;
    uint32_t rows[BATCH_ROW_COUNT_MAX], count = 0;
    for (uint32_t row = 0; row < state->portion.row_count; row++)
        if (!state->matched[row])
            rows[count++] = row;
    struct barrier_item *item = barrier_item_new(&state->barrier, count);
    for (uint32_t i = 0; item && i < op->op->left->column_count; i++)
        column_gather(&state->portion.columns[i], &item->rows.columns[i], rows, count);
    return item;
}

/* Makes the operations of the rows without match; `setting` is their item. */
static err_t creation_build(struct operator* op)
{
    struct merging *state = op->state;
    struct barrier_item *item = state->setting;
    arena_reset(&op->arena);
    uint32_t *groups = arena_allocate(&op->arena, sizeof(*groups) * (item->rows.row_count + 1));
    if (!groups)
        return ERR(MEMORY_QUERY);
    writer_reset(state->writer);
    state->missing = false;
    err_t err = rows_group(op, item, groups);
    if (!err)
        err = create_rows(
            op, state->writer, &item->rows, state->made, state->made_count, &state->missing);
    for (uint32_t row = 0; !err && row < item->rows.row_count; row++) {
        uint32_t from = state->made[groups[row]];
        for (uint32_t i = op->op->left->column_count; i < item->rows.column_count; i++) {
            struct column *column = &item->rows.columns[i];
            if (column->kind == COLUMN_NODE)
                column->nodes[row] = column->nodes[from];
            else
                column->values[row] = column->values[from];
        }
    }
    return err;
}

static enum pull merge_create(struct operator* op)
{
    struct merging *state = op->state;
    if (!state->setting) {
        state->setting = unmatched_take(op);
        if (!state->setting)
            return operator_fail(op, ERR(MEMORY_QUERY));
    }
    struct barrier_item *item = state->setting;
    while (item->rows.row_count && !item->built) {
        enum pull pull = state->missing ? writer_names_run(state->writer) : PULL_END;
        if (pull != PULL_END)
            return pull;
        err_t err = creation_build(op);
        if (err)
            return operator_fail(op, err);
        item->built = !state->missing;
    }
    enum pull pull = item->rows.row_count ? writer_run(state->writer) : PULL_END;
    if (pull != PULL_END)
        return pull;
    if (item->rows.row_count)
        create_rels_resolve(state->writer);
    writer_reset(state->writer);
    state->missing = false;
    item->built = false;
    return PULL_END;
}

/* ON CREATE: a write of its own, since a relationship has its id only after it was made. */
static enum pull merge_on_create(struct operator* op)
{
    struct merging *state = op->state;
    struct barrier_item *item = state->setting;
    while (item->rows.row_count && op->op->set_count && !item->built) {
        enum pull pull = state->missing ? writer_names_run(state->writer) : PULL_END;
        if (pull != PULL_END)
            return pull;
        writer_reset(state->writer);
        state->missing = false;
        err_t err = set_rows(
            op, state->writer, op->op->sets, op->op->set_count, &item->rows, state->made,
            state->made_count, &state->missing);
        if (err)
            return operator_fail(op, err);
        item->built = !state->missing;
    }
    enum pull pull = writer_run(state->writer);
    if (pull != PULL_END)
        return pull;
    writer_reset(state->writer);
    if (item->rows.row_count)
        item_append(&state->outputs, &state->last_output, item);
    state->setting = state->found;
    return PULL_END;
}

static enum pull merge_on_match(struct operator* op)
{
    struct merging *state = op->state;
    while (state->setting) {
        struct barrier_item *item = state->setting;
        while (!item->built) {
            enum pull pull = state->missing ? writer_names_run(state->writer) : PULL_END;
            if (pull != PULL_END)
                return pull;
            writer_reset(state->writer);
            state->missing = false;
            err_t err = set_rows(
                op, state->writer, op->op->sets2, op->op->set_count2, &item->rows, NULL,
                item->rows.row_count, &state->missing);
            if (err)
                return operator_fail(op, err);
            item->built = !state->missing;
        }
        enum pull pull = writer_run(state->writer);
        if (pull != PULL_END)
            return pull;
        writer_reset(state->writer);
        state->setting = item->next;
        item->next = NULL;
        item_append(&state->outputs, &state->last_output, item);
    }
    return PULL_END;
}

static enum pull
merge_work(struct operator* op, struct barrier_item *item)
{
    struct merging *state = op->state;
    for (;;) {
        enum pull pull = PULL_END;
        switch (state->phase) {
        case MERGE_BEGIN:
            if (state->first == item->rows.row_count) {
                state->first = 0;
                return PULL_END;
            }
            portion_begin(op, item);
            continue;
        case MERGE_MATCHING:
            pull = merge_match(op);
            if (pull == PULL_END)
                state->setting = NULL;
            break;
        case MERGE_CREATING:
            pull = merge_create(op);
            break;
        case MERGE_ON_CREATE:
            pull = merge_on_create(op);
            break;
        case MERGE_ON_MATCH:
            pull = merge_on_match(op);
            break;
        }
        if (pull != PULL_END)
            return pull;
        if (state->phase != MERGE_ON_MATCH) {
            state->phase++;
        } else {
            state->first += state->portion.row_count;
            state->phase = MERGE_BEGIN;
        }
        if (task_slice_is_over(op->execution->shard))
            return PULL_AGAIN;
    }
}

static enum pull
merge_next(struct operator* op, struct batch **out)
{
    struct merging *state = op->state;
    enum pull pull = barrier_collect(&state->barrier);
    while (pull == PULL_END && state->barrier.working) {
        pull = merge_work(op, state->barrier.working);
        if (pull == PULL_END)
            state->barrier.working = state->barrier.working->next;
    }
    if (pull != PULL_END)
        return pull;
    if (!state->given)
        state->giving = state->outputs;
    state->given = true;
    while (state->giving) {
        *out = &state->giving->rows;
        state->giving = state->giving->next;
        if ((*out)->row_count)
            return PULL_BATCH;
    }
    return PULL_END;
}

const struct operator_class operator_class_MERGE = {
    .state_size = sizeof(struct merging),
    .open = merge_open,
    .next = merge_next,
    .rewind = merge_rewind,
    .close = merge_close,
};
