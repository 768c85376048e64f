"""Models of residual layers with closed determinants: PlanarFlow, RadialFlow, SylvesterFlow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from diffeo.density import Density
from diffeo.models.assembly import LayeredFlow, Supports
from diffeo.transform import Transform
from diffeo.transforms import PlanarStack, Radial, Reverse, Sequential, Sylvester
from diffeo.transforms.sylvester import Kind

__all__ = ["PlanarFlow", "RadialFlow", "SylvesterFlow"]


class _SimpleResidualFlow(LayeredFlow):
    """Layers of one kind that have no sizes to choose."""

    # whether one transform holds all layers
    stacked: ClassVar[bool]

    def __init__(
        self,
        features: int,
        *,
        context: int = 0,
        layers: int = 16,
        hidden: Sequence[int] = (128, 128),
        supports: Supports = None,
        base: Density | None = None,
        seed: int | None = None,
        reversible: bool = False,
    ) -> None:
        def build(_: int, width: int) -> Transform:
            if self.stacked:
                return PlanarStack(width, layers, context=context, hidden=hidden)
            return Radial(width, context=context, hidden=hidden)

        super().__init__(
            features,
            build,
            # a wrong number is for LayeredFlow to name
            layers=min(layers, 1) if self.stacked else layers,
            context=context,
            supports=supports,
            base=base,
            seed=seed,
            reversible=reversible,
        )


class PlanarFlow(_SimpleResidualFlow):
    """Planar flow: bends x + u tanh(w . x + b), each along one learned direction.

    The formula runs from base to data, as in variational inference, where samples and their
    densities cost one explicit pass (``rsample_and_log_prob``). The density of given data runs
    the inverse, one bracketed root a layer, with implicit gradients; ``fit`` works that way too.

    Args:
        features: number of features D.
        context: width of the context; 0 for an unconditional density.
        layers: number of layers.
        hidden: hidden widths of the network that predicts the parameters from context.
        supports: one support for all features, or supports side by side; None for the reals.
        base: density of the noise; by default a standard normal.
        seed: seed of the initial weights; None draws from torch's global generator.
        reversible: recompute activations in backward, so that the memory of training does not
            grow with the number of layers (see ``Sequential``).

    Shapes: x (*batch, D), context (*batch, context).

    Raises:
        ShapeError: sizes that do not fit.

    Reference: "Variational Inference with Normalizing Flows", Rezende, Mohamed, 2015,
    arXiv:1505.05770.

    Example:
        >>> import torch, diffeo
        >>> x, log_q = diffeo.PlanarFlow(features=2, layers=4).rsample_and_log_prob(10)
    """

    stacked = True


class RadialFlow(_SimpleResidualFlow):
    """Radial flow: each layer spreads or gathers the density around one learned point.

    Both directions are in closed form; the formula runs from base to data.

    Args:
        features: number of features D.
        context: width of the context; 0 for an unconditional density.
        layers: number of layers.
        hidden: hidden widths of the networks that predict the layers' parameters from context.
        supports: one support for all features, or supports side by side; None for the reals.
        base: density of the noise; by default a standard normal.
        seed: seed of the initial weights; None draws from torch's global generator.
        reversible: recompute activations in backward, so that the memory of training does not
            grow with the number of layers (see ``Sequential``).

    Shapes: x (*batch, D), context (*batch, context).

    Raises:
        ShapeError: sizes that do not fit.

    Reference: "Variational Inference with Normalizing Flows", Rezende, Mohamed, 2015,
    arXiv:1505.05770.

    Example:
        >>> import torch, diffeo
        >>> x, log_q = diffeo.RadialFlow(features=2, layers=4).rsample_and_log_prob(10)
    """

    stacked = False


class SylvesterFlow(LayeredFlow):
    """Sylvester flow: layers of several bends along orthonormal directions, which interact.

    The formula runs from base to data, as in variational inference; the density of given data
    runs the inverse, D bracketed roots a layer, with implicit gradients. Layers of the kind
    "triangular" have the order of the features reversed between them.

    Args:
        features: number of features D.
        kind: what the directions are: "orthogonal", "householder" or "triangular" (see
            ``transforms.Sylvester``).
        rank: number of directions a layer, for the kind "orthogonal"; by default D.
        reflections: their number a layer, for the kind "householder"; by default D.
        context: width of the context; 0 for an unconditional density.
        layers: number of layers.
        hidden: hidden widths of the networks that predict the layers' parameters from context.
        supports: one support for all features, or supports side by side; None for the reals.
        base: density of the noise; by default a standard normal.
        seed: seed of the initial weights; None draws from torch's global generator.
        reversible: recompute activations in backward, so that the memory of training does not
            grow with the number of layers (see ``Sequential``).

    Shapes: x (*batch, D), context (*batch, context).

    Raises:
        ShapeError: sizes that do not fit.
        ValueError: an unknown kind, or a rank or reflections that it does not have.

    Reference: "Sylvester Normalizing Flows for Variational Inference", van den Berg, Hasenclever,
    Tomczak, Welling, 2018, arXiv:1803.05649.

    Example:
        >>> import torch, diffeo
        >>> x, log_q = diffeo.SylvesterFlow(features=3, layers=4).rsample_and_log_prob(10)
    """

    def __init__(
        self,
        features: int,
        *,
        kind: Kind = "orthogonal",
        rank: int | None = None,
        reflections: int | None = None,
        context: int = 0,
        layers: int = 8,
        hidden: Sequence[int] = (128, 128),
        supports: Supports = None,
        base: Density | None = None,
        seed: int | None = None,
        reversible: bool = False,
    ) -> None:
        def build(i: int, width: int) -> Transform:
            layer = Sylvester(
                width, kind, rank=rank, reflections=reflections, context=context, hidden=hidden
            )
            return Sequential(Reverse(width), layer) if i and kind == "triangular" else layer

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
