"""Tables among the kinds of data."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, ClassVar

from diffeo.cli.arguments import add_schema, names
from diffeo.cli.kind import Kind, Pairs
from diffeo.cli.tables.choosing import CONTINUOUS, TABLE

if TYPE_CHECKING:
    from diffeo.cli.fit_options import Options
    from diffeo.model import Model

__all__ = ["Tables"]


class Tables(Kind):
    """Tables of columns, and every model that is of nothing else."""

    name = "tables"
    flags: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "fit": ("columns", "context", "schema"),
        "sample": ("context", "given"),
        "report": ("training",),
    }

    def add_flags(self, command: str, parser: argparse.ArgumentParser) -> None:
        group = parser.add_argument_group("tables")
        if command == "fit":
            group.add_argument(
                "--columns",
                type=names,
                metavar="A,B,..",
                help="columns to model (all but the context)",
            )
            group.add_argument(
                "--context",
                type=names,
                metavar="D,E,..",
                help="columns that the density is conditional on",
            )
            add_schema(group)
        elif command == "sample":
            group.add_argument(
                "--context",
                metavar="FILE",
                help="for a conditional model: a table of contexts; N rows are drawn for each, "
                "one context after another, with the context beside them",
            )
            group.add_argument(
                "--given",
                metavar="A=1,B=x",
                help="for a model of a mixed table: values of some columns, given which the "
                "others are drawn",
            )

    def model_names(self) -> Iterable[str]:
        from diffeo.models import MODEL_NAMES

        return [TABLE, CONTINUOUS, *MODEL_NAMES]

    def holds(self, path: str) -> bool:
        return True

    def owns(self, model: Model) -> bool:
        return True

    def fit(self, name: str, arguments: argparse.Namespace, options: Options) -> Model:
        from diffeo.cli.tables.fit import fit_rows

        return fit_rows(name, arguments, options)

    def sample(self, model: Model, arguments: argparse.Namespace) -> str:
        from diffeo.cli.tables.sample import sample_rows

        return f"{sample_rows(model, arguments):,} rows"

    def score(self, model: Model, arguments: argparse.Namespace) -> None:
        from diffeo.cli.tables.score import score_rows

        score_rows(model, arguments)

    def report(self, model: Model, arguments: argparse.Namespace) -> None:
        from diffeo.cli.tables.report import report_rows

        report_rows(model, arguments)

    def architecture(self, model: Model) -> Pairs:
        from diffeo.cli.tables.info import table_architecture

        return table_architecture(model)

    def print_columns(self, model: Model) -> None:
        from diffeo.cli.tables.columns import print_columns
        from diffeo.tabular import TableFlow

        if isinstance(model, TableFlow) and model.typed is not None:
            print()
            print_columns(model.schema)

    def print_statistics(self, model: Model) -> None:
        from diffeo.cli.tables.info import print_statistics
        from diffeo.tabular import TableFlow

        # a TableFlow's are of its coordinates, which nobody knows
        statistics = model.record["data"].get("statistics")
        if statistics and not isinstance(model, TableFlow):
            print()
            print_statistics(statistics)
