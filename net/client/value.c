/* Values as views into received bytes.
 *
 * A qv_value is decoded one level deep: scalars are there, containers keep the place of their encoding
 * and are walked by an iterator. Nothing is allocated.
 *
 * Invariants
 *  1. A qv_value with type != QV_NULL made by client_value_decode covers exactly one well-formed PackStream item:
 *     pack_skip has passed over `encoded_size` bytes of it.
 *  2. No function here reads outside [encoded, encoded + encoded_size).
 *  3. A structure with a known tag but the wrong number or type of fields is QV_TYPE on access, and
 *     QV_UNKNOWN when even the count is wrong: the stream goes on. */
#include "net/client/client.h"

static enum qv_type
type_of_structure(uint8_t tag, uint32_t field_count)
{
    static const struct {
        uint8_t tag;
        uint8_t field_count;
        uint8_t type;
    } known[] = {
        {PACK_TAG_NODE, 4, QV_NODE},
        {PACK_TAG_RELATIONSHIP, 8, QV_RELATIONSHIP},
        {PACK_TAG_UNBOUND_RELATIONSHIP, 4, QV_RELATIONSHIP},
        {PACK_TAG_PATH, 3, QV_PATH},
        {PACK_TAG_DATE, 1, QV_DATE},
        {PACK_TAG_TIME, 2, QV_TIME},
        {PACK_TAG_LOCAL_TIME, 1, QV_LOCAL_TIME},
        {PACK_TAG_DATE_TIME, 3, QV_DATE_TIME},
        {PACK_TAG_DATE_TIME_ZONE, 3, QV_DATE_TIME},
        {PACK_TAG_LOCAL_DATE_TIME, 2, QV_LOCAL_DATE_TIME},
        {PACK_TAG_DURATION, 4, QV_DURATION},
        {PACK_TAG_POINT_2D, 3, QV_POINT},
        {PACK_TAG_POINT_3D, 4, QV_POINT},
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (known[i].tag == tag && known[i].field_count == field_count)
            return (enum qv_type)known[i].type;
    }
    return QV_UNKNOWN;
}

static void
value_from_item(const struct pack_item *item, struct qv_value *value)
{
    static const uint8_t types[] = {
        [PACK_NULL] = QV_NULL,   [PACK_BOOLEAN] = QV_BOOLEAN, [PACK_INTEGER] = QV_INTEGER,
        [PACK_FLOAT] = QV_FLOAT, [PACK_STRING] = QV_STRING,   [PACK_BYTES] = QV_BYTES,
        [PACK_LIST] = QV_LIST,   [PACK_MAP] = QV_MAP,         [PACK_STRUCTURE] = QV_UNKNOWN,
    };
    value->type = (enum qv_type)types[item->type];
    value->size = item->size;
    switch (item->type) {
    case PACK_BOOLEAN:
        value->boolean = item->boolean;
        break;
    case PACK_INTEGER:
        value->integer = item->integer;
        break;
    case PACK_FLOAT:
        value->real = item->real;
        break;
    case PACK_STRING:
    case PACK_BYTES:
        value->bytes = item->bytes;
        break;
    case PACK_STRUCTURE:
        value->type = type_of_structure(item->tag, item->size);
        break;
    case PACK_NULL:
    case PACK_LIST:
    case PACK_MAP:
        break;
    }
}

bool
client_value_decode(const uint8_t *data, size_t size, struct qv_value *value, size_t *used)
{
    struct pack_reader reader;
    struct pack_item item;
    pack_reader_create(&reader, data, size);
    *value = (struct qv_value){.type = QV_NULL};
    if (pack_read(&reader, &item))
        return false;
    if (item.type == PACK_LIST || item.type == PACK_MAP || item.type == PACK_STRUCTURE) {
        reader.offset = 0;
        if (pack_skip(&reader))
            return false;
    }
    value_from_item(&item, value);
    value->encoded = data;
    value->encoded_size = reader.offset;
    *used = reader.offset;
    return true;
}

uint8_t
value_tag(struct qv_value value)
{
    assert(value.type >= QV_NODE && value.encoded_size >= 2);
    return value.encoded[1];
}

struct qv_text
qv_value_text(struct qv_value value)
{
    return value.type == QV_STRING ? (struct qv_text){value.string, value.size}
                                   : (struct qv_text){"", 0};
}

enum qv_status
qv_value_number(struct qv_value value, double *number)
{
    if (value.type == QV_INTEGER)
        *number = (double)value.integer;
    else if (value.type == QV_FLOAT)
        *number = value.real;
    else
        return QV_TYPE;
    return QV_OK;
}

