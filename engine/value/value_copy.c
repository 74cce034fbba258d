/* Copies, types and the question whether a value may be stored. */
#include "base/limits.h"
#include "engine/value/builder.h"
#include "engine/value/value_ops.h"
#include "shards/store/operation.h"

static err_t copy_items(
    struct arena *arena, const struct value *items, uint32_t count, const struct value **out);
static err_t copy_entries(
    struct arena *arena,
    const struct map_entry *entries,
    uint32_t count,
    const struct map_entry **out);

static err_t
copy_text(struct arena *arena, struct text text, struct text *out)
{
    *out = arena_text(arena, text);
    return out->data ? 0 : ERR(MEMORY_QUERY);
}

static err_t
copy_blob(struct arena *arena, const void *data, size_t size, const void **out)
{
    void *copy = arena_allocate(arena, size ? size : 1);
    if (!copy)
        return ERR(MEMORY_QUERY);
    if (size)
        memcpy(copy, data, size);
    *out = copy;
    return 0;
}

static err_t
copy_node(struct arena *arena, const struct value_node *node, struct value *out)
{
    struct value_node *copy = arena_zeroed(arena, sizeof(*copy));
    struct text *labels = arena_zeroed(arena, (node->label_count + 1) * sizeof(*labels));
    if (!copy || !labels)
        return ERR(MEMORY_QUERY);
    err_t err = 0;
    *copy = *node;
    for (uint32_t i = 0; !err && i < node->label_count; i++)
        err = copy_text(arena, node->labels[i], &labels[i]);
    copy->labels = labels;
    if (!err)
        err = copy_entries(arena, node->properties, node->property_count, &copy->properties);
    out->node = copy;
    return err;
}

static err_t
copy_rel(struct arena *arena, const struct value_rel *rel, struct value *out)
{
    struct value_rel *copy = arena_zeroed(arena, sizeof(*copy));
    if (!copy)
        return ERR(MEMORY_QUERY);
    err_t err = 0;
    *copy = *rel;
    if (rel->hydrated) {
        err = copy_text(arena, rel->type, &copy->type);
        if (!err)
            err = copy_entries(arena, rel->properties, rel->property_count, &copy->properties);
    }
    out->rel = copy;
    return err;
}

static err_t
copy_path(struct arena *arena, const struct value_path *path, struct value *out)
{
    struct value_path *copy = arena_zeroed(arena, sizeof(*copy));
    if (!copy)
        return ERR(MEMORY_QUERY);
    *copy = *path;
    err_t err = copy_items(arena, path->nodes, path->rel_count + 1, &copy->nodes);
    if (!err)
        err = copy_items(arena, path->rels, path->rel_count, &copy->rels);
    out->path = copy;
    return err;
}

static err_t
copy_date_time(struct arena *arena, const struct value_date_time *time, struct value *out)
{
    struct value_date_time *copy = arena_zeroed(arena, sizeof(*copy));
    if (!copy)
        return ERR(MEMORY_QUERY);
    *copy = *time;
    out->date_time = copy;
    return time->zone.size ? copy_text(arena, time->zone, &copy->zone) : 0;
}

err_t
value_copy(struct arena *arena, struct value value, struct value *out)
{
    *out = value;
    const void *blob = NULL;
    err_t err = 0;
    switch ((enum value_type)value.type) {
    case VALUE_STRING:
    case VALUE_BYTES:
        err = copy_blob(arena, value.bytes, value.size, &blob);
        out->bytes = blob;
        return err;
    case VALUE_LIST:
        return copy_items(arena, value.list, value.size, &out->list);
    case VALUE_MAP:
        return copy_entries(arena, value.map, value.size, &out->map);
    case VALUE_NODE:
        return value.flags & VALUE_FLAG_HYDRATED ? copy_node(arena, value.node, out) : 0;
    case VALUE_RELATIONSHIP:
        return copy_rel(arena, value.rel, out);
    case VALUE_PATH:
        return copy_path(arena, value.path, out);
    case VALUE_DATE_TIME:
        return copy_date_time(arena, value.date_time, out);
    case VALUE_DURATION:
        err = copy_blob(arena, value.duration, sizeof(*value.duration), &blob);
        out->duration = blob;
        return err;
    case VALUE_POINT:
        err = copy_blob(arena, value.point, sizeof(*value.point), &blob);
        out->point = blob;
        return err;
    case VALUE_NULL:
    case VALUE_BOOLEAN:
    case VALUE_INTEGER:
    case VALUE_FLOAT:
    case VALUE_DATE:
    case VALUE_LOCAL_TIME:
    case VALUE_TIME:
    case VALUE_LOCAL_DATE_TIME:
        return 0;
    case VALUE_TYPE_COUNT:
        break;
    }
    assert(!"no such type");
    return 0;
}

