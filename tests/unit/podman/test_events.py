"""hooknet.podman.events: what the wire says, and what it can't make us do."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hooknet.podman.events import PodmanEvent, error_of, parse_event

ID = "6f8a02ff023a31a8a30af2ff7f5bc86074321e0a7f0700805b2c56b81c4ce818"
POD = "67bb062f8be4db4ea800baf415fc9b4959c8ba770d57173cee7411728c62efb3"
REAL = (
    b'{"status":"create","id":"@","from":"localhost/box:latest","Type":"container","Action":"create",'
    b'"Actor":{"ID":"@","Attributes":{"a":"b","containerExitCode":"0","image":"localhost/box:latest",'
    b'"name":"plain","podId":""}},"scope":"local","time":1795468371,"timeNano":1795468371865363313}'
).replace(b"@", ID.encode())


def changed(**changes):
    return json.dumps({**json.loads(REAL), **changes}).encode()


def with_attributes(**attributes):
    return changed(Actor={"ID": ID, "Attributes": attributes})


def test_a_real_event_of_podman_4_3_1():
    assert parse_event(REAL, "unix:///p") == PodmanEvent(
        type="container",
        action="create",
        id=ID,
        time_nano=1795468371865363313,
        name="plain",
        image="localhost/box:latest",
        labels={"a": "b"},
        source="unix:///p",
    )


def test_the_time_is_utc():
    assert parse_event(changed(timeNano=1_500_000_000)).time == datetime(1970, 1, 1, 0, 0, 1, 500000, UTC)


def test_podmans_own_attributes_are_no_labels():
    event = parse_event(
        with_attributes(name="x", image="i", podId=POD, containerExitCode="0", error="", mine="1")
    )
    assert event.labels == {"mine": "1"}
    assert event.pod == POD


def test_a_network_event_names_its_network_where_podman_tells():
    told = changed(Type="network", Action="disconnect", Actor={"ID": ID, "Attributes": {"network": "lan"}})
    assert parse_event(told).network == "lan"
    silent = changed(Type="network", Action="disconnect", Actor={"ID": ID, "Attributes": {"name": "plain"}})
    assert parse_event(silent).network is None


def test_a_label_called_network_is_not_the_network_of_a_container_event():
    assert parse_event(with_attributes(network="evil")).network is None


def test_an_empty_pod_id_says_nothing():
    assert parse_event(with_attributes(podId="")).pod is None


def test_the_older_spellings_stand_in_for_the_newer_ones():
    old = {"status": "died", "id": ID, "from": "img", "Type": "container", "time": 7}
    event = parse_event(json.dumps(old).encode())
    assert (event.action, event.id, event.image, event.time_nano) == ("died", ID, "img", 7_000_000_000)


def test_an_image_event_without_an_id_is_an_event():
    assert parse_event(changed(Type="image", id="", Actor={"ID": ""})).type == "image"


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"null",
        b"[]",
        b"7",
        b"{",
        b"{}",
        b"\xff\xfe",
        b"[" * 200_000,
        b'{"a":' * 100_000,
        b"9" * 10_000,
        changed(Type=None),
        changed(Type=["container"]),
        changed(Action="", status=""),
        changed(timeNano=True, time=None),
        changed(timeNano=-1, time=0),
        changed(timeNano=1 << 63, time=1 << 60),
        changed(timeNano="soon", time="now"),
        changed(id=None, Actor=None),
        changed(id="../../etc", Actor={"ID": "a b"}),
        changed(id="x" * 129, Actor=[]),
    ],
)
def test_what_is_not_an_event_is_none(line):
    assert parse_event(line) is None


def test_bytes_that_are_not_utf8_are_replaced():
    assert parse_event(REAL.replace(b'"a":"b"', b'"a":"\xff"')).labels == {"a": "\ufffd"}


def test_lone_surrogates_do_not_get_through():
    event = parse_event(REAL.replace(b'"a":"b"', b'"a":"\\ud800"'))
    assert event.labels["a"].encode() == b"?"


def test_names_that_no_podman_gives_are_not_taken():
    event = parse_event(with_attributes(name="a\x1b[2Jb", image="x" * 5000))
    assert event.name == ""
    assert event.image == "localhost/box:latest"


def test_labels_that_are_not_text_are_left_out():
    assert parse_event(with_attributes(n=1, d={}, good="yes")).labels == {"good": "yes"}


def test_an_error_inside_the_stream_is_told_in_podmans_words():
    assert (
        error_of(b'{"cause":"x","message":"failed to parse filters","response":500}')
        == "failed to parse filters"
    )
    assert error_of(REAL) == ""
    assert error_of(b"junk") == ""


@given(st.binary())
def test_no_bytes_make_it_raise(line):
    parse_event(line)
    error_of(line)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(json.loads(REAL), json_values)))
def test_no_object_makes_it_raise_and_every_event_can_be_stored(data):
    event = parse_event(json.dumps(data).encode())
    if event is not None:
        repr(event.time)
        json.dumps([event.name, event.image, event.id, dict(event.labels)], ensure_ascii=False).encode()
