/* What the writing operators share: a list of operations on its way to the transaction, names of
 * property keys that turn up only when the statement runs (keys of maps), and making the operations of
 * CREATE and SET. */
#ifndef ENGINE_RUN_WRITE_H
#define ENGINE_RUN_WRITE_H

#include "engine/run/operator.h"

/* Operations for one txn_write. They and what they point at live in `arena` until writer_reset. Lives in
 * the execution's arena: an answer may come after the operator is closed. */
struct writer {
    struct execution *execution;
    struct arena arena;
    struct operation *operations;
    uint32_t count, room;
    rel_id *rel_ids;
    struct txn_write write;
    bool sent, done;
    /* Keys without a token. */
    struct text *names;
    uint32_t name_count, name_room;
    struct catalog_request request;
    bool asked;
};

err_t writer_create(struct execution *execution, struct writer **out);
/* Gives the memory back; a request still out keeps the writer itself, not its arena, alive. */
void writer_destroy(struct writer *writer);
void writer_reset(struct writer *writer);

/* A zeroed operation at the end of the list; NULL: no memory. Its index is count - 1. */
struct operation *writer_add(struct writer *writer);
/* Sends the list. END: all applied, and the counters added to the execution's. */
enum pull writer_run(struct writer *writer);

/* The token of a key. TOKEN_NONE: it has none yet, and will after writer_names_run. */
err_t writer_key(struct writer *writer, struct text name, uint32_t *token);
/* Creates the tokens asked for. END: writer_key knows them. */
enum pull writer_names_run(struct writer *writer);

/* A property list being made, in the writer's arena. */
struct property_list {
    struct property *items;
    uint32_t count, room;
};
/* Adds or replaces. `keep_null`: a null removes (SET); else it is left out (CREATE). */
err_t property_list_add(
    struct writer *writer,
    struct property_list *list,
    uint32_t key,
    struct value value,
    const struct expr *at,
    bool keep_null);
/* All entries of a map, or all properties of a hydrated entity. *missing: a key had no token. */
err_t property_list_add_map(
    struct writer *writer,
    struct property_list *list,
    struct value map,
    const struct expr *at,
    bool keep_null,
    bool *missing);

/* CREATE of one input batch: `rows` has the operator's output columns, the input's filled in; this fills
 * the created ones of rows[0 .. count) and adds the operations. *missing: a key had no token; then
 * nothing was added. Relationship ids are 0 until create_rels_resolve. */
err_t create_rows(
    struct operator* op,
    struct writer *writer,
    struct batch *rows,
    const uint32_t *positions,
    uint32_t count,
    bool *missing);
/* After the write: puts the relationship ids given into the values create_rows made. */
void create_rels_resolve(struct writer *writer);
/* SET and REMOVE items for the rows, in order. */
err_t set_rows(
    struct operator* op,
    struct writer *writer,
    const struct set_item *items,
    uint32_t item_count,
    const struct batch *rows,
    const uint32_t *positions,
    uint32_t count,
    bool *missing);
/* False when this statement deleted the entity before; else it counts as deleted from now. */
err_t entity_delete_once(struct execution *execution, struct value entity, bool *first);

#endif
