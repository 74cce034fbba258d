/* The graph that the patterns of one MATCH make, shared by what builds it (plan_pattern.c) and what turns
 * it into steps (plan_match.c). Lives as long as the clause is planned. */
#ifndef ENGINE_PLAN_PATTERN_H
#define ENGINE_PLAN_PATTERN_H

#include "engine/plan/planner.h"

struct pattern_node {
    struct text name;
    const struct ast *ast;
    bool bound;
    bool needed;        /* something asks for it beside the relationship that reaches it */
    double card;        /* nodes that could be it, by label */
    double selectivity; /* of its conjuncts */
    uint32_t rel_count;
};

/* A path of the MATCH. */
struct pattern_path {
    const struct ast *ast;
    uint32_t group; /* which of several MATCH clauses planned as one it is from */
    bool is_used;   /* somebody reads its variable */
};

struct pattern_rel {
    struct text name;
    const struct ast *ast;
    uint32_t left, right;
    uint32_t *types;
    uint32_t type_count;
    uint32_t min, max; /* hops; 1 and 1 with ast->rel.range NULL is a single relationship */
    uint32_t group;    /* relationships of different groups may be the same */
    bool is_list;
    bool bound_before;
    bool done;
    bool needs_value;      /* its value is read, not just compared with others */
    struct text list_name; /* the list it must be equal to, bound before; data NULL: none */
    bool overlaps;         /* another relationship of the MATCH could be the same */
};

struct conjunct {
    const struct ast *ast;
    bool done;
    bool late;               /* has a subquery, or names a path: after everything else */
    uint32_t node, rel;      /* whose label or property it is about; SLOT_NONE */
    const struct ast *label; /* the node has this label */
    struct text key;         /* property compared ... */
    const struct ast *value; /* ... with this */
    uint8_t compare;         /* enum compare */
    bool is_in, is_id;
    /* The elements it names: nodes from 0, relationships from node_count. */
    const uint32_t *elements;
    uint32_t element_count;
};

struct matcher {
    struct builder *builder;
    struct pattern_path *paths;
    uint32_t path_count, path_room;
    struct pattern_node *nodes;
    uint32_t node_count, node_room;
    struct pattern_rel *rels;
    uint32_t rel_count, rel_room;
    struct conjunct *conjuncts;
    uint32_t conjunct_count, conjunct_room;
};

/* A pattern is planned by comparing everything with everything, on one shard, at one go. */
enum { ELEMENT_COUNT_MAX = 500 };

/* Adds the paths and condition of one MATCH. */
bool graph_add(
    struct matcher *matcher,
    struct ast *const *paths,
    uint32_t path_count,
    const struct ast *where,
    uint32_t group);
/* Finds out, when all was added, what is needed and how much there is of it. */
bool graph_finish(struct matcher *matcher);
static inline bool
path_is_shortest(const struct ast *path)
{
    return path->flags & (AST_FLAG_SHORTEST | AST_FLAG_ALL_SHORTEST);
}
/* The variable of an element, or the name made up for it. */
struct text element_name(struct matcher *matcher, const struct ast *element);
uint32_t node_find(const struct matcher *matcher, struct text name);
/* The variable of `name.key`; data NULL when the tree is something else. */
struct text property_variable(const struct ast *ast);
bool rels_overlap(const struct pattern_rel *a, const struct pattern_rel *b);
/* Estimates: nodes with a label, relationships of a type. */
double label_count(const struct planner *planner, uint32_t label);
double type_count(const struct planner *planner, uint32_t type);
/* (a)-[:T]->(b) or NOT of it, between nodes that are bound or of which nothing is asked: a step can do it. */
bool conjunct_is_exists_step(
    const struct matcher *matcher, const struct conjunct *conjunct, bool *negate);

#endif
