#include "engine/route/run.h"

#include <string.h>

enum { WORK_PER_CLOCK = 4 };

struct shard_report {
    bool seen;     /* has a local run */
    bool finished; /* has forgotten it */
    uint32_t probe;
    uint64_t *sent, *received;
};

/* A part of the gathered groups, not yet merged. */
struct gathered {
    struct list_link link;
    struct block *block;
    const struct finished_header *header;
};

struct run {
    struct run_spec spec;
    struct execution *execution;
    struct shard *shard;
    struct local_run *local;
    struct shard_report *reports; /* by shard */
    struct list_link gathered;
    struct arena arena;
    bool handed;               /* the exit's rows are with the caller */
    bool cancelled;            /* RUN_CANCEL was sent */
    bool finishing;            /* RUN_FINISH was sent */
    bool closing;              /* the caller is done with it */
    uint32_t unfinished_count; /* shards that have not answered RUN_FINISH */
    uint32_t probe;
    uint64_t probe_total;
};

static void run_advance(struct run *run);

static void
spec_fill(struct run *run, const struct shape *shape, uint64_t top_limit)
{
    struct execution *execution = run->execution;
    struct engine *engine = execution->engine;
    run->spec = (struct run_spec){
        .id = engine->next_run_id++,
        .home = run->shard->index,
        .shape = shape,
        .view = txn_view(execution->txn),
        .parameters = execution->expressions.parameters,
        .parameter_count = execution->expressions.parameter_count,
        .local_count = execution->expressions.local_count,
        .statement_wall_ns = execution->expressions.statement_wall_ns,
        .transaction_wall_ns = execution->expressions.transaction_wall_ns,
        .top_limit = top_limit,
        .memory_max = execution->memory.memory.limit_size,
    };
}

err_t
run_create(
    struct execution *execution, const struct shape *shape, uint64_t top_limit, struct run **out)
{
    struct memory *memory = shard_memory(execution->shard);
    struct run *run = memory_allocate(memory, sizeof(*run));
    if (!run)
        return ERR(MEMORY_POOL);
    *run = (struct run){.execution = execution, .shard = execution->shard};
    list_init(&run->gathered);
    arena_create(&run->arena, memory, SIZE_MAX);
    spec_fill(run, shape, top_limit);
    uint32_t segment_count = shape->exit + 1;
    run->reports = arena_zeroed(&run->arena, sizeof(*run->reports) * run->shard->count);
    err_t err = run->reports ? 0 : ERR(MEMORY_QUERY);
    for (uint32_t i = 0; !err && i < run->shard->count && run->shard->count > 1; i++) {
        run->reports[i].sent = arena_zeroed(&run->arena, sizeof(uint64_t) * segment_count);
        run->reports[i].received = arena_zeroed(&run->arena, sizeof(uint64_t) * segment_count);
        if (!run->reports[i].sent || !run->reports[i].received)
            err = ERR(MEMORY_QUERY);
    }
    if (!err)
        err = local_run_create(execution->engine, &run->spec, run, &run->local);
    if (err) {
        arena_destroy(&run->arena);
        memory_release(memory, run, sizeof(*run));
        return err;
    }
    execution->run_count++;
    *out = run;
    return 0;
}

static void
gathered_release(struct run *run, struct gathered *gathered)
{
    block_release(run->shard, gathered->block);
    memory_release(shard_memory(run->shard), gathered, sizeof(*gathered));
}

static void
run_free(struct run *run)
{
    struct execution *execution = run->execution;
    struct list_link *link;
    while ((link = list_pop_front(&run->gathered)))
        gathered_release(run, list_entry(link, struct gathered, link));
    local_run_destroy(run->local);
    arena_destroy(&run->arena);
    memory_release(shard_memory(run->shard), run, sizeof(*run));
    assert(execution->run_count > 0);
    execution->run_count--;
    execution->wake(execution);
}

bool
run_is_current(const struct run *run)
{
    struct view view = txn_view(run->execution->txn);
    return view.snapshot == run->spec.view.snapshot && view.txid == run->spec.view.txid;
}

bool
run_wants_input(const struct run *run)
{
    return !run->closing && !run->finishing && local_run_is_idle(run->local);
}

err_t
run_feed(struct run *run, const struct batch *input, const uint64_t *tags)
{
    assert(run_wants_input(run) && !run->handed);
    struct segment *first = &run->local->segments[0];
    const struct shape *shape = run->spec.shape;
    const struct traversal *traversal = shape->traversal;
    struct slot_list carried = first->shape->carried;
    err_t err = local_run_rows_ensure(run->local, &first->rows, carried);
    if (err)
        return err;
    assert(traversal->input_count <= input->column_count);
    for (uint32_t i = 0; i < traversal->input_count; i++) {
        uint32_t slot = traversal->input_slots[i];
        if (slot == SLOT_NONE || !first->rows.columns[slot].nodes)
            continue;
        column_gather(&input->columns[i], &first->rows.columns[slot], NULL, input->row_count);
    }
    if (shape->tag_slot != SLOT_NONE) {
        assert(tags);
        memcpy(
            first->rows.columns[shape->tag_slot].nodes, tags, sizeof(uint64_t) * input->row_count);
    }
    uint64_t *nodes = first->cursor.nodes;
    first->cursor = (struct step_cursor){.nodes = nodes};
    first->rows.row_count = input->row_count;
    first->pending = input->row_count > 0;
    return 0;
}

