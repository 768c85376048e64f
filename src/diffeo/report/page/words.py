"""Numbers and names as a reader wants them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from typing import Any

__all__ = [
    "MINUS",
    "NOTHING",
    "TIMES",
    "brief",
    "count",
    "date",
    "listed",
    "number",
    "p_value",
    "percent",
    "plural",
    "short",
    "signed",
]

LONGEST_NAME = 26
# signs that look right in print
MINUS, NOTHING, TIMES = "\N{MINUS SIGN}", "\N{EN DASH}", "\N{MULTIPLICATION SIGN}"
PERCENT = "\N{NO-BREAK SPACE}%"


def number(value: float, digits: int = 4) -> str:
    """``digits`` significant digits, whole numbers up to a million in full."""
    if not math.isfinite(value):
        return {math.inf: "∞", -math.inf: f"{MINUS}∞"}.get(value, NOTHING)
    text = f"{value:,.0f}" if 10**digits <= abs(value) < 1e7 else f"{value:.{digits}g}"
    text = text.replace("e+0", "e").replace("e+", "e").replace("e-0", "e-")
    return text.replace("-", MINUS)


def signed(value: float, digits: int = 3) -> str:
    """A number with its sign and ``digits`` decimals."""
    if not math.isfinite(value):
        return number(value)
    return f"{value:+,.{digits}f}".replace("-", MINUS)


def percent(share: float, digits: int | None = None) -> str:
    """A share as a percentage; by default with more digits near 0 and 1."""
    if not math.isfinite(share):
        return NOTHING
    if digits is None:
        distance = min(share, 1 - share)
        digits = 0 if not distance else 1 if distance >= 0.01 else 2
    text = f"{100 * share:.{digits}f}"
    return f"{text}{PERCENT}" if float(text) or not share else f"< {10**-digits:g}{PERCENT}"


def p_value(value: float) -> str:
    """A p-value, never zero."""
    return "< 0.0001" if value < 1e-4 else f"{value:.2g}"


def count(value: int) -> str:
    """A whole number with its thousands apart."""
    return f"{value:,}"


def plural(value: int, noun: str) -> str:
    """``1 row``, ``2,000 rows``."""
    return f"{value:,} {noun}{'' if value == 1 else 's'}"


def short(name: Any, longest: int = LONGEST_NAME) -> str:
    """A name on one line, its middle left out where it is long."""
    text = " ".join(str(name).split()) or "(empty)"
    if len(text) <= longest:
        return text
    tail = longest // 3
    return f"{text[: longest - tail - 1]}…{text[-tail:]}"


def brief(names: Sequence[str], longest: int = LONGEST_NAME) -> dict[str, str]:
    """Each name on one line, shortened so that different names stay different.

    Names whose shortened forms are equal keep their first letters and the place where they differ;
    where that is not enough, their position is added.
    """
    shortened = {name: short(name, longest) for name in names}
    for text in {t for t in shortened.values() if list(shortened.values()).count(t) > 1}:
        alike = [name for name in names if shortened[name] == text]
        same = _common_prefix(alike)
        head = longest // 4
        for name in alike:
            rest = name[max(same - 6, head) :]
            room = longest - head - 1
            end = rest if len(rest) <= room else f"{rest[: room - 1]}…"
            shortened[name] = f"{name[:head]}…{end}"
    taken = list(shortened.values())
    return {
        name: text if taken.count(text) == 1 else f"{short(text, longest - 6)} ({position})"
        for position, (name, text) in enumerate(shortened.items(), 1)
    }


def _common_prefix(names: Sequence[str]) -> int:
    """How many characters all of them begin with; the first and last in order differ soonest."""
    first, last = min(names), max(names)
    pairs = zip(first, last, strict=False)
    return next((k for k, (a, b) in enumerate(pairs) if a != b), min(len(first), len(last)))


def listed(names: Iterable[Any], most: int = 5) -> str:
    """``a, b and c``, or ``a, b, c and 12 more``."""
    all_of_them: Sequence[str] = [short(name) for name in names]
    if len(all_of_them) > most:
        head, last = all_of_them[:most], f"{len(all_of_them) - most:,} more"
    else:
        head, last = all_of_them[:-1], "".join(all_of_them[-1:])
    return f"{', '.join(head)} and {last}" if head else last


def date(seconds: float) -> str:
    """Seconds since 1970 as a date, with the time of day where there is one."""
    if not math.isfinite(seconds):
        return NOTHING
    moment = datetime.fromtimestamp(seconds, timezone.utc).replace(tzinfo=None)
    at_midnight = moment.hour == moment.minute == moment.second == 0
    return moment.strftime("%Y-%m-%d" if at_midnight else "%Y-%m-%d %H:%M")
