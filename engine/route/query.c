#include "engine/route/query.h"

#include <string.h>

#include "engine/route/query_state.h"
#include "engine/route/run.h"
#include "engine/value/value_ops.h"

/* The life of a statement. One task, one tick function over the states of query_state.h: whatever the
 * statement waits for makes the task ready, and the tick looks at where it stands.
 *
 * Invariants
 *  1. Events are called from the task only, and none after FINISHED or FAILED.
 *  2. A query is over (FINISHED, FAILED) only when no run of it is known anywhere, no request of it is out,
 *     and its autocommit transaction has ended. So freeing it is then safe at any time.
 *  3. A statement is run again only while nothing of it was delivered but the column names. */

enum { ATTEMPT_COUNT_MAX = 12, PLANNED_COUNT_MAX = 4 };
#define BACKOFF_NS UINT64_C(200000)

static const uint16_t moves[QUERY_STATE_COUNT] = {
    [QUERY_PLANNING] = 1 << QUERY_NAMING | 1 << QUERY_BEGINNING | 1 << QUERY_FAILING,
    [QUERY_NAMING] = 1 << QUERY_PLANNING | 1 << QUERY_FAILING,
    [QUERY_BEGINNING] = 1 << QUERY_OPENED | 1 << QUERY_FAILING,
    [QUERY_OPENED] = 1 << QUERY_RUNNING | 1 << QUERY_FAILING,
    [QUERY_RUNNING] = 1 << QUERY_OPENED | 1 << QUERY_CLOSING | 1 << QUERY_FAILING,
    [QUERY_CLOSING] = 1 << QUERY_COMMITTING | 1 << QUERY_FAILING,
    [QUERY_COMMITTING] = 1 << QUERY_FINISHED | 1 << QUERY_FAILING,
    [QUERY_FAILING] = 1 << QUERY_ABORTING,
    [QUERY_ABORTING] = 1 << QUERY_FAILED | 1 << QUERY_BACKING_OFF,
    [QUERY_BACKING_OFF] = 1 << QUERY_PLANNING | 1 << QUERY_FAILING,
};

static void
query_move(struct query *query, enum query_state state)
{
    assert(moves[query->state] >> state & 1);
    query->state = state;
}

void
query_wake(struct query *query)
{
    task_ready(query->shard, &query->task);
}

static void
execution_wake(struct execution *execution)
{
    query_wake(list_entry(execution, struct query, execution));
}

/* --- failing --- */

/* Line and column of an offset, for messages. */
static void
failure_locate(struct failure *failure, struct text text)
{
    if (failure->offset < 0 || failure->line || (uint64_t)failure->offset > text.size)
        return;
    failure->line = failure->column = 1;
    for (int64_t i = 0; i < failure->offset; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        if (byte == '\n') {
            failure->line++;
            failure->column = 1;
        } else if ((byte & 0xc0) != 0x80) {
            failure->column++;
        }
    }
}

/* The failure is in execution.failure; its message may be in an arena that goes away soon. */
static void
query_fail(struct query *query)
{
    struct failure *failure = &query->execution.failure;
    assert(failure->err);
    if (query->state == QUERY_FAILING || query->state == QUERY_ABORTING)
        return;
    struct text copy = arena_text(&query->execution.arena, failure->message);
    failure->message = copy.data ? copy : text_of(err_text(err_code(failure->err)));
    failure_locate(failure, query->kept_text);
    query->batch = NULL;
    operator_close(query->root);
    query->root = NULL;
    query_move(query, QUERY_FAILING);
}

static void
query_fail_with(struct query *query, err_t err)
{
    execution_fail(&query->execution, err, NULL);
    query_fail(query);
}

/* --- planning --- */

static uint64_t
statistics_nodes(void *argument, uint32_t label)
{
    struct shard *shard = argument;
    return store_node_count(shard->store, label) * shard->count;
}

static uint64_t
statistics_rels(void *argument, uint32_t type)
{
    struct shard *shard = argument;
    return store_rel_count(shard->store, type) * shard->count;
}

static void
names_done(struct catalog_request *request)
{
    struct query *query = request->context;
    query->waiting = false;
    query->step_err = request->err;
    query_wake(query);
}

