#!/usr/bin/env python3
"""Third-party data sets with known answers, imported and queried over Bolt with the official driver.

    datasets.py --bin build/release/bin --data DIR [--only NAME] [--shards 1,2,3]

DIR holds one folder a data set: dataset.json says which file holds which label, relationship type, key and
property; checks.jsonl holds queries with the rows they must give (values as Cypher literals). Each data set is
turned into files with neo4j-admin style headers, imported with quiver-import (or its script is run), and
checked with each number of shards over the same directory. Ends with a line `N passed, N failed`.
"""
import argparse
import csv
import gzip
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import neo4j

IMPORT_TYPES = {"int": "int", "float": "float", "bool": "boolean", "string": "string", "string[]": "string[]"}


class Literal:
    """Reads a Cypher literal: null, booleans, numbers, strings, lists, maps."""

    def __init__(self, text):
        self.text, self.at = text, 0

    def skip(self):
        while self.at < len(self.text) and self.text[self.at] in " \t":
            self.at += 1

    def expect(self, mark):
        self.skip()
        if not self.text.startswith(mark, self.at):
            raise ValueError(f"expected {mark!r} at {self.at} of {self.text!r}")
        self.at += len(mark)

    def peek(self):
        self.skip()
        return self.text[self.at] if self.at < len(self.text) else ""

    def string(self):
        quote = self.text[self.at]
        self.at += 1
        out = []
        while self.text[self.at] != quote:
            if self.text[self.at] == "\\":
                self.at += 1
                out.append({"n": "\n", "t": "\t", "r": "\r"}.get(self.text[self.at], self.text[self.at]))
            else:
                out.append(self.text[self.at])
            self.at += 1
        self.at += 1
        return "".join(out)

    def items(self, close, one):
        out = []
        while self.peek() != close:
            out.append(one())
            if self.peek() == ",":
                self.at += 1
        self.at += 1
        return out

    def entry(self):
        self.skip()
        if self.peek() in "'\"":
            key = self.string()
        else:
            begin = self.at
            while self.text[self.at] not in ": ":
                self.at += 1
            key = self.text[begin:self.at].strip("`")
        self.expect(":")
        return key, self.value()

    def value(self):
        c = self.peek()
        if c in "'\"":
            return self.string()
        if c == "[":
            self.at += 1
            return self.items("]", self.value)
        if c == "{":
            self.at += 1
            return dict(self.items("}", self.entry))
        begin = self.at
        while self.at < len(self.text) and self.text[self.at] not in ",]} ":
            self.at += 1
        word = self.text[begin:self.at]
        if word in ("null", "true", "false"):
            return {"null": None, "true": True, "false": False}[word]
        return float(word) if any(m in word for m in ".eEnN") else int(word)


def literal(text):
    reader = Literal(text)
    value = reader.value()
    if reader.peek():
        raise ValueError(f"text follows the literal: {text!r}")
    return value


def same(expected, got, unordered):
    if isinstance(expected, float) or isinstance(got, float):
        return isinstance(got, (int, float)) and not isinstance(got, bool) and expected is not None \
            and math.isclose(expected, got, rel_tol=1e-9, abs_tol=1e-12)
    if isinstance(expected, list):
        if not isinstance(got, list) or len(expected) != len(got):
            return False
        if unordered:
            return key(expected, True) == key(got, True)
        return all(same(e, g, unordered) for e, g in zip(expected, got))
    if isinstance(expected, dict):
        return isinstance(got, dict) and expected.keys() == got.keys() \
            and all(same(expected[k], got[k], unordered) for k in expected)
    return type(expected) is type(got) and expected == got


def key(value, unordered):
    """Something sortable that is equal for equal values."""
    if isinstance(value, list):
        items = [key(v, unordered) for v in value]
        return "[" + ",".join(sorted(items) if unordered else items) + "]"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, float):
        return f"{value:.9g}"
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)


