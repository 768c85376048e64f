"""Stan programs as targets, against densities of torch and finite differences."""

from __future__ import annotations

import importlib.util
import math
import os
import shutil
import sys

import numpy as np
import pytest
import torch
from torch.distributions import Dirichlet, Exponential, LKJCholesky, Normal

from diffeo.adapters.stan import StanTarget
from diffeo.adapters.stan import compile as compiling
from diffeo.errors import MissingExtraError, ShapeError, TargetError

PROGRAM = """
data {
  int<lower=1> N;
  vector[N] y;
  matrix[2, 3] M;
  array[2] vector[3] W;
}
parameters {
  real<lower=0> sigma;
  real<lower=-1, upper=2> rho;
  simplex[3] share;
  ordered[3] cut;
  cholesky_factor_corr[3] L;
  matrix[2, 3] B;
  array[2] vector[3] A;
}
transformed parameters {
  matrix[3, 2] Bt = B';
  real<lower=-0.5> checked = rho;
}
model {
  sigma ~ exponential(1);
  rho ~ normal(0, 1);
  share ~ dirichlet([2, 3, 4]');
  cut ~ normal(0, 1);
  L ~ lkj_corr_cholesky(2);
  to_vector(B) ~ normal(to_vector(M), 1);
  for (i in 1:2) A[i] ~ normal(W[i], 2);
  y ~ normal(B[1, 2] + A[2, 1], sigma);
}
"""
DATA = {
    "N": 4,
    "y": torch.tensor([0.3, -1.0, 2.0, 0.7]),
    "M": np.arange(6.0).reshape(2, 3),
    "W": [[1, -2, 3], [4, 5, -6]],
}
DIM = 1 + 1 + 2 + 3 + 3 + 6 + 6

needs_httpstan = pytest.mark.skipif(
    importlib.util.find_spec("httpstan") is None, reason="httpstan is not installed"
)
needs_stan = pytest.mark.skipif(
    importlib.util.find_spec("httpstan") is None
    or not any(map(shutil.which, ["c++", "g++", "clang++"])),
    reason="httpstan is not installed, or there is no C++ compiler",
)


@pytest.fixture(scope="module", autouse=True)
def _cache(request):
    """Compiled programs stay beside pytest's own files."""
    before = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = str(request.config.cache.mkdir("stan"))
    yield
    os.environ.pop("XDG_CACHE_HOME")
    if before is not None:
        os.environ["XDG_CACHE_HOME"] = before


@pytest.fixture
def target():
    return StanTarget(PROGRAM, DATA)


def _points(n: int, *, fails: bool = False) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    z = torch.randn(n, DIM, generator=generator, dtype=torch.float64)
    z[:, 1] = -4.0 if fails else z[:, 1].abs()  # rho below or above -0.5
    return z


def _free(target: StanTarget, z: torch.Tensor) -> torch.Tensor:
    """The coordinates that Stan's densities refer to, in any order."""
    values = target.constrain(z)
    lower = torch.tril_indices(3, 3, -1)
    parts = [values[name].reshape(len(z), -1) for name in ("sigma", "rho", "cut", "B", "A")]
    return torch.cat([*parts, values["share"][:, :2], values["L"][:, lower[0], lower[1]]], dim=1)


def _ladj(target: StanTarget, z: torch.Tensor, step: float = 1e-5) -> torch.Tensor:
    shifts = step * torch.eye(DIM, dtype=torch.float64)
    rows = [(_free(target, p + shifts) - _free(target, p - shifts)) / (2 * step) for p in z]
    return torch.stack(rows).slogdet().logabsdet


def _log_prob(values: dict[str, torch.Tensor]) -> torch.Tensor:
    """What the program says, on constrained values."""
    means, arrays = torch.as_tensor(DATA["M"]), torch.tensor(DATA["W"], dtype=torch.float64)
    location = values["B"][:, 0, 1] + values["A"][:, 1, 0]
    weights = torch.tensor([2.0, 3.0, 4.0], dtype=torch.float64)
    return (
        Exponential(torch.tensor(1.0)).log_prob(values["sigma"])
        + Normal(0.0, 1.0).log_prob(values["rho"])
        + Dirichlet(weights).log_prob(values["share"])
        + Normal(0.0, 1.0).log_prob(values["cut"]).sum(-1)
        + LKJCholesky(3, torch.tensor(2.0, dtype=torch.float64)).log_prob(values["L"])
        + Normal(means, 1.0).log_prob(values["B"]).sum((-1, -2))
        + Normal(arrays, 2.0).log_prob(values["A"]).sum((-1, -2))
        + Normal(location[:, None], values["sigma"][:, None]).log_prob(DATA["y"].double()).sum(-1)
    )


