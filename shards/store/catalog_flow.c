/* Changes of the catalog: who asks, who decides, who hears of it when.
 *
 *     asker                       owner of partition 0                      every shard
 *     catalog_submit
 *       CATALOG_REQUEST ------->  queued
 *                                 tokens: one change for all that wait
 *                                 logged, durable
 *                                 CATALOG_APPLY ------------------------->  applied
 *                                 all applied  <--------- CATALOG_APPLIED
 *                                 CATALOG_APPLY, publish -------------->    tokens may be looked up
 *                                 all published  <------- CATALOG_APPLIED
 *       CATALOG_REPLY  <--------
 *     looks the tokens up, done
 *
 * One change travels at a time (`struct change`); what waits meanwhile is joined into the next, so names
 * asked for by many at once cost one log record, and each gets one token. Indexes are made by a job, one at
 * a time, which uses changes to announce each step but does not hold up tokens between them:
 *
 *     ANNOUNCE POPULATING -> FILL -> HORIZON -> [CHECK] -> ONLINE -> reply
 *        (change)            (all)   nobody      unique    (change)
 *                                    reads older           broken: DROP (change) -> reply
 *
 * HORIZON: entries made by the population are seen by every snapshot; so the index goes online when no
 * snapshot is left that is older than what the population read.
 *
 * At start the same job fills every ONLINE index again, drops those whose making a crash interrupted, and
 * then tells everybody that the catalog is ready (a CATALOG_APPLY without bytes).
 *
 * Invariants
 *  1. A shard applies a change only when it is durable at the owner; a token is used anywhere only when
 *     every shard has applied it; a reply is sent only when it may be used everywhere.
 *  2. The owner numbers changes; a shard that could not apply one (no memory) says so and gets it again.
 *  3. Everything that finds no memory, log space or answer is tried again by the owner's tick: nothing is
 *     waited for that nobody will send. */
#include "shards/store/catalog_flow.h"

#include <string.h>

#include "base/hash.h"
#include "shards/store/catalog_state.h"
#include "shards/store/population.h"
#include "shards/wal/record.h"
#include "shards/wal/wal.h"

enum { RETRY_NS = 1000000, HORIZON_NS = 5000000, CHANGE_SIZE_MAX = 256 << 10, PURGE_BUDGET = 256 };

enum change_state { CHANGE_IDLE, CHANGE_TO_LOG, CHANGE_DURABLE, CHANGE_SPREAD, CHANGE_PUBLISH };

struct change {
    enum change_state state;
    uint64_t number;
    uint8_t *bytes;
    uint32_t size, capacity;
    bool of_job;
    uint64_t sent, applied; /* a bit per shard */
    struct wal_waiter waiter;
};

enum job_state {
    JOB_NONE,
    JOB_ANNOUNCE,
    JOB_FILL,
    JOB_HORIZON,
    JOB_CHECK,
    JOB_ONLINE,
    JOB_DROP,
    JOB_PURGED
};

struct owner_request {
    struct list_link link;
    uint32_t from;
    uint32_t size;
    uint64_t id;
    bool changed;
    err_t err;
    uint64_t nodes[2];
    uint8_t payload[];
};

struct job {
    enum job_state state;
    bool change_wanted, change_done;
    bool rebuild;                  /* at start: no announcement, no reply */
    struct owner_request *request; /* NULL when rebuilding */
    struct index_info index;
    uint64_t number;
    uint64_t ordered, reported; /* a bit per shard */
    uint64_t timestamp;
    err_t err;
    uint64_t nodes[2];
};

/* CATALOG_APPLIED */
struct applied {
    uint64_t number;
    err_t err;
};

/* The scope of a CATALOG_APPLY: the number of its change, twice, and one when it is published; or this, which
 * says that the catalog is ready. */
enum { SCOPE_READY = 0, SCOPE_PUBLISH = 1 };

struct catalog_flow {
    struct shard *shard;
    uint64_t (*horizon)(struct shard *shard);
    void (*ready_done)(struct shard *shard, void *context);
    void *ready_context;
    bool ready;
    struct population *population;
    struct task tick;
    struct timer timer;
    /* asking */
    uint64_t request_count;
    struct list_link waiting, finished;
    struct task finish;
    struct applied answer; /* to the owner, not yet sent */
    bool answer_owed;
    /* dropped indexes whose entries go */
    bool purge_wanted;
    uint32_t purge_index;
    uint64_t purge_bucket;
    bool purge_all_gone;
    /* owning */
    struct list_link token_requests, index_requests, replies;
    struct change change;
    struct job job;
    uint32_t rebuild_index;
    bool rebuilding;
    uint64_t ready_sent; /* a bit per shard */
};

