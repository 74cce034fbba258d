/* The allocator of one shard.
 *
 *      range     [ meta | page 0 | page 1 | ...                                         4 KiB pages ]
 *      spans     |<- used 3 ->|<- free 5 ->|<- slab: 16 ->|<- used 1 ->|<- free ... ->|
 *      slab      16 pages, aligned to 16, cut into objects of one class:
 *                [ obj | obj | free | obj | free | (never used yet) ... ]
 *                                 free list ->
 *
 * Up to SMALL_SIZE_MAX a request is rounded up to one of 36 classes (16-byte steps to 128, then four per
 * doubling: at most a fifth is lost) and taken from a slab of that class. Larger ones are spans of pages,
 * best fit by size, cut and merged with their neighbours. The store asks for tens of millions of small and
 * growing arrays, so the small path is a handful of loads: class, slab, pop. `release` is told the size,
 * so nothing is kept in front of an object; which slab it is in follows from its address.
 *
 * The tables (`spans`, one entry per page, and `slabs`, one per 16) are in the reservation too and are
 * touched only where pages are used.
 *
 * Invariants
 *  1. Every page belongs to one span. The first and last page of a span know its length and state; no two
 *     free spans touch.
 *  2. A free span is in the bin of its length; a bit of `bin_mask` is set exactly for non-empty bins.
 *  3. A slab with free objects is in the list of its class, a full one in none. At most one slab of a class
 *     is wholly free; the next one goes back to the pages.
 *  4. used_size is the sum of what was asked for and not released. */
#include "shards/core/seam_memory.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "base/assert.h"
#include "base/poison.h"

enum {
    RANGE_PAGE_SIZE = 4096,
    HUGE_SIZE = 2 << 20,
    SLAB_PAGE_COUNT = 16,
    SLAB_SIZE = SLAB_PAGE_COUNT * RANGE_PAGE_SIZE,
    SMALL_SIZE_MAX = 16384,
    CLASS_COUNT = 8 + 7 * 4, /* 16..128 in steps of 16, then 4 per doubling up to 16 KiB */
    EXACT_BIN_COUNT = 64,    /* bins of 1..64 pages, then 4 per doubling */
    BIN_COUNT = 128,
};

#define NO_PAGE UINT32_MAX

enum span_state { SPAN_NONE, SPAN_FREE, SPAN_USED, SPAN_SLAB };

/* Of the first and last page of a span; `next` and `previous` of the first of a free one. */
struct span {
    uint32_t page_count;
    uint32_t state;
    uint32_t next, previous;
};

struct slab {
    uint16_t class;
    uint16_t free_count;  /* on the free list and never used */
    uint16_t fresh_index; /* objects from here on were never used */
    uint16_t is_listed;
    uint32_t next, previous; /* slab indexes in the list of the class */
    uint32_t free_head;      /* offset in the slab + 1; 0 = none */
    uint32_t padding;
};

struct range {
    unsigned char *reserved; /* what mmap gave */
    size_t reserved_size;
    unsigned char *base; /* page 0, aligned to 2 MiB */
    uint32_t page_count;
    uint32_t touched_page_count; /* pages from here on were never used */
    struct span *spans;
    struct slab *slabs;
    uint32_t bins[BIN_COUNT];
    uint64_t bin_mask[BIN_COUNT / 64];
    uint32_t class_list[CLASS_COUNT];  /* first slab with free objects; NO_PAGE = none */
    uint32_t class_empty[CLASS_COUNT]; /* wholly free slabs in that list */
};

/* ---- classes ---- */

static uint32_t
class_of(size_t size)
{
    if (size <= 128)
        return size ? (uint32_t)((size - 1) >> 4) : 0;
    uint32_t top = 63 - (uint32_t)__builtin_clzll(size - 1); /* 7.. */
    uint32_t quarter = (uint32_t)((size - 1) >> (top - 2)) & 3;
    return 8 + (top - 7) * 4 + quarter;
}

