"""Principal components of equal size, of as many dimensions as the columns have."""

from __future__ import annotations

import torch

from diffeo.nets.whitening import Whitening


def test_small_differences_of_columns_come_out_at_full_size():
    torch.manual_seed(0)
    common, difference = torch.randn(2, 5000, 1)
    x = torch.cat([common + 0.01 * difference, common - 0.01 * difference], 1)
    whitening = Whitening(2)
    whitening.initialize(x)
    out = whitening(x)
    torch.testing.assert_close(out.T.cov(), torch.eye(2), atol=0.2, rtol=0)
    along = torch.corrcoef(torch.cat([out, difference], 1).T)[2, :2].abs()
    assert along.max() > 0.99


def test_columns_that_others_determine_add_nothing():
    x = torch.randn(100, 2)
    whitening = Whitening(4)
    whitening.initialize(torch.cat([x, x.sum(1, keepdim=True), torch.zeros(100, 1)], 1))
    assert int((whitening.matrix != 0).any(0).sum()) == 2
    assert whitening.matrix.isfinite().all()


def test_far_points_stay_bounded():
    whitening = Whitening(2)
    whitening.initialize(torch.randn(100, 2))
    assert whitening(torch.full((1, 2), 1e6)).abs().max() <= 4
