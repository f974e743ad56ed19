"""The values that operators are given and give back. They mirror package plugins of the engine."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Mapping, Optional, Sequence

#: What Update says of a key's state: leave state and timer as they are, store both, remove both.
KEEP, SET, DELETE = 0, 1, 2


@dataclass(frozen=True)
class Context:
    """What a call may depend on besides its records and state: of the batch that is computed."""

    number: int = 0
    #: Batch time, µs since 1970 UTC.
    time: int = 0
    #: The task's: source partition, reduce partition, or lane.
    partition: int = 0
    #: The last batch of a job that has come to its end.
    final: bool = False


@dataclass(frozen=True)
class Declaration:
    """What an operator makes of rows of a schema. Columns are named."""

    #: The schema of its output, in order.
    output: Any
    #: The columns of the input that it is given; None: all.
    reads: Optional[Sequence[str]] = None
    #: The columns of the output that are taken from the input unchanged, by name; the operator gives the others. A mapping says which column of the
    #: input each is, a sequence that it is the one of the same name. None: none are.
    keeps: Any = None


@dataclass(frozen=True)
class Result:
    """Rows of an operator that keeps columns, where they are not simply those of its input."""

    #: The computed columns: whatever the operator could return in place of this; None where there are none.
    columns: Any
    #: By row, the number of the row of the input that it comes from; any order, as often as wanted. None: row i comes from row i.
    from_rows: Any = None


@dataclass(frozen=True)
class KeyedInput:
    """One partition's share of a batch, for n keys."""

    #: A row for each key.
    keys: Any
    #: The rows in order; none of them if only timers fire.
    rows: Any
    #: The number of each row's key, int32.
    of: Any
    #: A row for each key; those of keys without state are zero or null.
    state: Any
    #: Which keys have state, boolean.
    exists: Any
    #: Which keys' timers fire in this batch, before its rows, exactly once, boolean.
    due: Any
    #: The timer that each key has besides: its due time in µs of batch time, 0 for none, as where it fires now, int64.
    timers: Any


@dataclass(frozen=True)
class KeyedOutput:
    """What becomes of n keys."""

    #: KEEP, SET or DELETE for each key.
    actions: Any
    #: A row for each key; those with another action than SET are not read. None where there is no SET.
    state: Any = None
    #: For each key with SET the due time of its timer in µs of batch time, 0 for none. None: timers that run stay as they are.
    timers: Any = None
    #: Rows of output; None where there are none.
    output: Any = None
    #: The number of each output row's key.
    of: Any = None


@dataclass(frozen=True)
class Owner:
    """Who writes a sink's lane."""

    #: Names the checkpoint and its timeline.
    id: str
    #: Rises with each start of the driver; counts within the id.
    epoch: int


@dataclass(frozen=True)
class Partition:
    """One ordered piece of a source."""

    #: Identity, stable across restarts.
    key: str
    #: What read needs besides; kept in the plan that reads the partition first.
    meta: bytes = b""
    #: Where a new job begins.
    start: int = 0
    #: Records below exist now, -1 if unknown.
    end: int = -1


@dataclass(frozen=True)
class Rows:
    """Rows that were read: those of the offsets from the one asked for up to next, which may have gaps."""

    #: None where no row is left of these offsets.
    batch: Any
    #: One a row, ascending, int64.
    offsets: Any
    #: Where to read on.
    next: int
    #: Last known end of the partition, -1 if unknown.
    end: int = -1


@dataclass(frozen=True)
class Offer:
    """One operator of a plugin: what the decorators make."""

    name: str
    kind: str
    doc: str
    #: Makes the operator out of the bytes that a job configures it with.
    make: Any = field(repr=False)


def is_mapping(value: Any) -> bool:
    return isinstance(value, Mapping)
