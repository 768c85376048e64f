"""The default density of a table whose columns are all continuous."""

from __future__ import annotations

import time
import warnings

import torch
from torch import Tensor

from diffeo.bases import StandardNormal
from diffeo.errors import DataError, DataWarning
from diffeo.flow import Flow
from diffeo.mixture import Mixture
from diffeo.tabular.continuous_record import record_of
from diffeo.tabular.copula import gaussian_copula, heavy_tails
from diffeo.tabular.plan import Plan
from diffeo.training.data import check_columns
from diffeo.training.seeds import generator
from diffeo.training.ties import find_resolutions, warn_of_ties
from diffeo.transforms import (
    Inverse,
    LinearResiduals,
    MaskedAutoregressive,
    NormalScores,
    Sequential,
    Standardize,
)
from diffeo.univariates import RationalQuadraticSpline

__all__ = ["fit_continuous"]

# knots of a column's own spline: enough for spikes and gaps
QUANTILE_BINS = 128
FEWEST_ROWS = 5
# seconds, that a fit may end
LEAST_TIME = 0.01


def fit_continuous(
    x: Tensor,
    weight: Tensor | None = None,
    *,
    plan: Plan,
    seed: int,
    names: list[str],
    progress: bool = False,
) -> Flow:
    """A density of continuous columns, float64, fitted to rows ``x`` (n, D).

    Fixed layers set by the data come first: Standardize, LinearResiduals, NormalScores. What they
    leave is modelled by a Mixture of autoregressive spline flows, trained each on its own part of
    the rows, and of a normal with a shrunk covariance, that is of a Gaussian copula. Its share is
    the one that the rows held out by each flow make most likely, so that where flows cannot be
    learned the copula remains. One row in n + 1 is expected to be like none of the n: a component
    of that weight has heavy tails, so that a value far out costs its logarithm, not its square.

    Values that repeat get uniform noise of their column's resolution, with a DataWarning.

    Args:
        x: float64, finite, no column constant.
        weight: (n,), positive; only ratios count.
        plan: sizes.
        seed: decides weights, splits and noise.
        names: of the columns, for messages.
        progress: show a bar for each member.

    Raises:
        DataError: too few rows, or columns that have no density.

    Warns:
        DataWarning: values that repeat, or rows too few to train a flow.
    """
    start = time.monotonic()
    check_columns(x, names)
    wanted = _members_for(x, plan)
    x = _without_ties(x, seed, names)
    columns = x.shape[1]
    ends = Sequential(
        NormalScores(columns, QUANTILE_BINS),
        LinearResiduals(columns),
        Standardize(columns),
    ).double()
    drawn = slice(None) if weight is None else _in_proportion(weight)
    ends.initialize(x[drawn])
    with torch.no_grad():
        scores, log_slope = ends.inverse(x)
        scores = scores.float()
    copula = gaussian_copula(scores[drawn])
    members: list[Flow] = []
    gains: list[Tensor] = []
    # of the rows that each member held out
    held_outs: list[Tensor] = []
    for k in range(wanted):
        left = None if plan.max_time is None else plan.max_time - (time.monotonic() - start)
        if left is not None:
            if left <= 0 and members:
                break
            # an even part of what remains
            left = max(left, LEAST_TIME) / (wanted - k)
        member, gain, held_out = _member(scores, weight, copula, plan, seed + k, left, progress)
        members.append(member)
        gains.append(gain)
        held_outs.append(held_out)
        if member.record["stopped"] == "interrupted":
            break
    base = _averaged(members, torch.cat([torch.empty(0), *gains]), copula, len(x))
    found = torch.empty(0)
    if members:
        rows = torch.cat(held_outs)
        found = log_slope[rows] + _held_out_log_prob(base, torch.cat(gains), scores[rows])
    flow = Flow(base, ends).double()
    seconds = time.monotonic() - start
    flow.record = record_of(members, plan, seed, seconds, x, names, found)
    return flow.eval()


def _members_for(x: Tensor, plan: Plan) -> int:
    """How many flows so few rows can feed.

    Raises:
        DataError: rows that do not even make a normal.
    """
    rows, columns = x.shape
    if rows < FEWEST_ROWS:
        raise DataError(
            f"{rows} rows (n_samples={rows}) are too few for a density; "
            f"it needs at least {FEWEST_ROWS}"
        )
    # what a fit takes, of the rows that a member does not hold out
    if rows - max(1, round(plan.validation * rows)) >= max(10, 2 * columns):
        return plan.members
    warnings.warn(
        f"{rows} rows are too few to train a flow of {columns} columns; "
        f"the density is a Gaussian copula alone",
        DataWarning,
        stacklevel=4,
    )
    return 0


