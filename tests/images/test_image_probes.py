"""Nearest images, broken images, paths between images, and what a report gathers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from image_examples import pixels

import diffeo
from diffeo.arcs import arc
from diffeo.errors import DataError
from diffeo.images import ImageData, ImageModel, image_report_content
from diffeo.images.defaults import fit_options, model_options
from diffeo.images.drawing import draw_images
from diffeo.images.judging import log_probs
from diffeo.images.latent import decode, dequantized, encode, levels_of
from diffeo.images.loading.detect import holds_images
from diffeo.images.matching import contexts_of, for_model
from diffeo.images.probes import constant, nearest, shuffled


def _data(count: int = 30, **more: object) -> ImageData:
    return ImageData(pixels(count, 1, 4, 4, top=15), bits=4, **more)


def _model(classes: tuple[str, ...] = (), **more: object) -> ImageModel:
    flow = diffeo.Glow((1, 4, 4), scales=1, steps=1, hidden=4, context=len(classes), seed=0)
    model = ImageModel(flow, bits=4, classes=classes, **more)
    # away from the identity, so that classes and noise matter
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model.eval()


def test_nearest_is_what_all_distances_say():
    queries, training = pixels(7, 3, 4, 4), pixels(500, 3, 4, 4, seed=1)
    at, distances = nearest(queries, training)
    differences = queries[:, None].astype(float) - training[None].astype(float)
    expected = np.sqrt((differences**2).sum((2, 3, 4)))
    assert (at == expected.argmin(1)).all()
    assert distances == pytest.approx(expected.min(1))


def test_a_copy_is_at_distance_zero():
    training = pixels(50, 1, 28, 28)
    at, distances = nearest(training[[31, 4]], training)
    assert at.tolist() == [31, 4]
    assert distances.tolist() == [0, 0]


def test_shuffled_pixels_keep_their_colours():
    data = ImageData(pixels(5, 3, 4, 4))
    mixed = shuffled(data)
    assert (mixed.pixels != data.pixels).any()
    for before, after in zip(data.pixels, mixed.pixels, strict=True):
        colours = [sorted(map(tuple, image.reshape(3, -1).T.tolist())) for image in (before, after)]
        assert colours[0] == colours[1]


def test_constant_images_reach_both_ends():
    found = constant(_data(), 4).pixels
    assert found[:, 0, 0, 0].tolist() == [0, 5, 10, 15]
    assert (found == found[:, :1, :1, :1]).all()


def test_an_arc_keeps_the_length_of_normal_noise():
    ends = torch.randn(2, 3, 2000, generator=torch.Generator().manual_seed(0))
    points = arc(ends[0], ends[1], 5)
    assert points.shape == (3, 5, 2000)
    assert torch.allclose(points[:, 0], ends[0], atol=1e-5)
    assert torch.allclose(points[:, -1], ends[1], atol=1e-5)
    lengths = points.norm(dim=2) / 2000**0.5
    assert bool(((lengths > 0.9) & (lengths < 1.1)).all())


def test_an_arc_between_equal_noise_stays_there():
    z = torch.randn(1, 20, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(arc(z, z, 4), z.expand(1, 4, 20), atol=1e-3)


@pytest.mark.parametrize("classes", [(), ("a", "b")])
def test_images_come_back_from_noise(classes):
    model, data = _model(classes), _data(labels=np.arange(30) % 2)
    data = for_model(model, data)
    context = contexts_of(model, data)
    z = encode(model, dequantized(model, data, 0), context)
    assert (levels_of(model, decode(model, z, context), context) == data.pixels).all()


def test_images_without_labels_have_the_mean_probability_over_classes():
    # the flow itself in place of noise: every draw is one stream, so classes differ in theirs
    model, data = _model(("a", "b")), _data(5)
    generator = torch.Generator().manual_seed(0)
    x = torch.from_numpy(data.pixels).float()
    each = [model.log_prob(x, c.float(), seed=generator) for c in torch.eye(2)]
    expected = torch.stack(each).exp().mean(0).log()
    assert log_probs(model, data, seed=0) == pytest.approx(expected.detach().numpy(), rel=1e-5)


def test_labels_are_matched_by_name():
    model = _model(("a", "b"))
    data = _data(4, labels=np.array([0, 1, 1, 0]), names=("b", "a"))
    assert for_model(model, data).labels.tolist() == [1, 0, 0, 1]
    with pytest.raises(DataError, match=r"image 1 is of the class c, but .* are a, b"):
        for_model(model, _data(4, labels=np.array([0, 1, 1, 0]), names=("b", "c")))


def test_draws_are_even_over_classes():
    assert np.bincount(draw_images(_model(("a", "b")), 7).labels).tolist() == [4, 3]


def test_what_holds_images(tmp_path):
    np.save(tmp_path / "table.npy", np.zeros((5, 4)))
    np.save(tmp_path / "images.npy", np.zeros((5, 4, 4)))
    np.savez(tmp_path / "both.npz", x=np.zeros((5, 4, 4)), y=np.zeros(5))
    np.savez(tmp_path / "none.npz", X=np.zeros((5, 4)))
    (tmp_path / "broken.npz").write_bytes(b"PK")
    (tmp_path / "a.csv").write_text("a\n1\n")
    names = ("table.npy", "images.npy", "both.npz", "none.npz", "broken.npz", "a.csv", "absent", "")
    found = [holds_images(tmp_path / name) for name in names]
    assert found == [False, True, True, False, False, False, False, True]


@pytest.mark.parametrize("name", ["glow", "imagerealnvp", "flowplusplus", "tarflow"])
@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 20), (3, 32, 32)])
def test_default_sizes_fit_the_images(name, shape):
    from diffeo.images.defaults import image_model_class

    flow = image_model_class(name)(shape, **model_options(name, shape))
    assert flow.event_shape == shape


def test_many_large_images_take_fewer_epochs():
    few, many = fit_options("glow", 100, (1, 8, 8)), fit_options("glow", 50_000, (3, 32, 32))
    assert (few["epochs"], many["epochs"]) == (200, 5)
    assert few["batch_size"] < many["batch_size"]


def test_a_report_gathers_all_its_parts():
    labels = np.arange(40) % 2
    model = _model(("a", "b"), dequantization="variational")
    data, training = _data(40, labels=labels), _data(40, labels=labels)
    content = image_report_content(model, data, training=training, against={"more": data})
    content.check()
    assert content.scores.shape == (40,)
    assert [*content.sets] == [
        "the data",
        "the data with shuffled pixels",
        "constant images",
        "more",
    ]
    assert len(content.samples) == 5
    assert content.neighbours.training == 40
    # held-out images that are copies of training images show it
    assert (content.neighbours.held_out == 0).all()
    assert content.round_trip.errors.max() < 1e-3
    assert content.tightened.after.mean() < content.tightened.before.mean()
    # one row of classes 0 and 1, and one noise as both
    assert len(content.directions) == 2
    assert len(content.paths) == 1


def test_a_report_of_images_without_labels_has_no_directions():
    content = image_report_content(_model(), _data(30))
    assert content.directions == []
    assert (content.neighbours, content.tightened) == (None, None)
