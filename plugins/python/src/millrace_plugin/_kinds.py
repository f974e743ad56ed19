"""What each kind of operator does with what a user wrote: it declares, calls, and checks what comes back."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

import pyarrow as pa
import pyarrow.compute as pc

from . import _check, _frames
from .errors import OutputError, Refused
from .types import DELETE, SET, Context, Declaration, KeyedInput, KeyedOutput, Owner, Partition, Result, Rows


class Started:
    """A user's operator with its configuration."""

    def __init__(self, name: str, it: Any, methods: Dict[str, Callable[..., Any]], config: Any) -> None:
        self.name, self.it, self.config = name, it, config
        self.methods = {k: bound(f, config if it is None else None) for k, f in methods.items()}

    def asks(self, method: str) -> Optional[Callable[..., Any]]:
        return getattr(self.it, method, None) if self.it is not None else None

    def resolve(self, given: Any, *args: Any) -> Any:
        """given, called with args if it is a function, and with the configuration if it takes one more."""
        if not callable(given) or isinstance(given, (pa.Schema, pa.Field, pa.DataType)):
            return given
        return given(*args, self.config) if _takes(given, len(args) + 1) else given(*args)


def _takes(f: Any, n: int) -> bool:
    """Whether f takes n positional arguments, each under a name of its own."""
    try:
        signature = inspect.signature(f)
        signature.bind(*range(n))
    except (TypeError, ValueError):
        return False
    return all(p.kind != p.VAR_POSITIONAL for p in signature.parameters.values())


def bound(f: Callable[..., Any], config: Any) -> Callable[..., Any]:
    """f, to be called with a context and its arguments: it gets context and configuration by name, if it has such parameters."""
    try:
        names = inspect.signature(f).parameters
    except (TypeError, ValueError):
        return lambda context, *args: f(*args)
    beside = {"config": config} if "config" in names and config is not None else {}
    if "context" in names:
        return lambda context, *args: f(*args, context=context, **beside)
    return lambda context, *args: f(*args, **beside)


def require(schema: Any, name: str, type: Any = None, nullable: bool = True) -> Any:
    """See operators.require."""
    at = schema.get_field_index(name)
    if at < 0:
        listed = ", ".join(f'"{n}"' for n in schema.names) or "none"
        raise Refused(f'no column "{name}"{_check.near(name, schema.names)}; there are {listed}')
    f = schema.field(at)
    if type is not None and f.type != type:
        raise Refused(f'column "{name}" is {f.type}, and {type} is wanted')
    if f.nullable and not nullable:
        raise Refused(f'column "{name}" may be null, and one that is not nullable is wanted')
    return f


@dataclass(frozen=True)
class Plan:
    """A declaration of a map, with columns by number."""

    output: Any
    reads: Optional[List[int]]
    keeps: Optional[List[int]]  # by column of output, -1 where it is computed
    computed: Any  # schema of what is computed
    input: Any  # schema of what is read


def planned(schema: Any, d: Declaration, name: str) -> Plan:
    output = _check.schema(d.output, f"{name}: output")
    again = _check.twice(output.names)
    if again is not None:
        raise Refused(f'{name}: two columns of the output are named "{again}"')
    reads = None
    if d.reads is not None:
        reads = sorted({schema.get_field_index(_read(schema, r)) for r in d.reads})
    keeps = None
    if d.keeps is not None:
        keeps = _keeps(schema, output, d.keeps, name)
    computed = output if keeps is None else pa.schema([f for f, k in zip(output, keeps) if k < 0])
    return Plan(output, reads, keeps, computed, schema if reads is None else pa.schema([schema.field(r) for r in reads]))


def _read(schema: Any, want: Any) -> str:
    if isinstance(want, pa.Field):
        return str(require(schema, want.name, want.type, want.nullable).name)
    return str(require(schema, want).name)


def _keeps(schema: Any, output: Any, keeps: Any, name: str) -> List[int]:
    of = dict(keeps) if hasattr(keeps, "items") else {k: k for k in keeps}
    for k in of:
        if output.get_field_index(k) < 0:
            raise Refused(f'{name}: keeps "{k}", which is not in the output')
    out = []
    for f in output:
        if f.name not in of:
            out.append(-1)
            continue
        kept = require(schema, of[f.name])
        if kept.type != f.type or kept.nullable and not f.nullable:
            raise Refused(f'{name}: output column "{f.name}" ({_said(f)}) keeps "{kept.name}" ({_said(kept)}): types differ')
        out.append(schema.get_field_index(kept.name))
    return out


