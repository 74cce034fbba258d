Feature: Aggregation

  Scenario: Count, sum, average, least and greatest
    Given an empty graph
    When executing query:
      """
      UNWIND [1, 2, null, 3] AS x RETURN count(*) AS c, count(x) AS n, sum(x) AS s, avg(x) AS a, min(x) AS l, max(x) AS h
      """
    Then the result should be, in any order:
      | c | n | s | a | l | h |
      | 4 | 3 | 6 | 2.0 | 1 | 3 |

  Scenario: Over nothing
    Given an empty graph
    When executing query:
      """
      MATCH (n:Nope) RETURN count(*) AS c, sum(n.x) AS s, avg(n.x) AS a, collect(n.x) AS l, min(n.x) AS m
      """
    Then the result should be, in any order:
      | c | s | a | l | m |
      | 0 | 0 | null | [] | null |
    When executing query:
      """
      MATCH (n:Nope) RETURN n.x AS x, count(*) AS c
      """
    Then the result should be empty

  Scenario: By group
    Given an empty graph
    And having executed:
      """
      UNWIND range(0, 1999) AS i CREATE (:N {i: i, g: i % 4})
      """
    And having executed:
      """
      CREATE (:N)
      """
    When executing query:
      """
      MATCH (n:N) RETURN n.g AS g, count(*) AS c, sum(n.i) AS s ORDER BY g
      """
    Then the result should be, in order:
      | g | c | s |
      | 0 | 500 | 499000 |
      | 1 | 500 | 499500 |
      | 2 | 500 | 500000 |
      | 3 | 500 | 500500 |
      | null | 1 | 0 |

  Scenario: DISTINCT forms
    Given an empty graph
    And having executed:
      """
      UNWIND range(0, 299) AS i CREATE (:N {g: i % 3})
      """
    When executing query:
      """
      MATCH (n:N) RETURN count(DISTINCT n.g) AS c, sum(DISTINCT n.g) AS s
      """
    Then the result should be, in any order:
      | c | s |
      | 3 | 3 |

  Scenario: Collect and size
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
      MATCH (p:Person)-[:LIVES]->(c) WITH c.name AS c, collect(p.name) AS l RETURN c, size(l) AS n
      """
    Then the result should be, in any order:
      | c | n |
      | 'Oslo' | 2 |
      | 'Rome' | 1 |

  Scenario: Groups by node
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
      MATCH (p)-[:LIVES]->(c) RETURN c, count(p) AS n
      """
    Then the result should be, in any order:
      | c | n |
      | (:City {name: 'Oslo'}) | 2 |
      | (:City {name: 'Rome'}) | 1 |

  Scenario: Many groups
    Given an empty graph
    And having executed:
      """
      UNWIND range(0, 5999) AS i CREATE (:N {i: i % 3000})
      """
    When executing query:
      """
      MATCH (n:N) WITH n.i AS i, count(*) AS c RETURN count(*) AS groups, sum(c) AS rows
      """
    Then the result should be, in any order:
      | groups | rows |
      | 3000 | 6000 |

  Scenario: Standard deviation and percentiles
    Given an empty graph
    When executing query:
      """
      UNWIND [2, 4, 4, 4, 5, 5, 7, 9] AS x RETURN stDevP(x) AS d, percentileDisc(x, 0.5) AS p, percentileCont(x, 0.5) AS q
      """
    Then the result should be, in any order:
      | d | p | q |
      | 2.0 | 4 | 4.5 |

  Scenario: Null is a group of its own
    Given an empty graph
    When executing query:
      """
      UNWIND [null, 1, null] AS x RETURN x, count(*) AS c
      """
    Then the result should be, in any order:
      | x | c |
      | null | 2 |
      | 1 | 1 |

  Scenario: Counting over two hops with a predicate on the end
    Given an empty graph
    And having executed:
      """
      UNWIND range(0, 99) AS i CREATE (:N {i: i})
      """
    And having executed:
      """
      MATCH (a:N {i: 0}), (b:N) WHERE b.i > 90 CREATE (a)-[:R]->(b)
      """
    And having executed:
      """
      MATCH (a:N), (b:N) WHERE a.i > 90 AND b.i % 5 = 0 AND a.i % 2 = 0 CREATE (a)-[:R]->(b)
      """
    And having executed:
      """
      MATCH (a:N), (b:N) WHERE a.i IN [91, 93] AND b.i < 10 CREATE (a)-[:R]->(b)
      """
    When executing query:
      """
      MATCH (a:N {i: 0})-[:R]->()-[:R]->(c) WHERE c.i < 50 RETURN count(*) AS n
      """
    Then the result should be, in any order:
      | n |
      | 60 |
