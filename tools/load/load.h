/* The import: files to operations, by several workers. */
#ifndef TOOLS_LOAD_LOAD_H
#define TOOLS_LOAD_LOAD_H

#include "base/arena.h"
#include "tools/load/csv.h"
#include "tools/load/header.h"
#include "tools/load/sink.h"

enum { SOURCE_COUNT_MAX = 1024, SOURCE_NAME_COUNT_MAX = 64 };

/* One --nodes or --relationships argument: labels (or a type) and files that share the first one's header. */
struct source {
    bool relationships;
    struct text names[SOURCE_NAME_COUNT_MAX]; /* labels, or the type */
    uint32_t name_count;
    uint32_t tokens[SOURCE_NAME_COUNT_MAX];
    struct csv_file *files;
    uint32_t file_count;
    struct header header;
};

struct load_options {
    struct csv_dialect dialect;
    char array_delimiter;
    uint32_t worker_count;
    bool skip_bad_relationships; /* an end that does not exist: count it and go on */
    bool skip_duplicate_nodes;
    bool progress;
};

struct load_totals {
    uint64_t nodes, relationships, properties, skipped_relationships, skipped_nodes;
    uint64_t bytes;
    double seconds;
};

/* False: `message` names file and line. */
bool load_run(
    const struct load_options *options,
    struct source *sources,
    uint32_t source_count,
    struct sink *sink,
    struct load_totals *totals,
    char *message,
    size_t message_size);

#endif
