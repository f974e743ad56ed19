"""Runs operators without an engine, through the same checks and the same bytes: for their tests.

    from millrace_plugin.testing import run

    def test_total():
        assert run(total, pa.table({"price": [2.0], "amount": [3.0]})).column("total").to_pylist() == [6.0]

What an engine would refuse raises Refused, and a call that fails raises OperatorFailed.
"""

from __future__ import annotations

import dataclasses
import decimal
import json
from typing import Any, Dict, List, Optional, Sequence, Tuple

import pyarrow as pa

from . import _kinds, plugin_pb2 as pb
from ._calls import Calls, Channel, PartOut, Server
from ._channels import pieces_of
from ._codec import Codec, empty_columns
from .errors import Refused
from .operators import offer_of
from .types import DELETE, KEEP, SET, Context, Owner, Partition

__all__ = ["OperatorFailed", "declare", "run", "check", "run_scalar", "run_aggregate", "run_keyed", "run_source", "open_lane", "Lane"]


class OperatorFailed(Exception):
    """A call failed: what the engine's log would say."""

    def __init__(self, kind: str, text: str, stack: str) -> None:
        super().__init__(f"{text}\n{stack}" if stack else text)
        self.kind, self.text, self.stack = kind, text, stack


class _Direct(Channel):
    """Parts are the bytes that would lie in shared memory."""

    limit = most = 1 << 31

    def decode(self, part: pb.Part, codec: Codec) -> Any:
        return codec.decode(pa.py_buffer(part.raw))

    def encode(self, resp: pb.Response, parts: Sequence[PartOut]) -> None:
        for codec, rows in parts:
            if rows is None:
                resp.parts.add(absent=True)
            else:
                resp.parts.add(raw=pieces_of(codec, rows))


class _Host:
    """An engine's side of one operator."""

    def __init__(self, op: Any, schemas: Sequence[Any], config: Any, keys: int = 0) -> None:
        offer = offer_of(op)
        self.server = Server("test", "1", [offer])
        req = pb.DeclareRequest(declaration=1, operator=offer.name, config=config_bytes(config), keys=keys)
        req.schemas.extend(s.serialize().to_pybytes() for s in schemas)
        self.declared = self.server.declare(req)
        if self.declared.refusal:
            raise Refused(self.declared.refusal)
        self.schemas = [pa.ipc.read_schema(pa.py_buffer(s)) for s in self.declared.schemas]
        self.calls = Calls(self.server, _Direct())
        self.sent = 0

    def call(self, method: Any, parts: Sequence[Tuple[Any, Any]] = (), context: Context = Context(), numbers: Sequence[int] = (), blobs: Sequence[bytes] = ()) -> pb.Response:
        self.sent += 1
        req = pb.Request(id=self.sent, declaration=1, method=method, numbers=numbers, blobs=blobs)
        req.batch.CopyFrom(pb.Batch(number=context.number, time=context.time, partition=context.partition, final=context.final))
        for schema, rows in parts:
            req.parts.add(absent=True) if rows is None else req.parts.add(raw=pieces_of(Codec(schema), rows))
        (resp,) = list(self.calls.answer(pb.Request.FromString(req.SerializeToString())))
        if resp.HasField("failure"):
            f = resp.failure
            raise OperatorFailed(pb.Failure.Kind.Name(f.kind), f.text, f.stack)
        return pb.Response.FromString(resp.SerializeToString())


def _part(resp: pb.Response, i: int, schema: Any) -> Any:
    """Part i of a response, None if it is absent."""
    if i >= len(resp.parts) or resp.parts[i].WhichOneof("data") == "absent":
        return None
    return Codec(schema).decode(pa.py_buffer(resp.parts[i].raw))


def config_bytes(config: Any) -> bytes:
    """A configuration as a job would give it: bytes as they are, and JSON of anything else."""
    if config is None:
        return b""
    if isinstance(config, bytes):
        return config
    return json.dumps(dataclasses.asdict(config) if dataclasses.is_dataclass(config) and not isinstance(config, type) else config).encode()


def _rows(rows: Any) -> Any:
    """Rows as one record batch."""
    if isinstance(rows, pa.RecordBatch):
        return rows
    if not isinstance(rows, pa.Table):
        rows = pa.Table.from_batches(rows)
    batches = rows.combine_chunks().to_batches()
    if len(batches) > 1:
        raise ValueError("a table of more than 2 GiB")
    return batches[0] if batches else pa.RecordBatch.from_arrays([pa.array([], f.type) for f in rows.schema], schema=rows.schema)


