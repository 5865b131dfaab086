"""The story of one lease, from DISCOVER to RELEASE, in a lab that is gone afterwards. Run by script/demo."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parents[3]
sys.path.append(str(ROOT / "tests" / "lab"))  # the lab of the tests is the lab of the demo

from lab import Daemon, Host, Lab, Lan, eventually, world  # noqa: E402 - on the path that was just set
from lab.daemon import install_shims  # noqa: E402
from lab.package import make_wheel, pip_install  # noqa: E402
from lab.podman import has_cni, make_image_store  # noqa: E402
from lab.process import run  # noqa: E402
from narrator import Narrator  # noqa: E402
from stories import NamespaceStory, PodmanStory, Story  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Mapping

PARENT = "enp0s31f6"
CONFLIST = """\
{ "cniVersion": "0.4.0", "name": "example",
  "plugins": [ { "type": "macvlan", "master": "enp0s31f6", "ipam": { "type": "dhcp" } } ] }
"""
PLUGIN = '''
"""A plugin in a package of its own: it tells what it sees, and changes nothing."""
import os
import hooknet

def tell(text):
    with open(os.environ["DEMO_DIARY"], "a") as diary:
        diary.write(text + "\\n")

@hooknet.hookimpl
def pre_lease(attachment, request):
    tell(f"pre_lease   {attachment.container_name} is about to ask, as {request.hostname!r} with {request.mac}")

@hooknet.hookimpl
def post_lease(attachment, lease, reason):
    tell(f"post_lease  {reason}: {attachment.container_name} has {lease.address} for {lease.lease_time} s")

@hooknet.hookimpl
def release(attachment, lease, reason):
    tell(f"release     {reason}: {attachment.container_name} gave {lease.address} back")
'''
SERVER_SAYS = r"DHCP(DISCOVER|OFFER|REQUEST|ACK|NAK|DECLINE|RELEASE)\(.*"
DAEMON_SAYS = r"(?<=Z )\w+ +(?!PODMAN).*"


def main(*, keep: bool) -> None:
    narrator = Narrator()
    folder = world.FOLDER
    folder.mkdir()
    why_no_podman = has_cni(folder / "probe")
    tell_what_is_here(narrator, why_no_podman)
    images = folder / "none" if why_no_podman else make_image_store(folder / "images")
    lab = Lab(folder, images=images, shims=install_shims(folder / "shims"))
    lan = make_lan(narrator, lab)
    host = make_host(narrator, lab, lan)
    daemon = start_daemon(narrator, lab, host, follow_podman=why_no_podman is None)
    story: Story
    if why_no_podman:
        story = NamespaceStory(narrator, host.cni, json.loads(CONFLIST))
    else:
        (host.podman.net_d / "90-example.conflist").write_text(CONFLIST)
        story = PodmanStory(narrator, host, "example")
    tell(narrator, story, lan, host, daemon)
    if keep:
        stay(narrator, host, daemon, story)
    else:
        narrator.heading("The lab is taken down; nothing of it is left")
        lab.close()
    narrator.close()


def tell_what_is_here(narrator: Narrator, why_no_podman: str | None) -> None:
    narrator.heading("What is here")
    for command in ("podman --version", "dnsmasq --version", "uname -sr"):
        if shutil.which(command.split()[0]):
            told = run(shlex.split(command), check=False)
            narrator.say(command.split()[0], told.stdout.partition("\n")[0])
    narrator.say("hooknet", version("hooknet"))
    if why_no_podman:
        narrator.say("podman", f"can't use CNI plugins here: {why_no_podman}")
        narrator.say("", "a plain network namespace plays the container; everything else is as real")


def make_lan(narrator: Narrator, lab: Lab) -> Lan:
    narrator.heading("A LAN, in a network namespace, with a DHCP server that knows nothing of containers")
    lan = lab.lan()
    server = lan.serve("dnsmasq")
    offer = server.offering
    narrator.say(
        "dnsmasq", f"{offer.network[offer.first]} to {offer.network[offer.last]}, for {offer.lease_time} s"
    )
    narrator.follow("dnsmasq", server.log.path, SERVER_SAYS)
    return lan


def make_host(narrator: Narrator, lab: Lab, lan: Lan) -> Host:
    narrator.heading(f"A host on that LAN, by its interface {PARENT}, with this conflist for podman")
    host = lab.host()
    host.plug(lan, PARENT)
    narrator.say("conflist", CONFLIST)
    narrator.say("", "as it stands in many a tutorial; hooknet's shims answer to the names macvlan and dhcp")
    return host


def start_daemon(narrator: Narrator, lab: Lab, host: Host, *, follow_podman: bool) -> Daemon:
    narrator.heading("The hooknet daemon, and a plugin that pip installed from a package of its own")
    installed = pip_install(make_wheel(lab.folder, "storyteller", PLUGIN), lab.folder / "site")
    diary = lab.folder / "diary"
    diary.touch()
    how = {"podman_url": host.podman.url} if follow_podman else {}
    if follow_podman:
        host.podman.service()
    daemon = host.daemon(env={"PYTHONPATH": str(installed), "DEMO_DIARY": str(diary)}, **how)
    narrator.typed("hooknet daemon")
    narrator.follow("hooknet", daemon.log.path, DAEMON_SAYS)
    daemon.start()
    narrator.follow("hook", diary)
    return daemon


def tell(narrator: Narrator, story: Story, lan: Lan, host: Host, daemon: Daemon) -> None:
    narrator.heading("A container starts: DISCOVER, OFFER, REQUEST, ACK, and the hooks")
    story.start()
    eventually(lambda: "post_lease" in diary(daemon), what="the post_lease hook")
    narrator.heading("What the container sees")
    story.show()
    address = story.address()
    assert address in lan.server.addresses(), f"{address} is not in the server's own list"
    narrator.heading("What hooknet holds, and what the server wrote down")
    show_leases(narrator, daemon)
    narrator.typed("cat dnsmasq.leases")
    narrator.say("dnsmasq", lan.server.database.read_text())
    narrator.heading("The container goes: the lease goes back")
    story.stop()
    lan.server.wait_for_release(address)
    eventually(lambda: "release " in diary(daemon), what="the release hook")
    show_leases(narrator, daemon)
    narrator.heading("What it costs")
    story.compare()
    assert host.netns.links() == {PARENT}


def show_leases(narrator: Narrator, daemon: Daemon) -> None:
    narrator.typed("hooknet leases")
    narrator.say("hooknet", daemon.hooknet("leases").stdout)


def diary(daemon: Daemon) -> str:
    return Path(daemon.env["DEMO_DIARY"]).read_text(encoding="utf-8")


def stay(narrator: Narrator, host: Host, daemon: Daemon, story: Story) -> None:
    """Leave the lab up with a container in it, and a way in."""
    narrator.heading("The lab stays up")
    story.start()
    environment = host.podman.environment if isinstance(story, PodmanStory) else {}
    write_entrance(Path("/run/lab/enter"), host, environment)
    narrator.say("try", "script/demo enter hooknet leases")
    narrator.say("try", "script/demo enter hooknet events --follow")
    if isinstance(story, PodmanStory):
        narrator.say(
            "try", "script/demo enter podman run --rm --network example localhost/box ip addr show eth0"
        )
    narrator.say("try", f"script/demo enter tail -f {daemon.log.path}")
    narrator.say("try", "script/demo enter              (a shell on the lab's host)")
    narrator.say("end", "script/demo end")


def write_entrance(path: Path, host: Host, environment: Mapping[str, str]) -> None:
    """A script that runs a command on the lab's host, as its administrator."""
    exports = [f"export {name}={shlex.quote(value)}" for name, value in environment.items()]
    hooknet = Path(sys.executable).parent
    enter = shlex.join(host.netns.enter)
    lines = [
        "#!/bin/bash",
        *exports,
        f"PATH={hooknet}:$PATH",
        "[ $# -gt 0 ] || set -- bash",
        f'exec {enter} "$@"',
    ]
    path.write_text("\n".join([*lines, ""]))
    path.chmod(0o755)


if __name__ == "__main__":
    main(keep="--keep" in sys.argv[1:])
