"""Mixtures of von Mises-Fisher densities fitted to unit vectors, by EM."""

from __future__ import annotations

import torch
from torch import Tensor

from diffeo.bases.von_mises_fisher import VonMisesFisherMixture, fall_of_cosine
from diffeo.checks import check_count
from diffeo.errors import DataError
from diffeo.supports import Sphere

__all__ = ["fit_von_mises_fisher"]

LEAST_CONCENTRATION = 1e-2
# a component of fewer rows than this has no spread of its own
LEAST_ROWS = 1.0
# the relative gain in log-likelihood below which steps end
LEAST_GAIN = 1e-6


def fit_von_mises_fisher(
    x: Tensor,
    components: int,
    *,
    most: float = 1e4,
    steps: int = 200,
    seed: int = 0,
    learned: bool = False,
) -> VonMisesFisherMixture:
    """The mixture that expectation-maximisation finds from centres spread over the rows.

    The likelihood has no maximum where rows repeat, as a component on them may be as narrow as it
    likes; ``most`` is the narrowest.

    Args:
        x: unit vectors (rows, n).
        components: how many, at most as many as rows.
        most: largest concentration; 1e4 is a spread of 0.57 degrees.
        steps: most steps; fewer if the likelihood hardly rises any more.
        seed: of the centres to start at.
        learned: whether the mixture's parameters are learned later on, as a base of a flow.

    Raises:
        ValueError: a number of components or steps below 1.
        DataError: rows that are not unit vectors, or fewer than components.

    Reference: "Clustering on the Unit Hypersphere using von Mises-Fisher Distributions", Banerjee,
    Dhillon, Ghosh, Sra, 2005, JMLR 6.

    Example:
        >>> import torch, diffeo
        >>> poles = torch.eye(3).repeat(10, 1)
        >>> mixture = diffeo.bases.fit_von_mises_fisher(poles, 3)
    """
    count = check_count("components", components)
    _check_rows(x, count)
    rows = x.detach().double()
    k = rows.new_ones(count)
    mixture = VonMisesFisherMixture(_spread(rows, count, seed), k, k).double()
    # at first as wide as the centres are apart
    mixture.log_concentration += torch.log(rows.new_tensor(2.0 * count))
    before = -torch.inf
    for _ in range(check_count("steps", steps)):
        each = mixture.components(rows)
        total = float(each.logsumexp(1).mean())
        if total - before < LEAST_GAIN * (1 + abs(total)):
            break
        before = total
        _maximise(mixture, rows, each.softmax(1), most)
    found = VonMisesFisherMixture(
        mixture.loc, mixture.log_concentration.exp(), mixture.logits.exp(), learned=learned
    )
    return found.to(x)


def _check_rows(x: Tensor, count: int) -> None:
    if x.ndim != 2 or x.shape[1] < 2:
        raise DataError(f"unit vectors must have shape (rows, n >= 2), got {tuple(x.shape)}")
    outside = ~Sphere(x.shape[1]).contains(x).all(1)
    if bool(outside.any()):
        row = int(outside.nonzero()[0])
        raise DataError(f"row {row} is no unit vector: {x[row].tolist()}")
    if len(x) < count:
        raise DataError(f"{count} components need at least as many rows, got {len(x)}")


def _spread(x: Tensor, count: int, seed: int) -> Tensor:
    """Rows that are drawn one after another, by their squared distance from those before."""
    generator = torch.Generator().manual_seed(seed)
    chosen = [int(torch.randint(len(x), (1,), generator=generator))]
    gap = torch.full((len(x),), torch.inf, dtype=x.dtype)
    for _ in range(count - 1):
        gap = torch.minimum(gap, (x - x[chosen[-1]]).square().sum(1))
        # where all rows are taken, any will do
        weight = gap if bool((gap > 0).any()) else torch.ones_like(gap)
        chosen.append(int(torch.multinomial(weight.cpu(), 1, generator=generator)))
    return x[chosen]


def _maximise(mixture: VonMisesFisherMixture, x: Tensor, shares: Tensor, most: float) -> None:
    weight = shares.sum(0)
    sums = shares.T @ x
    length = sums.norm(dim=1).clamp(min=torch.finfo(x.dtype).tiny)
    alone = weight < LEAST_ROWS
    mixture.loc = torch.where(alone[:, None], mixture.loc, sums / length[:, None])
    # 1 - mean resultant length, from distances: near 1 the difference has few digits
    distance = torch.cdist(x, mixture.loc, compute_mode="donot_use_mm_for_euclid_dist").square()
    fall = (shares * distance).sum(0) / weight.clamp(min=LEAST_ROWS) / 2
    k = _concentration(fall, x.shape[1], most)
    mixture.log_concentration = torch.where(alone, mixture.log_concentration, k.log())
    mixture.logits = (weight.clamp(min=LEAST_ROWS / 100) / len(x)).log()


def _concentration(fall: Tensor, dim: int, most: float) -> Tensor:
    """The k with E[1 - x . m] = ``fall``, by Newton's method from Banerjee's approximation."""
    fall = fall.clamp(min=torch.finfo(fall.dtype).tiny)
    mean = (1 - fall).clamp(min=0)
    rest = fall * (2 - fall).clamp(min=0)
    k = (mean * (dim - mean.square()) / rest).clamp(LEAST_CONCENTRATION, most)
    for _ in range(5):
        value = fall_of_cosine(k, dim)
        slope = value * (2 - value) - (dim - 1) * (1 - value) / k
        k = (k + (value - fall) / slope).clamp(LEAST_CONCENTRATION, most)
    return k
