"""What a user of podman 5 sees, the same through both doors; and what netavark's own proxy does wrong, not here.

What the incumbent does, and which tests say that hooknet does not:

- no RELEASE, or one that servers ignore: rm_gives_the_lease_back, run_rm_leaves_nothing, kea_hears_the_release_too
- T1 skipped, or a full DISCOVER at it: a_lease_is_renewed_at_its_t1
- all leases forgotten by a restart: a_killed_daemon_comes_back, a_restored_lease_is_renewed
- an expired address stays in the container: an_expired_address_is_taken_away
- a vanished netns is renewed for ever: a_vanished_netns_is_released
- a changed address leaves no IPv4 and no routes: an_address_changed_by_the_server
- a second network has the same address and keeps it: two_networks_on_one_segment
- a NAK is ignored: a_nak_takes_the_address_away
- a new MAC at every restart: test_driver has a_mac_stays_over_restarts (at the proxy, netavark makes the interface)
"""

import signal
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address

import pytest
from lab import eventually, scripted
from lab.process import run

pytestmark = pytest.mark.long

MAC = "02:00:5e:10:00:07"


@pytest.fixture
def web(podman, network):
    return podman.start("web", network=network)


def lease_of(daemon, name):
    return next((row for row in daemon.leases() if row["container"] == name), None)


def released(lan, daemon, address):
    lan.server.wait_for_release(address)
    eventually(lambda: daemon.leases() == [], what="the daemon forgets the lease")


def reaches_the_lan(lan, container):
    """From the outside, as another machine on the LAN would."""
    address = container.address()
    eventually(lambda: lan.netns.ping(address), what=f"{address} answers")


def test_a_container_has_an_address_of_the_lan_and_podman_knows_it(lan, daemon, web):
    told = web.inspect()["NetworkSettings"]["Networks"]["lan"]
    assert web.address() in lan.server.addresses()
    assert (told["IPAddress"], told["Gateway"]) == (str(web.address()), str(lan.address(1)))
    assert web.exec("ip", "route").startswith(f"default via {lan.address(1)}")
    reaches_the_lan(lan, web)


def test_its_resolver_is_what_the_server_said(lan, daemon, web):
    said = web.exec("cat", "/etc/resolv.conf")
    assert f"nameserver {lan.address(1)}" in said
    assert "search lab.example" in said


def test_the_lease_has_the_containers_name(lan, daemon, web):
    assert lease_of(daemon, "web")["address"] == str(web.interface())
    assert lan.server.lease_of(web.address()).hostname == "web"


def test_an_explicit_hostname_is_registered(lan, podman, network):
    container = podman.start("web", "--hostname=shop", network=network)
    assert lan.server.lease_of(container.address()).hostname == "shop"


def test_run_rm_leaves_nothing(lan, daemon, podman, network):
    said = podman.run(network=network, command=("ip", "-4", "-o", "addr", "show", "eth0"))
    address = IPv4Address(said.split()[said.split().index("inet") + 1].partition("/")[0])
    released(lan, daemon, address)


def test_rm_gives_the_lease_back_at_once(lan, daemon, web):
    address = web.address()
    web.rm()
    released(lan, daemon, address)


def test_stop_gives_it_back_and_start_gets_the_same_address_again(lan, daemon, podman, web):
    address = web.address()
    podman("stop", "-t", "0", "web")
    released(lan, daemon, address)
    podman("start", "web")
    assert web.address() == address
    reaches_the_lan(lan, web)


def test_restart_keeps_the_address(lan, podman, web):
    address = web.address()
    podman("restart", "-t", "0", "web")
    assert web.address() == address


def test_recreated_under_its_name_it_gets_the_same_address(lan, podman, network, web):
    address = web.address()
    web.rm()
    assert podman.start("web", network=network).address() == address


def test_a_static_mac_is_used_and_survives_an_immediate_restart(podman, network):
    container = podman.start("web", f"--mac-address={MAC}", network=network)
    podman("restart", "-t", "0", "web")
    assert MAC in container.exec("ip", "link", "show", "eth0")


def test_connect_and_disconnect_of_a_running_container(lab, lan, host, daemon, podman, network):
    parent = host.plug(lab.lan())
    podman("network", "create", "-d", "macvlan", "-o", f"parent={parent}", "--subnet=10.99.0.0/24", "other")
    container = podman.start("web", network="other")
    podman("network", "connect", network, "web")
    address = container.address("eth1")
    assert address in lan.server.addresses()
    podman("network", "disconnect", network, "web")
    released(lan, daemon, address)


def test_two_networks_on_one_segment_get_two_addresses_and_give_both_back(lan, daemon, podman, network, door):
    podman.network("lan2", driver="hooknet" if door == "driver" else "macvlan")
    container = podman.start("web", network="lan,lan2")
    both = {container.address("eth0"), container.address("eth1")}
    assert len(both & lan.server.addresses()) == 2
    container.rm()
    eventually(lambda: not both & lan.server.addresses(), what="both are released")
    assert daemon.leases() == []


def test_twenty_started_at_once_get_twenty_addresses(lan, daemon, podman, network):
    names = [f"web{number}" for number in range(20)]
    with ThreadPoolExecutor(20) as together:
        made = list(together.map(lambda name: podman.start(name, network=network), names))
    addresses = {IPv4Address(row["address"].partition("/")[0]) for row in daemon.leases()}
    assert len(addresses) == 20
    assert made[7].address() in addresses
    podman("rm", "-f", "-t", "0", *names, timeout=120)
    eventually(lambda: daemon.leases() == [], within=10, what="all are given back")
    assert not addresses & lan.server.addresses()


