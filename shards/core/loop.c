/* The loop: what a shard does in one turn (the drawing is in shard.h).
 *
 *      mail, completions, timers        they only make tasks ready, or are short
 *                  |
 *                  v
 *      queue  COMMIT     [t t t]        each turn: all that were ready when the turn began
 *             POINT      [t t]          the same
 *             EXCHANGE   31 [t]         deepest stage first, while the turn has time
 *                        30 [t t] ...
 *             SCAN       [t]            while the turn has time, and one at least every 4th turn
 *             BACKGROUND [t t]          the same, every 16th turn
 *
 * A task gets SLICE_NS at most (it asks task_slice_is_over itself), a turn starts no task of the lower
 * three classes after TURN_NS. So a commit waits for one slice of a scan, and a scan cannot starve.
 *
 * Invariants
 *  1. A task is in at most one queue; `ready` says whether it is in one.
 *  2. A bit of `exchange_mask` is set when the list of that priority is not empty (it may be set for an
 *     empty one: cancelling does not know which list a task was in).
 *  3. Nothing runs from inside another thing: handlers, completions, timers, tasks and hooks are all
 *     called from shard_step itself. */
#include "shards/core/shard.h"

#include <string.h>

#include "shards/core/timer.h"
#include "shards/mail/mail.h"

enum {
    HOOK_COUNT_MAX = 8,
    SLICE_NS = 250 * 1000,
    TURN_NS = 1000 * 1000,
    STUCK_WAIT_NS = 20 * 1000,
};

/* A class that had no time for so many turns gets one task run whatever the time. */
static const uint8_t starved_turns_max[TASK_CLASS_COUNT] = {
    [TASK_EXCHANGE] = 1, [TASK_SCAN] = 4, [TASK_BACKGROUND] = 16};

struct hook {
    shard_hook_fn *call;
    void *argument;
};

struct shard_loop {
    struct list_link queues[TASK_CLASS_COUNT]; /* EXCHANGE's is unused */
    struct list_link exchange[TASK_PRIORITY_COUNT];
    uint32_t exchange_mask;
    uint8_t starved_turns[TASK_CLASS_COUNT];
    struct timer_heap timers;
    struct list_link done; /* completed I/O */
    uint64_t slice_end_ns;
    uint32_t hook_count;
    struct hook hooks[HOOK_COUNT_MAX];
    uint32_t outstanding_count;
};

static_assert(TASK_PRIORITY_COUNT == 32, "a priority is a bit of exchange_mask");

err_t
shard_create(struct shard *shard, struct seam *seam)
{
    assert(seam->shard_index < seam->shard_count && seam->shard_count <= SHARD_COUNT_MAX);
    memset(shard, 0, sizeof(*shard));
    shard->seam = seam;
    shard->index = seam->shard_index;
    shard->count = seam->shard_count;
    shard->now_ns = seam_now_ns(seam);
    struct shard_loop *loop = memory_allocate(&seam->memory, sizeof(*loop));
    if (!loop)
        return ERR(MEMORY_POOL);
    memset(loop, 0, sizeof(*loop));
    for (uint32_t class = 0; class < TASK_CLASS_COUNT; class ++)
        list_init(&loop->queues[class]);
    for (uint32_t i = 0; i < TASK_PRIORITY_COUNT; i++)
        list_init(&loop->exchange[i]);
    list_init(&loop->done);
    shard->loop = loop;
    err_t err = mail_create(shard);
    if (err) {
        memory_release(&seam->memory, loop, sizeof(*loop));
        shard->loop = NULL;
    }
    return err;
}

void
shard_destroy(struct shard *shard)
{
    assert(shard->loop);
    mail_destroy(shard);
    memory_release(shard_memory(shard), shard->loop, sizeof(*shard->loop));
    shard->loop = NULL;
}

err_t
shard_hook_add(struct shard *shard, shard_hook_fn *hook, void *argument)
{
    struct shard_loop *loop = shard->loop;
    if (loop->hook_count == HOOK_COUNT_MAX)
        return ERR(LIMIT);
    loop->hooks[loop->hook_count++] = (struct hook){hook, argument};
    return 0;
}

