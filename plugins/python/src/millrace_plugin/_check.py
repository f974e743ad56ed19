"""Brings what operators give into the form that they declared, or says in words what is wrong with it."""

from __future__ import annotations

import difflib
from typing import Any, List, Mapping, Optional, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from ._codec import empty_columns
from .errors import OutputError


def batch(value: Any, schema: Any, what: str) -> Any:
    """value as one record batch of schema. Columns are found by name."""
    if value is None:
        raise OutputError(f"{what} is None; return a record batch (is a return missing?)")
    if isinstance(value, pa.RecordBatch) and value.schema.equals(schema):
        no_nulls(value, what)
        return value
    if len(schema) == 0 and isinstance(value, (pa.RecordBatch, pa.Table)) and value.num_columns == 0:
        return empty_columns(schema, value.num_rows)
    columns = _columns(value, schema, what)
    arrays = [array(columns[f.name], f, what) for f in schema]
    lengths = {f.name: len(a) for f, a in zip(schema, arrays)}
    if len(set(lengths.values())) > 1:
        raise OutputError(f"{what} has columns of different lengths: {_listed(lengths)}")
    if not arrays:
        raise OutputError(f"{what} has no columns; say how many rows it has with Result, or an empty record batch")
    out = pa.RecordBatch.from_arrays(arrays, schema=schema)
    no_nulls(out, what)
    return out


def _listed(lengths: Mapping[str, int]) -> str:
    return ", ".join(f"{k} {v}" for k, v in lengths.items())


def _columns(value: Any, schema: Any, what: str) -> Mapping[str, Any]:
    """The columns of value by name: exactly those of schema."""
    if isinstance(value, (pa.RecordBatch, pa.Table)):
        names, columns = list(value.schema.names), list(value.columns)
    elif isinstance(value, Mapping):
        names, columns = list(value.keys()), list(value.values())
    elif len(schema) == 1 and (isinstance(value, (pa.Array, pa.ChunkedArray, list, tuple)) or hasattr(value, "__array__") and not hasattr(value, "columns")):
        names, columns = [schema[0].name], [value]
    else:
        raise OutputError(f"{what} is {_kind(value)}; return a record batch, a table or a dict of columns{_frame_hint(value)}")
    got = dict(zip(names, columns))
    if len(got) < len(names):
        raise OutputError(f"{what} has a column twice: {', '.join(names)}")
    missing = [f.name for f in schema if f.name not in got]
    more = [n for n in names if schema.get_field_index(n) < 0]
    if missing or more:
        said = f"{what} has the columns {_names(names)}, and {_names(schema.names)} are declared"
        for m in missing:
            said += f"; {m!r} is missing{near(m, more)}"
        for m in more:
            said += f"; {m!r} is not declared"
        raise OutputError(said)
    return got


def _names(names: Sequence[str]) -> str:
    return "[" + ", ".join(names) + "]"


def near(name: str, names: Sequence[str]) -> str:
    """A question whether one of names was meant; empty if none is like it."""
    close = difflib.get_close_matches(name, list(names), 1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _kind(value: Any) -> str:
    t = type(value)
    return t.__name__ if t.__module__ == "builtins" else f"{t.__module__.split('.')[0]}.{t.__name__}"


def _frame_hint(value: Any) -> str:
    root = type(value).__module__.split(".")[0]
    return f'; a data frame comes back where the operator says frame="{root}"' if root in ("pandas", "polars") else ""


def array(value: Any, field: Any, what: str) -> Any:
    """value as one array of field's type."""
    name = f"{what}: column {field.name!r}"
    if isinstance(value, pa.ChunkedArray):
        value = value.combine_chunks()
        if isinstance(value, pa.ChunkedArray):
            value = value.chunk(0) if value.num_chunks else pa.array([], field.type)
    if not isinstance(value, pa.Array):
        try:
            value = pa.array(value, field.type)
        except (pa.ArrowException, TypeError, ValueError, OverflowError) as e:
            raise OutputError(f"{name} cannot be of type {field.type}: {e}") from None
        if isinstance(value, pa.ChunkedArray):
            raise OutputError(f"{name} is larger than the 2 GiB of one record batch")
    if value.type.equals(field.type, check_metadata=True):
        return value
    if value.type == field.type or _only_layout(value.type, field.type):
        try:
            return value.cast(field.type)
        except pa.ArrowException as e:
            raise OutputError(f"{name}: {e}") from None
    raise OutputError(f"{name} is {value.type}, and {field.type} is declared; declare {value.type}, or cast the column")


def _only_layout(got: Any, want: Any) -> bool:
    """Whether got differs from want only in how the same values lie in memory."""
    t = pa.types
    if t.is_dictionary(got):
        return got.value_type == want or _only_layout(got.value_type, want)
    if t.is_null(got):
        return True
    if t.is_string(want):
        return t.is_large_string(got) or str(got) == "string_view"
    if t.is_binary(want):
        return t.is_large_binary(got) or str(got) == "binary_view"
    if t.is_list(want):
        if not (t.is_list(got) or t.is_large_list(got) or t.is_fixed_size_list(got)):
            return False
        return got.value_type == want.value_type or _only_layout(got.value_type, want.value_type)
    if t.is_struct(want) and t.is_struct(got) and got.num_fields == want.num_fields:
        return all(got.field(i).name == want.field(i).name and (got.field(i).type == want.field(i).type or _only_layout(got.field(i).type, want.field(i).type))
                   for i in range(want.num_fields))
    return False


def no_nulls(rows: Any, what: str) -> None:
    for f, a in zip(rows.schema, rows.columns):
        if not f.nullable and a.null_count:
            row = pc.index(a.is_null(), True).as_py()
            raise OutputError(f"{what}: column {f.name!r} has {a.null_count} nulls, the first in row {row}, and is declared as not nullable")


def numbers(value: Any, type_: Any, what: str) -> Any:
    """value as an array of integers without nulls."""
    if isinstance(value, pa.ChunkedArray):
        value = value.combine_chunks()
    try:
        if isinstance(value, pa.Array):
            out = value if value.type == type_ else value.cast(type_)
        else:
            out = pa.array(value, type_)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as e:
        raise OutputError(f"{what} cannot be {type_}: {e}") from None
    if out.null_count:
        raise OutputError(f"{what} has {out.null_count} nulls")
    return out


def below(value: Any, limit: int, what: str) -> Any:
    """value as int32 numbers in [0, limit)."""
    out = numbers(value, pa.int32(), what)
    if len(out):
        ends = pc.min_max(out)
        lo, hi = ends["min"].as_py(), ends["max"].as_py()
        if lo < 0 or hi >= limit:
            bad = lo if lo < 0 else hi
            row = pc.index(out, pa.scalar(bad, pa.int32())).as_py()
            raise OutputError(f"{what}: number {bad} in row {row}, where 0 to {limit - 1} are possible")
    return out


def schema(value: Any, what: str) -> Any:
    """value as a schema, from a schema, fields, or pairs of names and types."""
    if isinstance(value, pa.Schema):
        return value
    if isinstance(value, pa.Field):
        return pa.schema([value])
    try:
        return pa.schema(value)
    except (pa.ArrowException, TypeError, ValueError, AttributeError) as e:
        raise OutputError(f"{what} is {_kind(value)}; give a pa.schema([...]): {e}") from None


def twice(names: Sequence[str]) -> Optional[str]:
    seen: List[str] = []
    for n in names:
        if n in seen:
            return n
        seen.append(n)
    return None
