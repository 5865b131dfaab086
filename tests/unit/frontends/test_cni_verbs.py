import json
import logging
from ipaddress import IPv4Address

import pytest
from cni_calls import CONTAINER, NETNS, OURS, SEED, env
from cni_world import MAC, envelope, run

from hooknet.cni.versions import SUPPORTED_VERSIONS
from hooknet.errors import CODES, HooknetError, Kind
from hooknet.frontends.cni_verbs import Verbs
from hooknet.lifecycle.requests import LinkWanted, StatusRequest
from hooknet.model import AttachmentKey, MacvlanMode

BRIDGE = {"cniVersion": "1.0.0", "name": "br", "type": "bridge", "bridge": "br0", "ipam": {"type": "hooknet"}}
PREVIOUS = {
    "cniVersion": "1.0.0",
    "interfaces": [{"name": "eth0", "mac": "02:00:00:00:00:77", "sandbox": NETNS}],
    "ips": [{"interface": 0, "address": "192.0.2.50/24"}],
}


def answer(lifecycle, *args, **kwargs):
    return run(Verbs(lifecycle).answer(envelope(*args, **kwargs)))


def error_of(found):
    assert found.exit_code == 1
    return json.loads(found.stdout)


def test_aliases_come_without_the_short_id_that_podman_adds(lifecycle):
    told = {"aliases": {"lan": ["db", CONTAINER[:2], CONTAINER[:12]]}}
    answer(lifecycle, OURS | {"runtimeConfig": told})
    (asked,) = lifecycle.seen("attach")
    assert asked.aliases == ("db", CONTAINER[:2]), "a name that the id happens to begin with is a name"


def test_the_seed_conflist_asks_for_a_macvlan_with_a_lease(lifecycle):
    answer(lifecycle, SEED, plugin="macvlan")
    (asked,) = lifecycle.seen("attach")
    assert asked.key == AttachmentKey(CONTAINER, "eth0", "example")
    assert (asked.netns, asked.container_name, asked.parent) == (NETNS, "web", "enp0s31f6")
    assert (asked.link, asked.l2_only, asked.mac) == (LinkWanted(), False, None)


def test_every_key_of_the_reference_reaches_the_lifecycle(lifecycle):
    ipam = {
        "type": "dhcp",
        "provide": [{"option": "host-name", "value": "box"}, {"option": "user-class", "value": "kiosk"}],
        "request": [{"option": "42", "skipDefault": True}],
        "priority": 50,
    }
    link = {"mode": "vepa", "mtu": 1400, "mac": MAC, "linkInContainer": True, "bcqueuelen": 7}
    answer(lifecycle, **link, ipam=ipam, environment=env(args="IP=192.0.2.7"))
    (asked,) = lifecycle.seen("attach")
    assert asked.link == LinkWanted(mode=MacvlanMode.VEPA, mtu=1400, bcqueuelen=7)
    assert asked.parent_in_netns
    assert (asked.mac, asked.requested_address) == (MAC, IPv4Address("192.0.2.7"))
    assert (asked.given, asked.options) == ({"hostname": "box", "metric": 50}, {77: b"kiosk"})
    assert (asked.parameters, len(asked.skip_parameters)) == ((42,), 253)


@pytest.mark.parametrize("version", SUPPORTED_VERSIONS)
def test_an_add_is_answered_in_the_configurations_version(lifecycle, version):
    found = answer(lifecycle, cniVersion=version)
    result = json.loads(found.stdout)
    assert (found.exit_code, result["cniVersion"]) == (0, version)
    address = result["ip4"]["ip"] if version < "0.3.0" else result["ips"][0]["address"]
    assert address == "192.0.2.50/24"


def test_an_l2_only_add_answers_with_the_interface_alone(lifecycle):
    result = json.loads(answer(lifecycle, ipam={}).stdout)
    assert result == {
        "cniVersion": "1.0.0",
        "interfaces": [{"name": "eth0", "mac": MAC, "sandbox": NETNS}],
        "dns": {},
    }


