"""What the decorators make, through the same checks and bytes as with an engine."""

from dataclasses import dataclass
from typing import List, Optional

import pyarrow as pa
import pyarrow.compute as pc
import pytest

import millrace_plugin as mp
from millrace_plugin import testing
from millrace_plugin.testing import OperatorFailed, check, run

TABLE = pa.table({"n": pa.array([1, 2, 3, 4], pa.int64()), "text": ["a", "bb", None, "dddd"]})


def refused(op, table=TABLE, config=None):
    with pytest.raises(mp.Refused) as e:
        testing.declare(op, table.schema, config)
    return str(e.value)


def failed(op, table=TABLE, config=None):
    with pytest.raises(OperatorFailed) as e:
        run(op, table, config=config)
    return e.value


def test_output_replaces_all_columns():
    @mp.operator(output=lambda schema: schema.append(pa.field("twice", pa.int64())))
    def twice(batch):
        return batch.append_column("twice", pc.multiply(batch["n"], 2))

    assert check(twice, TABLE).column("twice").to_pylist() == [2, 4, 6, 8]
    assert twice(pa.record_batch({"n": [5]}))["twice"].to_pylist() == [10]  # it is still a function


def test_output_in_any_order_and_number_of_rows():
    @mp.operator(output=[("b", pa.int64()), ("a", pa.string())], reads=["text", "n"])
    def two(batch):
        assert batch.schema.names == ["n", "text"]
        return pa.table({"a": ["x"] * (2 * batch.num_rows), "b": pa.array([1] * (2 * batch.num_rows))})

    out = run(two, TABLE)
    assert out.column_names == ["b", "a"] and out.num_rows == 8


def test_adds_keeps_the_others():
    @mp.operator(reads=["n"], adds=[pa.field("half", pa.float64())])
    def half(batch):
        assert batch.schema.names == ["n"]
        return pc.divide(batch["n"], 2.0)

    out = check(half, TABLE)
    assert out.column_names == ["n", "text", "half"]
    assert out.column("text").to_pylist() == ["a", "bb", None, "dddd"]
    assert out.column("half").to_pylist() == [0.5, 1.0, 1.5, 2.0]
    assert "one of that name" in refused(half, TABLE.append_column("half", TABLE["n"]))


