"""How far a posterior can be trusted."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from diffeo.inference.psis import SmoothedWeights, elbo, log_evidence, psis

__all__ = ["KHAT_LIMIT", "Quality", "judge"]

KHAT_LIMIT = 0.7


@dataclass(frozen=True)
class Quality:
    """What importance weights and latent chains say of an approximation.

    Attributes:
        elbo, elbo_error: E_q[log p - log q] in nats, and its standard error.
        log_evidence, log_evidence_error: log of the mean importance weight, and its standard error.
        khat: shape of the weights' tail; above 0.7 they cannot be relied upon.
        ess: effective number of the weighted draws.
        draws: their number.
        largest: largest smoothed weight, in units of their mean.
        empty: share of draws where the target's density is zero.
        warnings: what else speaks against it, such as chains that disagree with the flow.
        heavy: values whose standard deviation rests on a few draws, with the k-hat of their square.
    """

    elbo: float
    elbo_error: float
    log_evidence: float
    log_evidence_error: float
    khat: float
    ess: float
    draws: int
    largest: float
    empty: float
    warnings: list[str] = field(default_factory=list)
    heavy: dict[str, float] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        """Whether nothing speaks against it."""
        return not (self._faults() or self.heavy)

    @property
    def verdict(self) -> str:
        """In words, with the remedies where there is need of one."""
        faults = self._faults()
        if faults:
            return (
                f"do not rely on it: {'; '.join(faults)}. Remedies: fit again with a larger "
                f"max_gradients (a larger flow), mcmc() (chains in the flow's latent space, with "
                f"R-hat), mcmc(method='independence'); resample() corrects only what the weights "
                f"see{self._moments()}"
            )
        close = self.ess > 0.9 * self.draws
        how = "sample() is nearly exact" if close else "resample() removes sample()'s bias"
        return f"good: {how}{self._moments()}"

    def _faults(self) -> list[str]:
        if self.khat <= KHAT_LIMIT:
            return self.warnings
        return [f"k-hat {self.khat:.2f} is above {KHAT_LIMIT}{self._harmless()}", *self.warnings]

    def _moments(self) -> str:
        if not self.heavy:
            return ""
        each = ", ".join(f"{name} ({khat:.2f})" for name, khat in self.heavy.items())
        return (
            f"; but the tail of {each} is so heavy (in brackets: k-hat of the square) that its "
            f"standard deviation rests on a few draws and may not exist: use quantiles"
        )

    def _harmless(self) -> str:
        if self.largest > 2:
            return ""
        return (
            f" (though no draw weighs more than {self.largest:.2g} times the mean: only a region "
            f"that no draw has reached could matter)"
        )

    def lines(self) -> list[str]:
        """The report, one line for each figure."""
        side = "below" if self.khat <= KHAT_LIMIT else "ABOVE"
        return [
            f"ELBO          {self.elbo:.3f} +- {self.elbo_error:.3f} nats",
            f"log-evidence  {self.log_evidence:.3f} +- {self.log_evidence_error:.3f} nats",
            f"PSIS k-hat    {self.khat:.2f} ({side} {KHAT_LIMIT})",
            f"ESS           {self.ess:.0f} of {self.draws} weighted draws",
            f"verdict       {self.verdict}",
        ]


def judge(log_weights: torch.Tensor) -> tuple[Quality, SmoothedWeights]:
    """The quality of draws from q with log p - log q (n), and the smoothed weights."""
    smoothed = psis(log_weights)
    mean, error = elbo(log_weights)
    evidence, evidence_error = log_evidence(log_weights)
    empty = float((log_weights == -torch.inf).double().mean())
    warnings: list[str] = []
    if empty > 0:
        warnings.append(
            f"the density is zero or NaN at {empty:.1%} of the draws, as if a parameter's support "
            f"were smaller than declared",
        )
    quality = Quality(
        elbo=mean,
        elbo_error=error,
        log_evidence=evidence,
        log_evidence_error=evidence_error,
        khat=smoothed.khat,
        ess=smoothed.ess,
        draws=len(log_weights),
        largest=float(smoothed.log_weights.max().exp()) * len(log_weights),
        empty=empty,
        warnings=warnings,
    )
    return quality, smoothed
