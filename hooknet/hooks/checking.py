"""`hooknet plugins check`: load and validate what a daemon would load, without one."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from hooknet.hooks.dispatcher import Plugins

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hooknet.config import Config
    from hooknet.hooks.reports import PluginReport


def check_all(config: Config) -> Sequence[PluginReport]:
    """Every plugin as a daemon with this configuration would report it; its folder is a temporary one."""
    with TemporaryDirectory(prefix="hooknet-check-") as folder:
        return Plugins.load(config, Path(folder)).report()