static uint32_t
class_size(uint32_t class)
{
    if (class < 8)
        return (class + 1) * 16;
    uint32_t top = 7 + (class - 8) / 4, quarter = (class - 8) % 4;
    return (4 + quarter + 1) << (top - 2);
}

static uint32_t
class_object_count(uint32_t class)
{
    return (uint32_t)SLAB_SIZE / class_size(class);
}

/* ---- spans ---- */

static uint32_t
bin_of(uint32_t page_count)
{
    assert(page_count > 0);
    if (page_count <= EXACT_BIN_COUNT)
        return page_count - 1;
    uint32_t top = 31 - (uint32_t)__builtin_clz(page_count); /* 6.. */
    uint32_t bin = EXACT_BIN_COUNT + (top - 6) * 4 + (page_count >> (top - 2) & 3);
    return bin < BIN_COUNT ? bin : BIN_COUNT - 1;
}

static void
span_mark(struct range *range, uint32_t first, uint32_t page_count, enum span_state state)
{
    struct span span = {
        .page_count = page_count, .state = state, .next = NO_PAGE, .previous = NO_PAGE};
    range->spans[first + page_count - 1] = span;
    range->spans[first] = span;
}

static void
bin_insert(struct range *range, uint32_t first, uint32_t page_count)
{
    uint32_t bin = bin_of(page_count);
    span_mark(range, first, page_count, SPAN_FREE);
    range->spans[first].next = range->bins[bin];
    if (range->bins[bin] != NO_PAGE)
        range->spans[range->bins[bin]].previous = first;
    range->bins[bin] = first;
    range->bin_mask[bin / 64] |= UINT64_C(1) << bin % 64;
}

static void
bin_remove(struct range *range, uint32_t first)
{
    struct span *span = &range->spans[first];
    assert(span->state == SPAN_FREE);
    uint32_t bin = bin_of(span->page_count);
    if (span->previous != NO_PAGE)
        range->spans[span->previous].next = span->next;
    else
        range->bins[bin] = span->next;
    if (span->next != NO_PAGE)
        range->spans[span->next].previous = span->previous;
    if (range->bins[bin] == NO_PAGE)
        range->bin_mask[bin / 64] &= ~(UINT64_C(1) << bin % 64);
}

/* The first non-empty bin from `bin` on; BIN_COUNT when there is none. */
static uint32_t
bin_next(const struct range *range, uint32_t bin)
{
    for (uint32_t word = bin / 64; word < BIN_COUNT / 64; word++) {
        uint64_t mask = range->bin_mask[word];
        if (word == bin / 64)
            mask &= ~UINT64_C(0) << bin % 64;
        if (mask)
            return word * 64 + (uint32_t)__builtin_ctzll(mask);
    }
    return BIN_COUNT;
}

/* Where in the free span an aligned piece of that length starts; NO_PAGE when it does not fit. */
static uint32_t
span_fit(const struct range *range, uint32_t first, uint32_t page_count, uint32_t alignment)
{
    uint32_t start = (first + alignment - 1) / alignment * alignment;
    uint32_t end = first + range->spans[first].page_count;
    return start < end && end - start >= page_count ? start : NO_PAGE;
}

/* Takes `page_count` pages out of a free span that has them at `start`; the rest stays free. */
static void
span_cut(
    struct range *range, uint32_t first, uint32_t start, uint32_t page_count, enum span_state state)
{
    uint32_t end = first + range->spans[first].page_count;
    bin_remove(range, first);
    if (start > first)
        bin_insert(range, first, start - first);
    if (end > start + page_count)
        bin_insert(range, start + page_count, end - start - page_count);
    span_mark(range, start, page_count, state);
    if (range->touched_page_count < start + page_count)
        range->touched_page_count = start + page_count;
}

