"""The encoding passes its bins in order, at the data's quantiles."""

from __future__ import annotations

import torch

from diffeo.nets.piecewise_linear import PiecewiseLinear


def _encoded(column: torch.Tensor, at: torch.Tensor, bins: int) -> torch.Tensor:
    encoding = PiecewiseLinear(1, bins)
    encoding.initialize(column[:, None])
    return encoding(at[:, None])[:, 1:]


def test_bins_hold_equal_shares_of_the_rows():
    column = torch.randn(10_000).exp()
    code = _encoded(column, column, bins=8) + 0.5
    passed = (code == 1).sum(0)
    expected = 10_000 * torch.arange(7, -1, -1) / 8
    assert (passed - expected).abs().max() <= 2


def test_the_code_is_linear_within_a_bin_and_flat_outside_all():
    code = _encoded(torch.arange(3.0), torch.tensor([-9.0, 0.25, 1.5, 9.0]), bins=2)
    expected = torch.tensor([[-0.5, -0.5], [-0.25, -0.5], [0.5, 0.0], [0.5, 0.5]])
    torch.testing.assert_close(code, expected)


def test_columns_of_few_values_have_a_bin_between_each_two():
    column = torch.tensor([0.0, 1.0, 5.0]).repeat(100)
    code = _encoded(column, torch.tensor([0.0, 1.0, 5.0]), bins=4)
    expected = torch.tensor([[-0.5, -0.5, 0, 0], [0.5, -0.5, 0, 0], [0.5, 0.5, 0, 0]])
    torch.testing.assert_close(code, expected)


def test_ties_and_constants_leave_no_infinite_slope():
    ties = torch.cat([torch.zeros(900), torch.rand(100)])
    for column in (ties, torch.ones(50)):
        encoding = PiecewiseLinear(1, 16)
        encoding.initialize(column[:, None])
        assert encoding.rate.isfinite().all()
        assert encoding(column[:, None]).isfinite().all()
