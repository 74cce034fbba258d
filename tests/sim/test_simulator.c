/* The simulator keeps its own promises: what a crash leaves of the disk, how bytes travel, how the machine
 * goes down and comes back, and the order of tasks and timers in a turn. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "shards/core/seam_sim.h"
#include "shards/mail/mail.h"

enum { SECTOR = 512, PAGE = 4096 };

struct world {
    struct sim *sim;
    struct shard *shard;
    io_handle file;
    struct io_op write, other;
    uint32_t done_count;
    unsigned char *buffer; /* aligned page in the shard's memory */
    bool must_fail_start;
};

static struct world world;

static void
op_done(struct io_op *op)
{
    (void)op;
    world.done_count++;
}

static err_t
world_start(struct shard *shard, void *context)
{
    struct world *me = context;
    if (shard->index > 0)
        return 0;
    me->shard = shard;
    unsigned char *memory = memory_allocate(shard_memory(shard), 3 * PAGE);
    if (!memory)
        return ERR(MEMORY_POOL);
    me->buffer = (unsigned char *)(((uintptr_t)memory + PAGE - 1) & ~(uintptr_t)(PAGE - 1));
    int64_t result = shard->seam->ops->disk_open(shard->seam, "log", true, true, &me->file);
    if (result < 0)
        return ERR_ERRNO(result);
    result = shard->seam->ops->disk_sync_directory(shard->seam, "");
    return result < 0 ? ERR_ERRNO(result) : 0;
}

static struct sim *
world_create(uint64_t seed, uint32_t shard_count)
{
    struct sim_options options = {.program = {.context = &world, .start = world_start}};
    memset(&world, 0, sizeof(world));
    world.sim = sim_create(seed, shard_count, &options);
    assert_int_equal(sim_start(world.sim), 0);
    return world.sim;
}

static void
page_write(struct io_op *op, unsigned char byte, uint64_t offset, bool durable)
{
    memset(world.buffer, byte, PAGE);
    *op = (struct io_op){
        .done = op_done,
        .kind = IO_WRITE,
        .durable = durable,
        .handle = world.file,
        .buffer = world.buffer,
        .size = PAGE,
        .offset = offset};
    io_submit(world.shard->seam, op);
}

static bool
all_done(void *count)
{
    return world.done_count >= *(uint32_t *)count;
}

static void
run_until_done(uint32_t count)
{
    assert_true(sim_run_until(world.sim, all_done, &count, SIM_SECOND));
}

static uint32_t
sectors_with(uint64_t offset, unsigned char byte)
{
    unsigned char page[PAGE];
    memset(page, 0, sizeof(page));
    sim_disk_peek(world.sim, "log", offset, page, PAGE);
    uint32_t count = 0;
    for (uint32_t i = 0; i < PAGE; i += SECTOR) {
        count += page[i] == byte;
        for (uint32_t j = 1; j < SECTOR; j++)
            assert_int_equal(page[i + j], page[i]);
    }
    return count;
}

static void
durable_write_survives_a_crash(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct sim *sim = world_create(seed, 2);
        page_write(&world.write, 7, 0, true);
        run_until_done(1);
        sim_crash(sim);
        assert_int_equal(sectors_with(0, 7), 8);
        sim_delete(sim);
    }
}

static void
volatile_write_survives_by_sector(void **state)
{
    (void)state;
    uint32_t whole = 0, torn = 0, lost = 0;
    for (uint64_t seed = 0; seed < 400; seed++) {
        struct sim *sim = world_create(seed, 1);
        page_write(&world.write, 7, 0, seed % 2);
        if (seed % 2 == 0)
            run_until_done(1); /* completed, not durable; odd seeds: durable, not completed */
        sim_crash(sim);
        uint32_t count = sectors_with(0, 7);
        whole += count == 8;
        lost += count == 0;
        torn += count > 0 && count < 8;
        sim_delete(sim);
    }
    assert_true(torn > 350);
    assert_true(whole + lost < 50);
}

