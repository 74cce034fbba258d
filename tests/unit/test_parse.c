/* The parser: printed trees of what it accepts, messages of what it refuses, and its limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/limits.h"
#include "engine/parse/parse.h"

struct tree_case {
    const char *query;
    const char *tree;
};

struct failure_case {
    const char *query;
    enum err_code code;
    const char *message;
};

static const struct tree_case reading_clauses[] = {
    {"MATCH (n) RETURN n",
     "(query [(clauses [(match [(path [(node variable=(variable \"n\"))])]) (return [(column \"n"
     "\" value=(variable \"n\"))])])])"},
    {"OPTIONAL MATCH (a)-[r:R]->(b) WHERE a.x > 1 RETURN *",
     "(query [(clauses [(match optional where=(> left=(property \"x\" subject=(variable \"a\")) r"
     "ight=(integer 1)) [(path [(node variable=(variable \"a\")) (rel right variable=(variable \""
     "r\") types=(label \"R\")) (node variable=(variable \"b\"))])]) (return star)])])"},
    {"MATCH (a) WITH DISTINCT a, a.x AS x ORDER BY x DESC, a.y SKIP 1 LIMIT $l WHERE x > 0 RETURN"
     " count(*)",
     "(query [(clauses [(match [(path [(node variable=(variable \"a\"))])]) (with distinct order="
     "(order [(sort descending value=(variable \"x\")) (sort value=(property \"y\" subject=(varia"
     "ble \"a\")))]) skip=(integer 1) limit=(parameter \"l\") where=(> left=(variable \"x\") righ"
     "t=(integer 0)) [(column \"a\" value=(variable \"a\")) (column aliased \"x\" value=(property"
     " \"x\" subject=(variable \"a\")))]) (return [(column \"count(*)\" value=(count-star))])])])"},
    {"UNWIND [1, 2] AS x RETURN x UNION ALL RETURN 3 AS x",
     "(query [(clauses [(unwind list=(list [(integer 1) (integer 2)]) variable=(variable \"x\")) "
     "(return [(column \"x\" value=(variable \"x\"))])]) (clauses union-all [(return [(column ali"
     "ased \"x\" value=(integer 3))])])])"},
    {"CALL db.labels() YIELD label AS l WHERE l <> 'A' RETURN l",
     "(query [(clauses [(call \"db.labels\" yield=(yield where=(<> left=(variable \"l\") right=(s"
     "tring \"A\")) [(column aliased \"l\" value=(variable \"label\"))])) (return [(column \"l\" "
     "value=(variable \"l\"))])])])"},
    {"CALL db.labels", "(query [(clauses [(call no-parentheses \"db.labels\")])])"},
    {"CALL (x) { RETURN x AS y } RETURN y",
     "(query [(clauses [(call-subquery query=(query [(clauses [(return [(column aliased \"y\" val"
     "ue=(variable \"x\"))])])]) [(variable \"x\")]) (return [(column \"y\" value=(variable \"y\""
     "))])])])"},
    {"EXPLAIN RETURN 1;",
     "(query explain [(clauses [(return [(column \"1\" value=(integer 1))])])])"},
    {"CYPHER runtime=slotted PROFILE RETURN 1",
     "(query profile [(clauses [(return [(column \"1\" value=(integer 1))])])])"},
};

static const struct tree_case writing_clauses[] = {
    {"CREATE (a:A:B {x: 1})-[:R $p]->(b)",
     "(query [(clauses [(create [(path [(node variable=(variable \"a\") labels=(label-and left=(l"
     "abel \"A\") right=(label \"B\")) properties=(map [(entry \"x\" value=(integer 1))])) (rel r"
     "ight types=(label \"R\") properties=(parameter \"p\")) (node variable=(variable \"b\"))])])"
     "])])"},
    {"MERGE (n:P {id: $id}) ON CREATE SET n.new = true ON MATCH SET n += $m, n:Old",
     "(query [(clauses [(merge path=(path [(node variable=(variable \"n\") labels=(label \"P\") p"
     "roperties=(map [(entry \"id\" value=(parameter \"id\"))]))]) on_create=(set [(set-property "
     "target=(property \"new\" subject=(variable \"n\")) value=(boolean true))]) on_match=(set [("
     "set-add variable=(variable \"n\") value=(parameter \"m\")) (set-labels variable=(variable "
     "\"n\") [(label \"Old\")])]))])])"},
    {"MATCH (n) SET n.a.b = 1, n = {}, n += $m, n:L:M REMOVE n.x, n:L DETACH DELETE n",
     "(query [(clauses [(match [(path [(node variable=(variable \"n\"))])]) (set [(set-property t"
     "arget=(property \"b\" subject=(property \"a\" subject=(variable \"n\"))) value=(integer 1))"
     " (set-replace variable=(variable \"n\") value=(map)) (set-add variable=(variable \"n\") val"
     "ue=(parameter \"m\")) (set-labels variable=(variable \"n\") [(label \"L\") (label \"M\")])]"
     ") (remove [(remove-property target=(property \"x\" subject=(variable \"n\"))) (remove-label"
     "s variable=(variable \"n\") [(label \"L\")])]) (delete detach [(variable \"n\")])])])"},
    {"FOREACH (x IN [1] | CREATE (:N {v: x}) SET x.y = 1)",
     "(query [(clauses [(foreach variable=(variable \"x\") list=(list [(integer 1)]) [(create [(p"
     "ath [(node labels=(label \"N\") properties=(map [(entry \"v\" value=(variable \"x\"))]))])]"
     ") (set [(set-property target=(property \"y\" subject=(variable \"x\")) value=(integer 1))])"
     "])])])"},
};

static const struct tree_case patterns[] = {
    {"MATCH p = (a)<-[r:R|S*2..3 {k: 1}]-(b)--(c)-->() RETURN p",
     "(query [(clauses [(match [(path variable=(variable \"p\") [(node variable=(variable \"a\"))"
     " (rel left variable=(variable \"r\") types=(label-or left=(label \"R\") right=(label \"S\")"
     ") properties=(map [(entry \"k\" value=(integer 1))]) range=(range from=(integer 2) to=(inte"
     "ger 3))) (node variable=(variable \"b\")) (rel) (node variable=(variable \"c\")) (rel right"
     ") (node)])]) (return [(column \"p\" value=(variable \"p\"))])])])"},
    {"MATCH ()-[*]-()<-[*..2]->()-[*3]->()-[*4..]->() RETURN 1",
     "(query [(clauses [(match [(path [(node) (rel range=(range)) (node) (rel left right range=(r"
     "ange to=(integer 2))) (node) (rel right range=(range from=(integer 3) to=(integer 3))) (nod"
     "e) (rel right range=(range from=(integer 4))) (node)])]) (return [(column \"1\" value=(inte"
     "ger 1))])])])"},
    {"MATCH (n:A&(B|!C) WHERE n.x)-[:%]->(:`odd ``name`) RETURN n",
     "(query [(clauses [(match [(path [(node variable=(variable \"n\") labels=(label-and left=(la"
     "bel \"A\") right=(label-or left=(label \"B\") right=(label-not operand=(label \"C\")))) whe"
     "re=(property \"x\" subject=(variable \"n\"))) (rel right types=(label-any)) (node labels=(l"
     "abel \"odd `name\"))])]) (return [(column \"n\" value=(variable \"n\"))])])])"},
    {"MATCH p = shortestPath((a)-[*]-(b)), allShortestPaths((a)-[:R*]->(c)) RETURN p",
     "(query [(clauses [(match [(path shortest variable=(variable \"p\") [(node variable=(variabl"
     "e \"a\")) (rel range=(range)) (node variable=(variable \"b\"))]) (path all-shortest [(node "
     "variable=(variable \"a\")) (rel right types=(label \"R\") range=(range)) (node variable=(va"
     "riable \"c\"))])]) (return [(column \"p\" value=(variable \"p\"))])])])"},
};

static const struct tree_case operators[] = {
    {"RETURN 1 + 2 * 3 ^ 4 - -5",
     "(query [(clauses [(return [(column \"1 + 2 * 3 ^ 4 - -5\" value=(- left=(+ left=(integer 1)"
     " right=(* left=(integer 2) right=(^ left=(integer 3) right=(integer 4)))) right=(integer -5"
     ")))])])])"},
    {"RETURN NOT a OR b AND c XOR d",
     "(query [(clauses [(return [(column \"NOT a OR b AND c XOR d\" value=(or [(not operand=(vari"
     "able \"a\")) (xor [(and [(variable \"b\") (variable \"c\")]) (variable \"d\")])]))])])])"},
    {"RETURN 1 < x <= 3 <> 4",
     "(query [(clauses [(return [(column \"1 < x <= 3 <> 4\" value=(and [(< left=(integer 1) righ"
     "t=(variable \"x\")) (<= left=(variable \"x\") right=(integer 3)) (<> left=(integer 3) right"
     "=(integer 4))]))])])])"},
    {"RETURN a.b[0][1..-1].c IS NOT NULL",
     "(query [(clauses [(return [(column \"a.b[0][1..-1].c IS NOT NULL\" value=(is-not-null opera"
     "nd=(property \"c\" subject=(slice subject=(index subject=(property \"b\" subject=(variable "
     "\"a\")) index=(integer 0)) from=(integer 1) to=(integer -1)))))])])])"},
    {"RETURN x IN [1] + [2] = true",
     "(query [(clauses [(return [(column \"x IN [1] + [2] = true\" value=(= left=(in left=(variab"
     "le \"x\") right=(+ left=(list [(integer 1)]) right=(list [(integer 2)]))) right=(boolean tr"
     "ue)))])])])"},
    {"RETURN 'a' STARTS WITH 'b' AND 'c' ENDS WITH $d OR e CONTAINS f AND g =~ 'h'",
     "(query [(clauses [(return [(column \"'a' STARTS WITH 'b' AND 'c' ENDS WITH $d OR e CONTAINS"
     " f AND g =~ 'h'\" value=(or [(and [(starts-with left=(string \"a\") right=(string \"b\")) ("
     "ends-with left=(string \"c\") right=(parameter \"d\"))]) (and [(contains left=(variable \"e"
     "\") right=(variable \"f\")) (=~ left=(variable \"g\") right=(string \"h\"))])]))])])])"},
    {"RETURN n:A:B, n:A|B, x IS :: LIST<INTEGER NOT NULL> | FLOAT, x || y",
     "(query [(clauses [(return [(column \"n:A:B\" value=(label-test subject=(variable \"n\") lab"
     "els=(label-and left=(label \"A\") right=(label \"B\")))) (column \"n:A|B\" value=(label-tes"
     "t subject=(variable \"n\") labels=(label-or left=(label \"A\") right=(label \"B\")))) (colu"
     "mn \"x IS :: LIST<INTEGER NOT NULL> | FLOAT\" value=(is-type \"LIST<INTEGER NOT NULL> | FLO"
     "AT\" operand=(variable \"x\"))) (column \"x || y\" value=(|| left=(variable \"x\") right=(v"
     "ariable \"y\")))])])])"},
};

static const struct tree_case literals[] = {
    {"RETURN 0, 0x1F, 0o17, 1_000, -9223372036854775808, 1.5, .5, 1e3, 2.5E-1",
     "(query [(clauses [(return [(column \"0\" value=(integer 0)) (column \"0x1F\" value=(integer"
     " 31)) (column \"0o17\" value=(integer 15)) (column \"1_000\" value=(integer 1000)) (column "
     "\"-9223372036854775808\" value=(integer -9223372036854775808)) (column \"1.5\" value=(float"
     " 1.5)) (column \".5\" value=(float 0.5)) (column \"1e3\" value=(float 1000)) (column \"2.5E"
     "-1\" value=(float 0.25))])])])"},
    {"RETURN 'it\\'s \\u00e9 \\uD83D\\uDE00 \\n"
     "', \"x\", true, FALSE, null",
     "(query [(clauses [(return [(column \"'it\\\\'s \\\\u00e9 \\\\uD83D\\\\uDE00 \\\\n"
     "'\" value=(string \"it's é 😀 \\x0a\")) (column \"\\\"x\\\"\" value=(string \"x\")) (column "
     "\"true\" value=(boolean true)) (column \"FALSE\" value=(boolean false)) (column \"null\" va"
     "lue=(null))])])])"},
    {"RETURN $x, $`a b`, $0, [], {}, {a: [1], `b c`: {d: 2}} // end",
     "(query [(clauses [(return [(column \"$x\" value=(parameter \"x\")) (column \"$`a b`\" value"
     "=(parameter \"a b\")) (column \"$0\" value=(parameter \"0\")) (column \"[]\" value=(list)) "
     "(column \"{}\" value=(map)) (column \"{a: [1], `b c`: {d: 2}}\" value=(map [(entry \"a\" va"
     "lue=(list [(integer 1)])) (entry \"b c\" value=(map [(entry \"d\" value=(integer 2))]))]))]"
     ")])])"},
    {"RETURN /* a\n"
     " comment */ 1",
     "(query [(clauses [(return [(column \"1\" value=(integer 1))])])])"},
};

