Feature: MERGE

  Scenario: Makes once, matches after
    Given an empty graph
    When executing query:
      """
      MERGE (n:N {id: 1}) RETURN n.id AS i
      """
    Then the result should be, in any order:
      | i |
      | 1 |
    When executing query:
      """
      MERGE (n:N {id: 1}) RETURN n.id AS i
      """
    Then the result should be, in any order:
      | i |
      | 1 |
    When executing query:
      """
      MATCH (n:N) RETURN count(n) AS c
      """
    Then the result should be, in any order:
      | c |
      | 1 |

  Scenario: Rows see what earlier rows made
    Given an empty graph
    When executing query:
      """
      UNWIND [1, 2, 1, 3, 2, 1] AS i MERGE (n:N {id: i}) RETURN count(DISTINCT n) AS d, count(n) AS c
      """
    Then the result should be, in any order:
      | d | c |
      | 3 | 6 |
    When executing query:
      """
      MATCH (n:N) RETURN count(n) AS c
      """
    Then the result should be, in any order:
      | c |
      | 3 |

  Scenario: Many rows, many keys
    Given an empty graph
    When executing query:
      """
      UNWIND range(1, 4000) AS i MERGE (n:N {id: i % 1500}) RETURN count(DISTINCT n) AS d
      """
    Then the result should be, in any order:
      | d |
      | 1500 |
    When executing query:
      """
      MATCH (n:N) RETURN count(n) AS c
      """
    Then the result should be, in any order:
      | c |
      | 1500 |

  Scenario: ON CREATE and ON MATCH
    Given an empty graph
    When executing query:
      """
      MERGE (n:N {id: 1}) ON CREATE SET n.made = true ON MATCH SET n.seen = true RETURN n
      """
    Then the result should be, in any order:
      | n |
      | (:N {id: 1, made: true}) |
    When executing query:
      """
      MERGE (n:N {id: 1}) ON CREATE SET n.made = false ON MATCH SET n.seen = true RETURN n
      """
    Then the result should be, in any order:
      | n |
      | (:N {id: 1, made: true, seen: true}) |

  Scenario: ON MATCH counts row by row
    Given an empty graph
    When executing query:
      """
      UNWIND range(1, 5) AS i MERGE (n:N {id: 1}) ON CREATE SET n.c = 1 ON MATCH SET n.c = n.c + 1
      """
    Then the result should be empty
    When executing query:
      """
      MATCH (n:N) RETURN n.c AS c
      """
    Then the result should be, in any order:
      | c |
      | 5 |

  Scenario: Relationships between bound nodes
    Given an empty graph
    And having executed:
      """
      CREATE (:A), (:A), (:B), (:B)
      """
    When executing query:
      """
      MATCH (a:A), (b:B) MERGE (a)-[r:R]->(b) RETURN count(r) AS c
      """
    Then the result should be, in any order:
      | c |
      | 4 |
    When executing query:
      """
      MATCH (a:A), (b:B) MERGE (a)-[r:R]->(b) RETURN count(r) AS c
      """
    Then the result should be, in any order:
      | c |
      | 4 |
    When executing query:
      """
      MATCH ()-[r]->() RETURN count(r) AS c
      """
    Then the result should be, in any order:
      | c |
      | 4 |

  Scenario: A path is made whole or not at all
    Given an empty graph
    When executing query:
      """
      MERGE (:A {x: 1})-[:R]->(:B {y: 1})
      """
    Then the result should be empty
    When executing query:
      """
      MERGE (:A {x: 1})-[:R]->(:B {y: 2})
      """
    Then the result should be empty
    When executing query:
      """
      MATCH (a:A)-[:R]->(b:B) RETURN a.x AS x, b.y AS y
      """
    Then the result should be, in any order:
      | x | y |
      | 1 | 1 |
      | 1 | 2 |
    When executing query:
      """
      MATCH (a:A) RETURN count(a) AS c
      """
    Then the result should be, in any order:
      | c |
      | 2 |

  Scenario: Without direction either way is found
    Given an empty graph
    And having executed:
      """
      CREATE (:A)-[:R]->(:B)
      """
    When executing query:
      """
      MATCH (a:A), (b:B) MERGE (b)-[r:R]-(a) RETURN count(r) AS c
      """
    Then the result should be, in any order:
      | c |
      | 1 |
    When executing query:
      """
      MATCH ()-[r]->() RETURN count(r) AS c
      """
    Then the result should be, in any order:
      | c |
      | 1 |

  Scenario: ON CREATE of a relationship
    Given an empty graph
    And having executed:
      """
      CREATE (:A), (:B)
      """
    When executing query:
      """
      MATCH (a:A), (b:B) MERGE (a)-[r:R]->(b) ON CREATE SET r.w = 1 RETURN r
      """
    Then the result should be, in any order:
      | r |
      | [:R {w: 1}] |

  Scenario: Null cannot be merged on
    Given an empty graph
    When executing query:
      """
      MERGE (n:N {id: null})
      """
    Then a SemanticError should be raised
