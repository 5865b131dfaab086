"""`pre_lease`: an ordered fold (DESIGN, "Hooks"; fault 19)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import wraps
from ipaddress import IPv4Address

import pytest
from sample_plugins import Appends, Lease5, Raises, returning

import hooknet
from hooknet.errors import HooknetError, Kind


async def test_each_plugin_gets_what_the_one_before_it_returned_in_the_order_of_names(lab, kit):
    plugins = lab.plugins(charlie=Appends("c"), alpha=Appends("a"), bravo=Appends("b"))
    folded = await kit.fold(plugins, hostname="web-")
    assert folded.request.hostname == "web-abc"


async def test_tryfirst_and_trylast_come_before_the_names(lab, kit):
    class First(Appends):
        @hooknet.hookimpl(tryfirst=True)
        def pre_lease(self, request):
            return replace(request, hostname=request.hostname + self.letter)

    folded = await kit.fold(lab.plugins(alpha=Appends("a"), zulu=First("z")), hostname="web-")
    assert folded.request.hostname == "web-za"


async def test_async_and_plain_implementations_mix_and_none_changes_nothing(lab, kit):
    plugins = lab.plugins(one=Lease5(), two=returning(None), three=Appends("x"))
    folded = await kit.fold(plugins)
    assert (folded.request.lease_time, folded.request.hostname) == (5, "webx")


async def test_an_async_function_behind_a_plain_decorator_is_awaited(lab, kit):
    def noting(function):
        @wraps(function)
        def inner(request):
            return function(request)

        return inner

    class Decorated:
        pass

    async def pre_lease(request):
        await asyncio.sleep(0)
        return replace(request, lease_time=9)

    decorated = Decorated()
    decorated.pre_lease = hooknet.hookimpl(noting(pre_lease))
    folded = await kit.fold(lab.plugins(one=decorated))
    assert folded.request.lease_time == 9


async def test_who_changed_what_is_recorded_field_by_field(lab, kit):
    class Both:
        @hooknet.hookimpl
        def pre_lease(self, request):
            return replace(request, mac="02:00:00:00:00:99", lease_time=60)

    folded = await kit.fold(lab.plugins(a_lease=Lease5(), b_both=Both(), c_none=returning(None)))
    assert folded.changed_by == {"mac": "b_both", "lease_time": "b_both"}


async def test_a_plugin_is_told_who_chose_the_mac_and_can_not_say_otherwise(lab, kit):
    seen = []

    class Looks:
        @hooknet.hookimpl
        def pre_lease(self, request):
            seen.append(request.mac_origin)
            return replace(request, lease_time=9, mac_origin=hooknet.MacOrigin.INTERFACE)

    class Pins:
        @hooknet.hookimpl
        def pre_lease(self, request):
            return replace(request, mac="02:00:00:00:00:99")

    origin = hooknet.MacOrigin
    folded = await kit.fold(lab.plugins(a=Looks(), b=Pins(), c=Looks()), mac_origin=origin.RUNTIME)
    assert seen == [origin.RUNTIME, origin.PLUGIN]
    assert (folded.request.mac_origin, folded.changed_by) == (origin.PLUGIN, {"lease_time": "a", "mac": "b"})


async def test_a_copy_that_is_equal_is_no_change(lab, kit):
    folded = await kit.fold(lab.plugins(same=returning(replace)))
    assert folded.changed_by == {}


async def test_the_options_of_a_request_can_not_be_changed_in_place(lab, kit):
    class Sneaky:
        @hooknet.hookimpl
        def pre_lease(self, request):
            request.options[224] = b"x"

    plugins = lab.plugins(sneaky=Sneaky())
    folded = await kit.fold(plugins, options={43: b"v"})
    assert dict(folded.request.options) == {43: b"v"}
    assert "TypeError" in plugins.report()[0].last_error


async def test_refused_fails_the_add_with_that_text_and_is_no_strike(lab, kit):
    plugins = lab.plugins(guard=Raises(hooknet.Refused("web is not welcome on lan")))
    with pytest.raises(hooknet.Refused, match="web is not welcome on lan") as caught:
        await kit.fold(plugins)
    assert "guard" in caught.value.details
    assert plugins.report()[0].strikes == 0


async def test_fault_19_a_plugin_that_raises_is_skipped_and_told_with_plugin_and_hook(lab, kit):
    folded = await kit.fold(lab.plugins(bad=Raises(), good=Lease5()))
    assert folded.request.lease_time == 5
    told = next(event for event in lab.events if event["outcome"] == "failed")
    assert (told["plugin"], told["hook"], told["container"]) == ("bad", "pre_lease", "web")
    assert "ValueError: no such thing" in told["error"]


async def test_fault_19_a_plugin_that_raises_fails_the_add_when_it_is_configured_so(lab, kit):
    plugins = lab.plugins(bad=Raises(), settings={"bad": {"on_failure": "fail"}})
    with pytest.raises(HooknetError, match="plugin 'bad' failed in pre_lease") as caught:
        await kit.fold(plugins)
    assert caught.value.kind is Kind.PLUGIN
    assert "no such thing" in caught.value.details


@pytest.mark.parametrize(
    "error", [SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError(), hooknet.Retry()]
)
@pytest.mark.parametrize("is_async", [False, True])
async def test_what_would_end_a_thread_or_a_task_is_an_ordinary_failure(lab, kit, error, is_async):
    class Plain:
        @hooknet.hookimpl
        def pre_lease(self):
            raise error

    class Coroutine:
        @hooknet.hookimpl
        async def pre_lease(self):
            raise error

    plugins = lab.plugins(bad=Coroutine() if is_async else Plain(), good=Lease5())
    for _ in range(2):
        assert (await kit.fold(plugins)).request.lease_time == 5
    report = next(row for row in plugins.report() if row.name == "bad")
    assert report.failures == 2
    assert type(error).__name__ in report.last_error


@pytest.mark.parametrize(
    ("result", "why"),
    [
        ("text", "returned str"),
        (True, "returned bool"),
        (lambda r: replace(r, mac="03:00:00:00:00:01"), "multicast bit"),
        (lambda r: replace(r, mac="02:AA:00:00:00:01"), "lower case"),
        (lambda r: replace(r, mac="00:00:00:00:00:00"), "no interface can have it"),
        (lambda r: replace(r, mac=None), "not a MAC"),
        (lambda r: replace(r, hostname="no_underscore"), "letters, digits"),
        (lambda r: replace(r, hostname="-a"), "letters, digits"),
        (lambda r: replace(r, hostname="a" * 64), "letters, digits"),
        (lambda r: replace(r, hostname=""), "letters, digits"),
        (lambda r: replace(r, fqdn="a..b"), "letters, digits"),
        (lambda r: replace(r, client_id=b"x"), "2 to 255 bytes"),
        (lambda r: replace(r, client_id=b"x" * 256), "2 to 255 bytes"),
        (lambda r: replace(r, client_id="text"), "2 to 255 bytes"),
        (lambda r: replace(r, lease_time=0), "seconds"),
        (lambda r: replace(r, lease_time=2.5), "seconds"),
        (lambda r: replace(r, lease_time=True), "seconds"),
        (lambda r: replace(r, lease_time=2**32), "seconds"),
        (lambda r: replace(r, requested_address="192.0.2.1"), "IPv4Address"),
        (lambda r: replace(r, requested_address=IPv4Address("224.0.0.1")), "no host"),
        (lambda r: replace(r, vendor_class="a\nb"), "printable"),
        (lambda r: replace(r, vendor_class="x" * 256), "1 to 255"),
        (lambda r: replace(r, user_class=["a"]), "tuple"),
        (lambda r: replace(r, user_class=(None,)), "not text"),
        (lambda r: replace(r, parameters=(0,)), "1 to 254"),
        (lambda r: replace(r, options={61: b"xx"}), "client_id"),
        (lambda r: replace(r, options={53: b"\x01"}), "client sets it"),
        (lambda r: replace(r, options={300: b"x"}), "not an option code"),
        (lambda r: replace(r, options={224: "x"}), "not bytes"),
        (lambda r: replace(r, options={224: b"x" * 256}), "255"),
        (lambda r: replace(r, options=dict.fromkeys(range(224, 229), b"x" * 255)), "1024"),
        (lambda r: replace(r, options=[1]), "dict"),
    ],
)
async def test_nonsense_counts_as_a_failure_and_changes_nothing(lab, kit, result, why):
    plugins = lab.plugins(bad=returning(result))
    folded = await kit.fold(plugins)
    assert (folded.request, folded.changed_by) == (kit.request(), {})
    assert why in plugins.report()[0].last_error
    assert plugins.report()[0].strikes == 1


async def test_what_can_be_sent_is_accepted(lab, kit):
    def change(request):
        return replace(
            request,
            mac="02:00:00:00:00:07",
            client_id=b"ab",
            hostname="web-1.example",
            fqdn="web.example.",
            lease_time=0xFFFFFFFF,
            requested_address=IPv4Address("192.0.2.7"),
            vendor_class="MSFT 5.0",
            user_class=("a", "b"),
            parameters=(1, 3, 6, 254),
            options={43: b"", 224: b"x" * 255},
        )

    plugins = lab.plugins(good=returning(change))
    folded = await kit.fold(plugins)
    assert plugins.report()[0].last_error is None
    assert len(folded.changed_by) == 10
    assert folded.request == replace(change(kit.request()), mac_origin=hooknet.MacOrigin.PLUGIN)


async def test_a_plugin_is_not_blamed_for_what_the_runtime_asked_for(lab, kit):
    folded = await kit.fold(lab.plugins(good=Lease5()), options={60: b"from the conflist"})
    assert folded.request.lease_time == 5
    assert folded.request.options[60] == b"from the conflist"


async def test_the_container_is_looked_up_once_and_only_for_who_names_it(lab, kit):
    seen = []

    class Wants:
        @hooknet.hookimpl
        def pre_lease(self, container):
            seen.append(container)

    lookups = []

    async def lookup():
        lookups.append(1)
        return kit.container()

    plugins = lab.plugins(a=Lease5(), b=Wants(), c=Wants())
    assert plugins.wants_container("pre_lease")
    await plugins.pre_lease(kit.attachment(), kit.request(), lookup)
    assert (lookups, seen) == ([1], [kit.container()] * 2)


async def test_nothing_is_looked_up_for_a_plugin_that_is_quarantined(lab, kit):
    class Wants:
        @hooknet.hookimpl
        def pre_lease(self, container):
            raise ValueError

    async def lookup():
        return None

    plugins = lab.plugins(a=Wants())
    for _ in range(3):
        await plugins.pre_lease(kit.attachment(), kit.request(), lookup)
    assert (await kit.fold(plugins)).request == kit.request()


async def test_a_container_that_can_not_be_looked_up_is_none_and_fails_no_add(lab, kit):
    seen = []

    class Wants:
        @hooknet.hookimpl
        def pre_lease(self, container):
            seen.append(container)

    async def lookup():
        raise HooknetError(Kind.IO, "podman is away")

    await lab.plugins(a=Wants()).pre_lease(kit.attachment(), kit.request(), lookup)
    assert seen == [None]


async def test_an_exception_that_can_not_be_printed_is_an_ordinary_failure(lab, kit):
    class MuteError(Exception):
        def __str__(self):
            raise RuntimeError

    plugins = lab.plugins(bad=Raises(MuteError()), good=Lease5())
    assert (await kit.fold(plugins)).request.lease_time == 5
    assert "MuteError: (its text can't be had)" in plugins.report()[0].last_error
