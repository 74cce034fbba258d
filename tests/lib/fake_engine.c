#include "tests/lib/fake_engine.h"

#include <stdio.h>
#include <stdlib.h>

#include "engine/plan/plan.h"

enum { FAKE_BATCH_ROWS = 100 };

enum fake_kind {
    FAKE_ROWS,
    FAKE_TEXTS,
    FAKE_PARAMETERS,
    FAKE_EMPTY,
    FAKE_WRITE,
    FAKE_ERROR,
    FAKE_FAIL,
    FAKE_HANG,
    FAKE_HANG_PULL,
};

enum fake_phase { PHASE_PLAN, PHASE_IDLE, PHASE_PULL, PHASE_DISCARD, PHASE_OVER };

struct transaction {
    struct task task;
    struct fake_engine *engine;
    transaction_done_fn *done;
    void *context;
    err_t err;    /* of begin: the bookmark was never given out */
    uint8_t step; /* 'b'egin, 'c'ommit, 'r'ollback */
    uint32_t query_count;
    bool read_only;
    bool is_begun;
};

struct query {
    struct task task;
    struct fake_engine *engine;
    struct query_options options;
    enum fake_kind kind;
    enum fake_phase phase;
    bool is_full;
    err_t cancelled;
    int64_t row_count, row_next, text_size;
    int64_t pull_left;
};

static struct fake_engine *
fake_engine_of(struct shard *shard)
{
    return shard->engine;
}

err_t
fake_engine_create(struct shard *shard)
{
    struct fake_engine *engine = memory_allocate(shard_memory(shard), sizeof(*engine));
    if (!engine)
        return ERR(MEMORY_POOL);
    *engine = (struct fake_engine){.shard = shard, .clock = 100};
    shard->engine = engine;
    return 0;
}

void
fake_engine_destroy(struct shard *shard)
{
    struct fake_engine *engine = fake_engine_of(shard);
    if (!engine)
        return;
    assert(engine->query_count == 0 && engine->transaction_count == 0);
    memory_release(shard_memory(shard), engine, sizeof(*engine));
    shard->engine = NULL;
}

bool
engine_is_idle(const struct shard *shard)
{
    const struct fake_engine *engine = shard->engine;
    return engine->query_count == 0 && engine->transaction_count == 0;
}

/* ---- queries ---- */

static void
query_understand(struct query *query)
{
    static const struct {
        const char *name;
        enum fake_kind kind;
    } commands[] = {
        {"ROWS", FAKE_ROWS},   {"TEXTS", FAKE_TEXTS}, {"PARAMETERS", FAKE_PARAMETERS},
        {"EMPTY", FAKE_EMPTY}, {"WRITE", FAKE_WRITE}, {"ERROR", FAKE_ERROR},
        {"FAIL", FAKE_FAIL},   {"HANG", FAKE_HANG},   {"HANG_PULL", FAKE_HANG_PULL},
    };
    char text[64] = "", name[64] = "";
    struct text given = query->options.text;
    if (given.size < sizeof(text))
        memcpy(text, given.data, given.size);
    query->kind = FAKE_ERROR;
    int found = sscanf(text, "%63s %ld %ld", name, &query->row_count, &query->text_size);
    for (size_t i = 0; i < sizeof(commands) / sizeof(*commands) && found > 0; i++) {
        if (strcmp(commands[i].name, name) == 0)
            query->kind = commands[i].kind;
    }
    if (query->kind == FAKE_PARAMETERS)
        query->row_count = 1;
    if (query->kind == FAKE_EMPTY || query->kind == FAKE_WRITE)
        query->row_count = 0;
}

/* Around each event: nothing may be asked of the engine inside. */
static void
event_enter(struct query *query)
{
    assert(!query->engine->is_inside_event);
    query->engine->is_inside_event = true;
}

static void
event_leave(struct query *query)
{
    query->engine->is_inside_event = false;
}

static void
query_fail(struct query *query, err_t err, struct text message)
{
    struct failure failure = {.err = err, .message = message, .offset = 2, .line = 1, .column = 3};
    query->phase = PHASE_OVER;
    event_enter(query);
    query->options.events->failed(query->options.context, &failure);
    event_leave(query);
}

