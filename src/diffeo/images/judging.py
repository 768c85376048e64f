"""How probable a model finds images."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from diffeo.arrays import Floats
from diffeo.density import Seed, as_generator
from diffeo.images.bits import bits_per_dim
from diffeo.images.image_data import ImageData
from diffeo.images.matching import contexts_of, for_model, pixels_of
from diffeo.images.model import ImageModel

__all__ = ["log_probs", "scores"]

# images at a time
_BATCH = 256


def log_probs(
    model: ImageModel, data: ImageData, *, num_samples: int = 1, seed: Seed = 0
) -> Floats:
    """log p of every image in nats, a bound of it, given its class if both know of classes.

    Images without labels are scored by a model of classes under all of them, each equally
    probable: log of the mean of p(x | class).

    Args:
        model: the model.
        data: the images, of the model's size.
        num_samples: draws of each image, which tighten the bound.
        seed: of the draws.

    Raises:
        DataError: images that are not the model's; see ``for_model``.
        ValueError: ``num_samples`` below 1.

    Example:
        >>> import numpy as np, diffeo
        >>> from diffeo.images import ImageModel, load_images
        >>> from diffeo.images.judging import log_probs
        >>> model = ImageModel(diffeo.Glow((1, 8, 8), scales=2, steps=1, hidden=8))
        >>> log_probs(model, load_images(np.zeros((5, 8, 8), np.uint8))).shape
        (5,)
    """
    data = for_model(model, data)
    generator = as_generator(seed, model.like.device)
    contexts = None if data.labels is None else contexts_of(model, data)

    def one(x: Tensor, context: Tensor | None) -> Tensor:
        found: Tensor = model.log_prob(x, context, num_samples=num_samples, seed=generator)
        return found

    parts = []
    with torch.no_grad():
        for start in range(0, len(data), _BATCH):
            x = pixels_of(data.subset(slice(start, start + _BATCH))).to(model.like)
            if model.classes and contexts is None:
                each = [one(x, c) for c in torch.eye(len(model.classes)).to(model.like)]
                found = torch.stack(each).logsumexp(0) - math.log(len(each))
            else:
                found = one(x, None if contexts is None else contexts[start : start + _BATCH])
            parts.append(found.double().cpu().numpy())
    return np.concatenate(parts) if parts else np.empty(0)


def scores(model: ImageModel, data: ImageData, *, num_samples: int = 1, seed: Seed = 0) -> Floats:
    """Bits per dimension of every image; otherwise as ``log_probs``."""
    log_prob = log_probs(model, data, num_samples=num_samples, seed=seed)
    return bits_per_dim(log_prob, math.prod(model.event_shape))
