"""Every message of both doors to a real daemon, with a real server behind it and no podman: for the short suite.

The driver is called as netavark calls one, the proxy by a gRPC client that is not ours, with the same definitions.
What cannot be done is refused by the name of what is wrong, and leaves nothing behind.
"""

import asyncio
import json
from ipaddress import IPv4Address, IPv4Interface

import pytest
from grpclib.const import Status
from grpclib.exceptions import GRPCError
from lab import eventually
from lab.podman5 import PROXY_SOCKET
from lab.proxy_client import CONFIG, MESSAGES, call

CONTAINER = "3b894d0107b3" + "a" * 52
MAC = "02:00:5e:10:00:09"
PARENT = "host0"


@pytest.fixture
def daemon(host):
    daemon = host.daemon("[netavark]\nproxy = true\n")
    daemon.start()
    return daemon


@pytest.fixture
def sandbox(host):
    return host.cni.sandbox()


def nothing_left(lan, daemon, sandbox, links=frozenset()):
    assert daemon.leases() == []
    assert sandbox.links() == set(links)
    eventually(lambda: not lan.server.addresses(), what="the server has every address back")


# The driver


@pytest.fixture
def drive(host, daemon, shims):
    """The shim as netavark runs it: (exit code, what it answered)."""

    def drive(verb, document, *words):
        done = host.netns.run(shims / "hooknet", verb, *words, stdin=json.dumps(document), check=False)
        return done.returncode, json.loads(done.stdout or "null")

    return drive


def network(**options):
    return {
        "name": "lan",
        "id": "cd64b0f8112ba5aae6e13ed565b673feea65a5ec8d44d40c08b9c0efb97e12b8",
        "driver": "hooknet",
        "internal": False,
        "ipv6_enabled": False,
        "dns_enabled": False,
        "options": {"parent": PARENT} | options,
        "ipam_options": {"driver": "dhcp"},
    }


def document(**network_options):
    return {
        "container_id": CONTAINER,
        "container_name": "web",
        "port_mappings": None,
        "network": network(),
        "network_options": {"interface_name": "eth0", "aliases": [CONTAINER[:12]]} | network_options,
    }


def test_info_and_create_answer_what_netavark_wants_to_read(drive):
    code, info = drive("info", None)
    assert (code, info["api_version"]) == (0, "1.0.0")
    code, kept = drive("create", network(metric="5"))
    assert (code, kept["name"], kept["options"]) == (0, "lan", {"parent": PARENT, "metric": "5"})


def test_setup_makes_interface_and_lease_and_teardown_gives_both_back(lan, daemon, drive, sandbox):
    code, status = drive("setup", document(static_mac=MAC), str(sandbox.path))
    assert code == 0, status
    (subnet,) = status["interfaces"]["eth0"]["subnets"]
    address = IPv4Interface(subnet["ipnet"])
    assert (status["interfaces"]["eth0"]["mac_address"], subnet["gateway"]) == (MAC, str(lan.address(1)))
    assert (sandbox.interfaces(), sandbox.mac(), sandbox.gateway()) == ([address], MAC, lan.address(1))
    assert lan.server.lease_of(address.ip).mac == MAC
    assert [row["container"] for row in daemon.leases()] == ["web"]
    assert drive("teardown", document(), str(sandbox.path)) == (0, None)
    lan.server.wait_for_release(address.ip)
    nothing_left(lan, daemon, sandbox)
    assert drive("teardown", document(), str(sandbox.path)) == (0, None)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"parent": "nowhere0"}, "nowhere0"),
        ({"metrik": "5"}, "did you mean 'metric'?"),
        ({"mode": "l3"}, "bridge, private, vepa, passthru"),
        ({"mtu": "9000"}, "mtu = 9000 is above that of the parent host0, which is 1500"),
    ],
)
def test_a_network_that_cant_work_is_refused_at_create(drive, options, said):
    code, answer = drive("create", network(**options))
    assert code == 1
    assert said in answer["error"]


@pytest.mark.parametrize(
    ("network_options", "said"),
    [
        ({"static_mac": "02:00"}, "'02:00' is not a MAC address"),
        ({"static_mac": "01:00:5e:00:00:01"}, "multicast"),
        ({"interface_name": ""}, "interface_name"),
        ({"interface_name": "a/b"}, "interface_name"),
        ({"static_ips": ["2001:db8::5"]}, "one IPv4 address"),
    ],
)
def test_a_setup_that_cant_be_is_refused_by_the_name_of_what_is_wrong(
    lan, daemon, drive, sandbox, network_options, said
):
    code, answer = drive("setup", document(**network_options), str(sandbox.path))
    assert code == 1
    assert said in answer["error"]
    nothing_left(lan, daemon, sandbox)


def test_a_setup_in_a_netns_that_is_not_there_names_it(lan, daemon, drive, sandbox):
    code, answer = drive("setup", document(), "/run/netns/nowhere")
    assert code == 1
    assert "/run/netns/nowhere" in answer["error"]
    nothing_left(lan, daemon, sandbox)


def test_an_address_that_the_server_grants_to_nobody_is_refused_and_given_back(lan, daemon, drive, sandbox):
    code, answer = drive("setup", document(static_ips=[str(lan.address(9))]), str(sandbox.path))
    assert code == 1
    assert f"not {lan.address(9)}" in answer["error"]
    nothing_left(lan, daemon, sandbox)


