/* Query text to syntax tree.
 *
 * Pure: no seam, no state beside the arena. Whoever calls owns text and arena; the tree points into both
 * and dies with either. */
#ifndef ENGINE_PARSE_PARSE_H
#define ENGINE_PARSE_PARSE_H

#include "base/arena.h"
#include "base/error.h"
#include "engine/parse/ast.h"

/* Parses one statement (a trailing ';' is allowed). On success *out is an AST_QUERY. On failure fills
 * *failure (message in the arena) and returns its err: ERR_SYNTAX, ERR_UNSUPPORTED, ERR_LIMIT (text
 * larger than QUERY_TEXT_SIZE_MAX), ERR_MEMORY_QUERY (arena exhausted). */
err_t parse(struct arena *arena, struct text query, struct ast **out, struct failure *failure);

/* Fills *failure for a position in the query text: line, column and a message that ends in
 *
 *      (line 1, column 8 (offset: 7))
 *     "RETURN 1 +"
 *             ^
 *
 * The binder uses it too. Returns `err`. `offset` may be query.size (end of input). */
err_t parse_failure(
    struct arena *arena,
    struct text query,
    uint32_t offset,
    err_t err,
    struct text message,
    struct failure *failure);

#endif
