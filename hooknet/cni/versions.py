"""The versions of the CNI spec, and what each verb needs.

The result of an ADD is in the version of the configuration, whatever versions the plugin knows besides
(CNI spec 1.1.0, "Versioning"). CHECK came with 0.4.0, GC and STATUS with 1.1.0. A configuration without a
version is 0.1.0.
"""

from __future__ import annotations

from enum import StrEnum, unique

from hooknet.errors import HooknetError, Kind

SUPPORTED_VERSIONS = ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
OLDEST, NEWEST = SUPPORTED_VERSIONS[0], SUPPORTED_VERSIONS[-1]


@unique
class Verb(StrEnum):
    """CNI_COMMAND."""

    ADD = "ADD"
    DEL = "DEL"
    CHECK = "CHECK"
    GC = "GC"
    STATUS = "STATUS"
    VERSION = "VERSION"


SINCE = {Verb.CHECK: "0.4.0", Verb.GC: "1.1.0", Verb.STATUS: "1.1.0"}


def is_before(version: str, other: str) -> bool:
    """Whether `version` is older than `other`; both are supported ones."""
    return SUPPORTED_VERSIONS.index(version) < SUPPORTED_VERSIONS.index(other)


def settled_version(given: object) -> str:
    """The version of a configuration. Raises INCOMPATIBLE_VERSION."""
    if given in (None, ""):
        return OLDEST
    if isinstance(given, str) and given in SUPPORTED_VERSIONS:
        return given
    raise HooknetError(
        Kind.INCOMPATIBLE_VERSION,
        f"cniVersion {str(given)[:40]!r} is not supported",
        hint="use one of " + ", ".join(SUPPORTED_VERSIONS),
    )


def require_verb(verb: Verb, version: str) -> None:
    """Raises INCOMPATIBLE_VERSION when `verb` came later than the configuration's version."""
    since = SINCE.get(verb, OLDEST)
    if is_before(version, since):
        raise HooknetError(
            Kind.INCOMPATIBLE_VERSION,
            f"{verb} needs cniVersion {since} or newer, and the configuration says {version}",
            hint=f'set "cniVersion": "{since}" in the network configuration',
        )
