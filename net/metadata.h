/* What requests say beside their statement: credentials, transaction options, demands, routing contexts,
 * bookmarks. Readers over one message; private to net/. */
#ifndef NET_METADATA_H
#define NET_METADATA_H

#include "net/session.h"

struct net;

/* HELLO and LOGON. Texts point into the message. */
struct credentials {
    struct text scheme, principal, secret;
    bool utc_patch; /* patch_bolt has "utc" */
};
err_t metadata_read_credentials(struct pack_reader *reader, struct credentials *credentials);

/* RUN, BEGIN and ROUTE. */
struct extra {
    uint64_t bookmark; /* the latest one; 0: none */
    uint64_t timeout_ns;
    bool read_only;
    bool is_system;      /* the database "system" */
    bool names_database; /* the client said which */
    struct text reason;  /* of an error, for its message */
};
err_t metadata_read_extra(const struct net *net, struct pack_reader *reader, struct extra *extra);
err_t
metadata_read_bookmarks(const struct net *net, struct pack_reader *reader, struct extra *extra);

/* PULL and DISCARD. */
struct demand {
    int64_t row_count; /* -1: all */
    int64_t qid;       /* -1: the newest */
};
err_t metadata_read_demand(struct pack_reader *reader, struct demand *demand);

/* ROUTE: `address` of the routing context; size 0 when it has none. */
err_t metadata_read_routing_address(struct pack_reader *reader, struct text *address);
/* host, host:port or [address]:port. */
bool metadata_address_is_sane(struct text address, bool *has_port);

/* The bookmark of a commit timestamp, as clients get and return it. */
struct text
metadata_bookmark_print(const struct net *net, uint64_t timestamp, char *out, size_t out_size);

#endif
