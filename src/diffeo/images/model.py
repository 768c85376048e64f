"""A density of images of whole-number pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor

from diffeo.arrays import ArrayLike
from diffeo.density import Seed, as_generator
from diffeo.errors import ShapeError
from diffeo.flow import Flow
from diffeo.images.bits import bits_per_dim
from diffeo.labels import OfClasses
from diffeo.objectives import negative_log_likelihood
from diffeo.surjections import UniformPixelDequantization, VariationalPixelDequantization
from diffeo.surjective_flow import SurjectiveFlow
from diffeo.training import Objective

__all__ = ["ImageModel"]

Dequantization = Literal["uniform", "variational"]
Self = TypeVar("Self", bound="ImageModel")


class ImageModel(OfClasses, SurjectiveFlow):
    """The probability of images whose pixels are whole numbers of n bits, by a flow of real ones.

    Pixels are dequantised to reals in (0, 1), on which the flow is a density. ``log_prob`` is a
    lower bound of the log-probability in nats, with ``num_samples=k`` the importance-weighted one;
    ``bits_per_dim`` is -log_prob / (D log 2), the figure that papers print.

    Args:
        flow: a flow of real images (C, H, W): ``Glow``, ``TarFlow``, ``FlowPlusPlus``, ... With
            ``classes``, its context has as many columns.
        bits: bits n of a pixel; values are 0..2^n - 1.
        dequantization: "uniform", or "variational" for a learned one, whose bound is tighter.
        classes: names of the classes of labelled images; empty for none.
        flips: in training, mirror every second image.

    Attributes:
        flow, bits, classes: as given.

    Shapes: x (*batch, C, H, W), context (*batch, context of the flow).

    Raises:
        ShapeError: a flow of other events than images, or a context that does not fit the classes.
        ValueError: another dequantisation, or bits out of range.

    Reference: "Density estimation using Real NVP", Dinh, Sohl-Dickstein, Bengio, 2016,
    arXiv:1605.08803; "A note on the evaluation of generative models", Theis, van den Oord, Bethge,
    2016, arXiv:1511.01844 (bits per dimension); "Flow++: Improving Flow-Based Generative Models
    with Variational Dequantization and Architecture Design", Ho et al., 2019, arXiv:1902.00275.

    Example:
        >>> import torch, diffeo
        >>> from diffeo.images import ImageModel
        >>> model = ImageModel(diffeo.Glow((1, 8, 8), scales=2, steps=1, hidden=8), bits=4)
        >>> x = torch.randint(0, 16, (5, 1, 8, 8)).float()
        >>> model.bits_per_dim(x, seed=0).shape
        torch.Size([5])
    """

    def __init__(
        self,
        flow: Flow,
        *,
        bits: int = 8,
        dequantization: Dequantization = "uniform",
        classes: Sequence[str] = (),
        flips: bool = False,
    ) -> None:
        if len(flow.event_shape) != 3:
            raise ShapeError(
                f"ImageModel needs a flow of images (channels, height, width), but the events of "
                f"this {type(flow).__name__} have the shape {flow.event_shape}"
            )
        if classes and flow.context != len(classes):
            raise ShapeError(
                f"ImageModel: {len(classes)} classes need a flow with context={len(classes)}, but "
                f"this {type(flow).__name__} has context={flow.context}"
            )
        shape = flow.event_shape[0], flow.event_shape[1], flow.event_shape[2]
        if dequantization == "uniform":
            layer: Any = UniformPixelDequantization(shape, bits)
        elif dequantization == "variational":
            layer = VariationalPixelDequantization(shape, bits, context=flow.context)
        else:
            raise ValueError(
                f"ImageModel: dequantization must be 'uniform' or 'variational', "
                f"got {dequantization!r}"
            )
        super().__init__(flow, layer)
        self.bits = bits
        self.dequantization = dequantization
        self.classes = tuple(str(name) for name in classes)
        self.flips = flips

    def arguments(self) -> dict[str, Any]:
        return {
            "flow": self.flow,
            "bits": self.bits,
            "dequantization": self.dequantization,
            "classes": self.classes,
            "flips": self.flips,
        }

    @property
    def flow(self) -> Flow:
        """The density of real pixels."""
        found: Any = self.density
        return found

    def bits_per_dim(
        self,
        x: ArrayLike,
        context: ArrayLike | None = None,
        *,
        num_samples: int = 1,
        seed: Seed = None,
        chunk_size: int | None = None,
    ) -> Any:
        """-log_prob / (D log 2), with D the number of pixels and channels: an upper bound.

        Args:
            As ``log_prob``.

        Returns:
            (*batch): a tensor for tensors, a numpy array for arrays.

        Raises:
            As ``log_prob``.
        """
        log_prob = self.log_prob(
            x, context, num_samples=num_samples, seed=seed, chunk_size=chunk_size
        )
        return bits_per_dim(log_prob, math.prod(self.event_shape))

    @torch.no_grad()
    def draw(
        self,
        count: int,
        context: Tensor | None = None,
        *,
        temperature: float = 1.0,
        seed: Seed = None,
    ) -> Tensor:
        """Images at a temperature T: the noise of the flow is drawn with its scale times T.

        Args:
            count: images at each context.
            context: (*context_batch, context).
            temperature: T >= 0; below 1, images are more alike and closer to the modes.
            seed: of the draws.

        Returns:
            (count, *context_batch, C, H, W), whole numbers.

        Raises:
            ValueError: a temperature that is not a finite number >= 0.
            ContextError: a missing context, or one of another width.

        Reference: "Glow: Generative Flow with Invertible 1x1 Convolutions", Kingma, Dhariwal, 2018,
        arXiv:1807.03039 (section 6, temperature).
        """
        if not (temperature >= 0 and math.isfinite(temperature)):
            raise ValueError(f"temperature must be a finite number >= 0, got {temperature!r}")
        generator = as_generator(seed, self.like.device)
        batch = (count,) if context is None else (count, *context.shape[:-1])
        z = self.flow.base.sample(batch, seed=generator)
        x = self.flow.from_base(temperature * z, context)
        pixels: Tensor = self.layers[0](x, context, generator=generator)
        return pixels

    def training_objective(self) -> Objective:
        return mirrored_likelihood if self.flips else negative_log_likelihood


def mirrored_likelihood(
    model: ImageModel, x: Tensor, context: Tensor | None = None, weight: Tensor | None = None
) -> Tensor:
    """``negative_log_likelihood``, in training mode of images of which every second is mirrored."""
    if model.training:
        mirrored = torch.rand(len(x), 1, 1, 1, device=x.device) < 0.5
        x = torch.where(mirrored, x.flip(-1), x)
    return negative_log_likelihood(model, x, context, weight)
