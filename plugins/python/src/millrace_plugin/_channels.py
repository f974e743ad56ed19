"""The two kinds of channels: messages of gRPC with Arrow IPC, and shared memory."""

from __future__ import annotations

import fcntl
import mmap
import os
import select
import socket
import struct
from typing import Any, Callable, List, Optional, Sequence, Tuple

import pyarrow as pa

from . import plugin_pb2 as pb
from ._calls import MAX_FRAME, Channel, PartOut
from ._codec import BITS, FIXED, LIST, STRUCT, TEXT, Codec, Column, empty_columns, falls, size_of
from .errors import WireError


class Portable(Channel):
    """Record batches are Arrow IPC in the messages."""

    def __init__(self, gone: Callable[[], bool] = lambda: False) -> None:
        self.gone = gone  # type: ignore[method-assign]

    def decode(self, part: pb.Part, codec: Codec) -> Any:
        if part.WhichOneof("data") != "ipc":
            raise WireError(f"{part.WhichOneof('data') or 'no data'}, where ipc is wanted")
        return decode_ipc(part.ipc, codec)

    def encode(self, resp: pb.Response, parts: Sequence[PartOut]) -> None:
        for codec, rows in parts:
            if rows is None:
                resp.parts.add(absent=True)
                continue
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, codec.schema) as w:
                w.write_batch(rows)
            resp.parts.add(ipc=sink.getvalue().to_pybytes())


def decode_ipc(data: bytes, codec: Codec) -> Any:
    """The record batch of an Arrow IPC stream that may come from anyone. Raises WireError, and nothing else."""
    try:
        with pa.ipc.open_stream(pa.py_buffer(data)) as r:
            batch = r.read_next_batch()
        batch.validate()
        if batch.num_columns != len(codec.columns):
            raise WireError(f"{batch.num_columns} columns, and {len(codec.columns)} are wanted")
        columns = []
        for c, a in zip(codec.columns, batch.columns):
            if a.type != c.type:
                raise WireError(f"column {c.name} is {a.type}, and {c.type} is wanted")
            _check_column(c, a)
            columns.append(a if a.type.equals(c.type, check_metadata=True) else a.cast(c.type))
        if not columns:
            return empty_columns(codec.schema, batch.num_rows)
        return pa.RecordBatch.from_arrays(columns, schema=codec.schema)
    except WireError as e:
        raise WireError(f"stream of {len(data)} bytes: {e}") from None
    except StopIteration:
        raise WireError(f"stream of {len(data)} bytes: no record batch") from None
    except (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError) as e:
        raise WireError(f"stream of {len(data)} bytes: {e}") from e


def _check_column(c: Column, a: Any) -> None:
    """What validate leaves out: offsets that fall, and nulls. Bytes of text are not looked at."""
    n = len(a)
    bufs = a.buffers()
    if bufs[0] is not None and a.null_count:
        if not c.nullable:
            raise WireError(f"column {c.name}: {a.null_count} nulls where none may be")
    if n == 0:
        return
    if c.shape in (TEXT, LIST):
        if bufs[1] is None or bufs[1].size < 4 * (a.offset + n + 1) or falls(bufs[1], a.offset, n):
            raise WireError(f"column {c.name}: offsets fall, or are too few")
    if c.shape == LIST:
        _check_column(c.kids[0], a.values)
    elif c.shape == STRUCT:
        for i, k in enumerate(c.kids):
            if not a.null_count:
                _check_column(k, a.field(i))
            else:
                _check_column(Column(pa.field(k.name, k.type)), a.field(i))
    elif c.shape in (FIXED, BITS) and (bufs[1] is None or bufs[1].size * (8 if c.shape == BITS else 1) < (a.offset + n) * max(c.width, 1)):
        raise WireError(f"column {c.name}: too few values")


_MAGIC, _GREETING = b"MRPM", struct.Struct("<4sIQQ")
_F_GET_SEALS, _SEALS = 1034, 0x0002 | 0x0004  # F_SEAL_SHRINK, F_SEAL_GROW: mapped memory stays
_MAX_REGION = 1 << 32
_KEEP, _AHEAD = 1 << 20, 4 * MAX_FRAME  # of buffers, and of requests that wait: the host sends 4 before it reads


