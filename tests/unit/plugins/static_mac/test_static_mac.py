"""static-mac: who gets which MAC, and what is refused before anything is done."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

import hooknet
import hooknet_static_mac
from hooknet.testing import make_attachment, make_container, make_lease, make_request
from hooknet.testing.plugins import PluginHarness
from hooknet_static_mac import Config, make_plugin
from hooknet_static_mac.addresses import derived, normal, of_interface
from hooknet_static_mac.holders import Holders

DOCS = Path(__file__).parents[4] / "docs" / "plugins" / "static-mac.md"
MAC = "02:00:00:00:00:aa"
NAK, VANISHED = hooknet.ReleaseReason.NAK, hooknet.ReleaseReason.VANISHED


@pytest.fixture
def alive(tmp_path):
    """A path that stands for a netns that is there."""
    path = tmp_path / "netns"
    path.touch()
    return str(path)


def plugin(state_dir=None, **settings):
    return PluginHarness(make_plugin, settings=settings, name="static-mac", state_dir=state_dir)


@pytest.fixture
def impatient(monkeypatch):
    """Nobody is waited for."""
    monkeypatch.setattr(hooknet_static_mac, "Holders", lambda: Holders(moment=0.0))


def pinned(**conditions):
    return plugin(pins=[{"mac": MAC, **conditions}])


def mac(harness, attachment=None, **how):
    return harness.pre_lease(attachment, **how).mac


def refusal(harness, attachment=None):
    with pytest.raises(hooknet.Refused) as caught:
        harness.pre_lease(attachment)
    return str(caught.value)


# the explicit map


def test_without_pins_and_networks_to_derive_for_there_is_nothing_to_do():
    assert plugin().inert


@pytest.mark.parametrize(
    "conditions",
    [{"name": "web"}, {"name": "w*"}, {"network": "lan"}, {"name": "web", "network": "l*"}],
    ids=str,
)
def test_a_pin_whose_conditions_hold_sets_the_mac(conditions):
    assert mac(pinned(**conditions)) == MAC


@pytest.mark.parametrize("conditions", [{"name": "other"}, {"name": "web", "network": "other"}], ids=str)
def test_a_pin_for_somebody_else_changes_nothing(conditions):
    assert mac(pinned(**conditions)) == make_request().mac


def test_a_pin_may_be_about_a_label():
    harness = pinned(label="org.example.tier=front")
    assert mac(harness, container=make_container()) == MAC
    assert mac(harness, container=make_container(labels={"org.example.tier": "back"})) != MAC


def test_a_pin_may_be_about_an_image():
    harness = pinned(image="localhost/*")
    assert mac(harness, container=make_container()) == MAC
    assert mac(harness, container=make_container(image="docker.io/web")) != MAC


def test_a_label_that_is_not_known_does_not_hold_and_that_is_told(caplog):
    assert mac(pinned(label="org.example.tier"), container=None) != MAC
    assert "its labels and its image are not known" in caplog.text


def test_the_first_pin_that_holds_decides():
    harness = plugin(pins=[{"mac": MAC, "name": "web"}, {"mac": "02:00:00:00:00:bb", "name": "*"}])
    assert mac(harness) == MAC
    assert mac(harness, make_attachment(container_name="other")) == "02:00:00:00:00:bb"


def test_containers_are_looked_up_only_for_labels():
    assert "container" not in pinned(name="web").takes("pre_lease")
    assert "container" in pinned(label="x").takes("pre_lease")


@pytest.mark.parametrize("text", ["02-00-00-00-00-AA", "020000000 0aa".replace(" ", ""), MAC.upper()])
def test_a_mac_may_be_written_in_any_usual_way(text):
    assert normal(text) == MAC


@pytest.mark.parametrize(
    ("pin", "words"),
    [
        ({"name": "web"}, "pins[0]: mac is missing"),
        ({"mac": MAC}, "is for nobody in particular: give one of name, network, label, image"),
        ({"mac": "02:00", "name": "web"}, "pins[0]: mac = '02:00' is no MAC address"),
        ({"mac": MAC, "nmae": "web"}, "pins[0]: unknown key 'nmae'; did you mean 'name'"),
        ({"mac": MAC, "name": 3}, "pins[0]: name: Expected text, got a whole number"),
        ({"mac": MAC, "name": ""}, 'pins[0]: name = "" matches nothing'),
    ],
    ids=str,
)
def test_wrong_settings_are_told_with_their_place(pin, words):
    with pytest.raises(hooknet.HooknetError) as caught:
        plugin(pins=[pin])
    assert words in str(caught.value)


# a MAC that the user asks for


def asked_for(mac):
    return make_request(mac=mac, mac_origin=hooknet.MacOrigin.RUNTIME)


def test_a_mac_that_the_user_asks_for_comes_before_deriving():
    request = asked_for("02:00:00:00:00:77")
    assert plugin(derive=["lan"]).pre_lease(request=request) == request


def test_a_mac_that_the_interface_has_or_that_was_made_up_is_replaced():
    for origin in (hooknet.MacOrigin.GENERATED, hooknet.MacOrigin.INTERFACE):
        assert pinned(name="web").pre_lease(request=make_request(mac_origin=origin)).mac == MAC


def test_a_mac_that_contradicts_a_pin_is_refused_with_both():
    with pytest.raises(hooknet.Refused) as caught:
        pinned(name="web").pre_lease(request=asked_for("02:00:00:00:00:77"))
    assert f"the MAC 02:00:00:00:00:77 asked for web is not {MAC}, which is pinned" in str(caught.value)
    assert "leave --mac-address away, or change the pin" in str(caught.value)


def test_the_pinned_mac_may_be_asked_for():
    request = asked_for(MAC)
    assert pinned(name="web").pre_lease(request=request) == request


def test_the_parents_own_mac_is_refused_where_it_is_asked_for(monkeypatch):
    monkeypatch.setattr(hooknet_static_mac, "of_interface", {"eth0": MAC}.get)
    with pytest.raises(hooknet.Refused, match="is the one of the parent eth0 itself"):
        plugin(derive=["lan"]).pre_lease(request=asked_for(MAC))


# the client-id


def test_a_client_id_that_is_the_mac_follows_it():
    request = make_request(client_id=b"\x01" + bytes.fromhex("020000000001"))
    changed = pinned(name="web").pre_lease(request=request)
    assert changed.client_id == b"\x01" + bytes.fromhex("0200000000aa")


def test_any_other_client_id_stays():
    assert pinned(name="web").pre_lease().client_id == make_request().client_id


# deriving


def test_a_derived_mac_is_a_locally_administered_unicast_one_and_always_the_same():
    one = derived("machine", "lan", "web")
    assert one == derived("machine", "lan", "web") == "ce:6a:d0:4a:cc:ad"
    assert int(one[:2], 16) & 0b11 == 0b10


def test_a_thousand_names_have_a_thousand_macs_all_usable():
    macs = {derived("machine", "lan", f"web{number}") for number in range(1000)}
    assert len(macs) == 1000
    assert all(int(one[:2], 16) & 0b11 == 0b10 for one in macs)


def test_machine_network_and_name_all_count():
    macs = {
        derived(*parts)
        for parts in [("m", "lan", "web"), ("n", "lan", "web"), ("m", "x", "web"), ("m", "lan", "y")]
    }
    assert len(macs) == 4


def test_a_named_container_on_a_network_to_derive_for_gets_its_mac():
    harness = plugin(derive=["l*"], scope="fleet")
    assert mac(harness) == derived("", "lan", "web")
    assert mac(harness, make_attachment(network="other")) == make_request().mac
    assert mac(harness, make_attachment(container_name=None)) == make_request().mac


def test_a_pin_comes_before_deriving():
    assert mac(plugin(derive=["*"], pins=[{"mac": MAC, "name": "web"}])) == MAC


def test_on_another_host_the_same_name_has_another_mac_unless_the_fleet_shares_it(monkeypatch, tmp_path):
    seen = {}
    for host in ("one", "two"):
        (tmp_path / host).write_text(f"{host}\n")
        monkeypatch.setattr(hooknet_static_mac, "MACHINE_ID", tmp_path / host)
        seen[host] = {scope: mac(plugin(derive=["*"], scope=scope)) for scope in ("host", "fleet")}
    assert seen["one"]["host"] != seen["two"]["host"]
    assert seen["one"]["fleet"] == seen["two"]["fleet"]


@pytest.mark.parametrize("text", [None, "", "uninitialized\n"])
def test_a_host_without_a_machine_id_keeps_one_of_its_own(monkeypatch, tmp_path, text):
    if text is not None:
        (tmp_path / "etc").write_text(text)
    monkeypatch.setattr(hooknet_static_mac, "MACHINE_ID", tmp_path / "etc")
    before = mac(plugin(tmp_path, derive=["*"]))
    assert before == mac(plugin(tmp_path, derive=["*"]))
    assert (tmp_path / "machine-id").read_text().strip()


# what can't work


@pytest.mark.parametrize("bad", ["03:00:00:00:00:01", "01:00:5e:00:00:01", "ff:ff:ff:ff:ff:ff"])
def test_the_multicast_bit_is_refused_and_told_at_load(caplog, bad):
    harness = plugin(pins=[{"mac": bad, "name": "web"}])
    assert "it will be refused" in caplog.text
    assert f"the MAC {bad} pinned for web: it has the multicast bit" in refusal(harness)


def test_the_zero_mac_is_refused():
    assert "no interface can have it" in refusal(plugin(pins=[{"mac": "00:00:00:00:00:00", "name": "web"}]))


def test_the_parents_own_mac_is_refused(monkeypatch):
    monkeypatch.setattr(hooknet_static_mac, "of_interface", {"eth0": MAC}.get)
    assert f"the MAC {MAC} of web is the one of the parent eth0 itself" in refusal(pinned(name="web"))


def test_the_kernel_is_asked_for_an_interfaces_mac():
    assert of_interface("lo") == "00:00:00:00:00:00"
    assert of_interface("no-such-if") is None


def test_the_mac_of_another_live_container_is_refused_with_its_name(impatient, alive):
    harness = plugin(pins=[{"mac": MAC, "network": "lan"}])
    harness.post_lease(make_attachment(netns=alive), make_lease(mac=MAC))
    said = refusal(harness, make_attachment(container_id="d00f" * 16, container_name="other"))
    assert f"the MAC {MAC} of other is in use on eth0 by web (3f1c3f1c3f1c/eth0@lan)" in said


def other(**changes):
    return make_attachment(
        **{"container_id": "d00f" * 16, "container_name": "other", "generation": 2, **changes}
    )


def test_a_holder_that_is_just_being_detached_is_waited_for(alive):
    holders = Holders(moment=30.0)
    holders.took(make_attachment(netns=alive), MAC)
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(holders.other(other(), MAC)))
    waiting.start()
    holders.gave_up(make_attachment(netns=alive), MAC)
    waiting.join(30)
    assert answers == [None]


def stands_in_the_way(alive, newcomer, before_that=lambda holders: None):
    holders = Holders(moment=0.0)
    holders.took(make_attachment(netns=alive), MAC)
    before_that(holders)
    return holders.other(newcomer, MAC) is not None


def test_another_name_on_the_same_parent_stands_in_the_way(alive):
    assert stands_in_the_way(alive, other())


def test_another_network_of_the_same_container_on_the_same_parent_stands_in_the_way(alive):
    assert stands_in_the_way(alive, make_attachment(network="other", ifname="eth1"))


@pytest.mark.parametrize(
    "newcomer",
    [
        make_attachment(generation=2),
        make_attachment(container_id="d00f" * 16, generation=2),
        other(parent="eth1"),
    ],
    ids=["the same attachment", "the same name, created again", "another parent"],
)
def test_a_successor_and_another_parent_do_not(alive, newcomer):
    assert not stands_in_the_way(alive, newcomer)


def test_a_holder_whose_netns_is_gone_does_not(alive):
    assert not stands_in_the_way(alive, other(), lambda _: Path(alive).unlink())


def test_a_late_release_of_a_predecessor_leaves_its_successor_the_holder(alive):
    successor = make_attachment(container_id="beef" * 16, generation=2, netns=alive)

    def succeeded(holders):
        holders.took(successor, MAC)
        holders.gave_up(make_attachment(netns=alive), MAC)

    assert stands_in_the_way(alive, other(generation=3), succeeded)


@pytest.mark.parametrize(("reason", "refused"), [(NAK, True), (VANISHED, False)])
def test_only_a_container_that_is_gone_gives_its_mac_up(impatient, alive, reason, refused):
    harness = plugin(pins=[{"mac": MAC, "network": "lan"}])
    attachment = make_attachment(netns=alive)
    harness.post_lease(attachment, make_lease(mac=MAC))
    harness.release(attachment, make_lease(mac=MAC), reason)
    if refused:
        assert "is in use" in refusal(harness, other())
    else:
        assert mac(harness, other()) == MAC


@pytest.mark.parametrize("setting", [*Config.__dataclass_fields__, "mac", "name", "network", "label"])
def test_each_setting_is_documented(setting):
    assert f"`{setting}`" in DOCS.read_text(encoding="utf-8")
