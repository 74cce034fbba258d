/* Transactions under the simulator: sessions on 1 to 4 shards read and write a small graph, the power goes at
 * random moments, the next life runs with another shard count. Everything is checked against a plain
 * reference: the list of all transactions, what each wrote and what each read.
 *
 *   sim_test_txn [--seed N] [--seeds COUNT] [--defect N]
 *
 * A node is one item with versions: creating, setting its value and deleting it are writes of the item. All
 * values are different, so a value names its writer. After each life, in the recovered store:
 *
 *   1. an acknowledged transaction is there; one that was on its way is there wholly or not at all;
 *   2. of two writers of one item the later one's snapshot holds the earlier one (no lost update);
 *   3. every read of every transaction, whatever became of it, is what its snapshot says, and nothing that
 *      was read is lost;
 *   4. a snapshot holds all that was acknowledged before it was taken;
 *   5. a relationship is at both its ends or at none;
 *   6. no two nodes have the same value of the unique property, in no snapshot, and the index finds them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "shards/core/seam_sim.h"
#include "shards/txn/txn_state.h"
#include "shards/wal/recovery.h"

enum {
    SHARDS_MAX = 4,
    SESSIONS_PER_SHARD = 4,
    LIVES = 4,
    NODES_MAX = 600,
    RELS_MAX = 6000,
    RECORDS_MAX = 6000,
    WRITES_MAX = 4,
    READS_MAX = 8,
    BATCH_MAX = 60,
    SEGMENT_SIZE = 512 << 10,
    KEY_VALUE = 1001,
    KEY_BULK = 1002,
    UNIQUE_COUNT = 12, /* values of the unique property */
};

#define ABSENT UINT64_C(0)
#define UNSEEN UINT64_MAX

enum fate { OPEN, COMMITTING, KEPT, GONE };

/* An item read or written; `value` ABSENT is a deleted or not yet created node. */
struct access {
    uint32_t node;
    uint64_t value;
};

struct record {
    uint64_t snapshot, timestamp;
    enum fate fate;
    bool acknowledged;
    uint32_t write_count, read_count, degree_count, seek_count;
    struct access writes[WRITES_MAX], reads[READS_MAX];
    struct access degrees[READS_MAX]; /* out-degrees seen */
    struct access seeks[READS_MAX];   /* `node`: the unique value; `value`: the id found, or 0 */
};

struct node_entry {
    node_id id;
    uint32_t creator; /* record */
    uint32_t unique;  /* 1 + its value of the unique property; 0 = it has none */
    bool replaced;    /* its creator is gone, and the id was given again after a crash */
};

struct rel_entry {
    rel_id id;
    uint32_t start, end; /* nodes */
    uint32_t creator;
    uint32_t
        deleter; /* UINT32_MAX: nobody tried; several may try, the last that did not fail counts */
};

enum step { IDLE, BEGINNING, RUNNING, WRITING, ENDING };

struct session {
    struct world *world;
    struct shard *shard;
    struct timer timer;
    struct txn *txn;
    struct txn_write write;
    enum step step;
    uint32_t record, batches_left;
    bool read_only, aborting;
    uint32_t rel_first, rel_count, deleted_rel; /* of the batch */
    struct operation operations[BATCH_MAX];
    struct property properties[BATCH_MAX], unique_properties[2];
    bool batch_has_unique;
    rel_id rel_ids[BATCH_MAX];
};

struct world {
    struct sim *sim;
    struct recovery *recovery;
    struct commit_words *words;
    uint32_t started_count;
    struct refusal refusal;
    struct session sessions[SHARDS_MAX][SESSIONS_PER_SHARD];
    struct node_entry nodes[NODES_MAX];
    struct rel_entry rels[RELS_MAX];
    struct record records[RECORDS_MAX];
    uint32_t node_count, rel_count, record_count;
    uint64_t acknowledged_max, next_value;
    uint64_t committed_count, conflict_count;
    enum commit_defect defect;
    bool stopping, held;
    /* The schema: one label with a unique property. */
    bool schema_asked, schema_ready;
    struct catalog_request request;
    uint32_t schema_tokens[2], index;
    uint64_t refused_count; /* by the constraint */
    const char *violation;  /* the first thing that was wrong */
    uint8_t bulk[60 << 10];
};

static uint64_t seed_first = 1, seed_count = 50, seed_now;
static uint64_t refused_total; /* by the constraint */
static int defect_only = -1;

static void session_wake(struct session *session);

static void
violate(struct world *world, const char *what)
{
    if (!world->violation)
        world->violation = what;
}

static uint64_t
draw(struct session *session, uint64_t bound)
{
    return sim_random(session->world->sim, bound);
}

static struct record *
session_record(struct session *session)
{
    return &session->world->records[session->record];
}

static struct store *
owner_store(struct world *world, uint64_t id)
{
    return sim_shard(world->sim, id_owner(sim_shard(world->sim, 0), id))->store;
}

static uint64_t
node_value(struct world *world, struct view view, uint32_t node)
{
    node_id id = world->nodes[node].id;
    struct store *store = owner_store(world, id.id);
    if (world->nodes[node].replaced)
        return ABSENT;
    if (!store_node_exists(store, view, id))
        return ABSENT;
    return (uint64_t)store_node_property(store, view, id, KEY_VALUE).integer;
}

