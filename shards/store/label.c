/* Sets of labels and the bitmaps that scans by label walk.
 *
 * A bit says that the node has the label for somebody, or had it, or was about to: who scans asks the
 * record. Bits are set before a version that carries the label, and cleared when the last version that
 * does is collected. */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "shards/store/state.h"

static struct label_set *
label_set_lookup(const struct store *store, const uint32_t *tokens, uint32_t count, uint64_t hash)
{
    for (struct table_link *link = table_chain(&store->label_set_table, hash); link;
         link = link->next) {
        struct label_set *set = table_entry(link, struct label_set, link);
        if (link->hash == hash && set->count == count &&
            memcmp(set->tokens, tokens, count * sizeof(*tokens)) == 0)
            return set;
    }
    return NULL;
}

bool
label_set_find(struct store *store, const uint32_t *tokens, uint32_t count, uint32_t *id)
{
    for (uint32_t i = 1; i < count; i++)
        assert(tokens[i - 1] < tokens[i]);
    *id = 0;
    if (count == 0)
        return true;
    uint64_t hash = hash_bytes(tokens, count * sizeof(*tokens), 1);
    struct label_set *set = label_set_lookup(store, tokens, count, hash);
    if (set) {
        *id = set->id;
        return true;
    }
    if (!array_grow(
            &store->pool, (void **)&store->label_sets, &store->label_set_capacity,
            store->label_set_count + 1, sizeof(void *)))
        return false;
    set = pool_allocate(&store->pool, sizeof(*set) + count * sizeof(*tokens));
    if (!set)
        return false;
    set->id = store->label_set_count++;
    set->count = count;
    memcpy(set->tokens, tokens, count * sizeof(*tokens));
    store->label_sets[set->id] = set;
    table_insert(&store->label_set_table, &set->link, hash);
    *id = set->id;
    return true;
}

bool
label_set_has(const struct store *store, uint32_t set, uint32_t label)
{
    if (set == 0)
        return false;
    const struct label_set *tokens = store->label_sets[set];
    for (uint32_t i = 0; i < tokens->count; i++)
        if (tokens->tokens[i] == label)
            return true;
    return false;
}

static int
token_order(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static bool
tokens_have(const uint32_t *tokens, uint32_t count, uint32_t token)
{
    for (uint32_t i = 0; i < count; i++)
        if (tokens[i] == token)
            return true;
    return false;
}

err_t
label_set_change(
    struct store *store,
    struct arena *arena,
    uint32_t from,
    const struct operation *operation,
    uint32_t *to)
{
    const struct label_set *set = from ? store->label_sets[from] : NULL;
    uint64_t most = (uint64_t)(set ? set->count : 0) + operation->label_count;
    uint32_t *tokens = arena_allocate(arena, (most + 1) * sizeof(*tokens));
    if (!tokens)
        return ERR(MEMORY_POOL);
    uint32_t count = 0;
    for (uint32_t i = 0; set && i < set->count; i++)
        tokens[count++] = set->tokens[i];
    for (uint32_t i = 0; i < operation->label_count; i++)
        if (!tokens_have(tokens, count, operation->labels[i]))
            tokens[count++] = operation->labels[i];
    uint32_t kept = 0;
    const uint32_t *removed = operation->labels + operation->label_count;
    for (uint32_t i = 0; i < count; i++)
        if (!tokens_have(removed, operation->removed_label_count, tokens[i]))
            tokens[kept++] = tokens[i];
    qsort(tokens, kept, sizeof(*tokens), token_order);
    return label_set_find(store, tokens, kept, to) ? 0 : ERR(MEMORY_POOL);
}

static struct label *
label_make(struct store *store, uint32_t token)
{
    if (!array_grow(
            &store->pool, (void **)&store->labels, &store->label_count, token + UINT64_C(1),
            sizeof(void *)))
        return NULL;
    if (!store->labels[token])
        store->labels[token] = pool_zeroed(&store->pool, sizeof(struct label));
    return store->labels[token];
}

err_t
label_bits_set(struct store *store, uint32_t set, uint64_t node)
{
    uint64_t local = id_local(node);
    for (uint32_t i = 0; set && i < store->label_sets[set]->count; i++) {
        struct label *label = label_make(store, store->label_sets[set]->tokens[i]);
        if (!label)
            return ERR(MEMORY_POOL);
        struct bitmap *bitmap = &label->parts[partition_of(node)];
        if (!array_grow(
                &store->pool, (void **)&bitmap->words, &bitmap->word_count, local / 64 + 1,
                sizeof(uint64_t)))
            return ERR(MEMORY_POOL);
        bitmap->words[local / 64] |= UINT64_C(1) << (local % 64);
    }
    return 0;
}

void
label_bit_clear(struct store *store, uint32_t label, uint64_t node)
{
    struct bitmap *bitmap = &store->labels[label]->parts[partition_of(node)];
    bitmap->words[id_local(node) / 64] &= ~(UINT64_C(1) << (id_local(node) % 64));
}

void
label_counts_move(struct store *store, bool had, uint32_t from_set, bool has, uint32_t to_set)
{
    store->node_count += (uint64_t)has - (uint64_t)had;
    for (uint32_t i = 0; had && from_set && i < store->label_sets[from_set]->count; i++)
        store->labels[store->label_sets[from_set]->tokens[i]]->node_count--;
    for (uint32_t i = 0; has && to_set && i < store->label_sets[to_set]->count; i++)
        store->labels[store->label_sets[to_set]->tokens[i]]->node_count++;
}
