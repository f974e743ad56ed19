"""Record batches as bytes."""

import random

import pyarrow as pa
import pytest
from values import TYPES, column, dirty

from millrace_plugin import OutputError, WireError
from millrace_plugin._channels import Portable, decode_ipc, pieces_of
from millrace_plugin import plugin_pb2 as pb
from millrace_plugin._codec import Codec, empty_columns


def batch(arrays, nullable=True):
    schema = pa.schema([pa.field(f"c{i}", a.type, nullable) for i, a in enumerate(arrays)])
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def same(a, b):
    """Equal, as far as equality has NaN and signs of zero."""
    return a.schema.equals(b.schema) and a.to_pylist() == b.to_pylist()


def round_trip(rows):
    codec = Codec(rows.schema)
    data = pieces_of(codec, rows)
    assert len(data) % 8 == 0
    back = codec.decode(pa.py_buffer(data))
    back.validate(full=True)
    assert same(back, rows)
    assert pieces_of(codec, back) == data
    return data


@pytest.mark.parametrize("t", TYPES, ids=str)
def test_round_trip(t):
    r = random.Random(7)
    for n in (0, 1, 7, 8, 9, 64, 100):
        round_trip(batch([column(r, t, n), column(r, t, n)]))
        round_trip(batch([column(r, t, n, nullable=False)], nullable=False))


@pytest.mark.parametrize("t", TYPES, ids=str)
def test_slices_have_the_bytes_of_copies(t):
    r = random.Random(11)
    for nullable in (True, False):
        values = column(r, t, 90, nullable)
        for at, n in ((0, 90), (1, 50), (3, 0), (8, 16), (16, 74), (17, 8), (89, 1)):
            piece = values.slice(at, n)
            assert round_trip(batch([piece])) == round_trip(batch([pa.array(piece.to_pylist(), t)])), (at, n)


@pytest.mark.parametrize("t", TYPES, ids=str)
def test_values_under_nulls_leave_no_trace(t):
    r = random.Random(13)
    a = column(r, t, 40, nullable=False)
    valid = [r.random() < 0.5 for _ in range(40)]
    b = dirty(a, valid)
    clean = pa.array(b.to_pylist(), t)
    assert round_trip(batch([b])) == round_trip(batch([clean]))
    assert round_trip(batch([b.slice(3, 20)])) == round_trip(batch([clean.slice(3, 20)]))


def test_null_structs_hide_their_fields():
    kid = pa.array([1, 2, 3], pa.int64())
    t = pa.struct([pa.field("a", pa.int64(), False), pa.field("b", pa.int64())])
    a = pa.Array.from_buffers(t, 3, [pa.array([True, False, True]).buffers()[1]], children=[kid, kid])
    round_trip(batch([a]))
    holed = pa.Array.from_buffers(t, 3, [pa.array([True, False, True]).buffers()[1]], children=[pa.array([None, None, 3], pa.int64()), kid])
    with pytest.raises(OutputError, match="c0.a: 1 nulls"):
        pieces_of(Codec(batch([holed]).schema), batch([holed]))


def test_rows_without_columns():
    for n in (0, 5):
        rows = empty_columns(pa.schema([]), n)
        codec = Codec(pa.schema([]))
        assert codec.decode(pa.py_buffer(pieces_of(codec, rows))).num_rows == n


def test_bytes_are_those_of_the_engine():
    """What batch.Marshal of the engine writes, worked out by hand."""
    rows = batch([pa.array([1, None, 3], pa.int16()), pa.array(["ab", None, "c"])])
    want = bytes([1, 3, 1, 1, 3, 0, 0, 0])
    want += bytes([0b101, 0, 0, 0, 0, 0, 0, 0]) + bytes([1, 0, 0, 0, 3, 0, 0, 0])
    want += bytes([0b101, 0, 0, 0, 0, 0, 0, 0]) + bytes([0, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0]) + b"abc\0\0\0\0\0"
    assert round_trip(rows) == want


