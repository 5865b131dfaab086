"""A lease that lapses is given back when the time that was asked for is over, unless it is in use again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hooknet.lifecycle.lapsing import is_back, release_due
from hooknet.model import Phase
from hooknet.store.records import Record
from hooknet.testing import make_attachment, make_binding, make_request

ASKED = 300
DAY = 86400


def row(
    *, asked: int | None = ASKED, granted: int | None = DAY, generation: int = 1, **changes: Any
) -> Record:
    binding = make_binding(lease_time=granted)
    return replace(
        Record(
            attachment=make_attachment(generation=generation),
            phase=Phase.REPLIED,
            boot_id="boot-0",
            created=0.0,
            netns_id=(4, 100),
            mac=binding.lease.mac,
            client_id=binding.lease.client_id,
            request=make_request(lease_time=asked),
            binding=binding,
        ),
        **changes,
    )


@pytest.mark.parametrize("granted", [DAY, None])
def test_more_than_was_asked_for_is_cut_to_what_was_asked_for(granted: int | None) -> None:
    record = row(granted=granted)
    assert record.binding is not None
    assert release_due(record) == record.binding.lease.obtained.timestamp() + ASKED


@pytest.mark.parametrize(
    "record",
    [row(granted=ASKED), row(granted=120), row(asked=None), row(asked=0xFFFFFFFF), row(binding=None)],
    ids=["as asked", "less", "nothing was asked", "for ever was asked", "no lease"],
)
def test_what_the_server_granted_is_otherwise_good_enough(record: Record) -> None:
    assert release_due(record) is None


def test_nothing_is_given_back_for_an_identity_that_a_newer_generation_has() -> None:
    assert is_back(row(), [row(generation=2, binding=None)])


def test_nothing_is_given_back_of_an_address_that_somebody_has_again_on_this_parent() -> None:
    other = row(generation=2, client_id=b"\xff\x09")
    assert is_back(row(), [other])
    elsewhere = replace(other, attachment=replace(other.attachment, parent="eth9"))
    assert not is_back(row(), [elsewhere])


def test_older_generations_and_others_do_not_count() -> None:
    other = row(generation=2, client_id=b"\xff\x09", binding=make_binding(address="192.0.2.99/24"))
    assert not is_back(row(generation=3), [row(generation=1), other])
