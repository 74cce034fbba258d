/* The frame of a writing operator: takes all input (copied, with the operator's output columns), works
 * on it batch by batch, and only then hands rows out. */
#ifndef ENGINE_RUN_BARRIER_H
#define ENGINE_RUN_BARRIER_H

#include "engine/run/write.h"

struct barrier_item {
    struct barrier_item *next;
    struct batch rows; /* the operator's columns; the input's are filled */
    uint64_t *tags;
    bool built; /* the worker's: its operations are made */
};

struct barrier {
    struct operator* op;
    struct arena arena; /* the rows */
    struct barrier_item *first, *last;
    struct barrier_item *working, *giving;
    bool collected, worked;
};

typedef enum pull barrier_work_fn(struct operator* op, struct barrier_item *item);

void barrier_create(struct barrier *barrier, struct operator* op);
void barrier_destroy(struct barrier *barrier);
void barrier_rewind(struct barrier *barrier);
/* `finish`, unless NULL, is called with item NULL after the last item was worked on, until it says END. */
enum pull barrier_next(
    struct barrier *barrier, barrier_work_fn *work, barrier_work_fn *finish, struct batch **out);
/* Takes all input. END: collected. */
enum pull barrier_collect(struct barrier *barrier);
/* An item with `row_count` rows of the operator's columns, not filled. NULL: no memory. */
struct barrier_item *barrier_item_new(struct barrier *barrier, uint32_t row_count);

#endif
