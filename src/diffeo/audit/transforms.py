"""The audit of a transform."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from diffeo.audit.calculus import autograd_ladj, event_error
from diffeo.audit.calculus import relative as relative_error
from diffeo.audit.copies import compiler, rebuilt
from diffeo.audit.estimates import ROWS, Seeded, unbiased
from diffeo.audit.gradients import far, finite, knots_of
from diffeo.audit.points import with_nan
from diffeo.audit.report import Finding, Report, expect, problems, run_checks, worst
from diffeo.audit.rounding import single_precision, single_round_trip
from diffeo.audit.shapes import Map, misshapen, take
from diffeo.audit.subject import Subject
from diffeo.errors import ContextError, ShapeError
from diffeo.transform import Transform

__all__ = ["check_transform"]


def check_transform(
    transform: Transform,
    *,
    identity: bool = False,
    batch: int = 64,
    seed: int = 0,
    tolerance: float = 1e-8,
    single_tolerance: float = 1e-5,
    trace: bool = True,
) -> Report:
    """Compare a transform with what its contract promises.

    Both ladj are compared with autograd Jacobians, and both round trips are made, in float64; then
    batch shapes, context, errors, gradients (also at |x| = 1e6 and on spline knots), float32,
    tracing and the rebuilding from its description. Where the ladj is declared an estimate and is
    random, the mean of 2,000 must be that of autograd to within five standard errors.

    The audit works on copies, on the CPU, in evaluation mode; the transform and torch's random
    state stay as they are. A fresh layer is often the identity, where little can be wrong: audit
    ``diffeo.audit.perturbed(transform)`` too.

    Args:
        transform: the transform, yours or one of diffeo's.
        identity: whether it should be the identity, to within 1e-3.
        batch: points at which Jacobians are taken.
        seed: decides the points.
        tolerance: of ladj and round trips in float64, relative to 1 + magnitude.
        single_tolerance: of float32, beyond 10 times the error that one rounding of the input
            makes.
        trace: whether to trace both directions where the transform declares ``compiles``.

    Returns:
        A report that prints as a table and can raise.

    Example:
        >>> import diffeo
        >>> layer = diffeo.transforms.Coupling(4, diffeo.univariates.Affine(), context=3)
        >>> diffeo.audit.check_transform(layer).raise_if_failed()
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        audit = _TransformAudit(transform, batch, tolerance, single_tolerance)
        return run_checks(type(transform).__name__, audit.checks(identity, trace))


