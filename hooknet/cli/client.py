"""The control API's client: HTTP over a unix socket, by the standard library alone, since start-up time counts.

Everything that goes wrong becomes a `HooknetError` that says what to do: nobody listens, the socket may not
be opened, the daemon answers with an error, or it stops in the middle.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from hooknet.errors import HooknetError, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    Query = Sequence[tuple[str, str]]

RUN_DIR = Path("/run/hooknet")  # hooknet.config.DEFAULT_RUN_DIR, without the import time of that module
SOCKET = "control.sock"
START = "start it with: systemctl start hooknet, or by hand: hooknet daemon"
TIMEOUT = 65.0  # seconds: a little more than the daemon takes at most for any answer
CONNECT_TIMEOUT = 5.0


class UnixConnection(http.client.HTTPConnection):
    """HTTP to a unix socket. `timeout`: seconds of silence, None to wait for ever."""

    def __init__(self, path: Path, timeout: float | None) -> None:
        super().__init__("hooknet", timeout=timeout)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.sock.settimeout(CONNECT_TIMEOUT)
            self.sock.connect(str(self.path))
            self.sock.settimeout(self.timeout)
        except BaseException:
            self.close()
            raise


class ControlClient:
    """Asks the daemon whose control socket is in `run_dir`."""

    def __init__(self, run_dir: Path = RUN_DIR, *, timeout: float = TIMEOUT) -> None:
        self.socket = run_dir / SOCKET
        self._timeout = timeout

    def get(self, path: str, query: Query = ()) -> Any:
        """The JSON that `path` answers with. Raises HooknetError."""
        return self._ask("GET", path, query)

    def post(self, path: str, query: Query = ()) -> Any:
        """As `get`, for what changes something."""
        return self._ask("POST", path, query)

    def stream(self, path: str, query: Query = ()) -> Iterator[dict[str, Any]]:
        """The objects of an NDJSON stream, as they come; ends when the daemon ends it.

        Raises HooknetError when the daemon was killed: http.client takes what breaks off between two chunks for an
        end, but leaves `chunk_left` at 0 then.
        """
        connection, response = self._open("GET", path, query, timeout=None)
        try:
            for line in response:
                if line.strip():
                    yield json.loads(line)
            if response.chunk_left == 0:
                raise http.client.IncompleteRead(b"")
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._broken(error) from None
        finally:
            connection.close()

    def _ask(self, method: str, path: str, query: Query) -> Any:
        connection, response = self._open(method, path, query, timeout=self._timeout)
        try:
            return json.loads(response.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._broken(error) from None
        finally:
            connection.close()

    def _open(
        self, method: str, path: str, query: Query, *, timeout: float | None
    ) -> tuple[UnixConnection, http.client.HTTPResponse]:
        connection = UnixConnection(self.socket, timeout)
        try:
            connection.request(method, quote(path, safe="/%") + (f"?{urlencode(query)}" if query else ""))
            response = connection.getresponse()
            if response.status >= http.HTTPStatus.BAD_REQUEST:
                raise told(response.status, response.read())
        except HooknetError:
            connection.close()
            raise
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise self._unreachable(error) from None
        return connection, response

    def _unreachable(self, error: Exception) -> HooknetError:
        match error:
            case FileNotFoundError() | ConnectionRefusedError():
                why, todo = "nobody listens there", START
            case PermissionError():
                why = f"this user (uid {os.getuid()}) may not open it"
                todo = "use sudo, or join its group: usermod -aG hooknet USER"
            case TimeoutError():
                why, todo = (
                    "it does not answer in time",
                    "see: systemctl status hooknet; journalctl -u hooknet",
                )
            case _:
                return self._broken(error)
        return HooknetError(
            Kind.TRY_LATER, f"can't reach the daemon at {self.socket}", details=why, hint=todo
        )

    def _broken(self, error: Exception) -> HooknetError:
        return HooknetError(
            Kind.TRY_LATER,
            f"the daemon at {self.socket} broke off",
            details=str(error) or type(error).__name__,
            hint="try again; see: journalctl -u hooknet",
        )


def told(status: int, body: bytes) -> HooknetError:
    """The error that the daemon answered with. An unknown kind (a newer daemon) is an internal one."""
    try:
        error = json.loads(body)["error"]
        kinds = {kind.value: kind for kind in Kind}
        kind = kinds.get(error["kind"], Kind.INTERNAL)
        return HooknetError(kind, error["message"], details=error["details"], hint=error["hint"])
    except (ValueError, KeyError, TypeError):
        return HooknetError(
            Kind.INTERNAL,
            f"the daemon answered with HTTP status {status}",
            details=body[:200].decode(errors="replace"),
            hint="is it hooknet's control socket?",
        )
