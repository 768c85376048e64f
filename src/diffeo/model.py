"""What Flow, Mixture and Ensemble share: fit, save, load and the view as a torch distribution."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, ClassVar, Literal, TypeVar

import torch
from torch import Tensor

from diffeo import storage, training
from diffeo.arrays import ArrayLike, in_order
from diffeo.density import Density
from diffeo.described import Described
from diffeo.distribution import DensityDistribution
from diffeo.errors import ModelFileError
from diffeo.objectives import negative_log_likelihood

__all__ = ["Model", "load"]

Self = TypeVar("Self", bound="Model")


class Model(Density):
    """A density that can be fitted, saved and loaded.

    Attributes:
        record: what ``fit`` wrote down (a JSON object): columns, data summary, options, history,
            versions. Empty before.
        loss_name: what ``fit`` minimises by default: "nll", in nats an event, unless the class is
            trained otherwise.
    """

    loss_name: ClassVar[str] = "nll"

    def __init__(self, event_shape: tuple[int, ...], context: int = 0) -> None:
        super().__init__(event_shape, context)
        self.record: dict[str, Any] = {}

    @abstractmethod
    def initialize(
        self, x: Tensor, context: Tensor | None = None, *, standardize: bool = True
    ) -> None:
        """Set the data-dependent layers (Standardize, ActNorm) from a batch, each once in its life.

        Args:
            x: (rows, *event_shape).
            context: (rows, context).
            standardize: whether Standardize layers take part; without them, data enter as they are.
        """

    def training_objective(self) -> training.Objective:
        """What ``fit`` minimises unless it is given an objective."""
        return negative_log_likelihood

    def after_fit(self, x: Tensor, context: Tensor | None = None) -> None:
        """Called at the end of ``fit``, to warn of what such a model may suffer from.

        Args:
            x: (rows, *event_shape), some of the rows held out, or else trained on.
            context: (rows, context).
        """

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write weights, description and record to one .safetensors file, atomically.

        Raises:
            ModelFileError: parts were exchanged in a way that a file cannot describe.
            OSError: the file cannot be written; then nothing is left behind.
        """
        content = storage.describe_model(self)
        storage.write(path, self.state_dict(), {**content, "record": self.record})

    def distribution(self, context: Tensor | None = None) -> DensityDistribution:
        """This density, at ``context`` (*context_batch, context), as a torch distribution.

        Raises:
            ContextError: a missing context, or one of another width.
        """
        return DensityDistribution(self, context)

    def fit(
        self: Self,
        X: ArrayLike,
        *,
        context: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        validation: Any = 0.1,
        epochs: int = 200,
        patience: int | None = 30,
        batch_size: int = 256,
        lr: float = 1e-3,
        seed: int = 0,
        device: str | torch.device | None = None,
        objective: training.Objective | None = None,
        optimizer: Callable[..., torch.optim.Optimizer] | None = None,
        schedule: training.Schedule = "cosine",
        clip: float | None = 5.0,
        ema: float | None = None,
        standardize: bool = True,
        checkpoint: str | os.PathLike[str] | None = None,
        max_time: float | None = None,
        compile: bool | Literal["auto"] = "auto",  # noqa: A002  torch's own word for it
        precision: Literal["bfloat16"] | None = None,
        progress: bool = True,
        on_epoch: training.OnEpoch | None = None,
    ) -> Self:
        """Fit to data, by maximum likelihood unless another objective is given.

        The loss is a mean negative log-likelihood in nats an event; below 0 is normal, because
        densities may exceed 1. A second call goes on from the weights of the first.

        Called in every process of a script that ``torchrun`` starts, or wherever a process group of
        ``torch.distributed`` is initialised, it trains one model on all of them, by gloo on the CPU
        and by nccl on CUDA: each process takes its share of every batch, the first one's initial
        weights serve all, and all end with the same model. Give every process the same model, data
        and options. For an objective that is a mean over rows and draws nothing the result is that
        of one process, up to rounding (``BatchNorm`` takes statistics of shares). The first process
        alone writes checkpoints, shows progress and calls ``on_epoch``; an error of one process
        ends the fit in all.

        Args:
            X: (rows, *event_shape): numpy, torch, pandas or polars, of any numeric dtype. The
                columns of a frame are remembered.
            context: (rows, context), for a conditional model.
            sample_weight: (rows,), finite and >= 0; only their ratios count.
            validation: share of the rows to hold out, or the rows themselves (X or (X, context)),
                or None for no validation (then the last weights are kept, not the best).
            epochs: passes over the data at most.
            patience: stop after so many epochs without a better validation loss; None never does.
            batch_size: rows a step.
            lr: learning rate at the start of the schedule.
            seed: decides split, order and noise; the same seed gives the same result on the same
                machine and number of threads. Initial weights come from the model's own ``seed``.
            device: where to train; by default where the model is.
            objective: ``objective(model, x, context, weight)`` -> scalar to minimise; by default
                the negative log-likelihood (``training_objective``).
            optimizer: called as ``optimizer(parameters, lr=lr)``; by default Adam.
            schedule: "cosine" (down to 0 over all epochs), "constant", or a function from the share
                of steps done, in [0, 1], to a factor of ``lr``.
            clip: largest norm of the gradient; None for no clipping.
            ema: decay of a moving average of the weights, e.g. 0.999; then the averaged weights are
                the ones validated and kept.
            standardize: bring the data to mean 0 and variance 1 by an affine layer inside the model
                (after supports are mapped to the reals); its log-determinant counts.
            checkpoint: folder for checkpoints; if it holds one of the same run, training resumes
                from it, to the same weights as an uninterrupted run.
            max_time: seconds after which to stop.
            compile: True compiles the layers for the training steps with ``torch.compile``; layers
                of one class and shape share their code, which is kept on disk for the next process.
                Compiling takes seconds to minutes. On the CPU it pays only in long fits, and not
                where native kernels run the layers; on CUDA it is untested. "auto" is False on the
                CPU, and True on CUDA for fits of at least 20,000 steps, unless compiling fails.
            precision: "bfloat16" trains under ``torch.autocast``: the conditioners' inner layers
                work in bfloat16; univariates, log-determinants and densities stay in float32, as
                do weights and validation. None for the model's own dtype throughout.
            progress: show a bar with losses and time left (needs tqdm, in ``diffeo[cli]``).
            on_epoch: called after each epoch with its number from 1, its training loss and its
                validation loss or None; an error that it raises ends the fit.

        Returns:
            The model itself, with the best weights, in evaluation mode.

        Raises:
            DataError: data that cannot be used; row and column are named.
            ShapeError, ContextError: X or context of the wrong shape.
            ModelFileError: ``checkpoint`` holds a run of other data or another configuration.
            TrainingError: the loss stays non-finite, and the layer at fault is named;
                ``compile=True`` where ``torch.compile`` cannot work; or of several processes,
                another one failed, or was given another model, other data or options.
            ValueError: an option out of range, or ``precision`` for a model not of float32.

        Warns:
            DataWarning: columns with many ties get uniform noise of their resolution in training;
                the fit was interrupted (Ctrl-C), and the best weights so far are kept; or
                ``compile="auto"`` goes on without compiling.
        """
        options = training.FitOptions(
            epochs=epochs,
            patience=patience,
            batch_size=batch_size,
            lr=lr,
            seed=seed,
            device=device,
            objective=objective or self.training_objective(),
            optimizer=optimizer or partial(torch.optim.Adam, fused=True),
            schedule=schedule,
            clip=clip,
            ema=ema,
            standardize=standardize,
            checkpoint=checkpoint,
            max_time=max_time,
            compile=compile,
            precision=precision,
            progress=progress,
            on_epoch=on_epoch,
        )
        rows = in_order(X, self._columns("columns"), "X")
        context = in_order(context, self._columns("context_columns"), "context")
        training.fit(self, rows, context, sample_weight, validation, options)
        return self

    def _check_x(self, x: ArrayLike) -> Tensor:
        return super()._check_x(in_order(x, self._columns("columns"), "x"))

    def _check_context(self, context: ArrayLike | None) -> Tensor | None:
        if context is not None:
            context = in_order(context, self._columns("context_columns"), "context")
        return super()._check_context(context)

    def _columns(self, kind: str) -> list[str]:
        columns: list[str] = self.record.get("data", {}).get(kind, [])
        return columns


