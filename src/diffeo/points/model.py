"""A density of clouds of points: a flow of shapes, and a flow of points given the shape."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from diffeo.arcs import arc
from diffeo.arrays import ArrayLike, like_input, to_tensor
from diffeo.checks import check_count, check_event
from diffeo.chunks import widths_of
from diffeo.density import Density, SampleShape, Seed, as_generator
from diffeo.draw import Draw
from diffeo.flow import Flow
from diffeo.inference.vae import ElboTerms, LatentModel
from diffeo.labels import OfClasses
from diffeo.points.encoder import PointEncoder
from diffeo.points.parts import check_parts
from diffeo.points.stacks import AT_ONCE, Clouds, as_given, for_each_size, tensors_of
from diffeo.transforms import Standardize

__all__ = ["PointCloudFlow"]

Self = TypeVar("Self", bound="PointCloudFlow")
# clouds that layers take their scale from
_SOME = 256


class PointCloudFlow(OfClasses, LatentModel):
    """A density of clouds by two flows, one of their shapes and one of points given the shape:

        z ~ p(z | class),   x_1, ..., x_n ~ p(x | z) independently,
        log p(X | class) >= E_q[sum_i log p(x_i | z) + log p(z | class) - log q(z | X)].

    ``log_prob`` is this bound at one draw of z, in nats a cloud; with ``num_samples=k`` it is the
    importance-weighted one. It is a density of ordered points, the same for every order; as a set
    of n points a cloud has log n! more. Given a code z, ``point_log_prob`` is exact.

    ``event_shape`` is that of the clouds of a fit. ``encode``, ``reconstruct``, ``interpolate`` and
    ``nats_per_point`` take clouds of any number of points, ``draw`` and ``decode`` give any number.

    A training step sees a random part of each cloud: one half goes into the encoder, the points of
    the other half are scored for all of the cloud, so that the step follows the same bound.

    Args:
        encoder: a module from clouds (rows, points, dim), whose order must not matter to it, to
            the posterior's context (rows, flow.context), such as ``PointEncoder``.
        flow: the posterior q(z | X); see ``diffeo.inference.vae.amortised_posterior``.
        points: a flow of points (dim,) whose context is z.
        prior: a flow of z; with ``classes``, its context has as many columns.
        count: points of a cloud in a fit.
        drawn: points of a cloud that a training step sees; None for all.
        classes: names of the classes of labelled clouds; empty for none.
        normalised: whether clouds are each brought to centre 0 and radius 1 before the model sees
            them. The model does not do it; ``PointData.normalised`` does.

    Attributes:
        encoder, flow, points, prior, count, drawn, classes, normalised: as given.
        scaling: the affine map from what the networks see to the data's units.

    Shapes: x (*batch, count, dim), z (*batch, latent), context (*batch, classes).

    Raises:
        ShapeError: parts that do not fit together.
        ValueError: a posterior that no ELBO can be made of, or counts below 1.

    Reference: "PointFlow: 3D Point Cloud Generation with Continuous Normalizing Flows", Yang,
    Huang, Hao, Liu, Belongie, Hariharan, 2019, arXiv:1906.12320; "Discrete Point Flow Networks for
    Efficient Point Cloud Generation", Klokov, Boyer, Verbeek, 2020, arXiv:2007.10170.

    Example:
        >>> import torch
        >>> from diffeo.points import point_cloud_flow
        >>> model = point_cloud_flow(3, latent=4, count=100, hidden=(16,), layers=1, seed=0)
        >>> clouds = torch.randn(5, 100, 3)
        >>> model.log_prob(clouds, num_samples=3, seed=0).shape
        torch.Size([5])
        >>> model.draw(2, points=500, seed=0).shape
        torch.Size([2, 500, 3])
    """

    prior: Flow

    def __init__(
        self,
        encoder: nn.Module,
        flow: Density,
        points: Flow,
        prior: Flow,
        *,
        count: int = 1024,
        drawn: int | None = None,
        classes: Sequence[str] = (),
        normalised: bool = False,
    ) -> None:
        count = check_count("count", count)
        if drawn is not None and check_count("drawn", drawn) < 2:
            raise ValueError(
                "PointCloudFlow: drawn must be at least 2 points, of which half are seen"
            )
        check_parts(encoder, flow, points, prior, len(classes))
        dim = points.event_shape[0]
        super().__init__((count, dim), flow, prior)
        self.encoder, self.points = encoder, points
        self.scaling = Standardize(dim)
        self.drawn = drawn
        self.classes = tuple(str(name) for name in classes)
        self.normalised = normalised
        self.has_rsample = prior.has_rsample and points.has_rsample
        self.compiles = self.compiles and points.compiles

    @property
    def count(self) -> int:
        """Points of a cloud in a fit."""
        return self.event_shape[0]

    @property
    def dim(self) -> int:
        """Coordinates of a point."""
        return self.event_shape[1]

    @property
    def latent(self) -> int:
        """Width of a code z."""
        return self.flow.event_shape[0]

    @property
    def row_width(self) -> int:
        """Numbers a cloud in the widest layer, which works on all points of it."""
        parts = (widths_of(part, (self.dim,)) for part in (self.points, self.encoder))
        return self.count * max(map(max, parts))

    def of_size(self: Self, count: int) -> Self:
        """The same model, with the same weights, of clouds of another number of points.

        Raises:
            ValueError: not a whole number of at least 1.
        """
        other = copy.copy(self)
        other.event_shape = check_count("count", count), self.dim
        return other

    def arguments(self) -> dict[str, Any]:
        names = ("encoder", "flow", "points", "prior", "count", "drawn", "classes", "normalised")
        return {name: getattr(self, name) for name in names}

    # -- the two levels --------------------------------------------------------------------------

    def _code(self, x: Tensor) -> Tensor:
        batch = x.shape[:-2]
        rows, _ = self.scaling.inverse(x.reshape(math.prod(batch), *x.shape[-2:]))
        # under autocast networks end in half precision; densities do not
        code: Tensor = self.encoder(rows).to(self.like.dtype)
        return code.reshape(*batch, self.flow.context)

    def _point_log_prob(self, x: Tensor, z: Tensor) -> Tensor:
        """log p(x_i | z) (*batch, points), for x (*batch, points, dim) and z (*batch, latent)."""
        scaled, ladj = self.scaling.inverse(x)
        return self.points._log_prob(scaled, z[..., None, :]) + ladj

    def _log_likelihood(self, x: Tensor, z: Tensor) -> Tensor:
        return self._point_log_prob(x.expand(*z.shape[:-1], *x.shape[-2:]), z).sum(-1)

    def _points_at(self, z: Tensor, draw: Draw) -> Tensor:
        """Points (*batch, *draw.shape, dim) of the shapes z (*batch, latent)."""
        x, _ = self.scaling(self.points._rsample(draw.given(z)))
        return x.movedim(0, -2).contiguous()

    def _rsample(self, draw: Draw) -> Tensor:
        z = self.prior._rsample(draw)
        return self._points_at(z, Draw((self.count,), generator=draw.generator))

    def training_terms(self, x: Tensor, context: Tensor | None = None) -> ElboTerms:
        if self.drawn is None or self.drawn >= self.count:
            return super().training_terms(x, context)
        seen, scored = x[:, torch.randperm(self.count, device=x.device)[: self.drawn]].chunk(2, 1)
        z, log_q = self._posterior(seen, self.flow._draw((), self._code(seen), None))
        weight = self.count / scored.shape[1]
        divergence = log_q - self.prior._log_prob(z, context)
        return ElboTerms(weight * self._log_likelihood(scored, z), divergence)

    def initialize(
        self, x: Tensor, context: Tensor | None = None, *, standardize: bool = True
    ) -> None:
        if standardize:
            self.scaling.initialize(x)
        else:
            self.scaling.initialized.fill_(True)
        # of its own, so that the start of a fit does not depend on what was drawn before
        generator = torch.Generator(x.device).manual_seed(0)
        x, context = x[:_SOME], None if context is None else context[:_SOME]
        scaled, _ = self.scaling.inverse(x)
        if isinstance(self.encoder, PointEncoder):
            self.encoder.initialize(scaled)
        with torch.no_grad():
            z = self.flow._rsample(Draw((), self._code(x), generator))
            self.points.initialize(scaled, z[:, None], standardize=False)
            self.prior.initialize(z, context, standardize=False)

    # -- what users call -------------------------------------------------------------------------

    @torch.no_grad()
    def draw(
        self,
        n: int,
        points: int | None = None,
        context: Tensor | None = None,
        *,
        temperature: float = 1.0,
        seed: Seed = None,
    ) -> Tensor:
        """New clouds: shapes from the prior, at a temperature, and points of each.

        Args:
            n: clouds at each context.
            points: of a cloud; by default as many as in the fit.
            context: (*context_batch, classes), see ``context_of``.
            temperature: T >= 0 by which the prior's noise is multiplied; below 1, shapes are more
                alike.
            seed: of the draws.

        Returns:
            (n, *context_batch, points, dim).

        Raises:
            ValueError: a temperature that is not a finite number >= 0, or no points.
            ContextError: a missing context, or one of another width.
        """
        if not (temperature >= 0 and math.isfinite(temperature)):
            raise ValueError(f"temperature must be a finite number >= 0, got {temperature!r}")
        generator = as_generator(seed, self.like.device)
        given = self._check_context(context)
        noise = self.prior.base._rsample(Draw((n,), given, generator))
        z = self.prior.from_base(temperature * noise, given)
        return self._decode(z, self.count if points is None else points, generator)

    @torch.no_grad()
    def encode(self, x: Clouds, n: SampleShape = (), *, seed: Seed = None) -> Any:
        """Draws of z ~ q(z | X) for every cloud.

        Args:
            x: clouds (k, points, dim), or a list of k clouds (points, dim) of any sizes.
            n: number of draws a cloud, or a shape; () gives one.
            seed: of the draws.

        Returns:
            (n, k, latent), a tensor or a numpy array as ``x`` are.

        Raises:
            ShapeError: clouds of other dimension.
            DataError: a cloud without points, or points that are not finite.
        """
        found = self._encode(tensors_of(x, self.dim, self.like), seed, n)
        return as_given([found], x)[0]

    @torch.no_grad()
    def decode(self, z: ArrayLike, points: int | None = None, *, seed: Seed = None) -> Any:
        """Clouds of the shapes z.

        Args:
            z: (*batch, latent).
            points: of a cloud; by default as many as in the fit.
            seed: of the draws.

        Returns:
            (*batch, points, dim), a tensor or a numpy array as ``z`` is.

        Raises:
            ShapeError: codes of another width.
        """
        code = self._checked_code(z)
        generator = as_generator(seed, self.like.device)
        return like_input(
            self._decode(code, self.count if points is None else points, generator), z
        )

    @torch.no_grad()
    def reconstruct(self, clouds: Clouds, points: int | None = None, *, seed: Seed = None) -> Any:
        """Other points of the shapes of clouds: ``decode`` of ``encode``.

        Args:
            clouds: as for ``encode``.
            points: of a reconstruction; by default as many as its cloud has.
            seed: of the draws.

        Returns:
            Clouds as ``clouds`` are: (n, points, dim), or a list.

        Raises:
            As ``encode``.
        """
        given = tensors_of(clouds, self.dim, self.like)
        generator = as_generator(seed, self.like.device)
        z = self._encode(given, generator)
        found = [
            self._decode(code, len(cloud) if points is None else points, generator)
            for code, cloud in zip(z, given, strict=True)
        ]
        if isinstance(clouds, list | tuple):
            return as_given(found, clouds)
        return as_given([torch.stack(found)], clouds)[0]

    @torch.no_grad()
    def interpolate(
        self,
        first: ArrayLike,
        last: ArrayLike,
        steps: int = 9,
        points: int | None = None,
        *,
        context: Tensor | None = None,
        seed: Seed = None,
    ) -> Any:
        """Clouds between two, along an arc of the prior's noise; all from the same noise of points.

        Args:
            first, last: (points, dim), which need not have the same number of points.
            steps: clouds, of which the first and the last are reconstructions; at least 2.
            points: of a cloud; by default as many as in the fit.
            context: (classes,), for a model of classes.
            seed: of the draws.

        Returns:
            (steps, points, dim), a tensor or a numpy array as ``first`` is.

        Raises:
            ValueError: fewer than 2 steps.
            As ``encode``.
        """
        if check_count("steps", steps) < 2:
            raise ValueError(f"steps must be at least 2, got {steps}")
        generator = as_generator(seed, self.like.device)
        given = self._check_context(context)
        z = self._encode(tensors_of([first, last], self.dim, self.like), generator)
        ends = self.prior.to_base(z, given)
        between = self.prior.from_base(arc(ends[:1], ends[1:], steps)[0], given)
        count = self.count if points is None else check_count("points", points)
        noise = self.points.base._rsample(Draw((count,), generator=generator))
        scaled = self.points.from_base(noise, between[:, None])
        return like_input(self.scaling(scaled)[0], first)

    def point_log_prob(self, x: ArrayLike, z: ArrayLike) -> Any:
        """log p(x | z) of every point of a cloud given its code, in nats: exact.

        Args:
            x: (*batch, points, dim).
            z: (*batch, latent), such as from ``encode``.

        Returns:
            (*batch, points): a tensor (with gradient) for tensors, a numpy array for arrays.

        Raises:
            ShapeError: points of other dimension, or codes of another width.
        """
        point, code = to_tensor(x, self.like), self._checked_code(z)
        check_event(self.points, point, self.points.event_shape)
        batch = torch.broadcast_shapes(point.shape[:-2], code.shape[:-1])
        point = point.expand(*batch, *point.shape[-2:])
        return like_input(self._point_log_prob(point, code.expand(*batch, -1)), x, z)

    @torch.no_grad()
    def nats_per_point(
        self,
        clouds: Clouds,
        context: Tensor | None = None,
        *,
        num_samples: int = 1,
        seed: Seed = None,
    ) -> Any:
        """-log p(X) / n of every cloud of n points, an upper bound: high for shapes unlike others.

        Args:
            clouds: (n, points, dim), or a list of n clouds (points, dim) of any sizes.
            context: (n, classes), for a model of classes.
            num_samples: draws of the importance-weighted bound.
            seed: of the draws.

        Returns:
            (n,), a tensor or a numpy array as ``clouds`` are.

        Raises:
            As ``encode``.
        """
        given, seen = tensors_of(clouds, self.dim, self.like), self._check_context(context)
        generator = as_generator(seed, self.like.device)

        def score(stack: Tensor, at: Tensor) -> Tensor:
            labels = None if seen is None else seen.expand(len(given), -1)[at]
            model = self.of_size(stack.shape[1])
            bound = model.log_prob(stack, labels, num_samples=num_samples, seed=generator)
            return -bound / stack.shape[1]

        return as_given([torch.stack(for_each_size(score, given))], clouds)[0]

    def _checked_code(self, z: ArrayLike) -> Tensor:
        code = to_tensor(z, self.like, "z")
        check_event(self.flow, code, self.flow.event_shape)
        return code

    def _encode(self, clouds: list[Tensor], seed: Seed, n: SampleShape = ()) -> Tensor:
        codes = torch.stack(for_each_size(lambda stack, _: self._code(stack), clouds))
        z: Tensor = self.flow.sample(n, codes, seed=seed)
        return z

    def _decode(self, z: Tensor, points: int, generator: torch.Generator | None) -> Tensor:
        """Clouds (*batch, points, dim) of the shapes z (*batch, latent)."""
        count = check_count("points", points)
        rows = z.reshape(-1, self.latent)
        draw = Draw((count,), generator=generator)
        made = [self._points_at(some, draw) for some in rows.split(max(1, AT_ONCE // count))]
        return torch.cat(made).reshape(*z.shape[:-1], count, self.dim)
