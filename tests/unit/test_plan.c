/* The planner: printed plans, and what it refuses. The catalog is a small one of this file's own: its
 * functions stand in for those of shards/store. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/plan/plan.h"

static const char *const label_names[] = {"Person", "City", "Message", "Tag", "A", "B"};
static const char *const type_names[] = {"KNOWS", "LIVES_IN", "HAS_TAG", "R", "S", "T"};
static const char *const key_names[] = {"name", "age", "id", "x", "v", "p"};
enum { NAME_COUNT = 6, PERSON = 0, KEY_NAME = 0, KEY_ID = 2 };

static const struct index_info person_id = {
    .id = 7, .label = PERSON, .key = KEY_ID, .unique = true, .state = INDEX_ONLINE};
static const struct index_info person_name = {
    .id = 8, .label = PERSON, .key = KEY_NAME, .state = INDEX_ONLINE};

static const char *const *
names_of(enum token_kind kind)
{
    return kind == TOKEN_LABEL ? label_names : kind == TOKEN_TYPE ? type_names : key_names;
}

uint32_t
catalog_lookup(const struct catalog *catalog, enum token_kind kind, struct text name)
{
    (void)catalog;
    for (uint32_t i = 0; i < NAME_COUNT; i++) {
        if (text_equal(text_of(names_of(kind)[i]), name))
            return i;
    }
    return TOKEN_NONE;
}

struct text
catalog_name(const struct catalog *catalog, enum token_kind kind, uint32_t token)
{
    (void)catalog;
    return text_of(names_of(kind)[token]);
}

uint32_t
catalog_token_count(const struct catalog *catalog, enum token_kind kind)
{
    return *(const uint32_t *)(const void *)catalog + (kind == TOKEN_LABEL);
}

uint64_t
catalog_schema_version(const struct catalog *catalog)
{
    return *(const uint32_t *)(const void *)catalog;
}

const struct index_info *
catalog_index_find(const struct catalog *catalog, uint32_t label, uint32_t key)
{
    (void)catalog;
    if (label == PERSON && key == KEY_ID)
        return &person_id;
    return label == PERSON && key == KEY_NAME ? &person_name : NULL;
}

const struct index_info *
catalog_index_at(const struct catalog *catalog, uint32_t position)
{
    (void)catalog;
    return position == 0 ? &person_id : position == 1 ? &person_name : NULL;
}

/* Times as many nodes and relationships as usual. */
static uint64_t growth = 1;

static uint64_t
node_count(void *argument, uint32_t label)
{
    static const uint64_t counts[NAME_COUNT] = {100000, 1000, 500000, 2000, 100, 100};
    (void)argument;
    return growth * (label == LABEL_ANY ? 1000000 : counts[label]);
}

static uint64_t
rel_count(void *argument, uint32_t type)
{
    static const uint64_t counts[NAME_COUNT] = {4000000, 100000,  1000000,
                                                1000000, 1000000, 1000000};
    (void)argument;
    return growth * (type == TYPE_ANY ? 10000000 : counts[type]);
}

static const struct plan_statistics statistics = {.node_count = node_count, .rel_count = rel_count};

/* What stands for the catalog: its version. */
static uint32_t version = 1;

static err_t
plan_text(struct arena *arena, const char *query, struct plan **plan, struct failure *failure)
{
    return plan_query(
        arena, text_of(query), (const struct catalog *)(const void *)&version, &statistics, plan,
        failure);
}

struct plan_case {
    const char *query;
    const char *plan;
};

struct failure_case {
    const char *query;
    enum err_code code;
    const char *message;
};

