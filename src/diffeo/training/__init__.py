"""Fitting: data checks, the loop, stopping, checkpoints."""

from __future__ import annotations

import math
from typing import Any

import torch

from diffeo.arrays import ArrayLike
from diffeo.training.data import TrainingData, prepare
from diffeo.training.loop import Trainer
from diffeo.training.options import FitOptions, Objective, OnEpoch, Schedule
from diffeo.training.ties import warn_of_ties

__all__ = ["FitOptions", "Objective", "OnEpoch", "Schedule", "fit"]

INITIALIZATION_ROWS = 65_536


def fit(
    model: Any,
    x: ArrayLike,
    context: ArrayLike | None,
    sample_weight: ArrayLike | None,
    validation: Any,
    options: FitOptions,
) -> None:
    """Train ``model`` (a ``Model``) in place and write its ``record``; see ``Model.fit``."""
    data = prepare(model, x, context, sample_weight, validation, options.seed)
    if options.device is not None:
        model.to(options.device)
    if data.train.x.ndim == 2:
        warn_of_ties(data.resolutions, data.columns)
    _initialize(model, data, options)
    model.record = Trainer(model, data, options).run()


def _initialize(model: Any, data: TrainingData, options: FitOptions) -> None:
    """Set the data-dependent layers from training rows, once in a model's life."""
    # evenly spaced: rows may be sorted
    step = math.ceil(len(data.train) / INITIALIZATION_ROWS)
    rows = data.train.take(slice(None, None, step)).to(model.like.device)
    with torch.no_grad():
        model.initialize(rows.x, rows.context, standardize=options.standardize)
