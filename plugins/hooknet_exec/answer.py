"""What a `pre_lease` program may say on stdout: nothing, or one JSON object.

`{"refuse": "why"}` fails the ADD. Otherwise each key is a field of the request and replaces it: text as text, bytes
as hexadecimal text, None as null; `options` adds to those that are there, and null takes one away. hooknet checks
the values afterwards as it checks any plugin's.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

import hooknet

REFUSE = "refuse"


def apply(output: bytes, request: hooknet.LeaseRequest) -> hooknet.LeaseRequest:
    """The request after a program's answer. Raises Refused, and ValueError for what is no answer."""
    if not output.strip():
        return request
    try:
        answer = json.loads(output)
    except ValueError as error:
        raise ValueError(f"its answer is no JSON: {error}") from None
    if not isinstance(answer, dict):
        raise ValueError(f"its answer is no JSON object: {answer!r:.80}")  # noqa: TRY004 - of JSON, not of Python
    if REFUSE in answer:
        raise hooknet.Refused(printable(str(answer[REFUSE])) or "a program refused it without a word")
    return replace(request, **{name: decoded(name, value, request) for name, value in answer.items()})


def decoded(name: str, value: Any, request: hooknet.LeaseRequest) -> Any:
    """The value of one field. Raises ValueError."""
    if name not in DECODERS:
        near = difflib.get_close_matches(name, [*DECODERS, REFUSE], n=1)
        hint = f"did you mean {near[0]!r}?" if near else "the fields are " + ", ".join(DECODERS)
        raise ValueError(f"its answer has a field {name!r} that a request has not; {hint}")
    if name == "options":
        return merged(request.options, value)
    try:
        return DECODERS[name](value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"its answer has {name} = {value!r:.80}: {error}") from None


def merged(options: Mapping[int, bytes], changes: Any) -> dict[int, bytes]:
    if not isinstance(changes, dict):
        raise ValueError("its answer has options that are no object of codes to hexadecimal text")  # noqa: TRY004 - of JSON, not of Python
    result = dict(options)
    for code, value in changes.items():
        try:
            number = int(code)
            if value is None:
                result.pop(number, None)
            else:
                result[number] = bytes.fromhex(value)
        except (TypeError, ValueError):
            raise ValueError(
                f"its answer has the option {code!r}: {value!r:.80}: give a code and hexadecimal text"
            ) from None
    return result


def as_text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("it is no text")
    return value


def as_number(value: Any) -> int:
    if type(value) is not int:
        raise TypeError("it is no whole number")
    return value


def as_bytes(value: Any) -> bytes:
    return bytes.fromhex(as_text(value).replace(":", ""))


def as_address(value: Any) -> IPv4Address:
    return IPv4Address(as_text(value))


def several(decode: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def decode_all(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise TypeError("it is no list")
        return tuple(decode(one) for one in value)

    return decode_all


def perhaps(decode: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else decode(value)


DECODERS: Mapping[str, Callable[[Any], Any]] = {
    "mac": as_text,
    "client_id": as_bytes,
    "hostname": perhaps(as_text),
    "fqdn": perhaps(as_text),
    "requested_address": perhaps(as_address),
    "lease_time": perhaps(as_number),
    "vendor_class": perhaps(as_text),
    "user_class": several(as_text),
    "parameters": several(as_number),
    "options": as_text,
}


def printable(text: str, most: int = 500) -> str:
    """One line that can't hurt a log or a terminal."""
    return "".join(one if one.isprintable() else " " for one in text[:most]).strip()
