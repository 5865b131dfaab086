"""Tables of TOML or JSON to dataclasses: how every setting is read, hooknet's own and those of plugins.

Rules. An unknown key is an error that names the nearest known one, at any depth: a typing error in a table within a
table, or in a list of tables, is found too. Each error names its place (`[plugins.x]: rules[0]: name: …`; lists count
from 0). Keys may have hyphens for underscores. A field annotated `Duration` takes seconds or text such as "5m";
network, address and path types take text; everything else is what its annotation says, strictly.
"""

from __future__ import annotations

import difflib
import functools
import re
import types
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import msgspec

from hooknet.errors import HooknetError, Kind
from hooknet.model import INFINITE


class _Seconds:
    """The mark by which a duration is known from any other number."""

    def __repr__(self) -> str:
        return "seconds"


Duration = Annotated[float, _Seconds()]
"""Seconds; in TOML also text such as "90s", "5m", "1.5h", "2d", "infinite"."""

UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
FOREVER = "infinite"
TYPE = re.compile(r"`([a-z |]+)`")
TYPES = {
    "array": "a list",
    "bool": "true or false",
    "float": "a number",
    "int": "a whole number",
    "null": "nothing",
    "object": "a table",
    "str": "text",
}
LONGEST = 1e12
"""Seconds: beyond any lease, and below what a float can't hold."""
FOREIGN = frozenset({IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Network, Path})
HINT = "see docs/reference/configuration.md"
DURATION_HINT = "give seconds, or text such as 90s, 5m, 1.5h, 2d or infinite"
NONE_OF = "Invalid enum value "
"""How msgspec begins to say that a value is none of a `Literal`'s."""

T = TypeVar("T")


def parse_duration(value: Any) -> float:
    """Seconds from a number or from text such as "90s", "5m", "1.5h", "2d", "infinite". Raises ValueError."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < LONGEST:
        seconds = float(value)
    elif isinstance(value, str) and value == FOREVER:
        seconds = float(INFINITE)
    elif isinstance(value, str) and (
        found := re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([smhd]?)", value.strip())
    ):
        seconds = float(found[1]) * UNITS[found[2]]
    else:
        raise ValueError(f'expected seconds or a duration such as "5m", got {value!r}')
    if not 0 <= seconds < float("inf"):
        raise ValueError(f"a duration can't be {value!r}")
    return seconds


def bind(cls: type[T], data: Mapping[str, Any], where: str, *, hint: str = HINT) -> T:
    """Build the dataclass `cls` from `data`. Raises BAD_CONFIG naming `where`, the key and the remedy.

    hint: what to do about a value of the wrong type.
    """
    known = _settings_of(cast("Hashable", cls))
    given: dict[str, Any] = {}
    for key, value in data.items():
        name = key.replace("-", "_")
        if name not in known:
            raise unknown_key(key, list(known), where)
        given[name] = _value(known[name].annotation, value, f"{where}: {key}", hint)
    if missing := [name for name, setting in known.items() if setting.is_required and name not in given]:
        raise HooknetError(Kind.BAD_CONFIG, f"{where}: {missing[0]} is missing", hint=f"set {missing[0]}")
    try:
        return cls(**given)
    except HooknetError as error:
        raise HooknetError(Kind.BAD_CONFIG, f"{where}: {error.message}", hint=error.hint) from None
    except (ValueError, TypeError) as error:
        raise HooknetError(Kind.BAD_CONFIG, f"{where}: {error}", hint=hint) from None


@dataclass(frozen=True, slots=True)
class _Setting:
    """One field that a table may set."""

    annotation: Any
    is_required: bool


@functools.cache
def _settings_of(cls: Hashable) -> Mapping[str, _Setting]:
    """The annotations are evaluated once: an ADD reads its network's settings."""
    annotations = get_type_hints(cast("type", cls), include_extras=True)
    return {
        field.name: _Setting(
            annotations[field.name], field.default is MISSING and field.default_factory is MISSING
        )
        for field in fields(cast("Any", cls))
        if field.init
    }


