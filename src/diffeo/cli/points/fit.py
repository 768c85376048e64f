"""A model of clouds of points, fitted."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from diffeo.cli.points.reading import read_clouds

if TYPE_CHECKING:
    from diffeo.cli.fit_options import Options
    from diffeo.model import Model

__all__ = ["fit_points"]


def fit_points(arguments: argparse.Namespace, options: Options) -> Model:
    """The model of the clouds of the arguments; of a single cloud, of its points.

    Raises:
        DataError: clouds that cannot be used, or options that the model does not take.
        ShapeError, ValueError: sizes that do not fit.
    """
    from diffeo.points import fit_clouds

    loading: dict[str, Any] = {"split": arguments.split, "labels": arguments.labels}
    data = read_clouds(arguments.data, **loading)
    labelled = data.labels is not None and not arguments.unconditional and len(data) > 1
    if not arguments.quiet:
        one = len(data) == 1
        what = f"one cloud of {data.sizes[0]:,} points" if one else f"{len(data):,} clouds"
        print(f"model points: fitting {what}{', given their class' * labelled}", flush=True)
    model = fit_clouds(
        data,
        points=arguments.points,
        conditional=not arguments.unconditional,
        normalise=arguments.normalise,
        options=options.model,
        **{"seed": 0, **options.fit},
    )
    # the same clouds are found again for a report
    model.record["clouds"]["load"] = {**loading, "path": arguments.data}
    return model
