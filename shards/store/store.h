/* The store of one shard: nodes, relationships, properties and index entries of its partitions, in
 * versions.
 *
 * Everything here is synchronous, is called by the owning shard only, and either works on the whole or
 * not at all. Reads take a `view`: they see the versions with timestamp <= snapshot, and the intents of
 * transaction `txid`. Nothing a reader gets stays valid across a turn of the loop unless it is copied.
 *
 *     partition
 *     +- nodes:  local id -> record -> labels, adjacency OUT, adjacency IN, property cells
 *     +- rels:   local id -> record -> start, end, type, property cells
 *     +- labels: token -> bitmap of local ids
 *     +- index entries: (index, hash of value) -> node ids, for values this partition owns
 *
 * Adjacency of a node and direction is two parts: a *base*, plain sorted arrays without versions, that
 * everybody may see; and a *delta*, a small sorted vector of versioned entries. Entries older than every
 * snapshot move from delta to base (store_collect). The base is in memory today; compressed pages on
 * disk take its place behind the same functions.
 *
 * Invariants
 *  1. A version has a commit timestamp, or is an intent of exactly one transaction.
 *  2. Base holds only entries visible to every snapshot.
 *  3. The newest committed version of an item is never older than the base's.
 *  4. An item has intents of at most one transaction, except adjacency lists: those take inserts of many. */
#ifndef SHARDS_STORE_STORE_H
#define SHARDS_STORE_STORE_H

#include "shards/core/shard.h"
#include "shards/store/catalog.h"
#include "shards/store/operation.h"

struct view {
    uint64_t snapshot;
    uint64_t txid; /* 0 = none: committed data only */
};

enum direction { DIRECTION_OUT = 1, DIRECTION_IN = 2, DIRECTION_BOTH = 3 };

#define LABEL_ANY UINT32_MAX
#define TYPE_ANY UINT32_MAX

err_t store_create(struct shard *shard, struct store **out);
void store_destroy(struct store *store);

/* --- reading nodes --- */

bool store_node_exists(struct store *store, struct view view, node_id node);
/* Tokens in ascending order; writes at most `max`, returns how many there are. */
uint32_t
store_node_labels(struct store *store, struct view view, node_id node, uint32_t *out, uint32_t max);
bool store_node_has_label(struct store *store, struct view view, node_id node, uint32_t label);
/* Null when the node or the property is not there. Lent for this turn. */
struct value store_node_property(struct store *store, struct view view, node_id node, uint32_t key);
/* Ascending by key; writes at most `max`, returns how many there are. */
uint32_t store_node_properties(
    struct store *store, struct view view, node_id node, struct property *out, uint32_t max);

/* Column forms, with prefetch: the hot paths of scans and traversals. */
void store_node_property_column(
    struct store *store,
    struct view view,
    const uint64_t *nodes,
    uint32_t count,
    uint32_t key,
    struct value *out);
/* Keeps the positions (0..count-1, ascending) of the nodes that exist and have the label (LABEL_ANY:
 * exist). Returns how many were written to `selected`. */
uint32_t store_node_select_label(
    struct store *store,
    struct view view,
    const uint64_t *nodes,
    uint32_t count,
    uint32_t label,
    uint32_t *selected);
enum compare { COMPARE_EQ, COMPARE_NE, COMPARE_LT, COMPARE_LE, COMPARE_GT, COMPARE_GE };
/* Keeps the positions whose property compares true with an integer, float, boolean or string constant
 * (Cypher's rules: null or another type class is never true). */
uint32_t store_node_select_property(
    struct store *store,
    struct view view,
    const uint64_t *nodes,
    uint32_t count,
    uint32_t key,
    enum compare compare,
    struct value constant,
    uint32_t *selected);

/* --- reading relationships (at the owner of the start node) --- */

struct rel_record {
    node_id start, end;
    uint32_t type;
};
bool store_rel_get(struct store *store, struct view view, rel_id rel, struct rel_record *out);
struct value store_rel_property(struct store *store, struct view view, rel_id rel, uint32_t key);
uint32_t store_rel_properties(
    struct store *store, struct view view, rel_id rel, struct property *out, uint32_t max);

/* --- adjacency --- */

/* Where an expansion of many nodes stands. Zero it to begin. May be kept across turns: for one view,
 * what is visible of a list and its order do not change, even while store_collect works. */
struct expand_cursor {
    uint32_t row;
    uint32_t skip; /* visible entries of that row already seen */
    bool done;
};

/* What an expansion writes, `max` entries each; NULL members are not wanted. */
struct expand_output {
    uint32_t *source_rows; /* which of `nodes` */
    uint64_t *others;      /* the node at the other end */
    uint64_t *rels;
    uint32_t *types;
    uint8_t *directions; /* enum direction: OUT when the source is the start */
};

/* Expands `nodes` in order along relationships of the given types (count 0: all). A self-loop is seen
 * once with BOTH. Returns the entries written (at most `max`); call again until cursor->done. */
uint32_t store_expand(
    struct store *store,
    struct view view,
    const uint64_t *nodes,
    uint32_t count,
    enum direction direction,
    const uint32_t *types,
    uint32_t type_count,
    struct expand_cursor *cursor,
    struct expand_output *out,
    uint32_t max);
