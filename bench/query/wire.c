/* Requests over loopback, to a quiverd of its own process, with libquiver as client: `RETURN 1` one at a
 * time and pipelined, beside an echo of 64-byte messages with as many outstanding; and durable relationship
 * creations from many connections beside the device's rate at 16 writes in flight. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/assert.h"
#include "bench/bench.h"
#include "bench/micro/device.h"
#include "bench/micro/echo.h"
#include "quiver/quiver.h"

enum { ECHO_SIZE = 64, WINDOW = 64, NODE_COUNT = 20000, CONNECTION_MAX = 256 };

struct daemon {
    pid_t process;
    char uri[128];
    char directory[4096];
};

static void
daemon_exec(const struct daemon *daemon, uint32_t shard_count, int output)
{
    char self[4096], program[4200], shards[16];
    ssize_t size = readlink("/proc/self/exe", self, sizeof(self) - 1);
    assert(size > 0);
    self[size] = 0;
    *strrchr(self, '/') = 0;
    snprintf(program, sizeof(program), "%s/quiverd", self);
    snprintf(shards, sizeof(shards), "%u", shard_count);
    dup2(output, STDOUT_FILENO);
    execl(
        program, "quiverd", "--data", daemon->directory, "--listen", "127.0.0.1:0", "--shards",
        shards, (char *)NULL);
    perror(program);
    _exit(127);
}

static bool
daemon_start(struct daemon *daemon, const struct bench_options *options)
{
    bench_directory_make(options->data, daemon->directory, sizeof(daemon->directory));
    int pipes[2];
    if (pipe(pipes)) {
        perror("quiver-bench");
        return false;
    }
    daemon->process = fork();
    if (daemon->process == 0)
        daemon_exec(daemon, options->shard_count, pipes[1]);
    close(pipes[1]);
    FILE *output = fdopen(pipes[0], "r");
    char line[512] = "";
    const char *uri = output && fgets(line, sizeof(line), output) ? strstr(line, "bolt://") : NULL;
    if (!uri) {
        fprintf(stderr, "quiver-bench: quiverd did not start\n");
        return false;
    }
    snprintf(daemon->uri, sizeof(daemon->uri), "%.*s", (int)strcspn(uri, " \n"), uri);
    return true;
}

static void
daemon_stop(struct daemon *daemon)
{
    kill(daemon->process, SIGTERM);
    waitpid(daemon->process, NULL, 0);
    bench_directory_remove(daemon->directory);
}

static struct qv_connection *
connection_open(const struct daemon *daemon)
{
    struct qv_connection *connection;
    if (qv_connection_open(&(struct qv_options){.uri = daemon->uri}, &connection) != QV_OK) {
        fprintf(stderr, "quiver-bench: %s\n", qv_connection_error(connection)->message);
        exit(1);
    }
    return connection;
}

/* Statements per second with `window` of them sent before the first answer is read. */
static double
requests_measure(struct qv_connection *connection, uint32_t window, double seconds)
{
    struct qv_result *results[WINDOW];
    uint64_t begin = bench_now_ns(), end = begin + (uint64_t)(seconds * 1e9), done = 0;
    while (bench_now_ns() < end) {
        for (uint32_t i = 0; i < window; i++) {
            enum qv_status status = qv_run(connection, "RETURN 1", NULL, NULL, &results[i]);
            assert(status == QV_OK);
        }
        for (uint32_t i = 0; i < window; i++) {
            enum qv_status status = qv_result_next(results[i]);
            assert(status == QV_OK && qv_result_value(results[i], 0).integer == 1);
            qv_result_finish(results[i]);
            qv_result_close(results[i]);
        }
        done += window;
    }
    return (double)done * 1e9 / (double)(bench_now_ns() - begin);
}

static void
requests_run(const struct bench_options *options, struct qv_connection *connection, uint32_t window)
{
    struct bench_row row = {.shard_count = options->shard_count, .unit = "requests/s"};
    snprintf(row.name, sizeof(row.name), "RETURN 1, %u outstanding", window);
    snprintf(row.limit_name, sizeof(row.limit_name), "echo, %u outstanding", window);
    requests_measure(connection, window, options->seconds / 4);
    for (uint32_t i = 0; i < options->repeat_count; i++) {
        double limit = echo_rate(ECHO_SIZE, window, options->seconds);
        bench_row_add(&row, requests_measure(connection, window, options->seconds), limit);
    }
    bench_row_print(options, &row);
}