static void
old_volatile_write_never_overwrites_a_durable_one(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct sim *sim = world_create(seed, 1);
        page_write(&world.write, 1, 0, false);
        run_until_done(1);
        page_write(&world.write, 2, 0, true);
        run_until_done(2);
        sim_crash(sim);
        assert_int_equal(sectors_with(0, 2), 8);
        sim_delete(sim);
    }
}

static void
sync_makes_completed_writes_durable(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct sim *sim = world_create(seed, 1);
        page_write(&world.write, 5, PAGE, false);
        run_until_done(1);
        assert_int_equal(world.shard->seam->ops->disk_sync(world.shard->seam, world.file), 0);
        sim_crash(sim);
        assert_int_equal(sectors_with(PAGE, 5), 8);
        assert_int_equal(sim_disk_size(sim, "log"), 2 * PAGE);
        sim_delete(sim);
    }
}

static void
names_survive_in_order_or_when_synced(void **state)
{
    (void)state;
    uint32_t both = 0, first_only = 0, none = 0;
    for (uint64_t seed = 0; seed < 60; seed++) {
        struct sim *sim = world_create(seed, 1);
        struct seam *seam = world.shard->seam;
        io_handle handle;
        assert_int_equal(seam->ops->disk_make_directory(seam, "d"), 0);
        assert_int_equal(seam->ops->disk_sync_directory(seam, "."), 0);
        assert_int_equal(seam->ops->disk_open(seam, "d/a", true, false, &handle), 0);
        assert_int_equal(seam->ops->disk_open(seam, "d/b", true, false, &handle), 0);
        assert_int_equal(seam->ops->disk_open(seam, "nowhere/b", true, false, &handle), -ENOENT);
        struct disk_entry entries[4];
        assert_int_equal(seam->ops->disk_list(seam, "d", entries, 4), 2);
        assert_string_equal(entries[0].name, "a");
        assert_string_equal(entries[1].name, "b");
        sim_crash(sim);
        bool a = sim_disk_size(sim, "d/a") >= 0, b = sim_disk_size(sim, "d/b") >= 0;
        assert_true(a || !b);
        both += a && b;
        first_only += a && !b;
        none += !a && !b;
        sim_delete(sim);
    }
    assert_true(both > 0 && first_only > 0 && none > 0);
}

static void
disk_full_and_injected_errors_are_reported(void **state)
{
    (void)state;
    struct sim *sim = world_create(1, 1);
    sim_options(sim)->disk_capacity_size = 2 * PAGE;
    page_write(&world.write, 1, 2 * PAGE, true);
    run_until_done(1);
    assert_int_equal(world.write.result, -ENOSPC);
    sim_options(sim)->disk_capacity_size = 0;
    sim_options(sim)->write_error_ppm = 1000000;
    page_write(&world.write, 1, 2 * PAGE, true);
    run_until_done(2);
    assert_int_equal(world.write.result, -EIO);
    sim_options(sim)->write_error_ppm = 0;
    page_write(&world.write, 1, 2 * PAGE, true);
    run_until_done(3);
    assert_int_equal(world.write.result, PAGE);
    sim_delete(sim);
}

static void
power_cut_takes_the_machine_down_and_the_disk_stays(void **state)
{
    (void)state;
    struct sim *sim = world_create(11, 3);
    page_write(&world.write, 9, 0, true);
    run_until_done(1);
    sim_power_cut_after(sim, 1);
    sim_crash(sim); /* a crash disarms it */
    assert_int_equal(sim_restart(sim, 2), 0);
    assert_int_equal(sectors_with(0, 9), 8);
    sim_crash(sim);
    sim_power_cut_after(sim, 1); /* now inside of start */
    assert_int_equal(err_code(sim_restart(sim, 1)), ERR_UNAVAILABLE);
    assert_true(sim_is_down(sim));
    assert_string_equal(sim_fatal_line(sim), "power cut");
    sim_crash(sim);
    assert_int_equal(sim_restart(sim, 4), 0);
    assert_int_equal(sim_shard_count(sim), 4);
    assert_int_equal(sectors_with(0, 9), 8);
    sim_delete(sim);
}

