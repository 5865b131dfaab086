"""What a plugin hears of containers of podman 5: a wheel of its own, and containers through both doors."""

import json

import pytest
from lab import eventually
from lab.package import make_wheel, pip_install

pytestmark = pytest.mark.long

PLUGIN = """
import json
import os
import hooknet

def tell(hook, attachment, **more):
    told = {"hook": hook, "container": attachment.container_name, "network": attachment.network, **more}
    with open(os.environ["DIARY"], "a") as diary:
        diary.write(json.dumps(told) + "\\n")

@hooknet.hookimpl
def pre_lease(attachment, request):
    tell("pre_lease", attachment, hostname=request.hostname, aliases=attachment.aliases)

@hooknet.hookimpl
def post_lease(attachment, lease, reason):
    tell("post_lease", attachment, address=str(lease.address.ip), reason=reason)

@hooknet.hookimpl
def release(attachment, lease, reason):
    tell("release", attachment, address=str(lease.address.ip), reason=reason)
"""


class Diary:
    """What the plugin wrote down, call by call."""

    def __init__(self, path):
        self.path = path
        self.path.touch()

    def told(self):
        return [json.loads(line) for line in self.path.read_text().splitlines()]


@pytest.fixture
def diary(tmp_path):
    return Diary(tmp_path / "diary")


@pytest.fixture
def daemon(tmp_path, make_daemon, diary):
    site = pip_install(make_wheel(tmp_path, "storyteller", PLUGIN), tmp_path / "site")
    daemon = make_daemon(env={"PYTHONPATH": str(site), "DIARY": str(diary.path)}, writable=[tmp_path])
    daemon.start()
    return daemon


def test_a_plugin_hears_of_a_lease_from_before_it_to_its_end(podman, network, diary, door):
    web = podman.start("web", network=network)
    address = str(web.address())
    web.rm()
    called = {"driver": "lan", "proxy": "host0/eth0"}[door]
    eventually(lambda: len(diary.told()) == 3, what="three hooks were called")
    before, bound, released = diary.told()
    assert before == {
        "hook": "pre_lease", "container": "web", "network": called, "hostname": "web", "aliases": []
    }  # fmt: skip
    told = {"container": "web", "network": called, "address": address}
    assert bound == {"hook": "post_lease", "reason": "BOUND", **told}
    assert released == {"hook": "release", "reason": "DETACHED", **told}


def test_the_drivers_plugins_know_aliases_and_host_name_apart(podman, diary, daemon):
    podman.network("lan")
    podman.start("web", "--network-alias=db", "--hostname=shop", network="lan")
    told = diary.told()[0]
    assert (told["aliases"], told["hostname"]) == (["db"], "shop")


def test_aliases_alone_are_no_host_name(podman, diary, daemon):
    podman.network("lan")
    podman.start("web", "--network-alias=db", "--network-alias=cache", network="lan")
    told = diary.told()[0]
    assert (sorted(told["aliases"]), told["hostname"]) == (["cache", "db"], "web")