/* A node whose creation is known to be kept; UINT32_MAX when there is none. */
static uint32_t
draw_node(struct session *session)
{
    struct world *world = session->world;
    for (uint32_t i = 0; i < 8 && world->node_count; i++) {
        uint32_t node = (uint32_t)draw(session, world->node_count);
        if (world->records[world->nodes[node].creator].fate == KEPT)
            return node;
    }
    return UINT32_MAX;
}

static bool
record_writes(const struct record *record, uint32_t node)
{
    for (uint32_t i = 0; i < record->write_count; i++)
        if (record->writes[i].node == node)
            return true;
    return false;
}

/* --- the schema, asked for again in each life until it is there --- */

static void
schema_indexed(struct catalog_request *request)
{
    struct world *world = request->context;
    enum err_code code = err_code(request->err);
    if (request->err && code != ERR_INDEX_EXISTS && code != ERR_CONSTRAINT_EXISTS) {
        world->schema_asked = false;
        return;
    }
    const struct index_info *index = catalog_index_find(
        sim_shard(world->sim, 0)->catalog, world->schema_tokens[0], world->schema_tokens[1]);
    if (!index) {
        world->schema_asked = false;
        return;
    }
    world->index = index->id;
    world->schema_ready = true;
}

static void
schema_named(struct catalog_request *request)
{
    struct world *world = request->context;
    if (request->err) {
        world->schema_asked = false;
        return;
    }
    world->request = (struct catalog_request){
        .action = CATALOG_INDEX_CREATE,
        .index = {.label = world->schema_tokens[0], .key = world->schema_tokens[1], .unique = true},
        .done = schema_indexed,
        .context = world,
    };
    catalog_submit(sim_shard(world->sim, 0), &world->request);
}

static void
schema_ask(struct world *world)
{
    static const uint8_t kinds[2] = {TOKEN_LABEL, TOKEN_KEY};
    static const struct text names[2] = {{"Thing", 5}, {"name", 4}};
    world->schema_asked = true;
    world->request = (struct catalog_request){
        .action = CATALOG_TOKENS,
        .name_count = 2,
        .kinds = kinds,
        .names = names,
        .tokens = world->schema_tokens,
        .done = schema_named,
        .context = world,
    };
    catalog_submit(sim_shard(world->sim, 0), &world->request);
}

/* --- a session: begin, read, write, read, ..., end, again --- */

static void
session_ended(void *context, err_t err, uint64_t timestamp)
{
    struct session *session = context;
    struct world *world = session->world;
    struct record *record = session_record(session);
    assert_int_equal(session->step, ENDING);
    if (record->fate == COMMITTING) {
        assert_int_equal(err, 0);
        if (record->write_count)
            assert_int_equal(timestamp, record->timestamp);
        record->fate = KEPT;
        record->acknowledged = true;
        world->committed_count += record->write_count > 0;
        if (timestamp > world->acknowledged_max)
            world->acknowledged_max = timestamp;
    }
    session->txn = NULL;
    session->step = IDLE;
    session_wake(session);
}

static void
session_abort(struct session *session)
{
    session_record(session)->fate = GONE;
    session->step = ENDING;
    txn_abort(session->txn, session_ended, session);
}

static void
session_commit(struct session *session)
{
    struct record *record = session_record(session);
    session->step = ENDING;
    record->fate = COMMITTING;
    txn_commit(session->txn, session_ended, session);
    record->timestamp = session->txn->timestamp;
}

static void
session_begun(void *context, err_t err)
{
    struct session *session = context;
    struct record *record = session_record(session);
    assert_int_equal(session->step, BEGINNING);
    if (err) {
        session_abort(session);
        return;
    }
    record->snapshot = txn_view(session->txn).snapshot;
    session->step = RUNNING;
    session_wake(session);
}

static void
session_begin(struct session *session)
{
    struct world *world = session->world;
    if (world->record_count == RECORDS_MAX || world->stopping)
        return;
    if (!world->schema_ready || world->held) {
        bool asks = session == &world->sessions[0][0] && catalog_is_ready(session->shard->catalog);
        if (asks && !world->schema_asked && !world->schema_ready)
            schema_ask(world);
        session_wake(session);
        return;
    }
    struct txn_options options = {.read_only = draw(session, 4) == 0};
    /* Now and then a bookmark of a commit that is still on its way: the snapshot has to wait for it. */
    if (world->record_count && draw(session, 4) == 0) {
        const struct record *other = &world->records[draw(session, world->record_count)];
        if (other->fate == COMMITTING || other->fate == KEPT)
            options.bookmark = other->timestamp;
    }
    uint64_t acknowledged_before = world->acknowledged_max;
    err_t err = txn_begin(session->shard, &options, session_begun, session, &session->txn);
    if (err) {
        session_wake(session);
        return;
    }
    session->record = world->record_count++;
    session->read_only = options.read_only;
    session->aborting = false;
    session->batches_left = options.read_only ? 0 : 1 + (uint32_t)draw(session, 3);
    *session_record(session) = (struct record){.fate = OPEN};
    session->step = BEGINNING;
    if (!txn_is_ready(session->txn))
        return;
    if (txn_view(session->txn).snapshot < acknowledged_before)
        violate(world, "a snapshot is older than what was acknowledged before it");
    if (txn_view(session->txn).snapshot < options.bookmark)
        violate(world, "a snapshot is older than its bookmark");
    session_begun(session, 0);
}

