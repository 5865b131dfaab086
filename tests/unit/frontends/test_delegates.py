"""Other IPAM plugins under ours: small scripts in their place, and the distribution's own where it has them."""

import asyncio
import json
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path

import pytest
from cni_calls import env
from cni_world import envelope, run, until

from hooknet.cni.result import Ip, Route
from hooknet.errors import HooknetError, Kind
from hooknet.frontends.cni_verbs import Verbs
from hooknet.frontends.delegates import Delegates, plan_of
from hooknet.model import FixedPlan, FixedRoute

CNI_BIN = Path("/usr/lib/cni")
RESULT = {
    "cniVersion": "1.0.0",
    "ips": [{"address": "10.0.0.2/24", "gateway": "10.0.0.1"}],
    "routes": [{"dst": "0.0.0.0/0"}],
    "dns": {"nameservers": ["10.0.0.1"]},
}
GOOD = f"[ $CNI_COMMAND != ADD ] || echo '{json.dumps(RESULT)}'"


class Script:
    """A delegate that keeps a diary of its calls, and does what the test says."""

    def __init__(self, folder, body):
        self.folder, self.diary = folder, folder / "diary"
        path = folder / "fake-ipam"
        path.write_text(f'#!/bin/sh\necho "$CNI_COMMAND" >> {self.diary}\n{body}\n')
        path.chmod(0o755)

    @property
    def calls(self):
        return self.diary.read_text().split() if self.diary.exists() else []

    def call(self, **changes):
        verb = changes.pop("verb", "ADD")
        changes.setdefault("cniVersion", "1.0.0")
        return envelope(
            environment=env(verb, path=f"/nonexistent:{self.folder}"),
            verb=verb,
            ipam={"type": "fake-ipam"},
            **changes,
        )


@pytest.fixture
def script(folder):
    def write(body=GOOD):
        return Script(folder, body)

    return write


def answer(lifecycle, call, **more):
    return run(Verbs(lifecycle, delegates=Delegates(**more)).answer(call))


def error_of(found):
    assert found.exit_code == 1
    return json.loads(found.stdout)


def test_a_delegates_addresses_go_onto_our_interface_and_into_the_result(lifecycle, script):
    found = answer(lifecycle, script().call())
    assert lifecycle.seen("assigned") == [
        FixedPlan(
            addresses=(IPv4Interface("10.0.0.2/24"),),
            routes=(FixedRoute(destination=IPv4Network("0.0.0.0/0"), gateway=IPv4Address("10.0.0.1")),),
        )
    ]
    assert lifecycle.seen("attach")[0].l2_only
    result = json.loads(found.stdout)
    assert result["interfaces"][0]["name"] == "eth0"
    assert result["ips"] == [{"interface": 0, "address": "10.0.0.2/24", "gateway": "10.0.0.1"}]
    assert (result["routes"], result["dns"]) == (RESULT["routes"], RESULT["dns"])


def test_the_drop_in_macvlan_delegates_too(lifecycle, script):
    delegate = script()
    call = envelope(
        plugin="macvlan",
        type="macvlan",
        ipam={"type": "fake-ipam"},
        environment=env(path=str(delegate.folder)),
    )
    assert answer(lifecycle, call).exit_code == 0
    assert delegate.calls == ["ADD"]


def test_a_delegate_gets_the_very_document_and_the_cni_variables_only(lifecycle, script, folder, monkeypatch):
    monkeypatch.setenv("HOOKNET_SECRET", "x")
    delegate = script(f"cat > {folder}/stdin; env > {folder}/env; echo '{json.dumps(RESULT)}'")
    call = delegate.call(note="ü")
    assert answer(lifecycle, call).exit_code == 0
    assert (folder / "stdin").read_bytes() == call.stdin
    found = dict(line.split("=", 1) for line in (folder / "env").read_text().splitlines())
    assert {key: value for key, value in found.items() if key.startswith("CNI_")} == dict(call.env)
    assert found.keys() - call.env.keys() <= {"PATH", "PWD", "SHLVL", "_", "OLDPWD"}