def rows_same(expected, got, ordered, unordered_lists):
    if len(expected) != len(got):
        return False
    if not ordered:
        expected = sorted(expected, key=lambda r: key(r, unordered_lists))
        got = sorted(got, key=lambda r: key(r, unordered_lists))
    return all(len(e) == len(g) and all(same(x, y, unordered_lists) for x, y in zip(e, g))
               for e, g in zip(expected, got))


def source_rows(folder, info, name):
    path = os.path.join(folder, name)
    opened = open(path, newline="", encoding="utf-8") if os.path.exists(path) \
        else gzip.open(path + ".gz", "rt", newline="", encoding="utf-8")
    with opened as file:
        quoting = csv.QUOTE_MINIMAL if info.get("quoted", True) else csv.QUOTE_NONE
        reader = csv.reader(file, delimiter=info.get("delimiter", ","), quoting=quoting)
        if info.get("header", True):
            next(reader)
        yield from reader


def convert_nodes(folder, info, node, path):
    space = "_".join(sorted(node["labels"]))
    columns = node.get("columns", [])
    with open(path, "w", newline="", encoding="utf-8") as file:
        out = csv.writer(file, delimiter=",", quoting=csv.QUOTE_MINIMAL)
        if "range" in node:
            out.writerow([f":ID({space})", f"{node['key']}:int"])
            out.writerows([i, i] for i in range(node["range"][0], node["range"][1] + 1))
            return space
        header, label_columns, key_column = [f":ID({space})"], {}, None
        for i, column in enumerate(columns):
            if "label" in column:
                label_columns[i] = column["label"]
                header.append(":LABEL")
            else:
                header.append(f"{column['name']}:{IMPORT_TYPES[column['type']]}")
                key_column = i if column["name"] == node["key"] else key_column
        out.writerow(header)
        for row in source_rows(folder, info, node["file"]):
            row = row[:len(columns)]
            fields = [label_columns[i][f] if i in label_columns else f for i, f in enumerate(row)]
            out.writerow([row[key_column]] + fields)
    return space


def convert_rels(folder, info, rel, spaces, path):
    from_column, to_column = rel.get("fromColumn", 0), rel.get("toColumn", 1)
    columns = rel.get("columns", [])
    with open(path, "w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow([f":START_ID({spaces[rel['from']]})", f":END_ID({spaces[rel['to']]})"]
                     + [f"{c['name']}:{IMPORT_TYPES[c['type']]}" for c in columns])
        for row in source_rows(folder, info, rel["file"]):
            if row[from_column] and row[to_column]:
                out.writerow([row[from_column], row[to_column]] + [row[c["column"]] for c in columns])


def import_dataset(options, folder, info, directory, scratch):
    command = [os.path.join(options.bin, "quiver-import"), "--data", directory, "--quiet"]
    spaces = {}
    for i, node in enumerate(info["nodes"]):
        path = os.path.join(scratch, f"nodes-{i}.csv")
        space = convert_nodes(folder, info, node, path)
        for label in node["labels"]:
            spaces[label] = space
        command += ["--nodes", ":".join(node["labels"]) + "=" + path]
    for i, rel in enumerate(info["rels"]):
        path = os.path.join(scratch, f"rels-{i}.csv")
        convert_rels(folder, info, rel, spaces, path)
        command += ["--relationships", rel["type"] + "=" + path]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