/* First page of a new span; NO_PAGE when nothing is left. `alignment` in pages, a power of two. */
static uint32_t
span_take(struct range *range, uint32_t page_count, uint32_t alignment, enum span_state state)
{
    enum { TRIES_MAX = 8 };
    for (uint32_t bin = bin_next(range, bin_of(page_count)); bin < BIN_COUNT;
         bin = bin_next(range, bin + 1)) {
        uint32_t first = range->bins[bin];
        /* Spans of an exact bin all fit alike; in a wide one a few are looked at, all in the last one. */
        for (uint32_t i = 0; first != NO_PAGE && (i < TRIES_MAX || bin == BIN_COUNT - 1); i++) {
            uint32_t start = span_fit(range, first, page_count, alignment);
            if (start != NO_PAGE) {
                span_cut(range, first, start, page_count, state);
                return start;
            }
            first = range->spans[first].next;
        }
    }
    return NO_PAGE;
}

static void
span_put(struct range *range, uint32_t first)
{
    uint32_t page_count = range->spans[first].page_count;
    assert(range->spans[first].state == SPAN_USED || range->spans[first].state == SPAN_SLAB);
    uint32_t end = first + page_count;
    if (end < range->page_count && range->spans[end].state == SPAN_FREE) {
        uint32_t after_count = range->spans[end].page_count;
        bin_remove(range, end);
        range->spans[end].state = SPAN_NONE;
        end += after_count;
    }
    range->spans[first].state = SPAN_NONE;
    range->spans[first + page_count - 1].state = SPAN_NONE;
    if (first > 0 && range->spans[first - 1].state == SPAN_FREE) {
        uint32_t before_count = range->spans[first - 1].page_count;
        range->spans[first - 1].state = SPAN_NONE;
        first -= before_count;
        range->spans[first].state = SPAN_FREE;
        bin_remove(range, first);
    }
    bin_insert(range, first, end - first);
}

static unsigned char *
page_address(const struct range *range, uint32_t page)
{
    return range->base + (size_t)page * RANGE_PAGE_SIZE;
}

/* ---- slabs ---- */

static void
slab_list_insert(struct range *range, uint32_t index)
{
    struct slab *slab = &range->slabs[index];
    uint32_t *head = &range->class_list[slab->class];
    assert(!slab->is_listed);
    slab->is_listed = true;
    slab->previous = NO_PAGE;
    slab->next = *head;
    if (*head != NO_PAGE)
        range->slabs[*head].previous = index;
    *head = index;
}

static void
slab_list_remove(struct range *range, uint32_t index)
{
    struct slab *slab = &range->slabs[index];
    assert(slab->is_listed);
    slab->is_listed = false;
    if (slab->previous != NO_PAGE)
        range->slabs[slab->previous].next = slab->next;
    else
        range->class_list[slab->class] = slab->next;
    if (slab->next != NO_PAGE)
        range->slabs[slab->next].previous = slab->previous;
}

static bool
slab_add(struct range *range, uint32_t class)
{
    uint32_t page = span_take(range, SLAB_PAGE_COUNT, SLAB_PAGE_COUNT, SPAN_SLAB);
    if (page == NO_PAGE)
        return false;
    uint32_t index = page / SLAB_PAGE_COUNT;
    range->slabs[index] = (struct slab){
        .class = (uint16_t) class, .free_count = (uint16_t)class_object_count(class)};
    poison(page_address(range, page), SLAB_SIZE);
    slab_list_insert(range, index);
    range->class_empty[class]++;
    return true;
}

static void *
small_allocate(struct range *range, uint32_t class)
{
    if (range->class_list[class] == NO_PAGE && !slab_add(range, class))
        return NULL;
    uint32_t index = range->class_list[class];
    struct slab *slab = &range->slabs[index];
    unsigned char *start = page_address(range, index * SLAB_PAGE_COUNT);
    uint32_t size = class_size(class);
    if (slab->free_count == class_object_count(class))
        range->class_empty[class]--;
    unsigned char *object;
    if (slab->free_head) {
        object = start + (slab->free_head - 1);
        unpoison(object, size);
        memcpy(&slab->free_head, object, sizeof(slab->free_head));
    } else {
        object = start + (size_t)slab->fresh_index++ * size;
        unpoison(object, size);
    }
    if (--slab->free_count == 0)
        slab_list_remove(range, index);
    return object;
}

