"""Finding, importing, constructing, validating: one at a time (DESIGN, "Hooks"; fault 21). Real packages on disk."""

from __future__ import annotations

import stat
import time

import pytest

from hooknet.config import Config, PluginsConfig, parse
from hooknet.hooks.dispatcher import Plugins
from hooknet.hooks.loading import HOOKS

GOOD = """
    import hooknet

    @hooknet.hookimpl
    def pre_lease(request):
        return None
"""


def load(site, tmp_path, *, settings=None, **plugins):
    config = Config(plugins=PluginsConfig(settings=settings or {}, **plugins))
    heard = []
    made = Plugins(
        site.loader(tmp_path / "state"), config, publish=lambda kind, **fields: heard.append((kind, fields))
    )
    return {report.name: report for report in made.report()}, heard, made


def only(site, tmp_path, code, name="mine", **settings):
    site.install(
        f"m_{abs(hash(code))}", code, entry_points={name: f"m_{abs(hash(code))}"}, package=f"pkg-{name}"
    )
    reports, _, _ = load(site, tmp_path, settings={name: settings} if settings else {})
    return reports[name]


def test_the_hooks_are_those_of_the_design():
    assert HOOKS == ("pre_lease", "post_lease", "release", "container_event")


def test_a_module_is_loaded_and_its_distribution_and_version_are_told(site, tmp_path):
    site.install("good_one", GOOD, entry_points={"good": "good_one"}, package="acme-good", version="2.3")
    reports, heard, _ = load(site, tmp_path)
    report = reports["good"]
    assert (report.state, report.distribution, report.version) == ("active", "acme-good", "2.3")
    assert report.hooks == ("pre_lease",)
    told = {"outcome": "loaded", "plugin": "good", "distribution": "acme-good", "version": "2.3"}
    assert heard == [("plugin", told | {"hooks": "pre_lease"})]


@pytest.mark.parametrize("target", ["Plugin", "make", "instance", "without_context"])
def test_an_entry_point_may_name_a_class_a_function_or_an_object(site, tmp_path, target):
    code = """
        import hooknet

        class Plugin:
            def __init__(self, context=None):
                assert context is None or context.name == "mine"

            @hooknet.hookimpl
            def release(self, lease): ...

        def make(context: hooknet.PluginContext):
            return Plugin(context)

        def without_context():
            return Plugin()

        instance = Plugin()
    """
    site.install("shapes", code, entry_points={"mine": f"shapes:{target}"})
    reports, _, _ = load(site, tmp_path)
    assert (reports["mine"].reason, reports["mine"].hooks) == ("", ("release",))


def test_settings_are_typed_and_bound_from_the_plugins_table(site, tmp_path):
    code = """
        from __future__ import annotations
        from dataclasses import dataclass
        from ipaddress import IPv4Address
        import hooknet

        @dataclass(frozen=True)
        class Config:
            url: str
            every: hooknet.Duration = 60.0
            servers: tuple[IPv4Address, ...] = ()

        class Plugin:
            def __init__(self, context: hooknet.PluginContext[Config]) -> None:
                assert context.config == Config("http://x/", 300.0, (IPv4Address("192.0.2.1"),)), context.config
                assert context.logger.name == "hooknet.plugins.mine"
                (context.state_dir / "file").write_text("kept")

            @hooknet.hookimpl
            def release(self, lease): ...
    """
    site.install("typed", code, entry_points={"mine": "typed:Plugin"})
    text = """
        [plugins.mine]
        url = "http://x/"
        every = "5m"
        servers = ["192.0.2.1"]
        on_failure = "fail"
        budget = "500ms"
    """.replace("500ms", "3s")
    config = parse(text, "test.toml")
    plugins = Plugins(site.loader(tmp_path / "state"), config)
    report = plugins.report()[0]
    assert (report.state, report.reason, report.on_failure) == ("active", "", "fail")
    folder = tmp_path / "state" / "plugins" / "mine"
    assert (folder / "file").read_text() == "kept"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_module_gets_its_context_in_configure(site, tmp_path):
    code = """
        from dataclasses import dataclass
        import hooknet

        @dataclass
        class Config:
            word: str = "none"

        def configure(context):
            global word
            word = context.config.word

        @hooknet.hookimpl
        def release(): ...
    """
    site.install("configured", code, entry_points={"mine": "configured"})
    reports, _, _ = load(site, tmp_path, settings={"mine": {"word": "set"}})
    import configured

    assert (reports["mine"].state, configured.word) == ("active", "set")


