"""Sockets in real namespaces: what they hear, what they send, what they cost."""

from __future__ import annotations

import contextlib
import errno
import select
import socket
import struct
import time
from ipaddress import IPv4Address

import pytest

from hooknet.dhcp import wire
from hooknet.kernel import links, packet

pytestmark = pytest.mark.lab

MAC, EVERYBODY = "02:00:00:00:00:01", "ff:ff:ff:ff:ff:ff"
SERVER, CLIENT, LIMITED = IPv4Address("10.9.0.1"), IPv4Address("10.9.0.5"), IPv4Address("255.255.255.255")


def bootp(mac=MAC, *, op=2, tail=b"\xff"):
    return bytes([op, 1, 6, 0]) + bytes(24) + wire.mac_bytes(mac) + bytes(202) + b"\x63\x82\x53\x63" + tail


def reply(payload, *, checksum=None, port=68):
    """An IPv4 packet from a server."""
    bare = struct.pack("!HHHH", 67, port, 8 + len(payload), 0) + payload
    right = wire.udp_checksum(int(SERVER), int(LIMITED), bare) if checksum is None else checksum
    udp = struct.pack("!HHHH", 67, port, 8 + len(payload), right) + payload
    return wire.ip_header(len(udp), int(SERVER), int(LIMITED)) + udp


class Server:
    """Sends raw frames from lan0 and hears what reaches the wire."""

    def __init__(self, lan) -> None:
        self.mac = lan.outside.mac("lan0")
        self.raw = lan.listener()

    def send(self, data, kind=0x0800, to=EVERYBODY, sender=None) -> None:
        self.raw.send(
            wire.mac_bytes(to) + wire.mac_bytes(sender or self.mac) + struct.pack("!H", kind) + data
        )

    def hear(self, kind, wanted=lambda frame: True):
        end = time.monotonic() + 5
        while time.monotonic() < end:
            frame = self.raw.recv(65536)
            if frame[12:14] == struct.pack("!H", kind) and wanted(frame):
                return frame
        raise AssertionError("not heard")


@pytest.fixture
def server(lan):
    server = Server(lan)
    yield server
    server.raw.close()


@pytest.fixture
def box(lan):
    return lan.attach()


@pytest.fixture
def exchange(box):
    opened = box.run(packet.open_exchange, "eth0")
    yield opened
    opened.close()


def hear(sock, count=1):
    """The next `count` packets."""
    found = []
    end = time.monotonic() + 5
    while len(found) < count:
        assert select.select([sock], [], [], end - time.monotonic())[0], f"only {len(found)} packets came"
        found += sock.recv()
    return found


def test_a_broadcast_reply_is_heard_with_its_next_hop(exchange, server) -> None:
    server.send(reply(bootp()))
    (heard,) = hear(exchange)
    assert heard == wire.UdpDatagram(server.mac, SERVER, bootp())


def test_a_unicast_reply_is_heard_before_there_is_an_address(exchange, server) -> None:
    server.send(reply(bootp()), to=MAC)
    assert hear(exchange)[0].payload == bootp()


def test_a_large_reply_is_heard_whole(exchange, server) -> None:
    large = bootp(tail=bytes(1100) + b"\xff")
    server.send(reply(large))
    assert hear(exchange)[0].payload == large


def test_what_is_not_for_us_never_arrives(exchange, server) -> None:
    for other in (
        reply(bootp("02:00:00:00:00:99")),
        reply(bootp(op=1)),
        reply(bootp()[:239]),
        reply(bootp(), port=67),
        reply(bootp(), checksum=0x1234),
        b"\x45" + bytes(400),
        b"",
    ):
        server.send(other)
    server.send(bytes(60), kind=0x86DD)
    server.send(struct.pack("!HH", 5, 0x0800) + reply(bootp()), kind=0x8100)
    server.send(wire.arp_announcement(server.mac, CLIENT), kind=0x0806)
    server.send(reply(bootp(tail=b"the last")))
    assert [one.payload for one in hear(exchange)] == [bootp(tail=b"the last")]


def test_line_43_replies_are_heard_for_the_client_that_asked_when_the_interface_has_another_mac(
    box, server
) -> None:
    """`tuning` and the container's owner may change the MAC under a lease; the lease keeps the one it began with."""
    before = "02:00:00:00:00:99"
    opened = box.run(packet.open_exchange, "eth0", wire.mac_bytes(before))
    server.send(reply(bootp()))
    server.send(reply(bootp(before)))
    assert [one.payload for one in hear(opened)] == [bootp(before)]
    opened.send_arp(wire.arp_probe(before, CLIENT), EVERYBODY)
    server.send(reply(bootp(before)))
    assert [one.payload for one in hear(opened)] == [bootp(before)]
    opened.close()


def test_our_own_packets_are_not_heard(exchange, server) -> None:
    exchange.send(wire.udp_packet(bootp(op=2), source=CLIENT, destination=LIMITED), EVERYBODY)
    server.hear(0x0800)
    server.send(reply(bootp(tail=b"the last")))
    assert [one.payload for one in hear(exchange)] == [bootp(tail=b"the last")]