@needs_stan
def test_names_and_shapes_are_those_declared(target):
    assert target.dim == DIM
    assert target.parameters == ("sigma", "rho", "share", "cut", "L", "B", "A")
    assert target.shapes == {
        "sigma": (),
        "rho": (),
        "share": (3,),
        "cut": (3,),
        "L": (3, 3),
        "B": (2, 3),
        "A": (2, 3),
        "Bt": (3, 2),
        "checked": (),
    }


@needs_stan
def test_values_lie_on_their_supports_and_matrices_are_not_transposed(target):
    values = target.constrain(_points(20).reshape(4, 5, DIM))
    assert {name: tuple(v.shape[2:]) for name, v in values.items()} == target.shapes
    assert (values["sigma"] > 0).all()
    assert (values["cut"].diff() > 0).all()
    torch.testing.assert_close(values["share"].sum(-1), torch.ones(4, 5, dtype=torch.float64))
    assert values["L"].triu(1).abs().max() == 0
    norms = values["L"].square().sum(-1)
    torch.testing.assert_close(norms, torch.ones(4, 5, 3, dtype=torch.float64))
    assert torch.equal(values["Bt"], values["B"].mT)
    assert torch.equal(values["checked"], values["rho"])


@needs_stan
def test_log_density_is_that_of_torch_with_all_constants(target):
    z = _points(6)
    expected = _log_prob(target.constrain(z)) + _ladj(target, z)
    torch.testing.assert_close(target.log_prob(z), expected, rtol=0, atol=1e-6)
    assert (target.evaluations, target.gradients) == (6, 0)


@needs_stan
def test_gradient_agrees_with_finite_differences(target):
    z = _points(4).requires_grad_()
    assert torch.autograd.gradcheck(target.log_prob, (z,))
    value, gradient = target.value_and_gradient(z)
    assert torch.equal(value, target.log_prob(z.detach()))
    assert gradient.shape == z.shape


@needs_stan
def test_second_derivatives_are_refused(target):
    z = _points(2).requires_grad_()
    (slope,) = torch.autograd.grad(target.log_prob(z).sum(), z, create_graph=True)
    with pytest.raises((RuntimeError, TargetError), match=r"does not require grad|second"):
        torch.autograd.grad(slope.sum(), z)


@needs_stan
def test_unconstrain_is_the_inverse(target):
    z = _points(6).reshape(2, 3, DIM)
    values = target.constrain(z)
    torch.testing.assert_close(target.unconstrain(values), z)
    values["share"] = values["share"] * 2
    with pytest.raises(TargetError, match="sum"):
        target.unconstrain(values)
    del values["rho"]
    with pytest.raises(TargetError, match=r"\['rho'\] are missing"):
        target.unconstrain(values)
    with pytest.raises(TargetError, match="'B' must have the shape"):
        target.unconstrain({**target.constrain(z[0]), "B": torch.zeros(3, 3, 2)})


@needs_stan
def test_other_dtypes_go_in_and_out(target):
    z = _points(3)
    value, gradient = target.value_and_gradient(z.float())
    assert value.dtype == gradient.dtype == target.constrain(z.float())["L"].dtype == torch.float32
    torch.testing.assert_close(value.double(), target.log_prob(z), rtol=1e-4, atol=1e-4)


@needs_stan
def test_a_row_that_fails_has_density_zero(target):
    z = torch.cat([_points(2), _points(2, fails=True)])
    value, gradient = target.value_and_gradient(z)
    assert value.isfinite().tolist() == [True, True, False, False]
    assert (value[2:] == -math.inf).all()
    assert (gradient[2:] == 0).all()
    assert (gradient[:2] != 0).all()
    values = target.constrain(z)
    assert values["checked"].isnan().tolist() == [False, False, True, True]
    assert values["rho"].isfinite().all()
    # it worked before, so that all rows may fail now
    assert (target.log_prob(z[2:]) == -math.inf).all()


