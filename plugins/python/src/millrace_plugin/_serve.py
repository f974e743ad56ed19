"""The process: go-plugin's handshake, the gRPC server, and how it ends."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import stat
import sys
import tempfile
import threading
from concurrent import futures
from typing import Any, Iterator, List, Optional, Sequence

# gRPC's handlers around fork can wait for ever in a child that user code starts; a child that calls exec needs none.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

import grpc

from . import _logs, plugin_pb2 as pb
from ._calls import Calls, Server
from ._channels import Memory, Portable
from .errors import WireError
from .operators import offer_of, registry

COOKIE, VALUE = "MILLRACE_PLUGIN", "c2f8a1d6-operator"

#: How many portable channels, and other calls beside them, a process serves.
_WORKERS = 64
#: Requests are at most 4 MiB; more is read so that one that is larger gets an answer in words.
_LARGEST = 64 << 20
_log = logging.getLogger("millrace_plugin")


def started_by_engine() -> bool:
    return os.environ.get(COOKIE) == VALUE


# Standard output belongs to the handshake: what user code prints while its modules are imported must not get in between.
_stdout: Optional[int] = _logs.quiet_stdout() if started_by_engine() else None


def serve(name: str, version: str, operators: Optional[Sequence[Any]] = None, *, concurrent: bool = False) -> None:
    """Offers operators to the engine that has started this process, until it ends: the last call of a plugin's program.

    name        the plugin's
    version     the plugin's own. It is part of the plan of jobs: another version is another program
    operators   what decorators have made; None: all that they have
    concurrent  several operators work side by side in one process, in threads. Without it the engine starts a process for each slot, which is better for
                code in Python; it pays where a model takes much memory and its library lets other threads run
    """
    if not name or not version:
        raise ValueError(f"plugin {name!r} version {version!r}: both are mandatory")
    offers = registry if operators is None else [offer_of(o) for o in operators]
    server = Server(name, version, offers, concurrent)
    if _stdout is None:
        _explain(server)
        sys.exit(2)
    if "1" not in os.environ.get("PLUGIN_PROTOCOL_VERSIONS", "1").split(","):
        sys.exit(f"{name}: the engine speaks versions {os.environ['PLUGIN_PROTOCOL_VERSIONS']} of the plugin protocol, and this SDK only 1")
    _Process(server, _stdout).run()


def _explain(server: Server) -> None:
    print(f"{server.name} {server.version} is a plugin of millrace: a job starts it, with plugins.Command(\"python3\", \"{sys.argv[0]}\"). It offers:", file=sys.stderr)
    for o in server.offers.values():
        print(f"  {o.kind:<10} {o.name}  {o.doc}", file=sys.stderr)


class _Process:
    """One plugin's process."""

    def __init__(self, server: Server, stdout: int) -> None:
        self.server, self.stdout = server, stdout
        self.stopping = threading.Event()
        self.lock = threading.Lock()
        self.channels: List[Memory] = []
        self.threads: List[threading.Thread] = []
        self.folder: Optional[str] = None

    def run(self) -> None:
        _logs.install()
        signal.signal(signal.SIGTERM, lambda *_: self.stopping.set())
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's goes to the engine as well, which ends this process when it is through
        options = [("grpc.max_receive_message_length", _LARGEST), ("grpc.max_send_message_length", _LARGEST), ("grpc.so_reuseport", 0)]
        rpc = grpc.server(futures.ThreadPoolExecutor(_WORKERS, "millrace"), options=options)
        rpc.add_generic_rpc_handlers(_handlers(self))
        address = self._listen(rpc)
        rpc.start()
        os.write(self.stdout, f"1|1|unix|{address}|grpc\n".encode())
        _watch_stdin(self.stopping)
        while not self.stopping.wait(60):
            pass
        self._end(rpc)

    def _listen(self, rpc: Any) -> str:
        """Listens on a socket that is the owner's only, which is the authentication: go-plugin's certificates have keys on the curve P-521, which gRPC in C does not take."""
        folder = os.environ.get("PLUGIN_UNIX_SOCKET_DIR") or ""
        if not folder:
            folder = self.folder = tempfile.mkdtemp(prefix="millrace-")
        path = os.path.join(folder, f"p{os.getpid()}")
        before = os.umask(0o177)
        try:
            rpc.add_insecure_port("unix:" + path)
        finally:
            os.umask(before)
        return path

    def _end(self, rpc: Any) -> None:
        """Lets calls that run come to their end, for a while."""
        with self.lock:
            channels, threads = list(self.channels), list(self.threads)
        for c in channels:
            c.stop()
        clean = rpc.stop(1.5).wait(3)
        for t in threads:
            t.join(1.5)
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        if not clean or any(t.is_alive() for t in threads):
            os._exit(0)  # user code does not come back

    def attach(self, req: pb.AttachRequest) -> None:
        channel = Memory(req.socket, req.token)
        thread = threading.Thread(target=self._serve_memory, args=(channel,), name="millrace-memory", daemon=True)
        with self.lock:
            self.channels.append(channel)
            self.threads = [t for t in self.threads if t.is_alive()] + [thread]
            thread.start()

    def _serve_memory(self, channel: Memory) -> None:
        calls = Calls(self.server, channel)
        try:
            while True:
                req = channel.read()
                if req is None:
                    return
                for resp in calls.answer(req):
                    channel.write(resp)
        except WireError as e:
            _log.error("channel in memory ends: %s", e)
        except OSError as e:
            _log.debug("channel in memory ends: %s", e)
        finally:
            _closed(calls)
            channel.close()
            with self.lock:
                self.channels.remove(channel)

    def portable(self, requests: Iterator[pb.Request], context: Any) -> Iterator[pb.Response]:
        calls = Calls(self.server, Portable(lambda: self.stopping.is_set() or not context.is_active()))
        try:
            for req in requests:
                yield from calls.answer(req)
        except grpc.RpcError:  # the host has gone
            return
        finally:
            _closed(calls)


