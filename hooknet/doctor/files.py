"""The files that the daemon needs: configuration, state, and the program itself."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from hooknet import config
from hooknet.doctor.findings import Finding, from_error, note, ok, problem, skipped
from hooknet.doctor.host import Host
from hooknet.errors import HooknetError
from hooknet.install import program
from hooknet.install.units import FOLDER, SERVICE

OTHERS_MAY_WRITE = 0o022
ENOUGH = 16 << 20
GENERAL_REMEDY = "docs/reference/configuration.md"


def check_config(host: Host) -> Iterator[Finding]:
    """hooknet.toml, as the daemon would read it."""
    path = host.root.place(config.DEFAULT_CONFIG)
    if host.owner(path) is None:
        yield (
            ok("there is no hooknet.toml: everything has its default")
            if host.uid == 0
            else skipped(f"{config.DEFAULT_CONFIG} can't be seen", todo="sudo hooknet doctor")
        )
        return
    try:
        config.load(path)
    except HooknetError as error:
        yield from_error(error, GENERAL_REMEDY)
    else:
        yield ok(f"{config.DEFAULT_CONFIG} is valid")


def check_state(host: Host) -> Iterator[Finding]:
    """Where leases are remembered: root's alone, with room left."""
    path = config.DEFAULT_STATE_DIR
    place = host.root.place(path)
    found = host.owner(place)
    if found is None:
        yield note(
            f"there is no {path} yet: the daemon makes it when it first starts",
            todo="nothing; but if it ran before, restart its containers: what it leased is forgotten",
        )
        return
    owner, mode = found
    if owner != 0 or mode & OTHERS_MAY_WRITE:
        yield problem(
            f"{path} may be written by others than root (owner {owner}, mode {stat.S_IMODE(mode):o})",
            todo=f"chown root {path} && chmod 700 {path}",
        )
    free = host.free(place)
    if free is not None and free < ENOUGH:
        yield problem(
            f"{path} has {free >> 20} MiB left",
            todo="free some space",
            why="when the journal can't be written, new ADDs are refused",
        )
    elif owner == 0:
        yield ok(f"{path} is root's, with room left")


def check_program(host: Host) -> Iterator[Finding]:
    """What the unit starts: there, visible to it, and nobody's to change but root's."""
    text = host.root.text(FOLDER / SERVICE)
    if text is None:
        return
    written = re.search(r"^ExecStart=(/\S+)", text, re.MULTILINE)
    daemon = Path(written[1].replace("%%", "%")) if written else Path("/")
    found = host.owner(host.root.place(daemon))
    if found is None:
        yield problem(
            f"{SERVICE} starts {daemon}, which is not there",
            todo="hooknet install, by the hooknet to be used",
        )
        return
    try:
        program.require_visible(parts_of(host, daemon))
    except HooknetError as error:
        yield from_error(error, program.REMEDY)
        return
    if found[0] != 0 or found[1] & OTHERS_MAY_WRITE:
        yield problem(
            f"{daemon} runs as root, and may be changed by others (uid {found[0]}, mode {stat.S_IMODE(found[1]):o})",
            todo=f"chown -R root {daemon.parent.parent} && chmod -R go-w {daemon.parent.parent}",
        )
    else:
        yield ok(f"{SERVICE} starts {daemon}")


def parts_of(host: Host, daemon: Path) -> Iterator[tuple[str, Path]]:
    """What the unit must see: the command, and the interpreter on its first line, wherever links lead."""
    yield "the command", daemon
    yield "the command", host.root.resolved(daemon)
    found = re.match(rb"#!\s*(/\S+)", host.root.read(daemon) or b"")
    if found is not None:
        yield "its interpreter", host.root.resolved(Path(os.fsdecode(found[1])))
