"""Who an attachment is to the server (RFC 4361, RFC 2132 section 9.14)."""

from __future__ import annotations

from hooknet.config import NetworkSettings
from hooknet.lifecycle.identity import Host, client_id_for, fallback_client_id, mac_for
from hooknet.model import AttachmentKey

KEY = AttachmentKey("c1", "eth0", "lan")
HERE = Host("machine-a")
MAC = "02:00:00:00:00:07"


def of(
    key: AttachmentKey = KEY,
    name: str | None = "web",
    settings: NetworkSettings | None = None,
    host: Host = HERE,
) -> bytes:
    return client_id_for(key, name, MAC, settings or NetworkSettings(), host)


def test_rfc_4361_type_iaid_and_a_duid_uuid() -> None:
    found = of()
    assert found[0] == 255
    assert found[5:7] == b"\x00\x04"
    assert len(found) == 1 + 4 + 2 + 16


def test_a_name_keeps_its_identity_when_the_container_is_made_again() -> None:
    assert of(AttachmentKey("c1", "eth0", "lan")) == of(AttachmentKey("c2", "eth1", "lan"))


def test_another_name_or_network_is_another_client() -> None:
    assert len({of(), of(name="db"), of(AttachmentKey("c1", "eth0", "dmz"))}) == 3


def test_the_host_is_part_of_the_identity_unless_the_scope_is_the_fleet() -> None:
    fleet = NetworkSettings(identity_scope="fleet")
    assert of() != of(host=Host("machine-b"))
    assert of(settings=fleet) == of(settings=fleet, host=Host("machine-b"))


def test_by_mac_by_container_and_as_given() -> None:
    assert of(settings=NetworkSettings(client_id="mac")) == bytes.fromhex("01020000000007")
    assert of(settings=NetworkSettings(client_id="container-id")) == fallback_client_id(KEY)
    assert of(settings=NetworkSettings(client_id="ab:cd:ef")) == b"\xab\xcd\xef"


def test_without_a_name_the_container_and_its_interface_are_the_identity() -> None:
    assert of(name=None) == fallback_client_id(KEY)
    assert fallback_client_id(KEY) != fallback_client_id(AttachmentKey("c1", "eth1", "lan"))


def test_a_name_and_a_container_id_never_collide() -> None:
    assert of(name="c1") != fallback_client_id(KEY)


def test_a_mac_that_nobody_gave_follows_from_container_interface_and_machine() -> None:
    mac = mac_for(KEY, HERE)
    assert mac == mac_for(KEY, HERE)
    others = (
        mac_for(AttachmentKey("c2", "eth0", "lan"), HERE),
        mac_for(AttachmentKey("c1", "eth1", "lan"), HERE),
        mac_for(AttachmentKey("c1", "eth0", "other"), HERE),
        mac_for(KEY, Host("machine-b")),
    )
    assert len({mac, *others}) == 5


def test_it_is_a_locally_administered_unicast_address() -> None:
    first, *rest = bytes.fromhex(mac_for(KEY, HERE).replace(":", ""))
    assert (first & 0b11, len(rest)) == (0b10, 5)
