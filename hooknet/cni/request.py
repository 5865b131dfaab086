"""One call of a runtime, parsed: the environment, the arguments and the configuration on stdin.

Order of complaints, as the spec has them: the environment (code 4), the document (6), its version (1), the
configuration (7). DEL and GC do not look at what they do not need, and a DEL takes what it can't
understand for not given: cleaning up must not fail because somebody has since broken the configuration.

| verb   | needs of the environment                          |
|--------|----------------------------------------------------|
| ADD    | CNI_CONTAINERID, CNI_NETNS, CNI_IFNAME             |
| CHECK  | the same, and prevResult                           |
| DEL    | CNI_CONTAINERID, CNI_IFNAME                        |
| GC     | nothing; `cni.dev/valid-attachments` in the document |
| STATUS | nothing                                            |
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hooknet.cni.document import Section, decode, is_encodable
from hooknet.cni.names import ifname_flaw, is_identifier, parse_args, refuse_unknown_args, tolerant_args
from hooknet.cni.netconf import (
    Addresses,
    Essentials,
    NetConf,
    Role,
    read_essentials,
    read_netconf,
    readable,
)
from hooknet.cni.versions import NEWEST, SUPPORTED_VERSIONS, Verb, require_verb
from hooknet.errors import HooknetError, Kind
from hooknet.model import AttachmentKey

if TYPE_CHECKING:
    from collections.abc import Mapping

NEEDS_CONTAINER = frozenset({Verb.ADD, Verb.CHECK, Verb.DEL})
NEEDS_NETNS = frozenset({Verb.ADD, Verb.CHECK})
VALID_KEYS = ("cni.dev/valid-attachments", "cni.dev/attachments")
CONFIGURATION = "the network configuration on stdin"


@dataclass(frozen=True, slots=True, kw_only=True)
class CniRequest:
    """What the runtime wants.

    essentials: always there but for VERSION. conf: for ADD and CHECK. valid: for GC, the (container id,
    ifname) pairs to keep. netns: None when not given. env, stdin: the CNI_* variables and the configuration as they
    came, for delegates.
    """

    verb: Verb
    plugin: str
    container_id: str = ""
    ifname: str = ""
    netns: str | None = None
    own_netns_allowed: bool = False
    args: Mapping[str, str] = field(default_factory=dict)
    path: tuple[str, ...] = ()
    essentials: Essentials | None = None
    conf: NetConf | None = None
    valid: frozenset[tuple[str, str]] = frozenset()
    asked_version: object = None
    env: Mapping[str, str] = field(default_factory=dict)
    stdin: bytes = b""

    @property
    def network(self) -> Essentials:
        assert self.essentials is not None, f"{self.verb} has a network"
        return self.essentials

    @property
    def wanted(self) -> NetConf:
        assert self.conf is not None, f"{self.verb} has a configuration"
        return self.conf

    @property
    def key(self) -> AttachmentKey:
        return AttachmentKey(self.container_id, self.ifname, self.network.name)

    @property
    def container_name(self) -> str | None:
        """Podman (and Kubernetes) say it in CNI_ARGS; None where nobody does."""
        name = self.args.get("K8S_POD_NAME", "")
        return name if is_identifier(name) else None


def parse(plugin: str, env: Mapping[str, str], stdin: bytes) -> CniRequest:
    """`plugin`: the name that the shim was run as.

    Whatever comes in, it raises nothing but BAD_ENVIRONMENT, UNDECODABLE, INCOMPATIBLE_VERSION or BAD_CONFIG.
    """
    verb = _verb(env)
    _check_encoding(env)
    if verb is Verb.VERSION:
        return CniRequest(verb=verb, plugin=plugin, asked_version=version_asked(stdin), env=env, stdin=stdin)
    if not is_identifier(plugin):
        raise _bad_environment(f"a plugin can't be called {plugin[:40]!r}", "run the shim by its own name")
    _check_container(verb, env)
    args_text = env.get("CNI_ARGS", "")
    args = tolerant_args(args_text) if verb is Verb.DEL else parse_args(args_text)
    data = decode(stdin, CONFIGURATION)
    essentials = read_essentials(plugin, readable(data) if verb is Verb.DEL else data)
    require_verb(verb, essentials.cni_version)
    return CniRequest(
        verb=verb,
        plugin=plugin,
        container_id=env.get("CNI_CONTAINERID", ""),
        ifname=env.get("CNI_IFNAME", ""),
        netns=env.get("CNI_NETNS") or None,
        own_netns_allowed=_is_true(env.get("CNI_NETNS_OVERRIDE", "")),
        args=args,
        path=tuple(folder for folder in env.get("CNI_PATH", "").split(":") if folder),
        essentials=essentials,
        conf=_conf(verb, plugin, data, args),
        valid=_valid(Section(data)) if verb is Verb.GC else frozenset(),
        env=env,
        stdin=stdin,
    )


def version_asked(stdin: bytes) -> object:
    """The `cniVersion` of the document as far as it can be told; None when it can't."""
    try:
        found = json.loads(stdin)
    except (ValueError, RecursionError):
        return None
    return found.get("cniVersion") if isinstance(found, dict) else None


