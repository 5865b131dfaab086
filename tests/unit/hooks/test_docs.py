"""The plugin docs say what is true: the reference is drawn from the code, the guide's examples work."""

from __future__ import annotations

import dataclasses
import re
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

import pytest

import hooknet
from hooknet import config
from hooknet.hooks.limits import Limits
from hooknet.hooks.loading import HOOKS
from hooknet.hooks.settings import COMMON
from hooknet.testing import make_attachment
from hooknet.testing.plugins import PluginHarness

ROOT = Path(__file__).parents[3]
GUIDE = (ROOT / "docs" / "plugins" / "guide.md").read_text()
REFERENCE = (ROOT / "docs" / "plugins" / "reference.md").read_text()


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)


def drawing():
    loader = SourceFileLoader("draw_hooks", str(ROOT / "script" / "draw-hooks"))
    module = module_from_spec(spec_from_loader("draw_hooks", loader))
    loader.exec_module(module)
    return module


def test_the_reference_is_what_the_script_draws():
    assert drawing().page() == REFERENCE, "run script/draw-hooks"


@pytest.mark.parametrize("hook", HOOKS)
def test_each_hook_and_each_of_its_arguments_is_in_the_reference_and_the_hook_in_the_guide(hook):
    section = REFERENCE.split(f"\n### {hook}\n")[1].split("\n### ")[0]
    arguments = [name for name in getattr(hooknet.hookspecs, hook).__annotations__ if name != "return"]
    assert arguments
    for argument in arguments:
        assert f"| `{argument}` |" in section
    assert f"`{hook}`" in GUIDE


@pytest.mark.parametrize("setting", [*COMMON, *(f.name for f in dataclasses.fields(config.PluginsConfig))])
def test_each_setting_is_in_the_reference(setting):
    if setting != "settings":  # the tables of the plugins themselves
        assert f"`{setting}`" in REFERENCE


@pytest.mark.parametrize("name", [n for n in hooknet.__all__ if n != "__version__"])
def test_each_public_name_is_in_the_reference(name):
    assert f"`{name}`" in REFERENCE


@pytest.mark.parametrize("reason", [*hooknet.PostLeaseReason, *hooknet.ReleaseReason])
def test_each_reason_is_explained(reason):
    assert f"`{reason}`" in "".join(
        getattr(hooknet.hookspecs, hook).__doc__ for hook in ("post_lease", "release")
    )


def test_the_toml_of_the_guide_is_valid():
    for text in blocks("toml"):
        config.parse(text, "guide.md")


def example(number):
    scope = {"__name__": "guide"}
    exec(compile(blocks("python")[number], "guide.md", "exec", dont_inherit=True), scope)
    return scope


def test_the_whole_plugin_of_the_guide_works():
    scope = example(0)
    made = scope["Plugin"]
    made.Config = scope["Config"]
    harness = PluginHarness(made, settings={"domain": "lan.example"})
    assert harness.pre_lease().fqdn == "web.lan.example"
    harness.post_lease()


def test_the_factory_of_the_guide_decides_who_needs_the_container():
    scope = example(1)
    make, settings = scope["make_plugin"], scope["Config"]
    make.Config = settings
    assert PluginHarness(make).inert
    assert "container" not in PluginHarness(make, settings={"seconds": 60}).takes("pre_lease")
    assert "container" in PluginHarness(make, settings={"label": "x"}).takes("pre_lease")


def test_the_rules_of_the_guide_decide_by_their_conditions():
    scope = example(2)
    made = scope["Plugin"]
    made.Config = scope["Config"]
    rules = [{"name": "web-*", "vendor_class": "web"}, {"network": "lan", "vendor_class": "lan"}]
    harness = PluginHarness(made, settings={"rules": rules, "pause": "5m"})
    assert harness.pre_lease(make_attachment(container_name="web-1")).vendor_class == "web"
    assert harness.pre_lease(make_attachment(container_name="db")).vendor_class == "lan"
    with pytest.raises(hooknet.HooknetError, match="did you mean 'name'"):
        PluginHarness(made, settings={"rules": [{"nmae": "x", "vendor_class": "x"}]})


def test_the_test_of_the_guide_passes():
    scope = example(3)
    (test,) = [value for name, value in scope.items() if name.startswith("test_")]
    test()


def test_the_bounds_that_the_guide_names_are_those_of_the_code():
    bounds = Limits()
    named = (
        bounds.threads,
        bounds.attempts,
        bounds.strikes,
        bounds.loops,
        bounds.cool_off,
        bounds.backoff_most,
    )
    assert named == (8, 5, 3, 3, 300, 300), "change docs/plugins/guide.md with them"
