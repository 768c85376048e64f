"""How alike two sets of clouds are: samples of a model, and real ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from diffeo.arrays import Floats
from diffeo.errors import DataError
from diffeo.points.metrics.distances import Distance, distance_matrix
from diffeo.points.stacks import Clouds

__all__ = ["SetComparison", "compare_sets"]


@dataclass(frozen=True)
class SetComparison:
    """What ``compare_sets`` finds.

    Attributes:
        accuracy: 1-NNA, the share of clouds whose nearest other cloud is of their own set: 0.5
            where the sets cannot be told apart, 1 where they can.
        coverage: share of the reference that is the nearest one of some sample; higher is better.
        matching: MMD, the mean over the reference of the distance to the nearest sample.
    """

    accuracy: float
    coverage: float
    matching: float


def compare_sets(
    samples: Clouds,
    reference: Clouds,
    distance: Distance = "chamfer",
    *,
    max_points: int | None = None,
    seed: int = 0,
) -> SetComparison:
    """1-nearest-neighbour accuracy, coverage and minimum matching distance of two sets of clouds.

    Args:
        samples, reference: clouds, an array (n, points, dim) or a list; for the accuracy, of the
            same number.
        distance, max_points, seed: as for ``distance_matrix``.

    Raises:
        DataError: sets of different size, or of one cloud.
        As ``distance_matrix``.

    Reference: "PointFlow: 3D Point Cloud Generation with Continuous Normalizing Flows", Yang,
    Huang, Hao, Liu, Belongie, Hariharan, 2019, arXiv:1906.12320; "Revisiting Classifier Two-Sample
    Tests", Lopez-Paz, Oquab, 2016, arXiv:1610.06545.

    Example:
        >>> import numpy as np
        >>> from diffeo.points import compare_sets
        >>> rng = np.random.default_rng(0)
        >>> near, far = rng.normal(size=(2, 10, 20, 3)) + [[[[0]]], [[[9]]]]
        >>> compare_sets(near, far).accuracy
        1.0
    """
    if len(samples) != len(reference) or len(samples) < 2:
        raise DataError(
            f"sets are compared by as many samples as reference clouds, at least 2 of each; got "
            f"{len(samples)} and {len(reference)}"
        )

    def distances(first: Clouds, second: Clouds | None = None) -> Floats:
        return distance_matrix(first, second, distance, max_points=max_points, seed=seed)

    between = distances(samples, reference)
    accuracy = _accuracy(distances(samples), between, distances(reference))
    covered = np.unique(between.argmin(1)).size
    return SetComparison(accuracy, covered / between.shape[1], float(between.min(0).mean()))


def _accuracy(own: Floats, between: Floats, other: Floats) -> float:
    """The share of clouds whose nearest one, besides themselves, is of their set."""
    whole = np.block([[own, between], [between.T, other]])
    np.fill_diagonal(whole, np.inf)
    nearest = whole.argmin(1) < len(own)
    mine = np.arange(len(whole)) < len(own)
    return float((nearest == mine).mean())
