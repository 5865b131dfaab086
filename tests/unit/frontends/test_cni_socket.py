"""The server on cni.sock, met by callers as good and as bad as they come."""

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket

import pytest
from cni_calls import CONTAINER, env
from cni_world import Caller, raw, run, serving, until
from fake_daemon import ADD, QUICK

from hooknet.cni.envelope import LARGEST_HEAD, LARGEST_STDIN
from hooknet.errors import HooknetError, Kind
from hooknet.frontends.cni_socket import Limits
from hooknet.logids import LogId
from hooknet.shim.install import Choices, text

GONE = Limits(heard=5.0)


def served(folder, lifecycle, script, **more):
    """Run `script(server, path)` against a server."""

    async def work():
        async with serving(folder, lifecycle, **more) as (server, path):
            return await script(server, path)

    return run(work())


def names(lifecycle):
    return [name for name, _ in lifecycle.calls]


async def ask(path, data):
    async with Caller(path) as caller:
        await caller.say(data)
        return await caller.answer()


def test_an_add_is_answered_and_reported_when_the_shim_has_it(folder, lifecycle):
    async def script(server, path):
        async with Caller(path) as caller:
            await caller.say(raw())
            code, stdout = await caller.answer()
            assert names(lifecycle) == ["attach"], "not before the shim has hung up"
        await until(lambda: "replied" in names(lifecycle))
        return code, json.loads(stdout)

    code, result = served(folder, lifecycle, script)
    assert (code, result["ips"][0]["address"]) == (0, "192.0.2.50/24")
    assert names(lifecycle) == ["attach", "replied"]


def test_a_request_may_come_in_pieces(folder, lifecycle):
    async def script(server, path):
        async with Caller(path) as caller:
            for byte in raw():
                await caller.say(bytes([byte]))
            return await caller.answer()

    assert served(folder, lifecycle, script)[0] == 0


def test_many_callers_are_served_at_once(folder, lifecycle):
    async def script(server, path):
        requests = [raw(environment=env(containerid=f"c{i}")) for i in range(60)]
        return await asyncio.gather(*(ask(path, request) for request in requests))

    assert {code for code, _ in served(folder, lifecycle, script)} == {0}
    assert len(lifecycle.seen("attach")) == 60


def test_several_sockets_are_served(folder, lifecycle):
    async def script(server, path):
        with socket.socket(socket.AF_UNIX) as handed:
            handed.bind(str(folder / "dhcp.sock"))
            handed.listen()
            await server.start(handed)
            codes = [(await ask(where, raw()))[0] for where in (path, folder / "dhcp.sock")]
            await server.stop(1)
            return codes

    assert served(folder, lifecycle, script) == [0, 0]
    assert (folder / "dhcp.sock").exists(), "a socket that was handed over is systemd's"


# the answer that does not arrive


def test_a_shim_that_dies_with_the_answer_unread_is_undone(folder, lifecycle):
    async def script(server, path):
        async with Caller(path) as caller:
            await caller.say(raw())
            await until(lambda: has_an_answer(caller))
        await until(lambda: "undo" in names(lifecycle))

    served(folder, lifecycle, script, limits=GONE)
    assert names(lifecycle) == ["attach", "undo"]


def has_an_answer(caller):
    """Something to read is there, and stays there."""
    try:
        return caller.line.recv(1, socket.MSG_PEEK) != b""
    except BlockingIOError:
        return False


def test_a_shim_whose_own_stdout_was_gone_is_undone(folder, lifecycle):
    async def script(server, path):
        async with Caller(path) as caller:
            await caller.say(raw())
            await caller.answer()
            await caller.say(b"!")
        await until(lambda: "undo" in names(lifecycle))

    served(folder, lifecycle, script, limits=GONE)
    assert names(lifecycle) == ["attach", "undo"]


def test_a_shim_that_lingers_counts_as_answered(folder, lifecycle):
    async def script(server, path):
        async with Caller(path) as caller:
            await caller.say(raw())
            await caller.answer()
            await until(lambda: "replied" in names(lifecycle))

    served(folder, lifecycle, script, limits=Limits(heard=0.05))


# the caller that leaves


@pytest.mark.parametrize(("verb", "call"), [("ADD", "attach"), ("CHECK", "check"), ("STATUS", "status")])
def test_a_caller_that_leaves_ends_what_was_only_for_it(folder, lifecycle, verb, call):
    lifecycle.hold.add(call)
    previous = {
        "interfaces": [{"name": "eth0", "sandbox": env()["CNI_NETNS"]}],
        "ips": [{"address": "192.0.2.5/24"}],
    }

    async def script(server, path):
        async with Caller(path) as caller:
            await caller.say(raw(verb=verb, cniVersion="1.1.0", prevResult=previous))
            await until(lambda: call in names(lifecycle))
        await until(lambda: lifecycle.cancelled == [call])
        await until(lambda: server.busy == 0)

    served(folder, lifecycle, script)