static const struct plan_case plans[] = {
    {"MATCH (n) RETURN n", "Result n\n"
                           "Project _1\n"
                           "Traverse n, _\n"
                           "  Scan n\n"
                           "  Hydrate n\n"
                           "Unit\n"},
    {"MATCH (n:Person {id: 1})-[:KNOWS]->(m:Person)-[:LIVES_IN]->(c:City) WHERE m.age > 30 RETURN "
     "m.name, c.name ORDER BY m.age DESC LIMIT 10",
     "Result m.name, c.name\n"
     "Project m.name, c.name\n"
     "Sort _2 DESC LIMIT 10\n"
     "Project m.name, c.name, m.age\n"
     "Traverse m, m.age, m.name, c, c.name\n"
     "  IndexSeek n:Person id = 1\n"
     "  Move n\n"
     "  Expand (n)-[:KNOWS]->(m)\n"
     "  Move m\n"
     "  Label m:Person\n"
     "  Property m.age > 30\n"
     "  Fetch m.age, m.name\n"
     "  Expand (m)-[:LIVES_IN]->(c)\n"
     "  Move c\n"
     "  Label c:City\n"
     "  Fetch c.name\n"
     "  Top by m.age DESC\n"
     "Unit\n"},
    {"MATCH (a:Person)-[:KNOWS]->(b)-[:KNOWS]->(c) RETURN count(*)",
     "Result count(*)\n"
     "Traverse count(*)\n"
     "  Scan a:Person\n"
     "  Expand (a)-[@16:KNOWS]->(b)\n"
     "  Move b\n"
     "  Expand (b)-[@30:KNOWS]->()\n"
     "  RelDistinct @30, @16\n"
     "  Aggregate\n"
     "Unit\n"},
    {"MATCH (p:Person) OPTIONAL MATCH (p)-[r:LIVES_IN]->(c:City) RETURN p.name, c.name, r",
     "Result p.name, c.name, r\n"
     "Hydrate r\n"
     "Project p.name, c.name, r\n"
     "ApplyOptional\n"
     "  Traverse c, r, c.name\n"
     "    Move p\n"
     "    Expand (p)-[r:LIVES_IN]->(c)\n"
     "    Move c\n"
     "    Label c:City\n"
     "    Fetch c.name\n"
     "  Argument\n"
     "Traverse p, p.name\n"
     "  Scan p:Person\n"
     "  Fetch p.name\n"
     "Unit\n"},
    {"MATCH (a:Person) WHERE NOT (a)-[:KNOWS]->() AND EXISTS { (a)-->(b) WHERE b.x = a.x } RETURN "
     "a.name",
     "Result a.name\n"
     "Project a.name\n"
     "Fetch a, _, a.name\n"
     "Filter _1\n"
     "ApplySemi\n"
     "  Traverse\n"
     "    Move a\n"
     "    Expand (a)-[]->(b)\n"
     "    Move b\n"
     "    Fetch b.x\n"
     "    Move a\n"
     "    Fetch a.x\n"
     "    Filter b.x = a.x\n"
     "  Argument\n"
     "Traverse a\n"
     "  Scan a:Person\n"
     "  NotExpandExists (a)-[:KNOWS]->()\n"
     "Unit\n"},
    {"MATCH (n:Person) WHERE n.id IN [1, 2, 2] RETURN n.name, labels(n)",
     "Result n.name, labels(n)\n"
     "Project _2.name, labels(_2)\n"
     "Traverse n, n.name, _\n"
     "  IndexSeek n:Person id = @list31\n"
     "  Move n\n"
     "  Fetch n.name\n"
     "  Hydrate n\n"
     "Distinct\n"
     "Unwind [1, 2, 2]\n"
     "Unit\n"},
    {"MATCH p = (a:Person {id: 1})-[:KNOWS*1..3]->(b) RETURN p, length(p)",
     "Result p, length(p)\n"
     "Hydrate p\n"
     "Project p, length(p)\n"
     "Traverse p\n"
     "  IndexSeek a:Person id = 1\n"
     "  Move a\n"
     "  VarExpand (a)-[@28:KNOWS*1..3]->(b)\n"
     "  Compute p = path(a, @28, b)\n"
     "Unit\n"},
    {"MATCH (a:Person {id: 1}), (b:Person {id: 2}), p = shortestPath((a)-[:KNOWS*]-(b)) RETURN "
     "length(p)",
     "Result length(p)\n"
     "Project length(p)\n"
     "Project a, b, @66, path(a, @66, b)\n"
     "ShortestPath (a), (b)\n"
     "Traverse a, b\n"
     "  IndexSeek a:Person id = 1\n"
     "  IndexSeek b:Person id = 2\n"
     "Unit\n"},
    {"MATCH (p:Person)-[:KNOWS]-(f)-[:KNOWS]-(q:Person)-[:KNOWS]-(p) RETURN count(*)",
     "Result count(*)\n"
     "Traverse count(*)\n"
     "  Scan p:Person\n"
     "  Expand (p)-[@16:KNOWS]-(f)\n"
     "  Move f\n"
     "  Expand (f)-[@29:KNOWS]-(q)\n"
     "  RelDistinct @29, @16\n"
     "  Move q\n"
     "  Label q:Person\n"
     "  ExpandInto (q)-[@49:KNOWS]-(p)\n"
     "  RelDistinct @49, @16, @29\n"
     "  Aggregate\n"
     "Unit\n"},
    {"MATCH (n:Person) WITH n.age AS age, count(*) AS c, collect(DISTINCT n.name) AS names WHERE c "
     "> 1 RETURN age, c + 1 AS d, size(names) ORDER BY d",
     "Result age, d, size(names)\n"
     "Sort d\n"
     "Project age, c + 1, size(names)\n"
     "Filter c > 1\n"
     "Traverse age, c, names\n"
     "  Scan n:Person\n"
     "  Fetch n.age, n.name\n"
     "  Aggregate by n.age\n"
     "Unit\n"},
    {"MERGE (n:Person {id: $id}) ON CREATE SET n.x = 1 ON MATCH SET n.x = n.x + 1 RETURN n",
     "Result n\n"
     "Hydrate n\n"
     "Project n\n"
     "Merge n, _\n"
     "  Traverse n, n.x\n"
     "    IndexSeek n:Person id = $id\n"
     "    Move n\n"
     "    Fetch n.x\n"
     "  Argument\n"
     "Unit\n"},
    {"UNWIND range(1, 10) AS x CREATE (n:A {x: x})-[:R {y: x}]->(m) SET n.x = n.x + 1, n.v = n.x, "
     "m:B RETURN m.x",
     "Result m.x\n"
     "Project m.x\n"
     "Fetch x, n, @44, m, _, _, m.x\n"
     "Set\n"
     "Fetch x, n, @44, m, _, n.x\n"
     "Set\n"
     "Fetch x, n, @44, m, n.x\n"
     "Create x, n, @44, m\n"
     "Unwind range(1, 10)\n"
     "Unit\n"},
    {"MATCH (n) DETACH DELETE n", "Result n\n"
                                  "Delete n\n"
                                  "Traverse n\n"
                                  "  Scan n\n"
                                  "Unit\n"},
    {"FOREACH (x IN [1, 2] | CREATE (:A {x: x}))", "Result\n"
                                                   "Foreach [1, 2]\n"
                                                   "  Create x, @30\n"
                                                   "  Argument\n"
                                                   "Unit\n"},
    {"CALL { MATCH (n:Person) RETURN n.name AS name UNION MATCH (c:City) RETURN c.name AS name } "
     "RETURN name",
     "Result name\n"
     "ApplyInner one by one\n"
     "  Distinct\n"
     "  Union name\n"
     "    Project c.name\n"
     "    Traverse c, c.name\n"
     "      Scan c:City\n"
     "      Fetch c.name\n"
     "    Argument\n"
     "  Project n.name\n"
     "  Traverse n, n.name\n"
     "    Scan n:Person\n"
     "    Fetch n.name\n"
     "  Argument\n"
     "Unit\n"},
    {"MATCH (a:Person), (c:City) WHERE a.x = c.x RETURN a.name", "Result a.name\n"
                                                                 "Project a.name\n"
                                                                 "Traverse a, a.x, a.name\n"
                                                                 "  Scan c:City\n"
                                                                 "  Scan a:Person\n"
                                                                 "  Fetch a.x\n"
                                                                 "  Move c\n"
                                                                 "  Fetch c.x\n"
                                                                 "  Filter a.x = c.x\n"
                                                                 "  Move a\n"
                                                                 "  Fetch a.name\n"
                                                                 "Unit\n"},
    {"MATCH (n:Nobody) RETURN n", "Result n\n"
                                  "Project _1\n"
                                  "Traverse n, _\n"
                                  "  Filter false\n"
                                  "  Scan n\n"
                                  "  Hydrate n\n"
                                  "Unit\n"},
    {"MATCH (a:Person {id: $a})-[:KNOWS]->(b) RETURN [(b)-[:LIVES_IN]->(c) | c.name] AS cities",
     "Result cities\n"
     "Project _1\n"
     "ApplyCollect\n"
     "  Traverse _\n"
     "    Move b\n"
     "    Expand (b)-[:LIVES_IN]->(c)\n"
     "    Move c\n"
     "    Fetch c.name\n"
     "    Compute _3 = c.name\n"
     "  Argument\n"
     "Traverse b\n"
     "  IndexSeek a:Person id = $a\n"
     "  Move a\n"
     "  Expand (a)-[:KNOWS]->(b)\n"
     "Unit\n"},
    {"MATCH (a:Person) MATCH (b:City) MATCH (a)-[:LIVES_IN]->(b) RETURN a.name",
     "Result a.name\n"
     "Project a.name\n"
     "Traverse a, a.name\n"
     "  Scan b:City\n"
     "  Expand (b)<-[:LIVES_IN]-(a)\n"
     "  Move a\n"
     "  Label a:Person\n"
     "  Fetch a.name\n"
     "Unit\n"},
    {"MATCH (a:Person)-[r:KNOWS]->(b) WITH a, r MATCH (x)-[r]-(y) RETURN x.name",
     "Result x.name\n"
     "Project x.name\n"
     "Traverse x, x.name\n"
     "  Compute y = CASE WHEN x = startNode(r) THEN endNode(r) ELSE startNode(r) END\n"
     "  Move x\n"
     "  Fetch x.name\n"
     "Unwind CASE WHEN startNode(r) = endNode(r) THEN [startNode(r)] ELSE [startNode(r), "
     "endNode(r)] END\n"
     "Traverse r\n"
     "  Scan a:Person\n"
     "  Expand (a)-[r:KNOWS]->()\n"
     "  Filter r IS NOT NULL\n"
     "Unit\n"},
    {"MATCH (a:A)-[r:R]->(b) RETURN startNode(r).name, r.x", "Result startNode(r).name, r.x\n"
                                                             "Project _2, r.x\n"
                                                             "Traverse r, _, _, r.x\n"
                                                             "  Scan a:A\n"
                                                             "  Expand (a)-[r:R]->()\n"
                                                             "  Compute _2 = startNode(r)\n"
                                                             "  Move _2\n"
                                                             "  Fetch _3\n"
                                                             "  Move a\n"
                                                             "  Fetch r.x\n"
                                                             "Unit\n"},
    {"MATCH (n:Person) RETURN DISTINCT n.name ORDER BY n.name", "Result n.name\n"
                                                                "Sort n.name\n"
                                                                "Traverse n.name\n"
                                                                "  Scan n:Person\n"
                                                                "  Fetch n.name\n"
                                                                "  Aggregate by n.name\n"
                                                                "Unit\n"},
    {"MATCH (n:Person) RETURN DISTINCT n.name LIMIT 3", "Result n.name\n"
                                                        "Limit LIMIT 3\n"
                                                        "Distinct\n"
                                                        "Project n.name\n"
                                                        "Traverse n, n.name\n"
                                                        "  Scan n:Person\n"
                                                        "  Fetch n.name\n"
                                                        "Unit\n"},
    {"MATCH (a)-[:R]->(b)<-[:R]-(c) WHERE a <> c AND id(a) = $id RETURN c",
     "Result c\n"
     "Project _1\n"
     "Traverse c, _\n"
     "  IdSeek a = $id\n"
     "  Expand (a)-[@9:R]->(b)\n"
     "  Move b\n"
     "  Expand (b)<-[@19:R]-(c)\n"
     "  RelDistinct @19, @9\n"
     "  NotNodeEqual a, c\n"
     "  Move c\n"
     "  Hydrate c\n"
     "Unit\n"},
    {"MATCH (a:A) WHERE a:B OR a.x IS NULL RETURN a.x", "Result a.x\n"
                                                        "Project a.x\n"
                                                        "Traverse a, a:B, a.x\n"
                                                        "  Scan a:A\n"
                                                        "  Fetch a:B, a.x\n"
                                                        "  Filter a:B OR a.x IS NULL\n"
                                                        "Unit\n"},
    {"MATCH (a:A {x: 1}) MERGE (a)-[r:R]->(b:B {v: 2}) ON CREATE SET b.x = a.x, r = a ON MATCH SET "
     "b.x = b.x + a.x RETURN b.x",
     "Result b.x\n"
     "Project b.x\n"
     "Fetch a, _, r, b, _, b.x\n"
     "Merge a, a.x, r, b, _\n"
     "  Project a, a.x, r, b, b.x\n"
     "  Traverse a, a.x, b, r, b.x\n"
     "    Move a\n"
     "    Expand (a)-[r:R]->(b)\n"
     "    Move b\n"
     "    Label b:B\n"
     "    Property b.v = 2\n"
     "    Fetch b.x\n"
     "  Argument\n"
     "Hydrate a\n"
     "Traverse a, a.x\n"
     "  Scan a:A\n"
     "  Property a.x = 1\n"
     "  Fetch a.x\n"
     "Unit\n"},
    {"UNWIND $rows AS row MATCH (n:Person {id: row.id}) SET n += row",
     "Result row, n\n"
     "Set\n"
     "Traverse row, n\n"
     "  IndexSeek n:Person id = row.id\n"
     "Unwind $rows\n"
     "Unit\n"},
    {"CREATE (a:A {x: 1}), (b:B {x: a.x + 1})", "Result a, _, b\n"
                                                "Create a, a.x, b\n"
                                                "Fetch a, a.x\n"
                                                "Create a\n"
                                                "Unit\n"},
    {"MATCH (a:Person {id: 1}) CALL (a) { MATCH (a)-[:KNOWS]->(b) RETURN b.name AS name ORDER BY "
     "name LIMIT 3 } RETURN name",
     "Result name\n"
     "Project name\n"
     "ApplyInner one by one\n"
     "  Sort name LIMIT 3\n"
     "  Project b.name\n"
     "  Traverse b, b.name\n"
     "    Move a\n"
     "    Expand (a)-[:KNOWS]->(b)\n"
     "    Move b\n"
     "    Fetch b.name\n"
     "    Top by b.name\n"
     "  Argument\n"
     "Traverse a\n"
     "  IndexSeek a:Person id = 1\n"
     "Unit\n"},
    {"MATCH (a:A) RETURN COUNT { (a)-[:R]->() } AS n, COLLECT { MATCH (a)-->(b) RETURN b.x } AS xs",
     "Result n, xs\n"
     "Project _1, _2\n"
     "ApplyCollect\n"
     "  Project b.x\n"
     "  Traverse b, b.x\n"
     "    Move a\n"
     "    Expand (a)-[]->(b)\n"
     "    Move b\n"
     "    Fetch b.x\n"
     "  Argument\n"
     "ApplyCount\n"
     "  Traverse\n"
     "    Move a\n"
     "    Expand (a)-[:R]->()\n"
     "  Argument\n"
     "Traverse a\n"
     "  Scan a:A\n"
     "Unit\n"},
    {"MATCH p = (a:A)-[:R]->(b) RETURN [n IN nodes(p) | n.name]",
     "Result [n IN nodes(p) | n.name]\n"
     "Project [@0 IN nodes(p) | @0.name]\n"
     "Hydrate p\n"
     "Traverse p\n"
     "  Scan a:A\n"
     "  Expand (a)-[@15:R]->(b)\n"
     "  Compute p = path(a, @15, b)\n"
     "Unit\n"},
    {"SHOW INDEXES YIELD name WHERE name STARTS WITH 'a' RETURN count(*)",
     "Result count(*)\n"
     "Aggregate count(*)\n"
     "Filter name STARTS WITH 'a'\n"
     "Procedure name\n"
     "Unit\n"},
    {"MATCH (a:A) OPTIONAL MATCH (a)-[:R]->(b) RETURN b.name, count(*)",
     "Result b.name, count(*)\n"
     "Aggregate b.name, count(*)\n"
     "ApplyOptional\n"
     "  Traverse b, b.name\n"
     "    Move a\n"
     "    Expand (a)-[:R]->(b)\n"
     "    Move b\n"
     "    Fetch b.name\n"
     "  Argument\n"
     "Traverse a\n"
     "  Scan a:A\n"
     "Unit\n"},
};

