/* The insides of a store: what the files of this folder share, and nobody else includes.
 *
 *     struct store
 *     +- nodes[partition] ---> chunk ---> 256 x struct node_record {out, in, label set, flags}
 *     +- rels[partition]  ---> chunk ---> 256 x struct rel_stored {start, end, type, flags}
 *     +- columns[kind][key] -> part[partition] -> slot ---> 256 cells, + a bit per cell that has a chain
 *     +- labels[label]    ---> bitmap[partition]: nodes that have or may have it
 *     +- label_sets       ---> the distinct sets of labels in use; a node holds one number
 *     +- chains           ---> newer versions of node records and of cells
 *     +- groups           ---> index entries: (index, value) -> list of nodes
 *     +- txns             ---> intents of each open transaction
 *     +- dirty            ---> chains and delta lists that collection has to look at
 *
 * A stamp says who sees a version: a commit timestamp; or, with the top bit, the transaction whose
 * intent it is; STAMP_NEVER is seen by nobody. What lies in records, cells and base lists has no stamp
 * and is seen by everybody. */
#ifndef SHARDS_STORE_STATE_H
#define SHARDS_STORE_STATE_H

#include "shards/store/adjacency.h"
#include "shards/store/pool.h"
#include "shards/store/stamp.h"
#include "shards/store/store.h"
#include "shards/store/table.h"

enum { CHUNK_BITS = 8, CHUNK_COUNT = 1 << CHUNK_BITS };

enum entity { ENTITY_NODE, ENTITY_REL, ENTITY_COUNT };

/* --- records --- */

enum { NODE_EXISTS = 1, NODE_VERSIONED = 2 };

struct node_record {
    uint64_t out, in; /* list words: adjacency.h */
    uint32_t label_set;
    uint32_t flags;
};
static_assert(sizeof(struct node_record) == 24, "24 bytes per node");

/* The record of a relationship, whoever may see it: its versions are those of its OUT entry. The end is
 * packed; `end_partition` has its partition in the low bits and flags above. All zero: none. */
enum { REL_EXISTS = 1 << PARTITION_BITS, REL_VERSIONED = 2 << PARTITION_BITS };

struct rel_stored {
    uint32_t start_local, end_local;
    uint16_t end_partition;
    uint16_t type;
};
static_assert(sizeof(struct rel_stored) == 12, "12 bytes per relationship");

/* Keys that have a column slot for a chunk, ascending. */
struct key_list {
    uint32_t count, capacity;
    uint32_t *keys;
};

struct load_block;

struct partition {
    struct key_list *key_lists[ENTITY_COUNT]; /* one per chunk */
    uint32_t key_list_count[ENTITY_COUNT];
    uint64_t next_local[ENTITY_COUNT];
    struct load_block *load; /* replay: adjacency entries to be sorted, newest block first */
    uint64_t load_count;
};

/* Apart from struct partition so that the 1,024 of them stay in the L1 cache. */
struct node_chunks {
    struct node_record **chunks;
    uint32_t count;
};
struct rel_chunks {
    struct rel_stored **chunks;
    uint32_t count;
};

/* --- columns --- */

/* Cells of one type are 8 bytes each, CELL_ABSENT where there is no value; a value whose word happens
 * to be CELL_ABSENT makes its chunk mixed, and so does a second type. Mixed cells are struct value. */
#define CELL_ABSENT UINT64_C(0xfff4a5c3d21e9687)
enum { SLOT_EMPTY = 0, SLOT_MIXED = 255 }; /* else the enum value_type of all cells */

struct column_slot {
    void *cells;
    uint64_t *versioned; /* bit per cell that has a chain; NULL: none of them has */
    uint8_t type;
    uint8_t capacity_bits; /* cells allocated: 2^capacity_bits */
    uint16_t versioned_count;
};

struct column_part {
    struct column_slot *slots;
    uint32_t count;
};

struct column {
    struct column_part parts[PARTITION_COUNT];
};

/* --- labels --- */

struct bitmap {
    uint64_t *words;
    uint32_t word_count;
};

struct label {
    uint64_t node_count;
    struct bitmap parts[PARTITION_COUNT];
};

struct label_set {
    struct table_link link;
    uint32_t id, count;
    uint32_t tokens[]; /* ascending */
};

/* --- versions --- */

enum dirty_kind { DIRTY_CHAIN, DIRTY_LIST };

/* Newest first. In a cell's chain `value` is owned by the version. */
struct version {
    struct version *older;
    uint64_t stamp;
    union {
        struct value value;
        struct {
            uint32_t label_set;
            bool exists;
        };
    };
};
static_assert(sizeof(struct version) == 32, "32 bytes per version");

/* Versions of one item that are newer than what the record or cell says. `item` is CHAIN_NODE, or
 * cell_item(entity, key). */