static err_t
copy_items(struct arena *arena, const struct value *items, uint32_t count, const struct value **out)
{
    struct value *copy = arena_zeroed(arena, (count + UINT64_C(1)) * sizeof(*copy));
    if (!copy)
        return ERR(MEMORY_QUERY);
    err_t err = 0;
    for (uint32_t i = 0; !err && i < count; i++)
        err = value_copy(arena, items[i], &copy[i]);
    *out = copy;
    return err;
}

static err_t
copy_entries(
    struct arena *arena,
    const struct map_entry *entries,
    uint32_t count,
    const struct map_entry **out)
{
    struct map_entry *copy = arena_zeroed(arena, (count + UINT64_C(1)) * sizeof(*copy));
    if (!copy)
        return ERR(MEMORY_QUERY);
    err_t err = 0;
    for (uint32_t i = 0; !err && i < count; i++) {
        err = copy_text(arena, entries[i].key, &copy[i].key);
        if (!err)
            err = value_copy(arena, entries[i].value, &copy[i].value);
    }
    *out = copy;
    return err;
}

const struct value *
value_map_lookup(const struct map_entry *entries, uint32_t entry_count, struct text key)
{
    for (uint32_t i = 0; i < entry_count; i++)
        if (text_equal(entries[i].key, key))
            return &entries[i].value;
    return NULL;
}

/* How deep the value is, as its maker recorded it. */
static uint32_t
value_depth(struct value value)
{
    return value.type == VALUE_LIST || value.type == VALUE_MAP ? value.depth + 1u : 0;
}

err_t
value_list_make(const struct value *items, uint32_t item_count, struct value *out)
{
    uint32_t depth = 0;
    for (uint32_t i = 0; i < item_count; i++)
        depth = value_depth(items[i]) > depth ? value_depth(items[i]) : depth;
    if (depth > VALUE_DEPTH_MAX)
        return ERR(LIMIT);
    *out = value_list(items, item_count);
    out->depth = (uint16_t)depth;
    return 0;
}

err_t
value_map_make(const struct map_entry *entries, uint32_t entry_count, struct value *out)
{
    uint32_t depth = 0;
    for (uint32_t i = 0; i < entry_count; i++)
        depth = value_depth(entries[i].value) > depth ? value_depth(entries[i].value) : depth;
    if (depth > VALUE_DEPTH_MAX)
        return ERR(LIMIT);
    *out = value_map(entries, entry_count);
    out->depth = (uint16_t)depth;
    return 0;
}

static const char *
unstorable_scalar(struct value value)
{
    switch ((enum value_type)value.type) {
    case VALUE_MAP:
        return "a map";
    case VALUE_NODE:
        return "a node";
    case VALUE_RELATIONSHIP:
        return "a relationship";
    case VALUE_PATH:
        return "a path";
    case VALUE_NULL:
    case VALUE_BOOLEAN:
    case VALUE_INTEGER:
    case VALUE_FLOAT:
    case VALUE_STRING:
    case VALUE_BYTES:
    case VALUE_LIST:
    case VALUE_DATE:
    case VALUE_LOCAL_TIME:
    case VALUE_TIME:
    case VALUE_LOCAL_DATE_TIME:
    case VALUE_DATE_TIME:
    case VALUE_DURATION:
    case VALUE_POINT:
    case VALUE_TYPE_COUNT:
        break;
    }
    return NULL;
}

const char *
value_unstorable_reason(struct value value)
{
    const char *reason = unstorable_scalar(value);
    if (reason || value_is_storable(value))
        return reason;
    if (value.type != VALUE_LIST)
        return "a value that is too large";
    for (uint32_t i = 0; i < value.size; i++) {
        if (value.list[i].type == VALUE_NULL)
            return "a list with null in it";
        if (value.list[i].type == VALUE_LIST)
            return "a list of lists";
        if (unstorable_scalar(value.list[i]))
            return "a list of maps or entities";
        if (value.list[i].type != value.list[0].type)
            return "a list with different types";
    }
    return "a value that is too large";
}

