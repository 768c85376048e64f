"""What a causal transformer sees, and that its cache changes no number."""

from __future__ import annotations

import pytest
import torch

from diffeo.audit import perturbed
from diffeo.errors import ContextError, ShapeError
from diffeo.nets import CausalTransformer
from diffeo.nets.attention import KeyValueCache


def _network(context: int = 0) -> CausalTransformer:
    return perturbed(CausalTransformer(6, 3, 4, dim=8, layers=2, heads=2, context=context)).double()


def test_an_output_depends_on_all_tokens_up_to_its_own_and_on_no_later_one() -> None:
    x = torch.randn(1, 6, 3, dtype=torch.float64, requires_grad=True)
    out = _network()(x)
    for t in range(6):
        (grad,) = torch.autograd.grad(out[0, t].sum(), x, retain_graph=True)
        assert bool((grad[0, : t + 1] != 0).all())
        assert bool((grad[0, t + 1 :] == 0).all())


@pytest.mark.parametrize("reuse", [True, False])
@pytest.mark.parametrize("steps", [(1,) * 6, (2, 1, 3), (6,), (1, 5)])
@torch.no_grad()
def test_pieces_after_one_another_give_what_one_pass_gives(
    steps: tuple[int, ...], reuse: bool
) -> None:
    network, x = _network(2), torch.randn(3, 6, 3, dtype=torch.float64)
    context = torch.randn(3, 2, dtype=torch.float64)
    cache, found = KeyValueCache(6, reuse=reuse), []
    for piece in x.split(steps, dim=1):
        # what is not final is overwritten
        network(torch.randn_like(x)[:, : 6 - cache.length], context, cache)
        found.append(network(piece, context, cache))
        cache.length += piece.shape[1]
    torch.testing.assert_close(torch.cat(found, 1), network(x, context), rtol=0, atol=1e-12)


def test_it_says_nothing_at_first_and_reads_its_context() -> None:
    fresh = CausalTransformer(6, 3, 4, dim=8, layers=2, heads=2, context=2)
    x = torch.randn(3, 6, 3)
    assert bool((fresh(x, torch.randn(3, 2)) == 0).all())
    network = _network(2)
    one, other = (network(x.double(), torch.full((1, 2), c).double()) for c in (0.0, 1.0))
    assert bool((one != other).all())
    with pytest.raises(ContextError, match="got none"):
        network(x.double())


def test_sizes_that_do_not_fit() -> None:
    with pytest.raises(ShapeError, match="got 3 heads and a dim of 8"):
        CausalTransformer(6, 3, 4, dim=8, heads=3)
    with pytest.raises(ValueError, match="layers must be a whole number >= 1, got 0"):
        CausalTransformer(6, 3, 4, dim=8, layers=0)
