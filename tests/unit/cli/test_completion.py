"""Shell completion, made from the commands themselves and tried in a real shell where there is one."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from hooknet.cli.completion import SHELLS, tree
from hooknet.cli.main import COMMANDS, main, parser_for

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def script(capsys: pytest.CaptureFixture[str]) -> Any:
    def make(shell: Any) -> Any:
        assert main(["completion", shell]) == 0
        return capsys.readouterr().out

    return make


@pytest.fixture
def completed(script: Any, tmp_path: Path) -> Any:
    """`completed("hooknet", "lea")`: what bash offers for the last word."""
    file = tmp_path / "hooknet.bash"

    def offer(*words: Any) -> Any:
        file.write_text(script("bash"))
        array = " ".join(f"'{word}'" for word in words)
        code = (
            f". {file}; COMP_WORDS=({array}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); "
            '_hooknet; printf "%s\\n" "${COMPREPLY[@]}"'
        )
        done = subprocess.run(
            ["bash", "--norc", "-c", code],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
            cwd=tmp_path,
        )
        assert done.stderr == ""
        return set(done.stdout.split())

    return offer


bash = pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")


@bash
def test_bash_completes_commands(completed: Any) -> None:
    assert completed("hooknet", "") >= set(COMMANDS)
    assert completed("hooknet", "lea") == {"leases"}


@bash
def test_bash_completes_options_of_the_command_and_of_no_other(completed: Any) -> None:
    assert completed("hooknet", "leases", "--t") == {"--timing"}
    assert completed("hooknet", "status", "--t") == set()


@bash
def test_bash_completes_values_and_commands_below_commands(completed: Any) -> None:
    assert completed("hooknet", "leases", "web", "--format", "") == {"table", "json"}
    assert completed("hooknet", "config", "") >= {"check", "show"}
    assert completed("hooknet", "config", "show", "--o") == {"--origin"}
    assert completed("hooknet", "completion", "z") == {"zsh"}


@bash
def test_bash_completes_files_where_files_are_wanted(completed: Any, tmp_path: Path) -> None:
    assert "hooknet.bash" in completed("hooknet", "daemon", "--config", "hook")


@pytest.mark.parametrize("shell", SHELLS)
def test_every_command_and_option_is_in_every_script(script: Any, shell: Any) -> None:
    text = script(shell)
    for node in tree("hooknet", parser_for(COMMANDS)):
        for word in node.words:
            assert word in text
        for option in node.options:
            for name in option.names:
                assert name.lstrip("-") in text


@pytest.mark.parametrize(("shell", "check"), [("bash", ["-n"]), ("zsh", ["-n"]), ("fish", ["--no-execute"])])
def test_the_shell_itself_finds_no_fault(script: Any, tmp_path: Path, shell: Any, check: Any) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    file = tmp_path / shell
    file.write_text(script(shell))
    done = subprocess.run([shell, *check, str(file)], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, "")
