"""The fused kernels against plain PyTorch, and everything that must send work back to it."""

from __future__ import annotations

import copy
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from diffeo import MAF, NSF, PlanarFlow, RealNVP, Sequential, kernels
from diffeo.kernels import library
from diffeo.transform import Transform
from diffeo.transforms import (
    LU,
    ActNorm,
    Coupling,
    Inverse,
    MaskedAutoregressive,
    Permutation,
    Planar,
    PlanarStack,
    Reverse,
    Standardize,
)
from diffeo.univariates import Affine, RationalQuadraticSpline, Shift

pytestmark = pytest.mark.skipif(
    not kernels.available(), reason="the kernels were not built here (no compiler)"
)

AFFINE, SPLINE = Affine(), RationalQuadraticSpline(6, (-2.0, 3.0))


def perturbed(transform: Transform, scale: float = 0.2) -> Transform:
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in transform.parameters():
            parameter += scale * torch.randn(parameter.shape, generator=generator)
    return transform


def coupling(
    univariate: Affine | RationalQuadraticSpline, d: int, context: int, i: int
) -> Coupling:
    mask = [d == 1 or k % 2 == i % 2 for k in range(d)]
    return Coupling(d, univariate, mask=mask, context=context, hidden=(20, 33))


def standardized(features: int) -> Standardize:
    layer = Standardize(features)
    layer.initialize(3 + 2 * torch.randn(50, features))
    return layer


Make = Callable[[int, int], Transform]
STACKS: dict[str, Make] = {
    "affine couplings": lambda d, c: Sequential(*(coupling(AFFINE, d, c, i) for i in range(3))),
    "spline couplings": lambda d, c: Sequential(*(coupling(SPLINE, d, c, i) for i in range(3))),
    "one hidden layer": lambda d, c: Coupling(d, SPLINE, context=c, hidden=(17,)),
    "affine masked": lambda d, c: MaskedAutoregressive(d, AFFINE, context=c, hidden=(20, 33)),
    "spline masked": lambda d, c: Sequential(
        MaskedAutoregressive(d, SPLINE, context=c, hidden=(9,)),
        Reverse(d),
        Inverse(MaskedAutoregressive(d, SPLINE, context=c, hidden=(40, 30, 20))),
    ),
    "masked in another order": lambda d, c: MaskedAutoregressive(
        d, SPLINE, context=c, order=[(3 * i + 1) % d for i in range(d)] if d % 3 else None
    ),
    "linear": lambda d, c: Sequential(
        LU(d), ActNorm(d), Permutation([(i + 1) % d for i in range(d)]), standardized(d)
    ),
    "planar": lambda d, c: Sequential(Planar(d), PlanarStack(d, 3), Planar(d)),
    "all kinds": lambda d, c: Sequential(
        coupling(SPLINE, d, c, 0), LU(d), Planar(d), Reverse(d), coupling(AFFINE, d, c, 1)
    ),
}
Result = tuple[Tensor, Tensor, list[Tensor]]


def outcome(transform: Transform, inverted: bool, x: Tensor, context: Tensor | None) -> Result:
    """Event, ladj, and the gradients of one number made of both."""
    x = x.clone().requires_grad_()
    given = [x] if context is None else [x, context.clone().requires_grad_()]
    run = transform.inverse if inverted else transform
    y, ladj = run(*given)
    generator = torch.Generator().manual_seed(2)
    weights = [torch.randn(t.shape, generator=generator).to(t) for t in (y, ladj)]
    loss = (y * weights[0]).sum() + (ladj * weights[1]).sum()
    wanted = [*given, *transform.parameters()]
    found = torch.autograd.grad(loss, wanted, materialize_grads=True, allow_unused=True)
    return y.detach(), ladj.detach(), list(found)


def far(found: Tensor, true: Tensor) -> float:
    return float(((found - true).abs() / (1 + true.abs().max())).max()) if true.numel() else 0.0


