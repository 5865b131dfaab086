"""TSIG keys: from a file that only root may read, or from systemd's credentials, and never into any text.

Three ways to write a key are understood, in any number and mixture:
- what `tsig-keygen` prints (BIND): `key "NAME" { algorithm hmac-sha256; secret "…"; };`
- what `keymgr -t` prints (Knot): `- id: NAME`, `algorithm: …`, `secret: …` on lines of their own
- a line `ALGORITHM:NAME:SECRET` (as kdig and nsupdate take it) or `NAME:ALGORITHM:SECRET`
The file is read again for each delivery, so a corrected key works at once. An error names the file, the key and
the line, and nothing that stands in the file beside the names of keys.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

ALGORITHMS = ("hmac-sha256", "hmac-sha512", "hmac-sha384", "hmac-sha224", "hmac-sha1")
LARGEST_FILE = 65536
CREDENTIALS = "CREDENTIALS_DIRECTORY"
OTHERS_AND_GROUP = 0o077
OTHERS = 0o007
NAME = r'"?([^\s":;{}]+)"?'
BIND = re.compile(rf"\bkey\s+{NAME}\s*\{{(.*?)\}}\s*;?", re.DOTALL)
BIND_FIELD = re.compile(r'\b(algorithm|secret)\s+"?([^\s";]+)"?\s*;')
KNOT = re.compile(rf"-?\s*\bid:\s*{NAME}\s+algorithm:\s*{NAME}\s+secret:\s*\"?([^\s\"]+)\"?")
PLAIN = re.compile(r"^\s*([^\s:#;{}\"]+):([^\s:]+):(\S+)\s*$", re.MULTILINE)


class KeyFileError(ValueError):
    """A key can't be had: the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Key:
    """One TSIG key. The secret is in no representation of it."""

    name: str
    algorithm: str
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeySource:
    """Where a key comes from: a file, or the credential of that name. key: which of its keys; None for its only."""

    file: Path | None = None
    credential: str | None = None
    key: str | None = None

    def load(self) -> Key:
        """Read the key. Raises KeyFileError."""
        path, forbidden = self.where()
        keys = parse(read_private(path, forbidden), str(path))
        if self.key is None and len(keys) == 1:
            return next(iter(keys.values()))
        wanted = canonical(self.key or "")
        if wanted in keys:
            return keys[wanted]
        there = ", ".join(sorted(keys)) or "none"
        if self.key is None:
            raise KeyFileError(f'{path} has several keys ({there}): choose one with key = "NAME"')
        raise KeyFileError(f"{path} has no key {self.key!r}; it has: {there}")

    def where(self) -> tuple[Path, int]:
        """The file, and the permission bits that it must not have. systemd guards the folder of credentials."""
        if self.file is not None:
            return self.file, OTHERS_AND_GROUP
        folder = os.environ.get(CREDENTIALS)
        if folder is None:
            raise KeyFileError(
                f"key_credential = {self.credential!r}, and there are no credentials: "
                f"write LoadCredential={self.credential}:/path/of/the/key into the unit, or use key_file"
            )
        return Path(folder) / str(self.credential), OTHERS


def read_private(path: Path, forbidden: int) -> str:
    """The text of a regular file that is root's (or ours) alone. Raises KeyFileError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            check_private(path, os.fstat(descriptor), forbidden)
            return os.read(descriptor, LARGEST_FILE).decode("utf-8")
        finally:
            os.close(descriptor)
    except OSError as error:
        raise KeyFileError(f"can't read the key file {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise KeyFileError(f"the key file {path} is not text") from None


def check_private(path: Path, status: os.stat_result, forbidden: int) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise KeyFileError(f"the key file {path} is not a regular file")
    if status.st_uid not in {0, os.geteuid()}:
        raise KeyFileError(f"the key file {path} belongs to uid {status.st_uid}: chown it to root")
    if status.st_mode & forbidden:
        mode = stat.S_IMODE(status.st_mode)
        raise KeyFileError(f"the key file {path} can be used by others (mode {mode:04o}): chmod 600 it")
    if status.st_size > LARGEST_FILE:
        raise KeyFileError(f"the key file {path} is larger than {LARGEST_FILE} bytes")


def parse(text: str, where: str) -> Mapping[str, Key]:
    """The keys in `text` by canonical name. Raises KeyFileError naming `where`."""
    keys: dict[str, Key] = {}
    for name, body in BIND.findall(text):
        fields = dict(BIND_FIELD.findall(body))
        if set(fields) != {"algorithm", "secret"}:
            raise KeyFileError(
                f"{where}: key {name} needs an algorithm and a secret, each with its semicolon"
            )
        keys[canonical(name)] = make_key(name, fields["algorithm"], fields["secret"], where)
    readers: tuple[tuple[re.Pattern[str], Callable[..., tuple[str, str, str]]], ...] = (
        (KNOT, lambda name, algorithm, secret: (name, algorithm, secret)),
        (PLAIN, in_order),
    )
    for pattern, order in readers:
        for parts in pattern.findall(BIND.sub("", text)):
            name, algorithm, secret = order(*parts)
            keys[canonical(name)] = make_key(name, algorithm, secret, where)
    if not keys:
        raise KeyFileError(
            f"{where} holds no key; make one with: tsig-keygen NAME (BIND) or keymgr -t NAME (Knot)"
        )
    return keys


def in_order(one: str, two: str, secret: str) -> tuple[str, str, str]:
    """Name, algorithm, secret: the first two come in either order."""
    return (two, one, secret) if one.lower() in ALGORITHMS else (one, two, secret)


def make_key(name: str, algorithm: str, secret: str, where: str) -> Key:
    if algorithm.lower().rstrip(".") not in ALGORITHMS:
        known = ", ".join(ALGORITHMS)
        raise KeyFileError(f"{where}: key {name} has an algorithm that hooknet does not use; known: {known}")
    try:
        decoded = base64.b64decode(secret, validate=True)
    except binascii.Error:
        decoded = b""
    if not decoded:
        raise KeyFileError(f"{where}: the secret of key {name} is not base64")
    return Key(canonical(name), algorithm.lower().rstrip("."), decoded)


def canonical(name: str) -> str:
    return name.lower().rstrip(".")