CONFIGURED = """
    from dataclasses import dataclass
    import hooknet

    @dataclass
    class Config:
        url: str = ""
        {field}

    @hooknet.hookimpl
    def release(): ...
"""


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"urll": "x"}, "[plugins.mine]: unknown key 'urll'; did you mean 'url'?"),
        ({"url": 5}, "[plugins.mine]: url: Expected text, got a whole number"),
        ({"on_failure": "explode"}, "on_failure"),
        ({"budget": 0}, "budget"),
        ({"budget": "2 weeks"}, "budget"),
        ({"observer_timeout": "2h"}, "up to 1 hour"),
    ],
)
def test_fault_21_wrong_settings_are_clear_errors_and_the_daemon_starts(site, tmp_path, settings, why):
    site.install("configured_two", CONFIGURED.format(field=""), entry_points={"mine": "configured_two"})
    site.install("good_two", GOOD, entry_points={"good": "good_two"})
    reports, heard, _ = load(site, tmp_path, settings={"mine": settings})
    assert reports["mine"].state == "failed"
    assert why in reports["mine"].reason
    assert reports["mine"].last_error == reports["mine"].reason
    assert reports["good"].state == "active"
    assert [fields["outcome"] for _, fields in heard] == ["loaded", "not-loaded"]


def test_a_plugin_without_settings_says_so(site, tmp_path):
    report = only(site, tmp_path, GOOD, url="x")
    assert "the plugin has no settings of its own" in report.reason
    assert "known keys: budget, observer_timeout, on_failure" in report.reason


def test_a_config_may_not_take_a_name_of_ours_and_must_be_a_dataclass(site, tmp_path):
    assert (
        "'budget', which is hooknet's own"
        in only(site, tmp_path, CONFIGURED.format(field="budget: int = 1")).reason
    )
    site2 = "import hooknet\nclass Config: pass\n@hooknet.hookimpl\ndef release(): ...\n"
    assert "not a dataclass" in only(site, tmp_path, site2, name="other").reason


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("import does_not_exist", "install what provides 'does_not_exist'"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("def broken(:", "SyntaxError"),
        ("import os", "implements no hook"),
        ("import hooknet\n@hooknet.hookimpl\ndef pre_leese(request): ...", "did you mean 'pre_lease'?"),
        ("import hooknet\n@hooknet.hookimpl\ndef on_fire(): ...", "the hooks are pre_lease, post_lease"),
        ("import hooknet\n@hooknet.hookimpl\ndef pre_lease(lease): ...", "lease"),
        ("import hooknet\n@hooknet.hookimpl\ndef release(): yield", "contains a yield"),
        ("import hooknet\n@hooknet.hookimpl\nasync def release(): yield", "contains a yield"),
        ("import hooknet\n@hooknet.hookimpl(hookwrapper=True)\ndef pre_lease(): yield", "is a hook wrapper"),
        (
            "import hooknet\n@hooknet.hookimpl(wrapper=True)\ndef pre_lease(): return (yield)",
            "is a hook wrapper",
        ),
    ],
)
def test_fault_21_a_plugin_that_can_not_be_used_says_why_and_the_others_are_loaded(site, tmp_path, code, why):
    site.install("bad_one", code, entry_points={"bad": "bad_one"})
    site.install("good_three", GOOD, entry_points={"good": "good_three"})
    reports, _, _ = load(site, tmp_path)
    assert (reports["bad"].state, reports["good"].state) == ("failed", "active")
    assert why in reports["bad"].reason


