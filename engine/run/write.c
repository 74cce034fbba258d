#include "engine/run/write.h"

#include "engine/run/step.h"
#include "engine/value/value_ops.h"

err_t
writer_create(struct execution *execution, struct writer **out)
{
    struct writer *writer = arena_zeroed(&execution->arena, sizeof(*writer));
    if (!writer)
        return ERR(MEMORY_QUERY);
    writer->execution = execution;
    arena_create(&writer->arena, &execution->memory.memory, SIZE_MAX);
    *out = writer;
    return 0;
}

/* While a request is out the arena stays: the transaction reads the operations. */
void
writer_destroy(struct writer *writer)
{
    if (!writer)
        return;
    bool out = (writer->sent && !writer->done) || writer->asked;
    if (out)
        writer->execution = NULL;
    else
        arena_destroy(&writer->arena);
}

void
writer_reset(struct writer *writer)
{
    assert(!writer->sent || writer->done);
    arena_reset(&writer->arena);
    writer->operations = NULL;
    writer->count = writer->room = 0;
    writer->rel_ids = NULL;
    writer->sent = writer->done = false;
    writer->names = NULL;
    writer->name_count = writer->name_room = 0;
}

struct operation *
writer_add(struct writer *writer)
{
    if (writer->count == writer->room) {
        uint32_t room = writer->room ? writer->room * 2 : 32;
        struct operation *operations = arena_allocate(&writer->arena, sizeof(*operations) * room);
        if (!operations)
            return NULL;
        if (writer->count)
            memcpy(operations, writer->operations, sizeof(*operations) * writer->count);
        writer->operations = operations;
        writer->room = room;
    }
    struct operation *operation = &writer->operations[writer->count++];
    memset(operation, 0, sizeof(*operation));
    return operation;
}

/* A request that outlives its operator still has to be counted and cleaned up. */
static void
writer_answered(struct writer *writer, struct execution *execution)
{
    assert(execution->request_count > 0);
    execution->request_count--;
    if (!writer->execution)
        arena_destroy(&writer->arena);
    execution->wake(execution);
}

static void
write_done(struct txn_write *write)
{
    struct writer *writer = list_entry(write, struct writer, write);
    struct execution *execution = write->context;
    writer->done = true;
    writer_answered(writer, execution);
}

static void
counters_add(struct write_counters *to, const struct write_counters *from)
{
    to->nodes_created += from->nodes_created;
    to->nodes_deleted += from->nodes_deleted;
    to->rels_created += from->rels_created;
    to->rels_deleted += from->rels_deleted;
    to->properties_set += from->properties_set;
    to->labels_added += from->labels_added;
    to->labels_removed += from->labels_removed;
}

static void
write_failed(struct writer *writer)
{
    struct execution *execution = writer->execution;
    struct txn_write *write = &writer->write;
    if (err_code(write->err) == ERR_CONSTRAINT && write->conflicting_node)
        execution_fail(
            execution, write->err,
            "Node(%llu) already exists with the same value for a property that must be unique",
            (unsigned long long)write->conflicting_node);
    else if (
        err_code(write->err) == ERR_NODE_HAS_RELATIONSHIPS &&
        write->failed_operation < writer->count)
        execution_fail(
            execution, write->err,
            "Cannot delete node<%llu>, because it still has relationships. To delete this node, "
            "you must first delete "
            "its relationships, or use DETACH DELETE.",
            (unsigned long long)writer->operations[write->failed_operation].node.id);
    else
        execution_fail(execution, write->err, NULL);
}

