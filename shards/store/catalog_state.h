/* The insides of a catalog: what catalog.c and catalog_change.c share.
 *
 * A change is bytes: the same in the owner's log, in the message to the other shards and in recovery.
 *
 *     TOKEN  1 u8, kind u8, 0 u16, token u32, name size u32, name
 *     INDEX  2 u8, state u8, unique u8, 0 u8, id u32, label u32, key u32, name size u32, name
 *
 * Several stand one after the other. Applying a change twice is applying it once. */
#ifndef SHARDS_STORE_CATALOG_STATE_H
#define SHARDS_STORE_CATALOG_STATE_H

#include "base/arena.h"
#include "shards/store/catalog.h"
#include "shards/store/pool.h"
#include "shards/store/table.h"

struct catalog_token {
    struct table_link link;
    uint32_t kind, token;
    struct text name;
};

struct catalog_flow;

struct catalog {
    struct shard *shard;
    struct pool pool;
    struct arena names;
    struct table tokens; /* by kind and name */
    struct catalog_token **by_token[TOKEN_KIND_COUNT];
    uint32_t token_count[TOKEN_KIND_COUNT], token_capacity[TOKEN_KIND_COUNT];
    uint32_t published_count[TOKEN_KIND_COUNT]; /* tokens below may be looked up */
    struct index_info **indexes;                /* by id; never shrinks */
    uint32_t index_count, index_capacity;
    uint64_t schema_version;
    struct catalog_flow *flow; /* requests under way: catalog_flow.c */
};

enum { CHANGE_TOKEN = 1, CHANGE_INDEX = 2 };

size_t change_token_size(struct text name);
/* Both return the end of what they wrote. */
uint8_t *change_token_encode(uint8_t *out, enum token_kind kind, uint32_t token, struct text name);
size_t change_index_size(const struct index_info *index);
uint8_t *change_index_encode(uint8_t *out, const struct index_info *index);

/* One change, decoded; the name points into the bytes. ERR(STORAGE_DAMAGE). */
struct catalog_change {
    uint8_t type;
    uint8_t kind;
    uint32_t token;
    struct text name;
    struct index_info index;
};
err_t change_decode(const uint8_t *bytes, size_t size, struct catalog_change *out, size_t *used);

/* Applies all changes in the bytes. Tokens are known then, and found once they are published. */
err_t catalog_apply(struct catalog *catalog, const uint8_t *bytes, size_t size);
/* Tokens below these counts, one per kind, are known on every shard. */
void catalog_publish(struct catalog *catalog, const uint32_t *counts);

#endif