/* CATALOG_REQUEST: head, then names or an index change. */
struct request_head {
    uint32_t action, name_count;
};
struct request_reply {
    err_t err;
    uint64_t changed;
    uint64_t nodes[2];
};
static struct catalog_flow *
flow_of(const struct shard *shard)
{
    return shard->catalog->flow;
}

static uint32_t
catalog_owner(const struct shard *shard)
{
    return partition_owner(shard, 0);
}

static uint64_t
all_shards(const struct shard *shard)
{
    return shard->count == 64 ? UINT64_MAX : (UINT64_C(1) << shard->count) - 1;
}

static void
tick_expired(struct timer *timer)
{
    struct catalog_flow *flow =
        (struct catalog_flow *)(void *)((char *)timer - offsetof(struct catalog_flow, timer));
    task_ready(flow->shard, &flow->tick);
}

static void
tick_later(struct catalog_flow *flow, uint64_t delay_ns)
{
    if (!flow->timer.armed)
        timer_start(flow->shard, &flow->timer, delay_ns, tick_expired);
}

static void
tick_now(struct catalog_flow *flow)
{
    task_ready(flow->shard, &flow->tick);
}

/* --- asking --- */

static enum task_result
finish_run(struct task *task)
{
    struct catalog_flow *flow =
        (struct catalog_flow *)(void *)((char *)task - offsetof(struct catalog_flow, finish));
    struct list_link *link = list_pop_front(&flow->finished);
    if (!link)
        return TASK_DONE;
    struct catalog_request *request = list_entry(link, struct catalog_request, link);
    request->done(request); /* may free it */
    return list_is_empty(&flow->finished) ? TASK_DONE : TASK_AGAIN;
}

static void
request_finish(struct catalog_flow *flow, struct catalog_request *request, err_t err)
{
    request->err = err;
    list_push_back(&flow->finished, &request->link);
    task_ready(flow->shard, &flow->finish);
}

/* Looks all names up; false when one is not known here. */
static bool
request_resolve(const struct catalog *catalog, struct catalog_request *request)
{
    bool all = true;
    for (uint32_t i = 0; i < request->name_count; i++) {
        request->tokens[i] = catalog_lookup(
            catalog, (enum token_kind)request->kinds[i], request->names[i]);
        all &= request->tokens[i] != TOKEN_NONE;
    }
    return all;
}

static size_t
request_size(const struct catalog_request *request)
{
    size_t size = sizeof(struct request_head);
    if (request->action != CATALOG_TOKENS)
        return size + change_index_size(&request->index);
    for (uint32_t i = 0; i < request->name_count; i++)
        size += change_token_size(request->names[i]);
    return size;
}

static err_t
request_check(const struct catalog_request *request)
{
    for (uint32_t i = 0; request->action == CATALOG_TOKENS && i < request->name_count; i++)
        if (request->names[i].size > NAME_SIZE_MAX)
            return ERR(LIMIT);
    if (request->action != CATALOG_TOKENS && request->index.name.size > NAME_SIZE_MAX)
        return ERR(LIMIT);
    return request_size(request) > MESSAGE_SIZE_MAX ? ERR(LIMIT) : 0;
}

static err_t
request_send(struct catalog_flow *flow, struct catalog_request *request)
{
    uint8_t *out = mail_open(
        flow->shard, catalog_owner(flow->shard), MESSAGE_CATALOG_REQUEST, request->id,
        (uint32_t)request_size(request));
    if (!out)
        return ERR(MEMORY_POOL);
    struct request_head head = {.action = request->action, .name_count = request->name_count};
    memcpy(out, &head, sizeof(head));
    out += sizeof(head);
    if (request->action != CATALOG_TOKENS)
        change_index_encode(out, &request->index);
    for (uint32_t i = 0; request->action == CATALOG_TOKENS && i < request->name_count; i++)
        out = change_token_encode(out, (enum token_kind)request->kinds[i], 0, request->names[i]);
    mail_close(flow->shard);
    return 0;
}

void
catalog_submit(struct shard *shard, struct catalog_request *request)
{
    struct catalog_flow *flow = flow_of(shard);
    assert(flow && request->done);
    request->changed = false;
    request->err = 0;
    request->id = ++flow->request_count;
    if (request->action == CATALOG_TOKENS && request_resolve(shard->catalog, request)) {
        request_finish(flow, request, 0);
        return;
    }
    err_t err = request_check(request);
    if (!err)
        err = request_send(flow, request);
    if (err)
        request_finish(flow, request, err);
    else
        list_push_back(&flow->waiting, &request->link);
}