def test_as_an_ipam_plugin_the_link_is_left_alone_and_the_result_has_no_interfaces(lifecycle):
    result = json.loads(answer(lifecycle, BRIDGE).stdout)
    (asked,) = lifecycle.seen("attach")
    assert (asked.link, asked.parent) == (None, "br0")
    assert "interfaces" not in result
    assert result["ips"] == [{"address": "192.0.2.50/24", "gateway": "192.0.2.1"}]


def test_a_chain_is_passed_on(lifecycle):
    previous = {"interfaces": [{"name": "lo", "sandbox": NETNS}], "dns": {"options": ["ndots:1"]}}
    result = json.loads(answer(lifecycle, prevResult=previous).stdout)
    assert [found["name"] for found in result["interfaces"]] == ["lo", "eth0"]
    assert result["ips"][0]["interface"] == 1
    assert result["dns"]["options"] == ["ndots:1"]


def test_what_a_del_left_is_done_before_an_add(lifecycle):
    async def collect():
        lifecycle.calls.append(("collected", None))

    run(Verbs(lifecycle, before_add=collect).answer(envelope()))
    assert [name for name, _ in lifecycle.calls] == ["collected", "attach"]


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_of_failure_has_its_code_and_exit_1(lifecycle, kind):
    lifecycle.fail["attach"] = HooknetError(kind, "it failed", details="why", hint="do this")
    assert error_of(answer(lifecycle)) == {
        "cniVersion": "1.0.0",
        "code": CODES[kind].cni,
        "msg": "it failed",
        "details": "why; do this",
    }


def test_a_bug_is_told_without_its_text_and_logged_with_it(lifecycle, caplog):
    lifecycle.fail["attach"] = ZeroDivisionError("secret")
    error = error_of(answer(lifecycle))
    assert (error["code"], "secret" in str(error)) == (199, False)
    assert "secret" in caplog.text


def test_a_bad_request_never_reaches_the_lifecycle(lifecycle):
    assert error_of(answer(lifecycle, mode="l3"))["code"] == 7
    assert lifecycle.calls == []


def test_a_misspelt_key_is_logged(lifecycle, caplog):
    with caplog.at_level(logging.WARNING):
        answer(lifecycle, leaseTime=60)
    assert "did you mean lease_time?" in caplog.text


# the answer arrives, or not


def test_a_delivered_add_is_reported(lifecycle):
    async def work():
        verbs = Verbs(lifecycle)
        await verbs.delivered(await verbs.answer(envelope()))

    run(work())
    assert [name for name, _ in lifecycle.calls] == ["attach", "replied"]


def test_an_undelivered_add_is_undone(lifecycle):
    async def work():
        verbs = Verbs(lifecycle)
        await verbs.undelivered(await verbs.answer(envelope()))

    run(work())
    assert [name for name, _ in lifecycle.calls] == ["attach", "undo"]


@pytest.mark.parametrize("verb", ["DEL", "VERSION"])
def test_there_is_nothing_to_undo_of_other_verbs(lifecycle, verb):
    async def work():
        verbs = Verbs(lifecycle)
        await verbs.undelivered(await verbs.answer(envelope(verb=verb)))

    run(work())
    assert lifecycle.seen("undo") == []


# the other verbs


def test_a_del_detaches_and_says_nothing(lifecycle):
    found = answer(lifecycle, verb="DEL")
    (asked,) = lifecycle.seen("detach")
    assert (found.exit_code, found.stdout) == (0, b"")
    assert (asked.key.network, asked.netns, asked.delete_link) == ("lan", NETNS, True)
    assert (asked.netns_id, asked.at) == (None, None)


def test_a_del_as_ipam_plugin_leaves_the_link_and_needs_no_netns(lifecycle):
    found = answer(lifecycle, BRIDGE, verb="DEL", environment=env("DEL", netns=None))
    (asked,) = lifecycle.seen("detach")
    assert (found.exit_code, asked.netns, asked.delete_link) == (0, None, False)


