"""`diffeo demo potentials`: the founding figure of variational flows, with its numbers."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from diffeo.cli.arguments import Subparsers, add_subcommand, count, seed

if TYPE_CHECKING:
    from pathlib import Path

    from diffeo.cli.potentials import Fitted, Fitter
    from diffeo.inference.search import Search

__all__ = ["add_to"]

# shares of the recipes' steps; pixels along each side of an image
FULL, QUICK = 1.0, 0.1
PIXELS = 160


def add_to(subparsers: Subparsers) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "demo", help="show what flows do", description="Show what flows do."
    )
    demos = parser.add_subparsers(metavar="DEMO", required=True)
    potentials = add_subcommand(
        demos,
        "potentials",
        "fit planar flows (K = 2, 8, 32), NICE and NSF to the four potentials of Rezende and "
        "Mohamed (2015) by variational inference; write a picture and a table of KL(q || p)",
        _run,
    )
    potentials.add_argument(
        "--out",
        default="potentials",
        metavar="FOLDER",
        help="where to write, made where there is none (potentials)",
    )
    potentials.add_argument(
        "--quick", action="store_true", help="a tenth of the steps: a minute in place of ten"
    )
    potentials.add_argument(
        "--seed", type=seed, default=0, metavar="N", help="same seed, same result (0)"
    )
    potentials.add_argument(
        "--search",
        type=count,
        metavar="N",
        help="search number of planar layers and learning rate in N trials a potential (needs "
        "'diffeo[tune]'); a call that was interrupted goes on where it stopped",
    )
    potentials.add_argument(
        "--storage",
        metavar="URL",
        help="where the search keeps its trials: an SQLite file (search.db in the folder) or any "
        "URL of Optuna; calls on several machines with one URL share the trials",
    )


def _run(arguments: argparse.Namespace) -> int:
    from pathlib import Path

    from diffeo.cli.output import check_output
    from diffeo.cli.potentials import Fitter
    from diffeo.errors import import_extra

    if arguments.storage and not arguments.search:
        raise ValueError("--storage is where a search keeps its trials; give --search N as well")
    # what is missing shall be said before the minutes of work that it is for
    import_extra("matplotlib", "report")
    if arguments.search:
        import_extra("optuna", "tune")
    folder = Path(arguments.out)
    folder.mkdir(parents=True, exist_ok=True)
    check_output(str(folder / "potentials.png"), [".png"])
    fitter = Fitter(QUICK if arguments.quick else FULL, arguments.seed)
    found = _searched(fitter, arguments, folder) if arguments.search else []
    _write([*fitter.fit_all(), *found], folder, arguments)
    return 0


def _searched(fitter: Fitter, arguments: argparse.Namespace, folder: Path) -> list[Fitted]:
    """For each potential the best setting of a search, fitted at full length."""
    from diffeo.cli.potentials import SEARCHED, search_planar
    from diffeo.inference.founding_figure import FLOWS, Recipe, planar
    from diffeo.inference.potentials import POTENTIALS, Potential

    fits = []
    for name in POTENTIALS:
        found = search_planar(
            fitter, name, arguments.search, arguments.storage or folder / "search.db"
        )
        _draw_search(found, folder / f"search_{name}.png", name)
        best = found.best.values
        recipe = Recipe(planar(best["layers"]), FLOWS["planar K = 32"].steps, best["lr"])
        fits.append(fitter.fit(Potential(name), SEARCHED, recipe))
    return fits


def _draw_search(found: Search, path: Path, name: str) -> None:
    from diffeo.report import plot_search

    trials = found.trials
    plot_search(
        [trial.values["lr"] for trial in trials],
        [trial.values["layers"] for trial in trials],
        [trial.value for trial in trials],
        labels=("learning rate", "planar layers K", "KL(q || p) in nats"),
        title=f"{name}: {len(trials)} trials of planar flows",
    ).savefig(path, dpi=130)
    print(f"wrote {path}")


def _write(fits: list[Fitted], folder: Path, arguments: argparse.Namespace) -> None:
    from diffeo.cli.potentials_table import write_table

    table = write_table(fits, folder, seed=arguments.seed, quick=arguments.quick)
    picture = folder / "potentials.png"
    _draw(fits, picture)
    print(f"\n{table.read_text(encoding='utf-8')}")
    for path in (picture, table, table.with_suffix(".json")):
        print(f"wrote {path}")


def _draw(fits: list[Fitted], path: Path) -> None:
    """One row a potential: the target, then the flows by their exact densities."""
    from diffeo.inference.founding_figure import WINDOWS, density_image
    from diffeo.inference.potentials import POTENTIALS, Potential
    from diffeo.report import plot_image_table

    columns = ["target", *dict.fromkeys(fit.name for fit in fits)]
    images, titles = [], []
    for name in POTENTIALS:
        target = Potential(name)
        row = [fit for fit in fits if fit.potential.name == name]
        densities = [lambda x, p=target: p.log_prob(x) - p.log_normalizer]
        densities += [fit.flow.log_prob for fit in row]
        images.append([density_image(target, d, PIXELS).numpy() for d in densities])
        titles.append(["", *(f"KL {fit.divergence.mean:.3f}" for fit in row)])
    plot_image_table(
        images, titles, rows=POTENTIALS, columns=columns, bounds=[WINDOWS[p] for p in POTENTIALS]
    ).savefig(path, dpi=130)