static struct catalog_request *
waiting_take(struct catalog_flow *flow, uint64_t id)
{
    list_for_each (link, &flow->waiting) {
        struct catalog_request *request = list_entry(link, struct catalog_request, link);
        if (request->id == id) {
            list_remove(link);
            return request;
        }
    }
    return NULL;
}

static void
asker_replied(struct shard *shard, const struct message *message)
{
    struct catalog_flow *flow = flow_of(shard);
    struct catalog_request *request = waiting_take(flow, message->scope);
    struct request_reply reply;
    assert(request && message->size == sizeof(reply));
    memcpy(&reply, message_payload(message), sizeof(reply));
    request->changed = reply.changed;
    request->conflict_nodes[0] = reply.nodes[0];
    request->conflict_nodes[1] = reply.nodes[1];
    bool resolved = request->action != CATALOG_TOKENS || reply.err ||
                    request_resolve(shard->catalog, request);
    assert(resolved);
    request_finish(flow, request, reply.err);
}

/* --- hearing of changes, on every shard --- */

static void
ready_now(struct catalog_flow *flow)
{
    if (flow->ready)
        return;
    flow->ready = true;
    if (flow->ready_done)
        flow->ready_done(flow->shard, flow->ready_context);
}

/* An index that becomes known here is announced to the store first. */
static err_t
change_apply(struct shard *shard, const uint8_t *bytes, size_t size)
{
    struct catalog_change change;
    size_t used = 0;
    err_t err = change_decode(bytes, size, &change, &used);
    if (err)
        return err;
    if (change.type == CHANGE_INDEX && change.index.state == INDEX_POPULATING)
        err = store_index_announce(shard->store, change.index.id);
    if (!err)
        err = catalog_apply(shard->catalog, bytes, size);
    if (!err && change.type == CHANGE_INDEX && change.index.state == INDEX_DROPPED) {
        flow_of(shard)->purge_wanted = true;
        tick_now(flow_of(shard));
    }
    return err;
}

static void
answer_send(struct catalog_flow *flow)
{
    if (!flow->answer_owed)
        return;
    if (mail_send(
            flow->shard, catalog_owner(flow->shard), MESSAGE_CATALOG_APPLIED, flow->answer.number,
            &flow->answer, sizeof(flow->answer)))
        tick_later(flow, RETRY_NS);
    else
        flow->answer_owed = false;
}

static void
shard_applied(struct shard *shard, const struct message *message)
{
    struct catalog_flow *flow = flow_of(shard);
    if (message->scope == SCOPE_READY) {
        ready_now(flow);
        return;
    }
    assert(!flow->answer_owed);
    flow->answer.number = message->scope;
    flow->answer.err = 0;
    if (message->scope & SCOPE_PUBLISH)
        catalog_publish(shard->catalog, message_payload(message));
    else
        flow->answer.err = change_apply(shard, message_payload(message), message->size);
    flow->answer_owed = true;
    answer_send(flow);
}

/* Entries of dropped indexes go, a slice at a time. True when there is more to do now. */
static bool
purge_run(struct catalog_flow *flow)
{
    if (!flow->purge_wanted)
        return false;
    const struct index_info *index = catalog_index_by_id(flow->shard->catalog, flow->purge_index);
    if (!index) {
        flow->purge_wanted = !flow->purge_all_gone;
        if (flow->purge_wanted)
            tick_later(flow, HORIZON_NS);
        flow->purge_index = 0;
        flow->purge_all_gone = true;
        return false;
    }
    bool more = index->state == INDEX_DROPPED &&
                store_index_purge(
                    flow->shard->store, flow->purge_index, &flow->purge_bucket, PURGE_BUDGET,
                    &flow->purge_all_gone);
    if (!more) {
        flow->purge_index++;
        flow->purge_bucket = 0;
    }
    return true;
}

/* --- owning: requests --- */

static void
owner_asked(struct shard *shard, const struct message *message)
{
    struct catalog_flow *flow = flow_of(shard);
    struct request_head head;
    assert(catalog_owner(shard) == shard->index && message->size >= sizeof(head));
    memcpy(&head, message_payload(message), sizeof(head));
    struct owner_request *request = memory_allocate(
        shard_memory(shard), sizeof(*request) + message->size);
    if (!request) {
        struct request_reply reply = {.err = ERR(MEMORY_POOL)};
        err_t err = mail_send(
            shard, message->from, MESSAGE_CATALOG_REPLY, message->scope, &reply, sizeof(reply));
        if (err)
            shard->seam->ops->fatal(shard->seam, "no memory to answer a catalog request");
        return;
    }
    *request = (struct owner_request){
        .from = message->from, .size = message->size, .id = message->scope};
    memcpy(request->payload, message_payload(message), message->size);
    list_push_back(
        head.action == CATALOG_TOKENS ? &flow->token_requests : &flow->index_requests,
        &request->link);
    tick_now(flow);
}

