"""Measure hooknet beside its peers, in one run, in a lab that is gone afterwards. Run by script/bench.

Nothing fails because a number is large: goals and ratios are printed beside the rows. It fails when something does
not work: an ADD that fails where it may not, a daemon that does not come up.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parents[3]
sys.path.append(str(ROOT / "tests" / "lab"))  # the lab of the tests is the lab of the benchmark

import report  # noqa: E402 - on the path that was just set
from faults import compare_faults  # noqa: E402
from lab.podman5 import missing  # noqa: E402
from measures import MEASURES, measure, profile  # noqa: E402
from peers import Reference, debian  # noqa: E402
from plot import svg  # noqa: E402
from sizes import FULL, SMOKE  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sizes import Sizes

PAGE = ROOT / "docs" / "benchmarks.md"


def parser() -> argparse.ArgumentParser:
    words = argparse.ArgumentParser(prog="script/bench", description=__doc__)
    words.add_argument(
        "--peer",
        action="append",
        default=[],
        type=Reference.parse,
        metavar="NAME=DIR[:MAIN[:IPAM]]",
        help="another directory with plugins to measure; the types of its main and IPAM plugin (macvlan, dhcp)",
    )
    words.add_argument(
        "--rows", default=list(MEASURES), type=some_rows, help=f"which rows: some of {', '.join(MEASURES)}"
    )
    words.add_argument("--profile", action="store_true", help="where an ADD's time goes, step by step")
    words.add_argument("--compare-faults", action="store_true", help="what each peer does when things break")
    words.add_argument(
        "--smoke", action="store_true", help="everything once, small: that it works, not how fast"
    )
    words.add_argument(
        "--docs", action="store_true", help="write the results into docs/benchmarks.*; other rows stay there"
    )
    words.add_argument("--out", type=Path, default=ROOT / ".cache" / "bench", help="where the results go")
    return words


def some_rows(text: str) -> list[str]:
    """The names in `a,b`. Raises ArgumentTypeError for one that there is not."""
    names = text.split(",")
    if unknown := sorted(set(names) - set(MEASURES)):
        known = ", ".join(MEASURES)
        raise argparse.ArgumentTypeError(f"there is no row {', '.join(map(repr, unknown))}, but {known}")
    return names


def main(arguments: Sequence[str]) -> int:
    asked = parser().parse_args(arguments)
    references = [debian(), *asked.peer]
    asked.out.mkdir(parents=True, exist_ok=True)
    sizes = SMOKE if asked.smoke else FULL
    if asked.profile or asked.smoke:
        show(asked, "profile", profile(sizes))
    if asked.compare_faults or asked.smoke:
        show(asked, "faults", compare_faults(references, quick=asked.smoke))
    if asked.smoke or not (asked.profile or asked.compare_faults):
        wanted = [name for name in MEASURES if name in asked.rows]
        if "podman-5" in wanted and asked.smoke and missing():
            print(f"left out: podman-5 ({missing()})", file=sys.stderr)
            wanted.remove("podman-5")
        results(asked, wanted, references, sizes)
    return 0


def show(asked: argparse.Namespace, name: str, text: str) -> None:
    print(text, flush=True)
    (asked.out / f"{name}.md").write_text(text + "\n", encoding="utf-8")
    if asked.docs:
        report.put_into(PAGE, name, text)


def results(asked: argparse.Namespace, wanted: list[str], references: list[Reference], sizes: Sizes) -> None:
    about = report.machine()
    rows: list[dict[str, Any]] = []
    for name in wanted:
        print(f"… {name}", file=sys.stderr, flush=True)
        rows += [report.row_json(row) for row in measure(name, references, sizes)]
        (asked.out / "results.json").write_text(report.as_json(about, rows), encoding="utf-8")
    about["load_after"] = os.getloadavg()[0]
    places = [asked.out / "results"]
    if asked.docs:
        rows = report.merged(PAGE.with_suffix(".json"), rows)
        places.append(PAGE.with_suffix(""))
    shown = [report.row_from(row) for row in rows]
    show(asked, "table", report.table(shown))
    show(asked, "machine", report.machine_text(about))
    for place in places:
        place.with_suffix(".json").write_text(report.as_json(about, rows), encoding="utf-8")
        place.with_suffix(".svg").write_text(svg(shown), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
