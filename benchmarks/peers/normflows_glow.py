"""Glow of normflows, at the sizes of ours."""

from __future__ import annotations

from typing import Any

__all__ = ["normflows_glow"]


def normflows_glow(shape: tuple[int, int, int], scales: int, steps: int, hidden: int) -> Any:
    """A flow with ``log_prob(x, None)`` of images (N, C, H, W); its ActNorm looks at the first."""
    import normflows as nf  # type: ignore[import-not-found, unused-ignore]

    channels, side = shape[0], shape[1]
    bases, merges, flows = [], [], []
    for i in range(scales):
        # from noise to data: the coarsest scale first
        wide = channels * 2 ** (scales + 1 - i)
        blocks = [
            nf.flows.GlowBlock(wide, hidden, split_mode="channel", scale=True) for _ in range(steps)
        ]
        flows.append([*blocks, nf.flows.Squeeze()])
        own = wide if i == 0 else wide // 2
        pixels = side // 2 ** (scales - i)
        bases.append(nf.distributions.DiagGaussian((own, pixels, pixels)))
        if i:
            merges.append(nf.flows.Merge())
    return nf.MultiscaleFlow(bases, flows, merges)
