/* Real threads, a real ring, a real disk: what the simulator cannot say. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "shards/boot/runtime.h"
#include "shards/mail/mail.h"

#define MILLISECOND UINT64_C(1000000)

enum { SHARDS_MAX = 4, PAGE = 4096 };

static char directory[64];

static int
directory_create(void **state)
{
    (void)state;
    snprintf(directory, sizeof(directory), "/tmp/quiver-test-XXXXXX");
    return mkdtemp(directory) ? 0 : -1;
}

static int
directory_remove(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof(command), "rm -rf '%s'", directory);
    return system(command);
}

static struct runtime *
runtime_of(uint32_t shard_count, struct shard_program program)
{
    struct runtime_options options = {
        .data_directory = directory,
        .shard_count = shard_count,
        .memory_size = (uint64_t)shard_count << 26,
        .program = program};
    struct runtime *runtime = NULL;
    char why[256];
    if (runtime_start(&options, &runtime, why, sizeof(why)))
        fail_msg("%s", why);
    return runtime;
}

/* Tests ask their shards to say when they are done by stopping the runtime themselves. */
static void
runtime_finish(struct runtime *runtime)
{
    if (!runtime_wait(runtime, 60000 * MILLISECOND))
        fail_msg("the shards did not end");
    runtime_join(runtime);
}

/* ---- mail ---- */

enum { STORM_PINGS = 20000, STORM_WINDOW = 64 };

struct storm_shard {
    struct shard *shard;
    struct task task;
    uint64_t sent, answered;
    uint64_t next[SHARDS_MAX], expected[SHARDS_MAX], answer_expected[SHARDS_MAX];
    uint64_t batch_sum, batch_count;
};

static struct storm_shard storm[SHARDS_MAX];

static void
owner_ping(struct shard *shard, const struct message *message)
{
    struct storm_shard *me = shard->engine;
    uint64_t number;
    memcpy(&number, message_payload(message), sizeof(number));
    assert_true(number == me->expected[message->from]++);
    assert_int_equal(mail_send(shard, message->from, MESSAGE_PONG, 0, &number, sizeof(number)), 0);
}

static void
asker_pong(struct shard *shard, const struct message *message)
{
    struct storm_shard *me = shard->engine;
    uint64_t number;
    memcpy(&number, message_payload(message), sizeof(number));
    assert_true(number == me->answer_expected[message->from]++);
    me->answered++;
    shard_outstanding_add(shard, -1);
    task_ready(shard, &me->task);
}

static enum task_result
storm_run(struct task *task)
{
    struct storm_shard *me = list_entry(task, struct storm_shard, task);
    struct shard *shard = me->shard;
    while (me->sent < STORM_PINGS && me->sent - me->answered < STORM_WINDOW) {
        uint32_t to = (uint32_t)(shard->seam->ops->random(shard->seam) % shard->count);
        /* A payload of any size, the number in front; now and then larger than a block. */
        uint32_t size = 8 + (uint32_t)(me->sent % 97 == 0 ? 10000 : me->sent % 200);
        unsigned char *payload = mail_open(shard, to, MESSAGE_PING, 0, size);
        assert_non_null(payload);
        memcpy(payload, &me->next[to], sizeof(uint64_t));
        memset(payload + 8, 0x5a, size - 8);
        mail_close(shard);
        me->next[to]++;
        me->sent++;
        shard_outstanding_add(shard, 1);
    }
    return TASK_DONE;
}

static err_t
storm_start(struct shard *shard, void *context)
{
    (void)context;
    struct storm_shard *me = &storm[shard->index];
    memset(me, 0, sizeof(*me));
    me->shard = shard;
    shard->engine = me;
    mail_handler_set(shard, MESSAGE_PING, owner_ping);
    mail_handler_set(shard, MESSAGE_PONG, asker_pong);
    task_init(&me->task, TASK_POINT, storm_run);
    task_ready(shard, &me->task);
    return 0;
}

static bool
storm_drain(struct shard *shard, void *context)
{
    (void)context;
    struct storm_shard *me = shard->engine;
    struct mail_gauge gauge = mail_gauge(shard);
    return me->answered == STORM_PINGS && gauge.block_out_count == 0 && gauge.jumbo_size == 0;
}