static const struct failure_case failures[] = {
    {"RETURN x", ERR_SYNTAX,
     "Variable `x` not defined (line 1, column 8 (offset: 7))\n"
     "\"RETURN x\"\n"
     "        ^"},
    {"MATCH (n) RETURN n.x + m.y", ERR_SYNTAX,
     "Variable `m` not defined (line 1, column 24 (offset: 23))\n"
     "\"MATCH (n) RETURN n.x + m.y\"\n"
     "                        ^"},
    {"MATCH (n)-[n]->() RETURN n", ERR_SYNTAX,
     "Type mismatch: `n` defined with conflicting type (expected Relationship) (line 1, column 10 "
     "(offset: 9))\n"
     "\"MATCH (n)-[n]->() RETURN n\"\n"
     "          ^"},
    {"MATCH (n) RETURN n AS a, n AS a", ERR_SYNTAX,
     "Multiple result columns with the same name are not supported: `a` (line 1, column 26 "
     "(offset: 25))\n"
     "\"MATCH (n) RETURN n AS a, n AS a\"\n"
     "                          ^"},
    {"WITH 1 RETURN 2", ERR_SYNTAX,
     "Expression in WITH must be aliased (use AS) (line 1, column 6 (offset: 5))\n"
     "\"WITH 1 RETURN 2\"\n"
     "      ^"},
    {"RETURN count(count(*))", ERR_SYNTAX,
     "Invalid use of aggregating function count(*) in this context (line 1, column 14 (offset: "
     "13))\n"
     "\"RETURN count(count(*))\"\n"
     "              ^"},
    {"MATCH (n) WHERE count(n) > 1 RETURN n", ERR_SYNTAX,
     "Invalid use of aggregating function in this context (line 1, column 17 (offset: 16))\n"
     "\"MATCH (n) WHERE count(n) > 1 RETURN n\"\n"
     "                 ^"},
    {"MATCH (a), (b) RETURN a.x + count(b)", ERR_SYNTAX,
     "Aggregation column contains implicit grouping expressions: `a` is neither a grouping key nor "
     "inside an aggregating function (line 1, column 23 (offset: 22))\n"
     "\"MATCH (a), (b) RETURN a.x + count(b)\"\n"
     "                       ^"},
    {"RETURN nosuch(1)", ERR_SYNTAX,
     "Unknown function 'nosuch' (line 1, column 8 (offset: 7))\n"
     "\"RETURN nosuch(1)\"\n"
     "        ^"},
    {"RETURN lenght('a')", ERR_SYNTAX,
     "Unknown function 'lenght'; did you mean length()? (line 1, column 8 (offset: 7))\n"
     "\"RETURN lenght('a')\"\n"
     "        ^"},
    {"RETURN substring('a')", ERR_SYNTAX,
     "Insufficient arguments for function 'substring': 1 given, at least 2 expected (line 1, "
     "column 8 (offset: 7))\n"
     "\"RETURN substring('a')\"\n"
     "        ^"},
    {"RETURN 1 LIMIT -1", ERR_SYNTAX,
     "Invalid input for LIMIT: must not be negative (line 1, column 16 (offset: 15))\n"
     "\"RETURN 1 LIMIT -1\"\n"
     "                ^"},
    {"RETURN 1 LIMIT 1.5", ERR_SYNTAX,
     "Invalid input for LIMIT: expected an integer (line 1, column 16 (offset: 15))\n"
     "\"RETURN 1 LIMIT 1.5\"\n"
     "                ^"},
    {"MATCH (n) RETURN n LIMIT n.x", ERR_SYNTAX,
     "Variable `n` not defined (line 1, column 26 (offset: 25))\n"
     "\"MATCH (n) RETURN n LIMIT n.x\"\n"
     "                          ^"},
    {"RETURN *", ERR_SYNTAX,
     "RETURN * is not allowed when there are no variables in scope (line 1, column 1 (offset: 0))\n"
     "\"RETURN *\"\n"
     " ^"},
    {"MATCH (n)", ERR_SYNTAX,
     "Query cannot conclude with MATCH (must be a RETURN clause, an update clause or a CALL) (line "
     "1, column 1 (offset: 0))\n"
     "\"MATCH (n)\"\n"
     " ^"},
    {"CREATE (a)-[:R]-(b)", ERR_SYNTAX,
     "Only directed relationships are supported in CREATE (line 1, column 11 (offset: 10))\n"
     "\"CREATE (a)-[:R]-(b)\"\n"
     "           ^"},
    {"CREATE (a)-[:R|S]->(b)", ERR_SYNTAX,
     "Exactly one relationship type must be specified for CREATE (line 1, column 11 (offset: 10))\n"
     "\"CREATE (a)-[:R|S]->(b)\"\n"
     "           ^"},
    {"CREATE (a)-[:R*2]->(b)", ERR_SYNTAX,
     "Variable length relationships cannot be used in CREATE (line 1, column 11 (offset: 10))\n"
     "\"CREATE (a)-[:R*2]->(b)\"\n"
     "           ^"},
    {"MATCH (a) CREATE (a:L)", ERR_SYNTAX,
     "Variable `a` already declared (line 1, column 18 (offset: 17))\n"
     "\"MATCH (a) CREATE (a:L)\"\n"
     "                  ^"},
    {"MATCH (n) WHERE n RETURN n", ERR_SYNTAX,
     "Type mismatch: expected Boolean but was Node (line 1, column 17 (offset: 16))\n"
     "\"MATCH (n) WHERE n RETURN n\"\n"
     "                 ^"},
    {"RETURN NOT 1", ERR_SYNTAX,
     "Type mismatch: expected Boolean but was Integer (line 1, column 12 (offset: 11))\n"
     "\"RETURN NOT 1\"\n"
     "            ^"},
    {"RETURN 1 IN 2", ERR_SYNTAX,
     "Type mismatch: expected List but was Integer (line 1, column 13 (offset: 12))\n"
     "\"RETURN 1 IN 2\"\n"
     "             ^"},
    {"MATCH (n $p) RETURN n", ERR_SYNTAX,
     "Parameter maps cannot be used in MATCH patterns (use a literal map instead, e.g. {id: "
     "$p.id}) (line 1, column 10 (offset: 9))\n"
     "\"MATCH (n $p) RETURN n\"\n"
     "          ^"},
    {"RETURN 1 AS a UNION RETURN 2 AS b", ERR_SYNTAX,
     "All parts of a UNION must return columns with the same names (line 1, column 21 (offset: "
     "20))\n"
     "\"RETURN 1 AS a UNION RETURN 2 AS b\"\n"
     "                     ^"},
    {"MATCH (n) DELETE n:L", ERR_SYNTAX,
     "DELETE doesn't support removing labels from a node; use REMOVE (line 1, column 18 (offset: "
     "17))\n"
     "\"MATCH (n) DELETE n:L\"\n"
     "                  ^"},
    {"RETURN (n)-->()", ERR_SYNTAX,
     "A pattern expression may only be used to test the existence of a pattern; for the matches "
     "use a pattern comprehension (line 1, column 8 (offset: 7))\n"
     "\"RETURN (n)-->()\"\n"
     "        ^"},
    {"MATCH (n) RETURN (n)-->(n)", ERR_SYNTAX,
     "A pattern expression may only be used to test the existence of a pattern; for the matches "
     "use a pattern comprehension (line 1, column 18 (offset: 17))\n"
     "\"MATCH (n) RETURN (n)-->(n)\"\n"
     "                  ^"},
    {"UNWIND [1] AS x UNWIND [2] AS x RETURN x", ERR_SYNTAX,
     "Variable `x` already declared (line 1, column 31 (offset: 30))\n"
     "\"UNWIND [1] AS x UNWIND [2] AS x RETURN x\"\n"
     "                               ^"},
    {"MATCH p = shortestPath((a)-[*]-(b)) WHERE length(p) > 2 RETURN p", ERR_UNSUPPORTED,
     "A condition on a shortest path in the same WHERE is not supported; put it after WITH to "
     "filter the shortest paths (line 1, column 43 (offset: 42))\n"
     "\"MATCH p = shortestPath((a)-[*]-(b)) WHERE length(p) > 2 RETURN p\"\n"
     "                                           ^"},
    {"LOAD CSV FROM 'x' AS l RETURN l", ERR_UNSUPPORTED,
     "LOAD CSV is not supported; use quiver-import, or UNWIND a parameter (line 1, column 1 "
     "(offset: 0))\n"
     "\"LOAD CSV FROM 'x' AS l RETURN l\"\n"
     " ^"},
    {"CREATE USER x", ERR_UNSUPPORTED,
     "CREATE USER is not supported (line 1, column 1 (offset: 0))\n"
     "\"CREATE USER x\"\n"
     " ^"},
    {"CREATE INDEX FOR (n:L) ON (n.a, n.b)", ERR_UNSUPPORTED,
     "An index on several properties is not supported (line 1, column 1 (offset: 0))\n"
     "\"CREATE INDEX FOR (n:L) ON (n.a, n.b)\"\n"
     " ^"},
    {"MATCH (n) SET n['x'] = 1", ERR_UNSUPPORTED,
     "Setting a dynamic property is not supported; use n += {key: value} (line 1, column 15 "
     "(offset: 14))\n"
     "\"MATCH (n) SET n['x'] = 1\"\n"
     "               ^"},
    {"RETURN 1 RETURN 2", ERR_SYNTAX,
     "RETURN can only be used at the end of the query (line 1, column 10 (offset: 9))\n"
     "\"RETURN 1 RETURN 2\"\n"
     "          ^"},
};

