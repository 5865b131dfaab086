"""The operator's log: one line per event, saying who, what and how long.

Two shapes of the same lines. `text` is for people: time, level, id, who, what, details as `key=value`,
`took=`. `json` is for machines: one object per line. Under systemd's journal the text has no time of its
own and each line starts with its priority (`sd-daemon(3)`), so that `journalctl -p warning` works.

Whatever comes from the wire, a container's name or a plugin may carry escape sequences or newlines: nothing
gets into a line of text that could end it or repaint a terminal. Lines are bounded in length. A traceback
is shown in full at level debug and in JSON; otherwise the line says the exception and where it was raised.

Two ways to write a line: `say(LogId.X, …)` with an id, or the usual `logging.getLogger(__name__)`, whose
lines carry the id NOTE. `log_event` turns an event of the bus into its line.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Literal, TextIO

from hooknet.logids import LogId, id_of, told_by_id

LIMIT = 4000
LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}
WHO = ("container", "container_id", "network", "ifname")
ENVELOPE = {"seq", "time", "kind", "ms", *WHO}

# C0, DEL, C1, line and paragraph separators, and what reorders text (Unicode bidi controls)
UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

logger = logging.getLogger("hooknet")


def say(log_id: LogId, /, **fields: Any) -> None:
    """Write the line of `log_id`. `ms` is how long it took, in milliseconds; the four of `WHO` say who."""
    if logger.isEnabledFor(log_id.level):
        logger.log(log_id.level, "", extra={"log_id": log_id, "fields": fields})


def log_event(event: Mapping[str, Any]) -> None:
    """A listener of the event bus: each event is one line (see `hooknet.lifecycle.bus`)."""
    log_id = id_of(event)
    if logger.isEnabledFor(log_id.level):
        logger.log(log_id.level, "", extra={"log_id": log_id, "fields": event})


def safe(value: object) -> str:
    """The value as text that can't end a line or steer a terminal."""
    return UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", str(plain(value)))


def plain(value: object) -> Any:
    """The value as JSON has it: enums by value, what JSON lacks as text."""
    match value:
        case Enum():
            return value.value
        case None | bool() | int() | float() | str():
            return value
        case Mapping():
            return {str(key): plain(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [plain(item) for item in value]
        case _:
            return str(value)


def name_of(fields: Mapping[str, Any]) -> str:
    """Who, in one word: `web/eth0@lan`, with the short container id where there is no name."""
    name = fields.get("container") or str(fields.get("container_id") or "")[:12]
    ifname, network = fields.get("ifname"), fields.get("network")
    return safe("".join((name, f"/{ifname}" if ifname else "", f"@{network}" if network else "")))


def sentence(what: str, fields: Mapping[str, Any]) -> str:
    """What happened and how long it took, without the time and without who. `what`: mostly a log id's words."""
    details = [safe(what)] if what else []
    silent = {*ENVELOPE, told_by_id(fields)}
    for key, value in fields.items():
        if key not in silent and value is not None and value != "":
            text = safe(value)
            details.append(f"{key}={json.dumps(text, ensure_ascii=False) if ' ' in text else text}")
    if isinstance(milliseconds := fields.get("ms"), (int, float)):
        details.append(f"took={milliseconds:.1f}ms")
    return " ".join(details)


class TextFormatter(logging.Formatter):
    """Lines for people. `journal`: systemd's journal reads us."""

    def __init__(self, *, journal: bool = False) -> None:
        super().__init__()
        self.journal = journal

    def format(self, record: logging.LogRecord) -> str:
        log_id: LogId = getattr(record, "log_id", LogId.NOTE)
        parts = [self._head(record), log_id.name, self._body(record, log_id)]
        line = " ".join(part for part in parts if part)[:LIMIT]
        if record.exc_info and logger.isEnabledFor(logging.DEBUG):
            line += "".join(
                f"\n    {safe(text)}" for text in self.formatException(record.exc_info).splitlines()
            )
        return line

    def _head(self, record: logging.LogRecord) -> str:
        level = record.levelname.lower()
        if self.journal:
            return f"<{PRIORITIES.get(record.levelno, 6)}>{level}"
        return f"{timestamp(record)} {level:7}"

    @staticmethod
    def _body(record: logging.LogRecord, log_id: LogId) -> str:
        fields: Mapping[str, Any] | None = getattr(record, "fields", None)
        if fields is None:
            source = record.name.removeprefix("hooknet.")
            return f"{safe(source)}: {safe(record.getMessage())}{where(record)}"
        name = name_of(fields)
        return f"{name + ': ' if name else ''}{sentence(record.getMessage() or log_id.what, fields)}{where(record)}"


class JsonFormatter(logging.Formatter):
    """One JSON object per line: `time`, `level`, `id`, `message`, `logger`, and the fields of the event."""

    def format(self, record: logging.LogRecord) -> str:
        log_id: LogId = getattr(record, "log_id", LogId.NOTE)
        fields: Mapping[str, Any] | None = getattr(record, "fields", None)
        data: dict[str, Any] = {
            "time": timestamp(record),
            "level": record.levelname.lower(),
            "id": log_id.name,
            "message": record.getMessage() or log_id.what,
        }
        if fields is None:
            data["logger"] = record.name
        data |= {key: plain(value) for key, value in (fields or {}).items() if key not in data}
        if record.exc_info:
            data["traceback"] = self.formatException(record.exc_info)
        return json.dumps(data, ensure_ascii=True, default=str)


def timestamp(record: logging.LogRecord) -> str:
    """RFC 3339 in UTC, to the millisecond."""
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def where(record: logging.LogRecord) -> str:
    """The exception of a record, and the place that raised it, in a few words; empty without one."""
    if not record.exc_info or record.exc_info[1] is None:
        return ""
    error = record.exc_info[1]
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return safe(f"; {type(error).__name__}: {error}{place}")


def journal_reads(stream: TextIO) -> bool:
    """Whether `stream` is connected to systemd's journal (`JOURNAL_STREAM`, systemd.exec(5))."""
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


def setup(
    log_format: Literal["text", "json"] = "text", level: str = "info", *, stream: TextIO | None = None
) -> logging.Handler:
    """Send every line of the process to `stream` (standard error). Calling it again replaces the old set-up.

    Other libraries are heard from `warning` on. Returns the handler that was installed.
    """
    target = stream or sys.stderr
    handler = logging.StreamHandler(target)
    handler.set_name("hooknet")
    handler.setFormatter(
        JsonFormatter() if log_format == "json" else TextFormatter(journal=journal_reads(target))
    )
    root = logging.getLogger()
    for old in [known for known in root.handlers if known.get_name() == "hooknet"]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    set_level(level)
    return handler


def set_level(level: str) -> None:
    """How much hooknet says: `debug`, `info`, `warning` or `error`. Takes effect at once."""
    logger.setLevel(LEVELS[level])
