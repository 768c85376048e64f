"""A fitted posterior: named draws, their weights, and what they are worth."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from diffeo import storage
from diffeo.density import Seed
from diffeo.errors import ModelFileError, TargetError
from diffeo.inference.approximation import Approximation
from diffeo.inference.arviz import to_arviz
from diffeo.inference.gaussian import Gaussian
from diffeo.inference.latent import independent_chains, latent_chains
from diffeo.inference.mcmc import Chains
from diffeo.inference.parameters import Parameters
from diffeo.inference.psis import resample
from diffeo.inference.quality import Quality
from diffeo.inference.target import NamedTarget, Target

__all__ = ["Posterior", "PosteriorChains"]

storage.register(Parameters)

CHAINS, WARMUP = 64, 300
# draws are doubled until R-hat is below this, so many times
RHAT_LIMIT, DOUBLINGS = 1.01, 3


@dataclass(frozen=True)
class Cost:
    """What a fit took.

    Attributes:
        gradients, evaluations: points at which the log-density was asked for with and without its
            gradient.
        seconds: of wall clock.
    """

    gradients: int
    evaluations: int
    seconds: float


@dataclass(frozen=True, repr=False)
class PosteriorChains:
    """Markov chains of a posterior.

    Attributes:
        draws: by name, (chains, draws, *shape).
        chains: the chains on the unconstrained reals, with R-hat, ESS and acceptance.
    """

    draws: dict[str, Tensor]
    chains: Chains

    def to_arviz(self) -> Any:
        """As ``arviz.InferenceData``.

        Raises:
            MissingExtraError: ArviZ is not installed.
        """
        return to_arviz(self.draws, chains=True)

    @property
    def mixed(self) -> bool:
        """Whether R-hat is below 1.01 for every coordinate."""
        return float(self.chains.rhat.max()) < RHAT_LIMIT

    def __repr__(self) -> str:
        words = "mixed" if self.mixed else f"NOT MIXED, R-hat must be below {RHAT_LIMIT}"
        return f"Posterior{self.chains!r}: {words}"


class Posterior:
    """What ``fit_posterior`` returns: a density that approximates a posterior, and its quality.

    Attributes:
        quality: ELBO, log-evidence, k-hat, ESS, verdict.
        cost: gradients, evaluations and seconds of the fit.
        history: (gradients so far, smoothed ELBO) during the fit.
        approximation: the density on the unconstrained reals.
        target: the log-density; None after ``load`` without one.
        weighted: the draws on which ``quality`` rests, on the unconstrained reals (n, dim), and
            their smoothed, normalised log-weights (n).
    """

    def __init__(
        self,
        approximation: Approximation,
        target: Target | None,
        quality: Quality,
        cost: Cost,
        weighted: tuple[Tensor, Tensor],
        history: list[tuple[int, float]],
        parameters: Parameters | None,
    ) -> None:
        self.approximation, self.target = approximation, target
        self.quality, self.cost, self.history = quality, cost, history
        self.weighted = weighted
        self._parameters = parameters

    def __repr__(self) -> str:
        lines = [
            f"Posterior of {self._names()} ({self.approximation.dim} dimensions)",
            *(f"  {line}" for line in self.quality.lines()),
            f"  cost          {self.cost.gradients:,} gradients, "
            f"{self.cost.evaluations:,} evaluations, {self.cost.seconds:.1f} s",
        ]
        return "\n".join(lines)

    def sample(self, n: int = 1000, *, seed: Seed = None) -> dict[str, Tensor]:
        """Draws of the approximation, uncorrected.

        Args:
            n: how many.
            seed: an int or a ``torch.Generator``.

        Returns:
            By name, values (n, *shape).

        Raises:
            TargetError: a loaded posterior that needs its target to name values.
        """
        z, _ = self.approximation.sample_and_log_prob(n, seed=seed)
        return self._constrained(z)

    def resample(self, n: int = 1000, *, seed: Seed = None) -> dict[str, Tensor]:
        """Draws chosen by their Pareto-smoothed importance weights: the flow's, corrected.

        They are chosen, with replacement, among the weighted draws on which ``quality`` rests;
        ``quality.ess`` says how many of them count.

        Args, Returns, Raises: as ``sample``.
        """
        z, log_weights = self.weighted
        return self._constrained(z[resample(log_weights, n, seed)])

    def log_prob(self, values: Mapping[str, Any]) -> Tensor:
        """Normalised log-density of the approximation at named values.

        Args:
            values: by name, (n, *shape).

        Returns:
            (n), with respect to the measure that the supports state.

        Raises:
            TargetError: values were named by an adapter, not declared.
            ShapeError: values of other names or shapes.
        """
        if self._parameters is None:
            raise TargetError(
                "log_prob needs parameters that were declared with their supports; the density on "
                "the unconstrained reals is approximation.log_prob"
            )
        z, ladj = self._parameters.unconstrain(values)
        return self.approximation.log_prob(z.double()) + ladj

    def mcmc(
        self,
        draws: int = 1000,
        *,
        method: Literal["hmc", "independence"] = "hmc",
        seed: int = 0,
    ) -> PosteriorChains:
        """Markov chains that leave the posterior itself invariant, 64 at a time.

        They are lengthened until R-hat is below 1.01 everywhere, three times at most: read it.

        Args:
            draws: of each chain, at first.
            method: "hmc", Hamiltonian chains in the latent space of the flow (NeuTra), which mix
                within a mode; "independence", Metropolis with the flow's draws as proposals, which
                mix over all that the flow covers, and fast where it is close.
            seed: of the chains.

        Raises:
            TargetError: a loaded posterior without its target.
            ValueError: another method, or too few draws.
        """
        if method not in ("hmc", "independence"):
            raise ValueError(f"method must be 'hmc' or 'independence', got {method!r}")
        target = self._with_target()
        for _ in range(DOUBLINGS + 1):
            # gradients are needed wherever this is called from
            with torch.inference_mode(False), torch.enable_grad():
                chains = self._chains(target, draws, method, seed)
            if float(chains.rhat.max()) < RHAT_LIMIT:
                break
            draws *= 2
        named = self._constrained(chains.flat())
        shape = chains.draws.shape[:2]
        return PosteriorChains(
            {k: v.reshape(*shape, *v.shape[1:]) for k, v in named.items()}, chains
        )

    def _chains(self, target: Target, draws: int, method: str, seed: int) -> Chains:
        generator = torch.Generator().manual_seed(seed)
        if method == "independence":
            return independent_chains(
                self.approximation, target, chains=CHAINS, draws=draws, generator=generator
            )
        start, _ = self.approximation.sample_and_log_prob(CHAINS, generator)
        return latent_chains(
            self.approximation, target, start, warmup=WARMUP, draws=draws, seed=generator
        )

    def to_arviz(self, n: int = 4000, *, seed: Seed = None) -> Any:
        """``resample(n)`` as ``arviz.InferenceData``.

        Raises:
            MissingExtraError: ArviZ is not installed.
        """
        return to_arviz(self.resample(n, seed=seed))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write flow, weighted draws and quality to one .safetensors file, atomically.

        Raises:
            OSError: the file cannot be written; then nothing is left behind.
        """
        tensors = {
            **self.approximation.state_dict(),
            "draws": self.weighted[0],
            "log_weights": self.weighted[1],
        }
        content = {
            "posterior": storage.describe(
                {"flow": self.approximation.flow, "parameters": self._parameters}
            ),
            "quality": asdict(self.quality),
            "cost": asdict(self.cost),
            "history": self.history,
        }
        storage.write(path, tensors, content)

    @classmethod
    def load(cls, path: str | os.PathLike[str], target: Target | None = None) -> Posterior:
        """Read a posterior that ``save`` wrote.

        Args:
            path: the .safetensors file.
            target: the log-density again, for ``mcmc``, and for the names of values where an
                adapter gave them.

        Raises:
            FileNotFoundError: no such file.
            ModelFileError: a file that holds no posterior, or one of other parameters.
        """
        tensors, content = storage.read(path)
        if "posterior" not in content:
            raise ModelFileError(f"{path} holds no posterior; diffeo.load reads models")
        built = storage.build(content["posterior"])
        dim = len(tensors["mean"])
        if target is not None and target.dim != dim:
            raise ModelFileError(f"{path} has {dim} dimensions, the target {target.dim}")
        parameters = built["parameters"]
        if isinstance(target, NamedTarget) and parameters is not None:
            if target.parameters.declared != parameters.declared:
                raise ModelFileError(
                    f"{path} has the parameters {parameters.declared}, "
                    f"the target {target.parameters.declared}"
                )
            # circles may have been turned since they were declared
            target.parameters = parameters
        frame = Gaussian(tensors["mean"], tensors["scale_tril"])
        approximation = Approximation(built["flow"], frame)
        weighted = tensors.pop("draws"), tensors.pop("log_weights")
        approximation.load_state_dict(tensors)
        approximation.eval()
        quality = Quality(**content["quality"])
        history = [(int(g), float(e)) for g, e in content["history"]]
        cost = Cost(**content["cost"])
        return cls(approximation, target, quality, cost, weighted, history, parameters)

    def _names(self) -> str:
        shapes = {} if self._parameters is None else self._parameters.shapes
        shapes = shapes or (self.target.shapes if self.target is not None else {})
        each = [f"{n}{list(shape) if shape else ''}" for n, shape in shapes.items()]
        return ", ".join(each) or "unnamed values"

    def _constrained(self, z: Tensor) -> dict[str, Tensor]:
        if self._parameters is not None:
            return self._parameters.constrain(z)[0]
        with torch.no_grad():
            return self._with_target().constrain(z)

    def _with_target(self) -> Target:
        if self.target is None:
            raise TargetError(
                "this posterior was loaded without its target; "
                "hand it over: Posterior.load(path, target=...)"
            )
        return self.target
