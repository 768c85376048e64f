"""Maximum likelihood."""

from __future__ import annotations

from torch import Tensor

from diffeo.density import Density

__all__ = ["negative_log_likelihood"]


def negative_log_likelihood(
    density: Density, x: Tensor, context: Tensor | None = None, weight: Tensor | None = None
) -> Tensor:
    """Mean of -w log p(x | context), in nats an event. It is often negative: densities exceed 1.

    Args:
        density: the density.
        x: (rows, *event_shape).
        context: (rows, context).
        weight: (rows,), with mean 1 over the data; None for equal weights.

    Returns:
        A scalar.

    Raises:
        As ``density.log_prob``.

    Example:
        >>> import torch, diffeo
        >>> from diffeo.objectives import negative_log_likelihood
        >>> negative_log_likelihood(diffeo.bases.StandardNormal(1), torch.zeros(3, 1))
        tensor(0.9189)
    """
    log_prob: Tensor = density.log_prob(x, context)
    return -(log_prob if weight is None else weight * log_prob).mean()
