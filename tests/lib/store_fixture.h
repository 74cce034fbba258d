/* One shard with a store and a catalog and nothing else, on counted memory that can fail. */
#ifndef TESTS_LIB_STORE_FIXTURE_H
#define TESTS_LIB_STORE_FIXTURE_H

#include "shards/store/store.h"

struct store_fixture {
    struct seam seam; /* its memory counts, and fails from allocation `fail_at` on; 0 = never */
    uint64_t allocation_count, fail_at;
    struct shard shard;
    struct store *store;
    struct arena arena;
    uint64_t timestamp;               /* of the last commit */
    uint64_t txid;                    /* of the last transaction */
    struct operation_outcome outcome; /* of the last operation */
};

void store_fixture_create(struct store_fixture *fixture);
void store_fixture_destroy(struct store_fixture *fixture);

/* A new transaction that sees everything committed. */
struct view fixture_begin(struct store_fixture *fixture);
/* Commits with the next timestamp, which is returned. */
uint64_t fixture_commit(struct store_fixture *fixture, struct view view);
/* A reader of everything committed. */
struct view fixture_now(const struct store_fixture *fixture);
/* Applies; follows up with index entries, and with REL_ATTACH or REL_DETACH. */
err_t fixture_apply(struct store_fixture *fixture, struct view view, struct operation operation);

err_t fixture_node(
    struct store_fixture *fixture,
    struct view view,
    node_id node,
    const uint32_t *labels,
    uint32_t label_count,
    const struct property *properties,
    uint32_t property_count);
err_t fixture_node_delete(struct store_fixture *fixture, struct view view, node_id node);
err_t fixture_set(
    struct store_fixture *fixture,
    struct view view,
    node_id node,
    uint32_t key,
    struct value value);
err_t fixture_labels(
    struct store_fixture *fixture,
    struct view view,
    node_id node,
    const uint32_t *labels,
    uint32_t added,
    uint32_t removed);
err_t fixture_rel(
    struct store_fixture *fixture,
    struct view view,
    node_id start,
    node_id end,
    uint32_t type,
    rel_id *rel);
err_t fixture_rel_delete(
    struct store_fixture *fixture,
    struct view view,
    rel_id rel,
    node_id start,
    node_id end,
    uint32_t type);
/* Declares an index with the next id, in this state. */
uint32_t fixture_index(
    struct store_fixture *fixture, uint32_t label, uint32_t key, bool unique, uint8_t state);

#endif
