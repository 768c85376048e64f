"""Sequential(reversible=True): the gradients of the ordinary one, in constant memory."""

from __future__ import annotations

import copy
import inspect
import warnings
from typing import Any

import pytest
import torch
from registry import TRANSFORMS, Entry
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

import diffeo
from diffeo import models, univariates
from diffeo.audit import perturbed
from diffeo.audit.points import inner_points
from diffeo.errors import ReversibilityError, ReversibilityWarning
from diffeo.models.assembly import LayeredFlow
from diffeo.transforms import (
    LU,
    ActNorm,
    BatchNorm,
    Coupling,
    Householder,
    Inverse,
    MaskedAutoregressive,
    Permutation,
    Planar,
    Reverse,
    Sequential,
    Standardize,
    Transform,
)
from diffeo.univariates import Affine, RationalQuadraticSpline, Shift, Univariate


def twins(*layers: Transform) -> tuple[Sequential, Sequential]:
    """An ordinary stack and a reversible one of the same layers."""
    ordinary = perturbed(Sequential(*layers)).double()
    return ordinary, Sequential(*ordinary, reversible=True)


def gradients(
    stack: Transform, direction: str, x: Tensor, context: Tensor | None
) -> dict[str, Tensor]:
    """What a loss of event and ladj gives: results, and gradients to everything."""
    x = x.clone().requires_grad_()
    context = None if context is None else context.clone().requires_grad_()
    y, ladj = getattr(stack, direction)(x, context)
    torch.manual_seed(1)
    loss = (torch.rand_like(y) * y).sum() + (torch.rand_like(ladj) * ladj).sum()
    leaves = {"x": x, **dict(stack.named_parameters())}
    if context is not None:
        leaves["context"] = context
    found = torch.autograd.grad(loss, list(leaves.values()), materialize_grads=True)
    return {
        "y": y.detach(),
        "ladj": ladj.detach(),
        **dict(zip(leaves, found, strict=True)),
    }


def assert_same_gradients(
    stacks: tuple[Transform, Transform], x: Tensor, context: Tensor | None = None
) -> None:
    for direction in ("forward", "inverse"):
        ordinary, reversible = (gradients(s, direction, x, context) for s in stacks)
        assert ordinary.keys() == reversible.keys()
        for name, expected in ordinary.items():
            torch.testing.assert_close(
                reversible[name], expected, rtol=1e-8, atol=1e-8, msg=f"{direction} {name}"
            )


def spline_layers(features: int, context: int = 0, count: int = 2) -> list[Transform]:
    """Layers that are all lossless, some of them nested or turned round."""
    layers: list[Transform] = []
    for i in range(count):
        mask = [features == 1 or k % 2 == i % 2 for k in range(features)]
        options: dict[str, Any] = {"mask": mask, "context": context, "hidden": (8,)}
        layers += [
            Coupling(features, RationalQuadraticSpline(), **options),
            ActNorm(features),
            Sequential(LU(features), Inverse(Coupling(features, Affine(), **options))),
            Inverse(Sequential(Reverse(features), Householder(features))),
            Coupling(features, Shift(), **options),
        ]
    layers.append(Standardize(features))
    layers[-1].initialize(3 * torch.randn(50, features) + 1)
    return layers


@pytest.mark.parametrize("context", [0, 2])
@pytest.mark.parametrize("features", [1, 2, 5])
def test_gradients_of_lossless_layers(features: int, context: int) -> None:
    stacks = twins(*spline_layers(features, context))
    assert stacks[0].lossless
    x = torch.randn(20, features, dtype=torch.float64)
    c = torch.randn(20, context, dtype=torch.float64) if context else None
    assert_same_gradients(stacks, x, c)


def test_gradients_where_batch_and_context_broadcast() -> None:
    """The first layers see the batch of x alone, the couplings that of both."""
    stacks = twins(ActNorm(3), *spline_layers(3, 2), LU(3))
    x = torch.randn(5, 3, dtype=torch.float64)
    assert_same_gradients(stacks, x, torch.randn(7, 1, 2, dtype=torch.float64))
    assert_same_gradients(stacks, x[0], torch.randn(4, 2, dtype=torch.float64))
    assert_same_gradients(stacks, x[:0], torch.randn(2, dtype=torch.float64))


