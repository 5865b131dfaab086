"""A podman API service on a unix socket that misbehaves on cue.

It keeps an event log as podman does, replays it by `since`, follows it for streaming readers, answers
`filters`, and lists containers. The faults are attributes and methods that a test sets; everything else is
answered well.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from datetime import datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

HEAD = (
    "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nLibpod-Api-Version: 4.3.1\r\n"
    "Transfer-Encoding: chunked\r\n\r\n"
)


def event(action, who, *, at=None, kind="container", name="box", image="localhost/box", pod="", **labels):
    """An event as podman 4.3.1 writes it; `at` is nanoseconds."""
    at = time.time_ns() if at is None else at
    attributes = {**labels, "containerExitCode": "0", "image": image, "name": name, "podId": pod}
    actor = {"ID": who, "Attributes": attributes}
    return {"status": action, "id": who, "Type": kind, "Action": action, "Actor": actor, "timeNano": at}


class FakePodman:
    """`with FakePodman(path) as podman:`; `podman.url` is what to connect to."""

    def __init__(self, path):
        self.path = str(path)
        self.url = f"unix://{self.path}"
        self.log: list[dict] = []
        self.containers: object = []
        self.requests: list[tuple[str, dict]] = []
        self.deaf_streams = False  # streams are accepted, and never told anything
        self.status = "200 OK"
        self.hang = False  # never answer
        self.junk_first = b""  # sent at the start of every stream
        self.ignore_filters = False
        self._changed = threading.Condition()
        self._streams: set[socket.socket] = set()
        self._all: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._over = False
        self._epoch = 0
        self.opened = 0
        self._listener: socket.socket | None = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        self._over = False
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen(100)
        self._spawn(self._accept, self._listener)

    @contextlib.contextmanager
    def on_tcp(self):
        """Listen on a loopback port, too; gives the URL."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self._spawn(self._accept, listener)
            try:
                yield f"tcp://127.0.0.1:{listener.getsockname()[1]}"
            finally:
                listener.shutdown(socket.SHUT_RDWR)

    def stop(self):
        with self._changed:
            self._over = True
            self._changed.notify_all()
            for connection in self._all:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(5)
            assert not thread.is_alive()
        self._threads.clear()
        Path(self.path).unlink()

    def push(self, *events):
        """Something happened."""
        with self._changed:
            self.log += events
            self._changed.notify_all()

    def send_raw(self, data: bytes):
        """Bytes to every stream, as one chunk."""
        with self._changed:
            for stream in self._streams:
                stream.sendall(chunk(data))

    def end_streams(self):
        """End every stream the way HTTP wants it."""
        with self._changed:
            self._epoch += 1
            self._changed.notify_all()

    def cut_streams(self):
        """Hang up in the middle of a chunk."""
        with self._changed:
            for stream in self._streams:
                stream.sendall(b"100\r\n{")
                stream.shutdown(socket.SHUT_RDWR)

    def wait_for_streams(self, count=1):
        """Until so many streams were opened, since the beginning."""
        self.wait(lambda: self.opened >= count)

    def wait_for_requests(self, count=1):
        self.wait(lambda: len(self.requests) >= count)

    def wait(self, condition):
        with self._changed:
            assert self._changed.wait_for(condition, 10)

    def queries(self, path="/events"):
        """The parameters of the requests so far for `path`."""
        return [query for where, query in self.requests if where.endswith(path)]

    def _spawn(self, target, *args):
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener):
        while not self._over:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with self._changed:
                self._all.add(connection)
            self._spawn(self._serve, connection)

    def _serve(self, connection):
        try:
            with connection, contextlib.suppress(OSError):
                self._converse(connection)
        finally:
            with self._changed:
                self._all.discard(connection)

    def _converse(self, connection):
        with connection.makefile("rb") as head:
            request = head.readline().decode().split()
        if len(request) != 3:
            return  # hung up before asking
        parts = urlsplit(request[1])
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        with self._changed:
            self.requests.append((parts.path, query))
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self.hang or self._over)
        self._answer(connection, parts.path, query)

    def _answer(self, connection, path, query):
        connection.sendall(HEAD.format(status=self.status).encode())
        if not self.status.startswith("200"):
            connection.sendall(chunk(b'{"cause":"boom","message":"it broke","response":500}'))
        elif path.endswith("/containers/json"):
            body = self.containers if isinstance(self.containers, bytes) else dumps(self.containers)
            connection.sendall(chunk(body))
        elif query.get("stream") == "true":
            self._stream(connection, query)
            return
        else:
            for found in self._matching(query):
                connection.sendall(chunk(dumps(found) + b"\n"))
        connection.sendall(chunk(b""))

    def _matching(self, query):
        since = nanoseconds(query.get("since", "1"))
        filters = {} if self.ignore_filters else json.loads(query.get("filters", "{}"))
        return [found for found in self.log if found["timeNano"] >= since and matches(found, filters)]

    def _stream(self, connection, query):
        with self._changed:
            if self.junk_first:
                connection.sendall(chunk(self.junk_first))
            epoch, told = self._epoch, 0
            deaf = self.deaf_streams
            self._streams.add(connection)
            self.opened += 1
            self._changed.notify_all()
        try:
            since = nanoseconds(query.get("since", "1"))
            while True:
                with self._changed:
                    self._changed.wait_for(
                        lambda told=told: (
                            self._over or self._epoch != epoch or (not deaf and told < len(self.log))
                        )
                    )
                    fresh, told = ([], told) if deaf else (self.log[told:], len(self.log))
                    ended = self._over or self._epoch != epoch
                body = b"".join(chunk(dumps(e) + b"\n") for e in fresh if e["timeNano"] >= since)
                connection.sendall(body)
                if ended:
                    connection.sendall(chunk(b""))
                    return
        finally:
            with self._changed:
                self._streams.discard(connection)
                self._changed.notify_all()


def matches(found, filters):
    """podman's own idea: a container is meant by its name or by the beginning of its id."""
    attributes = found["Actor"]["Attributes"]
    for key, values in filters.items():
        match key:
            case "type" if found["Type"] not in values:
                return False
            case "event" if found["Action"] not in values:
                return False
            case "container" | "pod":
                if found["Type"] != key:
                    return False
                if not any(found["id"].startswith(v) or attributes["name"] == v for v in values):
                    return False
    return True


def nanoseconds(since: str) -> int:
    if since.isdigit():
        return int(since) * 10**9
    seconds, fraction = since.removesuffix("Z").split(".")
    return int(datetime.fromisoformat(seconds + "+00:00").timestamp()) * 10**9 + int(fraction)


def dumps(value) -> bytes:
    return json.dumps(value).encode()


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)
