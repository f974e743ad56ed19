"""A job's configuration of an operator: bytes, which are JSON unless the operator wants them as they are."""

from __future__ import annotations

import dataclasses
import json
import typing
from typing import Any, Dict, Type

from ._check import near
from .errors import Refused


def parse(kind: Any, raw: bytes) -> Any:
    """raw as kind: bytes, dict, or a dataclass. Nothing is an empty object. Raises Refused."""
    if kind is bytes:
        return raw
    try:
        value = json.loads(raw) if raw else {}
    except ValueError as e:
        raise Refused(f"configuration is not JSON: {e}") from None
    if kind is dict or kind is None:
        if not isinstance(value, dict):
            raise Refused(f"configuration is {_json(value)}, and an object is wanted")
        return value
    if dataclasses.is_dataclass(kind):
        return _dataclass(typing.cast(Type[Any], kind), value, "configuration")
    raise TypeError(f"config={kind!r}: give a dataclass, dict or bytes")


def _dataclass(kind: Type[Any], value: Any, path: str) -> Any:
    if not isinstance(value, dict):
        raise Refused(f"{path} is {_json(value)}, and an object is wanted")
    fields = {f.name: f for f in dataclasses.fields(kind) if f.init}
    for name in value:
        if name not in fields:
            raise Refused(f'{path}: unknown field "{name}"{near(name, list(fields))}; it has {", ".join(fields) or "none"}')
    try:
        hints: Dict[str, Any] = typing.get_type_hints(kind)
    except Exception:  # annotations that this Python cannot read: then values are taken as they are
        hints = {}
    out: Dict[str, Any] = {}
    for name, f in fields.items():
        if name in value:
            out[name] = _typed(hints.get(name, Any), value[name], f'{path}: field "{name}"')
        elif f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING:
            raise Refused(f'{path}: field "{name}" is missing')
    try:
        return kind(**out)
    except ValueError as e:  # of a __post_init__ that looks at values
        raise Refused(f"{path}: {e}") from e


def _typed(want: Any, value: Any, path: str) -> Any:
    """value, if it is of the type want as far as JSON has it."""
    if dataclasses.is_dataclass(want):
        return _dataclass(typing.cast(Type[Any], want), value, path)
    origin, args = typing.get_origin(want), typing.get_args(want)
    if type(None) in args:  # Optional
        if value is None:
            return None
        rest = [a for a in args if a is not type(None)]
        return _typed(rest[0], value, path) if len(rest) == 1 else value
    if origin is list and args and isinstance(value, list):
        return [_typed(args[0], v, f"{path}[{i}]") for i, v in enumerate(value)]
    kind = origin or want
    if kind is float and type(value) is int:
        return float(value)
    if kind in (int, float, str, bool, list, dict) and type(value) is not kind:
        raise Refused(f"{path} is {_json(value)}, and {kind.__name__} is wanted")
    return value


def _json(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else text[:40] + "…"
