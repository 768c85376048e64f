"""What a PyTorch contestant is asked to do, as functions without arguments."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import torch
from peers.contestant import TorchContestant, log_normal
from torch import Tensor

from timing.cases import Work
from timing.target import energy

__all__ = ["torch_step"]

LEARNING_RATE = 1e-4  # costs the same as any other, and keeps the flows tame
BATCHES = 16


def torch_step(
    flow: TorchContestant, work: Work, features: int, *, compiled: bool, device: str
) -> Callable[[], None]:
    """The work as a function that returns when it is done."""
    batches = _batches(work.rows, features, device)
    make = _updates if work.step in ("train", "reverse KL") else _evaluations
    step = make(flow, work, batches, compiled)
    if device == "cpu":
        return step

    def synchronised() -> None:
        step()
        torch.cuda.synchronize()

    return synchronised


def _updates(
    flow: TorchContestant, work: Work, batches: Iterator[Tensor], compiled: bool
) -> Callable[[], None]:
    flow.module.train()
    parameters = [p for p in flow.module.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(parameters, lr=LEARNING_RATE, fused=True)

    def likelihood(x: Tensor) -> Tensor:
        return -flow.log_prob(x).mean()

    def reverse_kl(z: Tensor) -> Tensor:
        x, ladj = flow.to_data(z)
        return (log_normal(z) - ladj + energy(x, torch)).mean()

    loss = likelihood if work.step == "train" else reverse_kl
    if compiled:
        loss = torch.compile(loss, dynamic=False)

    def step() -> None:
        optimizer.zero_grad()
        loss(next(batches)).backward()
        optimizer.step()

    return step


def _evaluations(
    flow: TorchContestant, work: Work, batches: Iterator[Tensor], compiled: bool
) -> Callable[[], None]:
    flow.module.eval()
    function = flow.log_prob if work.step == "log_prob" else flow.sample
    if compiled:
        function = torch.compile(function, dynamic=False)

    @torch.no_grad()
    def step() -> None:
        function(next(batches))

    return step


def _batches(rows: int, features: int, device: str) -> Iterator[Tensor]:
    """Standard normal rows: data and noise alike; the same for everybody."""
    generator = torch.Generator().manual_seed(rows)
    each = [torch.randn(rows, features, generator=generator).to(device) for _ in range(BATCHES)]
    return itertools.cycle(each)
