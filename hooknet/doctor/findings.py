"""What a check says."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from enum import StrEnum, unique

from hooknet.errors import HooknetError


@unique
class Verdict(StrEnum):
    """PROBLEM makes the doctor exit with 1. NOTE: may be meant so. SKIPPED: could not be told."""

    OK = "ok"
    NOTE = "note"
    PROBLEM = "problem"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """`what` was seen, `why` it matters, and `todo`: what to do about it. All are texts, so each is given by name."""

    verdict: Verdict
    what: str
    _: KW_ONLY
    why: str = ""
    todo: str = ""


def ok(what: str) -> Finding:
    return Finding(Verdict.OK, what)


def note(what: str, *, todo: str, why: str = "") -> Finding:
    return Finding(Verdict.NOTE, what, why=why, todo=todo)


def problem(what: str, *, todo: str, why: str = "") -> Finding:
    return Finding(Verdict.PROBLEM, what, why=why, todo=todo)


def skipped(what: str, *, todo: str = "") -> Finding:
    return Finding(Verdict.SKIPPED, what, todo=todo)


def from_error(error: HooknetError, otherwise: str) -> Finding:
    """The problem that an error tells of; `otherwise` where it has no remedy of its own."""
    return problem(error.message, todo=error.hint or otherwise, why=error.details)
