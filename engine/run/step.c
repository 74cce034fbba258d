#include "engine/run/step.h"

#include "engine/value/value_ops.h"

const struct step_class *
step_class_of(enum step_kind kind)
{
    static const struct step_class *const classes[STEP_KIND_COUNT] = {
#define STEP(name, text) [STEP_##name] = &step_class_##name,
#include "engine/plan/steps.def"
#undef STEP
    };
    assert(kind < STEP_KIND_COUNT);
    return classes[kind];
}

const char *
step_kind_name(enum step_kind kind)
{
    static const char *const names[STEP_KIND_COUNT] = {
        [STEP_NONE] = "NONE",
#define STEP(name, text) [STEP_##name] = #name,
#include "engine/plan/steps.def"
#undef STEP
    };
    assert(kind < STEP_KIND_COUNT);
    return names[kind];
}

void
rows_gather(
    const struct step_context *context,
    const struct batch *in,
    struct batch *out,
    struct slot_list slots,
    const uint32_t *sources,
    uint32_t count)
{
    for (uint32_t i = 0; i < slots.count; i++) {
        uint32_t slot = slots.slots[i];
        if (context->slot_kinds[slot] == COLUMN_NODE) {
            const uint64_t *restrict from = in->columns[slot].nodes;
            uint64_t *restrict to = out->columns[slot].nodes;
            for (uint32_t row = 0; row < count; row++)
                to[row] = from[sources[row]];
        } else {
            const struct value *restrict from = in->columns[slot].values;
            struct value *restrict to = out->columns[slot].values;
            for (uint32_t row = 0; row < count; row++)
                to[row] = from[sources[row]];
        }
    }
}

void
rows_select(
    const struct step_context *context,
    struct batch *rows,
    struct slot_list slots,
    const uint32_t *positions,
    uint32_t count)
{
    assert(count <= rows->row_count);
    if (count < rows->row_count) {
        for (uint32_t i = 0; i < slots.count; i++) {
            uint32_t slot = slots.slots[i];
            if (context->slot_kinds[slot] == COLUMN_NODE) {
                uint64_t *nodes = rows->columns[slot].nodes;
                for (uint32_t row = 0; row < count; row++)
                    nodes[row] = nodes[positions[row]];
            } else {
                struct value *values = rows->columns[slot].values;
                for (uint32_t row = 0; row < count; row++)
                    values[row] = values[positions[row]];
            }
        }
    }
    rows->row_count = count;
}

const uint64_t *
rows_nodes(const struct batch *rows, uint32_t slot, uint64_t *scratch)
{
    const struct column *column = &rows->columns[slot];
    if (column->kind == COLUMN_NODE)
        return column->nodes;
    for (uint32_t row = 0; row < rows->row_count; row++) {
        struct value value = column->values[row];
        scratch[row] = value.type == VALUE_NODE ? value_node_id(value).id : NODE_ABSENT;
    }
    return scratch;
}

const struct value_rel *
rel_make(
    struct arena *arena,
    uint64_t rel,
    uint32_t type,
    uint8_t direction,
    uint64_t node,
    uint64_t other)
{
    struct value_rel *made = arena_zeroed(arena, sizeof(*made));
    if (!made)
        return NULL;
    bool out = direction == DIRECTION_OUT;
    made->id = (rel_id){rel};
    made->start = (node_id){out ? node : other};
    made->end = (node_id){out ? other : node};
    made->type_token = type;
    return made;
}

bool
entity_id(struct value value, uint64_t *id)
{
    if (value.type == VALUE_NODE)
        *id = value_node_id(value).id;
    else if (value.type == VALUE_RELATIONSHIP)
        *id = value.rel->id.id;
    else
        return false;
    return true;
}

/* True when the value points at nothing, so that it may be kept as it is. */
bool
value_is_inline(struct value value)
{
    switch ((enum value_type)value.type) {
    case VALUE_NULL:
    case VALUE_BOOLEAN:
    case VALUE_INTEGER:
    case VALUE_FLOAT:
    case VALUE_DATE:
    case VALUE_LOCAL_TIME:
    case VALUE_TIME:
    case VALUE_LOCAL_DATE_TIME:
        return true;
    case VALUE_NODE:
        return !(value.flags & VALUE_FLAG_HYDRATED);
    case VALUE_STRING:
    case VALUE_BYTES:
    case VALUE_LIST:
    case VALUE_MAP:
    case VALUE_RELATIONSHIP:
    case VALUE_PATH:
    case VALUE_DATE_TIME:
    case VALUE_DURATION:
    case VALUE_POINT:
    case VALUE_TYPE_COUNT:
        break;
    }
    return false;
}

