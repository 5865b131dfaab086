"""The checks as data, in the order in which a person would look: from podman's call down to the wire."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from hooknet.doctor import clock, files, firewall, networks, plugins, podman, service, units, wire
from hooknet.doctor.findings import Finding, from_error, problem
from hooknet.doctor.host import Host
from hooknet.doctor.networks import Place
from hooknet.errors import HooknetError

Places = Sequence[Place]


@dataclass(frozen=True, slots=True)
class Check:
    """`title`: what is looked at, in a few words. `look`: given the host and the interfaces that networks hang on."""

    name: str
    title: str
    look: Callable[[Host, Places], Iterable[Finding]]


def of_host(look: Callable[[Host], Iterable[Finding]]) -> Callable[[Host, Places], Iterable[Finding]]:
    """A check that does not care for interfaces."""
    return lambda host, _places: look(host)


CHECKS = (
    Check("rootless", "who asks", of_host(podman.check_rootless)),
    Check("podman", "podman and its configuration", of_host(podman.check_podman)),
    Check("backend", "podman's network back end", of_host(podman.check_backend)),
    Check("shims", "the CNI plugins and their interpreter", of_host(plugins.check_shims)),
    Check("networks", "networks that the reference serves", of_host(networks.check_networks)),
    Check("units", "systemd's units", of_host(units.check_units)),
    Check("program", "what the unit starts", of_host(files.check_program)),
    Check("daemon", "sockets and daemon", of_host(service.check_daemon)),
    Check("reference", "the reference's daemon", of_host(service.check_reference)),
    Check("rights", "capabilities", of_host(service.check_rights)),
    Check("config", "hooknet.toml", of_host(files.check_config)),
    Check("state", "the state directory", of_host(files.check_state)),
    Check("events", "podman's events", of_host(podman.check_events)),
    Check("parent", "the parent interface", wire.check_parents),
    Check("servers", "DHCP servers", wire.check_servers),
    Check("firewall", "rules that drop DHCP", firewall.check_firewall),
    Check("clock", "the clock", of_host(clock.check_clock)),
)


def examine(host: Host, places: Places) -> Iterator[tuple[Check, list[Finding]]]:
    """Every check with its findings, as they come. A check that breaks is a finding itself."""
    for check in CHECKS:
        try:
            yield check, list(check.look(host, places))
        except HooknetError as error:
            yield check, [from_error(error, "run it as root")]
        except Exception as error:  # noqa: BLE001 - a doctor who dies helps nobody
            yield (
                check,
                [
                    problem(
                        f"this check broke: {error!r}", todo="report it, with what is special on this host"
                    )
                ],
            )