/* Asks for tokens of the names the plan would write. */
static void
names_request(struct query *query)
{
    const struct plan *plan = query->entry->plan;
    struct arena *arena = &query->execution.arena;
    uint32_t count = plan->new_name_count;
    uint8_t *kinds = arena_allocate(arena, count);
    struct text *names = arena_allocate(arena, sizeof(*names) * count);
    uint32_t *tokens = arena_allocate(arena, sizeof(*tokens) * count);
    if (!kinds || !names || !tokens) {
        query_fail_with(query, ERR(MEMORY_QUERY));
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        kinds[i] = plan->new_names[i].kind;
        names[i] = arena_text(arena, plan->new_names[i].name);
    }
    query->names = (struct catalog_request){
        .action = CATALOG_TOKENS,
        .name_count = count,
        .kinds = kinds,
        .names = names,
        .tokens = tokens,
        .done = names_done,
        .context = query,
    };
    query_move(query, QUERY_NAMING);
    query->waiting = true;
    catalog_submit(query->shard, &query->names);
}

static err_t
parameters_bind(struct query *query)
{
    const struct plan *plan = query->entry->plan;
    struct execution *execution = &query->execution;
    struct value *values = arena_zeroed(
        &execution->arena, sizeof(*values) * (plan->parameter_count + 1));
    struct value *locals = arena_zeroed(
        &execution->arena, sizeof(*locals) * (plan->local_count + 1));
    if (!values || !locals)
        return ERR(MEMORY_QUERY);
    for (uint32_t i = 0; i < plan->parameter_count; i++) {
        struct text name = plan->parameter_names[i];
        const struct value *value = NULL;
        if (query->parameters.type == VALUE_MAP)
            value = value_map_lookup(query->parameters.map, query->parameters.size, name);
        if (!value && plan->explain != EXPLAIN_PLAN) {
            err_t err = ERR(PARAMETER_MISSING);
            execution_fail(execution, err, "Expected parameter(s): %.*s", TEXT_ARGS(name));
            return err;
        }
        if (value)
            values[i] = *value;
    }
    execution->expressions.parameters = values;
    execution->expressions.parameter_count = plan->parameter_count;
    execution->expressions.locals = locals;
    execution->expressions.local_count = plan->local_count;
    return 0;
}

static err_t
plan_check(struct query *query)
{
    const struct plan *plan = query->entry->plan;
    bool reads = plan->kind == QUERY_READ || plan->explain == EXPLAIN_PLAN;
    bool read_only = query->read_only || (query->transaction && query->transaction->read_only);
    if (!reads && read_only)
        return ERR(ACCESS_MODE);
    if (plan->kind == QUERY_SCHEMA && query->explicit_transaction &&
        plan->explain != EXPLAIN_PLAN) {
        err_t err = ERR(TRANSACTION_KIND);
        execution_fail(
            &query->execution, err,
            "A schema command runs in a transaction of its own, not inside an explicit one.");
        return err;
    }
    return parameters_bind(query);
}

static err_t
plan_make(struct query *query)
{
    struct engine *engine = query->execution.engine;
    const struct catalog *catalog = query->shard->catalog;
    struct plan_statistics statistics = {statistics_nodes, statistics_rels, query->shard};
    query->entry = plan_cache_get(engine->plans, query->kept_text, catalog, &statistics);
    if (query->entry)
        return 0;
    return plan_entry_make(
        engine->plans, query->kept_text, catalog, &statistics, &query->execution.arena,
        &query->entry, &query->execution.failure);
}

static void begin_start(struct query *query);

static void
tick_planning(struct query *query)
{
    plan_entry_put(query->entry);
    query->entry = NULL;
    err_t err = plan_make(query);
    if (err) {
        query_fail_with(query, err);
        return;
    }
    const struct plan *plan = query->entry->plan;
    query->execution.plan = plan;
    err = plan_check(query);
    if (err) {
        query_fail_with(query, err);
        return;
    }
    bool names_missing = plan->new_name_count > 0 && plan->explain != EXPLAIN_PLAN;
    if (names_missing && query->planned_count++ < PLANNED_COUNT_MAX) {
        names_request(query);
        return;
    }
    if (names_missing) {
        query_fail_with(query, ERR(INTERNAL));
        return;
    }
    query_move(query, QUERY_BEGINNING);
    begin_start(query);
}

