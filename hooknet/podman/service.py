"""The one place that talks to podman's API service, through podman-py's `APIClient`.

The rules:
- podman-py (with requests and urllib3) is imported by the thread that first needs it: 90 ms and 7 to 14 MB,
  which a daemon that finds no podman never pays.
- An exchange can be interrupted from any thread, whatever it waits for (connect, headers, the next event): a
  duplicate of its socket's descriptor is shut down. `Response.close()` would wait for the next event,
  `Client.close()` stops nothing. The duplicate keeps its number, so no other descriptor can be hit by
  mistake.
- Nothing the service does raises anything but `PodmanUnavailable` (or `Idle` while reading), with a reason in
  words.
- Answers are bounded in bytes and time; redirects, proxies and compression are off.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hooknet.errors import HooknetError, Kind
from hooknet.podman.events import error_of, text

API_VERSION = "4.0.0"  # of libpod's REST API; podman 4 and 5 both serve it
SCHEMES = ("unix", "http+unix", "tcp", "http")
CHUNK = 64 * 1024
LONGEST_REASON = 200
ENABLE_SOCKET = "systemctl enable --now podman.socket, or set url in [podman] of hooknet.toml"
ASK = "it is asked again soon; whether it answers at all: podman --remote --url {url} info"
WORDS = {
    errno.ENOENT: ("there is no socket {place}", ENABLE_SOCKET),
    errno.ECONNREFUSED: ("nobody listens on {place}", "systemctl restart podman.socket"),
    errno.EACCES: ("access to {place} is denied", "run the daemon as root"),
    errno.EAGAIN: ("{place} has too many callers waiting", ""),
    errno.ECONNRESET: ("podman's service hung up", ""),
    errno.EPIPE: ("podman's service hung up", ""),
}


class PodmanUnavailable(HooknetError):  # noqa: N818 - named in the contract between the rooms
    """podman could not be asked. `absent`: there is no service at all; else it may be back soon."""

    def __init__(self, url: str, why: str, *, hint: str = "", absent: bool = False) -> None:
        super().__init__(
            Kind.UNAVAILABLE, f"podman at {url} can't be asked", details=why, hint=hint or ASK.format(url=url)
        )
        self.url = url
        self.absent = absent


class Idle(Exception):  # noqa: N818 - nothing went wrong
    """Nothing came for as long as the reader was willing to wait."""


class Exchange:
    """One GET and its answer. Used by one thread, interrupted by any."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.podman_version = ""
        self._lock = threading.Lock()
        self._interrupted = False
        self._descriptor: int | None = None
        self._socket: socket.socket | None = None
        self._client: Any = None
        self._response: Any = None

    def open(self, path: str, params: Mapping[str, str], timeout: float) -> None:
        """Send the request and read the headers, each wait of it at most `timeout` seconds."""
        try:
            self._client = open_client(self.url, self._connected)
            self._response = self._client.get(path, params=params, stream=True, timeout=(timeout, timeout))
            self._check_status()
        except PodmanUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - podman-py, requests and urllib3 share no base
            raise explain(self.url, error) from None

    def wait_at_most(self, seconds: float) -> None:
        """From now on `read` raises `Idle` when nothing came for so long."""
        if self._socket is not None:
            self._socket.settimeout(seconds)

    def read(self) -> bytes:
        """Some bytes of the body as soon as there are any; b"" at its end. Raises Idle, PodmanUnavailable."""
        try:
            return bytes(self._response.raw.read1(CHUNK, decode_content=False))
        except Exception as error:  # noqa: BLE001 - as above
            if any(isinstance(link, TimeoutError) for link in chain(error)):
                raise Idle from None
            raise explain(self.url, error) from None

    def interrupt(self) -> None:
        """Make whatever waits return at once, now or later. From any thread, any number of times."""
        with self._lock:
            self._interrupted = True
            if self._descriptor is not None:
                shut_down(self._descriptor)

    def close(self) -> None:
        self.interrupt()
        if self._response is not None:
            self._response.close()
        if self._client is not None:
            self._client.close()
        if self._socket is not None:
            self._socket.close()  # urllib3 may leave it to the garbage collector
        with self._lock:
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None

    def _check_status(self) -> None:
        status = self._response.status_code
        if status != HTTPStatus.OK:
            raise PodmanUnavailable(self.url, f"podman answered {status} {error_of(self.read())}".rstrip())
        self.podman_version = text(self._response.headers.get("Libpod-Api-Version"))

    def _connected(self, connection: socket.socket) -> None:
        with self._lock:
            self._socket = connection
            self._descriptor = os.dup(connection.fileno())
            if self._interrupted:
                shut_down(self._descriptor)