class _TransformAudit(Subject):
    """The checks of one transform."""

    def __init__(
        self, transform: Transform, batch: int, tolerance: float, single_tolerance: float
    ) -> None:
        super().__init__(transform, batch)
        self.tolerance = tolerance
        self.single_tolerance = single_tolerance

    def checks(self, identity: bool, trace: bool) -> dict[str, Callable[[], Finding]]:
        """Every check that applies, by name."""
        checks: dict[str, Callable[[], Finding]] = {
            "forward ladj": lambda: self.ladj(inverse=False),
            "inverse ladj": lambda: self.ladj(inverse=True),
            "round trip of inputs": lambda: self.round_trip(inputs=True),
            "round trip of outputs": lambda: self.round_trip(inputs=False),
            "ladj of both directions": self.opposite_ladj,
            "codomain": self.codomain,
            "batch shapes": self.batch_shapes,
            "rows are independent": self.rows,
            "NaN stays in its row": self.nan_row,
            "context": self.conditional if self.width else self.unconditional,
            "event shape errors": self.shape_errors,
            "gradients": lambda: finite(self),
            "gradients far out": lambda: finite(self, far),
            "float32 values and ladj": lambda: single_precision(self, self.single_tolerance),
            "float32 round trip": lambda: single_round_trip(self, self.single_tolerance),
            "rebuilt from its description": self.rebuild,
        }
        knots = knots_of(self.exact)
        if knots is not None:
            checks["gradients on spline knots"] = partial(finite, self, knots)
        if identity:
            checks["identity"] = self.identity
        if trace and self.exact.compiles:
            checks["torch.compile"] = self.compile
        return checks

    # log-determinants and round trips

    def settled(self, ladj: Tensor) -> Tensor:
        """The ladj, or 0 where it hangs on the noise that a row is given in its batch."""
        return torch.zeros_like(ladj) if self.noisy else ladj

    def ladj(self, *, inverse: bool) -> Finding:
        there, back = self.exact.domain, self.exact.codomain
        act: Map = self.exact
        name, x = "forward", self.inputs()
        if inverse:
            act, there, back = self.exact.inverse, back, there
            name, x = "inverse", self.outputs()
        if self.noisy:
            x = x[:ROWS]
        context = self.context((len(x),))
        y, ladj = (t.detach() for t in act(x, context))
        # in the coordinates of the reference measures, where Jacobians are square
        expected = autograd_ladj(
            lambda point: back.chart(act(there.embed(point, x), context)[0], y), there.chart(x, x)
        )
        if self.noisy:
            return unbiased(lambda x, c: act(x, c)[1], x, context, expected, self.tolerance)
        error = relative_error(ladj, expected)
        row = int(error.nan_to_num(torch.inf).argmax())
        return worst(
            error,
            self.tolerance,
            f"{name} ladj is {float(ladj[row]):.6g}, autograd gives {float(expected[row]):.6g}",
        )

    def round_trip(self, *, inputs: bool) -> Finding:
        there, back = (
            (self.exact, self.exact.inverse) if inputs else (self.exact.inverse, self.exact)
        )
        x = self.inputs() if inputs else self.outputs()
        context = self.context((len(x),))
        again, _ = back(there(x, context)[0], context)
        error = event_error(again, x)
        row = int(error.nan_to_num(torch.inf).argmax())
        return worst(
            error,
            self.tolerance,
            f"{_show(x[row])} comes back as {_show(again[row])}",
        )

    def opposite_ladj(self) -> Finding:
        x = self.inputs()
        context = self.context((len(x),))
        y, forward = self.exact(x, context)
        _, inverse = self.exact.inverse(y, context)
        return worst(
            relative_error(-inverse, forward),
            self.tolerance,
            "the inverse ladj is not minus the forward one at the same point",
        )

    def codomain(self) -> Finding:
        found = []
        x = self.inputs(256)
        y, _ = self.exact(x, self.context((256,)))
        outside = int((~self.exact.codomain.contains(y)).sum())
        if outside:
            found.append(f"{outside} outputs outside {self.exact.codomain!r}")
        return problems(found)

    # shapes, rows, context

    def batch_shapes(self) -> Finding:
        found = []
        for batch in [(), (1,), (5,), (2, 3), (0,), (2, 0)]:
            for like in (torch.float64, torch.float32):
                transform = self.exact if like == torch.float64 else self.single
                for name, act, x, event in self.directions(transform, 30, like=like):
                    x = take(x, batch)
                    context = self.context(batch, like)
                    what = f"{name} of batch {batch}"
                    found += misshapen(act, x, context, event, what, batch)
        for name, act, x, _ in self.directions(self.exact, 6):
            found += self._same_values(name, act, x)
        return problems(found)

    def _same_values(self, name: str, act: Map, x: Tensor) -> list[str]:
        """Two batch axes and strided memory must give the numbers of one plain batch."""
        context = self.context((6,))
        y, ladj = act(x, context)
        strided = torch.stack([x, x], dim=-1)[..., 0]
        grid = x.unflatten(0, (2, 3))
        grid_context = None if context is None else context.unflatten(0, (2, 3))
        found = []
        for what, other in (
            ("a non-contiguous input", act(strided, context)),
            ("a batch (2, 3)", act(grid, grid_context)),
        ):
            same = torch.allclose(other[0].reshape(y.shape), y, rtol=1e-9, atol=1e-9)
            same &= torch.allclose(other[1].reshape(6), ladj, rtol=1e-9, atol=1e-9)
            found += [] if same else [f"{name}: {what} gives other numbers"]
        return found

    def rows(self) -> Finding:
        errors = []
        for _, act, x, _ in self.directions(self.exact, 8):
            context = self.context((8,))
            y, ladj = act(x, context)
            for i in range(8):
                one = None if context is None else context[i]
                alone, alone_ladj = act(x[i], one)
                errors.append(event_error(alone[None], y[i][None]).max())
                errors.append(relative_error(self.settled(alone_ladj), self.settled(ladj[i])))
        return worst(torch.stack(errors), self.tolerance, "a row depends on the rest of its batch")

    def nan_row(self) -> Finding:
        found = []
        for name, act, x, _ in self.directions(self.exact, 4):
            context = self.context((4,))
            clean = act(x, context)
            y, ladj = act(with_nan(x), context)
            if not bool(y[1].isnan().any() or ladj[1].isnan()):
                found.append(f"{name}: a NaN input gives numbers")
            others = torch.tensor([0, 2, 3])
            for dirty, plain in zip((y, ladj), clean, strict=True):
                if not torch.allclose(dirty[others], plain[others]):
                    found.append(f"{name}: a NaN in one row changes the others")
        return problems(found)

    def conditional(self) -> Finding:
        width = self.width
        found = []
        for name, act, x, event in self.directions(self.exact, 5):
            x = x[:, None]
            context = self.context((3,))
            assert context is not None
            wide = f"{name} of batch (5, 1) with contexts (3,)"
            found += misshapen(act, x, context, event, wide, (5, 3))
            found += misshapen(act, x[0, 0], context, event, f"{name} of one point", (3,))
            found += misshapen(act, x[:, 0], context[0], event, f"{name} at one context", (5,))
            y, ladj = act(x, context)
            each = [act(x[:, 0], c.expand(5, width)) for c in context]
            same = torch.allclose(y, torch.stack([e[0] for e in each], 1))
            one_by_one = torch.stack([e[1] for e in each], 1)
            same &= torch.allclose(self.settled(ladj), self.settled(one_by_one))
            found += [] if same else [f"{wide} gives other numbers than one by one"]
            found += self._context_errors(name, act, x[:, 0])
        return problems(found)

    def _context_errors(self, name: str, act: Map, x: Tensor) -> list[str]:
        wrong = torch.randn(5, self.width + 1, dtype=x.dtype)
        two = torch.randn(2, self.width, dtype=x.dtype)
        return [
            *expect(ContextError, lambda: act(x, None), f"{name} without context"),
            *expect(ContextError, lambda: act(x, wrong), f"{name} with a context too wide"),
            *expect(ContextError, lambda: act(x, two), f"{name} of batch 5 with 2 contexts"),
        ]

    def unconditional(self) -> Finding:
        found = []
        for name, act, x, _ in self.directions(self.exact, 5):
            pair = act(x, None), act(x, torch.randn(5, 2, dtype=x.dtype))
            if not all(torch.equal(a, b) for a, b in zip(*pair, strict=True)):
                found.append(f"{name}: a context changes what declares to read none")
        return problems(found)

    def shape_errors(self) -> Finding:
        found = []
        for name, act, x, _ in self.directions(self.exact, 5):
            context = self.context((5,))
            wide = torch.cat([x, x[..., :1]], dim=-1)
            for bad, what in ((wide, "an event too wide"), (x.new_zeros(()), "a scalar")):
                found += expect(ShapeError, partial(act, bad, context), f"{name}, {what}")
        return problems(found)

    # what is declared

    def identity(self) -> Finding:
        x = self.inputs()
        y, ladj = self.exact(x, self.context((len(x),)))
        error = torch.maximum(event_error(y, x), ladj.abs())
        return worst(error, 1e-3, "declared to start at the identity")

    def compile(self) -> Finding:
        found = []
        with compiler() as compiled:
            for name, act, x, _ in self.directions(self.exact, 4):
                context = self.context((4,))
                plain, traced = act(x, context), compiled(act)(x, context)
                same = [torch.allclose(a, b) for a, b in zip(plain, traced, strict=True)]
                found += [] if all(same) else [f"{name}: the traced function gives other numbers"]
        return problems(found)

    def rebuild(self) -> Finding:
        fresh = Seeded(rebuilt(self.exact.inner)) if self.noisy else rebuilt(self.exact)
        errors = []
        for name, act, x, _ in self.directions(self.exact, 8):
            context = self.context((8,))
            again: Map = fresh if name == "forward" else fresh.inverse
            for a, b in zip(act(x, context), again(x, context), strict=True):
                errors.append((a - b).abs().max())
        return worst(torch.stack(errors), 0.0, "built again, with its state_dict, it differs")


def _show(event: Tensor) -> str:
    numbers = [f"{v:.4g}" for v in event.detach().flatten()[:4].tolist()]
    return f"({', '.join(numbers)}{', ...' if event.numel() > 4 else ''})"