err_t
value_storable_form(struct arena *arena, struct value value, struct value *out)
{
    *out = value;
    bool has_float = false, has_integer = false;
    for (uint32_t i = 0; value.type == VALUE_LIST && i < value.size; i++) {
        has_float |= value.list[i].type == VALUE_FLOAT;
        has_integer |= value.list[i].type == VALUE_INTEGER;
        if (!value_is_number(value.list[i]))
            return 0;
    }
    if (!has_float || !has_integer)
        return 0;
    struct value *items = arena_allocate(arena, value.size * sizeof(*items));
    if (!items)
        return ERR(MEMORY_QUERY);
    for (uint32_t i = 0; i < value.size; i++)
        items[i] = value_float(value_real(value.list[i]));
    *out = value_list(items, value.size);
    return 0;
}

static const char *const type_names[VALUE_TYPE_COUNT] = {
    [VALUE_NULL] = "NULL",
    [VALUE_BOOLEAN] = "BOOLEAN",
    [VALUE_INTEGER] = "INTEGER",
    [VALUE_FLOAT] = "FLOAT",
    [VALUE_STRING] = "STRING",
    [VALUE_BYTES] = "BYTES",
    [VALUE_LIST] = "LIST",
    [VALUE_MAP] = "MAP",
    [VALUE_NODE] = "NODE",
    [VALUE_RELATIONSHIP] = "RELATIONSHIP",
    [VALUE_PATH] = "PATH",
    [VALUE_DATE] = "DATE",
    [VALUE_LOCAL_TIME] = "LOCAL TIME",
    [VALUE_TIME] = "ZONED TIME",
    [VALUE_LOCAL_DATE_TIME] = "LOCAL DATETIME",
    [VALUE_DATE_TIME] = "ZONED DATETIME",
    [VALUE_DURATION] = "DURATION",
    [VALUE_POINT] = "POINT",
};

const char *
value_type_name(struct value value)
{
    assert(value.type < VALUE_TYPE_COUNT);
    return type_names[value.type];
}

/* The order in which valueType() lists alternatives. */
static const uint8_t type_listing[] = {
    VALUE_BOOLEAN,    VALUE_STRING, VALUE_INTEGER,         VALUE_FLOAT,     VALUE_DATE,
    VALUE_LOCAL_TIME, VALUE_TIME,   VALUE_LOCAL_DATE_TIME, VALUE_DATE_TIME, VALUE_DURATION,
    VALUE_POINT,      VALUE_NODE,   VALUE_RELATIONSHIP,    VALUE_MAP,       VALUE_LIST,
    VALUE_PATH,       VALUE_BYTES,
};

/* The type that covers all items: each type of item once, lists among them merged into LIST<ANY>. */
static void
print_item_types(struct builder *builder, struct value list)
{
    uint32_t seen = 0;
    for (uint32_t i = 0; i < list.size; i++)
        seen |= 1u << list.list[i].type;
    const char *end = seen & (1u << VALUE_NULL) ? "" : " NOT NULL";
    const char *separator = "";
    if (!(seen & ~(1u << VALUE_NULL)))
        builder_printf(builder, "%s", seen ? "NULL" : "NOTHING");
    for (size_t i = 0; i < sizeof(type_listing); i++) {
        if (!(seen & (1u << type_listing[i])))
            continue;
        const char *item = type_listing[i] == VALUE_LIST ? "<ANY>" : "";
        builder_printf(builder, "%s%s%s%s", separator, type_names[type_listing[i]], item, end);
        separator = " | ";
    }
}

struct text
value_type_text(struct arena *arena, struct value value)
{
    struct builder builder = builder_start(arena);
    if (value.type == VALUE_LIST) {
        /* One kind of inner list, the common case of nesting, is worth naming exactly. */
        builder_printf(&builder, "LIST<");
        if (value.size == 1 && value.list[0].type == VALUE_LIST)
            builder_add(&builder, value_type_text(arena, value.list[0]));
        else
            print_item_types(&builder, value);
        builder_printf(&builder, "> NOT NULL");
    } else {
        builder_printf(
            &builder, "%s%s", value_type_name(value), value.type == VALUE_NULL ? "" : " NOT NULL");
    }
    return builder_text(&builder);
}