static void
session_read(struct session *session)
{
    struct world *world = session->world;
    struct record *record = session_record(session);
    uint32_t node = draw_node(session);
    struct view view = txn_view(session->txn);
    if (node == UINT32_MAX || record_writes(record, node))
        return;
    if (record->read_count < READS_MAX)
        record->reads[record->read_count++] = (struct access){
            .node = node, .value = node_value(world, view, node)};
    /* Out-degrees only before it wrote any relationship itself. */
    if (record->degree_count < READS_MAX && record->write_count == 0) {
        node_id id = world->nodes[node].id;
        uint64_t degree = store_degree(owner_store(world, id.id), view, id, DIRECTION_OUT, NULL, 0);
        record->degrees[record->degree_count++] = (struct access){.node = node, .value = degree};
    }
}

/* The node with the value of the unique property, through the index. */
static uint64_t
unique_seek(struct world *world, struct view view, uint32_t value)
{
    struct value sought = value_integer(value);
    uint32_t owner = partition_owner(
        sim_shard(world->sim, 0), index_partition(world->index, sought));
    struct expand_cursor cursor = {0};
    uint64_t found[2];
    uint32_t count = store_index_seek(
        sim_shard(world->sim, owner)->store, view, world->index, sought, &cursor, found, 2);
    if (count > 1)
        violate(world, "two nodes have the same unique value");
    return count ? found[0] : 0;
}

static void
session_seek(struct session *session)
{
    struct record *record = session_record(session);
    if (record->write_count || record->seek_count == READS_MAX)
        return;
    uint32_t value = (uint32_t)draw(session, UNIQUE_COUNT);
    uint64_t id = unique_seek(session->world, txn_view(session->txn), value);
    record->seeks[record->seek_count++] = (struct access){.node = value, .value = id};
}

static struct operation *
batch_add(struct session *session, enum operation_type type)
{
    if (session->write.operation_count == BATCH_MAX)
        return NULL;
    struct operation *operation = &session->operations[session->write.operation_count++];
    *operation = (struct operation){.type = (uint8_t)type};
    return operation;
}

/* A write of the item, as far as the reference is concerned. */
static void
batch_note(struct session *session, uint32_t node, uint64_t value)
{
    struct record *record = session_record(session);
    for (uint32_t i = 0; i < record->write_count; i++)
        if (record->writes[i].node == node) {
            record->writes[i].value = value;
            return;
        }
    assert_true(record->write_count < WRITES_MAX);
    record->writes[record->write_count++] = (struct access){.node = node, .value = value};
}

static void
batch_create_node(struct session *session)
{
    struct world *world = session->world;
    if (world->node_count == NODES_MAX || session_record(session)->write_count == WRITES_MAX)
        return;
    node_id id = store_node_allocate(session->shard->store, 0);
    struct operation *operation = id.id ? batch_add(session, OPERATION_NODE_CREATE) : NULL;
    if (!operation)
        return;
    for (uint32_t i = 0; i < world->node_count; i++)
        if (world->nodes[i].id.id == id.id) {
            if (world->records[world->nodes[i].creator].fate != GONE)
                violate(world, "a node id is given twice");
            world->nodes[i].replaced = true;
        }
    uint32_t node = world->node_count++;
    world->nodes[node] = (struct node_entry){.id = id, .creator = session->record};
    struct property *property = &session->properties[session->write.operation_count - 1];
    *property = (struct property){
        .key = KEY_VALUE, .value = value_integer((int64_t)world->next_value)};
    operation->node = id;
    operation->property_count = 1;
    operation->properties = property;
    if (draw(session, 2)) {
        uint32_t value = (uint32_t)draw(session, UNIQUE_COUNT);
        session->batch_has_unique = true;
        session->unique_properties[0] = *property;
        session->unique_properties[1] = (struct property){
            .key = world->schema_tokens[1], .value = value_integer(value)};
        world->nodes[node].unique = value + 1;
        operation->labels = &world->schema_tokens[0];
        operation->label_count = 1;
        operation->property_count = 2;
        operation->properties = session->unique_properties;
        /* Keys come in ascending order. */
        if (world->schema_tokens[1] < KEY_VALUE) {
            session->unique_properties[0] = session->unique_properties[1];
            session->unique_properties[1] = *property;
        }
    }
    batch_note(session, node, world->next_value++);
}

static void
batch_set(struct session *session, uint32_t node)
{
    struct world *world = session->world;
    struct record *record = session_record(session);
    if (record->write_count == WRITES_MAX && !record_writes(record, node))
        return;
    struct operation *operation = batch_add(session, OPERATION_NODE_PROPERTIES);
    if (!operation)
        return;
    struct property *property = &session->properties[session->write.operation_count - 1];
    *property = (struct property){
        .key = KEY_VALUE, .value = value_integer((int64_t)world->next_value)};
    operation->node = world->nodes[node].id;
    operation->property_count = 1;
    operation->properties = property;
    batch_note(session, node, world->next_value++);
}

