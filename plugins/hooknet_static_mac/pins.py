"""The explicit map: which MAC the administrator wrote down for whom. The first pin whose conditions all hold wins.

Texts are shell patterns (`*`, `?`, `[…]`), so a plain name is itself. A label that is not known does not hold.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import hooknet
from hooknet_static_mac.addresses import normal

CONDITIONS = ("name", "network", "label")
KEYS = ("mac", *CONDITIONS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """One `[[plugins.static-mac.pins]]`. label: "key" (it is there), or "key=pattern"."""

    mac: str
    name: str | None = None
    network: str | None = None
    label: str | None = None

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> Pin:
        """A pin from its table. Raises ValueError."""
        for key, value in table.items():
            if key not in KEYS:
                near = difflib.get_close_matches(key, KEYS, n=1)
                known = f"did you mean {near[0]!r}?" if near else "known keys: " + ", ".join(KEYS)
                raise ValueError(f"unknown key {key!r}; {known}")
            if not (isinstance(value, str) and value):
                raise ValueError(f"{key} = {value!r} is not text")
        if "mac" not in table or not set(table) & set(CONDITIONS):
            raise ValueError("a pin needs mac, and at least one of " + ", ".join(CONDITIONS))
        return cls(**{**table, "mac": normal(table["mac"])})

    def holds(self, attachment: hooknet.Attachment, container: hooknet.Container | None) -> bool:
        return (
            matches(self.network, attachment.network)
            and matches(self.name, attachment.container_name)
            and self._has_label(container)
        )

    def _has_label(self, container: hooknet.Container | None) -> bool:
        if self.label is None:
            return True
        key, equals, pattern = self.label.partition("=")
        value = container.labels.get(key) if container is not None else None
        return value is not None and (not equals or fnmatchcase(value, pattern))

    def __str__(self) -> str:
        conditions = ((key, getattr(self, key)) for key in CONDITIONS)
        return ", ".join(f"{key} = {value!r}" for key, value in conditions if value is not None)


def matches(pattern: str | None, text: str | None) -> bool:
    return pattern is None or (text is not None and fnmatchcase(text, pattern))
