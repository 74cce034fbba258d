/* Text that grows in an arena. Once the arena is full every further call is ignored and
 * builder_text gives data NULL, so callers check once, at the end. */
#ifndef ENGINE_VALUE_BUILDER_H
#define ENGINE_VALUE_BUILDER_H

#include <stdarg.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/assert.h"

struct builder {
    struct arena *arena;
    char *data;
    size_t size, room;
    bool failed;
};

static inline struct builder
builder_start(struct arena *arena)
{
    return (struct builder){.arena = arena};
}

/* Room for `size` more bytes; NULL when there is none. The caller advances builder->size. */
static inline char *
builder_reserve(struct builder *builder, size_t size)
{
    if (builder->failed)
        return NULL;
    if (builder->room - builder->size < size || !builder->data) {
        size_t room = builder->size + size + 32;
        if (room < builder->room * 2)
            room = builder->room * 2;
        char *data = arena_allocate(builder->arena, room);
        if (!data) {
            builder->failed = true;
            return NULL;
        }
        if (builder->data)
            memcpy(data, builder->data, builder->size);
        builder->data = data;
        builder->room = room;
    }
    return builder->data + builder->size;
}

static inline void
builder_add(struct builder *builder, struct text text)
{
    char *to = builder_reserve(builder, text.size);
    if (!to || !text.size || !text.data)
        return;
    memcpy(to, text.data, text.size);
    builder->size += text.size;
}

static inline void
builder_char(struct builder *builder, char character)
{
    char *to = builder_reserve(builder, 1);
    if (!to)
        return;
    *to = character;
    builder->size++;
}

/* For short pieces: what is longer than 127 bytes is cut, so only numbers and fixed words go here. */
static inline void __attribute__((format(printf, 2, 3)))
builder_printf(struct builder *builder, const char *format, ...)
{
    char *to = builder_reserve(builder, 128);
    if (!to)
        return;
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(to, 128, format, arguments);
    va_end(arguments);
    assert(size >= 0);
    builder->size += size < 128 ? (size_t)size : 127;
}

static inline struct text
builder_text(struct builder *builder)
{
    char *end = builder_reserve(builder, 1);
    if (!end)
        return (struct text){NULL, 0};
    *end = 0; /* for debuggers and printf; not counted */
    return (struct text){builder->data, builder->size};
}

#endif