static const struct tree_case compound_expressions[] = {
    {"RETURN CASE x WHEN 1 THEN 'a' ELSE 'b' END, CASE WHEN x THEN y END",
     "(query [(clauses [(return [(column \"CASE x WHEN 1 THEN 'a' ELSE 'b' END\" value=(case subj"
     "ect=(variable \"x\") fallback=(string \"b\") [(when condition=(integer 1) result=(string \""
     "a\"))])) (column \"CASE WHEN x THEN y END\" value=(case [(when condition=(variable \"x\") r"
     "esult=(variable \"y\"))]))])])])"},
    {"RETURN [x IN xs WHERE x:A | x.v], [x IN xs], [(a)-->(b) WHERE b:X | b.v], [p = (a)--() | p]"
     ", [(a)-->(b)]",
     "(query [(clauses [(return [(column \"[x IN xs WHERE x:A | x.v]\" value=(list-comprehension "
     "variable=(variable \"x\") list=(variable \"xs\") where=(label-test subject=(variable \"x\")"
     " labels=(label \"A\")) result=(property \"v\" subject=(variable \"x\")))) (column \"[x IN x"
     "s]\" value=(list-comprehension variable=(variable \"x\") list=(variable \"xs\"))) (column "
     "\"[(a)-->(b) WHERE b:X | b.v]\" value=(pattern-comprehension path=(path [(node variable=(va"
     "riable \"a\")) (rel right) (node variable=(variable \"b\"))]) where=(label-test subject=(va"
     "riable \"b\") labels=(label \"X\")) result=(property \"v\" subject=(variable \"b\")))) (col"
     "umn \"[p = (a)--() | p]\" value=(pattern-comprehension path=(path variable=(variable \"p\")"
     " [(node variable=(variable \"a\")) (rel) (node)]) result=(variable \"p\"))) (column \"[(a)-"
     "->(b)]\" value=(list [(pattern-expression path=(path [(node variable=(variable \"a\")) (rel"
     " right) (node variable=(variable \"b\"))]))]))])])])"},
    {"RETURN all(x IN xs WHERE x), any(x IN xs WHERE x), none(x IN xs WHERE x), single(x IN xs WH"
     "ERE x), reduce(s = 0, x IN xs | s + x)",
     "(query [(clauses [(return [(column \"all(x IN xs WHERE x)\" value=(all variable=(variable "
     "\"x\") list=(variable \"xs\") where=(variable \"x\"))) (column \"any(x IN xs WHERE x)\" val"
     "ue=(any variable=(variable \"x\") list=(variable \"xs\") where=(variable \"x\"))) (column "
     "\"none(x IN xs WHERE x)\" value=(none variable=(variable \"x\") list=(variable \"xs\") wher"
     "e=(variable \"x\"))) (column \"single(x IN xs WHERE x)\" value=(single variable=(variable "
     "\"x\") list=(variable \"xs\") where=(variable \"x\"))) (column \"reduce(s = 0, x IN xs | s "
     "+ x)\" value=(reduce accumulator=(variable \"s\") initial=(integer 0) variable=(variable \""
     "x\") list=(variable \"xs\") result=(+ left=(variable \"s\") right=(variable \"x\"))))])])])"},
    {"RETURN n {.a, .*, b, c: 1}, count(DISTINCT x), a.b.f(1, 2), size((a)-->())",
     "(query [(clauses [(return [(column \"n {.a, .*, b, c: 1}\" value=(map-projection subject=(v"
     "ariable \"n\") [(project-key \"a\") (project-all) (variable \"b\") (entry \"c\" value=(inte"
     "ger 1))])) (column \"count(DISTINCT x)\" value=(function distinct \"count\" [(variable \"x"
     "\")])) (column \"a.b.f(1, 2)\" value=(function \"a.b.f\" [(integer 1) (integer 2)])) (colum"
     "n \"size((a)-->())\" value=(function \"size\" [(pattern-expression path=(path [(node variab"
     "le=(variable \"a\")) (rel right) (node)]))]))])])])"},
    {"RETURN EXISTS { (a)-->(b) WHERE b.x }, COUNT { MATCH (n) RETURN n }, COLLECT { MATCH (n) RE"
     "TURN n.x }, exists((a)-->(b))",
     "(query [(clauses [(return [(column \"EXISTS { (a)-->(b) WHERE b.x }\" value=(exists query=("
     "query [(clauses [(match where=(property \"x\" subject=(variable \"b\")) [(path [(node varia"
     "ble=(variable \"a\")) (rel right) (node variable=(variable \"b\"))])])])]))) (column \"COUN"
     "T { MATCH (n) RETURN n }\" value=(count query=(query [(clauses [(match [(path [(node variab"
     "le=(variable \"n\"))])]) (return [(column \"n\" value=(variable \"n\"))])])]))) (column \"C"
     "OLLECT { MATCH (n) RETURN n.x }\" value=(collect query=(query [(clauses [(match [(path [(no"
     "de variable=(variable \"n\"))])]) (return [(column \"n.x\" value=(property \"x\" subject=(v"
     "ariable \"n\")))])])]))) (column \"exists((a)-->(b))\" value=(function \"exists\" [(pattern"
     "-expression path=(path [(node variable=(variable \"a\")) (rel right) (node variable=(variab"
     "le \"b\"))]))]))])])])"},
    {"MATCH (a) WHERE (a)-[:R]->(:B) AND (a.x) - 1 > (2) RETURN shortestPath((a)-[*]->(a))",
     "(query [(clauses [(match where=(and [(pattern-expression path=(path [(node variable=(variab"
     "le \"a\")) (rel right types=(label \"R\")) (node labels=(label \"B\"))])) (> left=(- left=("
     "property \"x\" subject=(variable \"a\")) right=(integer 1)) right=(integer 2))]) [(path [(n"
     "ode variable=(variable \"a\"))])]) (return [(column \"shortestPath((a)-[*]->(a))\" value=(p"
     "attern-expression path=(path shortest [(node variable=(variable \"a\")) (rel right range=(r"
     "ange)) (node variable=(variable \"a\"))])))])])])"},
};

