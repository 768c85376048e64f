"""plot_density draws what log_prob says, where samples lie."""

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

import diffeo
from diffeo.bases import DiagonalNormal, StandardNormal
from diffeo.errors import ContextError, MissingExtraError, ShapeError
from diffeo.report import plot_density


def image(figure: Figure) -> np.ndarray:
    return np.asarray(figure.axes[0].images[0].get_array())


def test_pixels_hold_the_density_with_the_first_axis_across():
    density = DiagonalNormal(2, loc=[1.0, -2.0], scale=[0.5, 2.0])
    figure = plot_density(density, bounds=((-1.0, 3.0), (-8.0, 4.0)), points=40)
    across = -1 + (np.arange(40) + 0.5) * 0.1
    up = -8 + (np.arange(40) + 0.5) * 0.3
    grid = np.stack(np.meshgrid(across, up), axis=-1)
    np.testing.assert_allclose(image(figure), np.exp(density.log_prob(grid)), rtol=1e-4)
    assert figure.axes[0].images[0].get_extent() == [-1.0, 3.0, -8.0, 4.0]


def test_default_bounds_hold_nearly_all_the_mass():
    density = DiagonalNormal(2, loc=[100.0, -3.0], scale=[0.1, 20.0])
    figure = plot_density(density, points=100)
    left, right, bottom, top = figure.axes[0].images[0].get_extent()
    pixel = (right - left) * (top - bottom) / 100**2
    assert 0.98 < image(figure).sum() * pixel < 1.001


def test_a_conditional_density_is_drawn_at_its_context():
    torch.manual_seed(0)
    flow = diffeo.RealNVP(features=2, context=3)
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    bounds = ((-2.0, 2.0), (-2.0, 2.0))
    pictures = [
        image(plot_density(flow, bounds=bounds, context=c, points=10))
        for c in (np.zeros(3), np.ones(3))
    ]
    assert not np.allclose(*pictures)


def test_draws_on_given_axes():
    figure = Figure()
    first, second = figure.subplots(1, 2)
    assert plot_density(StandardNormal(2), ax=second, points=5) is figure
    assert len(second.images) == 1
    assert not first.images


def test_leaves_the_random_state_alone():
    before = torch.random.get_rng_state()
    plot_density(StandardNormal(2), points=5)
    assert torch.equal(before, torch.random.get_rng_state())


def test_other_densities_are_refused():
    with pytest.raises(ShapeError, match=r"two features.*\(3,\)"):
        plot_density(StandardNormal(3))


@pytest.mark.parametrize(
    "bounds",
    [((0, 1), (1, 1)), ((0, 1), (0, float("inf"))), (0, 1), ((0, 1), (0,)), "wide"],
)
def test_bad_bounds_are_refused(bounds):
    with pytest.raises(ValueError, match="bounds must be"):
        plot_density(StandardNormal(2), bounds=bounds)


def test_bad_contexts_are_refused():
    flow = diffeo.RealNVP(features=2, context=3)
    with pytest.raises(ContextError, match="pass context="):
        plot_density(flow)
    with pytest.raises(ShapeError, match=r"one context of shape \(3,\)"):
        plot_density(flow, context=torch.zeros(4, 3))


def test_one_pixel_is_refused():
    with pytest.raises(ValueError, match="at least 2"):
        plot_density(StandardNormal(2), points=1)


def test_a_missing_matplotlib_names_the_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"diffeo\[report\]"):
        plot_density(StandardNormal(2))
