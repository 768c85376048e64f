"""RealNVP of images."""

from __future__ import annotations

from diffeo.models.images.multiscale import ImageShape, MultiScaleFlow, Steps, residual_couplings
from diffeo.transform import Transform
from diffeo.transforms import ActNorm, Pixelwise
from diffeo.transforms.images.coupling import Mask
from diffeo.univariates import ClampedAffine

__all__ = ["ImageRealNVP"]


class ImageRealNVP(MultiScaleFlow):
    """RealNVP of images: affine couplings of checkerboards, then of channels, at every scale.

    Their conditioners are residual convolutional networks. Activation normalisation stands in place
    of batch normalisation.

    Args:
        image_shape: (C, H, W); 2^scales must divide H and W.
        context: width of the context; 0 for an unconditional density.
        scales: number of scales; after each but the last, half of the channels are factored out.
        couplings: couplings of checkerboards, and as many of channels, at each scale.
        hidden: channels of the convolutions of each coupling.
        blocks: residual blocks of each coupling.
        seed: seed of the initial weights; None draws from torch's global generator.
        reversible: recompute activations in backward, so that the memory of training does not
            grow with the number of couplings (see ``Sequential``).

    Shapes: x (*batch, C, H, W), context (*batch, context).

    Raises:
        ShapeError, ValueError: sizes that do not fit.

    Reference: "Density estimation using Real NVP", Dinh, Sohl-Dickstein, Bengio, 2016,
    arXiv:1605.08803.

    Example:
        >>> import torch, diffeo
        >>> flow = diffeo.ImageRealNVP((1, 8, 8), scales=2, hidden=8, blocks=1)
        >>> flow.log_prob(torch.zeros(10, 1, 8, 8)).shape
        torch.Size([10])
    """

    def __init__(
        self,
        image_shape: ImageShape,
        *,
        context: int = 0,
        scales: int = 2,
        couplings: int = 3,
        hidden: int = 64,
        blocks: int = 2,
        seed: int | None = None,
        reversible: bool = False,
    ) -> None:
        univariate = ClampedAffine(1.0, 3.0)

        def normalised(shape: ImageShape) -> list[Transform]:
            return [Pixelwise(ActNorm(shape[0]), *shape[1:])]

        def steps(mask: Mask) -> Steps:
            return residual_couplings(
                couplings,
                univariate,
                mask,
                after=normalised,
                context=context,
                hidden=hidden,
                blocks=blocks,
            )

        super().__init__(
            image_shape,
            scales=scales,
            fine=steps("checkerboard"),
            coarse=steps("channels"),
            context=context,
            seed=seed,
            reversible=reversible,
        )