static const struct tree_case schema_commands[] = {
    {"CREATE INDEX FOR (n:L) ON (n.p)",
     "(query [(clauses [(create-index kind=(string \"range\") variable=(variable \"n\") label=(la"
     "bel \"L\") [(property \"p\" subject=(variable \"n\"))])])])"},
    {"CREATE RANGE INDEX `i` IF NOT EXISTS FOR ()-[r:R]-() ON (r.a, r.b)",
     "(query [(clauses [(create-index if-not-exists relationship \"i\" kind=(string \"range\") va"
     "riable=(variable \"r\") label=(label \"R\") [(property \"a\" subject=(variable \"r\")) (pro"
     "perty \"b\" subject=(variable \"r\"))])])])"},
    {"DROP INDEX i IF EXISTS", "(query [(clauses [(drop-index if-exists \"i\")])])"},
    {"CREATE CONSTRAINT c IF NOT EXISTS FOR (n:L) REQUIRE n.p IS UNIQUE",
     "(query [(clauses [(create-constraint if-not-exists \"c\" kind=(string \"unique\") variable="
     "(variable \"n\") label=(label \"L\") [(property \"p\" subject=(variable \"n\"))])])])"},
    {"CREATE CONSTRAINT FOR (n:L) REQUIRE (n.p) IS NOT NULL",
     "(query [(clauses [(create-constraint kind=(string \"not null\") variable=(variable \"n\") l"
     "abel=(label \"L\") [(property \"p\" subject=(variable \"n\"))])])])"},
    {"DROP CONSTRAINT c", "(query [(clauses [(drop-constraint \"c\")])])"},
    {"SHOW INDEXES YIELD name, type AS t WHERE t = 'RANGE' RETURN name",
     "(query [(clauses [(show \"INDEXES\" yield=(yield where=(= left=(variable \"t\") right=(stri"
     "ng \"RANGE\")) [(column \"name\" value=(variable \"name\")) (column aliased \"t\" value=(va"
     "riable \"type\"))]) returns=(return [(column \"name\" value=(variable \"name\"))]))])])"},
    {"SHOW DATABASES", "(query [(clauses [(show \"DATABASES\")])])"},
    {"CREATE USER neo SET PASSWORD 'x'", "(query [(clauses [(command \"CREATE USER\")])])"},
    {"CREATE (index)-[:R]->(constraint)",
     "(query [(clauses [(create [(path [(node variable=(variable \"index\")) (rel right types=(la"
     "bel \"R\")) (node variable=(variable \"constraint\"))])])])])"},
};

