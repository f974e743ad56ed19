"""Record batches as data frames of pandas and polars, which are imported where an operator asks for them."""

from __future__ import annotations

from typing import Any, Dict

import pyarrow as pa

FRAMES = ("pandas", "polars")


def load(kind: str) -> None:
    """Imports what kind needs, so that a job is refused, and does not fail, where it is not installed."""
    __import__(kind)


def of_batch(kind: str, batch: Any) -> Any:
    if kind == "polars":
        import polars

        return polars.from_arrow(batch)
    return _pandas(batch)


def _pandas(batch: Any) -> Any:
    """Columns of integers and booleans that may have nulls get pandas' nullable types, by the schema and not by what is in the batch."""
    import pandas as pd

    nullable = {
        pa.bool_(): pd.BooleanDtype(), pa.int8(): pd.Int8Dtype(), pa.int16(): pd.Int16Dtype(), pa.int32(): pd.Int32Dtype(), pa.int64(): pd.Int64Dtype(),
        pa.uint8(): pd.UInt8Dtype(), pa.uint16(): pd.UInt16Dtype(), pa.uint32(): pd.UInt32Dtype(), pa.uint64(): pd.UInt64Dtype(),
    }
    columns: Dict[str, Any] = {}
    for f, a in zip(batch.schema, batch.columns):
        columns[f.name] = a.to_pandas(types_mapper=nullable.get) if f.nullable and f.type in nullable else a.to_pandas()
    return pd.DataFrame(columns, index=pd.RangeIndex(batch.num_rows))


def to_columns(value: Any, schema: Any) -> Any:
    """A data frame or series as columns of Arrow; what is neither, unchanged."""
    root = type(value).__module__.split(".")[0]
    if root == "polars":
        if hasattr(value, "to_arrow"):
            return value.to_arrow()
    elif root == "pandas" and hasattr(value, "columns"):
        return {name: _from_pandas(value[name], schema) for name in value.columns}
    elif root == "pandas":
        return _from_pandas(value, schema, schema[0].name if len(schema) == 1 else None)
    elif isinstance(value, dict):
        return {k: _from_pandas(v, schema, k) if type(v).__module__.startswith("pandas") else to_columns(v, schema) for k, v in value.items()}
    return value


def _from_pandas(series: Any, schema: Any, name: Any = None) -> Any:
    at = schema.get_field_index(str(name if name is not None else series.name))
    if at < 0:
        return pa.array(series, from_pandas=True)
    try:
        return pa.Array.from_pandas(series, type=schema[at].type)
    except (pa.ArrowException, TypeError, ValueError):
        return pa.array(series, from_pandas=True)  # the check of types says what is wrong
