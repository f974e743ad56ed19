"""The plugin's side of the protocol, whatever carries it: declarations, and the requests of a channel."""

from __future__ import annotations

import linecache
import os
import sys
import threading
import traceback
from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

import pyarrow as pa
import pyarrow.compute as pc

from . import _check, _kinds, plugin_pb2 as pb
from ._codec import Codec
from .errors import EndOfPartition, Fenced, OutputError, Refused, WireError
from .types import Context, KeyedInput, Offer, Owner, Partition

PROTOCOL = 1
MEMORY, STAGES = "memory", "stages"
MAX_MESSAGE = 4 << 20
MAX_FRAME = 64 << 20

_LONGEST = 32 << 10
_HERE = os.path.dirname(os.path.abspath(__file__)) + os.sep
_FROM, _OF, _OUT_OF, _OFFSETS, _FLAGS, _ACTIONS = map(Codec, (_kinds.FROM, _kinds.OF, _kinds.OUT_OF, _kinds.OFFSETS, _kinds.FLAGS, _kinds.ACTIONS))
_SCHEMAS = {"map": 1, "scalar": 1, "aggregate": 2, "keyed": 2, "source": 0, "sink": 1}
_KIND = {pb.PROCESS: ("map", "scalar"), pb.PARTIAL: ("aggregate",), pb.MERGE: ("aggregate",), pb.UPDATE: ("keyed",), pb.PARTITIONS: ("source",),
         pb.READ: ("source",), pb.LANE: ("sink",), pb.STAGE: ("sink",), pb.PUBLISH: ("sink",), pb.FLUSH: ("sink",)}

#: The channel whose request a thread answers.
_current = threading.local()


def given_up() -> bool:
    """Whether the engine has given up the call that this thread answers, as it does when a job ends while a source waits for rows.

    What waits for long asks now and then, some times a second, and returns or raises where it is true: nobody hears the answer.
    """
    channel: Optional[Channel] = getattr(_current, "channel", None)
    return channel is not None and channel.gone()


# A part of a message: how it is written, and its rows; None where it is absent.
PartOut = Tuple[Codec, Any]


class Channel:
    """What carries requests and responses: how parts are read and written."""

    #: How many bytes of record batches a response should have at most: larger ones are split by rows.
    limit = MAX_MESSAGE // 2
    #: How many bytes a response may have.
    most = MAX_MESSAGE

    def begin(self, req: pb.Request) -> None:
        """A request comes."""

    def gone(self) -> bool:
        """Whether nobody waits for the answer any more."""
        return False

    def decode(self, part: pb.Part, codec: Codec) -> Any:
        """The record batch of a part. Raises WireError."""
        raise NotImplementedError

    def encode(self, resp: pb.Response, parts: Sequence[PartOut]) -> None:
        """Puts record batches into a response."""
        raise NotImplementedError


@dataclass
class Declared:
    """An operator with its configuration, for rows of given schemas."""

    offer: Offer
    config: bytes
    ins: List[Any]
    keys: int
    first: Any  # the instance that has declared, for the first channel that wants one
    inputs: List[Codec]
    outputs: List[Codec]


@dataclass
class Reply:
    """An answer: rows, which may be split, with what goes with each of them; or parts that go together."""

    rows: Any = None
    codec: Optional[Codec] = None
    beside: Any = None
    beside_codec: Optional[Codec] = None
    count: Optional[int] = None  # is the first of numbers
    numbers: Sequence[int] = ()
    blobs: Sequence[bytes] = ()
    parts: Optional[Sequence[PartOut]] = None


