"""How strange a model finds every cloud."""

from __future__ import annotations

import argparse
from typing import Any

__all__ = ["score_points"]


def score_points(model: Any, arguments: argparse.Namespace) -> None:
    """Write one line a cloud, and print the mean.

    Raises:
        DataError: clouds that are not the model's.
    """
    import numpy as np

    from diffeo.cli.points.reading import read_clouds
    from diffeo.estimates import mean_and_error
    from diffeo.points import cloud_scores
    from diffeo.tabular import table_writer

    data = read_clouds(arguments.data, split=arguments.split, labels=arguments.labels)
    draws = arguments.num_samples or 1
    scores = cloud_scores(model, data, num_samples=draws, seed=arguments.seed)
    sizes = np.array(data.sizes)
    with table_writer(arguments.output) as write:
        write(
            {
                "cloud": np.array([data.called(i) for i in range(len(data))]),
                "points": sizes,
                "nats_per_point": scores,
                "log_prob": -scores * sizes,
            }
        )
    mean, error = mean_and_error(scores)
    spread = f" ± {error:.4f}" if len(data) > 1 else ""
    at_most = "at most " if model.exactness == "bound" else ""
    print(f"{at_most}{mean:.4f}{spread} nats per point, {len(data):,} clouds")
