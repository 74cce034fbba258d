#include "engine/run/procedure.h"

#include "engine/route/engine.h"
#include "engine/route/plan_cache.h"
#include "engine/run/function.h"

/* The version drivers and tools parse: the Cypher dialect spoken is that of Neo4j 5. */
static const char kernel_version[] = "5.26.0";

#define COLUMN(name, type, brief)                                                                  \
    {                                                                                              \
        {name, sizeof(name) - 1}, {type, sizeof(type) - 1}, brief                                  \
    }

static const struct procedure_column columns_labels[] = {COLUMN("label", "STRING", true)};
static const struct procedure_column columns_relationship_types[] = {
    COLUMN("relationshipType", "STRING", true)};
static const struct procedure_column columns_property_keys[] = {
    COLUMN("propertyKey", "STRING", true)};
static const struct procedure_column columns_ping[] = {COLUMN("success", "BOOLEAN", true)};
static const struct procedure_column columns_info[] = {
    COLUMN("id", "STRING", true), COLUMN("name", "STRING", true),
    COLUMN("creationDate", "STRING", true)};
static const struct procedure_column columns_clear_query_caches[] = {
    COLUMN("value", "STRING", true)};
static const struct procedure_column columns_schema_visualization[] = {
    COLUMN("nodes", "LIST<NODE>", true), COLUMN("relationships", "LIST<RELATIONSHIP>", true)};
static const struct procedure_column columns_components[] = {
    COLUMN("name", "STRING", true), COLUMN("versions", "LIST<STRING>", true),
    COLUMN("edition", "STRING", true)};
static const struct procedure_column columns_show_current_user[] = {
    COLUMN("username", "STRING", true), COLUMN("roles", "LIST<STRING>", true),
    COLUMN("flags", "LIST<STRING>", true)};
static const struct procedure_column columns_list_config[] = {
    COLUMN("name", "STRING", true), COLUMN("description", "STRING", true),
    COLUMN("value", "STRING", true), COLUMN("dynamic", "BOOLEAN", true)};
static const struct procedure_column columns_show_indexes[] = {
    COLUMN("id", "INTEGER", true),
    COLUMN("name", "STRING", true),
    COLUMN("state", "STRING", true),
    COLUMN("populationPercent", "FLOAT", true),
    COLUMN("type", "STRING", true),
    COLUMN("entityType", "STRING", true),
    COLUMN("labelsOrTypes", "LIST<STRING>", true),
    COLUMN("properties", "LIST<STRING>", true),
    COLUMN("indexProvider", "STRING", true),
    COLUMN("owningConstraint", "STRING", true),
    COLUMN("lastRead", "ZONED DATETIME", true),
    COLUMN("readCount", "INTEGER", true),
    COLUMN("trackedSince", "ZONED DATETIME", false),
    COLUMN("options", "MAP", false),
    COLUMN("failureMessage", "STRING", false),
    COLUMN("createStatement", "STRING", false)};
static const struct procedure_column columns_show_constraints[] = {
    COLUMN("id", "INTEGER", true),
    COLUMN("name", "STRING", true),
    COLUMN("type", "STRING", true),
    COLUMN("entityType", "STRING", true),
    COLUMN("labelsOrTypes", "LIST<STRING>", true),
    COLUMN("properties", "LIST<STRING>", true),
    COLUMN("ownedIndex", "STRING", true),
    COLUMN("propertyType", "STRING", true),
    COLUMN("options", "MAP", false),
    COLUMN("createStatement", "STRING", false)};
static const struct procedure_column columns_show_databases[] = {
    COLUMN("name", "STRING", true),
    COLUMN("type", "STRING", true),
    COLUMN("aliases", "LIST<STRING>", true),
    COLUMN("access", "STRING", true),
    COLUMN("databaseID", "STRING", false),
    COLUMN("serverID", "STRING", false),
    COLUMN("address", "STRING", true),
    COLUMN("role", "STRING", true),
    COLUMN("writer", "BOOLEAN", true),
    COLUMN("requestedStatus", "STRING", true),
    COLUMN("currentStatus", "STRING", true),
    COLUMN("statusMessage", "STRING", true),
    COLUMN("default", "BOOLEAN", true),
    COLUMN("home", "BOOLEAN", true),
    COLUMN("currentPrimariesCount", "INTEGER", false),
    COLUMN("currentSecondariesCount", "INTEGER", false),
    COLUMN("requestedPrimariesCount", "INTEGER", false),
    COLUMN("requestedSecondariesCount", "INTEGER", false),
    COLUMN("creationTime", "ZONED DATETIME", false),
    COLUMN("lastStartTime", "ZONED DATETIME", false),
    COLUMN("lastStopTime", "ZONED DATETIME", false),
    COLUMN("store", "STRING", false),
    COLUMN("lastCommittedTxn", "INTEGER", false),
    COLUMN("replicationLag", "INTEGER", false),
    COLUMN("constituents", "LIST<STRING>", true),
    COLUMN("options", "MAP", false)};
