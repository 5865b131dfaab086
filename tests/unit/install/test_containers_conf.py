"""What podman is configured to do, as podman itself would read it."""

from __future__ import annotations

import tomllib
from pathlib import Path

from hooknet.install import containers_conf
from hooknet.install.containers_conf import DEFAULT_PLUGIN_DIRS, OURS, Directories


def read(image, environ=None):
    return containers_conf.read(image.root, containers_conf.files(image.root, environ or {}))


def dirs(*paths):
    listed = ", ".join(f'"{path}"' for path in paths)
    return f"[network]\ncni_plugin_dirs = [{listed}]\n"


def test_without_any_file_podmans_defaults_hold(image):
    conf = read(image)
    assert conf.plugin_dirs == DEFAULT_PLUGIN_DIRS
    assert (conf.backend, conf.networks, conf.plugins.origin) == ("", Path("/etc/cni/net.d"), None)


def test_a_later_file_replaces_the_list_and_the_last_by_name_wins(image):
    image.write("usr/share/containers/containers.conf", dirs("/vendor"))
    image.write("etc/containers/containers.conf", dirs("/main"))
    image.write("etc/containers/containers.conf.d/20.conf", dirs("/twenty"))
    image.write("etc/containers/containers.conf.d/10.conf", dirs("/ten"))
    image.write("etc/containers/containers.conf.d/30.txt", dirs("/ignored"))
    conf = read(image)
    assert conf.plugin_dirs == (Path("/twenty"),)
    assert conf.plugins.origin == Path("/etc/containers/containers.conf.d/20.conf")


def test_a_file_without_a_setting_leaves_it(image):
    image.write("etc/containers/containers.conf", '[network]\nnetwork_backend = "cni"\n')
    image.write("etc/containers/containers.conf.d/x.conf", "[engine]\n")
    conf = read(image)
    assert (conf.backend, conf.backend_from) == ("cni", Path("/etc/containers/containers.conf"))


def test_with_the_variable_set_one_file_is_read_and_no_other(image):
    image.write("etc/containers/containers.conf", dirs("/main"))
    image.write("srv/own.conf", dirs("/own"))
    assert read(image, {"CONTAINERS_CONF": "/srv/own.conf"}).plugin_dirs == (Path("/own"),)


def test_what_is_appended_comes_behind_what_was_there_in_that_file_and_all_after_it(image):
    image.write("etc/containers/containers.conf", '[network]\ncni_plugin_dirs = ["/a", {append=true}]\n')
    image.write("etc/containers/containers.conf.d/10.conf", dirs("/b"))
    conf = read(image)
    assert conf.plugin_dirs == (*DEFAULT_PLUGIN_DIRS, Path("/a"), Path("/b"))
    assert conf.with_tables == ((Path("/etc/containers/containers.conf"), "cni_plugin_dirs"),)
    assert conf.problems == ()


def test_until_a_list_ends_the_appending(image):
    image.write("etc/containers/containers.conf", '[network]\ncni_plugin_dirs = ["/a", {append=true}]\n')
    image.write(
        "etc/containers/containers.conf.d/10.conf", '[network]\ncni_plugin_dirs = [{append=false}, "/b"]\n'
    )
    image.write("etc/containers/containers.conf.d/20.conf", dirs("/c"))
    assert read(image).plugin_dirs == (Path("/c"),)


def test_an_empty_list_replaces_podmans_own(image):
    image.write("etc/containers/containers.conf", "[network]\nnetavark_plugin_dirs = []\n")
    assert read(image).driver_dirs == ()


def test_files_that_are_no_toml_or_of_another_shape_are_told(image):
    image.write("etc/containers/containers.conf", "x = [")
    image.write("etc/containers/containers.conf.d/x.conf", "network = 1")
    assert [path.name for path, _ in read(image).problems] == ["containers.conf", "x.conf"]


def test_our_part_lists_each_directory_once_ours_first():
    written = tomllib.loads(
        containers_conf.with_first(Path("/b"), Directories((Path("/a"), Path("/b"), Path("/a")))).decode()
    )
    assert written == {"network": {"cni_plugin_dirs": ["/b", "/a"]}}


def test_our_part_sorts_behind_what_people_write():
    assert max("99-local.conf", "my.conf", OURS.name) == OURS.name


def test_networks_that_can_not_be_read_are_passed_over(image):
    image.write("etc/cni/net.d/1.conflist", "{")
    image.write("etc/cni/net.d/2.conflist", '{"name": "lan"}')
    image.write("etc/cni/net.d/3.txt", '{"name": "x"}')
    image.write("etc/cni/net.d/4.conf", "[]")
    image.write("etc/cni/net.d/5.json", "[" * 100_000)
    folder = Path("/etc/cni/net.d")
    assert list(containers_conf.networks(image.root, folder)) == [(folder / "2.conflist", {"name": "lan"})]
    assert list(containers_conf.broken_networks(image.root, folder)) == [
        folder / "1.conflist",
        folder / "5.json",
    ]
