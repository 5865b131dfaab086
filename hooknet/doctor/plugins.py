"""Are the CNI plugins where podman looks, and do they run?"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from hooknet.doctor.findings import Finding, note, ok, problem
from hooknet.doctor.host import Host
from hooknet.install import containers_conf, record
from hooknet.install.containers_conf import ContainersConf
from hooknet.shim.compiled import NAME, is_taken
from hooknet.shim.install import DROP_INS, PLUGIN, SIGNATURE

EXECUTABLE = 0o111


def read_conf(host: Host) -> ContainersConf:
    """What podman is configured to do."""
    return containers_conf.read(host.root, containers_conf.files(host.root, host.environ))


def check_shims(host: Host) -> Iterator[Finding]:
    """`hooknet` is found, is ours, and runs; the drop-ins and netavark's driver too, where they were installed."""
    conf = read_conf(host)
    drivers = [folder / PLUGIN for folder in conf.driver_dirs if is_shim(host, folder / PLUGIN)]
    found = first(host, conf, PLUGIN)
    if found is not None:
        yield from check_shim(host, found)
    elif conf.plugin_dirs or not drivers:
        yield problem(
            f"podman finds no CNI plugin {PLUGIN}",
            todo="hooknet install",
            why=f"it looks in {', '.join(map(str, conf.plugin_dirs)) or 'no directory'}",
        )
    for driver in drivers[:1]:
        yield from check_shim(host, driver)
    installed = record.read(host.root) if host.uid == 0 else None
    for name in DROP_INS:
        place = first(host, conf, name)
        is_ours = place is not None and is_shim(host, place)
        if is_ours and place is not None:
            yield from check_shim(host, place)
        elif installed is not None and installed.drop_in:
            yield problem(
                f"podman takes the CNI plugin {name} from {place or 'nowhere'}, not from hooknet",
                todo="hooknet install, which lists its directory first again",
                why=f"cni_plugin_dirs comes from {conf.plugins.origin or 'podman itself'}",
            )


def check_shim(host: Host, path: Path) -> Iterator[Finding]:
    """One file that podman would run."""
    text = (host.root.read(path) or b"").decode(errors="replace")
    if SIGNATURE.decode() not in text:
        yield problem(f"{path} is not hooknet's", todo="move it away, then: hooknet install")
        return
    broken = False
    for what, name in (("interpreter", "PYTHON"), ("daemon", "DAEMON")):
        written = program(text, name)
        if written is not None and not runs(host, Path(written)):
            broken = True
            yield problem(
                f"the {what} of {path} is missing: {written}",
                todo="hooknet install, by the hooknet that is to be used",
            )
    ran = host.run(str(path), stdin='{"cniVersion":"1.0.0"}', env={"CNI_COMMAND": "VERSION"})
    if not answers(None if ran is None or ran.code else ran.stdout):
        yield problem(f"{path} does not run", todo="see what it says: CNI_COMMAND=VERSION " + str(path))
    elif not broken:
        yield ok(f"{path} runs")
        yield from check_compiled(host, path, text)


def check_compiled(host: Host, path: Path, text: str) -> Iterator[Finding]:
    """Whether the shim is spared compiling its text at every call."""
    python = program(text, "PYTHON")
    ran = host.run(python, "-IS", "-c", NAME) if python is not None else None
    if ran is not None and ran.code == 0 and not is_taken(text, ran.stdout):
        yield note(
            f"{path} compiles its text at every call",
            why="an older hooknet wrote it, Python was upgraded since, or it was changed by hand",
            todo="hooknet install, which has it compiled again",
        )


def program(text: str, name: str) -> str | None:
    """The path that a shim was given for its PYTHON or DAEMON."""
    found = re.search(rf"^{name}=(/.*)$", text, re.MULTILINE)
    return found[1] if found is not None else None


def first(host: Host, conf: ContainersConf, name: str) -> Path | None:
    """Where podman would take a plugin from."""
    places = [folder / name for folder in conf.plugin_dirs]
    return next((place for place in places if host.root.exists(place)), None)


def is_shim(host: Host, path: Path) -> bool:
    return SIGNATURE in (host.root.read(path) or b"")


def runs(host: Host, path: Path) -> bool:
    found = host.owner(host.root.place(path))
    return found is not None and bool(found[1] & EXECUTABLE)


def answers(stdout: str | None) -> bool:
    """Whether this is CNI's answer to VERSION."""
    try:
        return "1.0.0" in json.loads(stdout or "")["supportedVersions"]
    except (ValueError, KeyError, TypeError):
        return False
