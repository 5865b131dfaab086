"""A lifecycle that records what it is asked, and callers as the shim is one."""

import asyncio
import contextlib
import json
import os
import socket
from pathlib import Path

from cni_calls import OURS, env

from hooknet.cni.envelope import Envelope, encode_request
from hooknet.config import Config
from hooknet.frontends.cni_socket import CniServer
from hooknet.lifecycle.requests import Attached
from hooknet.testing import make_attachment, make_lease

DEADLINE = 10
MAC = "02:00:00:00:00:01"


def run(work):
    """Run a test's coroutine, bounded."""
    return asyncio.run(asyncio.wait_for(work, DEADLINE))


async def until(condition):
    """Wait until `condition()` holds."""
    give_up = asyncio.get_running_loop().time() + DEADLINE
    while not condition():
        assert asyncio.get_running_loop().time() < give_up, "the condition became true in time"
        await asyncio.sleep(0.002)


class FakeLifecycle:
    """`calls`: (what, argument) in order. fail: verb to the exception it raises. hold: verbs that wait for ever."""

    def __init__(self):
        self.calls = []
        self.fail = {}
        self.hold = set()
        self.cancelled = []
        self.collected = []

    def seen(self, what):
        return [argument for name, argument in self.calls if name == what]

    async def _do(self, what, argument):
        self.calls.append((what, argument))
        if what in self.hold:
            try:
                await asyncio.get_running_loop().create_future()
            except asyncio.CancelledError:
                self.cancelled.append(what)
                raise
        if what in self.fail:
            raise self.fail[what]

    async def attach(self, request):
        await self._do("attach", request)
        assign = getattr(request, "assign", None)
        if assign is not None:
            self.calls.append(("assigned", await assign()))
            await self._do("configure", request)
        return attached_for(request)

    async def replied(self, attached):
        await self._do("replied", attached)

    async def undo(self, attached):
        await self._do("undo", attached)

    async def detach(self, request):
        await self._do("detach", request)

    async def check(self, request):
        await self._do("check", request)
        return attached_for(request)

    async def collect(self, network, valid):
        await self._do("collect", (network, valid))
        return self.collected

    async def status(self, request):
        await self._do("status", request)


def attached_for(request):
    return Attached(
        attachment=make_attachment(network=request.key.network),
        mac=request.mac or MAC,
        mtu=1500,
        settings=Config().settings_for(request.key.network, request.given),
        lease=None if request.l2_only else make_lease(),
    )


def envelope(config=None, *, plugin="hooknet", verb="ADD", environment=None, **changes):
    return Envelope((plugin,), environment or env(verb), document(config, **changes))


def document(config=None, **changes):
    merged = (config or OURS) | changes
    return json.dumps({key: value for key, value in merged.items() if value is not None}).encode()


def raw(config=None, *, plugin="hooknet", verb="ADD", environment=None, **changes):
    found = envelope(config, plugin=plugin, verb=verb, environment=environment, **changes)
    return encode_request(found.args, found.env, found.stdin)


class Caller:
    """The shim's end of a connection."""

    def __init__(self, path):
        self.line = socket.socket(socket.AF_UNIX)
        self.line.settimeout(0)
        self.path = str(path)

    async def __aenter__(self):
        await asyncio.get_running_loop().sock_connect(self.line, self.path)
        return self

    async def __aexit__(self, *_):
        self.line.close()

    async def say(self, data):
        await asyncio.get_running_loop().sock_sendall(self.line, data)

    async def everything(self):
        """All that the daemon says until it hangs up."""
        parts = []
        with contextlib.suppress(ConnectionError):
            while part := await asyncio.get_running_loop().sock_recv(self.line, 65536):
                parts.append(part)
        return b"".join(parts)

    async def answer(self):
        """Exit code and stdout, read whole as the shim reads them."""
        received = b""
        while b"\n" not in received:
            part = await asyncio.get_running_loop().sock_recv(self.line, 65536)
            assert part, "the daemon answered"
            received += part
        head, _, stdout = received.partition(b"\n")
        magic, code, size = head.split()
        assert magic == b"hooknet/1"
        while len(stdout) < int(size):
            stdout += await asyncio.get_running_loop().sock_recv(self.line, 65536)
        return int(code), stdout


@contextlib.asynccontextmanager
async def serving(folder: Path, lifecycle, **more):
    """A server on `folder`/cni.sock."""
    path = folder / "cni.sock"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen(100)
        server = CniServer(lifecycle, **{"owner": os.getuid()} | more)
        await server.start(listening)
        try:
            yield server, path
        finally:
            await server.stop(0)
