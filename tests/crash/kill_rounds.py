#!/usr/bin/env python3
"""kill -9 under a write load: every acknowledged write is there afterwards, and no half transaction is.

    kill_rounds.py --bin build/release/bin [--rounds 50] [--connections 8] [--shards 1,2,3] [--seed N]

Each connection commits transactions that touch several shards: two nodes, a relationship between them, and a
counter node that is read, raised by one and written back. After a random time the daemon is killed, started
again with another number of shards on the same directory, and asked what it has:

  1. every acknowledged transaction is there, with both nodes, its relationship and all properties;
  2. what was not acknowledged is there as a whole or not at all;
  3. the counter of a connection equals the number of its transactions that are there;
  4. the index finds what the scan finds.

Ends with a line `N passed, N failed`, a round being one test.
"""
import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import neo4j

WRITE = """
MATCH (c:Counter {connection: $connection})
SET c.value = c.value + 1
CREATE (a:Left {id: $id, connection: $connection, number: $number, text: $text})
CREATE (b:Right {id: $id, connection: $connection, number: $number, list: [$number, $number + 1]})
CREATE (a)-[:PAIR {id: $id}]->(b)
"""


class Daemon:
    def __init__(self, options, directory, shards):
        self.log = open(os.path.join(directory, "..", "quiverd.log"), "a", encoding="utf-8")
        self.process = subprocess.Popen(
            [os.path.join(options.bin, "quiverd"), "--data", directory, "--listen", "127.0.0.1:0",
             "--shards", str(shards)], stdout=subprocess.PIPE, stderr=self.log, text=True)
        line = self.process.stdout.readline()
        if "bolt://" not in line:
            raise RuntimeError(f"quiverd did not start: {line!r}; see its log")
        self.uri = "bolt://" + line.split("bolt://")[1].split()[0]

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        if self.process.wait(timeout=120) != 0:
            raise RuntimeError("quiverd did not stop cleanly")


class Connection(threading.Thread):
    """Commits one transaction after the other; remembers what was acknowledged and what was in doubt."""

    def __init__(self, index, uri, first, stop):
        super().__init__(daemon=True)
        self.index, self.uri, self.next, self.stop = index, uri, first, stop
        self.acknowledged, self.doubtful, self.errors = [], [], []

    def write(self, session, number):
        params = {"connection": self.index, "number": number, "id": self.index * 10_000_000 + number,
                  "text": f"{self.index}-{number}" * (1 + number % 40)}
        try:
            session.run(WRITE, params).consume()
            self.acknowledged.append(number)
            return True
        except neo4j.exceptions.TransientError:
            return True  # told: not committed
        except Exception as error:
            self.doubtful.append(number)
            if isinstance(error, (neo4j.exceptions.ClientError, neo4j.exceptions.DatabaseError)):
                self.errors.append(str(error))
            return False

    def run(self):
        driver = neo4j.GraphDatabase.driver(self.uri, auth=None, connection_acquisition_timeout=2)
        try:
            with driver.session() as session:
                while not self.stop.is_set():
                    number = self.next
                    self.next += 1
                    if not self.write(session, number):
                        return
        except Exception as error:  # the daemon was killed while the session was made or closed
            self.errors += [] if isinstance(error, (neo4j.exceptions.DriverError, OSError)) else [str(error)]
        finally:
            try:
                driver.close()
            except Exception:
                pass