def test_the_error_of_a_delegate_keeps_its_code_and_text(lifecycle, script):
    delegate = script(
        """echo '{"code": 117, "msg": "no address left", "details": "in 10.0.0.0/24"}'; exit 1"""
    )
    error = error_of(answer(lifecycle, delegate.call()))
    assert (error["code"], error["details"]) == (117, "in 10.0.0.0/24")
    assert error["msg"] == "the IPAM plugin fake-ipam failed: no address left"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("echo oops >&2; exit 3", "oops"),
        ("exit 3", "ended with 3"),
        ("echo '[1]'; exit 1", "ended with 1"),
        ("echo rubbish", "can't be decoded"),
        ("echo '{}'", "without an address"),
        ("""echo '{"ips": [{"address": "x"}]}'""", "not valid"),
        ("kill -9 $$", "ended with -9"),
        ("""echo '{"code": true, "msg": "odd"}'; exit 1""", "odd"),
    ],
)
def test_a_delegate_that_fails_is_run_with_del_and_told(lifecycle, script, body, told):
    delegate = script(f"[ $CNI_COMMAND = ADD ] || exit 0\n{body}")
    error = error_of(answer(lifecycle, delegate.call()))
    assert error["code"] == 104
    assert told in error["msg"] + error["details"]
    assert delegate.calls == ["ADD", "DEL"]


def test_a_delegate_that_does_not_exist_is_told(lifecycle, folder):
    call = envelope(ipam={"type": "nowhere"}, environment=env(path=str(folder)))
    error = error_of(answer(lifecycle, call))
    assert (error["code"], "nowhere" in error["msg"], str(folder) in error["details"]) == (104, True, True)


@pytest.mark.parametrize("path", ["", "relative", ".:"])
def test_a_delegate_is_looked_for_in_absolute_folders_only(lifecycle, script, path, monkeypatch):
    delegate = script()
    monkeypatch.chdir(delegate.folder)
    call = envelope(ipam={"type": "fake-ipam"}, environment=env(path=path))
    assert error_of(answer(lifecycle, call))["code"] == 104
    assert delegate.calls == []


def test_what_is_no_program_is_no_delegate(lifecycle, folder):
    (folder / "fake-ipam").write_text("#!/nonexistent/sh\n")
    call = envelope(ipam={"type": "fake-ipam"}, environment=env(path=str(folder)))
    assert "no IPAM plugin" in error_of(answer(lifecycle, call))["msg"]
    (folder / "fake-ipam").chmod(0o755)
    assert "can't be run" in error_of(answer(lifecycle, call))["msg"]


def test_a_delegate_that_hangs_is_killed_with_its_children(lifecycle, script, folder):
    delegate = script(f"[ $CNI_COMMAND = ADD ] || exit 0\nsleep 60 & echo $! > {folder}/child; wait")
    error = error_of(answer(lifecycle, delegate.call(), deadline=0.3))
    assert "took longer than 0.3 s" in error["msg"]
    child = int((folder / "child").read_text())
    run(until(lambda: is_gone(child)))


