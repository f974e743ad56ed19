"""The decorators that make operators out of functions and classes."""

from __future__ import annotations

import inspect
import typing
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple, TypeVar, overload

import pyarrow as pa

from . import _check, _config, _kinds
from .errors import OutputError, Refused
from .types import Offer

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

#: All operators that decorators have made, in order: what serve offers by default.
registry: List[Offer] = []


@overload
def operator(target: F) -> F: ...
@overload
def operator(*, output: Any = None, adds: Any = None, reads: Any = None, keeps: Any = None, frame: Optional[str] = None, config: Any = None, name: Optional[str] = None) -> Callable[[F], F]: ...
def operator(target: Any = None, *, output: Any = None, adds: Any = None, reads: Any = None, keeps: Any = None, frame: Optional[str] = None,
             config: Any = None, name: Optional[str] = None) -> Any:
    """Makes an operator that turns record batches into record batches; how rows are cut into record batches means nothing.

    The function, or the method process of a class, is given a record batch, and returns the computed columns. Which those are says exactly one of

    output  a schema, or a function of the input's schema: all columns of the output. Fewer with keeps. Any number of rows.
    adds    fields, or a function of the input's schema: columns that are added to those of the input, all of which are kept. A value for each row.

    A class may have a method declare(schema) -> Declaration in place of both.

    reads   names of the columns, or fields, that it is given; others are not sent. A field also demands its type, and no nulls where it is not nullable.
    keeps   with output: columns that are those of the input, by name, and not returned. A dict says which of the input each is.
    frame   "pandas" or "polars": it is given data frames, and may return them.
    config  what its configuration is: a dataclass, dict or bytes. It gets it as the parameter config; a class, in its constructor.

    A parameter named context is given a Context. Result says of rows of an operator that keeps columns where they come from.
    """

    def make(user: _Program) -> Callable[[bytes], Any]:
        _one_of(user, {"output": output, "adds": adds}, "declare")
        if keeps is not None and output is None:
            raise TypeError(f"operator {user.name}: keeps goes with output; adds keeps all columns")
        _known_frame(user, frame)
        return lambda raw: _kinds.Map(user.started(raw, "process"), output, adds, reads, keeps, frame)

    return _decorated(target, "map", make, config, name)


@overload
def filter(target: F) -> F: ...
@overload
def filter(*, reads: Any = None, frame: Optional[str] = None, config: Any = None, name: Optional[str] = None) -> Callable[[F], F]: ...
def filter(target: Any = None, *, reads: Any = None, frame: Optional[str] = None, config: Any = None, name: Optional[str] = None) -> Any:
    """Makes an operator that keeps the rows for which the function gives true. Null is false. All columns are kept; only reads are sent."""

    def make(user: _Program) -> Callable[[bytes], Any]:
        _known_frame(user, frame)
        return lambda raw: _kinds.Filter(user.started(raw, "process"), reads, frame)

    return _decorated(target, "map", make, config, name)


@overload
def scalar(target: F) -> F: ...
@overload
def scalar(*, result: Any = None, args: Optional[Sequence[Any]] = None, config: Any = None, name: Optional[str] = None) -> Callable[[F], F]: ...
def scalar(target: Any = None, *, result: Any = None, args: Optional[Sequence[Any]] = None, config: Any = None, name: Optional[str] = None) -> Any:
    """Makes a function for expressions, which is given an array for each argument, and returns an array with a value for each row.

    args    types of the arguments, or fields; a field that is not nullable takes no columns with nulls. None: any.
    result  the result's type, which then may be null, or a field, or a function that gives either of the arguments' fields.
    """

    def make(user: _Program) -> Callable[[bytes], Any]:
        if result is None:
            raise TypeError(f"scalar {user.name}: say its result, as in result=pa.int64()")
        return lambda raw: _kinds.Scalar(user.started(raw, "eval"), args, result)

    return _decorated(target, "scalar", make, config, name)