enum pull
writer_run(struct writer *writer)
{
    struct execution *execution = writer->execution;
    if (writer->count == 0)
        return PULL_END;
    if (!writer->sent) {
        writer->rel_ids = arena_zeroed(&writer->arena, sizeof(*writer->rel_ids) * writer->count);
        if (!writer->rel_ids) {
            execution_fail(execution, ERR(MEMORY_QUERY), NULL);
            return PULL_FAILED;
        }
        writer->write = (struct txn_write){
            .operations = writer->operations,
            .operation_count = writer->count,
            .rel_ids = writer->rel_ids,
            .done = write_done,
            .context = execution,
        };
        writer->sent = true;
        execution->request_count++;
        txn_write(execution->txn, &writer->write);
    }
    if (!writer->done)
        return PULL_WAIT;
    if (writer->write.err) {
        write_failed(writer);
        return PULL_FAILED;
    }
    counters_add(&execution->counters, &writer->write.counters);
    return PULL_END;
}

/* --- names --- */

err_t
writer_key(struct writer *writer, struct text name, uint32_t *token)
{
    *token = catalog_lookup(writer->execution->shard->catalog, TOKEN_KEY, name);
    if (*token != TOKEN_NONE)
        return 0;
    for (uint32_t i = 0; i < writer->name_count; i++)
        if (text_equal(writer->names[i], name))
            return 0;
    if (writer->name_count == writer->name_room) {
        uint32_t room = writer->name_room ? writer->name_room * 2 : 16;
        struct text *names = arena_allocate(&writer->arena, sizeof(*names) * room);
        if (!names)
            return ERR(MEMORY_QUERY);
        if (writer->name_count)
            memcpy(names, writer->names, sizeof(*names) * writer->name_count);
        writer->names = names;
        writer->name_room = room;
    }
    struct text copy = arena_text(&writer->arena, name);
    if (!copy.data)
        return ERR(MEMORY_QUERY);
    writer->names[writer->name_count++] = copy;
    return 0;
}

static void
names_done(struct catalog_request *request)
{
    struct writer *writer = list_entry(request, struct writer, request);
    writer->asked = false;
    writer->done = true;
    writer_answered(writer, request->context);
}

enum pull
writer_names_run(struct writer *writer)
{
    struct execution *execution = writer->execution;
    if (writer->asked)
        return PULL_WAIT;
    if (writer->done) {
        writer->done = false;
        err_t err = writer->request.err;
        if (err) {
            execution_fail(execution, err, NULL);
            return PULL_FAILED;
        }
        writer->name_count = 0;
        return PULL_END;
    }
    if (writer->name_count == 0)
        return PULL_END;
    uint8_t *kinds = arena_allocate(&writer->arena, writer->name_count);
    uint32_t *tokens = arena_allocate(&writer->arena, sizeof(*tokens) * writer->name_count);
    if (!kinds || !tokens) {
        execution_fail(execution, ERR(MEMORY_QUERY), NULL);
        return PULL_FAILED;
    }
    memset(kinds, TOKEN_KEY, writer->name_count);
    writer->request = (struct catalog_request){
        .action = CATALOG_TOKENS,
        .name_count = writer->name_count,
        .kinds = kinds,
        .names = writer->names,
        .tokens = tokens,
        .done = names_done,
        .context = execution,
    };
    writer->asked = true;
    execution->request_count++;
    catalog_submit(execution->shard, &writer->request);
    return PULL_WAIT;
}

/* --- properties --- */

err_t
property_list_add(
    struct writer *writer,
    struct property_list *list,
    uint32_t key,
    struct value value,
    const struct expr *at,
    bool keep_null)
{
    struct expr_context *expressions = &writer->execution->expressions;
    const char *reason = value_is_null(value) ? NULL : value_unstorable_reason(value);
    if (reason)
        return expr_fail(
            expressions, at, ERR(TYPE),
            "Property values can only be of primitive types or arrays thereof, got %s", reason);
    struct property *item = NULL;
    for (uint32_t i = 0; i < list->count && !item; i++)
        if (list->items[i].key == key)
            item = &list->items[i];
    if (value_is_null(value) && !keep_null) {
        if (item)
            *item = list->items[--list->count];
        return 0;
    }
    if (!item) {
        if (list->count == list->room) {
            uint32_t room = list->room ? list->room * 2 : 8;
            struct property *items = arena_allocate(&writer->arena, sizeof(*items) * room);
            if (!items)
                return ERR(MEMORY_QUERY);
            if (list->count)
                memcpy(items, list->items, sizeof(*items) * list->count);
            list->items = items;
            list->room = room;
        }
        item = &list->items[list->count++];
    }
    item->key = key;
    return value_copy(&writer->arena, value, &item->value);
}

