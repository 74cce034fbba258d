/* The Bolt handshake: which versions are spoken and how one is agreed on. Pure functions over bytes. */
#ifndef NET_HANDSHAKE_H
#define NET_HANDSHAKE_H

#include "net/session.h"

enum {
    HANDSHAKE_SIZE = 20, /* magic and four proposals */
    HANDSHAKE_MANIFEST_SIZE_MAX = 32,
    HANDSHAKE_CHOICE_SIZE_MAX = 14, /* version word and a VarInt */
};

enum handshake_outcome {
    HANDSHAKE_MORE,     /* not enough bytes yet */
    HANDSHAKE_AGREED,   /* `version` is set */
    HANDSHAKE_MANIFEST, /* the manifest is to be sent and the client's choice read */
    HANDSHAKE_REFUSED,  /* nothing in common, or not Bolt */
};

/* The 20 bytes of the client. */
enum handshake_outcome handshake_choose(const uint8_t *bytes, struct bolt_version *version);
/* The answer to a manifest request; returns its size. Must go out in one piece. */
size_t handshake_manifest(uint8_t out[HANDSHAKE_MANIFEST_SIZE_MAX]);
/* The client's choice from the manifest; `*used` bytes belong to it when AGREED. */
enum handshake_outcome
handshake_accept(const uint8_t *bytes, size_t size, size_t *used, struct bolt_version *version);

#endif
