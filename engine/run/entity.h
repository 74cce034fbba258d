/* Asking the owners of nodes and relationships about them, from the home shard.
 *
 * A reader is a small traversal of its own (MOVE to the entity, then FETCH, HYDRATE or EXPAND there), so
 * batching, credits and cancelling are those of any run, and what the home shard owns itself is read
 * without a message. Rows come back in any order, each with the tag it was fed with. */
#ifndef ENGINE_RUN_ENTITY_H
#define ENGINE_RUN_ENTITY_H

#include "engine/run/operator.h"

struct run;
struct shape;

struct entity_reader {
    struct execution *execution;
    struct traversal *traversal;
    struct shape *shape;
    struct run *run;
    struct batch rows; /* of the last batch: output columns */
};

/* Output: the hydrated entity. Input: one column of entities. */
err_t entity_reader_hydrate(struct entity_reader *reader, struct execution *execution);
/* Output: one column per fetch. Input: one column of entities, of the kind given; entity_slot is ignored. */
err_t entity_reader_fetch(
    struct entity_reader *reader,
    struct execution *execution,
    enum column_kind kind,
    const struct fetch *fetches,
    uint32_t fetch_count);
/* Output: relationship, other node. Input: one column of nodes. `step` says direction, types, and the
 * properties each relationship must have (over no row); other members are ignored. */
err_t entity_reader_expand(
    struct entity_reader *reader, struct execution *execution, const struct step *step);
/* Hands in up to BATCH_ROW_COUNT_MAX entities; values live until the reader is at its end. */
err_t
entity_reader_feed(struct entity_reader *reader, const struct batch *input, const uint64_t *tags);
/* BATCH: rows and tags, lent until the next call. END: all that was fed is answered; feed again. */
enum pull
entity_reader_pull(struct entity_reader *reader, const struct batch **rows, const uint64_t **tags);
void entity_reader_close(struct entity_reader *reader);

#endif