/* The entries of a map, or the properties of an entity. */
static err_t
entries_of(
    struct writer *writer,
    struct value map,
    const struct expr *at,
    const struct map_entry **entries,
    uint32_t *count)
{
    struct expr_context *expressions = &writer->execution->expressions;
    if (map.type == VALUE_MAP) {
        *entries = map.map;
        *count = map.size;
        return 0;
    }
    if (map.type == VALUE_NODE && (map.flags & VALUE_FLAG_HYDRATED)) {
        *entries = map.node->properties;
        *count = map.node->property_count;
        return 0;
    }
    if (map.type == VALUE_RELATIONSHIP && map.rel->hydrated) {
        *entries = map.rel->properties;
        *count = map.rel->property_count;
        return 0;
    }
    if (map.type == VALUE_NODE || map.type == VALUE_RELATIONSHIP)
        return expr_fail(expressions, at, ERR(INTERNAL), "the entity was not hydrated");
    return expr_fail(
        expressions, at, ERR(TYPE), "Expected a map, a node or a relationship, got %s",
        value_type_name(map));
}

err_t
property_list_add_map(
    struct writer *writer,
    struct property_list *list,
    struct value map,
    const struct expr *at,
    bool keep_null,
    bool *missing)
{
    const struct map_entry *entries = NULL;
    uint32_t count = 0;
    err_t err = entries_of(writer, map, at, &entries, &count);
    for (uint32_t i = 0; !err && i < count; i++) {
        uint32_t key;
        /* Removing what has no token anywhere removes nothing. */
        if (value_is_null(entries[i].value) &&
            catalog_lookup(writer->execution->shard->catalog, TOKEN_KEY, entries[i].key) ==
                TOKEN_NONE)
            continue;
        err = writer_key(writer, entries[i].key, &key);
        if (!err && key == TOKEN_NONE)
            *missing = true;
        else if (!err)
            err = property_list_add(writer, list, key, entries[i].value, at, keep_null);
    }
    return err;
}

static err_t
properties_make(
    struct operator* op,
    struct writer *writer,
    const struct batch *rows,
    uint32_t row,
    uint32_t count,
    const uint32_t *keys,
    const struct expr *const *exprs,
    const struct expr *map_expr,
    struct property_list *list,
    bool *missing)
{
    struct expr_context *expressions = &op->execution->expressions;
    expressions->arena = &writer->arena;
    *list = (struct property_list){0};
    err_t err = 0;
    if (map_expr) {
        struct value map;
        err = expr_eval(map_expr, expressions, rows, row, &map);
        if (!err && !value_is_null(map))
            err = property_list_add_map(writer, list, map, map_expr, false, missing);
    }
    for (uint32_t i = 0; !err && i < count; i++) {
        struct value value;
        err = expr_eval(exprs[i], expressions, rows, row, &value);
        if (!err && op->op->kind == OP_MERGE && value_is_null(value))
            err = expr_fail(
                expressions, exprs[i], ERR(SEMANTIC), "Cannot merge using a null property value");
        if (!err)
            err = property_list_add(writer, list, keys[i], value, exprs[i], false);
    }
    return err;
}

static void
column_set(struct column *column, uint32_t row, struct value value)
{
    if (column->kind == COLUMN_VALUE)
        column->values[row] = value;
    else
        column->nodes[row] = value.type == VALUE_NODE ? value_node_id(value).id : NODE_ABSENT;
}