def declare(op: Any, schema: Any, config: Any = None) -> Any:
    """The schema that an operator declares for rows of schema. Raises Refused."""
    return _Host(op, [schema], config).schemas[0]


def run(op: Any, rows: Any, *, config: Any = None, context: Context = Context(), size: Optional[int] = None) -> Any:
    """The output of an operator or filter for rows (a table, record batch, or list of these) as a table, with the columns that are kept.

    size is how many rows a record batch has; None: all in one.
    """
    whole = _rows(rows)
    host = _Host(op, [whole.schema], config)
    d, output = host.declared, host.schemas[0]
    keeps = list(d.keeps) or [-1] * len(output)
    computed = pa.schema([f for f, k in zip(output, keeps) if k < 0])
    read = pa.schema([whole.schema.field(i) for i in d.reads]) if d.reads_some else whole.schema
    tables = []
    step = size or max(1, whole.num_rows)
    for lo in range(0, max(1, whole.num_rows), step):
        piece = whole.slice(lo, step)
        given = empty_columns(read, piece.num_rows) if not len(read) else pa.RecordBatch.from_arrays([piece.column(piece.schema.get_field_index(f.name)) for f in read], schema=read)
        resp = host.call(pb.PROCESS, [(read, given)], context)
        tables.append(_kept(resp, piece, output, keeps, computed))
    return pa.concat_tables(tables)


def _kept(resp: pb.Response, piece: Any, output: Any, keeps: Sequence[int], computed: Any) -> Any:
    """An answer with the columns that it leaves to the engine."""
    n = resp.numbers[0]
    rows, origin = _part(resp, 0, computed), _part(resp, 1, _kinds.FROM)
    columns, at = [], 0
    for f, k in zip(output, keeps):
        if k >= 0:
            columns.append(piece.column(k) if origin is None else piece.column(k).take(origin.column(0)))
        else:
            columns.append(rows.column(at) if rows is not None else pa.array([], f.type))
            at += 1
    if not columns:
        return pa.Table.from_batches([empty_columns(output, n)])
    return pa.Table.from_arrays(columns, schema=output)


