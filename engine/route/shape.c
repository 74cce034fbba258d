#include "engine/route/shape.h"

struct shaping {
    struct arena *arena;
    const struct traversal *traversal;
    struct shape *shape;
    struct step *steps;     /* the traversal's, hidden slots filled in */
    struct slot_set *after; /* live slots after each step */
    struct slot_set before; /* live slots before the first */
};

static bool
column_add(const struct expr *expr, void *argument)
{
    if (expr->kind == EXPR_COLUMN)
        slot_set_add(argument, expr->slot);
    return true;
}

static void
uses_add(const struct expr *expr, struct slot_set *set)
{
    if (expr)
        expr_walk(expr, column_add, set);
}

static bool
step_binds_to(enum step_kind kind)
{
    return kind == STEP_SCAN || kind == STEP_INDEX_SEEK || kind == STEP_ID_SEEK ||
           kind == STEP_EXPAND || kind == STEP_VAR_EXPAND || kind == STEP_HYDRATE ||
           kind == STEP_COMPUTE;
}

static bool
step_binds_rel(enum step_kind kind)
{
    return kind == STEP_EXPAND || kind == STEP_EXPAND_INTO || kind == STEP_VAR_EXPAND;
}

static void
step_definitions_drop(const struct step *step, struct slot_set *live)
{
    if (step_binds_to(step->kind))
        slot_set_drop(live, step->to_slot);
    if (step_binds_rel(step->kind))
        slot_set_drop(live, step->rel_slot);
    for (uint32_t i = 0; step->kind == STEP_FETCH && i < step->fetch_count; i++)
        slot_set_drop(live, step->fetches[i].slot);
}

static void
step_uses_add(const struct step *step, struct slot_set *live)
{
    bool reads_from = step->kind != STEP_SCAN && step->kind != STEP_INDEX_SEEK &&
                      step->kind != STEP_ID_SEEK && step->kind != STEP_FILTER &&
                      step->kind != STEP_COMPUTE && step->kind != STEP_FETCH &&
                      step->kind != STEP_REL_DISTINCT;
    if (reads_from)
        slot_set_add(live, step->from_slot);
    if (step->kind == STEP_EXPAND_INTO || step->kind == STEP_EXPAND_EXISTS ||
        step->kind == STEP_NODE_EQUAL)
        slot_set_add(live, step->to_slot);
    if (step->kind == STEP_REL_DISTINCT) {
        slot_set_add(live, step->rel_slot);
        for (uint32_t i = 0; i < step->slot_count; i++)
            slot_set_add(live, step->slots[i]);
    }
    for (uint32_t i = 0; step->kind == STEP_FETCH && i < step->fetch_count; i++)
        slot_set_add(live, step->fetches[i].entity_slot);
    uses_add(step->expr, live);
    for (uint32_t i = 0; i < step->property_count; i++)
        uses_add(step->property_values[i], live);
}

static void
end_uses_add(const struct traversal *traversal, struct slot_set *live)
{
    if (traversal->aggregate_partial) {
        for (uint32_t i = 0; i < traversal->group_count; i++)
            uses_add(traversal->groups[i], live);
        for (uint32_t i = 0; i < traversal->aggregate_count; i++) {
            uses_add(traversal->aggregates[i].argument, live);
            uses_add(traversal->aggregates[i].argument2, live);
        }
        return;
    }
    for (uint32_t i = 0; i < traversal->output_count; i++)
        slot_set_add(live, traversal->output_slots[i]);
    for (uint32_t i = 0; i < traversal->top_key_count; i++)
        uses_add(traversal->top_keys[i].expr, live);
}

static bool
slot_list_make(struct shaping *shaping, const struct slot_set *set, struct slot_list *out)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < SLOT_WORD_COUNT; i++)
        count += (uint32_t)__builtin_popcountll(set->words[i]);
    uint16_t *slots = arena_allocate(shaping->arena, sizeof(*slots) * count);
    if (!slots)
        return false;
    uint32_t at = 0;
    for (uint32_t i = 0; i < SLOT_WORD_COUNT; i++) {
        for (uint64_t word = set->words[i]; word; word &= word - 1)
            slots[at++] = (uint16_t)(i * 64 + (uint32_t)__builtin_ctzll(word));
    }
    assert(at == count);
    *out = (struct slot_list){count, slots};
    return true;
}

