"""Every effective setting, where it came from, and which values are nobody's business.

A setting comes from the file that names it, or it is the default. Whatever a plugin is given under a name
that sounds like a key, a secret, a token or a password is masked, unless it is a path to a file (the way
that keys should be given); so is a password inside a URL. Better one value too many masked than one too
few: this output is pasted into bug reports.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hooknet import config
from hooknet.logs import plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

DEFAULT = "default"
MASK = "******"
SECRET = re.compile(r"key|secret|token|passw|passphrase|credential|auth|psk", re.IGNORECASE)
USERINFO = re.compile(r"(?<=://)([^/@\s:]*):[^/@\s]*@")


@dataclass(frozen=True, slots=True)
class Setting:
    """`key`: dotted, as in the file. `origin`: the file, or `default`."""

    key: str
    value: Any
    origin: str


def effective(path: Path | None) -> tuple[Setting, ...]:
    """Every setting that a daemon with this file would have. Raises BAD_CONFIG or IO as `config.load`."""
    loaded = config.load(path)
    data = {} if loaded.path is None else tomllib.loads(loaded.path.read_text(encoding="utf-8"))
    origin = str(loaded.path)
    found: list[Setting] = []
    for section in ("daemon", "podman", "netavark", "plugins"):
        given = data.get(section, {})
        found += section_of(section, getattr(loaded, section), given, origin)
    for name, given in loaded.plugins.settings.items():
        found += [Setting(key, value, origin) for key, value in flat(f"plugins.{name}", given)]
    found += section_of("network.*", config.NetworkSettings(), {}, origin)
    for name, given in loaded.network.items():
        found += section_of(f"network.{name}", loaded.settings_for(name, {}), given, origin)
    return tuple(found)


def section_of(prefix: str, settings: Any, given: Mapping[str, Any], origin: str) -> list[Setting]:
    """The fields of a settings dataclass. `given`: the table of the file, where there is one."""
    written = {key.replace("-", "_") for key in given}
    return [
        Setting(
            f"{prefix}.{field.name}",
            masked_url(plain(getattr(settings, field.name))),
            origin if field.name in written else DEFAULT,
        )
        for field in dataclasses.fields(settings)
        if field.name != "settings"
    ]


def flat(prefix: str, value: Any) -> Iterator[tuple[str, Any]]:
    """A plugin's table as dotted keys and masked values."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from flat(f"{prefix}.{key}", inner)
    else:
        name = prefix.removeprefix("plugins.").partition(".")[2]
        yield prefix, masked(name, value)


def masked(name: str, value: Any) -> Any:
    """The value, or the mask when `name` (dotted) sounds secret. Lists are looked into."""
    match value:
        case list():
            return [masked(name, item) for item in value]
        case dict():
            return {key: masked(f"{name}.{key}", item) for key, item in value.items()}
        case bool() | None:
            return value
        case _ if SECRET.search(name) and not is_path(value):
            return MASK
        case _:
            return masked_url(plain(value))


def is_path(value: Any) -> bool:
    """Whether this is the absolute path of something that is there: a key in base64 may begin with a slash."""
    return isinstance(value, str) and value.startswith("/") and os.path.lexists(value)


def masked_url(value: Any) -> Any:
    if isinstance(value, list):
        return [masked_url(item) for item in value]
    return USERINFO.sub(rf"\1:{MASK}@", value) if isinstance(value, str) else value


def as_toml(value: Any) -> str:
    """The value as the file would spell it; `(unset)` for what has no value."""
    return "(unset)" if value is None else json.dumps(value, ensure_ascii=True)
