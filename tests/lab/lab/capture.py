"""What is seen on an interface: a running tcpdump whose log has every frame, decoded (`-e -v`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab.process import Program

if TYPE_CHECKING:
    from contextlib import ExitStack
    from pathlib import Path

    from lab.netns import Netns

ARP_AND_DHCP = "arp or port 67 or port 68"


def capture(netns: Netns, ifname: str, log: Path, cleanup: ExitStack, filter_: str = ARP_AND_DHCP) -> Program:
    """Watch `ifname` of a namespace from now on."""
    options = ["-l", "-n", "-e", "-v", "-U", "--immediate-mode"]
    seen = Program([*netns.enter, "tcpdump", "-i", ifname, *options, *filter_.split()], log)
    cleanup.callback(seen.stop)
    seen.start()
    seen.wait_for("listening on")
    return seen