def test_an_unknown_hook_that_is_marked_as_optional_is_for_a_newer_hooknet(site, tmp_path):
    code = GOOD + "\n    @hooknet.hookimpl(optionalhook=True)\n    def on_renew(lease): ...\n"
    assert only(site, tmp_path, code).state == "active"


def test_an_entry_point_that_names_nothing_is_a_failure_of_that_plugin(site, tmp_path):
    site.install("half", GOOD, entry_points={"mine": "half:Missing"})
    reports, _, _ = load(site, tmp_path)
    assert "AttributeError" in reports["mine"].reason


def test_fault_21_an_import_that_hangs_is_given_up(site, tmp_path):
    site.install("hanging", "import time\ntime.sleep(5)", entry_points={"mine": "hanging"})
    loader = site.loader(tmp_path / "state")
    began = time.perf_counter()
    rows = type(loader)(state_dir=loader.state_dir, timeout=0.1, discover=loader.discover).load_all(
        PluginsConfig()
    )
    assert time.perf_counter() - began < 3
    assert "more than 0.1 seconds" in rows[0].reason


def test_a_constructor_that_raises_is_a_failure_of_that_plugin(site, tmp_path):
    code = """
        import hooknet
        class Plugin:
            def __init__(self, context):
                raise RuntimeError("no key file")
            @hooknet.hookimpl
            def release(self): ...
    """
    site.install("raising", code, entry_points={"mine": "raising:Plugin"})
    reports, _, _ = load(site, tmp_path)
    assert "RuntimeError: no key file" in reports["mine"].reason
    assert "raising.py:" in reports["mine"].reason


def test_a_constructor_may_say_what_to_do(site, tmp_path):
    code = """
        import hooknet
        from hooknet.errors import Kind
        def make(context):
            raise hooknet.HooknetError(Kind.BAD_CONFIG, "no zone for lan", hint="add a [[plugins.mine.zone]]")
    """
    site.install("telling", code, entry_points={"mine": "telling:make"})
    reports, _, _ = load(site, tmp_path)
    assert reports["mine"].reason == "no zone for lan; add a [[plugins.mine.zone]]"


def test_a_factory_that_returns_none_has_nothing_to_do(site, tmp_path):
    site.install("idle", "def make(context): return None", entry_points={"mine": "idle:make"})
    reports, _, _ = load(site, tmp_path)
    assert (reports["mine"].state, reports["mine"].reason) == ("inert", "nothing to do with its settings")


def test_a_factory_decides_by_its_settings_whether_the_container_is_looked_up(site, tmp_path):
    code = """
        from dataclasses import dataclass
        import hooknet

        @dataclass
        class Config:
            by_label: bool = False

        class ByNetwork:
            @hooknet.hookimpl
            def pre_lease(self, attachment): ...

        class ByLabel:
            @hooknet.hookimpl
            def pre_lease(self, attachment, container): ...

        def make(context):
            return ByLabel() if context.config.by_label else ByNetwork()
    """
    site.install("deciding", code, entry_points={"mine": "deciding:make"})
    assert not load(site, tmp_path)[2].wants_container("pre_lease")
    assert load(site, tmp_path, settings={"mine": {"by_label": True}})[2].wants_container("pre_lease")


def test_fault_21_the_same_name_from_two_distributions_is_loaded_from_neither(site, tmp_path):
    site.install("one_a", GOOD, entry_points={"same": "one_a"}, package="acme")
    site.install("one_b", GOOD, entry_points={"same": "one_b"}, package="evil", version="9")
    report = load(site, tmp_path)[0]["same"]
    assert report.state == "failed"
    assert report.reason == "it is there twice: from acme 1.0 and evil 9; uninstall one of them"


