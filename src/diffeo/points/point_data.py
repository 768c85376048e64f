"""Clouds of points, their labels, and how they were brought to one size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from diffeo.checks import check_count
from diffeo.errors import DataError
from diffeo.labels import Labels, check_labels

__all__ = ["Cloud", "PointData"]

Cloud: TypeAlias = npt.NDArray[np.float32]
DIMS = (2, 3)


@dataclass(frozen=True, eq=False)
class PointData:
    """A set of clouds of points, each of any number of them.

    Args:
        clouds: each (points, dim), dim 2 or 3 for all; kept as float32.
        labels: (n,), classes counted from 0, or None.
        source: where they come from, for messages.
        names: of the classes, or None.
        titles: what each cloud is called, such as its file, or None.
        centres, radii: (n, dim) and (n,), what ``normalised`` took away, or None.

    Raises:
        DataError: no clouds, clouds without points, of other or different dimension, or with points
            that are not finite; or labels that do not fit.

    Example:
        >>> import numpy as np
        >>> from diffeo.points import PointData
        >>> data = PointData([np.zeros((5, 3)), np.ones((9, 3))])
        >>> len(data), data.dim, data.sizes
        (2, 3, [5, 9])
    """

    clouds: Sequence[Cloud] = field(repr=False)
    labels: Labels | None = field(default=None, repr=False)
    source: str = "the clouds"
    names: tuple[str, ...] | None = None
    titles: tuple[str, ...] | None = field(default=None, repr=False)
    centres: npt.NDArray[np.float64] | None = field(default=None, repr=False)
    radii: npt.NDArray[np.float64] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not len(self.clouds):
            raise DataError(f"{self.source} holds no clouds")
        clouds = tuple(self._checked(i) for i in range(len(self.clouds)))
        object.__setattr__(self, "clouds", clouds)
        if self.labels is not None:
            labels = check_labels(self.labels, len(clouds), self.source, self.names, what="cloud")
            object.__setattr__(self, "labels", labels)

    def _checked(self, i: int) -> Cloud:
        cloud, where = np.asarray(self.clouds[i]), f"{self.source}: {self.called(i)}"
        if cloud.dtype.kind not in "fiu":
            raise DataError(f"{where} holds {cloud.dtype} values; points are numbers")
        if cloud.ndim != 2 or cloud.shape[1] not in DIMS:
            raise DataError(
                f"{where} has the shape {cloud.shape}; clouds have the shape (points, 2) or "
                f"(points, 3)"
            )
        first = np.shape(self.clouds[0])
        if cloud.shape[1] != first[1]:
            raise DataError(
                f"{where} has {cloud.shape[1]} coordinates, but {self.called(0)} has {first[1]}"
            )
        if not len(cloud):
            raise DataError(f"{where} has no points")
        finite = np.isfinite(cloud).all(1)
        if not finite.all():
            at = int(finite.argmin())
            raise DataError(f"{where}, point {at} is {cloud[at].tolist()}, which is not finite")
        return cloud.astype(np.float32, copy=False)

    def __len__(self) -> int:
        return len(self.clouds)

    @property
    def dim(self) -> int:
        """Coordinates of a point."""
        return int(self.clouds[0].shape[1])

    @property
    def sizes(self) -> list[int]:
        """Points of each cloud."""
        return [len(cloud) for cloud in self.clouds]

    def called(self, i: int) -> str:
        """What cloud ``i`` is called in messages."""
        return f"cloud {i}" if self.titles is None else f"cloud {i} ({self.titles[i]})"

    def subset(self, indices: Any) -> PointData:
        """The clouds at ``indices``: whole numbers, a mask, or a slice.

        Raises:
            IndexError: a cloud that is not there.
        """
        at = np.arange(len(self))[indices if isinstance(indices, slice) else np.asarray(indices)]
        return replace(
            self,
            clouds=[self.clouds[i] for i in at],
            labels=None if self.labels is None else self.labels[at],
            titles=None if self.titles is None else tuple(self.titles[i] for i in at),
            centres=None if self.centres is None else self.centres[at],
            radii=None if self.radii is None else self.radii[at],
        )

    def normalised(self) -> PointData:
        """Each cloud with its mean at 0 and its farthest point at distance 1.

        ``centres`` and ``radii`` remember what was taken away; a cloud of one place keeps a radius
        of 1. Clouds that were normalised before stay as they are.
        """
        if self.radii is not None:
            return self
        wide = [cloud.astype(np.float64) for cloud in self.clouds]
        centres = np.stack([cloud.mean(0) for cloud in wide])
        moved = [cloud - centre for cloud, centre in zip(wide, centres, strict=True)]
        radii = np.array([np.linalg.norm(cloud, axis=1).max() or 1.0 for cloud in moved])
        clouds = [cloud / radius for cloud, radius in zip(moved, radii, strict=True)]
        return replace(self, clouds=clouds, centres=centres, radii=radii)

    def restored(self) -> PointData:
        """The clouds before ``normalised``."""
        if self.radii is None or self.centres is None:
            return self
        clouds = [
            cloud * radius + centre
            for cloud, radius, centre in zip(self.clouds, self.radii, self.centres, strict=True)
        ]
        return replace(self, clouds=clouds, centres=None, radii=None)

    def stacked(self, points: int, seed: int = 0) -> npt.NDArray[np.float32]:
        """The clouds as one array (n, points, dim): random points of each, all before any again.

        Raises:
            ValueError: ``points`` that is not a whole number of at least 1.
        """
        check_count("points", points)
        rng = np.random.default_rng(seed)
        return np.stack([_resized(cloud, points, rng) for cloud in self.clouds])


def _resized(cloud: Cloud, points: int, rng: np.random.Generator) -> Cloud:
    if len(cloud) == points:
        return cloud
    rounds = -(-points // len(cloud))
    order = np.concatenate([rng.permutation(len(cloud)) for _ in range(rounds)])
    return cloud[order[:points]]