static void
batch_bulk(struct session *session, uint32_t node)
{
    struct world *world = session->world;
    struct operation *operation = batch_add(session, OPERATION_NODE_PROPERTIES);
    if (!operation)
        return;
    struct property *property = &session->properties[session->write.operation_count - 1];
    *property = (struct property){.key = KEY_BULK, .value = {.type = VALUE_BYTES}};
    property->value.size = (uint32_t)draw(session, sizeof(world->bulk));
    property->value.bytes = world->bulk;
    operation->node = world->nodes[node].id;
    operation->property_count = 1;
    operation->properties = property;
}

static void
batch_delete_node(struct session *session, uint32_t node)
{
    struct record *record = session_record(session);
    if (record->write_count == WRITES_MAX || record_writes(record, node))
        return;
    struct operation *operation = batch_add(session, OPERATION_NODE_DELETE);
    if (!operation)
        return;
    operation->node = session->world->nodes[node].id;
    batch_note(session, node, ABSENT);
}

static void
batch_create_rel(struct session *session, uint32_t start, uint32_t end)
{
    struct world *world = session->world;
    struct operation *operation = world->rel_count < RELS_MAX
                                      ? batch_add(session, OPERATION_REL_CREATE)
                                      : NULL;
    if (!operation)
        return;
    operation->start = world->nodes[start].id;
    operation->end = world->nodes[end].id;
    operation->rel_type = 1;
    struct property *property = &session->properties[session->write.operation_count - 1];
    *property = (struct property){.key = KEY_VALUE, .value = value_integer(7)};
    operation->property_count = 1;
    operation->properties = property;
    world->rels[world->rel_count++] = (struct rel_entry){
        .start = start, .end = end, .creator = session->record, .deleter = UINT32_MAX};
    session->rel_count++;
}

static void
batch_delete_rel(struct session *session)
{
    struct world *world = session->world;
    if (!session->rel_first)
        return;
    uint32_t number = (uint32_t)draw(session, session->rel_first);
    struct rel_entry *rel = &world->rels[number];
    const struct record *creator = &world->records[rel->creator];
    bool usable = creator->fate == KEPT && creator->timestamp <= session_record(session)->snapshot;
    if (!usable || rel->deleter != UINT32_MAX || session->deleted_rel != UINT32_MAX)
        return;
    struct operation *operation = batch_add(session, OPERATION_REL_DELETE);
    if (!operation)
        return;
    operation->rel = rel->id;
    operation->start = world->nodes[rel->start].id;
    operation->end = world->nodes[rel->end].id;
    operation->rel_type = 1;
    rel->deleter = session->record;
    session->deleted_rel = number;
}

static void
session_written(struct txn_write *write)
{
    struct session *session = write->context;
    struct world *world = session->world;
    assert_int_equal(session->step, WRITING);
    uint32_t rel = session->rel_first;
    for (uint32_t i = 0; i < write->operation_count && !write->err; i++)
        if (session->operations[i].type == OPERATION_REL_CREATE) {
            assert_true(session->rel_ids[i].id != 0);
            world->rels[rel++].id = session->rel_ids[i];
        }
    if (session->aborting) {
        session->step = ENDING; /* session_ended follows */
        return;
    }
    if (write->err) {
        enum err_code code = err_code(write->err);
        world->conflict_count += code == ERR_CONFLICT || code == ERR_DEADLOCK;
        world->refused_count += code == ERR_CONSTRAINT;
        if (code != ERR_CONFLICT && code != ERR_DEADLOCK && code != ERR_ENTITY_NOT_FOUND &&
            code != ERR_NODE_HAS_RELATIONSHIPS && code != ERR_MEMORY_POOL &&
            !(code == ERR_CONSTRAINT && session->batch_has_unique))
            fail_msg("a write failed with %s", err_name(code));
    }
    if (write->err || session_record(session)->fate == GONE) {
        session_abort(session);
        return;
    }
    session->step = RUNNING;
    session_wake(session);
}

static void
session_write(struct session *session)
{
    struct world *world = session->world;
    session->write = (struct txn_write){
        .operations = session->operations,
        .rel_ids = session->rel_ids,
        .done = session_written,
        .context = session,
    };
    session->rel_first = world->rel_count;
    session->rel_count = 0;
    session->deleted_rel = UINT32_MAX;
    session->batch_has_unique = false;
    memset(session->rel_ids, 0, sizeof(session->rel_ids));
    uint32_t a = draw_node(session), b = draw_node(session);
    if (a == UINT32_MAX || draw(session, 10) == 0)
        batch_create_node(session);
    if (a != UINT32_MAX)
        batch_set(session, a); /* every batch changes an item: so the fate of all shows */
    if (a != UINT32_MAX && b != UINT32_MAX) {
        uint64_t kind = draw(session, 12);
        if (kind < 4)
            batch_set(session, b);
        if (kind == 4 && b != a)
            batch_delete_node(session, b);
        if (kind == 5)
            batch_bulk(session, a);
        if (kind == 6)
            batch_delete_rel(session);
        for (uint64_t i = kind == 7  ? draw(session, BATCH_MAX)
                          : kind > 8 ? draw(session, 3)
                                     : 0;
             i > 0; i--) {
            uint32_t end = draw_node(session);
            if (end != UINT32_MAX)
                batch_create_rel(session, b, end);
        }
    }
    session->batches_left--;
    if (!session->write.operation_count) {
        session_wake(session);
        return;
    }
    session->step = WRITING;
    txn_write(session->txn, &session->write);
    if (draw(session, 30) == 0) {
        session_record(session)->fate = GONE;
        session_wake(session);
    }
}