static const struct failure_case failures[] = {
    {"RETRUN 1", ERR_SYNTAX,
     "Invalid input 'RETRUN': expected MATCH, OPTIONAL MATCH, UNWIND, WITH, RETURN, CREATE, MERGE"
     ", SET, REMOVE, DELETE, FOREACH or CALL (line 1, column 1 (offset: 0))\n"
     "\"RETRUN 1\"\n"
     " ^"},
    {"RETURN 1 +", ERR_SYNTAX,
     "Invalid input: the query ended where an expression was expected (line 1, column 11 (offset:"
     " 10))\n"
     "\"RETURN 1 +\"\n"
     "           ^"},
    {"MATCH (n RETURN n", ERR_SYNTAX,
     "Invalid input 'RETURN': expected ':', '{', WHERE or ')' (line 1, column 10 (offset: 9))\n"
     "\"MATCH (n RETURN n\"\n"
     "          ^"},
    {"MATCH (n)\n"
     "WHERE n.x = 'abc\n"
     "RETURN n",
     ERR_SYNTAX,
     "Invalid input ''abc\n"
     "RETURN n': the string has no closing quote (line 2, column 13 (offset: 22))\n"
     "\"WHERE n.x = 'abc\"\n"
     "             ^"},
    {"RETURN 99999999999999999999", ERR_SYNTAX,
     "The integer is too large: it must fit into 64 bits (line 1, column 8 (offset: 7))\n"
     "\"RETURN 99999999999999999999\"\n"
     "        ^"},
    {"RETURN 1e999", ERR_SYNTAX,
     "The floating point number is too large (line 1, column 8 (offset: 7))\n"
     "\"RETURN 1e999\"\n"
     "        ^"},
    {"RETURN 'a\\qb'", ERR_SYNTAX,
     "Invalid input: this escape is not known; a backslash itself is written \\\\ (line 1, column"
     " 10 (offset: 9))\n"
     "\"RETURN 'a\\qb'\"\n"
     "          ^"},
    {"RETURN 1abc", ERR_SYNTAX,
     "Invalid input '1abc': this is not a number (line 1, column 8 (offset: 7))\n"
     "\"RETURN 1abc\"\n"
     "        ^"},
    {"RETURN (1", ERR_SYNTAX,
     "Invalid input: the query ended where ')' was expected (line 1, column 10 (offset: 9))\n"
     "\"RETURN (1\"\n"
     "          ^"},
    {"RETURN [1, 2", ERR_SYNTAX,
     "Invalid input: the query ended where ',' or ']' was expected (line 1, column 13 (offset: 12"
     "))\n"
     "\"RETURN [1, 2\"\n"
     "             ^"},
    {"MATCH (n)-[r->(m) RETURN n", ERR_SYNTAX,
     "Invalid input '-': expected ':', '*', '{', WHERE or ']' (line 1, column 13 (offset: 12))\n"
     "\"MATCH (n)-[r->(m) RETURN n\"\n"
     "             ^"},
    {"RETURN $", ERR_SYNTAX,
     "Invalid input '$': a parameter needs a name: $name (line 1, column 8 (offset: 7))\n"
     "\"RETURN $\"\n"
     "        ^"},
    {"RETURN `", ERR_SYNTAX,
     "Invalid input '`': the name has no closing backquote (line 1, column 8 (offset: 7))\n"
     "\"RETURN `\"\n"
     "        ^"},
    {"RETURN /* open", ERR_SYNTAX,
     "Invalid input '/* open': the comment /* ... has no end (line 1, column 8 (offset: 7))\n"
     "\"RETURN /* open\"\n"
     "        ^"},
    {"", ERR_SYNTAX,
     "Invalid input: the query ended where MATCH, OPTIONAL MATCH, UNWIND, WITH, RETURN, CREATE, M"
     "ERGE, SET, REMOVE, DELETE, FOREACH or CALL was expected (line 1, column 1 (offset: 0))\n"
     "\"\"\n"
     " ^"},
    {"RETURN 1 RETURN", ERR_SYNTAX,
     "Invalid input: the query ended where an expression was expected (line 1, column 16 (offset:"
     " 15))\n"
     "\"RETURN 1 RETURN\"\n"
     "                ^"},
    {"RETURN 'é' + ¤", ERR_SYNTAX,
     "Invalid input '¤': this character has no meaning here (line 1, column 14 (offset: 14))\n"
     "\"RETURN 'é' + ¤\"\n"
     "              ^"},
    {"CREATE TEXT INDEX FOR (n:L) ON (n.p)", ERR_UNSUPPORTED,
     "Indexes of kind text are not supported; use CREATE INDEX (line 1, column 1 (offset: 0))\n"
     "\"CREATE TEXT INDEX FOR (n:L) ON (n.p)\"\n"
     " ^"},
    {"MATCH ((a)-->(b)){2} RETURN a", ERR_UNSUPPORTED,
     "Parenthesised and quantified path patterns are not supported (line 1, column 8 (offset: 7))"
     "\n"
     "\"MATCH ((a)-->(b)){2} RETURN a\"\n"
     "        ^"},
    {"RETURN filter(x IN xs WHERE x)", ERR_UNSUPPORTED,
     "filter() and extract() are not supported; use a list comprehension: [x IN list WHERE ... | "
     "...] (line 1, column 8 (offset: 7))\n"
     "\"RETURN filter(x IN xs WHERE x)\"\n"
     "        ^"},
    {"SHOW MOON", ERR_UNSUPPORTED,
     "SHOW MOON is not supported (line 1, column 6 (offset: 5))\n"
     "\"SHOW MOON\"\n"
     "      ^"},
    {"RETURN '\\uD83D'", ERR_SYNTAX,
     "Invalid input: this is not a Unicode character: \\uXXXX takes four hexadecimal digits, \\UX"
     "XXXXXXX eight (line 1, column 9 (offset: 8))\n"
     "\"RETURN '\\uD83D'\"\n"
     "         ^"},
    {"CALL { RETURN 1 AS x } IN TRANSACTIONS RETURN x", ERR_UNSUPPORTED,
     "CALL { ... } IN TRANSACTIONS is not supported (line 1, column 24 (offset: 23))\n"
     "\"CALL { RETURN 1 AS x } IN TRANSACTIONS RETURN x\"\n"
     "                        ^"},
    {"RETURN 1; RETURN 2", ERR_SYNTAX,
     "Invalid input 'RETURN': expected a clause or the end of the query (line 1, column 11 (offse"
     "t: 10))\n"
     "\"RETURN 1; RETURN 2\"\n"
     "           ^"},
    {"MATCH (n) SET n = 1, RETURN n", ERR_SYNTAX,
     "Invalid input 'RETURN': expected an expression (line 1, column 22 (offset: 21))\n"
     "\"MATCH (n) SET n = 1, RETURN n\"\n"
     "                      ^"},
};

