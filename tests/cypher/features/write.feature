Feature: Creating and changing

  Scenario: Created things are handed on
    Given an empty graph
    When executing query:
      """
      CREATE (a:A {x: 1})-[r:R {y: 2}]->(b:B) RETURN a, r, b, a.x + r.y AS s
      """
    Then the result should be, in any order:
      | a | r | b | s |
      | (:A {x: 1}) | [:R {y: 2}] | (:B) | 3 |
    And the side effects should be:
      | +nodes | 2 |
      | +relationships | 1 |

  Scenario: One for each row
    Given an empty graph
    When executing query:
      """
      UNWIND range(1, 2500) AS i CREATE (n:N {i: i}) RETURN count(n) AS c
      """
    Then the result should be, in any order:
      | c |
      | 2500 |
    When executing query:
      """
      MATCH (n:N) RETURN count(n) AS c, max(n.i) AS m
      """
    Then the result should be, in any order:
      | c | m |
      | 2500 | 2500 |

  Scenario: Relationships between matched nodes
    Given an empty graph
    And having executed:
      """
      CREATE (:A {x: 1}), (:A {x: 2}), (:B {x: 3}), (:B {x: 4})
      """
    When executing query:
      """
      MATCH (a:A), (b:B) CREATE (a)-[:R]->(b)
      """
    Then the result should be empty
    When executing query:
      """
      MATCH (a)-[:R]->(b) RETURN a.x AS a, b.x AS b
      """
    Then the result should be, in any order:
      | a | b |
      | 1 | 3 |
      | 1 | 4 |
      | 2 | 3 |
      | 2 | 4 |

  Scenario: Properties from a map parameter
    Given an empty graph
    And parameters are:
      | p | {a: 1, b: 'x', c: null} |
    When executing query:
      """
      CREATE (n:N $p) RETURN n
      """
    Then the result should be, in any order:
      | n |
      | (:N {a: 1, b: 'x'}) |

  Scenario: Set, replace and merge properties
    Given an empty graph
    And having executed:
      """
      CREATE (:N {x: 1, z: 3})
      """
    When executing query:
      """
      MATCH (n:N) SET n.x = 2, n.y = 'a' RETURN n
      """
    Then the result should be, in any order:
      | n |
      | (:N {x: 2, y: 'a', z: 3}) |
    When executing query:
      """
      MATCH (n:N) SET n += {x: null, w: 7} RETURN n
      """
    Then the result should be, in any order:
      | n |
      | (:N {y: 'a', z: 3, w: 7}) |
    When executing query:
      """
      MATCH (n:N) SET n = {q: [1, 2]} RETURN n
      """
    Then the result should be, in any order:
      | n |
      | (:N {q: [1, 2]}) |
    When executing query:
      """
      MATCH (n:N) SET n.q = null RETURN n
      """
    Then the result should be, in any order:
      | n |
      | (:N) |

  Scenario: Set and remove labels
    Given an empty graph
    And having executed:
      """
      CREATE (:A)
      """
    When executing query:
      """
      MATCH (n:A) SET n:B:C REMOVE n:A RETURN labels(n) AS l, n:B AS b
      """
    Then the result should be, in any order:
      | l | b |
      | ['B', 'C'] | true |
    When executing query:
      """
      MATCH (n:A) RETURN n
      """
    Then the result should be empty
    When executing query:
      """
      MATCH (n:C) RETURN count(n) AS c
      """
    Then the result should be, in any order:
      | c |
      | 1 |

  Scenario: Properties of a relationship
    Given an empty graph
    And having executed:
      """
      CREATE ()-[:R {w: 1}]->()
      """
    When executing query:
      """
      MATCH ()-[r:R]->() SET r.w = r.w + 1 RETURN r
      """
    Then the result should be, in any order:
      | r |
      | [:R {w: 2}] |
    When executing query:
      """
      MATCH ()-[r:R]->() REMOVE r.w RETURN r
      """
    Then the result should be, in any order:
      | r |
      | [:R] |

  Scenario: Delete relationships, then nodes
    Given an empty graph
    And having executed:
      """
      CREATE (:A)-[:R]->(:B)
      """
    When executing query:
      """
      MATCH (a)-[r:R]->(b) DELETE r, a, b
      """
    Then the result should be empty
    When executing query:
      """
      MATCH (n) RETURN count(n) AS c
      """
    Then the result should be, in any order:
      | c |
      | 0 |

  Scenario: A node with relationships is not deleted
    Given an empty graph
    And having executed:
      """
      CREATE (:A)-[:R]->(:B)
      """
    When executing query:
      """
      MATCH (a:A) DELETE a
      """
    Then a ConstraintVerificationFailed should be raised at runtime
    When executing query:
      """
      MATCH (n) RETURN count(n) AS c
      """
    Then the result should be, in any order:
      | c |
      | 2 |

  Scenario: Detach delete takes the relationships along
    Given an empty graph
    And having executed:
      """
      CREATE (:Hub)
      """
    And having executed:
      """
      UNWIND range(1, 200) AS i MATCH (h:Hub) CREATE (h)-[:R]->(:N)<-[:Q]-(h)
      """
    When executing query:
      """
      MATCH (a:Hub) DETACH DELETE a
      """
    Then the result should be empty
    When executing query:
      """
      MATCH (n) OPTIONAL MATCH (n)-[r]-() RETURN count(n) AS n, count(r) AS r
      """
    Then the result should be, in any order:
      | n | r |
      | 200 | 0 |

  Scenario: Deleting twice, and null, is no error
    Given an empty graph
    And having executed:
      """
      CREATE (a:A)-[:R]->(:B), (a)-[:R]->(:C)
      """
    When executing query:
      """
      MATCH (a:A)--(b) DETACH DELETE a, a, b
      """
    Then the result should be empty
    When executing query:
      """
      OPTIONAL MATCH (x:Nope) DELETE x
      """
    Then the result should be empty
    When executing query:
      """
      MATCH (n) RETURN count(n) AS c
      """
    Then the result should be, in any order:
      | c |
      | 0 |

  Scenario: Deleted entities have no properties
    Given an empty graph
    And having executed:
      """
      CREATE (:A {x: 1})
      """
    When executing query:
      """
      MATCH (a:A) DELETE a RETURN a.x
      """
    Then a EntityNotFound should be raised at runtime

  Scenario: FOREACH
    Given an empty graph
    And having executed:
      """
      CREATE (:A)
      """
    When executing query:
      """
      MATCH (a:A) FOREACH (i IN range(1, 3) | CREATE (a)-[:R]->(:B {i: i}))
      """
    Then the result should be empty
    When executing query:
      """
      MATCH (:A)-[:R]->(b:B) RETURN b.i AS i
      """
    Then the result should be, in any order:
      | i |
      | 1 |
      | 2 |
      | 3 |

  Scenario: What a statement creates it does not match again
    Given an empty graph
    And having executed:
      """
      CREATE (:N {x: 1}), (:N {x: 2})
      """
    When executing query:
      """
      MATCH (n:N) CREATE (m:N {x: n.x + 1}) RETURN m.x AS x
      """
    Then the result should be, in any order:
      | x |
      | 2 |
      | 3 |
    When executing query:
      """
      MATCH (n:N) RETURN count(n) AS c
      """
    Then the result should be, in any order:
      | c |
      | 4 |

  Scenario: A later clause sees what an earlier one wrote
    Given an empty graph
    When executing query:
      """
      CREATE (:A {x: 1}) WITH 1 AS one MATCH (a:A) SET a.x = 5 WITH a MATCH (b:A) RETURN b.x AS x
      """
    Then the result should be, in any order:
      | x |
      | 5 |

  Scenario: Values that cannot be stored
    Given an empty graph
    When executing query:
      """
      CREATE ({x: {a: 1}})
      """
    Then a TypeError should be raised
    When executing query:
      """
      CREATE ({x: [1, 'a']})
      """
    Then a TypeError should be raised
    When executing query:
      """
      MATCH (n) RETURN count(n) AS c
      """
    Then the result should be, in any order:
      | c |
      | 0 |

  Scenario: All kinds of values are kept
    Given an empty graph
    When executing query:
      """
      CREATE (n {i: 1, f: 1.5, s: 'é', b: true, l: [1, 2], d: date('2020-02-29'), e: duration('P1M2D')}) RETURN n.i AS i, n.f AS f, n.s AS s, n.b AS b, n.l AS l, toString(n.d) AS d, toString(n.e) AS e
      """
    Then the result should be, in any order:
      | i | f | s | b | l | d | e |
      | 1 | 1.5 | 'é' | true | [1, 2] | '2020-02-29' | 'P1M2D' |
    When executing query:
      """
      MATCH (n) RETURN n.l AS l, n.s AS s, n.d.year AS y
      """
    Then the result should be, in any order:
      | l | s | y |
      | [1, 2] | 'é' | 2020 |
