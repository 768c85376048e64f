"""Sums of squares, Bernstein polynomials, sigmoidal maps, integrals and mixtures against their
papers' formulae, in plain Python."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from statistics import NormalDist

import pytest
import torch

from diffeo.univariates import (
    Bernstein,
    DeepSigmoidal,
    DenseSigmoidal,
    MixtureOfGaussians,
    MixtureOfLogistics,
    MonotoneNetwork,
    SumOfSquares,
    Univariate,
)
from diffeo.univariates.normal_tails import log_cdf_and_hazard, quantile_of_log

BOUND = math.log(1e3)
AT = [-6.0, -2.5, -0.7, 0.0, 0.4, 1.9, 3.3, 8.0]
LEAK = 1e-3


def bounded(raw: float, bound: float = BOUND) -> float:
    return bound * math.tanh(raw / bound)


def softmax(raw: list[float]) -> list[float]:
    each = [math.exp(v) for v in raw]
    return [v / sum(each) for v in each]


def sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-z))


def raw_parameters(univariate: Univariate, sd: float = 0.5) -> list[float]:
    return (sd * torch.randn(univariate.num_params, dtype=torch.float64)).tolist()


def agree(univariate: Univariate, raw: list[float], formula: Callable[[float], float]) -> None:
    params = torch.tensor(raw, dtype=torch.float64)[:, None].expand(-1, len(AT))
    y, _ = univariate.forward(torch.tensor(AT, dtype=torch.float64), params)
    assert y.tolist() == pytest.approx([formula(x) for x in AT], rel=1e-9, abs=1e-9)


def trapezoids(g: Callable[[float], float], end: float, steps: int = 4000) -> float:
    """Romberg's two finest levels of int_0^end g."""

    def sums(n: int) -> float:
        inner = sum(g(end * i / n) for i in range(1, n))
        return end / n * (inner + (g(0.0) + g(end)) / 2)

    return (4 * sums(steps) - sums(steps // 2)) / 3


def test_sum_of_squares() -> None:
    sos = SumOfSquares(degree=2, terms=2, interval=(-10.0, 10.0))
    c, *flat = raw = raw_parameters(sos)
    limit = (math.sqrt(500) - 1) / 3
    a = [[bounded(v, limit) for v in flat[:3]], [bounded(v, limit) for v in flat[3:]]]
    # the constants start at 2 and 1 over the root of 5
    a[0][0] += 2 / math.sqrt(5)
    a[1][0] += 1 / math.sqrt(5)

    def slope(u: float) -> float:
        squares = sum(sum(p[j] * (u / 10) ** j for j in range(3)) ** 2 for p in a)
        return 1e-3 + 0.999 * squares

    agree(sos, raw, lambda x: c + trapezoids(slope, x))


def test_bernstein() -> None:
    bernstein = Bernstein(degree=5, interval=(-10.0, 10.0))
    shift, *logs = raw = raw_parameters(bernstein)
    steps = [20 / 5 * math.exp(bounded(v)) for v in logs]
    c = [shift - sum(steps) / 2 + sum(steps[:i]) for i in range(6)]

    def casteljau(x: float) -> float:
        t, row = (x + 10) / 20, c
        while len(row) > 1:
            row = [(1 - t) * left + t * right for left, right in pairwise(row)]
        return row[0]

    agree(bernstein, raw, casteljau)


def test_monotone_network() -> None:
    umnn = MonotoneNetwork(units=3, interval=(-10.0, 10.0))
    c, first, *flat = raw = raw_parameters(umnn)
    v, w, b = flat[:3], flat[3:6], flat[6:]

    def g(x: float) -> float:
        units = [
            bounded(v[k], 2.0)
            * math.tanh(bounded(10 + 4 * w[k], 15.0) * (x / 10 - (k - 1)) + 4 * b[k])
            for k in range(3)
        ]
        return math.exp(bounded(first + sum(units)))

    agree(umnn, raw, lambda x: c + trapezoids(g, x))


def mixed(z: list[float], weights: list[float]) -> float:
    mean = sum(w * v for w, v in zip(weights, z, strict=True))
    below = sum(w * sigmoid(v) for w, v in zip(weights, z, strict=True))
    above = sum(w * sigmoid(-v) for w, v in zip(weights, z, strict=True))
    return (1 - LEAK) * math.log(below / above) + LEAK * mean


def test_deep_sigmoidal() -> None:
    dsf = DeepSigmoidal(units=3)
    raw = raw_parameters(dsf)
    start = -math.log(1 - 3 * (2 / 3) / math.pi**2) / 2
    a = [math.exp(bounded(v + start)) for v in raw[:3]]
    b = [4 * v + k - 1 for k, v in enumerate(raw[3:6])]
    w = softmax(raw[6:])
    agree(dsf, raw, lambda x: mixed([a[k] * x + b[k] for k in range(3)], w))


def test_dense_sigmoidal() -> None:
    ddsf = DenseSigmoidal(units=2, layers=2)
    raw = raw_parameters(ddsf)
    bound = BOUND / 2
    start = -math.log(1 - 3 / math.pi**2) / 2

    def affine(own: list[float]) -> tuple[list[float], list[float]]:
        return (
            [math.exp(bounded(v + start, bound)) for v in own[:2]],
            [4 * v + (-1, 1)[k] for k, v in enumerate(own[2:4])],
        )

    (a, b), (a2, b2) = affine(raw[:8]), affine(raw[8:])
    # weights of unit k in output i lie at 2 k + i; the start prefers the unit of the same place
    w = [softmax([raw[4 + 2 * k + i] - 8.0 * (k != i) for k in range(2)]) for i in range(2)]
    w2 = softmax(raw[12:14])
    # shares of input j in unit k lie at 2 j + k
    u = [softmax([raw[14 + 2 * j + k] for j in range(2)]) for k in range(2)]

    def formula(x: float) -> float:
        h = [mixed([a[k] * x + b[k] for k in range(2)], w[i]) for i in range(2)]
        z = [a2[k] * (u[k][0] * h[0] + u[k][1] * h[1]) + b2[k] for k in range(2)]
        return mixed(z, w2)

    agree(ddsf, raw, formula)


def test_dense_sigmoidal_of_one_layer_is_deep_sigmoidal() -> None:
    x = torch.randn(50)
    params = torch.randn(12, 50)
    deep, dense = DeepSigmoidal(4).forward(x, params), DenseSigmoidal(4, 1).forward(x, params)
    assert torch.equal(deep[0], dense[0])
    assert torch.equal(deep[1], dense[1])


def test_mixture_of_logistics() -> None:
    univariate = MixtureOfLogistics(components=3)
    raw = raw_parameters(univariate, 0.2)
    m = [4 * v + 2 * (k - 1) for k, v in enumerate(raw[:3])]
    start = math.log(1 - 3 * (8 / 3) / math.pi**2) / 2
    s = [math.exp(bounded(v + start)) for v in raw[3:6]]
    w = softmax([4 * v for v in raw[6:9]])
    shift, scale = raw[9], math.exp(bounded(raw[10]))
    agree(
        univariate,
        raw,
        lambda x: scale * mixed([(x - m[k]) / s[k] for k in range(3)], w) + shift,
    )


def test_mixture_of_gaussians() -> None:
    univariate = MixtureOfGaussians(components=3)
    raw = raw_parameters(univariate, 0.2)
    variance = 4 / 94
    # Gauss's rule for the normal: nodes at 0 and the roots of 3, weights 2/3 and 1/6
    m = [4 * v + (k - 1) * math.sqrt(3 * variance) for k, v in enumerate(raw[:3])]
    s = [math.exp(bounded(v + math.log(1 - variance) / 2)) for v in raw[3:6]]
    w = softmax([4 * v + math.log(p) for v, p in zip(raw[6:], (1 / 6, 2 / 3, 1 / 6), strict=True)])
    normal = NormalDist()

    def formula(x: float) -> float:
        z = [(x - m[k]) / s[k] for k in range(3)]
        # from the lower tail, where a share keeps its digits
        sign = 1 if x < 0 else -1
        share = sum(w[k] * math.erfc(-sign * z[k] / math.sqrt(2)) / 2 for k in range(3))
        mean = sum(w[k] * z[k] for k in range(3))
        return (1 - LEAK) * sign * normal.inv_cdf(share) + LEAK * mean

    agree(univariate, raw, formula)


def test_a_mixture_of_gaussians_makes_its_mixture_normal() -> None:
    """The density that the map pulls back from a normal is the mixture's, up to the leak."""
    univariate = MixtureOfGaussians(components=4)
    x = torch.linspace(-5, 5, 400, dtype=torch.float64)
    params = (0.1 * torch.randn(12, 1, dtype=torch.float64)).expand(-1, 400)
    y, log_slope = univariate.forward(x, params)
    location, log_scale, log_weight = univariate._units(params)
    normal = torch.distributions.Normal(location, log_scale.exp())
    mixture = torch.logsumexp(log_weight + normal.log_prob(x), 0)
    pulled = -y * y / 2 - math.log(2 * math.pi) / 2 + log_slope
    assert torch.allclose(pulled, mixture, atol=0.03)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_tails_of_sigmoidal_maps_have_the_least_slope(dtype: torch.dtype) -> None:
    dsf = DeepSigmoidal(3)
    params = torch.tensor([-1.0, 0.0, 1.0] + [0.0] * 6, dtype=dtype)[:, None]
    x = torch.tensor([-1e6, 1e6], dtype=dtype)
    y, log_slope = dsf.forward(x, params.expand(-1, 2))
    start = -math.log(1 - 3 * (2 / 3) / math.pi**2) / 2
    each = [math.exp(bounded(v + start)) for v in (-1.0, 0.0, 1.0)]
    slope = (1 - LEAK) * each[0] + LEAK * sum(each) / 3
    assert log_slope.exp().tolist() == pytest.approx([slope, slope], rel=1e-5)
    assert y.tolist() == pytest.approx([-1e6 * slope, 1e6 * slope], rel=1e-5)


def mills(t: float) -> float:
    """Phi(-t) / phi(t) by Laplace's continued fraction, for t well above 0."""
    rest = 0.0
    for k in range(2000, 0, -1):
        rest = k / (t + rest)
    return 1 / (t + rest)


@pytest.mark.parametrize("t", [3.0, 8.0, 25.0, 39.99, 40.01, 500.0, 1e6])
def test_normal_tails(t: float) -> None:
    z = torch.tensor(-t, dtype=torch.float64, requires_grad=True)
    log_cdf, log_hazard = log_cdf_and_hazard(z)
    log_mills = math.log(mills(t))
    assert log_hazard.item() == pytest.approx(-log_mills, rel=1e-11)
    density = -t * t / 2 - math.log(2 * math.pi) / 2
    assert log_cdf.item() == pytest.approx(density + log_mills, rel=1e-13)
    (slope,) = torch.autograd.grad(log_cdf, z, retain_graph=True)
    assert slope.item() == pytest.approx(1 / mills(t), rel=1e-10)
    back, again = quantile_of_log(log_cdf)
    assert back.item() == pytest.approx(-t, rel=1e-11)
    assert again.item() == pytest.approx(log_hazard.item(), rel=1e-10)
    assert torch.autograd.grad(back, z)[0].item() == pytest.approx(1, rel=1e-9)


def test_normal_above_zero() -> None:
    normal = NormalDist()
    for z in (0.0, 0.3, 2.0, 5.0):
        log_cdf, log_hazard = log_cdf_and_hazard(torch.tensor(z, dtype=torch.float64))
        assert log_cdf.item() == pytest.approx(math.log(normal.cdf(z)), rel=1e-9)
        expected = math.log(normal.pdf(z) / normal.cdf(z))
        assert log_hazard.item() == pytest.approx(expected, rel=1e-12)
