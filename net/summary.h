/* The metadata of SUCCESS and FAILURE: what a statement did, what went wrong. Private to net/. */
#ifndef NET_SUMMARY_H
#define NET_SUMMARY_H

#include "net/session.h"

/* A map whose number of entries is known only at its end; up to 15. */
struct meta {
    struct pack_writer *writer;
    size_t marker; /* offset of the map's marker */
    unsigned count;
};

void meta_open(struct meta *meta, struct pack_writer *writer);
void meta_close(struct meta *meta);
/* The value follows. */
void meta_key(struct meta *meta, struct text key);
void meta_text(struct meta *meta, struct text key, struct text text);
void meta_integer(struct meta *meta, struct text key, int64_t integer);
void meta_boolean(struct meta *meta, struct text key, bool boolean);

/* The map of a FAILURE, in the shape of this version. */
void summary_write_failure(
    struct pack_writer *writer, struct bolt_version version, const struct failure *failure);

/* What the session adds to the engine's summary. */
struct summary_context {
    struct bolt_version version;
    struct text database;
    struct text bookmark; /* size 0: none */
    bool has_columns;
    uint64_t row_count;
    uint64_t last_ns; /* from the first row asked for to the last one sent */
};

/* The entries of the last SUCCESS of a result. */
void summary_write_result(
    struct meta *meta, const struct summary_context *context, const struct query_summary *summary);

#endif