def test_one_object_under_two_names_is_used_once(site, tmp_path):
    site.install("twice", GOOD, entry_points={"a": "twice", "b": "twice"})
    reports = load(site, tmp_path)[0]
    assert sorted(report.state for report in reports.values()) == ["active", "failed"]


def test_disabled_plugins_and_those_not_allowed_are_not_even_imported(site, tmp_path):
    site.install("armed_a", "raise SystemExit('imported')", entry_points={"a": "armed_a"})
    site.install("armed_b", "raise SystemExit('imported')", entry_points={"b": "armed_b"})
    site.install("good_four", GOOD, entry_points={"good": "good_four"})
    reports = load(site, tmp_path, disable=("a",), allow=("a", "good"))[0]
    assert {name: str(report.state) for name, report in reports.items()} == {
        "a": "disabled",
        "b": "disabled",
        "good": "active",
    }
    assert reports["a"].reason == "named in [plugins] disable"
    assert reports["b"].reason == "not named in [plugins] allow"


def test_a_plugin_of_hooknet_itself_is_imported_only_when_its_table_exists(site, tmp_path):
    site.install("first", "import library_that_is_missing", entry_points={"dns": "first"}, package="hooknet")
    report = load(site, tmp_path)[0]["dns"]
    assert (report.state, report.reason) == ("inert", "not configured: there is no [plugins.dns]")
    report = load(site, tmp_path, settings={"dns": {}})[0]["dns"]
    assert "install what provides 'library_that_is_missing'" in report.reason


def test_a_table_or_an_allowed_name_that_nothing_offers_is_an_error_with_a_suggestion(site, tmp_path):
    site.install("good_five", GOOD, entry_points={"webhook": "good_five"})
    reports = load(site, tmp_path, settings={"webhok": {}}, allow=("webhook", "other"))[0]
    assert reports["webhok"].reason == "no installed package offers it; did you mean 'webhook'?"
    assert reports["other"].state == "failed"
    assert reports["webhook"].state == "active"


def test_a_name_that_a_table_can_not_have_is_refused(site, tmp_path):
    site.install("good_six", GOOD, entry_points={"allow": "good_six"})
    assert "can't be a plugin's name" in load(site, tmp_path)[0]["allow"].reason


async def test_a_plugin_that_must_not_fail_and_did_not_load_fails_adds(site, tmp_path, kit):
    site.install("bad_two", "1 / 0", entry_points={"guard": "bad_two"})
    plugins = load(site, tmp_path, settings={"guard": {"on_failure": "fail"}})[2]
    with pytest.raises(
        Exception, match="could not be loaded, and no container may start without it"
    ) as caught:
        await plugins.pre_lease(kit.attachment(), kit.request(), kit.no_lookup)
    assert "ZeroDivisionError" in caught.value.details


@pytest.mark.parametrize(
    "settings", [{"on_failure": "fail", "urll": 1}, {"on_failure": "fail", "budget": -1}]
)
async def test_a_typing_error_in_its_settings_does_not_let_adds_pass_a_guard(site, tmp_path, kit, settings):
    site.install("good_seven", GOOD, entry_points={"guard": "good_seven"})
    plugins = load(site, tmp_path, settings={"guard": settings})[2]
    with pytest.raises(Exception, match="no container may start without it"):
        await plugins.pre_lease(kit.attachment(), kit.request(), kit.no_lookup)


def test_a_state_folder_that_can_not_be_made_is_no_reason_not_to_load(site, tmp_path):
    (tmp_path / "state").write_text("a file is in the way")
    code = """
        import hooknet
        class Plugin:
            def __init__(self, context): ...
            @hooknet.hookimpl
            def release(self): ...
    """
    site.install("stateful", code, entry_points={"mine": "stateful:Plugin"})
    assert load(site, tmp_path)[0]["mine"].state == "active"
