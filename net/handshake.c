/* The Bolt handshake.
 *
 *     client   60 60 B0 17 | proposal | proposal | proposal | proposal      each 00 range minor major
 *     server   00 00 minor major                                            (zeros: nothing in common)
 *
 * or, when the first proposal we understand is 00 00 01 FF, by manifest:
 *
 *     server   00 00 01 FF | count | (00 range minor major)... | capabilities
 *     client   00 00 minor major | capabilities
 *
 * `range` counts the minors below that are acceptable too; count and capabilities are VarInts, 7 bits a
 * byte, lowest first. We offer no capabilities. Version 5.5 was withdrawn and is never agreed on. */
#include "net/handshake.h"

#include <string.h>

/* What we speak, newest first; the same words go into the manifest. */
static const struct {
    uint8_t major, minor, range;
} spoken[] = {{5, 8, 2}, {5, 4, 4}, {4, 4, 0}};

enum { SPOKEN_COUNT = sizeof(spoken) / sizeof(*spoken) };

static bool
is_spoken(unsigned major, unsigned minor)
{
    for (unsigned i = 0; i < SPOKEN_COUNT; i++) {
        if (spoken[i].major == major && minor <= spoken[i].minor &&
            minor + spoken[i].range >= spoken[i].minor)
            return true;
    }
    return false;
}

enum handshake_outcome
handshake_choose(const uint8_t *bytes, struct bolt_version *version)
{
    static const uint8_t magic[4] = {0x60, 0x60, 0xB0, 0x17};
    static const uint8_t manifest[4] = {0x00, 0x00, 0x01, 0xFF};
    if (memcmp(bytes, magic, sizeof(magic)) != 0)
        return HANDSHAKE_REFUSED;
    for (const uint8_t *word = bytes + 4; word < bytes + HANDSHAKE_SIZE; word += 4) {
        if (memcmp(word, manifest, sizeof(manifest)) == 0)
            return HANDSHAKE_MANIFEST;
        unsigned range = word[1], minor = word[2], major = word[3];
        for (unsigned step = 0; step <= range && step <= minor; step++) {
            if (is_spoken(major, minor - step)) {
                *version = (struct bolt_version){
                    .major = (uint8_t)major, .minor = (uint8_t)(minor - step)};
                return HANDSHAKE_AGREED;
            }
        }
    }
    return HANDSHAKE_REFUSED;
}

size_t
handshake_manifest(uint8_t out[HANDSHAKE_MANIFEST_SIZE_MAX])
{
    static_assert(4 + 1 + 4 * SPOKEN_COUNT + 1 <= HANDSHAKE_MANIFEST_SIZE_MAX, "the manifest fits");
    static_assert(SPOKEN_COUNT < 128, "the count is a VarInt of one byte");
    size_t size = 0;
    const uint8_t head[5] = {0x00, 0x00, 0x01, 0xFF, SPOKEN_COUNT};
    memcpy(out, head, sizeof(head));
    size += sizeof(head);
    for (unsigned i = 0; i < SPOKEN_COUNT; i++) {
        out[size++] = 0;
        out[size++] = spoken[i].range;
        out[size++] = spoken[i].minor;
        out[size++] = spoken[i].major;
    }
    out[size++] = 0;
    return size;
}

enum handshake_outcome
handshake_accept(const uint8_t *bytes, size_t size, size_t *used, struct bolt_version *version)
{
    if (size < 5)
        return HANDSHAKE_MORE;
    size_t end = 4;
    bool any_capability = false;
    while (end < size && (bytes[end] & 0x80)) {
        any_capability |= (bytes[end] & 0x7F) != 0;
        if (++end == HANDSHAKE_CHOICE_SIZE_MAX)
            return HANDSHAKE_REFUSED;
    }
    if (end == size)
        return HANDSHAKE_MORE;
    any_capability |= bytes[end] != 0;
    if (bytes[0] != 0 || bytes[1] != 0 || any_capability || !is_spoken(bytes[3], bytes[2]))
        return HANDSHAKE_REFUSED;
    *used = end + 1;
    *version = (struct bolt_version){.major = bytes[3], .minor = bytes[2], .manifest = true};
    return HANDSHAKE_AGREED;
}
