#include "engine/run/id_map.h"

#include <string.h>

#include "base/assert.h"
#include "base/hash.h"

enum { SIZE_MIN = 64 };

void
id_map_create(struct id_map *map, struct memory *memory)
{
    *map = (struct id_map){.memory = memory};
}

void
id_map_destroy(struct id_map *map)
{
    if (!map->memory)
        return;
    memory_release(map->memory, map->keys, sizeof(uint64_t) * map->size);
    memory_release(map->memory, map->words, sizeof(uint64_t) * map->size);
    *map = (struct id_map){0};
}

void
id_map_clear(struct id_map *map)
{
    if (map->count)
        memset(map->keys, 0, sizeof(uint64_t) * map->size);
    map->count = 0;
}

static uint32_t
slot_of(const struct id_map *map, uint64_t id)
{
    uint32_t at = (uint32_t)hash_word(id) & (map->size - 1);
    while (map->keys[at] && map->keys[at] != id)
        at = (at + 1) & (map->size - 1);
    return at;
}

uint64_t *
id_map_find(const struct id_map *map, uint64_t id)
{
    assert(id != 0);
    if (map->count == 0)
        return NULL;
    uint32_t at = slot_of(map, id);
    return map->keys[at] ? &map->words[at] : NULL;
}

static bool
map_grow(struct id_map *map)
{
    struct id_map grown = {.memory = map->memory, .size = map->size ? map->size * 2 : SIZE_MIN};
    size_t size = sizeof(uint64_t) * grown.size;
    grown.keys = memory_allocate(map->memory, size);
    grown.words = memory_allocate(map->memory, size);
    if (!grown.keys || !grown.words) {
        memory_release(map->memory, grown.keys, size);
        memory_release(map->memory, grown.words, size);
        return false;
    }
    memset(grown.keys, 0, size);
    for (uint32_t i = 0; i < map->size; i++) {
        if (!map->keys[i])
            continue;
        uint32_t at = slot_of(&grown, map->keys[i]);
        grown.keys[at] = map->keys[i];
        grown.words[at] = map->words[i];
    }
    grown.count = map->count;
    memory_release(map->memory, map->keys, sizeof(uint64_t) * map->size);
    memory_release(map->memory, map->words, sizeof(uint64_t) * map->size);
    *map = grown;
    return true;
}

uint64_t *
id_map_put(struct id_map *map, uint64_t id, bool *fresh)
{
    assert(id != 0);
    if ((uint64_t)map->count * 2 >= map->size && !map_grow(map))
        return NULL;
    uint32_t at = slot_of(map, id);
    *fresh = map->keys[at] == 0;
    if (*fresh) {
        map->keys[at] = id;
        map->words[at] = 0;
        map->count++;
    }
    return &map->words[at];
}
