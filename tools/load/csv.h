/* CSV (RFC 4180, as neo4j-admin reads it): a file is mapped, cut into chunks at record boundaries, and
 * each chunk is read by one worker on its own.
 *
 *      file   |--- chunk 0 ---|--- chunk 1 ---| ...      a boundary is a newline outside quotes
 *
 * Invariants
 *  1. A chunk begins at the start of a record and ends behind a newline or at the end of the file.
 *  2. Outside quotes the number of quote characters before a boundary is even: that is how boundaries are
 *     found without parsing ("" inside a quoted field keeps the count even).
 *  3. Fields are lent: they point into the file, or into the reader's buffer when a quote had to be undone,
 *     until the next record. */
#ifndef TOOLS_LOAD_CSV_H
#define TOOLS_LOAD_CSV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

enum { CSV_FIELD_COUNT_MAX = 1024, CSV_CHUNK_SIZE = 4 << 20 };

struct csv_dialect {
    char delimiter; /* ',' */
    char quote;     /* '"'; 0 = none */
};

struct csv_file {
    char *path;
    const char *data;
    size_t size;
    size_t header_size; /* bytes of the header record; chunks begin behind it */
    uint64_t header_lines;
};

/* A part of a file for one worker. */
struct csv_chunk {
    const struct csv_file *file;
    size_t begin, end;
    uint64_t first_line; /* from 1 */
};

/* Maps the file. Returns false and says why in `message`. An empty file is an error: there is no header. */
bool csv_open(struct csv_file *file, const char *path, char *message, size_t message_size);
void csv_close(struct csv_file *file);

/* Cuts the next chunk off: call with *position = header_size and *line = header_lines + 1 first. False at the end. */
bool csv_chunk_next(
    const struct csv_file *file,
    struct csv_dialect dialect,
    size_t *position,
    uint64_t *line,
    struct csv_chunk *chunk);

struct csv_reader {
    struct csv_dialect dialect;
    const char *cursor, *end;
    uint64_t line; /* of the record read last, from 1 */
    uint64_t next_line;
    char *buffer; /* undone quotes of the current record */
    size_t buffer_size;
    bool prepared;
    uint32_t field_count;
    struct text fields[CSV_FIELD_COUNT_MAX];
    bool quoted[CSV_FIELD_COUNT_MAX]; /* "" is an empty string, nothing is null */
    const char *error;                /* static text; set when csv_read returns CSV_ERROR */
};

enum csv_result { CSV_RECORD, CSV_END, CSV_ERROR };

void csv_reader_create(
    struct csv_reader *reader,
    struct csv_dialect dialect,
    const char *data,
    size_t size,
    uint64_t line);
void csv_reader_destroy(struct csv_reader *reader);
/* A place to come back to, within one chunk. */
struct csv_mark {
    const char *cursor;
    uint64_t next_line;
};
struct csv_mark csv_mark(const struct csv_reader *reader);
void csv_return(struct csv_reader *reader, struct csv_mark mark);
/* The next record; empty lines are skipped. A trailing carriage return is not part of the last field. */
enum csv_result csv_read(struct csv_reader *reader);

#endif