struct writer {
    const struct daemon *daemon;
    uint32_t index, connection_count;
    atomic_bool *stop;
    uint64_t done;
    pthread_t thread;
};

/* Each thread drives many connections: sends one statement on each, then reads one answer of each. */
static void *
writer_run(void *argument)
{
    struct writer *writer = argument;
    struct qv_connection *connections[CONNECTION_MAX];
    struct qv_result *results[CONNECTION_MAX];
    struct qv_params *params = qv_params_new();
    uint64_t state = writer->index + 1;
    for (uint32_t i = 0; i < writer->connection_count; i++)
        connections[i] = connection_open(writer->daemon);
    while (!atomic_load(writer->stop)) {
        for (uint32_t i = 0; i < writer->connection_count; i++) {
            qv_params_reset(params);
            qv_params_integer(params, "a", (int64_t)(bench_random(&state) % NODE_COUNT));
            qv_params_integer(params, "b", (int64_t)(bench_random(&state) % NODE_COUNT));
            qv_run(
                connections[i], "MATCH (a:N {id: $a}), (b:N {id: $b}) CREATE (a)-[:R]->(b)", params,
                NULL, &results[i]);
            qv_flush(connections[i]);
        }
        for (uint32_t i = 0; i < writer->connection_count; i++) {
            writer->done += qv_result_finish(results[i]) == QV_OK;
            qv_result_close(results[i]);
        }
    }
    for (uint32_t i = 0; i < writer->connection_count; i++)
        qv_connection_close(connections[i]);
    qv_params_delete(params);
    return NULL;
}

static double
writers_measure(const struct daemon *daemon, uint32_t connection_count, double seconds)
{
    atomic_bool stop = false;
    struct writer writers[2];
    uint32_t thread_count = connection_count > 1 ? 2 : 1;
    uint64_t begin = bench_now_ns(), done = 0;
    for (uint32_t i = 0; i < thread_count; i++) {
        writers[i] = (struct writer){
            .daemon = daemon,
            .index = i,
            .stop = &stop,
            .connection_count = connection_count / thread_count};
        int failed = pthread_create(&writers[i].thread, NULL, writer_run, &writers[i]);
        assert(!failed);
    }
    usleep((useconds_t)(seconds * 1e6));
    atomic_store(&stop, true);
    for (uint32_t i = 0; i < thread_count; i++) {
        pthread_join(writers[i].thread, NULL);
        done += writers[i].done;
    }
    return (double)done * 1e9 / (double)(bench_now_ns() - begin);
}

static int
writers_run(
    const struct bench_options *options, const struct daemon *daemon, uint32_t connection_count)
{
    uint32_t in_flight = connection_count == 1 ? 1 : 16;
    struct bench_row row = {.shard_count = options->shard_count, .unit = "commits/s"};
    snprintf(row.name, sizeof(row.name), "create relationship, %u connections", connection_count);
    snprintf(row.limit_name, sizeof(row.limit_name), "durable writes, %u in flight", in_flight);
    for (uint32_t i = 0; i < options->repeat_count; i++) {
        double limit = device_durable_writes(daemon->directory, in_flight, options->seconds);
        if (limit <= 0)
            return 1;
        bench_row_add(&row, writers_measure(daemon, connection_count, options->seconds), limit);
    }
    bench_row_print(options, &row);
    return 0;
}

int
bench_wire(const struct bench_options *options)
{
    struct daemon daemon;
    if (!daemon_start(&daemon, options))
        return 1;
    struct qv_connection *connection = connection_open(&daemon);
    requests_run(options, connection, 1);
    requests_run(options, connection, WINDOW);
    char text[128];
    snprintf(text, sizeof(text), "UNWIND range(0, %d) AS i CREATE (:N {id: i})", NODE_COUNT - 1);
    int result = qv_execute(connection, text, NULL) != QV_OK ||
                 qv_execute(connection, "CREATE INDEX FOR (n:N) ON (n.id)", NULL) != QV_OK;
    if (result)
        fprintf(stderr, "quiver-bench: %s\n", qv_connection_error(connection)->message);
    static const uint32_t counts[] = {1, 16, 256};
    for (size_t i = 0; i < sizeof(counts) / sizeof(*counts) && !result; i++)
        if (!options->clients || options->clients == counts[i])
            result = writers_run(options, &daemon, counts[i]);
    qv_connection_close(connection);
    daemon_stop(&daemon);
    return result;
}