def answer_version(stdin: bytes) -> str:
    """The version that an error is told in: the document's when it is one of ours, else our newest."""
    asked = version_asked(stdin)
    return asked if isinstance(asked, str) and asked in SUPPORTED_VERSIONS else NEWEST


def _verb(env: Mapping[str, str]) -> Verb:
    given = env.get("CNI_COMMAND", "")
    try:
        return Verb(given)
    except ValueError:
        what = f"CNI_COMMAND is {given[:40]!r}" if given else "CNI_COMMAND is not set"
        raise _bad_environment(what, "it is one of " + ", ".join(Verb)) from None


def _check_encoding(env: Mapping[str, str]) -> None:
    """The journal, the log and delegates are UTF-8."""
    for name, value in env.items():
        if not is_encodable(value):
            raise _bad_environment(f"{name} is not UTF-8", "give it as text")


def _check_container(verb: Verb, env: Mapping[str, str]) -> None:
    if verb not in NEEDS_CONTAINER:
        return
    needed = ["CNI_CONTAINERID", "CNI_IFNAME", *(["CNI_NETNS"] if verb in NEEDS_NETNS else [])]
    missing = [name for name in needed if not env.get(name)]
    if missing:
        raise _bad_environment(f"{verb} needs {', '.join(missing)}", "the runtime sets them")
    if not is_identifier(env["CNI_CONTAINERID"]):
        raise _bad_environment(
            f"CNI_CONTAINERID {env['CNI_CONTAINERID'][:80]!r} is not valid", "use letters, digits, `_.-`"
        )
    flaw = ifname_flaw(env["CNI_IFNAME"])
    if flaw:
        raise _bad_environment(f"CNI_IFNAME {env['CNI_IFNAME'][:40]!r} is no interface's name", flaw)
    netns = env.get("CNI_NETNS", "")
    if netns and not netns.startswith("/"):
        raise _bad_environment(
            f"CNI_NETNS {netns[:80]!r} is no absolute path", "the runtime gives the path of a netns"
        )


def _conf(verb: Verb, plugin: str, data: dict[str, Any], args: Mapping[str, str]) -> NetConf | None:
    """STATUS reads the settings too, to know whether to probe for a server."""
    if verb in {Verb.DEL, Verb.GC}:
        return None
    conf = read_netconf(plugin, data, args)
    if verb in NEEDS_NETNS and conf.role is Role.MAIN and conf.addresses is not Addresses.DELEGATED:
        refuse_unknown_args(args, conf.options.args_named)
    if verb is Verb.CHECK and conf.prev_result is None:
        raise HooknetError(
            Kind.BAD_CONFIG, "CHECK needs prevResult", hint="the runtime passes the result of the ADD in it"
        )
    return conf


def _valid(conf: Section) -> frozenset[tuple[str, str]]:
    """Without the list nothing is released: it would be everything."""
    key = next((key for key in VALID_KEYS if conf.has(key)), None)
    if key is None:
        raise HooknetError(
            Kind.BAD_CONFIG, f"GC needs {VALID_KEYS[0]}", hint="give the attachments to keep; [] keeps none"
        )
    found = set()
    for item in conf.sections(key):
        container, ifname = item.text("containerID"), item.text("ifname")
        if not is_identifier(container) or ifname_flaw(ifname):
            raise item.wrong(
                "containerID, ifname", (container, ifname), "a container id and an interface's name"
            )
        found.add((container, ifname))
    return frozenset(found)


def _is_true(text: str) -> bool:
    return text.lower() in {"1", "true", "yes"}


def _bad_environment(message: str, hint: str) -> HooknetError:
    return HooknetError(Kind.BAD_ENVIRONMENT, message, hint=hint)
