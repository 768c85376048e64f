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

LONGEST_NAME = 32
# signs that look right in print
MINUS, NOTHING, TIMES = "\N{MINUS SIGN}", "\N{EN DASH}", "\N{MULTIPLICATION SIGN}"


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


def percent(share: float) -> str:
    """A share as a percentage, with enough digits near 0 and 1."""
    if not math.isfinite(share):
        return NOTHING
    distance = min(share, 1 - share)
    digits = 0 if not distance else 1 if distance >= 0.01 else 2
    text = f"{100 * share:.{digits}f}"
    return f"{text} %" if float(text) or not share else f"< {10**-digits:g} %"


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


def listed(names: Iterable[Any], most: int = 5) -> str:
    """``a, b and c``, or ``a, b, c and 12 more``."""
    all_of_them: Sequence[str] = [short(name) for name in names]
    if len(all_of_them) > most:
        head, last = all_of_them[:most], f"{len(all_of_them) - most:,} more"
    else:
        head, last = all_of_them[:-1], all_of_them[-1]
    return f"{', '.join(head)} and {last}" if head else last


def date(seconds: float) -> str:
    """Seconds since 1970 as a date, with the time of day where there is one."""
    if not math.isfinite(seconds):
        return NOTHING
    moment = datetime.fromtimestamp(seconds, timezone.utc).replace(tzinfo=None)
    at_midnight = moment.hour == moment.minute == moment.second == 0
    return moment.strftime("%Y-%m-%d" if at_midnight else "%Y-%m-%d %H:%M")
