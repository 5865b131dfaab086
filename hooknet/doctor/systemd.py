"""What systemd says of a unit."""

from __future__ import annotations

from dataclasses import dataclass

from hooknet.doctor.host import Host

PROPERTIES = "LoadState,ActiveState,SubState,Result,NRestarts,MainPID,UnitFileState"


def show(host: Host, unit: str) -> dict[str, str]:
    """Properties of a unit; empty when systemctl does not answer."""
    ran = host.run("systemctl", "show", f"--property={PROPERTIES}", unit)
    lines = ran.stdout.splitlines() if ran is not None and ran.code == 0 else []
    return {key: value for key, _, value in (line.partition("=") for line in lines)}


def is_active(host: Host, unit: str) -> bool:
    return host.root.has_systemd and show(host, unit).get("ActiveState") == "active"


@dataclass(frozen=True, slots=True)
class Shown:
    """Which units run, for `install.units`."""

    host: Host

    def active(self, unit: str) -> bool:
        return is_active(self.host, unit)
