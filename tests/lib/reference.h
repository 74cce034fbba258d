/* A plain reference graph: what the database must be equal to. One simple file, no cleverness.
 *
 * Nodes have a key (0 .. REFERENCE_KEY_MAX - 1) and a value; relationships join two keys and have an id.
 * An operation is one statement of the workload; reference_apply does to the reference what the statement
 * does to the database, if what it needs is there. */
#ifndef TESTS_LIB_REFERENCE_H
#define TESTS_LIB_REFERENCE_H

#include <stdbool.h>
#include <stdint.h>

enum { REFERENCE_KEY_MAX = 24, REFERENCE_REL_MAX = 4096 };

enum change_kind {
    CHANGE_NODE_CREATE, /* fails when the key is taken: unique */
    CHANGE_NODE_MERGE,  /* creates, or raises the value by one */
    CHANGE_VALUE_SET,
    CHANGE_VALUE_ADD,
    CHANGE_LABEL_TOGGLE,
    CHANGE_REL_CREATE,
    CHANGE_REL_DELETE,
    CHANGE_NODE_DELETE, /* DETACH DELETE */
    CHANGE_MOVE,        /* value from one node to another: both or none */
    CHANGE_KIND_COUNT
};

struct change {
    uint8_t kind;
    uint32_t key, key2;
    int64_t value;
    uint32_t rel; /* id of the relationship */
};

struct reference_node {
    bool exists, flagged;
    int64_t value;
};

struct reference_rel {
    bool exists;
    uint32_t from, to;
};

struct reference {
    struct reference_node nodes[REFERENCE_KEY_MAX];
    struct reference_rel rels[REFERENCE_REL_MAX];
    uint32_t rel_count; /* ids below this were used */
};

/* Returns false when the statement would have failed (a taken key). A statement that matches nothing
 * changes nothing and succeeds. */
bool reference_apply(struct reference *reference, const struct change *change);
bool reference_equal(const struct reference *a, const struct reference *b);
int64_t reference_value_sum(const struct reference *reference);

#endif