static const struct procedure_column columns_show_procedures[] = {
    COLUMN("name", "STRING", true),
    COLUMN("description", "STRING", true),
    COLUMN("mode", "STRING", true),
    COLUMN("worksOnSystem", "BOOLEAN", true),
    COLUMN("signature", "STRING", false),
    COLUMN("argumentDescription", "LIST<MAP>", false),
    COLUMN("returnDescription", "LIST<MAP>", false),
    COLUMN("admin", "BOOLEAN", false),
    COLUMN("rolesExecution", "LIST<STRING>", false),
    COLUMN("rolesBoostedExecution", "LIST<STRING>", false),
    COLUMN("isDeprecated", "BOOLEAN", false),
    COLUMN("deprecatedBy", "STRING", false),
    COLUMN("option", "MAP", false)};
static const struct procedure_column columns_show_functions[] = {
    COLUMN("name", "STRING", true),
    COLUMN("category", "STRING", true),
    COLUMN("description", "STRING", true),
    COLUMN("signature", "STRING", false),
    COLUMN("isBuiltIn", "BOOLEAN", false),
    COLUMN("argumentDescription", "LIST<MAP>", false),
    COLUMN("returnDescription", "STRING", false),
    COLUMN("aggregating", "BOOLEAN", false),
    COLUMN("rolesExecution", "LIST<STRING>", false),
    COLUMN("rolesBoostedExecution", "LIST<STRING>", false),
    COLUMN("isDeprecated", "BOOLEAN", false),
    COLUMN("deprecatedBy", "STRING", false)};

#define string(literal) value_string(text_of(literal))

/* A list in the call's arena; a null value when there is no memory, which row_add then meets too. */
static struct value
list_of(struct procedure_call *call, const struct value *items, uint32_t count)
{
    struct value *copy = arena_allocate(call->arena, sizeof(*copy) * count);
    if (!copy)
        return value_null();
    if (count)
        memcpy(copy, items, sizeof(*copy) * count);
    return value_list(copy, count);
}

err_t
procedure_row_add(struct procedure_call *call, const struct value *values)
{
    uint32_t count = call->procedure->column_count;
    struct procedure_row *row = arena_allocate(
        call->arena, sizeof(*row) + sizeof(struct value) * count);
    if (!row)
        return ERR(MEMORY_QUERY);
    row->next = NULL;
    row->values = (struct value *)(row + 1);
    memcpy(row->values, values, sizeof(struct value) * count);
    if (call->last)
        call->last->next = row;
    else
        call->first = row;
    call->last = row;
    return 0;
}

static err_t
tokens_list(struct procedure_call *call, enum token_kind kind)
{
    const struct catalog *catalog = call->execution->shard->catalog;
    err_t err = 0;
    for (uint32_t i = 0; !err && i < catalog_token_count(catalog, kind); i++) {
        struct value name = value_string(catalog_name(catalog, kind, i));
        err = procedure_row_add(call, &name);
    }
    return err;
}

static err_t
run_labels(struct procedure_call *call)
{
    return tokens_list(call, TOKEN_LABEL);
}

static err_t
run_relationship_types(struct procedure_call *call)
{
    return tokens_list(call, TOKEN_TYPE);
}

static err_t
run_property_keys(struct procedure_call *call)
{
    return tokens_list(call, TOKEN_KEY);
}

static err_t
run_ping(struct procedure_call *call)
{
    struct value yes = value_boolean(true);
    return procedure_row_add(call, &yes);
}

static err_t
run_info(struct procedure_call *call)
{
    struct value row[] = {string("neo4j"), string("neo4j"), string("")};
    return procedure_row_add(call, row);
}

static err_t
run_await_indexes(struct procedure_call *call)
{
    (void)call;
    return 0;
}

static err_t
run_clear_query_caches(struct procedure_call *call)
{
    uint32_t count = plan_cache_clear(call->execution->engine->plans);
    struct text text = arena_printf(
        call->arena, "Query caches successfully cleared of %u queries.", count);
    if (!text.data)
        return ERR(MEMORY_QUERY);
    struct value row = value_string(text);
    return procedure_row_add(call, &row);
}

