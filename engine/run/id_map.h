/* A hash map from ids (never 0) to words; open addressing, no deletion. For sets of deleted entities,
 * visited nodes, and entities already asked for. Memory is the query's. */
#ifndef ENGINE_RUN_ID_MAP_H
#define ENGINE_RUN_ID_MAP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/memory.h"

struct id_map {
    struct memory *memory;
    uint64_t *keys, *words;
    uint32_t count, size;
};

void id_map_create(struct id_map *map, struct memory *memory);
void id_map_destroy(struct id_map *map);
void id_map_clear(struct id_map *map);
/* NULL when the id is not there. Lent until the next put. */
uint64_t *id_map_find(const struct id_map *map, uint64_t id);
/* The word of the id, which is made 0 when the id is new (*fresh). NULL: no memory. */
uint64_t *id_map_put(struct id_map *map, uint64_t id, bool *fresh);

#endif
