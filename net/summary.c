/* The metadata of SUCCESS and FAILURE.
 *
 *      result   {type, t_last, db, bookmark?, stats?, plan?, statuses (5.6 and later)}
 *      failure  {code, message}                                                       up to 5.6
 *               {neo4j_code, message, gql_status, description, diagnostic_record}     5.7 and later
 *
 * Source: the published Bolt documentation; strictness of drivers as they show it. */
#include "net/summary.h"

#include <stdio.h>

#include "engine/plan/plan.h"

enum { PLAN_DEPTH_MAX = 200 };

void
meta_open(struct meta *meta, struct pack_writer *writer)
{
    *meta = (struct meta){.writer = writer, .marker = writer->size};
    pack_write_map(writer, 0);
}

void
meta_close(struct meta *meta)
{
    assert(meta->count <= 15);
    if (!meta->writer->err)
        meta->writer->data[meta->marker] = (uint8_t)(0xA0 + meta->count);
}

void
meta_key(struct meta *meta, struct text key)
{
    meta->count++;
    pack_write_string(meta->writer, key);
}

void
meta_text(struct meta *meta, struct text key, struct text text)
{
    meta_key(meta, key);
    pack_write_string(meta->writer, text);
}

void
meta_integer(struct meta *meta, struct text key, int64_t integer)
{
    meta_key(meta, key);
    pack_write_integer(meta->writer, integer);
}

void
meta_boolean(struct meta *meta, struct text key, bool boolean)
{
    meta_key(meta, key);
    pack_write_boolean(meta->writer, boolean);
}

/* ---- failures ---- */

/* The condition a GQLSTATUS class stands for. */
static const char *
gql_condition(const char *status)
{
    static const struct {
        char class[3];
        const char *condition;
    } conditions[] = {
        {"08", "connection exception"},
        {"22", "data exception"},
        {"25", "invalid transaction state"},
        {"2D", "invalid transaction termination"},
        {"40", "transaction rollback"},
        {"42", "syntax error or access rule violation"},
        {"51", "system configuration or operation exception"},
        {"52", "procedure exception"},
        {"G1", "dependent object error"},
    };
    for (size_t i = 0; i < sizeof(conditions) / sizeof(*conditions); i++) {
        if (status[0] == conditions[i].class[0] && status[1] == conditions[i].class[1])
            return conditions[i].condition;
    }
    return "general processing exception";
}

static struct text
failure_classification(const char *neo_code)
{
    if (strncmp(neo_code, "Neo.ClientError.", 16) == 0)
        return TEXT("CLIENT_ERROR");
    return strncmp(neo_code, "Neo.TransientError.", 19) == 0 ? TEXT("TRANSIENT_ERROR")
                                                             : TEXT("DATABASE_ERROR");
}

static void
write_diagnostic_record(
    struct pack_writer *writer, const char *neo_code, const struct failure *failure)
{
    struct meta record;
    meta_open(&record, writer);
    meta_text(&record, TEXT("OPERATION"), TEXT(""));
    meta_text(&record, TEXT("OPERATION_CODE"), TEXT("0"));
    meta_text(&record, TEXT("CURRENT_SCHEMA"), TEXT("/"));
    meta_text(&record, TEXT("_classification"), failure_classification(neo_code));
    if (failure->offset >= 0 && failure->line && failure->column) {
        struct meta position;
        meta_key(&record, TEXT("_position"));
        meta_open(&position, writer);
        meta_integer(&position, TEXT("offset"), failure->offset);
        meta_integer(&position, TEXT("line"), failure->line);
        meta_integer(&position, TEXT("column"), failure->column);
        meta_close(&position);
    }
    meta_close(&record);
}

void
summary_write_failure(
    struct pack_writer *writer, struct bolt_version version, const struct failure *failure)
{
    enum err_code code = err_code(failure->err);
    const char *neo_code = err_neo_code(code), *status = err_gql_status(code);
    struct text message = failure->message.size ? failure->message : text_of(err_text(code));
    struct meta meta;
    meta_open(&meta, writer);
    if (!bolt_at_least(version, 5, 7)) {
        meta_text(&meta, TEXT("code"), text_of(neo_code));
        meta_text(&meta, TEXT("message"), message);
        meta_close(&meta);
        return;
    }
    char description[256];
    int size = snprintf(
        description, sizeof(description), "error: %s. %s", gql_condition(status), err_text(code));
    assert(size > 0 && (size_t)size < sizeof(description));
    meta_text(&meta, TEXT("neo4j_code"), text_of(neo_code));
    meta_text(&meta, TEXT("message"), message);
    meta_text(&meta, TEXT("gql_status"), text_of(status));
    meta_text(&meta, TEXT("description"), text_of(description));
    meta_key(&meta, TEXT("diagnostic_record"));
    write_diagnostic_record(writer, neo_code, failure);
    meta_close(&meta);
}

