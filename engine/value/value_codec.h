/* Values as bytes, for messages between shards, and for the store where it likes. Self-describing and
 * position-free; little-endian; layout in value_codec.c. Decoding checks every bound: bytes from a
 * damaged file give an error, never a crash. */
#ifndef ENGINE_VALUE_VALUE_CODEC_H
#define ENGINE_VALUE_VALUE_CODEC_H

#include "base/arena.h"
#include "base/error.h"
#include "base/value.h"

enum { VALUE_ENCODED_SCALAR_SIZE_MAX = 9 }; /* null, boolean, integer, float, bare node */

uint64_t value_encoded_size(struct value value);
/* Writes exactly value_encoded_size bytes and returns the first byte after them. */
uint8_t *value_encode(struct value value, uint8_t *out);
/* Reads one value from *cursor and moves it behind it. Strings and bytes are lent: they point into the
 * input; everything else is in the arena. ERR(REQUEST_FORMAT) when the bytes are no value,
 * ERR(MEMORY_QUERY) when the arena is full. */
err_t
value_decode(struct arena *arena, const uint8_t **cursor, const uint8_t *end, struct value *out);

#endif
