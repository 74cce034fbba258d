Feature: Indexes and constraints

  Scenario: An index is used and kept up to date
    Given an empty graph
    And having executed:
      """
      UNWIND range(0, 300) AS i CREATE (:N {id: i})
      """
    When executing query:
      """
      CREATE INDEX FOR (n:N) ON (n.id)
      """
    Then the result should be empty
    When executing query:
      """
      MATCH (n:N {id: 77}) RETURN n.id AS i
      """
    Then the result should be, in any order:
      | i |
      | 77 |
    When executing query:
      """
      MATCH (n:N {id: 77}) SET n.id = -1
      """
    Then the result should be empty
    When executing query:
      """
      MATCH (n:N {id: 77}) RETURN n
      """
    Then the result should be empty
    When executing query:
      """
      MATCH (n:N) WHERE n.id = -1 RETURN n.id AS i
      """
    Then the result should be, in any order:
      | i |
      | -1 |
    When executing query:
      """
      CREATE (:N {id: 9999})
      """
    Then the result should be empty
    When executing query:
      """
      MATCH (n:N {id: 9999}) RETURN n.id AS i
      """
    Then the result should be, in any order:
      | i |
      | 9999 |
    When executing query:
      """
      MATCH (n:N {id: 9999}) DELETE n
      """
    Then the result should be empty
    When executing query:
      """
      MATCH (n:N {id: 9999}) RETURN n
      """
    Then the result should be empty

  Scenario: Many look-ups in one statement
    Given an empty graph
    And having executed:
      """
      UNWIND range(0, 300) AS i CREATE (:N {id: i})
      """
    And having executed:
      """
      CREATE INDEX FOR (n:N) ON (n.id)
      """
    When executing query:
      """
      UNWIND range(0, 999) AS i MATCH (n:N {id: i}) RETURN count(n) AS c, sum(n.id) AS s
      """
    Then the result should be, in any order:
      | c | s |
      | 301 | 45150 |

  Scenario: A constraint refuses what breaks it
    Given an empty graph
    When executing query:
      """
      CREATE CONSTRAINT FOR (n:N) REQUIRE n.id IS UNIQUE
      """
    Then the result should be empty
    When executing query:
      """
      CREATE (:N {id: 1})
      """
    Then the result should be empty
    When executing query:
      """
      CREATE (:N {id: 1})
      """
    Then a ConstraintValidationFailed should be raised at runtime
    When executing query:
      """
      MATCH (n:N) RETURN count(n) AS c
      """
    Then the result should be, in any order:
      | c |
      | 1 |
    When executing query:
      """
      CREATE (:N {id: 2})
      """
    Then the result should be empty
    When executing query:
      """
      MATCH (n:N {id: 2}) SET n.id = 1
      """
    Then a ConstraintValidationFailed should be raised at runtime

  Scenario: A constraint over data that breaks it is not made
    Given an empty graph
    And having executed:
      """
      CREATE (:N {id: 1}), (:N {id: 1})
      """
    When executing query:
      """
      CREATE CONSTRAINT c FOR (n:N) REQUIRE n.id IS UNIQUE
      """
    Then a ConstraintValidationFailed should be raised at runtime
    When executing query:
      """
      SHOW CONSTRAINTS YIELD name RETURN name
      """
    Then the result should be empty

  Scenario: IF NOT EXISTS, IF EXISTS and names
    Given an empty graph
    When executing query:
      """
      CREATE INDEX i IF NOT EXISTS FOR (n:N) ON (n.x)
      """
    Then the result should be empty
    When executing query:
      """
      CREATE INDEX i IF NOT EXISTS FOR (n:N) ON (n.x)
      """
    Then the result should be empty
    When executing query:
      """
      CREATE INDEX i FOR (n:N) ON (n.x)
      """
    Then an Error should be raised
    When executing query:
      """
      SHOW INDEXES YIELD name, labelsOrTypes, properties RETURN name, labelsOrTypes, properties
      """
    Then the result should be, in any order:
      | name | labelsOrTypes | properties |
      | 'i' | ['N'] | ['x'] |
    When executing query:
      """
      DROP INDEX i
      """
    Then the result should be empty
    When executing query:
      """
      DROP INDEX i IF EXISTS
      """
    Then the result should be empty
    When executing query:
      """
      DROP INDEX i
      """
    Then an Error should be raised

  Scenario: MERGE through a constraint
    Given an empty graph
    And having executed:
      """
      CREATE CONSTRAINT FOR (n:N) REQUIRE n.id IS UNIQUE
      """
    When executing query:
      """
      UNWIND [1, 2, 1] AS i MERGE (n:N {id: i}) RETURN count(n) AS c
      """
    Then the result should be, in any order:
      | c |
      | 3 |
    When executing query:
      """
      MATCH (n:N) RETURN count(n) AS c
      """
    Then the result should be, in any order:
      | c |
      | 2 |