static void
owner_reply(struct catalog_flow *flow, struct owner_request *request, err_t err)
{
    request->err = err;
    list_remove(&request->link);
    list_push_back(&flow->replies, &request->link);
}

static void
replies_send(struct catalog_flow *flow)
{
    struct list_link *link;
    while (!list_is_empty(&flow->replies)) {
        link = flow->replies.next;
        struct owner_request *request = list_entry(link, struct owner_request, link);
        struct request_reply reply = {
            .err = request->err,
            .changed = request->changed,
            .nodes = {request->nodes[0], request->nodes[1]},
        };
        if (mail_send(
                flow->shard, request->from, MESSAGE_CATALOG_REPLY, request->id, &reply,
                sizeof(reply))) {
            tick_later(flow, RETRY_NS);
            return;
        }
        list_remove(link);
        memory_release(shard_memory(flow->shard), request, sizeof(*request) + request->size);
    }
}

/* --- owning: one change --- */

static bool
change_reserve(struct catalog_flow *flow, uint32_t size)
{
    struct change *change = &flow->change;
    if (change->capacity >= size)
        return true;
    uint32_t capacity = size < 4096 ? 4096 : size * 2;
    uint8_t *bytes = memory_resize(
        shard_memory(flow->shard), change->bytes, change->capacity, capacity);
    if (!bytes)
        return false;
    change->bytes = bytes;
    change->capacity = capacity;
    return true;
}

static void
change_begin(struct catalog_flow *flow, bool of_job)
{
    struct change *change = &flow->change;
    assert(change->state == CHANGE_IDLE && change->size > 0);
    change->state = CHANGE_TO_LOG;
    change->number++;
    change->of_job = of_job;
    change->sent = change->applied = 0;
}

static void
change_durable(struct wal_waiter *waiter)
{
    struct catalog_flow *flow =
        (struct catalog_flow
             *)(void *)((char *)waiter - offsetof(struct catalog_flow, change.waiter));
    assert(flow->change.state == CHANGE_DURABLE);
    flow->change.state = CHANGE_SPREAD;
    tick_now(flow);
}

/* A shard without a log (tests, tools that only load) keeps nothing anyway. */
static void
change_log(struct catalog_flow *flow)
{
    struct change *change = &flow->change;
    struct wal *wal = flow->shard->wal;
    if (!wal) {
        change->state = CHANGE_SPREAD;
        return;
    }
    void *out = wal_record_open(wal, WAL_RECORD_CATALOG, change->size);
    if (!out) {
        tick_later(flow, RETRY_NS);
        return;
    }
    memcpy(out, change->bytes, change->size);
    change->state = CHANGE_DURABLE;
    change->waiter = (struct wal_waiter){.durable = change_durable};
    list_init(&change->waiter.link);
    wal_record_close(wal, &change->waiter);
}

static uint64_t
change_scope(const struct change *change)
{
    return change->number * 2 + (change->state == CHANGE_PUBLISH ? SCOPE_PUBLISH : 0);
}

static void
change_apply_here(struct catalog_flow *flow)
{
    struct change *change = &flow->change;
    struct catalog *catalog = flow->shard->catalog;
    err_t err = 0;
    if (change->state == CHANGE_PUBLISH)
        catalog_publish(catalog, catalog->token_count);
    else
        err = change_apply(flow->shard, change->bytes, change->size);
    if (err && err_code(err) != ERR_MEMORY_POOL)
        flow->shard->seam->ops->fatal(
            flow->shard->seam, "a catalog change does not follow the one before");
    if (!err)
        change->applied |= UINT64_C(1) << flow->shard->index;
    else
        tick_later(flow, RETRY_NS);
}

/* SPREAD and PUBLISH: everybody is told, and everybody answers. */
static void
change_spread(struct catalog_flow *flow)
{
    struct change *change = &flow->change;
    const struct catalog *catalog = flow->shard->catalog;
    bool publish = change->state == CHANGE_PUBLISH;
    const void *payload = publish ? (const void *)catalog->token_count : change->bytes;
    uint32_t size = publish ? sizeof(catalog->token_count) : change->size;
    if (!(change->applied >> flow->shard->index & 1))
        change_apply_here(flow);
    for (uint32_t to = 0; to < flow->shard->count; to++) {
        uint64_t bit = UINT64_C(1) << to;
        if (to == flow->shard->index || ((change->sent | change->applied) & bit))
            continue;
        if (mail_send(flow->shard, to, MESSAGE_CATALOG_APPLY, change_scope(change), payload, size))
            tick_later(flow, RETRY_NS);
        else
            change->sent |= bit;
    }
    if (change->applied != all_shards(flow->shard))
        return;
    change->sent = change->applied = 0;
    tick_now(flow);
    if (change->state == CHANGE_SPREAD && !change->of_job) {
        change->state = CHANGE_PUBLISH;
        return;
    }
    change->state = CHANGE_IDLE;
    change->size = 0;
    if (change->of_job)
        flow->job.change_done = true;
}

