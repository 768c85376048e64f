"""`diffeo check`: audit a model file."""

from __future__ import annotations

import argparse

from diffeo.cli.arguments import Subparsers, add_subcommand

__all__ = ["add_to"]


def add_to(subparsers: Subparsers) -> None:
    """Add the subcommand."""
    parser = add_subcommand(
        subparsers, "check", "audit a model: log-determinants, round trips, samples, files", _run
    )
    parser.add_argument("model", metavar="MODEL", help="a model file")


def _run(arguments: argparse.Namespace) -> int:
    from diffeo import load
    from diffeo.audit import check_flow
    from diffeo.tabular import TableFlow

    model = load(arguments.model)
    if isinstance(model, TableFlow) and model.density is not None:
        print("the density of a TableFlow, in the coordinates of its columns:")
        report = check_flow(model.density)
    else:
        report = check_flow(model)
    print(report)
    return 0 if report.ok else 1
