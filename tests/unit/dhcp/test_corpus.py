"""Real payloads (captures, other projects' fuzz corpora and tests) through the codec, and mutations of them.

The corpus is not part of the project: it is looked for in $HOOKNET_CORPUS, else beside the project's folder.
Where it is absent the tests are skipped, loudly (tests/conftest.py); where it was promised they fail.
"""

from __future__ import annotations

import importlib.util
import json
import os
import random
import subprocess
import sys
from datetime import UTC, datetime
from functools import cache
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any

import pytest

from hooknet.dhcp.leases import to_lease
from hooknet.dhcp.messages import BadMessage, Message, MessageType, decode

ROOT = Path(__file__).resolve().parents[3]
PROMISED = os.environ.get("HOOKNET_CORPUS")
CORPUS = Path(PROMISED or ROOT.parent / "shared" / "dhcp-corpus")
FUZZ = ROOT / "script" / "fuzz"
PAYLOADS = 407
REPLIES = 102
MUTATIONS = 4000

needs_corpus = pytest.mark.skipif(
    not PROMISED and not (CORPUS / "INDEX.jsonl").exists(),
    reason=f"no DHCP corpus in {CORPUS}: set HOOKNET_CORPUS to test with real payloads",
)


@cache
def index() -> dict[str, dict[str, Any]]:
    rows = (json.loads(line) for line in (CORPUS / "INDEX.jsonl").read_text().splitlines())
    return {row["id"]: row for row in rows}


def payload(name: str) -> bytes:
    return (CORPUS / "payloads" / f"{name}.bin").read_bytes()


def decoded(name: str) -> Message | None:
    try:
        return decode(payload(name))
    except BadMessage:
        return None


def replies() -> list[str]:
    return [name for name, row in index().items() if "op-2" in row["tags"]]


