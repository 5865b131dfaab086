"""Every verb in every version of the spec, against golden documents (golden/: what a runtime reads).

A golden document serves its own version and those after it up to the next document. `<words>` in it stand for what
differs from run to run, and come from the kernel and the server, not from the answer.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from lab.chain import RunAs
from lab.cni import netconf

if TYPE_CHECKING:
    from conftest import Stand
    from lab import Sandbox

GOLDEN = Path(__file__).with_name("golden")
VERSIONS = ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
WRITTEN = ("0.1.0", "0.3.0", "1.0.0", "1.1.0")
EVERY_VERSION = pytest.mark.parametrize("version", VERSIONS)
SINCE = {"CHECK": "0.4.0", "GC": "1.1.0", "STATUS": "1.1.0"}


def golden(role: str, version: str, sandbox: Sandbox, stand: Stand) -> dict[str, Any]:
    """The document for this version, with what the kernel says of the sandbox filled in."""
    written = max(w for w in WRITTEN if w <= version)
    [address] = sandbox.interfaces()
    text = (GOLDEN / f"{role}-{written}.json").read_text(encoding="utf-8")
    for name, value in {
        "version": version,
        "mac": sandbox.mac(),
        "netns": sandbox.path,
        "address": address,
        "gateway": stand.lan.address(1),
    }.items():
        text = text.replace(f"<{name}>", str(value))
    document: dict[str, Any] = json.loads(text)
    return document


def has(verb: str, version: str) -> bool:
    return version >= SINCE[verb]


@EVERY_VERSION
def test_a_main_plugin_answers_each_verb_as_its_version_wants(stand: Stand, version: str) -> None:
    config, sandbox = netconf(version=version, metric=50), stand.sandbox()
    added = stand.cni.add(config, sandbox)
    assert added.output == golden("main", version, sandbox, stand)
    checked = stand.cni.check(config, sandbox, added)
    assert (checked.code, checked.stdout == "") == ((0, True) if has("CHECK", version) else (1, False))
    stand.cni.delete(config, sandbox)
    assert sandbox.links() == set()


@EVERY_VERSION
def test_the_drop_in_answers_as_hooknet_does(stand: Stand, version: str) -> None:
    config = netconf(version=version, type_="macvlan", ipam={"type": "dhcp", "priority": 50})
    sandbox = stand.sandbox()
    assert stand.cni.add(config, sandbox).output == golden("main", version, sandbox, stand)
    stand.cni.delete(config, sandbox)
    assert sandbox.links() == set()


@EVERY_VERSION
def test_an_ipam_plugin_answers_without_interfaces(stand: Stand, version: str) -> None:
    """Run by hand: the test is the main plugin, so it makes the link and sets the address."""
    config = netconf(version=version, type_="macvlan", ipam={"type": "dhcp", "metric": 50})
    sandbox, ipam = stand.sandbox(), RunAs(stand.cni, "dhcp")
    stand.host.netns.ip("link", "add", "passing", "link", "host0", "type", "macvlan", "mode", "bridge")
    stand.host.netns.ip("link", "set", "passing", "netns", sandbox.name, "name", "eth0")
    added = ipam.add(config, sandbox)
    sandbox.ip("address", "add", str(added.interface), "dev", "eth0")
    assert added.output == golden("ipam", version, sandbox, stand)
    ipam.delete(config, sandbox)
    stand.lan.server.wait_for_release(added.interface.ip)
    assert sandbox.links() == {"eth0"}, "the link is the main plugin's"


@EVERY_VERSION
@pytest.mark.parametrize("verb", ["CHECK", "STATUS", "GC"])
def test_a_verb_that_came_later_than_the_version_is_code_1_and_else_is_silent(
    stand: Stand, version: str, verb: str
) -> None:
    config, sandbox = netconf(version=version), stand.sandbox()
    extra: dict[str, Any] = {"cni.dev/valid-attachments": []} if verb == "GC" else {}
    extra |= {"prevResult": stand.cni.add(config, sandbox).output} if verb == "CHECK" else {}
    reply = stand.cni.call(verb, config | extra, sandbox if verb == "CHECK" else None)
    if has(verb, version):
        assert (reply.code, reply.stdout) == (0, ""), str(reply)
    else:
        assert reply.error["code"] == 1
        assert SINCE[verb] in reply.error["msg"]
    stand.cni.delete(config, sandbox)


@EVERY_VERSION
def test_version_answers_in_the_version_that_asks(stand: Stand, version: str) -> None:
    for plugin in ("hooknet", "macvlan", "dhcp"):
        asked = {"cniVersion": version, "type": plugin}
        reply = stand.cni.call("VERSION", asked, env={"CNI_NETNS": "dummy", "CNI_IFNAME": "dummy"})
        assert reply.code == 0
        assert reply.output == {"cniVersion": version, "supportedVersions": list(VERSIONS)}


@EVERY_VERSION
def test_an_error_has_four_fields_and_the_configurations_version(stand: Stand, version: str) -> None:
    reply = stand.cni.call("ADD", netconf(version=version, master="enp9s9"), stand.sandbox())
    error = reply.error
    assert error.keys() == {"cniVersion", "code", "msg", "details"}
    assert (error["cniVersion"], error["code"]) == (version, 101)
    assert all(isinstance(error[key], str) for key in ("msg", "details"))


def test_a_configuration_without_a_version_is_0_1_0(stand: Stand) -> None:
    config, sandbox = netconf(), stand.sandbox()
    del config["cniVersion"]
    assert stand.cni.add(config, sandbox).output == golden("main", "0.1.0", sandbox, stand)
    stand.cni.delete(config, sandbox)


def test_a_gateway_in_no_route_and_no_dns_make_a_small_result(stand: Stand) -> None:
    config = netconf(version="1.1.0", suppress=["gateway", "routes", "dns", "domain", "search"])
    sandbox = stand.sandbox()
    added = stand.cni.add(config, sandbox).output
    assert added.keys() == {"cniVersion", "interfaces", "ips", "dns"}
    assert added["ips"] == [{"interface": 0, "address": str(sandbox.interfaces()[0])}]
    assert added["dns"] == {}
    stand.cni.delete(config, sandbox)
