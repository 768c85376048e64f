"""Block neural autoregressive flow."""

from __future__ import annotations

from collections.abc import Sequence

from diffeo.density import Density
from diffeo.models.assembly import LayeredFlow, Supports
from diffeo.transform import Transform
from diffeo.transforms import BlockAutoregressive, Inverse, Reverse, Sequential

__all__ = ["BNAF"]


class BNAF(LayeredFlow):
    """Block neural autoregressive flow: networks that are monotone and autoregressive themselves.

    A density costs one network pass a layer; a sample finds the features one after another, each
    by bracketing. The order of the features is reversed between the layers.

    Args:
        features: number of features D.
        context: width of the context; 0 for an unconditional density.
        layers: number of networks.
        hidden: units a feature of each hidden layer.
        supports: one support for all features, or supports side by side; None for the reals.
        base: density of the noise; by default a standard normal.
        seed: seed of the initial weights; None draws from torch's global generator.
        reversible: recompute activations in backward, so that the memory of training does not
            grow with the number of layers (see ``Sequential``).

    Shapes: x (*batch, D), context (*batch, context).

    Raises:
        ShapeError: sizes that do not fit.

    Reference: "Block Neural Autoregressive Flow", De Cao, Titov, Aziz, 2019, arXiv:1904.04676.

    Example:
        >>> import torch, diffeo
        >>> diffeo.BNAF(features=3).log_prob(torch.zeros(10, 3)).shape
        torch.Size([10])
    """

    def __init__(
        self,
        features: int,
        *,
        context: int = 0,
        layers: int = 3,
        hidden: Sequence[int] = (16, 16),
        supports: Supports = None,
        base: Density | None = None,
        seed: int | None = None,
        reversible: bool = False,
    ) -> None:
        def build(i: int, width: int) -> Transform:
            layer = Inverse(BlockAutoregressive(width, hidden=hidden, context=context))
            return Sequential(Reverse(width), layer) if i else layer

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