static void
owner_applied(struct shard *shard, const struct message *message)
{
    struct catalog_flow *flow = flow_of(shard);
    struct change *change = &flow->change;
    struct applied answer;
    assert(message->size == sizeof(answer));
    memcpy(&answer, message_payload(message), sizeof(answer));
    assert(change->state == CHANGE_SPREAD || change->state == CHANGE_PUBLISH);
    assert(answer.number == change_scope(change));
    uint64_t bit = UINT64_C(1) << message->from;
    if (answer.err) {
        change->sent &= ~bit; /* once more, when the timer says so */
        tick_later(flow, RETRY_NS);
        return;
    }
    change->applied |= bit;
    if (change->applied == all_shards(shard))
        tick_now(flow);
}

/* --- owning: tokens --- */

/* A name of the change being put together. */
struct batch_name {
    struct table_link link;
    uint8_t kind;
    struct text name;
};

struct batch {
    struct catalog_flow *flow;
    struct arena arena;
    struct pool pool;
    struct table names;
    uint32_t added[TOKEN_KIND_COUNT];
};

static bool
batch_has(const struct batch *batch, uint8_t kind, struct text name, uint64_t hash)
{
    for (struct table_link *link = table_chain(&batch->names, hash); link; link = link->next) {
        const struct batch_name *known = table_entry(link, struct batch_name, link);
        if (link->hash == hash && known->kind == kind && text_equal(known->name, name))
            return true;
    }
    return false;
}

static err_t
batch_add(struct batch *batch, uint8_t kind, struct text name)
{
    struct catalog_flow *flow = batch->flow;
    struct catalog *catalog = flow->shard->catalog;
    uint64_t hash = hash_bytes(name.data, name.size, kind);
    if (catalog_lookup(catalog, (enum token_kind)kind, name) != TOKEN_NONE ||
        batch_has(batch, kind, name, hash))
        return 0;
    uint32_t token = catalog->token_count[kind] + batch->added[kind];
    uint32_t size = (uint32_t)change_token_size(name);
    if (token >= LABEL_COUNT_MAX)
        return ERR(LIMIT);
    struct batch_name *known = arena_zeroed(&batch->arena, sizeof(*known));
    if (!known || !change_reserve(flow, flow->change.size + size))
        return ERR(MEMORY_POOL);
    known->kind = kind;
    known->name = name;
    table_insert(&batch->names, &known->link, hash);
    change_token_encode(flow->change.bytes + flow->change.size, (enum token_kind)kind, token, name);
    flow->change.size += size;
    batch->added[kind]++;
    return 0;
}

/* Puts the request's unknown names into the change. True when all of them are known already. */
static bool
batch_take(struct batch *batch, struct owner_request *request, err_t *err)
{
    const uint8_t *bytes = request->payload + sizeof(struct request_head);
    size_t size = request->size - sizeof(struct request_head);
    bool all = true;
    *err = 0;
    while (size && !*err && batch->flow->change.size < CHANGE_SIZE_MAX) {
        struct catalog_change name;
        size_t used = 0;
        *err = change_decode(bytes, size, &name, &used);
        if (*err)
            break;
        if (catalog_lookup(batch->flow->shard->catalog, (enum token_kind)name.kind, name.name) ==
            TOKEN_NONE) {
            all = false;
            *err = batch_add(batch, name.kind, name.name);
        }
        bytes += used;
        size -= used;
    }
    return all && size == 0;
}

/* Replies to whoever is served; puts the rest's names into a change. */
static void
tokens_run(struct catalog_flow *flow)
{
    if (flow->change.state != CHANGE_IDLE || list_is_empty(&flow->token_requests))
        return;
    struct batch batch = {.flow = flow};
    arena_create(&batch.arena, shard_memory(flow->shard), 16 << 20);
    pool_create(&batch.pool, shard_memory(flow->shard), 0);
    table_create(&batch.names, &batch.pool);
    struct list_link *next;
    for (struct list_link *link = flow->token_requests.next; link != &flow->token_requests;
         link = next) {
        struct owner_request *request = list_entry(link, struct owner_request, link);
        next = link->next;
        err_t err;
        bool served = batch_take(&batch, request, &err);
        if (err || served)
            owner_reply(flow, request, err);
        else
            request->changed = true;
    }
    table_destroy(&batch.names);
    pool_destroy(&batch.pool);
    arena_destroy(&batch.arena);
    if (flow->change.size)
        change_begin(flow, false);
}

