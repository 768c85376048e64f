"""Training of conditional mixtures, and the full conditionals that they give."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from diffeo.tabular.anomaly.network import ConditionalMixtures

__all__ = ["Training", "fit_mixtures", "full_conditionals"]

# sets of columns that are hidden together, at most: one pass of the network for each
PASSES = 64
ROWS = 8192


@dataclass(frozen=True)
class Training:
    """How one network is trained.

    Attributes:
        bandwidth: standard deviation of the noise on each value, drawn anew at each step.
        steps: of the optimiser.
        rows: of a batch.
        lr: largest learning rate.
        decay: weight decay.
        clip: largest norm of the gradient.
    """

    bandwidth: float
    steps: int
    rows: int = 256
    lr: float = 2e-3
    decay: float = 1e-4
    clip: float = 1.0


def fit_mixtures(x: Tensor, owner: Tensor, training: Training, seed: int) -> ConditionalMixtures:
    """A network trained to give each hidden column of noisy rows, whichever are hidden.

    At each step and row a number of columns, from one to all, is hidden at random; the loss is the
    mean of -log p over them.

    Args:
        x: (rows, D), NaN for holes, which are always hidden and never part of the loss.
        owner: (D,), numbers 0, 1, ...; columns of one owner are hidden together.
        training: how.
        seed: of weights, batches, noise and hidden columns.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = ConditionalMixtures(x.shape[1])
    optimizer = torch.optim.AdamW(
        network.parameters(), training.lr, weight_decay=training.decay, fused=True
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, training.lr, total_steps=training.steps, pct_start=0.1
    )
    for _ in range(training.steps):
        batch = x[torch.randint(len(x), (training.rows,), generator=generator)]
        noise = torch.randn(batch.shape, generator=generator)
        loss = _loss(network, batch + training.bandwidth * noise, owner, generator)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), training.clip)
        optimizer.step()
        schedule.step()
    return network.eval()


def _loss(
    network: ConditionalMixtures, x: Tensor, owner: Tensor, generator: torch.Generator
) -> Tensor:
    hidden = _hidden(len(x), owner, generator)
    there = ~x.isnan()
    # wide tables: a part of the columns a step tells enough
    columns = torch.randperm(x.shape[1], generator=generator)[:PASSES]
    log_prob = network(x.nan_to_num(), (there & ~hidden).to(x.dtype), columns)
    counted = (there & hidden)[:, columns].to(x.dtype)
    each = (log_prob * counted).sum(1) / counted.sum(1).clamp(min=1)
    return -each.mean()


def _hidden(rows: int, owner: Tensor, generator: torch.Generator) -> Tensor:
    """Which columns are hidden, (rows, D): in each row a random number of owners, at least one."""
    owners = int(owner.max()) + 1
    seen = torch.randint(owners, (rows, 1), generator=generator)
    draw = torch.rand((rows, owners), generator=generator)
    return (draw >= draw.sort(1).values.gather(1, seen))[:, owner]


@torch.no_grad()
def full_conditionals(network: ConditionalMixtures, x: Tensor, owner: Tensor) -> Tensor:
    """log p(x_i | all columns of other owners), (rows, D); 0 in holes.

    In tables of more than 64 owners, sets of columns are hidden together.

    Args:
        network: a trained one.
        x: (rows, D), NaN for holes.
        owner: (D,), as in training.
    """
    there = ~x.isnan()
    filled, marks = x.nan_to_num(), there.to(x.dtype)
    log_prob = torch.zeros_like(filled)
    for group in torch.arange(int(owner.max()) + 1).tensor_split(PASSES):
        columns = torch.isin(owner, group).nonzero()[:, 0]
        if not len(columns):
            continue
        seen = torch.ones(x.shape[1])
        seen[columns] = 0.0
        for start in range(0, len(x), ROWS):
            part = slice(start, start + ROWS)
            found = network(filled[part], marks[part] * seen, columns)
            log_prob[part, columns] = found
    return torch.where(there, log_prob, 0.0)
