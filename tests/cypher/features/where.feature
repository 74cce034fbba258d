Feature: Filtering

  Scenario: Comparisons of three-valued logic
    Given an empty graph
    When executing query:
      """
      UNWIND [1, null, 3] AS x WITH x WHERE x > 1 RETURN x
      """
    Then the result should be, in any order:
      | x |
      | 3 |
    When executing query:
      """
      UNWIND [1, null, 3] AS x WITH x WHERE NOT x > 1 RETURN x
      """
    Then the result should be, in any order:
      | x |
      | 1 |
    When executing query:
      """
      UNWIND [1, null, 3] AS x WITH x WHERE x IS NULL OR x = 3 RETURN x
      """
    Then the result should be, in any order:
      | x |
      | null |
      | 3 |

  Scenario: Strings
    Given an empty graph
    When executing query:
      """
      UNWIND ['apple', 'banana', 'cherry'] AS s WITH s WHERE s STARTS WITH 'a' OR s ENDS WITH 'y' OR s CONTAINS 'nan' RETURN s
      """
    Then the result should be, in any order:
      | s |
      | 'apple' |
      | 'banana' |
      | 'cherry' |
    When executing query:
      """
      UNWIND ['apple', 'banana'] AS s WITH s WHERE s =~ '.*an.*' RETURN s
      """
    Then the result should be, in any order:
      | s |
      | 'banana' |

  Scenario: Lists
    Given an empty graph
    When executing query:
      """
      UNWIND range(1, 5) AS x WITH x WHERE x IN [2, 4, 9] RETURN x
      """
    Then the result should be, in any order:
      | x |
      | 2 |
      | 4 |

  Scenario: A pattern as a predicate
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
      MATCH (p:Person) WHERE (p)-[:LIVES]->({name: 'Oslo'}) RETURN p.name AS n
      """
    Then the result should be, in any order:
      | n |
      | 'Ann' |
      | 'Bob' |
    When executing query:
      """
      MATCH (p:Person) WHERE NOT (p)-[:LIVES]->({name: 'Oslo'}) RETURN p.name AS n
      """
    Then the result should be, in any order:
      | n |
      | 'Cid' |

  Scenario: EXISTS with a subquery
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
      MATCH (p:Person) WHERE EXISTS { MATCH (p)-[:KNOWS]->(q) WHERE q.age > p.age } RETURN p.name AS n
      """
    Then the result should be, in any order:
      | n |
      | 'Bob' |

  Scenario: COUNT and COLLECT subqueries
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
      MATCH (c:City) RETURN c.name AS c, COUNT { (c)<-[:LIVES]-() } AS n
      """
    Then the result should be, in any order:
      | c | n |
      | 'Oslo' | 2 |
      | 'Rome' | 1 |

  Scenario: Properties of both ends
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
      MATCH (a)-[:KNOWS]->(b) WHERE a.age > b.age RETURN a.name AS a, b.name AS b
      """
    Then the result should be, in any order:
      | a | b |
      | 'Ann' | 'Bob' |
      | 'Cid' | 'Ann' |

  Scenario: A predicate that is no boolean is an error
    Given an empty graph
    And having executed:
      """
      CREATE ({x: 1})
      """
    When executing query:
      """
      MATCH (n) WHERE n.x RETURN n
      """
    Then a TypeError should be raised

  Scenario: A missing property is null and not found
    Given an empty graph
    And having executed:
      """
      CREATE ({x: 1})
      """
    When executing query:
      """
      MATCH (n) WHERE n.y > 0 RETURN n
      """
    Then the result should be empty
    When executing query:
      """
      MATCH (n) WHERE n.y IS NULL RETURN n.x AS x
      """
    Then the result should be, in any order:
      | x |
      | 1 |
