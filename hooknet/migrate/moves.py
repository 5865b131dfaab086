"""What one network becomes, as facts: a move; or the reason why it stays as it is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hooknet.errors import HooknetError

DHCP = "dhcp"
DEFAULT = "the default route's interface"


@dataclass(frozen=True, slots=True)
class Move:
    """One network. path: what is written; says: what it becomes, in sentences; notes: what to know besides."""

    name: str
    path: Path
    says: tuple[str, ...]
    content: bytes
    notes: tuple[str, ...] = ()


@contextmanager
def told_of(name: str) -> Iterator[None]:
    """Whatever is refused within is refused of this network. Raises HooknetError, of the same kind."""
    try:
        yield
    except HooknetError as error:
        raise HooknetError(
            error.kind, f"{name} can't be moved: {error.message}", details=error.details, hint=error.hint
        ) from None


def as_json(data: dict[str, Any]) -> bytes:
    """A network's file, as people read it."""
    return (json.dumps(data, indent=2, ensure_ascii=False) + "\n").encode()
