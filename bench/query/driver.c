#include "bench/query/driver.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "engine/value/value_ops.h"
#include "shards/boot/database.h"
#include "shards/boot/runtime.h"

enum { LATENCY_SAMPLE_MAX = 1 << 16, COMMAND_POLL_NS = 200 * 1000 };

enum command { COMMAND_NONE, COMMAND_MEASURE };

struct driver_shard;

struct client {
    struct driver_shard *home;
    uint32_t index;
    uint64_t number, begin_ns;
    struct query *query;
    struct map_entry parameters[DRIVER_PARAMETER_MAX];
    bool has_result;
    struct task next; /* frees the query and starts the next: not from inside an event */
};

struct driver_shard {
    struct driver *driver;
    struct shard *shard;
    struct timer poll;
    uint32_t command_seen;
    uint32_t client_count, running_count;
    struct client *clients;
    uint64_t statements, conflicts;
    uint32_t *latencies; /* ns / 16, saturating */
    uint64_t latency_count;
};

struct driver {
    struct database *database;
    struct runtime *runtime;
    char directory[4096];
    uint32_t shard_count;
    struct driver_shard shards[SHARD_COUNT_MAX];
    /* Commands from the main thread: written before `command_number` is raised. */
    enum command command;
    struct driver_workload workload;
    driver_preload_fn *preload;
    void *preload_context;
    atomic_uint command_number;
    atomic_uint done_count;
    atomic_bool stop_clients;
    char error[512];
    atomic_bool failed;
};

static void client_start(struct client *client);

static void
driver_fail(struct driver *driver, const struct failure *failure)
{
    if (!atomic_exchange(&driver->failed, true))
        snprintf(
            driver->error, sizeof(driver->error), "%s: %.*s", err_name(err_code(failure->err)),
            TEXT_ARGS(failure->message));
}

static void
client_fields(void *context, const struct text *names, uint32_t count)
{
    struct client *client = context;
    (void)names;
    (void)count;
    query_pull(client->query, INT64_MAX);
}

static bool
client_rows(void *context, const struct batch *batch)
{
    struct client *client = context;
    const struct driver_workload *workload = &client->home->driver->workload;
    if (workload->result && !client->has_result)
        workload->result(workload->context, client->index, client->number, batch);
    client->has_result = true;
    return true;
}

static void
client_paused(void *context)
{
    struct client *client = context;
    query_pull(client->query, INT64_MAX);
}

static void
client_finished(void *context, const struct query_summary *summary)
{
    struct client *client = context;
    struct driver_shard *home = client->home;
    (void)summary;
    uint64_t ticks = (shard_now_ns(home->shard) - client->begin_ns) / 16;
    home->latencies[home->latency_count++ % LATENCY_SAMPLE_MAX] = ticks > UINT32_MAX
                                                                      ? UINT32_MAX
                                                                      : (uint32_t)ticks;
    home->statements++;
    task_ready(home->shard, &client->next);
}

static void
client_failed(void *context, const struct failure *failure)
{
    struct client *client = context;
    if (err_is_transient(err_code(failure->err)))
        client->home->conflicts++;
    else
        driver_fail(client->home->driver, failure);
    task_ready(client->home->shard, &client->next);
}

static const struct query_events client_events = {
    .fields = client_fields,
    .rows = client_rows,
    .paused = client_paused,
    .finished = client_finished,
    .failed = client_failed,
};

static void
client_start(struct client *client)
{
    struct driver *driver = client->home->driver;
    const struct driver_workload *workload = &driver->workload;
    uint32_t count = workload->next
                         ? workload->next(
                               workload->context, client->index, client->number, client->parameters)
                         : 0;
    struct query_options options = {
        .text = text_of(workload->text),
        .parameters = value_map(client->parameters, count),
        .events = &client_events,
        .context = client};
    client->has_result = false;
    client->begin_ns = shard_now_ns(client->home->shard);
    err_t err = query_run(client->home->shard, &options, &client->query);
    assert(!err);
}

static enum task_result
client_next(struct task *task)
{
    struct client *client = list_entry(task, struct client, next);
    struct driver_shard *home = client->home;
    query_free(client->query);
    client->query = NULL;
    client->number++;
    if (atomic_load_explicit(&home->driver->stop_clients, memory_order_relaxed) ||
        atomic_load(&home->driver->failed)) {
        if (--home->running_count == 0)
            atomic_fetch_add(&home->driver->done_count, 1);
        return TASK_DONE;
    }
    client_start(client);
    return TASK_DONE;
}

static void
measure_begin(struct driver_shard *home)
{
    struct driver *driver = home->driver;
    uint32_t total = driver->workload.client_count;
    home->client_count = total / driver->shard_count +
                         (home->shard->index < total % driver->shard_count);
    home->running_count = home->client_count;
    home->statements = home->conflicts = home->latency_count = 0;
    if (home->client_count == 0) {
        atomic_fetch_add(&driver->done_count, 1);
        return;
    }
    free(home->clients);
    home->clients = calloc(home->client_count, sizeof(*home->clients));
    assert(home->clients);
    for (uint32_t i = 0; i < home->client_count; i++) {
        struct client *client = &home->clients[i];
        *client = (struct client){
            .home = home, .index = i * driver->shard_count + home->shard->index};
        task_init(&client->next, TASK_POINT, client_next);
        client_start(client);
    }
}

