/* A step of a traversal, as the shard runs it. One kind, one file (step_*.c), one line in steps.def.
 *
 * Two sorts of steps exist. An *expander* reads input rows and writes new ones (a scan, a seek, an
 * expansion), at most BATCH_ROW_COUNT_MAX at a time, and keeps a cursor so that it can go on later:
 *
 *      in (pending rows)  --- expand(cursor) --->  out (fresh rows; slots `kept` gathered from in)
 *
 * A *sieve* works on rows where they lie: it drops some, or fills columns.
 *
 * Invariants
 *  1. A batch of rows has one column per slot of the traversal; only the columns of live slots have arrays.
 *  2. What a value points at lives in the arena of its batch, or of a batch nearer to the start, or in the
 *     message it came in. All of them stay until the deeper batches are used up.
 *  3. A step never keeps what the store lent beyond its call: it copies.
 *
 * Steps know the store of their shard and nothing of messages or runs (engine/route). */
#ifndef ENGINE_RUN_STEP_H
#define ENGINE_RUN_STEP_H

#include "engine/plan/plan.h"
#include "engine/run/expr.h"
#include "engine/value/batch.h"
#include "shards/core/shard.h"
#include "shards/store/store.h"

enum { SLOT_COUNT_MAX = 1024, SLOT_WORD_COUNT = SLOT_COUNT_MAX / 64 };

/* A set of slots. */
struct slot_set {
    uint64_t words[SLOT_WORD_COUNT];
};

static inline void
slot_set_add(struct slot_set *set, uint32_t slot)
{
    if (slot != SLOT_NONE)
        set->words[slot / 64] |= UINT64_C(1) << (slot % 64);
}

static inline void
slot_set_drop(struct slot_set *set, uint32_t slot)
{
    if (slot != SLOT_NONE)
        set->words[slot / 64] &= ~(UINT64_C(1) << (slot % 64));
}

static inline bool
slot_set_has(const struct slot_set *set, uint32_t slot)
{
    return slot != SLOT_NONE && (set->words[slot / 64] >> (slot % 64) & 1);
}

struct slot_list {
    uint32_t count;
    const uint16_t *slots; /* ascending */
};

/* Working space of one call of a step. One per shard: steps do not overlap. */
struct step_scratch {
    uint32_t positions[BATCH_ROW_COUNT_MAX];
    uint32_t sources[BATCH_ROW_COUNT_MAX];
    uint64_t nodes[BATCH_ROW_COUNT_MAX];
    uint64_t rels[BATCH_ROW_COUNT_MAX];
    uint32_t types[BATCH_ROW_COUNT_MAX];
    uint8_t directions[BATCH_ROW_COUNT_MAX];
    struct value values[BATCH_ROW_COUNT_MAX];
};

/* What all steps of a traversal share on one shard. */
struct step_context {
    struct shard *shard;
    struct store *store;
    struct view view;
    uint32_t slot_count;
    const uint8_t *slot_kinds;
    struct memory *memory;           /* of the query, on this shard */
    struct expr_context expressions; /* its arena is set by who runs the step */
    struct step_scratch *scratch;
};

/* Where an expander stands in its input rows; zeroed, but for `nodes`, when new input arrives. */
struct step_cursor {
    uint32_t row;
    bool prepared;
    bool forwarded; /* VAR_EXPAND: the rows that are long enough have gone on */
    struct expand_cursor expand;
    struct scan_cursor scan;
    struct value value; /* INDEX_SEEK: of this row */
    bool nodes_ready;
    uint64_t *
        nodes; /* from_slot as ids, when its column holds values; a buffer of the segment's owner */
};

struct step_class {
    /* Expander: writes out->row_count rows into `out`, whose columns have room for BATCH_ROW_COUNT_MAX,
     * gathers the slots `kept` of the input, and says in *done that the input is used up. Values go to
     * context->expressions.arena. */
    err_t (*expand)(
        struct step_context *context,
        const struct step *step,
        const struct batch *in,
        struct step_cursor *cursor,
        struct slot_list kept,
        struct batch *out,
        bool *done);
    /* Sieve: works on `rows` in place; `live` are the slots needed afterwards. */
    err_t (*sieve)(
        struct step_context *context,
        const struct step *step,
        struct batch *rows,
        struct slot_list live);
};

#define STEP(name, text) extern const struct step_class step_class_##name;
#include "engine/plan/steps.def"
#undef STEP

/* NULL for STEP_NONE. */
const struct step_class *step_class_of(enum step_kind kind);
const char *step_kind_name(enum step_kind kind);

/* Copies the slots of rows sources[0 .. count) of `in` to rows 0 .. count of `out`. */
void rows_gather(
    const struct step_context *context,
    const struct batch *in,
    struct batch *out,
    struct slot_list slots,
    const uint32_t *sources,
    uint32_t count);
/* Keeps the rows positions[0 .. count), ascending; row_count becomes count. */
void rows_select(
    const struct step_context *context,
    struct batch *rows,
    struct slot_list slots,
    const uint32_t *positions,
    uint32_t count);
/* The nodes of a slot as ids, NODE_ABSENT for what is no node; `scratch` is used when the column holds values. */
const uint64_t *rows_nodes(const struct batch *rows, uint32_t slot, uint64_t *scratch);

/* A relationship seen from `node`: with the ends in their true order. NULL: no memory. */
const struct value_rel *rel_make(
    struct arena *arena,
    uint64_t rel,
    uint32_t type,
    uint8_t direction,
    uint64_t node,
    uint64_t other);
/* Id of the node or relationship in a value, whose owner can read it; false for anything else. */
bool entity_id(struct value value, uint64_t *id);
/* The entity with labels, type and properties as of the view, read here: this shard must own it. What is
 * gone comes back flagged deleted. In the arena. */
err_t entity_hydrate(
    struct step_context *context, struct arena *arena, struct value entity, struct value *out);
/* One property of an entity this shard owns, copied into the arena. */
err_t entity_property(
    struct step_context *context,
    struct arena *arena,
    struct value entity,
    uint32_t key,
    struct value *out);
bool value_is_inline(struct value value);

/* VAR_EXPAND has three parts. Its sieve begins trails: an empty list, ending where they start. Arriving
 * trails pass var_expand_arrive, which checks the newest relationship when it is owned here. Those at
 * least `min` long are selected to go on; its expander lengthens trails by one relationship each. */
err_t var_expand_arrive(
    struct step_context *context,
    const struct step *step,
    struct batch *rows,
    struct slot_list carried);
uint32_t var_expand_select(const struct step *step, const struct batch *rows, uint32_t *positions);

#endif
