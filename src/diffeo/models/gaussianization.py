"""Gaussianization flow."""

from __future__ import annotations

from collections.abc import Sequence

from diffeo.density import Density
from diffeo.models.assembly import LayeredFlow, Supports
from diffeo.transform import Transform
from diffeo.transforms import Elementwise, Householder, Inverse, Sequential
from diffeo.univariates import MixtureOfGaussians

__all__ = ["Gaussianization"]


class Gaussianization(LayeredFlow):
    """Gaussianization flow: each feature is made normal by itself, then all are rotated.

    In the density direction each layer maps every feature by y = Phi^-1(sum_k w_k Phi((x - m_k) /
    s_k)) and multiplies by a learned orthogonal matrix, a product of reflections. Without
    context no network is involved: the components themselves are learned, and from a context a
    network predicts them. A density takes closed forms alone; a sample takes a numerical inverse a
    layer.

    Args:
        features: number of features D.
        context: width of the context; 0 for an unconditional density.
        layers: number of layers.
        hidden: hidden widths of the networks that read the context.
        components: components of each mixture.
        residual: residual networks.
        supports: one support for all features, or supports side by side; None for the reals.
        base: density of the noise; by default a standard normal.
        seed: seed of the initial weights; None draws from torch's global generator.
        reversible: recompute activations in backward, so that the memory of training does not
            grow with the number of layers (see ``Sequential``).

    Shapes: x (*batch, D), context (*batch, context).

    Raises:
        ShapeError: sizes that do not fit.
        ValueError: no components.

    Reference: "Gaussianization Flows", Meng, Song, Song, Ermon, 2020, arXiv:2003.01941.

    Example:
        >>> import torch, diffeo
        >>> flow = diffeo.Gaussianization(features=3, context=2)
        >>> flow.log_prob(torch.zeros(10, 3), context=torch.zeros(10, 2)).shape
        torch.Size([10])
    """

    def __init__(
        self,
        features: int,
        *,
        context: int = 0,
        layers: int = 8,
        hidden: Sequence[int] = (128, 128),
        components: int = 8,
        residual: bool = False,
        supports: Supports = None,
        base: Density | None = None,
        seed: int | None = None,
        reversible: bool = False,
    ) -> None:
        def build(i: int, width: int) -> Transform:
            mixtures = Elementwise(
                width,
                MixtureOfGaussians(components),
                context=context,
                hidden=hidden,
                residual=residual,
            )
            # a normal turned round stays as it is, so nothing is gained next to the base
            return Sequential(Householder(width), Inverse(mixtures)) if i else Inverse(mixtures)

        super().__init__(
            features,
            build,
            layers=layers,
            context=context,
            supports=supports,
            base=base,
            seed=seed,
            reversible=reversible,
        )
