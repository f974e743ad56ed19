"""A plugin for test_serve.py: what it prints at import must not get into the handshake."""

import ctypes
import logging
import os
import time

import pyarrow as pa

from millrace_plugin import Partition, filter, given_up, operator, scalar, serve, sink, source

print("printed at import")
os.write(1, b"written at import\n")
log = logging.getLogger("shop")


@operator(output=lambda schema: schema)
def identity(batch):
    return batch


@operator(output=lambda schema: schema)
def noisy(batch):
    print("printed by user code")
    ctypes.CDLL(None).puts(b"put by C code")
    ctypes.CDLL(None).fflush(None)
    log.warning("a warning: %d rows", batch.num_rows, extra={"rows": batch.num_rows})
    log.debug("not shown")
    try:
        raise ValueError("inner")
    except ValueError:
        log.exception("it went wrong")
    return batch


@filter(reads=["n"])
def negative(batch):
    if batch["n"][0].as_py() == 13:
        raise RuntimeError("unlucky")
    return [n < 0 for n in batch["n"].to_pylist()]


@operator(reads=["n"], output=[("text", pa.string())])
def blow(batch):
    return ["x" * n for n in batch["n"].to_pylist()]


@operator(output=lambda schema: schema)
def slow(batch):
    time.sleep(0.5)
    return batch


@scalar(result=pa.int64())
def one(*args):
    return [1] * len(args[0])


@sink
class Closing:
    def lane(self, number, lanes, owner):
        return self

    marker = b"m"

    def stage(self, batches):
        self.rows = sum(b.num_rows for b in batches)

    def publish(self, marker):
        log.info("published %d rows with %s", self.rows, marker.decode())

    def close(self):
        log.info("lane closed")


@source(schema=[("n", pa.int64())])
class Waiting:
    def partitions(self):
        return [Partition("p")]

    def read(self, partition, start, limit):
        while not given_up():
            time.sleep(0.01)
        log.info("nobody waits")
        raise TimeoutError


if __name__ == "__main__":
    serve(name="shop", version="1.2")