@needs_stan
def test_when_all_rows_fail_at_first_stan_says_why(target):
    with pytest.raises(TargetError, match=r"fails at all 3 points.*checked is.*-0.5"):
        target.log_prob(_points(3, fails=True))


@needs_stan
def test_threads_do_not_change_values(target):
    z = _points(50)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = target.value_and_gradient(z)
        torch.set_num_threads(3)
        together = target.value_and_gradient(z)
    finally:
        torch.set_num_threads(threads)
    assert all(map(torch.equal, alone, together))


@needs_stan
def test_a_program_and_data_from_files_need_no_second_compilation(tmp_path, monkeypatch, target):
    monkeypatch.setattr(compiling, "_build", lambda *_: pytest.fail("compiled again"))
    program, data = tmp_path / "program.stan", tmp_path / "data.json"
    program.write_text(PROGRAM)
    plain = {"N": 4, "y": DATA["y"].double().tolist(), "M": DATA["M"].tolist(), "W": DATA["W"]}
    data.write_text(str(plain).replace("'", '"'))
    for given in (program, str(program)):
        again = StanTarget(given, data)
        torch.testing.assert_close(again.log_prob(_points(2)), target.log_prob(_points(2)))


@needs_stan
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": None}, "mismatch in number dimensions.*variable name=y"),
        ({"N": 4.0}, "int variable contained non-int values.*N"),
        ({"N": 5}, r"variable name=y.*dims declared=\(5\)"),
    ],
)
def test_data_that_stan_refuses(change, message):
    data = {name: v for name, v in {**DATA, **change}.items() if v is not None}
    with pytest.raises(TargetError, match=f"(?s)Stan refuses the data: .*{message}"):
        StanTarget(PROGRAM, data)


@needs_stan
@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({**DATA, "y": "four"}, "'y' must be a number or an array"),
        ({**DATA, "W": [[1, 2], [3]]}, "'W' is not a rectangular array"),
        ([1, 2], "data must be a dictionary"),
        ("no-such.json", "cannot read the data 'no-such.json'"),
    ],
)
def test_data_that_are_none(data, message):
    with pytest.raises(TargetError, match=message):
        StanTarget(PROGRAM, data)


@needs_stan
def test_points_of_another_width(target):
    with pytest.raises(ShapeError, match=rf"\(n, {DIM}\)"):
        target.log_prob(torch.zeros(2, 3, dtype=torch.float64))
    with pytest.raises(ShapeError, match=rf"\(\*batch, {DIM}\)"):
        target.constrain(torch.zeros(2, 3, dtype=torch.float64))


@needs_httpstan
def test_a_syntax_error_comes_with_its_place(tmp_path):
    path = tmp_path / "wrong.stan"
    path.write_text("parameters {\n  real mu\n}")
    with pytest.raises(TargetError, match=r"(?s)'wrong.stan', line 3.*expected after variable"):
        StanTarget(path)
    with pytest.raises(TargetError, match=r"cannot read .* 'no-such\.stan'"):
        StanTarget("no-such.stan")
    with pytest.raises(TargetError, match="program must be Stan code"):
        StanTarget(3)


@needs_httpstan
def test_an_included_file_is_looked_for_beside_the_program(tmp_path):
    (tmp_path / "part.stan").write_text("parameters {\n  real mu\n}")
    (tmp_path / "whole.stan").write_text("#include part.stan\nmodel { }")
    with pytest.raises(TargetError, match=r"part\.stan', line 3.*included from"):
        StanTarget(tmp_path / "whole.stan")


@needs_httpstan
def test_without_a_compiler(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(TargetError, match="needs a C\\+\\+ compiler"):
        StanTarget(PROGRAM, DATA)


@needs_httpstan
def test_a_compiler_that_fails_or_is_not_there(monkeypatch, tmp_path):
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho no such luck >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("CXX", f"{broken} -v")
    with pytest.raises(TargetError, match="cannot compile the Stan program:\nno such luck"):
        StanTarget(PROGRAM, DATA)
    monkeypatch.setenv("CXX", str(tmp_path / "nothing"))
    with pytest.raises(TargetError, match=r"nothing' is not there"):
        StanTarget(PROGRAM, DATA)


def test_without_httpstan(monkeypatch):
    monkeypatch.setitem(sys.modules, "httpstan", None)
    with pytest.raises(MissingExtraError, match=r"diffeo\[stan\]"):
        StanTarget(PROGRAM, DATA)
