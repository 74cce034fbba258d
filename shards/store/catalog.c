/* The catalog of one shard: names, tokens and indexes, and how a change gets in.
 *
 * Invariants
 *  1. Tokens of a kind are 0, 1, 2 ... without a gap; a name has one token per kind, for ever.
 *  2. Index ids are 0, 1, 2 ...; a dropped index keeps its id and its place.
 *  3. A token is first known (catalog_name), and only when it is known everywhere published, that is found
 *     by catalog_lookup: so a shard that meets a token in a message or in data always has its name.
 *  4. catalog_apply is the only way in: for a change of one's own, of another shard and of the log. */
#include "shards/store/catalog.h"

#include <string.h>

#include "base/hash.h"
#include "base/limits.h"
#include "shards/store/catalog_flow.h"
#include "shards/store/catalog_state.h"

enum { NAMES_SIZE_MAX = 256 << 20, TOKEN_HEAD = 12, INDEX_HEAD = 20 };

err_t
catalog_create(struct shard *shard, struct catalog **out)
{
    struct catalog *catalog = memory_allocate(shard_memory(shard), sizeof(*catalog));
    if (!catalog)
        return ERR(MEMORY_POOL);
    memset(catalog, 0, sizeof(*catalog));
    catalog->shard = shard;
    pool_create(&catalog->pool, shard_memory(shard), POOL_SLAB_SIZE_FIRST);
    arena_create(&catalog->names, shard_memory(shard), NAMES_SIZE_MAX);
    table_create(&catalog->tokens, &catalog->pool);
    *out = catalog;
    return 0;
}

void
catalog_destroy(struct catalog *catalog)
{
    if (catalog->flow)
        catalog_flow_destroy(catalog->flow);
    for (int kind = 0; kind < TOKEN_KIND_COUNT; kind++)
        pool_release(
            &catalog->pool, catalog->by_token[kind],
            sizeof(struct catalog_token *) * catalog->token_capacity[kind]);
    pool_release(
        &catalog->pool, catalog->indexes, sizeof(struct index_info *) * catalog->index_capacity);
    table_destroy(&catalog->tokens);
    arena_destroy(&catalog->names);
    pool_destroy(&catalog->pool);
    memory_release(shard_memory(catalog->shard), catalog, sizeof(*catalog));
}

static uint64_t
token_hash(enum token_kind kind, struct text name)
{
    return hash_bytes(name.data, name.size, kind);
}

/* Whether it may be used here yet or not. */
static uint32_t
token_find(const struct catalog *catalog, enum token_kind kind, struct text name)
{
    uint64_t hash = token_hash(kind, name);
    for (struct table_link *link = table_chain(&catalog->tokens, hash); link; link = link->next) {
        const struct catalog_token *token = table_entry(link, struct catalog_token, link);
        if (link->hash == hash && token->kind == kind && text_equal(token->name, name))
            return token->token;
    }
    return TOKEN_NONE;
}

uint32_t
catalog_lookup(const struct catalog *catalog, enum token_kind kind, struct text name)
{
    uint32_t token = token_find(catalog, kind, name);
    return token < catalog->published_count[kind] ? token : TOKEN_NONE;
}

void
catalog_publish(struct catalog *catalog, const uint32_t *counts)
{
    for (int kind = 0; kind < TOKEN_KIND_COUNT; kind++) {
        assert(counts[kind] <= catalog->token_count[kind]);
        if (counts[kind] > catalog->published_count[kind])
            catalog->published_count[kind] = counts[kind];
    }
}

struct text
catalog_name(const struct catalog *catalog, enum token_kind kind, uint32_t token)
{
    assert(token < catalog->token_count[kind]);
    return catalog->by_token[kind][token]->name;
}

uint32_t
catalog_token_count(const struct catalog *catalog, enum token_kind kind)
{
    return catalog->published_count[kind];
}

uint64_t
catalog_schema_version(const struct catalog *catalog)
{
    return catalog->schema_version;
}