/* Virtual nodes have ids below zero as Neo4j's have: they cannot be looked up. */
static err_t
run_schema_visualization(struct procedure_call *call)
{
    const struct catalog *catalog = call->execution->shard->catalog;
    uint32_t count = catalog_token_count(catalog, TOKEN_LABEL);
    struct value *nodes = arena_allocate(call->arena, sizeof(*nodes) * count);
    if (!nodes)
        return ERR(MEMORY_QUERY);
    for (uint32_t i = 0; i < count; i++) {
        struct value_node *node = arena_zeroed(call->arena, sizeof(*node));
        struct text *label = arena_allocate(call->arena, sizeof(*label));
        struct map_entry *entries = arena_allocate(call->arena, sizeof(*entries) * 3);
        if (!node || !label || !entries)
            return ERR(MEMORY_QUERY);
        *label = catalog_name(catalog, TOKEN_LABEL, i);
        entries[0] = (struct map_entry){TEXT("name"), value_string(*label)};
        entries[1] = (struct map_entry){TEXT("indexes"), value_list(NULL, 0)};
        entries[2] = (struct map_entry){TEXT("constraints"), value_list(NULL, 0)};
        *node = (struct value_node){
            .id = {ID_MAX - i},
            .label_count = 1,
            .labels = label,
            .property_count = 3,
            .properties = entries,
        };
        nodes[i] = (struct value){.type = VALUE_NODE, .flags = VALUE_FLAG_HYDRATED};
        nodes[i].node = node;
    }
    struct value row[] = {value_list(nodes, count), value_list(NULL, 0)};
    return procedure_row_add(call, row);
}

static err_t
run_components(struct procedure_call *call)
{
    struct value version = string(kernel_version);
    struct value row[] = {string("Neo4j Kernel"), list_of(call, &version, 1), string("community")};
    err_t err = procedure_row_add(call, row);
    struct value own_version = string("0.1.0");
    struct value own[] = {string("Quiver"), list_of(call, &own_version, 1), string("community")};
    return err ? err : procedure_row_add(call, own);
}

static err_t
run_show_current_user(struct procedure_call *call)
{
    struct value role = string("admin");
    struct value row[] = {string("neo4j"), list_of(call, &role, 1), value_list(NULL, 0)};
    return procedure_row_add(call, row);
}

static err_t
run_list_config(struct procedure_call *call)
{
    (void)call;
    return 0;
}

/* CREATE ... as it would have to be written again. */
static struct value
index_statement(struct procedure_call *call, const struct index_info *info)
{
    const struct catalog *catalog = call->execution->shard->catalog;
    struct text label = catalog_name(catalog, TOKEN_LABEL, info->label),
                key = catalog_name(catalog, TOKEN_KEY, info->key);
    struct text text;
    if (info->unique)
        text = arena_printf(
            call->arena, "CREATE CONSTRAINT `%.*s` FOR (n:`%.*s`) REQUIRE (n.`%.*s`) IS UNIQUE",
            TEXT_ARGS(info->name), TEXT_ARGS(label), TEXT_ARGS(key));
    else
        text = arena_printf(
            call->arena, "CREATE RANGE INDEX `%.*s` FOR (n:`%.*s`) ON (n.`%.*s`)",
            TEXT_ARGS(info->name), TEXT_ARGS(label), TEXT_ARGS(key));
    return text.data ? value_string(text) : value_null();
}

static err_t
run_show_indexes(struct procedure_call *call)
{
    const struct catalog *catalog = call->execution->shard->catalog;
    const struct index_info *info;
    err_t err = 0;
    for (uint32_t i = 0; !err && (info = catalog_index_at(catalog, i)); i++) {
        struct value label = value_string(catalog_name(catalog, TOKEN_LABEL, info->label));
        struct value key = value_string(catalog_name(catalog, TOKEN_KEY, info->key));
        bool online = info->state == INDEX_ONLINE;
        struct value row[] = {
            value_integer(info->id),
            value_string(info->name),
            string(online ? "ONLINE" : "POPULATING"),
            value_float(online ? 100.0 : 0.0),
            string("RANGE"),
            string("NODE"),
            list_of(call, &label, 1),
            list_of(call, &key, 1),
            string("range-1.0"),
            info->unique ? value_string(info->name) : value_null(),
            value_null(),
            value_integer(0),
            value_null(),
            value_map(NULL, 0),
            string(""),
            index_statement(call, info)};
        static_assert(
            sizeof(row) / sizeof(*row) ==
                sizeof(columns_show_indexes) / sizeof(*columns_show_indexes),
            "");
        err = procedure_row_add(call, row);
    }
    return err;
}

static err_t
run_show_constraints(struct procedure_call *call)
{
    const struct catalog *catalog = call->execution->shard->catalog;
    const struct index_info *info;
    err_t err = 0;
    for (uint32_t i = 0; !err && (info = catalog_index_at(catalog, i)); i++) {
        if (!info->unique)
            continue;
        struct value label = value_string(catalog_name(catalog, TOKEN_LABEL, info->label));
        struct value key = value_string(catalog_name(catalog, TOKEN_KEY, info->key));
        struct value row[] = {value_integer(info->id),  value_string(info->name),
                              string("UNIQUENESS"),     string("NODE"),
                              list_of(call, &label, 1), list_of(call, &key, 1),
                              value_string(info->name), value_null(),
                              value_map(NULL, 0),       index_statement(call, info)};
        static_assert(
            sizeof(row) / sizeof(*row) ==
                sizeof(columns_show_constraints) / sizeof(*columns_show_constraints),
            "");
        err = procedure_row_add(call, row);
    }
    return err;
}