static void
mail_storm_between_threads(void **state)
{
    (void)state;
    for (uint32_t shard_count = 1; shard_count <= 3; shard_count++) {
        struct runtime *runtime = runtime_of(
            shard_count, (struct shard_program){NULL, storm_start, storm_drain, NULL});
        runtime_stop(runtime); /* ends when drained: everything answered, every block home */
        runtime_finish(runtime);
        for (uint32_t i = 0; i < shard_count; i++)
            assert_int_equal(storm[i].answered, STORM_PINGS);
    }
}

/* A ping at a time, with pauses that let the other side fall asleep: no wake-up may be lost. */
enum { PAUSED_PINGS = 200 };

struct paused {
    struct shard *shard;
    struct timer timer;
    uint32_t answered;
};

static struct paused paused;

static void
paused_send(struct timer *timer)
{
    struct paused *me = list_entry(timer, struct paused, timer);
    assert_int_equal(mail_send(me->shard, 1, MESSAGE_PING, 0, NULL, 0), 0);
}

static void
paused_ping(struct shard *shard, const struct message *message)
{
    assert_int_equal(mail_send(shard, message->from, MESSAGE_PONG, 0, NULL, 0), 0);
}

static void
paused_pong(struct shard *shard, const struct message *message)
{
    (void)message;
    if (++paused.answered < PAUSED_PINGS)
        timer_start(shard, &paused.timer, (paused.answered % 8) * MILLISECOND / 10, paused_send);
}

static err_t
paused_start(struct shard *shard, void *context)
{
    (void)context;
    mail_handler_set(shard, MESSAGE_PING, paused_ping);
    mail_handler_set(shard, MESSAGE_PONG, paused_pong);
    if (shard->index == 0) {
        paused = (struct paused){.shard = shard};
        timer_start(shard, &paused.timer, MILLISECOND, paused_send);
    }
    return 0;
}

static bool
paused_drain(struct shard *shard, void *context)
{
    (void)context;
    return shard->index != 0 || paused.answered == PAUSED_PINGS;
}

static void
sleeping_shards_are_woken(void **state)
{
    (void)state;
    struct runtime *runtime = runtime_of(
        2, (struct shard_program){NULL, paused_start, paused_drain, NULL});
    /* Long enough to end by doorbells alone: while stopping, shards look by themselves every millisecond. */
    assert_false(runtime_wait(runtime, 500 * MILLISECOND));
    runtime_stop(runtime);
    runtime_finish(runtime);
    assert_int_equal(paused.answered, PAUSED_PINGS);
}

/* ---- files ---- */

struct file_test {
    struct shard *shard;
    io_handle handle;
    struct io_op op;
    unsigned char *pages; /* 16 aligned pages, then 16 to read into */
    uint32_t step;
    bool is_over;
};

static struct file_test file_test;

static void file_next(struct io_op *op);

static void
file_submit(enum io_kind kind, unsigned char *buffer, size_t size, uint64_t offset)
{
    file_test.op = (struct io_op){
        .done = file_next,
        .kind = (uint8_t)kind,
        .durable = true,
        .handle = file_test.handle,
        .buffer = buffer,
        .size = size,
        .offset = offset};
    io_submit(file_test.shard->seam, &file_test.op);
}

static void
file_next(struct io_op *op)
{
    unsigned char *out = file_test.pages, *in = file_test.pages + 16 * PAGE;
    switch (file_test.step++) {
    case 0:
        assert_int_equal(op->result, 16 * PAGE);
        file_submit(IO_READ, in, 16 * PAGE, 0);
        return;
    case 1:
        assert_int_equal(op->result, 16 * PAGE);
        assert_memory_equal(in, out, 16 * PAGE);
        file_submit(IO_READ, in, 4 * PAGE, 14 * PAGE); /* past the end */
        return;
    case 2:
        assert_int_equal(op->result, 2 * PAGE);
        file_submit(IO_CLOSE, NULL, 0, 0);
        return;
    default:
        assert_int_equal(op->result, 0);
        file_test.is_over = true;
    }
}

