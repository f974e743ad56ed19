"""Record batches as counts and buffers, without their schema: what lies in shared memory.

The form is canonical, equal bytes for equal rows: null rows are zero, offsets begin at 0, bits behind the end are zero. See docs/plugins-protocol.md.
Nothing here looks at single values: a column is a handful of buffers, and the few that are not canonical go through pyarrow's kernels.
"""

from __future__ import annotations

import struct
from typing import Any, List, Optional, Tuple, Union

import pyarrow as pa
import pyarrow.compute as pc

from .errors import OutputError, WireError

VERSION = 1
BITS, FIXED, TEXT, LIST, STRUCT = range(5)
_INT32_MAX = (1 << 31) - 1
_ZEROS = bytes(8)

# What can be written and read again without a copy.
Bytes = Union[bytes, bytearray, memoryview]


class Column:
    """How a column of one field lies in memory."""

    __slots__ = ("name", "type", "nullable", "shape", "width", "kids", "plain", "zero")

    def __init__(self, field: Any, path: str = "") -> None:
        t = field.type
        self.name: str = path + field.name
        self.type, self.nullable = t, field.nullable
        self.width = 0
        self.plain: Any = None  # the type as which values under nulls are made zero
        self.zero: Any = None
        kids: List[Any] = []
        if pa.types.is_boolean(t):
            self.shape = BITS
        elif pa.types.is_string(t) or pa.types.is_binary(t):
            self.shape = TEXT
        elif pa.types.is_map(t):
            # The entries of a map are never null, and neither are their keys.
            entry = pa.struct([pa.field("key", t.key_type, False), t.item_field])
            self.shape, kids = LIST, [pa.field("entries", entry, False)]
            self.plain = pa.list_(kids[0])
        elif pa.types.is_list(t):
            self.shape, kids = LIST, [t.value_field]
        elif pa.types.is_struct(t):
            self.shape, kids = STRUCT, [t.field(i) for i in range(t.num_fields)]
        else:
            self.shape, self.width = FIXED, _width(t)
            if self.width == 0:
                raise OutputError(f"column {self.name}: type {t} does not travel between engine and plugin{_instead(t)}")
            self.plain = _INTS.get(self.width) or pa.binary(self.width)
            self.zero = pa.scalar(0 if self.width in _INTS else bytes(self.width), self.plain)
        self.kids = [Column(k, self.name + ".") for k in kids]


_INTS = {1: pa.int8(), 2: pa.int16(), 4: pa.int32(), 8: pa.int64()}


def _width(t: Any) -> int:
    """The bytes of a value of type t, 0 if t has no fixed width."""
    if t.num_fields > 0 or pa.types.is_dictionary(t) or pa.types.is_null(t) or isinstance(t, pa.BaseExtensionType):
        return 0
    try:
        bits: int = t.bit_width
    except ValueError:
        return 0
    return bits // 8 if bits > 0 and bits % 8 == 0 else 0


def _instead(t: Any) -> str:
    name = str(t)
    for prefix, use in (("large_string", "pa.string()"), ("string_view", "pa.string()"), ("large_binary", "pa.binary()"), ("binary_view", "pa.binary()"),
                        ("large_list", "pa.list_(…)"), ("fixed_size_list", "pa.list_(…)"), ("dictionary", "the type of its values"), ("null", "a type with values")):
        if name.startswith(prefix):
            return f"; declare {use}"
    return ""


class Codec:
    """Reads and writes record batches of one schema. Of no thread."""

    def __init__(self, schema: Any) -> None:
        self.schema = schema
        self.columns = [Column(f) for f in schema]
        #: How many rows a byte may stand for: without buffers there is no limit but that of numbers.
        self.bare = not any(_has_buffers(c) for c in self.columns)

    def encode(self, batch: Any, rows: Optional[int] = None) -> List[Bytes]:
        """The bytes of batch, in pieces that alias its memory, padding included. rows is given where there are no columns."""
        n = batch.num_rows if rows is None else rows
        w = _Writer(n)
        for col, arr in zip(self.columns, batch.columns):
            w.add(col, arr, 0)
        return w.pieces()

    def decode(self, data: Any) -> Any:
        """The record batch in data, a pa.Buffer whose memory it shares. Raises WireError, and nothing else, whatever data is."""
        r = _Reader(data)
        try:
            return r.batch(self)
        except WireError as e:
            raise WireError(f"record batch of {r.size} bytes: {e}") from None
        except (pa.ArrowException, OverflowError, struct.error) as e:
            raise WireError(f"record batch of {r.size} bytes: {e}") from e


def _has_buffers(c: Column) -> bool:
    return any(map(_has_buffers, c.kids)) if c.shape == STRUCT else True


def size_of(pieces: List[Bytes]) -> int:
    return sum(map(len, pieces))


