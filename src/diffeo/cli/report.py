"""`diffeo report`: one page that judges a model."""

from __future__ import annotations

import argparse

from diffeo.cli.arguments import Subparsers, add_output, add_subcommand, seed
from diffeo.cli.image_arguments import add_images, of_images
from diffeo.cli.report_images import report_images

__all__ = ["add_to"]


def add_to(subparsers: Subparsers) -> None:
    """Add the subcommand."""
    parser = add_subcommand(
        subparsers,
        "report",
        "write a page that judges a model on a table or on images, to open anywhere",
        _run,
    )
    parser.add_argument("model", metavar="MODEL", help="a model file")
    parser.add_argument(
        "data",
        metavar="DATA",
        nargs="?",
        help="a table, or images, to judge it by, best some it was not fitted to; without, images "
        "that the fit held out",
    )
    add_output(parser, "page to write (.html)")
    parser.add_argument(
        "--training",
        metavar="FILE",
        help="what it was fitted to: for baselines, and to find samples too close to it",
    )
    parser.add_argument(
        "--against",
        metavar="FILE",
        help="for a model of images: other images of their size, which should cost more bits",
    )
    parser.add_argument("--title", default="", help="heading of the page")
    parser.add_argument(
        "--seed", type=seed, default=0, metavar="N", help="of samples and subsamples (0)"
    )
    add_images(parser)


def _run(arguments: argparse.Namespace) -> int:
    from pathlib import Path

    from diffeo import load
    from diffeo.cli.output import check_output
    from diffeo.errors import DataError
    from diffeo.images import ImageModel
    from diffeo.report.page import write_report
    from diffeo.tabular import report_content

    inputs = [arguments.model, arguments.data, arguments.training, arguments.against]
    check_output(arguments.output, [".html"], filter(None, inputs))
    model = load(arguments.model)
    if isinstance(model, ImageModel):
        report_images(model, arguments)
        print(f"wrote {arguments.output}")
        return 0
    of_images(arguments, ("against",))
    if arguments.data is None:
        raise DataError("name a table to judge the model by: diffeo report MODEL DATA -o OUT")
    content = report_content(
        model,
        arguments.data,
        training=arguments.training,
        title=arguments.title or f"Report on {Path(arguments.model).stem}",
        made=[("model file", arguments.model), ("data", arguments.data)],
        seed=arguments.seed,
    )
    write_report(content, arguments.output)
    print(f"wrote {arguments.output}")
    return 0
