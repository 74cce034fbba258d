/* An arena: many small allocations, freed together.
 *
 *     chunk 0 (oldest)        chunk 1                  chunk 2 (newest)
 *     +--------------+ <----- +--------------+ <------ +--------+-----------+
 *     | used         |        | used         |         | used   | free      |
 *     +--------------+        +--------------+         +--------+-----------+
 *
 * Invariants: (1) an allocation never moves; (2) an arena never holds more than `limit_size` bytes of
 * chunks; (3) after arena_reset nothing handed out before may be touched (ASan enforces it).
 * One per query, per connection message, per compile. Owned by one shard. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"
#include "base/text.h"

struct arena_chunk;

struct arena {
    struct memory *source;
    struct arena_chunk *newest;
    size_t limit_size; /* bytes of chunks; allocation beyond it returns NULL */
    size_t held_size;
};

void arena_create(struct arena *arena, struct memory *source, size_t limit_size);
/* Returns every chunk. The arena may be used again after arena_create. */
void arena_destroy(struct arena *arena);
/* Frees everything handed out; keeps one chunk for reuse. */
void arena_reset(struct arena *arena);

/* `size` bytes aligned to 16, not zeroed; NULL when the limit or the source is exhausted. */
void *arena_allocate(struct arena *arena, size_t size);
/* The same, zeroed. */
void *arena_zeroed(struct arena *arena, size_t size);
/* A copy of the text, NUL-terminated behind its size; data is NULL when there is no memory. */
struct text arena_text(struct arena *arena, struct text text);
/* printf into the arena; data is NULL when there is no memory. */
struct text arena_printf(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A point to come back to: everything allocated since is freed. Marks nest. */
struct arena_mark {
    struct arena_chunk *chunk;
    size_t used_size;
};
struct arena_mark arena_mark(const struct arena *arena);
void arena_rewind(struct arena *arena, struct arena_mark mark);

#endif
