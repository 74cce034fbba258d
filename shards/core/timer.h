/* The timers of one shard. The loop's; others use timer_start and timer_stop (shard.h). */
#ifndef SHARDS_CORE_TIMER_H
#define SHARDS_CORE_TIMER_H

#include "shards/core/shard.h"

struct timer_heap {
    struct timer *root;
    uint64_t sequence;
};

void timer_heap_insert(struct timer_heap *heap, struct timer *timer);
void timer_heap_remove(struct timer_heap *heap, struct timer *timer);
/* Takes out the earliest timer due at `now_ns`; NULL when there is none. */
struct timer *timer_heap_pop_due(struct timer_heap *heap, uint64_t now_ns);
/* The earliest deadline; UINT64_MAX when no timer is armed. */
uint64_t timer_heap_deadline(const struct timer_heap *heap);

#endif