static void
session_step(struct timer *timer)
{
    struct session *session = list_entry(timer, struct session, timer);
    switch (session->step) {
    case IDLE:
        session_begin(session);
        return;
    case RUNNING:
        for (uint64_t i = draw(session, 3); i > 0; i--)
            draw(session, 3) ? session_read(session) : session_seek(session);
        if (session->batches_left && draw(session, 3))
            session_write(session);
        else if (session->batches_left == 0 && draw(session, 2))
            draw(session, 8) ? session_commit(session) : session_abort(session);
        else
            session_wake(session);
        return;
    case WRITING:
        /* Chosen to be aborted in the middle of a batch. */
        if (session_record(session)->fate != GONE)
            return;
        session->aborting = true;
        txn_abort(session->txn, session_ended, session);
        return;
    case BEGINNING:
    case ENDING:
        return;
    }
}

static void
session_wake(struct session *session)
{
    timer_start(session->shard, &session->timer, draw(session, 60) * SIM_MICROSECOND, session_step);
}

/* --- the program --- */

static err_t
sink_catalog(void *context, const uint8_t *bytes, size_t size)
{
    struct shard *shard = context;
    return catalog_replay(shard->catalog, bytes, size);
}

static err_t
sink_operation(
    void *context, const struct operation *operation, uint64_t timestamp, struct arena *arena)
{
    struct shard *shard = context;
    return store_replay(shard->store, operation, timestamp, arena);
}

static err_t
world_prepare(struct world *world, struct shard *shard)
{
    struct recovery_options options = {
        .shard_count = shard->count,
        .segment_size = SEGMENT_SIZE,
        .database_id = 5,
        .memory = shard_memory(shard),
    };
    err_t err = recovery_prepare(shard->seam, &options, &world->recovery, &world->refusal);
    if (err)
        return err;
    world->started_count = 0;
    world->words = memory_allocate(shard_memory(shard), commit_words_size(shard->count));
    if (!world->words)
        return ERR(MEMORY_POOL);
    commit_words_create(world->words, shard->count, recovery_first_timestamp(world->recovery));
    commit_defect_set(world->words, world->defect);
    return 0;
}

static err_t
world_start(struct shard *shard, void *context)
{
    struct world *world = context;
    struct recovery_sink sink = {
        .context = shard, .catalog = sink_catalog, .operation = sink_operation};
    err_t err = shard->index == 0 ? world_prepare(world, shard) : 0;
    if (!err)
        err = catalog_create(shard, &shard->catalog);
    if (!err)
        err = store_create(shard, &shard->store);
    if (!err)
        err = recovery_apply(world->recovery, shard, &sink, &world->refusal);
    if (err)
        return err;
    struct wal_start start = recovery_wal_start(world->recovery, shard->index);
    err = wal_open(shard, &start, WAL_SYNC_FULL, &shard->wal);
    if (!err)
        err = txn_manager_create(shard, world->words, &shard->txns);
    if (!err)
        err = catalog_start(shard, txn_horizon, NULL, NULL);
    if (err)
        return err;
    if (++world->started_count == shard->count) {
        recovery_delete(world->recovery);
        world->recovery = NULL;
    }
    for (uint32_t i = 0; i < SESSIONS_PER_SHARD; i++) {
        struct session *session = &world->sessions[shard->index][i];
        session->world = world;
        session->shard = shard;
        session->timer = (struct timer){0};
        session->step = IDLE;
        session->txn = NULL;
        session_wake(session);
    }
    return 0;
}

static bool
world_drain(struct shard *shard, void *context)
{
    struct world *world = context;
    world->stopping = true;
    for (uint32_t i = 0; i < SESSIONS_PER_SHARD; i++)
        if (world->sessions[shard->index][i].step != IDLE)
            return false;
    return txn_manager_is_idle(shard->txns) && wal_drain(shard->wal);
}

static void
world_finish(struct shard *shard, void *context)
{
    struct world *world = context;
    for (uint32_t i = 0; i < SESSIONS_PER_SHARD; i++)
        timer_stop(shard, &world->sessions[shard->index][i].timer);
    if (shard->txns)
        txn_manager_destroy(shard->txns);
    if (shard->wal)
        wal_close(shard->wal);
    if (shard->store)
        store_destroy(shard->store);
    if (shard->catalog)
        catalog_destroy(shard->catalog);
    shard->catalog = NULL;
    if (shard->index == 0 && world->words)
        memory_release(shard_memory(shard), world->words, commit_words_size(shard->count));
    shard->txns = NULL;
    shard->wal = NULL;
    shard->store = NULL;
}

