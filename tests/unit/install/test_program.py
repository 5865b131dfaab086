"""What a hardened unit can't see is refused, with the way out."""

from __future__ import annotations

from pathlib import Path

import pytest

from hooknet.errors import HooknetError, Kind
from hooknet.install import program


@pytest.mark.parametrize(
    "path", ["/home/me/venv/bin/hooknet", "/root/.local/bin/hooknet", "/tmp/x/hooknet", "/run/user/0/hooknet"]
)
def test_a_command_where_the_unit_sees_nothing_is_refused_with_the_remedy(path):
    with pytest.raises(HooknetError, match="unit does not see that directory") as raised:
        program.require_visible([("the command", Path(path))])
    assert raised.value.kind is Kind.NOT_ALLOWED
    assert "/usr/bin/python3 -m venv /opt/hooknet" in raised.value.hint


def test_a_venv_in_opt_on_a_python_under_a_home_is_refused_too():
    parts = [
        ("the command", Path("/opt/hooknet/bin/hooknet")),
        ("its Python", Path("/home/me/.pyenv/versions/3.12")),
    ]
    with pytest.raises(HooknetError, match="its Python /home/me"):
        program.require_visible(parts)


@pytest.mark.parametrize("path", ["/opt/hooknet/bin/hooknet", "/usr/bin/hooknet", "/homes/x", "/rooted/x"])
def test_other_places_are_fine(path):
    program.require_visible([("the command", Path(path))])


def test_every_part_of_the_running_program_is_looked_at():
    assert {what for what, _ in program.parts_of(Path("/opt/hooknet/bin/hooknet"))} == {
        "the command",
        "its interpreter",
        "its Python",
        "the package",
    }


def test_a_command_that_is_not_there_is_refused(image):
    program.require_there(image.root, Path("/opt/hooknet/bin/hooknet"))
    with pytest.raises(HooknetError, match="--daemon"):
        program.require_there(image.root, Path("/opt/other"))


def test_a_home_that_is_a_link_hides_what_it_leads_to(tmp_path, monkeypatch):
    (tmp_path / "var/home").mkdir(parents=True)
    (tmp_path / "home").symlink_to("var/home")
    monkeypatch.setattr(program, "HIDDEN", (tmp_path / "home",))
    with pytest.raises(HooknetError, match="unit does not see that directory"):
        program.require_visible([("its Python", tmp_path / "var/home/me/python")])