class Daemon:
    def __init__(self, options, directory, shards):
        self.process = subprocess.Popen(
            [os.path.join(options.bin, "quiverd"), "--data", directory, "--listen", "127.0.0.1:0", "--shards", str(shards)],
            stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if "bolt://" not in line:
            raise RuntimeError(f"quiverd did not start: {line!r}")
        self.uri = "bolt://" + line.split("bolt://")[1].split()[0]

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        if self.process.wait(timeout=60) != 0:
            raise RuntimeError("quiverd did not stop cleanly")


def load_checks(folder):
    with open(os.path.join(folder, "checks.jsonl"), encoding="utf-8") as file:
        for line in file:
            check = json.loads(line)
            if "queryFile" in check:
                found = [p for p in (os.path.join(folder, "queries", check["queryFile"]),
                                     os.path.join(folder, "..", "queries", check["queryFile"])) if os.path.exists(p)]
                with open(found[0], encoding="utf-8") as query:
                    check["query"] = query.read().rstrip().rstrip(";")
            yield check


def run_check(session, check):
    params = {name: literal(text) for name, text in check["params"].items()}
    result = session.run(neo4j.Query(check["query"], timeout=120), params)
    columns = result.keys()
    got = [[plain(v) for v in record.values()] for record in result]
    if list(columns) != check["columns"]:
        return f"columns {list(columns)}, expected {check['columns']}"
    expected = [[literal(cell) for cell in row] for row in check["rows"]]
    if rows_same(expected, got, check.get("ordered", False), check.get("unorderedLists", False)):
        return None
    return f"{len(got)} rows {str(got)[:300]}, expected {len(expected)} rows {str(expected)[:300]}"


def plain(value):
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    return value


def check_dataset(options, name, folder, info, directory):
    passed = failed = 0
    for shards in options.shards:
        daemon = Daemon(options, directory, shards)
        with neo4j.GraphDatabase.driver(daemon.uri, auth=None) as driver, driver.session() as session:
            if "script" in info and shards == options.shards[0]:
                with open(os.path.join(folder, info["script"]), encoding="utf-8") as script:
                    for statement in [s for s in script.read().split(";\n") if s.strip()]:
                        session.run(statement.rstrip().rstrip(";")).consume()
            if shards == options.shards[0]:
                for node in info.get("nodes", []):
                    session.run(f"CREATE INDEX IF NOT EXISTS FOR (n:{node['labels'][0]}) ON (n.{node['key']})").consume()
            for check in load_checks(folder):
                begin = time.monotonic()
                try:
                    wrong = run_check(session, check)
                except (neo4j.exceptions.Neo4jError, neo4j.exceptions.DriverError) as error:
                    wrong = str(error)
                seconds = time.monotonic() - begin
                passed, failed = (passed, failed + 1) if wrong else (passed + 1, failed)
                if wrong or options.verbose:
                    print(f"{'FAIL' if wrong else 'ok'} {name} --shards {shards} {check['id']} {seconds:.3f} s {wrong or ''}")
        daemon.stop()
    return passed, failed


def datasets_find(root):
    for base, _, files in sorted(os.walk(root)):
        if "checks.jsonl" in files:
            found = next((p for p in (os.path.join(base, "dataset.json"), os.path.join(base, "..", "dataset.json"))
                          if os.path.exists(p)), None)
            if found:
                yield os.path.relpath(base, root), base, found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--only", default="")
    parser.add_argument("--shards", default="1,2,3", type=lambda text: [int(n) for n in text.split(",")])
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    passed = failed = 0
    for name, folder, info_path in datasets_find(options.data):
        if options.only and not name.startswith(options.only):
            continue
        with open(info_path, encoding="utf-8") as file:
            info = json.load(file)
        scratch = tempfile.mkdtemp(prefix="quiver-datasets-")
        try:
            directory = os.path.join(scratch, "db")
            if "nodes" in info:
                import_dataset(options, folder, info, directory, scratch)
            good, bad = check_dataset(options, name, folder, info, directory)
        except (RuntimeError, subprocess.CalledProcessError) as error:
            print(f"FAIL {name}: {error}")
            good, bad = 0, 1
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        print(f"{name}: {good} passed, {bad} failed (--shards {','.join(map(str, options.shards))})", flush=True)
        passed, failed = passed + good, failed + bad
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed or not passed else 0)


if __name__ == "__main__":
    main()
