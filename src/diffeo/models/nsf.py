"""Neural spline flow."""

from __future__ import annotations

from collections.abc import Sequence

from diffeo.density import Density
from diffeo.models.assembly import LayeredFlow, Supports, autoregressions, couplings
from diffeo.transform import Transform
from diffeo.transforms import LU, Sequential
from diffeo.univariates import RationalQuadraticSpline

__all__ = ["NSF"]


class NSF(LayeredFlow):
    """Neural spline flow: rational-quadratic splines in couplings with learned linear maps between.

    With ``autoregressive=True`` the splines are masked autoregressive: often a better fit, and a
    sample finds one feature after another, at the arithmetic of about one network pass.

    Args:
        features: number of features D.
        context: width of the context; 0 for an unconditional density.
        layers: number of spline layers.
        hidden: hidden widths of each conditioner.
        bins: bins of each spline.
        interval: where the splines bend, in units of standard deviations; linear outside.
        autoregressive: masked autoregressive layers in place of couplings.
        residual: residual conditioners.
        supports: one support for all features, or supports side by side; None for the reals.
        base: density of the noise; by default a standard normal.
        seed: seed of the initial weights; None draws from torch's global generator.
        reversible: recompute activations in backward, so that the memory of training does not
            grow with the number of layers (see ``Sequential``).

    Shapes: x (*batch, D), context (*batch, context).

    Raises:
        ShapeError: sizes that do not fit.
        ValueError: fewer than 2 bins, or an empty interval.

    Reference: "Neural Spline Flows", Durkan, Bekasov, Murray, Papamakarios, 2019,
    arXiv:1906.04032.

    Example:
        >>> import torch, diffeo
        >>> flow = diffeo.NSF(features=5)
        >>> flow.log_prob(torch.zeros(10, 5)).shape
        torch.Size([10])
    """

    def __init__(
        self,
        features: int,
        *,
        context: int = 0,
        layers: int = 6,
        hidden: Sequence[int] = (128, 128),
        bins: int = 8,
        interval: tuple[float, float] = (-5.0, 5.0),
        autoregressive: bool = False,
        residual: bool = False,
        supports: Supports = None,
        base: Density | None = None,
        seed: int | None = None,
        reversible: bool = False,
    ) -> None:
        kind = autoregressions if autoregressive else couplings
        layer = kind(
            RationalQuadraticSpline(bins, interval),
            context=context,
            hidden=hidden,
            residual=residual,
        )

        def mixed(i: int, width: int) -> Transform:
            return Sequential(LU(width), layer(i, width))

        super().__init__(
            features,
            layer if autoregressive else mixed,
            layers=layers,
            context=context,
            supports=supports,
            base=base,
            seed=seed,
            reversible=reversible,
        )