static err_t
node_create(
    struct operator* op,
    struct writer *writer,
    const struct create_node *create,
    struct batch *rows,
    uint32_t row,
    bool *missing)
{
    struct property_list properties;
    err_t err = properties_make(
        op, writer, rows, row, create->property_count, create->property_keys,
        create->property_values, create->property_map, &properties, missing);
    if (err || *missing)
        return err;
    struct operation *operation = writer_add(writer);
    if (!operation)
        return ERR(MEMORY_QUERY);
    operation->type = OPERATION_NODE_CREATE;
    operation->node = store_node_allocate(op->execution->shard->store, 0);
    operation->label_count = create->label_count;
    operation->labels = create->labels;
    operation->property_count = properties.count;
    operation->properties = properties.items;
    column_set(&rows->columns[create->slot], row, value_node_bare(operation->node));
    return 0;
}

static err_t
rel_create(
    struct operator* op,
    struct writer *writer,
    const struct create_rel *create,
    struct batch *rows,
    uint32_t row,
    bool *missing)
{
    struct property_list properties;
    err_t err = properties_make(
        op, writer, rows, row, create->property_count, create->property_keys,
        create->property_values, create->property_map, &properties, missing);
    if (err || *missing)
        return err;
    struct value start = batch_value(rows, create->start_slot, row),
                 end = batch_value(rows, create->end_slot, row);
    if (start.type != VALUE_NODE || end.type != VALUE_NODE) {
        err = ERR(SEMANTIC);
        execution_fail(
            op->execution, err, "Failed to create relationship: the %s node is missing",
            start.type != VALUE_NODE ? "start" : "end");
        return err;
    }
    struct value_rel *rel = arena_zeroed(&op->execution->arena, sizeof(*rel));
    struct operation *operation = rel ? writer_add(writer) : NULL;
    if (!operation)
        return ERR(MEMORY_QUERY);
    rel->start = value_node_id(start);
    rel->end = value_node_id(end);
    rel->type_token = create->type;
    operation->type = OPERATION_REL_CREATE;
    operation->start = rel->start;
    operation->end = rel->end;
    operation->rel_type = create->type;
    operation->property_count = properties.count;
    operation->properties = properties.items;
    /* The value waits here for its id; `value` is not an operand of REL_CREATE. */
    operation->value = value_relationship(rel);
    column_set(&rows->columns[create->slot], row, value_relationship(rel));
    return 0;
}

err_t
create_rows(
    struct operator* op,
    struct writer *writer,
    struct batch *rows,
    const uint32_t *positions,
    uint32_t count,
    bool *missing)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = positions ? positions[i] : i;
        for (uint32_t k = 0; k < op->op->create_node_count; k++) {
            err_t err = node_create(op, writer, &op->op->create_nodes[k], rows, row, missing);
            if (err)
                return err;
        }
        for (uint32_t k = 0; k < op->op->create_rel_count; k++) {
            err_t err = rel_create(op, writer, &op->op->create_rels[k], rows, row, missing);
            if (err)
                return err;
        }
    }
    return 0;
}

void
create_rels_resolve(struct writer *writer)
{
    for (uint32_t i = 0; i < writer->count; i++) {
        struct operation *operation = &writer->operations[i];
        if (operation->type != OPERATION_REL_CREATE)
            continue;
        struct value_rel *rel;
        memcpy(&rel, &operation->value.rel, sizeof(rel));
        rel->id = writer->rel_ids[i];
    }
}

/* --- SET --- */