static void
small_release(struct range *range, unsigned char *object, uint32_t class)
{
    size_t offset = (size_t)(object - range->base);
    uint32_t index = (uint32_t)(offset / SLAB_SIZE);
    struct slab *slab = &range->slabs[index];
    assert(range->spans[index * SLAB_PAGE_COUNT].state == SPAN_SLAB && slab->class == class);
    uint32_t size = class_size(class), object_count = class_object_count(class);
    unpoison(object, size);
    memcpy(object, &slab->free_head, sizeof(slab->free_head));
    slab->free_head = (uint32_t)(offset % SLAB_SIZE) + 1;
    poison(object, size);
    slab->free_count++;
    assert(slab->free_count <= object_count);
    if (slab->free_count == 1)
        slab_list_insert(range, index);
    if (slab->free_count < object_count)
        return;
    if (range->class_empty[class] == 0) {
        range->class_empty[class] = 1;
        return;
    }
    slab_list_remove(range, index);
    span_put(range, index * SLAB_PAGE_COUNT);
}

/* ---- the source ---- */

static void
gauge_set(struct memory *memory, size_t used_size)
{
    __atomic_store_n(&memory->used_size, used_size, __ATOMIC_RELAXED);
}

static void *
range_allocate(struct memory *source, size_t size)
{
    struct range *range = source->state;
    if (size > source->limit_size || source->used_size > source->limit_size - size)
        return NULL;
    void *result;
    if (size <= SMALL_SIZE_MAX) {
        result = small_allocate(range, class_of(size));
    } else {
        uint64_t page_count = (size + RANGE_PAGE_SIZE - 1) / RANGE_PAGE_SIZE;
        if (page_count > range->page_count)
            return NULL;
        uint32_t page = span_take(range, (uint32_t)page_count, 1, SPAN_USED);
        result = page == NO_PAGE ? NULL : page_address(range, page);
        if (result)
            unpoison(result, page_count * RANGE_PAGE_SIZE);
    }
    if (result)
        gauge_set(source, source->used_size + size);
    return result;
}

static void
range_release(struct memory *source, void *pointer, size_t size)
{
    struct range *range = source->state;
    unsigned char *object = pointer;
    assert(object >= range->base && object < page_address(range, range->page_count));
    assert(source->used_size >= size);
    if (size <= SMALL_SIZE_MAX) {
        small_release(range, object, class_of(size));
    } else {
        uint32_t page = (uint32_t)((size_t)(object - range->base) / RANGE_PAGE_SIZE);
        uint32_t page_count = range->spans[page].page_count;
        assert(range->spans[page].state == SPAN_USED);
        assert(page_count == (size + RANGE_PAGE_SIZE - 1) / RANGE_PAGE_SIZE);
        poison(object, (size_t)page_count * RANGE_PAGE_SIZE);
        span_put(range, page);
    }
    gauge_set(source, source->used_size - size);
}

