"""Which lease time a container gets: its own label, else the first rule whose conditions all hold, else the rest.

Texts are compared with shell patterns (`*`, `?`, `[…]`), as a whole and with upper and lower case. A condition on
a name, a label or an image does not hold where that is unknown: a rule never guesses.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import hooknet

UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
LEAST = 10
INFINITE = 0xFFFFFFFF  # RFC 2131 section 3.3
SERVERS_OWN = "default"
CONDITIONS = ("network", "name", "label", "image")
KEYS = (*CONDITIONS, "lease_time")


def seconds(value: object) -> int:
    """A lease time in whole seconds, from a number or from text such as "90s", "5m", "2h", "infinite".

    Raises ValueError, below 10 seconds too: such a lease would be renewed all the time.
    """
    if value == "infinite":
        return INFINITE
    found = re.fullmatch(r"([0-9]{1,10}(?:\.[0-9]{1,3})?)\s*([smhd]?)", str(value).strip())
    if isinstance(value, bool) or found is None:
        raise ValueError(f'{value!r} is no lease time: write seconds, or text such as "5m"')
    whole = int(float(found[1]) * UNITS[found[2]])
    if not LEAST <= whole <= INFINITE:
        raise ValueError(f"{value!r} is no lease time: give {LEAST} seconds or more")
    return whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One `[[plugins.short-lease.rules]]`. lease_time: seconds; None leaves the request as it is.

    label: "key" (it is there), or "key=pattern". Conditions that are not set hold.
    """

    lease_time: int | None
    network: str | None = None
    name: str | None = None
    label: str | None = None
    image: str | None = None

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> Rule:
        """A rule from its table. Raises ValueError."""
        for key, value in table.items():
            if key not in KEYS:
                near = difflib.get_close_matches(key, KEYS, n=1)
                known = f"did you mean {near[0]!r}?" if near else "known keys: " + ", ".join(KEYS)
                raise ValueError(f"unknown key {key!r}; {known}")
            if key in CONDITIONS and not (isinstance(value, str) and value):
                raise ValueError(f"{key} = {value!r} is not text")
        if "lease_time" not in table:
            raise ValueError(
                f'a rule without lease_time; give it one, or "{SERVERS_OWN}" for the server\'s own'
            )
        asked = table["lease_time"]
        given = {key: table[key] for key in CONDITIONS if key in table}
        return cls(lease_time=None if asked == SERVERS_OWN else seconds(asked), **given)

    @property
    def needs_container(self) -> bool:
        return self.label is not None or self.image is not None

    def holds(self, attachment: hooknet.Attachment, container: hooknet.Container | None) -> bool:
        return (
            matches(self.network, attachment.network)
            and matches(self.name, attachment.container_name)
            and matches(self.image, container.image if container else None)
            and has_label(self.label, container)
        )


def matches(pattern: str | None, text: str | None) -> bool:
    return pattern is None or (text is not None and fnmatchcase(text, pattern))


def has_label(wanted: str | None, container: hooknet.Container | None) -> bool:
    if wanted is None:
        return True
    key, equals, pattern = wanted.partition("=")
    value = container.labels.get(key) if container is not None else None
    return value is not None and (not equals or fnmatchcase(value, pattern))