/* Relationships between two nodes, seen from `node`; same output, one source row. */
uint32_t store_expand_into(
    struct store *store,
    struct view view,
    node_id node,
    node_id other,
    enum direction direction,
    const uint32_t *types,
    uint32_t type_count,
    struct expand_cursor *cursor,
    struct expand_output *out,
    uint32_t max);
uint64_t store_degree(
    struct store *store,
    struct view view,
    node_id node,
    enum direction direction,
    const uint32_t *types,
    uint32_t type_count);

/* --- scans --- */

struct scan_cursor {
    uint32_t partition; /* zero to begin; stays valid across turns */
    uint64_t local;
    bool done;
};
/* Nodes of this shard with the label (LABEL_ANY: all), in ascending (partition, local id). */
uint32_t store_scan_nodes(
    struct store *store,
    struct view view,
    uint32_t label,
    struct scan_cursor *cursor,
    uint64_t *out,
    uint32_t max);

/* --- index entries of the values this shard owns --- */

/* Nodes whose indexed property equals the value. Call until cursor->done. */
uint32_t store_index_seek(
    struct store *store,
    struct view view,
    uint32_t index,
    struct value value,
    struct expand_cursor *cursor,
    uint64_t *out,
    uint32_t max);

/* Populating an index: called by catalog_flow.c; the essay is in index.c. */

/* This shard has heard of the index: transactions that begin to write here from now on maintain it. */
err_t store_index_announce(struct store *store, uint32_t index);
/* All transactions that wrote here before the announcement are over. */
bool store_index_may_populate(const struct store *store, uint32_t index);
/* An entry that the owner of the node found committed. */
err_t store_index_populate(struct store *store, uint32_t index, struct value value, node_id node);
/* The newest timestamp of a commit at this shard. */
uint64_t store_commit_timestamp_max(const struct store *store);
enum index_check {
    INDEX_CHECK_MORE,   /* the budget is used up: call again */
    INDEX_CHECK_OPEN,   /* depends on open transactions: call again later */
    INDEX_CHECK_BROKEN, /* `nodes` have the same value */
    INDEX_CHECK_UNIQUE,
};
/* Whether no value of the index has two nodes. *bucket: zero to begin. */
enum index_check store_index_check_unique(
    struct store *store, uint32_t index, uint64_t *bucket, uint32_t budget, uint64_t nodes[2]);
/* Frees the entries of a dropped index; true when there is more to do. *bucket: zero to begin; *all_gone
 * becomes false when open transactions still hold some: begin again later. */
bool store_index_purge(
    struct store *store, uint32_t index, uint64_t *bucket, uint32_t budget, bool *all_gone);

/* --- statistics: committed, newest, not exact under concurrent writes --- */
uint64_t store_node_count(const struct store *store, uint32_t label); /* LABEL_ANY: all */
uint64_t store_rel_count(const struct store *store, uint32_t type);   /* TYPE_ANY: all */

/* --- writing: intents, called by txn/ only --- */

/* What applying one operation changed, for the counters a client sees, and which index entries follow. */
struct operation_outcome {
    rel_id rel; /* REL_CREATE: the id given */
    uint32_t labels_added, labels_removed, properties_set;
    /* INDEX_ADD and INDEX_REMOVE operations that must be applied at their own owners in the same
     * transaction; in the arena given. */
    uint32_t index_operation_count;
    const struct operation *index_operations;
    uint64_t blocking_txid;    /* ERR(DEADLOCK): whose intent is in the way */
    uint64_t conflicting_node; /* ERR(CONSTRAINT) */
};

/* Installs the intents of one operation for view.txid. Errors leave no trace of this operation:
 *   ERR(CONFLICT)  a version newer than view.snapshot was committed (first committer wins)
 *   ERR(DEADLOCK)  another transaction's intent is in the way (txn/ decides: wait or die)
 *   ERR(ENTITY_NOT_FOUND), ERR(NODE_HAS_RELATIONSHIPS), ERR(CONSTRAINT), ERR(MEMORY_POOL) */
err_t store_apply(
    struct store *store,
    struct view view,
    const struct operation *operation,
    struct arena *arena,
    struct operation_outcome *outcome);
/* All intents of the transaction become versions with this timestamp, or vanish. */
void store_commit(struct store *store, uint64_t txid, uint64_t timestamp);
void store_abort(struct store *store, uint64_t txid);
/* Recovery and import, before the store has its first reader: applies as committed at `timestamp`, no
 * checks, no intents, straight to base. The operations of one node or relationship come in order of their
 * timestamps. Adjacency gathers aside until store_replay_finish, which sorts it into base lists once; no
 * other function may be called between the first replay and that. */
err_t store_replay(
    struct store *store,
    const struct operation *operation,
    uint64_t timestamp,
    struct arena *arena);
err_t store_replay_finish(struct store *store);

/* A fresh node id in one of this shard's partitions; `near` 0, or a node whose partition is preferred
 * when this shard owns it. Never given twice, not even after a crash (recovery raises the counters).
 * Local ids begin at 1, so that id 0 is never a node. */
node_id store_node_allocate(struct store *store, uint64_t near);

/* Moves entries and versions older than `horizon` (every snapshot is >= it) from delta to base and frees
 * versions nobody can see. Does about `budget` items; true when there is more to do. */
bool store_collect(struct store *store, uint64_t horizon, uint32_t budget);

/* Walks everything and checks the invariants of this folder; for tests and tools. */
bool store_is_sane(struct store *store);

#endif