static void
query_plan(struct query *query)
{
    static const struct text names[] = {{"n", 1}, {"t", 1}, {"p", 1}, {"x", 1}, {"", 0},
                                        {"", 0},  {"n", 1}, {"x", 1}, {"x", 1}};
    if (query->kind == FAKE_HANG)
        return;
    if (query->kind == FAKE_ERROR) {
        query_fail(query, ERR(SYNTAX), TEXT("that is no command"));
        return;
    }
    bool read_only = query->options.transaction ? query->options.transaction->read_only
                                                : query->options.read_only;
    if (query->kind == FAKE_WRITE && read_only) {
        query_fail(query, ERR(ACCESS_MODE), (struct text){NULL, 0});
        return;
    }
    query->phase = PHASE_IDLE;
    event_enter(query);
    query->options.events->fields(
        query->options.context, &names[query->kind], query->kind != FAKE_WRITE);
    event_leave(query);
}

static struct value
query_value(const struct query *query, int64_t row, char *text)
{
    if (query->kind == FAKE_PARAMETERS)
        return query->options.parameters;
    if (query->kind == FAKE_TEXTS)
        return value_string((struct text){text, (size_t)query->text_size});
    return value_integer(row);
}

/* Up to FAKE_BATCH_ROWS rows; they are gone when the event returns. */
static void
query_emit(struct query *query)
{
    int64_t count = query->row_count - query->row_next;
    if (count > FAKE_BATCH_ROWS)
        count = FAKE_BATCH_ROWS;
    if (query->phase == PHASE_PULL && count > query->pull_left)
        count = query->pull_left;
    if (count == 0)
        return;
    query->engine->rows_made_count += (uint32_t)count;
    if (query->phase == PHASE_PULL) {
        char *text = malloc((size_t)query->text_size + 1);
        memset(text, 'x', (size_t)query->text_size + 1);
        struct value *values = malloc((size_t)count * sizeof(*values));
        for (int64_t i = 0; i < count; i++)
            values[i] = query_value(query, query->row_next + i, text);
        struct column column = {.kind = COLUMN_VALUE, .values = values};
        struct batch batch = {.row_count = (uint32_t)count, .column_count = 1, .columns = &column};
        event_enter(query);
        query->is_full = !query->options.events->rows(query->options.context, &batch);
        event_leave(query);
        free(values);
        free(text);
    }
    query->row_next += count;
    query->pull_left -= count;
}

static void
query_finish(struct query *query)
{
    struct query_summary summary = {.kind = QUERY_READ, .rows = (uint64_t)query->row_next};
    if (query->kind == FAKE_FAIL) {
        query_fail(query, ERR(CONFLICT), (struct text){NULL, 0});
        return;
    }
    if (query->kind == FAKE_WRITE) {
        summary.kind = QUERY_WRITE;
        summary.counters.nodes_created = 1;
    }
    if (!query->options.transaction) {
        query->engine->autocommit_count++;
        summary.bookmark = query->kind == FAKE_WRITE ? ++query->engine->clock
                                                     : query->engine->clock;
    }
    query->phase = PHASE_OVER;
    event_enter(query);
    query->options.events->finished(query->options.context, &summary);
    event_leave(query);
}

static enum task_result
query_task(struct task *task)
{
    struct query *query = list_entry(task, struct query, task);
    if (query->phase == PHASE_OVER)
        return TASK_DONE;
    if (query->cancelled) {
        query_fail(query, query->cancelled, (struct text){NULL, 0});
        return TASK_DONE;
    }
    if (query->phase == PHASE_PLAN) {
        query_plan(query);
        return TASK_DONE;
    }
    if (query->phase == PHASE_IDLE || query->is_full || query->kind == FAKE_HANG_PULL)
        return TASK_DONE;
    query_emit(query);
    if (query->is_full)
        return TASK_DONE;
    if (query->row_next == query->row_count) {
        query_finish(query);
        return TASK_DONE;
    }
    if (query->phase == PHASE_PULL && query->pull_left == 0) {
        query->phase = PHASE_IDLE;
        event_enter(query);
        query->options.events->paused(query->options.context);
        event_leave(query);
        return TASK_DONE;
    }
    return TASK_AGAIN;
}

err_t
query_run(struct shard *shard, const struct query_options *options, struct query **out)
{
    struct fake_engine *engine = fake_engine_of(shard);
    assert(!engine->is_inside_event);
    assert(options->parameters.type == VALUE_MAP);
    struct query *query = memory_allocate(shard_memory(shard), sizeof(*query));
    if (!query)
        return ERR(MEMORY_POOL);
    *query = (struct query){.engine = engine, .options = *options};
    query_understand(query);
    if (!options->transaction) {
        engine->bookmark_asked = options->bookmark;
        engine->timeout_asked_ns = options->timeout_ns;
        engine->read_only_asked = options->read_only;
    } else {
        options->transaction->query_count++;
    }
    engine->query_count++;
    task_init(&query->task, TASK_POINT, query_task);
    task_ready(shard, &query->task);
    *out = query;
    return 0;
}

