"""Where to cut circles open."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from diffeo.inference.start import Start
from diffeo.inference.target import NamedTarget, Target

__all__ = ["turn_circles"]

DRAWS = 1000
# length of the mean of unit vectors below which angles have no direction
LEAST = 0.3


def turn_circles(target: Target, start: Start, generator: torch.Generator) -> bool:
    """Turn the circles of a target whose mass is nearer to the cut than to the middle.

    The map from the reals cuts a circle open opposite to its middle; a posterior that lies there
    would be torn in two. Where the start has a mean direction of more than a right angle, that
    becomes the middle.

    Returns:
        Whether any was turned, so that the start is no longer that of the target.
    """
    if not isinstance(target, NamedTarget) or not target.parameters.circles:
        return False
    shares = start.log_weights.exp()
    chosen = torch.multinomial(shares, DRAWS, replacement=True, generator=generator)
    noise = torch.randn((DRAWS, target.dim), generator=generator, dtype=torch.float64)
    angles = target.parameters.angles(start.normals[chosen].at(noise))
    mean = torch.polar(torch.ones_like(angles), angles).mean(0)
    turn: Tensor = torch.where(mean.abs() > LEAST, mean.angle(), 0.0)
    turn = torch.where(turn.abs() > math.pi / 2, turn, 0.0)
    if not bool(turn.any()):
        return False
    target.parameters = target.parameters.turned(turn.tolist())
    return True
