"""What the runtime says for one container, beside the network's configuration.

Precedence: `runtimeConfig` (the conventions' capabilities) goes before CNI_ARGS (what podman uses), and
that before the configuration itself.
"""

from __future__ import annotations

from ipaddress import IPv4Address, ip_address
from typing import TYPE_CHECKING

from hooknet.cni.names import parse_mac
from hooknet.cni.result import Dns
from hooknet.errors import HooknetError, Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hooknet.cni.document import Section


def mac_wanted(conf: Section, args: Mapping[str, str]) -> str | None:
    """The MAC to use, None where nobody says. Raises BAD_CONFIG."""
    runtime = conf.section("runtimeConfig").text("mac")
    for text, where in (
        (runtime, "runtimeConfig.mac"),
        (args.get("MAC", ""), "CNI_ARGS MAC"),
        (conf.text("mac"), "mac"),
    ):
        if text:
            return parse_mac(text, where)
    return None


def runtime_dns(conf: Section) -> Dns:
    """The conventions' `dns` capability."""
    given = conf.section("runtimeConfig").section("dns")
    return Dns(
        nameservers=given.texts("servers"), search=given.texts("searches"), options=given.texts("options")
    )


def aliases_told(conf: Section, network: str) -> tuple[str, ...]:
    """The conventions' `aliases` capability; podman adds the container's short id by itself."""
    return conf.section("runtimeConfig").section("aliases").texts(network)


def requested_address(conf: Section, args: Mapping[str, str]) -> IPv4Address | None:
    """`podman run --ip`: runtimeConfig.ips before CNI_ARGS IP before args.cni.ips (CNI conventions).

    Raises BAD_CONFIG for what is no address, UNSUPPORTED_FIELD for addresses that no DHCPv4 server grants.
    """
    for where, given in (
        ("runtimeConfig.ips", conf.section("runtimeConfig").texts("ips")),
        ("CNI_ARGS IP", tuple(filter(None, (args.get("IP", ""),)))),
        ("args.cni.ips", conf.section("args").section("cni").texts("ips")),
    ):
        if given:
            return _one_address(where, given)
    return None


def _one_address(where: str, given: tuple[str, ...]) -> IPv4Address:
    shown = f"{where} asks for {', '.join(given)[:80]}"
    try:
        addresses = [ip_address(text.partition("/")[0]) for text in given]
    except ValueError:
        raise HooknetError(
            Kind.BAD_CONFIG, shown, details="that is no IP address", hint="ask for one IPv4 address"
        ) from None
    match addresses:
        case [IPv4Address() as address]:
            return address
        case _:
            raise HooknetError(
                Kind.UNSUPPORTED_FIELD,
                shown,
                details="a DHCP server grants one IPv4 address per interface",
                hint="ask for one IPv4 address",
            )
