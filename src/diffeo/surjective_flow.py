"""SurjectiveFlow = density + surjections, for integers, categories and latent columns."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from diffeo.arrays import ArrayLike, is_tensor_like, like_input
from diffeo.checks import check_count
from diffeo.chunks import by_chunks, checked_chunk_size
from diffeo.density import Density, SampleShape, Seed, as_generator
from diffeo.draw import Draw
from diffeo.errors import ShapeError
from diffeo.model import Model
from diffeo.nets import StandardizeContext
from diffeo.supports import Real, Support, parts_of
from diffeo.supports.discrete import Discrete
from diffeo.surjections import Surjection
from diffeo.transform import Transform, weakest
from diffeo.transforms import Standardize

__all__ = ["SurjectiveFlow"]


class SurjectiveFlow(Model):
    """A density carried to the data by surjections, which may be discrete, and transforms:

        log p(x) >= E[log p(z) + sum of the layers' contributions],    z = inverse(x).

    Where a layer's inverse draws, ``log_prob`` is a bound, new at each call unless it is given a
    seed. With ``num_samples=k`` it is the importance-weighted bound, the log of the mean of k
    draws of exp(...), which on average rises with k to log p(x); ``fit`` maximises the bound of
    one draw. Discrete columns are measured by counting: exp(log_prob) is (a bound of) a
    probability. Where only ``forward`` draws, as with Slice alone, ``log_prob`` is exact.

    ``sample_and_log_prob`` gives samples, and the bound of one new draw at each.

    What a layer draws, it draws chunk by chunk: the same seed gives the same result again only at
    the same ``chunk_size``, if there is more than one chunk.

    Args:
        density: density of z; its own ``log_prob`` must be no bound.
        *layers: surjections and transforms, the one next to the density first, the one next to
            the data last.

    Attributes:
        density, layers: as given.

    Shapes: x (*batch, *event_shape of the last layer), context (*batch, context).

    Raises:
        ShapeError: no layers; event shapes, context widths or supports that do not fit.
        ValueError: a density whose ``log_prob`` is a bound itself.

    Reference: "SurVAE Flows: Surjections to Bridge the Gap between VAEs and Flows", Nielsen, Jaini,
    Hoogeboom, Winther, Welling, 2020, arXiv:2007.02731; "Importance Weighted Autoencoders", Burda,
    Grosse, Salakhutdinov, 2015, arXiv:1509.00519.

    Example:
        A table of a real column, a count and one of three categories:

        >>> import torch, diffeo
        >>> from diffeo.surjections import Argmax, VariationalDequantization
        >>> dequantize = VariationalDequantization(
        ...     [diffeo.real(), diffeo.integers(0), diffeo.categories(3)]
        ... )
        >>> argmax = Argmax(dequantize.domain)
        >>> base = diffeo.NSF(features=5, supports=argmax.domain.supports)
        >>> flow = diffeo.SurjectiveFlow(base, argmax, dequantize)
        >>> flow.support, flow.exactness
        ([real(), integers(0), categories(3)], 'bound')
        >>> x = torch.tensor([[0.5, 7.0, 2.0], [0.5, 7.5, 2.0]])
        >>> flow.log_prob(x, num_samples=100, seed=0).isfinite()
        tensor([ True, False])
    """

    def __init__(self, density: Density, *layers: Surjection | Transform) -> None:
        if not layers:
            raise ShapeError("SurjectiveFlow needs at least one layer on its density")
        if density.exactness == "bound":
            raise ValueError(
                f"SurjectiveFlow: the log_prob of its {type(density).__name__} is a bound itself; "
                f"give one SurjectiveFlow all the layers"
            )
        for before, after in zip((density, *layers[:-1]), layers, strict=True):
            _check_fit(before, after)
        super().__init__(layers[-1].out_shape, _common_context(density, layers))
        self.density = density
        self.layers = nn.ModuleList(layers)
        self.support = layers[-1].codomain
        self.has_rsample = density.has_rsample and all(_carries_gradients(m) for m in layers)
        self.compiles = density.compiles and all(m.compiles for m in layers)
        self.exactness = weakest(part.exactness for part in (density, *layers))

    def arguments(self) -> dict[str, Any]:
        return {"density": self.density, "layers": tuple(self.layers)}

    def log_prob(
        self,
        x: ArrayLike,
        context: ArrayLike | None = None,
        *,
        num_samples: int = 1,
        seed: Seed = None,
        chunk_size: int | None = None,
    ) -> Any:
        """The bound of log p(x | context) in nats; -inf outside the support, NaN where x is NaN.

        Args:
            x: (*batch, *event_shape), array or tensor.
            context: (*batch, context), broadcast against the batch of ``x``.
            num_samples: draws k of the importance-weighted bound.
            seed: of the draws, an int or a ``torch.Generator``; None draws from torch's global
                generator.
            chunk_size: rows worked on at a time, counted with their draws; None chooses, as
                ``Density.log_prob`` does.

        Returns:
            (*batch): a tensor (with gradient) for tensors, a numpy array for arrays.

        Raises:
            ValueError: ``num_samples`` or ``chunk_size`` is not a whole number of at least 1.
            As ``Density.log_prob``.
        """
        count, size = check_count("num_samples", num_samples), checked_chunk_size(chunk_size)
        if self.exactness == "exact":
            count = 1
        tensors = is_tensor_like(x, context)
        with torch.set_grad_enabled(tensors and torch.is_grad_enabled()):
            point, given = self._check_pair(x, context)
            if size is None and not self._keeps_graph(point, given):
                size = self._rows_at_once(count * point.numel())
            bound = partial(
                self._mean_of_draws,
                count=count,
                generator=as_generator(seed, self.like.device),
                size=size,
            )
            log_prob = by_chunks(bound, size, point, given, len(self.event_shape))
            return like_input(log_prob, x, context)

    def _mean_of_draws(
        self,
        x: Tensor,
        context: Tensor | None,
        *,
        count: int,
        generator: torch.Generator | None,
        size: int | None,
    ) -> Tensor:
        """log of the mean of ``count`` draws, of as many at a time as make ``size`` rows."""
        if count == 1:
            return self._one_draw(x, context, generator)
        rows = math.prod(x.shape[: x.ndim - len(self.event_shape)])
        most = count if size is None else max(1, size // max(1, rows))
        parts = []
        for start in range(0, count, most):
            copies = x.expand(min(most, count - start), *x.shape)
            parts.append(self._one_draw(copies, context, generator).logsumexp(0))
        return torch.stack(parts).logsumexp(0) - math.log(count)

    def _one_draw(
        self, x: Tensor, context: Tensor | None, generator: torch.Generator | None
    ) -> Tensor:
        nan = _any(x.isnan(), self.event_shape)
        total, outside = torch.zeros_like(nan, dtype=x.dtype), torch.zeros_like(nan)
        for layer in list(self.layers)[::-1]:
            # a point outside is replaced before any formula sees it, so its gradient is 0, not NaN
            bad = _any(~layer.codomain.contains(x), layer.out_shape)  # type: ignore[union-attr, operator]
            outside = outside | bad
            bad = bad.reshape(*bad.shape, *(1,) * len(layer.out_shape))  # type: ignore[arg-type]
            x = torch.where(bad, layer.codomain.interior(x), x)  # type: ignore[union-attr, operator]
            x, contribution = _inverse(layer, x, context, generator)
            total = total + contribution
        total = total + self.density._log_prob(x, context)
        return torch.where(nan, torch.nan, torch.where(outside, -torch.inf, total))

    def _log_prob(self, x: Tensor, context: Tensor | None) -> Tensor:
        return self._one_draw(x, context, None)

    def _rsample(self, draw: Draw) -> Tensor:
        x = self.density._rsample(draw)
        for layer in self.layers:
            x = draw.by_chunks(partial(_forward, layer, draw.generator), x, _ndim(layer))
        return x

    def _rsample_and_log_prob(self, draw: Draw) -> tuple[Tensor, Tensor]:
        # a new draw: the z behind the sample would make an upper bound
        x = self._rsample(draw)
        bound = partial(self._one_draw, generator=draw.generator)
        return x, draw.by_chunks(bound, x, len(self.event_shape))

    def sample_paths(
        self,
        n: SampleShape = (),
        context: ArrayLike | None = None,
        *,
        seed: Seed = None,
        chunk_size: int | None = None,
    ) -> tuple[Any, Any]:
        """Samples, and log p of the paths by which they were drawn, without gradient.

        That is log p(z) plus the contributions at the very z that each x came from: log p(x) itself
        where that is exact, and else an upper bound of it on average, whose weights are right: with
        u a density up to its normaliser Z, the mean of u(x) / exp(log p of the path) is Z. So

            log_weights = log_u(x) - log_path

        is what ``diffeo.inference.log_evidence``, ``psis`` and ``resample`` take.

        Args:
            n, context, seed, chunk_size: as ``sample``.

        Returns:
            x (n, *context_batch, *event_shape) and log p of its path (n, *context_batch).

        Raises:
            TypeError: a layer whose inverse alone draws, and does not tell how likely a given z is.
            As ``sample``.

        Reference: "Stochastic Normalizing Flows", Wu, Koehler, Noe, 2020, arXiv:2002.06707.

        Example:
            >>> import math, diffeo
            >>> def log_u(x):
            ...     return -(x - 2).square().sum(-1)
            >>> layer = diffeo.surjections.Metropolis(1, log_u, steps=50, step_size=0.5)
            >>> flow = diffeo.SurjectiveFlow(diffeo.bases.StandardNormal(1), layer)
            >>> x, log_path = flow.sample_paths(20_000, seed=0)
            >>> estimate, error = diffeo.inference.log_evidence(log_u(x) - log_path)
            >>> abs(estimate - math.log(math.pi) / 2) < 5 * error
            True
        """
        with torch.no_grad():
            x, log_path = self._paths(self._chunked_draw(n, context, seed, chunk_size))
            return like_input(x, context), like_input(log_path, context)

    def rsample_paths(
        self, n: SampleShape = (), context: Tensor | None = None, *, seed: Seed = None
    ) -> tuple[Tensor, Tensor]:
        """As ``sample_paths``, with gradients to the parameters and the context.

        The mean of log_path - log_u(x) is at least KL(p || u) - log Z, so that it can be minimised.

        Raises:
            TypeError: samples that cannot be reparameterised.
            As ``sample_paths``.
        """
        self._require_rsample()
        return self._paths(self._draw(n, context, seed))

    def _paths(self, draw: Draw) -> tuple[Tensor, Tensor]:
        x, log_path = self.density._rsample_and_log_prob(draw)
        for layer in self.layers:
            x, more = draw.by_chunks(partial(_path, layer, draw.generator), x, _ndim(layer))
            log_path = log_path + more
        return x, log_path

    def initialize(
        self, x: Tensor, context: Tensor | None = None, *, standardize: bool = True
    ) -> None:
        if not standardize:
            for module in self.modules():
                if type(module) in (Standardize, StandardizeContext):
                    module.initialized.fill_(True)  # type: ignore[operator]
        # of its own, so that the start of a fit does not depend on what was drawn before
        generator = torch.Generator(x.device).manual_seed(0)
        for layer in list(self.layers)[::-1]:
            layer.initialize(x, context)  # type: ignore[operator]
            x, _ = _inverse(layer, x, context, generator)
        if isinstance(self.density, Model):
            self.density.initialize(x, context, standardize=standardize)


def _forward(
    layer: nn.Module, generator: torch.Generator | None, z: Tensor, context: Tensor | None
) -> Tensor:
    if isinstance(layer, Surjection):
        drawn: Tensor = layer(z, context, generator=generator)
        return drawn
    x: Tensor = layer(z, context)[0]
    return x


def _path(
    layer: nn.Module, generator: torch.Generator | None, z: Tensor, context: Tensor | None
) -> tuple[Tensor, Tensor]:
    """x and what it adds to log p(z)."""
    if isinstance(layer, Surjection):
        return layer.path(z, context, generator=generator)
    x, ladj = layer(z, context)
    return x, -ladj


def _ndim(layer: nn.Module) -> int:
    """Axes of the events that go into a surjection or a transform."""
    return len(layer.in_shape)  # type: ignore[arg-type]


def _inverse(
    layer: nn.Module, x: Tensor, context: Tensor | None, generator: torch.Generator | None
) -> tuple[Tensor, Tensor]:
    """z and the contribution of a surjection, or the ladj of a transform."""
    if isinstance(layer, Surjection):
        return layer.inverse(x, context, generator=generator)
    result: tuple[Tensor, Tensor] = layer.inverse(x, context)  # type: ignore[operator]
    return result


def _any(each: Tensor, event_shape: Any) -> Tensor:
    """Whether it holds anywhere in an event."""
    return each.flatten(each.ndim - len(event_shape)).any(-1)


def _carries_gradients(layer: Surjection | Transform) -> bool:
    return layer.has_rsample if isinstance(layer, Surjection) else True


def _common_context(density: Density, layers: tuple[Surjection | Transform, ...]) -> int:
    widths = {part.context for part in (density, *layers) if part.context}
    if len(widths) > 1:
        raise ShapeError(f"SurjectiveFlow: its parts need contexts of widths {sorted(widths)}")
    return widths.pop() if widths else 0


def _check_fit(before: Density | Surjection | Transform, after: Surjection | Transform) -> None:
    """Raise unless what ``before`` gives is what ``after`` takes."""
    if isinstance(before, Density):
        shape, given = before.event_shape, before.support
    else:
        shape, given = before.out_shape, before.codomain
    names = type(before).__name__, type(after).__name__
    if shape != after.in_shape:
        raise ShapeError(
            f"SurjectiveFlow: {names[0]} gives events of shape {shape}, but {names[1]} takes "
            f"{after.in_shape}"
        )
    pairs = zip(_columns(given, shape), _columns(after.domain, shape), strict=True)
    for i, (found, wanted) in enumerate(pairs):
        if not _fits(found, wanted, clamped=isinstance(after, Surjection) and after.clamps):
            raise ShapeError(
                f"SurjectiveFlow: column {i} of what {names[0]} gives lives on {found!r}, but "
                f"{names[1]} takes {wanted!r} there; give the part below it "
                f"supports={names[1]}.domain.supports, or a surjection onto {wanted!r}"
            )


def _columns(support: Support, shape: tuple[int, ...]) -> list[Support]:
    return [part for part in parts_of(support, shape[-1]) for _ in range(part.columns)]


def _fits(found: Support, wanted: Support, *, clamped: bool) -> bool:
    """Whether a column that lives on ``found`` may enter where ``wanted`` is taken."""
    if isinstance(found, Discrete) or isinstance(wanted, Discrete):
        return found == wanted
    return clamped or isinstance(wanted, Real) or not isinstance(found, Real)
