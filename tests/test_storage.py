from __future__ import annotations

import builtins
import copy
import json
import os
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import diffeo
from diffeo import bases, transforms, univariates
from diffeo.errors import ModelFileError
from diffeo.transform import Transform

MODELS = {
    "NICE": lambda **k: diffeo.NICE(3, layers=2, hidden=(8,), **k),
    "RealNVP": lambda **k: diffeo.RealNVP(3, layers=2, hidden=(8, 8), residual=True, **k),
    "MAF": lambda **k: diffeo.MAF(3, layers=2, hidden=(8,), **k),
    "IAF": lambda **k: diffeo.IAF(3, layers=2, hidden=(8,), **k),
    "NSF": lambda **k: diffeo.NSF(3, layers=2, hidden=(8,), bins=4, interval=(-3, 4), **k),
    "NSF autoregressive": lambda **k: diffeo.NSF(3, layers=2, hidden=[8], autoregressive=True, **k),
    "Mixture": lambda **k: diffeo.Mixture(diffeo.RealNVP(3, **k), diffeo.MAF(3, **k)),
    "Ensemble": lambda **k: diffeo.Ensemble(diffeo.RealNVP(3, **k), diffeo.MAF(3, **k)),
    "other base": lambda **k: diffeo.NSF(3, layers=1, base=bases.StudentT(3), **k),
    "supports": lambda **k: diffeo.NSF(
        3, layers=1, supports=[diffeo.positive(), diffeo.real(), diffeo.interval(-9, 9)], **k
    ),
}


def perturbed(model):
    torch.manual_seed(1)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.1 * torch.randn_like(p))
    return model.eval()


def assert_same_density(one, other, context=0):
    x = torch.rand(6, 3, dtype=one.like.dtype) + 0.1
    c = torch.randn(6, context, dtype=one.like.dtype) if context else None
    assert torch.equal(one.log_prob(x, c), other.log_prob(x, c))
    assert torch.equal(one.sample(2, c, seed=0), other.sample(2, c, seed=0))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "m.safetensors"


@pytest.mark.parametrize("context", [0, 2])
@pytest.mark.parametrize("name", MODELS)
def test_a_saved_model_is_the_same_density(name, context, path):
    model = perturbed(MODELS[name](context=context))
    model.save(path)
    loaded = diffeo.load(path)
    assert type(loaded) is type(model)
    assert not loaded.training
    assert_same_density(model, loaded, context)


def test_float64_models_stay_float64(path):
    model = perturbed(MODELS["NSF"]()).double()
    model.save(path)
    assert_same_density(model, diffeo.load(path))
    # also without any parameter
    still = diffeo.Flow(bases.StandardNormal(3), transforms.Reverse(3)).double()
    still.save(path)
    assert diffeo.load(path).sample(1).dtype == torch.float64


def test_one_feature_saves_without_a_second_warning(path):
    with pytest.warns(UserWarning, match="one feature"):
        model = diffeo.RealNVP(1)
    model.save(path)
    diffeo.load(path)


def test_a_composed_flow(path):
    flow = diffeo.Flow(
        bases.GaussianMixture(3, components=2, seed=0),
        diffeo.Sequential(
            diffeo.Inverse(transforms.LU(3)),
            transforms.Permutation([2, 0, 1]),
            transforms.Coupling(
                3, univariates.Affine(), mask=torch.tensor([True, False, True]), hidden=(8,)
            ),
            transforms.ActNorm(3),
            transforms.Elementwise(3, univariates.Exp()),
        ),
    )
    perturbed(flow).save(path)
    assert_same_density(flow, diffeo.load(path))


def test_tensors_as_arguments(path):
    covariance = torch.tensor([[2.0, 0.3], [0.3, 0.1]])
    base = bases.MultivariateNormal(2, loc=np.array([1.0, 2.0]), covariance=covariance)
    flow = diffeo.Flow(base, transforms.Reverse(2))
    flow.save(path)
    x = torch.randn(4, 2)
    assert torch.equal(flow.log_prob(x), diffeo.load(path).log_prob(x))


# -- a user's own parts ------------------------------------------------------------------------


class Scale(Transform):
    """A transform of a user, with an argument of each kind."""

    def __init__(self, features, *factors, power=1, **rest):
        super().__init__((features,))
        self.factor = nn.Parameter(torch.tensor([float(f) for f in factors]) ** power)
        self.rest = rest

    def forward(self, x, context=None):
        return x * self.factor, self.factor.abs().log().sum().expand(x.shape[:-1])

    def inverse(self, y, context=None):
        return y / self.factor, -self.factor.abs().log().sum().expand(y.shape[:-1])


class Narrow(diffeo.RealNVP):
    """A model of a user that passes keywords on."""

    def __init__(self, features, **options):
        super().__init__(features, hidden=(4,), **options)


