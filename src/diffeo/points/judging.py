"""How strange a model finds clouds."""

from __future__ import annotations

import math

import numpy as np
import torch

from diffeo.arrays import Floats
from diffeo.density import Seed, as_generator
from diffeo.flow import Flow
from diffeo.points.matching import contexts_of, for_model
from diffeo.points.model import PointCloudFlow
from diffeo.points.point_data import PointData

__all__ = ["cloud_scores"]


def cloud_scores(
    model: PointCloudFlow | Flow, data: PointData, *, num_samples: int = 1, seed: Seed = 0
) -> Floats:
    """-log p in nats per point of every cloud, high for shapes unlike those of the fit.

    It is an upper bound, of a flow of points alone exact. Clouds without labels are scored by a
    model of classes under all of them, each equally probable. If the model's clouds were
    normalised, so are these, and the figure is that of the normalised ones.

    Args:
        model: from ``fit_clouds``.
        data: the clouds.
        num_samples: draws of each cloud, which tighten the bound.
        seed: of the draws.

    Raises:
        DataError: clouds that are not the model's; see ``for_model``.
        ValueError: ``num_samples`` below 1.

    Example:
        >>> import numpy as np
        >>> from diffeo.points import PointData, cloud_scores, point_cloud_flow
        >>> model = point_cloud_flow(2, latent=2, count=20, hidden=(8,), layers=1)
        >>> cloud_scores(model, PointData([np.zeros((5, 2)), np.ones((9, 2))])).shape
        (2,)
    """
    data = for_model(model, data)
    if not isinstance(model, PointCloudFlow):
        return np.array([-np.mean(model.log_prob(cloud)) for cloud in data.clouds], np.float64)
    generator = as_generator(seed, model.like.device)
    clouds = list(data.clouds)
    if not model.classes or data.labels is not None:
        found: Floats = model.nats_per_point(
            clouds, contexts_of(model, data), num_samples=num_samples, seed=generator
        )
        return found.astype(np.float64)
    sizes = torch.tensor(data.sizes, dtype=torch.float64)
    each = [
        model.nats_per_point(clouds, context, num_samples=num_samples, seed=generator)
        for context in torch.eye(len(model.classes)).to(model.like)
    ]
    log_prob = -sizes * torch.from_numpy(np.stack(each)).double()
    mean = log_prob.logsumexp(0) - math.log(len(each))
    return (-mean / sizes).numpy()
