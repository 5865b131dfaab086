"""The whole test suite as several pytest runs at once, and one closing line for all of them.

Lab tests mostly wait (for a server, a link, podman), so worlds side by side take little more than half the time of
one. Each run has a world and a cache of its own and can't meet the others. What a run says comes out whole, when it
has ended. A test that failed is run once more, alone, when everything else is over: on a machine that is busy with
something else lab tests miss their deadlines. One that passes then is listed as FLAKY, by name, and counts as passed.

    suites.py [--long]
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

LIVES_AND_FAULTS = sorted(
    str(path) for kind in ("dhcp", "faults") for path in Path("tests/lab").glob(f"test_{kind}_*.py")
)
MORE = ["tests/lab/cni", "tests/lab/netavark", "tests/lab/plugins"]
HARDENED = "tests/lab/test_hardened_scenarios.py"
SUITES = {
    "unit": ["tests/unit", "tests/sim", "tests/docs"],
    "lab": ["tests/lab", *(f"--ignore={path}" for path in (*LIVES_AND_FAULTS, *MORE, HARDENED))],
    "lives and faults": LIVES_AND_FAULTS,
    "more lab": [*MORE, "tests/crash"],
}
"""What each run is given. Of about the same length."""
LONG_SUITES = {
    "hardened, files": [HARDENED, "-k", "every_file"],
    "hardened, folders": [HARDENED, "-k", "every_folder"],
}
"""What --long adds: the lab once more, as the unit runs it."""
PATIENT = {"unit"}
"""Waits for nothing but the processor, and leaves it to those that have deadlines."""
SLOWEST = 10
COUNTED = re.compile(r"(\d+) (passed|failed|errors?|skipped)")
FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)
NO_TESTS = 5


@dataclass
class Suite:
    """One pytest run, as a process whose words are kept."""

    name: str
    words: list[str]
    long: list[str]
    cache: str
    counts: dict[str, int] = field(default_factory=dict)

    def start(self, *more: str) -> None:
        self.said = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 - read by finish
        pytest = [*(["nice"] if self.name in PATIENT else []), sys.executable, "-m", "pytest"]
        reports = [f"--durations={SLOWEST}", "-o", f"cache_dir={self.cache}"]
        command = [*pytest, *self.words, *self.long, *reports, *more]
        self.process = subprocess.Popen(command, stdout=self.said, stderr=subprocess.STDOUT, text=True)

    def finish(self) -> str:
        """Wait for the end, show what was said, count; returns the text."""
        code = self.process.wait()
        self.said.seek(0)
        text = self.said.read()
        self.said.close()
        print(f"==== {self.name}\n{text}", flush=True)
        closing = text.rstrip().rpartition("\n")[2]
        found = {kind.rstrip("s"): int(number) for number, kind in COUNTED.findall(closing)}
        self.counts = {kind: found.get(kind, 0) for kind in ("passed", "failed", "error", "skipped")}
        if code not in {0, 1, NO_TESTS} or not any(self.counts.values()):
            self.counts["error"] += 1  # it was killed, or never ran
        return text

    @property
    def bad(self) -> int:
        return self.counts["failed"] + self.counts["error"]


def once_more(suite: Suite, text: str) -> list[str]:
    """Run what failed again, alone. Returns the tests that pass now; the suite's counts follow."""
    before, names = suite.counts, sorted(set(FAILED.findall(text)))
    suite.start("--last-failed", "--last-failed-no-failures=none")
    suite.finish()
    if suite.bad or suite.counts["passed"] < before["failed"]:
        suite.counts = before
        return []
    suite.counts = {**before, "passed": before["passed"] + suite.counts["passed"], "failed": 0, "error": 0}
    return names


def main() -> int:
    long = ["--long"] if "--long" in sys.argv[1:] else []
    suites = [
        Suite(name, words, long, cache=f".cache/pytest-{re.sub('[, ]+', '-', name)}")
        for name, words in (SUITES | LONG_SUITES if long else SUITES).items()
    ]
    for suite in suites:
        suite.start()
    texts = {suite.name: suite.finish() for suite in suites}
    flaky = [name for suite in suites if suite.bad for name in once_more(suite, texts[suite.name])]
    for name in flaky:
        print(f"FLAKY {name}")
    if flaky:
        print(f"{len(flaky)} of those that passed are flaky: they failed first, and passed alone")
    total = {
        kind: sum(suite.counts[kind] for suite in suites) for kind in ("passed", "failed", "error", "skipped")
    }
    bad = total["failed"] + total["error"]
    print(f"{total['passed']} passed, {bad} failed, {total['skipped']} skipped")
    return 1 if bad or not total["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