const struct index_info *
catalog_index_find(const struct catalog *catalog, uint32_t label, uint32_t key)
{
    for (uint32_t i = 0; i < catalog->index_count; i++) {
        const struct index_info *index = catalog->indexes[i];
        if (index->label == label && index->key == key && index->state == INDEX_ONLINE)
            return index;
    }
    return NULL;
}

const struct index_info *
catalog_index_by_id(const struct catalog *catalog, uint32_t id)
{
    return id < catalog->index_count ? catalog->indexes[id] : NULL;
}

const struct index_info *
catalog_index_by_name(const struct catalog *catalog, struct text name)
{
    for (uint32_t i = 0; i < catalog->index_count; i++)
        if (catalog->indexes[i]->state != INDEX_DROPPED &&
            text_equal(catalog->indexes[i]->name, name))
            return catalog->indexes[i];
    return NULL;
}

const struct index_info *
catalog_index_at(const struct catalog *catalog, uint32_t position)
{
    for (uint32_t i = 0; i < catalog->index_count; i++) {
        if (catalog->indexes[i]->state == INDEX_DROPPED)
            continue;
        if (position-- == 0)
            return catalog->indexes[i];
    }
    return NULL;
}

/* --- changes as bytes --- */

static uint8_t *
put_u32(uint8_t *out, uint32_t value)
{
    memcpy(out, &value, sizeof(value));
    return out + sizeof(value);
}

static uint32_t
get_u32(const uint8_t *in)
{
    uint32_t value;
    memcpy(&value, in, sizeof(value));
    return value;
}

size_t
change_token_size(struct text name)
{
    return TOKEN_HEAD + name.size;
}

uint8_t *
change_token_encode(uint8_t *out, enum token_kind kind, uint32_t token, struct text name)
{
    assert(name.size <= NAME_SIZE_MAX);
    *out++ = CHANGE_TOKEN;
    *out++ = (uint8_t)kind;
    *out++ = 0;
    *out++ = 0;
    out = put_u32(out, token);
    out = put_u32(out, (uint32_t)name.size);
    if (name.size)
        memcpy(out, name.data, name.size);
    return out + name.size;
}

size_t
change_index_size(const struct index_info *index)
{
    return INDEX_HEAD + index->name.size;
}

uint8_t *
change_index_encode(uint8_t *out, const struct index_info *index)
{
    assert(index->name.size <= NAME_SIZE_MAX);
    *out++ = CHANGE_INDEX;
    *out++ = index->state;
    *out++ = index->unique;
    *out++ = 0;
    out = put_u32(out, index->id);
    out = put_u32(out, index->label);
    out = put_u32(out, index->key);
    out = put_u32(out, (uint32_t)index->name.size);
    if (index->name.size)
        memcpy(out, index->name.data, index->name.size);
    return out + index->name.size;
}

static err_t
token_decode(const uint8_t *bytes, size_t size, struct catalog_change *out, size_t *used)
{
    if (size < TOKEN_HEAD || bytes[1] >= TOKEN_KIND_COUNT || bytes[2] || bytes[3])
        return ERR(STORAGE_DAMAGE);
    out->kind = bytes[1];
    out->token = get_u32(bytes + 4);
    out->name.size = get_u32(bytes + 8);
    if (out->token >= LABEL_COUNT_MAX || out->name.size > NAME_SIZE_MAX ||
        out->name.size > size - TOKEN_HEAD)
        return ERR(STORAGE_DAMAGE);
    out->name.data = (const char *)bytes + TOKEN_HEAD;
    *used = TOKEN_HEAD + out->name.size;
    return 0;
}

static err_t
index_decode(const uint8_t *bytes, size_t size, struct catalog_change *out, size_t *used)
{
    if (size < INDEX_HEAD || bytes[1] > INDEX_DROPPED || bytes[2] > 1 || bytes[3])
        return ERR(STORAGE_DAMAGE);
    out->index = (struct index_info){
        .state = bytes[1],
        .unique = bytes[2] == 1,
        .id = get_u32(bytes + 4),
        .label = get_u32(bytes + 8),
        .key = get_u32(bytes + 12),
        .name = {(const char *)bytes + INDEX_HEAD, get_u32(bytes + 16)},
    };
    if (out->index.id >= LABEL_COUNT_MAX || out->index.label >= LABEL_COUNT_MAX ||
        out->index.key >= LABEL_COUNT_MAX)
        return ERR(STORAGE_DAMAGE);
    if (out->index.name.size > NAME_SIZE_MAX || out->index.name.size > size - INDEX_HEAD)
        return ERR(STORAGE_DAMAGE);
    *used = INDEX_HEAD + out->index.name.size;
    return 0;
}

