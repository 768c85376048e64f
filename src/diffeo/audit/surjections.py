"""The audit of a surjection."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor

from diffeo.audit.bounds import BoundAudit
from diffeo.audit.calculus import bad_gradients
from diffeo.audit.copies import compiler, precisions, rebuilt
from diffeo.audit.densities import DensityAudit
from diffeo.audit.points import far_points, inner_points, with_nan
from diffeo.audit.report import Finding, Report, expect, problems, run_checks
from diffeo.audit.shapes import misshapen, take
from diffeo.bases import StandardNormal
from diffeo.errors import ContextError, ShapeError
from diffeo.flow import Flow
from diffeo.supports import Discrete, Support, parts_of
from diffeo.surjections import Stochastic, Surjection
from diffeo.surjective_flow import SurjectiveFlow
from diffeo.transform import Transform
from diffeo.transforms import Constrain, Reshape, Sequential

__all__ = ["check_surjection"]

# (points, context, seed=...) -> what comes out, and a contribution
Act = Callable[..., tuple[Tensor, Tensor]]


def check_surjection(
    surjection: Surjection, *, batch: int = 64, seed: int = 0, trace: bool = True
) -> Report:
    """Compare a surjection with what its contract promises.

    What its inverse draws must come back exactly, or what its ``forward`` draws go exactly (unless
    both draw); on a normal density of z, probabilities of few discrete values must add up to 1 and
    be the frequencies of samples, and densities of one or two columns integrate to 1. Then batch
    shapes, context, errors, seeds, gradients (also at |x| = 1e6), tracing and the rebuilding from
    its description. The audit works on copies, on the CPU, in evaluation mode; the surjection and
    torch's random state stay as they are.

    Args:
        surjection: the surjection, yours or one of diffeo's.
        batch: points at which it is taken.
        seed: decides the points.
        trace: whether to trace both directions where the surjection declares ``compiles``.

    Returns:
        A report that prints as a table and can raise.

    Example:
        >>> import diffeo
        >>> layer = diffeo.surjections.Argmax([diffeo.categories(3)])
        >>> diffeo.audit.check_surjection(layer).raise_if_failed()
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        audit = _SurjectionAudit(surjection, batch)
        return run_checks(type(surjection).__name__, audit.checks(trace))


