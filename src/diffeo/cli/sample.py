"""`diffeo sample`: new rows, images, or whatever a model is of."""

from __future__ import annotations

import argparse

from diffeo.cli.arguments import Subparsers, add_output, add_subcommand, count, seed
from diffeo.cli.kinds import add_flags, kind_of_model, refuse_others

__all__ = ["add_to"]


def add_to(subparsers: Subparsers) -> None:
    """Add the subcommand."""
    parser = add_subcommand(
        subparsers, "sample", "draw new rows, images, clouds, pieces or texts from a model", _run
    )
    parser.add_argument("model", metavar="MODEL", help="a model file")
    parser.add_argument(
        "-n",
        type=count,
        required=True,
        metavar="N",
        help="rows to draw (for each context row), images, clouds, pieces or texts",
    )
    add_output(
        parser,
        "CSV or Parquet file to write; of images, .png (a grid), .npz or .npy; of clouds, .npz, "
        ".ply, .xyz, .png, .html or a folder; of music, .mid, .wav, .png or .npz; of text, .txt",
    )
    parser.add_argument(
        "--seed", type=seed, default=0, help="the same seed draws the same rows (default: 0)"
    )
    add_flags("sample", parser)
    group = parser.add_argument_group("images, clouds of points, music and text")
    group.add_argument(
        "--temperature",
        type=float,
        metavar="T",
        help="scale of the noise; below 1, samples are more typical and more alike (1)",
    )
    group.add_argument(
        "--class",
        dest="label",
        metavar="K",
        help="the class to draw, by name or number; without, all of them in turn",
    )
    group.add_argument(
        "--length", type=count, metavar="N", help="time steps of a piece, or characters of a text"
    )
    group.add_argument(
        "--prefix", metavar="X", help="a file of music, or a text, with which samples begin"
    )


def _run(arguments: argparse.Namespace) -> int:
    from diffeo import load

    model = load(arguments.model)
    kind = kind_of_model(model)
    refuse_others(kind, "sample", arguments)
    drawn = kind.sample(model, arguments)
    print(f"wrote {drawn} to {arguments.output}")
    return 0