def test_classes_of_a_user_are_admitted_by_the_caller(path):
    flow = diffeo.Flow(bases.StandardNormal(3), Scale(3, 1, 2, 3, power=2, note="mine"))
    flow.save(path)
    with pytest.raises(ModelFileError, match=r"class 'Scale'.*load\(path, classes=\[Scale\]\)"):
        diffeo.load(path)
    loaded = diffeo.load(path, classes=[Scale])
    assert_same_density(flow, loaded)
    assert loaded.transform.rest == {"note": "mine"}


def test_a_model_of_a_user(path):
    model = perturbed(Narrow(3, layers=2, context=1))
    model.save(path)
    assert_same_density(model, diffeo.load(path, classes=[Narrow]), 1)


@pytest.mark.parametrize("network", ["sequential", "lambda in a module"])
def test_networks_of_a_user_are_handed_over(path, network):
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(1, 4)

        def forward(self, x):
            return torch.tanh(self.layer(x))

    build = Own if network != "sequential" else lambda: nn.Sequential(nn.Linear(1, 4), nn.Tanh())
    layer = transforms.Coupling(
        3, univariates.Affine(), mask=[True, False, True], conditioner=build()
    )
    flow = diffeo.Flow(bases.StandardNormal(3), diffeo.Sequential(transforms.Reverse(3), layer))
    perturbed(flow).save(path)
    name = "model.transform.transforms.1.conditioner"
    with pytest.raises(ModelFileError, match=f"'{name}'.*hand it over"):
        diffeo.load(path)
    assert_same_density(flow, diffeo.load(path, parts={name: build()}))
    with pytest.raises(ModelFileError, match="must map x"):
        diffeo.load(path, parts={name: nn.Linear(1, 5)})


# -- models changed by hand --------------------------------------------------------------------


