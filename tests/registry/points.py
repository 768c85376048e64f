"""Densities of clouds of points; the number of features is that of the coordinates."""

from __future__ import annotations

from diffeo.points import PointCloudFlow, PointEncoder, point_cloud_flow
from registry.entry import Entry


def _model(dim: int, context: int, **options: int) -> PointCloudFlow:
    return point_cloud_flow(
        dim,
        latent=2,
        count=4,
        layers=2,
        hidden=(8,),
        bins=4,
        code=4,
        encoder=(8,),
        prior_layers=1,
        prior_hidden=(8,),
        classes=[str(k) for k in range(context)],
        **options,
    )


DENSITIES: list[Entry] = [
    Entry(
        "PointCloudFlow", (PointCloudFlow, PointEncoder), _model, features=(2, 3), contexts=(0, 3)
    )
]
