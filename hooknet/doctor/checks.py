"""The checks as data, in the order in which a person would look: from podman's call down to the wire."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from hooknet.doctor import clock, files, firewall, plugins, podman, service, wire
from hooknet.doctor.findings import Finding, from_error, problem
from hooknet.doctor.host import Host
from hooknet.errors import HooknetError

Names = Sequence[str | None]


@dataclass(frozen=True, slots=True)
class Check:
    """`title`: what is looked at, in a few words. `look`: given the host and the parents' names."""

    name: str
    title: str
    look: Callable[[Host, Names], Iterable[Finding]]


def of_host(look: Callable[[Host], Iterable[Finding]]) -> Callable[[Host, Names], Iterable[Finding]]:
    """A check that does not care for parents."""
    return lambda host, _names: look(host)


CHECKS = (
    Check("rootless", "who asks", of_host(podman.check_rootless)),
    Check("podman", "podman and its configuration", of_host(podman.check_podman)),
    Check("backend", "podman's network back end", of_host(podman.check_backend)),
    Check("shims", "the CNI plugins and their interpreter", of_host(plugins.check_shims)),
    Check("networks", "networks that the reference serves", of_host(plugins.check_networks)),
    Check("units", "systemd's units", of_host(service.check_units)),
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


def examine(host: Host, parents: Names) -> Iterator[tuple[Check, list[Finding]]]:
    """Every check with its findings, as they come. A check that breaks is a finding itself."""
    for check in CHECKS:
        try:
            yield check, list(check.look(host, parents))
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