def _value(wanted: Any, value: Any, where: str, hint: str) -> Any:
    """`value` as the annotation `wanted` says it. Raises BAD_CONFIG."""
    if _has_own_rules(wanted):
        if is_dataclass(wanted):
            return _table(wanted, value, where, hint)
        if (convert := CONTAINERS.get(get_origin(wanted))) is not None:
            return convert(wanted, value, where, hint)
        if get_origin(wanted) is Annotated:
            return _duration(value, where)
    try:
        return msgspec.convert(value, wanted, dec_hook=_decode_foreign, strict=True)
    except msgspec.ValidationError as error:
        what, _, path = str(error).partition(" - at `$")
        if what.startswith(NONE_OF) and (choices := tuple(_choices(wanted))):
            what, hint = what.removeprefix(NONE_OF) + " is not valid", "give one of: " + ", ".join(choices)
        raise HooknetError(
            Kind.BAD_CONFIG, f"{where}{path.rstrip('`')}: {TYPE.sub(_in_words, what)}", hint=hint
        ) from None


def _in_words(types: re.Match[str]) -> str:
    """`str | array`, as msgspec calls types, as a reader does."""
    return " or ".join(TYPES.get(one, one) for one in types[1].split(" | "))


def _choices(wanted: Any) -> Iterator[str]:
    """What a `Literal` anywhere in the annotation allows."""
    for one in get_args(wanted):
        if get_origin(wanted) is Literal:
            yield str(one)
        else:
            yield from _choices(one)


def _has_own_rules(wanted: Any) -> bool:
    """Whether there is a dataclass, a duration or an alternative to null anywhere in the annotation."""
    if is_dataclass(wanted) or wanted is type(None):
        return True
    if any(isinstance(mark, _Seconds) for mark in getattr(wanted, "__metadata__", ())):
        return True
    return any(_has_own_rules(one) for one in get_args(wanted))


def _table(wanted: Any, value: Any, where: str, hint: str) -> Any:
    if not isinstance(value, Mapping):
        raise HooknetError(Kind.BAD_CONFIG, f"{where}: {value!r} is not a table", hint=hint)
    return bind(wanted, value, where, hint=hint)


def _duration(value: Any, where: str) -> float:
    try:
        return parse_duration(value)
    except ValueError as error:
        raise HooknetError(
            Kind.BAD_CONFIG,
            f"{where}: {error}",
            hint=DURATION_HINT,
        ) from None


def _alternatives(wanted: Any, value: Any, where: str, hint: str) -> Any:
    """The first alternative that takes the value; else what the first one says. Null is not among what to give."""
    alternatives = [one for one in get_args(wanted) if one is not type(None)]
    if value is None and len(alternatives) < len(get_args(wanted)):
        return None
    if not any(_has_own_rules(one) for one in alternatives):
        return _value(Union[tuple(alternatives)], value, where, hint)  # noqa: UP007 - as many as there are
    errors = []
    for one in alternatives:
        try:
            return _value(one, value, where, hint)
        except HooknetError as error:
            errors.append(error)
    raise errors[0]


def _items(wanted: Any, value: Any, where: str, hint: str) -> Any:
    if not isinstance(value, (list, tuple)):
        raise HooknetError(Kind.BAD_CONFIG, f"{where}: {value!r} is not a list", hint=hint)
    item: Any = get_args(wanted)[0]
    made: Iterable[Any] = (_value(item, one, f"{where}[{at}]", hint) for at, one in enumerate(value))
    return list(made) if get_origin(wanted) is list else tuple(made)


def _named(wanted: Any, value: Any, where: str, hint: str) -> Any:
    if not isinstance(value, Mapping):
        raise HooknetError(Kind.BAD_CONFIG, f"{where}: {value!r} is not a table", hint=hint)
    item: Any = get_args(wanted)[1]
    return {name: _value(item, one, f"{where}.{name}", hint) for name, one in value.items()}


CONTAINERS: Mapping[Any, Callable[[Any, Any, str, str], Any]] = {
    Union: _alternatives,
    types.UnionType: _alternatives,
    tuple: _items,
    list: _items,
    Sequence: _items,
    dict: _named,
    Mapping: _named,
}


def _decode_foreign(wanted: type, value: Any) -> Any:
    """The hook of msgspec for the types that TOML and JSON have not."""
    if wanted in FOREIGN:
        return wanted(value)
    raise NotImplementedError(f"no conversion to {wanted}")


def bad_value(key: str, value: object, expected: str) -> HooknetError:
    return HooknetError(Kind.BAD_CONFIG, f"{key} = {value!r} is not valid", hint=f"give {expected}")


def unknown_key(key: str, known: Sequence[str], where: str) -> HooknetError:
    near = difflib.get_close_matches(key.replace("-", "_"), known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else "known keys: " + ", ".join(sorted(known))
    return HooknetError(Kind.BAD_CONFIG, f"{where}: unknown key {key!r}", hint=hint)