def _closed(calls: Calls) -> None:
    try:
        calls.close()
    except Exception:  # user code
        _log.exception("close of a lane")


def _watch_stdin(stopping: threading.Event) -> None:
    """Ends with the host, which holds the other end of standard input. What is no pipe, as /dev/null is not, says nothing about it."""
    try:
        mode = os.fstat(0).st_mode
    except OSError:
        return
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
        return

    def watch() -> None:
        try:
            while os.read(0, 4096):
                pass
        except OSError:
            pass
        stopping.set()

    threading.Thread(target=watch, name="millrace-stdin", daemon=True).start()


def _handlers(process: _Process) -> Any:
    """The services: this protocol's, gRPC's health, and go-plugin's controller."""
    server = process.server

    def declare(req: pb.DeclareRequest, context: Any) -> pb.DeclareResponse:
        try:
            return server.declare(req)
        except KeyError as e:
            context.abort(grpc.StatusCode.ALREADY_EXISTS, str(e.args[0]))
            raise

    def attach(req: pb.AttachRequest, context: Any) -> pb.AttachResponse:
        try:
            process.attach(req)
        except (OSError, WireError, ValueError) as e:
            context.abort(grpc.StatusCode.UNAVAILABLE, f"meet the host: {e}")
        return pb.AttachResponse()

    def shutdown(req: bytes, context: Any) -> bytes:
        process.stopping.set()
        return b""

    def check(req: bytes, context: Any) -> bytes:
        # HealthCheckRequest has the service's name as field 1, HealthCheckResponse the status SERVING (1) as field 1.
        if req not in (b"", b"\n\x06plugin"):
            context.abort(grpc.StatusCode.NOT_FOUND, "there is the service plugin")
        return b"\x08\x01"

    def unary(f: Any, req: Any = None) -> Any:
        if req is None:
            return grpc.unary_unary_rpc_method_handler(f)
        return grpc.unary_unary_rpc_method_handler(f, req.FromString, lambda m: m.SerializeToString())

    channel = grpc.stream_stream_rpc_method_handler(process.portable, pb.Request.FromString, lambda m: m.SerializeToString())
    return (
        grpc.method_handlers_generic_handler("millrace.plugin.v1.Plugin", {
            "Describe": unary(lambda req, context: server.describe(), pb.DescribeRequest),
            "Declare": unary(declare, pb.DeclareRequest),
            "Attach": unary(attach, pb.AttachRequest),
            "Channel": channel,
        }),
        grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": unary(check)}),
        grpc.method_handlers_generic_handler("plugin.GRPCController", {"Shutdown": unary(shutdown)}),
    )
