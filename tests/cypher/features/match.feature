Feature: Matching patterns

  Scenario: Nodes by label and property
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
      MATCH (p:Person {name: 'Ann'}) RETURN p.age AS age
      """
    Then the result should be, in any order:
      | age |
      | 30 |

  Scenario: All nodes of any label
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
      MATCH (n) RETURN count(n) AS n
      """
    Then the result should be, in any order:
      | n |
      | 5 |

  Scenario: One hop in each direction
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
      MATCH (a {name: 'Ann'})-[:KNOWS]->(x) RETURN x.name AS n
      """
    Then the result should be, in any order:
      | n |
      | 'Bob' |
    When executing query:
      """
      MATCH (a {name: 'Ann'})<-[:KNOWS]-(x) RETURN x.name AS n
      """
    Then the result should be, in any order:
      | n |
      | 'Cid' |
    When executing query:
      """
      MATCH (a {name: 'Ann'})-[:KNOWS]-(x) RETURN x.name AS n
      """
    Then the result should be, in any order:
      | n |
      | 'Bob' |
      | 'Cid' |

  Scenario: Two hops never walk a relationship twice
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
      MATCH (a {name: 'Ann'})-[:KNOWS]-(x)-[:KNOWS]-(y) RETURN x.name AS x, y.name AS y
      """
    Then the result should be, in any order:
      | x | y |
      | 'Bob' | 'Cid' |
      | 'Cid' | 'Bob' |

  Scenario: A triangle closes
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
      MATCH (a)-[:KNOWS]->(b)-[:KNOWS]->(c)-[:KNOWS]->(a) RETURN count(*) AS n
      """
    Then the result should be, in any order:
      | n |
      | 3 |

  Scenario: Two parallel relationships are two rows, a self loop one
    Given an empty graph
    And having executed:
      """
      CREATE (a:A), (b:B), (a)-[:R]->(b), (a)-[:R]->(b), (a)-[:R]->(a)
      """
    When executing query:
      """
      MATCH (a:A)-[r:R]->(b) RETURN count(r) AS n
      """
    Then the result should be, in any order:
      | n |
      | 3 |
    When executing query:
      """
      MATCH (a:A)-[r:R]-(b) RETURN count(r) AS n
      """
    Then the result should be, in any order:
      | n |
      | 3 |
    When executing query:
      """
      MATCH (a:A)-[:R]->(b)-[:R]->(c) RETURN count(*) AS n
      """
    Then the result should be, in any order:
      | n |
      | 2 |

  Scenario: A pattern of two parts is a product
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
      MATCH (p:Person), (c:City) RETURN count(*) AS n
      """
    Then the result should be, in any order:
      | n |
      | 6 |

  Scenario: Parts that share a node join
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
      MATCH (p)-[:LIVES]->(c), (q)-[:LIVES]->(c) WHERE p.name < q.name RETURN p.name AS p, q.name AS q
      """
    Then the result should be, in any order:
      | p | q |
      | 'Ann' | 'Bob' |

  Scenario: Relationship properties and types
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
      MATCH ()-[r:KNOWS {since: 2005}]->(x) RETURN type(r) AS t, x.name AS n
      """
    Then the result should be, in any order:
      | t | n |
      | 'KNOWS' | 'Cid' |
    When executing query:
      """
      MATCH (a {name: 'Ann'})-[r:KNOWS|LIVES]->(x) RETURN x.name AS n
      """
    Then the result should be, in any order:
      | n |
      | 'Bob' |
      | 'Oslo' |

  Scenario: An unknown label, type or property finds nothing
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
      MATCH (n:Nope) RETURN n
      """
    Then the result should be empty
    When executing query:
      """
      MATCH ()-[r:NOPE]->() RETURN r
      """
    Then the result should be empty
    When executing query:
      """
      MATCH (n {nope: 1}) RETURN n
      """
    Then the result should be empty

  Scenario: Optional match leaves nulls
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
      MATCH (p:Person) OPTIONAL MATCH (p)-[:LIVES]->(c {name: 'Oslo'}) RETURN p.name AS p, c.name AS c
      """
    Then the result should be, in any order:
      | p | c |
      | 'Ann' | 'Oslo' |
      | 'Bob' | 'Oslo' |
      | 'Cid' | null |

  Scenario: Optional match without any row
    Given an empty graph
    When executing query:
      """
      OPTIONAL MATCH (n:Nope) RETURN n
      """
    Then the result should be, in any order:
      | n |
      | null |

  Scenario: Matching from what was passed on
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
      MATCH (a {name: 'Ann'}) WITH a MATCH (a)-[:KNOWS]->(b) WITH b MATCH (b)-[:KNOWS]->(c) RETURN c.name AS n
      """
    Then the result should be, in any order:
      | n |
      | 'Cid' |

  Scenario: Whole entities and paths come back
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
      MATCH p = (:Person {name: 'Bob'})-[:LIVES]->(:City) RETURN p
      """
    Then the result should be, in any order:
      | p |
      | <(:Person {name: 'Bob', age: 25})-[:LIVES]->(:City {name: 'Oslo'})> |
    When executing query:
      """
      MATCH (:Person {name: 'Ann'})-[r:KNOWS]->() RETURN r
      """
    Then the result should be, in any order:
      | r |
      | [:KNOWS {since: 2001}] |

  Scenario: Several labels and label expressions
    Given an empty graph
    And having executed:
      """
      CREATE (:A {x: 1}), (:B {x: 2}), (:A:B {x: 3}), (:C {x: 4})
      """
    When executing query:
      """
      MATCH (n:A:B) RETURN n.x AS x
      """
    Then the result should be, in any order:
      | x |
      | 3 |
    When executing query:
      """
      MATCH (n:A|B) RETURN n.x AS x
      """
    Then the result should be, in any order:
      | x |
      | 1 |
      | 2 |
      | 3 |
    When executing query:
      """
      MATCH (n) WHERE n:A AND NOT n:B RETURN n.x AS x
      """
    Then the result should be, in any order:
      | x |
      | 1 |

  Scenario: An id can be looked up
    Given an empty graph
    And having executed:
      """
      CREATE (:A {x: 1}), (:B {x: 2})
      """
    When executing query:
      """
      MATCH (n:A) WITH id(n) AS i MATCH (m) WHERE id(m) = i RETURN m.x AS x
      """
    Then the result should be, in any order:
      | x |
      | 1 |
