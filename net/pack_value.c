/* Whole values in PackStream: lists and maps to any permitted depth, temporal and spatial values, nodes,
 * relationships and paths. The items they are made of are in pack.c.
 *
 *     node          B4 4E   id, labels, properties, element id
 *     relationship  B8 52   id, start, end, type, properties, element ids of the three
 *     path          B3 50   [distinct nodes], [distinct relationships without ends], [r n r n ...]
 *                           r: from 1 into the relationships, negative when walked against its direction
 *                           n: from 0 into the nodes; the path starts at node 0
 *
 * Invariants
 *  1. Nesting is followed with an explicit stack of VALUE_NESTING_MAX frames, in both directions; only
 *     the shape path > node > properties is followed by calls, and these count as depth too.
 *  2. Map keys that come out of the reader are strings and unique (of duplicates the last one wins).
 *  3. Temporal and spatial values that come out of the reader are in range, durations normalised.
 *  4. A path names each node and each relationship once.
 *
 * Source: the published Bolt documentation. */
#include "base/limits.h"
#include "net/pack.h"

enum {
    NANOSECONDS_PER_SECOND = 1000000000,
    OFFSET_SECONDS_MAX = 18 * 3600,
    PATH_TABLE_SLOTS = 256, /* on the stack, for paths of up to half as many entities */
    DATABASE_ID_SIZE_MAX = 64,
    ELEMENT_ID_SIZE_MAX = DATABASE_ID_SIZE_MAX + 24,
};

static const int64_t nanoseconds_per_day = INT64_C(86400) * NANOSECONDS_PER_SECOND;
/* Years -999,999,999 to 999,999,999, the range of a Cypher date. */
static const int64_t date_days_max = INT64_C(365241780471);
static const int64_t date_days_min = INT64_C(-365243219162);

static err_t read_value(
    struct pack_reader *reader,
    const struct pack_format *format,
    struct arena *arena,
    unsigned depth,
    struct value *value);
static void write_entries(
    struct pack_writer *writer,
    const struct pack_format *format,
    unsigned depth,
    const struct map_entry *entries,
    uint32_t entry_count);

/* ---- writing: temporal and spatial values ---- */

static void
write_date_time(
    struct pack_writer *writer, const struct pack_format *format, const struct value_date_time *at)
{
    bool zoned = at->zone.size > 0;
    int64_t seconds = format->utc ? at->seconds : at->seconds + at->offset_seconds;
    uint8_t tag = zoned ? (format->utc ? PACK_TAG_DATE_TIME_ZONE : PACK_TAG_DATE_TIME_ZONE_LEGACY)
                        : (format->utc ? PACK_TAG_DATE_TIME : PACK_TAG_DATE_TIME_LEGACY);
    pack_write_structure(writer, tag, 3);
    pack_write_integer(writer, seconds);
    pack_write_integer(writer, at->nanoseconds);
    if (zoned)
        pack_write_string(writer, at->zone);
    else
        pack_write_integer(writer, at->offset_seconds);
}

static void
write_duration(struct pack_writer *writer, const struct value_duration *duration)
{
    pack_write_structure(writer, PACK_TAG_DURATION, 4);
    pack_write_integer(writer, duration->months);
    pack_write_integer(writer, duration->days);
    pack_write_integer(writer, duration->seconds);
    pack_write_integer(writer, duration->nanoseconds);
}

static void
write_point(struct pack_writer *writer, const struct value_point *point)
{
    assert(point->dimensions == 2 || point->dimensions == 3);
    bool solid = point->dimensions == 3;
    pack_write_structure(writer, solid ? PACK_TAG_POINT_3D : PACK_TAG_POINT_2D, solid ? 4 : 3);
    pack_write_integer(writer, point->srid);
    pack_write_float(writer, point->x);
    pack_write_float(writer, point->y);
    if (solid)
        pack_write_float(writer, point->z);
}

/* ---- writing: nodes, relationships, paths ---- */

/* "<id>" as elementId() gives it, or "4:<database>:<id>", the form of Neo4j. */
static void
write_element_id(
    struct pack_writer *writer, const struct pack_format *format, char kind, uint64_t id)
{
    char out[ELEMENT_ID_SIZE_MAX];
    char digits[20];
    size_t digit_count = 0, size = 0;
    assert(format->database_id.size <= DATABASE_ID_SIZE_MAX);
    do {
        digits[sizeof(digits) - ++digit_count] = (char)('0' + id % 10);
        id /= 10;
    } while (id);
    if (format->database_id.size) {
        out[size++] = kind;
        out[size++] = ':';
        memcpy(out + size, format->database_id.data, format->database_id.size);
        size += format->database_id.size;
        out[size++] = ':';
    }
    memcpy(out + size, digits + sizeof(digits) - digit_count, digit_count);
    pack_write_string(writer, (struct text){out, size + digit_count});
}

