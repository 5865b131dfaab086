"""The story of one lease, from DISCOVER to RELEASE, in a lab that is gone afterwards. Run by script/demo."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from importlib.metadata import version
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parents[3]
sys.path.append(str(ROOT / "tests" / "lab"))  # the lab of the tests is the lab of the demo

from entrance import write_entrance  # noqa: E402 - on the path that was just set
from lab import Daemon, Host, Lab, Lan, eventually, world  # noqa: E402
from lab.daemon import install_shims  # noqa: E402
from lab.netavark import NetavarkPodman, has_netavark  # noqa: E402
from lab.package import make_wheel, pip_install  # noqa: E402
from lab.podman import has_cni, make_image_store  # noqa: E402
from lab.podman5 import Podman5  # noqa: E402
from lab.process import run  # noqa: E402
from narrator import Narrator  # noqa: E402
from stories import PARENT, DriverStory, NamespaceStory, PodmanStory, Story, Way  # noqa: E402

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
BACKENDS = {Way.CNI: "cni", Way.NETAVARK: "netavark"}
ENTERED = re.compile(r"^nsenter .*? -- ")


def main(narrator: Narrator, *, keep: bool, wanted: Way | None) -> None:
    """`wanted`: the way to go, None for the one that this machine's podman can."""
    folder = world.FOLDER
    folder.mkdir()
    narrator.heading("What is here")
    tell_what_is_here(narrator)
    possible, why_no_cni = find_way(folder)
    way = wanted or possible
    tell_which_way(narrator, way, why_no_cni)
    lab = make_lab(folder, possible)
    lan = make_lan(narrator, lab)
    narrator.heading(f"A host on that LAN, by its interface {PARENT}")
    host = lab.host()
    host.plug(lan, PARENT)
    story = make_story(narrator, host, way)
    daemon = start_daemon(narrator, lab, host, follow_podman=isinstance(story, PodmanStory))
    tell(narrator, story, lan, host, daemon)
    if keep:
        stay(narrator, host, daemon, story)
    else:
        narrator.heading("The lab is taken down; nothing of it is left")
        lab.close()


def tell_what_is_here(narrator: Narrator) -> None:
    for command in ("podman --version", "dnsmasq --version", "uname -sr"):
        if shutil.which(command.split()[0]):
            told = run(shlex.split(command), check=False)
            narrator.say(command.split()[0], told.stdout.partition("\n")[0])
    narrator.say("hooknet", version("hooknet"))


def find_way(folder: Path) -> tuple[Way, str]:
    """What this machine's podman can do, and why not CNI."""
    why_no_cni = has_cni(folder / "probe")
    if why_no_cni is None:
        return Way.CNI, ""
    return Way.NETAVARK if has_netavark(folder / "probe-netavark") else Way.NAMESPACE, why_no_cni


def tell_which_way(narrator: Narrator, way: Way, why_no_cni: str) -> None:
    if way is Way.PODMAN5:
        narrator.say("podman", "the one of .cache/trixie is taken instead, which has netavark")
    elif way is not Way.CNI:
        narrator.say("podman", f"can't use CNI plugins here: {why_no_cni}")
    narrator.say("", way.value)


def make_lab(folder: Path, possible: Way) -> Lab:
    """The image is made by this machine's podman, whichever runs it then."""
    backend = BACKENDS.get(possible)
    images = make_image_store(folder / "images", backend=backend) if backend else folder / "none"
    return Lab(folder, images=images, shims=install_shims(folder / "shims"))


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


def make_story(narrator: Narrator, host: Host, way: Way) -> Story:
    shim = host.plugin_dirs[0] / "hooknet"
    match way:
        case Way.NAMESPACE:
            return NamespaceStory(narrator, host.cni)
        case Way.CNI:
            return PodmanStory(narrator, host.podman)
        case Way.NETAVARK:
            podman = NetavarkPodman(host, host.folder / "podman", shim)
        case Way.PODMAN5:
            podman = Podman5(host, shim)
            narrator.say("podman", podman("--version").stdout)
    host.podman = podman
    return DriverStory(narrator, podman)


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
    narrator.heading("A network for containers")
    story.network()
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
    assert host.netns.links() == {PARENT}, f"left on the host: {host.netns.links() - {PARENT}}"


def show_leases(narrator: Narrator, daemon: Daemon) -> None:
    narrator.typed("hooknet leases")
    narrator.say("hooknet", daemon.hooknet("leases").stdout)


def diary(daemon: Daemon) -> str:
    return Path(daemon.env["DEMO_DIARY"]).read_text(encoding="utf-8")


def stay(narrator: Narrator, host: Host, daemon: Daemon, story: Story) -> None:
    """Leave the lab up with a container in it, and a way in."""
    narrator.heading("The lab stays up")
    story.start()
    podman = host.podman if isinstance(story, PodmanStory) else None
    write_entrance(world.FOLDER, host, podman)
    narrator.say("try", "script/demo enter hooknet leases")
    narrator.say("try", "script/demo enter hooknet events --follow")
    if podman:
        narrator.say(
            "try", "script/demo enter podman run --rm --network example localhost/box ip addr show eth0"
        )
    narrator.say("try", f"script/demo enter tail -f {daemon.log.path}")
    narrator.say("try", "script/demo enter              (a shell on the lab's host)")
    narrator.say("end", "script/demo end")


def fail(narrator: Narrator, error: Exception) -> NoReturn:
    """One line: where the story was, what failed, and the last that it said."""
    narrator.close()
    first, *_, last = (str(error).strip() or type(error).__name__).splitlines() * 2
    what = ENTERED.sub("", first) if last == first else f"{ENTERED.sub('', first)}: {last}"
    sys.exit(f"script/demo: failed at {narrator.now!r}: {what} (nothing of the lab is left)")


if __name__ == "__main__":
    voice = Narrator()
    try:
        main(
            voice, keep="--keep" in sys.argv[1:], wanted=Way.PODMAN5 if "--podman5" in sys.argv[1:] else None
        )
        voice.close()
    except KeyboardInterrupt:
        sys.exit("script/demo: stopped; nothing of the lab is left")
    except Exception as failure:  # noqa: BLE001 - whatever fails, a person is told in one line
        fail(voice, failure)
