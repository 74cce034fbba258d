/* The syntax tree of a Cypher query: what the parser makes and the planner reads.
 *
 * One structure for every kind of node, so that walking, printing and collecting are written once:
 *
 *     struct ast   kind, flags        what it is (ast.def says what each kind holds)
 *                  offset, end        the bytes of the query text it was read from
 *                  text               a name or the characters of a string
 *                  word               a number or boolean
 *                  slot[5]            children with a role, also by name: node->match.where
 *                  items[item_count]  children in a list
 *
 * The tree lives in the arena it was parsed into and points into that arena and into the query text
 * only. It is read-only after parse() returned. No path from the root is longer than
 * QUERY_NESTING_MAX nodes times a small constant, so recursion over it is safe. */
#ifndef ENGINE_PARSE_AST_H
#define ENGINE_PARSE_AST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/text.h"

enum ast_kind {
    AST_ABSENT = 0,
#define AST(kind, member, printed, s0, s1, s2, s3, s4) AST_##kind,
#include "engine/parse/ast.def"
#undef AST
    AST_KIND_COUNT
};

enum ast_flag {
    AST_FLAG_DISTINCT = 1 << 0,
    AST_FLAG_STAR = 1 << 1,
    AST_FLAG_OPTIONAL = 1 << 2,
    AST_FLAG_DETACH = 1 << 3,
    AST_FLAG_UNION_ALL = 1 << 4,
    AST_FLAG_DESCENDING = 1 << 5,
    AST_FLAG_SHORTEST = 1 << 6,
    AST_FLAG_ALL_SHORTEST = 1 << 7,
    AST_FLAG_LEFT = 1 << 8,
    AST_FLAG_RIGHT = 1 << 9,
    AST_FLAG_ALIASED = 1 << 10,
    AST_FLAG_NO_PARENTHESES = 1 << 11,
    AST_FLAG_EXPLAIN = 1 << 12,
    AST_FLAG_PROFILE = 1 << 13,
    AST_FLAG_IF_EXISTS = 1 << 14,
    AST_FLAG_IF_NOT_EXISTS = 1 << 15,
    AST_FLAG_RELATIONSHIP = 1 << 16,
    AST_FLAG_WITH_HEADERS = 1 << 17,
    AST_FLAG_NEGATED = 1 << 18,
    /* Set by the parser, not printed: a node below has two parents (the middle of a < b < c). Sharing does
     * not nest, so a walk over the tree visits no node more than twice. */
    AST_FLAG_SHARES = 1 << 19,
};

enum { AST_SLOT_COUNT = 5 };

struct ast {
    uint16_t kind;        /* enum ast_kind */
    uint16_t depth;       /* of the tree below, 1 for a leaf */
    uint32_t flags;       /* enum ast_flag */
    uint32_t offset, end; /* bytes of the query text: [offset, end) */
    struct text text;
    union {
        int64_t integer;
        double real;
        bool boolean;
    } word;
    union {
        struct ast *slot[AST_SLOT_COUNT];
#define AST(kind, member, printed, s0, s1, s2, s3, s4)                                             \
    struct {                                                                                       \
        struct ast *s0, *s1, *s2, *s3, *s4;                                                        \
    } member;
#include "engine/parse/ast.def"
#undef AST
    };
    uint32_t item_count;
    struct ast **items;
};

/* "match", "=", ...: static. */
const char *ast_kind_name(enum ast_kind kind);

/* The tree as text, one line, for tests and debugging:
 *     (match where=(= (property "age" subject=(variable "n")) (integer 1)) [(path ...)])
 * data is NULL when there is no memory. */
struct text ast_print(struct arena *arena, const struct ast *node);
/* The same tree, wherever it stands in the text. NULLs are equal. */
bool ast_equal(const struct ast *a, const struct ast *b);
/* Child `index` of all slots and items; some are NULL. */
static inline const struct ast *
ast_child(const struct ast *node, uint32_t index)
{
    return index < AST_SLOT_COUNT ? node->slot[index] : node->items[index - AST_SLOT_COUNT];
}
static inline uint32_t
ast_child_count(const struct ast *node)
{
    return AST_SLOT_COUNT + node->item_count;
}

#endif
