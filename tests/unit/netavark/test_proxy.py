"""netavark's dhcp-proxy, called by a client that shares no code with it."""

import asyncio
import socket
import subprocess
import sys
from ipaddress import IPv4Address

import pytest
from cni_world import run, until
from driver_calls import CONTAINER, NETNS
from grpclib.const import Status
from grpclib.exceptions import GRPCError, StreamTerminatedError
from hypothesis import given
from hypothesis import strategies as st
from lab.proxy_client import CONFIG, LEASE, MESSAGES, call
from proxy_world import serving

from hooknet.config import NetworkSettings
from hooknet.errors import HooknetError, Kind
from hooknet.frontends.netavark.grpc import Limits
from hooknet.model import AttachmentKey, Container, Runtime
from hooknet.netavark.protobuf import BadProtobuf, read_fields
from hooknet.netavark.proxy import decode_config, encode_lease, lease_message
from hooknet.testing import make_lease

MAC = "02:00:00:00:00:01"
KEY = AttachmentKey(CONTAINER, "eth0", "eno1/eth0")


def config(**changes):
    given = {
        "host_iface": "eno1",
        "container_iface": "eth0",
        "container_mac_addr": MAC,
        "host_name": CONTAINER[:12],
        "ns_path": NETNS,
        "container_id": CONTAINER,
    }
    return CONFIG(**(given | changes))


def ask(folder, lifecycle, method, message, **more):
    async def work():
        async with serving(folder, lifecycle, **more) as path:
            return await call(path, method, message)

    return run(work())


def refused(folder, lifecycle, message, status=Status.ABORTED):
    with pytest.raises(GRPCError) as caught:
        ask(folder, lifecycle, "Setup", message)
    assert caught.value.status is status
    assert lifecycle.seen("attach") == []
    return caught.value.message


def test_setup_leases_for_an_interface_that_is_there(folder, lifecycle):
    ask(folder, lifecycle, "Setup", config())
    (asked,) = lifecycle.seen("attach")
    assert (asked.key, asked.netns, asked.runtime) == (KEY, NETNS, Runtime.NETAVARK_PROXY)
    assert (asked.parent, asked.mac, asked.link, asked.sets_address) == ("eno1", MAC, None, True)
    assert asked.given == {}


def test_the_answer_is_the_lease_and_then_hooks_may_fire(folder, lifecycle):
    lease = ask(folder, lifecycle, "Setup", config())
    assert (lease.yiaddr, lease.subnet_mask, list(lease.gateways)) == (
        "192.0.2.50",
        "255.255.255.0",
        ["192.0.2.1"],
    )
    assert lifecycle.seen("replied")


def test_every_field_of_the_lease_is_told():
    lease = make_lease(
        mtu=1400, domain="example", ntp=(IPv4Address("192.0.2.9"),), hostname="web", lease_time=100, t1=50, t2=80
    )  # fmt: skip
    told = LEASE.FromString(encode_lease(lease_message(lease, NetworkSettings())))
    assert (told.t1, told.t2, told.lease_time, told.mtu) == (50, 80, 100, 1400)
    assert (told.domain_name, told.host_name, told.mac_address) == ("example", "web", lease.mac)
    assert (told.siaddr, told.srv_id) == (str(lease.server), str(lease.server))
    assert list(told.ntp_servers) == ["192.0.2.9"]
    assert list(told.dns_servers) == [str(server) for server in lease.dns]
    assert told.broadcast_addr == "192.0.2.255"
    assert not told.isV6


def test_a_lease_for_ever_has_the_largest_time():
    told = LEASE.FromString(encode_lease(lease_message(make_lease(lease_time=None), NetworkSettings())))
    assert told.lease_time == 0xFFFFFFFF


def test_what_is_suppressed_is_not_told():
    settings = NetworkSettings(suppress=("gateway", "dns", "domain", "search", "mtu", "ntp"))
    lease = make_lease(mtu=1400, domain="example", ntp=(IPv4Address("192.0.2.9"),))
    told = LEASE.FromString(encode_lease(lease_message(lease, settings)))
    assert (list(told.gateways), list(told.dns_servers), list(told.ntp_servers)) == ([], [], [])
    assert (told.domain_name, told.mtu) == ("", 0)


def test_the_containers_name_is_looked_up_by_its_id(folder, lifecycle):
    asked = []

    async def lookup(container_id):
        asked.append(container_id)
        return Container(id=container_id, name="web")

    ask(folder, lifecycle, "Setup", config(), lookup=lookup)
    assert asked == [CONTAINER]
    assert lifecycle.seen("attach")[0].container_name == "web"