err_t
entity_property(
    struct step_context *context,
    struct arena *arena,
    struct value entity,
    uint32_t key,
    struct value *out)
{
    struct value lent = value_null();
    if (key != TOKEN_NONE && entity.type == VALUE_NODE)
        lent = store_node_property(context->store, context->view, value_node_id(entity), key);
    else if (key != TOKEN_NONE && entity.type == VALUE_RELATIONSHIP)
        lent = store_rel_property(context->store, context->view, entity.rel->id, key);
    if (value_is_inline(lent)) {
        *out = lent;
        return 0;
    }
    return value_copy(arena, lent, out);
}

static err_t
properties_hydrate(
    struct step_context *context,
    struct arena *arena,
    const struct property *properties,
    uint32_t count,
    const struct map_entry **out)
{
    struct map_entry *entries = arena_allocate(arena, sizeof(*entries) * count);
    if (!entries)
        return ERR(MEMORY_QUERY);
    for (uint32_t i = 0; i < count; i++) {
        entries[i].key = catalog_name(context->shard->catalog, TOKEN_KEY, properties[i].key);
        err_t err = value_copy(arena, properties[i].value, &entries[i].value);
        if (err)
            return err;
    }
    *out = entries;
    return 0;
}

static err_t
node_hydrate(struct step_context *context, struct arena *arena, node_id id, struct value *out)
{
    enum { ROOM = 64 };
    struct value_node *node = arena_zeroed(arena, sizeof(*node));
    if (!node)
        return ERR(MEMORY_QUERY);
    node->id = id;
    node->deleted = !store_node_exists(context->store, context->view, id);
    *out = (struct value){.type = VALUE_NODE, .flags = VALUE_FLAG_HYDRATED};
    out->node = node;
    if (node->deleted)
        return 0;
    uint32_t few_labels[ROOM], *labels = few_labels;
    uint32_t label_count = store_node_labels(context->store, context->view, id, labels, ROOM);
    if (label_count > ROOM) {
        labels = arena_allocate(arena, sizeof(*labels) * label_count);
        if (!labels)
            return ERR(MEMORY_QUERY);
        store_node_labels(context->store, context->view, id, labels, label_count);
    }
    struct text *names = arena_allocate(arena, sizeof(*names) * label_count);
    if (!names)
        return ERR(MEMORY_QUERY);
    for (uint32_t i = 0; i < label_count; i++)
        names[i] = catalog_name(context->shard->catalog, TOKEN_LABEL, labels[i]);
    node->label_count = label_count;
    node->labels = names;
    struct property few[ROOM], *properties = few;
    uint32_t count = store_node_properties(context->store, context->view, id, few, ROOM);
    if (count > ROOM) {
        properties = arena_allocate(arena, sizeof(*properties) * count);
        if (!properties)
            return ERR(MEMORY_QUERY);
        store_node_properties(context->store, context->view, id, properties, count);
    }
    node->property_count = count;
    return properties_hydrate(context, arena, properties, count, &node->properties);
}

static err_t
rel_hydrate(
    struct step_context *context,
    struct arena *arena,
    const struct value_rel *bare,
    struct value *out)
{
    enum { ROOM = 64 };
    struct value_rel *rel = arena_allocate(arena, sizeof(*rel));
    if (!rel)
        return ERR(MEMORY_QUERY);
    *rel = *bare;
    rel->type = catalog_name(context->shard->catalog, TOKEN_TYPE, rel->type_token);
    rel->hydrated = true;
    rel->property_count = 0;
    rel->properties = NULL;
    *out = value_relationship(rel);
    struct rel_record record;
    rel->deleted = !store_rel_get(context->store, context->view, bare->id, &record);
    if (rel->deleted)
        return 0;
    struct property few[ROOM], *properties = few;
    uint32_t count = store_rel_properties(context->store, context->view, rel->id, few, ROOM);
    if (count > ROOM) {
        properties = arena_allocate(arena, sizeof(*properties) * count);
        if (!properties)
            return ERR(MEMORY_QUERY);
        store_rel_properties(context->store, context->view, rel->id, properties, count);
    }
    rel->property_count = count;
    return properties_hydrate(context, arena, properties, count, &rel->properties);
}

err_t
entity_hydrate(
    struct step_context *context, struct arena *arena, struct value entity, struct value *out)
{
    if (entity.type == VALUE_NODE)
        return node_hydrate(context, arena, value_node_id(entity), out);
    if (entity.type == VALUE_RELATIONSHIP)
        return rel_hydrate(context, arena, entity.rel, out);
    *out = entity;
    return 0;
}
