"""What can go wrong, in a few kinds, and the one table that maps each kind to its codes.

Every error that reaches a person says *what* happened (the message), *why* (its `details`, where the message does not
say it) and *what to do next* (its `hint`: tests/unit/test_errors.py wants one wherever an error is made). Front ends
never invent codes: they look the kind up in `CODES`. CNI's codes 1 to 99 are the spec's (CNI spec 1.1.0, "Error");
those from 100 on are hooknet's own and are listed in docs/reference/errors.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, unique


@unique
class Kind(Enum):
    """The kinds of failure that a caller may want to tell apart."""

    INCOMPATIBLE_VERSION = "incompatible-version"
    UNSUPPORTED_FIELD = "unsupported-field"
    BAD_ENVIRONMENT = "bad-environment"
    IO = "io"
    UNDECODABLE = "undecodable"
    BAD_CONFIG = "bad-config"
    BAD_NETNS = "bad-netns"
    TRY_LATER = "try-later"
    UNAVAILABLE = "unavailable"
    DEGRADED = "degraded"
    REFUSED = "refused"
    PARENT = "parent"
    NO_LEASE = "no-lease"
    INTERFACE_EXISTS = "interface-exists"
    CHECK_FAILED = "check-failed"
    DELEGATE_FAILED = "delegate-failed"
    ROOTLESS = "rootless"
    CANCELLED = "cancelled"
    INTERNAL = "internal"
    NOT_FOUND = "not-found"
    NOT_ALLOWED = "not-allowed"
    PLUGIN = "plugin"


@dataclass(frozen=True, slots=True)
class Codes:
    """`cni`: CNI's error code. `exit`: what the `hooknet` command exits with. `http`: the control API's status."""

    cni: int
    exit: int = 1
    http: int = 500


EXIT_OK = 0
EXIT_UNHEALTHY = 1
EXIT_USAGE = 2
EXIT_DAEMON_UNREACHABLE = 3
EXIT_NOT_FOUND = 4

CODES: dict[Kind, Codes] = {
    Kind.INCOMPATIBLE_VERSION: Codes(1, EXIT_USAGE, 400),
    Kind.UNSUPPORTED_FIELD: Codes(2, EXIT_USAGE, 400),
    Kind.BAD_ENVIRONMENT: Codes(4, EXIT_USAGE, 400),
    Kind.IO: Codes(5),
    Kind.UNDECODABLE: Codes(6, EXIT_USAGE, 400),
    Kind.BAD_CONFIG: Codes(7, EXIT_USAGE, 400),
    Kind.BAD_NETNS: Codes(8, EXIT_UNHEALTHY, 400),
    Kind.TRY_LATER: Codes(11, EXIT_DAEMON_UNREACHABLE, 503),
    Kind.UNAVAILABLE: Codes(50, EXIT_UNHEALTHY, 503),
    Kind.DEGRADED: Codes(51, EXIT_UNHEALTHY, 503),
    Kind.REFUSED: Codes(100),
    Kind.PARENT: Codes(101),
    Kind.NO_LEASE: Codes(11),
    Kind.INTERFACE_EXISTS: Codes(102),
    Kind.CHECK_FAILED: Codes(103),
    Kind.DELEGATE_FAILED: Codes(104),
    Kind.ROOTLESS: Codes(105),
    Kind.CANCELLED: Codes(106),
    Kind.INTERNAL: Codes(199),
    Kind.NOT_FOUND: Codes(3, EXIT_NOT_FOUND, 404),
    Kind.NOT_ALLOWED: Codes(107, EXIT_USAGE, 403),
    Kind.PLUGIN: Codes(108),
}


class HooknetError(Exception):
    """The base of every error that hooknet raises on purpose.

    `message` says what happened, `details` why, `hint` what to do next; the last two may be empty.
    `code` overrides the CNI code of the kind where a delegate has already chosen one.
    """

    is_published = False
    """Whether an event has told of it, and with that a line of the log: front ends need not say it again."""

    def __init__(
        self, kind: Kind, message: str, *, details: str = "", hint: str = "", code: int | None = None
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.details = details
        self.hint = hint
        self.code = CODES[kind].cni if code is None else code

    def __str__(self) -> str:
        return "; ".join(part for part in (self.message, self.details, self.hint) if part)


def unexpected(error: BaseException) -> HooknetError:
    """A bug. Its text stays in the log: it may hold anything."""
    return HooknetError(
        Kind.INTERNAL,
        "hooknet failed at this",
        details=type(error).__name__,
        hint="the daemon's log says more; please report it",
    )


def stopping() -> HooknetError:
    """The daemon ends before it could do what was asked."""
    return HooknetError(
        Kind.TRY_LATER, "the hooknet daemon is stopping", hint="try again when it has started"
    )


class Refused(HooknetError):  # noqa: N818 - what a plugin's author raises, named for how it reads
    """Raised by a plugin in `pre_lease`: fail this ADD with the given text and leave nothing behind."""

    def __init__(self, why: str, *, hint: str = "") -> None:
        super().__init__(Kind.REFUSED, why, hint=hint)


class Retry(Exception):  # noqa: N818 - it asks for another delivery and is not an error
    """Raised by an observer hook: deliver this event again after `after` seconds. It is no strike."""

    def __init__(self, why: str = "", *, after: float | None = None) -> None:
        super().__init__(why)
        self.after = after