/* --- the reference --- */

/* The newest write of the node with a timestamp up to `snapshot` that counts; NULL when there is none. */
static const struct access *
reference_write(const struct world *world, uint32_t node, uint64_t snapshot, uint32_t *writer)
{
    const struct access *newest = NULL;
    uint64_t timestamp = 0;
    for (uint32_t i = 0; i < world->record_count; i++) {
        const struct record *record = &world->records[i];
        if (record->fate != KEPT || record->timestamp > snapshot || record->timestamp <= timestamp)
            continue;
        for (uint32_t w = 0; w < record->write_count; w++)
            if (record->writes[w].node == node) {
                newest = &record->writes[w];
                timestamp = record->timestamp;
                *writer = i;
            }
    }
    return newest;
}

/* What the recovered store says of one node decides, for all that wrote it, who is kept. */
static void
verify_node(struct world *world, uint32_t node, uint64_t observed)
{
    uint64_t last = 0;
    for (uint32_t i = 0; i < world->record_count; i++) {
        const struct record *record = &world->records[i];
        for (uint32_t w = 0; w < record->write_count; w++)
            if (record->writes[w].node == node && record->writes[w].value == observed &&
                (record->fate == COMMITTING || record->fate == KEPT) && record->timestamp > last)
                last = record->timestamp;
    }
    if (observed != ABSENT && !last)
        violate(world, "a value that nobody committed is there");
    for (uint32_t i = 0; i < world->record_count; i++) {
        struct record *record = &world->records[i];
        if (!record_writes(record, node) || (record->fate != COMMITTING && record->fate != KEPT))
            continue;
        bool kept = record->timestamp <= last;
        if (record->fate == KEPT && !kept)
            violate(
                world, record->acknowledged ? "an acknowledged write is lost"
                                            : "half of a transaction is lost");
        /* Its other items must agree: a COMMITTING one becomes KEPT by its first item, and GONE by none. */
        if (record->fate == COMMITTING && kept)
            record->fate = KEPT;
    }
}

static void
verify_gone(struct world *world, uint32_t node, uint64_t observed)
{
    for (uint32_t i = 0; i < world->record_count; i++) {
        const struct record *record = &world->records[i];
        for (uint32_t w = 0; w < record->write_count && observed != ABSENT; w++)
            if (record->writes[w].node == node && record->writes[w].value == observed &&
                record->fate != KEPT)
                violate(world, "a write of a transaction that is not kept is there");
    }
}

static void
verify_lost_updates(struct world *world, uint32_t node)
{
    for (uint32_t i = 0; i < world->record_count; i++) {
        const struct record *record = &world->records[i];
        uint32_t before = 0;
        if (record->fate != KEPT || !record_writes(record, node))
            continue;
        if (reference_write(world, node, record->timestamp - 1, &before) &&
            world->records[before].timestamp > record->snapshot)
            violate(world, "a lost update");
    }
}

static uint64_t
reference_degree(const struct world *world, uint32_t node, uint64_t snapshot)
{
    uint64_t degree = 0;
    for (uint32_t i = 0; i < world->rel_count; i++) {
        const struct rel_entry *rel = &world->rels[i];
        const struct record *creator = &world->records[rel->creator];
        const struct record *deleter = rel->deleter == UINT32_MAX ? NULL
                                                                  : &world->records[rel->deleter];
        if (rel->start == node && creator->fate == KEPT && creator->timestamp <= snapshot &&
            !(deleter && deleter->fate == KEPT && deleter->timestamp <= snapshot))
            degree++;
    }
    return degree;
}

/* The node that has the unique value in a snapshot; 0 when none has. */
static uint64_t
reference_unique(struct world *world, uint32_t value, uint64_t snapshot)
{
    uint64_t id = 0;
    for (uint32_t node = 0; node < world->node_count; node++) {
        const struct record *creator = &world->records[world->nodes[node].creator];
        uint32_t writer;
        if (world->nodes[node].unique != value + 1 || world->nodes[node].replaced ||
            creator->fate != KEPT || creator->timestamp > snapshot)
            continue;
        const struct access *write = reference_write(world, node, snapshot, &writer);
        if (write && write->value == ABSENT)
            continue;
        if (id)
            violate(world, "two nodes have the same unique value");
        id = world->nodes[node].id.id;
    }
    return id;
}

static bool
schema_is_ready(void *context)
{
    struct world *world = context;
    for (uint32_t k = 0; k < sim_shard_count(world->sim); k++)
        if (!catalog_is_ready(sim_shard(world->sim, k)->catalog))
            return false;
    return world->schema_ready;
}

/* The index is filled from the nodes once the shards turn; sessions are held back until then. */
static void
verify_unique(struct world *world)
{
    if (!sim_run_until(world->sim, schema_is_ready, world, 10 * SIM_SECOND)) {
        violate(world, "the index does not come back");
        return;
    }
    struct view view = {.snapshot = commit_timestamp_next(world->words) - 1};
    for (uint32_t value = 0; value < UNIQUE_COUNT; value++)
        if (unique_seek(world, view, value) != reference_unique(world, value, view.snapshot))
            violate(world, "the rebuilt index is not what the nodes say");
}