static void
tick_naming(struct query *query)
{
    if (query->waiting)
        return;
    if (query->step_err)
        query_fail_with(query, query->step_err);
    else
        query_move(query, QUERY_PLANNING);
}

/* --- beginning --- */

static void
begin_ready(void *context, err_t err)
{
    struct query *query = context;
    query->waiting = false;
    query->step_err = err;
    query_wake(query);
}

static void
begin_start(struct query *query)
{
    if (query->explicit_transaction)
        return;
    struct txn_options options = {
        .bookmark = query->bookmark,
        .read_only = query->read_only || query->entry->plan->kind == QUERY_READ ||
                     query->entry->plan->kind == QUERY_SCHEMA,
    };
    err_t err = txn_begin(query->shard, &options, begin_ready, query, &query->execution.txn);
    if (err) {
        query->execution.txn = NULL;
        query_fail_with(query, err);
        return;
    }
    query->waiting = !txn_is_ready(query->execution.txn);
    query->step_err = 0;
}

/* In an explicit transaction one query runs at a time. */
static bool
turn_take(struct query *query)
{
    struct transaction *transaction = query->transaction;
    if (!query->explicit_transaction)
        return true;
    assert(transaction);
    if (transaction->active && transaction->active != query)
        return false;
    transaction->active = query;
    return true;
}

static void
turn_give(struct query *query)
{
    struct transaction *transaction = query->transaction;
    if (!transaction || transaction->active != query)
        return;
    transaction->active = NULL;
    list_for_each (link, &transaction->queries)
        query_wake(list_entry(link, struct query, link));
}

static void
tick_beginning(struct query *query)
{
    if (query->waiting)
        return;
    if (query->explicit_transaction) {
        if (query->transaction->failed) {
            query_fail_with(query, ERR(TRANSACTION_FAILED));
            return;
        }
        query->execution.txn = query->transaction->txn;
    } else if (query->step_err) {
        query_fail_with(query, query->step_err);
        return;
    }
    const struct plan *plan = query->entry->plan;
    query_move(query, QUERY_OPENED);
    if (plan->explain != EXPLAIN_PLAN) {
        query->root = operator_open(&query->execution, plan->root, NULL);
        if (!query->root) {
            query_fail(query);
            return;
        }
    }
    query->slice = arena_zeroed(
        &query->execution.arena, sizeof(struct column) * (plan->root->column_count + 1));
    if (!query->slice) {
        query_fail_with(query, ERR(MEMORY_QUERY));
        return;
    }
    query->planned_ns = shard_now_ns(query->shard) - query->begun_ns;
    /* Another attempt goes on with the pull that the first one failed in. */
    if (query->fields_told) {
        query_move(query, QUERY_RUNNING);
    } else if (!query->silent) {
        query->fields_told = true;
        query->events->fields(query->context, plan->column_names, plan->column_count);
    }
    if (query->transaction && query->transaction->committing)
        query_discard(query);
}

/* --- running --- */

/* Delivers up to `wanted` rows of the batch at hand. */
static void
rows_deliver(struct query *query)
{
    uint32_t left = query->batch->row_count - query->batch_row;
    uint32_t count = (int64_t)left < query->wanted ? left : (uint32_t)query->wanted;
    if (count == 0)
        return;
    struct batch part = {
        .row_count = count,
        .column_count = query->entry->plan->column_count,
        .columns = query->slice,
    };
    for (uint32_t i = 0; i < part.column_count; i++) {
        query->slice[i] = query->batch->columns[i];
        if (query->slice[i].kind == COLUMN_NODE)
            query->slice[i].nodes += query->batch_row;
        else
            query->slice[i].values += query->batch_row;
    }
    if (query->rows == 0)
        query->first_row_ns = shard_now_ns(query->shard) - query->begun_ns;
    query->rows += count;
    query->batch_row += count;
    if (query->wanted != INT64_MAX)
        query->wanted -= count;
    if (query->batch_row == query->batch->row_count)
        query->full = !query->events->rows(query->context, &part);
    else
        (void)query->events->rows(query->context, &part);
}

static void
query_close(struct query *query)
{
    query->batch = NULL;
    operator_close(query->root);
    query->root = NULL;
    query_move(query, QUERY_CLOSING);
}

