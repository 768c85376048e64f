"""What Markov chains give back."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from diffeo.inference.convergence import ess_bulk, ess_tail, rhat

__all__ = ["Chains"]


@dataclass(frozen=True, repr=False)
class Chains:
    """Draws of several Markov chains, warm-up left out.

    Attributes:
        draws: (chains, draws, dim).
        log_prob: (chains, draws), log-density of each draw.
        acceptance: (chains,), mean probability of accepting a proposal.
        divergences: (chains,), proposals refused because log-density or gradient were not finite
            or, in Hamiltonian Monte Carlo, because the energy error passed 1000.
        step_size: of Hamiltonian Monte Carlo, in units of ``scale``; None elsewhere.
        scale: (dim,), standard deviations that it took as known; None elsewhere.
        gradients: log-densities evaluated with their gradients, warm-up included.
    """

    draws: Tensor
    log_prob: Tensor
    acceptance: Tensor
    divergences: Tensor
    step_size: float | None = None
    scale: Tensor | None = None
    gradients: int = 0

    @property
    def rhat(self) -> Tensor:
        """(dim,), as ``diffeo.inference.rhat``."""
        return rhat(self.draws)

    @property
    def ess_bulk(self) -> Tensor:
        """(dim,), as ``diffeo.inference.ess_bulk``."""
        return ess_bulk(self.draws)

    @property
    def ess_tail(self) -> Tensor:
        """(dim,), as ``diffeo.inference.ess_tail``."""
        return ess_tail(self.draws)

    def flat(self) -> Tensor:
        """Draws of all chains, (chains * draws, dim)."""
        return self.draws.flatten(0, 1)

    def __repr__(self) -> str:
        chains, draws, dim = self.draws.shape
        parts = [f"{chains} chains of {draws} draws in {dim} dimensions"]
        if draws >= 4:
            least = torch.minimum(self.ess_bulk, self.ess_tail).min()
            parts.append(f"R-hat up to {float(self.rhat.max()):.3f}, ESS from {float(least):.0f}")
        parts.append(f"acceptance {float(self.acceptance.mean()):.2f}")
        parts.append(f"{int(self.divergences.sum())} divergences")
        if self.gradients:
            parts.append(f"{self.gradients} gradients")
        return f"Chains({'; '.join(parts)})"