static void
verify_reads(struct world *world, uint32_t from)
{
    for (uint32_t i = from; i < world->record_count; i++) {
        const struct record *record = &world->records[i];
        for (uint32_t r = 0; r < record->read_count; r++) {
            uint32_t writer;
            const struct access *expected = reference_write(
                world, record->reads[r].node, record->snapshot, &writer);
            if (record->reads[r].value != (expected ? expected->value : ABSENT))
                violate(world, "a read is not what its snapshot says");
        }
        for (uint32_t r = 0; r < record->seek_count; r++)
            if (record->seeks[r].value !=
                reference_unique(world, record->seeks[r].node, record->snapshot))
                violate(world, "the index is not what its snapshot says");
        for (uint32_t r = 0; r < record->degree_count; r++)
            if (record->degrees[r].value !=
                reference_degree(world, record->degrees[r].node, record->snapshot))
                violate(world, "a degree is not what its snapshot says");
    }
}

static uint32_t
count_between(
    struct world *world, struct view view, const struct rel_entry *rel, enum direction direction)
{
    node_id start = world->nodes[rel->start].id, end = world->nodes[rel->end].id;
    node_id from = direction == DIRECTION_OUT ? start : end,
            to = direction == DIRECTION_OUT ? end : start;
    uint64_t rels[256];
    uint32_t count = 0;
    struct expand_output output = {.rels = rels};
    struct expand_cursor cursor = {0};
    while (!cursor.done) {
        uint32_t got = store_expand_into(
            owner_store(world, from.id), view, from, to, direction, NULL, 0, &cursor, &output, 256);
        for (uint32_t i = 0; i < got; i++)
            count += rels[i] == rel->id.id;
    }
    return count;
}

static void
verify_rels(struct world *world, struct view view)
{
    for (uint32_t i = 0; i < world->rel_count; i++) {
        const struct rel_entry *rel = &world->rels[i];
        if (!rel->id.id)
            continue;
        bool kept = world->records[rel->creator].fate == KEPT;
        if (rel->deleter != UINT32_MAX && world->records[rel->deleter].fate == KEPT)
            kept = false;
        struct rel_record got;
        bool there = store_rel_get(owner_store(world, rel->id.id), view, rel->id, &got);
        /* An id may be given again when the transaction that had it first is gone. */
        if (there && (got.start.id != world->nodes[rel->start].id.id ||
                      got.end.id != world->nodes[rel->end].id.id))
            there = false;
        bool reused = false;
        for (uint32_t j = i + 1; j < world->rel_count && !kept; j++)
            reused = reused || world->rels[j].id.id == rel->id.id;
        if (reused)
            continue;
        if (there != kept)
            violate(world, kept ? "a relationship is lost" : "a relationship of nobody is there");
        if (kept && count_between(world, view, rel, DIRECTION_OUT) != 1)
            violate(world, "a relationship is not at its start");
        if (kept && count_between(world, view, rel, DIRECTION_IN) != 1)
            violate(world, "a relationship is not at its end");
    }
}

/* After a restart: `from` is the first record of the life that ended. */
static void
world_verify(struct world *world, uint32_t from)
{
    struct view view = {.snapshot = commit_timestamp_next(world->words) - 1};
    static uint64_t observed[NODES_MAX];
    for (uint32_t node = 0; node < world->node_count; node++)
        observed[node] = node_value(world, view, node);
    /* Until nothing changes: an item read early may belong to a record decided by a later one. */
    for (uint32_t node = 0; node < world->node_count; node++)
        verify_node(world, node, observed[node]);
    for (uint32_t node = 0; node < world->node_count; node++)
        verify_node(world, node, observed[node]);
    for (uint32_t i = from; i < world->record_count; i++)
        if (world->records[i].fate != KEPT)
            world->records[i].fate = GONE;
    for (uint32_t i = 0; i < world->rel_count; i++)
        if (world->rels[i].deleter != UINT32_MAX &&
            world->records[world->rels[i].deleter].fate == GONE)
            world->rels[i].deleter = UINT32_MAX;
    for (uint32_t node = 0; node < world->node_count; node++) {
        verify_gone(world, node, observed[node]);
        verify_lost_updates(world, node);
    }
    verify_reads(world, from);
    verify_rels(world, view);
    for (uint32_t k = 0; k < sim_shard_count(world->sim); k++)
        if (!store_is_sane(sim_shard(world->sim, k)->store))
            violate(world, "a store is not sane");
}

/* The power went in the middle of txn_commit: what timestamp had been taken? */
static void
world_note_timestamps(struct world *world)
{
    for (uint32_t k = 0; k < sim_shard_count(world->sim); k++)
        for (uint32_t i = 0; i < SESSIONS_PER_SHARD; i++) {
            struct session *session = &world->sessions[k][i];
            if (session->step == ENDING && session_record(session)->fate == COMMITTING &&
                session->txn)
                session_record(session)->timestamp = session->txn->timestamp;
        }
}