#define CHAIN_NODE UINT32_MAX
struct chain {
    struct table_link link;
    struct dirty dirty;
    uint64_t id;
    uint32_t item;
    struct version *newest;
};

static inline uint32_t
cell_item(enum entity entity, uint32_t key)
{
    return (uint32_t)entity << 31 | key;
}

/* --- index entries --- */

struct group {
    struct table_link link;
    uint32_t index;
    struct value value; /* owned */
    uint64_t list;
};

/* --- transactions --- */

enum intent_kind {
    INTENT_NODE,         /* chain, version */
    INTENT_CELL,         /* chain, version */
    INTENT_ENTRY_CREATE, /* list entry; in an OUT list the relationship's record goes with it */
    INTENT_ENTRY_DELETE, /* list entry */
};

struct intent {
    uint8_t kind;
    uint32_t type; /* entry */
    union {
        struct {
            struct chain *chain;
            struct version *version;
        };
        struct {
            uint64_t *list;
            uint64_t other, number;
        };
    };
};

enum { INTENT_BLOCK_FIRST = 8, INTENT_BLOCK_MAX = 512 };
struct intent_block {
    struct intent_block *older, *newer;
    uint32_t count, capacity;
    struct intent intents[];
};

struct store_txn {
    struct table_link link;
    uint64_t txid;
    uint64_t sequence; /* in order of first write at this shard */
    uint64_t count;
    struct intent_block *oldest, *newest;
};

/* --- the store --- */

struct store {
    struct shard *shard;
    struct pool pool;
    struct node_chunks nodes[PARTITION_COUNT];
    struct rel_chunks rels[PARTITION_COUNT];
    struct partition partitions[PARTITION_COUNT];
    struct column **columns[ENTITY_COUNT];
    uint32_t column_count[ENTITY_COUNT];
    struct label **labels;
    uint32_t label_count;
    uint64_t *type_counts;
    uint32_t type_count;
    uint64_t node_count, rel_count;
    struct table label_set_table;
    struct label_set **label_sets;
    uint32_t label_set_count, label_set_capacity;
    struct table chains, groups, txns;
    uint64_t index_sequence; /* number of the last index entry; 0 is for entries of a population */
    uint64_t *index_since;   /* by index: transactions up to this sequence maintain it not */
    uint32_t index_since_count;
    uint64_t txn_sequence;         /* of the transaction that began last */
    uint64_t commit_timestamp_max; /* of all commits so far */
    struct list_link dirty;
    uint64_t dirty_count;
    uint64_t collect_horizon, collect_left; /* of the pass that is under way */
    uint32_t allocate_partition, allocate_left;
    bool loading;
};

/* --- records: partition.c --- */

static inline uint64_t
id_local(uint64_t id)
{
    return id >> PARTITION_BITS;
}

static inline uint64_t
id_make(uint64_t local, uint32_t partition)
{
    return local << PARTITION_BITS | partition;
}

/* NULL when there is no chunk for it: such a node was never created. */
static inline struct node_record *
node_record_lookup(const struct store *store, uint64_t node)
{
    const struct node_chunks *chunks = &store->nodes[partition_of(node)];
    uint64_t chunk = id_local(node) >> CHUNK_BITS;
    if (chunk >= chunks->count || !chunks->chunks[chunk])
        return NULL;
    return &chunks->chunks[chunk][id_local(node) & (CHUNK_COUNT - 1)];
}

static inline struct rel_stored *
rel_stored_lookup(const struct store *store, uint64_t rel)
{
    const struct rel_chunks *chunks = &store->rels[partition_of(rel)];
    uint64_t chunk = id_local(rel) >> CHUNK_BITS;
    if (chunk >= chunks->count || !chunks->chunks[chunk])
        return NULL;
    return &chunks->chunks[chunk][id_local(rel) & (CHUNK_COUNT - 1)];
}

/* The same, made when it is not there; NULL without memory. Raise the counters of ids as well. */
struct node_record *node_record_make(struct store *store, uint64_t node);
struct rel_stored *rel_stored_make(struct store *store, uint64_t rel);
/* Grows an array of `*count` items to at least `need`, doubling, new items zero. False without memory. */
bool array_grow(struct pool *pool, void **items, uint32_t *count, uint64_t need, size_t item_size);

static inline bool
rel_stored_is_empty(const struct rel_stored *stored)
{
    return stored->start_local == 0;
}

static inline uint64_t
rel_stored_end(const struct rel_stored *stored)
{
    return id_make(stored->end_local, stored->end_partition & (PARTITION_COUNT - 1));
}

/* The list word of a node; NULL when the node was never created. */
static inline uint64_t *
node_list(struct store *store, uint64_t node, bool incoming)
{
    struct node_record *record = node_record_lookup(store, node);
    return record ? incoming ? &record->in : &record->out : NULL;
}