/* The reservation is one mapping: tables first, then the pages from a 2 MiB border on. */
err_t
range_create(struct range **out, size_t size)
{
    static_assert(sizeof(struct slab) == 24 && sizeof(struct span) == 16, "the tables stay small");
    size_t usable_size = size / HUGE_SIZE * HUGE_SIZE;
    if (usable_size < 2 * (size_t)HUGE_SIZE)
        usable_size = 2 * (size_t)HUGE_SIZE;
    size_t page_count = usable_size / RANGE_PAGE_SIZE;
    if (page_count >= NO_PAGE)
        return ERR(LIMIT);
    size_t spans_size = page_count * sizeof(struct span);
    size_t slabs_size = page_count / SLAB_PAGE_COUNT * sizeof(struct slab);
    size_t meta_size = sizeof(struct range) + 128 + spans_size + slabs_size;
    size_t reserved_size = meta_size + usable_size + HUGE_SIZE;
    unsigned char *reserved = mmap(
        NULL, reserved_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
        -1, 0);
    if (reserved == MAP_FAILED)
        return ERR(MEMORY_POOL);
    struct range *range = (struct range *)(void *)reserved;
    range->reserved = reserved;
    range->reserved_size = reserved_size;
    range->spans = (struct span *)(void *)(reserved + (sizeof(struct range) + 63) / 64 * 64);
    range->slabs = (struct slab *)(void *)((unsigned char *)range->spans + spans_size);
    range->base =
        (unsigned char
             *)(((uintptr_t)reserved + meta_size + HUGE_SIZE - 1) / HUGE_SIZE * HUGE_SIZE);
    range->page_count = (uint32_t)page_count;
    for (uint32_t i = 0; i < BIN_COUNT; i++)
        range->bins[i] = NO_PAGE;
    for (uint32_t i = 0; i < CLASS_COUNT; i++)
        range->class_list[i] = NO_PAGE;
    bin_insert(range, 0, range->page_count);
    /* Advice: without it the pages are small, which is slower and nothing else. */
    (void)madvise(range->base, usable_size, MADV_HUGEPAGE);
    *out = range;
    return 0;
}

void
range_destroy(struct range *range)
{
    unpoison(range->base, (size_t)range->touched_page_count * RANGE_PAGE_SIZE);
    int result = munmap(range->reserved, range->reserved_size);
    assert(result == 0);
}

void
range_bounds(const struct range *range, void **base, size_t *size)
{
    *base = range->base;
    *size = (size_t)range->page_count * RANGE_PAGE_SIZE;
}

struct memory
range_memory(struct range *range)
{
    return (struct memory){
        .allocate = range_allocate,
        .release = range_release,
        .state = range,
        .limit_size = (size_t)range->page_count * RANGE_PAGE_SIZE};
}

void
range_check(const struct range *range)
{
    uint32_t page = 0, free_span_count = 0, listed_count = 0;
    bool was_free = false;
    while (page < range->page_count) {
        const struct span *span = &range->spans[page];
        assert(span->page_count > 0 && span->page_count <= range->page_count - page);
        assert(span->state != SPAN_NONE);
        const struct span *last = &range->spans[page + span->page_count - 1];
        assert(last->page_count == span->page_count && last->state == span->state);
        assert(!(was_free && span->state == SPAN_FREE));
        was_free = span->state == SPAN_FREE;
        free_span_count += was_free;
        if (span->state == SPAN_SLAB) {
            const struct slab *slab = &range->slabs[page / SLAB_PAGE_COUNT];
            assert(span->page_count == SLAB_PAGE_COUNT && page % SLAB_PAGE_COUNT == 0);
            assert(slab->is_listed == (slab->free_count > 0));
            listed_count += slab->is_listed;
        }
        page += span->page_count;
    }
    for (uint32_t bin = 0; bin < BIN_COUNT; bin++) {
        assert((range->bins[bin] != NO_PAGE) == (range->bin_mask[bin / 64] >> bin % 64 & 1));
        for (uint32_t at = range->bins[bin]; at != NO_PAGE;
             at = range->spans[at].next, free_span_count--)
            assert(
                range->spans[at].state == SPAN_FREE && bin_of(range->spans[at].page_count) == bin);
    }
    for (uint32_t class = 0; class < CLASS_COUNT; class ++)
        for (uint32_t at = range->class_list[class]; at != NO_PAGE; at = range->slabs[at].next)
            listed_count--;
    assert(free_span_count == 0 && listed_count == 0);
}
