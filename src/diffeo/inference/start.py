"""Where a fit starts: a normal approximation at each mode that climbers find."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from diffeo.errors import DataWarning, TargetError
from diffeo.inference.calling import check_rows
from diffeo.inference.gaussian import Gaussian
from diffeo.inference.naming import coordinate
from diffeo.inference.pathfinder import Paths, elbos, pathfinder
from diffeo.inference.score_matching import match_scores
from diffeo.inference.target import Target

__all__ = ["Start", "find_start", "first_points"]

CLIMBERS = 20
# rounds at most, and without a new mode to end with
ROUNDS, IDLE = 12, 2
MOST_MODES = 24
ITERATIONS = 200
# nats: modes of lower ELBOs are not worth a component
DEPTH = 15.0
# standard deviations between the summits of two modes
APART = 3.0
# share of the mass below which a mode is dropped
LEAST = 1e-3
# share of random points of no density that deserves a word
HOLES = 0.2


@dataclass(frozen=True)
class Start:
    """Normals at the modes, mixed.

    Attributes:
        normals: of batch (modes).
        log_weights: of the mixture (modes).
        complete: whether the last climbers found nothing new.
    """

    normals: Gaussian
    log_weights: Tensor
    complete: bool = True

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-densities (n) of the mixture at points (n, dim)."""
        return torch.logsumexp(self.responsibilities(x), -1)

    def responsibilities(self, x: Tensor) -> Tensor:
        """Log of weight times density (n, modes) of each component."""
        return self.normals.log_prob(x.unsqueeze(-2)) + self.log_weights

    def frame(self) -> Gaussian:
        """The normal of the mixture's mean and covariance.

        Raises:
            TargetError: its scales are too far apart for float64.
        """
        if len(self.log_weights) == 1:
            return self.normals[0]
        weights = self.log_weights.exp()
        mean = weights @ self.normals.mean
        between = self.normals.mean - mean
        covariance = (weights[:, None, None] * self.normals.covariance).sum(0)
        covariance = covariance + (weights[:, None] * between).mT @ between
        factor, failed = torch.linalg.cholesky_ex(covariance)
        if int(failed):
            raise TargetError(
                f"the posterior seems to be improper: its standard deviations run from "
                f"{float(covariance.diagonal().min().sqrt()):.2g} to "
                f"{float(covariance.diagonal().max().sqrt()):.2g}; give every parameter a prior"
            )
        return Gaussian(mean, factor)


def find_start(target: Target, generator: torch.Generator) -> Start:
    """Climb from random points; match a normal to the target at each mode; weigh them.

    Raises:
        TargetError: the log-density is finite nowhere, does not depend on a coordinate, or has no
            finite integral.
    """
    paths = pathfinder(
        target, first_points(target, generator), iterations=ITERATIONS, generator=generator
    )
    if not bool(paths.elbo.isfinite().any()):
        raise TargetError(
            "no normal approximation has a finite ELBO: the log-density is -inf or NaN near all of "
            f"the points reached, such as {target.describe(paths.end[:1])}; "
            "check the supports of the parameters"
        )
    best = int(paths.elbo.argmax())
    found = [_refined(target, paths.normal[best], generator)]
    summits = [paths.end[best]]
    idle = 0
    for _ in range(ROUNDS):
        before = len(found)
        _add_modes(target, paths, found, summits, generator)
        idle = idle + 1 if len(found) == before else 0
        # where there are several modes, one round may miss the last of them by chance
        if idle == IDLE or len(found) == 1 or len(found) >= MOST_MODES:
            break
        points = _further_points(target, _weighted(target, found, generator).frame(), generator)
        if not len(points):
            break
        paths = pathfinder(target, points, iterations=ITERATIONS, generator=generator)
    return replace(_weighted(target, found, generator), complete=idle > 0)


def _further_points(target: Target, known: Gaussian, generator: torch.Generator) -> Tensor:
    """Points (at most CLIMBERS, dim) around known modes, in their frame and as wide every way."""
    noise = torch.randn((4 * CLIMBERS, target.dim), generator=generator, dtype=known.mean.dtype)
    widest = torch.linalg.matrix_norm(known.scale_tril, ord=2)
    points = torch.cat([known.at(1.5 * noise[::2]), known.mean + 1.5 * widest * noise[1::2]])
    points = points[torch.randperm(len(points), generator=generator)]
    return points[target.log_prob(points.to(target.dtype)).isfinite()][:CLIMBERS]


