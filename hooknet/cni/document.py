"""JSON from outside, bounded: a configuration or a delegate's result becomes a dict, or an error.

A document nests at most `DEPTH` levels, and holds only text that can be encoded again (a lone surrogate
can't) and numbers that fit 64 bits, so that nothing further in fails on what came in here.
"""

from __future__ import annotations

import json
from typing import Any

from hooknet.errors import HooknetError, Kind

DEPTH = 64
LARGEST = (1 << 63) - 1


def decode(raw: bytes, what: str) -> dict[str, Any]:
    """The JSON object in `raw`. `what` names it in errors. Raises UNDECODABLE."""
    if not raw.strip():
        raise undecodable(what, "it is empty")
    try:
        found = json.loads(raw)
    except RecursionError:
        raise undecodable(what, f"it nests deeper than {DEPTH} levels") from None
    except ValueError as error:  # JSONDecodeError, UnicodeDecodeError, and integers of thousands of digits
        raise undecodable(what, str(error)) from None
    if not isinstance(found, dict):
        raise undecodable(what, f"it is {kind_of(found)}, not an object")
    problem = flaw(found)
    if problem:
        raise undecodable(what, problem)
    return found


def flaw(document: dict[str, Any]) -> str:
    """What is wrong with a decoded document, in words; empty when nothing is."""
    level: list[Any] = [document]
    for _ in range(DEPTH):
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                below += item.keys()
                below += item.values()
            elif isinstance(item, list):
                below += item
            elif isinstance(item, str) and not is_encodable(item):
                return "it holds text that is no Unicode (a lone surrogate)"
            elif isinstance(item, (int, float)) and not -LARGEST <= item <= LARGEST:
                return "it holds a number that is not finite or too large"
        if not below:
            return ""
        level = below
    return f"it nests deeper than {DEPTH} levels"


def is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def kind_of(value: object) -> str:
    """The JSON word for a value's type."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "an array"
        case _:
            return "an object"


def undecodable(what: str, why: str) -> HooknetError:
    return HooknetError(
        Kind.UNDECODABLE, f"{what} can't be decoded", details=why, hint="it must be a JSON object"
    )


class Section:
    """One object of a document, with typed access. Every getter raises BAD_CONFIG naming the key.

    A null counts as absent, as it does for the reference.
    """

    __slots__ = ("data", "where")

    def __init__(self, data: dict[str, Any], where: str = "") -> None:
        self.data = data
        self.where = where

    def has(self, key: str) -> bool:
        return self.data.get(key) is not None

    def text(self, key: str) -> str:
        """A string; empty when absent."""
        value = self.data.get(key)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self.wrong(key, value, "a string")
        return value

    def flag(self, key: str) -> bool:
        value = self.data.get(key)
        if value is None:
            return False
        if not isinstance(value, bool):
            raise self.wrong(key, value, "true or false")
        return value

    def number(self, key: str, least: int = 0, most: int = 0xFFFFFFFF) -> int | None:
        """An integer from `least` to `most`; None when absent."""
        value = self.data.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise self.wrong(key, value, f"an integer from {least} to {most}")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """An array of strings; empty when absent."""
        items = self.items(key)
        for item in items:
            if not isinstance(item, str):
                raise self.wrong(key, item, "an array of strings")
        return tuple(items)

    def items(self, key: str) -> list[Any]:
        """An array; empty when absent."""
        value = self.data.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.wrong(key, value, "an array")
        return value

    def section(self, key: str) -> Section:
        """An object; an empty one when absent."""
        value = self.data.get(key)
        if value is None:
            return Section({}, self.place(key))
        if not isinstance(value, dict):
            raise self.wrong(key, value, "an object")
        return Section(value, self.place(key))

    def sections(self, key: str) -> list[Section]:
        """An array of objects; empty when absent."""
        found = []
        for index, item in enumerate(self.items(key)):
            if not isinstance(item, dict):
                raise self.wrong(key, item, "an array of objects")
            found.append(Section(item, f"{self.place(key)}[{index}]"))
        return found

    def place(self, key: str) -> str:
        return f"{self.where}.{key}" if self.where else key

    def wrong(self, key: str, value: object, expected: str) -> HooknetError:
        shown = repr(value)[:60]
        return HooknetError(
            Kind.BAD_CONFIG,
            f"{self.place(key)} = {shown} in the network configuration is not valid",
            hint=f"give {expected}",
        )