/* One batch. False when there is nothing more to do in this turn. */
static bool
run_once(struct query *query)
{
    if (query->batch && query->batch_row < query->batch->row_count) {
        if (query->discarding || query->silent) {
            query->batch_row = query->batch->row_count;
        } else if (query->wanted > 0) {
            rows_deliver(query);
            return !query->full && query->state == QUERY_RUNNING;
        } else {
            query_move(query, QUERY_OPENED);
            turn_give(query);
            query->events->paused(query->context);
            return false;
        }
    }
    if (!query->root) {
        query_close(query); /* EXPLAIN */
        return true;
    }
    struct batch *batch;
    query->batch = NULL;
    enum pull pull = operator_next(query->root, &batch);
    switch (pull) {
    case PULL_BATCH:
        query->batch = batch;
        query->batch_row = 0;
        return true;
    case PULL_END:
        query_close(query);
        return true;
    case PULL_FAILED:
        query_fail(query);
        return true;
    case PULL_WAIT:
    case PULL_AGAIN:
        break;
    }
    query->execution.stopped_by_slice = pull == PULL_AGAIN;
    return false;
}

static enum task_result
tick_running(struct query *query)
{
    if (query->full || !turn_take(query))
        return TASK_DONE;
    query->execution.stopped_by_slice = false;
    while (query->state == QUERY_RUNNING && !query->full) {
        if (!run_once(query))
            return query->execution.stopped_by_slice ? TASK_AGAIN : TASK_DONE;
        if (query->state == QUERY_RUNNING && task_slice_is_over(query->shard))
            return TASK_AGAIN;
    }
    return query->state == QUERY_RUNNING ? TASK_DONE : TASK_AGAIN;
}

/* --- ending --- */

static bool
query_is_settled(const struct query *query)
{
    return query->execution.run_count == 0 && query->execution.request_count == 0;
}

static void
ended(void *context, err_t err, uint64_t timestamp)
{
    struct query *query = context;
    query->waiting = false;
    query->step_err = err;
    query->timestamp = timestamp;
    query_wake(query);
}

static void
tick_closing(struct query *query)
{
    if (!query_is_settled(query))
        return;
    query_move(query, QUERY_COMMITTING);
    query->step_err = 0;
    if (query->explicit_transaction || !query->execution.txn)
        return;
    struct txn *txn = query->execution.txn;
    query->execution.txn = NULL;
    query->waiting = true;
    txn_commit(txn, ended, query);
}

static void
query_over(struct query *query)
{
    timer_stop(query->shard, &query->timeout);
    shard_outstanding_add(query->shard, -1);
    query->ended = true;
    struct transaction *transaction = query->transaction;
    if (transaction) {
        turn_give(query);
        transaction_query_over(transaction, query);
    }
    query->transaction = NULL;
}

static void
finished_tell(struct query *query)
{
    const struct plan *plan = query->entry->plan;
    const struct schema_counters *schema = &query->execution.schema;
    struct query_summary summary = {
        .kind = plan->kind,
        .counters = query->execution.counters,
        .indexes_added = schema->indexes_added,
        .indexes_removed = schema->indexes_removed,
        .constraints_added = schema->constraints_added,
        .constraints_removed = schema->constraints_removed,
        .bookmark = query->explicit_transaction ? 0 : query->timestamp,
        .plan = plan->explain == EXPLAIN_NONE ? NULL : plan,
        .rows = query->rows,
        .planned_ns = query->planned_ns,
        .first_row_ns = query->first_row_ns,
        .total_ns = shard_now_ns(query->shard) - query->begun_ns,
    };
    query->events->finished(query->context, &summary);
}

static void
tick_committing(struct query *query)
{
    if (query->waiting)
        return;
    if (query->step_err) {
        execution_fail(&query->execution, query->step_err, NULL);
        query_move(query, QUERY_FAILING);
        return;
    }
    query_move(query, QUERY_FINISHED);
    query->shard->metrics.queries++;
    query_over(query);
    if (query->silent)
        engine_bury_query(query->execution.engine, &query->link);
    else
        finished_tell(query);
}

static void
tick_failing(struct query *query)
{
    if (!query_is_settled(query))
        return;
    query_move(query, QUERY_ABORTING);
    struct txn *txn = query->explicit_transaction ? NULL : query->execution.txn;
    query->execution.txn = NULL;
    if (!txn)
        return;
    query->waiting = true;
    txn_abort(txn, ended, query);
}