class _Writer:
    def __init__(self, rows: int) -> None:
        self.head = bytearray([VERSION])
        self.bufs: List[Bytes] = []
        self.put(rows)

    def put(self, n: int) -> None:
        head = self.head
        while n > 127:
            head.append(n & 127 | 128)
            n >>= 7
        head.append(n)

    def pieces(self) -> List[Bytes]:
        head = self.head
        head += _ZEROS[: -len(head) % 8]
        out: List[Bytes] = [head]
        for b in self.bufs:
            n = len(b)
            if n:
                out.append(b)
                if n % 8:
                    out.append(_ZEROS[: -n % 8])
        return out

    def add(self, col: Column, arr: Any, masked: int) -> None:
        """Adds a column. masked of its nulls are rows of a struct that is null."""
        n, nulls = len(arr), arr.null_count
        if col.nullable:
            self.put(nulls)
            if nulls:
                self.bufs.append(_bits(arr.buffers()[0], arr.offset, n))
        else:
            if nulls > masked:
                raise OutputError(f"column {col.name}: {nulls - masked} nulls in a column that is declared without")
            self.head.append(0)
        if col.shape == FIXED:
            self.fixed(col, arr, n, nulls)
        elif col.shape == TEXT:
            self.text(arr, n, nulls)
        elif col.shape == BITS:
            if nulls:
                arr = pc.fill_null(arr, False)
            self.bufs.append(_bits(arr.buffers()[1], arr.offset, n))
        elif col.shape == LIST:
            self.list(col, arr, n, nulls)
        else:
            # flatten makes values null where the struct is.
            for kid, values in zip(col.kids, arr.flatten()):
                self.add(kid, values, nulls)

    def fixed(self, col: Column, arr: Any, n: int, nulls: int) -> None:
        if n == 0:
            return
        if nulls:
            arr = pc.fill_null(arr.view(col.plain), col.zero)
        at = arr.offset * col.width
        self.bufs.append(memoryview(arr.buffers()[1])[at : at + n * col.width])

    def text(self, arr: Any, n: int, nulls: int) -> None:
        if n == 0:
            self.head.append(0)
            return
        _, offs, data = arr.buffers()
        lo, hi = _ends(offs, arr.offset, n)
        if nulls and (pc.sum(pc.binary_length(arr)).as_py() or 0) != hi - lo:  # null rows with text
            arr = pc.fill_null(arr.view(pa.binary()), b"")
            _, offs, data = arr.buffers()
            lo, hi = _ends(offs, arr.offset, n)
        self.put(hi - lo)
        self.bufs.append(_from_zero(offs, arr.offset, n, lo))
        if hi > lo:
            self.bufs.append(memoryview(data)[lo:hi])

    def list(self, col: Column, arr: Any, n: int, nulls: int) -> None:
        if n == 0:
            self.head.append(0)
            self.add(col.kids[0], arr.values.slice(0, 0), 0)
            return
        if col.plain is not None:
            arr = arr.view(col.plain)
        offs = arr.buffers()[1]
        lo, hi = _ends(offs, arr.offset, n)
        if nulls:
            lengths = pc.fill_null(pc.list_value_length(arr), 0)
            if (pc.sum(lengths).as_py() or 0) != hi - lo:  # null rows with elements
                ends = pc.cumulative_sum(lengths)
                offs = pa.concat_arrays([pa.array([0], pa.int32()), ends])
                values = arr.flatten()
                self.put(len(values))
                self.bufs.append(_from_zero(offs.buffers()[1], offs.offset, n, 0))
                self.add(col.kids[0], values, 0)
                return
        self.put(hi - lo)
        self.bufs.append(_from_zero(offs, arr.offset, n, lo))
        self.add(col.kids[0], arr.values.slice(lo, hi - lo), 0)


def _ends(offs: Any, at: int, n: int) -> Tuple[int, int]:
    """The first and the last of n + 1 offsets from the one numbered at."""
    view = memoryview(offs)
    return struct.unpack_from("<i", view, at * 4)[0], struct.unpack_from("<i", view, (at + n) * 4)[0]


def _from_zero(offs: Any, at: int, n: int, lo: int) -> Bytes:
    if lo == 0:
        return memoryview(offs)[at * 4 : (at + n + 1) * 4]
    a = pc.subtract(pa.Array.from_buffers(pa.int32(), n + 1, [None, offs], 0, at), pa.scalar(lo, pa.int32()))
    return memoryview(a.buffers()[1])[a.offset * 4 : (a.offset + n + 1) * 4]