/* --- owning: the index job --- */

/* The job asks for its change; it travels when no other does. */
static void
job_change(struct catalog_flow *flow, enum job_state state, uint8_t index_state)
{
    flow->job.state = state;
    flow->job.index.state = index_state;
    flow->job.change_wanted = true;
    flow->job.change_done = false;
}

static void
job_change_begin(struct catalog_flow *flow)
{
    struct job *job = &flow->job;
    if (!job->change_wanted || flow->change.state != CHANGE_IDLE)
        return;
    uint32_t size = (uint32_t)change_index_size(&job->index);
    if (!change_reserve(flow, size)) {
        tick_later(flow, RETRY_NS);
        return;
    }
    change_index_encode(flow->change.bytes, &job->index);
    flow->change.size = size;
    job->change_wanted = false;
    change_begin(flow, true);
}

static void
job_order(struct catalog_flow *flow, enum job_state state)
{
    flow->job.state = state;
    flow->job.number++;
    flow->job.ordered = flow->job.reported = 0;
}

static void
job_end(struct catalog_flow *flow)
{
    struct job *job = &flow->job;
    if (job->request) {
        job->request->nodes[0] = job->nodes[0];
        job->request->nodes[1] = job->nodes[1];
        job->request->changed = !job->err;
        list_push_back(&flow->index_requests, &job->request->link);
        owner_reply(flow, job->request, job->err);
    }
    uint64_t number = job->number;
    *job = (struct job){.number = number};
}

static err_t
index_create_check(const struct catalog *catalog, const struct index_info *wanted)
{
    const struct index_info *index;
    for (uint32_t i = 0; (index = catalog_index_at(catalog, i)); i++) {
        bool same = index->label == wanted->label && index->key == wanted->key;
        bool same_name = wanted->name.size && text_equal(index->name, wanted->name);
        if (same || same_name)
            return index->unique ? ERR(CONSTRAINT_EXISTS) : ERR(INDEX_EXISTS);
    }
    if (catalog->index_count >= LABEL_COUNT_MAX)
        return ERR(LIMIT);
    return 0;
}

/* A name nobody gave: what it is on, and its id where that is taken. */
static bool
index_name_make(struct catalog *catalog, struct index_info *index)
{
    struct text label = catalog_name(catalog, TOKEN_LABEL, index->label);
    struct text key = catalog_name(catalog, TOKEN_KEY, index->key);
    const char *what = index->unique ? "constraint" : "index";
    index->name = arena_printf(
        &catalog->names, "%s_%.*s_%.*s", what, TEXT_ARGS(label), TEXT_ARGS(key));
    if (index->name.data &&
        (index->name.size > NAME_SIZE_MAX || catalog_index_by_name(catalog, index->name)))
        index->name = arena_printf(&catalog->names, "%s_%u", what, index->id);
    return index->name.data != NULL;
}

static err_t
job_start_create(struct catalog_flow *flow, const struct index_info *wanted)
{
    struct catalog *catalog = flow->shard->catalog;
    struct job *job = &flow->job;
    err_t err = index_create_check(catalog, wanted);
    if (err)
        return err;
    if (wanted->label >= catalog->token_count[TOKEN_LABEL] ||
        wanted->key >= catalog->token_count[TOKEN_KEY])
        return ERR(ARGUMENT);
    job->index = *wanted;
    job->index.id = catalog->index_count;
    if (wanted->name.size == 0 && !index_name_make(catalog, &job->index))
        return ERR(MEMORY_POOL);
    job_change(flow, JOB_ANNOUNCE, INDEX_POPULATING);
    return 0;
}

static err_t
job_start_drop(struct catalog_flow *flow, const struct index_info *wanted)
{
    const struct index_info *index = catalog_index_by_name(flow->shard->catalog, wanted->name);
    if (!index)
        return ERR(INDEX_NOT_FOUND);
    flow->job.index = *index;
    job_change(flow, JOB_PURGED, INDEX_DROPPED);
    return 0;
}