def _said(f: Any) -> str:
    return f"{f.type}" if f.nullable else f"{f.type} not null"


class Map:
    """An operator from rows to rows."""

    def __init__(self, user: Started, output: Any, adds: Any, reads: Any, keeps: Any, frame: Optional[str]) -> None:
        self.user, self.output, self.adds, self.reads, self.keeps, self.frame = user, output, adds, reads, keeps, frame

    def declare(self, schema: Any) -> Plan:
        user = self.user
        if self.frame:
            _frames.load(self.frame)
        ask = user.asks("declare")
        if ask is not None:
            d = ask(schema)
            if not isinstance(d, Declaration):
                raise OutputError(f"{user.name}: declare gives {type(d).__name__}, and a Declaration is wanted")
        elif self.adds is not None:
            added = _check.schema(user.resolve(self.adds, schema), f"{user.name}: adds")
            for f in added:
                if schema.get_field_index(f.name) >= 0:
                    raise Refused(f'{user.name} adds column "{f.name}", and the input has one of that name')
            d = Declaration(pa.schema(list(schema) + list(added)), user.resolve(self.reads, schema), schema.names)
        else:
            d = Declaration(user.resolve(self.output, schema), user.resolve(self.reads, schema), user.resolve(self.keeps, schema))
        self.plan = planned(schema, d, user.name)
        return self.plan

    def process(self, context: Context, rows: Any) -> Tuple[Any, Any, int]:
        """The computed columns, None if there are none; where rows come from, None if they are those of the input; how many there are."""
        given = _frames.of_batch(self.frame, rows) if self.frame else rows
        value = self.user.methods["process"](context, given)
        origin = None
        if isinstance(value, Result):
            value, origin = value.columns, value.from_rows
        return self.checked(value, origin, rows.num_rows)

    def checked(self, value: Any, origin: Any, n: int) -> Tuple[Any, Any, int]:
        plan, what = self.plan, f"what {self.user.name} returns"
        if origin is not None:
            if plan.keeps is None:
                raise OutputError(f"{what} says where rows come from, and keeps no columns")
            origin = _check.below(origin, n, f"{what}: from_rows")
        if len(plan.computed) == 0 and (value is None or plan.keeps is not None and len(plan.keeps)):
            return None, origin, n if origin is None else len(origin)
        if self.frame:
            value = _frames.to_columns(value, plan.computed)
        out = _check.batch(value, plan.computed, what)
        if origin is not None and len(origin) != out.num_rows:
            raise OutputError(f"{what} has {out.num_rows} rows, and says of {len(origin)} where they come from")
        if origin is None and plan.keeps is not None and out.num_rows != n and len(plan.computed) < len(plan.output):
            raise OutputError(f"{what} has {out.num_rows} rows for {n}, and columns are kept: give a value for each row, or Result(columns, from_rows)")
        return (out if len(plan.computed) else None), origin, out.num_rows


class Filter(Map):
    """A map that keeps rows for which a function is true."""

    def __init__(self, user: Started, reads: Any, frame: Optional[str]) -> None:
        super().__init__(user, None, None, reads, None, frame)

    def declare(self, schema: Any) -> Plan:
        if self.frame:
            _frames.load(self.frame)
        self.plan = planned(schema, Declaration(schema, self.user.resolve(self.reads, schema), schema.names), self.user.name)
        return self.plan

    def process(self, context: Context, rows: Any) -> Tuple[Any, Any, int]:
        n = rows.num_rows
        given = _frames.of_batch(self.frame, rows) if self.frame else rows
        value = self.user.methods["process"](context, given)
        want = pa.schema([pa.field("keep", pa.bool_())])
        if self.frame:
            value = _frames.to_columns(value, want)
        what = f"what filter {self.user.name} returns"
        if value is None or isinstance(value, (pa.RecordBatch, pa.Table, dict)):
            raise OutputError(f"{what} is {type(value).__name__}, and an array of booleans is wanted")
        keep = _check.array(value, want[0], what)
        if len(keep) != n:
            raise OutputError(f"{what} has {len(keep)} values for {n} rows")
        if keep.true_count == n:
            return None, None, n
        origin = pc.indices_nonzero(keep).cast(pa.int32())
        return None, origin, len(origin)


