"""A page that judges a model of clouds."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diffeo.cli.points.reading import read_clouds
from diffeo.cli.refound import same_data

if TYPE_CHECKING:
    from diffeo.points import PointData

__all__ = ["report_points"]


def report_points(model: Any, arguments: argparse.Namespace) -> None:
    """Write the page.

    Raises:
        DataError: clouds that are not the model's, or none to judge it by.
    """
    from diffeo.points import point_report_content
    from diffeo.report.points_page import write_point_report

    data, held_out = _clouds(model, arguments)
    content = point_report_content(
        model,
        data,
        held_out=held_out,
        title=arguments.title or f"Report on {Path(arguments.model).stem}",
        made=[("model file", arguments.model), ("clouds", data.source)],
        seed=arguments.seed,
    )
    write_point_report(content, arguments.output)


def _clouds(model: Any, arguments: argparse.Namespace) -> tuple[PointData, bool]:
    """Clouds to judge by, and whether they were kept from the fit."""
    from diffeo.errors import DataError
    from diffeo.points.fitting import held_out_clouds

    known = model.record.get("clouds", {}).get("load")
    path = arguments.data or (known or {}).get("path")
    if path is None:
        raise DataError("the model does not say what it was fitted to; name clouds to judge it by")
    if known is None or (arguments.data and not same_data(known, path, arguments)):
        return read_clouds(path, split=arguments.split, labels=arguments.labels), True
    train, held_out = held_out_clouds(
        model, read_clouds(known["path"], split=known["split"], labels=known["labels"])
    )
    return (train, False) if held_out is None else (held_out, True)
