"""Logging to the engine: JSON lines on standard error, in the form of hclog."""

from __future__ import annotations

import datetime
import io
import json
import logging
import os
import sys
import traceback
from typing import Any, Dict

_LEVELS = ((logging.ERROR, "error"), (logging.WARNING, "warn"), (logging.INFO, "info"), (logging.DEBUG, "debug"))
_LONGEST = 16 << 10
_STANDARD = frozenset(vars(logging.LogRecord("", 0, "", 0, "", None, None))) | {"message", "asctime", "taskName"}


class Lines(logging.Handler):
    """Writes records to a file descriptor, each as a line at once."""

    def __init__(self, fd: int = 2) -> None:
        super().__init__()
        self.fd = fd

    def emit(self, record: logging.LogRecord) -> None:
        try:
            os.write(self.fd, (line(record) + "\n").encode("utf-8", "replace"))
        except Exception:  # logging never breaks who logs
            pass


def line(record: logging.LogRecord) -> str:
    """A record as a line. What was given as extra stands beside the message."""
    when = datetime.datetime.fromtimestamp(record.created, datetime.timezone.utc)
    out: Dict[str, Any] = {
        "@level": next((name for level, name in _LEVELS if record.levelno >= level), "trace"),
        "@message": record.getMessage()[:_LONGEST],
        "@timestamp": when.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
    }
    if record.name != "root":
        out["@module"] = record.name
    if record.exc_info and record.exc_info[0] is not None:
        out["stack"] = "".join(traceback.format_exception(*record.exc_info))[-_LONGEST:]
    for k, v in vars(record).items():
        if k not in _STANDARD and not k.startswith("@"):
            out[k] = v if isinstance(v, (str, int, float, bool, type(None))) else str(v)
    return json.dumps(out, ensure_ascii=False)


def install() -> None:
    """Sends the log to the engine, unless the program has said where else it goes."""
    root = logging.getLogger()
    if not root.handlers:
        root.addHandler(Lines())
        if root.level == logging.WARNING:  # the default
            root.setLevel(logging.INFO)


def quiet_stdout() -> int:
    """Has everything that is printed go to standard error, what C code prints as well. Returns a file descriptor of what was standard output."""
    kept = os.dup(1)
    os.dup2(2, 1)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True, errors="backslashreplace")
    return kept
