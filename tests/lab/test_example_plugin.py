"""examples/hooknet-webhook as its reader would use it: built, installed beside hooknet, told of real leases."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from lab import Host, Lan, eventually
from lab.package import pip_install
from lab.process import Program, run

if TYPE_CHECKING:
    from collections.abc import Callable

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "hooknet-webhook"

RECEIVER = """
import http.server, sys
class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        print("GOT " + body.decode(), flush=True)
        self.send_response(204)
        self.end_headers()
    def log_message(self, *words):
        pass
server = http.server.HTTPServer(("127.0.0.1", 8080), Receiver)
print("listening", flush=True)
server.serve_forever()
"""
CONFIG = """
[plugins.webhook]
url = "http://127.0.0.1:8080/leases"
"""


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The example, built into a wheel and installed by pip into a folder of its own."""
    wheels = tmp_path / "wheels"
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-index",
        "--no-build-isolation",
    ]
    run([*build, f"--wheel-dir={wheels}", EXAMPLE])
    [wheel] = wheels.iterdir()
    return pip_install(wheel, tmp_path / "site")


def receiver(host: Host, log: str) -> Program:
    program = host.program(*host.netns.enter, sys.executable, "-c", RECEIVER, log=log)
    program.wait_for("listening")
    return program


def posts(program: Program) -> Callable[[], list[dict[str, Any]]]:
    return lambda: [
        json.loads(line[4:]) for line in program.log.text().splitlines() if line.startswith("GOT ")
    ]


def test_the_example_plugin_posts_each_lease(lan: Lan, host: Host, installed: Path) -> None:
    got = posts(receiver(host, "receiver.log"))
    host.following_daemon(CONFIG, env={"PYTHONPATH": str(installed)}).start()
    host.conflist("lan", {"type": "hooknet", "master": "host0"})
    container = host.podman.start("web", network="lan")
    address = container.address()
    eventually(lambda: len(got()) == 1, what="the lease is posted")
    container.rm()
    eventually(lambda: len(got()) == 2, what="its end is posted")
    bound, released = got()
    assert (bound["event"], bound["reason"], bound["container"]) == ("post_lease", "BOUND", "web")
    assert (released["event"], released["reason"]) == ("release", "DETACHED")
    assert bound["address"] == released["address"]
    assert bound["address"].partition("/")[0] == str(address)


def test_what_a_dead_receiver_missed_comes_after_a_restart_of_the_daemon(
    lan: Lan, host: Host, installed: Path
) -> None:
    daemon = host.following_daemon(CONFIG, env={"PYTHONPATH": str(installed)})
    daemon.start()
    host.conflist("lan", {"type": "hooknet", "master": "host0"})
    container = host.podman.start("web", network="lan")
    container.rm()
    daemon.restart()
    got = posts(receiver(host, "receiver.log"))
    eventually(lambda: len(got()) >= 2, within=30, what="both are posted in the end")
    assert [post["event"] for post in got()][-2:] == ["post_lease", "release"]
