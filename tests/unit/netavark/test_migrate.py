"""What `hooknet migrate` makes of networks that are there."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cni_calls import SEED

from hooknet.cli.main import main
from hooknet.errors import HooknetError
from hooknet.install.changes import carry_out
from hooknet.install.containers_conf import NETAVARK_NETWORKS, ContainersConf
from hooknet.install.root import Root
from hooknet.migrate.plan import Way, plan

NET_D = Path("/etc/cni/net.d")
NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
MACVLAN = {"type": "macvlan", "master": "eno1", "ipam": {"type": "dhcp"}}
NETAVARK = {
    "name": "mv",
    "id": "a" * 64,
    "driver": "macvlan",
    "network_interface": "eno1",
    "created": "2026-01-02T03:04:05Z",
    "ipv6_enabled": False,
    "internal": False,
    "dns_enabled": False,
    "options": {"mtu": "1400", "metric": "5", "no_default_route": "true", "bclim": "3"},
    "ipam_options": {"driver": "dhcp"},
}


class Machine:
    """A tree with networks in it."""

    def __init__(self, path):
        self.path = path
        self.root = Root(path)
        for folder in (NET_D, NETAVARK_NETWORKS):
            (path / folder.relative_to("/")).mkdir(parents=True)

    def place(self, folder, name):
        return self.path / folder.relative_to("/") / name

    def cni(self, *plugins, name="lan", **keys):
        path = self.place(NET_D, f"90-{name}.conflist")
        path.write_text(json.dumps({"cniVersion": "0.4.0", "name": name, **keys, "plugins": plugins}))
        return path

    def netavark(self, **changes):
        network = NETAVARK | changes
        path = self.place(NETAVARK_NETWORKS, f"{network['name']}.json")
        path.write_text(json.dumps(network))
        return path

    def settings(self, text):
        path = self.path / "etc/hooknet/hooknet.toml"
        path.parent.mkdir()
        path.write_text(text)

    def plan(self, *names, way=Way.IN_PLACE):
        return plan(self.root, ContainersConf(), names, way, NOW)

    def migrate(self, *names, **how):
        moving = self.plan(*names, **how)
        list(carry_out(moving.plan.changes, self.root))
        return moving.moves, moving.plan.notes


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def read(path):
    return json.loads(path.read_text())


def test_a_macvlan_with_dhcp_becomes_hooknet_with_everything_else_kept(machine):
    path = machine.cni(MACVLAN | {"mode": "vepa", "mtu": 1400}, {"type": "tuning"}, disableCheck=True)
    (move,), notes = machine.migrate()
    found = read(path)
    assert found["plugins"] == [
        {"type": "hooknet", "master": "eno1", "mode": "vepa", "mtu": 1400},
        {"type": "tuning"},
    ]
    assert (found["disableCheck"], found["cniVersion"]) == (True, "0.4.0")
    assert move.says == ("macvlan on eno1 with dhcp becomes hooknet",)
    assert "restart its containers" in notes[0]


def test_options_of_the_reference_are_kept_and_its_socket_is_not(machine):
    ipam = {"type": "dhcp", "daemonSocketPath": "/x", "request": [{"option": "42"}], "priority": 5}
    path = machine.cni(MACVLAN | {"ipam": ipam})
    machine.migrate()
    (plugin,) = read(path)["plugins"]
    assert plugin["ipam"] == {"type": "hooknet", "request": [{"option": "42"}], "priority": 5}


def test_another_main_plugin_stays(machine):
    path = machine.cni({"type": "bridge", "bridge": "br0", "ipam": {"type": "dhcp"}})
    (move,), _ = machine.migrate()
    assert read(path)["plugins"] == [{"type": "bridge", "bridge": "br0", "ipam": {"type": "hooknet"}}]
    assert move.says == ("bridge stays, and its ipam becomes hooknet",)


def test_a_network_without_a_list_of_plugins_is_one_too(machine):
    path = machine.place(NET_D, "10-example.conf")
    path.write_text(json.dumps(SEED))
    machine.migrate()
    assert read(path) == {"cniVersion": "0.4.0", "name": "example", "type": "hooknet", "master": "enp0s31f6"}


def test_the_file_as_it_was_stays_beside_it(machine):
    path = machine.cni(MACVLAN)
    before = path.read_bytes()
    path.chmod(0o640)
    machine.migrate()
    backup = path.with_name(path.name + ".before-hooknet")
    assert backup.read_bytes() == before
    assert {path.stat().st_mode & 0o777, backup.stat().st_mode & 0o777} == {0o640}


def test_a_network_made_anew_is_kept_beside_what_was_kept_of_the_one_before(machine):
    originals = []
    for master in ("eno1", "eno2", "eno1"):
        path = machine.cni(MACVLAN | {"master": master})
        originals.append(path.read_bytes())
        machine.migrate()
    kept = [path.with_name(f"{path.name}.before-hooknet{number}") for number in ("", ".2", ".3")]
    assert [one.read_bytes() for one in kept] == originals


def test_a_run_that_was_cut_off_behind_the_backup_is_finished_without_a_second_one(machine):
    path = machine.cni(MACVLAN)
    before = path.read_bytes()
    path.with_name(path.name + ".before-hooknet").write_bytes(before)
    machine.migrate()
    assert sorted(one.name for one in path.parent.iterdir()) == [path.name, path.name + ".before-hooknet"]
    assert path.read_bytes() != before


def test_done_twice_there_is_nothing_left_to_do(machine):
    machine.cni(MACVLAN)
    machine.netavark()
    machine.migrate()
    assert machine.plan().moves == ()


def test_what_does_not_lease_is_left_alone(machine):
    machine.cni(MACVLAN | {"ipam": {"type": "host-local", "subnet": "10.0.0.0/24"}})
    machine.netavark(ipam_options={"driver": "host-local"})
    machine.place(NET_D, "broken.conflist").write_text("{")
    machine.place(NET_D, "list.json").write_text("[]")
    moving = machine.plan()
    assert (moving.moves, moving.refused) == ((), ())
    assert moving.plan.notes == (f"{NET_D}/broken.conflist is left alone: it is not valid JSON",)


def test_what_could_not_work_is_said_now(machine):
    machine.cni(MACVLAN | {"mode": "l9"})
    machine.cni(MACVLAN, name="other")
    assert machine.plan("other").moves == machine.plan().moves
    (why,) = machine.plan().refused
    assert str(why).startswith("lan can't be moved: mode = 'l9'")
    with pytest.raises(HooknetError, match="lan can't be moved"):
        machine.plan("other", "lan")


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"ipv6_enabled": True}, "--ipv6 can't be used"), ({"internal": True}, "--internal can't be used")],
)
def test_a_network_that_cant_be_moved_keeps_no_other_from_moving(machine, capsys, changes, said):
    stays, moves = machine.netavark(name="lan6", **changes), machine.netavark()
    before = stays.read_bytes()
    assert main(["migrate", "--apply", f"--root={machine.path}"]) == 1
    printed = capsys.readouterr().out
    assert "mv: netavark's macvlan on eno1" in printed
    assert "lan6 can't be moved: network lan6: " + said in printed
    assert (stays.read_bytes(), read(moves)["driver"]) == (before, "hooknet")


def test_a_network_that_is_named_moves_whatever_the_others_are(machine):
    machine.netavark(name="lan6", ipv6_enabled=True)
    path = machine.netavark()
    assert main(["migrate", "--apply", f"--root={machine.path}", "mv"]) == 0
    assert read(path)["driver"] == "hooknet"


def test_a_netavark_network_becomes_one_of_the_driver(machine):
    path = machine.netavark()
    (move,), notes = machine.migrate()
    found = read(path)
    assert (found["driver"], found["id"], found["name"]) == ("hooknet", NETAVARK["id"], "mv")
    assert found["options"] == {"parent": "eno1", "mtu": "1400", "metric": "5", "suppress": "gateway"}
    assert found["ipam_options"] == {"driver": "dhcp"}
    assert "network_interface" not in found
    assert "driver hooknet" in move.says[0]
    assert any("bclim" in note for note in notes)


def test_what_hooknet_toml_sets_for_the_proxy_is_told_where_it_goes(machine):
    machine.settings('[network."eno1/eth0"]\nlease_time = "10m"\n[network."eno2/eth0"]\n')
    machine.netavark()
    _, notes = machine.migrate()
    told = [note for note in notes if "hooknet.toml" in note]
    assert told == [
        'mv: what [network."eno1/eth0"] of hooknet.toml sets does not hold for it: put it under [network.mv]'
    ]


def test_a_hooknet_toml_that_cant_be_read_is_the_daemons_business(machine):
    machine.settings("[network")
    machine.netavark()
    assert len(machine.migrate()[0]) == 1


def test_a_network_that_is_not_as_netavark_writes_one_is_left_alone(machine):
    machine.netavark(ipam_options="dhcp", options=[])
    assert machine.plan().moves == machine.plan().refused == ()


@pytest.mark.parametrize("plugin", [{"type": ["hooknet"]}, {"type": "hooknet", "ipam": {"type": []}}])
def test_a_plugin_whose_name_is_none_is_left_alone(machine, plugin):
    machine.cni(plugin)
    for way in Way:
        moving = machine.plan(way=way)
        assert (moving.moves, moving.refused) == ((), ())


@pytest.mark.parametrize("name", ["../../../etc/passwd", "my lan", ".lan", ""])
def test_a_name_that_can_be_no_netavark_network_does_not_cross(machine, name):
    path = machine.place(NET_D, "90-odd.conflist")
    path.write_text(json.dumps({"cniVersion": "0.4.0", "name": name, "plugins": [MACVLAN]}))
    moving = machine.plan(way=Way.TO_NETAVARK)
    assert (moving.moves, moving.plan.changes) == ((), ())
    (why,) = moving.refused
    assert "can't be a network's name" in str(why)


def test_of_two_cni_networks_of_one_name_the_first_crosses_as_podman_takes_it(machine):
    for number, master in enumerate(("eno1", "eno2")):
        path = machine.place(NET_D, f"{number}.conflist")
        plugin = MACVLAN | {"master": master}
        path.write_text(json.dumps({"cniVersion": "0.4.0", "name": "lan", "plugins": [plugin]}))
    (move,), _ = machine.migrate(way=Way.TO_NETAVARK)
    assert json.loads(machine.root.text(move.path))["options"] == {"parent": "eno1"}


def test_dns_servers_cross_and_what_has_no_place_is_named(machine):
    dns = {"nameservers": ["192.0.2.53"], "domain": "example", "search": ["a.example"]}
    machine.cni(MACVLAN | {"dns": dns})
    _, notes = machine.migrate(way=Way.TO_NETAVARK)
    assert read(machine.place(NETAVARK_NETWORKS, "lan.json"))["network_dns_servers"] == ["192.0.2.53"]
    assert notes == ("lan: left out, for netavark has no place for it: dns.domain, dns.search",)


def test_networks_go_where_podman_looks_for_them(machine):
    conf = machine.path / "etc/containers/containers.conf"
    conf.write_text('[network]\nnetwork_config_dir = "/srv/networks"\n')
    here = machine.path / "srv/networks"
    here.mkdir(parents=True)
    plain = {"cniVersion": "0.4.0", "name": "lan", "plugins": [MACVLAN]}
    (here / "90-lan.conflist").write_text(json.dumps(plain))
    assert main(["migrate", "--apply", "--to-netavark", f"--root={machine.path}"]) == 0
    assert read(here / "lan.json")["driver"] == "hooknet"


def test_a_cni_network_becomes_a_netavark_network_and_stays(machine):
    plugin = MACVLAN | {"mode": "private", "metric": 5, "suppress": ["dns", "mtu"], "fqdn": True}
    path = machine.cni(plugin, {"type": "tuning"})
    before = path.read_bytes()
    _, notes = machine.migrate(way=Way.TO_NETAVARK)
    found = read(machine.place(NETAVARK_NETWORKS, "lan.json"))
    assert (found["name"], found["driver"], len(found["id"])) == ("lan", "hooknet", 64)
    assert found["options"] == {
        "parent": "eno1",
        "mode": "private",
        "metric": "5",
        "suppress": "dns,mtu",
        "fqdn": "true",
    }
    assert path.read_bytes() == before
    assert notes == ("lan: left out, for netavark has no place for it: tuning",)
    assert found["created"] == "2026-03-04T05:06:07Z"
    assert machine.plan(way=Way.TO_NETAVARK).moves == ()


def test_one_network_can_be_named_and_a_wrong_name_is_told(machine):
    machine.cni(MACVLAN)
    other = machine.cni(MACVLAN, name="other")
    machine.migrate("lan")
    assert read(other)["plugins"] == [MACVLAN]
    with pytest.raises(HooknetError, match="nowhere"):
        machine.plan("nowhere")


def test_the_command_only_says_it_until_it_is_asked_to_apply(machine, capsys):
    path = machine.cni(MACVLAN)
    before = path.read_bytes()
    assert main(["migrate", f"--root={machine.path}"]) == 0
    said = capsys.readouterr().out
    assert "lan: macvlan on eno1 with dhcp becomes hooknet" in said
    assert "--apply" in said
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("words", "folder", "how"),
    [
        ((), "usr/local/libexec/cni", "hooknet install\n"),
        (("--to-netavark",), "usr/local/libexec/netavark", "hooknet install --netavark\n"),
    ],
)
def test_a_plugin_that_is_not_installed_yet_is_told(machine, capsys, words, folder, how):
    machine.cni(MACVLAN)
    note = "note: podman finds no plugin hooknet yet: "
    assert main(["migrate", *words, f"--root={machine.path}"]) == 0
    assert note + how in capsys.readouterr().out
    (machine.path / folder).mkdir(parents=True)
    (machine.path / folder / "hooknet").touch()
    assert main(["migrate", *words, f"--root={machine.path}"]) == 0
    assert note not in capsys.readouterr().out
