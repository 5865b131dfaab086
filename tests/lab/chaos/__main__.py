"""script/chaos [--lives N] [--seed S] [--at-once K]

Lets N containers live and die on one host, K at a time, while the daemon, podman's service, the DHCP server,
conmons, network namespaces and the cable fail at random. Prints what happened; exit code 1 when anything was lost.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lab import Lab, Lan, world
from lab.daemon import install_shims
from lab.podman import make_image_store

from chaos.lives import NETWORKS, Lives
from chaos.storm import Storm
from chaos.verdict import Verdict
from chaos.watch import Watch

CONFIG = '[daemon]\nreconcile_interval = "5s"\nlog_level = "debug"\n'
NAMES_PER_WORKER = 3
PROGRESS = 100


def main() -> int:
    parser = argparse.ArgumentParser(prog="script/chaos", description=__doc__)
    parser.add_argument("--lives", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--at-once", type=int, default=4)
    args = parser.parse_args()
    if (missing := world.missing()) is not None:
        sys.exit(f"script/chaos: {missing}")
    world.FOLDER.mkdir(exist_ok=True)
    images = make_image_store(world.FOLDER / "images")
    lab = Lab(world.FOLDER, images=images, shims=install_shims(world.FOLDER / "shims"))
    try:
        return Chaos(lab, args.lives, args.seed, args.at_once).run()
    except (AssertionError, RuntimeError) as error:
        print(f"LOST (seed {args.seed}): {error}", flush=True)
        for name, text in lab.logs():
            if "daemon" in name or "kea" in name:
                Path(f"/tmp/chaos-{args.seed}-{name.replace('/', '-')}").write_text(text)
        return 1
    finally:
        lab.close()


class Chaos:
    """One run."""

    def __init__(self, lab: Lab, lives: int, seed: int, at_once: int) -> None:
        self.count, self.seed, self.at_once = lives, seed, at_once
        self.tally: dict[str, int] = {}
        self.lan: Lan = lab.lan()
        self.lan.serve("kea", lease_time=30, t1=6, t2=20)
        self.host = lab.host(self.lan)
        for network in NETWORKS:
            self.host.conflist(network, {"type": "hooknet", "master": "host0"})
        self.service = self.host.podman.service()
        self.daemon = self.host.daemon(CONFIG, podman_url=self.host.podman.url)

    def run(self) -> int:
        """Returns the exit code."""
        began = time.monotonic()
        self.daemon.start()
        verdict = Verdict(self.lan, self.host, self.daemon)
        self.host.podman.start("first", network=NETWORKS[0]).rm()
        before = self.daemon.descriptors()
        watch = Watch()
        storm = Storm(random.Random(f"{self.seed} storm"), self.daemon, self.service, self.lan, self.tally)
        watch.start()
        storm.start()
        try:
            self.live()
        finally:
            storm.calm()
        survivors = verdict.settles()
        print(f"after the storm {survivors} interfaces live, with {survivors} leases", flush=True)
        verdict.ends_empty()
        watch.stop()
        after = verdict.no_more_descriptors_than(before)
        self.report(watch, before, after, time.monotonic() - began)
        return 1 if watch.duplicates else 0

    def live(self) -> None:
        """All lives, some at once; each worker reuses a few names, so that identities come back."""
        lives = Lives(self.host, self.tally)

        def worker(number: int) -> None:
            for life in range(number, self.count, self.at_once):
                name = f"w{number}-{life // self.at_once % NAMES_PER_WORKER}"
                lives.live(name, random.Random(f"{self.seed} {life}"))
                if life and life % PROGRESS == 0:
                    print(f"… life {life}", flush=True)

        with ThreadPoolExecutor(self.at_once) as crowd:
            list(crowd.map(worker, range(self.at_once)))

    def report(self, watch: Watch, before: int, after: int, seconds: float) -> None:
        print(f"{self.count} lives, seed {self.seed}, in {seconds:.0f} s")
        for what, times in sorted(self.tally.items()):
            print(f"  {times:5}  {what}")
        print(f"{watch.looks} looks at the kernel, {len(watch.duplicates)} duplicate addresses")
        print(*watch.duplicates[:20], sep="\n", end="")
        print(f"descriptors of the daemon: {before} before, {after} after")
        print("nothing is left: no lease, no link" if not watch.duplicates else "LOST: duplicates")


if __name__ == "__main__":
    sys.exit(main())
