"""`diffeo tune`: a search for a better model of a table."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from diffeo.cli.arguments import (
    Subparsers,
    add_output,
    add_schema,
    add_subcommand,
    count,
    names,
    seed,
)

if TYPE_CHECKING:
    from diffeo.inference.search import Trial
    from diffeo.tabular import Tuned

__all__ = ["add_to"]

_SHOWN = 5  # trials in the table


def add_to(subparsers: Subparsers) -> None:
    """Add the subcommand."""
    parser = add_subcommand(
        subparsers,
        "tune",
        "search model family, size, learning rate and batch size for a table (needs "
        "'diffeo[tune]'), and save the best model",
        _run,
    )
    parser.add_argument("data", metavar="DATA", help="a CSV, Parquet, .npy or .npz table")
    add_output(parser, "model file to write (.safetensors)")
    parser.add_argument(
        "--trials", type=count, default=30, metavar="N", help="trials in the study in all (30)"
    )
    parser.add_argument(
        "--max-time",
        type=float,
        metavar="S",
        help="seconds after which no trial begins; the last fit, to all rows, comes after",
    )
    parser.add_argument(
        "--study",
        metavar="URL",
        help="where trials are kept, so that the same call goes on: an SQLite file (OUT with the "
        "ending .study.db) or any URL of Optuna; calls on several machines with one URL share them",
    )
    parser.add_argument(
        "--model",
        type=names,
        metavar="A,B,..",
        help="families to choose among, such as table,continuous,nsf,maf; the defaults of the "
        "first are what the search has to beat",
    )
    parser.add_argument("--columns", type=names, metavar="A,B,..", help="columns to model (all)")
    add_schema(parser)
    parser.add_argument("--epochs", type=count, metavar="N", help="passes over the data at most")
    parser.add_argument("--seed", type=seed, default=0, metavar="N", help="of everything (0)")
    parser.add_argument("--quiet", action="store_true", help="print no trials and no summary")


def _run(arguments: argparse.Namespace) -> int:
    from pathlib import Path

    from diffeo.cli.output import check_output
    from diffeo.cli.tables.rows import located
    from diffeo.cli.tables.schema_text import read_schema
    from diffeo.cli.tables.source import Source
    from diffeo.errors import DataError, import_extra
    from diffeo.tabular import open_table, tune

    check_output(arguments.output, [".safetensors"], [arguments.data])
    if arguments.max_time is not None and not arguments.max_time > 0:
        raise ValueError(f"--max-time must be positive seconds, got {arguments.max_time}")
    import_extra("optuna", "tune")
    schema = read_schema(arguments.schema) if arguments.schema else None
    source = Source.of(open_table(arguments.data), arguments.columns, [])
    study = arguments.study or Path(arguments.output).with_suffix(".study.db")
    options = {} if arguments.epochs is None else {"epochs": arguments.epochs}
    frame = source.frame()
    try:
        tuned = tune(
            frame,
            schema=schema,
            models=arguments.model,
            trials=arguments.trials,
            max_time=arguments.max_time,
            study=study,
            seed=arguments.seed,
            done=None if arguments.quiet else _say,
            **options,
        )
    except DataError as error:
        raise located(source.table, error) from error
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"the same call with --study {study} goes on") from None
    tuned.model.save(arguments.output)
    if not arguments.quiet:
        _print(tuned)
        print(f"wrote {arguments.output} (trials in {study})")
    return 0


def _say(trial: Trial) -> None:
    value = "stopped early" if trial.value is None else f"nll {trial.value:.4f}"
    print(
        f"trial {trial.number + 1}: {value}, {_setting(trial.values)} ({trial.seconds:.1f} s)",
        flush=True,
    )


def _setting(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} {_short(value)}" for name, value in values.items())


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _print(tuned: Tuned) -> None:
    from diffeo.cli.tables.columns import print_rows

    finished = [trial for trial in tuned.trials if trial.value is not None]
    best = sorted(finished, key=lambda trial: trial.value or 0.0)[:_SHOWN]
    print()
    print_rows(
        ["trial", "held-out nll", *tuned.setting, "seconds"],
        [
            [
                str(trial.number + 1),
                f"{trial.value:.4f}",
                *(_short(trial.values[name]) for name in tuned.setting),
                f"{trial.seconds:.1f}",
            ]
            for trial in best
        ],
    )
    stopped = len(tuned.trials) - len(finished)
    print(
        f"\n{len(tuned.trials)} trials, {stopped} stopped early; on {tuned.rows:,} rows that none "
        f"has seen, the best has mean log-likelihood {tuned.log_likelihood:.4f} nats,\n"
        f"{tuned.gain:+.4f} ± {tuned.gain_error:.4f} nats over the defaults; fitted again to all "
        f"rows"
    )