def assert_as_exact(transform: Transform, inverted: bool, d: int, context: int, rows: int) -> None:
    """As close to float64 as plain float32 is."""
    generator = torch.Generator().manual_seed(3)
    x = 1.5 * torch.randn(rows, d, generator=generator)
    c = torch.randn(rows, context, generator=generator) if context else None
    fused = outcome(transform, inverted, x, c)
    double = copy.deepcopy(transform).double()
    with kernels.plain():
        plain = outcome(transform, inverted, x, c)
        true = outcome(double, inverted, x.double(), None if c is None else c.double())
    for found, usual, exact in zip(fused[:2], plain[:2], true[:2], strict=True):
        assert far(found, exact) <= 10 * far(usual, exact) + 2e-6
    worst = max(far(f, t) for f, t in zip(fused[2], true[2], strict=True))
    assert worst <= 10 * max(far(p, t) for p, t in zip(plain[2], true[2], strict=True)) + 1e-5


@pytest.fixture(params=[16, 8, 4], ids=lambda lanes: f"{lanes} lanes")
def lanes(request: pytest.FixtureRequest) -> Iterator[int]:
    """Each instruction set that this machine has."""
    usual = library.lanes()
    if library.lanes(request.param) != request.param:
        pytest.skip("this machine has no such instructions")
    yield request.param
    library.lanes(usual)


@pytest.mark.parametrize("inverted", [False, True], ids=["forward", "inverse"])
@pytest.mark.parametrize(("d", "context", "rows"), [(5, 2, 70), (1, 1, 3), (4, 0, 130), (7, 0, 5)])
@pytest.mark.parametrize("name", STACKS)
def test_values_and_gradients(
    name: str, d: int, context: int, rows: int, inverted: bool, lanes: int
) -> None:
    torch.manual_seed(0)
    assert_as_exact(perturbed(STACKS[name](d, context)), inverted, d, context, rows)


@pytest.mark.parametrize("seed", range(40))
def test_any_sizes(seed: int, lanes: int) -> None:
    """Blocks of every height, and what earlier calls left in the kernels' memory."""
    torch.manual_seed(seed)
    generator = random.Random(seed)
    name = generator.choice(["spline couplings", "affine masked", "spline masked"])
    d, context = generator.choice([2, 3, 5, 9]), generator.choice([0, 2])
    rows = generator.choice([1, 2, 5, 16, 17, 33, 64, 65, 300])
    layer = perturbed(STACKS[name](d, context), 0.1)
    assert_as_exact(layer, generator.random() < 0.5, d, context, rows)


def test_wide_and_many() -> None:
    torch.manual_seed(0)
    for name in ("spline couplings", "affine masked", "spline masked"):
        assert_as_exact(perturbed(STACKS[name](21, 0), 0.1), False, 21, 0, 700)


def ran_fused(transform: Transform, x: Tensor, context: Tensor | None = None) -> bool:
    """Whether a kernel ran, by what the graph of the result begins with."""
    y, _ = transform(x, context)
    seen, todo = set(), [y.grad_fn]
    while todo:
        node = todo.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if type(node).__name__ == "_StackBackward":
            return True
        todo += [n for n, _ in node.next_functions]
    return False


def test_kernels_run_where_they_can() -> None:
    x, context = torch.randn(7, 5), torch.randn(7, 2)
    for name, make in STACKS.items():
        if name != "linear":  # its forward direction solves triangles
            assert ran_fused(make(5, 2), x, context), name


@pytest.mark.parametrize(
    "change",
    [
        lambda layer: layer.double(),
        lambda layer: layer.conditioner.output.register_forward_hook(lambda *_: None),
        lambda layer: layer.register_forward_pre_hook(lambda *_: None),
        lambda layer: parametrizations.weight_norm(layer.conditioner.hidden[0]),
        lambda layer: setattr(layer.conditioner.hidden, "0", nn.Sequential(nn.Linear(33, 33))),
        lambda layer: setattr(layer, "univariate", Shift()),
    ],
    ids=["float64", "hook", "pre-hook", "parametrization", "exchanged layer", "univariate"],
)
def test_what_a_kernel_does_not_know_runs_plainly(change: Callable[[Coupling], object]) -> None:
    layer = Coupling(4, AFFINE, hidden=(33, 33))
    change(layer)
    if isinstance(layer.univariate, Shift):
        layer = Coupling(4, Shift(), hidden=(33, 33))
    x = torch.randn(6, 4, dtype=layer.conditioner.output.weight.dtype)
    assert not ran_fused(layer, x)