static void
trees_are_equal(const struct tree_case *cases, size_t case_count)
{
    struct arena arena;
    arena_create(&arena, memory_heap(), 1 << 24);
    for (size_t i = 0; i < case_count; i++) {
        struct ast *tree;
        struct failure failure;
        assert_int_equal(parse(&arena, text_of(cases[i].query), &tree, &failure), 0);
        struct text printed = ast_print(&arena, tree);
        assert_int_equal(printed.size, strlen(cases[i].tree));
        assert_memory_equal(printed.data, cases[i].tree, printed.size);
        arena_reset(&arena);
    }
    arena_destroy(&arena);
}

#define TREES(group)                                                                               \
    static void group##_make_these_trees(void **state)                                             \
    {                                                                                              \
        (void)state;                                                                               \
        trees_are_equal(group, sizeof(group) / sizeof(group[0]));                                  \
    }
TREES(reading_clauses)
TREES(writing_clauses)
TREES(patterns)
TREES(operators)
TREES(literals)
TREES(compound_expressions)
TREES(schema_commands)

static void
failures_show_the_place(void **state)
{
    (void)state;
    struct arena arena;
    arena_create(&arena, memory_heap(), 1 << 24);
    for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
        struct ast *tree;
        struct failure failure;
        err_t err = parse(&arena, text_of(failures[i].query), &tree, &failure);
        assert_int_equal(err_code(err), failures[i].code);
        assert_int_equal(failure.message.size, strlen(failures[i].message));
        assert_memory_equal(failure.message.data, failures[i].message, failure.message.size);
    }
    arena_destroy(&arena);
}