@pytest.mark.parametrize(("verb", "call"), [("DEL", "detach"), ("GC", "collect")])
def test_a_caller_that_leaves_does_not_stop_a_clean_up(folder, lifecycle, verb, call):
    going_on = asyncio.Event()
    finished = []
    original = lifecycle._do

    async def slow(what, argument):
        await original(what, argument)
        await going_on.wait()
        finished.append(what)

    lifecycle._do = slow

    async def script(server, path):
        async with Caller(path) as caller:
            await caller.say(raw(verb=verb, cniVersion="1.1.0", **{"cni.dev/valid-attachments": []}))
            await until(lambda: call in names(lifecycle))
        await asyncio.sleep(0)
        assert server.busy == 1
        going_on.set()
        await until(lambda: finished == [call])

    served(folder, lifecycle, script)


def test_a_caller_that_leaves_as_the_add_ends_is_undone(folder, lifecycle):
    """The ADD ignores that it is cancelled: it had just succeeded."""
    original = lifecycle.attach

    async def stubborn(request):
        lifecycle.hold.add("attach")
        with contextlib.suppress(asyncio.CancelledError):
            await original(request)
        lifecycle.hold.clear()
        lifecycle.calls.clear()
        return await original(request)

    lifecycle.attach = stubborn

    async def script(server, path):
        async with Caller(path) as caller:
            await caller.say(raw())
            await until(lambda: "attach" in names(lifecycle))
        await until(lambda: "undo" in names(lifecycle))

    served(folder, lifecycle, script)
    assert names(lifecycle) == ["attach", "undo"]


# who, how much, how long


def test_only_the_owner_is_served(folder, lifecycle):
    code, stdout = served(folder, lifecycle, lambda _, path: ask(path, raw()), owner=os.getuid() + 1)
    error = json.loads(stdout)
    assert (code, error["code"]) == (1, 107)
    assert f"uid {os.getuid()}" in error["details"]
    assert lifecycle.calls == []


@pytest.mark.parametrize(
    "request_",
    [
        b"hooknet/1 %d 1 1\n" % LARGEST_HEAD,
        b"hooknet/1 1 1 %d\n" % (LARGEST_STDIN + 1),
        b"hooknet/1 0 0 0\n",
        b"hooknet/1 7 0 0\nhooknet and more",
        b"x" * 5000,
        b"GARBAGE\n",
    ],
)
def test_a_request_beyond_the_bounds_is_refused(folder, lifecycle, request_):
    code, stdout = served(folder, lifecycle, lambda _, path: ask(path, request_))
    assert (code, json.loads(stdout)["code"]) == (1, 6)
    assert lifecycle.calls == []


@pytest.mark.parametrize("request_", [b"", b"hooknet/1 ", raw()[:-1]])
def test_a_request_that_does_not_end_is_hung_up_on(folder, lifecycle, request_):
    async def script(server, path):
        async with Caller(path) as caller:
            await caller.say(request_)
            return await caller.everything()

    assert served(folder, lifecycle, script, limits=Limits(read=0.05)) == b""
    assert lifecycle.calls == []


@pytest.mark.parametrize("request_", [b"", b"hooknet/1 ", raw()[:-1]])
def test_a_caller_that_leaves_in_mid_request_is_nothing(folder, lifecycle, request_):
    async def script(server, path):
        async with Caller(path) as caller:
            await caller.say(request_)
        assert (await ask(path, raw()))[0] == 0

    served(folder, lifecycle, script)
    assert len(lifecycle.seen("attach")) == 1


def test_the_references_own_client_is_told_in_its_own_language(folder, lifecycle):
    async def script(server, path):
        async with Caller(path) as caller:
            await caller.say(b"CONNECT /_goRPC_ HTTP/1.0\n\n")
            return await caller.everything()

    said = served(folder, lifecycle, script)
    assert said.startswith(b"HTTP/1.0 501 this is hooknet")


# the end


def test_a_stop_waits_for_what_runs(folder, lifecycle):
    async def script(server, path):
        release = asyncio.Event()
        original = lifecycle.attach

        async def slow(request):
            await release.wait()
            return await original(request)

        lifecycle.attach = slow
        asking = asyncio.ensure_future(ask(path, raw()))
        await until(lambda: server.busy == 1)
        stopping = asyncio.ensure_future(server.stop(5))
        release.set()
        await stopping
        return (await asking)[0]

    assert served(folder, lifecycle, script) == 0
    assert names(lifecycle) == ["attach", "replied"]


def test_a_stop_that_can_not_wait_cancels_and_tells_the_caller_to_come_again(folder, lifecycle):
    lifecycle.hold.add("attach")

    async def script(server, path):
        asking = asyncio.ensure_future(ask(path, raw()))
        await until(lambda: "attach" in names(lifecycle))
        await server.stop(0.01)
        return await asking

    code, stdout = served(folder, lifecycle, script)
    assert (code, json.loads(stdout)["code"]) == (1, 11)
    assert lifecycle.cancelled == ["attach"]


