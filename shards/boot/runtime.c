/* The runtime: from options to turning shards, and back.
 *
 *      main          runtime_start ----------------------------------> returns ...... runtime_join
 *                        | lock, topology, rings, memory, threads      ^                  ^
 *      shard threads     '-> pin, create -| start -|- turns ... drain -|-> finish -| destroy
 *                                         A        B                    all drained  C
 *
 *      A  every shard is created before any program.start runs
 *      B  every start has returned before any shard takes a turn; one that failed ends them all
 *      C  every finish has returned before any shard's memory goes: its blocks may be with another
 *
 * Spinning. A shard with nothing to do sleeps in its ring; waking takes tens of microseconds, so while a
 * query or commit is out, and when another shard asked it something, it first spins for SPIN_NS. That only pays when the answer comes in that time and
 * nobody else wants the processor. Both are measured: when fewer than a quarter of the spins end in work, or the
 * kernel takes the processor away from us more than SWITCHES_PER_SECOND, spinning stops for a while. It
 * never starts when there are more shards than processors or the cgroup allows fewer than there are shards.
 *
 * A turn longer than STALL_NS is counted and told to the log: some loop over user-sized data did not stop. */
#include "shards/boot/runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/limits.h"
#include "shards/boot/topology.h"
#include "shards/core/seam_memory.h"
#include "shards/core/seam_real.h"

enum {
    STALL_NS = 25 * 1000 * 1000,
    STALL_LOG_INTERVAL_NS = 1000 * 1000 * 1000,
    SPIN_NS = 40 * 1000,
    SPIN_WINDOW_COUNT = 64, /* spins judged together */
    SPIN_PAUSE_COUNT = 256, /* idle moments without spinning after a bad window */
    SWITCHES_PER_SECOND = 200,
    DRAIN_POLL_NS = 1000 * 1000,
    MEMORY_SHARE_PERCENT = 60,
    SHARD_MEMORY_SIZE_MIN = 32 << 20,
};

struct spin {
    bool allowed;
    bool is_asked;          /* mail came from another shard since the last sleep: more may follow */
    uint64_t block_count;   /* mail so far */
    uint64_t idle_since_ns; /* 0 = not spinning */
    uint32_t spin_count, hit_count, pause_count;
    uint64_t switch_count, window_start_ns;
};

struct runtime_shard {
    _Alignas(128) struct shard shard;
    struct runtime *runtime;
    struct range *range;
    pthread_t thread;
    bool has_thread, is_created, is_started, is_drained;
    int32_t cpu; /* -1 = not pinned */
    uint16_t node;
    err_t err;
    struct spin spin;
    uint64_t stall_logged_ns;
};

struct runtime {
    struct runtime_options options;
    uint32_t shard_count;
    int lock_fd;
    struct seam_group *group;
    struct runtime_shard *shards;
    /* Under the mutex: how many threads there are, and how many have come to the gates A, B, C and the end. */
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    uint32_t thread_count, created_count, started_count, finished_count, ended_count;
    /* Atomic. Shards that could not be created, and that could not be created or started. */
    uint32_t unmade_count, failed_count, drained_count, must_stop;
    char description[384];
};

/* ---- turning ---- */

static void
spin_judge(struct spin *spin, uint64_t now_ns)
{
    struct rusage usage;
    getrusage(RUSAGE_THREAD, &usage);
    uint64_t switch_count = (uint64_t)usage.ru_nivcsw;
    uint64_t window_ns = now_ns - spin->window_start_ns;
    uint64_t switches = switch_count - spin->switch_count;
    bool is_crowded = switches * 1000000000u > (uint64_t)SWITCHES_PER_SECOND * window_ns &&
                      switches > 4;
    if (is_crowded || spin->hit_count * 4 < spin->spin_count)
        spin->pause_count = SPIN_PAUSE_COUNT;
    spin->spin_count = spin->hit_count = 0;
    spin->switch_count = switch_count;
    spin->window_start_ns = now_ns;
}

/* Nothing to do, and something is out: true = look again at once instead of sleeping. */
static bool
spin_goes_on(struct spin *spin, uint64_t now_ns)
{
    if (spin->idle_since_ns == 0) {
        if (spin->pause_count > 0) {
            spin->pause_count--;
            return false;
        }
        spin->idle_since_ns = now_ns;
        return true;
    }
    if (now_ns - spin->idle_since_ns < SPIN_NS)
        return true;
    spin->idle_since_ns = 0;
    if (++spin->spin_count == SPIN_WINDOW_COUNT)
        spin_judge(spin, now_ns);
    return false;
}

