"""New clouds from a model."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from diffeo.points import PointData

__all__ = ["sample_points"]


def sample_points(model: Any, arguments: argparse.Namespace) -> PointData:
    """Draw clouds and write them.

    Raises:
        DataError: a class that the model does not have, or clouds that the file cannot hold.
        ValueError: a temperature that is none.
    """
    from diffeo.cli.output import check_output
    from diffeo.points import draw_clouds, write_clouds
    from diffeo.points.files.saving import WRITABLE

    check_output(arguments.output, [*WRITABLE, ".png", ".html", ""], [arguments.model])
    label = arguments.label
    if label is not None:
        label = [int(label) if label.isdecimal() else label] * arguments.n
    data = draw_clouds(
        model,
        arguments.n,
        points=arguments.points,
        labels=label,
        temperature=1.0 if arguments.temperature is None else arguments.temperature,
        seed=arguments.seed,
    )
    write_clouds(arguments.output, data)
    return data