def check(op: Any, rows: Any, *, config: Any = None, context: Context = Context()) -> Any:
    """run, after a proof that the output does not depend on how rows are cut into record batches, nor on earlier calls. Raises AssertionError."""
    whole = _rows(rows)
    want = run(op, whole, config=config, context=context)
    for size in (1, 2, 3, max(1, whole.num_rows // 2)):
        got = run(op, whole, config=config, context=context, size=size)
        if not _same(got, want):
            raise AssertionError(f"in record batches of {size} rows the output is another than in one of {whole.num_rows}:\n{got}\nand\n{want}")
    return want


def _same(a: Any, b: Any) -> bool:
    """Whether tables have equal bytes, as the engine compares them: NaN equals NaN."""
    return a.num_rows == b.num_rows and (a.num_columns == 0 or pieces_of(Codec(a.schema), _rows(a)) == pieces_of(Codec(b.schema), _rows(b)))


def run_scalar(op: Any, *arrays: Any, config: Any = None) -> Any:
    """What a scalar gives for arrays, one for each argument. An argument may be null if its array has nulls."""
    schema = pa.schema([pa.field(f"arg{i}", a.type, a.null_count > 0) for i, a in enumerate(arrays)])
    host = _Host(op, [schema], config)
    resp = host.call(pb.PROCESS, [(schema, pa.RecordBatch.from_arrays(list(arrays), schema=schema))])
    return _part(resp, 0, host.schemas[0]).column(0)


def run_aggregate(op: Any, rows: Any, key: Sequence[str], *, config: Any = None, pieces: int = 2, context: Context = Context()) -> Any:
    """The results of an aggregate, a row for each key in order of first appearance, as a table behind the columns of the key.

    Rows are cut into pieces whose partial results are merged, as those of several tasks are.
    """
    whole = _rows(rows)
    keys, values = _split(whole, key)
    host = _Host(op, [keys.schema, values.schema], config)
    partials, ofs, all_keys = [], [], _Numbers()
    step = max(1, -(-whole.num_rows // pieces))
    for lo in range(0, whole.num_rows, step):
        numbers = _Numbers()
        of = [numbers.of(k) for k in keys.slice(lo, step).to_pylist()]
        resp = host.call(pb.PARTIAL, [(values.schema, values.slice(lo, step)), (_kinds.OF, _of(of))], context, [len(numbers.rows)])
        partials.append(_part(resp, 0, host.schemas[0]))
        ofs += [all_keys.of(k) for k in numbers.rows]
    merged = _rows(pa.Table.from_batches(partials, schema=host.schemas[0]))
    resp = host.call(pb.MERGE, [(host.schemas[0], merged), (_kinds.OF, _of(ofs))], context, [len(all_keys.rows)])
    out = _part(resp, 0, host.schemas[1])
    first = pa.Table.from_pylist(all_keys.rows, schema=keys.schema)
    return pa.Table.from_arrays(list(first.columns) + list(out.columns), schema=pa.schema(list(keys.schema) + list(host.schemas[1])))


class _Numbers:
    """Numbers of keys, in order of first appearance."""

    def __init__(self) -> None:
        self.rows: List[Any] = []
        self.known: Dict[str, int] = {}

    def of(self, row: Any) -> int:
        name = repr(sorted(row.items()))
        if name not in self.known:
            self.known[name] = len(self.rows)
            self.rows.append(row)
        return self.known[name]


def _split(whole: Any, key: Sequence[str]) -> Tuple[Any, Any]:
    """The columns of the key, and the others."""
    names = [n for n in whole.schema.names if n not in key]

    def part(list_: Sequence[str]) -> Any:
        schema = pa.schema([whole.schema.field(n) for n in list_])
        return pa.RecordBatch.from_arrays([whole.column(whole.schema.get_field_index(n)) for n in list_], schema=schema) if list_ else empty_columns(schema, whole.num_rows)

    return part(list(key)), part(names)


def _of(numbers: Sequence[int]) -> Any:
    return pa.RecordBatch.from_arrays([pa.array(numbers, pa.int32())], schema=_kinds.OF)


def run_keyed(op: Any, batches: Sequence[Any], key: Sequence[str], *, config: Any = None, times: Optional[Sequence[int]] = None) -> List[Any]:
    """The outputs of a keyed operator for batches, a table each: state and timers are kept as the engine keeps them, in one partition.

    times are the batches' times in µs; None: a second apart, from 0 on.
    """
    wholes = [_rows(b) for b in batches]
    keys, values = _split(wholes[0], key)
    host = _Host(op, [keys.schema, values.schema], config)
    state_schema, out_schema = host.schemas
    known, state, timers = _Numbers(), {}, {}  # type: _Numbers, Dict[int, Any], Dict[int, int]
    outputs = []
    for number, whole in enumerate(wholes):
        now = times[number] if times is not None else number * 1_000_000
        keys, values = _split(whole, key)
        due = sorted(k for k, t in timers.items() if t <= now)
        here = list(due)
        of = []
        for row in keys.to_pylist():
            k = known.of(row)
            if k not in here:
                here.append(k)
            of.append(here.index(k))
        states = pa.Table.from_pylist([state[k] if k in state else _zero(state_schema) for k in here], schema=state_schema)
        flags = pa.RecordBatch.from_arrays([pa.array([k in state for k in here], pa.bool_()), pa.array([k in due for k in here], pa.bool_()),
                                             pa.array([0 if k in due else timers.get(k, 0) for k in here], pa.int64())], schema=_kinds.FLAGS)
        given = _rows(pa.Table.from_pylist([known.rows[k] for k in here], schema=keys.schema))
        resp = host.call(pb.UPDATE, [(keys.schema, given), (values.schema, values), (_kinds.OF, _of(of)), (state_schema, _rows(states)), (_kinds.FLAGS, flags)],
                         Context(number, now, 0, number == len(wholes) - 1))
        after = _part(resp, 0, state_schema)
        stored = after.to_pylist() if after is not None else []
        for i, (k, action) in enumerate(zip(here, _part(resp, 1, _kinds.ACTIONS).to_pylist())):
            if k in due and action["action"] == KEEP:
                timers.pop(k, None)
            if action["action"] == SET:
                state[k] = stored[i]
            if action["action"] == DELETE:
                state.pop(k, None)
            if action["action"] != KEEP:
                timers.pop(k, None)
                if action["action"] == SET and action["timer"]:
                    timers[k] = action["timer"]
        out = _part(resp, 2, out_schema)
        order = [known.rows[here[i]] for i in _part(resp, 3, _kinds.OUT_OF).column(0).to_pylist()]
        rows = out if out is not None else _rows(pa.table({f.name: pa.array([], f.type) for f in out_schema}, schema=out_schema))
        first = pa.Table.from_pylist(order, schema=keys.schema)
        outputs.append(pa.Table.from_arrays(list(first.columns) + list(rows.columns), schema=pa.schema(list(keys.schema) + list(out_schema))))
    return outputs


def _zero(schema: Any) -> Dict[str, Any]:
    """A row of state of a key that has none."""
    return {f.name: None if f.nullable else _zero_of(f.type) for f in schema}


def _zero_of(t: Any) -> Any:
    p = pa.types
    if p.is_struct(t):
        return _zero(pa.schema([t.field(i) for i in range(t.num_fields)]))
    if p.is_list(t) or p.is_map(t):
        return []
    if p.is_string(t) or p.is_binary(t):
        return "" if p.is_string(t) else b""
    if p.is_fixed_size_binary(t):
        return bytes(t.byte_width)
    if p.is_boolean(t):
        return False
    if p.is_decimal(t):
        return decimal.Decimal(0)
    return pa.array([0], pa.int64()).cast(pa.int32() if t.bit_width == 32 and p.is_temporal(t) else pa.int64()).cast(t)[0].as_py()


def run_source(op: Any, *, config: Any = None, limit: int = 1 << 20, reads: int = 1000) -> Any:
    """All rows of all partitions of a source, as a table with the columns partition_key and offset before its own.

    Each partition is read until it is complete, or up to the end that it says, in at most so many reads, and every piece twice: a source must give
    the same rows again. Raises AssertionError if it does not.
    """
    host = _Host(op, [], config)
    (schema,) = host.schemas
    listed = host.call(pb.PARTITIONS)
    tables = [pa.table({"partition_key": pa.array([], pa.string()), "offset": pa.array([], pa.int64()), **{f.name: pa.array([], f.type) for f in schema}})]
    for i in range(len(listed.numbers) // 2):
        p = Partition(listed.blobs[2 * i].decode(), listed.blobs[2 * i + 1], listed.numbers[2 * i], listed.numbers[2 * i + 1])
        at = p.start
        for _ in range(reads):
            if 0 <= p.end <= at:
                break
            numbers, blobs = [p.start, p.end, at, limit], [p.key.encode(), p.meta]
            try:
                resp, again = (host.call(pb.READ, numbers=numbers, blobs=blobs) for _ in range(2))
            except OperatorFailed as e:
                if e.kind == "END":
                    break
                raise
            if resp.parts != again.parts or resp.numbers[0] != again.numbers[0]:
                raise AssertionError(f"partition {p.key} gives other rows when it is read again from offset {at}")
            rows = _part(resp, 0, schema)
            if rows is not None:
                offsets = _part(resp, 1, _kinds.OFFSETS).column(0)
                tables.append(pa.table({"partition_key": pa.array([p.key] * len(offsets), pa.string()), "offset": offsets, **dict(zip(schema.names, rows.columns))}))
            at = resp.numbers[0]
    return pa.concat_tables(tables)


class Lane:
    """A sink's lane, as the engine drives it."""

    def __init__(self, host: _Host, schema: Any, partition: int, marker: Optional[bytes]) -> None:
        self.host, self.schema, self.partition = host, schema, partition
        #: What was published last.
        self.marker = marker

    def stage(self, number: int, batches: Sequence[Any]) -> None:
        self.host.call(pb.STAGE, [(self.schema, b) for b in batches], Context(number, partition=self.partition))

    def publish(self, number: int, marker: bytes) -> None:
        self.host.call(pb.PUBLISH, context=Context(number, partition=self.partition), blobs=[marker])

    def flush(self) -> None:
        self.host.call(pb.FLUSH)

    def close(self) -> None:
        self.host.calls.close()


def open_lane(op: Any, schema: Any, *, keys: int = 0, number: int = 0, lanes: int = 1, owner: Owner = Owner("test/1", 1), config: Any = None) -> Lane:
    """Takes a lane of a sink over, for rows of schema."""
    host = _Host(op, [schema], config, keys)
    resp = host.call(pb.LANE, numbers=[number, lanes, owner.epoch], blobs=[owner.id.encode()])
    return Lane(host, schema, number, resp.blobs[0] if resp.blobs else None)


