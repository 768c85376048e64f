"""Models of affine layers: NICE, RealNVP, MAF, IAF."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from diffeo.density import Density
from diffeo.models.assembly import (
    LayeredFlow,
    Supports,
    autoregressions,
    couplings,
    warn_if_affine_in_one_dimension,
)
from diffeo.transform import Transform
from diffeo.transforms import Elementwise, Sequential
from diffeo.univariates import Affine, Shift
from diffeo.univariates.univariate import Univariate

__all__ = ["IAF", "MAF", "NICE", "RealNVP"]


class _AffineCouplings(LayeredFlow):
    """Couplings of one univariate, alternating between even and odd features."""

    univariate: ClassVar[Univariate]

    def __init__(
        self,
        features: int,
        *,
        context: int = 0,
        layers: int = 8,
        hidden: Sequence[int] = (128, 128),
        residual: bool = False,
        supports: Supports = None,
        base: Density | None = None,
        seed: int | None = None,
        reversible: bool = False,
    ) -> None:
        layer = couplings(self.univariate, context=context, hidden=hidden, residual=residual)

        def build(i: int, width: int) -> Transform:
            if i or self.univariate.num_params > 1:
                return layer(i, width)
            # volume-preserving layers need one diagonal scaling (NICE, section 3.3)
            return Sequential(Elementwise(width, Affine()), layer(i, width))

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
        warn_if_affine_in_one_dimension(self)


class _AffineAutoregressions(LayeredFlow):
    """Masked autoregressive affine layers with the order of the features reversed between them."""

    inverted: ClassVar[bool]

    def __init__(
        self,
        features: int,
        *,
        context: int = 0,
        layers: int = 5,
        hidden: Sequence[int] = (128, 128),
        residual: bool = False,
        supports: Supports = None,
        base: Density | None = None,
        seed: int | None = None,
        reversible: bool = False,
    ) -> None:
        build = autoregressions(
            Affine(), context=context, hidden=hidden, residual=residual, inverted=self.inverted
        )
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
        warn_if_affine_in_one_dimension(self)


class NICE(_AffineCouplings):
    """NICE: additive couplings, which preserve volume, and one learned scale a feature.

    With one feature it is only an affine map of its base, and says so in a warning.

    Args:
        features: number of features D.
        context: width of the context; 0 for an unconditional density.
        layers: number of layers.
        hidden: hidden widths of each conditioner.
        residual: residual conditioners.
        supports: one support for all features, or supports side by side; None for the reals.
        base: density of the noise; by default a standard normal.
        seed: seed of the initial weights; None draws from torch's global generator.
        reversible: recompute activations in backward, so that the memory of training does not
            grow with the number of layers (see ``Sequential``).

    Shapes: x (*batch, D), context (*batch, context).

    Raises:
        ShapeError: sizes that do not fit.

    Reference: "NICE: Non-linear Independent Components Estimation", Dinh, Krueger, Bengio, 2014,
    arXiv:1410.8516.

    Example:
        >>> import torch, diffeo
        >>> diffeo.NICE(features=3, context=2).sample(10, torch.zeros(4, 2)).shape
        torch.Size([10, 4, 3])
    """

    univariate = Shift()


class RealNVP(_AffineCouplings):
    """RealNVP: affine couplings that alternate between even and odd features.

    With one feature it is only an affine map of its base, and says so in a warning.

    Args:
        features: number of features D.
        context: width of the context; 0 for an unconditional density.
        layers: number of layers.
        hidden: hidden widths of each conditioner.
        residual: residual conditioners.
        supports: one support for all features, or supports side by side; None for the reals.
        base: density of the noise; by default a standard normal.
        seed: seed of the initial weights; None draws from torch's global generator.
        reversible: recompute activations in backward, so that the memory of training does not
            grow with the number of layers (see ``Sequential``).

    Shapes: x (*batch, D), context (*batch, context).

    Raises:
        ShapeError: sizes that do not fit.

    Reference: "Density estimation using Real NVP", Dinh, Sohl-Dickstein, Bengio, 2016,
    arXiv:1605.08803.

    Example:
        >>> import torch, diffeo
        >>> diffeo.RealNVP(features=3, context=2).sample(10, torch.zeros(4, 2)).shape
        torch.Size([10, 4, 3])
    """

    univariate = Affine()


class MAF(_AffineAutoregressions):
    """Masked autoregressive flow: affine, one network pass for a density, about one for a sample.

    With one feature it is only an affine map of its base, and says so in a warning.

    Args:
        features: number of features D.
        context: width of the context; 0 for an unconditional density.
        layers: number of layers.
        hidden: hidden widths of each conditioner.
        residual: residual conditioners.
        supports: one support for all features, or supports side by side; None for the reals.
        base: density of the noise; by default a standard normal.
        seed: seed of the initial weights; None draws from torch's global generator.
        reversible: recompute activations in backward, so that the memory of training does not
            grow with the number of layers (see ``Sequential``).

    Shapes: x (*batch, D), context (*batch, context).

    Raises:
        ShapeError: sizes that do not fit.

    Reference: "Masked Autoregressive Flow for Density Estimation", Papamakarios, Pavlakou, Murray,
    2017, arXiv:1705.07057.

    Example:
        >>> import torch, diffeo
        >>> diffeo.MAF(features=3, context=2).sample(10, torch.zeros(4, 2)).shape
        torch.Size([10, 4, 3])
    """

    inverted = True


class IAF(_AffineAutoregressions):
    """Inverse autoregressive flow: affine, one network pass for a sample, D for a density.

    With one feature it is only an affine map of its base, and says so in a warning.

    Args:
        features: number of features D.
        context: width of the context; 0 for an unconditional density.
        layers: number of layers.
        hidden: hidden widths of each conditioner.
        residual: residual conditioners.
        supports: one support for all features, or supports side by side; None for the reals.
        base: density of the noise; by default a standard normal.
        seed: seed of the initial weights; None draws from torch's global generator.
        reversible: recompute activations in backward, so that the memory of training does not
            grow with the number of layers (see ``Sequential``).

    Shapes: x (*batch, D), context (*batch, context).

    Raises:
        ShapeError: sizes that do not fit.

    Reference: "Improved Variational Inference with Inverse Autoregressive Flow", Kingma, Salimans,
    Jozefowicz, Chen, Sutskever, Welling, 2016, arXiv:1606.04934.

    Example:
        >>> import torch, diffeo
        >>> diffeo.IAF(features=3, context=2).sample(10, torch.zeros(4, 2)).shape
        torch.Size([10, 4, 3])
    """

    inverted = False
