/* A bounded FIFO of pointers from one thread to one other: the only lock-free structure of Quiver.
 *
 * It is ck_ring. Concurrency Kit 0.7.1 makes its atomics of inline assembly, which ThreadSanitizer cannot
 * see, and its ring lacks barriers that weakly ordered processors need: for those two there is a twin in C11
 * atomics below. The writer's and the reader's words are on separate pairs of cache lines in both.
 *
 * Capacity is SPSC_COUNT - 1. push: false when full. pop: NULL when empty. */
#ifndef SHARDS_MAIL_SPSC_H
#define SHARDS_MAIL_SPSC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"

enum { SPSC_COUNT = MAIL_RING_COUNT };
static_assert((SPSC_COUNT & (SPSC_COUNT - 1)) == 0, "the position is masked");

#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__) && !defined(QUIVER_NO_CK)

#include <ck_ring.h>

struct spsc {
    _Alignas(128) ck_ring_t ring;
    _Alignas(128) ck_ring_buffer_t slots[SPSC_COUNT];
};

static inline void
spsc_create(struct spsc *spsc)
{
    ck_ring_init(&spsc->ring, SPSC_COUNT);
}

static inline bool
spsc_push(struct spsc *spsc, void *item)
{
    return ck_ring_enqueue_spsc(&spsc->ring, spsc->slots, item);
}

static inline void *
spsc_pop(struct spsc *spsc)
{
    void *item = NULL;
    return ck_ring_dequeue_spsc(&spsc->ring, spsc->slots, &item) ? item : NULL;
}

/* The reader's question. */
static inline bool
spsc_is_empty(const struct spsc *spsc)
{
    return ck_ring_size(&spsc->ring) == 0;
}

#else

#include <stdatomic.h>

struct spsc {
    _Alignas(128) _Atomic uint32_t tail; /* written by the writer */
    _Alignas(128) _Atomic uint32_t head; /* written by the reader */
    _Alignas(128) void *slots[SPSC_COUNT];
};

static inline void
spsc_create(struct spsc *spsc)
{
    atomic_init(&spsc->tail, 0);
    atomic_init(&spsc->head, 0);
}

static inline bool
spsc_push(struct spsc *spsc, void *item)
{
    uint32_t tail = atomic_load_explicit(&spsc->tail, memory_order_relaxed);
    if (tail - atomic_load_explicit(&spsc->head, memory_order_acquire) == SPSC_COUNT - 1)
        return false;
    spsc->slots[tail % SPSC_COUNT] = item;
    atomic_store_explicit(&spsc->tail, tail + 1, memory_order_release);
    return true;
}

static inline void *
spsc_pop(struct spsc *spsc)
{
    uint32_t head = atomic_load_explicit(&spsc->head, memory_order_relaxed);
    if (head == atomic_load_explicit(&spsc->tail, memory_order_acquire))
        return NULL;
    void *item = spsc->slots[head % SPSC_COUNT];
    atomic_store_explicit(&spsc->head, head + 1, memory_order_release);
    return item;
}

static inline bool
spsc_is_empty(const struct spsc *spsc)
{
    return atomic_load_explicit(&spsc->tail, memory_order_acquire) ==
           atomic_load_explicit(&spsc->head, memory_order_relaxed);
}

#endif

#endif
