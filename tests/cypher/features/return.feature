Feature: Projecting, ordering, limiting

  Scenario: Order by several keys with nulls last
    Given an empty graph
    When executing query:
      """
      UNWIND [[2, 'b'], [1, 'z'], [2, 'a'], [null, 'q']] AS p RETURN p[0] AS x, p[1] AS y ORDER BY x, y
      """
    Then the result should be, in order:
      | x | y |
      | 1 | 'z' |
      | 2 | 'a' |
      | 2 | 'b' |
      | null | 'q' |
    When executing query:
      """
      UNWIND [1, null, 3] AS x RETURN x ORDER BY x DESC
      """
    Then the result should be, in order:
      | x |
      | null |
      | 3 |
      | 1 |

  Scenario: Order by a property of a matched node
    Given an empty graph
    And having executed:
      """
      CREATE (a:Person {name: 'Ann', age: 30}), (b:Person {name: 'Bob', age: 25}), (c:Person {name: 'Cid', age: 41}),
             (d:City {name: 'Oslo'}), (e:City {name: 'Rome'}),
             (a)-[:KNOWS {since: 2001}]->(b), (b)-[:KNOWS {since: 2005}]->(c), (c)-[:KNOWS {since: 2010}]->(a),
             (a)-[:LIVES]->(d), (b)-[:LIVES]->(d), (c)-[:LIVES]->(e)
      """
    When executing query:
      """
      MATCH (p:Person) RETURN p.name AS n ORDER BY p.age DESC
      """
    Then the result should be, in order:
      | n |
      | 'Cid' |
      | 'Ann' |
      | 'Bob' |

  Scenario: Skip and limit
    Given an empty graph
    When executing query:
      """
      UNWIND range(1, 10) AS x RETURN x ORDER BY x SKIP 3 LIMIT 2
      """
    Then the result should be, in order:
      | x |
      | 4 |
      | 5 |
    When executing query:
      """
      UNWIND range(1, 10) AS x RETURN x ORDER BY x DESC LIMIT 0
      """
    Then the result should be empty
    When executing query:
      """
      UNWIND range(1, 10) AS x RETURN x ORDER BY x SKIP 20
      """
    Then the result should be empty

  Scenario: A limit over many rows
    Given an empty graph
    And having executed:
      """
      UNWIND range(0, 4999) AS i CREATE (:N {i: i})
      """
    When executing query:
      """
      MATCH (n:N) RETURN n.i AS i ORDER BY i LIMIT 3
      """
    Then the result should be, in order:
      | i |
      | 0 |
      | 1 |
      | 2 |
    When executing query:
      """
      MATCH (n:N) RETURN n.i AS i ORDER BY i DESC SKIP 1 LIMIT 2
      """
    Then the result should be, in order:
      | i |
      | 4998 |
      | 4997 |
    When executing query:
      """
      MATCH (n:N) WITH n LIMIT 7 RETURN count(n) AS c
      """
    Then the result should be, in any order:
      | c |
      | 7 |

  Scenario: All rows of a big result in order
    Given an empty graph
    When executing query:
      """
      UNWIND range(1, 3000) AS x WITH x ORDER BY x DESC WITH collect(x) AS xs RETURN xs[0] AS a, xs[2999] AS b, size(xs) AS n
      """
    Then the result should be, in any order:
      | a | b | n |
      | 3000 | 1 | 3000 |

  Scenario: Distinct rows
    Given an empty graph
    And having executed:
      """
      CREATE (a:Person {name: 'Ann', age: 30}), (b:Person {name: 'Bob', age: 25}), (c:Person {name: 'Cid', age: 41}),
             (d:City {name: 'Oslo'}), (e:City {name: 'Rome'}),
             (a)-[:KNOWS {since: 2001}]->(b), (b)-[:KNOWS {since: 2005}]->(c), (c)-[:KNOWS {since: 2010}]->(a),
             (a)-[:LIVES]->(d), (b)-[:LIVES]->(d), (c)-[:LIVES]->(e)
      """
    When executing query:
      """
      UNWIND [1, 2, 1, null, null, 1.0] AS x RETURN DISTINCT x
      """
    Then the result should be, in any order:
      | x |
      | 1 |
      | 2 |
      | null |
    When executing query:
      """
      MATCH (p:Person)-[:LIVES]->(c) RETURN DISTINCT c.name AS c
      """
    Then the result should be, in any order:
      | c |
      | 'Oslo' |
      | 'Rome' |

  Scenario: Negative and non-integer limits are errors
    Given an empty graph
    When executing query:
      """
      RETURN 1 AS x LIMIT -1
      """
    Then a SyntaxError should be raised
    When executing query:
      """
      RETURN 1 AS x SKIP 'a'
      """
    Then a SyntaxError should be raised

  Scenario: Limits from parameters
    Given an empty graph
    And parameters are:
      | s | 2 |
      | l | 3 |
    When executing query:
      """
      UNWIND range(1, 10) AS x RETURN x ORDER BY x SKIP $s LIMIT $l
      """
    Then the result should be, in order:
      | x |
      | 3 |
      | 4 |
      | 5 |

  Scenario: RETURN * keeps all variables
    Given an empty graph
    When executing query:
      """
      WITH 1 AS a, 'x' AS b RETURN *
      """
    Then the result should be, in any order:
      | a | b |
      | 1 | 'x' |

  Scenario: WITH renames, filters and aggregates
    Given an empty graph
    And having executed:
      """
      CREATE (a:Person {name: 'Ann', age: 30}), (b:Person {name: 'Bob', age: 25}), (c:Person {name: 'Cid', age: 41}),
             (d:City {name: 'Oslo'}), (e:City {name: 'Rome'}),
             (a)-[:KNOWS {since: 2001}]->(b), (b)-[:KNOWS {since: 2005}]->(c), (c)-[:KNOWS {since: 2010}]->(a),
             (a)-[:LIVES]->(d), (b)-[:LIVES]->(d), (c)-[:LIVES]->(e)
      """
    When executing query:
      """
      MATCH (p:Person)-[:LIVES]->(c) WITH c.name AS city, count(*) AS n WHERE n > 1 RETURN city, n
      """
    Then the result should be, in any order:
      | city | n |
      | 'Oslo' | 2 |

  Scenario: CASE in both forms
    Given an empty graph
    When executing query:
      """
      UNWIND [1, 2, 3] AS x RETURN CASE x WHEN 1 THEN 'one' WHEN 2 THEN 'two' ELSE 'many' END AS a, CASE WHEN x > 2 THEN true END AS b
      """
    Then the result should be, in any order:
      | a | b |
      | 'one' | null |
      | 'two' | null |
      | 'many' | true |

  Scenario: Lists, maps and comprehensions
    Given an empty graph
    And having executed:
      """
      CREATE (a:Person {name: 'Ann', age: 30}), (b:Person {name: 'Bob', age: 25}), (c:Person {name: 'Cid', age: 41}),
             (d:City {name: 'Oslo'}), (e:City {name: 'Rome'}),
             (a)-[:KNOWS {since: 2001}]->(b), (b)-[:KNOWS {since: 2005}]->(c), (c)-[:KNOWS {since: 2010}]->(a),
             (a)-[:LIVES]->(d), (b)-[:LIVES]->(d), (c)-[:LIVES]->(e)
      """
    When executing query:
      """
      RETURN [x IN range(1, 5) WHERE x % 2 = 1 | x * x] AS l, {a: 1, b: [2]}.b[0] AS m, [1, 2, 3][1..] AS s
      """
    Then the result should be, in any order:
      | l | m | s |
      | [1, 9, 25] | 2 | [2, 3] |
    When executing query:
      """
      MATCH (p:Person {name: 'Ann'}) RETURN p {.name, old: p.age > 20} AS m
      """
    Then the result should be, in any order:
      | m |
      | {name: 'Ann', old: true} |
    When executing query:
      """
      MATCH (p:Person {name: 'Ann'}) RETURN [(p)-[:KNOWS]->(q) | q.name] AS l
      """
    Then the result should be, in any order:
      | l |
      | ['Bob'] |

  Scenario: Functions
    Given an empty graph
    When executing query:
      """
      RETURN toUpper('a') + toString(1) AS s, size([1, 2]) AS n, abs(-2) AS a, coalesce(null, 5) AS c, head([7]) AS h, split('a,b', ',') AS p
      """
    Then the result should be, in any order:
      | s | n | a | c | h | p |
      | 'A1' | 2 | 2 | 5 | 7 | ['a', 'b'] |
    When executing query:
      """
      RETURN reduce(s = 0, x IN [1, 2, 3] | s + x) AS r, all(x IN [1, 2] WHERE x > 0) AS a, any(x IN [1] WHERE x > 1) AS b
      """
    Then the result should be, in any order:
      | r | a | b |
      | 6 | true | false |

  Scenario: Functions of entities
    Given an empty graph
    And having executed:
      """
      CREATE (a:Person {name: 'Ann', age: 30}), (b:Person {name: 'Bob', age: 25}), (c:Person {name: 'Cid', age: 41}),
             (d:City {name: 'Oslo'}), (e:City {name: 'Rome'}),
             (a)-[:KNOWS {since: 2001}]->(b), (b)-[:KNOWS {since: 2005}]->(c), (c)-[:KNOWS {since: 2010}]->(a),
             (a)-[:LIVES]->(d), (b)-[:LIVES]->(d), (c)-[:LIVES]->(e)
      """
    When executing query:
      """
      MATCH (a:Person {name: 'Ann'})-[r:KNOWS]->(b) RETURN labels(a) AS l, type(r) AS t, keys(r) AS k, id(startNode(r)) = id(a) AS s, id(endNode(r)) = id(b) AS e, properties(r) AS p
      """
    Then the result should be, in any order:
      | l | t | k | s | e | p |
      | ['Person'] | 'KNOWS' | ['since'] | true | true | {since: 2001} |
    When executing query:
      """
      MATCH p = ({name: 'Ann'})-[:KNOWS*2]->() RETURN length(p) AS l, [n IN nodes(p) | n.name] AS n, size(relationships(p)) AS r
      """
    Then the result should be, in any order:
      | l | n | r |
      | 2 | ['Ann', 'Bob', 'Cid'] | 2 |