/* The main thread cannot wake a shard: each looks for a new command every 200 us. */
static void
command_poll(struct timer *timer)
{
    struct driver_shard *home = list_entry(timer, struct driver_shard, poll);
    struct driver *driver = home->driver;
    uint32_t number = atomic_load(&driver->command_number);
    if (number != home->command_seen) {
        home->command_seen = number;
        if (driver->command == COMMAND_MEASURE)
            measure_begin(home);
    }
    timer_start(home->shard, &home->poll, COMMAND_POLL_NS, command_poll);
}

static bool
shard_drain(struct shard *shard, void *context)
{
    struct driver *driver = context;
    struct driver_shard *home = &driver->shards[shard->index];
    if (home->poll.armed)
        timer_stop(shard, &home->poll);
    return database_drain(driver->database, shard);
}

static err_t
shard_begin(struct shard *shard, void *context)
{
    struct driver *driver = context;
    err_t err = database_start(driver->database, shard);
    if (err)
        return err;
    if (driver->preload)
        driver->preload(driver->preload_context, shard);
    err = engine_create(shard);
    if (err)
        return err;
    struct driver_shard *home = &driver->shards[shard->index];
    *home = (struct driver_shard){
        .driver = driver,
        .shard = shard,
        .latencies = malloc(LATENCY_SAMPLE_MAX * sizeof(uint32_t))};
    assert(home->latencies);
    timer_start(shard, &home->poll, COMMAND_POLL_NS, command_poll);
    return 0;
}

static void
shard_end(struct shard *shard, void *context)
{
    struct driver *driver = context;
    struct driver_shard *home = &driver->shards[shard->index];
    if (shard->engine)
        engine_destroy(shard);
    database_finish(driver->database, shard);
    free(home->latencies);
    free(home->clients);
}

static void
command_give(struct driver *driver, enum command command)
{
    atomic_store(&driver->done_count, 0);
    driver->command = command;
    atomic_fetch_add(&driver->command_number, 1);
}

static void
command_wait(struct driver *driver)
{
    while (atomic_load(&driver->done_count) < driver->shard_count)
        usleep(100);
    if (atomic_load(&driver->failed)) {
        fprintf(stderr, "quiver-bench: %s\n", driver->error);
        exit(1);
    }
}

struct driver *
driver_start(
    const struct bench_options *options, bool durable, driver_preload_fn *preload, void *context)
{
    struct driver *driver = calloc(1, sizeof(*driver));
    assert(driver);
    driver->shard_count = options->shard_count;
    driver->preload = preload;
    driver->preload_context = context;
    bench_directory_make(options->data, driver->directory, sizeof(driver->directory));
    struct shard_program program = {
        .context = driver, .start = shard_begin, .drain = shard_drain, .finish = shard_end};
    struct database_options database_options = {.sync = durable ? WAL_SYNC_FULL : WAL_SYNC_OFF};
    driver->database = database_new(&database_options);
    assert(driver->database);
    struct runtime_options runtime_options = {
        .data_directory = driver->directory,
        .shard_count = options->shard_count,
        .program = program};
    char message[512] = "";
    err_t err = runtime_start(&runtime_options, &driver->runtime, message, sizeof(message));
    if (err) {
        fprintf(
            stderr, "quiver-bench: the database does not start: %s %s\n", err_text(err_code(err)),
            message);
        exit(1);
    }
    return driver;
}

void
driver_stop(struct driver *driver)
{
    runtime_stop(driver->runtime);
    runtime_join(driver->runtime);
    database_delete(driver->database);
    bench_directory_remove(driver->directory);
    free(driver);
}

uint32_t
driver_shard_count(const struct driver *driver)
{
    return driver->shard_count;
}

const char *
driver_directory(const struct driver *driver)
{
    return driver->directory;
}

static int
latency_compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void
latencies_summarise(struct driver *driver, struct driver_result *result)
{
    uint64_t count = 0;
    uint32_t *all = malloc((size_t)driver->shard_count * LATENCY_SAMPLE_MAX * sizeof(*all));
    assert(all);
    for (uint32_t s = 0; s < driver->shard_count; s++) {
        const struct driver_shard *home = &driver->shards[s];
        uint64_t kept = home->latency_count < LATENCY_SAMPLE_MAX ? home->latency_count
                                                                 : LATENCY_SAMPLE_MAX;
        memcpy(all + count, home->latencies, kept * sizeof(*all));
        count += kept;
    }
    qsort(all, count, sizeof(*all), latency_compare);
    if (count) {
        uint64_t middle = count / 2, high = count - 1 - count / 100;
        result->latency_p50_us = all[middle] * 0.016;
        result->latency_p99_us = all[high] * 0.016;
    }
    free(all);
}

struct driver_result
driver_measure(struct driver *driver, const struct driver_workload *workload, double seconds)
{
    assert(workload->client_count > 0);
    driver->workload = *workload;
    atomic_store(&driver->stop_clients, false);
    uint64_t begin = bench_now_ns();
    command_give(driver, COMMAND_MEASURE);
    usleep((useconds_t)(seconds * 1e6));
    atomic_store(&driver->stop_clients, true);
    command_wait(driver);
    struct driver_result result = {.seconds = (double)(bench_now_ns() - begin) / 1e9};
    for (uint32_t s = 0; s < driver->shard_count; s++) {
        result.statements += driver->shards[s].statements;
        result.conflicts += driver->shards[s].conflicts;
    }
    latencies_summarise(driver, &result);
    return result;
}

void
driver_query(struct driver *driver, const char *text)
{
    /* One client on shard 0 that stops after its first statement. */
    struct driver_workload workload = {.text = text, .client_count = 1};
    driver->workload = workload;
    atomic_store(&driver->stop_clients, true);
    command_give(driver, COMMAND_MEASURE);
    command_wait(driver);
}
