"""The dns plugin against BIND and Knot: dynamic updates with TSIG, and the rules about whose records are whose."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from typing import Any

import pytest
from lab import Lab
from lab.nameservers import KEY, NAME_SERVERS, NameServer, inside, new_secret

import hooknet
from hooknet.testing import make_attachment, make_container, make_lease
from hooknet.testing.plugins import PluginHarness
from hooknet_dns import make_plugin

NAME = "web.lan.lan.example"
HOUR = 3600


@dataclass
class Hooknet:
    """One host's dns plugin, and what its daemon would tell it, from inside the LAN."""

    server: NameServer
    folder: Path
    settings: dict[str, Any]

    def __post_init__(self) -> None:
        self.restart()

    def restart(self, **changes: Any) -> None:
        """A new daemon with the old state."""
        self.settings = {**self.settings, **changes}
        self.folder.mkdir(exist_ok=True)
        self.harness = PluginHarness(make_plugin, settings=self.settings, name="dns", state_dir=self.folder)

    def address(self, number: int) -> IPv4Address:
        return self.server.network[number]

    def lease(self, number: int = 50, *, who: bytes = b"\xff\0\0\0\1web", **changes: Any) -> hooknet.Lease:
        """A lease of just now, of the address with that number on the LAN."""
        address = IPv4Interface(f"{self.address(number)}/24")
        return make_lease(**{"address": address, "obtained": datetime.now(UTC), "client_id": who, **changes})

    def post(self, lease: hooknet.Lease, attachment: hooknet.Attachment | None = None, **how: Any) -> None:
        with inside(self.server.netns):
            self.harness.post_lease(attachment or make_attachment(), lease, **how)

    def release(self, lease: hooknet.Lease, attachment: hooknet.Attachment | None = None) -> None:
        with inside(self.server.netns):
            self.harness.release(attachment or make_attachment(), lease)


@pytest.fixture(params=sorted(NAME_SERVERS))
def server(request: pytest.FixtureRequest, bare_lab: Lab) -> NameServer:
    lan = bare_lab.lan()
    server = NAME_SERVERS[request.param](lan.netns, lan.address(1), lan.network, bare_lab.folder / "dns")
    bare_lab.cleanup.callback(server.stop)
    server.start()
    return server


@pytest.fixture
def here(server: NameServer, bare_lab: Lab) -> Hooknet:
    return Hooknet(server, bare_lab.folder / "here", settings_for(server))


@pytest.fixture
def elsewhere(server: NameServer, bare_lab: Lab) -> Hooknet:
    """Another host with hooknet on the same LAN."""
    return Hooknet(server, bare_lab.folder / "elsewhere", settings_for(server))


def settings_for(server: NameServer) -> dict[str, Any]:
    return {
        "name": "{name}.{network}.lan.example",
        "servers": [server.where],
        "key_file": str(server.key_file()),
        "timeout": "2s",
    }


def nothing_left(server: NameServer, lease: hooknet.Lease, name: str = NAME) -> bool:
    kinds = [(name, "A"), (name, "DHCID"), (lease.address.ip.reverse_pointer, "PTR")]
    kinds.append((lease.address.ip.reverse_pointer, "DHCID"))
    return not any(server.ask(*kind) for kind in kinds)


@contextmanager
def stopped(server: NameServer) -> Iterator[None]:
    server.stop()
    yield
    server.start()


