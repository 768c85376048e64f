"""Contestants of the density benchmark: each fits rows and gives the log-density of others."""

from __future__ import annotations

import copy
import importlib.util
import math
import time
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

import diffeo
from diffeo.adapters.sklearn import FlowDensity

__all__ = ["CONTESTANTS", "MIXED", "OURS", "Outcome", "installed", "mixed"]

OURS = "FlowDensity"
MIXED = "TableFlow"
SEED = 0
# of mixtures; they stop where the criterion has risen this often in a row
COMPONENTS = (1, 2, 3, 5, 8, 12, 20, 32, 50)
RISES = 2
BANDWIDTHS = np.geomspace(0.02, 2, 14)
# rows that choose a bandwidth, in 3 folds
BANDWIDTH_ROWS = 3000
BATCH, LR, HELD_OUT = 256, 1e-3, 0.1


@dataclass(frozen=True)
class Outcome:
    """What came of a fit.

    Attributes:
        score: mean log-density of the test rows, nats.
        seconds: CPU seconds of the fit.
        steps: gradient steps, None where there are none.
        detail: what was chosen, in words.
    """

    score: float
    seconds: float
    steps: int | None
    detail: str


Rows = np.ndarray
# train, test, what FlowDensity took
Contestant = Callable[[Rows, Rows, "Outcome | None"], Outcome]


def _ours(train: Rows, test: Rows, _: Outcome | None) -> Outcome:
    start = time.process_time()
    density = FlowDensity(random_state=SEED).fit(train)
    seconds = time.process_time() - start
    steps = 0
    for member in density.model_.record["members"]:
        rows, options = member["data"]["rows"], member["options"]
        steps += len(member["history"]) * math.ceil(rows / options["batch_size"])
    share = density.copula_share_
    return Outcome(density.score(test), seconds, steps, f"share of the copula {share:.3f}")


def mixed(train: Rows, test: Rows) -> Outcome:
    """TableFlow on rows as they were recorded; its measure counts where values repeat."""
    start = time.process_time()
    flow = diffeo.TableFlow(seed=SEED).fit(train, seed=SEED, progress=False)
    seconds = time.process_time() - start
    score = float(np.mean(flow.log_prob(test)))
    kinds = Counter(column.kind for column in flow.typed.schema.columns)
    return Outcome(score, seconds, None, ", ".join(f"{n} {kind}" for kind, n in kinds.items()))


def _standardized(train: Rows, test: Rows) -> tuple[Rows, Rows, float]:
    """Both in units of the training rows' deviations, and what that adds to a log-density."""
    mean, scale = train.mean(0), train.std(0)
    return (train - mean) / scale, (test - mean) / scale, -float(np.log(scale).sum())


def _mixture(train: Rows, test: Rows, _: Outcome | None) -> Outcome:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    train, test, extra = _standardized(train, test)
    start = time.process_time()
    best, least, rises = None, math.inf, 0
    for count in COMPONENTS:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model = GaussianMixture(count, random_state=SEED).fit(train)
        criterion = model.bic(train)
        rises = 0 if criterion < least else rises + 1
        if criterion < least:
            best, least = model, criterion
        if rises == RISES:
            break
    seconds = time.process_time() - start
    assert best is not None
    return Outcome(best.score(test) + extra, seconds, None, f"{best.n_components} components")


def _kernel(train: Rows, test: Rows, _: Outcome | None) -> Outcome:
    from sklearn.model_selection import GridSearchCV
    from sklearn.neighbors import KernelDensity

    train, test, extra = _standardized(train, test)
    start = time.process_time()
    search = GridSearchCV(KernelDensity(), {"bandwidth": BANDWIDTHS}, cv=3, refit=False)
    search.fit(train[:BANDWIDTH_ROWS])
    model = KernelDensity(bandwidth=search.best_params_["bandwidth"]).fit(train)
    # its cost is that of scoring
    score = model.score(test) / len(test)
    seconds = time.process_time() - start
    return Outcome(score + extra, seconds, None, f"bandwidth {model.bandwidth:.3g}")


def _zuko(train: Rows, test: Rows, budget: Outcome | None) -> Outcome:
    import zuko

    torch.manual_seed(SEED)
    flow = zuko.flows.NSF(train.shape[1])
    return _trained(flow, lambda x: flow().log_prob(x), train, test, budget)


def _nflows(train: Rows, test: Rows, budget: Outcome | None) -> Outcome:
    from nflows.distributions.normal import StandardNormal
    from nflows.flows.base import Flow
    from nflows.transforms.autoregressive import (
        MaskedPiecewiseRationalQuadraticAutoregressiveTransform as Spline,
    )
    from nflows.transforms.base import CompositeTransform
    from nflows.transforms.permutations import ReversePermutation

    torch.manual_seed(SEED)
    columns = train.shape[1]
    layers: list[Any] = []
    for _ in range(5):
        layers.append(ReversePermutation(columns))
        layers.append(Spline(columns, 64, tails="linear", tail_bound=5.0))
    flow = Flow(CompositeTransform(layers), StandardNormal([columns]))
    return _trained(flow, flow.log_prob, train, test, budget)


def _trained(
    module: torch.nn.Module,
    log_prob: Callable[[Tensor], Tensor],
    train: Rows,
    test: Rows,
    budget: Outcome | None,
) -> Outcome:
    """Adam within a budget; a held-out tenth chooses the weights."""
    assert budget is not None
    assert budget.steps is not None
    train, test, extra = _standardized(train, test)
    rows = torch.from_numpy(train).float()
    cut = round(HELD_OUT * len(rows))
    held_out, rows = rows[:cut], rows[cut:]
    generator = torch.Generator().manual_seed(SEED)
    optimizer = torch.optim.Adam(module.parameters(), lr=LR)
    start, steps = time.process_time(), 0
    best, least = copy.deepcopy(module.state_dict()), math.inf
    while steps < budget.steps and time.process_time() - start < budget.seconds:
        module.train()
        for index in torch.randperm(len(rows), generator=generator).split(BATCH):
            optimizer.zero_grad()
            loss = -log_prob(rows[index]).mean()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(module.parameters(), 5.0)
            optimizer.step()
            steps += 1
            if steps >= budget.steps or time.process_time() - start >= budget.seconds:
                break
        module.eval()
        with torch.no_grad():
            loss = -log_prob(held_out).mean()
        if loss < least:
            best, least = copy.deepcopy(module.state_dict()), float(loss)
    seconds = time.process_time() - start
    module.load_state_dict(best)
    with torch.no_grad():
        parts = torch.from_numpy(test).float().split(2000)
        score = float(torch.cat([log_prob(part) for part in parts]).double().mean())
    return Outcome(score + extra, seconds, steps, "")


CONTESTANTS: dict[str, Contestant] = {
    OURS: _ours,
    "GaussianMixture": _mixture,
    "KernelDensity": _kernel,
    "zuko NSF": _zuko,
    "nflows": _nflows,
}
_PACKAGES = {"zuko NSF": "zuko", "nflows": "nflows"}


def installed(name: str) -> bool:
    """Whether what a contestant needs is there."""
    return importlib.util.find_spec(_PACKAGES.get(name, "sklearn")) is not None