def test_a_check_compares_with_what_is_held(lifecycle):
    found = answer(lifecycle, verb="CHECK", prevResult=PREVIOUS)
    (asked,) = lifecycle.seen("check")
    assert (found.exit_code, found.stdout) == (0, b"")
    assert asked.mac == "02:00:00:00:00:77", "a plugin after us may have changed the MAC"


def test_a_check_fails_for_what_prev_result_shows(lifecycle):
    other = PREVIOUS | {"interfaces": [{"name": "eth0", "sandbox": "/run/netns/other"}]}
    assert error_of(answer(lifecycle, verb="CHECK", prevResult=other))["code"] == 103
    assert lifecycle.calls == []


def test_a_check_fails_for_what_the_lifecycle_finds(lifecycle):
    lifecycle.fail["check"] = HooknetError(Kind.CHECK_FAILED, "no address")
    assert error_of(answer(lifecycle, verb="CHECK", prevResult=PREVIOUS))["code"] == 103


GC = {"cniVersion": "1.1.0", "cni.dev/valid-attachments": [{"containerID": "abc", "ifname": "eth0"}]}


def test_gc_releases_what_is_not_on_the_list(lifecycle):
    found = answer(lifecycle, verb="GC", **GC)
    assert (found.exit_code, found.stdout) == (0, b"")
    assert lifecycle.seen("collect") == [("lan", {("abc", "eth0")})]


def test_gc_tells_all_errors_together(lifecycle):
    lifecycle.collected = [HooknetError(Kind.IO, "first"), HooknetError(Kind.IO, "second")]
    error = error_of(answer(lifecycle, verb="GC", **GC))
    assert (error["code"], "first" in error["details"], "second" in error["details"]) == (5, True, True)


def test_gc_tells_a_single_error_as_it_is(lifecycle):
    lifecycle.collected = [HooknetError(Kind.PARENT, "only")]
    assert error_of(answer(lifecycle, verb="GC", **GC))["code"] == 101


def test_status_asks_for_this_parent_with_these_settings(lifecycle):
    found = answer(
        lifecycle, verb="STATUS", cniVersion="1.1.0", probe_server=True, environment={"CNI_COMMAND": "STATUS"}
    )
    assert (found.exit_code, found.stdout) == (0, b"")
    assert lifecycle.seen("status") == [
        StatusRequest(network="lan", parent="eth0", given={"probe_server": True})
    ]


@pytest.mark.parametrize(
    ("config", "asked"),
    [
        ({"ipam": {}}, {"leases": False}),
        ({"type": "bridge", "bridge": "eth0", "ipam": {"type": "hooknet"}}, {"makes_link": False}),
        ({"linkInContainer": True}, {"parent_in_netns": True}),
    ],
)
def test_status_asks_for_what_an_add_would_need(lifecycle, config, asked):
    answer(lifecycle, verb="STATUS", cniVersion="1.1.0", environment={"CNI_COMMAND": "STATUS"}, **config)
    assert lifecycle.seen("status") == [StatusRequest(network="lan", parent="eth0", **asked)]


def test_status_tells_that_no_add_can_be_served(lifecycle):
    lifecycle.fail["status"] = HooknetError(Kind.UNAVAILABLE, "eth0 is down")
    assert error_of(answer(lifecycle, verb="STATUS", cniVersion="1.1.0"))["code"] == 50


@pytest.mark.parametrize("asked", SUPPORTED_VERSIONS)
def test_version_is_answered_by_the_daemon_too(lifecycle, asked):
    found = answer(lifecycle, verb="VERSION", cniVersion=asked, environment={"CNI_COMMAND": "VERSION"})
    assert json.loads(found.stdout) == {"cniVersion": asked, "supportedVersions": list(SUPPORTED_VERSIONS)}


def test_under_ours_the_default_master_is_the_lifecycles_choice(lifecycle):
    answer(lifecycle, OURS, master=None)
    assert lifecycle.seen("attach")[0].parent is None
