/* The tags of the Bolt messages, from messages.def. Server and client library share them. */
#ifndef NET_MESSAGES_H
#define NET_MESSAGES_H

enum bolt_tag {
#define REQUEST(name, tag, field_count, text) BOLT_##name = (tag),
#define RESPONSE(name, tag, field_count, text) BOLT_##name = (tag),
#include "net/messages.def"
#undef REQUEST
#undef RESPONSE
};

/* The first four bytes of every connection, and the word that asks for the manifest handshake. */
#define BOLT_MAGIC UINT32_C(0x6060B017)
#define BOLT_MANIFEST UINT32_C(0x000001FF)

#endif