class Memory(Channel):
    """Record batches lie in memory that the host shares; messages are frames over a socket."""

    limit = MAX_FRAME // 4
    most = MAX_FRAME

    def __init__(self, path: str, token: bytes, timeout: float = 10) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.inward: Any = None
        self.outward: Any = None
        self.room: Optional[Tuple[int, int]] = None
        self.buffer = bytearray(64 << 10)
        self.ahead = bytearray()  # what came in while an answer went out
        try:
            self.sock.settimeout(timeout)
            self.sock.connect(path)
            self.sock.sendall(token)
            self._meet()
            self.sock.settimeout(None)
        except BaseException:
            self.close()
            raise

    def _meet(self) -> None:
        data, fds, _, _ = socket.recv_fds(self.sock, _GREETING.size, 2)
        try:
            if len(data) != _GREETING.size or len(fds) != 2:
                raise WireError(f"a greeting of {len(data)} bytes with {len(fds)} file descriptors")
            magic, version, first, second = _GREETING.unpack(data)
            if magic != _MAGIC or version != 1:
                raise WireError(f"a greeting {magic!r}, version {version}, that this version does not know")
            self.inward = _mapped(fds[0], first, mmap.PROT_READ)
            self.outward = _mapped(fds[1], second, mmap.PROT_READ | mmap.PROT_WRITE)
        finally:
            for fd in fds:
                os.close(fd)
        self.view = memoryview(self.inward)

    def close(self) -> None:
        """Ends what waits at the socket. The memory goes when nobody uses it."""
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.sock.close()

    def gone(self) -> bool:
        if self.ahead:
            return False
        try:
            return not self.sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def stop(self) -> None:
        """Has read see the end, from another thread."""
        try:
            self.sock.shutdown(socket.SHUT_RD)
        except OSError:
            pass

    def read(self) -> Optional[pb.Request]:
        """The next request; None: there are no more."""
        head = self._exactly(4, True)
        if head is None:
            return None
        (n,) = struct.unpack("<I", head)
        if n > MAX_FRAME:
            raise WireError(f"a frame of {n} bytes, and {MAX_FRAME} are the most")
        req = pb.Request()
        try:
            req.ParseFromString(bytes(self._exactly(n, False) or b""))
        except Exception as e:  # protobuf's DecodeError
            raise WireError(f"a frame of {n} bytes: {e}") from None
        return req

    def _exactly(self, n: int, may_end: bool) -> Optional[memoryview]:
        if len(self.buffer) < n:
            self.buffer = bytearray(n)
        elif len(self.buffer) > _KEEP and n <= _KEEP:
            self.buffer = bytearray(_KEEP)
        view, at = memoryview(self.buffer)[:n], 0
        if self.ahead:
            at = min(n, len(self.ahead))
            view[:at] = self.ahead[:at]
            del self.ahead[:at]
        while at < n:
            try:
                got = self.sock.recv_into(view[at:])
            except OSError:
                got = 0
            if got == 0:
                if may_end and at == 0:
                    return None
                raise WireError(f"a frame ends behind {at} of {n} bytes")
            at += got
        return view

    def write(self, resp: pb.Response) -> None:
        """Sends an answer. The host may be sending a large request at the same time, and read only behind it: so what comes is taken meanwhile."""
        data = resp.SerializeToString()
        view = memoryview(struct.pack("<I", len(data)) + data)
        at = 0
        while at < len(view):
            try:
                at += self.sock.send(view[at:], socket.MSG_DONTWAIT)
            except BlockingIOError:
                self._wait()

    def _wait(self) -> None:
        """Waits until something can be sent, and takes what comes."""
        poll = select.poll()
        full = len(self.ahead) > _AHEAD
        poll.register(self.sock, select.POLLOUT if full else select.POLLOUT | select.POLLIN)
        ready = poll.poll()[0][1]
        if ready & select.POLLIN:
            got = self.sock.recv(1 << 20)
            if not got:
                raise OSError("the host has gone")
            self.ahead += got

    def begin(self, req: pb.Request) -> None:
        self.room = None
        if req.HasField("room"):
            at, n = req.room.offset, req.room.length
            if at % 64 or at > len(self.outward) or n > len(self.outward) - at:
                raise WireError(f"request {req.id}: room at {at}, {n} bytes, of a region of {len(self.outward)}")
            self.room = (at, at + n)

    def decode(self, part: pb.Part, codec: Codec) -> Any:
        kind = part.WhichOneof("data")
        if kind == "raw":
            return codec.decode(pa.py_buffer(part.raw))
        if kind != "place":
            raise WireError(f"{kind or 'no data'}, where a place or raw is wanted")
        at, n = part.place.offset, part.place.length
        if at > len(self.view) or n > len(self.view) - at:
            raise WireError(f"a place at {at}, {n} bytes, of a region of {len(self.view)}")
        # A copy, which operators may keep, and which nobody writes to while it is checked.
        buf = pa.allocate_buffer(n)
        if n:
            memoryview(buf).cast("B")[:] = self.view[at : at + n]
        return codec.decode(buf)

    def encode(self, resp: pb.Response, parts: Sequence[PartOut]) -> None:
        at, end = self.room or (0, 0)
        self.room = None  # what follows would overwrite what the host has not read
        for codec, rows in parts:
            if rows is None:
                resp.parts.add(absent=True)
                continue
            pieces = codec.encode(rows)
            size = size_of(pieces)
            if size > end - at:
                resp.parts.add(raw=b"".join(pieces))
                continue
            resp.parts.add(place=pb.Place(offset=at, length=size))
            out = self.outward
            for p in pieces:
                out[at : at + len(p)] = p
                at += len(p)
            at = min(at + 63 & ~63, end)


def _mapped(fd: int, size: int, prot: int) -> Any:
    """A region of the host's, whose size it says."""
    have = os.fstat(fd).st_size
    seals = fcntl.fcntl(fd, _F_GET_SEALS)
    if size == 0 or size != have or size > _MAX_REGION or seals & _SEALS != _SEALS:
        raise WireError(f"shared memory of {have} bytes, where {size} are said, with seals {seals:#x}")
    return mmap.mmap(fd, size, mmap.MAP_SHARED, prot)


def pieces_of(codec: Codec, rows: Any) -> bytes:
    """Rows as the bytes that lie in shared memory."""
    out: List[Any] = codec.encode(rows)
    return b"".join(out)
