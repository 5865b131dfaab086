"""What a plugin's `pre_lease` may return, and what it changed.

A result is checked before the next plugin or the DHCP client sees it, and only where it differs from what the
plugin was given: a plugin is not blamed for what the runtime asked for. The options that the client sets
itself, or that have a field of their own, can't be sent as raw options (RFC 2131 section 4.3.1, table 3). Who chose
the MAC is told here, whatever a plugin says of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address
from types import MappingProxyType
from typing import Any

from hooknet.model import INFINITE, LeaseRequest, MacOrigin

MAC = re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}")
LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
NAME_MOST = 253  # RFC 1035 section 2.3.4, without the root's dot
OPTION_MOST = 255  # bytes of one option, RFC 2132 section 2
OPTIONS_MOST = 1024  # bytes of all further options: the message must fit a frame
CLIENT_ID_LEAST = 2  # RFC 2132 section 9.14

RESERVED: Mapping[int, str] = {
    0: "it is padding",
    12: "set `hostname`",
    50: "set `requested_address`",
    51: "set `lease_time`",
    52: "the codec decides it",
    53: "the client sets it",
    54: "the client sets it",
    55: "set `parameters`",
    57: "the client sets it",
    60: "set `vendor_class`",
    61: "set `client_id`",
    77: "set `user_class`",
    80: "set rapid_commit for the network",
    81: "set `fqdn`",
    82: "it belongs to relays",
    255: "it ends the options",
}


class NonsenseError(ValueError):
    """A plugin returned what can't be a lease request."""


@dataclass(frozen=True, slots=True)
class Folded:
    """The request after every plugin. changed_by: field name to the plugin that changed it last."""

    request: LeaseRequest
    changed_by: Mapping[str, str] = field(default_factory=dict)


def sealed(request: LeaseRequest) -> LeaseRequest:
    """The request with options that nobody can change in place: a plugin changes them by returning a copy."""
    return replace(request, options=MappingProxyType(dict(request.options)))


def changed_fields(before: LeaseRequest, result: object) -> tuple[LeaseRequest, tuple[str, ...]]:
    """The request to go on with, and the fields that the plugin changed. Raises NonsenseError."""
    if result is None:
        return before, ()
    if not isinstance(result, LeaseRequest):
        raise NonsenseError(f"returned {type(result).__name__}, not a LeaseRequest or None")
    changed = tuple(name for name in CHANGEABLE if getattr(before, name) != getattr(result, name))
    for name in changed:
        if name == "options":
            check_options(before.options, result.options)
        elif problem := CHECKS[name](getattr(result, name)):
            raise NonsenseError(f"{name} = {getattr(result, name)!r}: {problem}")
    origin = MacOrigin.PLUGIN if "mac" in changed else before.mac_origin
    return replace(sealed(result), mac_origin=origin) if changed else before, changed


def check_mac(value: Any) -> str:
    if not isinstance(value, str) or not MAC.fullmatch(value):
        return 'not a MAC address: write it as "02:00:00:00:00:01", in lower case'
    first = int(value[:2], 16)
    if first & 1:
        return "it has the multicast bit, so no interface can have it"
    return "no interface can have it" if value == "00:00:00:00:00:00" else ""


def check_client_id(value: Any) -> str:
    fits = isinstance(value, bytes) and CLIENT_ID_LEAST <= len(value) <= OPTION_MOST
    return "" if fits else "not 2 to 255 bytes (RFC 2132 section 9.14)"


def check_hostname(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > NAME_MOST:
        return "not a host name of at most 253 characters"
    labels = value.removesuffix(".").split(".")
    valid = all(LABEL.fullmatch(label) for label in labels)
    return (
        ""
        if valid
        else "labels are letters, digits and inner hyphens, 1 to 63 of them (RFC 1123 section 2.1)"
    )


def check_requested_address(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, IPv4Address):
        return "not an IPv4Address"
    unusable = value.is_multicast or value.is_unspecified or value.is_loopback or value.is_reserved
    return "no host can have it" if unusable else ""


def check_lease_time(value: Any) -> str:
    fits = value is None or (type(value) is int and 1 <= value <= INFINITE)
    return "" if fits else "not whole seconds from 1 to 4294967295"


def check_text(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or not value.isprintable():
        return "not printable text"
    return "" if 1 <= len(value.encode(errors="replace")) <= OPTION_MOST else "not 1 to 255 bytes"


def check_user_class(value: Any) -> str:
    if not isinstance(value, tuple):
        return "not a tuple of texts"
    problems = (("not text" if one is None else check_text(one)) for one in value)
    return next(filter(None, problems), "")


def check_parameters(value: Any) -> str:
    fits = (
        isinstance(value, tuple)
        and len(value) <= OPTION_MOST
        and all(type(code) is int and 0 < code < OPTION_MOST for code in value)
    )
    return "" if fits else "not a tuple of option codes from 1 to 254"


CHECKS: Mapping[str, Callable[[Any], str]] = {
    "mac": check_mac,
    "client_id": check_client_id,
    "hostname": check_hostname,
    "fqdn": check_hostname,
    "requested_address": check_requested_address,
    "lease_time": check_lease_time,
    "vendor_class": check_text,
    "user_class": check_user_class,
    "parameters": check_parameters,
}
CHANGEABLE = (*CHECKS, "options")
"""Everything but `mac_origin`, which is hooknet's to say."""


def check_options(before: Mapping[int, bytes], after: Any) -> None:
    """Raises NonsenseError for what can't be sent. What was there before is not the plugin's doing."""
    if not isinstance(after, dict | MappingProxyType):
        raise NonsenseError(f"options is {type(after).__name__}, not a dict of option codes to bytes")
    for code, value in after.items():
        if code in before and before[code] == value:
            continue
        if type(code) is not int or not 0 <= code <= OPTION_MOST:
            raise NonsenseError(f"options: {code!r} is not an option code")
        if reason := RESERVED.get(code):
            raise NonsenseError(f"options: code {code} can't be sent as a raw option: {reason}")
        if not isinstance(value, bytes) or len(value) > OPTION_MOST:
            raise NonsenseError(f"options: the value of code {code} is not bytes, or more than 255 of them")
    if sum(len(value) for value in after.values()) > OPTIONS_MOST:
        raise NonsenseError(f"options: more than {OPTIONS_MOST} bytes in all")