void
shard_outstanding_add(struct shard *shard, int32_t delta)
{
    int64_t count = (int64_t)shard->loop->outstanding_count + delta;
    assert(count >= 0 && count <= UINT32_MAX);
    shard->loop->outstanding_count = (uint32_t)count;
}

uint32_t
shard_outstanding_count(const struct shard *shard)
{
    return shard->loop->outstanding_count;
}

/* ---- tasks ---- */

void
task_init(struct task *task, enum task_class class, enum task_result (*run)(struct task *task))
{
    assert(class < TASK_CLASS_COUNT && run);
    *task = (struct task){.run = run, .class = (uint8_t) class};
    list_init(&task->link);
}

void
task_ready(struct shard *shard, struct task *task)
{
    assert(task->run && task->class < TASK_CLASS_COUNT);
    struct shard_loop *loop = shard->loop;
    if (task->ready)
        return;
    task->ready = true;
    if (task->class != TASK_EXCHANGE) {
        list_push_back(&loop->queues[task->class], &task->link);
        return;
    }
    uint32_t priority = task->priority < TASK_PRIORITY_COUNT ? task->priority
                                                             : TASK_PRIORITY_COUNT - 1;
    list_push_back(&loop->exchange[priority], &task->link);
    loop->exchange_mask |= UINT32_C(1) << priority;
}

void
task_cancel(struct shard *shard, struct task *task)
{
    assert(shard->loop);
    if (!task->ready)
        return;
    list_remove(&task->link);
    task->ready = false;
}

bool
task_slice_is_over(struct shard *shard)
{
    return seam_now_ns(shard->seam) >= shard->loop->slice_end_ns;
}

/* The queue of the next task of a class; NULL when the class has none ready. */
static struct list_link *
class_queue(struct shard_loop *loop, enum task_class class)
{
    if (class != TASK_EXCHANGE)
        return list_is_empty(&loop->queues[class]) ? NULL : &loop->queues[class];
    while (loop->exchange_mask) {
        uint32_t priority = 31 - (uint32_t)__builtin_clz(loop->exchange_mask);
        if (!list_is_empty(&loop->exchange[priority]))
            return &loop->exchange[priority];
        loop->exchange_mask &= ~(UINT32_C(1) << priority);
    }
    return NULL;
}

/* Runs the first task of `queue`; returns the time it ended. */
static uint64_t
task_run(struct shard *shard, struct list_link *queue, uint64_t now_ns)
{
    struct task *task = list_entry(list_pop_front(queue), struct task, link);
    assert(task->ready);
    task->ready = false;
    shard->loop->slice_end_ns = now_ns + SLICE_NS;
    enum task_result result = task->run(task);
    if (result == TASK_AGAIN)
        task_ready(shard, task);
    shard->work_count++;
    metric_add(&shard->metrics.tasks_run, 1);
    return seam_now_ns(shard->seam);
}

/* COMMIT and POINT: all that are ready now, not what becomes ready meanwhile. */
static uint64_t
class_run_batch(struct shard *shard, enum task_class class, uint64_t now_ns)
{
    struct list_link *queue = &shard->loop->queues[class], batch;
    list_init(&batch);
    if (list_is_empty(queue))
        return now_ns;
    list_insert_between(&batch, queue->prev, queue);
    list_remove(queue);
    while (!list_is_empty(&batch))
        now_ns = task_run(shard, &batch, now_ns);
    return now_ns;
}

/* The others: while the turn has time, or once when the class has waited too long. */
static uint64_t
class_run_while_time(
    struct shard *shard, enum task_class class, uint64_t now_ns, uint64_t turn_end_ns)
{
    struct shard_loop *loop = shard->loop;
    struct list_link *queue = class_queue(loop, class);
    if (!queue) {
        loop->starved_turns[class] = 0;
        return now_ns;
    }
    if (now_ns >= turn_end_ns && ++loop->starved_turns[class] < starved_turns_max[class])
        return now_ns;
    loop->starved_turns[class] = 0;
    do {
        now_ns = task_run(shard, queue, now_ns);
        queue = class_queue(loop, class);
    } while (queue && now_ns < turn_end_ns);
    return now_ns;
}

