"""The conformance plugin in Python: the operators that plugins/plugintest/README.md lists, by these names. With --concurrent one process does for all."""

from __future__ import annotations

import base64
import json
import os
import sys
from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Tuple

import pyarrow as pa
import pyarrow.compute as pc

from millrace_plugin import (DELETE, KEEP, SET, Context, Declaration, EndOfPartition, Fenced, KeyedInput, KeyedOutput, Owner, Partition, Refused, Result, Rows,
                             aggregate, filter, keyed, operator, require, scalar, serve, sink, source)


def whole(name: str, type: Any) -> Any:
    """A column that is not nullable."""
    return pa.field(name, type, nullable=False)


N, TEXT = whole("n", pa.int64()), whole("text", pa.string())


def array(values: Any) -> Any:
    return pa.array(values, pa.int64())


@operator(output=lambda schema: schema)
def identity(batch: Any) -> Any:
    return batch


@operator(reads=[], output=lambda schema: schema, keeps=lambda schema: schema.names)
def keep(batch: Any) -> Any:
    return None


@operator(reads=[], output=pa.schema([]))
def drop(batch: Any) -> Any:
    return batch


@filter(reads=[N])
def even(batch: Any) -> Any:
    return pc.equal(pc.bit_wise_and(batch["n"], 1), 0)


