"""netavark's verbs over the shim's socket, with a lifecycle that records."""

import asyncio
import json
import logging
import os

import pytest
from cni_world import Caller, run, serving, until
from driver_calls import CONTAINER, NETNS, NETWORK, envelope, raw, setup_document

from hooknet.errors import HooknetError, Kind
from hooknet.frontends.netavark.driver import DriverVerbs
from hooknet.frontends.tombstones import Tombstones
from hooknet.lifecycle.requests import LinkWanted
from hooknet.model import AttachmentKey, MacvlanMode, Runtime

KEY = AttachmentKey(CONTAINER, "eth0", "lan")
GONE = HooknetError(Kind.PARENT, "there is no interface eth0", hint="see `ip link`")


def answer(lifecycle, verb, document, *words):
    return run(DriverVerbs(lifecycle).answer(envelope(verb, document, *words)))


def said(found):
    return json.loads(found.stdout)


async def ask(folder, lifecycle, request):
    async with serving(folder, lifecycle) as (_, path), Caller(path) as caller:
        await caller.say(request)
        return await caller.answer()


def test_create_answers_the_network_and_looks_for_its_parent(lifecycle):
    found = answer(lifecycle, "create", NETWORK)
    assert (found.exit_code, said(found)["id"]) == (0, NETWORK["id"])
    answer(lifecycle, "create", NETWORK | {"options": {"parent": "eth0", "mtu": "1400"}})
    assert lifecycle.seen("require_parent") == [("eth0", None), ("eth0", 1400)]


def test_create_without_a_parent_is_fine(lifecycle):
    assert answer(lifecycle, "create", NETWORK | {"options": {}}).exit_code == 0
    assert lifecycle.calls == []


def test_create_refuses_a_parent_that_is_not_there(lifecycle):
    lifecycle.fail["require_parent"] = GONE
    found = answer(lifecycle, "create", NETWORK)
    assert (found.exit_code, said(found)) == (1, {"error": "there is no interface eth0; see `ip link`"})


def test_setup_asks_for_a_macvlan_with_a_lease(lifecycle):
    found = answer(
        lifecycle, "setup", setup_document(options={"parent": "eth0", "mode": "vepa", "metric": "5"})
    )
    (asked,) = lifecycle.seen("attach")
    assert (asked.key, asked.netns, asked.runtime) == (KEY, NETNS, Runtime.NETAVARK)
    assert (asked.parent, asked.link, asked.container_name) == (
        "eth0",
        LinkWanted(mode=MacvlanMode.VEPA),
        "web",
    )
    assert asked.given == {"metric": 5}
    interface = said(found)["interfaces"]["eth0"]
    assert interface["subnets"] == [{"ipnet": "192.0.2.50/24", "gateway": "192.0.2.1"}]


def test_setup_tells_the_aliases_to_whoever_asks(lifecycle):
    aliases = {"aliases": ["db", CONTAINER[:12], "shop"]}
    answer(lifecycle, "setup", setup_document(network_options=aliases))
    (asked,) = lifecycle.seen("attach")
    assert (asked.aliases, asked.hostname) == (("db",), "shop")


def test_a_suppressed_gateway_and_dns_are_not_told(lifecycle):
    document = setup_document(options={"parent": "eth0", "suppress": "gateway,dns,search,domain"})
    status = said(answer(lifecycle, "setup", document))
    assert status["interfaces"]["eth0"]["subnets"] == [{"ipnet": "192.0.2.50/24"}]
    assert (status["dns_server_ips"], status["dns_search_domains"]) == ([], [])


def test_the_networks_own_dns_servers_go_before_the_leases(lifecycle):
    document = setup_document(network_dns_servers=["198.51.100.1"])
    assert said(answer(lifecycle, "setup", document))["dns_server_ips"] == ["198.51.100.1"]


def test_a_network_without_addresses_answers_with_the_interface_alone(lifecycle):
    status = said(answer(lifecycle, "setup", setup_document(ipam_options={"driver": "none"})))
    assert lifecycle.seen("attach")[0].l2_only
    assert status["interfaces"]["eth0"]["subnets"] == []


def test_teardown_detaches_and_says_nothing(lifecycle):
    found = answer(lifecycle, "teardown", setup_document())
    assert (found.exit_code, found.stdout) == (0, b"")
    (asked,) = lifecycle.seen("detach")
    assert (asked.key, asked.netns, asked.delete_link) == (KEY, NETNS, True)


