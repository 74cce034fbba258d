/* The simulator's centre: virtual time, turns, mail, memory.
 *
 *      heap of events (time, sequence)          shards, each with the time of its next turn
 *      wake, disk, call, network      \        /
 *                                      the earliest of all happens next
 *                                              |
 *                               a turn: shard_step + shard_wait(poll), under setjmp
 *
 * A turn happens at one instant of global time; the clock the shard sees moves on with each reading and
 * each blocking call (`elapsed_ns`), and its next turn is not before that end. So shards overlap, as
 * threads do, though one runs at a time.
 *
 * Invariants
 *  1. Nothing depends on an address, on the real clock or on the heap's contents: every choice is drawn
 *     from random_state, and fresh memory is filled with one pattern.
 *  2. Whatever belongs to a shard is in its list of allocations, so a crash can free it without knowing it.
 *  3. An event that names an operation is dropped when the machine goes down, for the operation's memory is
 *     gone.
 *
 * setjmp is used here and nowhere else: `fatal` may not return, and the process is the test. */
#include "shards/core/seam_sim.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "shards/core/seam_sim_internal.h"
#include "shards/mail/mail.h"

/* ---- small things ---- */

void *
sim_heap(void *old, size_t size)
{
    void *fresh = realloc(old, size);
    if (!fresh)
        abort();
    return fresh;
}

void
sim_heap_free(void *pointer)
{
    free(pointer);
}

static uint64_t
random_next(struct sim *sim)
{
    sim->random_state += UINT64_C(0x9e3779b97f4a7c15);
    return hash_word(sim->random_state);
}

uint64_t
sim_random(struct sim *sim, uint64_t bound)
{
    assert(bound > 0);
    return random_next(sim) % bound;
}

bool
sim_chance(struct sim *sim, uint32_t ppm)
{
    return ppm > 0 && random_next(sim) % 1000000 < ppm;
}

uint64_t
sim_delay(struct sim *sim, uint64_t max_ns, uint64_t default_ns, uint32_t rare_factor)
{
    uint64_t bound = max_ns ? max_ns : default_ns;
    uint64_t word = random_next(sim);
    if (rare_factor > 1 && word % 128 == 0)
        bound *= rare_factor;
    return 1 + (word >> 8) % bound;
}

void
sim_trace(struct sim *sim, uint64_t word)
{
    sim->trace_hash = hash_word(sim->trace_hash * UINT64_C(0x9e3779b97f4a7c15) + word + 1);
}

/* ---- events ---- */

static bool
event_is_before(const struct sim_event *a, const struct sim_event *b)
{
    return a->time_ns != b->time_ns ? a->time_ns < b->time_ns : a->sequence < b->sequence;
}

