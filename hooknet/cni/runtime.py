"""What the runtime says for one container, beside the network's configuration.

Precedence: `runtimeConfig` (the conventions' capabilities) goes before CNI_ARGS (what podman uses), and
that before the configuration itself.
"""

from __future__ import annotations

from ipaddress import IPv4Address
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


def requested_address(conf: Section, args: Mapping[str, str]) -> IPv4Address | None:
    """`podman run --ip`: runtimeConfig.ips before CNI_ARGS IP before args.cni.ips (CNI conventions)."""
    for given in (
        conf.section("runtimeConfig").texts("ips"),
        tuple(filter(None, (args.get("IP", ""),))),
        conf.section("args").section("cni").texts("ips"),
    ):
        if given:
            return _one_address(given)
    return None


def _one_address(given: tuple[str, ...]) -> IPv4Address:
    try:
        addresses = [IPv4Address(text.partition("/")[0]) for text in given]
    except ValueError:
        addresses = []
    if len(addresses) != 1:
        raise HooknetError(
            Kind.BAD_CONFIG,
            f"the runtime asks for {', '.join(given)[:80]}",
            details="a DHCP server grants one IPv4 address per interface",
            hint="ask for one IPv4 address",
        )
    return addresses[0]
