"""Removes from an image the noise with which a model was trained."""

from __future__ import annotations

import math

from diffeo.arrays import ArrayLike
from diffeo.density import Density

__all__ = ["denoise"]


def denoise(
    density: Density,
    y: ArrayLike,
    sigma: float,
    context: ArrayLike | None = None,
    *,
    chunk_size: int | None = None,
) -> ArrayLike:
    """The mean of x given y = x + sigma * noise, by Tweedie's formula:

        E[x | y] = y + sigma^2 grad_y log p(y).

    It is exact where ``density`` is that of y. A model that was trained on images with noise of
    this ``sigma`` is close to it, and so its samples lose most of their noise.

    Args:
        density: of y, a ``TarFlow`` for instance.
        y: (*batch, *event_shape), samples of the density or other points with such noise.
        sigma: standard deviation of the noise, >= 0.
        context: (*batch, context).
        chunk_size: rows worked on at a time; None chooses.

    Returns:
        x (*batch, *event_shape): a tensor for tensors, a numpy array for arrays.

    Raises:
        ValueError: a ``sigma`` that is not a finite number >= 0.
        As ``density.score``.

    Reference: "Tweedie's Formula and Selection Bias", Efron, 2011; "Normalizing Flows are Capable
    Generative Models", Zhai et al., 2024, arXiv:2412.06329 (score-based denoising).

    Example:
        >>> import torch, diffeo
        >>> from diffeo.models.images import denoise
        >>> denoise(diffeo.bases.StandardNormal(2), torch.ones(2), sigma=0.5)
        tensor([0.7500, 0.7500])
    """
    if not (sigma >= 0 and math.isfinite(sigma)):
        raise ValueError(f"denoise: sigma must be a finite number >= 0, got {sigma!r}")
    score = density.score(y, context, chunk_size=chunk_size)
    return y + sigma**2 * score
