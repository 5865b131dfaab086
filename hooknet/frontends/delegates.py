"""Other IPAM plugins in CNI_PATH (`host-local`, `static`, …), run as the CNI spec says ("Plugin delegation").

A delegate gets the very bytes of the network configuration and the runtime's `CNI_*` variables, with nothing else of
our environment, and a deadline; at the deadline, or when the caller is gone, it is killed with its children. Its
error goes on to the runtime with the delegate's own code.

Order. The delegate's ADD runs when the link is there, and not before: a repeated ADD of a live interface fails at
the link, so that it never reaches the delegate, whose undoing would free the address of the container that lives.
When anything fails after the delegate was run, it is run again with DEL (spec, "ADD").
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hooknet.cni.document import decode
from hooknet.cni.result import Ip, Result, Route, parse_result
from hooknet.cni.versions import Verb
from hooknet.errors import HooknetError, Kind
from hooknet.frontends.programs import Finished, TooMuch, execute
from hooknet.model import FixedPlan, FixedRoute

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hooknet.cni.request import CniRequest

DEADLINE = 30.0
LARGEST_OUTPUT = 1 << 20
LONGEST_STDERR = 500
SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
LINK_SCOPE = 253
SEE_ITS_SECTION = "see the network's ipam section, which it was given, and its own documentation"


def plan_of(ips: Iterable[Ip], routes: Iterable[Route]) -> FixedPlan:
    """A result as a plan: a route without a gateway gets the one of the first address of its family."""
    ips = tuple(ips)
    gateways = {ip.address.version: ip.gateway for ip in reversed(ips) if ip.gateway is not None}
    return FixedPlan(
        addresses=tuple(ip.address for ip in ips),
        routes=tuple(
            FixedRoute(
                destination=route.destination,
                gateway=route.gateway
                if route.gateway is not None or route.scope == LINK_SCOPE
                else gateways.get(route.destination.version),
                mtu=route.mtu,
                advmss=route.advmss,
                priority=route.priority,
                table=route.table,
                scope=route.scope,
            )
            for route in routes
        ),
    )


class Delegates:
    """Runs delegates. `deadline`: seconds for one run."""

    def __init__(self, deadline: float = DEADLINE) -> None:
        self._deadline = deadline

    async def add(self, request: CniRequest) -> Result:
        """Raises DELEGATE_FAILED when it fails, or answers without an address."""
        output = await self.run(request, Verb.ADD)
        name = request.network.delegate
        try:
            data = decode(output, f"the answer of {name}")
            result = parse_result(data, request.network.cni_version, f"the answer of {name}")
        except HooknetError as error:
            raise failed(name, error.message, error.details) from None
        if not result.ips:
            raise failed(name, "it answered without an address", "")
        return result

    async def run(self, request: CniRequest, verb: Verb) -> bytes:
        """Run the delegate; its stdout. Raises DELEGATE_FAILED with the delegate's own code and text."""
        name = request.network.delegate
        assert name, "there is a delegate"
        program = find(name, request.path)
        env = {**request.env, "CNI_COMMAND": verb.value, "PATH": SEARCH_PATH}
        try:
            done = await execute(program, env, request.stdin, self._deadline, LARGEST_OUTPUT)
        except TimeoutError:
            raise failed(name, f"it took longer than {self._deadline:g} s", "it was killed") from None
        except TooMuch:
            raise failed(name, f"it said more than {LARGEST_OUTPUT} bytes", "it was killed") from None
        except OSError as error:
            raise failed(name, f"{program} can't be run", error.strerror or str(error)) from None
        if done.exit_code:
            raise reported(name, done)
        return done.stdout


class Allocation:
    """One ADD's use of a delegate: what it answered, and how to give it back."""

    def __init__(self, delegates: Delegates, request: CniRequest) -> None:
        self._delegates = delegates
        self._request = request
        self._begun = False
        self.result: Result | None = None

    async def assign(self) -> FixedPlan:
        """What the lifecycle calls when the link is up. Raises DELEGATE_FAILED."""
        self._begun = True
        self.result = await self._delegates.add(self._request)
        return plan_of(self.result.ips, self.result.routes)

    async def free(self) -> HooknetError | None:
        """Run the delegate with DEL if it was run at all. Returns what went wrong instead of raising it."""
        if not self._begun:
            return None
        try:
            await self._delegates.run(self._request, Verb.DEL)
        except HooknetError as error:
            return error
        return None


def find(name: str, path: tuple[str, ...]) -> Path:
    """The executable of a delegate in CNI_PATH. Raises DELEGATE_FAILED."""
    for folder in path:
        candidate = Path(folder) / name
        if candidate.is_absolute() and candidate.is_file() and os.access(candidate, os.X_OK):
            return candidate
    raise HooknetError(
        Kind.DELEGATE_FAILED,
        f"there is no IPAM plugin {name}",
        details=f"CNI_PATH is {':'.join(path) or 'empty'}",
        hint="install containernetworking-plugins, or name another plugin in ipam.type",
    )


def reported(name: str, done: Finished) -> HooknetError:
    """What a failed delegate said: the spec's error on stdout, word for word, else the end of its stderr."""
    said: Any = None
    with contextlib.suppress(ValueError, RecursionError):
        said = json.loads(done.stdout)
    if not isinstance(said, dict) or not isinstance(said.get("msg"), str):
        end = done.stderr[-LONGEST_STDERR:].decode("utf-8", "replace").strip()
        return failed(name, f"it ended with {done.exit_code}", end)
    code = said.get("code")
    own = code if isinstance(code, int) and not isinstance(code, bool) and 0 < code < 1 << 31 else None
    return failed(name, said["msg"], str(said.get("details") or ""), hint="", code=own)


def failed(
    name: str | None, why: str, details: str, *, hint: str = SEE_ITS_SECTION, code: int | None = None
) -> HooknetError:
    what = f"the IPAM plugin {name} failed: {why}"
    return HooknetError(Kind.DELEGATE_FAILED, what, details=details, hint=hint, code=code)