static err_t
file_start(struct shard *shard, void *context)
{
    (void)context;
    file_test = (struct file_test){.shard = shard};
    const struct seam_ops *ops = shard->seam->ops;
    unsigned char *memory = memory_allocate(shard_memory(shard), 33 * PAGE);
    assert_non_null(memory);
    file_test.pages = (unsigned char *)(((uintptr_t)memory + PAGE - 1) & ~(uintptr_t)(PAGE - 1));
    for (uint32_t i = 0; i < 16 * PAGE; i++)
        file_test.pages[i] = (unsigned char)(i * 31 >> 3);
    assert_int_equal(ops->disk_make_directory(shard->seam, "wal"), 0);
    assert_int_equal(ops->disk_open(shard->seam, "wal/b", true, true, &file_test.handle), 0);
    file_submit(IO_WRITE, file_test.pages, 16 * PAGE, 0);
    return 0;
}

static bool
file_drain(struct shard *shard, void *context)
{
    (void)context;
    return shard->index != 0 || file_test.is_over;
}

static void
file_finish(struct shard *shard, void *context)
{
    (void)context;
    const struct seam_ops *ops = shard->seam->ops;
    struct disk_entry entries[2];
    io_handle other;
    assert_int_equal(ops->disk_open(shard->seam, "wal/a", true, false, &other), 0);
    assert_int_equal(ops->disk_write(shard->seam, other, "hello", 5, 3), 5);
    assert_int_equal(ops->disk_sync(shard->seam, other), 0);
    assert_int_equal(ops->disk_size(shard->seam, other), 8);
    assert_int_equal(ops->disk_close(shard->seam, other), 0);
    assert_int_equal(ops->disk_list(shard->seam, "wal", entries, 2), 2);
    assert_string_equal(entries[0].name, "a");
    assert_string_equal(entries[1].name, "b");
    assert_int_equal(entries[1].size, 16 * PAGE);
    assert_int_equal(ops->disk_list(shard->seam, "wal", entries, 1), 2);
    assert_string_equal(entries[0].name, "a");
    assert_int_equal(ops->disk_rename(shard->seam, "wal/a", "wal/c"), 0);
    assert_int_equal(ops->disk_open(shard->seam, "wal/a", false, false, &other), -ENOENT);
    assert_int_equal(ops->disk_remove(shard->seam, "wal/c"), 0);
    assert_int_equal(ops->disk_remove(shard->seam, "wal/b"), 0);
    assert_int_equal(ops->disk_remove(shard->seam, "wal"), 0);
    assert_int_equal(ops->disk_sync_directory(shard->seam, ""), 0);
}

static void
durable_write_reads_back(void **state)
{
    (void)state;
    struct runtime *runtime = runtime_of(
        1, (struct shard_program){NULL, file_start, file_drain, file_finish});
    runtime_stop(runtime);
    runtime_finish(runtime);
    assert_true(file_test.is_over);
}

/* ---- sockets: each shard echoes one connection ---- */

struct echo {
    struct shard *shard;
    struct io_op accept, recv, send, close;
    io_handle listener;
    unsigned char bytes[1000];
    size_t received, sent;
    char peer[64];
    int64_t last_recv_result;
    bool close_completed;
};

static struct echo echoes[SHARDS_MAX];
static uint16_t echo_port;
static uint32_t echo_closed_count; /* atomic */

static void
echo_recv(struct echo *echo)
{
    io_submit(echo->shard->seam, &echo->recv);
}

static void
echo_send(struct echo *echo)
{
    echo->send.buffer = echo->bytes + echo->sent;
    echo->send.size = echo->received - echo->sent;
    io_submit(echo->shard->seam, &echo->send);
}

static void
echo_sent(struct io_op *op)
{
    struct echo *echo = list_entry(op, struct echo, send);
    assert_true(op->result > 0);
    echo->sent += (size_t)op->result;
    if (echo->sent < echo->received)
        echo_send(echo);
    else
        echo_recv(echo);
}

static void
echo_closed(struct io_op *op)
{
    struct echo *echo = list_entry(op, struct echo, close);
    assert_int_equal(op->result, 0);
    echo->close_completed = true;
    __atomic_add_fetch(&echo_closed_count, 1, __ATOMIC_ACQ_REL);
    io_submit(echo->shard->seam, &echo->accept);
}

