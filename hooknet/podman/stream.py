"""podman's event stream, followed for as long as the daemon lives.

The rules:
- One thread per podman; it only reads. Everything it has to say goes through a bounded inbox to the event
  loop.
- The service goes away by design (`podman system service -t`), restarts, or was never there. Whenever the
  stream ends, it is opened again after a pause that doubles from 0.25 s to 15 s, and starts over once a
  connection has held for 5 s.
- Each new connection replays from a little before the last event seen, without repeating what was told.
- After every gap, the first connection included, the receiver is asked to resync: the stream is a hint, the
  container list is the truth. So it is when podman sends what can't be read, or more than can be handled.
- A stream may also fall silent without ending. Quiet is normal, so a stream that said nothing for a minute is
  simply opened anew, which costs podman a few milliseconds; if that replays events that should have come long
  before, the old stream was deaf, and that is a gap.
- `stop()` takes effect at once, whatever the thread waits for.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import NoReturn, Protocol

from hooknet.podman.events import FOLLOWED, PodmanEvent, error_of, parse_event
from hooknet.podman.inbox import Inbox
from hooknet.podman.lines import LineSplitter
from hooknet.podman.replay import OVERLAP, Seen
from hooknet.podman.service import Exchange, Idle, PodmanUnavailable

ANSWER_TIMEOUT = 5.0  # seconds for connecting, and for the headers; podman sends them at once
IDLE_TIMEOUT = 60.0  # seconds of silence after which a stream is opened anew
SETTLED = 5.0  # seconds that a connection must hold before the pauses start over
STOP_TIMEOUT = 1.0  # seconds that stop() waits for the thread

log = logging.getLogger("hooknet.podman")


@unique
class StreamStatus(StrEnum):
    """How a stream is doing. ABSENT: there is no service, which is fine; RECONNECTING: one is expected."""

    CONNECTED = "connected"
    RECONNECTING = "reconnecting"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamState:
    """What `hooknet status` says of one podman. `since`: CLOCK_BOOTTIME seconds at which `status` began.

    attempts: connections that failed since it was last connected. podman: its version, "" before the first answer.
    """

    url: str
    status: StreamStatus
    since: float
    why: str = ""
    hint: str = ""
    attempts: int = 0
    podman: str = ""


class Clock(Protocol):
    """Time as a stream needs it."""

    def now(self) -> float:
        """CLOCK_BOOTTIME, seconds."""

    def wall(self) -> int:
        """Nanoseconds since 1970."""

    def sleep(self, seconds: float) -> None:
        """Return after `seconds`, or as soon as `wake` was called once."""

    def wake(self) -> None:
        """End every present and future `sleep`."""


class SystemClock:
    """The real one."""

    def __init__(self) -> None:
        self._awake = threading.Event()

    def now(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def wall(self) -> int:
        return time.time_ns()

    def sleep(self, seconds: float) -> None:
        self._awake.wait(seconds)

    def wake(self) -> None:
        self._awake.set()


class Backoff:
    """The pauses between attempts: `first` seconds, doubled up to `longest`."""

    def __init__(self, first: float = 0.25, longest: float = 15.0) -> None:
        self._first = self._next = first
        self._longest = longest

    def pause(self) -> float:
        pause = self._next
        self._next = min(self._longest, self._next * 2)
        return pause

    def reset(self) -> None:
        self._next = self._first


class EventStream:
    """Follows one podman. The callbacks run on the loop that `start` was called in.

    deliver: each event of a container, a network or a pod, once, in podman's order. state: each change of the
    state. resync: compare with the container list now; the argument says why. idle_timeout: seconds.
    """

    def __init__(
        self,
        url: str,
        deliver: Callable[[PodmanEvent], None],
        state: Callable[[StreamState], None],
        resync: Callable[[str], None],
        *,
        clock: Clock | None = None,
        idle_timeout: float = IDLE_TIMEOUT,
    ) -> None:
        self.url = url
        self._callbacks = (deliver, state, resync)
        self._clock = clock or SystemClock()
        self._idle_timeout = idle_timeout
        self._backoff = Backoff()
        self._seen = Seen(self._clock.wall())
        self._stopping = threading.Event()
        self._exchange: Exchange | None = None
        self._thread: threading.Thread | None = None
        self._inbox: Inbox[PodmanEvent, StreamState] | None = None
        self._expected_before = 0
        self._told_of_junk = False
        self.state = StreamState(
            url=url, status=StreamStatus.RECONNECTING, since=self._clock.now(), why="not connected yet"
        )

    def start(self) -> None:
        """Begin to follow. Call it once, in the event loop."""
        deliver, state, resync = self._callbacks
        self._inbox = Inbox(asyncio.get_running_loop(), deliver=deliver, state=state, resync=resync)
        self._thread = threading.Thread(target=self._follow, name="podman-events", daemon=True)
        self._thread.start()

    def request_stop(self) -> None:
        """End the thread, without waiting for it; no callback is called any more."""
        self._stopping.set()
        self._clock.wake()
        if self._inbox is not None:
            self._inbox.close()
        if (exchange := self._exchange) is not None:
            exchange.interrupt()

    def stop(self, timeout: float = STOP_TIMEOUT) -> None:
        """`request_stop`, then wait up to `timeout` seconds for the thread, which takes a few milliseconds."""
        self.request_stop()
        if self._thread is not None:
            self._thread.join(timeout)

    # ---- everything below runs in the thread

    def _follow(self) -> None:
        renewing = False
        while not self._stopping.is_set():
            fault = self._one_connection(renewing=renewing)
            renewing = fault is None
            if fault is not None and not self._stopping.is_set():
                self._lost(fault)
                self._clock.sleep(self._backoff.pause())

    def _one_connection(self, *, renewing: bool) -> PodmanUnavailable | None:
        """Open the stream and read to its end: why it ended, or None where it was only quiet for too long."""
        exchange = self._exchange = Exchange(self.url)
        if self._stopping.is_set():  # request_stop() may have looked before there was an exchange
            exchange.interrupt()
        began = self._clock.now()
        try:
            self._open(exchange)
            self._connected(exchange, renewing=renewing)
            self._read(exchange)
        except Idle:
            return None
        except PodmanUnavailable as fault:
            return fault
        except Exception as error:  # a bug here must not end the stream for good
            log.exception("reading podman's events failed")
            return PodmanUnavailable(self.url, f"an error of hooknet's own: {error!r}")
        finally:
            exchange.close()
            if self._clock.now() - began >= SETTLED:
                self._backoff.reset()

    def _open(self, exchange: Exchange) -> None:
        now = self._clock.wall()
        exchange.open("/events", {"stream": "true", "since": self._seen.since(now)}, ANSWER_TIMEOUT)
        exchange.wait_at_most(self._idle_timeout)
        self._expected_before = now - OVERLAP

    def _connected(self, exchange: Exchange, *, renewing: bool) -> None:
        self._told_of_junk = False
        if renewing:
            return
        self._expected_before = 0
        again = " again" if self.state.podman else ""
        self._tell(StreamStatus.CONNECTED, podman=exchange.podman_version or "unknown")
        self._ask_resync(f"connected to podman{again}")

    def _read(self, exchange: Exchange) -> NoReturn:
        lines = LineSplitter()
        while chunk := exchange.read():
            for line in lines.feed(chunk):
                self._line(line)
            if lines.discarded:
                self._junk("a line of podman's events was too long to be read")
        raise PodmanUnavailable(self.url, "the service ended the event stream")

    def _line(self, line: bytes) -> None:
        event = parse_event(line, self.url)
        if event is None:
            if complaint := error_of(line):
                raise PodmanUnavailable(self.url, f"podman says: {complaint}")
            self._junk("podman sent an event that can't be read")
        elif self._seen.first_time(event):
            if event.time_nano < self._expected_before:
                self._expected_before = 0
                self._ask_resync("the event stream had gone silent without ending")
            if event.type in FOLLOWED and self._inbox is not None:
                self._inbox.put(event)

    def _junk(self, what: str) -> None:
        """Something was missed. Said once per connection: a peer that sends only junk must not keep us busy."""
        if not self._told_of_junk:
            self._told_of_junk = True
            log.warning("%s: %s", self.url, what)
            self._ask_resync(what)

    def _lost(self, fault: PodmanUnavailable) -> None:
        status = StreamStatus.ABSENT if fault.absent else StreamStatus.RECONNECTING
        attempts = 0 if self.state.status is StreamStatus.CONNECTED else self.state.attempts + 1
        self._tell(status, why=fault.details, hint=fault.hint, attempts=attempts, podman=self.state.podman)

    def _tell(
        self, status: StreamStatus, *, why: str = "", hint: str = "", attempts: int = 0, podman: str = ""
    ) -> None:
        before = self.state
        since = before.since if status is before.status else self._clock.now()
        self.state = StreamState(
            url=self.url, status=status, since=since, why=why, hint=hint, attempts=attempts, podman=podman
        )
        if (status, why) != (before.status, before.why) and self._inbox is not None:
            self._inbox.tell(self.state)

    def _ask_resync(self, why: str) -> None:
        if self._inbox is not None:
            self._inbox.ask_resync(why)


class EventStreams:
    """One EventStream per URL; none at all is fine."""

    def __init__(
        self,
        urls: Sequence[str],
        deliver: Callable[[PodmanEvent], None],
        state: Callable[[StreamState], None],
        resync: Callable[[str], None],
    ) -> None:
        self.streams = tuple(EventStream(url, deliver, state, resync) for url in urls)

    @property
    def states(self) -> tuple[StreamState, ...]:
        return tuple(stream.state for stream in self.streams)

    def start(self) -> None:
        """Begin to follow all of them. Call it once, in the event loop."""
        for stream in self.streams:
            stream.start()

    def stop(self, timeout: float = STOP_TIMEOUT) -> None:
        """Stop all of them at once; waits up to `timeout` seconds together."""
        deadline = time.monotonic() + timeout
        for stream in self.streams:
            stream.request_stop()
        for stream in self.streams:
            stream.stop(max(0.0, deadline - time.monotonic()))
