"""The default density of continuous columns: an average of flows, fitted one by one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from diffeo.cli.config import check_keys
from diffeo.cli.tables.plan_options import BESIDES, FIT, MODEL, not_of_plan
from diffeo.errors import DataError

if TYPE_CHECKING:
    from diffeo.cli.fit_options import Options
    from diffeo.cli.tables.source import Source
    from diffeo.flow import Flow
    from diffeo.tabular.plan import Plan

__all__ = ["fit_average"]


def fit_average(source: Source, options: Options, quiet: bool) -> Flow:
    """The average of flows for the source's columns, fitted.

    Raises:
        DataError: a cell that is not a finite number, columns without a density, or an option that
            it does not have.
    """
    import torch

    from diffeo.tabular.continuous import fit_continuous
    from diffeo.tabular.plan import Plan

    check_keys("the model 'continuous'", options.model, MODEL)
    foreign = not_of_plan(options)
    if foreign:
        raise DataError(
            f"the model 'continuous' has no {foreign[0]} = {options.fit[foreign[0]]!r}; it takes "
            f"{', '.join((*FIT, *BESIDES))}, and single flows such as nsf take all"
        )
    if not quiet:
        print(f"fitting the density of {', '.join(source.features)}", flush=True)
    x = torch.from_numpy(source.table.frame(source.features).to_numpy(dtype="float64", copy=True))
    return fit_continuous(
        x,
        plan=_plan(Plan.of(*x.shape), options),
        seed=options.seed,
        names=source.features,
        progress=options.fit.get("progress", True),
    )


def _plan(default: Plan, options: Options) -> Plan:
    given: dict[str, Any] = {**options.model, **options.fit}
    given = {name: given[name] for name in (*MODEL, *FIT) if name in given}
    _check(given)
    if "hidden" in given:
        given["hidden"] = tuple(given["hidden"])
    return replace(default, **given)


def _check(given: dict[str, Any]) -> None:
    """Raise at a value out of range, before any work."""
    for name in ("members", "layers", "bins", "epochs", "patience", "batch_size"):
        _require(name, given, lambda v: type(v) is int and v >= 1, "a whole number >= 1")
    for name in ("lr", "max_time"):
        _require(name, given, lambda v: v is None or v > 0, "positive")
    _require("validation", given, lambda v: 0 < v < 1, "a share in (0, 1)")
    _require(
        "hidden",
        given,
        lambda v: isinstance(v, list) and all(type(w) is int and w >= 1 for w in v),
        "a list of whole numbers >= 1",
    )


def _require(name: str, given: dict[str, Any], test: Any, expected: str) -> None:
    if name in given and not test(given[name]):
        raise DataError(f"{name} must be {expected}, got {given[name]!r}")
