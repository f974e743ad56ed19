"""Columns of all types that travel, random and with the oddities that Arrow allows."""

from __future__ import annotations

import decimal
import random
from typing import Any, List

import pyarrow as pa

TYPES: List[Any] = [
    pa.bool_(), pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64(), pa.float32(), pa.float64(),
    pa.string(), pa.binary(), pa.timestamp("us", "UTC"), pa.timestamp("ns"), pa.date32(), pa.date64(), pa.time32("s"), pa.time64("us"), pa.duration("ms"),
    pa.decimal128(20, 3), pa.decimal256(50, 2), pa.binary(5), pa.list_(pa.int64()), pa.list_(pa.field("item", pa.string(), False)),
    pa.struct([pa.field("a", pa.int64()), pa.field("b", pa.string(), False), pa.field("c", pa.bool_(), False)]), pa.struct([]),
    pa.map_(pa.string(), pa.int64()), pa.list_(pa.list_(pa.bool_())),
    pa.list_(pa.struct([pa.field("x", pa.decimal128(9, 1)), pa.field("y", pa.list_(pa.int16()), False)])),
    pa.struct([pa.field("s", pa.struct([pa.field("m", pa.map_(pa.string(), pa.string()), False), pa.field("d", pa.date32(), False)]), False)]),
]


def value(r: random.Random, t: Any, nullable: bool = True) -> Any:
    """A random value of type t, as pa.array takes it."""
    if nullable and r.random() < 0.25:
        return None
    p = pa.types
    if p.is_boolean(t):
        return r.random() < 0.5
    if p.is_string(t):
        return "".join(r.choice("aé😀 z") for _ in range(r.randrange(6)))
    if p.is_binary(t) or p.is_fixed_size_binary(t):
        return r.randbytes(r.randrange(6) if t == pa.binary() else t.byte_width)
    if p.is_decimal(t):
        return decimal.Decimal(r.randrange(-10**8, 10**8)).scaleb(-t.scale)
    if p.is_map(t):
        return [(str(i), value(r, t.item_type)) for i in range(r.randrange(3))]
    if p.is_list(t):
        return [value(r, t.value_type, t.value_field.nullable) for _ in range(r.randrange(4))]
    if p.is_struct(t):
        return {t.field(i).name: value(r, t.field(i).type, t.field(i).nullable) for i in range(t.num_fields)}
    if p.is_floating(t):
        return r.choice([0.0, -0.0, 1.5, float("inf"), float(r.randrange(1000))])
    # Whole days, and whole microseconds, which Python's own types can hold.
    return r.randrange(100) * (86_400_000 if p.is_date64(t) else 1000 if p.is_timestamp(t) else 1)


def column(r: random.Random, t: Any, n: int, nullable: bool = True) -> Any:
    return pa.array([value(r, t, nullable) for _ in range(n)], t)


def dirty(a: Any, valid: List[bool]) -> Any:
    """a with nulls where valid is false, under which its values remain."""
    bitmap = pa.array(valid, pa.bool_()).buffers()[1]
    bufs = a.buffers()
    if pa.types.is_nested(a.type):
        kids = [a.values] if not pa.types.is_struct(a.type) else [a.field(i) for i in range(a.type.num_fields)]
        return pa.Array.from_buffers(a.type, len(a), [bitmap] + ([bufs[1]] if not pa.types.is_struct(a.type) else []), children=kids)
    return pa.Array.from_buffers(a.type, len(a), [bitmap] + bufs[1:])
