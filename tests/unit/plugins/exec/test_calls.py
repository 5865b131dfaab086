"""One hook's call: words, answers, exit codes, and who is run again."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from ipaddress import IPv4Address
from pathlib import Path

import pytest

import hooknet
from hooknet.testing import make_attachment, make_container, make_lease, make_request
from hooknet.testing.plugins import PluginHarness
from hooknet_exec import Config, answer, make_plugin, words
from hooknet_exec.calls import ProgramError, Progress

DOCS = Path(__file__).parents[4] / "docs" / "plugins" / "exec.md"
BOUND = hooknet.PostLeaseReason.BOUND
EVENT = hooknet.ContainerEvent(
    type="container", action="start", container=make_container(), time=datetime(2030, 1, 1, tzinfo=UTC)
)


def arguments(**changes):
    return {
        "attachment": make_attachment(),
        "previous": None,
        "lease": make_lease(),
        "reason": BOUND,
        **changes,
    }


def folded(hooks, request=None, **how):
    return hooks.calls(**how).fold({"attachment": make_attachment(), "request": request or make_request()})


def says(hooks, name, output, code=0):
    hooks.program(name, f"#!/bin/sh\nprintf '%s' '{output}'\nexit {code}\n", hook="pre_lease")


# what a program gets


def test_everything_is_json_on_stdin(hooks):
    hooks.program("it", '#!/bin/sh\ncat > "$0.seen"\n')
    hooks.calls().observe("post_lease", arguments(previous=make_lease(address="192.0.2.9/24")))
    seen = json.loads((hooks.folder / "post_lease.d" / "it.seen").read_text())
    assert (seen["version"], seen["hook"], seen["reason"]) == (1, "post_lease", "BOUND")
    assert seen["attachment"]["container_name"] == "web"
    assert seen["lease"]["address"] == "192.0.2.50/24"
    assert seen["lease"]["expires"] == "2030-01-01T01:00:00+00:00"
    assert seen["lease"]["client_id"] == make_lease().client_id.hex()
    assert seen["lease"]["routes"] == [{"destination": "0.0.0.0/0", "gateway": "192.0.2.1"}]
    assert seen["previous"]["address"] == "192.0.2.9/24"


def test_what_is_used_most_is_in_the_environment(hooks):
    found = words.environment("post_lease", arguments(previous=make_lease(address="192.0.2.9/24")))
    expected = {
        "HOOK": "post_lease",
        "REASON": "BOUND",
        "CONTAINER_NAME": "web",
        "NETWORK": "lan",
        "IFNAME": "eth0",
        "PARENT": "eth0",
        "ADDRESS": "192.0.2.50",
        "PREFIX_LENGTH": "24",
        "MAC": "02:00:00:00:00:01",
        "LEASE_TIME": "3600",
        "ROUTER": "192.0.2.1",
        "DNS": "192.0.2.1",
        "DOMAIN": "lan.example",
        "PREVIOUS_ADDRESS": "192.0.2.9",
    }
    assert expected.items() <= {name.removeprefix("HOOKNET_"): value for name, value in found.items()}.items()


def test_nothing_of_an_earlier_lease_is_taken_for_the_present_ones():
    old = make_lease(hostname="old", domain="old.example")
    found = words.environment(
        "post_lease", arguments(previous=old, lease=make_lease(hostname=None, domain=None))
    )
    assert not {"HOOKNET_HOSTNAME", "HOOKNET_DOMAIN"} & found.keys()


def test_containers_requests_and_events_have_their_variables():
    found = words.environment("pre_lease", {"request": make_request(), "container": make_container()})
    assert (found["HOOKNET_IMAGE"], found["HOOKNET_HOSTNAME"]) == ("localhost/web:latest", "web")
    found = words.environment("container_event", {"event": EVENT})
    assert (found["HOOKNET_EVENT_ACTION"], found["HOOKNET_CONTAINER_NAME"]) == ("start", "web")


@pytest.mark.parametrize(
    "text", ["-rf", "$(reboot)", "a;b", "a`b`", "a\nb", "", "a*", "ä", "x" * 2000, "a\0b", "'"]
)
def test_a_value_that_could_mean_something_to_a_shell_is_left_out_of_the_environment_only(text):
    told = arguments(lease=make_lease(domain=text))
    assert "HOOKNET_DOMAIN" not in words.environment("post_lease", told)
    assert json.loads(words.document("post_lease", told))["lease"]["domain"] == text


def test_the_environment_holds_nothing_but_ours_and_the_base():
    found = words.environment("post_lease", arguments())
    assert all(name.startswith("HOOKNET_") for name in found.keys() - words.BASE.keys())


# observers


def test_every_program_is_run_whatever_the_others_do(hooks):
    for name, code in (("1", 0), ("2", 9), ("3", 0)):
        hooks.program(name, f'#!/bin/sh\necho x >> "$0.ran"; echo "said by $0" >&2; exit {code}\n')
    with pytest.raises(ProgramError, match=r"post_lease.d/2: exit 9: said by .*/2$"):
        hooks.calls().observe("post_lease", arguments(), ("delivery",))
    assert sorted(path.name for path in hooks.folder.rglob("*.ran")) == ["1.ran", "2.ran", "3.ran"]


def runs(hooks, name):
    return len((hooks.folder / "post_lease.d" / f"{name}.ran").read_text().splitlines())


def test_on_another_delivery_only_those_that_failed_are_run_again(hooks):
    hooks.program("good", '#!/bin/sh\necho x >> "$0.ran"\n')
    hooks.program("later", '#!/bin/sh\necho x >> "$0.ran"; test "$(wc -l < "$0.ran")" -ge 3 || exit 75\n')
    calls = hooks.calls()
    for _ in range(2):
        with pytest.raises(hooknet.Retry, match="exit 75"):
            calls.observe("post_lease", arguments(), ("delivery",))
    calls.observe("post_lease", arguments(), ("delivery",))
    assert (runs(hooks, "good"), runs(hooks, "later")) == (1, 3)
    calls.observe("post_lease", arguments(), ("another delivery",))
    assert runs(hooks, "good") == 2


def test_a_delivery_that_is_over_is_forgotten(hooks):
    hooks.program("good", '#!/bin/sh\necho x >> "$0.ran"\n')
    calls = hooks.calls()
    for _ in range(2):
        calls.observe("post_lease", arguments(), ("the same words again",))
    assert runs(hooks, "good") == 2


def test_what_is_remembered_is_bounded():
    progress = Progress()
    for number in range(5000):
        progress.succeeded((number,), Path("/a"))
    assert not progress.has_succeeded((0,), Path("/a"))
    assert progress.has_succeeded((4999,), Path("/a"))


def test_retry_comes_before_failure(hooks):
    hooks.program("1", "#!/bin/sh\nexit 1\n")
    hooks.program("2", "#!/bin/sh\nexit 75\n")
    with pytest.raises(hooknet.Retry):
        hooks.calls().observe("post_lease", arguments())


def test_all_programs_of_a_call_share_its_time(hooks):
    hooks.program("1", "#!/bin/sh\nsleep 600\n")
    hooks.program("2", "#!/bin/sh\nexit 0\n")
    with pytest.raises(
        ProgramError, match=r"1: killed with its children after 0.3 s; .*2: no time was left for it"
    ):
        hooks.calls(seconds=0.3).observe("post_lease", arguments())


def test_a_program_that_may_not_be_run_is_told_once_and_the_others_are_run(hooks, caplog):
    hooks.program("bad", "#!/bin/sh\n", mode=0o777)
    hooks.program("good", '#!/bin/sh\necho x >> "$0.ran"\n')
    calls = hooks.calls()
    for _ in range(2):
        calls.observe("post_lease", arguments())
    assert runs(hooks, "good") == 2
    assert caplog.text.count("not run: ") == 1


def test_what_a_program_says_on_stderr_is_in_the_log(hooks, caplog):
    caplog.set_level("INFO")
    hooks.program("it", "#!/bin/sh\necho something >&2\n")
    hooks.calls().observe("post_lease", arguments())
    assert "it: something" in caplog.text


# pre_lease


def test_a_program_without_an_answer_changes_nothing(hooks):
    hooks.program("it", "#!/bin/sh\n", hook="pre_lease")
    assert folded(hooks) == make_request()


def test_an_answer_changes_the_request_and_the_next_program_sees_it(hooks):
    says(hooks, "1", '{"lease_time": 300, "hostname": "one"}')
    hooks.program("2", '#!/bin/sh\nprintf \'{"hostname": "%s-two"}\' "$HOOKNET_HOSTNAME"\n', hook="pre_lease")
    changed = folded(hooks)
    assert (changed.lease_time, changed.hostname) == (300, "one-two")


def test_every_field_can_be_answered():
    output = {
        "mac": "02:00:00:00:00:02",
        "client_id": "01:02",
        "hostname": None,
        "fqdn": "a.example",
        "requested_address": "192.0.2.7",
        "lease_time": 60,
        "vendor_class": "v",
        "user_class": ["a", "b"],
        "parameters": [1, 3],
        "options": {"200": "00ff", "201": None},
    }
    changed = answer.apply(json.dumps(output).encode(), make_request(options={201: b"x", 202: b"y"}))
    assert (changed.mac, changed.client_id, changed.hostname) == ("02:00:00:00:00:02", b"\1\2", None)
    assert (changed.fqdn, changed.requested_address) == ("a.example", IPv4Address("192.0.2.7"))
    assert (changed.lease_time, changed.vendor_class) == (60, "v")
    assert (changed.user_class, changed.parameters) == (("a", "b"), (1, 3))
    assert changed.options == {200: b"\0\xff", 202: b"y"}
    assert set(output) == set(answer.DECODERS)
    assert set(output) == set(hooknet.LeaseRequest.__dataclass_fields__) - {"mac_origin"}


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("nonsense", "its answer is no JSON"),
        ("[1]", "its answer is no JSON object"),
        ('{"lease_tiem": 3}', "did you mean 'lease_time'"),
        ('{"lease_time": "3"}', "lease_time = '3': it is no whole number"),
        ('{"client_id": "xy"}', "client_id = 'xy'"),
        ('{"requested_address": "1.2.3"}', "requested_address = '1.2.3'"),
        ('{"user_class": "a"}', "user_class = 'a': it is no list"),
        ('{"options": {"x": "00"}}', "the option 'x': '00'"),
        ('{"options": 3}', "options that are no object"),
        ('{"mac": null}', "mac = None: it is no text"),
    ],
)
def test_an_answer_that_is_none_is_a_failure(hooks, output, said):
    says(hooks, "it", output)
    with pytest.raises(ProgramError, match=r"pre_lease\.d/it: ") as caught:
        folded(hooks)
    assert said in str(caught.value)


def test_a_program_may_refuse_in_its_own_words(hooks):
    says(hooks, "it", '{"refuse": "not today,\\n\\u001b[31m really"}')
    with pytest.raises(hooknet.Refused, match=r"not today,  \[31m really"):
        folded(hooks)


@pytest.mark.parametrize("code", [1, 75])
def test_in_pre_lease_every_code_but_0_is_a_failure_and_the_answer_does_not_count(hooks, code):
    says(hooks, "it", '{"lease_time": 300}', code)
    with pytest.raises(ProgramError, match=f"exit {code}"):
        folded(hooks)


def test_in_pre_lease_a_program_that_may_not_be_run_is_a_failure(hooks):
    hooks.program("bad", "#!/bin/sh\n", hook="pre_lease", mode=0o777)
    with pytest.raises(ProgramError, match="may be written by others than root"):
        folded(hooks)


# the plugin


def plugin(**settings):
    return PluginHarness(make_plugin, settings=settings, name="exec")


def test_exactly_the_hooks_that_are_wanted_exist():
    assert plugin().hooks == ("pre_lease", "post_lease", "release")
    assert plugin(hooks=["container_event"]).hooks == ("container_event",)
    assert plugin(hooks=[]).inert


def test_containers_are_looked_up_only_when_programs_want_them():
    for wanted in (False, True):
        harness = plugin(container=wanted)
        assert {"container" in harness.takes(hook) for hook in harness.hooks} == {wanted}


def test_without_the_folder_nothing_is_run_and_that_is_told(caplog, tmp_path):
    harness = plugin(directory=str(tmp_path / "none"), container=True)
    assert f"there is no folder {tmp_path}/none" in caplog.text
    with pytest.raises(ProgramError):
        harness.pre_lease()  # /tmp is everybody's


def test_a_directory_of_roots_that_is_not_there_changes_nothing():
    harness = plugin(
        directory="/no-such-folder", hooks=["pre_lease", "post_lease", "release", "container_event"]
    )
    assert harness.pre_lease() == make_request()
    harness.post_lease()
    harness.release()
    harness.container_event(EVENT)


@pytest.mark.parametrize(
    "settings",
    [{"directory": "relative"}, {"directory": "/a/../b"}, {"timeout": 0}, {"hooks": ["pre-lease"]}],
    ids=str,
)
def test_wrong_settings_are_refused(settings):
    with pytest.raises(hooknet.HooknetError, match=r"plugins\.exec"):
        plugin(**settings)


@pytest.mark.parametrize("setting", [*Config.__dataclass_fields__, *answer.DECODERS])
def test_each_setting_and_each_field_is_documented(setting):
    assert f"`{setting}`" in DOCS.read_text(encoding="utf-8")


def test_each_variable_is_documented():
    every = {
        **words.environment(
            "pre_lease", {"request": make_request(requested_address=IPv4Address("192.0.2.1"))}
        ),
        **words.environment(
            "post_lease", arguments(previous=make_lease(), container=make_container(pod="p"))
        ),
        **words.environment("container_event", {"event": EVENT}),
    }
    assert len(every) > 25
    for name in every:
        assert name in DOCS.read_text(encoding="utf-8")