@operator(reads=[], output=lambda schema: schema, keeps=lambda schema: schema.names)
def double(batch: Any) -> Any:
    return Result(None, [i // 2 for i in range(2 * batch.num_rows)])


@operator(reads=[N], adds=[whole("i", pa.int64())])
def repeat(batch: Any) -> Any:
    times = [n & 3 for n in batch["n"].to_pylist()]
    return Result(array([k for t in times for k in range(t)]), [i for i, t in enumerate(times) for _ in range(t)])


@operator(name="with", reads=[N, TEXT], adds=[whole("size", pa.int64()), whole("sum", pa.int64())])
def with_(batch: Any) -> Any:
    size = pc.binary_length(batch["text"]).cast(pa.int64())
    return {"size": size, "sum": pc.add(batch["n"], size)}


@operator
class replace:
    def declare(self, schema: Any) -> Declaration:
        at = schema.get_field_index(require(schema, "n", pa.int64(), nullable=False).name)
        return Declaration(schema.set(at, whole("n", pa.string())), reads=["n"], keeps=[c for c in schema.names if c != "n"])

    def process(self, batch: Any) -> Any:
        return batch["n"].cast(pa.string())


@operator(reads=[TEXT], output=pa.schema([whole("word", pa.string()), whole("at", pa.int64())]))
def words(batch: Any) -> Any:
    out, at = [], []
    for text in batch["text"].cast(pa.binary()).to_pylist():
        pos = 0
        for word in text.split(b" "):
            if word:
                out.append(word)
                at.append(pos)
            pos += len(word) + 1
    return {"word": pa.array(out, pa.binary()).cast(pa.string()), "at": array(at)}


@operator(reads=[pa.field("text", pa.string())], adds=[pa.field("length", pa.int64())])
def nullable(batch: Any) -> Any:
    return pc.binary_length(batch["text"]).cast(pa.int64())


@dataclass
class Factor:
    factor: int = 0


@operator(reads=[N], adds=[whole("scaled", pa.int64())])
def scale(batch: Any, config: Factor) -> Any:
    return pc.multiply(batch["n"], pa.scalar(config.factor, pa.int64()))


@operator(reads=[], adds=[whole("number", pa.int64()), whole("time", pa.int64()), whole("partition", pa.int64()), whole("final", pa.bool_())])
def batch(rows: Any, context: Context) -> Any:
    n = rows.num_rows
    return {"number": array([context.number] * n), "time": array([context.time] * n), "partition": array([context.partition] * n), "final": [context.final] * n}


@operator(reads=[N], output=pa.schema([TEXT]))
def blow(batch: Any) -> Any:
    return pa.array(["x" * max(n, 0) for n in batch["n"].to_pylist()], pa.string())


@operator(reads=[N], output=lambda schema: schema, keeps=lambda schema: schema.names)
def fail(batch: Any) -> Any:
    for n in batch["n"].to_pylist():
        if n < 0:
            raise ValueError(f"negative n: {n}")


@operator(reads=[N], output=lambda schema: schema, keeps=lambda schema: schema.names)
def panic(batch: Any) -> Any:
    if 13 in batch["n"].to_pylist():
        raise RuntimeError("unlucky")


@operator
class refuse:
    def declare(self, schema: Any) -> Declaration:
        raise Refused(f"not wanted: {len(schema)} columns")

    def process(self, batch: Any) -> Any:
        raise AssertionError("never declared")


@scalar(args=[pa.float64()], result=lambda x: pa.field("value", pa.float64(), x.nullable))
def half(x: Any) -> Any:
    return pc.divide(x, 2.0)


@scalar(args=[pa.string(), pa.int64()], result=lambda text, n: pa.field("value", pa.string(), text.nullable or n.nullable))
def label(text: Any, n: Any) -> Any:
    return pc.binary_join_element_wise(text, n.cast(pa.string()), ":")


@scalar(result=lambda *args: one_argument(args))
def isnull(x: Any) -> Any:
    return x.is_null()


def one_argument(args: Any) -> Any:
    if len(args) != 1:
        raise Refused(f"isnull takes 1 argument, and is given {len(args)}")
    return whole("value", pa.bool_())


@aggregate
class sum:
    def schemas(self, key: Any, rows: Any) -> Any:
        require(rows, "n", pa.int64(), nullable=False)
        require(rows, "x", pa.float64(), nullable=False)
        partial = pa.schema([N, whole("x", pa.float64()), whole("rows", pa.int64())])
        return partial, pa.schema([*partial, pa.field("mean", pa.float64())])

    def partial(self, rows: Any, of: Any, keys: int) -> Any:
        return self.sums(rows["n"], rows["x"], [1] * rows.num_rows, of, keys)

    def merge(self, partials: Any, of: Any, keys: int) -> Any:
        out = self.sums(partials["n"], partials["x"], partials["rows"].to_pylist(), of, keys)
        return {**out, "mean": pa.array([x / n if n else None for x, n in zip(out["x"].to_pylist(), out["rows"].to_pylist())], pa.float64())}

    def sums(self, n: Any, x: Any, count: List[int], of: Any, keys: int) -> Dict[str, Any]:
        """In order of rows: sums of floating numbers depend on it."""
        ns, xs, rows = [0] * keys, [0.0] * keys, [0] * keys
        for key, a, b, c in zip(of.to_pylist(), n.to_pylist(), x.to_pylist(), count):
            ns[key] = wrapped(ns[key] + a)
            xs[key] += b
            rows[key] += c
        return {"n": array(ns), "x": pa.array(xs, pa.float64()), "rows": array(rows)}


def wrapped(n: int) -> int:
    """n as 64 bits have it."""
    return (n + (1 << 63)) % (1 << 64) - (1 << 63)


@keyed
class count:
    def schemas(self, key: Any, rows: Any) -> Any:
        require(rows, "n", pa.int64(), nullable=False)
        state = pa.schema([whole("count", pa.int64()), whole("sum", pa.int64())])
        return state, pa.schema([whole("what", pa.string()), *state])

    def update(self, input: KeyedInput, context: Context) -> KeyedOutput:
        n = input.keys.num_rows
        rows: List[List[int]] = [[] for _ in range(n)]
        for key, value in zip(input.of.to_pylist(), input.rows["n"].to_pylist()):
            rows[key].append(value)
        states: List[Optional[Tuple[int, int]]] = [s if e else None for s, e in zip(zip(input.state["count"].to_pylist(), input.state["sum"].to_pylist()), input.exists.to_pylist())]
        actions, timers, out = [KEEP] * n, input.timers.to_pylist(), []
        for k, due in enumerate(input.due.to_pylist()):
            if due:
                out.append((k, "expired", *(states[k] or (0, 0))))
                actions[k], states[k] = DELETE, None
        for k in range(n):
            if not rows[k] or all(v == -2 for v in rows[k]):
                continue
            c, s = states[k] or (0, 0)
            c = c + len(rows[k])
            for v in rows[k]:
                s = wrapped(s + v)
            if -1 in rows[k]:
                actions[k] = DELETE
                out.append((k, "deleted", c, s))
                continue
            actions[k], states[k] = SET, (c, s)
            if -3 in rows[k]:
                timers[k] = 0
            elif c % 3:
                timers[k] = context.time + 1_000_000 * (c % 3)
            out.append((k, "counted", c, s))
        kept = [s or (0, 0) for s in states]
        state = {"count": array([s[0] for s in kept]), "sum": array([s[1] for s in kept])}
        output = {"what": [o[1] for o in out], "count": array([o[2] for o in out]), "sum": array([o[3] for o in out])}
        return KeyedOutput(actions, state, timers, output, [o[0] for o in out])


@dataclass
class Counting:
    partitions: int = 1
    rows: int = 0
    gap: int = 1


@source(schema=pa.schema([whole("partition", pa.int64()), N, TEXT]))
class counting:
    def __init__(self, config: Counting) -> None:
        self.config = config

    def end(self) -> int:
        return (self.config.rows - 1) * self.config.gap + 1 if self.config.rows else 0

    def partitions(self) -> List[Partition]:
        return [Partition(f"p{i}", str(i).encode(), 0, self.end()) for i in range(self.config.partitions)]

    def read(self, partition: Partition, start: int, limit: int) -> Rows:
        c = self.config
        if partition.key not in {p.key for p in self.partitions()} or partition.key != "p" + partition.meta.decode():
            raise LookupError(f"there is no partition {partition.key} with meta {partition.meta!r}")
        i = int(partition.meta)
        first = -(-max(start, 0) // c.gap)
        rows = range(first, min(c.rows, first + max(1, limit // 32)))
        if not rows:
            raise EndOfPartition
        offsets = array([k * c.gap for k in rows])
        return Rows({"partition": array([i] * len(rows)), "n": array(list(rows)), "text": [f"row {k}" for k in rows]}, offsets, rows[-1] * c.gap + 1, self.end())


@dataclass
class Folder:
    dir: str


@sink
class lines:
    def __init__(self, config: Folder) -> None:
        self.config = config

    def check(self, schema: Any, keys: int) -> None:
        if schema.names != ["n", "text"] or schema.types != [pa.int64(), pa.string()]:
            raise Refused(f'columns "n" (int64) and "text" (string) are wanted, and there are {", ".join(map(str, schema))}')
        if keys > 1:
            raise Refused(f"{keys} key columns, and no more than one can be written")

    def lane(self, number: int, lanes: int, owner: Owner) -> "FileLane":
        return FileLane(os.path.join(self.config.dir, f"lane-{number}.json"), owner)


class FileLane:
    def __init__(self, path: str, owner: Owner) -> None:
        self.path = path
        self.staged: Dict[int, List[Dict[str, Any]]] = {}
        doc = self.read()
        if doc["owner"] == owner.id and doc["epoch"] > owner.epoch:
            raise Fenced(f"epoch {owner.epoch} of {owner.id}, and {doc['epoch']} has {self.path}")
        self.marker = base64.b64decode(doc["marker"]) if "marker" in doc else None
        self.taken = doc["taken"] + 1
        self.write({**doc, "owner": owner.id, "epoch": owner.epoch, "taken": self.taken})

    def read(self) -> Dict[str, Any]:
        doc: Dict[str, Any] = {"owner": "", "epoch": 0, "taken": 0, "batches": []}
        if os.path.exists(self.path):
            with open(self.path) as f:
                doc = json.load(f)
        return doc

    def write(self, doc: Dict[str, Any]) -> None:
        temporary = f"{self.path}.{os.getpid()}"
        with open(temporary, "w") as f:
            json.dump(doc, f)
            f.flush()
            os.fsync(f.fileno())
        os.replace(temporary, self.path)

    def stage(self, batches: List[Any], context: Context) -> None:
        self.staged = {n: rows for n, rows in self.staged.items() if n < context.number}
        self.staged[context.number] = [row for b in batches for row in b.to_pylist()]

    def publish(self, marker: bytes, context: Context) -> None:
        doc = self.read()
        if doc["taken"] != self.taken:
            raise Fenced(f"epoch {doc['epoch']} of {doc['owner']} has taken {self.path} over")
        batches = [b for b in doc["batches"] if b["number"] != context.number]
        batches.append({"number": context.number, "rows": self.staged.get(context.number, [])})
        self.write({**doc, "marker": base64.b64encode(marker).decode(), "batches": batches})


if __name__ == "__main__":
    serve(name="conformance", version="1", concurrent="--concurrent" in sys.argv)