static err_t
run_show_databases(struct procedure_call *call)
{
    struct value empty = value_list(NULL, 0), one = value_integer(1), none = value_integer(0);
    struct value yes = value_boolean(true), null = value_null();
    struct value row[] = {
        string("neo4j"),
        string("standard"),
        empty,
        string("read-write"),
        string(""),
        string(""),
        string(""),
        string("primary"),
        yes,
        string("online"),
        string("online"),
        string(""),
        yes,
        yes,
        one,
        none,
        one,
        none,
        null,
        null,
        null,
        string("quiver"),
        null,
        none,
        empty,
        value_map(NULL, 0)};
    static_assert(
        sizeof(row) / sizeof(*row) ==
            sizeof(columns_show_databases) / sizeof(*columns_show_databases),
        "");
    return procedure_row_add(call, row);
}

static bool
procedure_is_command(const struct procedure *procedure)
{
    return memcmp(procedure->name.data, "SHOW ", 5) == 0;
}

static err_t
run_show_procedures(struct procedure_call *call)
{
    uint32_t count;
    const struct procedure *list = procedure_list(&count);
    struct value empty = value_list(NULL, 0), no = value_boolean(false);
    err_t err = 0;
    for (uint32_t i = 0; !err && i < count; i++) {
        if (procedure_is_command(&list[i]))
            continue;
        struct value row[] = {
            value_string(list[i].name),
            value_string(list[i].description),
            value_string(list[i].mode),
            no,
            value_string(list[i].signature),
            empty,
            empty,
            no,
            empty,
            empty,
            no,
            value_null(),
            value_map(NULL, 0)};
        static_assert(
            sizeof(row) / sizeof(*row) ==
                sizeof(columns_show_procedures) / sizeof(*columns_show_procedures),
            "");
        err = procedure_row_add(call, row);
    }
    return err;
}

static err_t
run_show_functions(struct procedure_call *call)
{
    uint32_t count;
    const struct function *list = function_list(&count);
    struct value empty = value_list(NULL, 0), no = value_boolean(false), yes = value_boolean(true);
    err_t err = 0;
    for (uint32_t i = 0; !err && i < count; i++) {
        bool aggregating = list[i].flags & FUNCTION_AGGREGATE;
        struct text signature = arena_printf(
            call->arena, "%.*s(...) :: ANY", TEXT_ARGS(list[i].name));
        if (!signature.data)
            return ERR(MEMORY_QUERY);
        struct value row[] = {
            value_string(list[i].name),
            string(aggregating ? "Aggregating" : "Scalar"),
            string(""),
            value_string(signature),
            yes,
            empty,
            string("ANY"),
            value_boolean(aggregating),
            empty,
            empty,
            no,
            value_null()};
        static_assert(
            sizeof(row) / sizeof(*row) ==
                sizeof(columns_show_functions) / sizeof(*columns_show_functions),
            "");
        err = procedure_row_add(call, row);
    }
    return err;
}

#define COLUMNS(id)                                                                                \
    .column_count = sizeof(columns_##id) / sizeof(*columns_##id), .columns = columns_##id,
#define NO_COLUMNS(id)
#define LITERAL(text)                                                                              \
    {                                                                                              \
        text, sizeof(text) - 1                                                                     \
    }
static const struct procedure procedures[] = {
#define PROCEDURE(id, columns_of, name_, mode_, least, most, signature_, description_)             \
    {.name = LITERAL(name_),                                                                       \
     .mode = LITERAL(mode_),                                                                       \
     .description = LITERAL(description_),                                                         \
     .signature = LITERAL(signature_),                                                             \
     .arguments_min = least,                                                                       \
     .arguments_max = most,                                                                        \
     columns_of(id).run = run_##id},
#include "engine/run/procedures.def"
#undef PROCEDURE
};

const struct procedure *
procedure_list(uint32_t *count)
{
    *count = sizeof(procedures) / sizeof(*procedures);
    return procedures;
}

const struct procedure *
procedure_lookup(struct text name)
{
    uint32_t count;
    const struct procedure *list = procedure_list(&count);
    for (uint32_t i = 0; i < count; i++)
        if (text_equal_fold(list[i].name, name))
            return &list[i];
    return NULL;
}

uint32_t
procedure_column_index(const struct procedure *procedure, struct text name)
{
    for (uint32_t i = 0; i < procedure->column_count; i++)
        if (text_equal(procedure->columns[i].name, name))
            return i;
    return SLOT_NONE;
}
