"""Flow++."""

from __future__ import annotations

from diffeo.models.images.multiscale import ImageShape, MultiScaleFlow, Steps, residual_couplings
from diffeo.transform import Transform
from diffeo.transforms import LU, ActNorm, Pixelwise
from diffeo.transforms.images.coupling import Mask
from diffeo.univariates import MixtureOfLogistics

__all__ = ["FlowPlusPlus"]


class FlowPlusPlus(MultiScaleFlow):
    """Flow++: couplings by mixtures of logistics, predicted by gated convolutions with attention.

    Its variational dequantisation is that of ``diffeo.images.ImageModel``. A density is a formula;
    a sample brackets the inverse of the mixtures.

    Args:
        image_shape: (C, H, W); 2^scales must divide H and W.
        context: width of the context; 0 for an unconditional density.
        scales: number of scales; after each but the last, half of the channels are factored out.
        couplings: couplings of checkerboards, and as many of channels, at each scale.
        hidden: channels of the convolutions of each coupling.
        blocks: gated residual blocks of each coupling, each with attention over all pixels.
        components: logistic components of each mixture.
        heads: attention heads, a divisor of ``hidden``.
        dropout: share of the activations of a block that are dropped in training.
        seed: seed of the initial weights; None draws from torch's global generator.
        reversible: recompute activations in backward, so that the memory of training does not
            grow with the number of couplings (see ``Sequential``).

    Shapes: x (*batch, C, H, W), context (*batch, context).

    Raises:
        ShapeError, ValueError: sizes that do not fit.

    Reference: "Flow++: Improving Flow-Based Generative Models with Variational Dequantization and
    Architecture Design", Ho, Chen, Srinivas, Duan, Abbeel, 2019, arXiv:1902.00275.

    Example:
        >>> import torch, diffeo
        >>> flow = diffeo.FlowPlusPlus((1, 8, 8), hidden=8, blocks=1, components=4)
        >>> flow.log_prob(torch.zeros(10, 1, 8, 8)).shape
        torch.Size([10])
    """

    def __init__(
        self,
        image_shape: ImageShape,
        *,
        context: int = 0,
        scales: int = 1,
        couplings: int = 3,
        hidden: int = 64,
        blocks: int = 2,
        components: int = 8,
        heads: int = 4,
        dropout: float = 0.0,
        seed: int | None = None,
        reversible: bool = False,
    ) -> None:
        univariate = MixtureOfLogistics(components)

        def mixed(shape: ImageShape) -> list[Transform]:
            return [Pixelwise(LU(shape[0]), *shape[1:]), Pixelwise(ActNorm(shape[0]), *shape[1:])]

        def steps(mask: Mask) -> Steps:
            return residual_couplings(
                couplings,
                univariate,
                mask,
                after=mixed,
                context=context,
                hidden=hidden,
                blocks=blocks,
                gated=True,
                attention=heads,
                dropout=dropout,
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