static void
backoff_over(struct timer *timer)
{
    query_wake(list_entry(timer, struct query, backoff));
}

static bool
query_may_retry(const struct query *query)
{
    return !query->explicit_transaction && !query->execution.stop && !query->silent &&
           query->rows == 0 &&
           (err_code(query->execution.failure.err) == ERR_CONFLICT ||
            err_code(query->execution.failure.err) == ERR_DEADLOCK) &&
           query->attempt_count < ATTEMPT_COUNT_MAX;
}

/* What a failed attempt left behind is forgotten; text and parameters stay in the arena. */
static void
query_back_off(struct query *query)
{
    struct execution *execution = &query->execution;
    execution->failure = (struct failure){.offset = -1};
    execution->counters = (struct write_counters){0};
    execution->schema = (struct schema_counters){0};
    id_map_clear(&execution->deleted);
    query->attempt_count++;
    query->planned_count = 0;
    query_move(query, QUERY_BACKING_OFF);
    uint64_t random = query->shard->seam->ops->random(query->shard->seam);
    uint32_t doublings = query->attempt_count < 7 ? query->attempt_count : 7;
    uint64_t delay_ns = (BACKOFF_NS << doublings) / 2;
    timer_start(query->shard, &query->backoff, delay_ns + random % (delay_ns + 1), backoff_over);
}

static void
tick_aborting(struct query *query)
{
    if (query->waiting)
        return;
    if (query_may_retry(query)) {
        query_back_off(query);
        return;
    }
    query_move(query, QUERY_FAILED);
    if (query->transaction)
        transaction_fail(query->transaction, query->execution.failure.err);
    query_over(query);
    if (query->silent)
        engine_bury_query(query->execution.engine, &query->link);
    else
        query->events->failed(query->context, &query->execution.failure);
}

static void
tick_backing_off(struct query *query)
{
    if (!query->backoff.armed)
        query_move(query, QUERY_PLANNING);
}

/* A request to stop is heeded between two steps; RUNNING hears it from operator_next too. */
static void
stop_heed(struct query *query)
{
    bool waits_for_others = query->state == QUERY_NAMING || query->state == QUERY_BEGINNING;
    bool may_stop = query->state < QUERY_CLOSING || query->state == QUERY_BACKING_OFF;
    if (!query->execution.stop || !may_stop || (waits_for_others && query->waiting))
        return;
    if (query->state == QUERY_BACKING_OFF)
        timer_stop(query->shard, &query->backoff);
    query_fail_with(query, query->execution.stop);
}

static enum task_result
query_tick(struct task *task)
{
    struct query *query = list_entry(task, struct query, task);
    enum query_state before;
    do {
        if (query->ended)
            return TASK_DONE;
        stop_heed(query);
        before = query->state;
        switch (before) {
        case QUERY_PLANNING:
            tick_planning(query);
            break;
        case QUERY_NAMING:
            tick_naming(query);
            break;
        case QUERY_BEGINNING:
            tick_beginning(query);
            break;
        case QUERY_OPENED:
            return TASK_DONE;
        case QUERY_RUNNING: {
            enum task_result result = tick_running(query);
            if (query->state == QUERY_RUNNING || query->state == QUERY_OPENED)
                return result;
            break;
        }
        case QUERY_CLOSING:
            tick_closing(query);
            break;
        case QUERY_COMMITTING:
            tick_committing(query);
            break;
        case QUERY_FAILING:
            tick_failing(query);
            break;
        case QUERY_ABORTING:
            tick_aborting(query);
            break;
        case QUERY_BACKING_OFF:
            tick_backing_off(query);
            break;
        case QUERY_FINISHED:
        case QUERY_FAILED:
        case QUERY_STATE_COUNT:
            return TASK_DONE;
        }
    } while (query->state != before);
    return TASK_DONE;
}

/* --- the interface --- */

static struct text
type_name(void *argument, uint32_t type_token)
{
    return catalog_name(argument, TOKEN_TYPE, type_token);
}

static err_t
evaluation_check(void *argument)
{
    struct execution *execution = argument;
    return execution->stop;
}

