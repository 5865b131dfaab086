"""Where host-local keeps its files, the unit may write."""

from __future__ import annotations

import json

import pytest

from hooknet.install.delegates import DROP_IN

RELOAD = "run systemctl daemon-reload"


@pytest.fixture
def network(image):
    """Write a network whose IPAM plugin is host-local."""

    def write(data_dir=None, kind="hooknet"):
        ipam = {"type": "host-local"} | ({} if data_dir is None else {"dataDir": data_dir})
        data = {"name": "lan", "plugins": [{"type": kind, "ipam": ipam}]}
        image.write("etc/cni/net.d/lan.conflist", json.dumps(data))

    return write


@pytest.mark.parametrize("data_dir", [None, "/var/lib/cni", "/var/lib/cni/mine", "relative", 7])
def test_in_its_usual_place_nothing_is_needed(image, network, data_dir):
    network(data_dir)
    image.install()
    assert not image.exists(DROP_IN)


def test_another_place_is_made_and_allowed_and_goes_with_uninstall(image, network):
    network("/srv/leases/50%")
    before = image.picture()
    image.install()
    assert image.read(DROP_IN).endswith("[Service]\nReadWritePaths=-/srv/leases/50%%\n")
    assert (image.path / "srv/leases/50%").is_dir()
    assert image.plan().changes == ()
    image.uninstall()
    assert image.picture() == before


def test_a_path_that_only_looks_like_the_usual_one_is_seen(image, network):
    network("/var/lib/cni/../../../srv/leases")
    image.install()
    assert "ReadWritePaths=-/srv/leases\n" in image.read(DROP_IN)


def test_a_network_that_went_takes_its_permission_along(image, network):
    network("/srv/leases")
    image.install()
    network()
    image.install()
    assert not image.exists(DROP_IN)
    assert image.plan().changes == ()


def test_macvlan_is_hooknets_to_run_only_as_a_drop_in(image, network):
    network("/srv/leases", kind="macvlan")
    image.install()
    assert not image.exists(DROP_IN)
    image.install(drop_in=True)
    assert image.exists(DROP_IN)


@pytest.mark.parametrize("kind", [["hooknet"], {}, 7, None])
def test_a_plugin_without_a_name_is_none_that_hooknet_runs(image, network, kind):
    network("/srv/leases", kind=kind)
    image.install()
    assert not image.exists(DROP_IN)


@pytest.mark.parametrize(
    "data_dir", ["/home/me/leases", "/tmp/leases", "/srv/two words", "/srv/x\nExecStart=/bin/y"]
)
def test_a_place_that_can_not_be_allowed_is_told(image, network, data_dir):
    network(data_dir)
    made = image.install()
    assert any("can't be allowed" in note and "lan" in note for note in made.notes)
    assert not image.exists(DROP_IN)