static void
append(char *to, size_t *size, struct text piece)
{
    for (size_t i = 0; i < piece.size; i++)
        to[(*size)++] = piece.data[i];
}

/* Parses RETURN and `count` copies of open, one middle and as many of close; expects the code (0: success). */
static void
repeated(const char *open, const char *middle, const char *close, size_t count, enum err_code code)
{
    struct arena arena;
    arena_create(&arena, memory_heap(), (size_t)1 << 30);
    size_t room = 16 + count * (strlen(open) + strlen(close)) + strlen(middle), size = 0;
    char *text = memory_allocate(memory_heap(), room);
    assert_non_null(text);
    append(text, &size, TEXT("RETURN "));
    for (size_t i = 0; i < count; i++)
        append(text, &size, text_of(open));
    append(text, &size, text_of(middle));
    for (size_t i = 0; i < count; i++)
        append(text, &size, text_of(close));
    struct ast *tree;
    struct failure failure;
    err_t err = parse(&arena, (struct text){text, size}, &tree, &failure);
    assert_int_equal(err_code(err), code);
    memory_release(memory_heap(), text, room);
    arena_destroy(&arena);
}

static void
deep_nesting_is_refused(void **state)
{
    (void)state;
    static const char *const shapes[][3] = {
        {"(", "1", ")"},
        {"[", "1", "]"},
        {"{a: ", "1", "}"},
        {"NOT ", "true", ""},
        {"- ", "x", ""},
        {"f(", "1", ")"},
        {"CASE ", "1", " END"},
        {"[x IN ", "1", "]"},
        {"EXISTS { (a) WHERE ", "1", "}"},
        {"1 + (", "1", ")"},
        {"x[", "1", "]"},
        {"n:(", "1", ")"},
        {"[(a {x: ", "1", "})-->(b) | b]"},
        {"reduce(a = ", "1", ", x IN y | z)"},
        {"n {a: ", "1", "}"},
    };
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
        repeated(shapes[i][0], shapes[i][1], shapes[i][2], 10000, ERR_LIMIT);
}

