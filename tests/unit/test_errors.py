"""Every error that reaches a person says what to do next."""

from __future__ import annotations

import ast
from pathlib import Path

import hooknet

PACKAGE = Path(hooknet.__file__).parent
ROOMS = (PACKAGE, PACKAGE.parent / "plugins")
ERRORS = {"HooknetError", "Refused"}
NOBODY_READS_IT = {"the caller hung up": "frontends/control/handlers.py"}
ANOTHERS_WORDS = {"a program refused it without a word": "hooknet_exec/answer.py"}
EXCEPTIONS = NOBODY_READS_IT | ANOTHERS_WORDS


def made_without_a_hint(source: str) -> list[str]:
    """Each call that makes an error and gives no hint, or an empty one."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    made = [call for call in calls if name_of(call.func) in ERRORS]
    return [ast.unparse(call) for call in made if not any(is_hint(keyword) for keyword in call.keywords)]


def name_of(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def is_hint(keyword: ast.keyword) -> bool:
    is_empty = isinstance(keyword.value, ast.Constant) and not keyword.value.value
    return keyword.arg == "hint" and not is_empty


def test_every_error_is_made_with_a_hint() -> None:
    missing = [
        f"{path}: {call}"
        for room in ROOMS
        for path in sorted(room.rglob("*.py"))
        for call in made_without_a_hint(path.read_text(encoding="utf-8"))
        if not any(words in call and str(path).endswith(file) for words, file in EXCEPTIONS.items())
    ]
    assert missing == []


def test_the_search_sees_an_error_without_a_hint_and_one_with_an_empty_one() -> None:
    assert made_without_a_hint("raise HooknetError(Kind.IO, 'no')") == ["HooknetError(Kind.IO, 'no')"]
    assert len(made_without_a_hint("raise hooknet.Refused('no', hint='')")) == 1
    assert made_without_a_hint("raise HooknetError(Kind.IO, 'no', hint='try')") == []