/* Copies the steps, giving each VAR_EXPAND a slot for its trail, and finds what is live after each. */
static err_t
steps_prepare(struct shaping *shaping, bool tagged)
{
    const struct traversal *traversal = shaping->traversal;
    struct shape *shape = shaping->shape;
    uint32_t step_count = traversal->step_count;
    shape->slot_count = traversal->slot_count;
    if ((uint64_t)traversal->slot_count + step_count + 1 > SLOT_COUNT_MAX)
        return ERR(LIMIT);
    shape->slot_kinds = arena_allocate(shaping->arena, traversal->slot_count + step_count + 1);
    shaping->steps = arena_allocate(shaping->arena, sizeof(struct step) * step_count);
    shaping->after = arena_zeroed(shaping->arena, sizeof(struct slot_set) * (step_count + 1));
    if (!shape->slot_kinds || !shaping->steps || !shaping->after)
        return ERR(MEMORY_QUERY);
    if (traversal->slot_count)
        memcpy(shape->slot_kinds, traversal->slot_kinds, traversal->slot_count);
    shape->tag_slot = SLOT_NONE;
    if (tagged) {
        shape->slot_kinds[shape->slot_count] = COLUMN_NODE;
        shape->tag_slot = shape->slot_count++;
    }
    for (uint32_t i = 0; i < step_count; i++) {
        struct step *step = &shaping->steps[i];
        *step = traversal->steps[i];
        if (step->kind == STEP_VAR_EXPAND && step->rel_slot == SLOT_NONE) {
            shape->slot_kinds[shape->slot_count] = COLUMN_VALUE;
            step->rel_slot = shape->slot_count++;
        }
    }
    struct slot_set live = {0};
    end_uses_add(traversal, &live);
    slot_set_add(&live, shape->tag_slot);
    for (uint32_t i = step_count; i-- > 0;) {
        shaping->after[i] = live;
        step_definitions_drop(&shaping->steps[i], &live);
        step_uses_add(&shaping->steps[i], &live);
    }
    shaping->before = live;
    return 0;
}

static enum segment_source
step_source(enum step_kind kind)
{
    switch (kind) {
    case STEP_MOVE:
        return SOURCE_MOVE;
    case STEP_SCAN:
        return SOURCE_BROADCAST;
    case STEP_INDEX_SEEK:
        return SOURCE_INDEX;
    case STEP_ID_SEEK:
        return SOURCE_ID;
    case STEP_VAR_EXPAND:
        return SOURCE_LOOP;
    case STEP_NONE:
    case STEP_EXPAND:
    case STEP_EXPAND_INTO:
    case STEP_EXPAND_EXISTS:
    case STEP_LABEL:
    case STEP_PROPERTY:
    case STEP_FETCH:
    case STEP_HYDRATE:
    case STEP_FILTER:
    case STEP_COMPUTE:
    case STEP_REL_DISTINCT:
    case STEP_NODE_EQUAL:
    case STEP_KIND_COUNT:
        break;
    }
    return SOURCE_LOCAL;
}

/* The slots rows bring to a segment that step `index` opens. */
static struct slot_set
segment_carries(const struct shaping *shaping, uint32_t index)
{
    const struct step *step = &shaping->steps[index];
    struct slot_set set = shaping->after[index];
    if (step->kind == STEP_VAR_EXPAND) {
        slot_set_add(&set, step->to_slot);
        slot_set_add(&set, step->rel_slot);
        for (uint32_t i = 0; i < step->property_count; i++)
            uses_add(step->property_values[i], &set);
    } else if (step->kind != STEP_MOVE) {
        step_definitions_drop(step, &set);
        step_uses_add(step, &set);
    }
    return set;
}

static err_t
segment_open(struct shaping *shaping, uint32_t index, struct segment_shape *segment)
{
    const struct step *step = &shaping->steps[index];
    struct slot_set carried = segment_carries(shaping, index);
    *segment = (struct segment_shape){.source = (uint8_t)step_source(step->kind), .arrival = step};
    segment->sieves = arena_allocate(
        shaping->arena, sizeof(struct sieve) * (shaping->traversal->step_count + 1));
    if (!segment->sieves || !slot_list_make(shaping, &carried, &segment->carried))
        return ERR(MEMORY_QUERY);
    return 0;
}

static err_t
segment_expander_set(
    struct shaping *shaping,
    uint32_t index,
    struct segment_shape *segment,
    struct slot_set *touched)
{
    const struct step *step = &shaping->steps[index];
    struct slot_set kept = step->kind == STEP_VAR_EXPAND ? segment_carries(shaping, index)
                                                         : shaping->after[index];
    *touched = shaping->after[index];
    step_definitions_drop(step, &kept);
    if (step->kind == STEP_VAR_EXPAND &&
        !slot_list_make(shaping, &shaping->after[index], &segment->forward))
        return ERR(MEMORY_QUERY);
    segment->expander = step;
    segment->expander_class = step_class_of(step->kind);
    return slot_list_make(shaping, &kept, &segment->kept) ? 0 : ERR(MEMORY_QUERY);
}