class Server:
    """What a plugin offers, and what has been declared."""

    def __init__(self, name: str, version: str, offers: Sequence[Offer], concurrent: bool = False) -> None:
        self.name, self.version, self.concurrent = name, version, concurrent
        again = _check.twice([o.name for o in offers])
        if again is not None:
            raise ValueError(f"two operators are named {again!r}")
        self.offers = {o.name: o for o in offers}
        self.lock = threading.Lock()
        self.declared: Dict[int, Declared] = {}

    def describe(self) -> pb.DescribeResponse:
        return pb.DescribeResponse(
            protocol=PROTOCOL, features=[STAGES] + [MEMORY] * (sys.platform == "linux"), name=self.name, version=self.version,
            sdk=f"python 1 ({sys.version.split()[0]}, pyarrow {pa.__version__})", concurrent=self.concurrent,
            offers=[pb.Offer(name=o.name, kind=o.kind, doc=o.doc) for o in self.offers.values()])

    def declare(self, req: pb.DeclareRequest) -> pb.DeclareResponse:
        """Raises KeyError if the number is taken."""
        resp = pb.DeclareResponse()
        try:
            d = self._declare(req, resp)
        except (Refused, OutputError) as e:
            return pb.DeclareResponse(refusal=_clean(str(e)) or "refused")
        except Exception as e:  # user code
            return pb.DeclareResponse(refusal=_clean(f"{said(e)}{_where(e)}"))
        with self.lock:
            if req.declaration in self.declared:
                raise KeyError(f"declaration {req.declaration} is there")
            self.declared[req.declaration] = d
        return resp

    def _offer(self, name: str) -> Offer:
        if not name and len(self.offers) == 1:
            return next(iter(self.offers.values()))
        if name not in self.offers:
            near = _check.near(name, list(self.offers))
            raise Refused(f'plugin {self.name} has no operator "{name}"{near}; it has {", ".join(self.offers) or "none"}')
        return self.offers[name]

    def _declare(self, req: pb.DeclareRequest, resp: pb.DeclareResponse) -> Declared:
        offer = self._offer(req.operator)
        if len(req.schemas) != _SCHEMAS[offer.kind]:
            raise Refused(f"{len(req.schemas)} schemas, and {_SCHEMAS[offer.kind]} are wanted")
        ins = [_schema(b) for b in req.schemas]
        op = offer.make(req.config)
        inputs, outputs = ins, []
        if offer.kind == "map":
            plan = op.declare(ins[0])
            inputs, outputs = [plan.input], [plan.computed]
            if plan.reads is not None:
                resp.reads_some = True
                resp.reads.extend(plan.reads)
            resp.keeps.extend(plan.keeps or [])
            declared = [plan.output]
        elif offer.kind == "scalar":
            outputs = declared = [op.declare(ins[0])]
        elif offer.kind in ("aggregate", "keyed"):
            outputs = declared = list(op.declare(*ins))
        elif offer.kind == "source":
            outputs = declared = [op.declare()]
        else:
            op.check(ins[0], req.keys)
            declared = []
        d = Declared(offer, req.config, ins, req.keys, op, [Codec(s) for s in inputs], [Codec(s) for s in outputs])
        for s in declared:
            Codec(s)  # also what is kept must be of a type that travels
        resp.schemas.extend(s.serialize().to_pybytes() for s in declared)
        return d

    def find(self, number: int) -> Declared:
        with self.lock:
            d = self.declared.get(number)
        if d is None:
            raise WireError(f"declaration {number} is not there")
        return d

    def instance(self, d: Declared) -> Any:
        """An operator of its own for a channel."""
        with self.lock:
            op, d.first = d.first, None
        if op is None:
            op = d.offer.make(d.config)
            if d.offer.kind == "sink":
                op.check(d.ins[0], d.keys)
            else:
                op.declare(*d.ins)
        return op


def _schema(data: bytes) -> Any:
    """A schema without metadata."""
    try:
        s = pa.ipc.read_schema(pa.py_buffer(data))
    except (pa.ArrowException, OSError, ValueError) as e:
        raise Refused(f"schema of {len(data)} bytes cannot be read: {e}") from None
    return pa.schema([pa.field(f.name, f.type, f.nullable) for f in s])