def is_gone(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_a_delegate_that_never_stops_talking_is_cut_off(lifecycle, script):
    delegate = script("[ $CNI_COMMAND = ADD ] || exit 0\nexec yes")
    assert "more than" in error_of(answer(lifecycle, delegate.call()))["msg"]


def test_a_delegate_that_does_not_read_its_stdin_is_fine(lifecycle, script):
    assert answer(lifecycle, script().call(note="x" * 500_000)).exit_code == 0


def test_an_interface_that_exists_never_reaches_the_delegate(lifecycle, script):
    delegate = script()
    lifecycle.fail["attach"] = HooknetError(Kind.INTERFACE_EXISTS, "eth0 is there")
    assert error_of(answer(lifecycle, delegate.call()))["code"] == 102
    assert delegate.calls == [], "its DEL would free the address of the container that lives"


def test_a_failure_after_the_delegate_frees_its_address(lifecycle, script):
    delegate = script()
    lifecycle.fail["configure"] = HooknetError(Kind.IO, "no")
    assert error_of(answer(lifecycle, delegate.call()))["code"] == 5
    assert delegate.calls == ["ADD", "DEL"]


def test_a_caller_that_leaves_while_the_delegate_works_is_undone(lifecycle, script):
    delegate = script("[ $CNI_COMMAND = ADD ] || exit 0\nexec sleep 60")

    async def work():
        task = asyncio.ensure_future(Verbs(lifecycle).answer(delegate.call()))
        await until(lambda: delegate.calls == ["ADD"])
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(work())
    assert delegate.calls == ["ADD", "DEL"]


def test_an_undelivered_add_frees_the_delegates_address_too(lifecycle, script):
    delegate = script()

    async def work():
        verbs = Verbs(lifecycle)
        await verbs.undelivered(await verbs.answer(delegate.call()))

    run(work())
    assert delegate.calls == ["ADD", "DEL"]
    assert len(lifecycle.seen("undo")) == 1


def test_a_del_runs_the_delegate_first(lifecycle, script):
    delegate = script()
    assert answer(lifecycle, delegate.call(verb="DEL")).exit_code == 0
    assert delegate.calls == ["DEL"]
    assert len(lifecycle.seen("detach")) == 1


def test_a_del_detaches_though_the_delegate_fails_and_tells_it(lifecycle, script):
    delegate = script("exit 1")
    assert error_of(answer(lifecycle, delegate.call(verb="DEL")))["code"] == 104
    assert len(lifecycle.seen("detach")) == 1


PREVIOUS = {
    "interfaces": [{"name": "eth0", "sandbox": "/run/netns/netns-1"}],
    "ips": [{"interface": 0, "address": "10.0.0.2/24"}],
}


def test_a_check_asks_the_delegate_and_looks_for_its_addresses(lifecycle, script):
    delegate = script()
    assert answer(lifecycle, delegate.call(verb="CHECK", prevResult=PREVIOUS)).exit_code == 0
    assert delegate.calls == ["CHECK"]
    (asked,) = lifecycle.seen("check")
    assert run(asked.assign()).addresses == (IPv4Interface("10.0.0.2/24"),)


@pytest.mark.parametrize("verb", ["CHECK", "GC", "STATUS"])
def test_a_delegates_failure_is_the_verbs(lifecycle, script, verb):
    delegate = script("exit 1")
    more = {"cniVersion": "1.1.0", "prevResult": PREVIOUS, "cni.dev/valid-attachments": []}
    assert error_of(answer(lifecycle, delegate.call(verb=verb, **more)))["code"] == 104
    assert delegate.calls == [verb]


def test_a_route_without_a_gateway_gets_that_of_its_family():
    ips = [Ip(address=IPv4Interface("10.0.0.2/24"), gateway=IPv4Address("10.0.0.1"))]
    default, on_link = IPv4Network("0.0.0.0/0"), IPv4Network("10.9.0.0/24")
    routes = [Route(destination=default), Route(destination=on_link, scope=253)]
    assert [route.gateway for route in plan_of(ips, routes).routes] == [IPv4Address("10.0.0.1"), None]


# the distribution's own

needs_plugins = pytest.mark.skipif(
    not (CNI_BIN / "static").exists(), reason="containernetworking-plugins is not installed"
)


def real(ipam, verb="ADD", **changes):
    return envelope(environment=env(verb, path=str(CNI_BIN)), verb=verb, ipam=ipam, **changes)


@needs_plugins
@pytest.mark.parametrize("version", ["0.2.0", "0.3.1", "0.4.0", "1.0.0"])
def test_the_real_static_gives_its_addresses(lifecycle, version):
    ipam = {
        "type": "static",
        "addresses": [{"address": "10.0.0.2/24", "gateway": "10.0.0.1"}, {"address": "2001:db8::2/64"}],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    result = json.loads(answer(lifecycle, real(ipam, cniVersion=version)).stdout)
    addresses = (
        [result["ip4"]["ip"], result["ip6"]["ip"]]
        if version == "0.2.0"
        else [ip["address"] for ip in result["ips"]]
    )
    assert addresses == ["10.0.0.2/24", "2001:db8::2/64"]


@needs_plugins
def test_the_real_host_local_allocates_and_frees(lifecycle, folder):
    ipam = {"type": "host-local", "subnet": "10.7.0.0/24", "dataDir": str(folder / "data")}
    first = answer(lifecycle, real(ipam))
    address = json.loads(first.stdout)["ips"][0]["address"].partition("/")[0]
    held = folder / "data" / "lan" / address
    assert held.exists()
    assert answer(lifecycle, real(ipam, "DEL")).exit_code == 0
    assert not held.exists()


@needs_plugins
def test_the_real_host_locals_error_is_passed_on(lifecycle, folder):
    ipam = {"type": "host-local", "subnet": "10.7.0.0/33", "dataDir": str(folder / "data")}
    error = error_of(answer(lifecycle, real(ipam)))
    assert "host-local failed" in error["msg"]