static enum task_result
fatal_run(struct task *task)
{
    (void)task;
    world.shard->seam->ops->fatal(world.shard->seam, "the disk lied");
    return TASK_DONE;
}

static void
fatal_stops_the_machine(void **state)
{
    (void)state;
    struct sim *sim = world_create(5, 2);
    struct task task;
    task_init(&task, TASK_POINT, fatal_run);
    task_ready(world.shard, &task);
    sim_run_for(sim, SIM_SECOND);
    assert_true(sim_is_down(sim));
    assert_string_equal(sim_fatal_line(sim), "the disk lied");
    assert_false(sim_step(sim));
    sim_delete(sim);
}

static void
nth_allocation_fails_once(void **state)
{
    (void)state;
    struct sim *sim = world_create(5, 2);
    struct memory *memory = shard_memory(sim_shard(sim, 1));
    sim_allocation_fail_after(sim, 1, 2);
    void *first = memory_allocate(memory, 10);
    assert_non_null(first);
    assert_null(memory_allocate(memory, 10));
    void *third = memory_allocate(memory, 10);
    assert_non_null(third);
    memory_release(memory, first, 10);
    memory_release(memory, third, 10);
    sim_delete(sim);
}

/* ---- network: an echo server ---- */

struct echo {
    struct shard *shard;
    struct io_op accept, recv, send, close;
    io_handle listener, connection;
    unsigned char bytes[256];
    size_t received, sent;
};

struct echo_world {
    struct echo shards[4];
    uint16_t port;
    uint32_t closed_count;
};

static void
echo_closed(struct io_op *op)
{
    struct echo *echo = list_entry(op, struct echo, close);
    struct echo_world *all = echo->shard->net;
    all->closed_count++;
}

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
echo_received(struct io_op *op)
{
    struct echo *echo = list_entry(op, struct echo, recv);
    if (op->result <= 0) {
        echo->close = (struct io_op){
            .done = echo_closed, .kind = IO_CLOSE, .handle = echo->connection};
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
    assert_true(op->result >= 0);
    echo->connection = (io_handle)op->result;
    echo->recv = (struct io_op){
        .done = echo_received,
        .kind = IO_RECV,
        .handle = echo->connection,
        .buffer = echo->bytes,
        .size = sizeof(echo->bytes)};
    echo->send = (struct io_op){.done = echo_sent, .kind = IO_SEND, .handle = echo->connection};
    echo_recv(echo);
}

static err_t
echo_start(struct shard *shard, void *context)
{
    struct echo_world *all = context;
    struct echo *echo = &all->shards[shard->index];
    echo->shard = shard;
    shard->net = all;
    err_t err = shard->seam->ops->listen(shard->seam, "localhost", &all->port, &echo->listener);
    echo->accept = (struct io_op){
        .done = echo_accepted, .kind = IO_ACCEPT, .handle = echo->listener};
    io_submit(shard->seam, &echo->accept);
    return err;
}

static void
bytes_are_echoed_in_order_in_any_split(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 10; seed++) {
        static struct echo_world all;
        memset(&all, 0, sizeof(all));
        struct sim_options options = {.program = {.context = &all, .start = echo_start}};
        struct sim *sim = sim_create(seed, 1 + (uint32_t)(seed % 4), &options);
        assert_int_equal(sim_start(sim), 0);
        int64_t client = sim_client_connect(sim, all.port);
        assert_true(client > 0);
        assert_int_equal(sim_client_connect(sim, 1), -1);
        uint32_t sent = 0, received = 0, total = 100000;
        unsigned char chunk[700];
        while (received < total && sim_step(sim)) {
            uint32_t want = sent < total ? 1 + (uint32_t)sim_random(sim, sizeof(chunk)) : 0;
            if (want > total - sent)
                want = total - sent;
            for (uint32_t i = 0; i < want; i++)
                chunk[i] = (unsigned char)((sent + i) * 7);
            sent += (uint32_t)sim_client_send(sim, client, chunk, want);
            int64_t got = sim_client_receive(sim, client, chunk, sizeof(chunk));
            assert_true(got >= 0);
            for (uint32_t i = 0; i < got; i++)
                assert_int_equal(chunk[i], (unsigned char)((received + i) * 7));
            received += (uint32_t)got;
        }
        assert_int_equal(received, total);
        sim_client_close(sim, client);
        sim_run_for(sim, SIM_SECOND);
        assert_int_equal(all.closed_count, 1);
        sim_delete(sim);
    }
}

