"""The two doors to netavark: hooknet as a driver, and who answers in the place of its dhcp-proxy."""

from __future__ import annotations

from collections.abc import Iterator

from hooknet import config
from hooknet.doctor.findings import Finding, ok, problem
from hooknet.doctor.host import Host, Line
from hooknet.doctor.networks import Source, networks
from hooknet.doctor.systemd import is_active
from hooknet.errors import HooknetError
from hooknet.install.units import NETAVARK_SOCKET, NETAVARKS_PROXY, SERVICE
from hooknet.sockets import PROXY_SOCKET

HOOKNET = "hooknet"
NETAVARKS_OWN = "netavark's own dhcp-proxy"


def check_proxy(host: Host) -> Iterator[Finding]:
    """Who serves the networks made with `--ipam-driver dhcp`; nobody is a problem where there is one."""
    who = server_of_proxy(host)
    asking = [network.name for network in networks(host) if network.source is Source.PROXY]
    if who is not None:
        yield ok(f"{who} serves networks that were made with -d macvlan --ipam-driver dhcp")
    elif asking:
        yield problem(
            f"nobody is netavark's dhcp-proxy, which these networks need: {', '.join(asking)}",
            todo=f"systemctl start {SERVICE}"
            if proxy_is_configured(host)
            else "hooknet install --netavark has hooknet serve them; or: "
            f"systemctl enable --now {NETAVARKS_PROXY}.socket",
        )


def server_of_proxy(host: Host) -> str | None:
    """Whoever would answer netavark now, in words."""
    if is_active(host, NETAVARK_SOCKET):
        return HOOKNET
    if any(is_active(host, f"{NETAVARKS_PROXY}.{kind}") for kind in ("socket", "service")):
        return NETAVARKS_OWN
    if host.line(PROXY_SOCKET) is not Line.SERVED:
        return None
    return HOOKNET if proxy_is_configured(host) else NETAVARKS_OWN


def proxy_is_configured(host: Host) -> bool:
    """Whether hooknet.toml says so."""
    try:
        return config.parse(
            host.root.text(config.DEFAULT_CONFIG) or "", str(config.DEFAULT_CONFIG)
        ).netavark.proxy
    except HooknetError:
        return False  # what is wrong with it is another check's to say
