"""What `install` makes, what it leaves alone, and that `uninstall` leaves no trace."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hooknet.config import DEFAULT_CONFIG as CONFIG
from hooknet.errors import HooknetError, Kind
from hooknet.install import containers_conf, record
from hooknet.install.plan import DROP_IN_DIR
from hooknet.shim.install import SIGNATURE

PLUGIN = "/usr/local/libexec/cni/hooknet"
UNITS = "/etc/systemd/system"


def test_the_plugin_goes_where_podman_looks_and_distributions_put_none(image):
    image.install()
    assert SIGNATURE.decode() in image.read(PLUGIN)
    assert "DAEMON=/opt/hooknet/bin/hooknet\n" in image.read(PLUGIN)
    assert not image.exists("/usr/local/libexec/cni/macvlan")


def test_running_it_twice_plans_nothing(image):
    image.install(drop_in=True, network="lan", parent="eth0")
    before = image.picture()
    assert image.plan(drop_in=True, network="lan", parent="eth0").changes == ()
    assert image.plan().changes == ()
    assert image.picture() == before


def test_a_plan_changes_nothing(image):
    before = image.picture()
    assert image.plan(drop_in=True, network="lan").changes
    assert image.picture() == before


@pytest.mark.parametrize(
    "wanted", [{}, {"drop_in": True}, {"drop_in": True, "network": "lan", "parent": "eth0"}]
)
def test_uninstall_leaves_no_trace(image, wanted):
    before = image.picture()
    image.install(**wanted)
    assert image.picture() != before
    image.uninstall()
    assert image.picture() == before


def test_uninstall_twice_and_uninstall_of_nothing_do_nothing(image):
    assert image.plan_removal().changes == ()
    image.install()
    image.uninstall()
    assert image.plan_removal().changes == ()


def test_the_drop_ins_come_first_and_nothing_of_the_list_is_lost(image):
    image.install(drop_in=True)
    assert sorted(path.name for path in (image.path / "usr/local/libexec/hooknet/cni").iterdir()) == [
        "dhcp",
        "hooknet",
        "macvlan",
    ]
    conf = containers_conf.read(image.root, containers_conf.files(image.root, {}))
    assert conf.plugin_dirs == (DROP_IN_DIR, *containers_conf.DEFAULT_PLUGIN_DIRS)
    assert conf.plugins.origin == containers_conf.OURS


def test_a_list_that_was_configured_is_what_is_repeated(image):
    image.write(
        "etc/containers/containers.conf", '[network]\ncni_plugin_dirs = ["/srv/cni", "/usr/lib/cni"]\n'
    )
    image.install(drop_in=True)
    conf = containers_conf.read(image.root, containers_conf.files(image.root, {}))
    assert conf.plugin_dirs == (DROP_IN_DIR, Path("/srv/cni"), Path("/usr/lib/cni"))


def test_a_list_that_changed_since_is_taken_up_by_the_next_install(image, said):
    image.install(drop_in=True)
    image.write("etc/containers/containers.conf", '[network]\ncni_plugin_dirs = ["/srv/cni"]\n')
    made = image.install()
    assert f"replace {containers_conf.OURS}" in said(made)
    conf = containers_conf.read(image.root, containers_conf.files(image.root, {}))
    assert conf.plugin_dirs == (DROP_IN_DIR, Path("/srv/cni"))


def test_a_file_that_would_win_over_ours_is_told_before_anything_is_made(image):
    image.write("etc/containers/containers.conf.d/zzz.conf", '[network]\ncni_plugin_dirs = ["/srv"]\n')
    with pytest.raises(HooknetError, match=r"zzz\.conf sets cni_plugin_dirs"):
        image.plan(drop_in=True)


def test_a_configuration_that_podman_can_not_read_is_told(image):
    image.write("etc/containers/containers.conf", "[network\n")
    with pytest.raises(HooknetError, match="not valid TOML"):
        image.plan()


def test_the_distributions_plugins_are_never_overwritten(image):
    image.write("usr/local/libexec/hooknet/cni/macvlan", "\x7fELF")
    with pytest.raises(HooknetError, match="is not hooknet's") as raised:
        image.install(drop_in=True)
    assert raised.value.kind is Kind.BAD_CONFIG
    assert image.read("usr/local/libexec/hooknet/cni/macvlan") == "\x7fELF"
    assert not image.exists("/etc/hooknet")


@pytest.mark.parametrize("path", [PLUGIN, f"{UNITS}/hooknet.service", f"{UNITS}/hooknet.socket"])
def test_whatever_is_in_our_place_and_not_ours_stops_it(image, path):
    image.write(path, "somebody's")
    with pytest.raises(HooknetError, match="never overwritten"):
        image.plan()


def test_a_plugin_that_is_a_link_is_somebody_elses(image):
    image.write("usr/local/libexec/cni/other")
    (image.path / "usr/local/libexec/cni/hooknet").symlink_to("nowhere")
    with pytest.raises(HooknetError, match="is not hooknet's"):
        image.plan()


def test_an_upgrade_replaces_what_is_ours_and_remembers_what_was_asked_for(image, said):
    image.install(drop_in=True)
    moved = Path("/srv/hooknet/bin/hooknet")
    made = image.install(daemon=moved)
    changed = [line for line in said(made) if "install.json" not in line]
    assert changed == [
        *(f"replace {DROP_IN_DIR / name}" for name in ("hooknet", "macvlan", "dhcp")),
        f"replace {UNITS}/hooknet.service",
    ]
    assert f"ExecStart={moved} daemon\n" in image.read(f"{UNITS}/hooknet.service")
    assert image.plan(daemon=moved).changes == ()


def test_a_unit_that_was_changed_by_hand_is_left_and_told(image):
    image.install()
    image.write(f"{UNITS}/hooknet.service", "[Service]\nExecStart=/bin/true\n")
    made = image.install(daemon=Path("/srv/hooknet"))
    assert "ExecStart=/bin/true" in image.read(f"{UNITS}/hooknet.service")
    assert any("hooknet.service was changed" in note for note in made.notes)
    assert any("hooknet.service was changed" in note for note in image.uninstall().notes)
    assert image.exists(f"{UNITS}/hooknet.service")


def test_plugins_of_an_earlier_place_go_when_the_place_changes(image):
    image.install()
    image.install(cni_dir=Path("/opt/cni/bin"))
    assert image.exists("/opt/cni/bin/hooknet")
    assert not image.exists(PLUGIN)
    assert image.plan().changes == ()


def test_a_directory_in_which_podman_does_not_look_is_told(image):
    assert any(
        "does not look for CNI plugins in /srv/x" in note for note in image.plan(cni_dir=Path("/srv/x")).notes
    )


def test_what_a_lost_record_no_longer_knows_is_known_again_after_the_next_install(image):
    before = image.picture()
    image.install(drop_in=True)
    (image.path / "var/lib/hooknet/install.json").unlink()
    image.install(drop_in=True)
    image.uninstall()
    files = {path for path, what in image.picture().items() if path not in before and " " in what}
    assert files == {"etc/hooknet/hooknet.toml"}  # once it is there, it is the administrator's


# group


def test_the_group_gets_the_highest_free_system_gid_and_both_files_keep_their_modes(image):
    image.install()
    assert image.read("etc/group") == "root:x:0:\ninput:x:998:\nhooknet:x:997:\n"
    assert image.read("etc/gshadow") == "root:*::\ninput:!::\nhooknet:!::\n"
    assert (image.path / "etc/gshadow").stat().st_mode & 0o777 == 0o640


def test_a_group_that_is_there_is_used_and_stays(image):
    image.write("etc/group", "hooknet:x:77:alice\n")
    image.install()
    image.uninstall()
    assert image.read("etc/group") == "hooknet:x:77:alice\n"


def test_members_of_a_group_that_goes_are_told(image):
    image.install()
    image.write("etc/group", image.read("etc/group").replace("hooknet:x:997:", "hooknet:x:997:alice,bob"))
    assert "alice, bob belonged to the group hooknet" in image.uninstall().notes


# configuration and state


def test_the_configuration_is_the_administrators_from_the_moment_it_is_there(image):
    image.write(str(CONFIG), "[daemon]\n")
    image.install()
    assert image.read(CONFIG) == "[daemon]\n"
    image.uninstall()
    assert image.read(CONFIG) == "[daemon]\n"


def test_a_configuration_that_was_changed_survives_uninstall_and_not_purge(image):
    image.install()
    image.write(str(CONFIG), "[daemon]\n")
    assert any("hooknet.toml was changed, and stays" in note for note in image.uninstall().notes)
    assert image.exists(CONFIG)
    image.uninstall(purge=True)
    assert not image.exists("/etc/hooknet")


def test_state_survives_uninstall_and_not_purge(image):
    before = image.picture()
    image.install()
    image.write("var/lib/hooknet/hooknet.db", "leases")
    made = image.uninstall()
    assert image.read("var/lib/hooknet/hooknet.db") == "leases"
    assert any("is kept" in note for note in made.notes)
    image.uninstall(purge=True)
    assert image.picture() == before


def test_secrets_have_a_place_that_only_root_sees(image):
    image.install()
    for path, mode in (
        ("etc/hooknet", 0o700),
        ("etc/hooknet/hooknet.toml", 0o600),
        ("var/lib/hooknet", 0o700),
    ):
        assert (image.path / path).stat().st_mode & 0o777 == mode


# a network


def test_a_network_is_written_where_podman_keeps_its_own(image):
    image.install(network="lan", parent="eth0")
    written = json.loads(image.read("etc/cni/net.d/90-lan.conflist"))
    assert written == {
        "cniVersion": "0.4.0",
        "name": "lan",
        "plugins": [{"type": "hooknet", "master": "eth0"}],
    }


def test_a_network_without_a_parent_hangs_on_the_default_route(image):
    image.write("etc/containers/containers.conf", '[network]\nnetwork_config_dir = "/srv/nets"\n')
    image.install(network="lan")
    assert json.loads(image.read("srv/nets/90-lan.conflist"))["plugins"] == [{"type": "hooknet"}]


def test_a_name_that_another_network_has_is_refused(image):
    image.write("etc/cni/net.d/87-x.conflist", '{"name": "lan", "plugins": []}')
    with pytest.raises(HooknetError, match="a network lan already"):
        image.plan(network="lan")


@pytest.mark.parametrize("name", ["", "-x", "a b", "a/b", "../x"])
def test_names_that_podman_refuses_are_refused(image, name):
    with pytest.raises(HooknetError, match="can't be a network's name"):
        image.plan(network=name)


@pytest.mark.parametrize("parent", ["", "sixteen-letters-", "fifteen-bytesäö", "a b", "a/b", "..", "a:1"])
def test_parents_that_the_kernel_refuses_are_refused(image, parent):
    with pytest.raises(HooknetError, match="can't be an interface's name"):
        image.plan(network="lan", parent=parent)


# containers.conf of a podman from 4.8 on


APPENDED = '[network]\n{key} = ["/srv/more", {{append=true}}]\n'
MAIN = "etc/containers/containers.conf"


def test_the_driver_goes_to_the_first_local_directory_of_a_list_that_was_set(image):
    image.write(MAIN, '[network]\nnetavark_plugin_dirs = ["/usr/lib/netavark", "/opt/netavark"]\n')
    image.install(netavark=True)
    assert SIGNATURE.decode() in image.read("/opt/netavark/hooknet")


def test_the_driver_goes_to_podmans_own_directory_where_the_list_is_appended(image):
    image.write(MAIN, APPENDED.format(key="netavark_plugin_dirs"))
    made = image.install(netavark=True)
    assert image.exists("/usr/local/libexec/netavark/hooknet")
    assert not any("append" in note for note in made.notes)


@pytest.mark.parametrize(
    ("key", "wanted", "usual"),
    [
        ("netavark_plugin_dirs", {"netavark": True}, "/usr/local/libexec/netavark"),
        ("cni_plugin_dirs", {}, "/usr/local/libexec/cni"),
    ],
)
def test_an_empty_list_is_told_with_what_to_write(image, key, wanted, usual):
    image.write(MAIN, f"[network]\n{key} = []\n")
    with pytest.raises(HooknetError, match=rf"says {key} = \[\]") as raised:
        image.plan(**wanted)
    assert f'{key} = ["{usual}"]' in raised.value.hint


def test_without_any_directory_for_cni_netavarks_driver_is_all(image):
    image.write(MAIN, "[network]\ncni_plugin_dirs = []\n")
    image.install(netavark=True)
    assert image.exists("/usr/local/libexec/netavark/hooknet")
    assert not image.exists(PLUGIN)


def test_for_cni_it_is_told_that_an_older_podman_refuses_what_is_appended(image):
    image.write(MAIN, APPENDED.format(key="cni_plugin_dirs"))
    made = image.plan()
    assert any("{append=true}: a podman before 4.8 refuses" in note for note in made.notes)


def test_the_drop_ins_come_first_where_lists_are_appended(image):
    image.write(MAIN, APPENDED.format(key="cni_plugin_dirs"))
    image.write("etc/containers/containers.conf.d/zzz.conf", APPENDED.format(key="cni_plugin_dirs"))
    image.install(drop_in=True)
    conf = containers_conf.read(image.root, containers_conf.files(image.root, {}))
    assert conf.plugin_dirs[0] == DROP_IN_DIR
    assert set(containers_conf.DEFAULT_PLUGIN_DIRS) < set(conf.plugin_dirs)


# what else is told


def test_netavark_is_told(image):
    image.write("etc/containers/containers.conf", '[network]\nnetwork_backend = "netavark"\n')
    assert any("netavark" in note for note in image.plan().notes)


def test_a_podman_socket_that_is_not_enabled_is_told(image):
    image.write("usr/lib/systemd/system/podman.socket")
    assert any("enable --now podman.socket" in note for note in image.plan().notes)
    image.units.running.add("podman.socket")
    assert not any("podman.socket" in note for note in image.plan().notes)


def test_without_systemd_no_unit_is_written_and_it_is_said_what_to_do(image):
    for folder in ("etc/systemd", "usr/lib/systemd"):
        (image.path / folder / "system").rmdir()
    made = image.install()
    assert not image.exists(UNITS)
    assert any("`/opt/hooknet/bin/hooknet daemon` at boot" in note for note in made.notes)


def test_an_image_without_python_is_refused(image):
    (image.path / "usr/bin/python3").unlink()
    with pytest.raises(HooknetError, match="install python3"):
        image.plan()


def test_a_link_that_leads_out_of_the_image_is_refused(image, tmp_path):
    (tmp_path / "outside").mkdir()
    (image.path / "etc/hooknet").symlink_to(tmp_path / "outside")
    with pytest.raises(HooknetError, match="leads out of"):
        image.plan()


# what uninstall leaves behind


NETAVARKS = '{"name": "lan", "id": "0", "driver": "hooknet"}'


def test_networks_on_which_nothing_starts_any_more_are_told(image):
    image.install(network="goes")
    image.write("etc/containers/networks/lan.json", NETAVARKS)
    for name, kind, ipam in (("br", "bridge", "hooknet"), ("other", "macvlan", "dhcp")):
        plugin = {"type": kind, "ipam": {"type": ipam}}
        image.write(f"etc/cni/net.d/{name}.conflist", json.dumps({"name": name, "plugins": [plugin]}))
    told = " ".join(image.plan_removal().notes)
    assert "podman network rm lan" in told
    assert "the network br (/etc/cni/net.d/br.conflist) asks for hooknet" in told
    assert "goes" not in told
    assert "other" not in told


@pytest.mark.parametrize("is_machine", [True, False])
def test_networks_are_looked_for_where_podman_is_told_to_by_a_variable_of_this_machine(
    image, monkeypatch, is_machine
):
    image.install()
    image.write("srv/nets/lan.json", NETAVARKS)
    image.write("srv/x.conf", '[network]\nnetwork_config_dir = "/srv/nets"\n')
    monkeypatch.setattr("hooknet.install.root.Root.is_machine", is_machine)
    told = " ".join(image.plan_removal(environ={"CONTAINERS_CONF": "/srv/x.conf"}).notes)
    assert ("podman network rm lan" in told) is is_machine


def test_a_network_that_was_migrated_is_told_with_how_to_undo_it(image):
    image.install()
    path = "/etc/containers/networks/lan.json"
    image.write(path, NETAVARKS)
    image.write(f"{path}.before-hooknet", "{}")
    told = " ".join(image.plan_removal().notes)
    assert f"mv {path}.before-hooknet {path}" in told


def test_a_network_that_was_migrated_more_than_once_goes_back_to_what_it_was_last(image):
    image.install()
    path = "/etc/containers/networks/lan.json"
    image.write(path, NETAVARKS)
    for number in ("", ".2", ".10", ".1", ".x"):
        image.write(f"{path}.before-hooknet{number}", "{}")
    told = " ".join(image.plan_removal().notes)
    assert f"mv {path}.before-hooknet.10 {path}" in told
    assert f"{path}.before-hooknet.2 is the network as it was" in told
    assert ".before-hooknet.x" not in told


def test_what_migrate_kept_is_told_when_it_is_not_needed_any_more(image):
    image.install()
    image.write("etc/cni/net.d/1.conflist.before-hooknet", "{}")
    assert any(
        "1.conflist.before-hooknet is the network as it was" in note for note in image.plan_removal().notes
    )


# the record


def test_the_record_is_written_before_what_it_tells_of(image, said):
    lines = said(image.plan(drop_in=True))
    assert lines[:2] == [f"make {record.RECORD.parent}/", f"write {record.RECORD}"]


def test_what_a_failed_installation_left_can_be_taken_away(image):
    before = image.picture()
    made = image.plan(drop_in=True)
    for change in made.changes[:9]:
        change.carry_out(image.root)
    image.uninstall()
    assert image.picture() == before


@pytest.mark.parametrize("text", ["", "[]", '{"format": 99}', '{"format": 1, "surprise": 2}'])
def test_a_record_that_can_not_be_understood_stops_everything(image, text):
    image.write(str(record.RECORD), text)
    with pytest.raises(HooknetError, match="can't be understood"):
        image.plan()