/* Starts again until it works; power cuts while recovering are part of it. */
static void
world_restart(struct world *world)
{
    struct sim *sim = world->sim;
    err_t err;
    do {
        world->recovery = NULL;
        world->words = NULL;
        world->held = true;
        world->stopping = world->schema_asked = world->schema_ready = false;
        if (sim_random(sim, 3) == 0)
            sim_power_cut_after(sim, 1 + (uint32_t)sim_random(sim, 80));
        err = sim_restart(sim, 1 + (uint32_t)sim_random(sim, SHARDS_MAX));
        sim_power_cut_after(sim, 0);
        if (err && !sim_is_down(sim)) {
            if (!world->defect)
                fail_msg("%s: %s", err_name(err_code(err)), world->refusal.text);
            violate(world, "recovery refuses the directory");
            return;
        }
        if (err)
            sim_crash(sim);
    } while (err);
}

/* The violation found, or NULL. */
static const char *
seed_run(uint64_t seed, enum commit_defect defect, uint64_t *committed, uint64_t *conflicts)
{
    static struct world world;
    struct sim_options options = {
        .program = {
            .context = &world, .start = world_start, .drain = world_drain, .finish = world_finish}};
    memset(&world, 0, sizeof(world));
    world.next_value = 1;
    world.defect = defect;
    world.sim = sim_create(seed, 1 + (uint32_t)(seed % SHARDS_MAX), &options);
    assert_int_equal(sim_start(world.sim), 0);
    for (uint32_t life = 0; life < LIVES && !world.violation; life++) {
        uint32_t from = world.record_count;
        sim_options(world.sim)->allocation_fail_ppm = sim_random(world.sim, 4) ? 0 : 300;
        if (sim_random(world.sim, 2) == 0)
            sim_power_cut_after(world.sim, 1 + (uint32_t)sim_random(world.sim, 400));
        sim_run_for(world.sim, (5 + sim_random(world.sim, 25)) * SIM_MILLISECOND);
        sim_power_cut_after(world.sim, 0);
        sim_options(world.sim)->allocation_fail_ppm = 0;
        bool stopped = !sim_is_down(world.sim) && sim_random(world.sim, 4) == 0;
        if (stopped && !sim_stop(world.sim, 10 * SIM_SECOND)) {
            violate(&world, "it does not stop");
            break;
        }
        if (!stopped) {
            world_note_timestamps(&world);
            const char *line = sim_fatal_line(world.sim);
            if (line[0] && strcmp(line, "power cut") != 0)
                fail_msg("fatal: %s", line);
            sim_crash(world.sim);
        }
        world_restart(&world);
        if (!world.violation)
            world_verify(&world, from);
        if (!world.violation)
            verify_unique(&world);
        world.held = false;
    }
    refused_total += world.refused_count;
    *committed += world.committed_count;
    *conflicts += world.conflict_count;
    sim_delete(world.sim);
    return world.violation;
}

static void
every_life_agrees_with_the_reference(void **state)
{
    (void)state;
    uint64_t committed = 0, conflicts = 0;
    for (uint64_t seed = seed_first; seed < seed_first + seed_count; seed++) {
        seed_now = seed;
        const char *violation = seed_run(
            seed, defect_only > 0 ? (enum commit_defect)defect_only : 0, &committed, &conflicts);
        if (violation)
            fail_msg("seed %llu: %s", (unsigned long long)seed, violation);
    }
    seed_now = 0;
    print_message(
        "%llu commits, %llu conflicts, %llu refused by the constraint\n",
        (unsigned long long)committed, (unsigned long long)conflicts,
        (unsigned long long)refused_total);
    assert_true(seed_count < 10 || refused_total > 0);
    assert_true(committed > 0);
}

static void
each_defect_is_noticed(void **state)
{
    (void)state;
    static const char *const names[COMMIT_DEFECT_COUNT] = {
        "none", "DURABLE before the flush", "answer before stable", "snapshot at next_ts",
        "half a record"};
    for (enum commit_defect defect = COMMIT_DEFECT_NONE + 1; defect < COMMIT_DEFECT_COUNT;
         defect++) {
        const char *violation = NULL;
        uint64_t committed = 0, conflicts = 0, seed;
        for (seed = 1; seed <= 300 && !violation; seed++)
            violation = seed_run(seed, defect, &committed, &conflicts);
        if (!violation)
            fail_msg("not noticed: %s", names[defect]);
        print_message(
            "%s: seed %llu: %s\n", names[defect], (unsigned long long)seed - 1, violation);
    }
}

int
main(int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        uint64_t number = strtoull(argv[i + 1], NULL, 10);
        if (!strcmp(argv[i], "--seed")) {
            seed_first = number;
            seed_count = 1;
        } else if (!strcmp(argv[i], "--seeds")) {
            seed_count = number;
        } else if (!strcmp(argv[i], "--defect")) {
            defect_only = (int)number;
        }
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_life_agrees_with_the_reference),
        cmocka_unit_test(each_defect_is_noticed),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (seed_now)
        fprintf(stderr, "failed with --seed %llu\n", (unsigned long long)seed_now);
    return failed;
}
