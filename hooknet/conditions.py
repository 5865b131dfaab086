"""Which attachments a rule is about: the conditions that hooknet's own plugins share, and any other may use.

Texts are shell patterns (`*`, `?`, `[…]`), compared as a whole and with upper and lower case, so a plain name is
itself. A condition on something that is not known (a name, a label, an image) does not hold: a rule never guesses.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from fnmatch import fnmatchcase

from hooknet.model import Attachment, Container


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """Which attachments a rule of a plugin is about; conditions that are not set hold.

    A plugin's rule is a frozen dataclass that inherits this and adds what the rule says. network, name, image:
    patterns. label: `key` (it is there), or `key=pattern`.
    """

    network: str | None = None
    name: str | None = None
    label: str | None = None
    image: str | None = None

    def __post_init__(self) -> None:
        for key in CONDITIONS:
            if getattr(self, key) == "":
                raise ValueError(f'{key} = "" matches nothing: leave it away, or write a pattern')

    @property
    def needs_container(self) -> bool:
        """Whether the container is needed: an implementation that names `container` costs ADDs a lookup."""
        return self.label is not None or self.image is not None

    def holds(self, attachment: Attachment, container: Container | None = None) -> bool:
        """Whether every condition that is set is true of this attachment."""
        return (
            _matches(self.network, attachment.network)
            and _matches(self.name, attachment.container_name)
            and _matches(self.image, container.image if container else None)
            and self._has_label(container)
        )

    def told(self) -> str:
        """The conditions in words, for logs and errors."""
        set_ones = ((key, getattr(self, key)) for key in CONDITIONS)
        return ", ".join(f"{key} = {value!r}" for key, value in set_ones if value is not None)

    def _has_label(self, container: Container | None) -> bool:
        if self.label is None:
            return True
        key, equals, pattern = self.label.partition("=")
        value = container.labels.get(key) if container is not None else None
        return value is not None and (not equals or fnmatchcase(value, pattern))


CONDITIONS = tuple(field.name for field in fields(Conditions))


def _matches(pattern: str | None, text: str | None) -> bool:
    return pattern is None or (text is not None and fnmatchcase(text, pattern))
