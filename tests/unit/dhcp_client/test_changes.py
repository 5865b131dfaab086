"""Renewed, rebound or changed."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest

from hooknet.dhcp.changes import reason_for
from hooknet.dhcp.options import Code
from hooknet.model import PostLeaseReason, Route
from hooknet.testing import make_lease

BEFORE = make_lease(options={Code.MESSAGE_TYPE: b"\5", Code.LEASE_TIME: b"\0\0\0\1", 43: b"x"})


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"lease_time": 7200},
        {"t1": 1, "t2": 2},
        {"obtained": BEFORE.obtained + timedelta(hours=1)},
        {"server_mac": "02:00:00:00:ff:99"},
        {"options": {**BEFORE.options, Code.LEASE_TIME: b"\0\0\0\2"}},
        {"options": {**BEFORE.options, Code.T1: b"\0\0\0\2", Code.TEXT: b"hello"}},
        {"options": dict(reversed(BEFORE.options.items()))},
    ],
)
def test_times_and_framing_are_no_change(changes: dict[str, Any]) -> None:
    now = make_lease(**{"options": BEFORE.options, **changes})
    assert reason_for(BEFORE, now) is PostLeaseReason.RENEWED


@pytest.mark.parametrize(
    "changes",
    [
        {"address": "192.0.2.51/24"},
        {"address": "192.0.2.50/25"},
        {"dns": (IPv4Address("192.0.2.53"),)},
        {"routers": ()},
        {"routes": (Route(IPv4Network("198.51.100.0/24"), None),)},
        {"domain": "other.example"},
        {"search": ("a.example",)},
        {"ntp": (IPv4Address("192.0.2.123"),)},
        {"mtu": 1400},
        {"broadcast": IPv4Address("192.0.2.255")},
        {"hostname": "other"},
        {"options": {**BEFORE.options, 43: b"y"}},
        {"options": {**BEFORE.options, 114: b"https://portal.example/"}},
    ],
)
def test_what_the_server_says_about_the_network_is_a_change(changes: dict[str, Any]) -> None:
    now = make_lease(**{"options": BEFORE.options, **changes})
    assert reason_for(BEFORE, now) is PostLeaseReason.CHANGED


def test_another_server_with_the_same_words_is_a_rebound() -> None:
    now = make_lease(options=BEFORE.options, server=IPv4Address("192.0.2.2"))
    assert reason_for(BEFORE, now) is PostLeaseReason.REBOUND


def test_another_server_with_other_words_is_a_change() -> None:
    now = make_lease(options=BEFORE.options, server=IPv4Address("192.0.2.2"), domain="other.example")
    assert reason_for(BEFORE, now) is PostLeaseReason.CHANGED
