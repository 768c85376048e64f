"""Residual flow: layers of the identity and a contraction."""

from __future__ import annotations

from collections.abc import Sequence

from diffeo.density import Density
from diffeo.models.assembly import LayeredFlow, Supports
from diffeo.transform import Transform
from diffeo.transforms import ActNorm, Inverse, Residual, Sequential

__all__ = ["ResidualFlow"]


class ResidualFlow(LayeredFlow):
    """Residual flow: layers z = x + g(x) from data to base, g a network with constant below one.

    Nothing is masked or split: every layer moves all features by all features, smoothly. The
    formula runs from data to base, so that densities cost one pass a layer, with an exact
    log-determinant in up to 16 dimensions, and in up to 64 in evaluation (see
    ``transforms.Residual`` for the estimates beyond). A sample finds a fixed point a layer. Each
    layer is followed by an ``ActNorm``, which the first batch sets.

    Args:
        features: number of features D.
        context: width of the context; 0 for an unconditional density.
        layers: number of layers.
        hidden: widths of the hidden layers of each network.
        coefficient: Lipschitz constant of each network, in (0, 1).
        dense: whether the networks are dense ones (``nets.LipschitzDense``), which come nearer
            their constant than perceptrons (``nets.LipschitzMLP``).
        exact: largest D of which training takes the exact log-determinant.
        supports: one support for all features, or supports side by side; None for the reals.
        base: density of the noise; by default a standard normal.
        seed: seed of the initial weights; None draws from torch's global generator.
        reversible: recompute activations in backward, so that the memory of training does not
            grow with the number of layers (see ``Sequential``).

    Shapes: x (*batch, D), context (*batch, context).

    Raises:
        ShapeError: sizes that do not fit.
        ValueError: a coefficient outside (0, 1).

    Reference: "Residual Flows for Invertible Generative Modeling", Chen, Behrmann, Duvenaud,
    Jacobsen, 2019, arXiv:1906.02735; "Invertible DenseNets with Concatenated LipSwish",
    Perugachi-Diaz, Tomczak, Bhulai, 2021, arXiv:2102.02694.

    Example:
        >>> import torch, diffeo
        >>> flow = diffeo.ResidualFlow(features=2, layers=2, hidden=(16, 16))
        >>> flow.log_prob(torch.zeros(10, 2)).shape
        torch.Size([10])
    """

    def __init__(
        self,
        features: int,
        *,
        context: int = 0,
        layers: int = 10,
        hidden: Sequence[int] = (32, 32),
        coefficient: float = 0.97,
        dense: bool = True,
        exact: int = 16,
        supports: Supports = None,
        base: Density | None = None,
        seed: int | None = None,
        reversible: bool = False,
    ) -> None:
        def build(_: int, width: int) -> Transform:
            residual = Residual(
                width,
                context=context,
                hidden=hidden,
                coefficient=coefficient,
                dense=dense,
                exact=exact,
            )
            return Sequential(ActNorm(width), Inverse(residual))

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
