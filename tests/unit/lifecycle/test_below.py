"""What netavark's interface hangs on, where netavark does not say it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

import pytest

from hooknet.kernel.links import LinkState, Parent
from hooknet.lifecycle.below import parent_below

LINK = LinkState(
    name="eth0", index=9, mac="02:00:00:00:00:01", mtu=1500, up=True, carrier=True, kind="macvlan",
    parent_index=2, parent_elsewhere=True,
)  # fmt: skip
ROUTES = Parent(name="eno1", index=1, mac="02:00:00:00:00:07", mtu=1500, up=True, carrier=True)


class Host:
    """Two interfaces; the default route leaves by eno1."""

    async def link_names(self) -> dict[int, str]:
        return {1: "eno1", 2: "eno2"}

    async def parent(self, name: str | None) -> Parent:
        assert name is None
        return ROUTES


@dataclass
class Inside:
    link: LinkState | None

    async def link_state(self, ifname: str) -> LinkState | None:
        return self.link


def below(link: LinkState | None) -> str:
    return asyncio.run(parent_below(Host(), Inside(link), "eth0"))  # type: ignore[arg-type]  # as much as is asked


def test_it_is_the_interface_below() -> None:
    assert below(LINK) == "eno2"


@pytest.mark.parametrize(
    "link",
    [
        None,
        replace(LINK, parent_index=None),
        replace(LINK, parent_elsewhere=False),
        replace(LINK, parent_index=7),
    ],
)
def test_where_that_is_not_the_hosts_it_is_the_default_routes(link: LinkState | None) -> None:
    assert below(link) == "eno1"
