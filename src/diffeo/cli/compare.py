"""`diffeo compare`: which of two models explains a table better."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from diffeo.cli.arguments import Subparsers, add_subcommand

if TYPE_CHECKING:
    from diffeo.cli.matching import Matched
    from diffeo.cli.numbers import RunningMean

__all__ = ["add_to"]


def add_to(subparsers: Subparsers) -> None:
    """Add the subcommand."""
    parser = add_subcommand(
        subparsers,
        "compare",
        "compare two models by their mean log-likelihood on rows that neither was fitted to",
        _run,
    )
    parser.add_argument("first", metavar="MODEL1", help="a model file")
    parser.add_argument("second", metavar="MODEL2", help="a model file of the same columns")
    parser.add_argument("data", metavar="DATA", help="a table with the columns of both")


def _run(arguments: argparse.Namespace) -> int:
    from diffeo.cli.matching import match
    from diffeo.cli.numbers import RunningMean
    from diffeo.cli.scoring import log_likelihoods
    from diffeo.model import load
    from diffeo.tabular import open_table

    table = open_table(arguments.data)
    models = [load(arguments.first), load(arguments.second)]
    matched = [match(model, table) for model in models]
    _check_same_features(matched)
    means, difference = [RunningMean(), RunningMean()], RunningMean()
    for pair in zip(*(m.rows() for m in matched), strict=True):
        scores = [log_likelihoods(*each) for each in zip(models, matched, pair, strict=True)]
        for mean, score in zip(means, scores, strict=True):
            mean.add(score)
        difference.add(scores[0].astype("float64") - scores[1])
    _print([arguments.first, arguments.second], means, difference, len(matched[0].features))
    return 0


def _check_same_features(matched: list[Matched]) -> None:
    from diffeo.errors import DataError

    first, second = (m.features for m in matched)
    if set(first) != set(second):
        raise DataError(
            f"the models are densities of different columns, {', '.join(first)} and "
            f"{', '.join(second)}, so their likelihoods cannot be compared"
        )


def _print(
    paths: list[str], means: list[RunningMean], difference: RunningMean, features: int
) -> None:
    from diffeo.cli.numbers import bits_per_dimension, nats

    width = max(map(len, paths))
    for path, mean in zip(paths, means, strict=True):
        bits = bits_per_dimension(mean.mean, features)
        print(f"{path:{width}}  {nats(mean)}, {bits:.4f} bits per dimension")
    print(f"{'difference':{width}}  {nats(difference)} (paired, {difference.count:,} rows)")
    print(_verdict(paths, difference))


def _verdict(paths: list[str], difference: RunningMean) -> str:
    error = difference.standard_error
    if not abs(difference.mean) > 2 * error:
        return "no clear difference: it is within 2 standard errors of 0"
    better = paths[difference.mean < 0]
    return f"{better} is better, by {abs(difference.mean) / error:.1f} standard errors"
