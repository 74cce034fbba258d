#include "base/memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

void *
memory_resize(struct memory *source, void *old, size_t old_size, size_t new_size)
{
    assert(new_size > 0);
    void *fresh = memory_allocate(source, new_size);
    if (!fresh)
        return NULL;
    if (old) {
        memcpy(fresh, old, old_size < new_size ? old_size : new_size);
        memory_release(source, old, old_size);
    }
    return fresh;
}

static void *
heap_allocate(struct memory *source, size_t size)
{
    assert(source);
    return malloc(size ? size : 1);
}

static void
heap_release(struct memory *source, void *pointer, size_t size)
{
    assert(source);
    (void)size;
    free(pointer);
}

/* The heap source keeps no gauge: several threads of a tool may use it at once. */
static struct memory heap = {
    .allocate = heap_allocate, .release = heap_release, .limit_size = SIZE_MAX};

struct memory *
memory_heap(void)
{
    return &heap;
}
