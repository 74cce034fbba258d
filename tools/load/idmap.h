/* From the ids in the files to node ids: one hash table for all id spaces, built by several workers.
 *
 *      shard of the table = top bits of the hash; each has its own lock, slots and bytes
 *      slot: 32 bits of hash | node id | where the key's bytes are
 *
 * Tables of the tool, not of the engine: it may lock. Keys are the field's text, so "1" and "01" differ,
 * as in neo4j-admin with id type string. */
#ifndef TOOLS_LOAD_IDMAP_H
#define TOOLS_LOAD_IDMAP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"

struct idmap;

struct idmap *idmap_new(void);
void idmap_delete(struct idmap *map);

/* False when the id is there already. Thread-safe. */
bool idmap_insert(struct idmap *map, uint32_t space, struct text key, uint64_t node);
/* 0 when it is not there. Thread-safe once all inserts are over; takes no lock. */
uint64_t idmap_lookup(const struct idmap *map, uint32_t space, struct text key);
/* Begins to fetch what the look-up will read: call it some dozens of look-ups ahead. */
void idmap_prefetch(const struct idmap *map, uint32_t space, struct text key);
uint64_t idmap_count(const struct idmap *map);

#endif
