"""Training of an ensemble whose members each hold out another part of the rows."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from diffeo.errors import TrainingError
from diffeo.tabular.regression.capacity import Capacity
from diffeo.tabular.regression.ensemble import KINDS, LogisticEnsemble
from diffeo.training.seeds import generator, seeded

__all__ = ["Rows", "cross_fit"]

CLIP = 5.0
WARM_UP = 50
EVALUATIONS = 60
# rows a member is judged by at most
HELD_OUT = 2048
EM_STEPS = 200


@dataclass(frozen=True)
class Rows:
    """What an ensemble is trained on: x (rows, features), y and weight (rows,), y's resolution."""

    x: Tensor
    y: Tensor
    weight: Tensor
    step: float

    def log_prob(self, ensemble: LogisticEnsemble, index: Tensor) -> Tensor:
        """Of each member on its rows ``index`` (members, count), the same shape."""
        log_prob: Tensor = ensemble(self.x[index]).log_prob(self.y[index], self.step)
        return log_prob

    def loss(self, ensemble: LogisticEnsemble, index: Tensor) -> Tensor:
        """Mean negative log-likelihood of each member on its rows."""
        log_prob, weight = self.log_prob(ensemble, index), self.weight[index]
        # rows of weight 0 only would give 0 / 0
        return -(weight * log_prob).sum(1) / weight.sum(1).clamp(min=1e-12)


@dataclass
class _Best:
    """The weights of each member at its least held-out loss."""

    parameters: list[nn.Parameter]
    loss: Tensor
    found: int = 0
    kept: list[Tensor] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.kept = [p.detach().clone() for p in self.parameters]

    def update(self, loss: Tensor, step: int) -> None:
        better = loss < self.loss
        if not bool(better.any()):
            return
        self.loss = torch.where(better, loss, self.loss)
        self.found = step
        for kept, parameter in zip(self.kept, self.parameters, strict=True):
            kept[better] = parameter.detach()[better]

    @torch.no_grad()
    def restore(self) -> None:
        for kept, parameter in zip(self.kept, self.parameters, strict=True):
            parameter.copy_(kept)


def cross_fit(ensemble: LogisticEnsemble, rows: Rows, capacity: Capacity, seed: int) -> float:
    """Train every member on all but its own fold, and keep its best weights on that fold.

    Members of the two kinds that share a fold are compared on it: the shares of the kinds are
    those with which their mixture has the largest likelihood on the held-out rows.

    Args:
        ensemble: is trained in place.
        rows: at least 2 of them.
        capacity: how long, and how.
        seed: of folds, batches and dropout.

    Returns:
        The held-out log-likelihood of that mixture, in nats a row, y as it is given.

    Raises:
        TrainingError: the loss is not finite.

    Reference: "Using Stacking to Average Bayesian Predictive Distributions", Yao, Vehtari, Simpson,
    Gelman, 2018, Bayesian Analysis 13(3), arXiv:1704.02030.
    """
    draw = generator(seed, "cross_fit")
    kept, held = _folds(len(rows.y), capacity.members, draw)
    with seeded(torch.device("cpu"), seed, "dropout"):
        best = _train(ensemble, rows, kept, held, capacity, draw)
    best.restore()
    ensemble.eval()
    if not bool(best.loss.isfinite().all()):
        raise TrainingError("the loss is not finite: look for extreme values in X and y")
    return _stack(ensemble, rows, held)


