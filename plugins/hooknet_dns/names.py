"""Names: from a template to a host name that DNS and every resolver accepts, and reverse names from addresses.

Rules.
- A placeholder becomes exactly one label. Whatever its value holds beside letters, digits and hyphens becomes a
  hyphen, dots included: so no container can name itself into another part of the zone.
- The result is checked as a host name: letters, digits and hyphens, 63 per label, 253 in all (RFC 952, RFC 1123
  section 2.1, RFC 1035 section 2.3.4).
- Nothing that a DHCP server sent is ever part of a name.
- The zone is the template's tail without placeholders, unless the configuration names it. The reverse zone is the
  subnet's, rounded to whole octets (RFC 1035 section 3.5), or the configured one, which may be a classless
  delegation (RFC 2317).
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface

import hooknet

PLACEHOLDER = re.compile(r"\{([^{}:]*)(?::([^{}]*))?\}")
LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
LONGEST_LABEL = 63
LONGEST_NAME = 253
FIELDS = ("name", "network", "ifname", "id", "host", "label")
SHORT_ID = 12
OCTET = 8
REVERSE = "in-addr.arpa"


class UnnamedError(ValueError):
    """This container gets no name: the text says why."""


@dataclass(frozen=True, slots=True)
class Template:
    """`{name}.{network}.lan.example`, checked. Raises ValueError for what could never become a host name."""

    text: str

    def __post_init__(self) -> None:
        for field, key in PLACEHOLDER.findall(self.text):
            if field not in FIELDS:
                known = ", ".join(f"{{{one}}}" for one in FIELDS[:-1])
                raise ValueError(
                    f"name = {self.text!r}: there is no {{{field}}}; known: {known}, {{label:KEY}}"
                )
            if (field == "label") is not bool(key):
                raise ValueError(
                    f"name = {self.text!r}: write {{label:KEY}} for a label, {{{field}}} for others"
                )
        try:
            host_name(PLACEHOLDER.sub("x", self.text))
        except UnnamedError as error:
            raise ValueError(f"name = {self.text!r} can't become a host name: {error}") from None

    @property
    def needs_container(self) -> bool:
        """Whether the name depends on what only podman knows."""
        return any(field == "label" for field, _ in PLACEHOLDER.findall(self.text))

    @property
    def tail(self) -> str:
        """The labels after the last placeholder: where the zone most likely begins. Empty when there are none."""
        labels = PLACEHOLDER.sub("{}", self.text).lower().rstrip(".").split(".")
        fixed = next((n for n, label in enumerate(reversed(labels)) if "{}" in label), len(labels))
        return ".".join(labels[len(labels) - fixed :])

    def render(self, attachment: hooknet.Attachment, container: hooknet.Container | None) -> str:
        """The host name, in lower case and without a final dot. Raises UnnamedError when there is none."""

        def value(found: re.Match[str]) -> str:
            return to_label(found[0], field_value(found[1], found[2], attachment, container))

        return host_name(PLACEHOLDER.sub(value, self.text))


def field_value(
    field: str, key: str | None, attachment: hooknet.Attachment, container: hooknet.Container | None
) -> str:
    """The value behind a placeholder. Raises UnnamedError where there is none."""
    match field:
        case "name":
            return attachment.container_name or attachment.container_id[:SHORT_ID]
        case "network":
            return attachment.network
        case "ifname":
            return attachment.ifname
        case "id":
            return attachment.container_id[:SHORT_ID]
        case "host":
            return os.uname().nodename.partition(".")[0]
    if container is None:
        raise UnnamedError("podman did not tell the container's labels in time")
    if key is None or key not in container.labels:
        raise UnnamedError(f"it has no label {key!r}")
    return container.labels[key]


def to_label(placeholder: str, value: str) -> str:
    """One DNS label from any text. Raises UnnamedError when nothing is left of it, or too much."""
    label = re.sub(r"[^a-z0-9]+", "-", value.lower()).strip("-")
    if not label:
        raise UnnamedError(f"{placeholder} is {value!r}, of which no letter or digit is left")
    if len(label) > LONGEST_LABEL:
        raise UnnamedError(f"{placeholder} is longer than the {LONGEST_LABEL} characters of a DNS label")
    return label


def host_name(text: str) -> str:
    """`text` as a host name in lower case, without a final dot. Raises UnnamedError when it is none."""
    name = text.lower().removesuffix(".")
    if len(name) > LONGEST_NAME:
        raise UnnamedError(f"it is longer than the {LONGEST_NAME} characters of a DNS name")
    for label in name.split("."):
        if len(label) > LONGEST_LABEL or not LABEL.fullmatch(label):
            raise UnnamedError(f"{label!r} is not a label of letters, digits and hyphens")
    return name


def inside(name: str, zone: str) -> bool:
    return name == zone or name.endswith(f".{zone}")


def derived_reverse_zone(address: IPv4Interface) -> str:
    """The reverse zone of the address's subnet, as it is where zones end at whole octets (at most a /24)."""
    octets = min(max(address.network.prefixlen // OCTET, 1), 3)
    return ".".join([*reversed(str(address.ip).split(".")[:octets]), REVERSE])


def reverse_name(address: IPv4Address, zone: str) -> str | None:
    """Where the PTR of `address` belongs in `zone`; None when it does not belong there."""
    plain = address.reverse_pointer
    if inside(plain, zone):
        return plain
    last, _, subnet = plain.partition(".")
    is_delegation = zone.partition(".")[2] == subnet  # RFC 2317: a label such as 0-25 or 0/25 below the /24
    return f"{last}.{zone}" if is_delegation else None
