"""The potentials are those of the paper, and their normalisers what a quadrature finds."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from diffeo.bases import DiagonalNormal
from diffeo.errors import TrainingError
from diffeo.inference.founding_figure import density_image, divergence, fit_annealed, planar
from diffeo.inference.potentials import POTENTIALS, Potential


def _paper(name: str, z1: float, z2: float) -> float:
    """Table 1 of the paper, number by number."""
    w1 = math.sin(2 * math.pi * z1 / 4)
    w2 = 3 * math.exp(-0.5 * ((z1 - 1) / 0.6) ** 2)
    w3 = 3 / (1 + math.exp(-(z1 - 1) / 0.3))
    if name == "U1":
        modes = sum(math.exp(-0.5 * ((z1 - side) / 0.6) ** 2) for side in (2, -2))
        return 0.5 * ((math.hypot(z1, z2) - 2) / 0.4) ** 2 - math.log(modes)
    if name == "U2":
        return 0.5 * ((z2 - w1) / 0.4) ** 2
    first = math.exp(-0.5 * ((z2 - w1) / (0.35 if name == "U3" else 0.4)) ** 2)
    drop = w2 if name == "U3" else w3
    return -math.log(first + math.exp(-0.5 * ((z2 - w1 + drop) / 0.35) ** 2))


@pytest.mark.parametrize("name", POTENTIALS)
def test_energies_are_those_of_the_paper(name):
    points = [(0.3, -0.7), (-1.9, 0.4), (2.2, 1.1), (1.0, -1.5), (3.7, -2.9)]
    z = torch.tensor(points, dtype=torch.float64)
    expected = [_paper(name, *point) for point in points]
    np.testing.assert_allclose(Potential(name).energy(z), expected, rtol=1e-12)


@pytest.mark.parametrize("name", POTENTIALS)
def test_log_normalizers_are_those_of_a_quadrature(name):
    half = 6.0 if name == "U1" else 4.0
    z1 = torch.linspace(-half, half, 1601, dtype=torch.float64)
    z2 = torch.linspace(-8, 8, 1601, dtype=torch.float64)
    z = torch.stack(torch.meshgrid(z1, z2, indexing="ij"), dim=-1)
    density = (-Potential(name).energy(z)).exp()
    mass = torch.trapezoid(torch.trapezoid(density, z2), z1)
    assert Potential(name).log_normalizer == pytest.approx(float(mass.log()), abs=1e-5)


@pytest.mark.parametrize("name", POTENTIALS)
def test_the_log_determinant_of_the_map_to_the_plane_counts(name):
    x1, x2 = (torch.linspace(-8, 8, n, dtype=torch.float64) for n in (4001, 801))
    x = torch.stack(torch.meshgrid(x1, x2, indexing="ij"), dim=-1)
    potential = Potential(name, torch.float64)
    log_prob = potential.log_prob(x.flatten(0, 1)).reshape(x.shape[:2])
    mass = torch.trapezoid(torch.trapezoid(log_prob.exp(), x2), x1)
    assert potential.log_normalizer == pytest.approx(float(mass.log()), abs=1e-5)


@pytest.mark.parametrize("name", POTENTIALS)
def test_from_plane_undoes_to_plane(name):
    x = torch.randn(50, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    potential = Potential(name, torch.float64)
    z, ladj = potential.to_plane(x)
    back, negative = potential.from_plane(z)
    torch.testing.assert_close(back, x)
    torch.testing.assert_close(negative, -ladj)
    assert torch.equal(potential.constrain(x)["z"], z)


@pytest.mark.parametrize("name", POTENTIALS)
def test_gradients_are_finite_everywhere(name):
    potential = Potential(name)
    points = torch.tensor([[0.0, 0.0], [30.0, 0.0], [-30.0, 50.0], [2.0, -0.1]])
    x = points.requires_grad_()
    (gradient,) = torch.autograd.grad(potential.log_prob(x).sum(), x)
    assert gradient.isfinite().all()


def test_other_names_are_refused():
    with pytest.raises(ValueError, match=r"U1, U2, U3, U4, got 'U5'"):
        Potential("U5")


def test_the_divergence_of_a_known_density_is_its_closed_form():
    """In x, U2 is a standard normal beside a normal around w1, and another q is off by a sum."""
    potential = Potential("U2")
    q = DiagonalNormal(2, scale=[1.0, 0.4])
    # E_q[(w1(z1))^2 / 2 / 0.4^2], z1 uniform: the mean square of a sine is a half
    found = divergence(q, potential, draws=400_000)
    assert abs(found.mean - 0.25 / 0.16) < 4 * found.standard_error
    assert found.standard_error < 0.01


@pytest.mark.parametrize("name", POTENTIALS)
def test_an_image_of_the_target_holds_its_mass(name):
    target = Potential(name)
    image = density_image(target, lambda x: target.log_prob(x) - target.log_normalizer, 100)
    assert float(image.sum()) * (8 / 100) ** 2 == pytest.approx(1.0, abs=2e-3)


def test_a_short_annealed_fit_finds_both_modes_of_u1_and_repeats_itself():
    potential = Potential("U1")
    steps = []

    def count(step, _):
        steps.append(step)

    def fitted():
        flow = planar(8)(0)
        fit_annealed(flow, potential, steps=400, lr=0.03, draws=200, report=count)
        return divergence(flow, potential, draws=20_000)

    found = fitted()
    # one mode alone, however well fitted, costs log 2
    assert 0 < found.mean < 0.4
    assert fitted() == found
    assert steps == [*range(1, 401)] * 2


def test_a_loss_that_is_not_finite_is_named():
    with pytest.raises(TrainingError, match=r"PlanarFlow is .* take a smaller learning rate"):
        fit_annealed(planar(2)(0), Potential("U1"), steps=20, lr=1e30)
