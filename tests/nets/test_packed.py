"""Packed networks are as many separate ones."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from diffeo.nets.packed import PackedMLP


def test_each_member_is_an_mlp_of_its_own_weights():
    net = PackedMLP(3, 4, 2, hidden=(8, 8), seed=0)
    x = torch.randn(3, 5, 4)
    out = net(x)
    for k in range(3):
        h = x[k]
        for i, (weight, bias) in enumerate(zip(net.weights, net.biases, strict=True)):
            h = h @ weight[k] + bias[k]
            h = h if i == 2 else F.silu(h)
        torch.testing.assert_close(out[k], h)


def test_members_differ_and_the_seed_decides():
    same = [PackedMLP(2, 3, 2, seed=seed)(torch.ones(1, 1, 3)) for seed in (0, 0, 1)]
    assert torch.equal(same[0], same[1])
    assert not torch.allclose(same[0], same[2])
    assert not torch.allclose(same[0][0], same[0][1])


def test_gradients_of_one_member_do_not_reach_another():
    net = PackedMLP(2, 3, 2, hidden=(4,), seed=0)
    net(torch.ones(1, 1, 3))[0].sum().backward()
    for parameter in net.parameters():
        assert parameter.grad is not None
        assert parameter.grad[0].abs().sum() > 0
        assert parameter.grad[1].abs().sum() == 0


def test_dropout_only_in_training():
    net = PackedMLP(2, 3, 2, dropout=0.5, seed=0)
    x = torch.ones(1, 1, 3)
    assert not torch.equal(net(x), net(x))
    net.eval()
    assert torch.equal(net(x), net(x))
