"""ImageModel: bits per dimension, classes, temperature, files."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import diffeo
from diffeo.errors import DataError, ShapeError
from diffeo.images import ImageModel, bits_per_dim

DIGITS = tuple("0123456789")


def _model(**options: Any) -> ImageModel:
    context = len(options.get("classes", ()))
    flow = diffeo.Glow((1, 4, 4), scales=1, steps=2, hidden=8, context=context, seed=0)
    return ImageModel(flow, **{"bits": 3, **options})


def _images(count: int, bits: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    # brighter to the right, so that there is something to learn and something to mirror
    bright = torch.linspace(0.0, 1.0, 4) * (2**bits - 1)
    noise = torch.randn(count, 1, 4, 4, generator=generator)
    return (bright + noise).round().clamp(0, 2**bits - 1)


@pytest.mark.parametrize(
    ("nats", "dims", "width", "expected"), [(1980.50, 784, 1, 4.3555), (5371.78, 3072, 2, 4.4773)]
)
def test_published_log_densities_in_bits(
    nats: float, dims: int, width: float, expected: float
) -> None:
    """NICE's MNIST on [0, 1] and CIFAR-10 on [-1, 1]."""
    assert bits_per_dim(nats, dims, bits=8, width=width) == pytest.approx(expected, abs=1e-4)


def test_bits_are_those_of_the_density_of_dequantised_pixels() -> None:
    model = _model()
    x = _images(5)
    z, _ = model.layers[0].inverse(x, generator=torch.Generator().manual_seed(7))
    expected = bits_per_dim(model.flow.log_prob(z), 16, bits=3)
    torch.testing.assert_close(model.bits_per_dim(x, seed=7), expected)


def test_a_constant_density_needs_all_bits() -> None:
    """A flow on whose (0, 1) every pixel is uniform: n bits a pixel, whatever the image."""
    uniform = diffeo.Flow(
        diffeo.bases.StandardNormal((1, 2, 2)),
        diffeo.transforms.Elementwise((1, 2, 2), diffeo.univariates.NormalCDF()),
    )
    model = ImageModel(uniform, bits=5)
    x = torch.randint(0, 32, (50, 1, 2, 2)).float()
    torch.testing.assert_close(model.bits_per_dim(x), torch.full((50,), 5.0), atol=1e-4, rtol=0)


def test_probabilities_of_all_images_are_at_most_one() -> None:
    flow = diffeo.Glow((1, 2, 2), scales=1, steps=1, hidden=8, seed=0)
    model = ImageModel(flow, bits=1)
    flow.initialize(torch.rand(100, 1, 2, 2))
    every = torch.cartesian_prod(*[torch.arange(2.0)] * 4).reshape(-1, 1, 2, 2)
    with torch.no_grad():
        total = model.log_prob(every, num_samples=2000, seed=0).exp().sum()
    assert 0.5 < total < 1.02


def test_training_learns_and_the_file_keeps_all(tmp_path: Path) -> None:
    x = _images(400)
    model = _model(flips=True, dequantization="variational")
    before = model.bits_per_dim(x, seed=0).mean()
    model.fit(x, epochs=5, batch_size=50, lr=3e-3, progress=False)
    after = model.bits_per_dim(x, seed=0)
    assert after.mean() < before - 0.3
    path = tmp_path / "m.safetensors"
    model.save(path)
    again = diffeo.load(path)
    assert isinstance(again, ImageModel)
    assert again.arguments().keys() == model.arguments().keys()
    assert again.flips
    torch.testing.assert_close(again.bits_per_dim(x, seed=0), after)


def test_flips_make_an_image_and_its_mirror_alike() -> None:
    x = _images(500)
    gaps = []
    for flips in (False, True):
        model = _model(flips=flips).fit(x, epochs=6, batch_size=50, lr=5e-3, progress=False)
        gap = model.bits_per_dim(x.flip(-1), seed=0) - model.bits_per_dim(x, seed=0)
        gaps.append(float(gap.detach().mean().abs()))
    assert gaps[1] < 0.3 * gaps[0]


def test_more_draws_tighten_the_bound() -> None:
    x = _images(100)
    model = _model().fit(x, epochs=3, batch_size=20, lr=5e-3, progress=False)
    with torch.no_grad():
        one = torch.stack([model.bits_per_dim(x, seed=k) for k in range(20)]).mean()
        many = model.bits_per_dim(x, num_samples=50, seed=0).mean()
    assert many < one


def test_classes_are_learned_and_drawn() -> None:
    generator = torch.Generator().manual_seed(0)
    label = torch.randint(0, 2, (600,), generator=generator)
    noise = torch.randn(600, 1, 4, 4, generator=generator)
    x = (1 + 5 * label[:, None, None, None] + 0.5 * noise).round().clamp(0, 7)
    model = _model(classes=["dark", "bright"])
    model.fit(x, context=model.context_of(label), epochs=15, batch_size=50, lr=5e-3, progress=False)
    dark, bright = model.draw(50, model.context_of(["dark", "bright"]), seed=0).unbind(1)
    assert dark.mean() < 2.5 < 4.5 < bright.mean()
    assert torch.equal(model.context_of("bright"), torch.tensor([0.0, 1.0]))
    assert torch.equal(model.context_of(1), model.context_of("bright"))


def test_temperature_scales_the_noise() -> None:
    model = _model()
    model.flow.initialize((_images(200) + 0.5) / 8)
    spread = [float(model.draw(300, temperature=t, seed=0).std(0).mean()) for t in (0.0, 0.5, 1.0)]
    assert spread[0] == 0
    assert spread[0] < spread[1] < spread[2]
    assert torch.equal(model.draw(5, seed=3), model.draw(5, seed=3))
    values = model.draw(50, temperature=3.0, seed=0)
    assert torch.equal(values, values.round())
    assert 0 <= float(values.min()) <= float(values.max()) <= 7


def test_arrays_in_arrays_out() -> None:
    x = _images(3).numpy().astype(np.float32)
    bits = _model().bits_per_dim(x, seed=0)
    assert isinstance(bits, np.ndarray)
    assert bits.shape == (3,)


def test_pixels_beyond_the_bits_are_impossible() -> None:
    x = _images(2)
    x[0, 0, 0, 0] = 8
    assert _model().log_prob(x, seed=0)[0] == -math.inf
    with pytest.raises(DataError, match="8 at row 0"):
        _model().fit(x.repeat(20, 1, 1, 1), progress=False)


@pytest.mark.parametrize("label", [2, -1, "grey"])
def test_a_label_that_no_class_has(label: int | str) -> None:
    with pytest.raises(DataError, match=r"the classes of this model are dark, bright, numbered"):
        _model(classes=["dark", "bright"]).context_of(label)


def test_models_that_do_not_fit() -> None:
    with pytest.raises(ShapeError, match="needs a flow of images"):
        ImageModel(diffeo.NSF(3))
    with pytest.raises(ShapeError, match="2 classes need a flow with context=2"):
        ImageModel(diffeo.Glow((1, 4, 4), scales=1, steps=1, hidden=4), classes=["a", "b"])
    with pytest.raises(ValueError, match="'uniform' or 'variational'"):
        _model(dequantization="none")
    with pytest.raises(ValueError, match="bits must be a whole number from 1 to 16"):
        _model(bits=17)
    with pytest.raises(DataError, match="has no classes"):
        _model().context_of(0)
    with pytest.raises(ValueError, match="temperature must be a finite number"):
        _model().draw(1, temperature=-1.0)
