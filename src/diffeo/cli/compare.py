"""`diffeo compare`: which of two models explains a table better."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from diffeo.cli.arguments import Subparsers, add_draws, add_subcommand

if TYPE_CHECKING:
    from diffeo.cli.numbers import RunningMean
    from diffeo.cli.tables.scoring import Draws
    from diffeo.model import Model

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
    add_draws(parser)


def _run(arguments: argparse.Namespace) -> int:
    from diffeo import load
    from diffeo.cli.numbers import RunningMean
    from diffeo.cli.tables.measures import check_comparable
    from diffeo.cli.tables.scoring import Draws, table_log_likelihoods
    from diffeo.tabular import open_table

    paths = [arguments.first, arguments.second]
    models = [load(path) for path in paths]
    check_comparable(*models)
    # the same draws where both are bounds
    draws = [_draws(Draws, model, arguments) for model in models]
    table = open_table(arguments.data)
    scores = [table_log_likelihoods(m, table, d) for m, d in zip(models, draws, strict=True)]
    means, difference = [RunningMean(), RunningMean()], RunningMean()
    for mean, score in zip(means, scores, strict=True):
        mean.add(score)
    difference.add(scores[0] - scores[1])
    _print(paths, means, difference, models[0].event_shape[0])
    return 0


def _draws(make: type[Draws], model: Model, arguments: argparse.Namespace) -> Draws:
    """Draws for a bound; the number is no concern of an exact model beside one."""
    count = arguments.num_samples if model.exactness == "bound" else None
    return make(model, count, arguments.seed)


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
