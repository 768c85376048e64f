"""Options of a fit, from the configuration file and the flags."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Options", "read_options"]

# flags that are arguments of Model.fit
_FIT_FLAGS = (
    "seed",
    "epochs",
    "batch_size",
    "lr",
    "patience",
    "validation",
    "max_time",
    "checkpoint",
    "device",
)


@dataclass(frozen=True)
class Options:
    """What the user asks for.

    Attributes:
        model: arguments of the model's constructor.
        fit: arguments of Model.fit, checked.
        schema: types of columns.
    """

    model: dict[str, Any] = field(default_factory=dict)
    fit: dict[str, Any] = field(default_factory=dict)
    schema: dict[str, Any] = field(default_factory=dict)

    @property
    def seed(self) -> int:
        """Of weights and training alike."""
        seed: int = self.fit.get("seed", 0)
        return seed


def read_options(arguments: argparse.Namespace) -> Options:
    """The options of a namespace; flags win over the file.

    Raises:
        DataError: an option that is none, or of the wrong type.
        ValueError: a device that cannot be used here.
    """
    from diffeo.cli.config import checked_fit_options, read_config
    from diffeo.cli.tables.schema_text import kind_of, read_schema

    model, fit, schema = read_config(arguments.config) if arguments.config else ({}, {}, {})
    flags = {name: getattr(arguments, name, None) for name in _FIT_FLAGS}
    fit.update({name: value for name, value in flags.items() if value is not None})
    if arguments.quiet:
        fit["progress"] = False
    options = checked_fit_options(fit)
    if options.get("device") is not None:
        _check_device(options["device"])
    kinds = {name: kind_of(name, kind) for name, kind in schema.items()}
    kinds.update(read_schema(arguments.schema) if arguments.schema else {})
    return Options(model, options, kinds)


def _check_device(name: str) -> None:
    import torch

    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(f"the device {name!r} cannot be used here: {reason}") from error