static void
echo_received(struct io_op *op)
{
    struct echo *echo = list_entry(op, struct echo, recv);
    echo->last_recv_result = op->result;
    assert_false(echo->close_completed);
    if (op->result == -ECANCELED)
        return;
    bool wants_close = op->result > 0 && echo->bytes[0] == 'Q';
    if (op->result <= 0 || wants_close) {
        if (wants_close)
            echo_recv(echo); /* pending while the socket is closed */
        echo->close = (struct io_op){.done = echo_closed, .kind = IO_CLOSE, .handle = op->handle};
        io_submit(echo->shard->seam, &echo->close);
        return;
    }
    echo->received = (size_t)op->result;
    echo->sent = 0;
    echo_send(echo);
}

static void
echo_accepted(struct io_op *op)
{
    struct echo *echo = list_entry(op, struct echo, accept);
    if (op->result == -ECANCELED)
        return;
    assert_true(op->result >= 0);
    io_handle handle = (io_handle)op->result;
    echo->close_completed = false;
    echo->shard->seam->ops->peer_name(echo->shard->seam, handle, echo->peer, sizeof(echo->peer));
    echo->recv = (struct io_op){
        .done = echo_received,
        .kind = IO_RECV,
        .handle = handle,
        .buffer = echo->bytes,
        .size = sizeof(echo->bytes)};
    echo->send = (struct io_op){.done = echo_sent, .kind = IO_SEND, .handle = handle};
    echo_recv(echo);
}

static err_t
echo_start(struct shard *shard, void *context)
{
    struct echo *echo = &echoes[shard->index];
    *echo = (struct echo){.shard = shard};
    uint16_t port = context ? *(uint16_t *)context : 0;
    err_t err = shard->seam->ops->listen(shard->seam, "127.0.0.1", &port, &echo->listener);
    if (err)
        return err;
    __atomic_store_n(&echo_port, port, __ATOMIC_RELAXED);
    echo->accept = (struct io_op){
        .done = echo_accepted, .kind = IO_ACCEPT, .handle = echo->listener};
    io_submit(shard->seam, &echo->accept);
    return 0;
}

static int
client_connect(uint16_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static void
client_exchange(int fd, size_t total)
{
    unsigned char out[700], in[700];
    size_t sent = 0, received = 0;
    while (received < total) {
        size_t want = total - sent < sizeof(out) ? total - sent : sizeof(out);
        for (size_t i = 0; i < want; i++)
            out[i] = (unsigned char)(((sent + i) * 7 & 0x3f) + 1); /* never 'Q' */
        if (want > 0)
            assert_int_equal(send(fd, out, want, 0), (ssize_t)want);
        sent += want;
        ssize_t got = recv(fd, in, sizeof(in), 0);
        assert_true(got > 0);
        for (size_t i = 0; i < (size_t)got; i++)
            assert_int_equal(in[i], (unsigned char)(((received + i) * 7 & 0x3f) + 1));
        received += (size_t)got;
    }
}

static void
bytes_are_echoed_over_sockets(void **state)
{
    (void)state;
    echo_closed_count = 0;
    struct runtime *runtime = runtime_of(2, (struct shard_program){NULL, echo_start, NULL, NULL});
    uint32_t closed_count = 0;
    for (uint32_t i = 0; i < 8; i++) {
        int fd = client_connect(echo_port);
        client_exchange(fd, 20000);
        char last;
        if (i % 2) { /* the server closes, with a receive pending */
            assert_int_equal(send(fd, "Q", 1, 0), 1);
            assert_int_equal(recv(fd, &last, 1, 0), 0);
        }
        close(fd);
        closed_count++;
        while (__atomic_load_n(&echo_closed_count, __ATOMIC_ACQUIRE) < closed_count)
            usleep(1000);
    }
    runtime_stop(runtime);
    runtime_finish(runtime);
    assert_true(
        strncmp(echoes[0].peer, "127.0.0.1:", 10) == 0 ||
        strncmp(echoes[1].peer, "127.0.0.1:", 10) == 0);
}

static void
port_of_somebody_else_is_refused(void **state)
{
    (void)state;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof(address);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 5), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    uint16_t port = ntohs(address.sin_port);
    struct runtime_options options = {
        .data_directory = directory,
        .shard_count = 2,
        .memory_size = UINT64_C(1) << 27,
        .program = {.context = &port, .start = echo_start}};
    struct runtime *runtime;
    char why[256];
    assert_int_equal(
        err_code(runtime_start(&options, &runtime, why, sizeof(why))), ERR_CONFIGURATION);
    assert_true(strlen(why) > 10);
    close(fd);
}

