"""Our side of netavark's dhcp-proxy, on a socket of the test's own."""

import contextlib
import os
import socket

from hooknet.frontends.netavark.proxy import ProxyServer


async def nobody(_container_id):
    return None


@contextlib.asynccontextmanager
async def serving(folder, lifecycle, *, lookup=nobody, clean=lambda: None, **more):
    """A proxy on `folder`/nv-proxy.sock."""
    path = folder / "nv-proxy.sock"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen(100)
        server = ProxyServer(lifecycle, lookup, clean, **{"owner": os.getuid()} | more)
        await server.start(listening)
        try:
            yield path
        finally:
            await server.stop(0)
