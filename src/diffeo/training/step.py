"""One step of training: loss, gradient, clipping, update."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from diffeo.density import Density
from diffeo.errors import TrainingError
from diffeo.training.data import Rows
from diffeo.training.options import FitOptions
from diffeo.training.processes import Processes

__all__ = ["NotFiniteError", "Step"]


class NotFiniteError(Exception):
    """A loss or gradient is not finite at some batch."""

    def __init__(self, batch: Rows) -> None:
        super().__init__()
        self.batch = batch


class Step:
    """What happens to a model on one batch.

    It waits for the device once, where loss and norm of the gradient are read together; several
    processes wait once more, for one another.

    Args:
        model: what to train, on its device.
        options: how.
        processes: those that share each batch.

    Raises:
        TrainingError: the model has nothing to train.
        ValueError: a precision that the model's dtype does not have.
    """

    def __init__(self, model: Density, options: FitOptions, processes: Processes) -> None:
        self.model = model
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        if not self.parameters:
            raise TrainingError(f"{type(model).__name__} has no parameters to train")
        like = model.like
        if options.precision is not None and like.dtype != torch.float32:
            raise ValueError(
                f"fit: precision={options.precision!r} is for models of float32, "
                f"this one is {like.dtype}"
            )
        self.device = like.device
        self.processes = processes
        self.objective = options.objective
        self.half = options.precision is not None
        self.clip = math.inf if options.clip is None else options.clip
        self.optimizer = options.optimizer(self.parameters, lr=options.lr)

    def __call__(self, batch: Rows, lr: float) -> float:
        """Update the weights and return the loss before.

        Raises:
            NotFiniteError: loss or gradient are not finite; the weights are as before.
            TrainingError: the objective gives no scalar to train on.
        """
        # as zero_grad does, which records itself for the profiler
        for parameter in self.parameters:
            parameter.grad = None
        loss = self.processes.mean(self._descend(self.processes.share(batch)), batch)
        self.processes.mean_gradients(self.parameters, batch)
        value = self._clipped(loss, batch)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        self.optimizer.step()
        return value

    def _descend(self, rows: Rows) -> Tensor:
        """The loss of ``rows``, with its gradients taken."""
        if not len(rows):
            return rows.x.new_zeros(())
        with self._precision():
            loss = self.objective(self.model, rows.x, rows.context, rows.weight)
        if not isinstance(loss, Tensor) or loss.ndim or not loss.requires_grad:
            raise TrainingError(
                "the objective must return a scalar tensor that depends on the parameters, "
                f"got {loss!r}"
            )
        loss.backward()
        return loss

    def _precision(self) -> AbstractContextManager[object]:
        return torch.autocast(self.device.type, torch.bfloat16) if self.half else nullcontext()

    def _clipped(self, loss: Tensor, batch: Rows) -> float:
        """The loss, with gradients of a norm of at most ``clip``."""
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        norms = torch._foreach_norm(gradients) if gradients else [torch.zeros_like(loss)]
        norm = torch.linalg.vector_norm(torch.stack(norms))
        value, length = torch.stack((loss.detach(), norm)).tolist()
        if not math.isfinite(value):
            # what it left in the gradients is not their fault
            for parameter in self.parameters:
                parameter.grad = None
            raise NotFiniteError(batch)
        if not math.isfinite(length):
            raise NotFiniteError(batch)
        factor = self.clip / (length + 1e-6)
        if factor < 1:
            torch._foreach_mul_(gradients, factor)
        return value
