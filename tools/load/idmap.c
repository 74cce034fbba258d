#include "tools/load/idmap.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/assert.h"
#include "base/hash.h"

enum { PART_BITS = 4, PART_COUNT = 1 << PART_BITS, SLOT_COUNT_MIN = 1024 };

/* Short keys, the usual ones, are stored in the slot itself. */
struct slot {
    uint64_t node; /* 0 = free */
    uint32_t tag;  /* low bits of the hash */
    uint32_t size_and_space;
    union {
        char inline_key[16];
        const char *key;
    };
};

struct part {
    _Alignas(128) pthread_mutex_t lock;
    struct slot *slots;
    uint64_t slot_count, used_count;
    char
        *bytes; /* the newest block of long keys; older ones are chained through their first word */
    size_t bytes_used, bytes_room;
};

struct idmap {
    struct part parts[PART_COUNT];
};

enum { KEY_BLOCK_SIZE = 1 << 20, SPACE_SHIFT = 24, KEY_SIZE_MAX = (1 << SPACE_SHIFT) - 1 };

struct idmap *
idmap_new(void)
{
    struct idmap *map = aligned_alloc(128, sizeof(*map));
    assert(map);
    memset(map, 0, sizeof(*map));
    for (int i = 0; i < PART_COUNT; i++)
        pthread_mutex_init(&map->parts[i].lock, NULL);
    return map;
}

void
idmap_delete(struct idmap *map)
{
    for (int i = 0; i < PART_COUNT; i++) {
        struct part *part = &map->parts[i];
        pthread_mutex_destroy(&part->lock);
        free(part->slots);
        while (part->bytes) {
            char *older;
            memcpy(&older, part->bytes, sizeof(older));
            free(part->bytes);
            part->bytes = older;
        }
    }
    free(map);
}

static uint64_t
key_hash(uint32_t space, struct text key)
{
    return hash_bytes(key.data, key.size, space + 1);
}

static const char *
slot_key(const struct slot *slot)
{
    return (slot->size_and_space & KEY_SIZE_MAX) <= sizeof(slot->inline_key) ? slot->inline_key
                                                                             : slot->key;
}

static bool
slot_matches(const struct slot *slot, uint64_t hash, uint32_t space, struct text key)
{
    return slot->tag == (uint32_t)hash &&
           slot->size_and_space == ((uint32_t)key.size | space << SPACE_SHIFT) &&
           memcmp(slot_key(slot), key.data, key.size) == 0;
}

static struct slot *
slot_find(const struct part *part, uint64_t hash, uint32_t space, struct text key)
{
    uint64_t mask = part->slot_count - 1;
    for (uint64_t i = (hash >> 4) & mask;; i = (i + 1) & mask) {
        struct slot *slot = &part->slots[i];
        if (!slot->node || slot_matches(slot, hash, space, key))
            return slot;
    }
}

/* Zeroed, in huge pages where it is worth it: a table is read at random. */
static struct slot *
slots_allocate(uint64_t count)
{
    enum { HUGE_PAGE_SIZE = 2 << 20 };
    size_t size = count * sizeof(struct slot);
    struct slot *slots = aligned_alloc(size < HUGE_PAGE_SIZE ? 64 : HUGE_PAGE_SIZE, size);
    assert(slots);
    if (size >= HUGE_PAGE_SIZE)
        madvise(slots, size, MADV_HUGEPAGE);
    memset(slots, 0, size);
    return slots;
}

static void
part_grow(struct part *part)
{
    uint64_t old_count = part->slot_count;
    struct slot *old = part->slots;
    part->slot_count = old_count ? old_count * 2 : SLOT_COUNT_MIN;
    part->slots = slots_allocate(part->slot_count);
    for (uint64_t i = 0; i < old_count; i++) {
        if (!old[i].node)
            continue;
        struct text key = {slot_key(&old[i]), old[i].size_and_space & KEY_SIZE_MAX};
        uint32_t space = old[i].size_and_space >> SPACE_SHIFT;
        *slot_find(part, key_hash(space, key), space, key) = old[i];
    }
    free(old);
}

static const char *
key_store(struct part *part, struct text key)
{
    if (!part->bytes || part->bytes_room - part->bytes_used < key.size) {
        size_t room = sizeof(char *) + (key.size > KEY_BLOCK_SIZE ? key.size : KEY_BLOCK_SIZE);
        char *block = malloc(room);
        assert(block);
        memcpy(block, &part->bytes, sizeof(part->bytes));
        part->bytes = block;
        part->bytes_used = sizeof(char *);
        part->bytes_room = room;
    }
    char *copy = part->bytes + part->bytes_used;
    memcpy(copy, key.data, key.size);
    part->bytes_used += key.size;
    return copy;
}

bool
idmap_insert(struct idmap *map, uint32_t space, struct text key, uint64_t node)
{
    assert(node != 0 && space < 256 && key.size < KEY_SIZE_MAX);
    uint64_t hash = key_hash(space, key);
    struct part *part = &map->parts[hash >> (64 - PART_BITS)];
    pthread_mutex_lock(&part->lock);
    if (part->used_count * 10 >= part->slot_count * 7)
        part_grow(part);
    struct slot *slot = slot_find(part, hash, space, key);
    bool fresh = slot->node == 0;
    if (fresh) {
        *slot = (struct slot){
            .node = node,
            .tag = (uint32_t)hash,
            .size_and_space = (uint32_t)key.size | space << SPACE_SHIFT};
        if (key.size <= sizeof(slot->inline_key))
            memcpy(slot->inline_key, key.data, key.size);
        else
            slot->key = key_store(part, key);
        part->used_count++;
    }
    pthread_mutex_unlock(&part->lock);
    return fresh;
}

uint64_t
idmap_lookup(const struct idmap *map, uint32_t space, struct text key)
{
    uint64_t hash = key_hash(space, key);
    const struct part *part = &map->parts[hash >> (64 - PART_BITS)];
    return part->slot_count ? slot_find(part, hash, space, key)->node : 0;
}

void
idmap_prefetch(const struct idmap *map, uint32_t space, struct text key)
{
    uint64_t hash = key_hash(space, key);
    const struct part *part = &map->parts[hash >> (64 - PART_BITS)];
    if (part->slot_count)
        __builtin_prefetch(&part->slots[(hash >> 4) & (part->slot_count - 1)]);
}

uint64_t
idmap_count(const struct idmap *map)
{
    uint64_t count = 0;
    for (int i = 0; i < PART_COUNT; i++)
        count += map->parts[i].used_count;
    return count;
}