def first_points(target: Target, generator: torch.Generator) -> Tensor:
    """Points (CLIMBERS, dim) where the density is not zero."""
    kept: list[Tensor] = []
    width = 2.0
    for _ in range(20):
        shape = (CLIMBERS, target.dim)
        tried = (2 * torch.rand(shape, generator=generator, dtype=torch.float64) - 1) * width
        tried = tried.to(target.dtype)
        value, gradient = target.raw_gradient(tried)
        usable = value.isfinite() & gradient.isfinite().all(-1)
        if not kept:
            _check_first(target, tried, value, gradient)
        kept.append(tried[usable])
        if sum(map(len, kept)) >= CLIMBERS:
            break
        width /= 1.5
    points = torch.cat(kept)[:CLIMBERS]
    if not len(points):
        raise TargetError(
            f"log_prob is -inf or NaN at all {20 * CLIMBERS} points tried, such as "
            f"{target.describe(tried)}; check the supports of the parameters and the data"
        )
    return points.double()


def _check_first(target: Target, z: Tensor, value: Tensor, gradient: Tensor) -> None:
    """What the first points tell of a target: holes, bad gradients, idle coordinates."""
    finite = value.isfinite()
    holes = 1 - float(finite.double().mean())
    # a density that is zero everywhere is an error, later
    if HOLES < holes < 1:
        warnings.warn(
            f"log_prob is -inf or NaN at {holes:.0%} of {len(z)} random points, such as "
            f"{target.describe(z[~finite])}; where a parameter is bounded, declare it, e.g. with "
            f"diffeo.positive() or diffeo.interval(0, 1)",
            DataWarning,
            stacklevel=5,
        )
    z, gradient = z[finite], gradient[finite]
    if not len(z):
        return
    broken = ~gradient.isfinite().all(-1)
    if float(broken.double().mean()) > HOLES:
        raise TargetError(
            f"log_prob is finite but its gradient is not at {int(broken.sum())} of {len(z)} random "
            f"points, such as {target.describe(z[broken])}; a torch.where whose other branch is "
            f"NaN or infinite does this: clamp the argument of that branch"
        )
    idle = (gradient == 0).all(0).nonzero().squeeze(-1).tolist()
    if idle:
        names = [str(coordinate(target.constrain, z[0], i)) for i in idle[:5]]
        raise TargetError(
            f"log_prob does not depend on {', '.join(dict.fromkeys(names))}"
            f"{' and others' if len(idle) > 5 else ''}: the posterior is improper; give every "
            f"parameter a prior"
        )
    check_rows(target.log_prob, z)


def _add_modes(
    target: Target,
    paths: Paths,
    found: list[Gaussian],
    summits: list[Tensor],
    generator: torch.Generator,
) -> None:
    """A refined normal for each summit that is none of those known."""
    highest = max(float(paths.elbo.max()), -torch.inf)
    for i in paths.elbo.argsort(descending=True).tolist():
        normal = paths.normal[i]
        if not paths.settled[i] or paths.elbo[i] < highest - DEPTH or len(found) >= MOST_MODES:
            continue
        known = any(
            _same(normal, paths.end[i], each, end) for each, end in zip(found, summits, strict=True)
        )
        if known:
            continue
        refined = _refined(target, normal, generator)
        near = any(_same(refined, refined.mean, each, each.mean) for each in found)
        if near:
            continue
        found.append(refined)
        summits.append(paths.end[i])


def _same(a: Gaussian, at: Tensor, b: Gaussian, end: Tensor) -> bool:
    """Whether two summits lie within each other's normals."""
    away = torch.minimum((a.noise(end) - a.noise(at)).norm(), (b.noise(at) - b.noise(end)).norm())
    return float(away) < APART


def _refined(target: Target, normal: Gaussian, generator: torch.Generator) -> Gaussian:
    """The normal after score matching, where that has the larger ELBO."""
    batch = max(32, min(2 * target.dim, 256))
    matched = match_scores(target, normal, steps=60, batch=batch, generator=generator)
    before = elbos(target, normal, 500, generator)
    after = elbos(target, matched, 500, generator)
    return matched if float(after) > float(before) else normal


def _weighted(target: Target, found: list[Gaussian], generator: torch.Generator) -> Start:
    """The normals with the share of the mass at each, by importance sampling from all."""
    normals = Gaussian(
        torch.stack([n.mean for n in found]), torch.stack([n.scale_tril for n in found])
    )
    equal = torch.full((len(found),), 1 / len(found), dtype=normals.mean.dtype).log()
    start = Start(normals, equal)
    if len(found) == 1:
        return start
    noise = torch.randn((1000, *normals.mean.shape), generator=generator, dtype=equal.dtype)
    x = normals.at(noise).reshape(-1, target.dim)
    with torch.no_grad():
        log_p = target.log_prob(x)
    # the draws came from equal shares
    weights = torch.softmax(log_p - start.log_prob(x), 0)
    for _ in range(20):
        share = weights @ torch.softmax(start.responsibilities(x), -1)
        start = Start(normals, share.clamp(min=1e-30).log())
    kept = start.log_weights > torch.tensor(LEAST).log()
    log_weights = start.log_weights[kept]
    return Start(normals[kept], log_weights - torch.logsumexp(log_weights, 0))