def test_a_checksum_that_the_kernel_left_to_the_hardware_is_no_fault(lan, exchange) -> None:
    """A UDP socket over veth: the kernel does not compute the checksum, because the packet never leaves."""
    raw = lan.listener()

    def send() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            udp.bind(("10.9.0.1", 67))
            udp.sendto(bootp(), ("10.9.0.255", 68))

    lan.outside.run(send)
    raw.close()
    assert hear(exchange)[0].payload == bootp()


def test_a_message_leaves_from_the_containers_mac_to_the_next_hop(exchange, server) -> None:
    exchange.send(wire.udp_packet(b"x" * 300, source=CLIENT, destination=SERVER), server.mac)
    frame = server.hear(0x0800)
    assert frame == wire.ethernet_udp_frame(
        b"x" * 300, source_mac=MAC, destination_mac=server.mac, source=CLIENT, destination=SERVER
    )


def test_arp_comes_from_the_mac_that_the_interface_has_now(box, exchange, server) -> None:
    """Neighbours would else be told the MAC that was there before `tuning`, and send into the void."""
    after = "02:00:00:00:00:77"
    box.run(links.set_mac, "eth0", after)
    exchange.send_arp(wire.arp_announcement(MAC, CLIENT), EVERYBODY)
    told = wire.parse_arp(server.hear(0x0806)[14:])
    assert (told.sender_mac, told.sender, told.target) == (after, CLIENT, CLIENT)


def test_after_a_probe_everything_about_that_address_is_heard(exchange, server) -> None:
    exchange.send_arp(wire.arp_probe(MAC, CLIENT), EVERYBODY)
    assert wire.parse_arp(server.hear(0x0806)[14:]).target == CLIENT
    server.send(wire.arp_announcement(server.mac, SERVER), kind=0x0806)
    server.send(wire.arp_packet(2, server.mac, CLIENT, SERVER), kind=0x0806, to=MAC)
    server.send(wire.arp_probe(server.mac, CLIENT), kind=0x0806)
    heard = hear(exchange, 2)
    assert [(one.operation, str(one.sender)) for one in heard] == [(2, "10.9.0.5"), (1, "0.0.0.0")]


def test_dhcp_and_arp_come_through_one_socket_in_order(exchange, server) -> None:
    exchange.watch(CLIENT)
    server.send(reply(bootp()))
    server.send(wire.arp_announcement(server.mac, CLIENT), kind=0x0806)
    assert [type(one) for one in hear(exchange, 2)] == [wire.UdpDatagram, wire.ArpPacket]


def test_a_sibling_on_the_same_parent_hears_a_probe(lan, box, exchange) -> None:
    sibling = lan.attach(mac="02:00:00:00:00:02").run(packet.open_exchange, "eth0")
    sibling.watch(CLIENT)
    exchange.send_arp(wire.arp_probe(MAC, CLIENT), EVERYBODY)
    assert hear(sibling)[0].sender_mac == MAC
    sibling.close()


def test_a_flood_is_taken_in_portions(exchange, server) -> None:
    for _ in range(100):
        server.send(reply(bootp()))
    assert select.select([exchange], [], [], 5)[0]
    first = exchange.recv()
    assert 0 < len(first) <= packet.AT_ONCE


def test_nothing_there_is_no_error(exchange) -> None:
    assert exchange.recv() == []


def test_a_link_that_goes_down_or_away_ends_no_exchange(box, exchange) -> None:
    box.ip("link set eth0 down")
    assert exchange.recv() == []
    with pytest.raises(OSError, match="Network is down"):
        exchange.send(b"x", EVERYBODY)
    box.ip("link del eth0")
    assert exchange.recv() == []
    with pytest.raises(OSError, match=r"No such device"):
        exchange.send(b"x", EVERYBODY)


def test_an_interface_that_is_not_there_leaves_no_socket_behind(box) -> None:
    with pytest.raises(OSError, match="No such device"):
        box.run(packet.open_exchange, "eth9")


def test_the_socket_knows_its_mac(exchange) -> None:
    assert exchange.mac == MAC


def test_a_sender_sends_and_hears_nothing(box, server) -> None:
    sender = box.run(packet.open_sender, "eth0")
    sender.send(wire.udp_packet(b"release", source=CLIENT, destination=SERVER), server.mac)
    assert server.hear(0x0800)[:6] == wire.mac_bytes(server.mac)
    sender.close()
    sender.close()


def test_a_frame_of_a_container_that_is_gone_leaves_on_the_parent(lan, box, server) -> None:
    box.run(links.delete_link, "eth0")
    frame = wire.ethernet_udp_frame(
        b"release", source_mac=MAC, destination_mac=server.mac, source=CLIENT, destination=SERVER
    )
    with contextlib.closing(packet.Outlet()) as outlet:
        lan.host.run(outlet.send, "up0", frame)
    assert server.hear(0x0800) == frame


def test_a_frame_for_a_parent_that_is_gone_is_an_os_error(lan) -> None:
    with contextlib.closing(packet.Outlet()) as outlet, pytest.raises(OSError, match="No such device"):
        lan.host.run(outlet.send, "up9", bytes(60))