/* --- labels: label.c --- */

/* The number of a set, made when new. False without memory. */
bool label_set_find(struct store *store, const uint32_t *tokens, uint32_t count, uint32_t *id);
bool label_set_has(const struct store *store, uint32_t set, uint32_t label);
/* The set with the operation's labels added, then its removed ones taken out. */
err_t label_set_change(
    struct store *store,
    struct arena *arena,
    uint32_t from,
    const struct operation *operation,
    uint32_t *to);
/* Marks the node in the bitmaps of all labels of the set. */
err_t label_bits_set(struct store *store, uint32_t set, uint64_t node);
void label_bit_clear(struct store *store, uint32_t label, uint64_t node);
/* The counters move from one set to another; `by` nodes existed before and after. */
void label_counts_move(struct store *store, bool had, uint32_t from_set, bool has, uint32_t to_set);

/* --- cells: column.c --- */

struct column_slot *
column_slot_lookup(const struct store *store, enum entity entity, uint32_t key, uint64_t id);
struct column_slot *
column_slot_make(struct store *store, enum entity entity, uint32_t key, uint64_t id);
/* What everybody sees, under any versions. Lent. */
struct value cell_base(const struct column_slot *slot, uint64_t id);
/* Takes ownership of `value` (owned by this store's pool), frees what was there. On an error nothing
 * changed and the value is still the caller's. */
err_t cell_base_set(struct store *store, struct column_slot *slot, uint64_t id, struct value value);
/* At the view, versions included. Lent. */
struct value
cell_read(struct store *store, enum entity entity, uint32_t key, uint64_t id, struct view view);
uint32_t entity_properties(
    struct store *store,
    enum entity entity,
    uint64_t id,
    struct view view,
    struct property *out,
    uint32_t max);
const struct key_list *key_list_lookup(const struct store *store, enum entity entity, uint64_t id);
void columns_destroy(struct store *store);

static inline bool
slot_is_versioned(const struct column_slot *slot, uint64_t id)
{
    uint64_t index = id_local(id) & (CHUNK_COUNT - 1);
    return slot->versioned && (slot->versioned[index / 64] >> (index % 64) & 1);
}

/* Copies of values that the pool owns. */
err_t value_own(struct pool *pool, struct value value, struct value *out);
void value_disown(struct pool *pool, struct value value);
/* A deep copy in an arena; false without memory. */
bool value_copy_deep(struct arena *arena, struct value value, struct value *out);

/* --- versions: chain.c --- */

struct chain *chain_lookup(const struct store *store, uint32_t item, uint64_t id);
/* The newest version the view sees, or NULL: then what lies in the record or cell holds. */
struct version *chain_visible(const struct chain *chain, struct view view);
/* Puts an empty version on top, making the chain when needed, and marks record or slot. */
struct version *
chain_push(struct store *store, uint32_t item, uint64_t id, uint64_t stamp, struct chain **chain);
/* Takes the newest version off, which must be `version`; frees the chain with its last. */
void chain_pop(struct store *store, struct chain *chain, struct version *version);
void chain_destroy(struct store *store, struct chain *chain);
void version_destroy(struct store *store, uint32_t item, struct version *version);

/* --- node and relationship states --- */

struct node_state {
    uint32_t label_set;
    bool exists;
};
struct node_state
node_state(struct store *store, const struct node_record *record, uint64_t node, struct view view);
/* Whether the view sees the relationship of this record. */
bool rel_is_visible(
    struct store *store, const struct rel_stored *stored, uint64_t rel, struct view view);

/* --- intents: intent.c --- */

struct store_txn *store_txn_lookup(struct store *store, uint64_t txid);
/* The transaction, made when it is new; NULL without memory. */
struct store_txn *store_txn_make(struct store *store, uint64_t txid);
/* Room for one more intent: fill it, then intent_keep; or leave it. NULL without memory. */
struct intent *intent_open(struct store *store, struct store_txn *txn);
void intent_keep(struct store_txn *txn);
/* Takes back all but the first `mark` intents. */
void intent_undo(struct store *store, struct store_txn *txn, uint64_t mark);
void store_txns_destroy(struct store *store);
void store_replay_abandon(struct store *store);

/* --- indexes: index.c --- */

struct group *group_lookup(const struct store *store, uint32_t index, struct value value);
struct group *group_make(struct store *store, uint32_t index, struct value value);
void group_destroy(struct store *store, struct group *group);
void groups_destroy(struct store *store);
bool values_index_equal(struct value a, struct value b);
/* Null and NaN equal nothing, so no index has them. */
bool value_is_indexable(struct value value);

void dirty_add(struct store *store, struct dirty *dirty, enum dirty_kind kind);
void dirty_remove(struct store *store, struct dirty *dirty);

#endif
