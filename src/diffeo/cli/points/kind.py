"""Clouds of points among the kinds of data."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from diffeo.cli.arguments import count
from diffeo.cli.kind import Kind, Pairs

if TYPE_CHECKING:
    from diffeo.cli.fit_options import Options
    from diffeo.model import Model

__all__ = ["Points"]

_READING = ("split", "labels")


class Points(Kind):
    """Clouds of points, and ``PointCloudFlow``, or the flow of a single cloud."""

    name = "clouds of points"
    flags: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "fit": (*_READING, "points", "normalise", "unconditional"),
        "sample": ("temperature", "label", "points"),
        "score": _READING,
        "report": _READING,
    }

    def add_flags(self, command: str, parser: argparse.ArgumentParser) -> None:
        if command == "fit":
            group = parser.add_argument_group("clouds of points")
            group.add_argument(
                "--points",
                type=count,
                metavar="N",
                help="points of a cloud in the fit (the median of their sizes, up to 2,048)",
            )
            group.add_argument(
                "--normalise",
                action="store_true",
                help="bring every cloud to centre 0 and radius 1 first",
            )
        elif command == "sample":
            group = parser.add_argument_group("clouds of points")
            group.add_argument(
                "--points", type=count, metavar="N", help="points of each cloud (as in the fit)"
            )

    def model_names(self) -> Iterable[str]:
        return ["points"]

    def holds(self, path: str) -> bool:
        from diffeo.points.files import holds_clouds

        return holds_clouds(path)

    def owns(self, model: Model) -> bool:
        from diffeo.points import PointCloudFlow

        # the model of a single cloud is a flow like others
        return isinstance(model, PointCloudFlow) or "clouds" in model.record

    def fit(self, name: str, arguments: argparse.Namespace, options: Options) -> Model:
        from diffeo.cli.points.fit import fit_points

        return fit_points(arguments, options)

    def sample(self, model: Any, arguments: argparse.Namespace) -> str:
        from diffeo.cli.points.sample import sample_points

        data = sample_points(model, arguments)
        return f"{len(data):,} cloud{'s' * (len(data) > 1)} of {data.sizes[0]:,} points"

    def score(self, model: Any, arguments: argparse.Namespace) -> None:
        from diffeo.cli.points.score import score_points

        score_points(model, arguments)

    def report(self, model: Any, arguments: argparse.Namespace) -> None:
        from diffeo.cli.points.report import report_points

        report_points(model, arguments)

    def architecture(self, model: Any) -> Pairs:
        from diffeo.points import point_summary

        return point_summary(model)

    def trained_on(self, model: Any) -> Pairs:
        # the summary has said it
        return []
