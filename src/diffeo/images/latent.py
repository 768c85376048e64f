"""Real images as noise, and noise as images."""

from __future__ import annotations

import torch
from torch import Tensor

from diffeo.density import Seed, as_generator
from diffeo.images.image_data import ImageData, Levels, level_dtype
from diffeo.images.matching import contexts_of, pixels_of
from diffeo.images.model import ImageModel

__all__ = ["decode", "dequantized", "encode", "levels_of"]

# images at a time
_BATCH = 256


@torch.no_grad()
def dequantized(model: ImageModel, data: ImageData, seed: Seed = 0) -> Tensor:
    """The images as reals in (0, 1), on which the flow is a density: (N, C, H, W)."""
    generator = as_generator(seed, model.like.device)
    context = contexts_of(model, data)
    parts = []
    for start in range(0, len(data), _BATCH):
        rows = slice(start, start + _BATCH)
        x = pixels_of(data.subset(rows)).to(model.like)
        given = None if context is None else context[rows]
        parts.append(model.layers[0].inverse(x, given, generator=generator)[0])  # type: ignore[operator]
    return torch.cat(parts)


@torch.no_grad()
def encode(model: ImageModel, pixels: Tensor, context: Tensor | None) -> Tensor:
    """The noise of the flow that belongs to real pixels (N, C, H, W), given their classes."""
    parts = [
        model.flow.to_base(x, None if context is None else c) for x, c in _pieces(pixels, context)
    ]
    return torch.cat(parts)


@torch.no_grad()
def decode(model: ImageModel, z: Tensor, context: Tensor | None) -> Tensor:
    """The real pixels that belong to noise; the inverse of ``encode``."""
    parts = [
        model.flow.from_base(x, None if context is None else c) for x, c in _pieces(z, context)
    ]
    return torch.cat(parts)


def _pieces(x: Tensor, context: Tensor | None) -> list[tuple[Tensor, Tensor]]:
    given = x if context is None else context
    return list(zip(x.split(_BATCH), given.split(_BATCH), strict=True))


def levels_of(model: ImageModel, pixels: Tensor, context: Tensor | None) -> Levels:
    """Real pixels as whole numbers."""
    found = model.layers[0](pixels, context)
    levels: Levels = found.cpu().numpy().astype(level_dtype(model.bits))
    return levels
