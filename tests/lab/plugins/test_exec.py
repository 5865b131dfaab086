"""exec with the daemon and podman: programs of root see, change and refuse; nobody else's are run."""

from __future__ import annotations

import functools
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from lab import eventually
from lab.cni import netconf
from lab.process import run

if TYPE_CHECKING:
    from collections.abc import Iterator

PLACE = Path("/mnt")
"""Covered by a tmpfs in the world of the test: every folder above it is root's, as in /etc."""

DIARY = """#!/bin/sh
{ printf '%s %s %s %s\\n' "$HOOKNET_HOOK" "$HOOKNET_REASON" "$HOOKNET_CONTAINER_NAME" "$HOOKNET_ADDRESS"; } >> DIARY
"""


class Programs:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.diary = folder / "diary"
        self.config = f'[plugins.exec]\ndirectory = "{folder}"\n'

    def add(self, hook: str, text: str, *, name: str = "10-it", mode: int = 0o755) -> Path:
        place = self.folder / f"{hook}.d"
        place.mkdir(mode=0o755, exist_ok=True)
        path = place / name
        path.write_text(text.replace("DIARY", str(self.diary)))
        path.chmod(mode)
        return path

    def written(self) -> list[str]:
        return self.diary.read_text().splitlines() if self.diary.exists() else []


@pytest.fixture
def serving(serving):
    """Its programs write what they saw beside themselves."""
    return functools.partial(serving, writable=[PLACE])


@pytest.fixture
def programs(world: Path) -> Iterator[Programs]:
    run(["mount", "-t", "tmpfs", "-o", "mode=755", "hooks", PLACE])
    folder = PLACE / "hooks"
    folder.mkdir(mode=0o755)
    yield Programs(folder)
    shutil.rmtree(folder)
    run(["umount", PLACE])


def test_a_program_hears_of_every_lease(plugged, serving, programs):
    _, host = plugged()
    for hook in ("post_lease", "release"):
        programs.add(hook, DIARY)
    serving(host, programs.config)
    container = host.podman.start("web", network="lan")
    address = container.address()
    eventually(lambda: programs.written() == [f"post_lease BOUND web {address}"])
    container.rm()
    eventually(lambda: programs.written()[1:] == [f"release DETACHED web {address}"])


def test_a_program_gets_the_lease_as_json_with_image_and_labels_where_wanted(plugged, serving, programs):
    _, host = plugged()
    programs.add("post_lease", "#!/bin/sh\ncat > DIARY\n")
    serving(host, programs.config + "container = true\n", follow_podman=True)
    container = host.podman.start("web", "--label=tier=front", network="lan")

    def told() -> dict[str, Any]:
        return json.loads("\n".join(programs.written()))

    eventually(lambda: programs.written() and told())
    assert told()["lease"]["address"] == str(container.interface())
    assert told()["container"]["labels"]["tier"] == "front"
    assert told()["container"]["image"].startswith("localhost/box")


def test_a_program_changes_the_request_and_that_is_shown(plugged, serving, programs):
    lan, host = plugged(lease_time=86400)
    programs.add("pre_lease", '#!/bin/sh\necho \'{"lease_time": 600, "hostname": "renamed"}\'\n')
    daemon = serving(host, programs.config)
    host.podman.start("web", network="lan")
    [lease] = daemon.leases()
    assert lease["lease_time"] == 600
    assert lease["changed_by"] == {"lease_time": "exec", "hostname": "exec"}
    assert [one.hostname for one in lan.server.leases()] == ["renamed"]


def test_a_program_refuses_a_container_in_its_own_words(plugged, serving, programs):
    lan, host = plugged()
    programs.add("pre_lease", '#!/bin/sh\necho \'{"refuse": "not on a Sunday"}\'\n')
    serving(host, programs.config)
    done = host.podman("run", "--rm", "--network=lan", "localhost/box", "true", check=False)
    assert done.returncode != 0
    assert "not on a Sunday" in done.stderr
    assert lan.server.leases() == []


def test_a_program_that_asks_for_patience_is_called_again_until_it_is_content(plugged, serving, programs):
    _, host = plugged()
    programs.add("post_lease", DIARY + 'test "$(wc -l < DIARY)" -ge 3 || exit 75\n')
    daemon = serving(host, programs.config)
    host.cni.add(netconf(), host.cni.sandbox())
    eventually(lambda: len(programs.written()) == 3, within=20)
    reports = json.loads(daemon.hooknet("plugins", "--format", "json").stdout)["plugins"]
    assert [one["failures"] for one in reports if one["name"] == "exec"] == [0]


def test_a_program_that_hangs_delays_a_container_for_its_budget_only_and_dies_with_its_children(
    plugged, serving, programs
):
    _, host = plugged()
    programs.add(
        "pre_lease", "#!/bin/sh\necho $$ >> DIARY\nsetsid sleep 600 &\necho $! >> DIARY\nsleep 600\n"
    )
    serving(host, programs.config + "pre_lease_timeout = 0.5\n")
    reply = host.cni.add(netconf(), host.cni.sandbox())
    assert reply.ms < 5000
    pids = programs.written()
    assert len(pids) == 2
    eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))


@pytest.mark.parametrize(("on_failure", "code"), [("skip", 0), ("fail", 108)])
def test_a_program_of_anybodys_is_never_run(plugged, serving, programs, on_failure, code):
    _, host = plugged()
    programs.add("pre_lease", DIARY, mode=0o777)
    daemon = serving(host, f'{programs.config}on_failure = "{on_failure}"\n')
    reply = host.cni.call("ADD", netconf(), host.cni.sandbox())
    assert (reply.code and reply.error["code"]) == code
    daemon.log.wait_for("may be written by others than root")
    assert programs.written() == []