def test_a_subclass_with_its_own_direction_runs_that() -> None:
    class Doubled(Coupling):
        def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
            y, ladj = super().forward(x, context)
            return 2 * y, ladj + len(y[0]) * torch.log(torch.tensor(2.0))

    layer = Doubled(4, AFFINE)
    x = torch.randn(6, 4)
    torch.testing.assert_close(Sequential(layer)(x)[0], 2 * x)


# torch's own table of tangents
@pytest.mark.filterwarnings("ignore:.torch.jit.script:DeprecationWarning")
def test_autocast_and_functorch_and_tangents_run_plainly() -> None:
    layer = perturbed(Coupling(4, SPLINE))
    x = torch.randn(6, 4)
    with torch.autocast("cpu", torch.bfloat16):
        assert not ran_fused(layer, x)
    jacobian = torch.func.vmap(torch.func.jacrev(lambda x: layer(x)[0]))(x)
    ladj = layer(x)[1]
    torch.testing.assert_close(jacobian.det().log(), ladj, atol=1e-4, rtol=1e-4)
    _, along = torch.func.jvp(lambda x: layer(x)[0], (x,), (torch.ones_like(x),))
    torch.testing.assert_close(along, jacobian.sum(-1), atol=1e-4, rtol=1e-4)


def test_second_derivatives() -> None:
    layer = perturbed(Sequential(coupling(SPLINE, 3, 0, 0), LU(3), coupling(AFFINE, 3, 0, 1)))
    x = torch.randn(5, 3)

    def curvature() -> tuple[Tensor, ...]:
        point = x.clone().requires_grad_()
        y, ladj = layer.inverse(point)
        (first,) = torch.autograd.grad((y.sin().sum() + ladj.sum()), point, create_graph=True)
        return torch.autograd.grad(first.square().sum(), [point, *layer.parameters()])

    fused = curvature()
    with kernels.plain():
        for found, true in zip(fused, curvature(), strict=True):
            torch.testing.assert_close(found, true, atol=2e-3, rtol=2e-3)


def test_second_derivatives_see_parameters_that_were_exchanged() -> None:
    layer, other = (perturbed(Coupling(4, AFFINE), scale) for scale in (0.1, 0.3))
    x = torch.randn(5, 4, requires_grad=True)
    weights = dict(other.named_parameters())
    y, _ = torch.func.functional_call(layer, weights, (x,))
    torch.testing.assert_close(y, other(x)[0])
    with pytest.raises(RuntimeError, match="exchanged"):
        torch.autograd.grad(y.square().sum(), list(weights.values()), create_graph=True)
    with kernels.plain():
        y, _ = torch.func.functional_call(layer, weights, (x,))
        torch.autograd.grad(y.square().sum(), list(weights.values()), create_graph=True)


def test_layouts_batches_and_broadcasting() -> None:
    layer = perturbed(Coupling(4, SPLINE, context=2))
    x, c = torch.randn(4, 3, 5).permute(2, 1, 0), torch.randn(3, 2)
    with torch.no_grad():
        fused = layer(x, c)
        with kernels.plain():
            plain = layer(x, c)
    for found, true in zip(fused, plain, strict=True):
        assert found.shape == true.shape
        torch.testing.assert_close(found, true, atol=2e-5, rtol=2e-5)
    assert layer(torch.empty(0, 4), torch.empty(0, 2))[0].shape == (0, 4)


def test_nan_stays_in_its_row_and_far_points_are_finite() -> None:
    for make in (STACKS["spline couplings"], STACKS["affine masked"], STACKS["spline masked"]):
        stack = perturbed(make(4, 0))
        x = torch.randn(40, 4)
        x[7, 2] = torch.nan
        x[9] = 1e6
        y, ladj = stack(x)
        others = torch.arange(40) != 7
        assert y[7].isnan().any()
        assert ladj[7].isnan()
        assert y[others].isfinite().all()
        assert ladj[others].isfinite().all()
        (y[others].sum() + ladj[others].sum()).backward()
        clean = stack(x[others])
        torch.testing.assert_close(y[others], clean[0], atol=1e-5, rtol=1e-5)


