"""`diffeo report`: one page that judges a model."""

from __future__ import annotations

import argparse

from diffeo.cli.arguments import Subparsers, add_output, add_subcommand, seed

__all__ = ["add_to"]


def add_to(subparsers: Subparsers) -> None:
    """Add the subcommand."""
    parser = add_subcommand(
        subparsers, "report", "write a page that judges a model on a table, to open anywhere", _run
    )
    parser.add_argument("model", metavar="MODEL", help="a model file")
    parser.add_argument(
        "data", metavar="DATA", help="a table to judge it by, best rows it was not fitted to"
    )
    add_output(parser, "page to write (.html)")
    parser.add_argument(
        "--training",
        metavar="FILE",
        help="the table it was fitted to: for baselines, and to find samples too close to it",
    )
    parser.add_argument("--title", default="", help="heading of the page")
    parser.add_argument(
        "--seed", type=seed, default=0, metavar="N", help="of samples and subsamples (0)"
    )


def _run(arguments: argparse.Namespace) -> int:
    from pathlib import Path

    from diffeo import load
    from diffeo.cli.output import check_output
    from diffeo.report.page import write_report
    from diffeo.tabular import report_content

    inputs = [arguments.model, arguments.data]
    inputs += [arguments.training] if arguments.training else []
    check_output(arguments.output, [".html"], inputs)
    content = report_content(
        load(arguments.model),
        arguments.data,
        training=arguments.training,
        title=arguments.title or f"Report on {Path(arguments.model).stem}",
        made=[("model file", arguments.model), ("data", arguments.data)],
        seed=arguments.seed,
    )
    write_report(content, arguments.output)
    print(f"wrote {arguments.output}")
    return 0