void
run_flush(struct run *run)
{
    local_run_flush(run->local);
}

static void
control_send(struct run *run, uint32_t to, enum message_type type, uint64_t probe)
{
    struct control_message control = {&run->spec, probe};
    if (mail_send(run->shard, to, type, run->spec.id, &control, sizeof(control)))
        run->shard->seam->ops->fatal(run->shard->seam, "route: no memory to end a query");
}

static void
run_cancel(struct run *run)
{
    if (run->cancelled || run->finishing)
        return;
    run->cancelled = true;
    local_run_drop(run->local);
    for (uint32_t to = 0; to < run->shard->count; to++)
        if (to != run->shard->index)
            control_send(run, to, MESSAGE_RUN_CANCEL, 0);
}

static uint64_t
total_received(const struct run *run, uint32_t segment)
{
    uint64_t total = run->local->segments[segment].received;
    for (uint32_t i = 0; i < run->shard->count; i++)
        total += run->reports[i].seen ? run->reports[i].received[segment] : 0;
    return total;
}

static uint64_t
total_sent(const struct run *run, uint32_t segment)
{
    uint64_t total = run->local->segments[segment].sent;
    for (uint32_t i = 0; i < run->shard->count; i++)
        total += run->reports[i].seen ? run->reports[i].sent[segment] : 0;
    return total;
}

/* Everybody has answered the newest probe. */
static bool
probe_is_answered(const struct run *run)
{
    for (uint32_t i = 0; i < run->shard->count; i++)
        if (run->reports[i].seen && run->reports[i].probe < run->probe)
            return false;
    return true;
}

static bool
outlets_are_empty(const struct local_run *local)
{
    for (uint32_t i = 0; i < local->segment_count; i++)
        for (uint32_t to = 0; local->segments[i].outlets && to < local->shard->count; to++)
            if (local->segments[i].outlets[to].row_count)
                return false;
    return true;
}

/* A cancelled run is known to every shard, so it waits for a report of each. */
static bool
cancel_is_answered(const struct run *run)
{
    for (uint32_t i = 0; run->cancelled && i < run->shard->count; i++)
        if (i != run->shard->index && !run->reports[i].seen)
            return false;
    return true;
}

/* See the essay in run.h. */
static bool
run_is_drained(struct run *run)
{
    if (run->shard->count == 1)
        return local_run_is_idle(run->local);
    if (!local_run_is_idle(run->local) || !outlets_are_empty(run->local) ||
        !cancel_is_answered(run))
        return false;
    uint64_t received = 0, sent = 0;
    for (uint32_t i = 0; i <= run->spec.shape->exit; i++) {
        uint64_t segment_received = total_received(run, i), segment_sent = total_sent(run, i);
        if (segment_received != segment_sent)
            return false;
        received += segment_received;
        sent += segment_sent;
    }
    if (!run->spec.shape->loops || sent == 0)
        return true;
    if (run->probe > 0 && !probe_is_answered(run))
        return false;
    if (run->probe > 0 && sent == run->probe_total)
        return true;
    run->probe++;
    run->probe_total = received;
    for (uint32_t to = 0; to < run->shard->count; to++)
        if (run->reports[to].seen)
            control_send(run, to, MESSAGE_RUN_PROBE, run->probe);
    return probe_is_answered(run);
}

void
run_finish(struct run *run)
{
    assert(!run->finishing);
    run->finishing = true;
    for (uint32_t to = 0; to < run->shard->count; to++) {
        if (!run->reports[to].seen)
            continue;
        run->unfinished_count++;
        control_send(run, to, MESSAGE_RUN_FINISH, 0);
    }
}

static bool
run_failed(struct run *run)
{
    struct failure *failure = &run->local->failure;
    if (!failure->err)
        return false;
    if (!run->execution->failure.err) {
        run->execution->failure = *failure;
        struct text copy = arena_text(&run->execution->arena, failure->message);
        run->execution->failure.message = copy.data ? copy
                                                    : text_of(err_text(err_code(failure->err)));
    }
    return true;
}

