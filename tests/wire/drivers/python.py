"""The official Python driver against quiverd. QUIVER_ADDRESS is host:port, QUIVER_AUTH none or basic."""
import asyncio
import math
import os
import sys
import threading
import time

import neo4j
import pytz
from neo4j import AsyncGraphDatabase, GraphDatabase, READ_ACCESS, unit_of_work
from neo4j.exceptions import ClientError, CypherSyntaxError, Neo4jError
from neo4j.spatial import CartesianPoint, WGS84Point
from neo4j.time import Date, DateTime, Duration, Time

ADDRESS = os.environ["QUIVER_ADDRESS"]
AUTH = ("neo4j", "a long secret") if os.environ.get("QUIVER_AUTH") == "basic" else None
SLOW = ("UNWIND range(1, 1000000) AS a UNWIND range(1, 1000) AS b "
        "WITH a + b AS c WHERE c < 0 RETURN count(c)")
TESTS = []


def test(function):
    TESTS.append(function)
    return function


def driver_of(scheme, **options):
    return GraphDatabase.driver(f"{scheme}://{ADDRESS}", auth=AUTH, **options)


def fails_with(code, function):
    try:
        function()
    except Neo4jError as error:
        assert error.code == code, f"{error.code} instead of {code}: {error.message}"
        return error
    raise AssertionError(f"no {code}")


@test
def connects_with_bolt_and_neo4j(driver):
    for scheme in ("bolt", "neo4j"):
        with driver_of(scheme) as one:
            one.verify_connectivity()
            assert one.get_server_info().agent.startswith("Neo4j/5.")
            assert one.execute_query("RETURN 1 AS x").records[0]["x"] == 1


@test
def autocommit_gives_rows_and_a_summary(driver):
    with driver.session() as session:
        result = session.run("UNWIND [3, 1, 2] AS x RETURN x ORDER BY x")
        assert result.keys() == ["x"]
        assert [record["x"] for record in result] == [1, 2, 3]
        assert result.consume().query_type == "r"


@test
def counters_of_a_write(driver):
    counters = driver.execute_query("CREATE (:PyCounted {n: 1})-[:KNOWS]->(:PyCounted)").summary.counters
    assert (counters.nodes_created, counters.relationships_created) == (2, 1)
    assert (counters.labels_added, counters.properties_set) == (2, 1)


@test
def managed_transactions(driver):
    def create(tx, number):
        tx.run("CREATE (:PyManaged {n: $n})", n=number).consume()
        if number == 3:
            raise RuntimeError("changed my mind")
    with driver.session() as session:
        session.execute_write(create, 1)
        session.execute_write(create, 2)
        try:
            session.execute_write(create, 3)
        except RuntimeError:
            pass
        found = session.execute_read(
            lambda tx: [record["n"] for record in tx.run("MATCH (m:PyManaged) RETURN m.n AS n ORDER BY n")])
        assert found == [1, 2], found


@test
def explicit_transaction_with_two_open_results(driver):
    with driver.session(fetch_size=10) as session:
        with session.begin_transaction() as tx:
            one = iter(tx.run("UNWIND range(1, 50) AS x RETURN x"))
            two = iter(tx.run("UNWIND range(101, 150) AS x RETURN x"))
            total = sum(next(one)["x"] + next(two)["x"] for _ in range(50))
            assert total == 1275 + 6275
            tx.commit()


VALUES = [
    None, True, False, 0, -16, -17, 127, 128, -128, -129, 32767, 32768, -32769, 2**31, -2**31 - 1, 2**63 - 1, -2**63,
    1.5, -0.0, 1e308, math.inf, "", "gr\u00fc\u00dfe \U0001d11e", "x" * 15, "x" * 16, "x" * 255, "x" * 256, "x" * 65535,
    "x" * 65536, b"", b"\x00\x01\xff", b"y" * 70000, [], [1, "a", None, [2.5]], list(range(300)), {}, {"a": {"b": [1]}},
    Date(2022, 1, 8), Date(1, 1, 1), Time(12, 50, 35, 7), DateTime(2015, 7, 21, 21, 40, 32, 1),
    Time(12, 50, 35, 7, tzinfo=pytz.FixedOffset(60)),
    DateTime(2015, 6, 24, 12, 50, 35, 5, tzinfo=pytz.FixedOffset(-60)),
    Duration(months=14, days=-3, seconds=10, nanoseconds=5),
    CartesianPoint((1.5, -2.0)), CartesianPoint((1.0, 2.0, 3.0)), WGS84Point((12.99, 55.6)), WGS84Point((1.0, 2.0, 3.0)),
]


@test
def values_there_and_back(driver):
    wrong = []
    for value in VALUES:
        try:
            back = driver.execute_query("RETURN $p AS p", p=value).records[0]["p"]
            if not (back == value and isinstance(back, type(value))):
                wrong.append(f"{value!r:.60} came back as {back!r:.60}")
        except Exception as error:  # all of them are to be named
            wrong.append(f"{value!r:.60}: {error!s:.100}")
    assert not wrong, "; ".join(wrong)
    assert math.isnan(driver.execute_query("RETURN $p AS p", p=math.nan).records[0]["p"])


