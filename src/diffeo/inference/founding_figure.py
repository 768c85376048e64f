"""The flows of the founding figure of variational flows, fitted and measured."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from diffeo.bases import DiagonalNormal
from diffeo.errors import TrainingError
from diffeo.flow import Flow
from diffeo.inference.potentials import POTENTIALS, Potential
from diffeo.inference.target import Target
from diffeo.models import NICE, NSF, PlanarFlow
from diffeo.objectives import annealing, reverse_kl

__all__ = [
    "FLOWS",
    "WINDOWS",
    "Divergence",
    "Recipe",
    "density_image",
    "divergence",
    "fit_annealed",
    "planar",
]

# (left, right, bottom, top) of a picture of each potential: all but a trace of its mass
WINDOWS = dict.fromkeys(POTENTIALS, (-4.0, 4.0, -4.0, 4.0)) | {"U4": (-4.0, 4.0, -5.75, 2.25)}

# called after a step with the number of steps done and the loss
Report = Callable[[int, float], None]


@dataclass(frozen=True)
class Recipe:
    """How one flow is fitted.

    Attributes:
        build: makes the flow, from a seed.
        steps: of Adam.
        lr: learning rate at the start of the cosine schedule.
    """

    build: Callable[[int], Flow]
    steps: int
    lr: float


@dataclass(frozen=True)
class Divergence:
    """KL(q || p) in nats, and its standard error."""

    mean: float
    standard_error: float


def _base() -> DiagonalNormal:
    """Learned, so that no layers are spent on where the mass lies and how wide it is."""
    return DiagonalNormal(2, learned=True)


def planar(layers: int) -> Callable[[int], Flow]:
    """Builds a flow of so many planar layers from a seed."""
    return lambda seed: PlanarFlow(2, layers=layers, base=_base(), seed=seed)


def _nice(seed: int) -> Flow:
    return NICE(2, layers=8, hidden=(64, 64), base=_base(), seed=seed)


def _nsf(seed: int) -> Flow:
    return NSF(2, layers=6, hidden=(64, 64), base=_base(), seed=seed)


# a step of planar layers takes a fifth of the time of one of networks, so they get more of them
FLOWS: dict[str, Recipe] = {
    "planar K = 2": Recipe(planar(2), 6_000, 0.01),
    "planar K = 8": Recipe(planar(8), 10_000, 0.01),
    "planar K = 32": Recipe(planar(32), 10_000, 0.01),
    "NICE": Recipe(_nice, 3_000, 0.003),
    "NSF": Recipe(_nsf, 6_000, 0.005),
}


def fit_annealed(
    flow: Flow,
    target: Target,
    *,
    steps: int,
    lr: float,
    draws: int = 500,
    seed: int = 0,
    report: Report | None = None,
) -> None:
    """Fit by reverse KL whose inverse temperature rises from 0.01 to 1 in the first half.

    Args:
        flow: changed in place.
        target: the unnormalised log-density.
        steps: of Adam, clipped to a gradient of norm 5.
        lr: learning rate at the start of the cosine schedule, which ends at 0.
        draws: a step.
        seed: of the draws.
        report: called after every step with the number of steps done and the loss.

    Raises:
        TrainingError: a loss that is not finite.
    """
    generator = torch.Generator().manual_seed(seed)
    parameters = list(flow.parameters())
    optimizer = torch.optim.Adam(parameters, lr=lr, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    rise = math.ceil(steps / 2)
    for step in range(steps):
        beta = annealing(step, rise)
        loss = reverse_kl(flow, target.log_prob, draws, beta=beta, seed=generator)
        value = loss.item()
        if not math.isfinite(value):
            raise TrainingError(
                f"the loss of {type(flow).__name__} is {value} at step {step + 1} of {steps}; "
                f"take a smaller learning rate than {lr:g}"
            )
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 5.0)
        optimizer.step()
        schedule.step()
        if report is not None:
            report(step + 1, value)


@torch.no_grad()
def divergence(flow: Flow, potential: Potential, draws: int, seed: int = 0) -> Divergence:
    """KL(q || p) = log Z + E_q[log q - log p] over fresh draws of the flow."""
    x, log_q = flow.rsample_and_log_prob(draws, seed=seed)
    gap = log_q.double() - potential.log_prob(x).double()
    return Divergence(
        potential.log_normalizer + float(gap.mean()), float(gap.std() / math.sqrt(draws))
    )


@torch.no_grad()
def density_image(
    potential: Potential, log_prob: Callable[[Tensor], Tensor], pixels: int = 200
) -> Tensor:
    """The density on the plane at the centres of a window's pixels, lowest line first.

    Args:
        potential: whose coordinates and window.
        log_prob: a normalised log-density in the potential's coordinates x.
        pixels: along each side.

    Returns:
        (pixels, pixels).
    """
    left, right, bottom, top = WINDOWS[potential.name]
    share = (torch.arange(pixels, dtype=potential.dtype) + 0.5) / pixels
    across, up = left + (right - left) * share, bottom + (top - bottom) * share
    z = torch.stack(torch.meshgrid(across, up, indexing="xy"), dim=-1)
    x, ladj = potential.from_plane(z.flatten(0, 1))
    return (log_prob(x) + ladj).exp().reshape(pixels, pixels)
