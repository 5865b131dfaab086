"""The daemon, the host or the network was away: RFC 2131 section 3.2 (INIT-REBOOT), and leases that are restored."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from hooknet.dhcp.client import ClientSettings, Patience, State
from hooknet.dhcp.messages import MessageType
from hooknet.dhcp.options import Code
from hooknet.testing import Host, Lan, make_binding, nak, silent

ADDRESS = IPv4Address("192.0.2.50")


def attached(lan: Lan, settings: ClientSettings | None = None) -> Host:
    host = lan.host("web", settings)
    host.attach()
    lan.run_until(lambda: host.lease is not None)
    host.answered()
    lan.run(10)
    return host


# the daemon


def test_a_restored_lease_goes_on_as_if_nothing_had_been() -> None:
    lan = Lan()
    server = lan.server(lease_time=3600)
    host = attached(lan)
    host.restart_daemon()
    assert (host.state, host.client.listening) == (State.BOUND, False)
    lan.run(1700)
    assert server.count(MessageType.REQUEST) == 1
    lan.run(200)
    assert host.reasons == ["BOUND", "RENEWED"]
    assert len(host.used) == 1


@pytest.mark.parametrize(("away", "state"), [(2000.0, State.RENEWING), (3300.0, State.REBINDING)])
def test_a_lease_that_is_overdue_when_it_is_restored_is_extended_within_five_seconds(
    away: float, state: State
) -> None:
    lan = Lan()
    lan.server(lease_time=3600)
    host = attached(lan)
    host.sleep(away)
    lan.run(away - 0.001)
    host.asleep = False
    host.restart_daemon()
    assert (host.state, host.client.listening) == (state, False)
    lan.run(5.1)
    assert host.reasons == ["BOUND", "RENEWED"]


def test_a_lease_that_ran_out_while_the_daemon_was_away_is_lost_first() -> None:
    lan = Lan()
    lan.server(lease_time=3600)
    host = attached(lan)
    host.sleep(4000)
    lan.run(3999.999)
    host.asleep = False
    host.restart_daemon()
    assert (host.address, host.reasons) == (None, ["BOUND", "EXPIRED"])
    lan.run(5.1)
    assert host.reasons == ["BOUND", "EXPIRED", "BOUND"]
    assert host.hooks[-1].previous is not None


def test_an_infinite_lease_is_restored_as_one() -> None:
    lan = Lan()
    host = lan.host()
    host.stored = make_binding(lease_time=None)
    host.restart_daemon()
    assert (host.state, host.client.deadline) == (State.BOUND, None)


# the host


def test_rfc_2131_3_2_inside_an_add_a_remembered_address_costs_one_round_trip() -> None:
    lan = Lan()
    server = lan.server()
    old = attached(lan)
    assert old.stored is not None
    old.unplug()
    again = lan.host("web")
    again.reboot(old.stored)
    lan.run(0.01)
    assert (again.state, again.reasons) == (State.BOUND, ["BOUND"])
    (request,) = again.messages()
    assert request.requested_address == ADDRESS
    assert int(request.ciaddr) == 0
    assert Code.SERVER_ID not in request.options
    assert server.count(MessageType.REQUEST) == 2


def test_rfc_2131_3_2_inside_an_add_a_silent_server_is_waited_for_three_seconds() -> None:
    lan = Lan()
    server = lan.server()
    server.on(MessageType.REQUEST, silent, times=2)
    host = lan.host()
    begun = lan.now
    host.reboot(make_binding(since=lan.now - 10))
    lan.run_until(lambda: host.lease is not None, within=4)
    assert lan.now - begun == pytest.approx(3, abs=0.3)
    assert host.messages(MessageType.DISCOVER)[0].requested_address is None


def test_rfc_2131_3_2_a_nak_inside_an_add_leads_to_a_discover_at_once() -> None:
    lan = Lan()
    server = lan.server()
    server.on(MessageType.REQUEST, nak, times=1)
    host = lan.host()
    host.reboot(make_binding(since=lan.now - 10))
    lan.run(0.01)
    assert host.reasons == ["BOUND"]


def test_a_remembered_address_is_probed_while_it_is_asked_for() -> None:
    lan = Lan()
    server = lan.server()
    old = attached(lan)
    assert old.stored is not None
    binding = old.stored
    old.release()
    lan.squatter(str(ADDRESS))
    server.delay = 0.01
    again = lan.host("web")
    again.reboot(binding)
    lan.run(1)
    assert [offer.address for offer in again.declined] == [ADDRESS]
    assert again.address != ADDRESS


def test_strict_checks_a_remembered_address_before_it_is_used() -> None:
    lan = Lan()
    lan.server()
    old = attached(lan)
    assert old.stored is not None
    again = lan.host("web", ClientSettings(acd="strict"))
    again.reboot(old.stored)
    lan.run(1)
    assert again.state is State.PROBING


# in doubt, and in use


def doubted(lan: Lan, host: Host) -> None:
    assert host.stored is not None
    host.reboot(host.stored, Patience.BACKGROUND)


def test_a_lease_in_doubt_stays_in_use_until_a_server_says_no() -> None:
    lan = Lan()
    server = lan.server(lease_time=3600)
    host = attached(lan)
    doubted(lan, host)
    assert (host.state, host.address) == (State.INIT_REBOOT, ADDRESS)
    server.on(MessageType.REQUEST, nak, times=1)
    lan.run(5.1)
    assert host.reasons == ["BOUND", "NAK", "BOUND"]


def test_rfc_2131_3_2_a_lease_in_doubt_is_kept_when_nobody_answers() -> None:
    lan = Lan()
    server = lan.server(lease_time=3600)
    host = attached(lan)
    server.online = False
    doubted(lan, host)
    lan.run(120)
    assert (host.state, host.address) == (State.BOUND, ADDRESS)
    assert len(host.times(MessageType.REQUEST)) == 5
    server.online = True
    lan.run(1800)
    assert host.reasons == ["BOUND", "RENEWED"]


def test_a_lease_in_doubt_still_runs_out() -> None:
    lan = Lan()
    server = lan.server(lease_time=60)
    host = attached(lan)
    server.online = False
    doubted(lan, host)
    lan.run(51)
    assert (host.address, host.reasons) == (None, ["BOUND", "EXPIRED"])


def test_a_lease_in_doubt_that_has_changed_is_changed() -> None:
    lan = Lan()
    server = lan.server(lease_time=3600)
    host = attached(lan)
    server.options = {Code.DNS: ADDRESS.packed}
    doubted(lan, host)
    lan.run(5.1)
    assert host.reasons == ["BOUND", "CHANGED"]


def test_after_a_link_that_was_away_the_address_is_probed_again() -> None:
    lan = Lan()
    server = lan.server(lease_time=3600)
    host = attached(lan)
    host.unplug()
    lan.squatter(str(ADDRESS))
    lan.run(10)
    host.plug()
    lan.run(30)
    assert host.reasons == ["BOUND", "RENEWED", "DECLINED", "BOUND"]
    assert server.declined == [ADDRESS]