/* ---- timers and the auxiliary thread ---- */

struct timers_test {
    struct shard *shard;
    struct timer early, late, stopped;
    struct io_op call;
    uint64_t start_ns, early_ns, late_ns;
    bool called;
};

static struct timers_test timers_test;

static void
early_expired(struct timer *timer)
{
    (void)timer;
    timers_test.early_ns = seam_now_ns(timers_test.shard->seam);
    timer_stop(timers_test.shard, &timers_test.stopped);
}

static void
late_expired(struct timer *timer)
{
    (void)timer;
    timers_test.late_ns = seam_now_ns(timers_test.shard->seam);
}

static int64_t
slow_call(void *argument)
{
    usleep(20000);
    return *(int *)argument;
}

static void
call_done(struct io_op *op)
{
    assert_int_equal(op->result, 42);
    timers_test.called = true;
}

static err_t
timers_begin(struct shard *shard, void *context)
{
    static int answer = 42;
    (void)context;
    timers_test = (struct timers_test){.shard = shard, .start_ns = seam_now_ns(shard->seam)};
    timer_start(shard, &timers_test.late, 60 * MILLISECOND, late_expired);
    timer_start(shard, &timers_test.early, 10 * MILLISECOND, early_expired);
    timer_start(shard, &timers_test.stopped, 30 * MILLISECOND, late_expired);
    timers_test.call = (struct io_op){
        .done = call_done, .kind = IO_CALL, .call = slow_call, .call_argument = &answer};
    io_submit(shard->seam, &timers_test.call);
    return 0;
}

static void
timers_expire_and_calls_return_without_being_polled(void **state)
{
    (void)state;
    struct runtime *runtime = runtime_of(1, (struct shard_program){NULL, timers_begin, NULL, NULL});
    assert_false(runtime_wait(runtime, 200 * MILLISECOND));
    runtime_stop(runtime);
    runtime_finish(runtime);
    assert_true(timers_test.called);
    assert_true(timers_test.early_ns - timers_test.start_ns >= 10 * MILLISECOND);
    assert_true(timers_test.late_ns - timers_test.start_ns >= 60 * MILLISECOND);
    assert_true(timers_test.early_ns < timers_test.late_ns);
}

/* ---- the runtime itself ---- */

static uint64_t
process_cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void
idle_shards_sleep(void **state)
{
    (void)state;
    struct runtime *runtime = runtime_of(2, (struct shard_program){NULL, NULL, NULL, NULL});
    assert_false(runtime_wait(runtime, 50 * MILLISECOND));
    uint64_t before_ns = process_cpu_ns();
    uint64_t turns = runtime_metrics(runtime, 0).turns + runtime_metrics(runtime, 1).turns;
    assert_false(runtime_wait(runtime, 2000 * MILLISECOND));
    uint64_t used_ns = process_cpu_ns() - before_ns;
    turns = runtime_metrics(runtime, 0).turns + runtime_metrics(runtime, 1).turns - turns;
    runtime_stop(runtime);
    runtime_finish(runtime);
    assert_true(used_ns < 2000 * MILLISECOND / 20);
    assert_true(turns < 20);
}

static void
second_runtime_on_a_directory_is_refused(void **state)
{
    (void)state;
    struct runtime *first = runtime_of(1, (struct shard_program){NULL, NULL, NULL, NULL}),
                   *second = NULL;
    struct runtime_options options = {
        .data_directory = directory, .shard_count = 1, .memory_size = UINT64_C(1) << 26};
    char why[256];
    err_t err = runtime_start(&options, &second, why, sizeof(why));
    assert_int_equal(err_code(err), ERR_DIRECTORY_IN_USE);
    assert_non_null(strstr(why, directory));
    runtime_stop(first);
    runtime_join(first);
    assert_int_equal(runtime_start(&options, &second, why, sizeof(why)), 0);
    runtime_stop(second);
    runtime_join(second);
}