class _SurjectionAudit:
    """The checks of one surjection; torch's global generator decides the points."""

    def __init__(self, surjection: Surjection, batch: int) -> None:
        self.single, self.exact = precisions(surjection)
        self.batch = batch
        self.width = surjection.context
        self.both_draw = isinstance(surjection, Stochastic)
        self.inverse_draws = surjection.exactness == "bound"

    def checks(self, trace: bool) -> dict[str, Callable[[], Finding]]:
        """Every check that applies, by name."""
        checks: dict[str, Callable[[], Finding]] = {
            "domain and codomain": self.ranges,
            "batch shapes": self.batch_shapes,
            "NaN stays in its row": self.nan_row,
            "seeds": self.seeds,
            "errors": self.errors,
            "gradients": lambda: self.gradients(far=False),
            "gradients far out": lambda: self.gradients(far=True),
            "rebuilt from its description": self.rebuild,
        }
        if not self.both_draw:
            checks["round trip"] = self.round_trip
        if self.width:
            checks["context"] = self.conditional
        if trace and self.exact.compiles:
            checks["torch.compile"] = self.compile
        return {**checks, **self._probabilities()}

    def _probabilities(self) -> dict[str, Callable[[], Finding]]:
        """What the audit of a flow says of probabilities, on a normal density of z."""
        shape = self.exact.in_shape
        parts = parts_of(self.exact.domain, math.prod(shape))
        if any(isinstance(part, Discrete) for part in parts):
            return {}
        onto: Transform = Constrain(parts)
        if len(shape) > 1:
            onto = Sequential(onto, Reshape(onto.out_shape, shape))
        flow = SurjectiveFlow(Flow(StandardNormal(onto.in_shape[0]), onto), self.exact)
        kind = BoundAudit if flow.exactness == "bound" else DensityAudit
        checks = kind(flow, self.batch, 1e-8, 1e-4).checks(trace=False)
        names = ("total probability", "frequencies of samples", "integral", "sample_and_log_prob")
        return {name: checks[name] for name in names if name in checks}

    # points and directions

    def context(self, *batch: int, like: torch.dtype = torch.float64) -> Tensor | None:
        return torch.randn(*batch, self.width, dtype=like) if self.width else None

    def directions(
        self, surjection: Surjection, rows: int, like: torch.dtype = torch.float64
    ) -> Iterator[tuple[str, Act, Tensor, Support, tuple[int, ...]]]:
        """Name, seeded map, points, their support and the event shape of what comes out."""
        z = torch.randn(rows, *surjection.in_shape, dtype=like)
        x = torch.randn(rows, *surjection.out_shape, dtype=like)
        domain, codomain = surjection.domain, surjection.codomain
        forward, inverse = partial(_forward, surjection), partial(_inverse, surjection)
        yield "forward", forward, inner_points(domain, z), domain, surjection.out_shape
        yield "inverse", inverse, inner_points(codomain, x), codomain, surjection.in_shape

    # the checks

    def round_trip(self) -> Finding:
        """The direction that draws, followed by the other one, changes nothing."""
        found = []
        for surjection, like in ((self.exact, torch.float64), (self.single, torch.float32)):
            forward, inverse = self.directions(surjection, self.batch, like)
            there, back = (inverse, forward) if self.inverse_draws else (forward, inverse)
            x, context = there[2], self.context(self.batch, like=like)
            again, _ = back[1](there[1](x, context)[0], context)
            changed = int((again != x).flatten(1).any(1).sum())
            found += [f"{changed} of {len(x)} events come back changed in {like}"] * bool(changed)
        return problems(found)

    def ranges(self) -> Finding:
        found = []
        targets = self.exact.codomain, self.exact.domain
        for (name, act, x, *_), target in zip(
            self.directions(self.exact, 256), targets, strict=True
        ):
            y, _ = act(x, self.context(256))
            outside = int((~target.contains(y)).sum())
            found += [f"{name}: {outside} values outside {target!r}"] * bool(outside)
        return problems(found)

    def batch_shapes(self) -> Finding:
        found = []
        for batch in [(), (1,), (5,), (2, 3), (0,), (2, 0)]:
            for surjection, like in ((self.exact, torch.float64), (self.single, torch.float32)):
                for name, act, x, _, event in self.directions(surjection, 6, like):
                    context = self.context(*batch, like=like)
                    what = f"{name} of batch {batch}"
                    found += misshapen(act, take(x, batch), context, event, what, batch)
        for name, act, x, _, _ in self.directions(self.exact, 6):
            context = self.context(6)
            grid = None if context is None else context.unflatten(0, (2, 3))
            plain, two = act(x, context), act(x.unflatten(0, (2, 3)), grid)
            if not all(torch.allclose(a, b.flatten(0, 1)) for a, b in zip(plain, two, strict=True)):
                found.append(f"{name}: a batch (2, 3) gives other numbers")
        return problems(found)

    def nan_row(self) -> Finding:
        found = []
        others = torch.tensor([0, 2, 3])
        for name, act, x, _, _ in self.directions(self.exact, 4):
            context = self.context(4)
            clean = act(x, context)
            dirty = act(with_nan(x), context)
            if name == "forward" and not bool(dirty[0][1].isnan().any()):
                found.append("forward: a NaN input gives numbers")
            for a, b in zip(clean, dirty, strict=True):
                if not torch.allclose(a[others], b[others]):
                    found.append(f"{name}: a NaN in one row changes the others")
        return problems(found)

    def seeds(self) -> Finding:
        drawing = {"inverse"} if self.inverse_draws else {"forward"}
        drawing |= {"forward"} if self.both_draw else set()
        found = []
        for name, act, x, _, _ in self.directions(self.exact, 8):
            context = self.context(8)
            first, again, other = (act(x, context, seed=seed)[0] for seed in (1, 1, 2))
            if not torch.equal(first, again):
                found.append(f"{name}: the same seed gives other values")
            if torch.equal(first, other) == (name in drawing):
                found.append(f"{name}: {'ignores' if name in drawing else 'reads'} the generator")
        return problems(found)

    def errors(self) -> Finding:
        found = []
        for name, act, x, _, _ in self.directions(self.exact, 5):
            context = self.context(5)
            wide = torch.cat([x, x[..., :1]], dim=-1)
            for bad, what in ((wide, "an event too wide"), (x.new_zeros(()), "a scalar")):
                found += expect(ShapeError, partial(act, bad, context), f"{name}, {what}")
            if self.width:
                other = torch.randn(5, self.width + 1, dtype=x.dtype)
                found += expect(ContextError, partial(act, x, None), f"{name} without context")
                found += expect(ContextError, partial(act, x, other), f"{name}, a context too wide")
        return problems(found)

    def conditional(self) -> Finding:
        found = []
        for name, act, x, _, event in self.directions(self.exact, 5):
            context = self.context(3)
            wide = f"{name} of batch (5, 1) with contexts (3,)"
            found += misshapen(act, x[:, None], context, event, wide, (5, 3))
            assert context is not None
            pairs = x[:, None].expand(5, 3, *x.shape[1:]).flatten(0, 1), context.repeat(5, 1)
            each, grid = act(*pairs), act(x[:, None], context)
            if not all(torch.allclose(a, b.flatten(0, 1)) for a, b in zip(each, grid, strict=True)):
                found.append(f"{wide} gives other numbers than pair by pair")
        return problems(found)

    def gradients(self, *, far: bool) -> Finding:
        found = []
        for surjection, like in ((self.exact, torch.float64), (self.single, torch.float32)):
            for name, act, inner, support, _ in self.directions(surjection, 4, like):
                x = far_points(support, inner).flatten(0, 1) if far else inner
                x = x.clone().requires_grad_()
                context = self.context(len(x), like=like)
                if context is not None:
                    context.requires_grad_()
                y, contribution = act(x, context)
                if not bool(y.isfinite().all() & contribution.isfinite().all()):
                    found.append(f"{name} in {like} is not finite")
                loss = (y / (1 + y.detach().abs())).sum() + contribution.sum()
                bad = bad_gradients(loss, {"the input": x, "the context": context}, [surjection])
                found += [f"{name} in {like}: the gradient of {part} is not finite" for part in bad]
        return problems(found)

    def rebuild(self) -> Finding:
        fresh = rebuilt(self.exact)
        found = []
        pairs = zip(self.directions(self.exact, 8), self.directions(fresh, 8), strict=True)
        for (name, act, x, *_), (_, again, *_) in pairs:
            context = self.context(8)
            same = map(torch.equal, act(x, context), again(x, context))
            found += [] if all(same) else [f"{name}: built again, with its state_dict, it differs"]
        return problems(found)

    def compile(self) -> Finding:
        found = []
        with compiler() as compiled:
            for name, _, x, _, _ in self.directions(self.exact, 4):
                context = self.context(4)
                act = self.exact.forward if name == "forward" else self.exact.inverse
                results = []
                for function in (act, compiled(act)):
                    torch.manual_seed(0)
                    out = function(x, context)
                    results.append(out if isinstance(out, tuple) else (out,))
                same = map(torch.allclose, *results)
                found += [] if all(same) else [f"{name}: the traced function gives other numbers"]
        return problems(found)


def _forward(
    surjection: Surjection, z: Tensor, context: Tensor | None, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """x, and a contribution of 0 so that both directions give a pair."""
    x: Tensor = surjection(z, context, generator=torch.Generator().manual_seed(seed))
    return x, x.new_zeros(x.shape[: x.ndim - len(surjection.out_shape)])


def _inverse(
    surjection: Surjection, x: Tensor, context: Tensor | None, seed: int = 0
) -> tuple[Tensor, Tensor]:
    return surjection.inverse(x, context, generator=torch.Generator().manual_seed(seed))
