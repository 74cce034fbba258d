#include "engine/run/entity.h"

#include "engine/route/run.h"

/* A traversal with one input slot (0), these steps and `output_count` outputs in slots 1.. */
static err_t
reader_create(
    struct entity_reader *reader,
    struct execution *execution,
    const uint8_t *kinds,
    uint32_t slot_count,
    struct step *steps,
    uint32_t step_count)
{
    struct arena *arena = &execution->arena;
    struct traversal *traversal = arena_zeroed(arena, sizeof(*traversal));
    uint8_t *slot_kinds = arena_allocate(arena, slot_count);
    uint32_t *input_slots = arena_zeroed(arena, sizeof(*input_slots));
    uint32_t *output_slots = arena_allocate(arena, sizeof(*output_slots) * slot_count);
    struct column *columns = arena_zeroed(arena, sizeof(*columns) * slot_count);
    if (!traversal || !slot_kinds || !input_slots || !output_slots || !columns)
        return ERR(MEMORY_QUERY);
    memcpy(slot_kinds, kinds, slot_count);
    for (uint32_t i = 1; i < slot_count; i++)
        output_slots[i - 1] = i;
    *traversal = (struct traversal){
        .slot_count = slot_count,
        .slot_kinds = slot_kinds,
        .input_count = 1,
        .input_slots = input_slots,
        .step_count = step_count,
        .steps = steps,
        .output_count = slot_count - 1,
        .output_slots = output_slots,
    };
    *reader = (struct entity_reader){.execution = execution, .traversal = traversal};
    reader->rows = (struct batch){.column_count = slot_count - 1, .columns = columns};
    return shape_create(arena, traversal, true, &reader->shape);
}

static struct step
step_of(enum step_kind kind)
{
    return (struct step){
        .kind = (uint8_t)kind,
        .from_slot = SLOT_NONE,
        .to_slot = SLOT_NONE,
        .rel_slot = SLOT_NONE,
        .label = LABEL_ANY,
    };
}

err_t
entity_reader_hydrate(struct entity_reader *reader, struct execution *execution)
{
    static const uint8_t kinds[] = {COLUMN_VALUE, COLUMN_VALUE};
    struct step *steps = arena_allocate(&execution->arena, sizeof(*steps) * 2);
    if (!steps)
        return ERR(MEMORY_QUERY);
    steps[0] = step_of(STEP_MOVE);
    steps[0].from_slot = 0;
    steps[1] = step_of(STEP_HYDRATE);
    steps[1].from_slot = 0;
    steps[1].to_slot = 1;
    return reader_create(reader, execution, kinds, 2, steps, 2);
}

err_t
entity_reader_fetch(
    struct entity_reader *reader,
    struct execution *execution,
    enum column_kind kind,
    const struct fetch *fetches,
    uint32_t fetch_count)
{
    struct step *steps = arena_allocate(&execution->arena, sizeof(*steps) * 2);
    struct fetch *own = arena_allocate(&execution->arena, sizeof(*own) * fetch_count);
    uint8_t *kinds = arena_allocate(&execution->arena, fetch_count + 1);
    if (!steps || !own || !kinds)
        return ERR(MEMORY_QUERY);
    kinds[0] = (uint8_t)kind;
    for (uint32_t i = 0; i < fetch_count; i++) {
        own[i] = fetches[i];
        own[i].entity_slot = 0;
        own[i].slot = i + 1;
        kinds[i + 1] = COLUMN_VALUE;
    }
    steps[0] = step_of(STEP_MOVE);
    steps[0].from_slot = 0;
    steps[1] = step_of(STEP_FETCH);
    steps[1].fetch_count = fetch_count;
    steps[1].fetches = own;
    return reader_create(reader, execution, kinds, fetch_count + 1, steps, 2);
}

err_t
entity_reader_expand(
    struct entity_reader *reader, struct execution *execution, const struct step *step)
{
    static const uint8_t kinds[] = {COLUMN_NODE, COLUMN_VALUE, COLUMN_NODE};
    struct arena *arena = &execution->arena;
    uint32_t step_count = 2;
    struct step *steps = arena_allocate(
        arena, sizeof(*steps) * (2 + 2 * (size_t)step->property_count));
    if (!steps)
        return ERR(MEMORY_QUERY);
    steps[0] = step_of(STEP_MOVE);
    steps[0].from_slot = 0;
    steps[1] = step_of(STEP_EXPAND);
    steps[1].from_slot = 0;
    steps[1].to_slot = 2;
    steps[1].rel_slot = 1;
    steps[1].direction = step->direction;
    steps[1].type_count = step->type_count;
    steps[1].types = step->types;
    for (uint32_t i = 0; i < step->property_count; i++) {
        if (i == 0) {
            steps[step_count] = step_of(STEP_MOVE);
            steps[step_count++].from_slot = 1;
        }
        steps[step_count] = step_of(STEP_PROPERTY);
        steps[step_count].from_slot = 1;
        steps[step_count].key = step->property_keys[i];
        steps[step_count].compare = COMPARE_EQ;
        steps[step_count++].expr = step->property_values[i];
    }
    return reader_create(reader, execution, kinds, 3, steps, step_count);
}

err_t
entity_reader_feed(struct entity_reader *reader, const struct batch *input, const uint64_t *tags)
{
    if (reader->run && !run_is_current(reader->run))
        entity_reader_close(reader);
    if (!reader->run) {
        err_t err = run_create(reader->execution, reader->shape, UINT64_MAX, &reader->run);
        if (err)
            return err;
        const struct batch *rows;
        /* A fresh run is drained; this settles its state. */
        enum pull pull = run_pull(reader->run, &rows);
        assert(pull == PULL_END);
        (void)pull;
    }
    return run_feed(reader->run, input, tags);
}

enum pull
entity_reader_pull(struct entity_reader *reader, const struct batch **rows, const uint64_t **tags)
{
    const struct batch *slots;
    enum pull pull = run_pull(reader->run, &slots);
    if (pull == PULL_WAIT) {
        run_flush(reader->run);
        /* What was flushed may have been all: only a report can say so, and it wakes us. */
        return PULL_WAIT;
    }
    if (pull != PULL_BATCH)
        return pull;
    for (uint32_t i = 0; i < reader->rows.column_count; i++)
        reader->rows.columns[i] = slots->columns[i + 1];
    reader->rows.row_count = slots->row_count;
    *rows = &reader->rows;
    *tags = slots->columns[reader->shape->tag_slot].nodes;
    return PULL_BATCH;
}

void
entity_reader_close(struct entity_reader *reader)
{
    if (reader->run)
        run_close(reader->run);
    reader->run = NULL;
}
