"""PointCloudFlow: its bound against a known log p, sets of any size and order, training, files."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from point_examples import (
    DIM,
    Exact,
    MeanAndSize,
    Shift,
    bar,
    disc,
    log_prob_of,
    ring,
    shifted_normals,
)

import diffeo
from diffeo.bases import StandardNormal
from diffeo.errors import ContextError, DataError, ShapeError
from diffeo.points import (
    PointCloudFlow,
    PointData,
    PointEncoder,
    cloud_scores,
    fit_clouds,
    load_clouds,
    point_cloud_flow,
    split_clouds,
    surface_distances,
)
from diffeo.points.fitting import held_out_clouds

SMALL = {
    "latent": 2,
    "layers": 2,
    "hidden": (16,),
    "bins": 8,
    "code": 16,
    "encoder": (16, 32),
    "prior_layers": 2,
    "prior_hidden": (16,),
}


def _small(**options) -> PointCloudFlow:
    return point_cloud_flow(2, **{**SMALL, "count": 20, "seed": 0, **options})


# -- against a known truth -------------------------------------------------------------------------


def test_the_exact_posterior_makes_every_bound_the_density():
    model, x = shifted_normals(), torch.randn(6, 5, DIM).double() + 1
    for seed in (0, 1):
        assert torch.allclose(model.log_prob(x, seed=seed), log_prob_of(x), atol=1e-9)
        many = model.log_prob(x, num_samples=4, seed=seed)
        assert torch.allclose(many, log_prob_of(x), atol=1e-9)


def test_more_draws_of_another_posterior_come_nearer_to_the_density():
    model, x = shifted_normals(factor=2.0), torch.randn(50, 5, DIM).double()
    gaps = [
        float((log_prob_of(x) - model.log_prob(x, num_samples=k, seed=0)).detach().mean())
        for k in (1, 2000)
    ]
    assert gaps[0] > 0.2
    assert abs(gaps[1]) < 0.02


def test_points_given_the_code_are_exact_and_gradients_flow():
    model = shifted_normals()
    x, z = torch.randn(3, 7, DIM).double(), torch.randn(3, DIM).double().requires_grad_()
    found = model.point_log_prob(x, z)
    truth = torch.distributions.Normal(z[:, None], 1.0).log_prob(x).sum(-1)
    assert torch.allclose(found, truth)
    (gradient,) = torch.autograd.grad(found.sum(), z)
    assert torch.allclose(gradient, (x - z.detach()[:, None]).sum(1))


def test_clouds_of_any_size_are_scored_in_one_list():
    clouds = [torch.randn(n, DIM).double() for n in (3, 8, 3, 1)]
    found = shifted_normals().nats_per_point(clouds, seed=0)
    truth = [-float(log_prob_of(c)) / len(c) for c in clouds]
    assert np.allclose(found, truth, atol=1e-9)


def test_a_part_of_the_points_is_scored_for_all_of_them():
    """On average over parts, with codes that have no noise."""
    model = shifted_normals(drawn=4)
    model.flow.factor = 1e-9
    x = torch.randn(1, 5, DIM).double()
    # two points are seen, two of the other three are scored
    truth = []
    for seen in itertools.combinations(range(5), 2):
        z = x[:, seen].mean(1) * 2 / 3
        others = [k for k in range(5) if k not in seen]
        truth.append(5 / 3 * model.point_log_prob(x[:, others], z).sum())
    draws = torch.stack([model.training_terms(x).likelihood.detach()[0] for _ in range(1000)])
    error = float(draws.std()) / 1000**0.5
    assert abs(float(draws.mean()) - float(torch.stack(truth).mean().detach())) < 5 * error


def test_drawn_clouds_are_of_the_model():
    drawn = shifted_normals().draw(4000, points=3, seed=0)
    assert drawn.shape == (4000, 3, DIM)
    covariance = np.cov(drawn[..., 0].T.numpy())
    assert np.allclose(covariance, np.eye(3) + 1, atol=0.15)
    cold = shifted_normals().draw(4000, points=3, temperature=0.0, seed=0)
    assert np.allclose(np.cov(cold[..., 0].T.numpy()), np.eye(3), atol=0.15)


def test_a_path_leads_from_one_cloud_to_the_other():
    model = shifted_normals()
    noise = np.random.default_rng(0).normal(size=(2, 4000, DIM))
    first, last = noise[0] + [2.0, 1.0], noise[1] + [-1.0, 2.0]
    path = model.interpolate(first, last, steps=5, points=6000, seed=0)
    assert path.shape == (5, 6000, DIM)
    assert np.allclose(path[0].mean(0), [2, 1], atol=0.1)
    assert np.allclose(path[-1].mean(0), [-1, 2], atol=0.1)
    # the same noise at every step
    assert np.allclose(path[0] - path[0].mean(0), path[3] - path[3].mean(0))


# -- sets ------------------------------------------------------------------------------------------


def test_the_order_of_points_does_not_matter():
    model, x = _small().double(), torch.randn(4, 20, 2).double()
    order = torch.randperm(20)
    assert torch.allclose(model.log_prob(x, seed=0), model.log_prob(x[:, order], seed=0))
    assert torch.allclose(model.encode(x, seed=0), model.encode(x[:, order], seed=0))


def test_numpy_and_lists_come_back_as_they_went_in():
    model, rng = _small(), np.random.default_rng(0)
    clouds = [rng.normal(size=(n, 2)) for n in (5, 30)]
    assert isinstance(model.encode(clouds, seed=0), np.ndarray)
    assert model.encode(clouds, 3, seed=0).shape == (3, 2, 2)
    again = model.reconstruct(clouds, seed=0)
    assert [c.shape for c in again] == [(5, 2), (30, 2)]
    assert model.reconstruct(np.stack([clouds[0]] * 2), points=9, seed=0).shape == (2, 9, 2)
    assert isinstance(model.decode(torch.zeros(4, 2), points=7, seed=0), torch.Tensor)


def test_few_large_clouds_are_worked_on_at_a_time():
    model = _small()
    assert model.of_size(2048)._rows_at_once(10**7) < model._rows_at_once(10**7) / 50


def test_units_of_the_data_are_kept():
    rng = np.random.default_rng(0)
    clouds = np.stack([ring(rng, 20) for _ in range(30)])
    fits = [
        fit_clouds(load_clouds(scale * clouds + shift), options=SMALL, epochs=2, progress=False)
        for scale, shift in ((1.0, 0.0), (1000.0, 7.0))
    ]
    small, large = (model.draw(3, points=50, seed=0) for model in fits)
    assert torch.allclose(1000 * small + 7, large, rtol=1e-2, atol=5.0)
    scores = [model.record["clouds"]["held_out_nats"] for model in fits]
    assert scores[1] - scores[0] == pytest.approx(2 * np.log(1000), abs=0.01)


# -- training --------------------------------------------------------------------------------------


def _discs_and_bars() -> PointData:
    """Of all scales between 0.4 and 1.2."""
    rng = np.random.default_rng(0)
    clouds = [make(rng, 60, rng.uniform(0.4, 1.2)) for make in (disc, bar) for _ in range(80)]
    return PointData(clouds, np.repeat([0, 1], 80), names=("disc", "bar"))


@pytest.fixture(scope="module")
def fitted() -> PointCloudFlow:
    data, options = _discs_and_bars(), {**SMALL, "drawn": 60}
    return fit_clouds(data, options=options, epochs=60, lr=1e-2, progress=False, seed=0)


def test_classes_are_learned_and_drawn(fitted):
    drawn = fitted.draw(40, points=200, context=fitted.context_of(["disc", "bar"]), seed=0)
    assert drawn.shape == (40, 2, 200, 2)
    wide, high = drawn.std(2).unbind(-1)
    assert (high / wide > 0.6).float().mean(0)[0] > 0.85
    assert (high / wide < 0.25).float().mean(0)[1] > 0.85
    assert wide.min() < 0.7 < 0.9 < wide.max()


def test_shapes_are_recognised_and_reconstructed(fitted):
    rng = np.random.default_rng(1)
    for scale in (0.5, 1.0):
        (again,) = fitted.reconstruct([bar(rng, 300, scale)], seed=0)
        assert again.shape == (300, 2)
        assert again.std(0) == pytest.approx([scale, 0.1 * scale], rel=0.3)


def test_strange_clouds_score_higher(fitted):
    rng = np.random.default_rng(2)
    usual = [disc(rng, 60, 0.8), disc(rng, 200, 0.8), bar(rng, 60, 0.8)]
    strange = [disc(rng, 60, 0.8) + 3.0, bar(rng, 60, 0.8)[:, ::-1] + 1.0]
    names, labels = ("disc", "bar"), np.array([0, 0, 1, 0, 0])
    scores = cloud_scores(fitted, PointData([*usual, *strange], labels, names=names))
    assert scores[:3].max() + 0.5 < scores[3:].min()
    unlabelled = cloud_scores(fitted, PointData(usual))
    wrong = cloud_scores(fitted, PointData(usual, 1 - labels[:3], names=names))
    # to know no label costs at most log 2 a cloud
    assert (unlabelled < scores[:3] + (np.log(2) + 1) / 60).all()
    assert (unlabelled < wrong).all()


def test_the_record_and_the_file(fitted, tmp_path):
    found = fitted.record["clouds"]
    assert found["points"] == 60
    _, unseen = split_clouds(_discs_and_bars(), 0.1, seed=0)
    assert found["held_out_nats"] == pytest.approx(cloud_scores(fitted, unseen, seed=0).mean())
    assert found["held_out_error"] > 0
    fitted.save(tmp_path / "m.safetensors")
    again = diffeo.load(tmp_path / "m.safetensors")
    context = fitted.context_of("disc")
    drawn = [model.draw(2, context=context, seed=0) for model in (again, fitted)]
    assert torch.equal(*drawn)
    assert again.classes == ("disc", "bar")
    assert again.drawn == 60


def test_normalised_models_normalise_what_they_score():
    rng = np.random.default_rng(0)
    clouds = [ring(rng, 40) for _ in range(30)]
    data = load_clouds([10.0**k * cloud + k for k, cloud in enumerate(clouds[:5])] + clouds[5:])
    model = fit_clouds(data, normalise=True, options=SMALL, epochs=2, progress=False)
    assert model.normalised
    first = [clouds[0], 1000 * clouds[0] - 7]
    assert cloud_scores(model, PointData(first))[0] == pytest.approx(
        cloud_scores(model, PointData(first[::-1]))[0], abs=1e-3
    )


def test_one_cloud_gives_a_flow_of_its_surface():
    rng = np.random.default_rng(0)
    sphere = rng.normal(size=(3000, 3))
    sphere /= np.linalg.norm(sphere, axis=1, keepdims=True)
    flow = fit_clouds(
        load_clouds(sphere), options={"layers": 3, "hidden": (32, 32)}, epochs=60, progress=False
    )
    assert isinstance(flow, diffeo.Flow)
    off = surface_distances(flow.sample(1000, seed=0), sphere)
    assert np.median(off) < 0.05
    assert flow.record["clouds"]["held_out_nats"] < 2.5
    near, far = cloud_scores(flow, PointData([sphere[:100], 1.3 * sphere[:100]]))
    assert far > near + 1


# -- errors ----------------------------------------------------------------------------------------


def test_parts_that_do_not_fit_are_named():
    prior = diffeo.Flow(StandardNormal(DIM), diffeo.transforms.Standardize(DIM))
    points = diffeo.Flow(StandardNormal(DIM), Shift())
    with pytest.raises(ShapeError, match=r"posterior reads a context of width 3.*gives \(2, 4\)"):
        PointCloudFlow(PointEncoder(DIM, 4, (4,)), Exact(), points, prior)
    with pytest.raises(ShapeError, match="cannot read clouds"):
        PointCloudFlow(PointEncoder(3, 3, (4,)), Exact(), points, prior)
    with pytest.raises(ShapeError, match="2 classes need a prior with context=2"):
        PointCloudFlow(MeanAndSize(), Exact(), points, prior, classes=["a", "b"])
    with pytest.raises(ShapeError, match=r"code of width 2.*context=0"):
        PointCloudFlow(MeanAndSize(), Exact(), diffeo.NSF(DIM, layers=1), prior)
    with pytest.raises(ShapeError, match="prior events of shape"):
        PointCloudFlow(MeanAndSize(), Exact(), points, diffeo.NSF(3, layers=1))
    with pytest.raises(ValueError, match="drawn must be at least 2"):
        PointCloudFlow(MeanAndSize(), Exact(), points, prior, drawn=1)
    with pytest.raises(ShapeError, match="are flows, got StandardNormal"):
        PointCloudFlow(MeanAndSize(), Exact(), points, StandardNormal(DIM))


def test_errors_of_calls_say_what_was_wrong():
    model = _small(classes=["a", "b"])
    with pytest.raises(ContextError, match="context"):
        model.draw(2)
    with pytest.raises(ValueError, match="temperature must be a finite number"):
        model.draw(2, context=model.context_of("a"), temperature=-1)
    with pytest.raises(ValueError, match="points must be a whole number >= 1, got 0"):
        model.draw(2, points=0, context=model.context_of("a"))
    with pytest.raises(DataError, match="label 0 is 'c', but the classes of this model are a, b"):
        model.context_of("c")
    with pytest.raises(DataError, match="cloud 1 has no points"):
        model.encode([np.zeros((3, 2)), np.zeros((0, 2))])
    with pytest.raises(ShapeError, match=r"cloud 0 has the shape \(3, 3\)"):
        model.encode([np.zeros((3, 3))])
    with pytest.raises(DataError, match=r"cloud 0, point 1 is .*nan"):
        model.encode([[[0.0, 1.0], [float("nan"), 0.0]]])
    with pytest.raises(ValueError, match="steps must be at least 2"):
        model.interpolate(np.zeros((3, 2)), np.zeros((3, 2)), 1, context=model.context_of("a"))
    with pytest.raises(DataError, match="no option 'depth'; it has bins, code"):
        fit_clouds(load_clouds(np.zeros((4, 9, 2))), options={"depth": 3})
    with pytest.raises(DataError, match="clouds of 3 coordinates, but this model is of 2"):
        cloud_scores(model, PointData([np.zeros((3, 3))]))
    with pytest.raises(DataError, match=r"cloud 0 is of the class c, but the classes .* a, b"):
        cloud_scores(model, PointData([np.zeros((3, 2))], np.array([0]), names=("c",)))


@pytest.mark.parametrize("conditional", [True, False])
def test_the_split_of_a_fit_is_found_again(conditional):
    data = load_clouds(np.random.default_rng(0).normal(size=(30, 12, 2)), labels=np.arange(30) % 3)
    seen = []

    def objective(model, x, context=None, weight=None):
        seen.append(x.detach().clone())
        return model.scaling.mean.sum() * 0 + model.log_prob(x, context).mean() * 0

    small = {"latent": 2, "layers": 1, "hidden": (8,), "drawn": None}
    fit = {"epochs": 1, "batch_size": 30, "objective": objective, "progress": False}
    model = fit_clouds(data, conditional=conditional, options=small, seed=4, **fit)
    train, held_out = held_out_clouds(model, data)
    assert (len(train), len(held_out)) == (27, 3)
    # a batch is all of them, in another order and with their points in another
    means = np.sort([cloud.mean() for cloud in train.clouds])
    trained = next(x for x in seen if len(x) == 27)
    assert np.allclose(np.sort(trained.mean((1, 2)).numpy()), means, atol=1e-6)
    with pytest.raises(DataError, match="holds 20 clouds, but the model was fitted to 30"):
        held_out_clouds(model, data.subset(slice(20)))
