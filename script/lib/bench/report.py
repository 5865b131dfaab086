"""What is shown and kept: the machine, a Markdown table, JSON with every sample, and the plot's place in the docs."""

from __future__ import annotations

import json
import os
import platform
import re
import statistics
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from figures import Goal, Row, number, p95
from lab.process import run
from peers import DEBIAN, debian_version
from single import STARTED

if TYPE_CHECKING:
    from collections.abc import Sequence

FIRST_COLUMNS = ("hooknet", "drop-in", "floor", STARTED, "none", DEBIAN)


def machine() -> dict[str, Any]:
    """What the numbers depend on."""
    cpuinfo = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    model = re.search(r"model name\s*: (.*)", cpuinfo)
    memory = re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text(encoding="ascii"))
    release = re.search(r'PRETTY_NAME="(.*)"', Path("/etc/os-release").read_text(encoding="utf-8"))
    return {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": model[1] if model else platform.machine(),
        "cores": os.cpu_count(),
        "memory_gb": round(int(memory[1]) / 1e6) if memory else None,
        "kernel": platform.release(),
        "system": release[1] if release else platform.system(),
        "python": platform.python_version(),
        "podman": first_line("podman", "--version"),
        "dnsmasq": first_line("dnsmasq", "--version"),
        "plugins": debian_version(),
        "load_before": os.getloadavg()[0],
    }


def first_line(*command: str) -> str:
    return run(command, check=False).stdout.partition("\n")[0]


def machine_text(about: dict[str, Any]) -> str:
    """The same, as a sentence for the docs."""
    dnsmasq = about["dnsmasq"].partition("  ")[0]
    return (
        f"{about['cpu']}, {about['cores']} cores, {about['memory_gb']} GB; {about['system']}, "
        f"kernel {about['kernel']}, Python {about['python']}, {about['podman']}, {dnsmasq}; "
        f"`{DEBIAN}` is containernetworking-plugins {about['plugins']}. "
        f"Load before the run: {about['load_before']:.1f}. {about['when'][:10]}."
    )


def columns(rows: Sequence[Row]) -> list[str]:
    """Every peer of any row, the usual ones first."""
    names = dict.fromkeys(name for row in rows for name in row.values)
    return [*(n for n in FIRST_COLUMNS if n in names), *(n for n in names if n not in FIRST_COLUMNS)]


def table(rows: Sequence[Row]) -> str:
    """Markdown. Notes are numbered below the table."""
    peers = columns(rows)
    notes = list(dict.fromkeys(row.note for row in rows if row.note))
    lines = [
        "| | " + " | ".join(peers) + " | unit | goal | |",
        "|---|" + "---:|" * len(peers) + "---|---|---|",
    ]
    for row in rows:
        mark = f" [{notes.index(row.note) + 1}]" if row.note else ""
        values = [number(row.values[name]) if name in row.values else "" for name in peers]
        goals = "; ".join(goal.words(row.unit) for goal in row.goals)
        verdicts = "; ".join(text for _, text in row.verdicts())
        lines.append(f"| {row.label}{mark} | {' | '.join(values)} | {row.unit} | {goals} | {verdicts} |")
    return "\n".join([*lines, "", *(f"[{n}] {note}." for n, note in enumerate(notes, 1))])


def as_json(about: dict[str, Any], rows: Sequence[dict[str, Any]]) -> str:
    return json.dumps({"machine": about, "rows": rows}, indent=1) + "\n"


def row_json(row: Row) -> dict[str, Any]:
    return {
        "key": row.key,
        "label": row.label,
        "unit": row.unit,
        "values": {name: round(value, 4) for name, value in row.values.items()},
        "goals": [asdict(goal) | {"verdict": text} for goal, text in row.verdicts()],
        "note": row.note,
        "subject": row.subject,
        "samples": {name: spread(some) for name, some in row.samples.items()},
    }


def row_from(kept: dict[str, Any]) -> Row:
    """The row again, without its samples."""
    goals = tuple(Goal(limit=goal["limit"], of=goal["of"], times=goal["times"]) for goal in kept["goals"])
    words = {name: kept[name] for name in ("key", "label", "unit", "values", "note", "subject")}
    return Row(**words, goals=goals)


def merged(path: Path, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """These rows, and those of earlier runs that were not measured now, in their order."""
    new = {row["key"]: row for row in rows}
    old = json.loads(path.read_text(encoding="utf-8"))["rows"] if path.exists() else []
    return [*(new.pop(row["key"], row) for row in old), *new.values()]


def spread(samples: Sequence[float]) -> dict[str, float]:
    return {
        "count": len(samples),
        "min": round(min(samples), 3),
        "median": round(statistics.median(samples), 3),
        "p95": round(p95(samples), 3),
        "max": round(max(samples), 3),
    }


def put_into(page: Path, name: str, text: str) -> None:
    """Replace what stands between `<!-- name -->` and `<!-- /name -->` in a page of the docs."""
    old = page.read_text(encoding="utf-8")
    form = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    new, found = form.subn(lambda match: f"{match[1]}{text}\n{match[2]}", old)
    if found != 1:
        raise ValueError(f"{page} has no place for {name}")
    page.write_text(new, encoding="utf-8")