err_t
change_decode(const uint8_t *bytes, size_t size, struct catalog_change *out, size_t *used)
{
    *out = (struct catalog_change){0};
    if (size == 0)
        return ERR(STORAGE_DAMAGE);
    out->type = bytes[0];
    if (out->type == CHANGE_TOKEN)
        return token_decode(bytes, size, out, used);
    if (out->type == CHANGE_INDEX)
        return index_decode(bytes, size, out, used);
    return ERR(STORAGE_DAMAGE);
}

/* --- applying --- */

/* Room for one more pointer. */
static bool
pointers_grow(struct pool *pool, void ***items, uint32_t count, uint32_t *capacity)
{
    if (count < *capacity)
        return true;
    uint32_t grown = *capacity ? *capacity * 2 : 16;
    void **fresh = pool_zeroed(pool, sizeof(*fresh) * grown);
    if (!fresh)
        return false;
    if (count)
        memcpy(fresh, *items, sizeof(*fresh) * count);
    pool_release(pool, *items, sizeof(*fresh) * *capacity);
    *items = fresh;
    *capacity = grown;
    return true;
}

static err_t
token_apply(struct catalog *catalog, const struct catalog_change *change)
{
    assert(change->name.data);
    uint32_t known = token_find(catalog, change->kind, change->name);
    if (known != TOKEN_NONE)
        return known == change->token ? 0 : ERR(STORAGE_DAMAGE);
    uint32_t *count = &catalog->token_count[change->kind];
    if (change->token != *count)
        return ERR(STORAGE_DAMAGE);
    if (!pointers_grow(
            &catalog->pool, (void ***)&catalog->by_token[change->kind], *count,
            &catalog->token_capacity[change->kind]))
        return ERR(MEMORY_POOL);
    struct catalog_token *token = arena_zeroed(&catalog->names, sizeof(*token));
    struct text name = arena_text(&catalog->names, change->name);
    if (!token || !name.data)
        return ERR(MEMORY_POOL);
    token->kind = change->kind;
    token->token = change->token;
    token->name = name;
    catalog->by_token[change->kind][(*count)++] = token;
    table_insert(&catalog->tokens, &token->link, token_hash(change->kind, name));
    return 0;
}

static err_t
index_apply(struct catalog *catalog, const struct index_info *change)
{
    if (change->id > catalog->index_count)
        return ERR(STORAGE_DAMAGE);
    if (change->id == catalog->index_count) {
        if (!pointers_grow(
                &catalog->pool, (void ***)&catalog->indexes, catalog->index_count,
                &catalog->index_capacity))
            return ERR(MEMORY_POOL);
        struct index_info *index = arena_zeroed(&catalog->names, sizeof(*index));
        struct text name = arena_text(&catalog->names, change->name);
        if (!index || !name.data)
            return ERR(MEMORY_POOL);
        *index = *change;
        index->name = name;
        catalog->indexes[catalog->index_count++] = index;
    } else {
        catalog->indexes[change->id]->state = change->state;
    }
    catalog->schema_version++;
    return 0;
}

err_t
catalog_apply(struct catalog *catalog, const uint8_t *bytes, size_t size)
{
    while (size) {
        struct catalog_change change;
        size_t used = 0;
        err_t err = change_decode(bytes, size, &change, &used);
        if (!err)
            err = change.type == CHANGE_TOKEN ? token_apply(catalog, &change)
                                              : index_apply(catalog, &change.index);
        if (err)
            return err;
        bytes += used;
        size -= used;
    }
    return 0;
}

err_t
catalog_replay(struct catalog *catalog, const uint8_t *bytes, size_t size)
{
    err_t err = catalog_apply(catalog, bytes, size);
    catalog_publish(catalog, catalog->token_count);
    return err;
}
