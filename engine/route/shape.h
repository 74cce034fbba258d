/* The shape of a traversal: its steps cut into segments, and which slots each segment needs.
 *
 *      steps     MOVE a   EXPAND a b   FILTER   MOVE b   FETCH b.v   FILTER   (end)
 *                |------- segment 1 ---------|  |----- segment 2 ---------|   exit
 *      segment 0 takes the input on the home shard
 *
 * A segment is: how rows come to it, at most one expander, then sieves. Between segments that are
 * entered by a step that reads a node (MOVE, SCAN, INDEX_SEEK, ID_SEEK, the loop of VAR_EXPAND) rows may
 * change shards; those begin what plan.h calls a stage. The last segment is the exit: rows that go home,
 * or the partial aggregation. A shape is immutable and read by all shards. */
#ifndef ENGINE_ROUTE_SHAPE_H
#define ENGINE_ROUTE_SHAPE_H

#include "engine/run/step.h"

enum segment_source {
    SOURCE_LOCAL,     /* from the segment before, on the same shard */
    SOURCE_INPUT,     /* segment 0: the operator's input, on the home shard */
    SOURCE_MOVE,      /* to the owner of an entity */
    SOURCE_BROADCAST, /* to all shards */
    SOURCE_INDEX,     /* to the owner of an index entry */
    SOURCE_ID,        /* to the owner of an id */
    SOURCE_LOOP,      /* VAR_EXPAND: from the segment before, or from itself on any shard */
    SOURCE_HOME,      /* the exit of a traversal that gives rows */
};

struct sieve {
    const struct step *step;
    const struct step_class *class;
    struct slot_list live;
};

struct segment_shape {
    uint8_t source; /* enum segment_source */
    const struct step *arrival;
    const struct step *expander; /* NULL: rows pass as they are */
    const struct step_class *expander_class;
    uint32_t sieve_count;
    struct sieve *sieves;
    struct slot_list carried; /* what rows have when they arrive */
    struct slot_list kept;    /* what the expander gathers from its input */
    struct slot_list forward; /* SOURCE_LOOP: what a finished trail takes along */
    struct slot_list touched; /* what needs arrays while this segment works on its output */
};

struct shape {
    const struct traversal *traversal;
    uint32_t slot_count; /* with the hidden ones */
    uint8_t *slot_kinds;
    uint32_t tag_slot; /* SLOT_NONE: rows are not tagged */
    bool loops;        /* has a SOURCE_LOOP segment */
    bool gathers;      /* ends in partial aggregation or top-k: shards hold back until RUN_FINISH */
    uint32_t exit;     /* index of the exit; there are exit + 1 segments */
    struct segment_shape *segments;
};

/* Everything is in the arena. `tagged` adds a hidden slot that carries a number through every step. */
err_t shape_create(
    struct arena *arena, const struct traversal *traversal, bool tagged, struct shape **out);

#endif