def fuzz() -> Any:
    """script/fuzz as a module."""
    loader = SourceFileLoader("fuzz", str(FUZZ))
    spec = importlib.util.spec_from_loader("fuzz", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = writes
    return module


def split(field: bytes) -> tuple[list[tuple[int, bytes]], bool]:
    """Another walker, for comparison: the options of a field, and whether it is well-formed up to its end."""
    if not field or field[0] == 255:
        return [], True
    if field[0] == 0:
        return split_on(field[1:])
    if len(field) < 2 or len(field) < 2 + field[1]:
        return [], False
    rest, well = split_on(field[2 + field[1] :])
    return [(field[0], field[2 : 2 + field[1]]), *rest], well


def split_on(field: bytes) -> tuple[list[tuple[int, bytes]], bool]:
    """Skip padding in one step: recursion for each byte of it would be too deep."""
    return split(field.lstrip(b"\0"))


def expected(raw: bytes) -> tuple[dict[int, bytes], bool]:
    """What the options of a payload are by the RFCs, by way of that other walker."""
    main, well = split_on(raw[240:])
    said = b"".join(value for code, value in main if code == 52)
    pairs = list(main)
    for bit, field in ((1, raw[108:236]), (2, raw[44:108])):
        if len(said) == 1 and said[0] in {1, 2, 3} and said[0] & bit:
            more, more_well = split_on(field)
            pairs += more
            well = well and more_well
    joined: dict[int, bytes] = {}
    for code, value in pairs:
        joined[code] = joined.get(code, b"") + value
    joined.pop(52, None)
    return joined, well


@needs_corpus
def test_the_corpus_is_complete() -> None:
    assert len(index()) == PAYLOADS
    assert len(replies()) == REPLIES


@needs_corpus
def test_every_payload_decodes_or_is_refused_with_our_own_error() -> None:
    outcomes = [decoded(name) is None for name in index()]
    assert outcomes.count(True) == 22, "short, other cookies, other hardware, other ops"


@needs_corpus
def test_every_reply_decodes_completely() -> None:
    incomplete = set()
    for name in replies():
        options, well = expected(payload(name))
        message = decoded(name)
        assert message is not None, name
        assert message.options == options, name
        if not well:
            incomplete.add(name)
    assert incomplete == {
        name for name in replies() if any("overrun" in tag for tag in index()[name]["tags"])
    }


@needs_corpus
def test_every_request_decodes_as_the_other_walker_does() -> None:
    for name in index():
        message = decoded(name)
        if message is not None:
            assert message.options == expected(payload(name))[0], name


@needs_corpus
def test_overloaded_replies_give_what_their_file_and_sname_hold() -> None:
    names = [name for name in replies() if any("overload" in tag for tag in index()[name]["tags"])]
    assert names
    for name in names:
        raw, message = payload(name), decoded(name)
        assert message is not None
        assert message.options.keys() > {code for code, _ in split_on(raw[240:])[0] if code != 52}


@needs_corpus
def test_a_reply_whose_router_option_overruns_keeps_everything_before_it() -> None:
    [name] = [name for name in replies() if "main:overrun-3" in index()[name]["tags"]]
    message = decoded(name)
    assert message is not None
    assert message.options.keys() >= {1, 6, 15, 28, 51, 53, 54, 58, 59}
    assert 3 not in message.options


@needs_corpus
def test_grants_become_leases_and_what_is_refused_is_named() -> None:
    leased, why = 0, []
    for name in replies():
        message = decoded(name)
        if message is None or message.type not in {MessageType.OFFER, MessageType.ACK}:
            continue
        try:
            to_lease(
                message,
                obtained=datetime(2026, 1, 1, tzinfo=UTC),
                hostname=None,
                mac=message.chaddr,
                client_id=b"\1id",
                server_mac=None,
            )
            leased += 1
        except BadMessage as error:
            why.append(str(error))
    assert leased == 87
    assert sorted(why) == [
        *["0.0.0.0 is not an address for a host"] * 3,  # ACKs to an INFORM
        "the subnet mask fff7ff00 is none",  # a fuzzer's
    ]


@needs_corpus
def test_mutations_of_the_corpus_break_nothing() -> None:
    kit = fuzz()
    assert sum(kit.run(MUTATIONS, 2026, kit.corpus(CORPUS)).values()) == MUTATIONS


def test_mutations_of_invented_replies_break_nothing_and_some_become_leases() -> None:
    became = fuzz().run(MUTATIONS, 2026, [])
    assert sum(became.values()) == MUTATIONS
    assert min(became["leased"], became["refused"], became["decoded"]) > MUTATIONS // 100


def test_an_input_of_the_fuzzer_is_the_same_every_time() -> None:
    kit = fuzz()
    assert [kit.make(7, n, []) for n in range(50)] == [kit.make(7, n, []) for n in range(50)]
    assert kit.make(7, 1, []) != kit.make(8, 1, [])


def test_a_crash_names_the_seed_and_the_input_that_repeat_it(monkeypatch: pytest.MonkeyPatch) -> None:
    kit = fuzz()

    def broken(_kind: str, _data: bytes) -> str:
        raise IndexError("broken codec")

    monkeypatch.setattr(kit, "exercise", broken)
    with pytest.raises(IndexError) as caught:
        kit.run(1, 5, [])
    kind, data = kit.make(5, 0, [])
    assert caught.value.__notes__ == [f"seed 5, input 0; again: script/fuzz --replay {kind}:{data.hex()}"]


def fuzz_command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, FUZZ, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={key: value for key, value in os.environ.items() if key != "HOOKNET_CORPUS"},
    )


def test_the_command_counts_what_became_of_its_inputs() -> None:
    ran = fuzz_command("--inputs", "200", "--seed", "3")
    assert ran.returncode == 0, ran.stderr
    assert "200 inputs of seed 3, 0 corpus payloads" in ran.stdout


def test_the_command_replays_one_input_and_exits_1_on_a_crash() -> None:
    data = random.Random(1).randbytes(100).hex()
    assert fuzz_command("--replay", f"payload:{data}").stdout == "refused\n"
    crashed = fuzz_command("--replay", "payload:not hex")
    assert (crashed.returncode, "ValueError" in crashed.stderr) == (1, True)