def test_an_older_netavark_that_sends_no_id_is_served_by_the_netns_name(folder, lifecycle):
    async def lookup(container_id):
        raise AssertionError(container_id)

    ask(folder, lifecycle, "Setup", config(container_id="", host_name=""), lookup=lookup)
    (asked,) = lifecycle.seen("attach")
    assert asked.key.container_id == NETNS.rpartition("/")[2]


@pytest.mark.parametrize(
    ("name", "hostname"),
    [("shop", "shop"), (CONTAINER[:12], None), ("", None), ("my_app", "my_app")],
)
def test_only_a_name_that_the_user_gave_is_a_host_name(folder, lifecycle, name, hostname):
    ask(folder, lifecycle, "Setup", config(host_name=name))
    assert lifecycle.seen("attach")[0].hostname == hostname


def test_without_a_parent_it_is_the_interface_below_the_containers(folder, lifecycle):
    ask(folder, lifecycle, "Setup", config(host_iface=""))
    assert lifecycle.seen("parent_below") == [(NETNS, "eth0")]
    (asked,) = lifecycle.seen("attach")
    assert (asked.parent, asked.key.network) == ("eno7", "eno7/eth0")


def test_the_clock_runs_since_the_caller_was_accepted(folder, lifecycle):
    ask(folder, lifecycle, "Setup", config())
    assert list(lifecycle.seen("attach")[0].timing.view()) == ["read", "parsed", "name"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"container_mac_addr": ""}, "container_mac_addr is empty"),
        ({"container_mac_addr": "02:00"}, "container_mac_addr: '02:00' is not a MAC address"),
        ({"container_mac_addr": "01:00:00:00:00:01"}, "multicast"),
        ({"host_iface": "a/b"}, "host_iface"),
        ({"container_iface": ""}, "container_iface"),
        ({"container_iface": "x" * 16}, "longer than 15"),
        ({"ns_path": ""}, "ns_path"),
        ({"ns_path": "relative"}, "ns_path"),
        ({"container_id": "../x"}, "container_id"),
        ({"version": 1}, "IPv4 only"),
    ],
)
def test_bad_input_is_refused_by_the_name_of_its_field(folder, lifecycle, changes, said):
    assert said in refused(folder, lifecycle, config(**changes))


def test_what_the_lifecycle_refuses_reaches_the_user_word_for_word(folder, lifecycle):
    lifecycle.fail["attach"] = HooknetError(Kind.BAD_NETNS, f"there is no {NETNS}", hint="übel")
    with pytest.raises(GRPCError) as caught:
        ask(folder, lifecycle, "Setup", config())
    assert caught.value.message == f"hooknet: there is no {NETNS}; übel"


def test_a_bug_is_told_without_its_text(folder, lifecycle, caplog):
    lifecycle.fail["attach"] = RuntimeError("secret")
    with pytest.raises(GRPCError) as caught:
        ask(folder, lifecycle, "Setup", config())
    assert caught.value.status is Status.INTERNAL
    assert "secret" not in caught.value.message


@pytest.mark.parametrize("raw", [b"\xff", b"\x0a\xff", b"\x0a\x02\xff\xfe", b"\x08\x01", b"\x32\x00"])
def test_what_is_no_message_is_refused(folder, lifecycle, raw):
    assert "no NetworkConfig" in refused(folder, lifecycle, raw)


@given(st.binary(max_size=300))
def test_any_bytes_are_fields_or_refused(raw):
    try:
        list(read_fields(raw))
    except BadProtobuf:
        with pytest.raises(HooknetError):
            decode_config(raw)


@given(st.builds(config, host_name=st.text(max_size=20), version=st.integers(0, 2**31 - 1)))
def test_what_googles_runtime_writes_is_read(message):
    found = decode_config(message.SerializeToString())
    assert (found.host_name, found.version) == (message.host_name, message.version)
    assert (found.host_iface, found.ns_path) == ("eno1", NETNS)


def test_fields_that_are_not_known_are_skipped():
    later = b"\x98\x06\x01" + b"\xa2\x06\x02hi" + b"\xad\x06\0\0\0\0"
    assert decode_config(config().SerializeToString() + later).host_iface == "eno1"


def test_teardown_finds_what_is_meant_by_mac_and_netns(folder, lifecycle):
    lifecycle.held[(NETNS, MAC)] = KEY
    ask(folder, lifecycle, "Teardown", config(container_id="", host_name="", container_mac_addr=MAC.upper()))
    (asked,) = lifecycle.seen("detach")
    assert (asked.key, asked.netns, asked.delete_link) == (KEY, NETNS, False)


