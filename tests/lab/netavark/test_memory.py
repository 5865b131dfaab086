"""What the second door costs the daemon in memory. What both doors cost in time is a row of `script/bench`."""

from pathlib import Path

import pytest
from lab import eventually

pytestmark = pytest.mark.long

MEMORY = 12 * 1024


def rss(daemon):
    """Resident memory, KiB."""
    status = Path(f"/proc/{daemon.pid}/status").read_text(encoding="utf-8")
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))


def test_the_proxy_costs_little_memory_and_nothing_where_it_is_closed(lan, podman, make_daemon):
    found = {}
    podman.network("mv", driver="macvlan")
    for name, config, network in (("closed", "", "lan"), ("open", "[netavark]\nproxy = true\n", "mv")):
        daemon = make_daemon(config)
        daemon.start()
        if network == "lan":
            podman.network("lan")  # the driver asks the daemon whether that is a parent
        for _ in range(3):
            podman("run", "--rm", f"--network={network}", "localhost/box", "true")
        eventually(lambda: daemon.leases() == [], what="nothing is held")  # noqa: B023 - asked at once
        found[name] = rss(daemon)
        daemon.stop()
    assert found["open"] - found["closed"] <= MEMORY, found
