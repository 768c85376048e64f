"""Transforms by the fused kernels, where those can run them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from diffeo import kernels
from diffeo.nets import MLP, MaskedMLP
from diffeo.nets.layers import OutputLinear
from diffeo.nets.masked import _MaskedOutput as MaskedOutput
from diffeo.nets.mlp import _InputLayer as InputLayer
from diffeo.overrides import is_latest
from diffeo.transform import Transform
from diffeo.univariates import Affine, RationalQuadraticSpline
from diffeo.univariates.univariate import Univariate

__all__ = ["Directed", "conditioned_step", "run_alone", "run_fused_reversibly", "run_in_turn"]

Pair = tuple[Tensor, Tensor]

_LINEAR = {InputLayer, nn.Linear, OutputLinear, MaskedOutput}


@dataclass(slots=True)
class Directed:
    """A layer and the direction in which it runs."""

    layer: Transform
    inverted: bool

    def __call__(self, x: Tensor, context: Tensor | None) -> Pair:
        result: Pair
        result = self.layer.inverse(x, context) if self.inverted else self.layer(x, context)
        return result

    @property
    def back(self) -> Directed:
        """The other direction."""
        return Directed(self.layer, not self.inverted)

    @property
    def takes(self) -> tuple[int, ...]:
        """The shape of the events that it takes."""
        return self.layer.out_shape if self.inverted else self.layer.in_shape


def run_alone(
    transform: Transform, x: Tensor, context: Tensor | None, *, inverted: bool
) -> Pair | None:
    """One direction of a transform by a kernel, or None where plain PyTorch must do it."""
    # a wrong shape is for the plain code to name
    shape = transform.out_shape if inverted else transform.in_shape
    if not kernels.usable(x) or x.shape[-1:] != shape:
        return None
    return kernels.run(kernel_steps(transform, inverted=inverted), x, context)


def run_in_turn(steps: Sequence[Directed], x: Tensor, context: Tensor | None) -> Pair:
    """The steps one after another, as many at once as there are kernels for.

    Returns the event and the sum of the ladj.
    """
    if not kernels.usable(x) or x.shape[-1:] != steps[0].takes:
        return _run_plainly(steps, x, context)
    total: Tensor | None = None
    for some, fused in _stretches(steps):
        found = kernels.run(fused, x, context)
        x, ladj = _run_plainly(some, x, context) if found is None else found
        total = ladj if total is None else total + ladj
    assert total is not None
    return x, total


def run_fused_reversibly(
    steps: Sequence[Directed], x: Tensor, context: Tensor | None
) -> Pair | None:
    """As ``run_in_turn`` in one kernel whose backward pass recomputes; None where there is none."""
    if not kernels.usable(x):
        return None
    told: list[kernels.Step] = []
    for step in steps:
        more = kernel_steps(step.layer, inverted=step.inverted)
        if not more or not all(each.reversible for each in more):
            return None
        told += more
    return kernels.run(told, x, context, reversible=True)


def _run_plainly(steps: Sequence[Directed], x: Tensor, context: Tensor | None) -> Pair:
    x, total = steps[0](x, context)
    for step in steps[1:]:
        x, ladj = step(x, context)
        total = total + ladj
    return x, total


def _stretches(
    steps: Sequence[Directed],
) -> Iterator[tuple[list[Directed], Sequence[kernels.Step] | None]]:
    """Neighbours that kernels can run together, with what tells them how, and all others alone."""
    together: list[Directed] = []
    told: list[kernels.Step] = []
    for step in steps:
        more = kernel_steps(step.layer, inverted=step.inverted)
        if more:
            together.append(step)
            told += more
            continue
        if together:
            yield together, told
            together, told = [], []
        yield [step], None
    if together:
        yield together, told


def kernel_steps(transform: Transform, *, inverted: bool) -> Sequence[kernels.Step] | None:
    """What kernels need to know of a layer, unless someone else has changed what it does."""
    restated = is_latest(type(transform), "kernel_steps", "forward", "inverse")
    if not restated or not kernels.unwatched(transform):
        return None
    return transform.kernel_steps(inverted=inverted)


def conditioned_step(
    conditioner: nn.Module,
    univariate: Univariate,
    *,
    inverted: bool,
    layer: kernels.TwoWayLayer,
    moved: Tensor,
    seen: Tensor,
) -> kernels.Conditioned | None:
    """A placement of a univariate as a kernel's step; None where there is no kernel for it."""
    if type(univariate) is RationalQuadraticSpline and univariate.bins <= kernels.MOST_BINS:
        bins, box = univariate.bins, (univariate.low, univariate.high, univariate.min_fraction)
    elif type(univariate) is Affine:
        bins, box = 0, (0.0, 0.0, 0.0)
    else:
        return None
    network: MLP | MaskedMLP
    edges: list[list[int]] = []
    if type(conditioner) is MLP:
        network = conditioner
    elif type(conditioner) is MaskedMLP:
        network, edges = conditioner, conditioner.masks.edges[1:-1]
    else:
        return None
    linears = _linears(network)
    if linears is None:
        return None
    return kernels.Conditioned(
        layer=layer,
        inverse=inverted,
        bins=bins,
        box=box,
        moved=moved,
        seen=seen,
        linears=linears,
        context_weight=network.input.context_weight,
        edges=tuple(edges),
        # inverted, it reads what it has found
        sequential=bool(edges) and inverted,
    )


def _linears(network: MLP | MaskedMLP) -> tuple[tuple[Tensor, Tensor], ...] | None:
    """Weights and biases, or None where a user has exchanged, wrapped or hooked a layer."""
    # by their dictionaries, as the attributes of modules are slow and this runs in every call
    parts: dict[str, Any] = network._modules
    layers = (parts["input"], *parts["hidden"]._modules.values(), parts["output"])
    if len(layers) > kernels.MOST_LINEARS or not _LINEAR.issuperset(map(type, layers)):
        return None
    if not kernels.unwatched(network, *layers):
        return None
    weights = [layer._parameters for layer in layers]
    return tuple((each["weight"], each["bias"]) for each in weights)
