"""Several processes that train one model: who they are, their shares of a batch, their exchanges.

Gradients are added up by hand rather than by ``DistributedDataParallel``. That wraps ``forward``,
while an objective may call ``log_prob``, samples or any method of a model; it must be told of
parameters that a step leaves out; and its hooks count gradients as they arrive, once each, while
fused kernels and reversible layers make them in their own order. Whatever way a gradient took, in
the end it is in ``.grad``, and there it is taken from.

Every exchange begins with a few numbers of the same kind, by which each process also says whether
it failed. So one that failed anywhere needs to send these numbers once, and no other one waits.
"""

from __future__ import annotations

import datetime
import functools
import itertools
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from diffeo.errors import TrainingError
from diffeo.training.data import Rows

__all__ = ["Processes", "joined", "local_device"]

# for a process that lives but does not answer; a dead one is noticed at once
TIMEOUT = datetime.timedelta(minutes=10)
# what torchrun sets
RENDEZVOUS = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
# one number for each group that this process made
_FITS = itertools.count()


class _OthersError(TrainingError):
    """What ended this fit is known to the other processes, or they cannot be reached."""


class Processes:
    """The processes of a fit; one process alone exchanges nothing.

    Args:
        rank: number of this one.
        size: number of all.
        device: where tensors are exchanged.
    """

    def __init__(self, rank: int = 0, size: int = 1, device: str | torch.device = "cpu") -> None:
        self.rank = rank
        self.size = size
        self.device = device
        self._interrupted = False

    @property
    def several(self) -> bool:
        """Whether there are others."""
        return self.size > 1

    @property
    def first(self) -> bool:
        """Whether this is the one that writes."""
        return self.rank == 0

    @property
    def stream(self) -> tuple[str | int, ...]:
        """What tells this process's random stream from the first one's."""
        return () if self.first else ("process", self.rank)

    # -- shares ----------------------------------------------------------------------------------

    def share(self, rows: Rows) -> Rows:
        """This process's part of ``rows``; empty where there are fewer rows than processes."""
        start, stop = (len(rows) * r // self.size for r in (self.rank, self.rank + 1))
        return rows if not self.several else rows.take(slice(start, stop))

    def _weight(self, rows: Rows) -> float:
        # means of shares of unequal size, weighted by it, add up to the mean of all rows
        return len(self.share(rows)) / len(rows)

    # -- exchanges -------------------------------------------------------------------------------

    def mean(self, loss: Tensor, rows: Rows) -> Tensor:
        """The loss of all ``rows`` from that of each process's share."""
        if not self.several:
            return loss
        return self._exchange(loss.detach() * self._weight(rows)).to(loss)

    def mean_gradients(self, parameters: Sequence[Tensor], rows: Rows) -> None:
        """Make each ``.grad`` the gradient of the loss of all ``rows``."""
        if not self.several:
            return
        for dtype in dict.fromkeys(p.dtype for p in parameters):
            some = [p for p in parameters if p.dtype == dtype]
            self._mean_gradients(some, self._weight(rows))

    @torch.no_grad()
    def _mean_gradients(self, parameters: Sequence[Tensor], weight: float) -> None:
        parts = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        flat = torch.cat([part.flatten() for part in parts]).mul_(weight)
        # no gradient is not a gradient of zero to every optimiser, and processes may differ in it
        present = flat.new_tensor([float(p.grad is not None) for p in parameters])
        sums = torch.cat([flat, present]).to(self.device)
        with _reaching():
            dist.all_reduce(sums)
        *pieces, counts = sums.to(flat).split([*(p.numel() for p in parts), len(parts)])
        for parameter, part, piece, count in zip(
            parameters, parts, pieces, counts.tolist(), strict=True
        ):
            part.copy_(piece.view_as(part))
            parameter.grad = part if count else None

    def any(self, condition: bool) -> bool:
        """Whether it holds on any process."""
        return (
            bool(self._exchange(torch.tensor(float(condition))) > 0) if self.several else condition
        )

    @torch.no_grad()
    def broadcast(self, tensors: Sequence[Tensor]) -> None:
        """Give ``tensors`` the values that they have on the first process, bit for bit."""
        if not self.several or not tensors:
            return
        self._exchange(torch.tensor(0.0))
        # as bytes, so that one message holds all dtypes
        parts = [
            t.detach().contiguous().flatten().view(torch.uint8).to(self.device) for t in tensors
        ]
        flat = torch.cat(parts)
        with _reaching():
            dist.broadcast(flat, src=0)
        for tensor, piece in zip(tensors, flat.split([len(p) for p in parts]), strict=True):
            # a copy, because a piece may start where its dtype cannot
            values = piece.clone().view(tensor.dtype).view(tensor.shape)
            tensor.copy_(values)

    def check_same(self, marks: Mapping[str, str]) -> None:
        """Raise unless all processes have the same digests, which are hexadecimal.

        Raises:
            TrainingError: naming what differs.
        """
        if not self.several:
            return
        mine = torch.tensor([list(bytes.fromhex(mark)) for mark in marks.values()])
        firsts = mine.clone()
        self.broadcast([firsts])
        differ = [n for n, a, b in zip(marks, mine, firsts, strict=True) if not torch.equal(a, b)]
        if differ:
            raise TrainingError(
                f"fit: process {self.rank} was given other {' and '.join(differ)} than process 0; "
                f"call fit with the same model, rows and options in every process: "
                f"it divides each batch among them itself"
            )

    def interrupt(self) -> None:
        """Tell the others that Ctrl-C was pressed here, unless they said so first."""
        if self.several and not self._interrupted:
            with suppress(KeyboardInterrupt):
                self._exchange(torch.tensor(0.0), interrupted=True)

    @contextmanager
    def ending_together(self) -> Iterator[None]:
        """Inside, an error of one process is an error of all.

        Raises:
            TrainingError: another process failed, or cannot be reached.
        """
        try:
            yield
        except _OthersError:
            raise
        except BaseException:
            if self.several:
                with suppress(_OthersError, KeyboardInterrupt):
                    self._exchange(torch.tensor(0.0), failed=True)
            raise
        if self.several:
            self._exchange(torch.tensor(0.0))

    def _exchange(
        self, value: Tensor, *, failed: bool = False, interrupted: bool = False
    ) -> Tensor:
        """The sum of the values of all processes.

        Raises:
            TrainingError: another process failed, or cannot be reached.
            KeyboardInterrupt: another process was interrupted.
        """
        states = [float(failed), float(failed and self.rank), float(interrupted), 0.0]
        sums = torch.tensor(states, dtype=torch.float64, device=self.device)
        sums[-1] = value
        with _reaching():
            dist.all_reduce(sums)
        failures, rank, interruptions, total = sums.tolist()
        if failures and not failed:
            who = f"process {rank:.0f}" if failures == 1 else f"{failures:.0f} processes"
            raise _OthersError(
                f"fit: {who} of the {self.size} that train together ended with an error, "
                f"which it printed; so process {self.rank} ends too"
            )
        if interruptions:
            self._interrupted = True
            raise KeyboardInterrupt
        return sums.new_tensor(total)


@contextmanager
def joined(device: torch.device) -> Iterator[Processes]:
    """The processes that fit together: those of torch.distributed, or those of torchrun.

    A process group that it makes itself lives as long as the context.

    Args:
        device: where the model is trained.

    Raises:
        TrainingError: the others cannot be reached, or one of them failed inside.
    """
    hook = sys.excepthook
    mine = _joins(device)
    try:
        processes = _here(device)
        with processes.ending_together():
            yield processes
    finally:
        if mine:
            dist.destroy_process_group()
            # torch wraps it at every start of a group
            sys.excepthook = hook


def local_device(device: torch.device) -> torch.device:
    """``device``, where "cuda" is each process's own one."""
    if device.type == "cuda" and device.index is None and "LOCAL_RANK" in os.environ:
        count = max(1, torch.cuda.device_count())
        return torch.device("cuda", int(os.environ["LOCAL_RANK"]) % count)
    return device


def _joins(device: torch.device) -> bool:
    """Whether a process group had to be made; there is none for one process."""
    if not dist.is_available() or dist.is_initialized():
        return False
    if not all(name in os.environ for name in RENDEZVOUS) or os.environ["WORLD_SIZE"] == "1":
        return False
    backend = "nccl" if device.type == "cuda" else "gloo"
    with _reaching():
        store, rank, size = _meeting_point()
        # addresses of an earlier fit must not be taken for those of this one
        store = dist.PrefixStore(f"diffeo/{next(_FITS)}", store)  # type: ignore[attr-defined]
        dist.init_process_group(backend, timeout=TIMEOUT, rank=rank, world_size=size, store=store)
    return True


@functools.cache
def _meeting_point() -> tuple[Any, int, int]:
    """Where the processes of torchrun find one another, this one's number and that of all."""
    found: tuple[Any, int, int] = next(
        dist.rendezvous("env://", timeout=TIMEOUT)  # type: ignore[attr-defined]
    )
    return found


def _here(device: torch.device) -> Processes:
    if not dist.is_available() or not dist.is_initialized() or dist.get_world_size() == 1:
        return Processes()
    backends = dist.get_backend_config()
    if device.type == "cuda" and "cuda:nccl" in backends:
        exchange = device
    elif "cpu:" in backends:
        exchange = torch.device("cpu")
    else:
        raise TrainingError(
            f"fit: the process group ({backends}) cannot exchange tensors of a model on {device}; "
            f"train on CUDA with device='cuda', or make a process group of gloo"
        )
    return Processes(dist.get_rank(), dist.get_world_size(), exchange)


@contextmanager
def _reaching() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        reason = str(error).strip().partition("\n")[0]
        raise _OthersError(
            f"fit: the other processes cannot be reached ({reason}); one of them ended or did not "
            f"answer for {TIMEOUT}, and what it printed says why"
        ) from error
