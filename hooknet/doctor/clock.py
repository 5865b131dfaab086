"""The wall clock: a lease's times outlive a reboot only by it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from hooknet.doctor.findings import Finding, note, ok, problem
from hooknet.doctor.host import Host

SLACK = 86400.0
SET_IT = "timedatectl set-ntp true, or run chrony; a board without a battery needs fake-hwclock too"


def check_clock(host: Host) -> Iterator[Finding]:
    """Not before our own files were made, and synchronised where that can be asked."""
    now = host.now()
    shown = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d %H:%M UTC")
    if now < host.newest() - SLACK:
        yield problem(
            f"the clock says {shown}, which is before hooknet was installed",
            todo=SET_IT,
            why="leases are remembered across a reboot by this clock, and TLS refuses it",
        )
        return
    ran = host.run("timedatectl", "show", "--property=NTPSynchronized", "--value")
    if ran is not None and ran.code == 0 and ran.stdout.strip() == "no":
        yield note(
            f"the clock says {shown}, and is not synchronised",
            todo=SET_IT,
            why="leases that run are timed by another clock, and are not harmed",
        )
    else:
        yield ok(f"the clock says {shown}")
