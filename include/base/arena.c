#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/poison.h"

enum { ALIGNMENT = 16, CHUNK_SIZE_MIN = 4096, CHUNK_SIZE_MAX = 1 << 20 };

struct arena_chunk {
    struct arena_chunk *older;
    size_t size; /* of data[] */
    size_t used_size;
    size_t padding;
    unsigned char data[];
};
static_assert(sizeof(struct arena_chunk) % ALIGNMENT == 0, "data[] must be aligned");

void
arena_create(struct arena *arena, struct memory *source, size_t limit_size)
{
    assert(source);
    *arena = (struct arena){.source = source, .limit_size = limit_size};
}

static void
chunk_release(struct arena *arena, struct arena_chunk *chunk)
{
    size_t total = sizeof(*chunk) + chunk->size;
    assert(arena->held_size >= total);
    arena->held_size -= total;
    unpoison(chunk->data, chunk->size);
    memory_release(arena->source, chunk, total);
}

void
arena_destroy(struct arena *arena)
{
    while (arena->newest) {
        struct arena_chunk *chunk = arena->newest;
        arena->newest = chunk->older;
        chunk_release(arena, chunk);
    }
    assert(arena->held_size == 0);
}

void
arena_reset(struct arena *arena)
{
    struct arena_chunk *keep = arena->newest;
    if (!keep)
        return;
    /* Keep the newest only if it is an ordinary one: a single huge query must not pin its memory. */
    struct arena_chunk *older = keep->older;
    while (older) {
        struct arena_chunk *next = older->older;
        chunk_release(arena, older);
        older = next;
    }
    if (keep->size > CHUNK_SIZE_MAX) {
        chunk_release(arena, keep);
        arena->newest = NULL;
        return;
    }
    keep->older = NULL;
    keep->used_size = 0;
    poison(keep->data, keep->size);
}

static struct arena_chunk *
chunk_add(struct arena *arena, size_t size)
{
    size_t want = arena->newest ? arena->newest->size * 2 : CHUNK_SIZE_MIN;
    if (want > CHUNK_SIZE_MAX)
        want = CHUNK_SIZE_MAX;
    if (want < size)
        want = size;
    size_t total = sizeof(struct arena_chunk) + want;
    if (total > arena->limit_size - arena->held_size) {
        want = size;
        total = sizeof(struct arena_chunk) + want;
        if (total > arena->limit_size - arena->held_size)
            return NULL;
    }
    struct arena_chunk *chunk = memory_allocate(arena->source, total);
    if (!chunk)
        return NULL;
    *chunk = (struct arena_chunk){.older = arena->newest, .size = want};
    poison(chunk->data, chunk->size);
    arena->newest = chunk;
    arena->held_size += total;
    return chunk;
}

void *
arena_allocate(struct arena *arena, size_t size)
{
    assert(arena->source);
    if (size > arena->limit_size)
        return NULL;
    size_t rounded = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    if (rounded == 0)
        rounded = ALIGNMENT;
    struct arena_chunk *chunk = arena->newest;
    if (!chunk || chunk->size - chunk->used_size < rounded) {
        chunk = chunk_add(arena, rounded);
        if (!chunk)
            return NULL;
    }
    void *result = chunk->data + chunk->used_size;
    chunk->used_size += rounded;
    unpoison(result, size ? size : 1);
    return result;
}

void *
arena_zeroed(struct arena *arena, size_t size)
{
    void *result = arena_allocate(arena, size);
    if (result)
        memset(result, 0, size);
    return result;
}

struct text
arena_text(struct arena *arena, struct text text)
{
    char *copy = arena_allocate(arena, text.size + 1);
    if (!copy)
        return (struct text){NULL, 0};
    if (text.size)
        memcpy(copy, text.data, text.size);
    copy[text.size] = 0;
    return (struct text){copy, text.size};
}

struct text
arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int size = vsnprintf(NULL, 0, format, args);
    va_end(args);
    assert(size >= 0);
    char *out = arena_allocate(arena, (size_t)size + 1);
    if (out)
        vsnprintf(out, (size_t)size + 1, format, again);
    va_end(again);
    return (struct text){out, out ? (size_t)size : 0};
}

struct arena_mark
arena_mark(const struct arena *arena)
{
    return (struct arena_mark){arena->newest, arena->newest ? arena->newest->used_size : 0};
}

void
arena_rewind(struct arena *arena, struct arena_mark mark)
{
    while (arena->newest != mark.chunk) {
        struct arena_chunk *chunk = arena->newest;
        assert(chunk);
        arena->newest = chunk->older;
        chunk_release(arena, chunk);
    }
    if (arena->newest) {
        assert(arena->newest->used_size >= mark.used_size);
        arena->newest->used_size = mark.used_size;
        poison(arena->newest->data + mark.used_size, arena->newest->size - mark.used_size);
    }
}