static void
slot_set_join(struct slot_set *set, const struct slot_set *other)
{
    for (uint32_t i = 0; i < SLOT_WORD_COUNT; i++)
        set->words[i] |= other->words[i];
}

static err_t
segment_sieve_add(
    struct shaping *shaping,
    uint32_t index,
    struct segment_shape *segment,
    struct slot_set *touched)
{
    const struct step *step = &shaping->steps[index];
    struct sieve *sieve = &segment->sieves[segment->sieve_count++];
    struct slot_set live = shaping->after[index];
    if (step->kind == STEP_VAR_EXPAND)
        live = segment_carries(shaping, index);
    slot_set_join(touched, &live);
    *sieve = (struct sieve){.step = step, .class = step_class_of(step->kind)};
    assert(sieve->class->sieve);
    return slot_list_make(shaping, &live, &sieve->live) ? 0 : ERR(MEMORY_QUERY);
}

static bool
step_expands(enum step_kind kind)
{
    return step_class_of(kind)->expand && kind != STEP_VAR_EXPAND;
}

/* Cuts the steps. Each segment's `touched` is collected while it is open. */
static err_t
segments_cut(struct shaping *shaping)
{
    struct shape *shape = shaping->shape;
    struct segment_shape *segment = &shape->segments[0];
    struct slot_set touched = shaping->before;
    segment->source = SOURCE_INPUT;
    segment->sieves = arena_allocate(
        shaping->arena, sizeof(struct sieve) * (shaping->traversal->step_count + 1));
    if (!segment->sieves || !slot_list_make(shaping, &shaping->before, &segment->carried))
        return ERR(MEMORY_QUERY);
    for (uint32_t i = 0; i < shaping->traversal->step_count; i++) {
        enum step_kind kind = shaping->steps[i].kind;
        err_t err = 0;
        if (kind == STEP_VAR_EXPAND) {
            err = segment_sieve_add(shaping, i, segment, &touched);
            shape->loops = true;
        }
        bool opens = step_source(kind) != SOURCE_LOCAL ||
                     (step_expands(kind) && (segment->expander || segment->sieve_count));
        if (!err && opens) {
            if (!slot_list_make(shaping, &touched, &segment->touched))
                return ERR(MEMORY_QUERY);
            segment++;
            err = segment_open(shaping, i, segment);
            touched = segment_carries(shaping, i);
        }
        if (!err && (step_expands(kind) || kind == STEP_VAR_EXPAND))
            err = segment_expander_set(shaping, i, segment, &touched);
        else if (!err && kind != STEP_MOVE)
            err = segment_sieve_add(shaping, i, segment, &touched);
        if (err)
            return err;
    }
    if (!slot_list_make(shaping, &touched, &segment->touched))
        return ERR(MEMORY_QUERY);
    shape->exit = (uint32_t)(segment - shape->segments) + 1;
    return 0;
}

err_t
shape_create(
    struct arena *arena, const struct traversal *traversal, bool tagged, struct shape **out)
{
    struct shaping shaping = {.arena = arena, .traversal = traversal};
    struct shape *shape = arena_zeroed(arena, sizeof(*shape));
    if (!shape)
        return ERR(MEMORY_QUERY);
    shaping.shape = shape;
    shape->traversal = traversal;
    shape->gathers = traversal->aggregate_partial || traversal->top_key_count > 0;
    shape->segments = arena_zeroed(arena, sizeof(*shape->segments) * (traversal->step_count + 2));
    if (!shape->segments)
        return ERR(MEMORY_QUERY);
    err_t err = steps_prepare(&shaping, tagged);
    if (!err)
        err = segments_cut(&shaping);
    if (err)
        return err;
    struct slot_set live = {0};
    end_uses_add(traversal, &live);
    slot_set_add(&live, shape->tag_slot);
    struct segment_shape *exit = &shape->segments[shape->exit];
    exit->source = shape->gathers ? SOURCE_LOCAL : SOURCE_HOME;
    if (!slot_list_make(&shaping, &live, &exit->carried))
        return ERR(MEMORY_QUERY);
    assert(!traversal->aggregate_partial || !tagged);
    *out = shape;
    return 0;
}
