"""A request for samples: its noise, its contexts, and densities of users that answer it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import diffeo
from diffeo import bases
from diffeo.draw import Draw
from diffeo.transforms import Elementwise
from diffeo.univariates import Affine


def test_noise_has_the_batch_of_samples_and_contexts() -> None:
    like = torch.zeros((), dtype=torch.float64)
    plain = Draw((2, 3), generator=torch.Generator().manual_seed(0))
    given = plain.given(torch.zeros(5, 1, 4))
    assert plain.batch == (2, 3)
    assert given.batch == (2, 3, 5, 1)
    assert given.generator is plain.generator
    normal, uniform = given.normal((7,), like), given.uniform((7,), like)
    assert normal.shape == uniform.shape == (2, 3, 5, 1, 7)
    assert normal.dtype == uniform.dtype == torch.float64
    assert normal.amin() < -1
    assert 0 <= uniform.amin() < uniform.amax() < 1
    again = Draw((2, 3), given.context, torch.Generator().manual_seed(0))
    assert torch.equal(again.normal((7,), like), normal)


class Shifted(diffeo.Flow):
    """A flow of a user, who changes what it draws and nothing else."""

    def _rsample(self, draw: Draw) -> Tensor:
        return super()._rsample(draw) + 10


class Paired(bases.StandardNormal):
    """A base of a user whose log-densities come with its samples."""

    def _rsample_and_log_prob(self, draw: Draw) -> tuple[Tensor, Tensor]:
        x = self._rsample(draw)
        return x, torch.full(draw.batch, 7.0)


@pytest.mark.parametrize("chunk_size", [None, 4])
def test_what_a_user_wrote_is_what_is_drawn(chunk_size: int | None) -> None:
    parts = bases.StandardNormal(2), Elementwise(2, Affine())
    plain, shifted = diffeo.Flow(*parts), Shifted(*parts)
    expected = plain.sample(9, seed=0) + 10
    torch.testing.assert_close(shifted.sample(9, seed=0, chunk_size=chunk_size), expected)
    torch.testing.assert_close(shifted.rsample(9, seed=0).detach(), expected)
    # and in every density made of it
    for whole in (diffeo.Flow(Paired(2), parts[1]), Paired(2)):
        _, log_prob = whole.sample_and_log_prob(9, seed=0, chunk_size=chunk_size)
        assert log_prob.tolist() == pytest.approx([7.0] * 9)


@pytest.mark.parametrize("draw", ["sample", "rsample", "sample_and_log_prob"])
def test_requests_are_traced_without_a_break(draw: str) -> None:
    flow = diffeo.RealNVP(2, layers=2, hidden=(8,), context=1, seed=0)
    context = torch.randn(3, 1)
    compiled = torch.compile(
        lambda c: getattr(flow, draw)(4, c), fullgraph=True, backend="eager", dynamic=False
    )
    torch.manual_seed(1)
    expected = getattr(flow, draw)(4, context)
    torch.manual_seed(1)
    torch.testing.assert_close(compiled(context), expected)
