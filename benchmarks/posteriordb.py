"""The posteriors of posteriordb by variational inference: one call each, nothing tuned.

python benchmarks/posteriordb.py    # about half an hour on 2 cores

Goes on where it stopped: posteriors that are done are in results/posteriordb_runs.json. The first
run compiles 30 Stan programs, about 25 s each.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Any

import numpy as np
import torch
from posteriordb_data import CHAINS, HARD, flat, load, names, reference_draws
from runs import Runs
from table import write_table
from torch import Tensor

import diffeo
from diffeo.bases import DiagonalNormal, MultivariateNormal
from diffeo.errors import DataWarning
from diffeo.inference import Target, psis
from diffeo.inference.approximation import Approximation
from diffeo.inference.gaussian import Gaussian
from diffeo.inference.pathfinder import pathfinder
from diffeo.inference.start import first_points
from diffeo.inference.variational import Budget, Trainer
from diffeo.transforms import Permutation

SEED, DRAWS = 0, 10_000
GRADIENTS = 1_000_000
MEAN_ERROR, SD_LOW, SD_HIGH, KHAT = 0.1, 0.9, 1.1, 0.7
METHODS = ["mean-field", "full-rank", "Pathfinder", "flow", "flow + PSIS"]

Draws = tuple[Tensor, Tensor]


def _errors(z: Tensor, weights: np.ndarray, target: Target, reference: Any) -> dict[str, float]:
    """The largest |mean error| in reference sd, and the extreme ratios of sd."""
    values = flat({name: v.numpy() for name, v in target.constrain(z).items()})
    shifts, ratios = [], []
    for name, truth in reference.items():
        mean = np.sum(weights * values[name])
        sd = np.sqrt(np.sum(weights * (values[name] - mean) ** 2))
        shifts.append(abs(mean - truth.mean()) / truth.std())
        ratios.append(sd / truth.std())
    return {"mean error": max(shifts), "sd low": min(ratios), "sd high": max(ratios)}


def _measured(draws: Draws, target: Target, reference: Any, start: tuple[int, float]) -> Any:
    """Errors, k-hat and cost of unweighted draws z with log q."""
    gradients, began = target.gradients - start[0], time.perf_counter() - start[1]
    z, log_q = draws
    with torch.no_grad():
        log_p = target.log_prob(z)
    equal = np.full(len(z), 1 / len(z))
    return {
        **_errors(z, equal, target, reference),
        "k-hat": psis(log_p - log_q).khat,
        "gradients": gradients,
        "seconds": began,
        "flagged": False,
    }


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(SEED)


def _gaussian(target: Target, base: Callable[[int], Any], diagonal: bool) -> Draws:
    """The normal of the largest ELBO, by the trainer of flows, from where Pathfinder ends."""
    normal = _path(target)
    if diagonal:
        normal = Gaussian(normal.mean, torch.diag(1 / _precision_diagonal(normal).sqrt()))
    flow = diffeo.Flow(base(target.dim), Permutation(list(range(target.dim))))
    approximation = Approximation(flow, normal)
    budget = Budget(target, target.gradients + GRADIENTS)
    Trainer(approximation, target, budget, _generator(), lambda _: None).train(1.0)
    return approximation.sample_and_log_prob(DRAWS, SEED)


def _precision_diagonal(normal: Gaussian) -> Tensor:
    return torch.cholesky_inverse(normal.scale_tril).diagonal()


def _path(target: Target) -> Gaussian:
    """The normal of the largest ELBO on the way up from 20 points."""
    generator = _generator()
    points = first_points(target, generator)
    paths = pathfinder(target, points, iterations=200, generator=generator)
    return paths.normal[int(paths.elbo.argmax())]


def _pathfinder(target: Target) -> Draws:
    normal = _path(target)
    noise = torch.randn((DRAWS, target.dim), generator=_generator(), dtype=torch.float64)
    return normal.at(noise), normal.log_prob_at(noise)


def _mean_field(target: Target) -> Draws:
    return _gaussian(target, lambda dim: DiagonalNormal(dim, learned=True), diagonal=True)


def _full_rank(target: Target) -> Draws:
    return _gaussian(target, lambda dim: MultivariateNormal(dim, learned=True), diagonal=False)


RIVALS = {"mean-field": _mean_field, "full-rank": _full_rank, "Pathfinder": _pathfinder}


def run(name: str) -> dict[str, Any]:
    """All methods on one posterior."""
    torch.set_num_threads(1)
    target, reference = load(name)
    result: dict[str, Any] = {}
    for method, fit in RIVALS.items():
        torch.manual_seed(SEED)
        start = target.gradients, time.perf_counter()
        result[method] = _measured(fit(target), target, reference, start)
    start = target.gradients, time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        post = diffeo.fit_posterior(target, max_gradients=GRADIENTS, seed=SEED, progress=False)
    draws = post.approximation.sample_and_log_prob(DRAWS, SEED)
    flow = _measured(draws, target, reference, start)
    flow |= {"k-hat": post.quality.khat, "flagged": not post.quality.good}
    z, log_weights = post.weighted
    corrected = _errors(z, log_weights.exp().numpy(), target, reference)
    report = {"elbo": post.quality.elbo, "log-evidence": post.quality.log_evidence}
    report |= {"ess": post.quality.ess / post.quality.draws, "verdict": post.quality.verdict}
    return {**result, "flow": flow, "flow + PSIS": flow | corrected | report, "dim": target.dim}


def _within(result: dict[str, float]) -> bool:
    return (
        result["mean error"] <= MEAN_ERROR
        and result["sd low"] >= SD_LOW
        and result["sd high"] <= SD_HIGH
    )


def _cell(result: dict[str, float]) -> str:
    mark = "" if _within(result) else " *"
    return f"{result['mean error']:.2f}, {result['sd low']:.2f}-{result['sd high']:.2f}{mark}"


def _row(name: str, result: dict[str, Any]) -> list[Any]:
    flow, path = result["flow + PSIS"], result["Pathfinder"]
    return [
        f"**{name}**" if name in HARD else name,
        result["dim"],
        *(_cell(result[method]) for method in METHODS),
        f"{path['k-hat']:.2f}",
        f"{result['full-rank']['k-hat']:.2f}",
        f"{flow['k-hat']:.2f}",
        f"{flow['ess']:.3f}",
        "yes" if flow["flagged"] else "no",
        f"{path['gradients']:,}",
        f"{flow['gradients']:,}",
        f"{flow['seconds']:.0f}",
    ]


def _miss(name: str, result: dict[str, Any]) -> str:
    """The name, with how well the reference knows its worst known sd."""
    worst, low, high = "", 1.0, 1.0
    for parameter, draws in reference_draws(name).items():
        sds = draws.reshape(CHAINS, -1).std(1)
        if sds.max() / sds.min() > high / low:
            worst, low, high = parameter, float(sds.min()), float(sds.max())
    flagged = "flagged" if result["flow + PSIS"]["flagged"] else "not flagged"
    return (
        f"{name} ({flagged}; the sd of {worst} is {low:.3g} to {high:.3g} in the {CHAINS} chains "
        f"of the reference itself)"
    )


def _write(found: dict[str, Any]) -> None:
    order = sorted(found, key=lambda name: (name not in HARD, name))
    counts = {m: sum(_within(found[name][m]) for name in found) for m in METHODS}
    missed = [name for name in order if not _within(found[name]["flow + PSIS"])]
    misses = [_miss(name, found[name]) for name in missed]
    flagged = sum(found[name]["flow + PSIS"]["flagged"] for name in found)
    total = [f"**within bounds, of {len(found)}**", None, *map(str, counts.values())]
    write_table(
        "posteriordb",
        "posteriordb by variational inference: one untuned call each",
        [
            "posterior",
            "dim",
            *METHODS,
            "k-hat: Pathfinder",
            "full-rank",
            "flow",
            "ESS share",
            "flagged",
            "gradients: Pathfinder",
            "flow",
            "seconds",
        ],
        [[*total, *[None] * 8], *(_row(name, found[name]) for name in order)],
        notes=[
            "A cell of a method: the largest |mean error| in reference standard deviations over "
            "all parameters, then the least and greatest ratio of standard deviations. A star: "
            f"not within the bounds, {MEAN_ERROR} and [{SD_LOW}, {SD_HIGH}]. The reference draws, "
            f"10,000 a posterior, have errors of about 0.01 of their own.",
            "mean-field and full-rank: the normals of the largest ELBO, trained as the flow is. "
            "Pathfinder: the best of 20 paths. All take 10,000 draws; flow + PSIS weighs the draws "
            "on which the verdict rests.",
            f"At most {GRADIENTS:,} gradients a call. Seconds are of one core, two runs at a time.",
            f"Flow + PSIS misses: {', '.join(misses) or 'none'}. Flagged in all: {flagged}.",
            "The hard ones, in bold, come first.",
        ],
        seed=SEED,
        packages=["httpstan", "numpy"],
    )


def main() -> None:
    runs = Runs("posteriordb", {"seed": SEED, "draws": DRAWS, "gradients": GRADIENTS})
    missing = [name for name in [*HARD, *names()] if name not in runs]
    with ProcessPoolExecutor(max_workers=2) as pool:
        waiting = {pool.submit(run, name): name for name in dict.fromkeys(missing)}
        for done in as_completed(waiting):
            runs.add(waiting[done], done.result())
    _write(runs.found)


if __name__ == "__main__":
    main()
