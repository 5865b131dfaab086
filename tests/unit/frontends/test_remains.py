"""libcni's notes on a disk that anybody may have tampered with: what is read, and what is left and said."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from pathlib import Path

import pytest

from hooknet.cni.document import Section
from hooknet.frontends.remains import Interface, PodmansTraces, _through_driver, of_libcni
from hooknet.podman import PodmanContainer, PodmanUnavailable, inspecting
from hooknet.podmans import DescribedPodman

CONFIG = {"cniVersion": "0.4.0", "name": "lan", "plugins": [{"type": "hooknet", "master": "eth7"}]}
NOTE = {
    "kind": "cniCacheV1",
    "containerId": "c1",
    "config": base64.b64encode(json.dumps(CONFIG).encode()).decode(),
    "ifName": "eth0",
    "networkName": "lan",
    "cniArgs": [["K8S_POD_NAME", "web"]],
    "result": {
        "cniVersion": "0.4.0",
        "interfaces": [{"name": "eth0", "sandbox": "/run/netns/n1"}],
        "ips": [{"version": "4", "interface": 0, "address": "192.168.7.50/24"}],
    },
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "lan-c1-eth0").write_text(json.dumps(NOTE))
    os.utime(tmp_path / "lan-c1-eth0", (7.0, 1234.0))
    return tmp_path


def test_a_note_becomes_the_request_that_it_was(folder: Path) -> None:
    traces = of_libcni(folder)
    [trace] = traces.found
    assert (str(trace.request.key), trace.request.netns) == ("c1/eth0@lan", "/run/netns/n1")
    assert (trace.request.container_name, trace.request.parent) == ("web", "eth7")
    assert (str(trace.address), trace.attached, trace.by_name) == ("192.168.7.50/24", 1234.0, True)
    assert not traces.left


def test_where_another_plugin_gives_the_addresses_none_is_ours(folder: Path) -> None:
    plugin = {"type": "hooknet", "master": "eth7", "ipam": {"type": "host-local"}}
    config = base64.b64encode(json.dumps({**CONFIG, "plugins": [plugin]}).encode()).decode()
    (folder / "lan-c1-eth0").write_text(json.dumps({**NOTE, "config": config}))
    [trace] = of_libcni(folder).found
    assert trace.request.l2_only


def test_netavarks_setup_is_said_once_more_with_the_aliases_that_the_user_gave() -> None:
    container, short = "c0ffee" + "0" * 58, "c0ffee000000"
    listed = PodmanContainer(id=container, names=("web",))
    network = {"name": "lan", "driver": "hooknet", "network_interface": "eth7", "options": {"parent": "eth7"}}
    described = Section(
        {"NetworkSettings": {"SandboxKey": "/run/netns/n1"}, "Config": {"Hostname": "c0"}},
    )
    part = Section({"Aliases": ["db", short, "c0"]})
    asked = _through_driver(listed, network, described, part, Interface("eth0", "eth7"))
    assert (asked.aliases, asked.hostname) == (("db",), "c0")


@pytest.mark.parametrize("absent", [True, False])
def test_a_podman_that_does_not_answer_is_not_one_that_knows_nothing(
    absent: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def no_answer(url: str) -> str:
        raise PodmanUnavailable(url, "nobody answers", absent=absent)

    monkeypatch.setattr(inspecting, "network_backend", no_answer)
    podman = DescribedPodman("unix:///p.sock")
    traces = asyncio.run(PodmansTraces(None, with_proxy=True).of(podman))  # type: ignore[arg-type]
    assert (traces.is_whole, len(traces.left)) == (absent, 0 if absent else 1)


def test_without_any_notes_there_is_nothing(tmp_path: Path) -> None:
    assert not of_libcni(tmp_path / "none").found


def test_what_is_no_plain_file_is_left_and_never_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "fifo")
    (folder / "folder").mkdir()
    (folder / "link").symlink_to(folder / "lan-c1-eth0")
    traces = of_libcni(folder)
    assert len(traces.found) == 1
    assert {leave.who for leave in traces.left} == {"fifo", "folder", "link"}


def test_one_note_that_can_not_be_read_does_not_hide_the_others(folder: Path) -> None:
    (folder / "a-torn-one").write_text(json.dumps(NOTE)[:-9])
    traces = of_libcni(folder)
    assert len(traces.found) == 1
    [left] = traces.left
    assert (left.who, "decoded" in left.why) == ("a-torn-one", True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_note_of_somebody_else_is_not_believed(folder: Path) -> None:
    os.chown(folder / "lan-c1-eth0", 12345, 12345)
    assert not of_libcni(folder).found