static void
long_chains_without_depth_are_fine(void **state)
{
    (void)state;
    repeated("true AND ", "true", "", 100000, ERR_NONE);
    repeated("x OR ", "y", "", 100000, ERR_NONE);
    repeated("1, ", "1", "", 100000, ERR_NONE);
    repeated("1 + ", "1", "", 10000, ERR_LIMIT); /* each + is a level of the tree */
    repeated("(", "1", ")", QUERY_NESTING_MAX - 2, ERR_NONE);
}

static void
large_text_is_refused(void **state)
{
    (void)state;
    struct arena arena;
    arena_create(&arena, memory_heap(), 1 << 20);
    size_t size = 100 << 20;
    char *text = memory_allocate(memory_heap(), size);
    memset(text, ' ', size);
    struct ast *tree;
    struct failure failure;
    err_t err = parse(&arena, (struct text){text, size}, &tree, &failure);
    assert_int_equal(err_code(err), ERR_LIMIT);
    assert_non_null(strstr(failure.message.data, "104857600 bytes"));
    memory_release(memory_heap(), text, size);
    arena_destroy(&arena);
}

static void
invalid_utf8_is_refused_with_its_place(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "RETURN '\xff'", "RETURN '\xc3", "RETURN '\xed\xa0\x80'", "RETURN '\xc0\x80'"};
    struct arena arena;
    arena_create(&arena, memory_heap(), 1 << 20);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct ast *tree;
        struct failure failure;
        assert_int_equal(err_code(parse(&arena, text_of(texts[i]), &tree, &failure)), ERR_SYNTAX);
        assert_int_equal(failure.offset, 8);
    }
    arena_destroy(&arena);
}

