/* One shard's part in filling an index: reading its nodes and sending what they have to the owners of the
 * values, and checking the values it owns. Driven by catalog_flow.c at the catalog's owner.
 *
 *     owner                    every shard                              owners of values
 *     INDEX_POPULATE fill ->   waits for old transactions, scans  ->    INDEX_ENTRIES: entries made
 *                              <-------------------------------------   INDEX_REPLY taken
 *            <- INDEX_REPLY filled, newest timestamp read
 *     INDEX_POPULATE check ->  looks at each value it owns
 *            <- INDEX_REPLY checked: unique, or two nodes */
#ifndef SHARDS_STORE_POPULATION_H
#define SHARDS_STORE_POPULATION_H

#include "shards/mail/mail.h"
#include "shards/store/store.h"

enum population_kind { POPULATION_FILL = 1, POPULATION_CHECK = 2, POPULATION_TAKEN = 3 };

/* INDEX_POPULATE */
struct population_order {
    uint32_t kind;
    uint32_t index;
    uint64_t job;
};

/* INDEX_REPLY: to the catalog's owner, and, for POPULATION_TAKEN, to the shard that sent entries. */
struct population_report {
    uint32_t kind;
    uint32_t index;
    uint64_t job;
    err_t err;
    uint64_t timestamp; /* FILL: the newest commit that was read */
    uint64_t nodes[2];  /* CHECK, ERR(CONSTRAINT) */
};

struct population;

err_t population_create(struct shard *shard, struct population **out);
void population_destroy(struct population *population);
void population_ordered(struct population *population, const struct message *message);
/* INDEX_ENTRIES arrived: make them. */
void population_take(struct population *population, const struct message *message);
/* INDEX_REPLY of kind POPULATION_TAKEN. */
void population_taken(struct population *population, const struct population_report *report);

#endif