def _bits(buf: Any, at: int, n: int) -> Bytes:
    """n bits of buf from the one numbered at, with zeros behind them."""
    if n == 0:
        return b""
    if at % 8:
        a = pa.Array.from_buffers(pa.bool_(), n, [None, buf], 0, at)
        a = pa.concat_arrays([a, a.slice(0, 0)])  # at bit 0
        buf, at = a.buffers()[1], a.offset
    size = (n + 7) // 8
    view = memoryview(buf).cast("B")[at // 8 : at // 8 + size]
    if n % 8 and view[-1] >> n % 8:
        own = bytearray(view)
        own[-1] &= (1 << n % 8) - 1
        return own
    return view


class _Reader:
    def __init__(self, data: Any) -> None:
        self.data, self.view = data, memoryview(data).cast("B")
        self.size = len(self.view)
        self.pos = 0
        self.nums: List[int] = []
        self.num = 0

    def batch(self, codec: Codec) -> Any:
        if self.size == 0 or self.view[0] != VERSION:
            raise WireError("not of this version")
        self.pos = 1
        rows = self.uvarint(_INT32_MAX if codec.bare else 8 * self.size)
        for c in codec.columns:
            self.head(c, rows)
        self.pos += self.pad(self.pos)
        arrays = [self.column(c, rows) for c in codec.columns]
        if self.pos != self.size:
            raise WireError(f"{self.size - self.pos} bytes too many")
        if not arrays:
            return empty_columns(codec.schema, rows)
        return pa.RecordBatch.from_arrays(arrays, schema=codec.schema)

    def uvarint(self, limit: int) -> int:
        """An unsigned varint of shortest form, at most limit."""
        n = shift = 0
        view, pos, end = self.view, self.pos, min(self.size, self.pos + 10)
        while pos < end:
            b = view[pos]
            pos += 1
            n |= (b & 127) << shift
            shift += 7
            if b < 128:
                if b == 0 and shift > 7:
                    break
                if n > limit:
                    raise WireError(f"a length of {n} where {limit} is the most")
                self.pos = pos
                return n
        raise WireError("a length that cannot be read")

    def head(self, c: Column, rows: int) -> None:
        nulls = self.uvarint(rows)
        if nulls and not c.nullable:
            raise WireError(f"column {c.name}: {nulls} nulls where none may be")
        self.nums.append(nulls)
        if c.shape == TEXT or c.shape == LIST:
            rows = self.uvarint(min(self.size * (8 if c.shape == LIST else 1), _INT32_MAX))
            self.nums.append(rows)
        for k in c.kids:
            self.head(k, rows)

    def next(self) -> int:
        self.num += 1
        return self.nums[self.num - 1]

    def pad(self, n: int) -> int:
        """The padding at pos of something of n bytes, which must be zero."""
        p = -n % 8
        if p and self.view[self.pos : self.pos + p] != _ZEROS[:p]:
            raise WireError("ends too early" if self.pos + p > self.size else "padding is not zero")
        return p

    def take(self, n: int) -> Any:
        """n bytes and their padding."""
        at = self.pos
        if n > self.size - at:
            raise WireError("ends too early")
        self.pos = at + n
        self.pos += self.pad(n)
        return self.data.slice(at, n)

    def bitmap(self, c: Column, n: int) -> Any:
        b = self.take((n + 7) // 8)
        if n % 8 and self.view[self.pos - (-b.size % 8) - 1] >> n % 8:
            raise WireError(f"column {c.name}: bits behind the end are not zero")
        return b

    def column(self, c: Column, rows: int) -> Any:
        nulls = self.next()
        valid = None
        if nulls:
            valid = self.bitmap(c, rows)
            if pa.Array.from_buffers(pa.bool_(), rows, [None, valid], 0).true_count != rows - nulls:
                raise WireError(f"column {c.name}: null bitmap does not hold {nulls} nulls")
        if c.shape == FIXED:
            return pa.Array.from_buffers(c.type, rows, [valid, self.take(rows * c.width)], nulls)
        if c.shape == BITS:
            return pa.Array.from_buffers(c.type, rows, [valid, self.bitmap(c, rows)], nulls)
        if c.shape == STRUCT:
            kids = [self.column(k, rows) for k in c.kids]
            return pa.Array.from_buffers(c.type, rows, [valid], nulls, children=kids)
        size = self.next()
        offs = self.offsets(c, rows, size)
        if c.shape == TEXT:
            return pa.Array.from_buffers(c.type, rows, [valid, offs, self.take(size)], nulls)
        return pa.Array.from_buffers(c.type, rows, [valid, offs], nulls, children=[self.column(c.kids[0], size)])

    def offsets(self, c: Column, rows: int, size: int) -> Any:
        if rows == 0:
            if size:
                raise WireError(f"column {c.name}: {size} values for no rows")
            return pa.py_buffer(_ZEROS)
        offs = self.take(4 * (rows + 1))
        if _ends(offs, 0, rows) != (0, size) or falls(offs, 0, rows):
            raise WireError(f"column {c.name}: offsets fall, or do not end at {size}")
        return offs


def falls(offs: Any, at: int, n: int) -> bool:
    """Whether n + 1 offsets, from the one numbered at, descend anywhere."""
    a = pa.Array.from_buffers(pa.int32(), n + 1, [None, offs], 0, at)
    return pc.all(pc.less_equal(a.slice(0, n), a.slice(1, n))).as_py() is not True


def empty_columns(schema: Any, rows: int) -> Any:
    """A record batch of rows without columns."""
    batch = pa.RecordBatch.from_struct_array(pa.StructArray.from_buffers(pa.struct([]), rows, [None]))
    return batch.replace_schema_metadata(schema.metadata)