struct qv_iterator
qv_value_items(struct qv_value value)
{
    struct qv_iterator iterator = {0};
    if (value.type < QV_LIST || !value.encoded)
        return iterator;
    struct pack_reader reader;
    struct pack_item item;
    pack_reader_create(&reader, value.encoded, value.encoded_size);
    if (pack_read(&reader, &item))
        return iterator;
    iterator.data = value.encoded + reader.offset;
    iterator.size = value.encoded_size - reader.offset;
    iterator.left_count = item.size;
    iterator.has_keys = item.type == PACK_MAP;
    return iterator;
}

enum qv_status
qv_iterator_next(struct qv_iterator *iterator, struct qv_text *key, struct qv_value *item)
{
    if (iterator->left_count == 0)
        return QV_DONE;
    if (key)
        *key = (struct qv_text){"", 0};
    size_t used;
    if (iterator->has_keys) {
        struct qv_value name;
        if (!client_value_decode(iterator->data, iterator->size, &name, &used) ||
            name.type != QV_STRING)
            return QV_TYPE;
        if (key)
            *key = qv_value_text(name);
        iterator->data += used;
        iterator->size -= used;
    }
    if (!client_value_decode(iterator->data, iterator->size, item, &used))
        return QV_TYPE;
    iterator->data += used;
    iterator->size -= used;
    iterator->left_count--;
    return QV_OK;
}

struct qv_value
qv_map_get(struct qv_value map, const char *key)
{
    struct qv_value found = {.type = QV_NULL}, item;
    struct qv_text name;
    size_t key_size = strlen(key);
    if (map.type != QV_MAP)
        return found;
    struct qv_iterator items = qv_value_items(map);
    while (qv_iterator_next(&items, &name, &item) == QV_OK) {
        if (name.size == key_size && memcmp(name.data, key, key_size) == 0)
            found = item; /* the last one counts */
    }
    return found;
}

bool
value_fields(struct qv_value value, struct qv_value *fields, uint32_t count)
{
    struct qv_iterator items = qv_value_items(value);
    for (uint32_t i = 0; i < count; i++) {
        if (qv_iterator_next(&items, NULL, &fields[i]) != QV_OK)
            return false;
    }
    return true;
}

/* True when the fields have these types: one letter each. i integer, s string, l list, m map, f float. */
static bool
fields_are(struct qv_value value, struct qv_value *fields, const char *types)
{
    if (!value_fields(value, fields, (uint32_t)strlen(types)))
        return false;
    for (size_t i = 0; types[i]; i++) {
        enum qv_type type = fields[i].type;
        bool matches = (types[i] == 'i' && type == QV_INTEGER) ||
                       (types[i] == 's' && type == QV_STRING) ||
                       (types[i] == 'l' && type == QV_LIST) ||
                       (types[i] == 'm' && type == QV_MAP) || (types[i] == 'f' && type == QV_FLOAT);
        if (!matches)
            return false;
    }
    return true;
}

enum qv_status
qv_value_node(struct qv_value value, struct qv_node *node)
{
    struct qv_value fields[4];
    if (value.type != QV_NODE || !fields_are(value, fields, "ilms"))
        return QV_TYPE;
    node->id = fields[0].integer;
    node->labels = fields[1];
    node->properties = fields[2];
    node->element_id = qv_value_text(fields[3]);
    return QV_OK;
}

enum qv_status
qv_value_relationship(struct qv_value value, struct qv_relationship *relationship)
{
    struct qv_value fields[8];
    if (value.type != QV_RELATIONSHIP)
        return QV_TYPE;
    *relationship = (struct qv_relationship){.start_id = -1, .end_id = -1};
    if (value_tag(value) == PACK_TAG_UNBOUND_RELATIONSHIP) {
        if (!fields_are(value, fields, "isms"))
            return QV_TYPE;
        relationship->type = qv_value_text(fields[1]);
        relationship->properties = fields[2];
        relationship->element_id = qv_value_text(fields[3]);
    } else {
        if (!fields_are(value, fields, "iiismsss"))
            return QV_TYPE;
        relationship->start_id = fields[1].integer;
        relationship->end_id = fields[2].integer;
        relationship->type = qv_value_text(fields[3]);
        relationship->properties = fields[4];
        relationship->element_id = qv_value_text(fields[5]);
        relationship->start_element_id = qv_value_text(fields[6]);
        relationship->end_element_id = qv_value_text(fields[7]);
    }
    relationship->id = fields[0].integer;
    return QV_OK;
}

enum qv_status
qv_value_path(struct qv_value value, struct qv_path *path)
{
    struct qv_value fields[3];
    if (value.type != QV_PATH || !fields_are(value, fields, "lll") || fields[2].size % 2 != 0)
        return QV_TYPE;
    *path = (struct qv_path){
        .length = fields[2].size / 2,
        .nodes = fields[0],
        .relationships = fields[1],
        .indices = fields[2]};
    return QV_OK;
}

static bool
list_item(struct qv_value list, uint64_t index, struct qv_value *item)
{
    struct qv_iterator items = qv_value_items(list);
    if (index >= list.size)
        return false;
    for (uint64_t i = 0; i <= index; i++) {
        if (qv_iterator_next(&items, NULL, item) != QV_OK)
            return false;
    }
    return true;
}