def test_a_name_is_there_forward_and_reverse_while_the_lease_is(here: Hooknet, server: NameServer) -> None:
    lease = here.lease(50)
    here.post(lease)
    assert server.ask_with_ttl(NAME) == [(str(lease.address.ip), HOUR // 3)]
    assert server.names(lease.address.ip) == [NAME]
    here.release(lease)
    assert nothing_left(server, lease)


def test_delivering_twice_changes_nothing(here: Hooknet, server: NameServer) -> None:
    lease = here.lease(50)
    here.post(lease)
    here.post(lease)
    assert (server.addresses(NAME), server.names(lease.address.ip)) == ({str(lease.address.ip)}, [NAME])
    here.release(lease)
    here.release(lease)
    assert nothing_left(server, lease)


def test_a_changed_address_takes_the_old_records_with_it(here: Hooknet, server: NameServer) -> None:
    old, new = here.lease(50), here.lease(60)
    here.post(old)
    here.post(new, reason=hooknet.PostLeaseReason.CHANGED, previous=old)
    assert server.addresses(NAME) == {str(new.address.ip)}
    assert (server.names(old.address.ip), server.names(new.address.ip)) == ([], [NAME])
    here.release(new)
    assert nothing_left(server, new)


def test_a_nak_and_another_address_leave_only_the_new_one(here: Hooknet, server: NameServer) -> None:
    old, new = here.lease(50), here.lease(60)
    here.post(old)
    here.release(old)
    here.post(new, previous=old)
    assert server.addresses(NAME) == {str(new.address.ip)}
    assert server.names(old.address.ip) == []


def test_a_renewal_with_another_lease_time_gives_another_ttl(here: Hooknet, server: NameServer) -> None:
    here.post(here.lease(50))
    here.post(here.lease(50, lease_time=6 * HOUR), reason=hooknet.PostLeaseReason.RENEWED)
    assert [ttl for _, ttl in server.ask_with_ttl(NAME)] == [2 * HOUR]


def test_a_renewal_puts_back_what_was_lost(here: Hooknet, server: NameServer) -> None:
    lease = here.lease(50)
    here.post(lease)
    server.update(f"delete {NAME}.", f"delete {lease.address.ip.reverse_pointer}.")
    assert nothing_left(server, lease)
    here.post(lease, reason=hooknet.PostLeaseReason.RENEWED)
    assert (server.addresses(NAME), server.names(lease.address.ip)) == ({str(lease.address.ip)}, [NAME])


def test_fault_22_a_name_that_people_made_is_neither_overwritten_nor_deleted(
    here: Hooknet, server: NameServer
) -> None:
    here.restart(name="{name}.lan.example")
    printer = make_attachment(container_name="printer")
    lease = here.lease(50)
    with pytest.raises(hooknet.Retry, match=r"printer\.lan\.example is not ours"):
        here.post(lease, printer)
    here.release(lease, printer)
    assert server.ask_with_ttl("printer.lan.example") == [("192.0.2.9", 60)]
    assert server.names(lease.address.ip) == []


def test_a_foreign_name_for_our_very_address_is_not_deleted(here: Hooknet, server: NameServer) -> None:
    lease = here.lease(50)
    server.update(f"add {NAME}. 60 A {lease.address.ip}")
    with pytest.raises(hooknet.Retry):
        here.post(lease)
    here.release(lease)
    assert server.ask_with_ttl(NAME) == [(str(lease.address.ip), 60)]


def test_a_name_without_an_address_is_still_someones(here: Hooknet, server: NameServer) -> None:
    server.update(f'add {NAME}. 60 TXT "reserved"')
    with pytest.raises(hooknet.Retry):
        here.post(here.lease(50))
    assert server.ask(NAME) == []


def test_records_that_people_add_to_our_name_stay(here: Hooknet, server: NameServer) -> None:
    lease = here.lease(50)
    here.post(lease)
    server.update(f'add {NAME}. 60 TXT "a note"')
    here.release(lease)
    assert server.ask(NAME, "TXT") == ['"a note"']
    assert server.ask(NAME) == server.ask(NAME, "DHCID") == []


def test_a_name_that_still_has_an_ipv6_address_keeps_its_mark(here: Hooknet, server: NameServer) -> None:
    """A DHCPv6 server may know the same client by the same DHCID (RFC 4703 section 5.5)."""
    lease = here.lease(50)
    here.post(lease)
    server.update(f"add {NAME}. 60 AAAA 2001:db8::50")
    here.release(lease)
    assert (server.ask(NAME), server.ask(NAME, "AAAA")) == ([], ["2001:db8::50"])
    assert server.ask(NAME, "DHCID") != []


def test_a_ptr_that_people_changed_is_left_with_its_mark(here: Hooknet, server: NameServer) -> None:
    lease = here.lease(50)
    here.post(lease)
    pointer = lease.address.ip.reverse_pointer
    server.update(f"delete {pointer}. PTR", f"add {pointer}. 60 PTR desk.lan.example.")
    here.release(lease)
    assert server.names(lease.address.ip) == ["desk.lan.example"]
    assert server.ask(pointer, "DHCID") != []


def test_another_hosts_name_stays_until_it_goes_and_is_ours_then(
    here: Hooknet, elsewhere: Hooknet, server: NameServer
) -> None:
    theirs, ours = elsewhere.lease(50, who=b"\1theirs"), here.lease(60, who=b"\1ours")
    elsewhere.post(theirs)
    with pytest.raises(hooknet.Retry):
        here.post(ours)
    assert server.addresses(NAME) == {str(theirs.address.ip)}
    elsewhere.release(theirs)
    here.post(ours)
    assert server.addresses(NAME) == {str(ours.address.ip)}


def test_a_name_is_handed_over_between_containers_of_one_host(here: Hooknet, server: NameServer) -> None:
    first, second = here.lease(50, who=b"\1first"), here.lease(60, who=b"\1second")
    other = make_attachment(container_id="other")
    here.post(first)
    here.post(second, other)  # no Retry: it would hold up the first one's release, which comes after it
    assert server.addresses(NAME) == {str(first.address.ip)}
    here.release(first)
    assert server.addresses(NAME) == {str(second.address.ip)}
    assert server.names(second.address.ip) == [NAME]
    here.release(second, other)
    assert nothing_left(server, second)


def test_an_addresss_new_holder_replaces_what_the_last_one_left(
    here: Hooknet, elsewhere: Hooknet, server: NameServer
) -> None:
    elsewhere.post(elsewhere.lease(50), make_attachment(container_name="old"))
    here.post(here.lease(50))
    assert server.names(here.address(50)) == [NAME]


def test_fault_22_a_late_removal_never_touches_a_successor_on_another_host(
    here: Hooknet, elsewhere: Hooknet, server: NameServer
) -> None:
    old = make_attachment(container_name="old")
    lease = elsewhere.lease(50, who=b"\1old")
    elsewhere.post(lease, old)
    here.post(here.lease(50, who=b"\1new"))
    elsewhere.release(lease, old)
    assert server.names(here.address(50)) == [NAME]
    assert server.addresses(NAME) == {str(here.address(50))}
    assert server.ask("old.lan.lan.example") == []


def test_a_late_removal_leaves_the_same_client_at_its_new_address(
    here: Hooknet, elsewhere: Hooknet, server: NameServer
) -> None:
    """A container with an identity of the fleet's moves to another host: the DHCID is the same on both."""
    before, after = elsewhere.lease(50), here.lease(60)
    elsewhere.post(before)
    here.post(after)
    elsewhere.release(before)
    assert server.addresses(NAME) == {str(after.address.ip)}
    assert server.names(after.address.ip) == [NAME]
    assert server.names(before.address.ip) == []
    here.release(after)  # the mark was left, so the name is still known to be ours
    assert nothing_left(server, after)


def test_late_news_of_a_lease_does_not_replace_its_successors_ptr(
    here: Hooknet, elsewhere: Hooknet, server: NameServer
) -> None:
    with stopped(server):
        late = elsewhere.lease(50, who=b"\1old", obtained=datetime.now(UTC) - timedelta(seconds=120))
    here.post(here.lease(50))
    elsewhere.post(late, make_attachment(container_name="old"))
    assert server.names(here.address(50)) == [NAME]


def test_late_news_on_the_same_host_changes_nothing(here: Hooknet, server: NameServer) -> None:
    old = make_attachment(container_id="old", container_name="old")
    late = here.lease(50, who=b"\1old", obtained=datetime.now(UTC) - timedelta(seconds=5))
    here.post(here.lease(50))
    here.post(late, old)
    assert server.ask("old.lan.lan.example") == []
    here.release(late, old)
    assert server.names(here.address(50)) == [NAME]


def test_a_lease_that_ran_out_before_the_server_came_back_gets_no_records(
    here: Hooknet, server: NameServer
) -> None:
    over = here.lease(50, obtained=datetime.now(UTC) - timedelta(seconds=HOUR))
    here.post(over)
    assert nothing_left(server, over)


def test_a_ptr_that_people_made_stays(here: Hooknet, server: NameServer) -> None:
    lease = here.lease(50)
    server.update(f"add {lease.address.ip.reverse_pointer}. 60 PTR desk.lan.example.")
    here.post(lease)
    assert server.addresses(NAME) == {str(lease.address.ip)}
    here.release(lease)
    assert server.names(lease.address.ip) == ["desk.lan.example"]


def test_fault_22_a_server_that_is_down_means_retry_and_is_right_in_the_end(
    here: Hooknet, server: NameServer
) -> None:
    lease = here.lease(50)
    with stopped(server):
        with pytest.raises(hooknet.Retry, match=r"can't be reached|did not answer"):
            here.post(lease)
        here.restart()
        with pytest.raises(hooknet.Retry):
            here.post(lease)
    here.post(lease)
    assert server.addresses(NAME) == {str(lease.address.ip)}
    with stopped(server), pytest.raises(hooknet.Retry):
        here.release(lease)
    here.release(lease)
    assert nothing_left(server, lease)


def test_fault_22_a_wrong_key_means_retry_with_its_name_and_without_its_secret(
    here: Hooknet, server: NameServer, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = new_secret()
    path = server.key_file(secret=wrong)
    lease = here.lease(50)
    with pytest.raises(hooknet.Retry, match=f"another secret or algorithm for the key {KEY}") as caught:
        here.post(lease)
    assert wrong not in f"{caught.value!r} {caught.value.__cause__!r} {caplog.text}"
    assert "another secret" in caplog.text
    server.key_file(path)
    here.post(lease)
    assert server.addresses(NAME) == {str(lease.address.ip)}


def test_a_key_that_the_server_does_not_know_means_retry(here: Hooknet, server: NameServer) -> None:
    path = server.key_file()
    path.write_text(path.read_text(encoding="utf-8").replace(KEY, "stranger"), encoding="utf-8")
    with pytest.raises(hooknet.Retry, match="does not know the key stranger"):
        here.post(here.lease(50))


def test_fault_22_updates_without_a_key_are_refused_and_retried(here: Hooknet, server: NameServer) -> None:
    del here.settings["key_file"]
    here.restart(unsigned=True)
    with pytest.raises(hooknet.Retry, match=r"refuses the update|is not the primary"):
        here.post(here.lease(50))
    assert server.ask(NAME) == []


def test_the_next_server_is_asked_when_one_is_down(here: Hooknet, server: NameServer) -> None:
    here.restart(servers=[f"{server.address}:9", server.where])
    lease = here.lease(50)
    here.post(lease)
    assert server.names(lease.address.ip) == [NAME]


def test_a_reverse_zone_that_the_server_does_not_have_costs_only_the_ptr(
    here: Hooknet, server: NameServer, caplog: pytest.LogCaptureFixture
) -> None:
    lease = here.lease(50, address=IPv4Interface("198.51.100.50/24"))
    here.post(lease)
    here.post(lease, reason=hooknet.PostLeaseReason.RENEWED)
    assert server.addresses(NAME) == {"198.51.100.50"}
    said = [
        record for record in caplog.records if "no PTR records in 100.51.198.in-addr.arpa" in record.message
    ]
    assert [record.levelname for record in said if record.levelname == "WARNING"] == ["WARNING"]
    here.release(lease)
    assert server.ask(NAME) == []


def test_a_reverse_zone_that_was_configured_and_is_not_there_means_retry(here: Hooknet) -> None:
    here.restart(reverse_zone="100.51.198.in-addr.arpa")
    with pytest.raises(hooknet.Retry, match="is not the primary of this zone"):
        here.post(here.lease(50, address=IPv4Interface("198.51.100.50/24")))


def test_no_ptr_where_none_is_wanted(here: Hooknet, server: NameServer) -> None:
    here.restart(reverse=False)
    lease = here.lease(50)
    here.post(lease)
    assert server.names(lease.address.ip) == []


def test_a_restarted_plugin_removes_what_the_one_before_it_made(here: Hooknet, server: NameServer) -> None:
    lease = here.lease(50)
    here.post(lease)
    here.restart()
    here.release(lease)
    assert nothing_left(server, lease)


def test_records_are_removed_even_where_the_plugins_memory_was_lost(
    here: Hooknet, server: NameServer
) -> None:
    lease = here.lease(50)
    here.post(lease)
    for path in here.folder.iterdir():
        path.unlink()
    here.restart()
    here.release(lease)
    assert nothing_left(server, lease)


def test_a_new_template_moves_the_name_with_the_next_renewal(here: Hooknet, server: NameServer) -> None:
    lease = here.lease(50)
    here.post(lease)
    here.restart(name="{name}-on-{network}.lan.example")
    here.post(lease, reason=hooknet.PostLeaseReason.RENEWED)
    assert server.ask(NAME) == server.ask(NAME, "DHCID") == []
    assert server.names(lease.address.ip) == ["web-on-lan.lan.example"]
    here.release(lease)
    assert nothing_left(server, lease, "web-on-lan.lan.example")


def test_a_zone_that_is_no_longer_ours_to_update_is_said_and_left(
    here: Hooknet, server: NameServer, caplog: pytest.LogCaptureFixture
) -> None:
    lease = here.lease(50)
    here.post(lease)
    row_in_another_zone = "UPDATE registered SET place = 'other.example'"
    edit(here.folder, row_in_another_zone)
    here.release(lease)
    assert "can't be removed and are left" in caplog.text


def edit(folder: Path, statement: str) -> None:
    connection = sqlite3.connect(folder / "registered.db")
    with connection:
        connection.execute(statement)
    connection.close()


def test_labels_make_names_where_the_template_says_so(here: Hooknet, server: NameServer) -> None:
    here.restart(name="{label:org.example.dns}.lan.example")
    lease = here.lease(50)
    here.post(lease, container=make_container(labels={"org.example.dns": "Shop_Front"}))
    assert server.names(lease.address.ip) == ["shop-front.lan.example"]
    here.release(lease)  # labels are not known any more
    assert nothing_left(server, lease, "shop-front.lan.example")


def test_what_nobody_told_the_end_of_is_removed_some_day(here: Hooknet, server: NameServer) -> None:
    forgotten = make_attachment(container_id="forgotten", container_name="forgotten")
    lease = here.lease(70, who=b"\1forgotten")
    here.post(lease, forgotten)
    edit(here.folder, "UPDATE registered SET expires = 1")
    here.restart()
    here.post(here.lease(50))
    assert nothing_left(server, lease, "forgotten.lan.lan.example")


def test_many_at_once(here: Hooknet, server: NameServer) -> None:
    def live(number: int) -> None:
        attachment = make_attachment(container_id=f"c{number}", container_name=f"c{number}")
        lease = here.lease(number, who=b"\1" + bytes([number]))
        here.post(lease, attachment)
        if number % 2:
            here.release(lease, attachment)

    numbers = range(100, 140)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(live, numbers))
    there = {number: bool(server.names(here.address(number))) for number in (100, 101, 138, 139)}
    assert there == {100: True, 101: False, 138: True, 139: False}