def test_teardown_gives_back_what_the_proxy_had_served_before_the_network_was_moved(lifecycle):
    proxied = AttachmentKey(CONTAINER, "eth0", "host0/eth0")
    lifecycle.held[(NETNS, "eth0")] = proxied
    answer(lifecycle, "teardown", setup_document())
    theirs, ours = lifecycle.seen("detach")
    assert (theirs.key, theirs.netns, theirs.delete_link) == (proxied, NETNS, False)
    assert (ours.key, ours.delete_link) == (KEY, True)


def test_teardown_of_what_the_driver_served_is_one_ending(lifecycle):
    lifecycle.held[(NETNS, "eth0")] = KEY
    answer(lifecycle, "teardown", setup_document())
    assert [one.key for one in lifecycle.seen("detach")] == [KEY]


def test_setup_names_the_network_as_the_proxy_called_it_so_that_addresses_are_kept(lifecycle):
    answer(lifecycle, "setup", setup_document())
    answer(lifecycle, "setup", setup_document(options={}))
    assert [one.formerly for one in lifecycle.seen("attach")] == [("eth0/eth0",), ()]


def test_info_names_the_api(lifecycle):
    assert said(answer(lifecycle, "info", b""))["api_version"] == "1.0.0"


@pytest.mark.parametrize("stdin", [b"", b"{", b"[]", b"\xff", b"[" * 99999])
@pytest.mark.parametrize("verb", ["create", "setup", "teardown"])
def test_bad_input_is_an_error_that_netavark_can_show(lifecycle, verb, stdin):
    found = answer(lifecycle, verb, stdin)
    assert found.exit_code == 1
    assert said(found)["error"]
    assert lifecycle.calls == []


def test_a_bug_is_told_without_its_text(lifecycle, caplog):
    lifecycle.fail["attach"] = RuntimeError("secret")
    found = answer(lifecycle, "setup", setup_document())
    assert "secret" not in said(found)["error"]
    assert "secret" in caplog.text


def test_both_runtimes_are_served_on_one_socket(folder, lifecycle):
    code, stdout = run(ask(folder, lifecycle, raw("setup", setup_document())))
    assert (code, json.loads(stdout)["interfaces"]["eth0"]["mac_address"]) == (0, "02:00:00:00:00:01")
    assert lifecycle.seen("replied")


def test_a_setup_whose_caller_leaves_is_undone(folder, lifecycle):
    lifecycle.hold.add("attach")

    async def leave():
        async with serving(folder, lifecycle) as (_, path):
            async with Caller(path) as caller:
                await caller.say(raw("setup", setup_document()))
                await until(lambda: lifecycle.seen("attach"))
            await until(lambda: lifecycle.cancelled == ["attach"])

    run(leave())


def test_a_teardown_whose_caller_leaves_goes_on(folder, lifecycle):
    going = asyncio.Event()

    async def detach(request):
        lifecycle.calls.append(("begun", request))
        await going.wait()
        lifecycle.calls.append(("ended", request))

    lifecycle.detach = detach

    async def leave():
        async with serving(folder, lifecycle) as (_, path):
            async with Caller(path) as caller:
                await caller.say(raw("teardown", setup_document()))
                await until(lambda: lifecycle.seen("begun"))
            going.set()
            await until(lambda: lifecycle.seen("ended"))

    run(leave())


def test_a_failure_is_logged_with_what_it_was_about(folder, lifecycle, caplog):
    lifecycle.fail["attach"] = GONE
    with caplog.at_level(logging.DEBUG, "hooknet"):
        run(ask(folder, lifecycle, raw("setup", setup_document())))
    fields = next(record.fields for record in caplog.records if hasattr(record, "fields"))
    assert (fields["verb"], fields["network"], fields["container"]) == ("setup", "lan", "web")
    assert "no interface eth0" in fields["error"]


def leave(place, request):
    path = place / "1700000000000000000-1"
    path.write_bytes(b"tombstone/1 1700000000000000000 4 99\n" + request)
    path.chmod(0o600)
    return path


@pytest.fixture
def place(folder):
    path = folder / "tombstones"
    path.mkdir(mode=0o700)
    return path


def test_a_teardown_that_met_no_daemon_is_done_later(place, lifecycle):
    path = leave(place, raw("teardown", setup_document()))
    assert run(Tombstones(place, lifecycle, owner=os.getuid()).collect()) == 1
    (asked,) = lifecycle.seen("detach")
    assert (asked.key, asked.netns_id, asked.at) == (KEY, (4, 99), 1_700_000_000)
    assert not path.exists()


def test_only_teardowns_are_left_for_later(place, lifecycle):
    path = leave(place, raw("setup", setup_document()))
    assert run(Tombstones(place, lifecycle, owner=os.getuid()).collect()) == 0
    assert lifecycle.calls == []
    assert path.with_name(path.name + ".bad").exists()