void
query_pull(struct query *query, int64_t row_count)
{
    assert(!query->engine->is_inside_event && query->phase == PHASE_IDLE && row_count > 0);
    query->phase = PHASE_PULL;
    query->pull_left = row_count;
    task_ready(query->engine->shard, &query->task);
}

void
query_discard(struct query *query)
{
    assert(!query->engine->is_inside_event && query->phase == PHASE_IDLE);
    query->phase = PHASE_DISCARD;
    task_ready(query->engine->shard, &query->task);
}

void
query_resume(struct query *query)
{
    assert(!query->engine->is_inside_event);
    query->is_full = false;
    task_ready(query->engine->shard, &query->task);
}

void
query_cancel(struct query *query, err_t reason)
{
    assert(!query->engine->is_inside_event && reason);
    if (query->phase == PHASE_OVER)
        return;
    query->engine->cancelled_count++;
    query->cancelled = reason;
    task_ready(query->engine->shard, &query->task);
}

void
query_free(struct query *query)
{
    struct fake_engine *engine = query->engine;
    assert(!engine->is_inside_event && engine->query_count > 0);
    task_cancel(engine->shard, &query->task);
    if (query->options.transaction)
        query->options.transaction->query_count--;
    engine->query_count--;
    memory_release(shard_memory(engine->shard), query, sizeof(*query));
}

/* ---- transactions ---- */

static enum task_result
transaction_task(struct task *task)
{
    struct transaction *transaction = list_entry(task, struct transaction, task);
    struct fake_engine *engine = transaction->engine;
    transaction_done_fn *done = transaction->done;
    void *context = transaction->context;
    uint64_t bookmark = 0;
    transaction->done = NULL;
    struct failure failure = {.err = transaction->err, .offset = -1};
    if (transaction->step == 'b') {
        transaction->is_begun = true;
    } else {
        assert(transaction->query_count == 0);
        if (transaction->step == 'c') {
            engine->committed_count++;
            bookmark = ++engine->clock;
        } else {
            engine->rolled_back_count++;
        }
        engine->transaction_count--;
        memory_release(shard_memory(engine->shard), transaction, sizeof(*transaction));
    }
    engine->is_inside_event = true;
    done(context, failure.err ? &failure : NULL, bookmark);
    engine->is_inside_event = false;
    return TASK_DONE;
}

static void
transaction_step(
    struct transaction *transaction, uint8_t step, transaction_done_fn *done, void *context)
{
    assert(!transaction->done);
    transaction->step = step;
    if (step != 'b')
        transaction->err = 0;
    transaction->done = done;
    transaction->context = context;
    task_ready(transaction->engine->shard, &transaction->task);
}

err_t
transaction_begin(
    struct shard *shard,
    const struct transaction_options *options,
    transaction_done_fn *done,
    void *context,
    struct transaction **out)
{
    struct fake_engine *engine = fake_engine_of(shard);
    assert(!engine->is_inside_event);
    struct transaction *transaction = memory_allocate(shard_memory(shard), sizeof(*transaction));
    if (!transaction)
        return ERR(MEMORY_POOL);
    *transaction = (struct transaction){.engine = engine, .read_only = options->read_only};
    if (options->bookmark > engine->clock)
        transaction->err = ERR(BOOKMARK);
    engine->bookmark_asked = options->bookmark;
    engine->timeout_asked_ns = options->timeout_ns;
    engine->read_only_asked = options->read_only;
    engine->transaction_count++;
    task_init(&transaction->task, TASK_POINT, transaction_task);
    transaction_step(transaction, 'b', done, context);
    *out = transaction;
    return 0;
}

void
transaction_commit(struct transaction *transaction, transaction_done_fn *done, void *context)
{
    assert(!transaction->engine->is_inside_event && transaction->is_begun);
    transaction_step(transaction, 'c', done, context);
}

/* May follow a begin whose `done` has just run, also from inside it: the contract allows that. */
void
transaction_rollback(struct transaction *transaction, transaction_done_fn *done, void *context)
{
    assert(transaction->is_begun);
    transaction_step(transaction, 'r', done, context);
}