def test_an_address_that_is_free_is_asked_for_and_had(lan, daemon, drive, sandbox):
    code, _ = drive("setup", document(static_ips=[str(lan.address(123))]), str(sandbox.path))
    assert code == 0
    assert [interface.ip for interface in sandbox.interfaces()] == [lan.address(123)]
    drive("teardown", document(), str(sandbox.path))


def test_a_host_name_that_is_none_becomes_the_nearest_one(lan, daemon, drive, sandbox):
    code, status = drive("setup", document(aliases=[CONTAINER[:12], "my_app"]), str(sandbox.path))
    assert code == 0, status
    (interface,) = sandbox.interfaces()
    assert lan.server.lease_of(interface.ip).hostname == "my-app"


# The proxy


@pytest.fixture
def linked(host, sandbox):
    """netavark's part: the interface is there, with its MAC, and is down."""
    words = ("link", "add", "link", PARENT, "name", "eth0", "netns", sandbox.name, "address", MAC)
    host.netns.ip(*words, "type", "macvlan", "mode", "bridge")
    return sandbox


def config(sandbox, **changes):
    given = {
        "host_iface": PARENT,
        "container_iface": "eth0",
        "container_mac_addr": MAC,
        "host_name": CONTAINER[:12],
        "ns_path": str(sandbox.path),
        "container_id": CONTAINER,
    }
    return CONFIG(**(given | changes))


def ask(method, message):
    return asyncio.run(call(PROXY_SOCKET, method, message))


def test_setup_leases_for_netavarks_interface_and_teardown_gives_it_back(lan, daemon, linked):
    lease = ask("Setup", config(linked, host_name="shop"))
    address = IPv4Address(lease.yiaddr)
    assert [interface.ip for interface in linked.interfaces()] == [address]
    assert (list(lease.gateways), linked.gateway()) == ([str(lan.address(1))], lan.address(1))
    assert (lease.srv_id, lease.domain_name, lease.mac_address) == (str(lan.address(1)), "lab.example", MAC)
    assert lan.server.lease_of(address).hostname == "shop"
    ask("Teardown", config(linked, container_id="", host_name=""))
    lan.server.wait_for_release(address)
    nothing_left(lan, daemon, linked, links={"eth0"})
    ask("Teardown", config(linked, container_id="", host_name=""))


def test_without_a_parent_it_leases_below_the_containers_interface(lan, daemon, linked):
    lease = ask("Setup", config(linked, host_iface="", host_name="my_app"))
    (row,) = daemon.leases()
    assert (row["parent"], row["network"]) == (PARENT, f"{PARENT}/eth0")
    assert lan.server.lease_of(IPv4Address(lease.yiaddr)).hostname == "my-app"
    ask("Teardown", config(linked, host_iface="", container_id=""))
    nothing_left(lan, daemon, linked, links={"eth0"})


def test_a_network_that_moved_to_the_driver_meanwhile_gives_back_what_the_proxy_leased(
    lan, host, daemon, drive, linked
):
    """`hooknet migrate` while the container runs: netavark tears down by the driver what the proxy has set up."""
    address = IPv4Address(ask("Setup", config(linked)).yiaddr)
    assert drive("teardown", document() | {"container_name": ""}, str(linked.path)) == (0, None)
    lan.server.wait_for_release(address)
    nothing_left(lan, daemon, linked)
    again = host.cni.sandbox()
    code, status = drive("setup", document() | {"container_name": ""}, str(again.path))
    assert code == 0, status
    assert [interface.ip for interface in again.interfaces()] == [address]
    assert [row["network"] for row in daemon.leases()] == ["lan"]


def test_clean_takes_nothing_from_a_container_that_lives(lan, daemon, linked):
    lease = ask("Setup", config(linked))
    assert ask("Clean", MESSAGES["Empty"]()).success
    assert [row["address"] for row in daemon.leases()] == [str(linked.interfaces()[0])]
    assert IPv4Address(lease.yiaddr) in lan.server.addresses()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"container_mac_addr": ""}, "container_mac_addr is empty"),
        ({"container_mac_addr": "02:zz"}, "container_mac_addr: '02:zz' is not a MAC address"),
        ({"container_iface": ""}, "container_iface"),
        ({"container_iface": "eth7"}, "there is no interface eth7"),
        ({"host_iface": "nowhere0"}, "nowhere0"),
        ({"ns_path": "/run/netns/nowhere"}, "/run/netns/nowhere"),
        ({"ns_path": ""}, "ns_path"),
        ({"version": 1}, "IPv4 only"),
    ],
)
def test_a_setup_that_cant_be_is_aborted_with_a_text_that_names_it(lan, daemon, linked, changes, said):
    with pytest.raises(GRPCError) as caught:
        ask("Setup", config(linked, **changes))
    assert caught.value.status is Status.ABORTED
    assert said in caught.value.message
    nothing_left(lan, daemon, linked, links={"eth0"})


def test_without_a_server_a_setup_is_aborted_with_the_parents_name(lan, host, linked):
    lan.server.stop()
    daemon = host.daemon('[netavark]\nproxy = true\n[network."host0/eth0"]\ntimeout = 1\n')
    daemon.start()
    with pytest.raises(GRPCError) as caught:
        ask("Setup", config(linked))
    assert f"no DHCP server answered on {PARENT} within 1 s" in caught.value.message
    assert daemon.leases() == []
    assert linked.interfaces() == []
