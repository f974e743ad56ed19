"""The process, as the engine sees it: handshake, calls over both kinds of channels, log, end."""

import fcntl
import json
import mmap
import os
import signal
import socket
import stat
import struct
import subprocess
import sys
import threading
import time

import grpc
import pyarrow as pa
import pytest

from millrace_plugin import plugin_pb2 as pb
from millrace_plugin._channels import Portable, decode_ipc, pieces_of
from millrace_plugin._codec import Codec

PLUGIN = os.path.join(os.path.dirname(__file__), "plugin.py")
SCHEMA = pa.schema([pa.field("n", pa.int64(), False), pa.field("text", pa.string())])
ROWS = pa.RecordBatch.from_arrays([pa.array([3, -1, -2], pa.int64()), pa.array(["a", None, "ccc"])], schema=SCHEMA)
ONE = pa.schema([SCHEMA.field(0)])


class Plugin:
    def __init__(self, folder, **env):
        environ = {**os.environ, "MILLRACE_PLUGIN": "c2f8a1d6-operator", "PLUGIN_PROTOCOL_VERSIONS": "1", "PLUGIN_UNIX_SOCKET_DIR": str(folder), **env}
        environ["PYTHONPATH"] = os.pathsep.join(sys.path)
        self.process = subprocess.Popen([sys.executable, PLUGIN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environ)
        self.line = self.process.stdout.readline().decode().strip()
        self.path = self.line.split("|")[3] if self.line.count("|") >= 4 else None
        self.lines = []
        self.reader = threading.Thread(target=lambda: self.lines.extend(line.decode().rstrip("\n") for line in self.process.stderr))
        self.reader.start()
        self.channel = grpc.insecure_channel("unix:" + self.path, [("grpc.max_receive_message_length", 1 << 30)]) if self.path else None
        self.declared = 0

    def call(self, method, req, resp):
        f = self.channel.unary_unary(method, lambda m: m if isinstance(m, bytes) else m.SerializeToString(), resp.FromString if resp else None)
        return f(req, timeout=30)

    def declare(self, operator, schemas=(SCHEMA,), config=b""):
        self.declared += 1
        req = pb.DeclareRequest(declaration=self.declared, operator=operator, config=config, schemas=[s.serialize().to_pybytes() for s in schemas])
        resp = self.call("/millrace.plugin.v1.Plugin/Declare", req, pb.DeclareResponse)
        assert not resp.refusal, resp.refusal
        return self.declared

    def stream(self):
        return Stream(self.channel)

    def end(self):
        """Waits for the end, and gives what it printed and logged."""
        rc = self.process.wait(20)
        self.reader.join()
        assert self.process.stdout.read() == b""
        return rc, self.lines

    def log(self):
        return [json.loads(line) for line in self.lines if line.startswith("{")]


class Stream:
    """The engine's end of a portable channel."""

    def __init__(self, channel):
        import queue

        self.queue, self.id = queue.Queue(), 0
        f = channel.stream_stream("/millrace.plugin.v1.Plugin/Channel", lambda m: m.SerializeToString(), pb.Response.FromString)
        self.answers = f(iter(self.queue.get, None))

    def ask(self, declaration, method, parts=(), **more):
        self.id += 1
        req = pb.Request(id=self.id, declaration=declaration, method=method, **more)
        Portable().encode(req, [(Codec(r.schema), r) for r in parts])
        self.queue.put(req)
        out = []
        while not out or out[-1].more:
            out.append(next(self.answers))
            assert out[-1].id == self.id
        return out

    def close(self):
        self.queue.put(None)
        assert list(self.answers) == []


class Shared:
    """The engine's end of a channel in memory."""

    def __init__(self, plugin, folder, size=1 << 16, token=b"t" * 32, greeting=None, seal=0x2 | 0x4):
        path = str(folder / f"m{os.urandom(4).hex()}")
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen()
        done = []

        def attach():
            try:
                done.append(plugin.call("/millrace.plugin.v1.Plugin/Attach", pb.AttachRequest(socket=path, token=token), pb.AttachResponse))
            except grpc.RpcError as e:
                done.append(e)

        thread = threading.Thread(target=attach)
        thread.start()
        listener.settimeout(20)
        self.sock, _ = listener.accept()
        self.sock.settimeout(20)
        assert self.sock.recv(32) == token
        fds = [os.memfd_create(name, os.MFD_ALLOW_SEALING) for name in ("in", "out")]
        for fd in fds:
            os.ftruncate(fd, size)
        self.inward, self.outward = (mmap.mmap(fd, size) for fd in fds)
        for fd in fds:
            fcntl.fcntl(fd, 1033, seal)
        socket.send_fds(self.sock, [greeting or struct.pack("<4sIQQ", b"MRPM", 1, size, size)], fds)
        for fd in fds:
            os.close(fd)
        thread.join()
        self.attached, self.id, self.size = done[0], 0, size

    def send(self, req):
        data = req.SerializeToString()
        self.sock.sendall(struct.pack("<I", len(data)) + data)

    def receive(self):
        (n,) = struct.unpack("<I", self.exactly(4))
        return pb.Response.FromString(self.exactly(n))

    def answer(self):
        out = [self.receive()]
        while out[-1].more:
            out.append(self.receive())
        return out

    def exactly(self, n):
        data = b""
        while len(data) < n:
            got = self.sock.recv(n - len(data))
            assert got, "the plugin has ended the channel"
            data += got
        return data

    def ask(self, declaration, method, parts=(), room=1 << 15, **more):
        self.id += 1
        req = pb.Request(id=self.id, declaration=declaration, method=method, **more)
        at = 0
        for r in parts:
            data = pieces_of(Codec(r.schema), r)
            self.inward[at : at + len(data)] = data
            req.parts.add(place=pb.Place(offset=at, length=len(data)))
            at = at + len(data) + 63 & ~63
        if room:
            req.room.CopyFrom(pb.Place(offset=64, length=room))
        self.send(req)
        return self.receive()

    def rows(self, part, schema):
        if part.WhichOneof("data") == "raw":
            data = part.raw
        else:
            assert 64 <= part.place.offset and part.place.offset % 64 == 0
            data = self.outward[part.place.offset : part.place.offset + part.place.length]
        return Codec(schema).decode(pa.py_buffer(data))


@pytest.fixture
def plugin(tmp_path):
    p = Plugin(tmp_path)
    yield p
    if p.process.poll() is None:
        p.process.kill()
        p.process.wait()
    p.reader.join()


def test_handshake(plugin, tmp_path):
    assert plugin.line == f"1|1|unix|{plugin.path}|grpc"
    assert os.path.dirname(plugin.path) == str(tmp_path)
    assert stat.S_IMODE(os.stat(plugin.path).st_mode) & 0o077 == 0
    d = plugin.call("/millrace.plugin.v1.Plugin/Describe", pb.DescribeRequest(protocol=1, features=["memory"]), pb.DescribeResponse)
    assert (d.name, d.version, d.protocol, list(d.features), d.concurrent) == ("shop", "1.2", 1, ["stages", "memory"], False)
    assert [(o.name, o.kind) for o in d.offers][:3] == [("identity", "map"), ("noisy", "map"), ("negative", "map")]
    assert plugin.call("/grpc.health.v1.Health/Check", b"\n\x06plugin", None) == b"\x08\x01"
    with pytest.raises(grpc.RpcError, match="NOT_FOUND"):
        plugin.call("/grpc.health.v1.Health/Check", b"\n\x05other", None)


def test_portable(plugin):
    s = plugin.stream()
    same, some, big, one = (plugin.declare(o) for o in ("identity", "negative", "blow", "one"))
    (r,) = s.ask(same, pb.PROCESS, [ROWS])
    assert decode_ipc(r.parts[0].ipc, Codec(SCHEMA)).equals(ROWS) and list(r.numbers) == [3]
    (r,) = s.ask(some, pb.PROCESS, [ROWS.select(["n"])])
    assert r.parts[0].absent and decode_ipc(r.parts[1].ipc, Codec(pa.schema([pa.field("from", pa.int32(), False)])))["from"].to_pylist() == [1, 2]
    (r,) = s.ask(one, pb.PROCESS, [ROWS])
    assert r.numbers == [3]
    n = pa.RecordBatch.from_arrays([pa.array([100_000] * 200, pa.int64())], schema=ONE)
    out = s.ask(big, pb.PROCESS, [n])
    assert len(out) > 4 and all(r.ByteSize() <= 4 << 20 for r in out) and sum(r.numbers[0] for r in out) == 200
    uneven = pa.RecordBatch.from_arrays([pa.array([1] * 1000 + [3 << 20, 3 << 20, 1], pa.int64())], schema=ONE)
    out = s.ask(big, pb.PROCESS, [uneven])
    assert all(r.ByteSize() <= 4 << 20 and not r.HasField("failure") for r in out) and sum(r.numbers[0] for r in out) == 1003
    (r,) = s.ask(big, pb.PROCESS, [pa.RecordBatch.from_arrays([pa.array([5 << 20], pa.int64())], schema=ONE)])
    assert "a row has 5243" in r.failure.text and "4194304 are the most" in r.failure.text
    s.close()


def test_failures_leave_the_channel(plugin):
    s = plugin.stream()
    some = plugin.declare("negative")
    bad = ROWS.select(["n"]).slice(0, 1)
    (r,) = s.ask(some, pb.PROCESS, [pa.RecordBatch.from_arrays([pa.array([13], pa.int64())], schema=ONE)])
    assert r.failure.kind == pb.Failure.OPERATOR and r.failure.text == "RuntimeError: unlucky"
    assert r.failure.stack.startswith(f'  File "{PLUGIN}", line') and "in negative" in r.failure.stack
    for said, ask in {
        "declaration 99 is not there": dict(declaration=99, method=pb.PROCESS, parts=[bad]),
        "MERGE for operator 'negative', which is a map": dict(declaration=some, method=pb.MERGE),
        "method 77 for": dict(declaration=some, method=77),
        "part 0 is absent": dict(declaration=some, method=pb.PROCESS),
        "2 parts, and 1 are wanted": dict(declaration=some, method=pb.PROCESS, parts=[bad, bad]),
        "2 columns, and 1 are wanted": dict(declaration=some, method=pb.PROCESS, parts=[ROWS]),
    }.items():
        (r,) = s.ask(**ask)
        assert r.failure.kind == pb.Failure.PROTOCOL and said in r.failure.text, r
    (r,) = s.ask(some, pb.PROCESS, [bad])
    assert not r.HasField("failure")


def test_declarations(plugin):
    plugin.declare("identity")
    plugin.declared = 0
    with pytest.raises(grpc.RpcError, match="declaration 1 is there"):
        plugin.declare("identity")

    def refusal(**req):
        return plugin.call("/millrace.plugin.v1.Plugin/Declare", pb.DeclareRequest(declaration=9, **req), pb.DeclareResponse).refusal

    assert 'has no operator "identiy" (did you mean \'identity\'?)' in refusal(operator="identiy", schemas=[SCHEMA.serialize().to_pybytes()])
    assert "0 schemas, and 1 are wanted" in refusal(operator="identity")
    assert "cannot be read" in refusal(operator="identity", schemas=[b"xyz"])
    assert "takes no configuration" in refusal(operator="identity", schemas=[SCHEMA.serialize().to_pybytes()], config=b"{}")


def test_output_goes_to_the_log(plugin):
    s = plugin.stream()
    s.ask(plugin.declare("noisy"), pb.PROCESS, [ROWS])
    s.close()
    plugin.process.stdin.close()
    rc, lines = plugin.end()
    assert rc == 0
    for text in ("printed at import", "written at import", "printed by user code", "put by C code"):
        assert text in lines
    warning, wrong = plugin.log()[:2]
    assert warning["@level"] == "warn" and warning["@message"] == "a warning: 3 rows" and warning["@module"] == "shop" and warning["rows"] == 3
    assert len(warning["@timestamp"]) == len("2006-01-02T15:04:05.000000Z")
    assert wrong["@level"] == "error" and "ValueError: inner" in wrong["stack"]


@pytest.mark.parametrize("how", ["stdin", "term", "shutdown"])
def test_end(plugin, how):
    """What runs comes to its end, and lanes are closed."""
    s, lanes = plugin.stream(), plugin.stream()
    (r,) = lanes.ask(plugin.declare("Closing"), pb.LANE, numbers=[0, 1, 5], blobs=[b"test/1"])
    assert r.blobs == [b"m"]
    lanes.ask(plugin.declared, pb.STAGE, [ROWS], batch=pb.Batch(number=1), numbers=[1])
    lanes.ask(plugin.declared, pb.STAGE, [ROWS], batch=pb.Batch(number=1))
    lanes.ask(plugin.declared, pb.PUBLISH, blobs=[b"mark"], batch=pb.Batch(number=1))
    (r,) = lanes.ask(plugin.declared, pb.LANE, numbers=[0, 1, 5], blobs=[b"test/1"])
    assert "once a channel" in r.failure.text
    slow, got = plugin.declare("slow"), []
    thread = threading.Thread(target=lambda: got.extend(s.ask(slow, pb.PROCESS, [ROWS])))
    thread.start()
    time.sleep(0.2)
    if how == "stdin":
        plugin.process.stdin.close()
    elif how == "term":
        plugin.process.send_signal(signal.SIGTERM)
    else:
        plugin.call("/plugin.GRPCController/Shutdown", b"", None)
    rc, _ = plugin.end()
    thread.join()
    messages = [m["@message"] for m in plugin.log()]
    assert rc == 0 and "published 6 rows with mark" in messages and "lane closed" in messages
    assert got and not got[0].HasField("failure")


@pytest.mark.skipif(sys.platform != "linux", reason="shared memory is Linux's")
def test_memory(plugin, tmp_path):
    m = Shared(plugin, tmp_path)
    assert isinstance(m.attached, pb.AttachResponse)
    same, some, big = (plugin.declare(o) for o in ("identity", "negative", "blow"))
    for _ in range(3):
        r = m.ask(same, pb.PROCESS, [ROWS])
        assert r.id == m.id and r.parts[0].HasField("place") and m.rows(r.parts[0], SCHEMA).equals(ROWS)
    assert m.outward[:64] == bytes(64)
    r = m.ask(some, pb.PROCESS, [ROWS.select(["n"])])
    assert r.parts[0].absent and m.rows(r.parts[1], pa.schema([pa.field("from", pa.int32(), False)]))["from"].to_pylist() == [1, 2]
    r = m.ask(same, pb.PROCESS, [ROWS], room=0)
    assert r.parts[0].WhichOneof("data") == "raw" and m.rows(r.parts[0], SCHEMA).equals(ROWS)
    r = m.ask(big, pb.PROCESS, [pa.RecordBatch.from_arrays([pa.array([1 << 20], pa.int64())], schema=ONE)])
    assert len(m.rows(r.parts[0], pa.schema([("text", pa.string())]))["text"][0].as_py()) == 1 << 20
    for _ in range(4):  # more than sockets hold, in both directions
        m.id += 1
        m.send(pb.Request(id=m.id, declaration=big, method=pb.PROCESS, parts=[pb.Part(raw=pieces_of(Codec(ONE), pa.RecordBatch.from_arrays([pa.array([3 << 20] + [0] * 100_000, pa.int64())], schema=ONE)))]))
    for i in range(4):
        assert sum(r.numbers[0] for r in m.answer()) == 100_001
    m.sock.close()
    assert plugin.call("/grpc.health.v1.Health/Check", b"", None) == b"\x08\x01"


@pytest.mark.parametrize("how", ["memory", "portable", "end"])
def test_source_is_told_that_it_is_given_up(plugin, tmp_path, how):
    read = dict(method=pb.READ, numbers=[0, -1, 0, 100], blobs=[b"p", b""])
    waiting = plugin.declare("Waiting", ())
    if how == "portable":
        s = plugin.stream()
        s.queue.put(pb.Request(id=1, declaration=waiting, **read))
    else:
        m = Shared(plugin, tmp_path)
        m.send(pb.Request(id=1, declaration=waiting, **read))
    time.sleep(0.1)
    if how == "portable":
        s.answers.cancel()
    elif how == "memory":
        m.sock.close()
    until = time.monotonic() + 20
    while how != "end" and time.monotonic() < until and not any("nobody waits" in line for line in plugin.lines):
        time.sleep(0.01)
    if how != "end":
        assert any("nobody waits" in line for line in plugin.lines)
    plugin.process.stdin.close()
    rc, _ = plugin.end()
    assert rc == 0 and [x["@message"] for x in plugin.log()].count("nobody waits") == 1


@pytest.mark.skipif(sys.platform != "linux", reason="shared memory is Linux's")
def test_memory_of_a_hostile_host(plugin, tmp_path):
    m = Shared(plugin, tmp_path)
    same = plugin.declare("identity")
    for part, said in (
        (pb.Part(place=pb.Place(offset=m.size, length=1)), "of a region of"),
        (pb.Part(place=pb.Place(offset=1 << 63, length=1 << 63)), "of a region of"),
        (pb.Part(place=pb.Place(offset=0, length=m.size)), "record batch of"),
        (pb.Part(raw=b""), "not of this version"),
        (pb.Part(ipc=b"x"), "where a place or raw is wanted"),
        (pb.Part(), "no data"),
    ):
        m.id += 1
        m.send(pb.Request(id=m.id, declaration=same, method=pb.PROCESS, parts=[part]))
        r = m.receive()
        assert r.failure.kind == pb.Failure.PROTOCOL and said in r.failure.text, r
    for room in (pb.Place(offset=1, length=64), pb.Place(offset=64, length=m.size), pb.Place(offset=1 << 63, length=64)):
        m.id += 1
        m.send(pb.Request(id=m.id, declaration=same, method=pb.PROCESS, room=room))
        assert "room at" in m.receive().failure.text
    assert m.rows(m.ask(same, pb.PROCESS, [ROWS]).parts[0], SCHEMA).equals(ROWS)
    m.sock.sendall(struct.pack("<I", 1 << 31))  # a frame that is too long ends the channel, and no other
    assert m.sock.recv(1) == b""
    m = Shared(plugin, tmp_path)
    m.sock.sendall(struct.pack("<I", 3) + b"\xff\xff\xff")
    assert m.sock.recv(1) == b""
    for bad in (dict(greeting=b"MRPX" + bytes(20)), dict(greeting=struct.pack("<4sIQQ", b"MRPM", 2, 1 << 16, 1 << 16)),
                dict(greeting=struct.pack("<4sIQQ", b"MRPM", 1, 1 << 20, 1 << 16)), dict(seal=0), dict(greeting=b"MRPM")):
        assert "meet the host" in str(Shared(plugin, tmp_path, **bad).attached)
    with pytest.raises(grpc.RpcError, match="meet the host"):
        plugin.call("/millrace.plugin.v1.Plugin/Attach", pb.AttachRequest(socket=str(tmp_path / "none"), token=b"x"), pb.AttachResponse)
    assert Shared(plugin, tmp_path).ask(same, pb.PROCESS, [ROWS]).numbers == [3]


def test_started_by_hand():
    env = {k: v for k, v in os.environ.items() if k != "MILLRACE_PLUGIN"}
    env["PYTHONPATH"] = os.pathsep.join(sys.path)
    r = subprocess.run([sys.executable, PLUGIN], capture_output=True, text=True, env=env)
    assert r.returncode == 2 and "shop 1.2 is a plugin of millrace" in r.stderr and "filter" not in r.stderr and "map        negative" in r.stderr
    assert "printed at import" in r.stdout


def test_other_protocol(tmp_path):
    p = Plugin(tmp_path, PLUGIN_PROTOCOL_VERSIONS="2,3")
    rc, lines = p.end()
    assert rc == 1 and any("speaks versions 2,3" in line for line in lines)