static void
execution_create(struct query *query, struct engine *engine)
{
    struct execution *execution = &query->execution;
    struct shard *shard = query->shard;
    execution->shard = shard;
    execution->engine = engine;
    execution->wake = execution_wake;
    execution->failure.offset = -1;
    limited_memory_create(&execution->memory, shard_memory(shard), engine->query_memory_max);
    arena_create(&execution->arena, &execution->memory.memory, SIZE_MAX);
    id_map_create(&execution->deleted, &execution->memory.memory);
    struct expr_context *expressions = &execution->expressions;
    expr_context_create(expressions, &execution->arena, &execution->memory.memory);
    engine_clocks_set(expressions, shard);
    expressions->failure = &execution->failure;
    expressions->statement_wall_ns = shard->seam->ops->clock_wall_ns(shard->seam);
    expressions->transaction_wall_ns = expressions->statement_wall_ns;
    expressions->type_name = type_name;
    expressions->catalog_argument = shard->catalog;
    expressions->check = evaluation_check;
    expressions->check_argument = execution;
}

static void
timeout_expired(struct timer *timer)
{
    struct query *query = list_entry(timer, struct query, timeout);
    query_cancel(query, ERR(TIMED_OUT));
}

err_t
query_run(struct shard *shard, const struct query_options *options, struct query **out)
{
    struct engine *engine = shard_engine(shard);
    struct query *query = memory_allocate(shard_memory(shard), sizeof(*query));
    if (!query)
        return ERR(MEMORY_POOL);
    *query = (struct query){
        .shard = shard,
        .state = QUERY_PLANNING,
        .events = options->events,
        .context = options->context,
        .transaction = options->transaction,
        .explicit_transaction = options->transaction != NULL,
        .bookmark = options->bookmark,
        .read_only = options->read_only,
    };
    engine->query_count++;
    list_init(&query->link);
    task_init(&query->task, TASK_POINT, query_tick);
    execution_create(query, engine);
    shard_outstanding_add(shard, 1);
    query->begun_ns = shard_now_ns(shard);
    query->kept_text = arena_text(&query->execution.arena, options->text);
    err_t err = query->kept_text.data ? 0 : ERR(MEMORY_QUERY);
    if (!err)
        err = value_copy(&query->execution.arena, options->parameters, &query->parameters);
    if (err)
        query->execution.stop = err;
    if (options->transaction)
        list_push_back(&options->transaction->queries, &query->link);
    else if (options->timeout_ns)
        timer_start(shard, &query->timeout, options->timeout_ns, timeout_expired);
    task_ready(shard, &query->task);
    *out = query;
    return 0;
}

void
query_pull(struct query *query, int64_t row_count)
{
    assert(row_count > 0);
    if (query->state != QUERY_OPENED)
        return; /* it failed meanwhile; the event is on its way */
    query->wanted = row_count;
    query_move(query, QUERY_RUNNING);
    query_wake(query);
}

void
query_discard(struct query *query)
{
    if (query->state != QUERY_OPENED && query->state != QUERY_RUNNING)
        return;
    query->discarding = true;
    query->full = false;
    query->wanted = INT64_MAX;
    if (query->state == QUERY_OPENED)
        query_move(query, QUERY_RUNNING);
    query_wake(query);
}

void
query_resume(struct query *query)
{
    query->full = false;
    query_wake(query);
}

void
query_cancel(struct query *query, err_t reason)
{
    assert(reason);
    if (query->ended || query->execution.stop)
        return;
    query->execution.stop = reason;
    query->full = false;
    query_wake(query);
}

void
query_free(struct query *query)
{
    assert(!query->silent);
    query->silent = true;
    if (query->ended)
        engine_bury_query(query->execution.engine, &query->link);
    else
        query_cancel(query, ERR(TERMINATED));
}

void
query_delete(struct list_link *link)
{
    struct query *query = list_entry(link, struct query, link);
    assert(query->ended && query_is_settled(query) && !query->root);
    task_cancel(query->shard, &query->task);
    timer_stop(query->shard, &query->backoff);
    plan_entry_put(query->entry);
    struct execution *execution = &query->execution;
    id_map_destroy(&execution->deleted);
    expr_context_destroy(&execution->expressions);
    arena_destroy(&execution->arena);
    assert(execution->memory.memory.used_size == 0 && execution->engine->query_count > 0);
    execution->engine->query_count--;
    memory_release(shard_memory(query->shard), query, sizeof(*query));
}
