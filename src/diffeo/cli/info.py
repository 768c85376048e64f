"""`diffeo info`: what a model file holds."""

from __future__ import annotations

import argparse
from typing import Any

from diffeo.cli.arguments import Subparsers, add_subcommand

__all__ = ["add_to"]


def add_to(subparsers: Subparsers) -> None:
    """Add the subcommand."""
    parser = add_subcommand(
        subparsers, "info", "show a model's architecture, training record and data summary", _run
    )
    parser.add_argument("model", metavar="MODEL", help="a model file")


def _run(arguments: argparse.Namespace) -> int:
    from diffeo import load
    from diffeo.cli.kinds import kind_of_model
    from diffeo.cli.summary import print_pairs, training_summary

    model = load(arguments.model)
    kind = kind_of_model(model)
    print_pairs(kind.architecture(model))
    kind.print_columns(model)
    if not model.record:
        print("not fitted")
        return 0
    print()
    print_pairs([*training_summary(model), *_provenance(model.record)])
    kind.print_statistics(model)
    return 0


def _provenance(record: dict[str, Any]) -> list[tuple[str, str]]:
    found = _tuning(record.get("tuning"))
    for label, key in (("fit options", "options"), ("versions", "versions")):
        if key in record:
            found.append((label, ", ".join(f"{k} {value}" for k, value in record[key].items())))
    return found


def _tuning(record: dict[str, Any] | None) -> list[tuple[str, str]]:
    if record is None:
        return []
    gain = f"{record['gain']:+.4f} ± {record['gain_error']:.4f} nats over the defaults"
    return [("tuning", f"{record['trials']} trials, {gain} on {record['rows']:,} rows set aside")]
