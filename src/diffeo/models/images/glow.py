"""Glow, and its splines."""

from __future__ import annotations

from diffeo.checks import check_count
from diffeo.models.images.multiscale import ImageShape, MultiScaleFlow
from diffeo.transform import Transform
from diffeo.transforms import LU, ActNorm, ImageCoupling, Pixelwise
from diffeo.univariates import ClampedAffine
from diffeo.univariates.univariate import Univariate

__all__ = ["Glow"]


class Glow(MultiScaleFlow):
    """Glow: steps of activation normalisation, invertible 1 x 1 convolution and channel coupling.

    With ``univariate=RationalQuadraticSpline(8)`` the couplings are splines, as in neural spline
    flows of images; with the default they are affine.

    Args:
        image_shape: (C, H, W); 2^scales must divide H and W.
        context: width of the context; 0 for an unconditional density.
        scales: number of scales; after each but the last, half of the channels are factored out.
        steps: steps of each scale.
        hidden: channels of the convolutions of each coupling.
        univariate: the scalar map of the couplings; by default affine, with its scale in a soft
            clamp.
        seed: seed of the initial weights; None draws from torch's global generator.
        reversible: recompute activations in backward, so that the memory of training does not
            grow with the number of steps (see ``Sequential``).

    Shapes: x (*batch, C, H, W), context (*batch, context).

    Raises:
        ShapeError, ValueError: sizes that do not fit.

    Reference: "Glow: Generative Flow with Invertible 1x1 Convolutions", Kingma, Dhariwal, 2018,
    arXiv:1807.03039; "Neural Spline Flows", Durkan, Bekasov, Murray, Papamakarios, 2019,
    arXiv:1906.04032 (section 5.3).

    Example:
        >>> import torch, diffeo
        >>> flow = diffeo.Glow((1, 8, 8), scales=2, steps=2, hidden=16)
        >>> flow.log_prob(torch.zeros(10, 1, 8, 8)).shape
        torch.Size([10])
    """

    def __init__(
        self,
        image_shape: ImageShape,
        *,
        context: int = 0,
        scales: int = 3,
        steps: int = 8,
        hidden: int = 128,
        univariate: Univariate | None = None,
        seed: int | None = None,
        reversible: bool = False,
    ) -> None:
        check_count("steps", steps)
        check_count("hidden", hidden)
        map_ = ClampedAffine(1.0, 3.0) if univariate is None else univariate

        def coarse(shape: ImageShape) -> list[Transform]:
            layers: list[Transform] = []
            for i in range(steps):
                layers += [
                    ImageCoupling(shape, map_, flip=i % 2 == 1, context=context, hidden=hidden),
                    Pixelwise(LU(shape[0]), *shape[1:]),
                    Pixelwise(ActNorm(shape[0]), *shape[1:]),
                ]
            return layers

        super().__init__(
            image_shape,
            scales=scales,
            fine=lambda _: [],
            coarse=coarse,
            context=context,
            seed=seed,
            reversible=reversible,
        )