/* Takes the next request, or, at start, the next index to fill again. */
static void
job_start(struct catalog_flow *flow)
{
    struct job *job = &flow->job;
    struct catalog *catalog = flow->shard->catalog;
    if (flow->rebuilding) {
        const struct index_info *index = NULL;
        while (flow->rebuild_index < catalog->index_count &&
               (!index || index->state == INDEX_DROPPED))
            index = catalog->indexes[flow->rebuild_index++];
        if (index && index->state != INDEX_DROPPED) {
            job->index = *index;
            job->rebuild = true;
            if (index->state == INDEX_POPULATING)
                job_change(flow, JOB_PURGED, INDEX_DROPPED);
            else
                job_order(flow, JOB_FILL);
            return;
        }
        flow->rebuilding = false;
    }
    struct list_link *link = list_pop_front(&flow->index_requests);
    if (!link)
        return;
    struct owner_request *request = list_entry(link, struct owner_request, link);
    struct request_head head;
    struct catalog_change wanted;
    size_t used;
    memcpy(&head, request->payload, sizeof(head));
    job->request = request;
    err_t err = change_decode(
        request->payload + sizeof(head), request->size - sizeof(head), &wanted, &used);
    if (!err)
        err = head.action == CATALOG_INDEX_CREATE ? job_start_create(flow, &wanted.index)
                                                  : job_start_drop(flow, &wanted.index);
    if (err) {
        job->err = err;
        job_end(flow);
        tick_now(flow);
    }
}

/* Sends the job's order to whoever has not got it. True when all have reported. */
static bool
job_orders(struct catalog_flow *flow, enum population_kind kind)
{
    struct job *job = &flow->job;
    struct population_order order = {.kind = kind, .index = job->index.id, .job = job->number};
    for (uint32_t to = 0; to < flow->shard->count; to++) {
        if (job->ordered >> to & 1)
            continue;
        if (!mail_send(flow->shard, to, MESSAGE_INDEX_POPULATE, job->number, &order, sizeof(order)))
            job->ordered |= UINT64_C(1) << to;
        else
            tick_later(flow, RETRY_NS);
    }
    return job->reported == all_shards(flow->shard);
}

static void
job_after_fill(struct catalog_flow *flow)
{
    struct job *job = &flow->job;
    if (job->err && job->rebuild)
        flow->shard->seam->ops->fatal(flow->shard->seam, "no memory to rebuild an index");
    if (job->err)
        job_change(flow, JOB_DROP, INDEX_DROPPED);
    else if (job->rebuild)
        job_end(flow);
    else
        job->state = JOB_HORIZON;
    tick_now(flow);
}

static void
job_run(struct catalog_flow *flow)
{
    struct job *job = &flow->job;
    job_change_begin(flow);
    switch (job->state) {
    case JOB_NONE:
        job_start(flow);
        if (job->state != JOB_NONE)
            tick_now(flow);
        return;
    case JOB_ANNOUNCE:
        if (job->change_done) {
            job_order(flow, JOB_FILL);
            tick_now(flow);
        }
        return;
    case JOB_FILL:
        if (job_orders(flow, POPULATION_FILL))
            job_after_fill(flow);
        return;
    case JOB_HORIZON:
        if (flow->horizon && flow->horizon(flow->shard) < job->timestamp) {
            tick_later(flow, HORIZON_NS);
            return;
        }
        if (job->index.unique)
            job_order(flow, JOB_CHECK);
        else
            job_change(flow, JOB_ONLINE, INDEX_ONLINE);
        tick_now(flow);
        return;
    case JOB_CHECK:
        if (!job_orders(flow, POPULATION_CHECK))
            return;
        if (job->err)
            job_change(flow, JOB_DROP, INDEX_DROPPED);
        else
            job_change(flow, JOB_ONLINE, INDEX_ONLINE);
        tick_now(flow);
        return;
    case JOB_ONLINE:
    case JOB_DROP:
    case JOB_PURGED:
        if (!job->change_done)
            return;
        job_end(flow);
        tick_now(flow);
        return;
    }
}

static void
owner_reported(struct catalog_flow *flow, const struct population_report *report, uint32_t from)
{
    struct job *job = &flow->job;
    assert(report->job == job->number && report->index == job->index.id);
    job->reported |= UINT64_C(1) << from;
    if (report->timestamp > job->timestamp)
        job->timestamp = report->timestamp;
    if (report->err && !job->err) {
        job->err = report->err;
        job->nodes[0] = report->nodes[0];
        job->nodes[1] = report->nodes[1];
    }
    tick_now(flow);
}

static void
ready_spread(struct catalog_flow *flow)
{
    if (flow->rebuilding || flow->job.state != JOB_NONE ||
        flow->ready_sent == all_shards(flow->shard))
        return;
    for (uint32_t to = 0; to < flow->shard->count; to++) {
        uint64_t bit = UINT64_C(1) << to;
        if (flow->ready_sent & bit)
            continue;
        if (to == flow->shard->index)
            ready_now(flow);
        else if (mail_send(
                     flow->shard, to, MESSAGE_CATALOG_APPLY, SCOPE_READY, &bit, sizeof(bit))) {
            tick_later(flow, RETRY_NS);
            continue;
        }
        flow->ready_sent |= bit;
    }
}

