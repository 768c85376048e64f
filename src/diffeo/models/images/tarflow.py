"""TarFlow: transformer autoregressive flows over patches."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from diffeo.arrays import ArrayLike, like_input
from diffeo.bases import StandardNormal
from diffeo.checks import check_count
from diffeo.density import SampleShape, Seed
from diffeo.errors import ContextError, ShapeError
from diffeo.flow import Flow
from diffeo.models.images.marginals import channel_marginals
from diffeo.nets import StandardizeContext
from diffeo.transforms import (
    Inverse,
    Patchify,
    Sequential,
    TransformerAutoregressive,
)
from diffeo.transforms.placement import check_on_reals
from diffeo.univariates.univariate import Univariate

__all__ = ["TarFlow"]


class TarFlow(Flow):
    """TarFlow: blocks of causal transformers over the patches of an image.

    Each block moves every patch by scalar maps, affine ones in the paper, whose parameters come
    from the patches before it, and the order of the patches is reversed between the blocks. A
    density is one pass; a sample finds one patch after another, or several in a window, with keys
    and values kept. ``fit`` makes the channels normal first, by splines through their quantiles,
    which counts in the density.

    The paper trains on images with Gaussian noise and removes it from samples by ``denoise``; its
    models are larger (blocks=8, layers=8, dim=768, heads=12). With ``drop_context`` > 0, training
    hides the context of so many rows, and ``sample_guided`` can push samples to their context.

    Args:
        image_shape: (C, H, W).
        patch: side of a patch, a divisor of H and W.
        context: width of the context; 0 for an unconditional density.
        blocks: number of autoregressive transforms.
        layers: attention blocks in each.
        dim: width of the transformers.
        heads: attention heads, a divisor of ``dim``.
        univariate: the scalar map, from the reals to the reals; by default affine.
        drop_context: share of rows whose context is hidden in training mode.
        window: patches tried at a time in sampling (``TransformerAutoregressive``); None chooses.
        seed: seed of the initial weights; None draws from torch's global generator.
        reversible: keep only the events between the blocks for backward and compute the rest
            again.

    Shapes: x (*batch, C, H, W), context (*batch, context).

    Raises:
        ShapeError, ValueError: sizes or a univariate that do not fit.

    Reference: "Normalizing Flows are Capable Generative Models", Zhai, Zhang, Nakkiran, Berthelot,
    Gu, Zheng, Chen, Bautista, Jaitly, Susskind, 2024, arXiv:2412.06329.

    Example:
        >>> import torch, diffeo
        >>> flow = diffeo.TarFlow((1, 8, 8), blocks=2, layers=1, dim=16, context=3)
        >>> flow.sample(10, torch.zeros(4, 3)).shape
        torch.Size([10, 4, 1, 8, 8])
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        *,
        patch: int = 4,
        context: int = 0,
        blocks: int = 8,
        layers: int = 4,
        dim: int = 256,
        heads: int = 4,
        univariate: Univariate | None = None,
        drop_context: float = 0.0,
        window: int | None = None,
        seed: int | None = None,
        reversible: bool = False,
    ) -> None:
        if context < 0:
            raise ShapeError(f"TarFlow: context must be a width >= 0, got {context}")
        if not 0 <= drop_context < 1:
            raise ValueError(f"TarFlow: drop_context must be in [0, 1), got {drop_context}")
        if drop_context and not context:
            raise ShapeError("TarFlow: drop_context needs a model with context, got context=0")
        check_count("TarFlow: blocks", blocks)
        if univariate is not None:
            check_on_reals("TarFlow", univariate)
        patches = Patchify(image_shape, patch)
        tokens, width = patches.out_shape
        # a seed must not disturb the caller's random state
        with torch.random.fork_rng(devices=[], enabled=seed is not None):
            if seed is not None:
                torch.manual_seed(seed)
            stack = [
                TransformerAutoregressive(
                    tokens,
                    width,
                    univariate,
                    dim=dim,
                    layers=layers,
                    heads=heads,
                    reverse=i % 2 == 1,
                    # one column more says that the rest is hidden
                    context=context + bool(drop_context),
                    window=window,
                )
                for i in range(blocks)
            ]
        super().__init__(
            StandardNormal(patches.out_shape),
            Sequential(
                *stack,
                Inverse(patches),
                *channel_marginals(image_shape),
                reversible=reversible,
            ),
            StandardizeContext(context) if context else None,
            context,
        )
        self.drop_context = drop_context

    def _embed(self, context: Tensor | None, size: int | None = None) -> Tensor | None:
        context = super()._embed(context, size)
        if context is None or not self.drop_context:
            return context
        hidden = torch.zeros_like(context[..., :1])
        if self.training:
            hidden = (torch.rand_like(hidden) < self.drop_context).to(context.dtype)
        return torch.cat([context * (1 - hidden), hidden], dim=-1)

    @torch.no_grad()
    def sample_guided(
        self,
        n: SampleShape,
        context: ArrayLike,
        guidance: float,
        *,
        rising: bool = True,
        seed: Seed = None,
        chunk_size: int | None = None,
    ) -> ArrayLike:
        """Samples pushed to their context (classifier-free guidance), without gradient.

        In each block, the parameters of patch t are p + w_t (p - p of a hidden context), with w_t
        rising from 0 at the first patch to ``guidance`` at the last. Guided samples are no longer
        those of ``log_prob``.

        Args:
            n: number of samples, or a shape; () gives one sample a context.
            context: (*context_batch, context).
            guidance: w; 0 gives what ``sample`` gives, larger ones more typical samples.
            rising: False for the same w at all patches.
            seed: an int or a ``torch.Generator``; None draws from torch's global generator.
            chunk_size: rows worked on at a time; None chooses.

        Returns:
            (n, *context_batch, C, H, W): as ``sample``.

        Raises:
            ContextError: the model has no context, or was built with ``drop_context=0``, so that
                it knows no hidden one; or as ``sample``.

        Reference: "Normalizing Flows are Capable Generative Models", Zhai et al., 2024,
        arXiv:2412.06329; "Classifier-Free Diffusion Guidance", Ho, Salimans, 2022,
        arXiv:2207.12598.
        """
        if not self.drop_context:
            raise ContextError(
                "TarFlow: guidance compares a context with a hidden one, which this model has "
                "never seen; build it with context= and drop_context=0.1, say, and train it"
            )
        draw = self._chunked_draw(n, context, seed, chunk_size)
        draw = draw.given(self._embed(draw.context, draw.chunk_size))
        z = self.base._rsample(draw)

        guided = partial(self._guided, guidance=guidance, rising=rising)
        images: Tensor = draw.by_chunks(guided, z, len(self.base.event_shape))
        return like_input(images, context)

    def _guided(
        self, z: Tensor, context: Tensor | None, *, guidance: float, rising: bool
    ) -> Tensor:
        assert context is not None
        assert isinstance(self.transform, Sequential)
        hidden = torch.zeros_like(context)
        hidden[..., -1] = 1
        for layer in self.transform:
            if isinstance(layer, TransformerAutoregressive):
                z = layer.guided(z, context, hidden, guidance, rising=rising)
            else:
                z, _ = layer(z, context)
        return z
