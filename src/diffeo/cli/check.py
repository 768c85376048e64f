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
    from diffeo.audit import check_flow
    from diffeo.model import load

    report = check_flow(load(arguments.model))
    print(report)
    return 0 if report.ok else 1
