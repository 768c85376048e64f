"""The fit loop."""

from __future__ import annotations

import math
import platform
import time
import warnings
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor

from diffeo.density import Density
from diffeo.errors import DataWarning, TrainingError
from diffeo.training.blame import blame
from diffeo.training.checkpoint import Checkpoint, fingerprint
from diffeo.training.compiling import CompileError, compiled_layers, worth_compiling
from diffeo.training.data import Rows, TrainingData
from diffeo.training.feeding import Feed
from diffeo.training.options import FitOptions
from diffeo.training.processes import Processes
from diffeo.training.progress import Progress
from diffeo.training.seeds import generator, seeded
from diffeo.training.step import NotFiniteError, Step
from diffeo.training.ties import jitter
from diffeo.version import __version__

__all__ = ["Trainer"]

MAX_ROLLBACKS = 5
CHECKPOINT_SECONDS = 2.0
VALIDATION_ROWS = 8192


class Trainer:
    """Trains a density on checked data; every draw depends on the seed and the epoch alone.

    Args:
        model: what to train, on its device.
        data: what to train on.
        options: how.
        processes: those that train together, with the same model, data and options.
    """

    def __init__(
        self, model: Density, data: TrainingData, options: FitOptions, processes: Processes
    ) -> None:
        self.model = model
        self.data = data
        self.options = options
        self.device = model.like.device
        self.processes = processes
        self.step = Step(model, options, processes)
        self.train = Feed(data.train, self.device)
        self.batches = math.ceil(len(self.train) / options.batch_size)
        self.compiles = worth_compiling(options.compile, self.device, options.epochs * self.batches)
        self.validation = self._fixed_validation()
        self.ema = self._weights() if options.ema else None
        # what a checkpoint holds besides weights and optimiser
        self.epoch = 0
        self.best: dict[str, Tensor] = self._weights()
        self.best_loss = math.inf
        self.best_epoch = 0
        self.lr_factor = 1.0
        self.rollbacks = 0
        self.history: list[dict[str, Any]] = []
        self.stopped = ""

    # -- one run ---------------------------------------------------------------------------------

    def run(self) -> dict[str, Any]:
        """Train until a stop, load the best weights and return the record.

        Raises:
            TrainingError: the loss stays non-finite after several rollbacks.
        """
        start = time.monotonic()
        checkpoint = self._open_checkpoint()
        written = time.monotonic()
        shown = self.options.progress and self.processes.first
        with Progress(self.options.epochs, self.epoch, shown) as progress:
            try:
                while not self.stopped:
                    self._epoch(start)
                    last = self.history[-1]
                    progress.epoch(last["train"], last["validation"], self.best_loss)
                    if self.options.on_epoch is not None and self.processes.first:
                        self.options.on_epoch(self.epoch, last["train"], last["validation"])
                    if checkpoint and (
                        self.stopped or time.monotonic() - written > CHECKPOINT_SECONDS
                    ):
                        checkpoint.write(self._state())
                        written = time.monotonic()
            except KeyboardInterrupt:
                self.stopped = "interrupted"
                self.processes.interrupt()
            finally:
                # also after an error: the model must not keep the weights that led to it
                self.model.load_state_dict(self.best)
                self.model.eval()
        self._warn_of_interruption()
        return self._record(time.monotonic() - start)

    def _warn_of_interruption(self) -> None:
        if self.stopped == "interrupted":
            warnings.warn(
                f"interrupted in epoch {self.epoch + 1}; the best weights so far are kept "
                f"(epoch {self.best_epoch})",
                DataWarning,
                stacklevel=5,
            )

    def _open_checkpoint(self) -> Checkpoint | None:
        if self.options.checkpoint is None:
            return None
        marks = fingerprint(self.model, self.data, self.options.summary())
        checkpoint = Checkpoint(self.options.checkpoint, marks)
        state = checkpoint.read()
        if state is not None:
            self._resume(state)
            # a time budget ended the earlier run, not the training
            self.stopped = "" if self.stopped == "max_time" else self.stopped
        self._check_resumed()
        return checkpoint if self.processes.first else None

    def _check_resumed(self) -> None:
        """Raise where processes do not resume from the same checkpoint."""
        epoch = torch.tensor([self.epoch])
        self.processes.broadcast([epoch])
        if int(epoch) != self.epoch:
            raise TrainingError(
                f"process 0 resumes after epoch {int(epoch)} and process {self.processes.rank} "
                f"after {self.epoch}; checkpoint= must be a folder that all processes see"
            )

    # -- one epoch -------------------------------------------------------------------------------

    def _epoch(self, start: float) -> None:
        snapshot = self._state()
        try:
            train_loss = self._train_epoch(start)
            validation_loss = self._validate()
        except NotFiniteError as error:
            self._roll_back(snapshot, error.batch)
            return self._epoch(start)
        except CompileError as error:
            # of several processes, the others would not start the epoch again
            if self.options.compile != "auto" or self.processes.several:
                raise
            warnings.warn(f"{error}; going on without", DataWarning, stacklevel=6)
            self.compiles = False
            self._resume(snapshot)
            return self._epoch(start)
        self.epoch += 1
        watched = train_loss if validation_loss is None else validation_loss
        # without validation rows there is nothing to choose by: the last weights are kept
        if self.validation is None or watched < self.best_loss:
            self.best = self._weights() if self.ema is None else _copy(self.ema)
            self.best_loss, self.best_epoch = watched, self.epoch
        self.history.append(
            {"epoch": self.epoch, "train": train_loss, "validation": validation_loss}
        )
        self._decide()
        return None

    def _decide(self) -> None:
        patience = self.options.patience
        if self.stopped:
            return
        if self.epoch >= self.options.epochs:
            self.stopped = "epochs"
        elif (
            patience is not None
            and self.validation is not None
            and self.epoch - self.best_epoch >= patience
        ):
            self.stopped = "patience"

    def _train_epoch(self, start: float) -> float:
        self.model.train()
        total, rows = 0.0, 0
        compiled = compiled_layers(self.model) if self.compiles else nullcontext()
        # a user's objective may draw from the global generator: seed it, and give it back after
        draws = ("objective", self.epoch, *self.processes.stream)
        with seeded(self.device, self.options.seed, *draws), compiled:
            for index, batch in enumerate(self._batches()):
                done = (self.epoch + index / self.batches) / self.options.epochs
                lr = self.options.lr_at(done) * self.lr_factor
                total += self.step(batch, lr) * len(batch)
                self._update_ema()
                rows += len(batch)
                if self._out_of_time(start):
                    self.stopped = "max_time"
                    break
        # layers that keep statistics of batches saw other rows in every process
        self.processes.broadcast([*self.model.buffers(), *(self.ema or {}).values()])
        return total / rows

    def _out_of_time(self, start: float) -> bool:
        limit = self.options.max_time
        return limit is not None and self.processes.any(time.monotonic() - start >= limit)

    def _batches(self) -> Iterator[Rows]:
        draw = generator(self.options.seed, "epoch", self.epoch)
        feed = self._jittered(self.train, draw)
        order = torch.randperm(len(feed), generator=draw).to(feed.rows.x.device)
        for index in order.split(self.options.batch_size):
            yield feed.take(index)

    # -- validation ------------------------------------------------------------------------------

    def _fixed_validation(self) -> Feed | None:
        """Validation rows, with the noise of tied columns drawn once."""
        if self.data.validation is None:
            return None
        draw = generator(self.options.seed, "validation")
        return self._jittered(Feed(self.data.validation, self.device), draw)

    def _jittered(self, feed: Feed, draw: torch.Generator) -> Feed:
        if not bool((self.data.resolutions > 0).any()):
            return feed
        rows = feed.rows
        noisy = jitter(rows.x, self.data.resolutions.to(rows.x.device), self.model.support, draw)
        return Feed(Rows(noisy, rows.context, rows.weight), self.device)

    def _validate(self) -> float | None:
        """Mean objective over the validation rows, with averaged weights where they are kept."""
        if self.validation is None:
            return None
        self.model.eval()
        trained = self._weights() if self.ema else None
        if self.ema is not None:
            self.model.load_state_dict(self.ema)
        total = 0.0
        draws = ("objective", "validation", *self.processes.stream)
        with torch.no_grad(), seeded(self.device, self.options.seed, *draws):
            for start in range(0, len(self.validation), VALIDATION_ROWS):
                rows = self.validation.take(slice(start, start + VALIDATION_ROWS))
                # without compiled layers, which would be compiled again for use without gradients
                loss = float(self.processes.mean(self._loss(self.processes.share(rows)), rows))
                if not math.isfinite(loss):
                    raise NotFiniteError(rows)
                total += loss * len(rows)
        if trained is not None:
            self.model.load_state_dict(trained)
        return total / len(self.validation)

    def _loss(self, rows: Rows) -> Tensor:
        if not len(rows):
            return rows.x.new_zeros(())
        loss = self.options.objective(self.model, rows.x, rows.context, rows.weight)
        return torch.as_tensor(loss)

    # -- state -----------------------------------------------------------------------------------

    def _weights(self) -> dict[str, Tensor]:
        return _copy(self.model.state_dict())

    def _update_ema(self) -> None:
        if self.ema is None or self.options.ema is None:
            return
        current = self.model.state_dict()
        names = [name for name, average in self.ema.items() if average.is_floating_point()]
        torch._foreach_lerp_(
            [self.ema[name] for name in names],
            [current[name] for name in names],
            1 - self.options.ema,
        )

    def _state(self) -> dict[str, Any]:
        """Everything that decides the rest of the run, in copies."""
        return {
            "model": self._weights(),
            "optimizer": _copy(self.step.optimizer.state_dict()),
            "ema": None if self.ema is None else _copy(self.ema),
            "best": self.best,
            "best_loss": self.best_loss,
            "best_epoch": self.best_epoch,
            "epoch": self.epoch,
            "lr_factor": self.lr_factor,
            "rollbacks": self.rollbacks,
            "history": list(self.history),
            "stopped": self.stopped,
        }

    def _resume(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.step.optimizer.load_state_dict(state["optimizer"])
        self.ema = _copy(state["ema"], self.device) if state["ema"] else None
        self.best = _copy(state["best"], self.device)
        for name in ("best_loss", "best_epoch", "epoch", "lr_factor", "rollbacks", "stopped"):
            setattr(self, name, state[name])
        self.history = list(state["history"])

    def _roll_back(self, snapshot: dict[str, Any], batch: Rows) -> None:
        """Return to the start of the epoch with half the learning rate.

        Raises:
            TrainingError: after too many times.
        """
        if self.rollbacks >= MAX_ROLLBACKS:
            fault = blame(self.model, batch.x, batch.context)
            raise TrainingError(
                f"the loss is not finite in epoch {self.epoch + 1}, also after {self.rollbacks} "
                f"returns to the last good weights with a smaller step: {fault}; "
                f"look for extreme values in the data, or try a smaller lr"
            )
        rollbacks, factor = self.rollbacks + 1, self.lr_factor / 2
        self._resume(snapshot)
        self.rollbacks, self.lr_factor = rollbacks, factor

    def _record(self, seconds: float) -> dict[str, Any]:
        return {
            "data": self.data.summary(),
            "options": self.options.summary(),
            "history": self.history,
            "best_epoch": self.best_epoch,
            "best_loss": self.best_loss,
            "stopped": self.stopped,
            "rollbacks": self.rollbacks,
            "seconds": round(seconds, 3),
            "versions": {
                "diffeo": __version__,
                "torch": torch.__version__,
                "python": platform.python_version(),
            },
        }


def _copy(value: Any, device: torch.device | None = None) -> Any:
    """A copy of a state tree that later training does not change."""
    if isinstance(value, Tensor):
        return value.detach().clone() if device is None else value.detach().to(device, copy=True)
    if isinstance(value, dict):
        return {k: _copy(v, device) for k, v in value.items()}
    if isinstance(value, list):
        return [_copy(v, device) for v in value]
    return value