static void
spin_hit(struct spin *spin, uint64_t now_ns)
{
    if (spin->idle_since_ns == 0)
        return;
    spin->idle_since_ns = 0;
    spin->hit_count++;
    if (++spin->spin_count == SPIN_WINDOW_COUNT)
        spin_judge(spin, now_ns);
}

static void
stall_note(struct runtime_shard *me, uint64_t turn_ns, uint64_t now_ns)
{
    struct shard_metrics *metrics = &me->shard.metrics;
    metric_add(&metrics->stalls, 1);
    if (turn_ns > metrics->stall_ns_max)
        metric_add(&metrics->stall_ns_max, turn_ns - metrics->stall_ns_max);
    if (now_ns - me->stall_logged_ns < STALL_LOG_INTERVAL_NS)
        return;
    me->stall_logged_ns = now_ns;
    char line[128];
    snprintf(
        line, sizeof(line), "stall: a turn took %.1f ms (%llu such turns so far)",
        (double)turn_ns / 1e6, (unsigned long long)metrics->stalls);
    me->shard.seam->ops->log(me->shard.seam, line);
}

static void
shard_drain(struct runtime_shard *me)
{
    struct runtime *runtime = me->runtime;
    const struct shard_program *program = &runtime->options.program;
    if (me->is_drained || (program->drain && !program->drain(&me->shard, program->context)))
        return;
    me->is_drained = true;
    uint32_t drained_count = __atomic_add_fetch(&runtime->drained_count, 1, __ATOMIC_ACQ_REL);
    if (drained_count == runtime->shard_count)
        seam_group_wake_all(runtime->group);
}

