"""`diffeo fit`: a density from a table or from images."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from diffeo.cli.arguments import (
    Subparsers,
    add_output,
    add_schema,
    add_subcommand,
    count,
    names,
    seed,
)
from diffeo.cli.fit_images import IMAGE_FLAGS, add_image_flags, fit_image_model, means_images
from diffeo.cli.image_arguments import of_images

if TYPE_CHECKING:
    from diffeo.model import Model

__all__ = ["add_to"]

_INTERRUPTED = 130


def add_to(subparsers: Subparsers) -> None:
    """Add the subcommand."""
    parser = add_subcommand(
        subparsers, "fit", "fit a density to a table or to images and save it", _run
    )
    parser.add_argument(
        "data",
        metavar="DATA",
        help="a CSV, Parquet, .npy or .npz table, or images: .npz, .npy or a folder",
    )
    add_output(parser, "model file to write (.safetensors)")
    parser.add_argument(
        "--model",
        default="auto",
        metavar="NAME",
        help="'table' for columns of any type, with holes; for continuous numbers 'continuous' (an "
        "average of flows on normal scores) or a single flow (nsf, maf, realnvp, ...; a wrong name "
        "shows near ones); for images glow, imagerealnvp, flowplusplus or tarflow; 'auto' looks at "
        "the data (auto)",
    )
    parser.add_argument(
        "--columns", type=names, metavar="A,B,..", help="columns to model (all but the context)"
    )
    parser.add_argument(
        "--context", type=names, metavar="D,E,..", help="columns that the density is conditional on"
    )
    add_schema(parser)
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="TOML or JSON with the tables 'model' (layers, hidden, bins, supports, ...), 'fit' "
        "(arguments of Model.fit) and 'schema' (types of columns); flags win over it",
    )
    _add_fit_flags(parser)
    add_image_flags(parser)
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
    from diffeo.cli.choosing import CONTINUOUS, TABLE, check_name
    from diffeo.cli.fit_continuous import fit_average
    from diffeo.cli.fit_numbers import fit_numbers
    from diffeo.cli.fit_options import read_options
    from diffeo.cli.fit_table import fit_table
    from diffeo.cli.output import check_output
    from diffeo.cli.source import Source
    from diffeo.tabular import open_table

    name = check_name(arguments.model)
    check_output(arguments.output, [".safetensors"], [arguments.data])
    options = read_options(arguments)
    if means_images(name, arguments):
        return _save(fit_image_model(name, arguments, options), arguments)
    of_images(arguments, IMAGE_FLAGS)
    source = Source.of(open_table(arguments.data), arguments.columns, arguments.context)
    choice = source.choose(name, options)
    if not arguments.quiet and choice.reason:
        print(f"model {choice.name}: {choice.reason}", flush=True)
    model: Model
    if choice.name == TABLE:
        model = fit_table(source, choice.schema, options, arguments.quiet)
    elif choice.name == CONTINUOUS:
        model = fit_average(source, options, arguments.quiet)
    else:
        model = fit_numbers(source, choice.name, options, arguments.quiet)
    return _save(model, arguments)


def _save(model: Model, arguments: argparse.Namespace) -> int:
    from diffeo.cli.summary import print_pairs, training_summary

    interrupted = model.record["stopped"] == "interrupted"
    records = model.record.get("members", [model.record])
    if interrupted and not any(record["history"] for record in records):
        raise KeyboardInterrupt("no epoch was finished, so no model was written")
    model.save(arguments.output)
    if not arguments.quiet:
        print_pairs(training_summary(model))
    if interrupted or not arguments.quiet:
        print(f"wrote {arguments.output}")
    return _INTERRUPTED if interrupted else 0