CHANGES = {
    "appended with weights": lambda m: m.transform.transforms.append(transforms.LU(3)),
    "appended without": lambda m: m.transform.transforms.append(transforms.Reverse(3)),
    "removed": lambda m: m.transform.transforms.pop(1),
    "other map": lambda m: setattr(m, "transform", diffeo.Sequential(transforms.Reverse(3))),
    "other embedding": lambda m: setattr(m, "embedding", nn.Identity()),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_named_model_changed_by_hand_is_refused(change, path):
    model = MODELS["NSF"]()
    CHANGES[change](model)
    with pytest.raises(ModelFileError, match="changed after it was built"):
        model.save(path)
    assert not path.exists()


def test_a_composed_flow_changed_by_hand_is_saved_as_it_is(path):
    flow = diffeo.Flow(
        bases.StandardNormal(3), diffeo.Sequential(transforms.Reverse(3), transforms.LU(3))
    )
    flow.transform.transforms.append(transforms.Permutation([1, 2, 0]))
    flow.base = bases.StudentT(3)
    perturbed(flow).save(path)
    assert_same_density(flow, diffeo.load(path))


def test_a_copy_saves_as_its_own(path):
    model = diffeo.Flow(bases.StandardNormal(3), transforms.LU(3))
    other = perturbed(copy.deepcopy(model))
    other.save(path)
    assert_same_density(other, diffeo.load(path))


# -- foreign and damaged files -----------------------------------------------------------------


class Trap:
    """Unpickling this makes a file."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return (Path.touch, (self.target,))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_is_refused_and_not_unpickled(tmp_path, path, protocol):
    target = tmp_path / "made"
    content = pickle.dumps(Trap(target), protocol)
    path.write_bytes(content)
    match = "never unpickles" if protocol >= 2 else "not a safetensors file"
    with pytest.raises(ModelFileError, match=match):
        diffeo.load(path)
    assert not target.exists()
    pickle.loads(content)
    assert target.exists()


def test_an_archive_of_torch_save_is_refused(path):
    torch.save(MODELS["NSF"]().state_dict(), path)
    with pytest.raises(ModelFileError, match="never unpickles"):
        diffeo.load(path)
    torch.save({"a": 1}, path, _use_new_zipfile_serialization=False)
    with pytest.raises(ModelFileError, match="never unpickles"):
        diffeo.load(path)


def test_a_header_whose_length_looks_like_a_pickle_is_read(path):
    model = MODELS["NICE"]()
    lengths = set()
    for padding in range(0, 256, 4):
        model.record = {"pad": "x" * padding}
        model.save(path)
        lengths.add(path.read_bytes()[0])
        diffeo.load(path)
    assert 0x80 in lengths


def test_truncated_files_are_refused(path):
    MODELS["NICE"]().save(path)
    whole = path.read_bytes()
    for length in [0, 1, 7, 8, 9, 100, len(whole) // 2, len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(ModelFileError, match=r"truncated|empty"):
            diffeo.load(path)
    path.write_bytes(whole + b"more")
    with pytest.raises(ModelFileError, match="not a safetensors file"):
        diffeo.load(path)


def test_other_files_are_named(path, tmp_path):
    path.write_bytes(b"a,b\n1,2\n" * 20)
    with pytest.raises(ModelFileError, match="not a safetensors file"):
        diffeo.load(path)
    save_file({"w": torch.zeros(2)}, path)
    with pytest.raises(ModelFileError, match="diffeo did not write it"):
        diffeo.load(path)
    with pytest.raises(ModelFileError, match="is a folder"):
        diffeo.load(tmp_path)
    with pytest.raises(FileNotFoundError):
        diffeo.load(tmp_path / "none")


def rewrite(path, change):
    """Change the description in a file."""
    whole = path.read_bytes()
    (length,) = struct.unpack("<Q", whole[:8])
    header = json.loads(whole[8 : 8 + length])
    content = json.loads(header["__metadata__"]["diffeo"])
    content = change(content) or content
    header["__metadata__"]["diffeo"] = json.dumps(content)
    encoded = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(encoded)) + encoded + whole[8 + length :])


def arguments(content):
    return content["model"]["arguments"]


DAMAGE = {
    "format": (lambda c: c.update(format=2), "format 2; this version of diffeo reads format 1"),
    "no format": (lambda c: [1], "format None"),
    "no model": (lambda c: c.pop("model") and None, "does not describe a model"),
    "class": (lambda c: c["model"].update({"class": "os.system"}), "class 'os.system'"),
    "class of a list": (lambda c: c["model"].update({"class": ["NSF"]}), "does not build"),
    "not a model": (
        lambda c: c["model"].update({"class": "Reverse"}),
        "unexpected arguments",
    ),
    "argument name": (lambda c: arguments(c).update(featurez=3), "unexpected arguments .*featurez"),
    "no argument": (lambda c: arguments(c).pop("features") and None, "does not build"),
    "no arguments": (lambda c: c["model"].pop("arguments") and None, "does not build"),
    "argument type": (lambda c: arguments(c).update(features="3"), "does not build"),
    "argument value": (lambda c: arguments(c).update(features=0), "does not build"),
    "huge": (lambda c: arguments(c).update(hidden=[10**15]), "does not build"),
    "width": (lambda c: arguments(c).update(hidden=[9]), "weights do not fit"),
    "depth": (lambda c: arguments(c).update(layers=1), "weights do not fit"),
    "dtype": (lambda c: c.update(dtype="float33"), "does not describe a model"),
    "integers": (lambda c: c.update(dtype="int64"), "does not describe a model"),
    "not a dtype": (lambda c: c.update(dtype="nn"), "does not describe a model"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_description_is_refused(path, kind, monkeypatch):
    change, message = DAMAGE[kind]
    diffeo.NICE(3, layers=2, hidden=(8,)).save(path)
    rewrite(path, change)

    def forbidden(name, *rest, **more):
        assert not name.startswith(("os.", "subprocess")), "a file made diffeo import"
        return real(name, *rest, **more)

    real = builtins.__import__
    monkeypatch.setattr(builtins, "__import__", forbidden)
    with pytest.raises(ModelFileError, match=message):
        diffeo.load(path)


def test_flipped_bits_in_the_header_never_give_a_raw_error(path):
    diffeo.NICE(2, layers=1, hidden=(4,)).save(path)
    whole = path.read_bytes()
    (length,) = struct.unpack("<Q", whole[:8])
    random = np.random.default_rng(0)
    refused = 0
    for _ in range(300):
        damaged = bytearray(whole)
        damaged[random.integers(0, 8 + length)] ^= 1 << random.integers(0, 8)
        path.write_bytes(damaged)
        try:
            diffeo.load(path)
        except ModelFileError:
            refused += 1
    assert refused > 150


# -- writing -----------------------------------------------------------------------------------


def test_a_failed_write_leaves_the_old_file_alone(path, monkeypatch):
    MODELS["NICE"]().save(path)
    before = path.read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        MODELS["NSF"]().save(path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_loading_leaves_the_random_state_alone(path):
    MODELS["NSF"]().save(path)
    torch.manual_seed(2)
    expected = torch.rand(2)
    torch.manual_seed(2)
    MODELS["NSF"](seed=0).save(path)
    diffeo.load(path)
    assert torch.equal(torch.rand(2), expected)


def test_a_record_travels(path):
    model = MODELS["NICE"]()
    model.record = {"data": {"columns": ["ä", "b", "c"]}, "history": [{"loss": float("inf")}]}
    model.save(path)
    assert diffeo.load(path).record == model.record
