"""docs/plugins/guide.md, typed line by line: from nothing to a tested plugin, and then to a running one."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from lab.cni import netconf
from lab.process import run
from lab.wheels import wheelhouse

if TYPE_CHECKING:
    from lab import Host, Lan

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "plugins" / "guide.md").read_text(encoding="utf-8")
TYPED_WITHIN = 400.0
SYSTEMS_PYTHON = "/usr/bin/python3"


def typed(prompt: str) -> list[str]:
    """What stands behind a prompt in the first console block that has it."""
    blocks = re.findall(r"^```console\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
    block = next(text for text in blocks if text.startswith(prompt))
    return [line.removeprefix(prompt).strip() for line in block.splitlines()]


def test_the_guide_leads_from_nothing_to_a_tested_plugin_that_a_daemon_calls(
    lan: Lan, host: Host, tmp_path: Path
) -> None:
    wheels = wheelhouse(tmp_path / "wheels", "dev")
    lines = (
        "\n".join(typed("$"))
        .replace("/path/to/the/clone", str(ROOT))
        .replace("python3 ", f"{SYSTEMS_PYTHON} ")
    )
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels)}
    said = run(["sh", "-ec", f"cd {tmp_path}\n{lines}"], env=offline, timeout=TYPED_WITHIN).stdout
    assert re.search(r"\b5 passed", said), said
    assert re.search(r"^greeter +active", said, re.MULTILINE), said

    [installs, *_] = typed("#")
    assert installs == "/opt/hooknet/bin/pip install ./hooknet-greeter"
    site = tmp_path / "site"
    run(
        [tmp_path / "try/bin/pip", "install", "--no-deps", f"--target={site}", tmp_path / "hooknet-greeter"],
        env=offline,
    )
    daemon = host.daemon('[plugins.greeter]\nprefix = "lab-"\n', env={"PYTHONPATH": str(site)})
    daemon.start()
    box = host.cni.sandbox()
    host.cni.add(netconf(), box)
    assert [lease["hostname"] for lease in daemon.leases()] == [f"lab-{box.name}"]
    daemon.wait_for(f"{box.name} has .* \\(BOUND\\)")
    rows = json.loads(daemon.hooknet("plugins", "--format", "json").stdout)["plugins"]
    greeter = next(row for row in rows if row["name"] == "greeter")
    assert (greeter["state"], greeter["failures"], greeter["calls"] >= 1) == ("active", 0, True)