def test_nobody_is_accepted_after_a_stop(folder, lifecycle):
    async def script(server, path):
        await server.stop(0)
        async with Caller(path) as caller:
            await caller.say(raw())
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(caller.answer(), 0.05)

    served(folder, lifecycle, script)
    assert lifecycle.calls == []


# the log


def test_each_request_is_a_line_that_says_who_what_and_how_long(folder, lifecycle, caplog):
    with caplog.at_level(logging.DEBUG, "hooknet"):
        served(folder, lifecycle, lambda _, path: ask(path, raw()))
    (record,) = [record for record in caplog.records if hasattr(record, "fields")]
    fields = record.fields
    assert (record.levelname, record.log_id) == ("DEBUG", LogId.CNI_ANSWERED)
    assert (fields["container"], fields["container_id"], fields["network"]) == ("web", CONTAINER, "lan")
    assert (fields["verb"], fields["plugin"], fields["pid"], fields["code"]) == (
        "ADD",
        "hooknet",
        os.getpid(),
        None,
    )
    assert fields["ms"] > 0


def test_a_failure_is_a_warning_with_its_code(folder, lifecycle, caplog):
    lifecycle.fail["attach"] = HooknetError(Kind.PARENT, "no such parent")
    with caplog.at_level(logging.DEBUG, "hooknet"):
        served(folder, lifecycle, lambda _, path: ask(path, raw()))
    (record,) = [record for record in caplog.records if hasattr(record, "fields")]
    assert (record.levelname, record.log_id, record.fields["code"]) == ("WARNING", LogId.CNI_FAILED, 101)
    assert record.getMessage() == "ADD answered with an error"


def test_a_failure_that_an_event_has_told_is_for_debugging_only(folder, lifecycle, caplog):
    lifecycle.fail["attach"] = error = HooknetError(Kind.PARENT, "no such parent")
    error.is_published = True
    with caplog.at_level(logging.DEBUG, "hooknet"):
        served(folder, lifecycle, lambda _, path: ask(path, raw()))
    (record,) = [record for record in caplog.records if hasattr(record, "fields")]
    assert (record.levelname, record.log_id) == ("DEBUG", LogId.CNI_FAILED)


def test_a_caller_that_was_gone_before_the_answer_is_told_in_the_log(folder, lifecycle, caplog):
    async def script(server, path):
        async with Caller(path) as caller:
            await caller.say(raw())
            await until(lambda: has_an_answer(caller))
        await until(lambda: noted(caplog))

    with caplog.at_level(logging.DEBUG, "hooknet"):
        served(folder, lifecycle, script, limits=GONE)
    assert [record.log_id for record in noted(caplog)] == [LogId.CNI_UNHEARD]


def noted(caplog):
    """The lines with an id of their own."""
    return [record for record in caplog.records if hasattr(record, "log_id")]


# the real shim


@pytest.fixture
def shim(folder):
    path = folder / "hooknet"
    path.write_text(text(Choices(daemon=folder / "none", socket=folder / "cni.sock")))
    path.chmod(0o755)
    return path


async def start_shim(shim, environment=ADD):
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(shim, stdin=pipe, stdout=pipe, env=QUICK | environment)


CONFIGURATION = b'{"cniVersion":"0.4.0","name":"lan","type":"hooknet","master":"eth0"}'


def test_the_real_shim_gets_a_result_and_the_add_is_reported(folder, lifecycle, shim):
    async def script(server, path):
        process = await start_shim(shim)
        stdout, _ = await process.communicate(CONFIGURATION)
        await until(lambda: "replied" in names(lifecycle))
        return process.returncode, json.loads(stdout)

    code, result = served(folder, lifecycle, script)
    assert (code, result["cniVersion"], result["ips"][0]["version"]) == (0, "0.4.0", "4")


def test_a_real_shim_that_is_killed_in_mid_add_is_noticed(folder, lifecycle, shim):
    lifecycle.hold.add("attach")

    async def script(server, path):
        process = await start_shim(shim)
        process.stdin.write(CONFIGURATION)
        process.stdin.close()
        await until(lambda: "attach" in names(lifecycle))
        process.send_signal(signal.SIGKILL)
        await until(lambda: lifecycle.cancelled == ["attach"])
        await process.communicate()

    served(folder, lifecycle, script)


def test_a_real_shim_prints_the_daemons_error_and_fails(folder, lifecycle, shim):
    lifecycle.fail["attach"] = HooknetError(Kind.NO_LEASE, "no server", hint="look")

    async def script(server, path):
        process = await start_shim(shim)
        stdout, _ = await process.communicate(CONFIGURATION)
        return process.returncode, json.loads(stdout)

    assert served(folder, lifecycle, script) == (
        1,
        {"cniVersion": "0.4.0", "code": 11, "msg": "no server", "details": "look"},
    )
