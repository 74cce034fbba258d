Feature: UNWIND, UNION, CALL, subqueries, parameters

  Scenario: UNWIND of lists, nested lists and null
    Given an empty graph
    When executing query:
      """
      UNWIND [[1, 2], [3]] AS l UNWIND l AS x RETURN x
      """
    Then the result should be, in any order:
      | x |
      | 1 |
      | 2 |
      | 3 |
    When executing query:
      """
      UNWIND null AS x RETURN x
      """
    Then the result should be empty
    When executing query:
      """
      UNWIND [] AS x RETURN x
      """
    Then the result should be empty

  Scenario: UNION and UNION ALL
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
      RETURN 1 AS x UNION ALL RETURN 1 AS x UNION ALL RETURN 2 AS x
      """
    Then the result should be, in any order:
      | x |
      | 1 |
      | 1 |
      | 2 |
    When executing query:
      """
      RETURN 1 AS x UNION RETURN 1 AS x UNION RETURN 2 AS x
      """
    Then the result should be, in any order:
      | x |
      | 1 |
      | 2 |
    When executing query:
      """
      MATCH (p:Person) RETURN p.name AS n UNION MATCH (c:City) RETURN c.name AS n
      """
    Then the result should be, in any order:
      | n |
      | 'Ann' |
      | 'Bob' |
      | 'Cid' |
      | 'Oslo' |
      | 'Rome' |

  Scenario: A subquery for each row
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
      MATCH (c:City) CALL { WITH c MATCH (c)<-[:LIVES]-(p) RETURN p.name AS n ORDER BY n LIMIT 1 } RETURN c.name AS c, n
      """
    Then the result should be, in any order:
      | c | n |
      | 'Oslo' | 'Ann' |
      | 'Rome' | 'Cid' |
    When executing query:
      """
      UNWIND [1, 2] AS x CALL { WITH x RETURN x * 10 AS y UNION WITH x RETURN x * 100 AS y } RETURN x, y
      """
    Then the result should be, in any order:
      | x | y |
      | 1 | 10 |
      | 1 | 100 |
      | 2 | 20 |
      | 2 | 200 |

  Scenario: A subquery that writes
    Given an empty graph
    When executing query:
      """
      UNWIND [1, 2] AS x CALL { WITH x CREATE (n:N {x: x}) RETURN n } RETURN n.x AS x
      """
    Then the result should be, in any order:
      | x |
      | 1 |
      | 2 |
    When executing query:
      """
      MATCH (n:N) RETURN count(n) AS c
      """
    Then the result should be, in any order:
      | c |
      | 2 |

  Scenario: Parameters of all kinds
    Given an empty graph
    And parameters are:
      | i | 1 |
      | s | 'x' |
      | l | [4, 5] |
      | m | {a: true} |
      | n | null |
    When executing query:
      """
      RETURN $i + 1 AS i, $s AS s, $l[1] AS l, $m.a AS m, $n AS n
      """
    Then the result should be, in any order:
      | i | s | l | m | n |
      | 2 | 'x' | 5 | true | null |

  Scenario: A missing parameter is named
    Given an empty graph
    When executing query:
      """
      RETURN $nope AS x
      """
    Then a ParameterMissing should be raised

  Scenario: Lists of maps as input
    Given an empty graph
    And parameters are:
      | rows | [{id: 1, tag: 'a'}, {id: 2}] |
    When executing query:
      """
      UNWIND $rows AS row CREATE (n:N {id: row.id, tag: row.tag}) RETURN n.id AS i, n.tag AS t
      """
    Then the result should be, in any order:
      | i | t |
      | 1 | 'a' |
      | 2 | null |

  Scenario: Procedures
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
      CALL db.labels() YIELD label RETURN label
      """
    Then the result should be, in any order:
      | label |
      | 'City' |
      | 'Person' |
    When executing query:
      """
      CALL db.relationshipTypes()
      """
    Then the result should be, in any order:
      | relationshipType |
      | 'KNOWS' |
      | 'LIVES' |
    When executing query:
      """
      CALL db.ping() YIELD success RETURN success
      """
    Then the result should be, in any order:
      | success |
      | true |

  Scenario: Errors say what is wrong
    Given an empty graph
    When executing query:
      """
      RETURN x
      """
    Then a SyntaxError should be raised
    When executing query:
      """
      RETURN 1 / 0
      """
    Then a ArithmeticError should be raised
    When executing query:
      """
      RETURN 1 + {a: 1}
      """
    Then a TypeError should be raised
    When executing query:
      """
      CALL nope.nope()
      """
    Then a ProcedureNotFound should be raised
    When executing query:
      """
      MATCH (n) RETRUN n
      """
    Then a SyntaxError should be raised