static void
write_node(
    struct pack_writer *writer,
    const struct pack_format *format,
    unsigned depth,
    const struct value *value)
{
    uint64_t id = value_node_id(*value).id;
    const struct value_node *node = (value->flags & VALUE_FLAG_HYDRATED) ? value->node : NULL;
    uint32_t label_count = node ? node->label_count : 0;
    pack_write_structure(writer, PACK_TAG_NODE, format->element_ids ? 4 : 3);
    pack_write_integer(writer, (int64_t)id);
    pack_write_list(writer, label_count);
    for (uint32_t i = 0; i < label_count; i++)
        pack_write_string(writer, node->labels[i]);
    write_entries(
        writer, format, depth + 1, node ? node->properties : NULL, node ? node->property_count : 0);
    if (format->element_ids)
        write_element_id(writer, format, '4', id);
}

/* `bound`: with its ends, as a value of its own; otherwise as a member of a path. */
static void
write_relationship(
    struct pack_writer *writer,
    const struct pack_format *format,
    unsigned depth,
    const struct value_rel *rel,
    bool bound)
{
    unsigned field_count = bound ? 5 : 3;
    if (format->element_ids)
        field_count += bound ? 3 : 1;
    pack_write_structure(
        writer, bound ? PACK_TAG_RELATIONSHIP : PACK_TAG_UNBOUND_RELATIONSHIP, field_count);
    pack_write_integer(writer, (int64_t)rel->id.id);
    if (bound) {
        pack_write_integer(writer, (int64_t)rel->start.id);
        pack_write_integer(writer, (int64_t)rel->end.id);
    }
    pack_write_string(writer, rel->type);
    write_entries(writer, format, depth + 1, rel->properties, rel->property_count);
    if (!format->element_ids)
        return;
    write_element_id(writer, format, '5', rel->id.id);
    if (bound) {
        write_element_id(writer, format, '4', rel->start.id);
        write_element_id(writer, format, '4', rel->end.id);
    }
}

/* Numbers the distinct ids of a path in order of first appearance. Open addressing; a slot holds the
 * position + 1 of the first entity with that id. */
struct path_table {
    uint32_t *slots;
    uint32_t slot_count; /* a power of two */
    uint32_t distinct_count;
    uint32_t *numbers; /* by slot */
};

static uint64_t
path_entity_id(const struct value *entity)
{
    return entity->type == VALUE_NODE ? value_node_id(*entity).id : entity->rel->id.id;
}

