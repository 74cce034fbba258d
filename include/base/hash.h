/* Hashing. XXH3 is used header-only: the library build is ten times slower (../../README.md, packages). */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* XXH3-64 of `size` bytes. */
uint64_t hash_bytes(const void *data, size_t size, uint64_t seed);

/* A full-avalanche mix of one word (the finaliser of MurmurHash3). */
static inline uint64_t
hash_word(uint64_t word)
{
    word ^= word >> 33;
    word *= UINT64_C(0xff51afd7ed558ccd);
    word ^= word >> 33;
    word *= UINT64_C(0xc4ceb9fe1a85ec53);
    word ^= word >> 33;
    return word;
}

#endif
