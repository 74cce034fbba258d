/* Timers: a pairing heap whose links are in the timers.
 *
 *              root (earliest)
 *               | child
 *               v
 *               A  <-next/previous->  B  <->  C        children of one parent: a list
 *               | child
 *               v
 *               D                                      `previous` of a first child is its parent
 *
 * Starting is constant time and cannot fail, for nothing is allocated; stopping or expiring is
 * logarithmic over time. Most timers (time-outs) are stopped long before they expire.
 *
 * Invariants
 *  1. A timer is not later than any of its children.
 *  2. Equal deadlines are ordered by the sequence number given at start, so the order is the same in
 *     every run.
 *  3. The links of an unarmed timer are NULL. */
#include "shards/core/timer.h"

static bool
timer_is_before(const struct timer *a, const struct timer *b)
{
    return a->deadline_ns != b->deadline_ns ? a->deadline_ns < b->deadline_ns
                                            : a->sequence < b->sequence;
}

/* Joins two heaps whose roots have no siblings. */
static struct timer *
heap_meld(struct timer *a, struct timer *b)
{
    if (!a || !b)
        return a ? a : b;
    assert(!a->next && !b->next);
    if (timer_is_before(b, a)) {
        struct timer *swap = a;
        a = b;
        b = swap;
    }
    b->previous = a;
    b->next = a->child;
    if (a->child)
        a->child->previous = b;
    a->child = b;
    return a;
}

/* Makes one heap of a list of siblings: in pairs from left to right, then the pairs from right to left. */
static struct timer *
siblings_meld(struct timer *first)
{
    struct timer *pairs = NULL;
    while (first) {
        struct timer *a = first, *b = a->next;
        first = b ? b->next : NULL;
        a->next = a->previous = NULL;
        if (b)
            b->next = b->previous = NULL;
        struct timer *pair = heap_meld(a, b);
        pair->next = pairs;
        pairs = pair;
    }
    struct timer *root = NULL;
    while (pairs) {
        struct timer *next = pairs->next;
        pairs->next = NULL;
        root = heap_meld(root, pairs);
        pairs = next;
    }
    return root;
}

void
timer_heap_insert(struct timer_heap *heap, struct timer *timer)
{
    assert(!timer->child && !timer->next && !timer->previous);
    timer->sequence = heap->sequence++;
    heap->root = heap_meld(heap->root, timer);
}

void
timer_heap_remove(struct timer_heap *heap, struct timer *timer)
{
    struct timer *orphans = siblings_meld(timer->child);
    timer->child = NULL;
    if (timer == heap->root) {
        assert(!timer->previous && !timer->next);
        heap->root = orphans;
        return;
    }
    assert(timer->previous);
    if (timer->previous->child == timer)
        timer->previous->child = timer->next;
    else
        timer->previous->next = timer->next;
    if (timer->next)
        timer->next->previous = timer->previous;
    timer->next = timer->previous = NULL;
    heap->root = heap_meld(heap->root, orphans);
}

struct timer *
timer_heap_pop_due(struct timer_heap *heap, uint64_t now_ns)
{
    struct timer *timer = heap->root;
    if (!timer || timer->deadline_ns > now_ns)
        return NULL;
    timer_heap_remove(heap, timer);
    assert(!heap->root || !timer_is_before(heap->root, timer));
    return timer;
}

uint64_t
timer_heap_deadline(const struct timer_heap *heap)
{
    return heap->root ? heap->root->deadline_ns : UINT64_MAX;
}