def _without_ties(x: Tensor, seed: int, names: list[str]) -> Tensor:
    steps = find_resolutions(x)
    if not bool((steps > 0).any()):
        return x
    warn_of_ties(steps, names)
    noise = torch.rand(x.shape, generator=generator(seed, "ties"), dtype=x.dtype)
    return x + steps * (noise - 0.5)


def _in_proportion(weight: Tensor) -> Tensor:
    """Indices of as many rows, each as often as its weight says."""
    total = weight.double().cumsum(0)
    at = (torch.arange(len(weight), dtype=torch.float64) + 0.5) * total[-1] / len(weight)
    return torch.searchsorted(total, at).clamp(max=len(weight) - 1)


def _member(
    scores: Tensor,
    weight: Tensor | None,
    copula: Flow,
    plan: Plan,
    seed: int,
    max_time: float | None,
    progress: bool,
) -> tuple[Flow, Tensor, Tensor]:
    """A fitted flow, by how much it beats the copula on each row that it held out, and these."""
    order = torch.randperm(len(scores), generator=generator(seed, "member"))
    cut = max(1, round(plan.validation * len(scores)))
    held_out, fit = order[:cut], order[cut:]
    if weight is not None:
        held_out = held_out[_in_proportion(weight[held_out])]
    flow = _splines(scores.shape[1], plan, seed)
    with warnings.catch_warnings():
        # ties were dealt with, in the columns' own units
        warnings.simplefilter("ignore", DataWarning)
        flow.fit(
            scores[fit],
            sample_weight=None if weight is None else weight[fit],
            validation=scores[held_out],
            epochs=plan.epochs,
            patience=plan.patience,
            batch_size=plan.batch_size,
            lr=plan.lr,
            seed=seed,
            standardize=False,
            max_time=max_time,
            progress=progress,
        )
    with torch.no_grad():
        found = flow.log_prob(scores[held_out]) - copula.log_prob(scores[held_out])
    return flow, found, held_out


def _averaged(members: list[Flow], gain: Tensor, copula: Flow, rows: int) -> Mixture:
    """The mixture of the flows, the copula, and the heavy tails of what none of the rows was like.

    Args:
        members: the flows.
        gain: by how much each beats the copula on the rows that it held out.
        copula: the copula.
        rows: number of rows of the table.
    """
    share = _share(gain) if members else 1.0
    flows = [(1 - share) / len(members) for _ in members]
    rare = 1 / (rows + 1)
    base = Mixture(*members, copula, heavy_tails(copula.event_shape[0]))
    with torch.no_grad():
        base.logits.copy_(torch.tensor([*((1 - rare) * w for w in (*flows, share)), rare]).log())
    return base


@torch.no_grad()
def _held_out_log_prob(base: Mixture, gain: Tensor, scores: Tensor) -> Tensor:
    """What the mixture gives rows that a flow held out, were that flow the only one."""
    *flows, copula, tails = torch.log_softmax(base.logits, 0)
    plain, heavy = (part.log_prob(scores).double() for part in list(base.components)[-2:])  # type: ignore[operator]
    flow = torch.logsumexp(torch.stack(flows), 0) + plain + gain
    return torch.logsumexp(torch.stack([flow, copula + plain, tails + heavy]), 0)


def _splines(columns: int, plan: Plan, seed: int) -> Flow:
    """Autoregressive spline layers that start at the identity, each in an order of its own."""
    draw = generator(seed, "orders")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers = [
            Inverse(
                MaskedAutoregressive(
                    columns,
                    RationalQuadraticSpline(plan.bins),
                    order=torch.randperm(columns, generator=draw).tolist(),
                    hidden=plan.hidden,
                )
            )
            for _ in range(plan.layers)
        ]
    return Flow(StandardNormal(columns), Sequential(*layers))


def _share(gain: Tensor) -> float:
    """The share s of the copula that maximises sum log(1 - s + s exp(-gain)), by EM."""
    ratio = torch.exp(-gain.double().clamp(-50, 50))
    share = 0.5
    for _ in range(100):
        share = float((share * ratio / (1 - share + share * ratio)).mean())
    return min(max(share, 1e-6), 1 - 1e-6)