/* ---- tasks and timers ---- */

struct marked_task {
    struct task task;
    char mark;
};

struct marked_timer {
    struct timer timer;
    char mark;
};

static char marks[64];
static uint32_t mark_count;

static void
mark_add(char mark)
{
    assert_true(mark_count + 1 < sizeof(marks));
    marks[mark_count++] = mark;
    marks[mark_count] = 0;
}

static enum task_result
marked_run(struct task *task)
{
    mark_add(list_entry(task, struct marked_task, task)->mark);
    return TASK_DONE;
}

static void
marked_expired(struct timer *timer)
{
    mark_add(list_entry(timer, struct marked_timer, timer)->mark);
}

static void
tasks_run_by_class_then_priority(void **state)
{
    (void)state;
    struct sim *sim = world_create(1, 1);
    struct marked_task tasks[] = {{.mark = 'b'}, {.mark = 's'}, {.mark = '1'}, {.mark = '3'},
                                  {.mark = '2'}, {.mark = 'p'}, {.mark = 'c'}, {.mark = 'x'}};
    const enum task_class classes[] = {TASK_BACKGROUND, TASK_SCAN,  TASK_EXCHANGE, TASK_EXCHANGE,
                                       TASK_EXCHANGE,   TASK_POINT, TASK_COMMIT,   TASK_SCAN};
    const uint32_t priorities[] = {0, 0, 1, 3, 2, 0, 0, 0};
    mark_count = 0;
    for (uint32_t i = 0; i < 8; i++) {
        task_init(&tasks[i].task, classes[i], marked_run);
        tasks[i].task.priority = priorities[i];
        task_ready(world.shard, &tasks[i].task);
        task_ready(world.shard, &tasks[i].task);
    }
    task_cancel(world.shard, &tasks[7].task);
    sim_run_for(sim, 10 * SIM_MILLISECOND);
    assert_string_equal(marks, "cp321sb");
    sim_delete(sim);
}

static void
timers_expire_in_order_of_deadline_then_start(void **state)
{
    (void)state;
    struct sim *sim = world_create(1, 1);
    static struct marked_timer timers[26];
    memset(timers, 0, sizeof(timers));
    mark_count = 0;
    for (uint32_t i = 0; i < 26; i++) {
        timers[i].mark = (char)('a' + i);
        /* Later letters earlier, two and two at once. */
        timer_start(world.shard, &timers[i].timer, (30 - i / 2) * SIM_MILLISECOND, marked_expired);
    }
    timer_stop(world.shard, &timers[3].timer);
    timer_stop(world.shard, &timers[25].timer);
    timer_start(world.shard, &timers[4].timer, SIM_MILLISECOND, marked_expired);
    sim_run_for(sim, 100 * SIM_MILLISECOND);
    assert_string_equal(marks, "eywxuvstqropmnklijghfcab");
    sim_delete(sim);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durable_write_survives_a_crash),
        cmocka_unit_test(volatile_write_survives_by_sector),
        cmocka_unit_test(old_volatile_write_never_overwrites_a_durable_one),
        cmocka_unit_test(sync_makes_completed_writes_durable),
        cmocka_unit_test(names_survive_in_order_or_when_synced),
        cmocka_unit_test(disk_full_and_injected_errors_are_reported),
        cmocka_unit_test(power_cut_takes_the_machine_down_and_the_disk_stays),
        cmocka_unit_test(fatal_stops_the_machine),
        cmocka_unit_test(nth_allocation_fails_once),
        cmocka_unit_test(bytes_are_echoed_in_order_in_any_split),
        cmocka_unit_test(tasks_run_by_class_then_priority),
        cmocka_unit_test(timers_expire_in_order_of_deadline_then_start),
    };
    return cmocka_run_group_tests_name("simulator", tests, NULL, NULL);
}
