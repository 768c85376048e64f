"""Random streams of a fit: each derived from the seed and a name, none shared."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch

__all__ = ["generator", "seeded"]


def _derived(seed: int, *names: str | int) -> int:
    # a hash keeps the streams apart from one another and from what a user draws with the same seed
    digest = hashlib.sha256("/".join(map(str, ("diffeo", seed, *names))).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(seed: int, *names: str | int) -> torch.Generator:
    """A generator on the CPU for the stream called ``names``."""
    return torch.Generator().manual_seed(_derived(seed, *names))


@contextmanager
def seeded(device: torch.device, seed: int, *names: str | int) -> Iterator[None]:
    """Torch's global generators (of the CPU and ``device``) seeded inside, as before afterwards."""
    value = _derived(seed, *names)
    cuda = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=cuda):
        torch.default_generator.manual_seed(value)
        for each in cuda:
            with torch.cuda.device(each):
                torch.cuda.manual_seed(value)
        yield
