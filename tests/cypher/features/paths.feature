Feature: Variable lengths and shortest paths

  Scenario: Ranges of length
    Given an empty graph
    And having executed:
      """
      UNWIND range(0, 9) AS i CREATE (:N {i: i})
      """
    And having executed:
      """
      MATCH (a:N), (b:N) WHERE b.i = a.i + 1 CREATE (a)-[:R {w: a.i % 2}]->(b)
      """
    When executing query:
      """
      MATCH (a {i: 0})-[:R*1..3]->(b) RETURN b.i AS i
      """
    Then the result should be, in any order:
      | i |
      | 1 |
      | 2 |
      | 3 |
    When executing query:
      """
      MATCH (a {i: 0})-[:R*]->(b) RETURN count(*) AS c
      """
    Then the result should be, in any order:
      | c |
      | 9 |
    When executing query:
      """
      MATCH (a {i: 0})-[:R*0..1]->(b) RETURN b.i AS i
      """
    Then the result should be, in any order:
      | i |
      | 0 |
      | 1 |
    When executing query:
      """
      MATCH (a {i: 0})-[:R*3]->(b) RETURN b.i AS i
      """
    Then the result should be, in any order:
      | i |
      | 3 |

  Scenario: Both directions, and properties of every relationship
    Given an empty graph
    And having executed:
      """
      UNWIND range(0, 9) AS i CREATE (:N {i: i})
      """
    And having executed:
      """
      MATCH (a:N), (b:N) WHERE b.i = a.i + 1 CREATE (a)-[:R {w: a.i % 2}]->(b)
      """
    When executing query:
      """
      MATCH (a {i: 5})-[:R*1..2]-(b) RETURN b.i AS i
      """
    Then the result should be, in any order:
      | i |
      | 3 |
      | 4 |
      | 6 |
      | 7 |
    When executing query:
      """
      MATCH (a {i: 5})<-[:R*2]-(b) RETURN b.i AS i
      """
    Then the result should be, in any order:
      | i |
      | 3 |
    When executing query:
      """
      MATCH (a)-[r:R* {w: 0}]->(b) RETURN count(*) AS c
      """
    Then the result should be, in any order:
      | c |
      | 5 |

  Scenario: Trails in a cycle end
    Given an empty graph
    And having executed:
      """
      CREATE (a:A)-[:R]->(b)-[:R]->(c)-[:R]->(a)
      """
    When executing query:
      """
      MATCH (a:A)-[r:R*]->(b) RETURN size(r) AS s
      """
    Then the result should be, in any order:
      | s |
      | 1 |
      | 2 |
      | 3 |

  Scenario: All trails of a small complete graph
    Given an empty graph
    And having executed:
      """
      UNWIND range(0, 3) AS i CREATE (:N {i: i})
      """
    And having executed:
      """
      MATCH (a:N), (b:N) WHERE a.i < b.i CREATE (a)-[:R]->(b)
      """
    When executing query:
      """
      MATCH (:N {i: 0})-[r:R*..3]-(b) RETURN size(r) AS s, count(*) AS c ORDER BY s
      """
    Then the result should be, in order:
      | s | c |
      | 1 | 3 |
      | 2 | 6 |
      | 3 | 12 |

  Scenario: The relationships of a trail as a list
    Given an empty graph
    And having executed:
      """
      CREATE ({i: 0})-[:R {w: 7}]->()-[:R {w: 8}]->()
      """
    When executing query:
      """
      MATCH (a {i: 0})-[r:R*2]->(b) RETURN [x IN r | x.w] AS w
      """
    Then the result should be, in any order:
      | w |
      | [7, 8] |

  Scenario: A shortest path
    Given an empty graph
    And having executed:
      """
      UNWIND range(0, 19) AS i CREATE (:N {i: i})
      """
    And having executed:
      """
      MATCH (a:N), (b:N) WHERE b.i = a.i + 1 OR b.i = a.i + 5 AND a.i % 5 = 4 CREATE (a)-[:R]->(b)
      """
    And having executed:
      """
      MATCH (a:N {i: 0}), (b:N {i: 4}) CREATE (a)-[:R]->(b)
      """
    When executing query:
      """
      MATCH (a:N {i: 0}), (b:N {i: 19}) MATCH p = shortestPath((a)-[:R*]-(b)) RETURN length(p) AS l
      """
    Then the result should be, in any order:
      | l |
      | 4 |
    When executing query:
      """
      MATCH (a:N {i: 0}), (b:N {i: 19}) MATCH p = shortestPath((a)-[:R*..3]-(b)) RETURN p
      """
    Then the result should be empty

  Scenario: All shortest paths
    Given an empty graph
    And having executed:
      """
      CREATE (a:A), (b:B) FOREACH (i IN [1, 2, 3] | CREATE (a)-[:R]->(:M)-[:R]->(b)) CREATE (a)-[:R]->(:X)-[:R]->(:Y)-[:R]->(b)
      """
    When executing query:
      """
      MATCH (a:A), (b:B) MATCH p = allShortestPaths((a)-[:R*]->(b)) RETURN length(p) AS l, count(*) AS c
      """
    Then the result should be, in any order:
      | l | c |
      | 2 | 3 |

  Scenario: The nodes of a shortest path
    Given an empty graph
    And having executed:
      """
      CREATE (:A)-[:R]->(:B)-[:R]->(:C)
      """
    When executing query:
      """
      MATCH p = shortestPath((:A)-[:R*]->(:C)) RETURN [n IN nodes(p) | labels(n)[0]] AS l
      """
    Then the result should be, in any order:
      | l |
      | ['A', 'B', 'C'] |

  Scenario: No path, no row
    Given an empty graph
    And having executed:
      """
      CREATE (:A), (:B)
      """
    When executing query:
      """
      MATCH (a:A), (b:B) MATCH p = shortestPath((a)-[*]-(b)) RETURN p
      """
    Then the result should be empty

  Scenario: Direction and type bind a shortest path
    Given an empty graph
    And having executed:
      """
      CREATE (a:A)-[:R]->(:B)-[:R]->(c:C), (a)-[:Q]->(c)
      """
    When executing query:
      """
      MATCH p = shortestPath((:A)<-[:R*]-(:C)) RETURN p
      """
    Then the result should be empty
    When executing query:
      """
      MATCH p = shortestPath((:A)-[:Q*]->(:C)) RETURN length(p) AS l
      """
    Then the result should be, in any order:
      | l |
      | 1 |
