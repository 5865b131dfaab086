"""Names from templates, reverse names from addresses: nothing that is no host name ever gets through."""

from __future__ import annotations

import os
from ipaddress import IPv4Address, IPv4Interface

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hooknet.testing import make_attachment, make_container
from hooknet_dns.names import (
    LABEL,
    Template,
    UnnamedError,
    derived_reverse_zone,
    host_name,
    reverse_name,
)


def rendered(template: str, labels: dict[str, str] | None = None, **attachment: object) -> str:
    container = make_container(labels=labels) if labels is not None else None
    return Template(template).render(make_attachment(**attachment), container)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{name}.{network}.lan.example", "web.lan.lan.example"),
        ("{NAME}.x.example".lower(), "web.x.example"),
        ("{name}-{ifname}.lan.example", "web-eth0.lan.example"),
        ("{id}.lan.example", "3f1c3f1c3f1c.lan.example"),
        ("{name}.LAN.Example.", "web.lan.example"),
        ("{name}", "web"),
    ],
)
def test_a_template_becomes_a_host_name(template: str, expected: str) -> None:
    assert rendered(template) == expected


def test_the_hosts_own_name_is_its_first_label(monkeypatch: pytest.MonkeyPatch) -> None:
    uname = os.uname()
    monkeypatch.setattr(os, "uname", lambda: type(uname)((uname[0], "Rack7.example.org", *uname[2:])))
    assert rendered("{name}.{host}.lan.example") == "web.rack7.lan.example"


@pytest.mark.parametrize(
    ("name", "label"),
    [("My_App.1", "my-app-1"), ("--a--b--", "a-b"), ("shop;rm -rf /", "shop-rm-rf"), ("ÜBER9", "ber9")],
)
def test_a_value_becomes_one_label_whatever_it_holds(name: str, label: str) -> None:
    assert rendered("{name}.lan.example", container_name=name) == f"{label}.lan.example"


def test_a_container_without_a_name_has_its_id() -> None:
    assert rendered("{name}.lan.example", container_name=None) == "3f1c3f1c3f1c.lan.example"


def test_a_label_of_the_container_can_be_the_name() -> None:
    assert rendered("{label:org.example.dns}.lan.example", {"org.example.dns": "Shop"}) == "shop.lan.example"


@pytest.mark.parametrize(
    ("template", "labels", "why"),
    [
        ("{label:dns}.lan.example", {}, "it has no label 'dns'"),
        ("{label:dns}.lan.example", {"dns": "..."}, "no letter or digit is left"),
        ("{label:dns}.lan.example", {"dns": "a" * 64}, "longer than the 63 characters"),
        ("{label:dns}.lan.example", None, "podman did not tell"),
        (".".join(["{label:dns}"] * 5) + ".lan.example", {"dns": "a" * 60}, "longer than the 253 characters"),
        ("{label:dns}-{label:dns}.lan.example", {"dns": "a" * 40}, "is not a label"),
    ],
)
def test_what_can_not_be_named_is_not_named(template: str, labels: dict[str, str] | None, why: str) -> None:
    with pytest.raises(UnnamedError, match=why):
        rendered(template, labels)


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("{nmae}.lan.example", "there is no {nmae}; known: {name}, "),
        ("{label}.lan.example", "write {label:KEY}"),
        ("{name:x}.lan.example", "write {label:KEY}"),
        ("{name}.lan_example", "not a label of letters"),
        ("{name}..example", "not a label of letters"),
        ("{name", "not a label of letters"),
        ("", "not a label of letters"),
        ("-{name}.example", "not a label of letters"),
    ],
)
def test_a_template_that_can_never_work_is_refused_at_once(template: str, why: str) -> None:
    with pytest.raises(ValueError, match=why.replace("{", r"\{")):
        Template(template)


@given(st.text(max_size=80), st.text(max_size=80))
def test_whatever_the_values_a_name_is_a_host_name_in_its_zone(name: str, label: str) -> None:
    try:
        made = rendered("{name}.x{label:a}.lan.example", {"a": label}, container_name=name)
    except UnnamedError:
        return
    labels = made.split(".")
    assert labels[2:] == ["lan", "example"]
    assert all(LABEL.fullmatch(label) and len(label) <= 63 for label in labels)


@pytest.mark.parametrize(
    ("template", "tail"),
    [
        ("{name}.{network}.lan.example", "lan.example"),
        ("{name}-x.Example.", "example"),
        ("{name}", ""),
        ("web.example", "web.example"),
    ],
)
def test_the_tail_is_where_the_placeholders_end(template: str, tail: str) -> None:
    assert Template(template).tail == tail


def test_only_labels_need_the_container() -> None:
    assert Template("{label:x}.example").needs_container
    assert not Template("{name}.{id}.{ifname}.{network}.{host}.example").needs_container


@pytest.mark.parametrize("text", ["a" * 64, "a.b c", "a\n", "a..b", "é.example", "a_b", "-a", "a-", " "])
def test_no_other_text_is_a_host_name(text: str) -> None:
    with pytest.raises(UnnamedError):
        host_name(text)


@pytest.mark.parametrize(
    ("address", "zone"),
    [
        ("192.0.2.50/24", "2.0.192.in-addr.arpa"),
        ("192.0.2.50/25", "2.0.192.in-addr.arpa"),
        ("192.0.2.50/32", "2.0.192.in-addr.arpa"),
        ("172.16.9.50/22", "16.172.in-addr.arpa"),
        ("172.16.9.50/16", "16.172.in-addr.arpa"),
        ("10.1.2.3/8", "10.in-addr.arpa"),
        ("10.1.2.3/7", "10.in-addr.arpa"),
    ],
)
def test_the_reverse_zone_is_the_subnets_in_whole_octets(address: str, zone: str) -> None:
    assert derived_reverse_zone(IPv4Interface(address)) == zone


@pytest.mark.parametrize(
    ("zone", "name"),
    [
        ("2.0.192.in-addr.arpa", "50.2.0.192.in-addr.arpa"),
        ("192.in-addr.arpa", "50.2.0.192.in-addr.arpa"),
        ("0-63.2.0.192.in-addr.arpa", "50.0-63.2.0.192.in-addr.arpa"),
        ("0/26.2.0.192.in-addr.arpa", "50.0/26.2.0.192.in-addr.arpa"),
        ("3.0.192.in-addr.arpa", None),
        ("0-63.3.0.192.in-addr.arpa", None),
        ("12.0.192.in-addr.arpa", None),
    ],
)
def test_a_ptr_belongs_into_its_zone_or_a_classless_delegation(zone: str, name: str | None) -> None:
    assert reverse_name(IPv4Address("192.0.2.50"), zone) == name