@test
def date_time_with_a_named_zone(driver):
    # pytz, because zoneinfo of CPython 3.11 now and then crashes on the driver's own DateTime.
    value = pytz.timezone("Europe/Stockholm").localize(DateTime(2015, 6, 24, 12, 50, 35, 5))
    back = driver.execute_query("RETURN $p AS p", p=value).records[0]["p"]
    assert back == value and back.hour == 12, back


@test
def nodes_relationships_and_paths(driver):
    record = driver.execute_query(
        "CREATE p = (a:PyLeft {x: 1})-[r:LINK {y: 2}]->(b:PyRight) RETURN a, r, b, p, elementId(a) AS e").records[0]
    a, r, b, p = (record[key] for key in "arbp")
    assert a.labels == frozenset({"PyLeft"}) and dict(a) == {"x": 1} and record["e"] == a.element_id
    assert r.type == "LINK" and dict(r) == {"y": 2} and (r.start_node, r.end_node) == (a, b)
    assert p.start_node == a and p.end_node == b and p.relationships == (r,)


@test
def errors_have_their_codes(driver):
    try:
        driver.execute_query("RETRUN 1")
    except CypherSyntaxError:
        pass
    fails_with("Neo.ClientError.Statement.ParameterMissing", lambda: driver.execute_query("RETURN $missing"))
    fails_with("Neo.ClientError.Statement.ArithmeticError", lambda: driver.execute_query("RETURN 1 / 0"))
    fails_with("Neo.ClientError.Database.DatabaseNotFound",
               lambda: driver.execute_query("RETURN 1", database_="other"))

    def write_in_read_mode():
        with driver.session(default_access_mode=READ_ACCESS) as session:
            session.run("CREATE (:Never)").consume()
    fails_with("Neo.ClientError.Statement.AccessMode", write_in_read_mode)


@test
def bookmarks_chain_sessions(driver):
    with driver.session() as session:
        session.run("CREATE (:PyChained {n: 7})").consume()
        bookmarks = session.last_bookmarks()
    with driver.session(bookmarks=bookmarks) as session:
        assert session.run("MATCH (c:PyChained) RETURN c.n AS n").single()["n"] == 7
    with driver.session(bookmarks=neo4j.Bookmarks.from_raw_values(["nobody's"])) as session:
        fails_with("Neo.ClientError.Transaction.InvalidBookmark", lambda: session.run("RETURN 1").consume())


@test
def cancel_of_a_long_statement(driver):
    async def work():
        async with AsyncGraphDatabase.driver(f"bolt://{ADDRESS}", auth=AUTH) as one:
            async with one.session() as session:
                async def run():
                    result = await session.run(SLOW)
                    await result.consume()
                try:
                    await asyncio.wait_for(run(), 0.5)
                    raise AssertionError("it finished")
                except asyncio.TimeoutError:
                    pass
            start = time.monotonic()
            records = (await one.execute_query("RETURN 1 AS x")).records
            assert records[0]["x"] == 1 and time.monotonic() - start < 15
    asyncio.run(work())


@test
def transaction_time_out(driver):
    @unit_of_work(timeout=0.3)
    def work(tx):
        tx.run(SLOW).consume()
    start = time.monotonic()
    try:
        with driver.session() as session:
            session.execute_read(work)
        raise AssertionError("it finished")
    except ClientError as error:
        assert "TransactionTimedOut" in error.code, error.code
    assert time.monotonic() - start < 15


@test
def large_result(driver):
    count = 100000
    with driver.session(fetch_size=5000) as session:
        total = 0
        for record in session.run("UNWIND range(1, $n) AS x RETURN x, 'some text' AS t", n=count):
            total += record["x"]
        assert total == count * (count + 1) // 2


@test
def unread_result_is_discarded(driver):
    with driver.session(fetch_size=100) as session:
        result = session.run("UNWIND range(1, 1000000) AS x RETURN x")
        assert next(iter(result))["x"] == 1
        result.consume()
        assert session.run("RETURN 1 AS x").single()["x"] == 1


@test
def threads_with_conflicts(driver):
    driver.execute_query("CREATE (:PyCounter {n: 0})")
    errors = []

    def work():
        try:
            with driver.session() as session:
                for _ in range(5):
                    session.execute_write(lambda tx: tx.run("MATCH (c:PyCounter) SET c.n = c.n + 1").consume())
        except Exception as error:
            errors.append(error)
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(50)
    assert not errors, errors[0]
    assert driver.execute_query("MATCH (c:PyCounter) RETURN c.n AS n").records[0]["n"] == 20


def main():
    failed = False
    with driver_of("neo4j") as driver:
        for function in TESTS:
            name = function.__name__.replace("_", " ")
            try:
                function(driver)
                print(f"ok {name}", flush=True)
            except Exception as error:
                failed = True
                print(f"not ok {name}: {type(error).__name__} {' | '.join(str(error).splitlines()[:8])}", flush=True)
    os._exit(1 if failed else 0)


sys.stdout.reconfigure(line_buffering=True)
main()
