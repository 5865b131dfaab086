"""Times as people read and write them: `in 11 h`, `3 min ago`, `--since 10m`."""

from __future__ import annotations

import re
from datetime import UTC, datetime

UNITS = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
SUFFIXES = {"s": 1, "m": 60, "h": 3600, "d": 86400}
FEW = 10  # below so many of a unit, the next smaller one is worth saying


def span(seconds: float) -> str:
    """A length of time in one or two units: `4 s`, `11 h`, `2 d 3 h`, `1 min 20 s`."""
    whole = int(abs(seconds) + 0.5)
    for index, (name, size) in enumerate(UNITS):
        if whole >= size:
            number, rest = divmod(whole, size)
            if number < FEW and index + 1 < len(UNITS):
                smaller, unit = UNITS[index + 1]
                if rest // unit:
                    return f"{number} {name} {rest // unit} {smaller}"
            return f"{number} {name}"
    return "0 s"


def relative(moment: str | None, now: datetime) -> str:
    """An RFC 3339 time seen from `now`: `in 11 h`, `2 min ago`. Empty for None."""
    if moment is None:
        return ""
    seconds = (datetime.fromisoformat(moment) - now).total_seconds()
    return f"in {span(seconds)}" if seconds >= 0 else f"{span(seconds)} ago"


def clock(epoch: float) -> str:
    """The local time of day of a wall clock second, with the date when it is not today's."""
    moment = datetime.fromtimestamp(epoch).astimezone()
    shown = moment.strftime("%H:%M:%S")
    return shown if moment.date() == datetime.now().astimezone().date() else f"{moment.date()} {shown}"


def since(text: str, now: float) -> float:
    """What `--since` says, as wall clock seconds: `10m` (ago), `14:30` or an RFC 3339 time. Raises ValueError.

    A time without a zone is local; one of day without a date is today's.
    """
    if found := re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhd])", text.strip()):
        return now - float(found[1]) * SUFFIXES[found[2]]
    if re.fullmatch(r"\d\d:\d\d(:\d\d)?", text):
        text = f"{datetime.fromtimestamp(now, UTC).astimezone().date()}T{text}"
    try:
        return datetime.fromisoformat(text).astimezone().timestamp()
    except ValueError:
        raise ValueError(
            f"{text!r} is no time; give one such as 10m, 14:30 or 2025-01-31T14:30:00Z"
        ) from None
