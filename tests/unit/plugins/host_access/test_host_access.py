"""host-access without a kernel: what is held, what is asked for, and what is found after a crash."""

from __future__ import annotations

import json
import logging
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path

import pytest

import hooknet
import hooknet_host_access
from hooknet.testing import make_attachment, make_lease
from hooknet.testing.plugins import PluginHarness
from hooknet_host_access import Config, HostAccess, make_plugin
from hooknet_host_access.ledger import Ledger
from hooknet_host_access.shim import NameTakenError, mac_for, name_for

DOCS = Path(__file__).parents[4] / "docs" / "plugins" / "host-access.md"
LOG = logging.getLogger("test.host-access")
ONE, OTHER = IPv4Address("192.0.2.50"), IPv4Address("192.0.2.51")


class Kernel:
    """What `Shims` does, without doing it. `error` is raised by the next call."""

    def __init__(self):
        self.routes = {}
        self.error = None

    def sync(self, parent, addresses):
        if self.error is not None:
            raise self.error
        self.routes[parent] = set(addresses)


@pytest.fixture
def kernel():
    return Kernel()


@pytest.fixture
def make(tmp_path, kernel):
    """A plugin as a start of the daemon makes it; the state folder is the same each time."""

    def make(*networks):
        config = Config(networks=networks or ("*",))
        plugin = HostAccess(config, Ledger(tmp_path / "leases.json", LOG), kernel, LOG)
        plugin.restore()
        return plugin

    return make


@pytest.fixture
def netns(tmp_path):
    """Attachments with a netns that is there: `netns("web")`."""

    def attachment(name="web", **changes):
        path = tmp_path / name
        path.touch()
        return make_attachment(
            **{"container_id": name * 8, "container_name": name, "netns": str(path), **changes}
        )

    return attachment


def lease(address=ONE):
    return make_lease(address=IPv4Interface(f"{address}/24"))


def test_each_lease_has_a_route_until_it_is_released(make, kernel, netns):
    plugin = make()
    plugin.post_lease(netns("web"), lease())
    plugin.post_lease(netns("db"), lease(OTHER))
    assert kernel.routes == {"eth0": {ONE, OTHER}}
    plugin.release(netns("web"), lease())
    assert kernel.routes == {"eth0": {OTHER}}
    plugin.release(netns("db"), lease(OTHER))
    assert kernel.routes == {"eth0": set()}


def test_each_parent_has_its_own_routes(make, kernel, netns):
    plugin = make()
    plugin.post_lease(netns("web"), lease())
    plugin.post_lease(netns("db", parent="eth1"), lease(OTHER))
    assert kernel.routes == {"eth0": {ONE}, "eth1": {OTHER}}


def test_a_lease_that_changes_its_address_takes_its_route_along(make, kernel, netns):
    plugin = make()
    plugin.post_lease(netns("web"), lease())
    plugin.post_lease(netns("web"), lease(OTHER))
    assert kernel.routes == {"eth0": {OTHER}}


def test_the_same_word_twice_does_no_harm(make, kernel, netns):
    plugin = make()
    for _ in range(2):
        plugin.post_lease(netns("web"), lease())
    assert kernel.routes == {"eth0": {ONE}}
    for _ in range(2):
        plugin.release(netns("web"), lease())
    assert kernel.routes == {"eth0": set()}


def test_a_late_release_leaves_the_address_to_whoever_got_it_next(make, kernel, netns):
    plugin = make()
    plugin.post_lease(netns("web"), lease())
    plugin.post_lease(netns("db"), lease())
    plugin.release(netns("web"), lease())
    assert kernel.routes == {"eth0": {ONE}}


def test_a_late_release_of_an_earlier_generation_or_address_is_ignored(make, kernel, netns):
    plugin = make()
    plugin.post_lease(netns("web", generation=2), lease())
    plugin.release(netns("web", generation=1), lease())
    plugin.release(netns("web", generation=2), lease(OTHER))
    assert kernel.routes == {"eth0": {ONE}}


def test_a_container_that_is_gone_by_now_gets_no_route(make, kernel):
    make().post_lease(make_attachment(netns="/nowhere"), lease())
    assert kernel.routes == {}


def test_networks_that_are_not_named_are_left_alone(make, kernel, netns):
    plugin = make("dmz-*")
    plugin.post_lease(netns("web"), lease())
    plugin.post_lease(netns("db", network="dmz-1"), lease(OTHER))
    assert kernel.routes == {"eth0": {OTHER}}