def test_a_killed_daemon_comes_back_with_its_leases_and_renews_them(lan, daemon, podman, web):
    address = web.address()
    daemon.crash()
    eventually(lambda: lease_of(daemon, "web")["state"] == "BOUND", what="the lease is restored")
    assert lease_of(daemon, "web")["address"] == str(web.interface())
    assert web.address() == address
    web.rm()
    released(lan, daemon, address)


def test_a_lease_is_renewed_at_its_t1_and_not_asked_for_anew(lan, podman, network):
    lan.server.restart(t1=3, t2=60)  # dnsmasq takes nothing shorter
    web = podman.start("web", network=network)
    lan.server.log.mark()
    eventually(lambda: lan.server.acknowledged(web.address()) >= 2, within=20, what="it is renewed twice")
    assert "DHCPDISCOVER" not in lan.server.log.new()


def test_a_restored_lease_is_renewed_at_its_t1_and_not_asked_for_anew(lan, daemon, podman, network):
    lan.server.restart(t1=3, t2=60)
    web = podman.start("web", network=network)
    daemon.crash()
    lan.server.log.mark()
    eventually(lambda: lan.server.acknowledged(web.address()), within=10, what="it is renewed")
    assert "DHCPDISCOVER" not in lan.server.log.new()


def test_an_expired_address_is_taken_away_and_a_server_that_comes_back_gives_one(lab, lan, podman, network):
    lan.server.stop()
    kea = lan.serve("kea", lease_time=4, t1=2, t2=3)
    web = podman.start("web", network=network)
    eventually(lambda: web.address() in kea.addresses(), what="the server knows of it")
    kea.stop()
    eventually(lambda: not has_address(web), within=15, what="the expired address is gone")
    kea.start()
    eventually(lambda: has_address(web), within=90, what="the container has an address again")
    eventually(lambda: web.address() in kea.addresses(), what="the server knows of it")
    reaches_the_lan(lan, web)


def has_address(container):
    return "inet " in container.exec("ip", "-4", "-o", "addr", "show", "eth0")


def test_a_vanished_netns_is_released(lan, daemon, podman, web):
    """netavark itself then fails to open the netns, before it asks anybody: `rm -f` says so, and removes."""
    address, path = web.address(), web.netns()
    run(["umount", "-l", path])
    path.unlink()
    released(lan, daemon, address)
    podman("rm", "-f", "-t", "0", "web", check=False)
    assert podman("container", "exists", "web", check=False).returncode == 1


def test_a_container_whose_processes_were_killed_is_released_and_removed(lan, daemon, podman, web):
    """podman hears nothing of it, and says Up for ever."""
    address = web.address()
    conmon, process = podman("inspect", "-f", "{{.State.ConmonPid}} {{.State.Pid}}", "web").stdout.split()
    run(["kill", "-9", conmon])
    run(["kill", "-9", process])
    lan.server.wait_for_release(address, within=15)
    podman("rm", "-f", "-t", "0", "web", check=False)
    eventually(lambda: daemon.leases() == [], what="the daemon forgets the lease")


def test_a_nak_takes_the_address_away_and_brings_another(lan, daemon, podman, network):
    lan.server.restart(t1=3, t2=60)
    web = podman.start("web", network=network)
    before = web.address()
    lan.server.restart(first=50, last=60, forget=True, extra=("dhcp-authoritative",))
    lan.server.log.wait_for(r"DHCPNAK\(", within=15)
    eventually(lambda: web.address() != before, within=20, what="there is another")
    daemon.log.wait_for(r"RELEASE_NAK web/")
    assert str(before) not in web.exec("ip", "addr", "show", "eth0")


def test_an_address_changed_by_the_server_at_a_renewal_leaves_the_container_reachable(
    lab, lan, podman, network
):
    """In one step, without a NAK: no real server does that when it is told to."""
    lan.server.stop()
    moved = lan.address(150)
    server = scripted.start(lan, lab.folder, lease_time=40, t1=2, then={"grant": str(moved)})
    web = podman.start("web", network=network)
    assert web.address() != moved
    server.signal(signal.SIGUSR1)
    eventually(lambda: web.address() == moved, within=20, what="the new address is on the interface")
    assert web.exec("ip", "route").startswith(f"default via {lan.address(1)}")
    reaches_the_lan(lan, web)


def test_no_server_fails_the_run_in_words_and_leaves_nothing(lan, daemon, podman, network):
    lan.server.stop()
    done = podman("run", "--rm", "--network=lan", "localhost/box", "true", check=False)
    assert done.returncode != 0
    assert "host0" in done.stderr
    assert "DHCP server" in done.stderr or "offered" in done.stderr
    assert daemon.leases() == []


def test_kea_hears_the_release_too(lab, podman, daemon, host, door, lan):
    lan.server.stop()
    kea = lan.serve("kea")
    podman.network("lan", driver="hooknet" if door == "driver" else "macvlan")
    web = podman.start("web", network="lan")
    address = web.address()
    assert address in kea.addresses()
    web.rm()
    kea.wait_for_release(address)