static uint32_t finished_count;

static err_t
failing_start(struct shard *shard, void *context)
{
    (void)context;
    return shard->index == 1 ? ERR(STORAGE_DAMAGE) : 0;
}

static void
failing_finish(struct shard *shard, void *context)
{
    (void)shard;
    (void)context;
    __atomic_add_fetch(&finished_count, 1, __ATOMIC_ACQ_REL);
}

static void
failed_start_ends_all_shards(void **state)
{
    (void)state;
    struct runtime_options options = {
        .data_directory = directory,
        .shard_count = 3,
        .memory_size = UINT64_C(1) << 27,
        .program = {.start = failing_start, .finish = failing_finish}};
    struct runtime *runtime;
    char why[256];
    finished_count = 0;
    assert_int_equal(
        err_code(runtime_start(&options, &runtime, why, sizeof(why))), ERR_STORAGE_DAMAGE);
    assert_int_equal(finished_count, 3);
    assert_non_null(strstr(why, "shard 1"));
}

static void
impossible_options_are_refused(void **state)
{
    (void)state;
    struct runtime *runtime;
    char why[256];
    struct runtime_options options = {
        .data_directory = directory,
        .shard_count = 1,
        .cpus = "0-",
        .memory_size = UINT64_C(1) << 26};
    assert_int_equal(
        err_code(runtime_start(&options, &runtime, why, sizeof(why))), ERR_CONFIGURATION);
    assert_non_null(strstr(why, "0-"));
    options.cpus = "1000";
    assert_int_equal(
        err_code(runtime_start(&options, &runtime, why, sizeof(why))), ERR_CONFIGURATION);
    options.cpus = NULL;
    options.shard_count = 65;
    assert_int_equal(
        err_code(runtime_start(&options, &runtime, why, sizeof(why))), ERR_CONFIGURATION);
    options.shard_count = 1;
    options.memory_size = 1 << 20;
    assert_int_equal(
        err_code(runtime_start(&options, &runtime, why, sizeof(why))), ERR_CONFIGURATION);
    options.data_directory = "/dev/null";
    assert_int_equal(
        err_code(runtime_start(&options, &runtime, why, sizeof(why))), ERR_CONFIGURATION);
}

/* ---- a stall ---- */

static struct task stall_task;

static enum task_result
stall_run(struct task *task)
{
    (void)task;
    usleep(40000);
    return TASK_DONE;
}

static err_t
stall_start(struct shard *shard, void *context)
{
    (void)context;
    task_init(&stall_task, TASK_POINT, stall_run);
    task_ready(shard, &stall_task);
    return 0;
}

static void
long_turn_is_counted(void **state)
{
    (void)state;
    struct runtime *runtime = runtime_of(1, (struct shard_program){NULL, stall_start, NULL, NULL});
    assert_false(runtime_wait(runtime, 100 * MILLISECOND));
    struct shard_metrics metrics = runtime_metrics(runtime, 0);
    assert_true(metrics.stalls >= 1);
    assert_true(metrics.stall_ns_max >= 40 * MILLISECOND);
    runtime_stop(runtime);
    runtime_finish(runtime);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mail_storm_between_threads),
        cmocka_unit_test(sleeping_shards_are_woken),
        cmocka_unit_test(durable_write_reads_back),
        cmocka_unit_test(bytes_are_echoed_over_sockets),
        cmocka_unit_test(port_of_somebody_else_is_refused),
        cmocka_unit_test(timers_expire_and_calls_return_without_being_polled),
        cmocka_unit_test(idle_shards_sleep),
        cmocka_unit_test(second_runtime_on_a_directory_is_refused),
        cmocka_unit_test(failed_start_ends_all_shards),
        cmocka_unit_test(impossible_options_are_refused),
        cmocka_unit_test(long_turn_is_counted),
    };
    return cmocka_run_group_tests_name("runtime", tests, directory_create, directory_remove);
}
