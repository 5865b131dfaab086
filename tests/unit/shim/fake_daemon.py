"""A scripted daemon on a unix socket, in a thread: it records what it is asked and answers as told."""

import contextlib
import os
import select
import socket
import subprocess
import threading

from hooknet.cni.envelope import encode_answer, parse_body, parse_header

DEADLINE = 10
QUICK = {"PATH": "/usr/bin:/bin"}
ADD = {
    "CNI_COMMAND": "ADD",
    "CNI_CONTAINERID": "c0ffee",
    "CNI_NETNS": "/run/netns/none",
    "CNI_IFNAME": "eth0",
    "CNI_PATH": "/usr/lib/cni",
}


class FakeDaemon:
    """`answer`: bytes to send, or a function of the line that does it. What `read` returns is in `requests`."""

    def __init__(self, path, answer, *, backlog=10, read=None):
        self.path, self.answer, self.read = path, answer, read or read_request
        self.requests, self.farewells = [], []
        self.listening = socket.socket(socket.AF_UNIX)
        self.listening.bind(str(path))
        self.listening.listen(backlog)
        self._quit, self._quitting = os.pipe()
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        os.close(self._quitting)
        self._thread.join(DEADLINE)
        self.listening.close()
        os.close(self._quit)
        assert not self._thread.is_alive(), "the fake daemon ended"

    def _serve(self):
        while True:
            ready, _, _ = select.select([self.listening, self._quit], [], [])
            if self._quit in ready:
                return
            line, _ = self.listening.accept()
            with line:
                line.settimeout(DEADLINE)
                self.requests.append(self.read(line))
                if callable(self.answer):
                    self.answer(line)
                else:
                    line.sendall(self.answer)
                if line.fileno() >= 0:
                    with contextlib.suppress(ConnectionError):
                        self.farewells.append(line.recv(10))


def read_request(line):
    received = b""
    while b"\n" not in received:
        received += line.recv(65536)
    head, newline, body = received.partition(b"\n")
    sizes = parse_header(head + newline)
    while len(body) < sizes.total:
        body += line.recv(65536)
    return parse_body(sizes, body)


def said(exit_code, stdout):
    return encode_answer(exit_code, stdout)


def run(shim, *words, stdin=b"{}", env=ADD, **more):
    """Run the shim to its end. Only what a runtime passes is in its environment."""
    return subprocess.run(
        [shim, *words], input=stdin, env=QUICK | env, capture_output=True, timeout=30, check=False, **more
    )
