from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest
import torch

import diffeo
from diffeo.bases import StandardNormal
from diffeo.errors import DataWarning, TrainingError
from diffeo.objectives import negative_log_likelihood
from diffeo.training import loop
from diffeo.training.compiling import LONG_FIT, compiled_layers, worth_compiling
from diffeo.transforms import Continuous

needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:torch")

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


# float64 throughout: native kernels run the layers of float32, and leave nothing to compile
def weights(model):
    return {name: t.clone() for name, t in model.state_dict().items()}


@pytest.fixture
def graphs(monkeypatch):
    """How many graphs were compiled, by a compiler that generates no code."""
    compiled = []

    def backend(graph, inputs):
        compiled.append(graph)
        return graph

    plain = torch.compile
    monkeypatch.setattr(torch, "compile", lambda function: plain(function, backend=backend))
    torch._dynamo.reset()
    yield compiled
    torch._dynamo.reset()


@pytest.mark.parametrize("layers", [2, 6])
def test_identical_layers_and_short_batches_are_compiled_once(graphs, layers):
    model = diffeo.NSF(4, layers=layers, hidden=(8,), seed=0)
    x = torch.randn(50, 4)
    model.initialize(x)
    model.double()
    with compiled_layers(model):
        for rows in (50, 17, 1, 2):
            loss = negative_log_likelihood(model, x[:rows].double())
            loss.backward()
    # LU, Coupling, Standardize, whatever the number of layers and rows
    assert len(graphs) == 3
    assert not any({"forward", "inverse"} & set(vars(m)) for m in model.modules())


def test_a_fit_compiles_training_steps_alone(graphs, small, table):
    traced = small().double().fit(table, epochs=2, batch_size=100, compile=True, progress=False)
    assert len(graphs) == 2  # Coupling and Standardize, not once more for validation
    eager = small().double().fit(table, epochs=2, batch_size=100, progress=False)
    torch.testing.assert_close(weights(traced), weights(eager), rtol=1e-5, atol=1e-6)


class Swirl(diffeo.nets.Field):
    """A field that leaves its divergence to automatic differentiation."""

    def __init__(self):
        super().__init__(2)
        self.angle = torch.nn.Parameter(torch.tensor(0.3, dtype=torch.float64))

    def forward(self, x, t, context=None):
        return self.angle * torch.stack([x[..., 1] * t, x[..., 0].sin()], dim=-1)


@pytest.mark.parametrize(
    "make",
    [
        lambda: diffeo.CNF(2, hidden=(8,), steps=4, seed=0).double(),
        lambda: diffeo.CNF(2, hidden=(8,), steps=4, kinetic=0.1, seed=0).double(),
        lambda: diffeo.OTFlow(2, hidden=(8, 8), steps=4, seed=0).double(),
        lambda: diffeo.FlowMatching(2, hidden=(8,), steps=4, seed=0).double(),
        lambda: diffeo.Flow(StandardNormal(2), Continuous(2, field=Swirl(), steps=4)).double(),
    ],
    ids=["CNF", "regularised", "OTFlow", "FlowMatching", "a field of one's own"],
)
def test_a_continuous_flow_compiles_one_evaluation_of_its_field(graphs, make):
    x = torch.randn(300, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    options = {"epochs": 2, "batch_size": 100, "seed": 0, "progress": False}
    traced = make().fit(x, compile=True, **options)
    # one of the field, whatever the steps, and one of Standardize
    assert len(graphs) == 2
    eager = make().fit(x, **options)
    torch.testing.assert_close(weights(traced), weights(eager), rtol=1e-5, atol=1e-6)


def test_auto_depends_on_device_and_steps_alone():
    assert [worth_compiling(option, CPU, 10**9) for option in (True, False, "auto")] == [
        True,
        False,
        False,
    ]
    assert not worth_compiling("auto", CUDA, LONG_FIT - 1)
    assert worth_compiling("auto", CUDA, LONG_FIT)


@pytest.fixture
def no_compiler(tmp_path, monkeypatch):
    import torch._inductor.config as config

    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    torch._dynamo.reset()
    with config.patch({"cpp.cxx": ("no-such-compiler",)}):
        yield
    torch._dynamo.reset()


def test_without_a_compiler_the_error_says_what_is_missing(no_compiler, small, table):
    model = small().double()
    before = weights(model)
    with pytest.raises(TrainingError, match=r"torch.compile fails here .*compiler.*compile=False"):
        model.fit(table, compile=True, epochs=1, standardize=False, progress=False)
    after = weights(model)
    assert all(torch.equal(v, after[k]) for k, v in before.items() if "initialized" not in k)


def test_without_a_compiler_auto_goes_on_eagerly(no_compiler, small, table, monkeypatch):
    eager = small().double().fit(table, epochs=2, progress=False)
    monkeypatch.setattr(loop, "worth_compiling", lambda *_: True)
    with pytest.warns(DataWarning, match="torch.compile fails here"):
        model = small().double().fit(table, epochs=2, progress=False)
    torch.testing.assert_close(weights(model), weights(eager), rtol=0, atol=0)


SCRIPT = """
import torch, diffeo
from torch._dynamo.utils import counters
x = torch.randn(64, 2, generator=torch.Generator().manual_seed(0)).double()
model = diffeo.RealNVP(2, layers=2, hidden=(8,), seed=0).double()
model.fit(x, epochs=1, batch_size=40, validation=None, compile=True, progress=False)
print(counters["inductor"]["fxgraph_cache_hit"], counters["inductor"]["fxgraph_cache_miss"])
"""


@pytest.mark.slow
@needs_compiler
def test_the_next_process_reuses_compiled_code(tmp_path):
    def run():
        environment = {**os.environ, "TORCHINDUCTOR_CACHE_DIR": str(tmp_path)}
        command = [sys.executable, "-c", SCRIPT]
        result = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=True, timeout=300
        )
        return [int(number) for number in result.stdout.split()]

    assert run()[1] > 0
    hits, misses = run()
    assert hits > 0
    assert misses == 0
