"""What goes to stdout: results, errors and VERSION, in the shape of the configuration's version.

| version       | result                                                                          |
|---------------|---------------------------------------------------------------------------------|
| 0.1.0, 0.2.0  | `ip4`, `ip6`: {ip, gateway, routes}, the first address of each family; `dns`    |
| 0.3.0 … 0.4.0 | `interfaces`, `ips` with `version` "4" or "6", `routes`, `dns`                  |
| 1.0.0         | the same without `ips[].version`                                                |
| 1.1.0         | `interfaces` also with `mtu`, `socketPath`, `pciID`; `routes` also with `mtu`,  |
|               | `advmss`, `priority`, `table`, `scope`                                          |

What is empty is left out, but for `dns`. An empty `mac` is left out too: podman fails an ADD for `"mac": ""`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hooknet.cni.versions import NEWEST, SUPPORTED_VERSIONS, is_before

if TYPE_CHECKING:
    from hooknet.cni.result import Address, Dns, Interface, Ip, Result, Route
    from hooknet.errors import HooknetError

IPV4 = 4


def render(result: Result, version: str) -> dict[str, Any]:
    """The result of an ADD in the shape of `version`, one of SUPPORTED_VERSIONS."""
    if is_before(version, "0.3.0"):
        return {"cniVersion": version} | _oldest_ips(result) | {"dns": render_dns(result.dns)}
    rendered: dict[str, Any] = {"cniVersion": version}
    if result.interfaces:
        rendered["interfaces"] = [_interface(interface, version) for interface in result.interfaces]
    if result.ips:
        rendered["ips"] = [_ip(ip, version) for ip in result.ips]
    if result.routes:
        rendered["routes"] = [_route(route, version) for route in result.routes]
    return rendered | {"dns": render_dns(result.dns)}


def render_dns(dns: Dns) -> dict[str, Any]:
    return _said(
        nameservers=list(dns.nameservers),
        domain=dns.domain,
        search=list(dns.search),
        options=list(dns.options),
    )


def render_error(error: HooknetError, version: str) -> dict[str, Any]:
    """An error (CNI spec, "Error"). The hint goes into the details: runtimes show no other field."""
    details = "; ".join(part for part in (error.details, error.hint) if part)
    return {"cniVersion": version, "code": error.code, "msg": error.message, "details": details}


def render_versions(asked: object) -> dict[str, Any]:
    """The answer to VERSION, in the version that was asked in where that is one of ours."""
    version = asked if isinstance(asked, str) and asked in SUPPORTED_VERSIONS else NEWEST
    return {"cniVersion": version, "supportedVersions": list(SUPPORTED_VERSIONS)}


def _oldest_ips(result: Result) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for ip in result.ips:
        family = ip.address.version
        routes = [_route(route, "0.2.0") for route in result.routes if route.destination.version == family]
        part = _said(ip=str(ip.address), gateway=_text(ip.gateway), routes=routes)
        found.setdefault("ip4" if family == IPV4 else "ip6", part)
    return found


def _interface(interface: Interface, version: str) -> dict[str, Any]:
    rendered = {"name": interface.name} | _said(mac=interface.mac, sandbox=interface.sandbox)
    if is_before(version, "1.1.0"):
        return rendered
    return rendered | _said(mtu=interface.mtu, socketPath=interface.socket_path, pciID=interface.pci_id)


def _ip(ip: Ip, version: str) -> dict[str, Any]:
    rendered: dict[str, Any] = {"version": str(ip.address.version)} if is_before(version, "1.0.0") else {}
    if ip.interface is not None:
        rendered["interface"] = ip.interface
    return rendered | _said(address=str(ip.address), gateway=_text(ip.gateway))


def _route(route: Route, version: str) -> dict[str, Any]:
    rendered = {"dst": str(route.destination)} | _said(gw=_text(route.gateway))
    if is_before(version, "1.1.0"):
        return rendered
    more = {
        "mtu": route.mtu,
        "advmss": route.advmss,
        "priority": route.priority,
        "table": route.table,
        "scope": route.scope,
    }
    return rendered | {key: value for key, value in more.items() if value is not None}


def _text(address: Address | None) -> str:
    return "" if address is None else str(address)


def _said(**fields: Any) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value}
