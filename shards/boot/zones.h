/* The machine's time zone database, read once at start and unchanged afterwards, so that every shard may
 * look at it without asking anybody. Made and freed by main(). */
#ifndef SHARDS_BOOT_ZONES_H
#define SHARDS_BOOT_ZONES_H

#include "base/error.h"
#include "base/text.h"

#define ZONES_DIRECTORY "/usr/share/zoneinfo"

struct zones;

/* Every TZif file (RFC 8536) below the directory, by its path: "Europe/Stockholm". A directory that is not
 * there gives an empty set: then only offsets and UTC are known. MEMORY_POOL: no memory. */
err_t zones_load(const char *directory, struct zones **out);
void zones_free(struct zones *zones);
/* The whole file, lent until zones_free; data NULL when there is no such zone. */
struct text zones_lookup(const struct zones *zones, struct text name);
uint32_t zones_count(const struct zones *zones);

#endif
