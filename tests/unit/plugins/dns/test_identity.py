"""DHCID: RFC 4701's own examples, and what else the mark depends on."""

from __future__ import annotations

import base64

import pytest

from hooknet.testing import make_lease
from hooknet_dns.identity import dhcid


@pytest.mark.parametrize(
    ("client_id", "mac", "name", "expected"),
    [
        # section 3.6.1, as a DHCPv4 client with the same DUID sends it (RFC 4361)
        (
            "ff0badcafe" + "00010006412df166010203040506",
            "02:00:00:00:00:01",
            "chi6.example.com",
            "AAIBY2/AuCccgoJbsaxcQc9TUapptP69lOjxfNuVAA2kjEA=",
        ),
        # section 3.6.2
        (
            "010708090a0b0c",
            "02:00:00:00:00:01",
            "chi.example.com",
            "AAEBOSD+XR3Os/0LozeXVqcNc7FwCfQdWL3b/NaiUDlW2No=",
        ),
        # section 3.6.3
        ("", "01:02:03:04:05:06", "client.example.com", "AAABxLmlskllE0MVjd57zHcWmEH3pCQ6VytcKD//7es/deY="),
    ],
)
def test_the_mark_is_the_one_of_rfc_4701(client_id: str, mac: str, name: str, expected: str) -> None:
    lease = make_lease(client_id=bytes.fromhex(client_id), mac=mac)
    assert base64.b64encode(dhcid(lease, name)).decode() == expected


def test_the_mark_does_not_depend_on_how_the_name_is_written() -> None:
    lease = make_lease()
    assert dhcid(lease, "Web.LAN.example.") == dhcid(lease, "web.lan.example")


def test_the_mark_depends_on_the_name_and_on_the_client() -> None:
    marks = {
        dhcid(make_lease(client_id=who), name)
        for who in (b"\1a", b"\1b")
        for name in ("a.example", "b.example")
    }
    assert len(marks) == 4


def test_a_client_id_too_short_for_a_duid_is_taken_as_it_is() -> None:
    assert dhcid(make_lease(client_id=b"\xff\0\0"), "a.example")[:2] == b"\0\1"