/* ---- results ---- */

static void
write_stats(struct meta *meta, const struct query_summary *summary)
{
    const struct write_counters *counters = &summary->counters;
    const struct {
        struct text key;
        uint64_t count;
    } entries[] = {
        {TEXT("nodes-created"), counters->nodes_created},
        {TEXT("nodes-deleted"), counters->nodes_deleted},
        {TEXT("relationships-created"), counters->rels_created},
        {TEXT("relationships-deleted"), counters->rels_deleted},
        {TEXT("properties-set"), counters->properties_set},
        {TEXT("labels-added"), counters->labels_added},
        {TEXT("labels-removed"), counters->labels_removed},
        {TEXT("indexes-added"), summary->indexes_added},
        {TEXT("indexes-removed"), summary->indexes_removed},
        {TEXT("constraints-added"), summary->constraints_added},
        {TEXT("constraints-removed"), summary->constraints_removed},
    };
    const size_t entry_count = sizeof(entries) / sizeof(*entries);
    uint64_t total = 0;
    for (size_t i = 0; i < entry_count; i++)
        total += entries[i].count;
    if (total == 0)
        return;
    struct meta stats;
    meta_key(meta, TEXT("stats"));
    meta_open(&stats, meta->writer);
    for (size_t i = 0; i < entry_count; i++) {
        if (entries[i].count)
            meta_integer(&stats, entries[i].key, (int64_t)entries[i].count);
    }
    meta_boolean(&stats, TEXT("contains-updates"), true);
    meta_close(&stats);
}

static const char *const op_texts[OP_KIND_COUNT] = {
    [OP_NONE] = "None",
#define OP(name, text) [OP_##name] = #name,
#include "engine/plan/ops.def"
#undef OP
};

static void
write_plan_op(struct pack_writer *writer, const struct op *op, unsigned depth)
{
    struct meta meta, args;
    assert(op->kind < OP_KIND_COUNT);
    meta_open(&meta, writer);
    meta_text(&meta, TEXT("operatorType"), text_of(op_texts[op->kind]));
    meta_key(&meta, TEXT("args"));
    meta_open(&args, writer);
    meta_key(&args, TEXT("EstimatedRows"));
    pack_write_float(writer, op->estimated_rows);
    if (op->text.size)
        meta_text(&args, TEXT("Details"), op->text);
    meta_close(&args);
    meta_key(&meta, TEXT("identifiers"));
    pack_write_list(writer, op->column_count);
    for (uint32_t i = 0; i < op->column_count; i++)
        pack_write_string(writer, op->column_names ? op->column_names[i] : TEXT(""));
    meta_key(&meta, TEXT("children"));
    bool deeper = depth < PLAN_DEPTH_MAX;
    pack_write_list(writer, deeper ? (size_t)(op->left != NULL) + (op->right != NULL) : 0);
    if (deeper && op->left)
        write_plan_op(writer, op->left, depth + 1);
    if (deeper && op->right)
        write_plan_op(writer, op->right, depth + 1);
    meta_close(&meta);
}

/* The outcome, as a list with one status. */
static void
write_statuses(struct meta *meta, const struct summary_context *context)
{
    struct text status = TEXT("00000"), description = TEXT("note: successful completion");
    if (!context->has_columns) {
        status = TEXT("00001");
        description = TEXT("note: successful completion - omitted result");
    } else if (context->row_count == 0) {
        status = TEXT("02000");
        description = TEXT("note: no data");
    }
    struct meta entry, record;
    meta_key(meta, TEXT("statuses"));
    pack_write_list(meta->writer, 1);
    meta_open(&entry, meta->writer);
    meta_text(&entry, TEXT("gql_status"), status);
    meta_text(&entry, TEXT("status_description"), description);
    meta_key(&entry, TEXT("diagnostic_record"));
    meta_open(&record, meta->writer);
    meta_close(&record);
    meta_close(&entry);
}

void
summary_write_result(
    struct meta *meta, const struct summary_context *context, const struct query_summary *summary)
{
    static const char *const types[] = {
        [QUERY_READ] = "r", [QUERY_WRITE] = "w", [QUERY_READ_WRITE] = "rw", [QUERY_SCHEMA] = "s"};
    assert(summary->kind < sizeof(types) / sizeof(*types));
    meta_text(meta, TEXT("type"), text_of(types[summary->kind]));
    meta_integer(meta, TEXT("t_last"), (int64_t)(context->last_ns / 1000000));
    meta_text(meta, TEXT("db"), context->database);
    if (context->bookmark.size)
        meta_text(meta, TEXT("bookmark"), context->bookmark);
    write_stats(meta, summary);
    if (summary->plan && summary->plan->root) {
        meta_key(meta, TEXT("plan"));
        write_plan_op(meta->writer, summary->plan->root, 0);
    }
    if (bolt_at_least(context->version, 5, 6))
        write_statuses(meta, context);
}