def verify(driver, index, acknowledged, doubtful):
    """Returns what is wrong, or None, and the numbers that are there."""
    with driver.session() as session:
        lefts = {r["n"]: r["t"] for r in session.run(
            "MATCH (a:Left {connection: $c}) RETURN a.number AS n, a.text AS t", c=index)}
        rights = {r["n"]: r["l"] for r in session.run(
            "MATCH (b:Right {connection: $c}) RETURN b.number AS n, b.list AS l", c=index)}
        pairs = [r["n"] for r in session.run(
            "MATCH (a:Left {connection: $c})-[r:PAIR]->(b:Right) WHERE r.id = a.id AND b.id = a.id "
            "RETURN a.number AS n", c=index)]
        counter = session.run("MATCH (c:Counter {connection: $c}) RETURN c.value AS v", c=index).single()["v"]
        there = set(lefts)
        if set(acknowledged) - there:
            return f"connection {index}: acknowledged but lost: {sorted(set(acknowledged) - there)[:10]}", there
        strange = there - set(acknowledged) - set(doubtful)
        if strange:
            return f"connection {index}: neither acknowledged nor in doubt: {sorted(strange)[:10]}", there
        if set(rights) != there or sorted(pairs) != sorted(there):
            return f"connection {index}: half a transaction: {len(lefts)} {len(rights)} {len(pairs)}", there
        if counter != len(there):
            return f"connection {index}: the counter says {counter}, there are {len(there)}", there
        for n in there:
            if lefts[n] != f"{index}-{n}" * (1 + n % 40) or rights[n] != [n, n + 1]:
                return f"connection {index}: wrong properties of {n}", there
        for n in sorted(there)[-20:]:
            found = session.run("MATCH (a:Left {id: $id}) RETURN count(a) AS n", id=index * 10_000_000 + n).single()["n"]
            if found != 1:
                return f"connection {index}: the index finds {found} nodes for {n}", there
    return None, there


def round_run(options, directory, generator, state, shards):
    daemon = Daemon(options, directory, shards)
    stop = threading.Event()
    connections = [Connection(i, daemon.uri, state["next"][i], stop) for i in range(options.connections)]
    for connection in connections:
        connection.start()
    time.sleep(generator.uniform(0.15, options.seconds))
    daemon.kill()
    stop.set()
    for connection in connections:
        connection.join(timeout=60)
    wrong = [e for c in connections for e in c.errors][:1]
    for i, connection in enumerate(connections):
        state["acknowledged"][i] |= set(connection.acknowledged)
        state["doubtful"][i] = set(connection.doubtful)
        state["next"][i] = connection.next
    daemon = Daemon(options, directory, generator.choice(options.shards))
    with neo4j.GraphDatabase.driver(daemon.uri, auth=None) as driver:
        for i in range(options.connections):
            problem, there = verify(driver, i, state["acknowledged"][i], state["doubtful"][i])
            wrong += [problem] if problem else []
            state["acknowledged"][i] |= there
    daemon.stop()
    return wrong, sum(len(c.acknowledged) for c in connections)


def prepare(options, directory):
    daemon = Daemon(options, directory, options.shards[0])
    with neo4j.GraphDatabase.driver(daemon.uri, auth=None) as driver, driver.session() as session:
        session.run("CREATE INDEX FOR (n:Left) ON (n.id)").consume()
        session.run("CREATE CONSTRAINT FOR (n:Counter) REQUIRE n.connection IS UNIQUE").consume()
        for i in range(options.connections):
            session.run("CREATE (:Counter {connection: $c, value: 0})", c=i).consume()
    daemon.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=1.5, help="longest load before the kill")
    parser.add_argument("--shards", default="1,2,3", type=lambda text: [int(n) for n in text.split(",")])
    parser.add_argument("--seed", type=int, default=0, help="0: take one from the clock, and print it")
    options = parser.parse_args()
    seed = options.seed or time.time_ns() % 1_000_000_007
    print(f"seed {seed}")
    generator = random.Random(seed)
    scratch = tempfile.mkdtemp(prefix="quiver-kill-")
    directory = os.path.join(scratch, "db")
    os.mkdir(directory)
    prepare(options, directory)
    state = {"acknowledged": [set() for _ in range(options.connections)],
             "doubtful": [set() for _ in range(options.connections)], "next": [0] * options.connections}
    passed = failed = total = 0
    for number in range(options.rounds):
        shards = generator.choice(options.shards)
        try:
            wrong, acknowledged = round_run(options, directory, generator, state, shards)
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            wrong, acknowledged = [str(error)], 0
        total += acknowledged
        passed, failed = (passed, failed + 1) if wrong else (passed + 1, failed)
        print(f"round {number + 1}: {shards} shards, {acknowledged} acknowledged{': ' + wrong[0] if wrong else ''}",
              flush=True)
        if wrong:
            print(f"the directory is kept: {scratch}")
            break
    if not failed:
        shutil.rmtree(scratch, ignore_errors=True)
    print(f"{total} acknowledged transactions in all")
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