class Scalar:
    """A function of columns, row by row."""

    def __init__(self, user: Started, args: Optional[Sequence[Any]], result: Any) -> None:
        self.user, self.args, self.result = user, args, result

    def declare(self, schema: Any) -> Any:
        name = self.user.name
        if self.args is not None:
            if len(schema) != len(self.args):
                raise Refused(f"{name} takes {len(self.args)} arguments, and is given {len(schema)}")
            for i, (f, want) in enumerate(zip(schema, self.args)):
                t, nullable = (want.type, want.nullable) if isinstance(want, pa.Field) else (want, True)
                if f.type != t:
                    raise Refused(f"argument {i + 1} of {name} is {f.type}, and {t} is wanted")
                if f.nullable and not nullable:
                    raise Refused(f"argument {i + 1} of {name} may be null, and one that is not nullable is wanted")
        result = self.user.resolve(self.result, *schema)
        if isinstance(result, pa.DataType):
            result = pa.field("value", result)
        if not isinstance(result, pa.Field):
            raise OutputError(f"{name}: result is {type(result).__name__}, and a type or a field is wanted")
        self.output = pa.schema([result])
        return self.output

    def eval(self, context: Context, rows: Any) -> Any:
        what = f"what {self.user.name} returns"
        value = self.user.methods["eval"](context, *rows.columns)
        if value is None or isinstance(value, (pa.RecordBatch, pa.Table)):
            raise OutputError(f"{what} is {type(value).__name__}, and an array is wanted")
        a = _check.array(value, self.output[0], what)
        if len(a) != rows.num_rows:
            raise OutputError(f"{what} has {len(a)} values for {rows.num_rows} rows")
        return _check.batch(pa.RecordBatch.from_arrays([a], schema=self.output), self.output, what)


def _two(user: Started, first: Any, second: Any, key: Any, rows: Any) -> Tuple[Any, Any]:
    """The two schemas that an aggregate or a keyed operator declares."""
    ask = user.asks("schemas")
    a, b = ask(key, rows) if ask is not None else (user.resolve(first, key, rows), user.resolve(second, key, rows))
    return _check.schema(a, f"{user.name}: first schema"), _check.schema(b, f"{user.name}: output")


class Aggregate:
    """Partial results, merged."""

    def __init__(self, user: Started, partial: Any, output: Any) -> None:
        self.user, self.given = user, (partial, output)

    def declare(self, key: Any, rows: Any) -> Tuple[Any, Any]:
        self.schemas = _two(self.user, *self.given, key, rows)
        return self.schemas

    def partial(self, context: Context, rows: Any, of: Any, keys: int) -> Any:
        return self.checked("partial", self.user.methods["partial"](context, rows, of, keys), self.schemas[0], keys)

    def merge(self, context: Context, rows: Any, of: Any, keys: int) -> Any:
        return self.checked("merge", self.user.methods["merge"](context, rows, of, keys), self.schemas[1], keys)

    def checked(self, method: str, value: Any, schema: Any, keys: int) -> Any:
        what = f"what {method} of {self.user.name} returns"
        out = _check.batch(value, schema, what)
        if out.num_rows != keys:
            raise OutputError(f"{what} has {out.num_rows} rows for {keys} keys")
        return out


class Keyed:
    """Rows of a key together, with state."""

    def __init__(self, user: Started, state: Any, output: Any) -> None:
        self.user, self.given = user, (state, output)

    def declare(self, key: Any, rows: Any) -> Tuple[Any, Any]:
        self.schemas = _two(self.user, *self.given, key, rows)
        return self.schemas

    def update(self, context: Context, given: KeyedInput) -> Tuple[Any, Any, Any, Any]:
        """State or None, actions, output or None, key numbers of the output."""
        n, what = given.keys.num_rows, f"what update of {self.user.name} returns"
        out = self.user.methods["update"](context, given)
        if not isinstance(out, KeyedOutput):
            raise OutputError(f"{what} is {type(out).__name__}, and a KeyedOutput is wanted")
        actions = _check.numbers(out.actions, pa.uint8(), f"{what}: actions")
        timers = given.timers if out.timers is None else _check.numbers(out.timers, pa.int64(), f"{what}: timers")
        if len(actions) != n or len(timers) != n:
            raise OutputError(f"{what}: {len(actions)} actions and {len(timers)} timers for {n} keys")
        if n and pc.max(actions).as_py() > DELETE:
            raise OutputError(f"{what}: action {pc.max(actions).as_py()}, where there are KEEP, SET and DELETE")
        state = None
        if out.state is not None:
            state = _check.batch(out.state, self.schemas[0], f"{what}: state")
            if state.num_rows != n:
                raise OutputError(f"{what}: {state.num_rows} rows of state for {n} keys")
        elif n and pc.any(pc.equal(actions, SET)).as_py():
            raise OutputError(f"{what}: actions with SET, and no state")
        rows, of = None, pa.array([], pa.int32())
        if out.output is not None:
            rows = _check.batch(out.output, self.schemas[1], f"{what}: output")
            if out.of is None:
                raise OutputError(f"{what}: rows of output, and of does not say of which key each is")
            of = _check.below(out.of, n, f"{what}: of")
            if len(of) != rows.num_rows:
                raise OutputError(f"{what}: {rows.num_rows} rows of output with {len(of)} key numbers")
        both = pa.RecordBatch.from_arrays([actions, timers], schema=ACTIONS)
        return state, both, rows, pa.RecordBatch.from_arrays([of], schema=OUT_OF)