def load(
    path: str | os.PathLike[str],
    *,
    classes: Iterable[type[Described]] = (),
    parts: Mapping[str, Any] | None = None,
    device: str | None = None,
) -> Model:
    """Read a model that ``save`` wrote. Nothing is unpickled and nothing is imported.

    Args:
        path: the .safetensors file.
        classes: classes of your own that the model is built of.
        parts: networks and callables of your own, by the path that ``load`` names when one is
            missing.
        device: where to put the model; by default the CPU.

    Raises:
        FileNotFoundError: no such file.
        ModelFileError: the file is truncated, foreign, or needs classes or parts not given.

    Example:
        >>> import diffeo, os, tempfile
        >>> path = os.path.join(tempfile.mkdtemp(), "m.safetensors")
        >>> diffeo.NSF(features=2).save(path)
        >>> diffeo.load(path).event_shape
        (2,)
    """
    tensors, content = storage.read(path)
    if "model" not in content and "posterior" in content:
        raise ModelFileError(
            f"{path} holds a posterior, not a model: read it with diffeo.inference.Posterior.load"
        )
    model = storage.build_model(path, tensors, content, classes, parts)
    if not isinstance(model, Model):
        raise ModelFileError(f"{path} describes a {type(model).__name__}, not a model")
    record = content.get("record", {})
    model.record = record if isinstance(record, dict) else {}
    model.eval()
    return model if device is None else model.to(device)
