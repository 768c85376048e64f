from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

import diffeo
from diffeo.errors import MissingExtraError
from diffeo.export import Sampler, to_onnx

# small: tracing takes most of the time
SMALL = {"hidden": (8,), "seed": 0}
MODELS = {
    "NICE": lambda **k: diffeo.NICE(2, layers=2, **SMALL, **k),
    "RealNVP": lambda **k: diffeo.RealNVP(2, layers=2, **SMALL, **k),
    "MAF": lambda **k: diffeo.MAF(2, layers=2, **SMALL, **k),
    "IAF": lambda **k: diffeo.IAF(2, layers=2, **SMALL, **k),
    "NSF": lambda **k: diffeo.NSF(2, layers=1, bins=4, **SMALL, **k),
    "NSF autoregressive": lambda **k: diffeo.NSF(
        2, layers=1, bins=4, autoregressive=True, **SMALL, **k
    ),
}


def example(name, context, **options):
    """A model away from its start, rows to score, noise to push, and contexts (or none)."""
    torch.manual_seed(0)
    model = MODELS[name](context=context, **options).eval()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.1 * torch.randn_like(p))
    c = (torch.randn(5, context),) if context else ()
    z = torch.randn(5, 2)
    return model, model.from_base(z, *c).detach(), z, c


def rows(*tensors):
    """Another number of rows than the export saw."""
    return tuple(torch.cat([t, t[:2]]) for t in tensors)


@pytest.mark.parametrize("context", [0, 2])
@pytest.mark.parametrize("name", MODELS)
def test_log_prob_and_sampling_export(name, context):
    model, x, z, c = example(name, context, supports=[diffeo.positive(), diffeo.interval(-9, 9)])
    shapes = tuple({0: torch.export.Dim("rows")} for _ in (x, *c))
    for module, first in ((model, x), (Sampler(model), z)):
        program = torch.export.export(module, (first, *c), dynamic_shapes=shapes)
        given = rows(first, *c)
        torch.testing.assert_close(program.module()(*given), module(*given), rtol=1e-5, atol=1e-5)
    assert torch.equal(model(x, *c), model.log_prob(x, *c))
    assert torch.equal(Sampler(model)(z, *c), model.from_base(z, *c))


@pytest.mark.parametrize("sampling", [False, True])
@pytest.mark.parametrize(
    ("name", "context"),
    [("RealNVP", 2), ("NSF", 0), ("NSF autoregressive", 2)],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_onnx_agrees(name, context, sampling, tmp_path):
    pytest.importorskip("onnx", reason="needs the extra onnx")
    pytest.importorskip("onnxscript", reason="needs the extra onnx")
    runtime = pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    model, x, z, c = example(name, context, supports=[diffeo.positive(), diffeo.real()])
    model.train()
    path = tmp_path / "m.onnx"
    to_onnx(model, path, sampling=sampling)
    assert model.training
    assert list(tmp_path.iterdir()) == [path]
    session = runtime.InferenceSession(path)
    names = ["z" if sampling else "x", "context"][: 1 + len(c)]
    given = dict(zip(names, rows(z if sampling else x, *c), strict=True))
    assert [i.name for i in session.get_inputs()] == list(given)
    (found,) = session.run(None, {k: v.numpy() for k, v in given.items()})
    expected = (model.from_base if sampling else model.log_prob)(*given.values())
    np.testing.assert_allclose(found, expected.detach(), rtol=1e-5, atol=1e-5)


def test_only_a_flow_samples_from_noise(tmp_path):
    pytest.importorskip("onnx", reason="needs the extra onnx")
    two = diffeo.Mixture(diffeo.RealNVP(2), diffeo.RealNVP(2))
    with pytest.raises(TypeError, match="needs a Flow, got Mixture"):
        to_onnx(two, tmp_path / "m.onnx", sampling=True)


def test_a_missing_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'diffeo\[onnx\]'"):
        to_onnx(diffeo.RealNVP(2), tmp_path / "m.onnx")


def test_a_failed_export_leaves_the_old_file_alone(tmp_path, monkeypatch):
    pytest.importorskip("onnx", reason="needs the extra onnx")
    path = tmp_path / "m.onnx"
    path.write_text("old")

    def fail(*arguments, **options):
        raise RuntimeError("no such operation")

    monkeypatch.setattr(torch.onnx, "export", fail)
    with pytest.raises(RuntimeError, match="no such operation"):
        to_onnx(diffeo.RealNVP(2), path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(OSError, match="its folder does not exist"):
        to_onnx(diffeo.RealNVP(2), tmp_path / "none" / "m.onnx")