/* indices[2 * i] names the relationship of step i, indices[2 * i + 1] the node behind it. */
enum qv_status
qv_path_node(const struct qv_path *path, uint32_t index, struct qv_node *node)
{
    struct qv_value place = {.type = QV_INTEGER}, item;
    if (index > path->length)
        return QV_DONE;
    place.integer = 0;
    if (index > 0 && !list_item(path->indices, 2 * (uint64_t)index - 1, &place))
        return QV_TYPE;
    if (place.type != QV_INTEGER || place.integer < 0 ||
        !list_item(path->nodes, (uint64_t)place.integer, &item))
        return QV_TYPE;
    return qv_value_node(item, node);
}

enum qv_status
qv_path_relationship(
    const struct qv_path *path, uint32_t index, struct qv_relationship *relationship, bool *forward)
{
    struct qv_value place, item;
    if (index >= path->length)
        return QV_DONE;
    if (!list_item(path->indices, 2 * (uint64_t)index, &place) || place.type != QV_INTEGER ||
        place.integer == 0 || place.integer == INT64_MIN)
        return QV_TYPE;
    uint64_t number = (uint64_t)(place.integer < 0 ? -place.integer : place.integer);
    if (!list_item(path->relationships, number - 1, &item))
        return QV_TYPE;
    enum qv_status status = qv_value_relationship(item, relationship);
    if (status != QV_OK)
        return status;
    if (forward)
        *forward = place.integer > 0;
    struct qv_node before, after;
    if (qv_path_node(path, index, &before) != QV_OK ||
        qv_path_node(path, index + 1, &after) != QV_OK)
        return QV_TYPE;
    relationship->start_id = place.integer > 0 ? before.id : after.id;
    relationship->end_id = place.integer > 0 ? after.id : before.id;
    relationship->start_element_id = place.integer > 0 ? before.element_id : after.element_id;
    relationship->end_element_id = place.integer > 0 ? after.element_id : before.element_id;
    return QV_OK;
}

enum qv_status
qv_value_date(struct qv_value value, struct qv_date *date)
{
    struct qv_value field;
    if (value.type != QV_DATE || !fields_are(value, &field, "i"))
        return QV_TYPE;
    date->days = field.integer;
    return QV_OK;
}

enum qv_status
qv_value_time(struct qv_value value, struct qv_time *time)
{
    struct qv_value fields[2] = {{.type = QV_NULL}, {.type = QV_NULL}};
    bool local = value.type == QV_LOCAL_TIME;
    if ((!local && value.type != QV_TIME) || !fields_are(value, fields, local ? "i" : "ii"))
        return QV_TYPE;
    time->nanoseconds = fields[0].integer;
    time->offset_seconds = local ? 0 : (int32_t)fields[1].integer;
    return QV_OK;
}

enum qv_status
qv_value_date_time(struct qv_value value, struct qv_date_time *date_time)
{
    struct qv_value fields[3];
    const char *types = NULL;
    if (value.type == QV_LOCAL_DATE_TIME)
        types = "ii";
    else if (value.type == QV_DATE_TIME)
        types = value_tag(value) == PACK_TAG_DATE_TIME_ZONE ? "iis" : "iii";
    if (!types || !fields_are(value, fields, types) || fields[1].integer < 0 ||
        fields[1].integer > 999999999)
        return QV_TYPE;
    *date_time = (struct qv_date_time){
        .seconds = fields[0].integer, .nanoseconds = (uint32_t)fields[1].integer, .zone = {"", 0}};
    if (types[2] == 's')
        date_time->zone = qv_value_text(fields[2]);
    else if (types[2] == 'i')
        date_time->offset_seconds = (int32_t)fields[2].integer;
    return QV_OK;
}

enum qv_status
qv_value_duration(struct qv_value value, struct qv_duration *duration)
{
    struct qv_value fields[4];
    if (value.type != QV_DURATION || !fields_are(value, fields, "iiii"))
        return QV_TYPE;
    *duration = (struct qv_duration){
        .months = fields[0].integer,
        .days = fields[1].integer,
        .seconds = fields[2].integer,
        .nanoseconds = fields[3].integer};
    return QV_OK;
}

enum qv_status
qv_value_point(struct qv_value value, struct qv_point *point)
{
    struct qv_value fields[4];
    if (value.type != QV_POINT)
        return QV_TYPE;
    bool flat = value_tag(value) == PACK_TAG_POINT_2D;
    if (!fields_are(value, fields, flat ? "iff" : "ifff"))
        return QV_TYPE;
    *point = (struct qv_point){
        .srid = (uint32_t)fields[0].integer,
        .dimensions = flat ? 2 : 3,
        .x = fields[1].real,
        .y = fields[2].real,
        .z = flat ? 0 : fields[3].real};
    return QV_OK;
}