class Calls:
    """Answers the requests of one channel, one by one."""

    def __init__(self, server: Server, channel: Channel) -> None:
        self.server, self.channel = server, channel
        self.instances: Dict[int, Any] = {}
        self.lane: Optional[_kinds.Lane] = None
        self.staged: List[Any] = []  # rows of a batch that more will be staged of
        self.staged_of = Context()

    def close(self) -> None:
        if self.lane is not None:
            self.lane.close()

    def answer(self, req: pb.Request) -> Iterator[pb.Response]:
        try:
            _current.channel = self.channel
            self.channel.begin(req)
            reply = self._run(req)
        except WireError as e:
            yield self._failed(req, pb.Failure.PROTOCOL, f"request {req.id}: {e}")
        except EndOfPartition as e:
            yield self._failed(req, pb.Failure.END, str(e))
        except Fenced as e:
            yield self._failed(req, pb.Failure.FENCED, str(e) or "fenced")
        except (Exception, SystemExit, KeyboardInterrupt) as e:  # user code, and what it calls
            yield self._failed(req, pb.Failure.OPERATOR, said(e), stack(e))
        else:
            yield from self._responses(req, reply)

    def _failed(self, req: pb.Request, kind: Any, text: str, stack_: str = "") -> pb.Response:
        return pb.Response(id=req.id, failure=pb.Failure(kind=kind, text=_clean(text), stack=_clean(stack_)))

    def _responses(self, req: pb.Request, reply: Reply) -> Iterator[pb.Response]:
        """An answer in as many responses as its size wants."""
        if reply.rows is None and reply.beside is None:
            numbers = list(reply.numbers) if reply.count is None else [reply.count]
            resp = pb.Response(id=req.id, numbers=numbers, blobs=reply.blobs)
            yield from self._sent(req, resp, reply.parts or ())
            return
        size = sum(b.nbytes for b in (reply.rows, reply.beside) if b is not None)
        n = (reply.rows if reply.rows is not None else reply.beside).num_rows
        step = n if size <= self.channel.limit else max(1, n * self.channel.limit // size)
        lo = 0
        while True:
            hi = min(lo + step, n)
            resp = pb.Response(id=req.id, more=hi < n, numbers=reply.numbers if reply.count is None else [hi - lo], blobs=reply.blobs)
            parts: List[PartOut] = []
            for rows, codec in ((reply.rows, reply.codec), (reply.beside, reply.beside_codec)):
                if codec is not None:
                    parts.append((codec, rows if rows is None or n == hi - lo else rows.slice(lo, hi - lo)))
            try:
                self.channel.encode(resp, parts)
            except OutputError as e:
                yield self._failed(req, pb.Failure.OPERATOR, str(e))
                return
            if step > 1 and resp.ByteSize() > self.channel.most:  # rows of very different sizes
                step = max(1, step // 2)
                continue
            failure = self._too_large(req, resp)
            yield failure or resp
            if hi == n or failure:
                return
            lo = hi

    def _sent(self, req: pb.Request, resp: pb.Response, parts: Sequence[PartOut]) -> Iterator[pb.Response]:
        try:
            self.channel.encode(resp, parts)
        except OutputError as e:
            yield self._failed(req, pb.Failure.OPERATOR, str(e))
            return
        yield self._too_large(req, resp) or resp

    def _too_large(self, req: pb.Request, resp: pb.Response) -> Optional[pb.Response]:
        if resp.ByteSize() <= self.channel.most:
            return None
        what = "an answer that cannot be split" if req.method not in (pb.PROCESS, pb.READ) else "a row"
        return self._failed(req, pb.Failure.OPERATOR, f"{what} has {resp.ByteSize()} bytes in its message, and {self.channel.most} are the most")

    def _parts(self, req: pb.Request, codecs: Sequence[Codec], optional: Sequence[int] = (), many: bool = False) -> List[Any]:
        """The record batches of a request, None for those that are absent, which only the optional ones may be."""
        parts: Sequence[Any] = req.parts
        if len(parts) > len(codecs) and not (many and codecs):
            raise WireError(f"{len(parts)} parts, and {len(codecs)} are wanted")
        out: List[Any] = []
        for i, p in enumerate(parts):
            codec = codecs[min(i, len(codecs) - 1)]
            try:
                out.append(None if p.WhichOneof("data") == "absent" else self.channel.decode(p, codec))
            except WireError as e:
                raise WireError(f"part {i} of {len(parts)}: {e}") from None
        if not many:
            out += [None] * (len(codecs) - len(out))
        for i, b in enumerate(out):
            if b is None and i not in optional:
                raise WireError(f"part {i} is absent")
        return out

    def _run(self, req: pb.Request) -> Reply:
        d = self.server.find(req.declaration)
        kind = d.offer.kind
        if kind not in _KIND.get(req.method, ()):
            raise WireError(f"{_method(req)} for operator {d.offer.name!r}, which is a {kind}")
        b = req.batch
        context = Context(b.number, b.time, b.partition, b.final)
        call = getattr(self, "_" + kind)
        reply: Reply = call(req, d, context)
        return reply

    def _instance(self, req: pb.Request, d: Declared) -> Any:
        op = self.instances.get(req.declaration)
        if op is None:
            op = self.instances[req.declaration] = self.server.instance(d)
        return op

    def _map(self, req: pb.Request, d: Declared, context: Context) -> Reply:
        (rows,) = self._parts(req, d.inputs)
        computed, origin, n = self._instance(req, d).process(context, rows)
        if origin is None and computed is None:
            return Reply(count=n)
        beside = None if origin is None else pa.RecordBatch.from_arrays([origin], schema=_kinds.FROM)
        return Reply(computed, d.outputs[0], beside, _FROM if beside is not None else None, n)

    def _scalar(self, req: pb.Request, d: Declared, context: Context) -> Reply:
        (rows,) = self._parts(req, d.inputs)
        out = self._instance(req, d).eval(context, rows)
        return Reply(out, d.outputs[0], count=out.num_rows)

    def _aggregate(self, req: pb.Request, d: Declared, context: Context) -> Reply:
        partial = req.method == pb.PARTIAL
        rows, of = self._parts(req, [d.inputs[1] if partial else d.outputs[0], _OF], (1,))
        if len(req.numbers) != 1 or not 0 <= req.numbers[0] < 1 << 31:
            raise WireError("a number of keys is wanted")
        keys = req.numbers[0]
        of = _key_numbers(of, rows, keys)
        op = self._instance(req, d)
        out = (op.partial if partial else op.merge)(context, rows, of, keys)
        return Reply(parts=[(d.outputs[0 if partial else 1], out)])

    def _keyed(self, req: pb.Request, d: Declared, context: Context) -> Reply:
        keys, rows, of, state, flags = self._parts(req, [d.inputs[0], d.inputs[1], _OF, d.outputs[0], _FLAGS], (1, 2))
        n = keys.num_rows
        if state.num_rows != n or flags.num_rows != n:
            raise WireError(f"{state.num_rows} states and {flags.num_rows} flags for {n} keys")
        if rows is None:
            rows = pa.RecordBatch.from_arrays([pa.array([], f.type) for f in d.inputs[1].schema], schema=d.inputs[1].schema)
        given = KeyedInput(keys, rows, _key_numbers(of, rows, n), state, flags.column(0), flags.column(1), flags.column(2))
        state, actions, out, out_of = self._instance(req, d).update(context, given)
        return Reply(parts=[(d.outputs[0], state), (_ACTIONS, actions), (d.outputs[1], out), (_OUT_OF, out_of)])

    def _source(self, req: pb.Request, d: Declared, context: Context) -> Reply:
        self._parts(req, [])
        if req.method == pb.PARTITIONS:
            found: List[Partition] = self._instance(req, d).partitions()
            return Reply(blobs=[b for p in found for b in (p.key.encode(), p.meta)], numbers=[x for p in found for x in (p.start, p.end)])
        if len(req.blobs) != 2 or len(req.numbers) != 4:
            raise WireError("a partition, an offset and a limit are wanted")
        start, end, at, limit = req.numbers
        p = Partition(req.blobs[0].decode("utf-8", "replace"), req.blobs[1], start, end)
        rows, offsets, after, last = self._instance(req, d).read(p, at, limit)
        return Reply(rows, d.outputs[0], offsets, _OFFSETS, numbers=[after, last])

    def _sink(self, req: pb.Request, d: Declared, context: Context) -> Reply:
        parts = [p for p in self._parts(req, d.inputs if req.method == pb.STAGE else [], range(len(req.parts)), many=True) if p is not None]
        if req.method == pb.LANE:
            if len(req.numbers) != 3 or len(req.blobs) != 1 or self.lane is not None:
                raise WireError("a lane, their number, and an owner's id and epoch are wanted, once a channel")
            n, lanes, epoch = req.numbers
            self.lane = self._instance(req, d).lane(n, lanes, Owner(req.blobs[0].decode("utf-8", "replace"), epoch))
            marker = self.lane.marker()
            return Reply(blobs=[] if marker is None else [marker])
        if self.lane is None:
            raise WireError("no lane is open")
        if req.method == pb.STAGE:
            if self.staged_of != context:
                self.staged, self.staged_of = [], context
            self.staged += parts
            if not any(req.numbers[:1]):  # nothing follows
                rows, self.staged = self.staged, []
                self.lane.stage(context, rows)
        elif req.method == pb.PUBLISH:
            if len(req.blobs) != 1:
                raise WireError("a marker is wanted")
            self.lane.publish(context, req.blobs[0])
        else:
            self.lane.flush()
        return Reply()


def _method(req: pb.Request) -> str:
    try:
        return str(pb.Method.Name(req.method))
    except ValueError:
        return f"method {req.method}"


def _key_numbers(of: Any, rows: Any, keys: int) -> Any:
    """The number of each row's key."""
    out = of.column(0) if of is not None else pa.array([], pa.int32())
    if len(out) != rows.num_rows:
        raise WireError(f"{rows.num_rows} rows with {len(out)} key numbers")
    if len(out):
        ends = pc.min_max(out)
        if ends["min"].as_py() < 0 or ends["max"].as_py() >= keys:
            raise WireError(f"key numbers from {ends['min']} to {ends['max']}, where there are {keys} keys")
    return out


def _clean(text: str) -> str:
    """Text that a message holds: no halves of characters, and not without end."""
    text = text.encode("utf-8", "replace").decode()
    return text if len(text) <= _LONGEST else text[: _LONGEST // 2] + f"\n… {len(text) - _LONGEST} characters …\n" + text[-_LONGEST // 2 :]


def said(e: BaseException) -> str:
    """An exception in words."""
    if isinstance(e, (OutputError, Refused)):
        return str(e)
    text = str(e)
    return f"{type(e).__name__}: {text}" if text else type(e).__name__


def _frames_of(e: BaseException) -> List[traceback.FrameSummary]:
    """The frames of an exception from the first that is not this package's on."""
    frames = list(traceback.extract_tb(e.__traceback__))
    while frames and os.path.abspath(frames[0].filename).startswith(_HERE):
        frames.pop(0)
    return frames


def _where(e: BaseException) -> str:
    frames = [f for f in _frames_of(e) if os.path.isabs(f.filename)]  # others are of compiled code
    return f" ({os.path.basename(frames[-1].filename)}:{frames[-1].lineno})" if frames else ""


def stack(e: BaseException) -> str:
    """An exception's traceback, with those that caused it, from the user's code on."""
    linecache.checkcache()
    out: List[str] = []
    seen: List[int] = []
    cause: Optional[BaseException] = e
    while cause is not None and id(cause) not in seen and len(seen) < 5:
        seen.append(id(cause))
        frames = _frames_of(cause)
        text = "".join(traceback.format_list(frames)) + "".join(traceback.format_exception_only(type(cause), cause))
        if not frames and isinstance(cause, OutputError):
            text = ""
        out.insert(0, text)
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return "\nand then:\n".join(t.rstrip("\n") for t in out if t)


Answer = Callable[[pb.Request], Iterator[pb.Response]]
