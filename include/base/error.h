/* Errors as values.
 *
 * A bug crashes (base/assert.h); an expected failure returns an `err_t`. It is one 64-bit word, so it
 * fits in a message and crosses shards:
 *
 *      63                      32 31           16 15            0
 *     +--------------------------+---------------+---------------+
 *     | file name, as an offset  | line of birth | enum err_code |
 *     +--------------------------+---------------+---------------+
 *
 * 0 is success. The text a user reads is not here: it lives in a `struct failure` in the arena of the
 * query (or connection) that failed. Codes are listed once, in errors.def, with the status a Bolt
 * client sees. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <stdint.h>

#include "base/text.h"

typedef uint64_t err_t;

enum err_code {
    ERR_NONE = 0,
#define ERROR(name, neo_code, gql_status, text) ERR_##name,
#include "base/errors.def"
#undef ERROR
    ERR_CODE_COUNT
};

/* An error born here: `return ERR(SYNTAX);`. */
#define ERR(name) err_make(ERR_##name, __FILE__, __LINE__)

err_t err_make(enum err_code code, const char *file, unsigned line);
/* A kernel result below zero, as io_uring and the seam report it (-ENOSPC ...), as an error. */
err_t err_from_errno(int64_t negative_errno, const char *file, unsigned line);
#define ERR_ERRNO(result) err_from_errno((result), __FILE__, __LINE__)

static inline enum err_code
err_code(err_t err)
{
    return (enum err_code)(err & 0xffff);
}

/* The `Neo.<class>.<category>.<title>` status, GQLSTATUS and default text of a code. Static strings. */
const char *err_neo_code(enum err_code code);
const char *err_gql_status(enum err_code code);
const char *err_text(enum err_code code);
const char *err_name(enum err_code code);
/* Where the error was born: "wal.c:120", for logs; written into `out`, NUL-terminated. */
void err_birthplace(err_t err, char *out, unsigned out_size);
/* True when the same transaction, tried again, may succeed (Neo.TransientError). */
int err_is_transient(enum err_code code);

/* What a user is told. `message` and `hint` live in the arena of whoever failed. `offset` is in bytes
 * from the start of the query text; -1 when there is no position. */
struct failure {
    err_t err;
    struct text message;
    int64_t offset;
    uint32_t line;   /* from 1; 0 when unknown */
    uint32_t column; /* from 1, in characters; 0 when unknown */
};

#endif