static void
plans_are_these(void **state)
{
    (void)state;
    struct arena arena;
    arena_create(&arena, memory_heap(), 1 << 24);
    for (size_t i = 0; i < sizeof(plans) / sizeof(plans[0]); i++) {
        struct plan *plan;
        struct failure failure;
        assert_int_equal(plan_text(&arena, plans[i].query, &plan, &failure), 0);
        struct text printed = plan_print(plan, &arena);
        const char *shown = arena_text(&arena, printed).data;
        assert_string_equal(shown, plans[i].plan);
        arena_reset(&arena);
    }
    arena_destroy(&arena);
}

static void
failures_say_what_and_where(void **state)
{
    (void)state;
    struct arena arena;
    arena_create(&arena, memory_heap(), 1 << 24);
    for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
        struct plan *plan;
        struct failure failure;
        err_t err = plan_text(&arena, failures[i].query, &plan, &failure);
        assert_int_equal(err_code(err), failures[i].code);
        assert_string_equal(arena_text(&arena, failure.message).data, failures[i].message);
        arena_reset(&arena);
    }
    arena_destroy(&arena);
}

static void
parameters_are_collected_once(void **state)
{
    (void)state;
    struct arena arena;
    arena_create(&arena, memory_heap(), 1 << 20);
    struct plan *plan;
    struct failure failure;
    assert_int_equal(
        plan_text(
            &arena, "MATCH (n:Person {id: $id}) WHERE n.x = $x OR n.v = $id RETURN $x", &plan,
            &failure),
        0);
    assert_int_equal(plan->parameter_count, 2);
    assert_int_equal(plan->column_count, 1);
    assert_int_equal(plan->kind, QUERY_READ);
    arena_destroy(&arena);
}