@pytest.mark.parametrize("t, hint", [(pa.large_string(), "pa.string"), (pa.dictionary(pa.int8(), pa.string()), "type of its values"), (pa.null(), ""), (pa.list_(pa.int8(), 2), "pa.list_")])
def test_types_that_do_not_travel(t, hint):
    with pytest.raises(OutputError, match="does not travel") as e:
        Codec(pa.schema([("x", t)]))
    assert hint in str(e.value)


def test_null_where_none_may_be():
    rows = batch([pa.array([1, None])], nullable=False)
    with pytest.raises(OutputError, match="1 nulls"):
        pieces_of(Codec(rows.schema), rows)


def mutated(r, data):
    b = bytearray(data)
    for _ in range(r.randrange(1, 4)):
        what = r.randrange(4)
        if what == 0 and b:
            b[r.randrange(len(b))] = r.choice([0, 1, 127, 128, 255, r.randrange(256)])
        elif what == 1 and b:
            at = r.randrange(len(b))
            b[at : at + 4] = r.choice([b"\xff\xff\xff\x7f", b"\xff\xff\xff\xff", b"\0\0\0\x80", bytes(4)])
        elif what == 2:
            del b[r.randrange(len(b) + 1) :]
        else:
            b[r.randrange(min(len(b), 16) + 1) :][:1] = b""
            b.insert(r.randrange(len(b) + 1), r.randrange(256))
    return bytes(b)


def test_decoder_takes_any_bytes():
    r = random.Random(17)
    taken = refused = 0
    for _ in range(300):
        types = r.choices(TYPES, k=r.randrange(4))
        rows = batch([column(r, t, 9) for t in types]) if types else empty_columns(pa.schema([]), 3)
        codec = Codec(rows.schema)
        good = pieces_of(codec, rows)
        for _ in range(40):
            data = mutated(r, good) if r.random() < 0.9 else r.randbytes(r.randrange(200))
            try:
                back = codec.decode(pa.py_buffer(data))
            except WireError:
                refused += 1
                continue
            taken += 1
            back.validate()
            for c in back.columns:
                touch(c)
            if types:
                pieces_of(codec, back)
    assert taken > 100 and refused > 1000


def touch(a):
    """Reads every value."""
    try:
        a.to_pylist()
    except (UnicodeDecodeError, ValueError, OverflowError):  # text that is no text, times out of range
        pass


def test_ipc_takes_any_bytes():
    r = random.Random(19)
    taken = refused = 0
    for _ in range(150):
        rows = batch([column(r, t, 9) for t in r.choices(TYPES, k=r.randrange(1, 4))])
        resp = pb.Response()
        Portable().encode(resp, [(Codec(rows.schema), rows)])
        good = resp.parts[0].ipc
        assert same(decode_ipc(good, Codec(rows.schema)), rows)
        for _ in range(40):
            data = mutated(r, good) if r.random() < 0.9 else r.randbytes(r.randrange(200))
            try:
                back = decode_ipc(data, Codec(rows.schema))
            except WireError:
                refused += 1
                continue
            taken += 1
            for c in back.columns:
                touch(c)
    assert taken > 100 and refused > 1000


def test_ipc_of_other_columns():
    rows = batch([pa.array([1])])
    resp = pb.Response()
    Portable().encode(resp, [(Codec(rows.schema), rows)])
    with pytest.raises(WireError, match="column x is int64, and string is wanted"):
        decode_ipc(resp.parts[0].ipc, Codec(pa.schema([("x", pa.string())])))
    with pytest.raises(WireError, match="1 columns, and 2 are wanted"):
        decode_ipc(resp.parts[0].ipc, Codec(pa.schema([("x", pa.int64()), ("y", pa.int64())])))
    with pytest.raises(WireError, match="1 nulls where none may be"):
        Portable().encode(resp, [(Codec(pa.schema([("c0", pa.int64())])), batch([pa.array([None], pa.int64())]))])
        decode_ipc(resp.parts[1].ipc, Codec(pa.schema([pa.field("c0", pa.int64(), False)])))