static void
small_arena_is_an_error(void **state)
{
    (void)state;
    const char *query = "MATCH p = (a {x: 'y'})-[r:R*1..2]->(b) WHERE a.x + 1 < b.y AND EXISTS { "
                        "(a) } RETURN [x IN [1, 2] | x], p";
    bool has_parsed = false;
    for (size_t limit = 0; limit < (1 << 20) && !has_parsed; limit += 512) {
        struct arena arena;
        arena_create(&arena, memory_heap(), limit);
        struct ast *tree;
        struct failure failure;
        err_t err = parse(&arena, text_of(query), &tree, &failure);
        assert_true(err == 0 || err_code(err) == ERR_MEMORY_QUERY);
        has_parsed = err == 0;
        arena_destroy(&arena);
    }
    assert_true(has_parsed);
}

static void
long_line_is_shown_around_the_place(void **state)
{
    (void)state;
    struct arena arena;
    arena_create(&arena, memory_heap(), 1 << 24);
    char text[2000];
    memset(text, ' ', sizeof(text));
    size_t size = 0;
    append(text, &size, TEXT("RETURN 1"));
    text[1500] = '?';
    struct ast *tree;
    struct failure failure;
    assert_int_equal(
        err_code(parse(&arena, (struct text){text, sizeof(text)}, &tree, &failure)), ERR_SYNTAX);
    assert_true(failure.message.size < 600);
    /* The caret stands under the question mark. */
    const char *last = strrchr(failure.message.data, '\n'), *line = last - 1;
    while (*line != '\n')
        line--;
    assert_int_equal(strchr(line, '?') - line, strchr(last, '^') - last);
    arena_destroy(&arena);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reading_clauses_make_these_trees),
        cmocka_unit_test(writing_clauses_make_these_trees),
        cmocka_unit_test(patterns_make_these_trees),
        cmocka_unit_test(operators_make_these_trees),
        cmocka_unit_test(literals_make_these_trees),
        cmocka_unit_test(compound_expressions_make_these_trees),
        cmocka_unit_test(schema_commands_make_these_trees),
        cmocka_unit_test(failures_show_the_place),
        cmocka_unit_test(deep_nesting_is_refused),
        cmocka_unit_test(long_chains_without_depth_are_fine),
        cmocka_unit_test(large_text_is_refused),
        cmocka_unit_test(invalid_utf8_is_refused_with_its_place),
        cmocka_unit_test(small_arena_is_an_error),
        cmocka_unit_test(long_line_is_shown_around_the_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
