"""CHECK and what becomes of a lease: changed, lost, taken up again by the next daemon, or asked of a dead one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lab import eventually
from lab.cni import netconf

if TYPE_CHECKING:
    from lab import Daemon, Host, Lab, Lan

CHECK_FAILED = 103


def place(lab: Lab, kind: str = "dnsmasq", **offering: Any) -> tuple[Lan, Host, Daemon]:
    lan = lab.lan()
    lan.serve(kind, **offering)
    host = lab.host(lan)
    daemon = host.daemon()
    daemon.start()
    return lan, host, daemon


def test_a_lease_that_changed_since_the_add_is_right(lab: Lab) -> None:
    """The server says NAK to the renewal and gives another address: the result of the ADD is history."""
    lan, host, _ = place(lab, t1=2, t2=4)
    sandbox = host.cni.sandbox()
    added = host.cni.add(netconf(), sandbox)
    lan.server.restart(forget=True, first=10, last=19, t1=60, t2=90, extra=("dhcp-authoritative",))
    eventually(
        lambda: sandbox.interfaces() and sandbox.interfaces() != [added.interface],
        within=10,
        what="the container has moved",
    )
    [now] = sandbox.interfaces()
    eventually(lambda: host.cni.check(netconf(), sandbox, added).code == 0, what="CHECK passes")
    sandbox.ip("address", "delete", str(now), "dev", "eth0")
    error = host.cni.check(netconf(), sandbox, added).error
    assert error["code"] == CHECK_FAILED
    assert str(now) in error["details"]
    host.cni.delete(netconf(), sandbox)


def test_a_lease_that_ran_out_is_not_held_any_more(lab: Lab) -> None:
    lan, host, daemon = place(lab, "kea", lease_time=4, t1=1, t2=2)
    sandbox = host.cni.sandbox()
    added = host.cni.add(netconf(), sandbox)
    lan.server.stop()
    eventually(lambda: not sandbox.interfaces(), within=10, what="the address is gone")
    eventually(lambda: daemon.leases()[0]["address"] is None, what="the daemon has noticed")
    error = host.cni.check(netconf(), sandbox, added).error
    assert error["code"] == CHECK_FAILED
    assert "no lease is held" in error["details"]
    lan.server.start()
    eventually(sandbox.interfaces, within=20, what="there is a lease again")
    eventually(lambda: host.cni.check(netconf(), sandbox, added).code == 0, what="CHECK passes again")
    host.cni.delete(netconf(), sandbox)


def test_the_next_daemon_checks_what_the_last_one_attached(lab: Lab) -> None:
    _, host, daemon = place(lab)
    sandbox = host.cni.sandbox()
    added = host.cni.add(netconf(), sandbox)
    daemon.stop()
    error = host.cni.check(netconf(), sandbox, added).error
    assert error["code"] == 11
    assert "daemon" in error["msg"]
    daemon.start()
    eventually(lambda: host.cni.check(netconf(), sandbox, added).code == 0, what="CHECK passes")
    sandbox.ip("route", "delete", "default")
    assert "default route" in host.cni.check(netconf(), sandbox, added).error["details"]
    host.cni.delete(netconf(), sandbox)