@pytest.mark.parametrize("message", [config(), CONFIG(), b"\xff"])
def test_teardown_of_what_is_not_known_succeeds(folder, lifecycle, message):
    ask(folder, lifecycle, "Teardown", message)
    assert lifecycle.seen("detach") == []


@pytest.mark.parametrize("error", [HooknetError(Kind.IO, "no"), RuntimeError("bug")])
def test_a_teardown_that_fails_succeeds(folder, lifecycle, error):
    lifecycle.held[(NETNS, MAC)] = KEY
    lifecycle.fail["detach"] = error
    ask(folder, lifecycle, "Teardown", config())
    assert lifecycle.seen("detach")


def test_clean_drops_nothing_and_has_everything_looked_at(folder, lifecycle):
    cleaned = []
    answer = ask(folder, lifecycle, "Clean", MESSAGES["Empty"](), clean=lambda: cleaned.append(True))
    assert (answer.success, cleaned, lifecycle.calls) == (True, [True], [])


def test_a_method_that_is_not_there_is_unimplemented(folder, lifecycle):
    with pytest.raises(GRPCError) as caught:
        ask(folder, lifecycle, "Renew", config())
    assert caught.value.status is Status.UNIMPLEMENTED


def test_a_message_that_is_too_large_is_refused_before_it_is_read(folder, lifecycle):
    message = config(domain_name="x" * 40_000)
    assert refused(folder, lifecycle, message, Status.RESOURCE_EXHAUSTED) == "the message is too large"


def test_a_caller_that_leaves_undoes_its_setup(folder, lifecycle):
    lifecycle.hold.add("attach")

    async def leave():
        async with serving(folder, lifecycle) as path:
            asking = asyncio.ensure_future(call(path, "Setup", config()))
            await until(lambda: lifecycle.seen("attach"))
            asking.cancel()
            await until(lambda: lifecycle.cancelled == ["attach"])
            await asyncio.gather(asking, return_exceptions=True)

    run(leave())


def test_a_caller_that_leaves_does_not_stop_its_teardown(folder, lifecycle):
    going = asyncio.Event()
    lifecycle.held[(NETNS, MAC)] = KEY

    async def detach(request):
        lifecycle.calls.append(("begun", request))
        await going.wait()
        lifecycle.calls.append(("ended", request))

    lifecycle.detach = detach

    async def leave():
        async with serving(folder, lifecycle) as path:
            asking = asyncio.ensure_future(call(path, "Teardown", config()))
            await until(lambda: lifecycle.seen("begun"))
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            going.set()
            await until(lambda: lifecycle.seen("ended"))

    run(leave())


def test_calls_are_served_beside_each_other(folder, lifecycle):
    async def many():
        async with serving(folder, lifecycle) as path:
            return await asyncio.gather(*(call(path, "Setup", config()) for _ in range(20)))

    assert len(run(many())) == 20


def test_strangers_are_turned_away(folder, lifecycle):
    with pytest.raises((StreamTerminatedError, OSError)):
        ask(folder, lifecycle, "Setup", config(), owner=12345)
    assert lifecycle.calls == []


@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\n\r\n", b"\0" * 100])
def test_who_does_not_speak_http_2_is_hung_up_on(folder, lifecycle, said):
    async def talk():
        async with serving(folder, lifecycle, limits=Limits(idle=0.05)) as path:
            with socket.socket(socket.AF_UNIX) as line:
                line.settimeout(0)
                loop = asyncio.get_running_loop()
                await loop.sock_connect(line, str(path))
                await loop.sock_sendall(line, said)
                while await loop.sock_recv(line, 1000):
                    pass

    run(talk())
    assert lifecycle.calls == []


def test_a_stop_undoes_what_is_under_way(folder, lifecycle):
    lifecycle.hold.add("attach")

    async def stop():
        async with serving(folder, lifecycle) as path:
            asking = asyncio.ensure_future(call(path, "Setup", config()))
            await until(lambda: lifecycle.seen("attach"))
        await asyncio.gather(asking, return_exceptions=True)

    run(stop())
    assert lifecycle.cancelled == ["attach"]


def test_the_library_is_loaded_only_where_this_door_is_open():
    only_here = "h2 hpack hyperframe hooknet.netavark.proxy hooknet.netavark.protobuf"
    only_here += " hooknet.frontends.netavark.proxy hooknet.frontends.netavark.grpc"
    code = f"import sys, hooknet.daemon; print(sorted(set({only_here.split()}) & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