static enum task_result
tick_run(struct task *task)
{
    struct catalog_flow *flow =
        (struct catalog_flow *)(void *)((char *)task - offsetof(struct catalog_flow, tick));
    bool more = purge_run(flow);
    answer_send(flow);
    if (catalog_owner(flow->shard) == flow->shard->index) {
        job_run(flow);
        tokens_run(flow);
        if (flow->change.state == CHANGE_TO_LOG)
            change_log(flow);
        if (flow->change.state == CHANGE_SPREAD || flow->change.state == CHANGE_PUBLISH)
            change_spread(flow);
        ready_spread(flow);
        replies_send(flow);
    }
    return more ? TASK_AGAIN : TASK_DONE;
}

/* --- messages about populations --- */

static void
shard_ordered(struct shard *shard, const struct message *message)
{
    population_ordered(flow_of(shard)->population, message);
}

static void
shard_entries(struct shard *shard, const struct message *message)
{
    population_take(flow_of(shard)->population, message);
}

static void
shard_reported(struct shard *shard, const struct message *message)
{
    struct population_report report;
    assert(message->size == sizeof(report));
    memcpy(&report, message_payload(message), sizeof(report));
    if (report.kind == POPULATION_TAKEN)
        population_taken(flow_of(shard)->population, &report);
    else
        owner_reported(flow_of(shard), &report, message->from);
}

/* --- birth and death --- */

err_t
catalog_start(
    struct shard *shard,
    uint64_t (*horizon)(struct shard *shard),
    void (*ready)(struct shard *shard, void *context),
    void *context)
{
    struct catalog_flow *flow = memory_allocate(shard_memory(shard), sizeof(*flow));
    if (!flow)
        return ERR(MEMORY_POOL);
    memset(flow, 0, sizeof(*flow));
    err_t err = population_create(shard, &flow->population);
    if (err) {
        memory_release(shard_memory(shard), flow, sizeof(*flow));
        return err;
    }
    flow->shard = shard;
    flow->horizon = horizon;
    flow->ready_done = ready;
    flow->ready_context = context;
    flow->purge_all_gone = true;
    flow->rebuilding = true;
    list_init(&flow->waiting);
    list_init(&flow->finished);
    list_init(&flow->token_requests);
    list_init(&flow->index_requests);
    list_init(&flow->replies);
    task_init(&flow->finish, TASK_POINT, finish_run);
    task_init(&flow->tick, TASK_POINT, tick_run);
    shard->catalog->flow = flow;
    mail_handler_set(shard, MESSAGE_CATALOG_REQUEST, owner_asked);
    mail_handler_set(shard, MESSAGE_CATALOG_APPLY, shard_applied);
    mail_handler_set(shard, MESSAGE_CATALOG_APPLIED, owner_applied);
    mail_handler_set(shard, MESSAGE_CATALOG_REPLY, asker_replied);
    mail_handler_set(shard, MESSAGE_INDEX_POPULATE, shard_ordered);
    mail_handler_set(shard, MESSAGE_INDEX_ENTRIES, shard_entries);
    mail_handler_set(shard, MESSAGE_INDEX_REPLY, shard_reported);
    tick_now(flow);
    return 0;
}

bool
catalog_is_ready(const struct catalog *catalog)
{
    return catalog->flow && catalog->flow->ready;
}

static void
requests_release(struct catalog_flow *flow, struct list_link *head)
{
    struct list_link *link;
    while ((link = list_pop_front(head))) {
        struct owner_request *request = list_entry(link, struct owner_request, link);
        memory_release(shard_memory(flow->shard), request, sizeof(*request) + request->size);
    }
}

void
catalog_flow_destroy(struct catalog_flow *flow)
{
    struct shard *shard = flow->shard;
    if (flow->job.request)
        list_push_back(&flow->index_requests, &flow->job.request->link);
    requests_release(flow, &flow->token_requests);
    requests_release(flow, &flow->index_requests);
    requests_release(flow, &flow->replies);
    memory_release(shard_memory(shard), flow->change.bytes, flow->change.capacity);
    population_destroy(flow->population);
    timer_stop(shard, &flow->timer);
    task_cancel(shard, &flow->tick);
    task_cancel(shard, &flow->finish);
    memory_release(shard_memory(shard), flow, sizeof(*flow));
}
