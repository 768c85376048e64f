"""The checks of a density: a flow, a base, a mixture."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from diffeo.audit.calculus import EPS32, autograd_ladj, bad_gradients, event_error, quantile
from diffeo.audit.calculus import relative as relative_error
from diffeo.audit.copies import compiler, precisions, rebuilt, users_parts
from diffeo.audit.integral import integral
from diffeo.audit.points import far_points, inner_points, nudged, outside_points, with_nan
from diffeo.audit.report import Finding, expect, problems, worst
from diffeo.density import Density
from diffeo.errors import ContextError, DtypeError, ShapeError
from diffeo.flow import Flow
from diffeo.model import Model, load
from diffeo.supports import Support, parts_of
from diffeo.transforms import Constrain

__all__ = ["DensityAudit"]

Drawn = tuple[int, ...]

SAMPLES = 4_000  # that say where the mass of a density lies


class DensityAudit:
    """The checks of one density; torch's global generator decides the points."""

    def __init__(
        self, density: Density, batch: int, tolerance: float, single_tolerance: float
    ) -> None:
        self.single, self.exact = precisions(density)
        self.batch = batch
        self.tolerance = tolerance
        self.single_tolerance = single_tolerance
        self.width = density.context
        self.event = density.event_shape

    def checks(self, trace: bool) -> dict[str, Callable[[], Finding]]:
        """Every check that applies, by name."""
        checks: dict[str, Callable[[], Finding]] = {
            "sample_and_log_prob": self.sample_and_log_prob,
            "batch shapes": self.batch_shapes,
            "sample shapes": self.sample_shapes,
            "seeds": self.seeds,
            "errors": self.errors,
            "NaN stays in its row": self.nan_row,
            "outside the support": self.outside,
            "gradients": self.gradients,
            "gradients far out": self.far_gradients,
            "score": self.score,
            "float32 log_prob": self.single_precision,
            "rebuilt from its description": self.rebuild,
        }
        if self.width:
            checks["context"] = self.context_broadcasts
        if isinstance(self.exact, Flow):
            checks["log_prob against autograd"] = self.change_of_variables
            checks["round trip"] = self.round_trip
        if self.exact.has_rsample:
            checks["rsample"] = self.rsample
        if _dimension(self.exact.support, self.event) in (1, 2):
            checks["integral"] = self.integral
        if isinstance(self.exact, Model):
            checks["save and load"] = self.save_and_load
        if trace and self.exact.compiles:
            checks["torch.compile"] = self.compile
        return checks

    def context(self, *batch: int, like: torch.dtype = torch.float64) -> Tensor | None:
        return torch.randn(*batch, self.width, dtype=like) if self.width else None

    def points(self, *batch: int, like: torch.dtype = torch.float64) -> Tensor:
        """Half of them from the density itself, half from N(0, 1) moved into its support."""
        noise = inner_points(self.exact.support, torch.randn(*batch, *self.event, dtype=like))
        drawn = self.exact.sample(batch, self.context()).to(like)
        own = torch.rand(batch) < 0.5
        return torch.where(own.reshape(*batch, *(1,) * len(self.event)), drawn, noise)

    def log_prob(self, density: Density, x: Tensor, context: Tensor | None) -> Tensor:
        """What ``density`` says of ``x``; whatever is random in it is the same at every call."""
        result: Tensor = density.log_prob(x, context)
        return result

    # values

    def change_of_variables(self) -> Finding:
        x, context = self.points(self.batch), self.context(self.batch)
        error = relative_error(self.exact.log_prob(x, context), self.by_autograd(x, context))
        return worst(error, self.tolerance, "log_prob is not base plus log-det of the inverse")

    def by_autograd(self, x: Tensor, context: Tensor | None) -> Tensor:
        """Log-densities (rows,) of a flow by its base and the Jacobian of its values."""
        flow = self.exact
        assert isinstance(flow, Flow)
        z = flow.to_base(x, context).detach()
        support, base = flow.support, flow.transform.domain
        # in the coordinates of the reference measures, where Jacobians are square
        ladj = autograd_ladj(
            lambda point: base.chart(flow.to_base(support.embed(point, x), context), z),
            support.chart(x, x),
        )
        embedded = flow._embed(context) if flow.base.context else None
        log_prob: Tensor = flow.base.log_prob(z, embedded).detach()
        return log_prob + ladj

    def round_trip(self) -> Finding:
        flow = self.exact
        assert isinstance(flow, Flow)
        x, context = self.points(self.batch), self.context(self.batch)
        again = flow.from_base(flow.to_base(x, context), context)
        return worst(event_error(again, x), self.tolerance, "from_base(to_base(x)) is not x")

    def sample_and_log_prob(self) -> Finding:
        context = self.context(3)
        x, log_prob = self.exact.sample_and_log_prob(100, context, seed=0)
        again = self.exact.log_prob(x, context)
        error = relative_error(log_prob, again)
        return worst(error, self.tolerance, "log_prob of the samples is another")

    def single_precision(self) -> Finding:
        x, context = self.points(2000, like=torch.float32), self.context(2000, like=torch.float32)
        wide = None if context is None else context.double()
        with torch.no_grad():
            found = self.single.log_prob(x, context).double()
            truth = self.exact.log_prob(self.exact.support.nearest(x.double()), wide)
            floor = torch.zeros_like(truth)
            for near in nudged(self.exact.support, x, EPS32):
                moved = self.exact.log_prob(near, wide)
                # a nudge over the edge of the support says nothing
                moved = torch.where(moved.isinf(), truth, moved)
                floor = torch.maximum(floor, relative_error(moved, truth))
        limit = self.single_tolerance + 10 * quantile(floor)
        return Finding(quantile(relative_error(found, truth)), limit, "99.9th percentile")

    def integral(self) -> Finding:
        onto = Constrain(parts_of(self.exact.support, self.event[0]))
        context = self.context()

        def log_density(z: Tensor) -> Tensor:
            x, ladj = onto(z)
            log_prob: Tensor = self.exact.log_prob(x, context)
            return log_prob + ladj

        with torch.no_grad():
            samples, _ = onto.inverse(self.exact.sample(SAMPLES, context, seed=0))
            return integral(log_density, samples)

    # shapes and errors

    def batch_shapes(self) -> Finding:
        found = []
        for density, like in ((self.exact, torch.float64), (self.single, torch.float32)):
            for batch in [(), (5,), (2, 3), (0,)]:
                x, context = self.points(*batch, like=like), self.context(*batch, like=like)
                log_prob = self.log_prob(density, x, context)
                if tuple(log_prob.shape) != batch or log_prob.dtype != like:
                    got = f"{tuple(log_prob.shape)} in {log_prob.dtype}"
                    found.append(f"log_prob of batch {batch} in {like} has shape {got}")
        x, context = self.points(6), self.context(6)
        grid = None if context is None else context.unflatten(0, (2, 3))
        plain = self.log_prob(self.exact, x, context)
        strided = torch.stack([x, x], dim=-1)[..., 0]
        if not torch.allclose(self.log_prob(self.exact, strided, context), plain):
            found.append("a non-contiguous input gives other numbers")
        two_axes = self.log_prob(self.exact, x.unflatten(0, (2, 3)), grid)
        if not torch.allclose(two_axes.flatten(), plain):
            found.append("a batch (2, 3) gives other numbers")
        return problems(found)

    def context_broadcasts(self) -> Finding:
        x, context = self.points(5, 1), self.context(3)
        assert context is not None
        each = torch.stack([self.exact.log_prob(x[:, 0], c) for c in context], dim=1)
        log_prob = self.exact.log_prob(x, context)
        if tuple(log_prob.shape) != (5, 3):
            return problems([f"(5, 1) with contexts (3,) has shape {tuple(log_prob.shape)}"])
        return worst(relative_error(log_prob, each), self.tolerance, "broadcasting changes values")

    def sample_shapes(self) -> Finding:
        found = []
        contexts = [(), (1,), (2,), (4,), (2, 3)] if self.width else [()]
        sizes: list[tuple[int | Drawn, Drawn]] = [((), ()), (5, (5,)), ((2, 3), (2, 3)), (0, (0,))]
        for density, like in ((self.exact, torch.float64), (self.single, torch.float32)):
            for batch in contexts:
                context = self.context(*batch, like=like)
                for n, drawn in sizes:
                    x, log_prob = density.sample_and_log_prob(n, context)
                    expected = (*drawn, *batch)
                    if tuple(x.shape) != expected + self.event or x.dtype != like:
                        found.append(f"{n} samples at contexts {batch}: {tuple(x.shape)} {x.dtype}")
                    if tuple(log_prob.shape) != expected:
                        found.append(f"their log_prob: {tuple(log_prob.shape)}, not {expected}")
                    if not bool(density.log_prob(x, context).isfinite().all()):
                        found.append(f"log_prob of samples at contexts {batch} is not finite")
        return problems(found)

    def seeds(self) -> Finding:
        context = self.context(2)
        draw = self.exact.sample
        first, again = draw(20, context, seed=1), draw(20, context, seed=1)
        generator = torch.Generator().manual_seed(1)
        found = []
        if not torch.equal(first, again):
            found.append("the same seed gives other samples")
        if not torch.equal(first, draw(20, context, seed=generator)):
            found.append("a generator gives other samples than its seed")
        if torch.equal(first, draw(20, context, seed=2)):
            found.append("another seed gives the same samples")
        if torch.equal(draw(20, context), draw(20, context)):
            found.append("two draws without a seed are the same")
        return problems(found)

    def errors(self) -> Finding:
        x, context = self.points(5), self.context(5)
        log_prob = self.exact.log_prob
        wide = torch.cat([x, x[..., :1]], dim=-1)
        found = expect(ShapeError, lambda: log_prob(wide, context), "events too wide")
        found += expect(ShapeError, lambda: log_prob(x.new_zeros(()), context), "a scalar")
        found += expect(DtypeError, lambda: log_prob(x.float(), context), "float32 in float64")
        if self.width:
            other = torch.randn(5, self.width + 1, dtype=x.dtype)
            sample = self.exact.sample
            found += expect(ContextError, lambda: log_prob(x), "log_prob without context")
            found += expect(ContextError, lambda: log_prob(x, other), "a context too wide")
            found += expect(ContextError, lambda: sample(3), "sample without context")
            found += expect(ContextError, lambda: sample(3, other), "sample, context too wide")
        if not self.exact.has_rsample:
            found += expect(TypeError, lambda: self.exact.rsample(3, context), "rsample")
        return problems(found)

    def nan_row(self) -> Finding:
        x, context = self.points(4), self.context(4)
        clean = self.log_prob(self.exact, x, context)
        log_prob = self.log_prob(self.exact, with_nan(x), context)
        # where columns have types, NaN is a hole
        right = bool(log_prob[1].isnan()) != self.exact.typed_columns
        found = [] if right else [f"log_prob of a NaN is {float(log_prob[1])}"]
        others = torch.tensor([0, 2, 3])
        if not torch.allclose(log_prob[others], clean[others]):
            found.append("a NaN in one row changes the others")
        return problems(found)

    def outside(self) -> Finding:
        """-inf with finite gradients for numbers outside; for +-inf only the value counts."""
        found = []
        for density, like in ((self.exact, torch.float64), (self.single, torch.float32)):
            x = outside_points(density.support, self.points(1, like=like))
            context = self.context(len(x), like=like)
            finite = x.flatten(1).isfinite().all(1)
            log_prob = self.log_prob(density, x, context)
            for row in (log_prob != -torch.inf).nonzero()[:, 0].tolist():
                found.append(f"log_prob is {float(log_prob[row].detach())} at {x[row].tolist()}")
            if bool(finite.any()):
                inside = x[finite].clone().requires_grad_()
                near = None if context is None else context[finite]
                loss = self.log_prob(density, inside, near).nan_to_num(neginf=0.0).sum()
                bad = bad_gradients(loss, {"the input": inside}, [density])
                found += [f"the gradient of {name} is not finite" for name in bad]
        return problems(found)

    # gradients

    def gradients(self) -> Finding:
        found = []
        for density, like in ((self.exact, torch.float64), (self.single, torch.float32)):
            found += self._bad_log_prob(density, self.points(8, like=like))
        return problems(found)

    def far_gradients(self) -> Finding:
        found = []
        for density, like in ((self.exact, torch.float64), (self.single, torch.float32)):
            inner = self.points(4, like=like)
            found += self._bad_log_prob(density, far_points(density.support, inner).flatten(0, 1))
        return problems(found)

    def _bad_log_prob(self, density: Density, x: Tensor) -> list[str]:
        x = x.clone().requires_grad_()
        context = self.context(len(x), like=x.dtype)
        if context is not None:
            context.requires_grad_()
        log_prob = self.log_prob(density, x, context)
        found = [] if bool(log_prob.isfinite().all()) else [f"log_prob not finite in {x.dtype}"]
        bad = bad_gradients(log_prob.sum(), {"the input": x, "the context": context}, [density])
        return found + [f"{x.dtype}: the gradient of {name} is not finite" for name in bad]

    def rsample(self) -> Finding:
        found = []
        for density, like in ((self.exact, torch.float64), (self.single, torch.float32)):
            context = self.context(3, like=like)
            if context is not None:
                context.requires_grad_()
            x, log_prob = density.rsample_and_log_prob(20, context, seed=0)
            if not torch.equal(x, density.rsample(20, context, seed=0)):
                found.append("rsample and rsample_and_log_prob differ at the same seed")
            trained = any(p.requires_grad for p in density.parameters())
            if trained and not x.requires_grad:
                found.append("samples carry no gradient to the parameters")
            bad = bad_gradients(x.sum() + log_prob.sum(), {"the context": context}, [density])
            found += [f"{like}: the gradient of {name} is not finite" for name in bad]
        return problems(found)

    def score(self) -> Finding:
        x, context = self.points(5, 1), self.context(3)
        wide = x if context is None else x.expand(5, 3, *self.event)
        point = wide.clone().requires_grad_()
        log_prob = self.exact.log_prob(point, context)
        expected = torch.zeros_like(point)
        if log_prob.requires_grad:  # a constant density has no graph
            # and on discrete columns alone, nothing depends on x
            (expected,) = torch.autograd.grad(log_prob.sum(), point, materialize_grads=True)
        score = self.exact.score(x, context)
        if score.shape != expected.shape:
            return problems([f"shape {tuple(score.shape)}, not {tuple(expected.shape)}"])
        return worst(relative_error(score, expected), self.tolerance, "autograd gives another")

    # what is declared

    def rebuild(self) -> Finding:
        return self._same(rebuilt(self.exact))

    def save_and_load(self) -> Finding:
        model = self.exact
        assert isinstance(model, Model)
        classes, parts = users_parts(model)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.safetensors"
            model.save(path)
            return self._same(load(path, classes=classes, parts=parts))

    def _same(self, other: Density) -> Finding:
        x, context = self.points(8), self.context(8)
        found = []
        again = self.log_prob(other, x, context)
        if not torch.equal(again, self.log_prob(self.exact, x, context)):
            found.append("its log_prob differs")
        drawn = other.sample(8, context, seed=0), self.exact.sample(8, context, seed=0)
        if not torch.equal(*drawn):
            found.append("its samples differ")
        return problems(found)

    def compile(self) -> Finding:
        x, context = self.points(4), self.context(4)
        plain = self.exact.log_prob(x, context)
        with compiler() as compiled:
            traced = compiled(self.exact.log_prob)(x, context)
        same = torch.allclose(plain, traced)
        return problems([] if same else ["the traced log_prob gives other numbers"])


def _dimension(support: Support, event: tuple[int, ...]) -> int | None:
    """Of vectors on supports that the reals can be mapped onto; else None."""
    try:
        return Constrain(parts_of(support, event[0])).in_shape[0] if len(event) == 1 else None
    except ShapeError:
        return None
