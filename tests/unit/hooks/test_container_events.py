"""`container_event`: in order, bounded, never repeated (DESIGN, "Hooks")."""

from __future__ import annotations

from datetime import UTC, datetime

from sample_plugins import Hears, down

import hooknet


def an_event(kit, number):
    return hooknet.ContainerEvent(
        type="container",
        action=f"e{number}",
        container=kit.container(),
        time=datetime(2024, 1, 1, tzinfo=UTC),
    )


async def test_container_events_arrive_in_order_and_are_never_repeated(lab, kit):
    hears = Hears(down)
    plugins = lab.plugins(hears=hears)
    for number in range(20):
        plugins.container_event(an_event(kit, number))
    await kit.until(lambda: len(hears.seen) == 20)
    assert hears.seen == [f"e{number}" for number in range(20)]
    assert plugins.report()[0].strikes == 0
    assert lab.outcomes("hears") == ["loaded"], (
        "a storm of events would push everything else out of the history"
    )


async def test_a_storm_of_events_is_bounded_and_the_newest_are_kept(lab, kit):
    hears = Hears()
    plugins = lab.plugins(hears=hears, limits={"events": 5})
    for number in range(1000):
        plugins.container_event(an_event(kit, number))
    await kit.until(lambda: hears.seen[-1:] == ["e999"])
    assert hears.seen == ["e995", "e996", "e997", "e998", "e999"]
    assert plugins.report()[0].dropped == 995


async def test_a_plugin_that_fails_on_events_is_quarantined_and_another_hears_them_all(timed, kit):
    def broken():
        raise ValueError

    bad, good = Hears(broken), Hears()
    plugins = timed.plugins(bad=bad, good=good)
    for number in range(10):
        plugins.container_event(an_event(kit, number))
    await kit.until(lambda: len(good.seen) == 10)
    await kit.until(lambda: plugins.report()[0].state == "quarantined")
    assert len(bad.seen) == 3
    await plugins.stop(0)
