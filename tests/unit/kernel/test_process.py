"""Processes, boots and machines."""

from __future__ import annotations

import os
import re
import subprocess
import time

import pytest

from hooknet.kernel.process import boot_id, boottime, machine_id, process_start

STAT = "{pid} ({name}) {state} 1 " + " ".join(["0"] * 17) + " {start} 0 0"


@pytest.fixture
def proc(tmp_path):
    def write(pid, *, name="sh", state="S", start=1234):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "stat").write_text(STAT.format(pid=pid, name=name, state=state, start=start))
        return tmp_path

    return write


def test_a_process_is_known_by_its_start_time(proc) -> None:
    assert process_start(7, proc(7)) == 1234


@pytest.mark.parametrize("name", ["a b", "x) S 1 2 3", "((", ")"])
def test_a_hostile_name_does_not_shift_the_fields(proc, name) -> None:
    assert process_start(7, proc(7, name=name)) == 1234


@pytest.mark.parametrize("state", ["Z", "X"])
def test_a_zombie_is_dead(proc, state) -> None:
    assert process_start(7, proc(7, state=state)) is None


def test_there_is_no_start_time_without_a_process(tmp_path) -> None:
    assert process_start(7, tmp_path) is None


def test_a_real_process_has_a_start_time_until_it_has_ended() -> None:
    child = subprocess.Popen(["sleep", "60"])
    started = process_start(child.pid)
    assert started is not None
    assert started >= process_start(os.getpid())
    child.kill()
    child.wait()
    assert process_start(child.pid) is None


def test_the_boot_id_is_a_uuid() -> None:
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", boot_id())


def test_the_clock_is_the_one_that_counts_sleep() -> None:
    assert boottime() == pytest.approx(time.clock_gettime(time.CLOCK_BOOTTIME), abs=1)


def test_the_first_usable_machine_id_is_taken(tmp_path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    second.write_text("0123456789ABCDEF0123456789abcdef\n")
    assert machine_id((first, second)) == "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize("text", ["", "uninitialized\n", "0" * 32, "123"])
def test_a_machine_without_an_id_yet_has_none(tmp_path, text) -> None:
    (tmp_path / "id").write_text(text)
    assert machine_id((tmp_path / "id",)) is None
