/* Walking UTF-8. Strings are valid (value.h, invariant 2), yet nothing here reads outside the text when
 * one is not. Positions are in bytes, counts in code points. */
#ifndef ENGINE_VALUE_UTF8_H
#define ENGINE_VALUE_UTF8_H

#include "base/text.h"

/* Where the next code point begins, after the one at `at` < text.size. */
static inline size_t
utf8_next(struct text text, size_t at)
{
    at++;
    while (at < text.size && ((unsigned char)text.data[at] & 0xc0) == 0x80)
        at++;
    return at;
}

static inline size_t
utf8_count(struct text text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.size; i++)
        count += ((unsigned char)text.data[i] & 0xc0) != 0x80;
    return count;
}

/* Where code point number `count` begins; text.size when there are not so many. */
static inline size_t
utf8_skip(struct text text, uint64_t count)
{
    size_t at = 0;
    for (; count > 0 && at < text.size; count--)
        at = utf8_next(text, at);
    return at;
}

/* The size of the longest beginning of at most `limit` bytes that does not cut a code point. */
static inline size_t
utf8_cut(struct text text, size_t limit)
{
    if (text.size <= limit)
        return text.size;
    while (limit > 0 && ((unsigned char)text.data[limit] & 0xc0) == 0x80)
        limit--;
    return limit;
}

#endif
