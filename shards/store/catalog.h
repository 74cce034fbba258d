/* The catalog: names and schema, the same on every shard.
 *
 * Labels, relationship types and property keys are stored as small integers, tokens. One shard, the
 * owner of partition 0, gives them out; a token is durable in that shard's WAL and known on every shard
 * before the shard that asked hears of it. Tokens are never taken back. Indexes and constraints work
 * the same way, with a state that walks POPULATING -> ONLINE.
 *
 * Reads are local and synchronous. Changes are asynchronous requests. Names are lent until shutdown. */
#ifndef SHARDS_STORE_CATALOG_H
#define SHARDS_STORE_CATALOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/list.h"
#include "base/text.h"
#include "shards/core/shard.h"

#define TOKEN_NONE UINT32_MAX

err_t catalog_create(struct shard *shard, struct catalog **out);
void catalog_destroy(struct catalog *catalog);
/* Recovery: a change as it stands in the log. ERR(STORAGE_DAMAGE), ERR(MEMORY_POOL). */
err_t catalog_replay(struct catalog *catalog, const uint8_t *bytes, size_t size);
/* In the program's `start`, after recovery, on each shard: registers the messages. Then, once the shards
 * turn, all indexes are filled from the data (entries are not logged) and the catalog becomes ready
 * everywhere; no query and no write may run before. `horizon` says below which timestamp nobody reads any
 * more (txn_horizon); NULL: nobody reads. `ready` may be NULL; it is called once. */
err_t catalog_start(
    struct shard *shard,
    uint64_t (*horizon)(struct shard *shard),
    void (*ready)(struct shard *shard, void *context),
    void *context);
bool catalog_is_ready(const struct catalog *catalog);

enum token_kind { TOKEN_LABEL, TOKEN_TYPE, TOKEN_KEY, TOKEN_KIND_COUNT };

/* TOKEN_NONE when the name is not in use anywhere: nothing carries it. */
uint32_t catalog_lookup(const struct catalog *catalog, enum token_kind kind, struct text name);
struct text catalog_name(const struct catalog *catalog, enum token_kind kind, uint32_t token);
uint32_t catalog_token_count(const struct catalog *catalog, enum token_kind kind);

enum index_state { INDEX_POPULATING, INDEX_ONLINE, INDEX_DROPPED };

/* An equality index on one property of the nodes with one label. Entries live in the partition that the
 * hash of the value chooses (index_partition). */
struct index_info {
    uint32_t id; /* never reused */
    uint32_t label, key;
    bool unique; /* belongs to a uniqueness constraint */
    uint8_t state;
    struct text name;
};

/* Raised by one at each change of the schema; plans remember the version they were made for. */
uint64_t catalog_schema_version(const struct catalog *catalog);
/* NULL when there is none ONLINE. */
const struct index_info *
catalog_index_find(const struct catalog *catalog, uint32_t label, uint32_t key);
const struct index_info *catalog_index_by_id(const struct catalog *catalog, uint32_t id);
const struct index_info *catalog_index_by_name(const struct catalog *catalog, struct text name);
/* All that are not dropped, in order of id; `position` from 0; NULL at the end. */
const struct index_info *catalog_index_at(const struct catalog *catalog, uint32_t position);

enum catalog_action { CATALOG_TOKENS, CATALOG_INDEX_CREATE, CATALOG_INDEX_DROP };

/* One change. The structure is the caller's until `done`, which runs on the asking shard. */
struct catalog_request {
    struct list_link link;
    enum catalog_action action;
    /* CATALOG_TOKENS: names to look up or create. The answer is in `tokens`. */
    uint32_t name_count;
    const uint8_t *kinds; /* enum token_kind of each */
    const struct text *names;
    uint32_t *tokens;
    /* CATALOG_INDEX_CREATE: label, key, unique, name (size 0: one is made up). `done` comes when it is
     * ONLINE on every shard; a unique index over data that breaks it fails with ERR(CONSTRAINT) and is
     * dropped again. CATALOG_INDEX_DROP: name. */
    struct index_info index;
    bool changed; /* something was created or dropped */
    err_t err;
    uint64_t conflict_nodes[2]; /* ERR(CONSTRAINT): two nodes with the same value */
    void (*done)(struct catalog_request *request);
    void *context;
    uint64_t id; /* the catalog's */
};
/* `done` never runs from inside. */
void catalog_submit(struct shard *shard, struct catalog_request *request);

#endif