def test_result_says_where_rows_come_from():
    @mp.operator(reads=["n"], adds=[pa.field("copy", pa.int64())])
    def odd_twice(batch):
        rows = [i for i, n in enumerate(batch["n"].to_pylist()) if n % 2 for _ in range(2)]
        return mp.Result({"copy": [0, 1] * (len(rows) // 2)}, rows)

    out = check(odd_twice, TABLE)
    assert out.to_pydict() == {"n": [1, 1, 3, 3], "text": ["a", "a", None, None], "copy": [0, 1, 0, 1]}


def test_keeps_with_other_names():
    @mp.operator(reads=["n"], output=pa.schema([("label", pa.string()), ("m", pa.int64())]), keeps={"label": "text"})
    def renamed(batch):
        return {"m": pc.add(batch["n"], 1)}

    assert check(renamed, TABLE).to_pydict() == {"label": ["a", "bb", None, "dddd"], "m": [2, 3, 4, 5]}
    assert 'no column "text" (did you mean "texts"?)' in refused(renamed, pa.table({"n": [1], "texts": ["a"]})).replace("'", '"')


def test_filter():
    @mp.filter(reads=["text"])
    def long(batch):
        return pc.greater(pc.utf8_length(batch["text"]), 1)  # null for null

    assert check(long, TABLE).column("n").to_pylist() == [2, 4]
    assert testing.declare(long, TABLE.schema) == TABLE.schema

    @mp.filter
    def short(batch):
        return [True]

    assert "1 values for 4 rows" in failed(short).text

    @mp.filter
    def numbers(batch):
        return batch["n"]

    assert "is int64, and bool is declared" in failed(numbers).text


def test_configuration():
    @dataclass
    class Settings:
        factor: int
        names: Optional[List[str]] = None

    @mp.operator(reads=["n"], adds=lambda schema, config: [(f"times_{config.factor}", pa.int64())], config=Settings)
    def times(batch, config):
        return pc.multiply(batch["n"], config.factor)

    assert run(times, TABLE, config={"factor": 3}).column("times_3").to_pylist() == [3, 6, 9, 12]
    assert run(times, TABLE, config=Settings(2)).column_names[-1] == "times_2"
    assert 'field "factor" is missing' in refused(times)
    assert 'unknown field "facto"' in refused(times, config={"facto": 3}) and "did you mean" in refused(times, config={"facto": 3})
    assert 'field "factor" is "3", and int is wanted' in refused(times, config={"factor": "3"})
    assert 'field "names"[0] is 1, and str is wanted' in refused(times, config={"factor": 1, "names": [1]})
    assert "not JSON" in refused(times, config=b"{")
    assert "an object is wanted" in refused(times, config=b"[]")

    @mp.operator(output=lambda s: s)
    def same(batch):
        return batch

    assert "takes no configuration" in refused(same, config={"a": 1})

    @mp.operator(output=lambda s: s)
    class Raw:
        def __init__(self, config: bytes):
            self.config = config

        def process(self, batch, context):
            assert self.config == b"raw" and context.number == 9
            return batch

    assert run(Raw, TABLE, config=b"raw", context=mp.Context(number=9)).num_rows == 4


def test_reads_of_fields_demand_types():
    @mp.operator(reads=[pa.field("n", pa.int64(), nullable=False)], adds=[("x", pa.int64())])
    def strict(batch):
        return batch["n"]

    assert 'column "n" may be null' in refused(strict)
    assert 'column "n" is string, and int64 is wanted' in refused(strict, pa.table({"n": ["a"]}))
    assert 'no column "n"' in refused(strict, pa.table({"m": ["a"]}))
    assert run(strict, pa.table({"n": [1]}, schema=pa.schema([pa.field("n", pa.int64(), False)]))).num_rows == 1


@pytest.mark.parametrize("value, said", [
    (None, "is None"),
    (5, "is int; return a record batch"),
    ({"yy": [1, 2, 3, 4]}, "'y' is missing (did you mean 'yy'?)"),
    ({"y": [1, 2]}, "2 rows for 4"),
    ({"y": ["a"] * 4}, "cannot be of type int64"),
    ({"y": pa.array([1, 2, 3, 4], pa.int32())}, "is int32, and int64 is declared"),
    ({"y": [1, None, 3, 4]}, "1 nulls, the first in row 1"),
    ({"y": [1, 2, 3, 4], "z": [1, 2, 3, 4]}, "'z' is not declared"),
    (mp.Result({"y": [1]}, [4]), "number 4 in row 0, where 0 to 3"),
    (mp.Result({"y": [1]}, [0, 1]), "1 rows, and says of 2"),
])
def test_wrong_output_is_said(value, said):
    @mp.operator(adds=[pa.field("y", pa.int64(), False)])
    def wrong(batch):
        return value

    e = failed(wrong)
    assert said in e.text and "what wrong returns" in e.text and e.kind == "OPERATOR"


def test_layouts_of_the_same_values_are_taken():
    @mp.operator(output=[("a", pa.string()), ("b", pa.list_(pa.string())), ("c", pa.string())])
    def wide(batch):
        return {"a": pa.array(["x"], pa.large_string()), "b": pa.chunked_array([pa.array([["y"]], pa.large_list(pa.large_string()))]), "c": pa.array(["z"]).dictionary_encode()}

    assert run(wide, TABLE).to_pydict() == {"a": ["x"], "b": [["y"]], "c": ["z"]}


def test_exceptions_have_the_users_frames():
    def inner():
        raise KeyError("x")

    @mp.operator(output=lambda s: s)
    def raises(batch):
        try:
            inner()
        except KeyError as e:
            raise ValueError("no luck") from e

    e = failed(raises)
    assert e.text == "ValueError: no luck"
    assert "millrace_plugin/_" not in e.stack and "in raises" in e.stack and "KeyError: 'x'" in e.stack and e.stack.endswith("ValueError: no luck")

    @mp.operator(output=lambda s: s)
    def ends(batch):
        raise SystemExit(3)

    assert failed(ends).text == "SystemExit: 3"

    @mp.operator(output=lambda s: s[7])
    def cannot(batch):
        return batch

    assert "IndexError" in refused(cannot) and "test_operators.py:" in refused(cannot)


def test_messages_of_any_text():
    @mp.operator(output=lambda s: s)
    def shouts(batch):
        raise ValueError("\ud800" + "x" * 10_000_000)

    e = failed(shouts)
    assert e.text.startswith("ValueError: ?xxx") and len(e.text) < 40_000 and "characters …" in e.text

    @mp.operator
    class Refuses:
        def declare(self, schema):
            raise mp.Refused("not \udfff")

        def process(self, batch):
            return batch

    assert refused(Refuses) == "not ?"


def test_mistakes_at_import():
    for decorate, said in (
        (lambda: mp.operator()(lambda b: b), "exactly one of output, adds"),
        (lambda: mp.operator(output=1, adds=1)(lambda b: b), "exactly one of"),
        (lambda: mp.operator(output=1, frame="dask")(lambda b: b), "pandas and polars"),
        (lambda: mp.operator(output=1, config=dict)(lambda b: b), "no parameter config"),
        (lambda: mp.scalar()(lambda b: b), "say its result"),
        (lambda: mp.keyed(state=1)(lambda b: b), "give output"),
    ):
        with pytest.raises(TypeError, match=said):
            decorate()


def test_types_that_do_not_travel_are_refused():
    @mp.operator(adds=[("x", pa.large_string())])
    def large(batch):
        return batch

    assert "type large_string does not travel between engine and plugin; declare pa.string()" in refused(large)


def test_frames_of_pandas():
    pytest.importorskip("pandas")

    @mp.operator(frame="pandas", adds=[("len", pa.int64()), ("next", pa.int64())])
    def lengths(df):
        out = df[["n"]].copy()
        out["len"] = df["text"].str.len()
        out["next"] = df["n"] + 1
        return out[["len", "next"]]

    big = pa.table({"n": pa.array([1, None, (1 << 62) + 1], pa.int64()), "text": ["a", None, "ccc"]})
    assert check(lengths, big).select(["len", "next"]).to_pydict() == {"len": [1, None, 3], "next": [2, None, (1 << 62) + 2]}

    @mp.filter(frame="pandas", reads=["n"])
    def some(df):
        return df["n"] > 2

    assert run(some, TABLE).column("n").to_pylist() == [3, 4]

    @mp.operator(adds=[("y", pa.int64())])
    def frameless(batch):
        return batch.to_pandas()

    assert 'frame="pandas"' in failed(frameless).text


def test_frames_of_polars():
    pl = pytest.importorskip("polars")

    @mp.operator(frame="polars", output=[("text", pa.string()), ("n", pa.int64())])
    def sorted_(df):
        return df.filter(pl.col("n") > 1).select("n", "text")

    assert check(sorted_, TABLE).to_pydict() == {"text": ["bb", None, "dddd"], "n": [2, 3, 4]}


def test_scalar_of_any_arguments():
    @mp.scalar(result=lambda *args: pa.field("n", pa.int64(), nullable=len(args) > 1))
    def number(*args):
        return [len(args)] * len(args[0])

    assert testing.run_scalar(number, pa.array([1]), pa.array(["a"])).to_pylist() == [2]


def test_scalar():
    @mp.scalar(args=[pa.string(), pa.field("n", pa.int64(), nullable=False)], result=pa.string())
    def times(text, n):
        return pc.binary_repeat(text, n)

    assert testing.run_scalar(times, pa.array(["a", None]), pa.array([3, 1])).to_pylist() == ["aaa", None]
    for arrays, said in (([pa.array(["a"])], "takes 2 arguments, and is given 1"), ([pa.array(["a"]), pa.array(["b"])], "argument 2 of times is string"), ([pa.array(["a"]), pa.array([None], pa.int64())], "may be null")):
        with pytest.raises(mp.Refused, match=said):
            testing.run_scalar(times, *arrays)


@mp.aggregate(partial=[("sum", pa.int64()), ("rows", pa.int64())], output=lambda key, rows: pa.schema([("mean", pa.float64())]))
class Mean:
    def partial(self, rows, of, keys):
        return self.sums(rows["v"], [1] * rows.num_rows, of, keys)

    def merge(self, partials, of, keys):
        out = self.sums(partials["sum"], partials["rows"].to_pylist(), of, keys)
        return {"mean": [s / n for s, n in zip(out["sum"], out["rows"])]}

    def sums(self, values, counts, of, keys):
        sums, rows = [0] * keys, [0] * keys
        for v, c, k in zip(values.to_pylist(), counts, of.to_pylist()):
            sums[k] += v
            rows[k] += c
        return {"sum": sums, "rows": rows}


def test_aggregate():
    table = pa.table({"k": ["a", "b", "a", "a", "b"], "v": [1, 2, 3, 8, 4]})
    for pieces in (1, 2, 5):
        assert testing.run_aggregate(Mean, table, ["k"], pieces=pieces).to_pydict() == {"k": ["a", "b"], "mean": [4.0, 3.0]}

    @mp.aggregate(partial=[("a", pa.int64())], output=[("a", pa.int64())])
    class Short:
        def partial(self, rows, of, keys):
            return {"a": [1]}

        merge = partial

    with pytest.raises(OperatorFailed, match="what partial of Short returns has 1 rows for 2 keys"):
        testing.run_aggregate(Short, table, ["k"])


@mp.keyed(state=[pa.field("count", pa.int64(), False)], output=[pa.field("count", pa.int64(), False)])
def counts(input, context):
    n = input.keys.num_rows
    count = input.state["count"].to_pylist()
    for k in input.of.to_pylist():
        count[k] += 1
    due = input.due.to_pylist()
    actions = [mp.DELETE if d else mp.SET for d in due]
    emit = [k for k in range(n) if due[k]]
    return mp.KeyedOutput(actions, {"count": count}, [context.time + 2_000_000] * n, {"count": [count[k] for k in emit]}, emit)


def test_keyed():
    def batch(*keys):
        return pa.table({"k": pa.array(keys, pa.string()), "v": pa.array([0] * len(keys), pa.int64())})

    out = testing.run_keyed(counts, [batch("a", "b", "a"), batch("a"), batch(), batch("c"), batch()], ["k"])
    assert [o.to_pydict() for o in out] == [
        {"k": [], "count": []}, {"k": [], "count": []}, {"k": ["b"], "count": [1]}, {"k": ["a"], "count": [3]}, {"k": [], "count": []}]

    @mp.keyed(state=[("count", pa.int64())], output=[("timer", pa.int64())])
    def lazy(input, context):
        """Sets a timer with a key's first rows, and lets it run."""
        timers = None if pc.all(input.exists).as_py() else [context.time + 2_500_000] * input.keys.num_rows
        return mp.KeyedOutput([mp.SET] * input.keys.num_rows, {"count": input.state["count"]}, timers, {"timer": input.timers}, range(input.keys.num_rows))

    out = testing.run_keyed(lazy, [batch("a"), batch("a"), batch(), batch("a"), batch("a")], ["k"])
    assert [o["timer"].to_pylist() for o in out] == [[0], [2_500_000], [], [0], [0]]

    @mp.keyed(state=[("count", pa.int64())], output=[("count", pa.int64())])
    def wrong(input):
        return mp.KeyedOutput([mp.SET] * input.keys.num_rows)

    with pytest.raises(OperatorFailed, match="actions with SET, and no state"):
        testing.run_keyed(wrong, [batch("a")], ["k"])


@mp.source(schema=[("n", pa.int64())])
class Numbers:
    def __init__(self, config: dict):
        self.rows = config["rows"]

    def partitions(self):
        return [mp.Partition("p0", b"", 0, self.rows), mp.Partition("p1", b"x", 5, -1)]

    def read(self, partition, start, limit):
        rows = list(range(start, min(self.rows, start + 3)))
        if not rows:
            raise mp.EndOfPartition
        return mp.Rows({"n": rows}, rows, rows[-1] + 1, self.rows)


def test_state_of_any_type():
    from values import TYPES

    for t in TYPES:
        @mp.keyed(state=[pa.field("s", t, False)], output=[("n", pa.int64())])
        def keeps(input):
            return mp.KeyedOutput([mp.SET] * input.keys.num_rows, input.state)

        assert len(testing.run_keyed(keeps, [pa.table({"k": ["a"], "v": [1]})] * 2, ["k"])) == 2


def test_source():
    out = testing.run_source(Numbers, config={"rows": 8})
    assert out.column("offset").to_pylist() == [0, 1, 2, 3, 4, 5, 6, 7, 5, 6, 7]
    assert out.column("partition_key").to_pylist() == ["p0"] * 8 + ["p1"] * 3

    @mp.source(schema=[("n", pa.int64())])
    class Fickle(Numbers):
        def __init__(self, config: dict):
            self.rows, self.calls = 3, 0

        def read(self, partition, start, limit):
            self.calls += 1
            return mp.Rows({"n": [self.calls]}, [start], start + 1, 3)

    with pytest.raises(AssertionError, match="gives other rows"):
        testing.run_source(Fickle, config={})

    @mp.source(schema=[("n", pa.int64())])
    class Falling(Numbers):
        def read(self, partition, start, limit):
            return mp.Rows({"n": [1, 2]}, [start + 1, start], start + 2)

    with pytest.raises(OperatorFailed, match="offsets must ascend"):
        testing.run_source(Falling, config={"rows": 1})


STORE = {}


@mp.sink
class Store:
    def check(self, schema, keys):
        mp.require(schema, "n", pa.int64())

    def lane(self, number, lanes, owner):
        last = STORE.get("owner", owner)
        if last.id == owner.id and last.epoch > owner.epoch:
            raise mp.Fenced(f"epoch {owner.epoch}")
        STORE["owner"] = owner
        return StoreLane()


class StoreLane:
    def __init__(self):
        self.marker = STORE.get("marker")

    def stage(self, batches, context):
        self.staged = (context.number, [n for b in batches for n in b["n"].to_pylist()])

    def publish(self, marker, context):
        STORE.setdefault("rows", []).append(self.staged)
        STORE["marker"] = marker


def test_sink():
    lane = testing.open_lane(Store, TABLE.schema, owner=mp.Owner("a", 2))
    assert lane.marker is None
    lane.stage(1, TABLE.to_batches())
    lane.publish(1, b"one")
    lane.flush()
    lane.close()
    assert STORE["rows"] == [(1, [1, 2, 3, 4])]
    assert testing.open_lane(Store, TABLE.schema, owner=mp.Owner("a", 3)).marker == b"one"
    with pytest.raises(OperatorFailed) as e:
        testing.open_lane(Store, TABLE.schema, owner=mp.Owner("a", 2))
    assert e.value.kind == "FENCED"
    assert testing.open_lane(Store, TABLE.schema, owner=mp.Owner("b", 1)).marker == b"one"
    assert STORE["owner"] == mp.Owner("b", 1)
    with pytest.raises(mp.Refused):
        testing.open_lane(Store, pa.schema([("m", pa.int64())]))


def test_check_finds_what_depends_on_record_batches():
    @mp.operator(adds=[("at", pa.int64())])
    def position(batch):
        return list(range(batch.num_rows))

    with pytest.raises(AssertionError, match="in record batches of 1 rows"):
        check(position, TABLE)


def test_keeps_what_it_was_given():
    """Memory of a record batch is the operator's."""
    kept = []

    @mp.operator(output=lambda s: s)
    def keeps(batch):
        kept.append(batch)
        return batch

    run(keeps, TABLE, size=1)
    assert [b["n"].to_pylist() for b in kept] == [[1], [2], [3], [4]]
