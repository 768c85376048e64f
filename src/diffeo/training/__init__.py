"""Fitting: data checks, the loop, stopping, checkpoints, processes."""

from __future__ import annotations

import json
import math
from typing import Any

import torch

from diffeo.arrays import ArrayLike
from diffeo.training.checkpoint import digest, digest_of_data
from diffeo.training.data import TrainingData, prepare
from diffeo.training.layout import channels_last
from diffeo.training.loop import Trainer
from diffeo.training.options import FitOptions, Objective, OnEpoch, Schedule
from diffeo.training.processes import Processes, joined, local_device
from diffeo.training.ties import warn_of_ties

__all__ = ["FitOptions", "Objective", "OnEpoch", "Schedule", "fit"]

# rows that set the data-dependent layers, and numbers in all of them together
INITIALIZATION_ROWS, INITIALIZATION_NUMBERS = 65_536, 2**22
# rows by which a fitted model judges itself
REVIEWED_ROWS = 64


def fit(
    model: Any,
    x: ArrayLike,
    context: ArrayLike | None,
    sample_weight: ArrayLike | None,
    validation: Any,
    options: FitOptions,
) -> None:
    """Train ``model`` (a ``Model``) in place and write its ``record``; see ``Model.fit``."""
    device = local_device(torch.device(options.device or model.like.device))
    with joined(device) as processes:
        data = prepare(model, x, context, sample_weight, validation, options.seed)
        if options.device is not None:
            model.to(device)
        if device.type == "cuda":
            channels_last(model)
        if data.train.x.ndim == 2 and processes.first:
            warn_of_ties(data.resolutions, data.columns)
        _initialize(model, data, options)
        _start_alike(model, data, options, processes)
        model.record = Trainer(model, data, options, processes).run()
        if processes.first:
            _look_back(model, data)


def _look_back(model: Any, data: TrainingData) -> None:
    """Let the model say what is wrong with it."""
    rows = data.train if data.validation is None else data.validation
    some = rows.take(slice(REVIEWED_ROWS)).to(model.like.device)
    with torch.no_grad():
        model.after_fit(some.x, some.context)


def _initialize(model: Any, data: TrainingData, options: FitOptions) -> None:
    """Set the data-dependent layers from training rows, once in a model's life."""
    # evenly spaced: rows may be sorted
    numbers = max(1, math.prod(data.train.x.shape[1:]))
    most = max(1, min(INITIALIZATION_ROWS, INITIALIZATION_NUMBERS // numbers))
    step = math.ceil(len(data.train) / most)
    rows = data.train.take(slice(None, None, step)).to(model.like.device)
    with torch.no_grad():
        model.initialize(rows.x, rows.context, standardize=options.standardize)


def _start_alike(model: Any, data: TrainingData, options: FitOptions, processes: Processes) -> None:
    """Give all processes the weights and buffers of the first one.

    It comes after ``initialize``, which every process calls because it also adds layers.

    Raises:
        TrainingError: the processes were given different models, data or options.
    """
    if not processes.several:
        return
    tensors = dict((*model.named_parameters(), *model.named_buffers()))
    layers = {name: (str(t.dtype), tuple(t.shape)) for name, t in tensors.items()}
    # of these it matters only whether they are given: then there is something to agree on
    given = [options.max_time is None, options.checkpoint is None]
    processes.check_same(
        {
            "models": digest(json.dumps(layers).encode()),
            "rows": digest_of_data(data),
            "options": digest(json.dumps([options.summary(), given]).encode()),
        }
    )
    processes.broadcast(list(tensors.values()))