void
sim_event_add(
    struct sim *sim,
    uint64_t delay_ns,
    enum sim_event_kind kind,
    uint32_t shard_index,
    void *subject,
    uint32_t index)
{
    if (sim->event_total == sim->event_capacity) {
        sim->event_capacity = sim->event_capacity ? sim->event_capacity * 2 : 256;
        sim->events = sim_heap(sim->events, sim->event_capacity * sizeof(*sim->events));
    }
    struct sim_event event = {
        .time_ns = sim_local_ns(sim) + delay_ns,
        .sequence = sim->event_sequence++,
        .subject = subject,
        .index = index,
        .shard_index = shard_index,
        .kind = (uint8_t)kind};
    size_t at = sim->event_total++;
    while (at > 0 && event_is_before(&event, &sim->events[(at - 1) / 2])) {
        sim->events[at] = sim->events[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    sim->events[at] = event;
}

static struct sim_event
event_pop(struct sim *sim)
{
    assert(sim->event_total > 0);
    struct sim_event first = sim->events[0], last = sim->events[--sim->event_total];
    size_t at = 0;
    for (;;) {
        size_t child = at * 2 + 1;
        if (child >= sim->event_total)
            break;
        if (child + 1 < sim->event_total &&
            event_is_before(&sim->events[child + 1], &sim->events[child]))
            child++;
        if (!event_is_before(&sim->events[child], &last))
            break;
        sim->events[at] = sim->events[child];
        at = child;
    }
    sim->events[at] = last;
    return first;
}

static void
shard_wake(struct sim *sim, uint32_t shard_index)
{
    struct sim_shard *shard = &sim->shards[shard_index];
    uint64_t soonest_ns = sim->now_ns > shard->busy_until_ns ? sim->now_ns : shard->busy_until_ns;
    if (shard->wake_ns > soonest_ns)
        shard->wake_ns = soonest_ns;
}

void
sim_complete(struct sim *sim, uint32_t shard_index, struct io_op *op, int64_t result)
{
    assert(op->submitted);
    op->result = result;
    list_push_back(&sim->shards[shard_index].completed, &op->link);
    shard_wake(sim, shard_index);
    sim_trace(sim, (uint64_t)op->kind << 56 ^ (uint64_t)result);
}

/* ---- handles ---- */

io_handle
sim_handle_new(struct sim *sim, enum sim_handle_kind kind, uint32_t shard_index, void *object)
{
    size_t at = 0;
    while (at < sim->handle_count && sim->handles[at].kind != SIM_HANDLE_NONE)
        at++;
    if (at == sim->handle_count) {
        sim->handle_count++;
        sim->handles = sim_heap(sim->handles, sim->handle_count * sizeof(*sim->handles));
    }
    sim->handles[at] = (struct sim_handle){
        .kind = (uint8_t)kind, .shard_index = shard_index, .object = object};
    return (io_handle)at;
}

struct sim_handle *
sim_handle_get(struct sim *sim, io_handle handle, enum sim_handle_kind kind)
{
    assert(handle >= 0 && (size_t)handle < sim->handle_count);
    assert(sim->handles[handle].kind == kind);
    return &sim->handles[handle];
}

/* ---- memory ---- */

struct allocation {
    struct list_link link;
    size_t size;
    uint64_t padding;
};
static_assert(sizeof(struct allocation) % 16 == 0, "allocations are aligned to 16");

enum { FILL_BYTE = 0xcb, FILL_SIZE_MAX = 4096 };

static bool
allocation_must_fail(struct sim_shard *shard)
{
    struct sim *sim = shard->sim;
    if (shard->allocation_countdown > 0 && --shard->allocation_countdown == 0)
        return true;
    return !sim->is_starting && sim_chance(sim, sim->options.allocation_fail_ppm);
}

static void *
sim_memory_allocate(struct memory *source, size_t size)
{
    struct sim_shard *shard = list_entry(source, struct sim_shard, seam.memory);
    if (size > source->limit_size || source->used_size > source->limit_size - size)
        return NULL;
    if (allocation_must_fail(shard)) {
        sim_trace(shard->sim, size);
        return NULL;
    }
    struct allocation *allocation = malloc(sizeof(*allocation) + size);
    if (!allocation)
        return NULL;
    allocation->size = size;
    list_push_back(&shard->allocations, &allocation->link);
    source->used_size += size;
    memset(allocation + 1, FILL_BYTE, size < FILL_SIZE_MAX ? size : FILL_SIZE_MAX);
    return allocation + 1;
}

static void
sim_memory_release(struct memory *source, void *pointer, size_t size)
{
    struct allocation *allocation = (struct allocation *)pointer - 1;
    assert(allocation->size == size && source->used_size >= size);
    source->used_size -= size;
    list_remove(&allocation->link);
    free(allocation);
}

static void
memory_drop_all(struct sim_shard *shard)
{
    struct list_link *link;
    while ((link = list_pop_front(&shard->allocations)))
        free(list_entry(link, struct allocation, link));
    shard->seam.memory.used_size = 0;
}

/* ---- the seam: clocks, mail, log ---- */

/* Each reading takes time, and now and then so much that a slice is over. */
static uint64_t
sim_clock_monotonic_ns(struct seam *seam)
{
    struct sim *sim = sim_shard_of(seam)->sim;
    uint64_t word = random_next(sim);
    sim->elapsed_ns += 40 + word % 64;
    if (word >> 59 == 0)
        sim->elapsed_ns += 300 * SIM_MICROSECOND;
    return sim_local_ns(sim);
}

static uint64_t
sim_clock_wall_ns(struct seam *seam)
{
    /* The clock starts on 2024-01-01. */
    return UINT64_C(1704067200) * SIM_SECOND + sim_local_ns(sim_shard_of(seam)->sim);
}

static uint64_t
sim_seam_random(struct seam *seam)
{
    return random_next(sim_shard_of(seam)->sim);
}

static bool
sim_mail_push(struct seam *seam, uint32_t to, struct block *block)
{
    struct sim *sim = sim_shard_of(seam)->sim;
    assert(to < sim->shard_count && to != seam->shard_index && block);
    struct sim_ring *ring = &sim->shards[to].inbound[seam->shard_index];
    if (ring->count == sim->ring_count)
        return false;
    uint64_t visible_ns = sim_local_ns(sim) +
                          sim_delay(sim, sim->options.mail_delay_ns_max, 5000, 100);
    if (visible_ns < ring->last_visible_ns)
        visible_ns = ring->last_visible_ns;
    ring->last_visible_ns = visible_ns;
    ring->entries[(ring->head + ring->count++) % SIM_RING_COUNT_MAX] = (struct sim_mail){
        block, visible_ns};
    sim_trace(sim, visible_ns ^ (uint64_t)to << 56);
    return true;
}

static bool
ring_has_visible(const struct sim *sim, const struct sim_ring *ring)
{
    return ring->count > 0 && ring->entries[ring->head].visible_ns <= sim_local_ns(sim);
}

static struct block *
sim_mail_pop(struct seam *seam, uint32_t from)
{
    struct sim_shard *shard = sim_shard_of(seam);
    struct sim_ring *ring = &shard->inbound[from];
    if (!ring_has_visible(shard->sim, ring))
        return NULL;
    struct block *block = ring->entries[ring->head].block;
    ring->head = (ring->head + 1) % SIM_RING_COUNT_MAX;
    ring->count--;
    sim_trace(shard->sim, from);
    return block;
}

static void
sim_doorbell(struct seam *seam, uint32_t to)
{
    struct sim *sim = sim_shard_of(seam)->sim;
    const struct sim_ring *ring = &sim->shards[to].inbound[seam->shard_index];
    uint64_t local_ns = sim_local_ns(sim);
    uint64_t delay_ns = ring->last_visible_ns > local_ns ? ring->last_visible_ns - local_ns : 0;
    sim_event_add(sim, delay_ns, SIM_EVENT_WAKE, to, NULL, to);
}

static void
sim_poll(struct seam *seam, struct list_link *done, uint64_t wait_ns)
{
    struct sim_shard *shard = sim_shard_of(seam);
    struct sim *sim = shard->sim;
    bool is_woken = !list_is_empty(&shard->completed);
    struct list_link *link;
    while ((link = list_pop_front(&shard->completed)))
        list_push_back(done, link);
    for (uint32_t from = 0; from < sim->shard_count; from++)
        is_woken |= ring_has_visible(sim, &shard->inbound[from]);
    uint64_t cost_ns = sim_delay(sim, sim->options.turn_cost_ns_max, 10000, 1);
    if (sim_chance(sim, sim->options.stall_ppm))
        cost_ns += sim_random(sim, 20 * SIM_MILLISECOND);
    shard->busy_until_ns = sim_local_ns(sim) + cost_ns;
    if (is_woken)
        wait_ns = 0;
    if (sim->is_draining && wait_ns > SIM_MILLISECOND)
        wait_ns = SIM_MILLISECOND;
    shard->wake_ns = wait_ns < UINT64_MAX - shard->busy_until_ns ? shard->busy_until_ns + wait_ns
                                                                 : UINT64_MAX;
}

static void
sim_log(struct seam *seam, const char *line)
{
    struct sim *sim = sim_shard_of(seam)->sim;
    sim_trace(sim, hash_bytes(line, strlen(line), seam->shard_index));
    if (sim->options.verbose)
        fprintf(
            stderr, "%12.6f shard %u: %s\n", (double)sim_local_ns(sim) / 1e9, seam->shard_index,
            line);
}

void
sim_escape(struct sim *sim)
{
    sim->is_down = true;
    if (!sim->is_guarded) {
        fprintf(stderr, "the simulated machine went down outside of a turn: %s\n", sim->fatal_line);
        abort();
    }
    sim->is_guarded = false;
    longjmp(sim->escape, 1);
}

static void __attribute__((noreturn)) sim_fatal(struct seam *seam, const char *line)
{
    struct sim *sim = sim_shard_of(seam)->sim;
    sim_log(seam, line);
    snprintf(sim->fatal_line, sizeof(sim->fatal_line), "%s", line);
    sim_escape(sim);
}

static void
sim_io_submit(struct seam *seam, struct io_op *op)
{
    struct sim_shard *shard = sim_shard_of(seam);
    struct sim *sim = shard->sim;
    sim_trace(sim, (uint64_t)op->kind << 32 | (uint32_t)op->handle);
    switch ((enum io_kind)op->kind) {
    case IO_READ:
    case IO_WRITE:
        sim_disk_submit(shard, op);
        return;
    case IO_ACCEPT:
    case IO_RECV:
    case IO_SEND:
        sim_net_submit(shard, op);
        return;
    case IO_CALL:
        assert(op->call);
        sim_event_add(
            sim, sim_delay(sim, sim->options.disk_delay_ns_max, 200000, 50), SIM_EVENT_CALL,
            seam->shard_index, op, 0);
        return;
    case IO_CLOSE:
        assert(op->handle >= 0 && (size_t)op->handle < sim->handle_count);
        assert(sim->handles[op->handle].kind != SIM_HANDLE_NONE);
        if (sim->handles[op->handle].kind != SIM_HANDLE_FILE)
            sim_net_close(sim, op->handle);
        sim_event_add(sim, sim_delay(sim, 0, 2000, 20), SIM_EVENT_CLOSE, seam->shard_index, op, 0);
        return;
    }
    assert(false && "an io_op of unknown kind");
}

static const struct seam_ops sim_ops = {
    .clock_monotonic_ns = sim_clock_monotonic_ns,
    .clock_wall_ns = sim_clock_wall_ns,
    .random = sim_seam_random,
    .io_submit = sim_io_submit,
    .listen = sim_net_listen,
    .peer_name = sim_net_peer_name,
    .disk_open = sim_disk_open,
    .disk_close = sim_disk_close_now,
    .disk_read = sim_disk_read,
    .disk_write = sim_disk_write,
    .disk_sync = sim_disk_sync,
    .disk_size = sim_disk_handle_size,
    .disk_list = sim_disk_list,
    .disk_make_directory = sim_disk_make_directory,
    .disk_remove = sim_disk_remove,
    .disk_rename = sim_disk_rename,
    .disk_sync_directory = sim_disk_sync_directory,
    .mail_push = sim_mail_push,
    .mail_pop = sim_mail_pop,
    .doorbell = sim_doorbell,
    .poll = sim_poll,
    .log = sim_log,
    .fatal = sim_fatal,
};

/* ---- the machine ---- */

static void
shard_init(struct sim *sim, uint32_t index)
{
    struct sim_shard *shard = &sim->shards[index];
    *shard = (struct sim_shard){.sim = sim, .wake_ns = sim->now_ns + sim_random(sim, 1000)};
    shard->seam = (struct seam){
        .ops = &sim_ops, .shard_index = index, .shard_count = sim->shard_count};
    uint64_t limit_size = sim->options.memory_limit_size;
    shard->seam.memory = (struct memory){
        .allocate = sim_memory_allocate,
        .release = sim_memory_release,
        .limit_size = limit_size ? limit_size : UINT64_C(256) << 20};
    list_init(&shard->completed);
    list_init(&shard->allocations);
    shard->inbound = sim_heap(NULL, sim->shard_count * sizeof(*shard->inbound));
    memset(shard->inbound, 0, sim->shard_count * sizeof(*shard->inbound));
}

/* Drops what the shards have; the disk is not touched. */
static void
shards_drop(struct sim *sim)
{
    while (sim->event_total > 0) {
        struct sim_event event = sim->events[--sim->event_total];
        if (event.kind == SIM_EVENT_DISK)
            sim_disk_forget(sim, event.subject);
    }
    for (uint32_t i = 0; i < sim->shard_count && sim->shards; i++) {
        memory_drop_all(&sim->shards[i]);
        sim_heap_free(sim->shards[i].inbound);
    }
    sim_heap_free(sim->shards);
    sim->shards = NULL;
    sim_net_crash(sim);
    for (size_t i = 0; i < sim->handle_count; i++)
        if (sim->handles[i].kind == SIM_HANDLE_FILE)
            sim_disk_close(sim, &sim->handles[i]);
    sim->handle_count = 0;
    sim->is_draining = false;
}

struct sim *
sim_create(uint64_t seed, uint32_t shard_count, const struct sim_options *options)
{
    assert(shard_count > 0 && shard_count <= SHARD_COUNT_MAX);
    struct sim *sim = sim_heap(NULL, sizeof(*sim));
    memset(sim, 0, sizeof(*sim));
    sim->options = *options;
    sim->random_state = hash_word(seed + 1);
    sim->trace_hash = hash_word(seed);
    sim->shard_count = shard_count;
    sim->now_ns = SIM_SECOND;
    sim->disk = sim_disk_new();
    sim->net = sim_net_new();
    return sim;
}

void
sim_delete(struct sim *sim)
{
    shards_drop(sim);
    sim_disk_delete(sim->disk);
    sim_net_delete(sim->net);
    sim_heap_free(sim->events);
    sim_heap_free(sim->handles);
    sim_heap_free(sim);
}

struct sim_options *
sim_options(struct sim *sim)
{
    return &sim->options;
}

static err_t
shard_start(struct sim *sim, struct sim_shard *shard)
{
    sim->elapsed_ns = 0;
    if (!shard->is_created) {
        err_t err = shard_create(&shard->shard, &shard->seam);
        shard->is_created = !err;
        return err;
    }
    const struct shard_program *program = &sim->options.program;
    return program->start ? program->start(&shard->shard, program->context) : 0;
}

/* Runs one step of the shard's start; the machine may go down in it. */
static err_t
shard_start_guarded(struct sim *sim, struct sim_shard *shard)
{
    if (setjmp(sim->escape))
        return ERR(UNAVAILABLE);
    sim->is_guarded = true;
    err_t err = shard_start(sim, shard);
    sim->is_guarded = false;
    return err;
}

err_t
sim_start(struct sim *sim)
{
    assert(!sim->shards && !sim->is_down);
    uint32_t ring_count = sim->options.mail_ring_count;
    assert(ring_count <= SIM_RING_COUNT_MAX);
    sim->ring_count = ring_count ? ring_count : (uint32_t)(UINT64_C(2) << sim_random(sim, 6));
    sim->shards = sim_heap(NULL, sim->shard_count * sizeof(*sim->shards));
    for (uint32_t i = 0; i < sim->shard_count; i++)
        shard_init(sim, i);
    sim->is_starting = true;
    err_t err = 0;
    for (uint32_t i = 0; i < sim->shard_count * 2 && !err; i++) {
        err = shard_start_guarded(sim, &sim->shards[i % sim->shard_count]);
        sim->now_ns += sim->elapsed_ns + 1;
        sim->elapsed_ns = 0;
    }
    sim->is_starting = false;
    sim_trace(sim, err_code(err));
    if (err && !sim->is_down)
        shards_drop(sim);
    return err;
}

void
sim_crash(struct sim *sim)
{
    sim_trace(sim, sim->now_ns);
    shards_drop(sim);
    sim_disk_crash(sim);
    sim->is_down = false;
    sim->fatal_line[0] = 0;
    sim->power_cut_countdown = 0;
}

err_t
sim_restart(struct sim *sim, uint32_t shard_count)
{
    assert(shard_count > 0 && shard_count <= SHARD_COUNT_MAX && !sim->shards);
    sim->shard_count = shard_count;
    sim->now_ns += SIM_SECOND;
    return sim_start(sim);
}

static void
shard_turn(struct sim *sim, struct sim_shard *shard)
{
    uint64_t wait_ns = shard_step(&shard->shard);
    const struct shard_program *program = &sim->options.program;
    if (sim->is_draining && !shard->is_drained)
        shard->is_drained = !program->drain || program->drain(&shard->shard, program->context);
    shard_wait(&shard->shard, wait_ns);
}

static void
event_happen(struct sim *sim, const struct sim_event *event)
{
    struct io_op *op = event->subject;
    switch ((enum sim_event_kind)event->kind) {
    case SIM_EVENT_WAKE:
        shard_wake(sim, event->index);
        return;
    case SIM_EVENT_DISK:
        sim_disk_complete(sim, event);
        return;
    case SIM_EVENT_CALL:
        sim_complete(sim, event->shard_index, op, op->call(op->call_argument));
        return;
    case SIM_EVENT_CLOSE:
        if (sim->handles[op->handle].kind == SIM_HANDLE_FILE)
            sim_disk_close(sim, &sim->handles[op->handle]);
        sim->handles[op->handle].kind = SIM_HANDLE_NONE;
        sim_complete(sim, event->shard_index, op, 0);
        return;
    case SIM_EVENT_ACCEPT:
    case SIM_EVENT_TO_SERVER:
    case SIM_EVENT_TO_CLIENT:
    case SIM_EVENT_RETRY:
        sim_net_event(sim, event);
        return;
    case SIM_EVENT_TURN:
        break;
    }
    assert(false && "an event of unknown kind");
}

/* The shard whose turn is next; NULL when all sleep for ever. */
static struct sim_shard *
shard_next(struct sim *sim)
{
    struct sim_shard *next = NULL;
    for (uint32_t i = 0; i < sim->shard_count; i++) {
        struct sim_shard *shard = &sim->shards[i];
        if (shard->wake_ns != UINT64_MAX && (!next || shard->wake_ns < next->wake_ns))
            next = shard;
    }
    return next;
}

/* A turn of `shard`, or, when that is NULL, the event. The machine may go down in it. */
static void
happen_guarded(struct sim *sim, struct sim_shard *shard, const struct sim_event *event)
{
    if (setjmp(sim->escape) == 0) {
        sim->is_guarded = true;
        if (shard)
            shard_turn(sim, shard);
        else
            event_happen(sim, event);
        sim->is_guarded = false;
    }
    sim->elapsed_ns = 0;
}

bool
sim_step(struct sim *sim)
{
    if (sim->is_down || !sim->shards)
        return false;
    struct sim_shard *shard = shard_next(sim);
    if (!shard && sim->event_total == 0)
        return false;
    bool is_turn = shard && (sim->event_total == 0 || shard->wake_ns < sim->events[0].time_ns);
    struct sim_event event = {.kind = SIM_EVENT_TURN};
    if (is_turn) {
        event.time_ns = shard->wake_ns;
        event.shard_index = shard->seam.shard_index;
    } else {
        event = event_pop(sim);
    }
    sim->event_count++;
    sim->elapsed_ns = 0;
    if (event.time_ns > sim->now_ns)
        sim->now_ns = event.time_ns;
    sim_trace(sim, event.time_ns ^ (uint64_t)event.kind << 60 ^ (uint64_t)event.shard_index << 48);
    happen_guarded(sim, is_turn ? shard : NULL, &event);
    return true;
}

/* When something happens next, if nothing is added before; UINT64_MAX: never. */
static uint64_t
next_step_ns(struct sim *sim)
{
    const struct sim_shard *shard = sim->shards ? shard_next(sim) : NULL;
    uint64_t next_ns = shard ? shard->wake_ns : UINT64_MAX;
    if (sim->event_total > 0 && sim->events[0].time_ns < next_ns)
        next_ns = sim->events[0].time_ns;
    return next_ns;
}

bool
sim_run_until(struct sim *sim, sim_predicate_fn *predicate, void *context, uint64_t limit_ns)
{
    uint64_t end_ns = sim->now_ns + limit_ns;
    while (!predicate(context)) {
        uint64_t next_ns = next_step_ns(sim);
        if (next_ns != UINT64_MAX && next_ns > end_ns) {
            sim->now_ns = end_ns;
            return false;
        }
        if (sim->now_ns >= end_ns || !sim_step(sim) || sim->is_down)
            return false;
    }
    return true;
}

static bool
predicate_never(void *context)
{
    (void)context;
    return false;
}

void
sim_run_for(struct sim *sim, uint64_t duration_ns)
{
    uint64_t end_ns = sim->now_ns + duration_ns;
    sim_run_until(sim, predicate_never, NULL, duration_ns);
    if (!sim->is_down && sim->now_ns < end_ns)
        sim->now_ns = end_ns;
}

static bool
all_are_drained(void *context)
{
    struct sim *sim = context;
    for (uint32_t i = 0; i < sim->shard_count; i++)
        if (!sim->shards[i].is_drained)
            return false;
    return true;
}

bool
sim_stop(struct sim *sim, uint64_t limit_ns)
{
    assert(sim->shards && !sim->is_down);
    sim->is_draining = true;
    for (uint32_t i = 0; i < sim->shard_count; i++)
        shard_wake(sim, i);
    if (!sim_run_until(sim, all_are_drained, sim, limit_ns))
        return false;
    const struct shard_program *program = &sim->options.program;
    for (uint32_t i = 0; i < sim->shard_count; i++) {
        struct sim_shard *shard = &sim->shards[i];
        if (program->finish)
            program->finish(&shard->shard, program->context);
    }
    for (uint32_t i = 0; i < sim->shard_count; i++) {
        struct sim_shard *shard = &sim->shards[i];
        struct mail_gauge gauge = mail_gauge(&shard->shard);
        shard_destroy(&shard->shard);
        if (gauge.block_out_count == 0 && gauge.jumbo_size == 0)
            assert(shard->seam.memory.used_size == 0);
    }
    shards_drop(sim);
    return true;
}

bool
sim_is_down(const struct sim *sim)
{
    return sim->is_down;
}

const char *
sim_fatal_line(const struct sim *sim)
{
    return sim->fatal_line;
}

void
sim_power_cut_after(struct sim *sim, uint32_t disk_operation_count)
{
    sim->power_cut_countdown = disk_operation_count;
}

void
sim_allocation_fail_after(struct sim *sim, uint32_t shard_index, uint32_t allocation_count)
{
    assert(sim->shards && shard_index < sim->shard_count);
    sim->shards[shard_index].allocation_countdown = allocation_count;
}

struct shard *
sim_shard(struct sim *sim, uint32_t index)
{
    assert(sim->shards && index < sim->shard_count);
    return &sim->shards[index].shard;
}

uint32_t
sim_shard_count(const struct sim *sim)
{
    return sim->shard_count;
}

uint64_t
sim_now_ns(const struct sim *sim)
{
    return sim->now_ns;
}

uint64_t
sim_event_count(const struct sim *sim)
{
    return sim->event_count;
}

uint64_t
sim_disk_operation_count(const struct sim *sim)
{
    return sim->disk_operation_count;
}

uint64_t
sim_trace_hash(const struct sim *sim)
{
    return sim->trace_hash;
}