static void
tasks_run(struct shard *shard)
{
    uint64_t now_ns = shard->now_ns, turn_end_ns = now_ns + TURN_NS;
    now_ns = class_run_batch(shard, TASK_COMMIT, now_ns);
    now_ns = class_run_batch(shard, TASK_POINT, now_ns);
    now_ns = class_run_while_time(shard, TASK_EXCHANGE, now_ns, turn_end_ns);
    now_ns = class_run_while_time(shard, TASK_SCAN, now_ns, turn_end_ns);
    class_run_while_time(shard, TASK_BACKGROUND, now_ns, turn_end_ns);
}

static bool
tasks_are_ready(struct shard_loop *loop)
{
    for (uint32_t class = 0; class < TASK_CLASS_COUNT; class ++)
        if (class_queue(loop, (enum task_class) class))
            return true;
    return false;
}

/* ---- timers ---- */

void
timer_start(
    struct shard *shard,
    struct timer *timer,
    uint64_t delay_ns,
    void (*expired)(struct timer *timer))
{
    assert(expired);
    timer_stop(shard, timer);
    uint64_t now_ns = seam_now_ns(shard->seam); /* the turn may be long already */
    timer->deadline_ns = delay_ns < UINT64_MAX - now_ns ? now_ns + delay_ns : UINT64_MAX;
    timer->expired = expired;
    timer->armed = true;
    timer_heap_insert(&shard->loop->timers, timer);
}

void
timer_stop(struct shard *shard, struct timer *timer)
{
    if (!timer->armed)
        return;
    timer->armed = false;
    timer_heap_remove(&shard->loop->timers, timer);
}

/* Only those due at the start of the turn: one that starts itself again with no delay waits a turn. */
static void
timers_expire(struct shard *shard)
{
    struct timer_heap *heap = &shard->loop->timers;
    uint64_t sequence_end = heap->sequence;
    while (heap->root && heap->root->sequence < sequence_end) {
        struct timer *timer = timer_heap_pop_due(heap, shard->now_ns);
        if (!timer)
            break;
        assert(timer->armed);
        timer->armed = false;
        shard->work_count++;
        timer->expired(timer);
    }
}

/* ---- the turn ---- */

static void
completions_run(struct shard *shard)
{
    struct list_link *done = &shard->loop->done, batch;
    if (list_is_empty(done))
        return;
    list_init(&batch);
    list_insert_between(&batch, done->prev, done);
    list_remove(done);
    struct list_link *link;
    while ((link = list_pop_front(&batch))) {
        struct io_op *op = list_entry(link, struct io_op, link);
        assert(op->submitted && op->done);
        op->submitted = false;
        shard->work_count++;
        op->done(op);
    }
}

static uint64_t
wait_allowed(struct shard *shard, bool mail_is_left)
{
    struct shard_loop *loop = shard->loop;
    if (mail_is_left || !list_is_empty(&loop->done) || tasks_are_ready(loop))
        return 0;
    uint64_t deadline_ns = timer_heap_deadline(&loop->timers);
    uint64_t wait_ns = UINT64_MAX;
    if (deadline_ns != UINT64_MAX) {
        uint64_t now_ns = seam_now_ns(shard->seam);
        wait_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
    }
    if (mail_is_stuck(shard) && wait_ns > STUCK_WAIT_NS)
        wait_ns = STUCK_WAIT_NS;
    return wait_ns;
}

uint64_t
shard_step(struct shard *shard)
{
    struct shard_loop *loop = shard->loop;
    assert(loop && shard->mailbox);
    shard->now_ns = seam_now_ns(shard->seam);
    metric_add(&shard->metrics.turns, 1);
    mail_drain(shard);
    completions_run(shard);
    timers_expire(shard);
    tasks_run(shard);
    for (uint32_t i = 0; i < loop->hook_count; i++)
        loop->hooks[i].call(shard, loop->hooks[i].argument);
    mail_flush(shard);
    return wait_allowed(shard, mail_is_waiting(shard));
}

void
shard_wait(struct shard *shard, uint64_t wait_ns)
{
    assert(shard->loop);
    shard->seam->ops->poll(shard->seam, &shard->loop->done, wait_ns);
}
