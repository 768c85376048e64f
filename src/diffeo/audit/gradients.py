"""The audit of a transform's gradients: at inner points, far out, and on the knots of splines."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from diffeo.audit.calculus import bad_gradients
from diffeo.audit.points import far_points, groups
from diffeo.audit.report import Finding, problems
from diffeo.audit.subject import Subject
from diffeo.supports import Support
from diffeo.univariates.spline import Spline

__all__ = ["Place", "far", "finite", "knots_of"]

# the support and inner points (rows, *event) -> points
Place = Callable[[Support, Tensor], Tensor]


def far(support: Support, inner: Tensor) -> Tensor:
    """All far out at once, and one element (or what hangs together) after another."""
    ends = far_points(support, inner)
    flat, near = ends.flatten(2), inner.flatten(1)
    rows = [ends.flatten(0, 1)]
    for elements in groups(support, tuple(inner.shape[1:])):
        for end in flat:
            row = near.clone()
            row[:, elements] = end[:, elements]
            rows.append(row.reshape(inner.shape))
    return torch.cat(rows)


def knots_of(transform: nn.Module) -> Place | None:
    """Ends and evenly spaced inner knots (where a fresh spline has them) of each spline.

    None where there is none.
    """
    found = (getattr(module, "univariate", None) for module in transform.modules())
    splines = [u for u in found if isinstance(u, Spline)]
    return partial(_knots, splines) if splines else None


def _knots(splines: list[Spline], support: Support, inner: Tensor) -> Tensor:
    rows = []
    for spline in splines:
        # in float64, where an end such as pi does not round to a number beyond it
        ends = (spline.low, spline.high)
        for knot in torch.linspace(*ends, spline.bins + 1, dtype=torch.float64).tolist():
            rows.append(torch.full_like(inner[:1], knot))
    points = torch.cat(rows)
    valid = support.contains(points).flatten(1).all(1)
    return points[valid] if bool(valid.any()) else inner


def finite(subject: Subject, place: Place | None = None) -> Finding:
    """Whether values and gradients are finite, in both directions and precisions.

    Args:
        subject: the transform.
        place: where its points lie; None for inner ones.
    """
    found = []
    for transform in (subject.exact, subject.single):
        like = torch.float64 if transform is subject.exact else torch.float32
        supports = (transform.domain, transform.codomain)
        each = zip(subject.directions(transform, 4, like=like), supports, strict=True)
        for (name, act, inner, _), support in each:
            x = inner if place is None else place(support, inner)
            x = x.requires_grad_()
            context = subject.context((len(x),), like)
            if context is not None:
                context.requires_grad_()
            y, ladj = act(x, context)
            what = f"{name} in {str(like).removeprefix('torch.')}"
            for part, value in (("values", y), ("ladj", ladj)):
                if not bool(value.isfinite().all()):
                    found.append(f"{what}: {part} not finite")
            loss = (y / (1 + y.detach().abs())).sum() + ladj.sum()
            bad = bad_gradients(loss, {"the input": x, "the context": context}, [transform])
            found += [f"{what}: the gradient of {name} is not finite" for name in bad]
    return problems(found)
