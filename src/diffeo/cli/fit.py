"""`diffeo fit`: a density from a table or from images."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from diffeo.cli.arguments import (
    Subparsers,
    add_output,
    add_reading,
    add_subcommand,
    add_unconditional,
    count,
    seed,
)
from diffeo.cli.kinds import add_flags, check_name, kind_of_fit, refuse_others

if TYPE_CHECKING:
    from diffeo.model import Model

__all__ = ["add_to"]

_INTERRUPTED = 130


def add_to(subparsers: Subparsers) -> None:
    """Add the subcommand."""
    parser = add_subcommand(
        subparsers,
        "fit",
        "fit a density to a table, images, clouds, music or text and save it",
        _run,
    )
    parser.add_argument(
        "data",
        metavar="DATA",
        help="a CSV, Parquet, .npy or .npz table; images: .npz, .npy or a folder; clouds of "
        "points: .ply, .xyz, folders of them, .npz or .npy; music: .mid, a folder of them, or "
        ".npz with lengths; a text: .txt, also .gz or .xz",
    )
    add_output(parser, "model file to write (.safetensors)")
    parser.add_argument(
        "--model",
        default="auto",
        metavar="NAME",
        help="'table' for columns of any type, with holes; for continuous numbers 'continuous' (an "
        "average of flows on normal scores) or a single flow (nsf, maf, realnvp, ...; a wrong name "
        "shows near ones); for images glow, imagerealnvp, flowplusplus or tarflow; for clouds "
        "points; for music latent-sequence, argmax-autoregressive or argmax-coupling; for text the "
        "last two; 'auto' looks at the data (auto)",
    )
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="TOML or JSON with the tables 'model' (layers, hidden, bins, supports, ...), 'fit' "
        "(arguments of Model.fit) and 'schema' (types of columns); flags win over it",
    )
    _add_fit_flags(parser)
    add_reading(parser)
    add_unconditional(parser)
    add_flags("fit", parser)
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
    from diffeo.cli.fit_options import read_options
    from diffeo.cli.output import check_output

    name = check_name(arguments.model)
    check_output(arguments.output, [".safetensors"], [arguments.data])
    options = read_options(arguments)
    kind = kind_of_fit(name, arguments.data)
    refuse_others(kind, "fit", arguments)
    return _save(kind.fit(name, arguments, options), arguments)


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
