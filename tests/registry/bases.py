"""Bases."""

from __future__ import annotations

import torch

from diffeo import bases
from registry.entry import BOTH, HIDDEN, Entry

DENSITIES: list[Entry] = [
    Entry("StandardNormal", (bases.StandardNormal,), lambda d, c: bases.StandardNormal(d)),
    Entry(
        "DiagonalNormal",
        (bases.DiagonalNormal,),
        lambda d, c: bases.DiagonalNormal(d, 1.0, 2.0, context=c, hidden=HIDDEN),
        contexts=BOTH,
    ),
    Entry(
        "DiagonalNormal learned",
        (bases.DiagonalNormal,),
        lambda d, c: bases.DiagonalNormal(d, learned=True, context=c, hidden=HIDDEN),
        contexts=BOTH,
    ),
    Entry(
        "MultivariateNormal",
        (bases.MultivariateNormal,),
        lambda d, c: bases.MultivariateNormal(d, 1.0, torch.eye(d) + 0.5),
    ),
    Entry(
        "MultivariateNormal learned",
        (bases.MultivariateNormal,),
        lambda d, c: bases.MultivariateNormal(d, learned=True),
    ),
    Entry("StudentT", (bases.StudentT,), lambda d, c: bases.StudentT(d, 3.0)),
    Entry("BoxUniform", (bases.BoxUniform,), lambda d, c: bases.BoxUniform(d, -1.0, 2.0)),
    Entry(
        "StudentT learned",
        (bases.StudentT,),
        lambda d, c: bases.StudentT(d, 3.0, learned=True, context=c, hidden=HIDDEN),
        contexts=BOTH,
    ),
    Entry(
        "MultivariateStudentT",
        (bases.MultivariateStudentT,),
        lambda d, c: bases.MultivariateStudentT(d, 3.0, 1.0, torch.eye(d) + 0.5),
    ),
    Entry(
        "MultivariateStudentT learned",
        (bases.MultivariateStudentT,),
        lambda d, c: bases.MultivariateStudentT(d, 3.0, learned=True),
    ),
    Entry(
        "MultivariateNormalMixture",
        (bases.MultivariateNormalMixture,),
        lambda d, c: bases.MultivariateNormalMixture(
            [[-1.0] * d, [1.5] * d],
            (torch.eye(d) + 0.5 * torch.ones(d, d).tril(-1)).repeat(2, 1, 1),
        ),
    ),
    Entry(
        "GaussianMixture",
        (bases.GaussianMixture,),
        lambda d, c: bases.GaussianMixture(d, 4, context=c, hidden=HIDDEN),
        contexts=BOTH,
    ),
]
