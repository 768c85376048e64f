"""Constants of univariates as tensors."""

from __future__ import annotations

import functools

import torch
from torch import Tensor

__all__ = ["constants"]


def constants(values: tuple[float, ...], like: Tensor) -> Tensor:
    """``values`` along the first axis of ``like``, in its dtype and on its device.

    They are made once for each of these: on a GPU each making is a copy from the host.
    """
    kept = _plain(like)
    found = _made(values, like.dtype, like.device) if kept else like.new_tensor(values)
    return found.reshape(-1, *(1,) * (like.ndim - 1))


def _plain(like: Tensor) -> bool:
    """Whether nothing traces or transforms what is computed, to which new tensors would belong."""
    if torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active():
        return False
    return type(like) in (Tensor, torch.nn.Parameter)


@functools.lru_cache(maxsize=256)
def _made(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    # no gradient could use an inference tensor later
    with torch.inference_mode(False):
        return torch.tensor(values, dtype=dtype, device=device)
