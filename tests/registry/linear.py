"""Linear transforms and batch normalisation."""

from __future__ import annotations

import torch

from diffeo import transforms
from registry.entry import Entry


def _trained(features: int) -> transforms.BatchNorm:
    layer = transforms.BatchNorm(features)
    for _ in range(3):
        layer.inverse(torch.randn(50, features) * torch.arange(1, features + 1) + 3)
    return layer


TRANSFORMS: list[Entry] = [
    Entry("LU", (transforms.LU,), lambda d, c: transforms.LU(d), identity=True),
    Entry(
        "Permutation",
        (transforms.Permutation,),
        lambda d, c: transforms.Permutation([*range(1, d), 0]),
    ),
    Entry("Reverse", (transforms.Reverse,), lambda d, c: transforms.Reverse(d)),
    Entry(
        "Householder",
        (transforms.Householder,),
        lambda d, c: transforms.Householder(d),
        identity=True,
    ),
    Entry(
        "Householder of 3 reflections",
        (transforms.Householder,),
        lambda d, c: transforms.Householder(d, 3),
        quick=(1, 3),
    ),
    Entry("Rotation", (transforms.Rotation,), lambda d, c: transforms.Rotation(d), identity=True),
    Entry("Cayley", (transforms.Cayley,), lambda d, c: transforms.Cayley(d), identity=True),
    Entry(
        "MatrixExponential",
        (transforms.MatrixExponential,),
        lambda d, c: transforms.MatrixExponential(d),
        identity=True,
    ),
    Entry(
        "Triangular", (transforms.Triangular,), lambda d, c: transforms.Triangular(d), identity=True
    ),
    Entry("QR", (transforms.QR,), lambda d, c: transforms.QR(d), identity=True),
    Entry("SVD", (transforms.SVD,), lambda d, c: transforms.SVD(d), identity=True),
    Entry(
        "LowRankPlusDiagonal",
        (transforms.LowRankPlusDiagonal,),
        lambda d, c: transforms.LowRankPlusDiagonal(d, rank=(d + 1) // 2),
        identity=True,
    ),
    Entry(
        "BatchNorm", (transforms.BatchNorm,), lambda d, c: transforms.BatchNorm(d), identity=True
    ),
    Entry("BatchNorm of data", (transforms.BatchNorm,), lambda d, c: _trained(d)),
    Entry("Haar", (transforms.Haar,), lambda d, c: transforms.Haar(d)),
    Entry("DCT", (transforms.DCT,), lambda d, c: transforms.DCT(d)),
]
