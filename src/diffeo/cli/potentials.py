"""The fits of `diffeo demo potentials`: flows to potentials, with progress and search."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diffeo.flow import Flow
from diffeo.inference.founding_figure import (
    FLOWS,
    Divergence,
    Recipe,
    divergence,
    fit_annealed,
    planar,
)
from diffeo.inference.potentials import POTENTIALS, Potential
from diffeo.inference.search import Integers, Reals, Search, Space, Trial, search
from diffeo.training.progress import Bar

__all__ = ["SEARCHED", "Fitted", "Fitter", "search_planar"]

# name of the flow whose K and learning rate a search has found
SEARCHED = "planar by search"
SPACE: Space = {"layers": Integers(2, 64, log=True), "lr": Reals(1e-3, 0.1, log=True)}
# fresh draws for the KL that is written down
DRAWS = 200_000
# a trial takes so many of the steps of a fit, and reports so many times
TRIAL_SHARE, REPORTS = 0.4, 10


@dataclass(frozen=True)
class Fitted:
    """A flow fitted to a potential, and what came of it."""

    potential: Potential
    name: str
    recipe: Recipe
    flow: Flow
    divergence: Divergence
    seconds: float

    @property
    def kl(self) -> str:
        """KL(q || p) with its standard error, in words."""
        return f"{self.divergence.mean:.4f} ± {self.divergence.standard_error:.4f}"


class Fitter:
    """Fits recipes, shortened to a share of their steps, and says what comes of each.

    Args:
        share: of the steps.
        seed: of weights and draws.
    """

    def __init__(self, share: float, seed: int) -> None:
        self.share, self.seed = share, seed

    def steps(self, recipe: Recipe, share: float = 1.0) -> int:
        """How many steps of Adam."""
        return math.ceil(recipe.steps * self.share * share)

    def fit_all(self) -> list[Fitted]:
        """Every flow to every potential."""
        return [
            self.fit(Potential(name), flow, recipe)
            for name in POTENTIALS
            for flow, recipe in FLOWS.items()
        ]

    def fit(self, potential: Potential, name: str, recipe: Recipe) -> Fitted:
        """One flow to one potential."""
        steps = self.steps(recipe)
        flow = recipe.build(self.seed)
        start = time.perf_counter()
        with _Bar(f"{potential.name}, {name}", steps) as bar:
            fit_annealed(
                flow, potential, steps=steps, lr=recipe.lr, seed=self.seed, report=bar.advance
            )
        seconds = time.perf_counter() - start
        # fresh draws: none of those that the fit has seen
        found = divergence(flow, potential, DRAWS, self.seed + 1)
        fitted = Fitted(potential, name, recipe, flow, found, seconds)
        print(
            f"{potential.name}  {name:{len(SEARCHED)}}  KL {fitted.kl} nats  {seconds:.0f} s",
            flush=True,
        )
        return fitted


def search_planar(fitter: Fitter, name: str, trials: int, storage: str | Path) -> Search:
    """Search the number of planar layers and the learning rate for one potential.

    Args:
        fitter: whose seed and share of steps the trials have.
        name: of the potential.
        trials: in the study in all.
        storage: of the study.
    """
    potential = Potential(name)
    steps = fitter.steps(FLOWS["planar K = 32"], TRIAL_SHARE)
    every = math.ceil(steps / REPORTS)

    def objective(setting: dict[str, Any], report: Callable[[int, float], None]) -> float:
        flow = planar(setting["layers"])(fitter.seed)

        def step_done(step: int, _: float) -> None:
            if step % every == 0 and step < steps:
                report(step // every, divergence(flow, potential, 10_000).mean)

        fit_annealed(
            flow, potential, steps=steps, lr=setting["lr"], seed=fitter.seed, report=step_done
        )
        return divergence(flow, potential, 50_000, seed=1).mean

    return search(
        objective,
        SPACE,
        trials=trials,
        # trials of another length or seed are not comparable
        name=f"{name}: {steps} steps, seed {fitter.seed}",
        storage=storage,
        seed=fitter.seed,
        warmup=REPORTS // 2,
        done=lambda trial: _say(name, trial),
    )


def _say(name: str, trial: Trial) -> None:
    value = "stopped early" if trial.value is None else f"KL {trial.value:.4f} nats"
    print(
        f"{name}  trial {trial.number + 1}: K = {trial.values['layers']}, "
        f"lr {trial.values['lr']:.4f}  {value}  {trial.seconds:.0f} s",
        flush=True,
    )


class _Bar(Bar):
    """A bar of steps with the loss."""

    def __init__(self, name: str, steps: int) -> None:
        super().__init__(True, total=steps, desc=name, leave=False, unit="step")

    def advance(self, step: int, loss: float) -> None:
        """One more step is done."""
        if self._bar is not None:
            if step % 100 == 0:
                self._bar.set_postfix_str(f"loss {loss:.3f}", refresh=False)
            self._bar.update()