static void
writes_name_their_new_tokens(void **state)
{
    (void)state;
    struct arena arena;
    arena_create(&arena, memory_heap(), 1 << 20);
    struct plan *plan;
    struct failure failure;
    assert_int_equal(
        plan_text(&arena, "CREATE (:Fresh {name: 1, hue: 2})-[:NEAR]->(:Fresh)", &plan, &failure),
        0);
    assert_int_equal(plan->new_name_count, 3);
    assert_int_equal(plan->kind, QUERY_WRITE);
    assert_int_equal(plan->column_count, 0);
    assert_int_equal(plan_text(&arena, "MERGE (a:A {x: 1}) RETURN a", &plan, &failure), 0);
    assert_int_equal(plan->new_name_count, 0);
    assert_int_equal(plan->kind, QUERY_READ_WRITE);
    arena_destroy(&arena);
}

static void
plan_outlives_tokens_unless_it_missed_one(void **state)
{
    (void)state;
    struct arena arena;
    arena_create(&arena, memory_heap(), 1 << 20);
    struct plan *plan;
    struct failure failure;
    const struct catalog *catalog = (const struct catalog *)(const void *)&version;
    assert_int_equal(plan_text(&arena, "MATCH (n:Nobody) RETURN n", &plan, &failure), 0);
    assert_true(plan_is_current(plan, catalog, &statistics));
    assert_int_equal(plan->unknown_name_count, 1);
    version = 2;
    assert_false(plan_is_current(plan, catalog, &statistics));
    version = 1;
    arena_destroy(&arena);
}