def open_client(url: str, connected: Callable[[socket.socket], None]) -> Any:
    """podman-py's client for `url`; `connected` is called with each socket that it opens."""
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES:
        raise PodmanUnavailable(
            url, "this kind of URL is not supported", hint="use unix:///path or tcp://host:port", absent=True
        )
    if parts.scheme == "unix" and parts.path:
        Path(parts.path).stat()  # raises before the import, where there is no podman
    from podman.api.client import APIClient

    client = APIClient(url, version=API_VERSION)
    client.trust_env = False
    client.get_redirect_target = lambda _response: None
    client.headers["Accept-Encoding"] = "identity"
    tap(client, connected)
    return client


def tap(client: Any, connected: Callable[[socket.socket], None]) -> None:
    """Have the client's connections show their sockets, by urllib3's own points of extension."""
    manager = client.get_adapter("http://").poolmanager
    plain_pool = manager.pool_classes_by_scheme["http"]

    def make_pool(*args: Any, **options: Any) -> Any:
        pool = plain_pool(*args, **options)
        pool.ConnectionCls = make_connection
        return pool

    def make_connection(*args: Any, **options: Any) -> Any:
        connection = plain_pool.ConnectionCls(*args, **options)
        plain_connect = connection.connect

        def connect() -> None:
            if hasattr(connection, "uds"):
                connection.sock = connect_unix(connection.uds, connection.timeout)
            else:
                plain_connect()
            connected(connection.sock)

        connection.connect = connect
        return connection

    manager.pool_classes_by_scheme = {"http": make_pool}


def connect_unix(uds: str, timeout: float) -> socket.socket:
    """A connection to podman's socket. podman-py's own leaves the descriptor open where that fails."""
    from podman.api.uds import UDSSocket

    connection: socket.socket = UDSSocket(uds)
    try:
        connection.settimeout(timeout)
        connection.connect()  # type: ignore[call-arg]  # UDSSocket knows its address
    except BaseException:
        connection.close()
        raise
    return connection


def shut_down(descriptor: int) -> None:
    """shutdown(2) by number: wakes every thread that reads from the connection, and closes nothing."""
    duplicate = socket.socket(fileno=descriptor)
    try:
        duplicate.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # it has ended by itself
    finally:
        duplicate.detach()


def chain(error: BaseException) -> Iterator[BaseException]:
    """The error and those below it; libraries wrap each other's four deep."""
    link: BaseException | None = error
    for _ in range(16):
        if link is None:
            return
        yield link
        link = link.__cause__ or link.__context__


def explain(url: str, error: BaseException) -> PodmanUnavailable:
    """Why the service could not be asked, in words, from the root of the error."""
    place = urlsplit(url).path or urlsplit(url).netloc
    links = list(chain(error))
    for link in links:
        if isinstance(link, OSError) and link.errno in WORDS:
            why, hint = WORDS[link.errno]
            return PodmanUnavailable(
                url, why.format(place=place), hint=hint, absent=link.errno == errno.ENOENT
            )
    if any(isinstance(link, TimeoutError) for link in links):
        return PodmanUnavailable(url, "podman did not answer in time")
    return PodmanUnavailable(url, f"{type(links[-1]).__name__}: {links[-1]}"[:LONGEST_REASON])


async def fetch(
    url: str,
    path: str,
    params: Mapping[str, str],
    *,
    timeout: float,  # noqa: ASYNC109 - the time is part of the promise
    longest: int,
    threads: Executor | None,
) -> bytes:
    """The body of one answer. At most `timeout` seconds and `longest` bytes, else PodmanUnavailable.

    Runs in a thread of `threads` (None: the loop's own); that thread is free again as soon as this returns.
    """
    exchange = Exchange(url)
    work = asyncio.get_running_loop().run_in_executor(
        threads, read_all, exchange, path, params, timeout, longest
    )
    try:
        async with asyncio.timeout(timeout):
            return await work
    except TimeoutError:
        raise PodmanUnavailable(url, f"podman did not answer within {timeout:g} s") from None
    finally:
        exchange.interrupt()


def read_all(exchange: Exchange, path: str, params: Mapping[str, str], timeout: float, longest: int) -> bytes:
    """The whole body of one answer; blocks for at most about `timeout` seconds."""
    deadline = time.monotonic() + timeout
    body = bytearray()
    try:
        exchange.open(path, params, timeout)
        while chunk := exchange.read():
            body += chunk
            if len(body) > longest:
                raise PodmanUnavailable(exchange.url, f"its answer to {path} is longer than {longest} bytes")
            exchange.wait_at_most(max(0.001, deadline - time.monotonic()))
    except Idle:
        raise PodmanUnavailable(exchange.url, "podman did not answer in time") from None
    finally:
        exchange.close()
    return bytes(body)