/* After RUN_FINISH: merges what has come. */
static enum pull
run_gather(struct run *run)
{
    struct list_link *link;
    while ((link = list_pop_front(&run->gathered))) {
        struct gathered *part = list_entry(link, struct gathered, link);
        run->local->step.expressions.arena = &run->local->segments[run->spec.shape->exit].arena;
        err_t err = grouping_merge(
            &run->local->grouping, (const uint8_t *)(part->header + 1), part->header->size,
            part->header->group_count);
        gathered_release(run, part);
        if (err) {
            local_run_fail(run->local, err);
            run_failed(run);
            return PULL_FAILED;
        }
        if (task_slice_is_over(run->shard))
            return PULL_AGAIN;
    }
    if (run->unfinished_count > 0 ||
        total_received(run, run->spec.shape->exit) != total_sent(run, run->spec.shape->exit))
        return PULL_WAIT;
    return PULL_END;
}

enum pull
run_pull(struct run *run, const struct batch **rows)
{
    struct local_run *local = run->local;
    struct segment *exit = &local->segments[run->spec.shape->exit];
    assert(!run->closing);
    if (run->handed)
        exit->pending = false;
    run->handed = false;
    uint32_t work_count = 0;
    for (;;) {
        enum work work = local_run_work(local);
        if (run_failed(run))
            return PULL_FAILED;
        if (work == WORK_ROWS) {
            run->handed = true;
            *rows = &exit->rows;
            return PULL_BATCH;
        }
        if (work == WORK_BLOCKED) {
            local_run_flush(local);
            return PULL_WAIT;
        }
        if (work == WORK_IDLE)
            break;
        /* A unit of work is a batch at most; the clock is read once for several. */
        if (++work_count % WORK_PER_CLOCK == 0 && task_slice_is_over(run->shard))
            return PULL_AGAIN;
    }
    if (run->finishing)
        return run_gather(run);
    return run_is_drained(run) ? PULL_END : PULL_WAIT;
}

struct grouping *
run_grouping(struct run *run)
{
    return &run->local->grouping;
}

struct sorter *
run_sorter(struct run *run)
{
    return &run->local->sorter;
}

/* Drives a run nobody pulls any more to its end. */
static void
run_advance(struct run *run)
{
    assert(run->closing);
    if (!run->finishing) {
        local_run_flush(run->local);
        if (!run_is_drained(run))
            return;
        run_finish(run);
    }
    if (run->unfinished_count == 0)
        run_free(run);
}

void
run_close(struct run *run)
{
    assert(!run->closing);
    struct segment *exit = &run->local->segments[run->spec.shape->exit];
    if (run->handed)
        exit->pending = false;
    run->handed = false;
    if (!run->finishing && !run_is_drained(run))
        run_cancel(run);
    local_run_drop(run->local);
    run->closing = true;
    run_advance(run);
}

void
run_event(struct run *run)
{
    if (!run->closing) {
        run->execution->wake(run->execution);
        return;
    }
    local_run_drop(run->local);
    run_advance(run);
}

static void
on_report(struct shard *shard, const struct message *message)
{
    struct local_run *local = local_run_lookup(shard_engine(shard), message->scope);
    assert(local && local->home);
    struct run *run = local->home;
    const struct report_header *report = message_payload(message);
    struct shard_report *kept = &run->reports[message->from];
    uint32_t count = report->segment_count;
    assert(count == run->spec.shape->exit + 1);
    kept->seen = true;
    kept->probe = report->probe;
    memcpy(kept->sent, report->counters, sizeof(uint64_t) * count);
    memcpy(kept->received, report->counters + count, sizeof(uint64_t) * count);
    if (report->err && !local->failure.err) {
        struct text message_text = {
            (const char *)(report->counters + 2 * (size_t)count), report->message_size};
        struct text copy = arena_text(&run->arena, message_text);
        local->failure = (struct failure){
            .err = report->err,
            .message = copy.data ? copy : text_of(err_text(err_code(report->err))),
            .offset = report->failure_offset,
            .line = report->failure_line,
            .column = report->failure_column,
        };
        local_run_drop(local);
    }
    run_event(run);
}

static void
on_finished(struct shard *shard, const struct message *message)
{
    struct local_run *local = local_run_lookup(shard_engine(shard), message->scope);
    assert(local && local->home);
    struct run *run = local->home;
    const struct finished_header *header = message_payload(message);
    if (header->err && !run->closing)
        local_run_fail(local, header->err);
    if (header->last) {
        assert(run->unfinished_count > 0 && !run->reports[message->from].finished);
        run->reports[message->from].finished = true;
        run->reports[message->from].sent[run->spec.shape->exit] = header->rows_sent;
        run->unfinished_count--;
    } else if (!run->closing) {
        struct gathered *part = memory_allocate(shard_memory(shard), sizeof(*part));
        if (part) {
            *part = (struct gathered){.block = block_hold(shard), .header = header};
            list_push_back(&run->gathered, &part->link);
        } else {
            local_run_fail(local, ERR(MEMORY_QUERY));
        }
    }
    run_event(run);
}

void
run_register(struct shard *shard)
{
    mail_handler_set(shard, MESSAGE_RUN_REPORT, on_report);
    mail_handler_set(shard, MESSAGE_RUN_FINISHED, on_finished);
}