static void
plan_is_for_a_database_of_its_size(void **state)
{
    (void)state;
    struct arena arena;
    arena_create(&arena, memory_heap(), 1 << 20);
    struct plan *plan;
    struct failure failure;
    const struct catalog *catalog = (const struct catalog *)(const void *)&version;
    assert_int_equal(plan_text(&arena, "MATCH (n:A) RETURN n", &plan, &failure), 0);
    growth = 3;
    assert_true(plan_is_current(plan, catalog, &statistics));
    growth = 6;
    assert_false(plan_is_current(plan, catalog, &statistics));
    growth = 0;
    assert_false(plan_is_current(plan, catalog, &statistics));
    growth = 1;
    arena_destroy(&arena);
}

static void
small_arena_is_an_error(void **state)
{
    (void)state;
    const char *query =
        "MATCH (a:Person {id: 1})-[r:KNOWS*1..2]->(b) WHERE EXISTS { (b)-->(c) WHERE c.x = a.x } "
        "WITH a, count(b) AS n ORDER BY n MERGE (a)-[:R]->(d:A {x: n}) ON MATCH SET d.v = a.v "
        "RETURN d, labels(a)";
    bool has_planned = false;
    for (size_t limit = 0; limit < (1 << 22) && !has_planned; limit += 1024) {
        struct arena arena;
        arena_create(&arena, memory_heap(), limit);
        struct plan *plan;
        struct failure failure;
        err_t err = plan_text(&arena, query, &plan, &failure);
        assert_true(err == 0 || err_code(err) == ERR_MEMORY_QUERY);
        has_planned = err == 0;
        arena_destroy(&arena);
    }
    assert_true(has_planned);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plans_are_these),
        cmocka_unit_test(failures_say_what_and_where),
        cmocka_unit_test(parameters_are_collected_once),
        cmocka_unit_test(writes_name_their_new_tokens),
        cmocka_unit_test(plan_outlives_tokens_unless_it_missed_one),
        cmocka_unit_test(plan_is_for_a_database_of_its_size),
        cmocka_unit_test(small_arena_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