def test_one_thread_and_two_agree_and_each_repeats_itself() -> None:
    stack = perturbed(STACKS["all kinds"](5, 0))
    x = torch.randn(1000, 5)
    usual = torch.get_num_threads()
    found = []
    try:
        for threads in (1, 2, 2):
            torch.set_num_threads(threads)
            found.append(outcome(stack, False, x, None))
    finally:
        torch.set_num_threads(usual)
    assert torch.equal(found[0][0], found[1][0])
    for once, again in zip(found[1][2], found[2][2], strict=True):
        assert torch.equal(once, again)
    for one, two in zip(found[0][2], found[1][2], strict=True):
        assert far(one, two) < 1e-5


def test_backward_twice_and_a_weight_written_in_between() -> None:
    layer = perturbed(Coupling(4, AFFINE))
    y, _ = layer(torch.randn(6, 4))
    loss = y.square().sum()
    parameters = list(layer.parameters())
    once = torch.autograd.grad(loss, parameters, retain_graph=True)
    again = torch.autograd.grad(loss, parameters, retain_graph=True)
    assert all(torch.equal(a, b) for a, b in zip(once, again, strict=True))
    with torch.no_grad():
        parameters[0].mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


@pytest.mark.parametrize("direction", ["forward", "inverse"])
def test_reversible_stacks_give_the_same_gradients(direction: str) -> None:
    layers = [coupling(SPLINE, 4, 2, i) for i in range(5)]
    ends = [standardized(4), Reverse(4)]
    ordinary = perturbed(Sequential(*layers, *ends), 0.1)
    reversible = Sequential(*layers, *ends, reversible=True)
    x, c = torch.randn(300, 4), torch.randn(300, 2)
    assert ran_fused(reversible, x, c)
    inverted = direction == "inverse"
    found, true = (outcome(t, inverted, x, c) for t in (reversible, ordinary))
    assert torch.equal(found[0], true[0])
    for one, other in zip(found[2], true[2], strict=True):
        assert far(one, other) < 1e-4


@pytest.mark.parametrize(
    "flow", [NSF(4, seed=0), RealNVP(4, seed=0), MAF(4, seed=0), PlanarFlow(4, seed=0)]
)
def test_a_fit_is_the_same_with_and_without(flow: NSF) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2000, 4, generator=generator) @ torch.randn(4, 4, generator=generator)
    plain = copy.deepcopy(flow)
    options = {"epochs": 2, "progress": False, "validation": None}
    flow.fit(x, **options)
    with kernels.plain():
        plain.fit(x, **options)
        before = plain.log_prob(x)
    torch.testing.assert_close(flow.log_prob(x).mean(), before.mean(), atol=2e-2, rtol=0)


_FEWER_THREADS = """
import torch, diffeo
from diffeo import kernels
torch.set_num_threads(2)
flow = diffeo.NSF(features=4, seed=0)
x = torch.randn(2000, 4, generator=torch.Generator().manual_seed(0))
def gradients():
    flow.zero_grad()
    flow.log_prob(x).mean().backward()
    return flow.log_prob(x), [p.grad for p in flow.parameters() if p.grad is not None]
value, grads = gradients()
with kernels.plain():
    wanted, wanted_grads = gradients()
torch.testing.assert_close(value, wanted, rtol=1e-4, atol=1e-4)
torch.testing.assert_close(grads, wanted_grads, rtol=1e-3, atol=1e-4)
"""


@pytest.mark.parametrize("limit", ["1", "2"])
def test_all_rows_are_done_where_openmp_sends_fewer_threads_than_asked_for(limit: str) -> None:
    environment = {**os.environ, "OMP_THREAD_LIMIT": limit}
    command = [sys.executable, "-c", _FEWER_THREADS]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
