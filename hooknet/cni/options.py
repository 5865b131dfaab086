"""The reference's `provide` and `request` keys: DHCP options named in the network configuration.

`provide` sends a value as its raw bytes: `value`, or the key of CNI_ARGS that `fromArg` names, which wins
when the runtime gives it. `request` asks for options besides the defaults; one entry with `skipDefault` is
enough to ask for nothing but the entries. Options are named as dhcp-options(5) does (the six that the
reference knows), or by number. A host name provided this way is the attachment's host name, so hooks see
it. What makes the protocol work is ours: providing it is an error.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hooknet.errors import HooknetError, Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hooknet.cni.document import Section

OPTION_NAMES = {
    "subnet-mask": 1,
    "routers": 3,
    "host-name": 12,
    "vendor-class-identifier": 60,
    "dhcp-client-identifier": 61,
    "user-class": 77,
}
HOST_NAME = 12
LONGEST = 255
LAST_CODE = 254
OURS = {
    50: "the runtime asks for an address (podman run --ip)",
    51: "set `lease_time`",
    52: "hooknet decides on overload itself",
    53: "hooknet sends the messages",
    54: "set `allow_servers`",
    55: "use `request`",
    57: "hooknet says what it can receive",
    80: "set `rapid_commit`",
    82: "relay agents add it on the way",
}
"""What can't be provided (all that `hooknet.dhcp.compose` refuses, but for the client-id), and what to do instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DhcpOptions:
    """What the configuration says of options.

    provided: code to bytes. only: request nothing but `requested`. args_named: keys of CNI_ARGS it refers to.
    """

    provided: Mapping[int, bytes] = field(default_factory=dict)
    requested: tuple[int, ...] = ()
    only: bool = False
    args_named: frozenset[str] = frozenset()

    @property
    def skipped(self) -> tuple[int, ...]:
        """The codes that must not be requested."""
        return tuple(c for c in range(1, LAST_CODE + 1) if c not in self.requested) if self.only else ()


def read_options(ipam: Section, args: Mapping[str, str]) -> DhcpOptions:
    """The options of an `ipam` section. Raises BAD_CONFIG."""
    provided: dict[int, bytes] = {}
    named: set[str] = set()
    for entry in ipam.sections("provide"):
        code = _code(entry)
        if code in OURS:
            raise HooknetError(
                Kind.BAD_CONFIG, f"{entry.where}: option {code} can't be provided", hint=OURS[code]
            )
        argument = entry.text("fromArg")
        named |= {argument} if argument else set()
        value = args.get(argument, entry.text("value")).encode()
        if len(value) > LONGEST:
            raise HooknetError(
                Kind.BAD_CONFIG,
                f"{entry.where}: the value is longer than {LONGEST} bytes",
                hint="shorten it: one option holds no more",
            )
        if value:
            provided[code] = value
    entries = ipam.sections("request")
    return DhcpOptions(
        provided=provided,
        requested=tuple(dict.fromkeys(_code(entry) for entry in entries if entry.has("option"))),
        only=any(entry.flag("skipDefault") for entry in entries),
        args_named=frozenset(named),
    )


def _code(entry: Section) -> int:
    given = entry.data.get("option")
    if isinstance(given, str) and given in OPTION_NAMES:
        return OPTION_NAMES[given]
    if isinstance(given, str) and given.isascii() and given.isdigit() and len(given) <= len(str(LAST_CODE)):
        given = int(given)
    if isinstance(given, int) and not isinstance(given, bool) and 1 <= given <= LAST_CODE:
        return given
    raise entry.wrong(
        "option", given, f"a number from 1 to {LAST_CODE}, or one of " + ", ".join(OPTION_NAMES)
    )
