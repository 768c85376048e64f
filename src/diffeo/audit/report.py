"""What an audit found: named checks in a table that can raise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from diffeo.errors import AuditError

__all__ = ["Check", "Finding", "Report", "expect", "problems", "run_checks", "worst"]


@dataclass(frozen=True)
class Check:
    """One check of an audit.

    Attributes:
        name: what was checked.
        measured: largest error, or number of violations; NaN where the check itself failed.
        tolerance: the most that passes.
        detail: what went wrong, in words.
    """

    name: str
    measured: float
    tolerance: float
    detail: str = ""

    @property
    def ok(self) -> bool:
        """Whether the check passed; never for NaN."""
        return self.measured <= self.tolerance


class Report:
    """The checks of one audit; ``str`` gives a table.

    Args:
        subject: what was audited.
        checks: what was found.

    Example:
        >>> import diffeo
        >>> from diffeo.audit import check_transform
        >>> check_transform(diffeo.transforms.Reverse(2), trace=False).ok
        True
    """

    def __init__(self, subject: str, checks: tuple[Check, ...]) -> None:
        self.subject = subject
        self.checks = checks

    @property
    def ok(self) -> bool:
        """Whether every check passed."""
        return not self.failed

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that did not pass."""
        return tuple(check for check in self.checks if not check.ok)

    def __iter__(self) -> Iterator[Check]:
        return iter(self.checks)

    def __getitem__(self, name: str) -> Check:
        for check in self.checks:
            if check.name == name:
                return check
        raise KeyError(name)

    def __str__(self) -> str:
        count = len(self.checks) - len(self.failed)
        lines = [f"audit of {self.subject}: {count} of {len(self.checks)} checks passed"]
        width = max((len(check.name) for check in self.checks), default=0)
        lines.append(f"{'check':<{width}}          measured   allowed")
        for check in self.checks:
            row = (
                f"{check.name:<{width}}  {'ok' if check.ok else 'FAILED':<6} "
                f"{check.measured:>10.2g} {check.tolerance:>9.2g}  {check.detail}"
            )
            lines.append(row.rstrip())
        return "\n".join(lines)

    __repr__ = __str__

    def raise_if_failed(self) -> None:
        """Do nothing if every check passed.

        Raises:
            AuditError: with the table, if one did not.
        """
        if not self.ok:
            raise AuditError(f"\n{self}")


class Finding(NamedTuple):
    """What one check measured."""

    measured: float
    tolerance: float
    detail: str = ""


def worst(error: Tensor, tolerance: float, detail: str = "") -> Finding:
    """The largest of ``error``; NaN if any is."""
    largest = float(error.detach().max()) if error.numel() else 0.0
    return Finding(largest, tolerance, "" if largest <= tolerance else detail)


def problems(found: list[str]) -> Finding:
    """The number of violations, none of which is allowed; the first three in words."""
    more = f" (and {len(found) - 3} more)" if len(found) > 3 else ""
    return Finding(len(found), 0, "; ".join(found[:3]) + more)


def expect(error: type[Exception], call: Callable[[], object], what: str) -> list[str]:
    """A complaint unless ``call`` raises ``error``."""
    try:
        call()
    except error:
        return []
    except Exception as other:
        return [f"{what}: expected {error.__name__}, got {_short(other)}"]
    return [f"{what}: expected {error.__name__}, but nothing was raised"]


def run_checks(subject: str, checks: dict[str, Callable[[], Finding]]) -> Report:
    """Run each check; one that raises fails with the message of what it raised."""
    done = []
    for name, check in checks.items():
        try:
            finding = check()
        except Exception as error:
            finding = Finding(float("nan"), 0.0, _short(error))
        done.append(Check(name, *finding))
    return Report(subject, tuple(done))


def _short(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0][:300]}"
