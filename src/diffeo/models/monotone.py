"""Masked autoregressive flows of monotone maps: NAF, UNAF, SOSFlow, BernsteinFlow."""

from __future__ import annotations

from collections.abc import Sequence

from diffeo.density import Density
from diffeo.models.assembly import LayeredFlow, Supports, autoregressions
from diffeo.univariates import (
    Bernstein,
    DeepSigmoidal,
    DenseSigmoidal,
    MonotoneNetwork,
    SumOfSquares,
)
from diffeo.univariates.univariate import Univariate

__all__ = ["NAF", "UNAF", "BernsteinFlow", "SOSFlow"]


class _MonotoneFlow(LayeredFlow):
    """Masked autoregressive layers of one univariate whose cheap direction is the density's."""

    def __init__(
        self,
        features: int,
        univariate: Univariate,
        *,
        context: int,
        layers: int,
        hidden: Sequence[int],
        residual: bool,
        supports: Supports,
        base: Density | None,
        seed: int | None,
        reversible: bool,
    ) -> None:
        super().__init__(
            features,
            autoregressions(univariate, context=context, hidden=hidden, residual=residual),
            layers=layers,
            context=context,
            supports=supports,
            base=base,
            seed=seed,
            reversible=reversible,
        )


class NAF(_MonotoneFlow):
    """Neural autoregressive flow: sigmoidal maps whose units a masked network predicts.

    Each feature goes through y = logit(sum_k w_k sigmoid(a_k x + b_k)), or with ``dense=True``
    through two layers of such units. A density takes one pass of the network; a sample takes
    one a feature, and a numerical inverse in each.

    Args:
        features: number of features D.
        context: width of the context; 0 for an unconditional density.
        layers: number of layers.
        hidden: hidden widths of each masked network.
        units: sigmoidal units of each map.
        dense: dense sigmoidal maps (DDSF) in place of deep ones (DSF).
        residual: residual masked networks.
        supports: one support for all features, or supports side by side; None for the reals.
        base: density of the noise; by default a standard normal.
        seed: seed of the initial weights; None draws from torch's global generator.
        reversible: recompute activations in backward, so that the memory of training does not
            grow with the number of layers (see ``Sequential``).

    Shapes: x (*batch, D), context (*batch, context).

    Raises:
        ShapeError: sizes that do not fit.
        ValueError: no units.

    Reference: "Neural Autoregressive Flows", Huang, Krueger, Lacoste, Courville, 2018,
    arXiv:1804.00779.

    Example:
        >>> import torch, diffeo
        >>> flow = diffeo.NAF(features=3, context=2)
        >>> flow.log_prob(torch.zeros(10, 3), context=torch.zeros(10, 2)).shape
        torch.Size([10])
    """

    def __init__(
        self,
        features: int,
        *,
        context: int = 0,
        layers: int = 3,
        hidden: Sequence[int] = (128, 128),
        units: int = 8,
        dense: bool = False,
        residual: bool = False,
        supports: Supports = None,
        base: Density | None = None,
        seed: int | None = None,
        reversible: bool = False,
    ) -> None:
        super().__init__(
            features,
            DenseSigmoidal(units) if dense else DeepSigmoidal(units),
            context=context,
            layers=layers,
            hidden=hidden,
            residual=residual,
            supports=supports,
            base=base,
            seed=seed,
            reversible=reversible,
        )


class UNAF(_MonotoneFlow):
    """Unconstrained neural autoregressive flow: integrals of positive networks (UMNN-MAF).

    Each feature goes through y = c + int_0^x g(t) dt, where a masked network predicts c and the
    weights of the small positive network g. A density takes one pass of the network; a sample
    takes one a feature, and a numerical inverse in each.

    Args:
        features: number of features D.
        context: width of the context; 0 for an unconditional density.
        layers: number of layers.
        hidden: hidden widths of each masked network.
        units: hidden units of g.
        interval: where the maps bend, in units of standard deviations; linear outside.
        residual: residual masked networks.
        supports: one support for all features, or supports side by side; None for the reals.
        base: density of the noise; by default a standard normal.
        seed: seed of the initial weights; None draws from torch's global generator.
        reversible: recompute activations in backward, so that the memory of training does not
            grow with the number of layers (see ``Sequential``).

    Shapes: x (*batch, D), context (*batch, context).

    Raises:
        ShapeError: sizes that do not fit.
        ValueError: no units, or an empty interval.

    Reference: "Unconstrained Monotonic Neural Networks", Wehenkel, Louppe, 2019,
    arXiv:1908.05164.

    Example:
        >>> import torch, diffeo
        >>> flow = diffeo.UNAF(features=3, context=2)
        >>> flow.log_prob(torch.zeros(10, 3), context=torch.zeros(10, 2)).shape
        torch.Size([10])
    """

    def __init__(
        self,
        features: int,
        *,
        context: int = 0,
        layers: int = 3,
        hidden: Sequence[int] = (128, 128),
        units: int = 8,
        interval: tuple[float, float] = (-5.0, 5.0),
        residual: bool = False,
        supports: Supports = None,
        base: Density | None = None,
        seed: int | None = None,
        reversible: bool = False,
    ) -> None:
        super().__init__(
            features,
            MonotoneNetwork(units, interval),
            context=context,
            layers=layers,
            hidden=hidden,
            residual=residual,
            supports=supports,
            base=base,
            seed=seed,
            reversible=reversible,
        )