def _one(name: str, t: Any) -> Any:
    return pa.schema([pa.field(name, t, False)])


# Schemas of the parts that are the same for all operators of a kind.
FROM, OF, OUT_OF, OFFSETS = _one("from", pa.int32()), _one("of", pa.int32()), _one("out_of", pa.int32()), _one("offsets", pa.int64())
FLAGS = pa.schema([pa.field("exists", pa.bool_(), False), pa.field("due", pa.bool_(), False), pa.field("timer", pa.int64(), False)])
ACTIONS = pa.schema([pa.field("action", pa.uint8(), False), pa.field("timer", pa.int64(), False)])


class Source:
    """Replayable partitions."""

    def __init__(self, user: Started, schema: Any) -> None:
        self.user, self.given = user, schema

    def declare(self) -> Any:
        ask = self.user.asks("schema")
        value = ask() if self.given is None and ask is not None else self.user.resolve(self.given)
        self.schema = _check.schema(value, f"{self.user.name}: schema")
        return self.schema

    def partitions(self) -> List[Partition]:
        out = list(self.user.methods["partitions"](Context()))
        for p in out:
            if not isinstance(p, Partition):
                raise OutputError(f"partitions of {self.user.name} gives {type(p).__name__}, and a Partition is wanted")
        again = _check.twice([p.key for p in out])
        if again is not None:
            raise OutputError(f"partitions of {self.user.name} gives two with the key {again!r}")
        return out

    def read(self, p: Partition, start: int, limit: int) -> Tuple[Any, Any, int, int]:
        """Rows or None, their offsets, where to read on, the partition's end."""
        what = f"what read of {self.user.name} returns"
        got = self.user.methods["read"](Context(), p, start, limit)
        if not isinstance(got, Rows):
            raise OutputError(f"{what} is {type(got).__name__}, and Rows is wanted")
        if got.next < start:
            raise OutputError(f"{what}: rows from offset {start} on end before it, at {got.next}")
        if got.batch is None:
            return None, None, got.next, got.end
        rows = _check.batch(got.batch, self.schema, what)
        offsets = _check.numbers(got.offsets, pa.int64(), f"{what}: offsets")
        n = len(offsets)
        if n != rows.num_rows:
            raise OutputError(f"{what}: {rows.num_rows} rows with {n} offsets")
        if n and (offsets[0].as_py() < start or offsets[n - 1].as_py() >= got.next or n > 1 and not pc.all(pc.less(offsets[: n - 1], offsets[1:])).as_py()):
            raise OutputError(f"{what}: offsets must ascend, from {start} to below {got.next}")
        return rows, pa.RecordBatch.from_arrays([offsets], schema=OFFSETS), got.next, got.end


class Sink:
    """Lanes that publish rows once."""

    def __init__(self, user: Started) -> None:
        self.user = user

    def check(self, schema: Any, keys: int) -> None:
        ask = self.user.asks("check")
        if ask is not None:
            ask(schema, keys)

    def lane(self, n: int, lanes: int, owner: Owner) -> "Lane":
        return Lane(self.user.name, self.user.methods["lane"](Context(partition=n), n, lanes, owner))


class Lane:
    """One ordered output."""

    def __init__(self, name: str, it: Any) -> None:
        for m in ("stage", "publish", "marker"):
            if not hasattr(it, m):
                raise OutputError(f"lane of {name} is {type(it).__name__}, which has no {m}")
        self.it = it
        self.stage, self.publish = bound(it.stage, None), bound(it.publish, None)

    def marker(self) -> Optional[bytes]:
        m = self.it.marker() if callable(self.it.marker) else self.it.marker
        if m is not None and not isinstance(m, bytes):
            raise OutputError(f"a lane's marker is {type(m).__name__}, and bytes are wanted")
        return m

    def flush(self) -> None:
        if hasattr(self.it, "flush"):
            self.it.flush()

    def close(self) -> None:
        if hasattr(self.it, "close"):
            self.it.close()
