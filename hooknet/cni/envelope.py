"""How the shim and the daemon talk, and what the shim leaves when there is no daemon. Bytes only; no I/O here.

Request: `hooknet/1 <len_args> <len_env> <len_stdin>` and a newline, then that many bytes of each: the
arguments, joined by NUL, the first being the name that the shim was run as; the `CNI_*` variables as
`KEY=VALUE`, joined by NUL; stdin. The shim keeps its side open: when it closes, the caller is gone.

Answer: `hooknet/1 <exit> <len_stdout>`, newline, stdout. The shim closes when its own stdout has it; when
that failed it sends one byte first, so that an ADD which nobody heard of is undone.

Tombstone: a DEL that met no daemon is left as a file: `tombstone/1 <time_ns> <netns_dev> <netns_ino>`,
newline, and the request as it would have been sent. Device and inode are 0 where the netns was not known.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hooknet.errors import HooknetError, Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

MAGIC = b"hooknet/1"
LONGEST_HEADER = 64
LARGEST_HEAD = 64 * 1024
LARGEST_STDIN = 1024 * 1024
LARGEST_TOMBSTONE = 2 * LONGEST_HEADER + LARGEST_HEAD + LARGEST_STDIN
SAME_VERSION = "the shim and the daemon must be of one version: run `hooknet install` again"
HEADER = re.compile(rb"hooknet/1 (\d{1,7}) (\d{1,7}) (\d{1,7})\n")
TOMBSTONE = re.compile(rb"tombstone/1 (\d{1,19}) (\d{1,20}) (\d{1,20})\n")


@dataclass(frozen=True, slots=True)
class Sizes:
    """Lengths of the three parts, bytes."""

    args: int
    env: int
    stdin: int

    @property
    def total(self) -> int:
        return self.args + self.env + self.stdin


@dataclass(frozen=True, slots=True)
class Envelope:
    """What the shim sent."""

    args: tuple[str, ...]
    env: Mapping[str, str]
    stdin: bytes

    @property
    def plugin(self) -> str:
        return self.args[0]


@dataclass(frozen=True, slots=True)
class Tombstone:
    """A DEL to do later. `at`: wall clock seconds. `netns`: (device, inode), None when it was not known."""

    at: float
    netns: tuple[int, int] | None
    envelope: Envelope


def parse_header(line: bytes) -> Sizes:
    """`line` ends with the newline. Raises UNDECODABLE for what is no header, or asks for too much."""
    found = HEADER.fullmatch(line)
    if found is None:
        raise _undecodable("this is not the shim's protocol", line[:40].decode("ascii", "replace"))
    sizes = Sizes(*map(int, found.groups()))
    if sizes.args + sizes.env > LARGEST_HEAD or sizes.stdin > LARGEST_STDIN:
        raise _undecodable(
            "the request is too large",
            f"arguments and environment may have {LARGEST_HEAD} bytes, the configuration {LARGEST_STDIN}",
            "make the network's configuration smaller",
        )
    return sizes


def parse_body(sizes: Sizes, body: bytes) -> Envelope:
    """`body` has `sizes.total` bytes. Variables that are not `CNI_*` are dropped. Raises UNDECODABLE."""
    args = _words(body[: sizes.args])
    if not args or not args[0]:
        raise _undecodable("the request does not say which plugin was run", "its first argument is empty")
    pairs = (pair.partition("=") for pair in _words(body[sizes.args : sizes.args + sizes.env]))
    env = {key: value for key, equals, value in pairs if equals and key.startswith("CNI_")}
    return Envelope(args, env, body[sizes.args + sizes.env :])


def encode_request(args: tuple[str, ...], env: Mapping[str, str], stdin: bytes) -> bytes:
    """What the shim sends: the other half of the protocol, for tests and tools. The shim has code of its own."""
    head = "\0".join(args).encode("utf-8", "surrogateescape")
    variables = "\0".join(f"{key}={value}" for key, value in env.items()).encode("utf-8", "surrogateescape")
    return b"%s %d %d %d\n" % (MAGIC, len(head), len(variables), len(stdin)) + head + variables + stdin


def encode_answer(exit_code: int, stdout: bytes) -> bytes:
    return b"%s %d %d\n" % (MAGIC, exit_code, len(stdout)) + stdout


def parse_tombstone(raw: bytes) -> Tombstone:
    """Raises UNDECODABLE."""
    first, newline, rest = raw.partition(b"\n")
    found = TOMBSTONE.fullmatch(first + newline)
    if found is None:
        raise _undecodable("this is no tombstone", first[:40].decode("ascii", "replace"))
    time_ns, device, inode = map(int, found.groups())
    header, newline, body = rest.partition(b"\n")
    sizes = parse_header(header + newline)
    if len(body) != sizes.total:
        raise _undecodable("the tombstone is not complete", f"{len(body)} bytes of {sizes.total}")
    return Tombstone(time_ns / 1e9, (device, inode) if inode else None, parse_body(sizes, body))


def _words(raw: bytes) -> tuple[str, ...]:
    """Bytes that are no UTF-8 become surrogates: every check on names refuses those."""
    return tuple(word.decode("utf-8", "surrogateescape") for word in raw.split(b"\0")) if raw else ()


def _undecodable(message: str, details: str, hint: str = SAME_VERSION) -> HooknetError:
    return HooknetError(Kind.UNDECODABLE, message, details=details, hint=hint)