class SOSFlow(_MonotoneFlow):
    """Sum-of-squares polynomial flow: integrals of sums of squared polynomials.

    Each feature goes through y = c + int_0^x sum_k p_k(t)^2 dt, where a masked network predicts
    c and the coefficients of the polynomials p_k. A density takes one pass of the network; a
    sample takes one a feature, and a numerical inverse in each.

    Args:
        features: number of features D.
        context: width of the context; 0 for an unconditional density.
        layers: number of layers.
        hidden: hidden widths of each masked network.
        degree: degree of the squared polynomials.
        terms: number of squares.
        interval: where the maps bend, in units of standard deviations; linear outside.
        residual: residual masked networks.
        supports: one support for all features, or supports side by side; None for the reals.
        base: density of the noise; by default a standard normal.
        seed: seed of the initial weights; None draws from torch's global generator.
        reversible: recompute activations in backward, so that the memory of training does not
            grow with the number of layers (see ``Sequential``).

    Shapes: x (*batch, D), context (*batch, context).

    Raises:
        ShapeError: sizes that do not fit.
        ValueError: a degree or a number of terms below 1, or an empty interval.

    Reference: "Sum-of-Squares Polynomial Flow", Jaini, Selby, Yu, 2019, arXiv:1905.02325.

    Example:
        >>> import torch, diffeo
        >>> flow = diffeo.SOSFlow(features=3, context=2)
        >>> flow.log_prob(torch.zeros(10, 3), context=torch.zeros(10, 2)).shape
        torch.Size([10])
    """

    def __init__(
        self,
        features: int,
        *,
        context: int = 0,
        layers: int = 5,
        hidden: Sequence[int] = (128, 128),
        degree: int = 4,
        terms: int = 2,
        interval: tuple[float, float] = (-5.0, 5.0),
        residual: bool = False,
        supports: Supports = None,
        base: Density | None = None,
        seed: int | None = None,
        reversible: bool = False,
    ) -> None:
        super().__init__(
            features,
            SumOfSquares(degree, terms, interval),
            context=context,
            layers=layers,
            hidden=hidden,
            residual=residual,
            supports=supports,
            base=base,
            seed=seed,
            reversible=reversible,
        )


class BernsteinFlow(_MonotoneFlow):
    """Bernstein flow: increasing Bernstein polynomials whose coefficients a network predicts.

    Each feature goes through sum_i c_i B_i(x) with c_0 < c_1 < ..., from a masked network. A
    density takes one pass of the network; a sample takes one a feature, and a numerical inverse
    in each.

    Args:
        features: number of features D.
        context: width of the context; 0 for an unconditional density.
        layers: number of layers.
        hidden: hidden widths of each masked network.
        degree: degree of the polynomials.
        interval: where the maps bend, in units of standard deviations; linear outside.
        residual: residual masked networks.
        supports: one support for all features, or supports side by side; None for the reals.
        base: density of the noise; by default a standard normal.
        seed: seed of the initial weights; None draws from torch's global generator.
        reversible: recompute activations in backward, so that the memory of training does not
            grow with the number of layers (see ``Sequential``).

    Shapes: x (*batch, D), context (*batch, context).

    Raises:
        ShapeError: sizes that do not fit.
        ValueError: a degree below 1, or an empty interval.

    Reference: "Robust normalizing flows using Bernstein-type polynomials", Ramasinghe,
    Fernando, Khan, Barnes, 2021, arXiv:2102.03509.

    Example:
        >>> import torch, diffeo
        >>> flow = diffeo.BernsteinFlow(features=3, context=2)
        >>> flow.log_prob(torch.zeros(10, 3), context=torch.zeros(10, 2)).shape
        torch.Size([10])
    """

    def __init__(
        self,
        features: int,
        *,
        context: int = 0,
        layers: int = 5,
        hidden: Sequence[int] = (128, 128),
        degree: int = 16,
        interval: tuple[float, float] = (-5.0, 5.0),
        residual: bool = False,
        supports: Supports = None,
        base: Density | None = None,
        seed: int | None = None,
        reversible: bool = False,
    ) -> None:
        super().__init__(
            features,
            Bernstein(degree, interval),
            context=context,
            layers=layers,
            hidden=hidden,
            residual=residual,
            supports=supports,
            base=base,
            seed=seed,
            reversible=reversible,
        )
