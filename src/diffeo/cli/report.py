"""`diffeo report`: one page that judges a model."""

from __future__ import annotations

import argparse

from diffeo.cli.arguments import Subparsers, add_output, add_reading, add_subcommand, seed
from diffeo.cli.kinds import add_flags, kind_of_model, refuse_others

__all__ = ["add_to"]


def add_to(subparsers: Subparsers) -> None:
    """Add the subcommand."""
    parser = add_subcommand(
        subparsers,
        "report",
        "write a page that judges a model on a table, images or clouds, to open anywhere",
        _run,
    )
    parser.add_argument("model", metavar="MODEL", help="a model file")
    parser.add_argument(
        "data",
        metavar="DATA",
        nargs="?",
        help="a table, images or clouds to judge it by, best some it was not fitted to; without, "
        "the images or clouds that the fit held out",
    )
    add_output(parser, "page to write (.html)")
    parser.add_argument(
        "--training",
        metavar="FILE",
        help="what it was fitted to: for baselines, and to find samples too close to it",
    )
    parser.add_argument("--title", default="", help="heading of the page")
    parser.add_argument(
        "--seed", type=seed, default=0, metavar="N", help="of samples and subsamples (0)"
    )
    add_reading(parser)
    add_flags("report", parser)


def _run(arguments: argparse.Namespace) -> int:
    from diffeo import load
    from diffeo.cli.output import check_output

    inputs = [arguments.model, arguments.data, arguments.training, arguments.against]
    check_output(arguments.output, [".html"], filter(None, inputs))
    model = load(arguments.model)
    kind = kind_of_model(model)
    refuse_others(kind, "report", arguments)
    kind.report(model, arguments)
    print(f"wrote {arguments.output}")
    return 0