def test_one_socket_on_the_parent_hears_conflicts_about_every_watched_address(lan, box, server) -> None:
    arp = lan.host.run(packet.open_arp, "up0")
    server.send(wire.arp_announcement(server.mac, CLIENT), kind=0x0806)
    arp.watch([CLIENT, IPv4Address("10.9.0.6")])
    server.send(wire.arp_announcement(server.mac, IPv4Address("10.9.0.7")), kind=0x0806)
    server.send(wire.arp_announcement(server.mac, IPv4Address("10.9.0.6")), kind=0x0806)
    server.send(wire.arp_probe(server.mac, CLIENT), kind=0x0806)
    heard = hear(arp, 2)
    assert [(str(one.sender), str(one.target)) for one in heard] == [
        ("10.9.0.6", "10.9.0.6"),
        ("0.0.0.0", "10.9.0.5"),
    ]
    arp.close()


def test_a_thousand_addresses_are_watched_by_the_kernel(lan, server) -> None:
    arp = lan.host.run(packet.open_arp, "up0")
    many = [IPv4Address("10.9.1.0") + n for n in range(1000)]
    arp.watch(many)
    server.send(wire.arp_announcement(server.mac, CLIENT), kind=0x0806)
    server.send(wire.arp_announcement(server.mac, many[-1]), kind=0x0806)
    assert [one.sender for one in hear(arp)] == [many[-1]]
    arp.close()


def test_where_filters_must_be_small_everything_is_heard(lan, server, monkeypatch) -> None:
    arp = lan.host.run(packet.open_arp, "up0")
    attach = packet.attach

    def small(target, program) -> None:
        if len(program) > 100:
            raise OSError(errno.ENOMEM, "Cannot allocate memory")
        attach(target, program)

    monkeypatch.setattr(packet, "attach", small)
    arp.watch([IPv4Address("10.9.1.0") + n for n in range(1000)])
    server.send(wire.arp_announcement(server.mac, CLIENT), kind=0x0806)
    assert [one.sender for one in hear(arp)] == [CLIENT]
    arp.close()


def test_a_renewal_goes_by_udp_and_its_answer_comes_back(lan, box) -> None:
    box.ip("addr add 10.9.0.5/24 dev eth0")
    renewing = box.run(packet.open_unicast, "eth0", CLIENT)
    serving = lan.outside.run(socket.socket, socket.AF_INET, socket.SOCK_DGRAM)
    serving.settimeout(5)
    serving.bind(("10.9.0.1", 67))
    renewing.send(b"renew", SERVER)
    data, client = serving.recvfrom(1000)
    assert (data, client) == (b"renew", ("10.9.0.5", 68))
    serving.sendto(b"granted", client)
    assert hear(renewing) == [wire.UdpDatagram("", SERVER, b"granted")]
    renewing.close()
    serving.close()


def test_a_server_that_refuses_a_renewal_is_heard_though_it_broadcasts(lan, box) -> None:
    box.ip("addr add 10.9.0.5/24 dev eth0")
    renewing = box.run(packet.open_unicast, "eth0", CLIENT)
    serving = lan.outside.run(socket.socket, socket.AF_INET, socket.SOCK_DGRAM)
    serving.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    serving.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lan0")
    serving.bind(("10.9.0.1", 67))
    lan.outside.run(serving.sendto, b"refused", ("255.255.255.255", 68))
    assert hear(renewing) == [wire.UdpDatagram("", SERVER, b"refused")]
    renewing.close()
    serving.close()


def test_a_renewal_never_leaves_from_another_address_than_the_leases(box) -> None:
    box.ip("addr add 10.9.0.6/24 dev eth0")
    renewing = box.run(packet.open_unicast, "eth0", CLIENT)
    with pytest.raises(OSError):
        renewing.send(b"renew", SERVER)
    renewing.close()


def test_a_server_that_does_not_listen_ends_no_renewal(box) -> None:
    box.ip("addr add 10.9.0.5/24 dev eth0")
    renewing = box.run(packet.open_unicast, "eth0", CLIENT)
    renewing.send(b"renew", SERVER)
    assert renewing.recv() == []
    renewing.close()


def test_a_dhcp_client_of_the_containers_own_is_told_by_the_port(box) -> None:
    box.ip("addr add 10.9.0.5/24 dev eth0")
    own = box.run(socket.socket, socket.AF_INET, socket.SOCK_DGRAM)
    own.bind(("0.0.0.0", 68))
    with pytest.raises(OSError) as caught:
        box.run(packet.open_unicast, "eth0", CLIENT)
    assert caught.value.errno == errno.EADDRINUSE
    own.close()


def test_opening_is_cheap_because_the_protocol_comes_last(box) -> None:
    def open_once():
        begin = time.perf_counter()
        opened = box.run(packet.open_exchange, "eth0")
        spent = time.perf_counter() - begin
        opened.close()
        return spent

    assert min(open_once() for _ in range(10)) < 0.005