@torch.no_grad()
def _stack(ensemble: LogisticEnsemble, rows: Rows, held: Tensor) -> float:
    """Give each kind of members its share; the held-out log-likelihood of their mixture."""
    members = len(held)
    log_prob, weight = rows.log_prob(ensemble, held), rows.weight[held]
    if members < KINDS:
        return float((weight * log_prob).sum() / weight.sum())
    # a member without a pair is not compared
    pairs = log_prob[: members // KINDS * KINDS].unflatten(0, (-1, KINDS)).double()
    weight = weight[: len(pairs) * KINDS : KINDS].double()
    share = torch.full((KINDS,), 1 / KINDS, dtype=torch.float64)
    for _ in range(EM_STEPS):
        posterior = torch.softmax(pairs + share.log()[:, None], 1)
        share = (weight[:, None] * posterior).sum((0, 2)) / weight.sum()
        share = share.clamp(min=1e-6)
    kind = torch.arange(members) % KINDS
    ensemble.log_share.copy_(torch.log(share / kind.bincount())[kind].log_softmax(0))
    mixed = torch.logsumexp(pairs + share.log()[:, None], 1)
    return float((weight * mixed).sum() / weight.sum())


def _folds(rows: int, members: int, draw: torch.Generator) -> tuple[Tensor, Tensor]:
    """Rows to train on and rows held out, (members, count) each, by a random partition.

    As many folds as members, of which each pair of members shares one.
    """
    count = min(members, rows)
    parts = torch.randperm(rows, generator=draw).tensor_split(max(count, 2))
    rest = [torch.cat([*parts[:k], *parts[k + 1 :]]) for k in range(len(parts))]
    order = [k // KINDS % count for k in range(members)]
    # parts differ by one row at most
    return _even([rest[k] for k in order]), _even([parts[k] for k in order])[:, :HELD_OUT]


def _even(indices: list[Tensor]) -> Tensor:
    least = min(map(len, indices))
    return torch.stack([index[:least] for index in indices])


def _train(
    ensemble: LogisticEnsemble,
    rows: Rows,
    kept: Tensor,
    held: Tensor,
    capacity: Capacity,
    draw: torch.Generator,
) -> _Best:
    parameters = list(ensemble.net.parameters())
    # the start knows nothing of x: where x says nothing, no step is better
    best = _Best(parameters, _held_out(ensemble, rows, held))
    optimizer = torch.optim.AdamW(parameters, weight_decay=capacity.weight_decay, fused=True)
    for step, index in enumerate(_batches(kept, capacity, draw)):
        rate = _rate(step, capacity)
        for group in optimizer.param_groups:
            group["lr"] = rate
        ensemble.train()
        optimizer.zero_grad()
        rows.loss(ensemble, index).sum().backward()
        _clip(parameters)
        optimizer.step()
        if (step + 1) % math.ceil(capacity.steps / EVALUATIONS) and step + 1 < capacity.steps:
            continue
        best.update(_held_out(ensemble, rows, held), step)
        if step - best.found > capacity.patience * capacity.steps:
            break
    return best


def _batches(kept: Tensor, capacity: Capacity, draw: torch.Generator) -> Iterator[Tensor]:
    """``steps`` batches (members, size), each member's rows in an order of its own."""
    size = min(capacity.batch_size, kept.shape[1])
    done = 0
    while True:
        order = torch.rand(kept.shape, generator=draw).argsort(1)
        # the rest of an epoch, smaller than a batch, waits for another order
        for index in kept.gather(1, order).split(size, 1):
            if index.shape[1] < size:
                break
            yield index
            done += 1
            if done == capacity.steps:
                return


def _rate(step: int, capacity: Capacity) -> float:
    """Cosine down to 0, after a short warm-up."""
    cosine = 0.5 * (1 + math.cos(math.pi * step / capacity.steps))
    return capacity.lr * cosine * min(1.0, (step + 1) / WARM_UP)


def _clip(parameters: list[nn.Parameter]) -> None:
    """Each member's gradient to a norm of at most ``CLIP``, as if it were alone."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    norm = torch.stack([g.flatten(1).square().sum(1) for g in gradients]).sum(0).sqrt()
    factor = (CLIP / norm.clamp(min=CLIP))[:, None, None]
    for gradient in gradients:
        gradient.mul_(factor)


@torch.no_grad()
def _held_out(ensemble: LogisticEnsemble, rows: Rows, held: Tensor) -> Tensor:
    ensemble.eval()
    return rows.loss(ensemble, held)