@overload
def aggregate(target: F) -> F: ...
@overload
def aggregate(*, partial: Any = None, output: Any = None, config: Any = None, name: Optional[str] = None) -> Callable[[F], F]: ...
def aggregate(target: Any = None, *, partial: Any = None, output: Any = None, config: Any = None, name: Optional[str] = None) -> Any:
    """Makes an aggregate out of a class with the methods

    partial(rows, of, keys)     gives a row for each key: row i combines the rows r with of[r] == i, in order
    merge(partials, of, keys)   is the same for rows that are partial results, and gives final ones

    partial and output are the schemas of both, without the key's columns, or functions of the key's schema and the input's. A class may have a
    method schemas(key, rows) that gives them in place.
    """

    def make(user: _Program) -> Callable[[bytes], Any]:
        _both(user, {"partial": partial, "output": output}, "schemas")
        return lambda raw: _kinds.Aggregate(user.started(raw, "partial", "merge"), partial, output)

    return _decorated(target, "aggregate", make, config, name)


@overload
def keyed(target: F) -> F: ...
@overload
def keyed(*, state: Any = None, output: Any = None, config: Any = None, name: Optional[str] = None) -> Callable[[F], F]: ...
def keyed(target: Any = None, *, state: Any = None, output: Any = None, config: Any = None, name: Optional[str] = None) -> Any:
    """Makes an operator with state out of a class with the method update(input: KeyedInput) -> KeyedOutput, or a function that is it.

    state and output are the schemas, without the key's columns, or functions of the key's schema and the input's. A class may have a method
    schemas(key, rows) that gives them in place. State is the engine's: keep nothing in the object that a later call needs.
    """

    def make(user: _Program) -> Callable[[bytes], Any]:
        _both(user, {"state": state, "output": output}, "schemas")
        return lambda raw: _kinds.Keyed(user.started(raw, "update"), state, output)

    return _decorated(target, "keyed", make, config, name)


@overload
def source(target: F) -> F: ...
@overload
def source(*, schema: Any = None, config: Any = None, name: Optional[str] = None) -> Callable[[F], F]: ...
def source(target: Any = None, *, schema: Any = None, config: Any = None, name: Optional[str] = None) -> Any:
    """Makes a source out of a class with the methods

    partitions() -> [Partition]              what exists now, in a stable order in which new ones come last
    read(partition, start, limit) -> Rows    rows from offset start on, about limit bytes; waits for the first. Raises EndOfPartition once it is complete.
                                             Who waits asks given_up now and then

    schema is that of the rows; a class may have a method schema() in place.
    """

    def make(user: _Program) -> Callable[[bytes], Any]:
        _both(user, {"schema": schema}, "schema")
        return lambda raw: _kinds.Source(user.started(raw, "partitions", "read"), schema)

    return _decorated(target, "source", make, config, name)


@overload
def sink(target: F) -> F: ...
@overload
def sink(*, config: Any = None, name: Optional[str] = None) -> Callable[[F], F]: ...
def sink(target: Any = None, *, config: Any = None, name: Optional[str] = None) -> Any:
    """Makes a sink out of a class with the methods

    check(schema, keys)        raises Refused where rows of this schema, whose first keys columns are the key, cannot be written; may be left out
    lane(number, lanes, owner) takes a lane over for an Owner: what all that had it before publish raises Fenced from now on. Raises Fenced if the one that has it is
                               of the same id with a higher epoch; epochs of different ids mean nothing to each other. Gives an object with

        marker                       attribute or method: bytes of what was published last, None for a fresh output
        stage(batches)               makes a batch's rows ready, invisibly; replaces what was staged for it and all after it
        publish(marker)              makes the staged batch visible and its marker durable in one atomic write
        flush(), close()             may be left out

    stage and publish have a parameter context, whose number is the batch's.
    """

    def make(user: _Program) -> Callable[[bytes], Any]:
        return lambda raw: _kinds.Sink(user.started(raw, "lane"))

    return _decorated(target, "sink", make, config, name)


def require(schema: Any, name: str, type: Any = None, nullable: bool = True) -> Any:
    """The field of a column that an operator needs, for use while it is declared. Raises Refused."""
    return _kinds.require(schema, name, type, nullable)