/* The number of entity `position`; `*is_new` when this is its first appearance. */
static uint32_t
path_table_number(
    struct path_table *table, const struct value *entities, uint32_t position, bool *is_new)
{
    uint64_t id = path_entity_id(&entities[position]);
    uint32_t mask = table->slot_count - 1;
    uint32_t slot = (uint32_t)((id * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & mask;
    while (table->slots[slot]) {
        if (path_entity_id(&entities[table->slots[slot] - 1]) == id) {
            *is_new = false;
            return table->numbers[slot];
        }
        slot = (slot + 1) & mask;
    }
    table->slots[slot] = position + 1;
    table->numbers[slot] = table->distinct_count;
    *is_new = true;
    return table->distinct_count++;
}

/* Writes the distinct entities as a list and leaves in `table` which number each has. */
static void
write_path_members(
    struct pack_writer *writer,
    const struct pack_format *format,
    unsigned depth,
    struct path_table *table,
    const struct value *entities,
    uint32_t entity_count)
{
    bool is_new;
    memset(table->slots, 0, table->slot_count * sizeof(*table->slots));
    table->distinct_count = 0;
    for (uint32_t i = 0; i < entity_count; i++)
        path_table_number(table, entities, i, &is_new);
    pack_write_list(writer, table->distinct_count);
    memset(table->slots, 0, table->slot_count * sizeof(*table->slots));
    table->distinct_count = 0;
    for (uint32_t i = 0; i < entity_count; i++) {
        path_table_number(table, entities, i, &is_new);
        if (!is_new)
            continue;
        if (entities[i].type == VALUE_NODE)
            write_node(writer, format, depth, &entities[i]);
        else
            write_relationship(writer, format, depth, entities[i].rel, false);
    }
}

static void
write_path_indices(
    struct pack_writer *writer,
    struct path_table *nodes,
    struct path_table *rels,
    const struct value_path *path)
{
    bool is_new;
    pack_write_list(writer, (size_t)path->rel_count * 2);
    for (uint32_t i = 0; i < path->rel_count; i++) {
        int64_t number = (int64_t)path_table_number(rels, path->rels, i, &is_new) + 1;
        bool forward = path->rels[i].rel->start.id == value_node_id(path->nodes[i]).id;
        pack_write_integer(writer, forward ? number : -number);
        pack_write_integer(writer, path_table_number(nodes, path->nodes, i + 1, &is_new));
    }
}

static void
write_path(
    struct pack_writer *writer,
    const struct pack_format *format,
    unsigned depth,
    const struct value_path *path)
{
    uint32_t stack_slots[4 * PATH_TABLE_SLOTS];
    uint32_t *slots = stack_slots;
    uint32_t slot_count = PATH_TABLE_SLOTS;
    while (slot_count / 2 <= path->rel_count)
        slot_count *= 2;
    size_t heap_size = slot_count > PATH_TABLE_SLOTS ? 4 * sizeof(*slots) * (size_t)slot_count : 0;
    if (heap_size) {
        slots = writer->source ? memory_allocate(writer->source, heap_size) : NULL;
        if (!slots) {
            if (!writer->err)
                writer->err = ERR(MEMORY_POOL);
            return;
        }
    }
    struct path_table nodes = {slots, slot_count, 0, slots + slot_count};
    struct path_table rels = {
        slots + 2 * (size_t)slot_count, slot_count, 0, slots + 3 * (size_t)slot_count};
    pack_write_structure(writer, PACK_TAG_PATH, 3);
    write_path_members(writer, format, depth, &nodes, path->nodes, path->rel_count + 1);
    write_path_members(writer, format, depth, &rels, path->rels, path->rel_count);
    write_path_indices(writer, &nodes, &rels, path);
    if (heap_size)
        memory_release(writer->source, slots, heap_size);
}

/* ---- writing: any value ---- */

struct write_frame {
    const struct value *items;       /* of a list, or */
    const struct map_entry *entries; /* of a map */
    uint32_t left;
};

/* Everything but lists and maps. */
static void
write_leaf(
    struct pack_writer *writer,
    const struct pack_format *format,
    unsigned depth,
    const struct value *value)
{
    assert(value->type != VALUE_LIST && value->type != VALUE_MAP && value->type < VALUE_TYPE_COUNT);
    switch ((enum value_type)value->type) {
    case VALUE_BOOLEAN:
        pack_write_boolean(writer, value->boolean);
        break;
    case VALUE_INTEGER:
        pack_write_integer(writer, value->integer);
        break;
    case VALUE_FLOAT:
        pack_write_float(writer, value->real);
        break;
    case VALUE_STRING:
        pack_write_string(writer, value_text(*value));
        break;
    case VALUE_BYTES:
        pack_write_bytes(writer, value->bytes, value->size);
        break;
    case VALUE_NODE:
        write_node(writer, format, depth, value);
        break;
    case VALUE_RELATIONSHIP:
        write_relationship(writer, format, depth, value->rel, true);
        break;
    case VALUE_PATH:
        write_path(writer, format, depth, value->path);
        break;
    case VALUE_DATE:
        pack_write_structure(writer, PACK_TAG_DATE, 1);
        pack_write_integer(writer, value->integer);
        break;
    case VALUE_LOCAL_TIME:
        pack_write_structure(writer, PACK_TAG_LOCAL_TIME, 1);
        pack_write_integer(writer, value->integer);
        break;
    case VALUE_TIME:
        pack_write_structure(writer, PACK_TAG_TIME, 2);
        pack_write_integer(writer, value->integer);
        pack_write_integer(writer, value->offset);
        break;
    case VALUE_LOCAL_DATE_TIME:
        pack_write_structure(writer, PACK_TAG_LOCAL_DATE_TIME, 2);
        pack_write_integer(writer, value->integer);
        pack_write_integer(writer, value->size);
        break;
    case VALUE_DATE_TIME:
        write_date_time(writer, format, value->date_time);
        break;
    case VALUE_DURATION:
        write_duration(writer, value->duration);
        break;
    case VALUE_POINT:
        write_point(writer, value->point);
        break;
    case VALUE_NULL:
        pack_write_null(writer);
        break;
    case VALUE_LIST:
    case VALUE_MAP:
    case VALUE_TYPE_COUNT:
        break;
    }
}

/* Writes the header of a list or map and returns what remains to be written of it. */
static struct write_frame
write_header(struct pack_writer *writer, const struct value *value)
{
    struct write_frame frame = {.left = value->size};
    if (value->type == VALUE_LIST) {
        pack_write_list(writer, value->size);
        frame.items = value->list;
    } else {
        pack_write_map(writer, value->size);
        frame.entries = value->map;
    }
    return frame;
}

/* Writes what `first` holds; invariant 1. `depth`: how deep it lies already. */
static void
write_tree(
    struct pack_writer *writer,
    const struct pack_format *format,
    unsigned depth,
    struct write_frame first)
{
    struct write_frame stack[VALUE_NESTING_MAX];
    if (depth >= VALUE_NESTING_MAX) {
        if (!writer->err)
            writer->err = ERR(LIMIT);
        return;
    }
    unsigned height = 0, height_max = VALUE_NESTING_MAX - depth;
    stack[height++] = first;
    while (height && !writer->err) {
        struct write_frame *top = &stack[height - 1];
        if (top->left == 0) {
            height--;
            continue;
        }
        assert_hot(top->entries || top->items);
        top->left--;
        const struct value *value;
        if (top->entries) {
            pack_write_string(writer, top->entries->key);
            value = &top->entries++->value;
        } else {
            value = top->items++;
        }
        if (value->type != VALUE_LIST && value->type != VALUE_MAP)
            write_leaf(writer, format, depth + height, value);
        else if (height < height_max)
            stack[height++] = write_header(writer, value);
        else
            writer->err = ERR(LIMIT);
    }
}

static void
write_entries(
    struct pack_writer *writer,
    const struct pack_format *format,
    unsigned depth,
    const struct map_entry *entries,
    uint32_t entry_count)
{
    pack_write_map(writer, entry_count);
    if (entry_count)
        write_tree(
            writer, format, depth, (struct write_frame){.entries = entries, .left = entry_count});
}

void
pack_write_entries(
    struct pack_writer *writer,
    const struct pack_format *format,
    const struct map_entry *entries,
    uint32_t entry_count)
{
    write_entries(writer, format, 0, entries, entry_count);
}

void
pack_write_value(
    struct pack_writer *writer, const struct pack_format *format, const struct value *value)
{
    assert(value->type < VALUE_TYPE_COUNT);
    if (value->type == VALUE_LIST || value->type == VALUE_MAP)
        write_tree(writer, format, 0, write_header(writer, value));
    else
        write_leaf(writer, format, 0, value);
}

/* ---- reading: temporal and spatial values ---- */

static err_t
read_integer_between(struct pack_reader *reader, int64_t low, int64_t high, int64_t *integer)
{
    err_t err = pack_read_integer(reader, integer);
    if (err)
        return err;
    return *integer < low || *integer > high ? ERR(ARGUMENT) : 0;
}

static err_t
read_date_or_local_time(struct pack_reader *reader, uint8_t tag, struct value *value)
{
    bool is_date = tag == PACK_TAG_DATE;
    int64_t integer;
    err_t err = read_integer_between(
        reader, is_date ? date_days_min : 0, is_date ? date_days_max : nanoseconds_per_day - 1,
        &integer);
    if (err)
        return err;
    *value = (struct value){.type = is_date ? VALUE_DATE : VALUE_LOCAL_TIME};
    value->integer = integer;
    return 0;
}

static err_t
read_time(struct pack_reader *reader, struct value *value)
{
    int64_t nanoseconds, offset;
    err_t err = read_integer_between(reader, 0, nanoseconds_per_day - 1, &nanoseconds);
    if (!err)
        err = read_integer_between(reader, -OFFSET_SECONDS_MAX, OFFSET_SECONDS_MAX, &offset);
    if (err)
        return err;
    *value = (struct value){.type = VALUE_TIME, .offset = (int32_t)offset};
    value->integer = nanoseconds;
    return 0;
}

/* Seconds since the epoch and nanoseconds, the start of all three date-times. */
static err_t
read_instant(struct pack_reader *reader, int64_t *seconds, int64_t *nanoseconds)
{
    err_t err = read_integer_between(
        reader, date_days_min * 86400, date_days_max * 86400 + 86399, seconds);
    return err ? err : read_integer_between(reader, 0, NANOSECONDS_PER_SECOND - 1, nanoseconds);
}

static err_t
read_local_date_time(struct pack_reader *reader, struct value *value)
{
    int64_t seconds, nanoseconds;
    err_t err = read_instant(reader, &seconds, &nanoseconds);
    if (err)
        return err;
    *value = (struct value){.type = VALUE_LOCAL_DATE_TIME, .size = (uint32_t)nanoseconds};
    value->integer = seconds;
    return 0;
}

static err_t
read_zone(
    struct pack_reader *reader,
    const struct pack_format *format,
    int64_t seconds,
    struct value_date_time *at)
{
    err_t err = pack_read_text(reader, &at->zone);
    if (err)
        return err;
    if (at->zone.size == 0)
        return ERR(ARGUMENT);
    int32_t offset = 0;
    if (format->zone_offset &&
        !format->zone_offset(format->zone_context, at->zone, seconds, !format->utc, &offset))
        return ERR(ARGUMENT);
    at->offset_seconds = offset;
    return 0;
}

static err_t
read_date_time(
    struct pack_reader *reader,
    const struct pack_format *format,
    struct arena *arena,
    bool zoned,
    struct value *value)
{
    int64_t seconds, nanoseconds, offset = 0;
    struct value_date_time *at = arena_zeroed(arena, sizeof(*at));
    if (!at)
        return ERR(MEMORY_QUERY);
    err_t err = read_instant(reader, &seconds, &nanoseconds);
    if (!err && zoned)
        err = read_zone(reader, format, seconds, at);
    if (!err && !zoned)
        err = read_integer_between(reader, -OFFSET_SECONDS_MAX, OFFSET_SECONDS_MAX, &offset);
    if (err)
        return err;
    if (!zoned)
        at->offset_seconds = (int32_t)offset;
    at->seconds = format->utc ? seconds : seconds - at->offset_seconds;
    at->nanoseconds = (uint32_t)nanoseconds;
    *value = (struct value){.type = VALUE_DATE_TIME};
    value->date_time = at;
    return 0;
}

static err_t
read_duration(struct pack_reader *reader, struct arena *arena, struct value *value)
{
    struct value_duration *duration = arena_allocate(arena, sizeof(*duration));
    if (!duration)
        return ERR(MEMORY_QUERY);
    int64_t *const fields[] = {
        &duration->months, &duration->days, &duration->seconds, &duration->nanoseconds};
    for (unsigned i = 0; i < 4; i++) {
        err_t err = pack_read_integer(reader, fields[i]);
        if (err)
            return err;
    }
    int64_t carry = duration->nanoseconds / NANOSECONDS_PER_SECOND;
    duration->nanoseconds -= carry * NANOSECONDS_PER_SECOND;
    if (duration->nanoseconds < 0) {
        duration->nanoseconds += NANOSECONDS_PER_SECOND;
        carry--;
    }
    if (__builtin_add_overflow(duration->seconds, carry, &duration->seconds))
        return ERR(ARGUMENT);
    *value = (struct value){.type = VALUE_DURATION};
    value->duration = duration;
    return 0;
}

static err_t
read_point(
    struct pack_reader *reader, struct arena *arena, uint32_t dimensions, struct value *value)
{
    struct value_point *point = arena_zeroed(arena, sizeof(*point));
    if (!point)
        return ERR(MEMORY_QUERY);
    int64_t srid;
    err_t err = pack_read_integer(reader, &srid);
    if (err)
        return err;
    bool known = dimensions == 2 ? srid == 4326 || srid == 7203 : srid == 4979 || srid == 9157;
    if (!known)
        return ERR(ARGUMENT);
    double *const fields[] = {&point->x, &point->y, &point->z};
    for (uint32_t i = 0; i < dimensions; i++) {
        struct pack_item item;
        err = pack_read_typed(reader, PACK_FLOAT, &item);
        if (err)
            return err;
        *fields[i] = item.real;
    }
    point->srid = (uint32_t)srid;
    point->dimensions = dimensions;
    *value = (struct value){.type = VALUE_POINT};
    value->point = point;
    return 0;
}

/* ---- reading: nodes, relationships, paths (clients) ---- */

static err_t
read_id(struct pack_reader *reader, uint64_t *id)
{
    int64_t integer;
    err_t err = pack_read_integer(reader, &integer);
    if (err)
        return err;
    if (integer < 0 || (uint64_t)integer > ID_MAX)
        return ERR(ARGUMENT);
    *id = (uint64_t)integer;
    return 0;
}

static err_t
read_properties(
    struct pack_reader *reader,
    const struct pack_format *format,
    struct arena *arena,
    unsigned depth,
    const struct map_entry **properties,
    uint32_t *property_count)
{
    struct value map;
    err_t err = read_value(reader, format, arena, depth + 1, &map);
    if (err)
        return err;
    if (map.type != VALUE_MAP)
        return ERR(TYPE);
    *properties = map.map;
    *property_count = map.size;
    return 0;
}

/* The ids as strings at the end of an entity repeat the integers; they are checked for form only. */
static err_t
read_element_ids(struct pack_reader *reader, const struct pack_format *format, unsigned count)
{
    err_t err = 0;
    struct text element_id;
    for (unsigned i = 0; format->element_ids && i < count && !err; i++)
        err = pack_read_text(reader, &element_id);
    return err;
}

static err_t
read_node(
    struct pack_reader *reader,
    const struct pack_format *format,
    struct arena *arena,
    unsigned depth,
    struct value *value)
{
    struct pack_item labels;
    struct value_node *node = arena_zeroed(arena, sizeof(*node));
    if (!node)
        return ERR(MEMORY_QUERY);
    err_t err = read_id(reader, &node->id.id);
    if (!err)
        err = pack_read_typed(reader, PACK_LIST, &labels);
    if (err)
        return err;
    struct text *names = arena_allocate(arena, sizeof(*names) * labels.size);
    if (!names)
        return ERR(MEMORY_QUERY);
    for (uint32_t i = 0; i < labels.size; i++) {
        err = pack_read_text(reader, &names[i]);
        if (err)
            return err;
    }
    node->labels = names;
    node->label_count = labels.size;
    err = read_properties(reader, format, arena, depth, &node->properties, &node->property_count);
    if (!err)
        err = read_element_ids(reader, format, 1);
    if (err)
        return err;
    *value = (struct value){.type = VALUE_NODE, .flags = VALUE_FLAG_HYDRATED};
    value->node = node;
    return 0;
}

static err_t
read_relationship(
    struct pack_reader *reader,
    const struct pack_format *format,
    struct arena *arena,
    unsigned depth,
    bool bound,
    struct value *value)
{
    struct value_rel *rel = arena_zeroed(arena, sizeof(*rel));
    if (!rel)
        return ERR(MEMORY_QUERY);
    rel->hydrated = true;
    err_t err = read_id(reader, &rel->id.id);
    if (!err && bound)
        err = read_id(reader, &rel->start.id);
    if (!err && bound)
        err = read_id(reader, &rel->end.id);
    if (!err)
        err = pack_read_text(reader, &rel->type);
    if (!err)
        err = read_properties(reader, format, arena, depth, &rel->properties, &rel->property_count);
    if (!err)
        err = read_element_ids(reader, format, bound ? 3 : 1);
    if (err)
        return err;
    *value = value_relationship(rel);
    return 0;
}

/* A list of structures of one kind, as the first two fields of a path. */
static err_t
read_path_members(
    struct pack_reader *reader,
    const struct pack_format *format,
    struct arena *arena,
    unsigned depth,
    uint8_t tag,
    struct pack_item *list,
    struct value **members)
{
    err_t err = pack_read_typed(reader, PACK_LIST, list);
    if (err)
        return err;
    *members = arena_allocate(arena, sizeof(**members) * list->size);
    if (!*members)
        return ERR(MEMORY_QUERY);
    unsigned field_count = format->element_ids ? 4 : 3;
    for (uint32_t i = 0; i < list->size; i++) {
        struct pack_item item;
        err = pack_read_typed(reader, PACK_STRUCTURE, &item);
        if (err)
            return err;
        if (item.tag != tag || item.size != field_count)
            return ERR(REQUEST_FORMAT);
        err = tag == PACK_TAG_NODE
                  ? read_node(reader, format, arena, depth, &(*members)[i])
                  : read_relationship(reader, format, arena, depth, false, &(*members)[i]);
        if (err)
            return err;
    }
    return 0;
}

/* Follows the indices: nodes[i] -rels[i]- nodes[i + 1]. A member relationship knows its ends only from
 * where it is walked; each use gets a copy with them filled in. */
static err_t
read_path_steps(
    struct pack_reader *reader,
    struct arena *arena,
    const struct value *nodes,
    uint32_t node_count,
    const struct value *rels,
    uint32_t rel_count,
    struct value_path *path)
{
    struct value *step_nodes = arena_allocate(
        arena, sizeof(*step_nodes) * ((size_t)path->rel_count + 1));
    struct value *step_rels = arena_allocate(arena, sizeof(*step_rels) * path->rel_count);
    struct value_rel *copies = arena_allocate(arena, sizeof(*copies) * path->rel_count);
    if (!step_nodes || !step_rels || !copies)
        return ERR(MEMORY_QUERY);
    step_nodes[0] = nodes[0];
    for (uint32_t i = 0; i < path->rel_count; i++) {
        int64_t rel, node;
        err_t err = read_integer_between(reader, -(int64_t)rel_count, rel_count, &rel);
        if (!err)
            err = read_integer_between(reader, 0, (int64_t)node_count - 1, &node);
        if (err)
            return err;
        if (rel == 0)
            return ERR(REQUEST_FORMAT);
        step_nodes[i + 1] = nodes[node];
        copies[i] = *rels[(rel < 0 ? -rel : rel) - 1].rel;
        copies[i].start = value_node_id(step_nodes[rel < 0 ? i + 1 : i]);
        copies[i].end = value_node_id(step_nodes[rel < 0 ? i : i + 1]);
        step_rels[i] = value_relationship(&copies[i]);
    }
    path->nodes = step_nodes;
    path->rels = step_rels;
    return 0;
}

static err_t
read_path(
    struct pack_reader *reader,
    const struct pack_format *format,
    struct arena *arena,
    unsigned depth,
    struct value *value)
{
    struct pack_item node_list, rel_list, indices;
    struct value *nodes, *rels;
    struct value_path *path = arena_zeroed(arena, sizeof(*path));
    if (!path)
        return ERR(MEMORY_QUERY);
    err_t err = read_path_members(
        reader, format, arena, depth + 1, PACK_TAG_NODE, &node_list, &nodes);
    if (!err) {
        err = read_path_members(
            reader, format, arena, depth + 1, PACK_TAG_UNBOUND_RELATIONSHIP, &rel_list, &rels);
    }
    if (!err)
        err = pack_read_typed(reader, PACK_LIST, &indices);
    if (err)
        return err;
    if (node_list.size == 0 || indices.size % 2 != 0)
        return ERR(REQUEST_FORMAT);
    path->rel_count = indices.size / 2;
    err = read_path_steps(reader, arena, nodes, node_list.size, rels, rel_list.size, path);
    if (err)
        return err;
    *value = (struct value){.type = VALUE_PATH};
    value->path = path;
    return 0;
}

/* ---- reading: any value ---- */

/* Fields of each structure; 0 = unknown, or not accepted in this format. */
static unsigned
structure_field_count(const struct pack_format *format, uint8_t tag)
{
    unsigned ids = format->element_ids ? 1 : 0;
    switch (tag) {
    case PACK_TAG_DATE:
    case PACK_TAG_LOCAL_TIME:
        return 1;
    case PACK_TAG_TIME:
    case PACK_TAG_LOCAL_DATE_TIME:
        return 2;
    case PACK_TAG_DATE_TIME:
    case PACK_TAG_DATE_TIME_ZONE:
        return format->utc ? 3 : 0;
    case PACK_TAG_DATE_TIME_LEGACY:
    case PACK_TAG_DATE_TIME_ZONE_LEGACY:
        return format->utc ? 0 : 3;
    case PACK_TAG_DURATION:
    case PACK_TAG_POINT_3D:
        return 4;
    case PACK_TAG_POINT_2D:
        return 3;
    case PACK_TAG_NODE:
        return format->graph ? 3 + ids : 0;
    case PACK_TAG_RELATIONSHIP:
        return format->graph ? 5 + 3 * ids : 0;
    case PACK_TAG_PATH:
        return format->graph ? 3 : 0;
    default:
        return 0;
    }
}

static err_t
read_structure(
    struct pack_reader *reader,
    const struct pack_format *format,
    struct arena *arena,
    unsigned depth,
    const struct pack_item *item,
    struct value *value)
{
    unsigned field_count = structure_field_count(format, item->tag);
    if (depth >= VALUE_NESTING_MAX)
        return ERR(LIMIT);
    if (field_count == 0)
        return ERR(TYPE);
    if (field_count != item->size)
        return ERR(REQUEST_FORMAT);
    switch (item->tag) {
    case PACK_TAG_DATE:
    case PACK_TAG_LOCAL_TIME:
        return read_date_or_local_time(reader, item->tag, value);
    case PACK_TAG_TIME:
        return read_time(reader, value);
    case PACK_TAG_LOCAL_DATE_TIME:
        return read_local_date_time(reader, value);
    case PACK_TAG_DATE_TIME:
    case PACK_TAG_DATE_TIME_LEGACY:
        return read_date_time(reader, format, arena, false, value);
    case PACK_TAG_DATE_TIME_ZONE:
    case PACK_TAG_DATE_TIME_ZONE_LEGACY:
        return read_date_time(reader, format, arena, true, value);
    case PACK_TAG_DURATION:
        return read_duration(reader, arena, value);
    case PACK_TAG_POINT_2D:
        return read_point(reader, arena, 2, value);
    case PACK_TAG_POINT_3D:
        return read_point(reader, arena, 3, value);
    case PACK_TAG_NODE:
        return read_node(reader, format, arena, depth, value);
    case PACK_TAG_RELATIONSHIP:
        return read_relationship(reader, format, arena, depth, true, value);
    default:
        assert(item->tag == PACK_TAG_PATH);
        return read_path(reader, format, arena, depth, value);
    }
}

/* A list or map whose content is still being read. */
struct read_frame {
    struct value *owner; /* the list or map itself */
    struct value *items;
    struct map_entry *entries;
    uint32_t next;
};

static bool
entry_is_after(const struct map_entry *entries, uint32_t a, uint32_t b)
{
    int order = text_compare(entries[a].key, entries[b].key);
    return order ? order > 0 : a > b;
}

static void
order_sift_down(const struct map_entry *entries, uint32_t *order, uint32_t root, uint32_t count)
{
    for (uint32_t child = 2 * root + 1; child < count; child = 2 * root + 1) {
        if (child + 1 < count && entry_is_after(entries, order[child + 1], order[child]))
            child++;
        if (!entry_is_after(entries, order[child], order[root]))
            return;
        uint32_t swap = order[root];
        order[root] = order[child];
        order[child] = swap;
        root = child;
    }
}

/* Invariant 2: of equal keys only the last entry stays. Heap sort, because its worst case is bounded and
 * a client chooses the keys. */
static err_t
entries_deduplicate(struct arena *arena, struct map_entry *entries, uint32_t *entry_count)
{
    uint32_t count = *entry_count;
    struct arena_mark mark = arena_mark(arena);
    uint32_t *order = arena_allocate(arena, sizeof(*order) * count + count);
    if (!order)
        return ERR(MEMORY_QUERY);
    uint8_t *dropped = memset(order + count, 0, count);
    for (uint32_t i = 0; i < count; i++)
        order[i] = i;
    for (uint32_t root = count / 2; root > 0; root--)
        order_sift_down(entries, order, root - 1, count);
    for (uint32_t end = count; end > 1; end--) {
        uint32_t swap = order[0];
        order[0] = order[end - 1];
        order[end - 1] = swap;
        order_sift_down(entries, order, 0, end - 1);
    }
    for (uint32_t i = 0; i + 1 < count; i++)
        dropped[order[i]] = text_equal(entries[order[i]].key, entries[order[i + 1]].key);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (!dropped[i])
            entries[kept++] = entries[i];
    }
    arena_rewind(arena, mark);
    *entry_count = kept;
    return 0;
}

/* Small maps, nearly all of them: no memory, no sorting unless there is a duplicate. */
static err_t
map_finish(struct arena *arena, struct read_frame *frame)
{
    uint32_t count = frame->owner->size;
    bool unique = count <= 16;
    for (uint32_t i = 1; i < count && unique; i++) {
        for (uint32_t j = 0; j < i && unique; j++)
            unique = !text_equal(frame->entries[i].key, frame->entries[j].key);
    }
    if (unique)
        return 0;
    err_t err = entries_deduplicate(arena, frame->entries, &count);
    frame->owner->size = count;
    return err;
}

/* Allocates the content of a list or map that was announced by `item`. */
static err_t
frame_open(
    struct arena *arena,
    const struct pack_item *item,
    struct value *owner,
    struct read_frame *frame)
{
    *frame = (struct read_frame){.owner = owner};
    if (item->type == PACK_LIST) {
        if (item->size)
            frame->items = arena_allocate(arena, sizeof(*frame->items) * item->size);
        *owner = value_list(frame->items, item->size);
    } else {
        if (item->size)
            frame->entries = arena_allocate(arena, sizeof(*frame->entries) * item->size);
        *owner = value_map(frame->entries, item->size);
    }
    return item->size && !frame->items && !frame->entries ? ERR(MEMORY_QUERY) : 0;
}

static err_t
leaf_from_item(const struct pack_item *item, struct value *value)
{
    switch (item->type) {
    case PACK_NULL:
        *value = value_null();
        return 0;
    case PACK_BOOLEAN:
        *value = value_boolean(item->boolean);
        return 0;
    case PACK_INTEGER:
        *value = value_integer(item->integer);
        return 0;
    case PACK_FLOAT:
        *value = value_float(item->real);
        return 0;
    case PACK_STRING:
        *value = value_string((struct text){item->string, item->size});
        return item->size > VALUE_STRING_SIZE_MAX ? ERR(LIMIT) : 0;
    case PACK_BYTES:
        *value = (struct value){.type = VALUE_BYTES, .size = item->size};
        value->bytes = item->bytes;
        return item->size > VALUE_STRING_SIZE_MAX ? ERR(LIMIT) : 0;
    case PACK_LIST:
    case PACK_MAP:
    case PACK_STRUCTURE:
        break;
    }
    return ERR(INTERNAL);
}

/* Where the next value of the innermost list or map goes; NULL when everything has been read. */
static err_t
frame_next_slot(
    struct pack_reader *reader,
    struct arena *arena,
    struct read_frame *stack,
    unsigned *height,
    struct value **slot)
{
    *slot = NULL;
    while (*height && stack[*height - 1].next == stack[*height - 1].owner->size) {
        struct read_frame *done = &stack[--*height];
        err_t err = done->entries ? map_finish(arena, done) : 0;
        if (err)
            return err;
    }
    if (*height == 0)
        return 0;
    struct read_frame *top = &stack[*height - 1];
    uint32_t index = top->next++;
    if (!top->entries) {
        *slot = &top->items[index];
        return 0;
    }
    *slot = &top->entries[index].value;
    return pack_read_key(reader, &top->entries[index].key);
}

static err_t
read_value(
    struct pack_reader *reader,
    const struct pack_format *format,
    struct arena *arena,
    unsigned depth,
    struct value *value)
{
    struct read_frame stack[VALUE_NESTING_MAX];
    unsigned height = 0;
    struct value *slot = value;
    while (slot) {
        struct pack_item item;
        err_t err = pack_read(reader, &item);
        if (err)
            return err;
        if (item.type == PACK_STRUCTURE) {
            err = read_structure(reader, format, arena, depth + height, &item, slot);
        } else if (item.type == PACK_LIST || item.type == PACK_MAP) {
            if (depth + height >= VALUE_NESTING_MAX)
                return ERR(LIMIT);
            err = frame_open(arena, &item, slot, &stack[height]);
            height++;
        } else {
            err = leaf_from_item(&item, slot);
        }
        if (!err)
            err = frame_next_slot(reader, arena, stack, &height, &slot);
        if (err)
            return err;
    }
    return 0;
}

err_t
pack_read_value(
    struct pack_reader *reader,
    const struct pack_format *format,
    struct arena *arena,
    struct value *value)
{
    assert(reader && format && arena && value);
    return read_value(reader, format, arena, 0, value);
}