def test_gradients_beside_layers_that_are_not_lossless() -> None:
    hidden = (8,)
    stacks = twins(
        MaskedAutoregressive(3, Affine(), context=2, hidden=hidden),
        LU(3),
        Planar(3),
        Coupling(3, univariates.Bernstein(5), hidden=hidden),
        Coupling(3, Affine(), hidden=hidden),
        Inverse(MaskedAutoregressive(3, RationalQuadraticSpline(), hidden=hidden)),
    )
    x = torch.randn(20, 3, dtype=torch.float64)
    assert_same_gradients(stacks, x, torch.randn(20, 2, dtype=torch.float64))


# an estimate draws other noise at every call
SETTLED = [entry for entry in TRANSFORMS if "estimated" not in entry.name]


@pytest.mark.parametrize("entry", SETTLED, ids=lambda entry: entry.name.replace(" ", "_"))
def test_gradients_of_every_registered_transform(entry: Entry) -> None:
    """A layer, and back through one of the same kind with other weights."""
    layer = entry.build(entry.features[-1] if 3 not in entry.features else 3, entry.contexts[-1])
    if isinstance(layer, BatchNorm):
        layer.eval()
    ordinary = Sequential(perturbed(layer, 1), Inverse(perturbed(layer, 2))).double()
    reversible = Sequential(*ordinary, reversible=True)
    noise = torch.randn(10, *layer.in_shape, dtype=torch.float64)
    x = inner_points(layer.domain, noise)
    c = torch.randn(10, layer.context, dtype=torch.float64) if layer.context else None
    with warnings.catch_warnings():
        # what exponentials of exponentials lose, the guard makes good
        warnings.simplefilter("default" if layer.lossless else "error", ReversibilityWarning)
        assert_same_gradients((ordinary, reversible), x, c)


@pytest.mark.parametrize(
    "univariate",
    [
        Shift(),
        Affine(),
        univariates.ClampedAffine(),
        RationalQuadraticSpline(),
        univariates.LinearSpline(),
        univariates.QuadraticSpline(),
        univariates.LinearRationalSpline(),
    ],
    ids=lambda u: type(u).__name__,
)
def test_a_coupling_asks_its_conditioner_once(univariate: Univariate) -> None:
    layer = Coupling(4, univariate, hidden=(8,))
    assert layer.lossless
    stack = Sequential(layer, reversible=True)
    calls = []
    layer.conditioner.register_forward_hook(lambda *_: calls.append(torch.is_grad_enabled()))
    y, ladj = stack.inverse(torch.randn(5, 4))
    (y.sum() + ladj.sum()).backward()
    # in forward without a graph, in backward with one
    assert calls == [False, True]


# -- memory ------------------------------------------------------------------------------------