def test_after_a_restart_what_lives_is_put_right_and_what_is_gone_goes(make, kernel, netns):
    plugin = make()
    gone = netns("web")
    plugin.post_lease(gone, lease())
    plugin.post_lease(netns("db"), lease(OTHER))
    Path(gone.netns).unlink()
    kernel.routes.clear()
    make()
    assert kernel.routes == {"eth0": {OTHER}}


def test_a_netns_path_that_is_another_netns_now_is_gone(make, kernel, netns, tmp_path):
    attachment = netns("web")
    make().post_lease(attachment, lease())
    Path(attachment.netns).rename(tmp_path / "kept, so that its inode is not used again")
    Path(attachment.netns).touch()
    make()
    assert kernel.routes == {"eth0": set()}


def test_what_is_left_when_nothing_lives_is_removed_at_the_next_start(make, kernel, netns):
    attachment = netns("web")
    make().post_lease(attachment, lease())
    Path(attachment.netns).unlink()
    make()
    assert kernel.routes == {"eth0": set()}
    kernel.routes.clear()
    make()
    assert kernel.routes == {}


def test_a_network_that_is_named_no_longer_loses_its_routes_at_the_next_start(make, kernel, netns):
    make().post_lease(netns("web"), lease())
    make("other")
    assert kernel.routes == {"eth0": set()}


def test_at_a_first_start_the_kernel_is_not_touched(make, kernel):
    make()
    assert kernel.routes == {}


@pytest.mark.parametrize("text", ["", "{}", "[3]", '[{"address": "1"}]', "nonsense", "null"])
def test_a_ledger_that_can_not_be_read_is_begun_anew(make, kernel, netns, tmp_path, text, caplog):
    (tmp_path / "leases.json").write_text(text)
    make().post_lease(netns("web"), lease())
    assert kernel.routes == {"eth0": {ONE}}
    assert len(json.loads((tmp_path / "leases.json").read_text())) == 1


def test_a_refusal_of_the_kernel_is_tried_again_and_nothing_is_forgotten(make, kernel, netns):
    plugin = make()
    kernel.error = OSError(100, "Network is down")
    with pytest.raises(hooknet.Retry, match=r"host access on eth0: .*Network is down"):
        plugin.post_lease(netns("web"), lease())
    kernel.error = None
    plugin.post_lease(netns("web"), lease())
    assert kernel.routes == {"eth0": {ONE}}


def test_a_refusal_at_the_start_does_not_keep_the_plugin_from_loading(make, kernel, netns, caplog):
    make().post_lease(netns("web"), lease())
    kernel.error = OSError(100, "Network is down")
    make()
    assert "put right later" in caplog.text


def test_a_name_that_is_taken_is_told_and_not_waited_for(make, kernel, netns, caplog):
    kernel.error = NameTakenError("there is an interface hn-eth0 that host-access did not make")
    make().post_lease(netns("web"), lease())
    assert "the host can't reach its containers on eth0: there is an interface hn-eth0" in caplog.text


@pytest.mark.parametrize("parent", ["eth0", "enp0s31f6", "eth0.100", "enxaabbccddeeff", "a" * 15])
def test_a_shims_name_fits_an_interface(parent):
    assert len(name_for(parent)) <= 15
    assert name_for(parent).startswith("hn-")


def test_shims_of_different_parents_have_different_names():
    parents = ["eth0", "enxaabbccddeeff", "enxaabbccddeefe", "enxaa"]
    assert len({name_for(parent) for parent in parents}) == 4


def test_a_shims_mac_is_a_local_unicast_one_of_its_parent():
    assert mac_for("02:00:00:00:00:01") == mac_for("02:00:00:00:00:01") != mac_for("02:00:00:00:00:02")
    assert int(mac_for("02:00:00:00:00:01")[:2], 16) & 0b11 == 0b10


def test_the_daemon_makes_it_with_its_settings(monkeypatch, kernel, netns, tmp_path):
    monkeypatch.setattr(hooknet_host_access, "Shims", lambda _: kernel)
    harness = PluginHarness(make_plugin, settings={"networks": ["lan"]}, state_dir=tmp_path)
    assert harness.hooks == ("post_lease", "release")
    assert "container" not in harness.takes("post_lease") | harness.takes("release")
    harness.post_lease(netns("web"), lease())
    assert kernel.routes == {"eth0": {ONE}}


@pytest.mark.parametrize("setting", Config.__dataclass_fields__)
def test_each_setting_is_documented(setting):
    assert f"`{setting}`" in DOCS.read_text(encoding="utf-8")
