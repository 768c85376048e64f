"""`diffeo fit`: a density from a table."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from diffeo.cli.arguments import Subparsers, add_output, add_subcommand, count, names, seed
from diffeo.models import MODEL_NAMES

if TYPE_CHECKING:
    from diffeo.cli.matching import Matched
    from diffeo.model import Model
    from diffeo.tabular import Table

__all__ = ["add_to"]

_INTERRUPTED = 130
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


def add_to(subparsers: Subparsers) -> None:
    """Add the subcommand."""
    parser = add_subcommand(subparsers, "fit", "fit a density to a table and save it", _run)
    parser.add_argument("data", metavar="DATA", help="a CSV, Parquet, .npy or .npz table")
    add_output(parser, "model file to write (.safetensors)")
    parser.add_argument(
        "--model", default="nsf", metavar="NAME", help=f"{', '.join(MODEL_NAMES)} (nsf)"
    )
    parser.add_argument(
        "--columns", type=names, metavar="A,B,..", help="columns to model (all but the context)"
    )
    parser.add_argument(
        "--context", type=names, metavar="D,E,..", help="columns that the density is conditional on"
    )
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="TOML or JSON with the tables 'model' (layers, hidden, bins, supports, ...) and 'fit' "
        "(arguments of Model.fit); flags win over it",
    )
    _add_fit_flags(parser)
    parser.add_argument("--quiet", action="store_true", help="no progress bar and no summary")


def _add_fit_flags(parser: argparse.ArgumentParser) -> None:
    """Flags without defaults: those of Model.fit hold where neither flag nor file says more."""
    parser.add_argument("--seed", type=seed, metavar="N", help="same seed, same model (0)")
    parser.add_argument("--epochs", type=count, metavar="N", help="passes over the data at most")
    parser.add_argument("--batch-size", type=count, metavar="N", help="rows a step")
    parser.add_argument("--lr", type=float, metavar="X", help="learning rate at the start")
    parser.add_argument(
        "--patience",
        type=_or_none(count),
        metavar="N",
        help="epochs without a better validation loss before stopping, or 'none'",
    )
    parser.add_argument(
        "--validation",
        type=_or_none(float),
        metavar="SHARE",
        help="share of the rows to hold out, or 'none'",
    )
    parser.add_argument("--max-time", type=float, metavar="S", help="seconds after which to stop")
    parser.add_argument(
        "--checkpoint", metavar="DIR", help="folder for checkpoints; the same run resumes from it"
    )
    parser.add_argument("--device", metavar="NAME", help="cpu, cuda, mps, ...")


def _or_none(read: Any) -> Any:
    def read_or_none(text: str) -> Any:
        # "none" passes as text, because None means that the flag was not given
        return text if text == "none" else read(text)

    read_or_none.__name__ = f"{read.__name__} or none"
    return read_or_none


def _run(arguments: argparse.Namespace) -> int:
    from diffeo.cli.output import check_output
    from diffeo.models import model_class
    from diffeo.tabular import open_table

    build = model_class(arguments.model)
    check_output(arguments.output, [".safetensors"], [arguments.data])
    model_options, fit_options = _options(arguments)
    table = open_table(arguments.data)
    columns = _chosen(table, arguments.columns, arguments.context)
    _say_what_is_read(table, columns, arguments.quiet)
    model = _built(build, columns, {"seed": fit_options.get("seed", 0), **model_options})
    _fit(model, columns, fit_options)
    return _save(model, arguments)


def _options(arguments: argparse.Namespace) -> tuple[dict[str, Any], dict[str, Any]]:
    from diffeo.cli.config import checked_fit_options, read_config

    model, fit = read_config(arguments.config) if arguments.config else ({}, {})
    flags = {name: getattr(arguments, name) for name in _FIT_FLAGS}
    fit.update({name: value for name, value in flags.items() if value is not None})
    if arguments.quiet:
        fit["progress"] = False
    options = checked_fit_options(fit)
    if options.get("device") is not None:
        _check_device(options["device"])
    return model, options


def _check_device(name: str) -> None:
    import torch

    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(f"the device {name!r} cannot be used here: {reason}") from error


def _chosen(table: Table, columns: list[str] | None, context: list[str] | None) -> Matched:
    """The columns to fit; context is what the flag says, or else the file."""
    from diffeo.cli.matching import Matched
    from diffeo.errors import DataError

    context = table.context_columns if context is None else context
    if columns is None:
        columns = [name for name in table.columns if name not in context]
    both = [name for name in columns if name in context]
    if both:
        raise DataError(f"{', '.join(both)} cannot be both a column of the model and its context")
    if not columns:
        raise DataError("all columns are context; leave at least one to model")
    table.positions(columns + context)
    return Matched(table, columns, context, columns + context)


def _say_what_is_read(table: Table, columns: Matched, quiet: bool) -> None:
    if table.path.suffix.lower() == ".csv" and not table.named:
        import warnings

        from diffeo.errors import DataWarning

        warnings.warn(
            f"{table.path} has no header; its columns are called {table.columns[0]} to "
            f"{table.columns[-1]}",
            DataWarning,
            stacklevel=2,
        )
    if not quiet:
        given = f" given {', '.join(columns.context)}" if columns.context else ""
        print(f"fitting the density of {', '.join(columns.features)}{given}", flush=True)


def _built(build: Any, columns: Matched, given: dict[str, Any]) -> Model:
    from diffeo.cli.config import checked_model_options

    options = checked_model_options(build, given, columns.features)
    try:
        model: Model = build(len(columns.features), context=len(columns.context), **options)
    except (TypeError, RuntimeError) as error:
        raise ValueError(f"the options of the model do not fit: {error}") from error
    return model


def _fit(model: Model, columns: Matched, options: dict[str, Any]) -> None:
    from diffeo.cli.matching import Rows, check_support

    table = columns.table.frame(columns.names)
    events = table[columns.features]
    # checked here as well, because rows have other names in a file than in an array
    check_support(model, columns, Rows(events.to_numpy(), None, 0), inside=True)
    model.fit(events, context=table[columns.context] if columns.context else None, **options)


def _save(model: Model, arguments: argparse.Namespace) -> int:
    from diffeo.cli.summary import print_pairs, training_summary

    interrupted = model.record["stopped"] == "interrupted"
    if interrupted and not model.record["history"]:
        raise KeyboardInterrupt("no epoch was finished, so no model was written")
    model.save(arguments.output)
    if not arguments.quiet:
        print_pairs(training_summary(model))
    if interrupted or not arguments.quiet:
        print(f"wrote {arguments.output}")
    return _INTERRUPTED if interrupted else 0
