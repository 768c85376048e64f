"""Training an approximation by reverse KL, without anything to tune."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import mean, stdev
from typing import Any

import torch

from diffeo.inference.approximation import Approximation
from diffeo.inference.target import Target
from diffeo.objectives import reverse_kl

__all__ = ["Budget", "Trainer"]

BATCH = 256
# tried in turn; the first where trials would take more than a share of the budget
STEP_SIZES = (3e-3, 1e-2, 1e-3)
TRIAL_STEPS, TRIAL_SHARE = 40, 0.05
# steps whose ELBOs are averaged before any decision
WINDOW = 50
# a rise of the averaged ELBO that is worth going on for, in nats
RISE = 2e-3
# windows without one before the step size falls, by which factor, and how often
PATIENCE, FALL, FALLS = 2, 0.3, 3
CLIP = 10.0
# a fall of the averaged ELBO, in nats, after which the last good weights come back
COLLAPSE = 100.0


@dataclass
class Budget:
    """What a fit may cost.

    Args:
        target: whose gradients count.
        gradients: at most so many.
        seconds: at most so many; None for no limit.
    """

    target: Target
    gradients: int
    seconds: float | None = None
    started: float = field(default_factory=time.monotonic)

    def left(self, share: float = 1.0) -> bool:
        """Whether less than a share of it is used up."""
        if self.target.gradients + BATCH * WINDOW > share * self.gradients:
            return False
        return self.seconds is None or self.elapsed() < share * self.seconds

    def gradients_left(self) -> int:
        return self.gradients - self.target.gradients

    def elapsed(self) -> float:
        return time.monotonic() - self.started


class Trainer:
    """Raises the ELBO of an approximation until it no longer rises.

    Args:
        approximation: what is trained, in place.
        target: the log-density.
        budget: training ends where it does.
        generator: draws the noise.
        tell: called with the smoothed ELBO after every window of steps.

    Attributes:
        history: (gradients so far, ELBO of a window) for each window.
    """

    def __init__(
        self,
        approximation: Approximation,
        target: Target,
        budget: Budget,
        generator: torch.Generator,
        tell: Callable[[float], None],
    ) -> None:
        self.approximation, self.target, self.budget = approximation, target, budget
        self.generator, self.tell = generator, tell
        self.history: list[tuple[int, float]] = []
        self.offset = approximation.offset(target)

    def train(self, share: float) -> None:
        """Train until the ELBO no longer rises, or a share of the budget is used up."""
        flow = self.approximation.flow
        self.framed = self.approximation.framed(self.target, self.offset)
        self.lr = self._chosen_step_size()
        self._restart(flow.state_dict())
        best, good, idle, falls = -math.inf, copy.deepcopy(flow.state_dict()), 0, 0
        while falls <= FALLS and self.budget.left(share):
            values = [self._step() for _ in range(WINDOW)]
            finite = [value for value in values if math.isfinite(value)]
            now = mean(finite) if len(finite) > WINDOW / 2 else -math.inf
            if now < best - COLLAPSE or now == -math.inf:
                falls, idle = falls + 1, 0
                self.lr *= FALL
                self._restart(good)
                continue
            self.history.append((self.target.gradients, now + self.offset))
            self.tell(now + self.offset)
            error = stdev(finite) / math.sqrt(len(finite))
            if now > best + max(RISE, error):
                best, idle = now, 0
            else:
                idle += 1
            good = copy.deepcopy(flow.state_dict())
            if idle >= PATIENCE:
                idle, falls = 0, falls + 1
                self.lr *= FALL

    def _chosen_step_size(self) -> float:
        """The step size of the highest ELBO after a short trial, if there is room for one."""
        if BATCH * TRIAL_STEPS * len(STEP_SIZES) > TRIAL_SHARE * self.budget.gradients_left():
            return STEP_SIZES[0]
        weights = copy.deepcopy(self.approximation.flow.state_dict())
        reached: dict[float, float] = {}
        for self.lr in STEP_SIZES:
            self._restart(weights)
            values = [self._step() for _ in range(TRIAL_STEPS)][-TRIAL_STEPS // 2 :]
            reached[self.lr] = mean(values) if all(map(math.isfinite, values)) else -math.inf
        self._restart(weights)
        return max(reached, key=lambda lr: reached[lr])

    def _restart(self, weights: dict[str, Any]) -> None:
        flow = self.approximation.flow
        flow.load_state_dict(weights)
        self.parameters = list(flow.parameters())
        self.optimizer = torch.optim.Adam(self.parameters, lr=self.lr, fused=True)

    def _step(self) -> float:
        """One update; the ELBO before it, less the offset."""
        self.optimizer.zero_grad()
        flow = self.approximation.flow
        loss = reverse_kl(flow, self.framed, n=BATCH, gradient="sticking", seed=self.generator)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, CLIP)
        if not bool(norm.isfinite()):
            return -math.inf
        for group in self.optimizer.param_groups:
            group["lr"] = self.lr
        self.optimizer.step()
        return -float(loss.detach())