static void
processor_pause(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* How long to wait after a turn; decides between spinning and sleeping. */
static uint64_t
wait_choose(struct runtime_shard *me, uint64_t wait_ns, bool did_work, uint64_t now_ns)
{
    struct spin *spin = &me->spin;
    uint64_t block_count = me->shard.metrics.mail_blocks_received;
    if (block_count != spin->block_count)
        spin->is_asked = true;
    spin->block_count = block_count;
    if (did_work)
        spin_hit(spin, now_ns);
    if (wait_ns == 0)
        return 0;
    bool expects_work = spin->is_asked || shard_outstanding_count(&me->shard) > 0;
    if (spin->allowed && expects_work && spin_goes_on(spin, now_ns)) {
        processor_pause();
        return 0;
    }
    spin->idle_since_ns = 0;
    spin->is_asked = false;
    return wait_ns;
}

static void
shard_turn_until_stopped(struct runtime_shard *me)
{
    struct shard *shard = &me->shard;
    struct runtime *runtime = me->runtime;
    uint64_t work_count = 0;
    while (__atomic_load_n(&runtime->drained_count, __ATOMIC_ACQUIRE) < runtime->shard_count) {
        uint64_t wait_ns = shard_step(shard);
        uint64_t now_ns = seam_now_ns(shard->seam);
        if (now_ns - shard->now_ns > STALL_NS)
            stall_note(me, now_ns - shard->now_ns, now_ns);
        if (__atomic_load_n(&runtime->must_stop, __ATOMIC_ACQUIRE)) {
            shard_drain(me);
            if (wait_ns > DRAIN_POLL_NS)
                wait_ns = DRAIN_POLL_NS;
        }
        bool did_work = shard->work_count != work_count;
        work_count = shard->work_count;
        shard_wait(shard, wait_choose(me, wait_ns, did_work, now_ns));
        __atomic_store_n(
            &shard->metrics.sleeps, seam_shard_sleep_count(shard->seam), __ATOMIC_RELAXED);
    }
}

/* ---- a shard's thread ---- */

static err_t
shard_enter(struct runtime_shard *me)
{
    struct runtime *runtime = me->runtime;
    struct seam *seam = seam_group_shard(runtime->group, (uint32_t)(me - runtime->shards));
    if (me->cpu >= 0 && topology_pin((uint16_t)me->cpu) < 0)
        seam->ops->log(seam, "cannot be pinned to its processor; runs unpinned");
    int result = seam_shard_enter(seam);
    if (result < 0)
        return ERR_ERRNO(result);
    err_t err = shard_create(&me->shard, seam);
    me->is_created = !err;
    return err;
}

static void
failure_note(struct runtime_shard *me, err_t err)
{
    if (!err)
        return;
    me->err = err;
    __atomic_add_fetch(&me->runtime->failed_count, 1, __ATOMIC_ACQ_REL);
}

static bool
is_above_zero(const uint32_t *count)
{
    return __atomic_load_n(count, __ATOMIC_ACQUIRE) > 0;
}

/* Waits until all threads have come here; `until` (NULL = never) may end it sooner: false. */
static bool
gate_wait(struct runtime *runtime, const uint32_t *count, const struct timespec *until)
{
    int result = 0;
    while (*count < runtime->thread_count && result == 0)
        result = until ? pthread_cond_timedwait(&runtime->changed, &runtime->mutex, until)
                       : pthread_cond_wait(&runtime->changed, &runtime->mutex);
    return *count >= runtime->thread_count;
}

static void
gate_reach(struct runtime *runtime, uint32_t *count, bool must_wait)
{
    pthread_mutex_lock(&runtime->mutex);
    ++*count;
    pthread_cond_broadcast(&runtime->changed);
    if (must_wait)
        gate_wait(runtime, count, NULL);
    pthread_mutex_unlock(&runtime->mutex);
}

static void *
shard_main(void *argument)
{
    struct runtime_shard *me = argument;
    struct runtime *runtime = me->runtime;
    const struct shard_program *program = &runtime->options.program;
    failure_note(me, shard_enter(me));
    if (!me->is_created)
        __atomic_add_fetch(&runtime->unmade_count, 1, __ATOMIC_ACQ_REL);
    gate_reach(runtime, &runtime->created_count, true); /* A */
    if (!is_above_zero(&runtime->unmade_count)) {
        me->is_started = true;
        failure_note(me, program->start ? program->start(&me->shard, program->context) : 0);
    }
    gate_reach(runtime, &runtime->started_count, true); /* B */
    if (!is_above_zero(&runtime->failed_count))
        shard_turn_until_stopped(me);
    if (me->is_started && program->finish)
        program->finish(&me->shard, program->context);
    gate_reach(runtime, &runtime->finished_count, true); /* C */
    seam_shard_leave(seam_group_shard(runtime->group, (uint32_t)(me - runtime->shards)));
    if (me->is_created)
        shard_destroy(&me->shard);
    gate_reach(runtime, &runtime->ended_count, false);
    return NULL;
}

/* ---- start ---- */

static err_t
directory_lock(struct runtime *runtime, int *directory_fd, char *why, size_t why_size)
{
    const char *path = runtime->options.data_directory;
    if (mkdir(path, 0750) < 0 && errno != EEXIST) {
        snprintf(why, why_size, "%s: cannot be created: %s", path, strerror(errno));
        return ERR(CONFIGURATION);
    }
    *directory_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*directory_fd < 0) {
        snprintf(why, why_size, "%s: cannot be opened: %s", path, strerror(errno));
        return ERR(CONFIGURATION);
    }
    runtime->lock_fd = openat(*directory_fd, "LOCK", O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (runtime->lock_fd < 0) {
        snprintf(why, why_size, "%s/LOCK: cannot be opened: %s", path, strerror(errno));
        return ERR(CONFIGURATION);
    }
    if (flock(runtime->lock_fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno == EWOULDBLOCK) {
            snprintf(why, why_size, "%s: another process has this data directory open", path);
            return ERR(DIRECTORY_IN_USE);
        }
        snprintf(why, why_size, "%s/LOCK: cannot be locked: %s", path, strerror(errno));
        return ERR(CONFIGURATION);
    }
    return 0;
}

static err_t
memory_reserve(struct runtime *runtime, const struct topology *topology, char *why, size_t why_size)
{
    uint64_t total = runtime->options.memory_size;
    if (total == 0)
        total = topology->memory_size / 100 * MEMORY_SHARE_PERCENT;
    uint64_t size = total / runtime->shard_count;
    if (size < SHARD_MEMORY_SIZE_MIN) {
        snprintf(
            why, why_size,
            "%llu MiB of memory are too little for %u shards; each needs %u MiB at least",
            (unsigned long long)(total >> 20), runtime->shard_count, SHARD_MEMORY_SIZE_MIN >> 20);
        return ERR(CONFIGURATION);
    }
    for (uint32_t i = 0; i < runtime->shard_count; i++) {
        struct runtime_shard *shard = &runtime->shards[i];
        err_t err = range_create(&shard->range, size);
        if (err) {
            snprintf(
                why, why_size, "shard %u: %llu MiB of address space cannot be reserved", i,
                (unsigned long long)(size >> 20));
            return err;
        }
        void *base;
        size_t range_size;
        range_bounds(shard->range, &base, &range_size);
        if (shard->cpu >= 0 && topology->node_count > 1)
            topology_bind_memory(topology, base, range_size, shard->node);
        seam_memory_set(runtime->group, i, shard->range);
    }
    return 0;
}

/* More shards than processors: they share, and the kernel decides; pinning would set two against each
 * other on one processor while another is free. */
static void
shards_place(struct runtime *runtime, const struct topology *topology)
{
    bool fits = runtime->shard_count <= topology->cpu_count;
    bool has_time = topology->cpu_quota == 0 || topology->cpu_quota >= runtime->shard_count;
    for (uint32_t i = 0; i < runtime->shard_count; i++) {
        struct runtime_shard *shard = &runtime->shards[i];
        shard->runtime = runtime;
        shard->cpu = fits ? topology->cpus[i] : -1;
        shard->node = fits ? topology->nodes[i] : UINT16_MAX;
        shard->spin.allowed = fits && has_time;
    }
}

static void
runtime_describe(struct runtime *runtime, const struct topology *topology)
{
    char cpus[160] = "";
    for (uint32_t i = 0; i < runtime->shard_count && runtime->shards[0].cpu >= 0; i++) {
        size_t used = strlen(cpus);
        snprintf(cpus + used, sizeof(cpus) - used, "%s%d", i ? "," : "", runtime->shards[i].cpu);
    }
    void *base;
    size_t size;
    range_bounds(runtime->shards[0].range, &base, &size);
    snprintf(
        runtime->description, sizeof(runtime->description), "%u shard%s %s%s, %zu MiB each, %s%s",
        runtime->shard_count, runtime->shard_count == 1 ? "" : "s",
        cpus[0] ? "on processors " : "unpinned, for there are more than processors", cpus,
        size >> 20, seam_group_description(runtime->group),
        topology->cpu_quota > 0 ? ", processor time limited by a cgroup" : "");
}

static err_t
threads_start(struct runtime *runtime, char *why, size_t why_size)
{
    sigset_t all, old;
    runtime->thread_count = runtime->shard_count;
    /* Signals are for the thread that called runtime_start. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int result = 0;
    uint32_t made_count = 0;
    for (uint32_t i = 0; i < runtime->shard_count && result == 0; i++) {
        struct runtime_shard *shard = &runtime->shards[i];
        result = pthread_create(&shard->thread, NULL, shard_main, shard);
        shard->has_thread = result == 0;
        char name[20];
        snprintf(name, sizeof(name), "quiver-%u", i);
        if (result == 0)
            pthread_setname_np(shard->thread, name);
        made_count += shard->has_thread;
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (result == 0)
        return 0;
    snprintf(why, why_size, "a thread cannot be started: %s", strerror(result));
    /* Those that run wait at gate A for ones that will not come. */
    __atomic_add_fetch(&runtime->unmade_count, 1, __ATOMIC_ACQ_REL);
    __atomic_add_fetch(&runtime->failed_count, 1, __ATOMIC_ACQ_REL);
    pthread_mutex_lock(&runtime->mutex);
    runtime->thread_count = made_count;
    pthread_cond_broadcast(&runtime->changed);
    pthread_mutex_unlock(&runtime->mutex);
    return ERR_ERRNO(-result);
}

/* After the threads: gives everything back. Works for a runtime that is half made. */
static void
runtime_delete(struct runtime *runtime)
{
    for (uint32_t i = 0; runtime->shards && i < runtime->shard_count; i++)
        if (runtime->shards[i].has_thread)
            pthread_join(runtime->shards[i].thread, NULL);
    if (runtime->group)
        seam_group_destroy(runtime->group);
    for (uint32_t i = 0; runtime->shards && i < runtime->shard_count; i++)
        if (runtime->shards[i].range)
            range_destroy(runtime->shards[i].range);
    pthread_cond_destroy(&runtime->changed);
    pthread_mutex_destroy(&runtime->mutex);
    if (runtime->lock_fd >= 0)
        close(runtime->lock_fd);
    free(runtime->shards);
    free(runtime);
}

static bool
count_wait(struct runtime *runtime, const uint32_t *count, const struct timespec *until)
{
    pthread_mutex_lock(&runtime->mutex);
    bool reached = gate_wait(runtime, count, until);
    pthread_mutex_unlock(&runtime->mutex);
    return reached;
}

static err_t
shards_started(struct runtime *runtime, char *why, size_t why_size)
{
    count_wait(runtime, &runtime->started_count, NULL);
    for (uint32_t i = 0; i < runtime->shard_count; i++) {
        err_t err = runtime->shards[i].err;
        if (!err)
            continue;
        char place[64];
        err_birthplace(err, place, sizeof(place));
        snprintf(why, why_size, "shard %u: %s (%s)", i, err_text(err_code(err)), place);
        return err;
    }
    return 0;
}

static err_t
runtime_prepare(struct runtime *runtime, char *why, size_t why_size)
{
    const struct runtime_options *options = &runtime->options;
    struct topology *topology = calloc(1, sizeof(*topology));
    int directory_fd = -1;
    if (!topology)
        return ERR(MEMORY_POOL);
    err_t err = directory_lock(runtime, &directory_fd, why, why_size);
    if (err)
        goto fail;
    err = topology_load(topology, options->cpus, why, why_size);
    if (err)
        goto fail;
    runtime->shard_count = options->shard_count ? options->shard_count : topology->core_count;
    if (runtime->shard_count > SHARD_COUNT_MAX) {
        snprintf(
            why, why_size, "%u shards are more than the %d there may be", runtime->shard_count,
            SHARD_COUNT_MAX);
        err = options->shard_count ? ERR(CONFIGURATION) : 0;
        runtime->shard_count = SHARD_COUNT_MAX;
        if (err)
            goto fail;
    }
    err = ERR(MEMORY_POOL);
    void *shards = NULL;
    if (posix_memalign(&shards, 128, runtime->shard_count * sizeof(*runtime->shards)) != 0)
        goto fail;
    runtime->shards = shards;
    memset(runtime->shards, 0, runtime->shard_count * sizeof(*runtime->shards));
    shards_place(runtime, topology);
    err = seam_group_create(&runtime->group, runtime->shard_count, directory_fd, why, why_size);
    directory_fd = -1;
    if (err)
        goto fail;
    err = memory_reserve(runtime, topology, why, why_size);
    if (err)
        goto fail;
    runtime_describe(runtime, topology);
fail:
    if (directory_fd >= 0)
        close(directory_fd);
    topology_free(topology);
    free(topology);
    return err;
}

err_t
runtime_start(
    const struct runtime_options *options, struct runtime **out, char *why, size_t why_size)
{
    char scratch[8];
    assert(options->data_directory);
    if (!why) {
        why = scratch;
        why_size = sizeof(scratch);
    }
    snprintf(why, why_size, "out of memory");
    struct runtime *runtime = calloc(1, sizeof(*runtime));
    if (!runtime)
        return ERR(MEMORY_POOL);
    runtime->options = *options;
    runtime->lock_fd = -1;
    pthread_mutex_init(&runtime->mutex, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&runtime->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    err_t err = runtime_prepare(runtime, why, why_size);
    if (!err)
        err = threads_start(runtime, why, why_size);
    if (!err)
        err = shards_started(runtime, why, why_size);
    if (err) {
        runtime_delete(runtime);
        return err;
    }
    why[0] = 0;
    *out = runtime;
    return 0;
}

void
runtime_stop(struct runtime *runtime)
{
    __atomic_store_n(&runtime->must_stop, 1, __ATOMIC_RELEASE);
    seam_group_wake_all(runtime->group);
}

void
runtime_join(struct runtime *runtime)
{
    count_wait(runtime, &runtime->ended_count, NULL);
    runtime_delete(runtime);
}

bool
runtime_wait(struct runtime *runtime, uint64_t timeout_ns)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    uint64_t nanoseconds = (uint64_t)until.tv_nsec + timeout_ns % 1000000000u;
    until.tv_sec += (time_t)(timeout_ns / 1000000000u + nanoseconds / 1000000000u);
    until.tv_nsec = (long)(nanoseconds % 1000000000u);
    return count_wait(runtime, &runtime->ended_count, &until);
}

uint32_t
runtime_shard_count(const struct runtime *runtime)
{
    return runtime->shard_count;
}

struct shard_metrics
runtime_metrics(const struct runtime *runtime, uint32_t shard_index)
{
    assert(shard_index < runtime->shard_count);
    struct shard_metrics copy = {0};
    static_assert(sizeof(copy) % sizeof(uint64_t) == 0, "metrics are words");
    const uint64_t *from = (const uint64_t *)&runtime->shards[shard_index].shard.metrics;
    uint64_t *to = (uint64_t *)&copy;
    for (size_t i = 0; i < sizeof(copy) / sizeof(uint64_t); i++)
        to[i] = metric_read(&from[i]);
    return copy;
}

void
runtime_memory(
    const struct runtime *runtime, uint32_t shard_index, uint64_t *used_size, uint64_t *limit_size)
{
    const struct memory *memory = &seam_group_shard(runtime->group, shard_index)->memory;
    *used_size = memory_used_size(memory);
    *limit_size = memory->limit_size;
}

const char *
runtime_description(const struct runtime *runtime)
{
    return runtime->description;
}

void
runtime_log(struct runtime *runtime, const char *line)
{
    seam_group_log(runtime->group, line);
}
