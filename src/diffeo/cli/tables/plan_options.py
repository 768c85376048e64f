"""Which options of a configuration the average of flows has."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from diffeo.cli.fit_options import Options

__all__ = ["BESIDES", "FIT", "MODEL", "not_of_plan"]

# fields of a Plan by where a configuration has them
MODEL = ("members", "layers", "hidden", "bins")
FIT = ("epochs", "patience", "batch_size", "lr", "validation", "max_time")
BESIDES = ("seed", "progress")


def not_of_plan(options: Options) -> list[str]:
    """Options that this density does not have."""
    known = {*MODEL, *FIT, *BESIDES, "device"}
    given = {**options.model, **options.fit}
    # None, and the device that it works on anyway, ask for nothing
    return [
        name
        for name, value in given.items()
        if name not in known
        or (name in ("patience", "validation") and value is None)
        or (name == "device" and value not in (None, "cpu"))
    ]