def offer_of(target: Any) -> Offer:
    """The offer that a decorator made of a function or class."""
    if isinstance(target, Offer):
        return target
    offer = getattr(target, "__millrace__", None)
    if not isinstance(offer, Offer):
        raise TypeError(f"{target!r} is no operator; put a decorator of millrace_plugin before it")
    return offer


def _decorated(target: Any, kind: str, make: Any, config: Any, name: Optional[str]) -> Any:
    def decorate(user: T) -> T:
        program = _Program(user, kind, config, name)
        offer = Offer(program.name, kind, program.doc, make(program))
        user.__millrace__ = offer  # type: ignore[attr-defined]
        registry.append(offer)
        return user

    return decorate if target is None else decorate(target)


def _one_of(user: "_Program", given: Dict[str, Any], method: str) -> None:
    names = [k for k, v in given.items() if v is not None]
    if len(names) + user.has(method) != 1:
        raise TypeError(f"operator {user.name}: give exactly one of {', '.join(given)}, or a class with a method {method}")


def _both(user: "_Program", given: Dict[str, Any], method: str) -> None:
    missing = [k for k, v in given.items() if v is None]
    if missing and not user.has(method):
        raise TypeError(f"{user.kind} {user.name}: give {' and '.join(missing)}, or a class with a method {method}")


def _known_frame(user: "_Program", frame: Optional[str]) -> None:
    if frame not in (None, "pandas", "polars"):
        raise TypeError(f"operator {user.name}: frame={frame!r}; there are pandas and polars")


class _Program:
    """A function or class of the user's."""

    def __init__(self, user: Any, kind: str, config: Any, name: Optional[str]) -> None:
        if not callable(user):
            raise TypeError(f"{user!r} is neither a function nor a class")
        self.user, self.kind = user, kind
        self.is_class = inspect.isclass(user)
        self.name: str = name or user.__name__
        self.doc = (inspect.getdoc(user) or "").split("\n")[0]
        #: What takes the configuration: the function, or the class's constructor.
        self.takes = _takes_config(user, self.is_class)
        if config is not None and self.takes is None:
            raise TypeError(f"{self.name}: config={config!r}, and no parameter config takes it")
        self.config = config or self.takes or dict

    def has(self, method: str) -> bool:
        return self.is_class and callable(getattr(self.user, method, None))

    def started(self, raw: bytes, *methods: str) -> "_kinds.Started":
        """The operator for a configuration, with its methods by name."""
        value: Any = None
        if self.takes is not None:
            value = _config.parse(self.config, raw)
        elif raw:
            raise Refused(f"{self.name} takes no configuration, and is given {len(raw)} bytes")
        if self.is_class:
            it = self.user(value) if self.takes is not None else self.user()
            for m in methods:
                if not callable(getattr(it, m, None)):
                    raise OutputError(f"{self.kind} {self.name}: class {self.user.__name__} has no method {m}")
            return _kinds.Started(self.name, it, {m: getattr(it, m) for m in methods}, value)
        if len(methods) > 1 or self.kind in ("source", "sink"):
            raise OutputError(f"{self.kind} {self.name} must be a class with {', '.join(methods)}")
        return _kinds.Started(self.name, None, {methods[0]: self.user}, value)


def _takes_config(user: Any, is_class: bool) -> Any:
    """The type of the configuration that user takes, by its annotation where that says one; dict otherwise. None: it takes none."""
    if is_class and user.__init__ is object.__init__:
        return None
    try:
        params = list(inspect.signature(user).parameters.values())
    except (TypeError, ValueError):
        return None
    if is_class:
        found: Tuple[Any, ...] = tuple(params[:1])
    else:
        found = tuple(p for p in params if p.name == "config")
    if not found:
        return None
    try:
        hint = typing.get_type_hints(user.__init__ if is_class else user).get(found[0].name)
    except Exception:  # annotations may name anything
        hint = None
    return hint if inspect.isclass(hint) and (hint in (bytes, dict) or hasattr(hint, "__dataclass_fields__")) else dict