def peak(stack: Transform, direction: str, x: Tensor) -> int:
    """Most bytes that forward and backward held at one time, above those of the gradients."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
        y, ladj = getattr(stack, direction)(x)
        (y.sum() + ladj.sum()).backward()
        del y, ladj
    events = [e for e in record.profiler.kineto_results.events() if e.name() == "[memory]"]
    live = most = 0
    for event in sorted(events, key=lambda e: e.start_ns()):
        live += event.nbytes()
        most = max(most, live)
    return most - sum(p.numel() * p.element_size() for p in stack.parameters())


def saved(stack: Transform, direction: str, x: Tensor) -> int:
    """Bytes that wait for backward, besides parameters and buffers."""
    own = {t.untyped_storage().data_ptr() for t in (*stack.parameters(), *stack.buffers())}
    kept: dict[int, int] = {}

    def pack(t: Tensor) -> Tensor:
        if t.untyped_storage().data_ptr() not in own:
            kept[t.untyped_storage().data_ptr()] = t.untyped_storage().nbytes()
        return t

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        result = getattr(stack, direction)(x)
    total = sum(kept.values())
    del result
    return total


@pytest.mark.parametrize("direction", ["forward", "inverse"])
def test_memory_does_not_grow_with_depth(direction: str) -> None:
    x = torch.randn(1000, 4)
    held: dict[bool, list[int]] = {False: [], True: []}
    waiting: dict[bool, list[int]] = {False: [], True: []}
    for count in (2, 8):
        for reversible in held:
            stack = Sequential(*spline_layers(4, count=count), reversible=reversible)
            held[reversible].append(peak(stack, direction, x))
            waiting[reversible].append(saved(stack, direction, x))
    assert held[False][1] > 3 * held[False][0]
    assert held[True][1] - held[True][0] < 1e-3 * held[True][0]
    assert held[True][1] < held[False][1] / 4
    # the input and the output, and a few numbers of computed weights
    assert waiting[True][0] == waiting[True][1] == pytest.approx(2 * x.nbytes, rel=0.01)
    assert waiting[False][1] > 3 * waiting[False][0]


def test_memory_of_an_autoregressive_flow_is_that_of_its_inputs() -> None:
    x = torch.randn(500, 6)
    sizes = [
        saved(diffeo.MAF(6, layers=layers, reversible=True).transform, "inverse", x)
        for layers in (3, 9)
    ]
    assert sizes[1] - sizes[0] == 6 * x.nbytes


# -- the guard ---------------------------------------------------------------------------------


class Careless(Transform):
    """y = a x + b, whose inverse forgets a part of b."""

    lossless = True

    def __init__(self, features: int, error: float) -> None:
        super().__init__((features,))
        self.error = error
        self.scale = nn.Parameter(torch.full((features,), 2.0))
        self.shift = nn.Parameter(torch.full((features,), 1.0))

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self.scale * x + self.shift, self.scale.log().sum().expand(x.shape[:-1])

    def inverse(self, y: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        x = (y - (1 - self.error) * self.shift) / self.scale
        return x, -self.scale.log().sum().expand(y.shape[:-1])


def around(layer: Transform) -> tuple[Sequential, Sequential]:
    """Stacks with ``layer`` in their midst."""
    affine = perturbed(Coupling(3, Affine(), hidden=(8,)))
    ordinary = Sequential(affine, Sequential(Reverse(3), layer), LU(3), ActNorm(3)).double()
    return ordinary, Sequential(*ordinary, reversible=True)


@pytest.mark.parametrize("direction", ["forward", "inverse"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_wrong_inverse_is_named_and_gradients_are_right(
    direction: str, dtype: torch.dtype
) -> None:
    error = 10 * torch.finfo(dtype).eps ** 0.5
    ordinary, reversible = (stack.to(dtype) for stack in around(Careless(3, error)))
    x = torch.randn(20, 3, dtype=dtype)
    expected = gradients(ordinary, direction, x, None)
    with pytest.warns(ReversibilityWarning, match=r"is transforms\.1\.transforms\.1 \(Careless"):
        found = gradients(reversible, direction, x, None)
    torch.testing.assert_close(found, expected)


def test_an_inverse_that_is_exact_enough_passes() -> None:
    _, reversible = around(Careless(3, 1e-12))
    gradients(reversible, "forward", torch.randn(20, 3, dtype=torch.float64), None)


def test_a_wrong_inverse_before_a_kept_layer_is_noticed() -> None:
    """What lies behind a kept layer does not reach the start of the stack."""
    ordinary, _ = around(Careless(3, 0.1))
    stack = Sequential(Planar(3).double(), *ordinary, Planar(3).double(), reversible=True)
    for direction in ("forward", "inverse"):
        with pytest.warns(ReversibilityWarning, match=r"transforms\.2\.transforms\.1 \(Careless"):
            gradients(stack, direction, torch.randn(9, 3, dtype=torch.float64), None)


def test_a_layer_that_does_not_repeat_itself_is_an_error() -> None:
    class Noisy(Transform):
        lossless = True

        def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
            return x + torch.randn_like(x), x.new_zeros(x.shape[:-1])

        def inverse(self, y: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
            return self.forward(y)

    x = torch.randn(5, 2, requires_grad=True)
    y, _ = Sequential(Noisy((2,)), LU(2), reversible=True)(x)
    with pytest.raises(ReversibilityError, match="it is random, or it was changed"):
        y.sum().backward()


def test_parameters_that_a_step_changed_are_an_error() -> None:
    stack = Sequential(*spline_layers(3), reversible=True)
    y, _ = stack(torch.randn(5, 3))
    with torch.no_grad():
        stack[1].shift.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


# -- what is not repeatable, and what cannot recompute -------------------------------------------


def test_statistics_and_dropout_run_once() -> None:
    network = nn.Sequential(nn.Linear(1, 8), nn.Dropout(0.5), nn.BatchNorm1d(8), nn.Linear(8, 4))
    layers = [LU(3), Coupling(3, Affine(), conditioner=network, mask=[True, False, True])]
    ordinary, _ = twins(*layers, BatchNorm(3), ActNorm(3), LU(3))
    found = []
    for reversible in (False, True):
        stack = Sequential(*perturbed(ordinary), reversible=reversible).train()
        x = torch.randn(20, 3, dtype=torch.float64)
        torch.manual_seed(2)
        x, ladj = stack.inverse(torch.ones(20, 3, dtype=torch.float64).cumsum(0).sin())
        (x.sin().sum() + ladj.sum()).backward()
        found.append([*(p.grad for p in stack.parameters()), *stack.buffers()])
        assert int(stack[2].batches) == 1
        assert int(stack[1].conditioner[2].num_batches_tracked) == 1
    torch.testing.assert_close(found[1], found[0], rtol=1e-8, atol=1e-8)


def test_second_derivatives() -> None:
    stacks = twins(*spline_layers(3, 2), Planar(3))
    # the point itself depends on the parameters, by another part of the same layers
    start = torch.randn(6, 3, dtype=torch.float64, requires_grad=True)
    context = torch.randn(6, 2, dtype=torch.float64)
    found = []
    for stack in stacks:
        x, _ = stack(start, context)
        y, ladj = stack.inverse(x + start, context)
        first = torch.autograd.grad((y.sin() + ladj[:, None]).sum(), x, create_graph=True)[0]
        leaves = [start, *stack.parameters()]
        found.append(torch.autograd.grad(first.square().sum(), leaves, materialize_grads=True))
    torch.testing.assert_close(found[1], found[0], rtol=1e-8, atol=1e-8)


def test_first_derivatives_that_are_kept_differentiable() -> None:
    """Parameters lie before the point as well; a gradient must not count that way twice."""
    ordinary, reversible = twins(*spline_layers(3))
    found = []
    for stack in (ordinary, reversible):
        x, _ = ordinary(torch.linspace(-1, 1, 3, dtype=torch.float64))
        y, ladj = stack.inverse(x.sin())
        leaves = list(stack.parameters())
        found.append(torch.autograd.grad(y.sin().sum() + ladj, leaves, create_graph=True))
    torch.testing.assert_close(found[1], found[0], rtol=1e-8, atol=1e-8)


def test_function_transforms_agree() -> None:
    ordinary, reversible = twins(*spline_layers(3))
    x = torch.randn(4, 3, dtype=torch.float64)
    jacobians = [
        torch.func.vmap(torch.func.jacrev(lambda x, stack=stack: stack(x)[0]))(x)
        for stack in (ordinary, reversible)
    ]
    torch.testing.assert_close(jacobians[1], jacobians[0])


def test_parameters_given_from_outside() -> None:
    stacks = twins(*spline_layers(3))
    x = torch.randn(4, 3, dtype=torch.float64)
    factor = torch.tensor(1.5, dtype=torch.float64, requires_grad=True)
    found = []
    for stack in stacks:
        given = {name: factor * p.detach() for name, p in stack.named_parameters()}
        y, ladj = torch.func.functional_call(stack, given, (x,))
        found.append(torch.autograd.grad(y.sin().sum() + ladj.sum(), factor))
    torch.testing.assert_close(found[1], found[0])


def test_hooks_of_parameters_see_a_gradient_once() -> None:
    _, stack = twins(*spline_layers(3))
    weight = stack[1].shift
    seen: list[Tensor] = []
    weight.register_hook(lambda grad: seen.append(grad))
    stack.inverse(torch.randn(4, 3, dtype=torch.float64))[0].sum().backward()
    assert len(seen) == 1
    assert torch.equal(seen[0], weight.grad)


def test_frozen_and_tied_parameters() -> None:
    ordinary, _ = twins(*spline_layers(3))
    for name, parameter in ordinary.named_parameters():
        parameter.requires_grad_("weight" not in name)
    layers = [*ordinary, *ordinary]
    x = torch.randn(6, 3, dtype=torch.float64)
    found = []
    for reversible in (False, True):
        ordinary.zero_grad()
        y, ladj = Sequential(*layers, reversible=reversible)(x)
        (y.sum() + ladj.sum()).backward()
        found.append({n: p.grad for n, p in ordinary.named_parameters()})
    assert any(grad is None for grad in found[0].values())
    torch.testing.assert_close(found[1], found[0], rtol=1e-8, atol=1e-8)


def test_without_gradients_nothing_is_recomputed() -> None:
    ordinary, reversible = twins(*spline_layers(3))
    x = torch.randn(4, 3, dtype=torch.float64)
    with torch.no_grad():
        assert torch.equal(reversible(x)[0], ordinary(x)[0])
    frozen = reversible.requires_grad_(False)
    assert frozen(x)[0].grad_fn is None
    with torch.inference_mode():
        reversible(x)


def test_compiled() -> None:
    ordinary, reversible = twins(Coupling(3, Affine(), hidden=(8,)), LU(3))
    x = torch.randn(4, 3, dtype=torch.float64)
    found = []
    for stack in (ordinary, torch.compile(reversible, fullgraph=True, backend="eager")):
        y, ladj = stack(x)
        found.append(torch.autograd.grad(y.sum() + ladj.sum(), list(ordinary.parameters())))
    torch.testing.assert_close(found[1], found[0])


def test_autocast_is_that_of_forward() -> None:
    """Backward stands outside of autocast, as it should, and still works in its precision."""
    coupling = perturbed(Coupling(4, RationalQuadraticSpline(), hidden=(16, 16)))
    layers = [coupling, Reverse(4), copy.deepcopy(coupling)]
    x = torch.randn(50, 4)

    def gradient(reversible: bool, half: bool) -> Tensor:
        stack = Sequential(*layers, reversible=reversible)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
            y, ladj = stack.inverse(x)
        loss = y.sin().sum() + ladj.sum()
        grads = torch.autograd.grad(loss, list(stack.parameters()))
        return torch.cat([grad.flatten() for grad in grads])

    full = gradient(False, half=False)
    half, found = (gradient(reversible, half=True) - full for reversible in (False, True))
    # rounded at other places on the way back, but wrong by the same roundings in forward
    assert half.norm() > 1e-3 * full.norm()
    assert (found - half).norm() < half.norm() / 3


# -- models and files --------------------------------------------------------------------------

MODELS = [
    cls
    for cls in (getattr(models, name) for name in models.__all__)
    if isinstance(cls, type)
    and issubclass(cls, LayeredFlow)
    # models of a single layer have nothing to take it for
    and "reversible" in inspect.signature(cls).parameters
]


@pytest.mark.parametrize("model", MODELS, ids=lambda cls: cls.__name__)
def test_every_model_takes_it(model: type[Any]) -> None:
    flows = [model(2, context=1, layers=2, seed=0, reversible=r) for r in (False, True)]
    assert [flow.transform.reversible for flow in flows] == [False, True]
    x = torch.rand(6, 2, dtype=torch.float64)
    c = torch.randn(6, 1, dtype=torch.float64)
    found = []
    for flow in flows:
        flow = perturbed(flow).double()
        loss = flow.log_prob(x, c).sum()
        found.append(torch.autograd.grad(loss, list(flow.parameters()), materialize_grads=True))
    torch.testing.assert_close(found[1], found[0], rtol=1e-8, atol=1e-8)


def test_files_remember(tmp_path: Any) -> None:
    path = tmp_path / "m.safetensors"
    stack = Sequential(*spline_layers(3), reversible=True)
    flows = [
        diffeo.RealNVP(3, layers=2, reversible=True),
        diffeo.Flow(diffeo.bases.StandardNormal(3), stack),
    ]
    for flow in flows:
        flow.save(path)
        assert diffeo.load(path).transform.reversible
    assert "reversible=True" in repr(stack)
    assert "reversible" not in repr(Sequential(LU(3)))
    diffeo.RealNVP(3, layers=2).save(path)
    assert not diffeo.load(path).transform.reversible


def test_fit_is_the_same() -> None:
    data = torch.randn(200, 2) * 3 + 1
    scores = []
    for reversible in (False, True):
        flow = diffeo.NSF(2, layers=3, hidden=(8,), reversible=reversible, seed=0).double()
        flow.fit(data.double(), epochs=2, seed=0, progress=False)
        x = torch.ones(1, 2, dtype=torch.float64, requires_grad=True)
        score = flow.score(x)
        score.square().sum().backward()
        scores.append(torch.cat([score, x.grad]))
    torch.testing.assert_close(scores[1], scores[0], rtol=1e-7, atol=1e-7)


def test_sampling_has_gradients() -> None:
    found = []
    for reversible in (False, True):
        flow = perturbed(diffeo.RealNVP(2, layers=3, seed=0, reversible=reversible)).double()
        x, log_prob = flow.rsample_and_log_prob(20, seed=0)
        loss = (log_prob + x.square().sum(-1)).mean()
        found.append(torch.autograd.grad(loss, list(flow.parameters())))
    torch.testing.assert_close(found[1], found[0], rtol=1e-8, atol=1e-8)


def test_layers_without_parameters() -> None:
    x = torch.randn(4, 3, requires_grad=True)
    y, _ = Sequential(Permutation([1, 2, 0]), Reverse(3), reversible=True)(x)
    (y * torch.tensor([1.0, 2.0, 3.0])).sum().backward()
    # y holds x_0, x_2, x_1
    assert x.grad is not None
    assert x.grad[0].tolist() == [1.0, 3.0, 2.0]