static err_t
properties_set(
    struct operator* op,
    struct writer *writer,
    const struct set_item *item,
    struct value entity,
    struct value value,
    bool *missing)
{
    struct property_list list = {0};
    err_t err = 0;
    if (item->kind == SET_PROPERTY) {
        /* A key without a token cannot be there to be removed. */
        if (item->key == TOKEN_NONE && value_is_null(value))
            return 0;
        assert(item->key != TOKEN_NONE);
        err = property_list_add(writer, &list, item->key, value, item->value, true);
    } else if (!value_is_null(value) || item->kind == SET_REPLACE) {
        if (value_is_null(value))
            return expr_fail(
                &op->execution->expressions, item->value, ERR(TYPE),
                "Expected a map, a node or a relationship, got NULL");
        err = property_list_add_map(
            writer, &list, value, item->value, item->kind == SET_MERGE, missing);
    }
    bool nothing = list.count == 0 && item->kind != SET_REPLACE;
    if (err || *missing || nothing)
        return err;
    struct operation *operation = writer_add(writer);
    if (!operation)
        return ERR(MEMORY_QUERY);
    operation->replace = item->kind == SET_REPLACE;
    operation->property_count = list.count;
    operation->properties = list.items;
    if (entity.type == VALUE_NODE) {
        operation->type = OPERATION_NODE_PROPERTIES;
        operation->node = value_node_id(entity);
    } else {
        operation->type = OPERATION_REL_PROPERTIES;
        operation->rel = entity.rel->id;
    }
    return 0;
}

static err_t
labels_set(
    struct operator* op, struct writer *writer, const struct set_item *item, struct value entity)
{
    if (entity.type != VALUE_NODE)
        return expr_fail(
            &op->execution->expressions, item->entity, ERR(TYPE), "Labels are set on nodes, got %s",
            value_type_name(entity));
    struct operation *operation = writer_add(writer);
    uint32_t *labels = arena_allocate(&writer->arena, sizeof(*labels) * item->label_count);
    if (!operation || !labels)
        return ERR(MEMORY_QUERY);
    uint32_t count = 0;
    for (uint32_t i = 0; i < item->label_count; i++)
        if (item->labels[i] != TOKEN_NONE)
            labels[count++] = item->labels[i];
    operation->type = OPERATION_NODE_LABELS;
    operation->node = value_node_id(entity);
    operation->labels = labels;
    if (item->kind == SET_LABELS)
        operation->label_count = count;
    else
        operation->removed_label_count = count;
    return 0;
}

static err_t
item_set(
    struct operator* op,
    struct writer *writer,
    const struct set_item *item,
    const struct batch *rows,
    uint32_t row,
    bool *missing)
{
    struct expr_context *expressions = &op->execution->expressions;
    struct value entity, value = value_null();
    expressions->arena = &writer->arena;
    err_t err = expr_eval(item->entity, expressions, rows, row, &entity);
    if (err || value_is_null(entity))
        return err;
    if (entity.type != VALUE_NODE && entity.type != VALUE_RELATIONSHIP)
        return expr_fail(
            expressions, item->entity, ERR(TYPE), "Expected a node or a relationship, got %s",
            value_type_name(entity));
    if (item->kind == SET_LABELS || item->kind == REMOVE_LABELS)
        return labels_set(op, writer, item, entity);
    if (item->value)
        err = expr_eval(item->value, expressions, rows, row, &value);
    return err ? err : properties_set(op, writer, item, entity, value, missing);
}

err_t
set_rows(
    struct operator* op,
    struct writer *writer,
    const struct set_item *items,
    uint32_t item_count,
    const struct batch *rows,
    const uint32_t *positions,
    uint32_t count,
    bool *missing)
{
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t k = 0; k < item_count; k++) {
            err_t err = item_set(
                op, writer, &items[k], rows, positions ? positions[i] : i, missing);
            if (err)
                return err;
        }
    }
    return 0;
}

err_t
entity_delete_once(struct execution *execution, struct value entity, bool *first)
{
    uint64_t id;
    bool is_entity = entity_id(entity, &id);
    assert(is_entity && id);
    uint64_t *word = id_map_put(
        &execution->deleted, id * 2 + (entity.type == VALUE_RELATIONSHIP), first);
    return word ? 0 : ERR(MEMORY_QUERY);
}
