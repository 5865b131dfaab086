"""`hooknet plugins new NAME`: a package that can be tested and installed as it is written.

A name that an installed package offers already is refused: with both installed, neither would be loaded.

It is a plugin that does something small and visible with each hook that most plugins need, with typed
settings and a test for each; an author deletes more than they write.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib.metadata import EntryPoint
from pathlib import Path
from string import Template

from hooknet.errors import HooknetError, Kind
from hooknet.hooks.loading import check_name, installed

PYPROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "hooknet-$name"
version = "0.1.0"
description = "A hooknet plugin"
readme = "README.md"
requires-python = ">=3.11"
dependencies = []  # of hooknet itself nothing is fetched: it is there, or nobody loads this

[project.optional-dependencies]
test = ["pytest"]

[project.entry-points.hooknet]
$name = "$module:Plugin"

[tool.hatch.build.targets.wheel]
packages = ["$module"]

[tool.pytest.ini_options]
pythonpath = ["."]
testpaths = ["tests"]
"""

CODE = '''\
"""The $name plugin: gives containers a host name prefix, and logs each lease."""

from __future__ import annotations

from dataclasses import dataclass, replace

import hooknet


@dataclass(frozen=True, kw_only=True)
class Config:
    """`[plugins.$name]` in hooknet.toml. prefix: what is put before each host name."""

    prefix: str = ""


class Plugin:
    """hooknet makes one of these when it loads the plugin, and again when its settings change."""

    def __init__(self, context: hooknet.PluginContext[Config]) -> None:
        self.config = context.config
        self.log = context.logger

    @hooknet.hookimpl
    def pre_lease(self, request: hooknet.LeaseRequest) -> hooknet.LeaseRequest | None:
        """The container waits for this: be quick. Return a changed copy, or None."""
        if not self.config.prefix or request.hostname is None:
            return None
        return replace(request, hostname=self.config.prefix + request.hostname)

    @hooknet.hookimpl
    def post_lease(
        self, attachment: hooknet.Attachment, lease: hooknet.Lease, reason: hooknet.PostLeaseReason
    ) -> None:
        """Nobody waits for this. Raise hooknet.Retry to be called again."""
        self.log.info("%s has %s (%s)", attachment.container_name, lease.address, reason)

    @hooknet.hookimpl
    def release(
        self, attachment: hooknet.Attachment, lease: hooknet.Lease, reason: hooknet.ReleaseReason
    ) -> None:
        self.log.info("%s gave back %s (%s)", attachment.container_name, lease.address, reason)
'''

TESTS = '''\
"""The plugin, called as the daemon calls it."""

from __future__ import annotations

import logging

import hooknet
import pytest
from hooknet.testing import make_attachment, make_lease, make_request
from hooknet.testing.plugins import PluginHarness

from $module import Plugin


def test_it_implements_these_hooks():
    assert PluginHarness(Plugin).hooks == ("pre_lease", "post_lease", "release")


def test_the_prefix_is_put_before_the_host_name():
    harness = PluginHarness(Plugin, settings={"prefix": "lab-"})
    assert harness.pre_lease(request=make_request(hostname="web")).hostname == "lab-web"


def test_without_a_prefix_nothing_changes():
    request = make_request(hostname="web")
    assert PluginHarness(Plugin).pre_lease(request=request) == request


def test_a_typing_error_in_the_settings_is_told():
    with pytest.raises(hooknet.HooknetError, match="did you mean 'prefix'"):
        PluginHarness(Plugin, settings={"prefx": "lab-"})


def test_a_lease_is_logged(caplog):
    caplog.set_level(logging.INFO)
    harness = PluginHarness(Plugin, name="$name")
    harness.post_lease(make_attachment(container_name="web"), make_lease(address="192.0.2.7/24"))
    harness.release(make_attachment(container_name="web"), make_lease(address="192.0.2.7/24"))
    assert [record.getMessage() for record in caplog.records] == [
        "web has 192.0.2.7/24 (BOUND)",
        "web gave back 192.0.2.7/24 (DETACHED)",
    ]
'''

README = """\
# hooknet-$name

A plugin for hooknet.

## Try it
In the environment that hooknet runs from, as root (below, that is /opt/hooknet):

    /opt/hooknet/bin/pip install '.[test]'      # the plugin, and pytest for its tests
    /opt/hooknet/bin/python -m pytest           # the tests, with hooknet's own test kit
    /opt/hooknet/bin/hooknet plugins check      # loads it and says what is wrong, without a daemon
    systemctl restart hooknet                   # a running daemon imports new code only at its start
    /opt/hooknet/bin/hooknet plugins            # what it did: calls, times, the last error

To work on it elsewhere, make a venv that has hooknet too:

    pip install 'hooknet @ file:///path/to/the/clone' '.[test]'

## Settings
In `/etc/hooknet/hooknet.toml`:

    [plugins.$name]
    prefix = "lab-"         # put before each host name
    # on_failure = "fail"   # hooknet's own: no container starts without this plugin
    # budget = 2            # seconds that pre_lease may take
"""

FILES = {
    "pyproject.toml": PYPROJECT,
    "README.md": README,
    "$module/__init__.py": CODE,
    "$module/py.typed": "",
    "tests/test_$module.py": TESTS,
}


def write_package(
    name: str, directory: Path, *, discover: Callable[[], Iterable[EntryPoint]] = installed
) -> Path:
    """Write the package `hooknet-NAME` below `directory` and return its folder.

    Raises PLUGIN for a name that can't be or is taken, BAD_CONFIG where the folder is there, IO.
    """
    check_name(name, [])
    refuse_taken(name, discover())
    words = {"name": name, "module": module_of(name)}
    folder = directory / f"hooknet-{name}"
    try:
        folder.mkdir()
        for path, text in FILES.items():
            file = folder / Template(path).substitute(words)
            file.parent.mkdir(exist_ok=True)
            file.write_text(Template(text).substitute(words), encoding="utf-8")
    except FileExistsError:
        raise HooknetError(
            Kind.BAD_CONFIG, f"{folder} is there already", hint="choose another name or --directory"
        ) from None
    except OSError as error:
        raise HooknetError(
            Kind.IO,
            f"can't write {folder}: {error.strerror}",
            hint="--directory names a folder that is there",
        ) from None
    return folder


def module_of(name: str) -> str:
    """The import package: two names that differ in `-` and `_` only would overwrite each other's files."""
    return "hooknet_" + name.replace("-", "_")


def refuse_taken(name: str, offers: Iterable[EntryPoint]) -> None:
    for taken in offers:
        if module_of(taken.name) == module_of(name):
            who = taken.dist.name if taken.dist else "an installed package"
            raise HooknetError(
                Kind.PLUGIN,
                f"there is a plugin {taken.name} already",
                details=f"from {who}; of two with one name neither would be loaded",
                hint="choose another name",
            )
