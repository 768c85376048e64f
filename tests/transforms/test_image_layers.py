"""Layers of images against what torch has for the same, and their errors."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from diffeo.audit import perturbed
from diffeo.errors import ContextError, ShapeError
from diffeo.nets import ConvNet
from diffeo.supports import positive, real
from diffeo.transforms import (
    LU,
    ActNorm,
    Constrain,
    ImageCoupling,
    Inverse,
    Pixelwise,
    Reshape,
    Sequential,
    Split,
    Squeeze,
)
from diffeo.univariates import Affine, Exp


def test_squeeze_is_pixel_unshuffle() -> None:
    x = torch.randn(5, 3, 6, 4)
    y, ladj = Squeeze((3, 6, 4))(x)
    torch.testing.assert_close(y, F.pixel_unshuffle(x, 2), atol=0, rtol=0)
    assert ladj.shape == (5,)
    assert not ladj.any()


def test_squeeze_of_blocks_that_do_not_divide() -> None:
    with pytest.raises(ShapeError, match=r"blocks of 3 x 3 pixels do not divide images of 6 x 4"):
        Squeeze((1, 6, 4), factor=3)


def test_pixelwise_lu_is_a_convolution() -> None:
    layer = perturbed(Pixelwise(LU(3), 4, 5))
    x = torch.randn(2, 3, 4, 5)
    lower, upper, log_det = layer.transform._factors()
    z, ladj = layer.inverse(x)
    weight = (lower @ upper)[..., None, None]
    torch.testing.assert_close(z, F.conv2d(x, weight, layer.transform.shift))
    torch.testing.assert_close(ladj, (20 * log_det).expand(2))


def test_actnorm_of_images_takes_its_scale_from_all_pixels() -> None:
    layer = Pixelwise(ActNorm(2), 4, 4)
    x = 3 + 5 * torch.randn(100, 2, 4, 4)
    layer.initialize(x)
    z, _ = layer.inverse(x)
    torch.testing.assert_close(z.mean((0, 2, 3)), torch.zeros(2), atol=1e-5, rtol=0)
    torch.testing.assert_close(z.std((0, 2, 3)), torch.ones(2), atol=1e-3, rtol=0)


def test_pixelwise_refuses_supports_that_differ_by_channel() -> None:
    with pytest.raises(ShapeError, match="same support for every channel"):
        Pixelwise(Constrain([positive(), real()]), 4, 4)


@pytest.mark.parametrize("flip", [False, True])
def test_a_checkerboard_moves_every_second_pixel(flip: bool) -> None:
    layer = perturbed(ImageCoupling((2, 4, 4), Affine(), mask="checkerboard", flip=flip, hidden=8))
    x = torch.randn(3, 2, 4, 4)
    moved = (layer(x)[0] != x).all(0).all(0)
    odd = (torch.arange(4)[:, None] + torch.arange(4)) % 2 == 1
    assert torch.equal(moved, odd != flip)


def test_flip_moves_the_other_channels() -> None:
    x = torch.randn(3, 3, 2, 2)
    for flip, expected in ((False, [1, 2]), (True, [0])):
        layer = perturbed(ImageCoupling((3, 2, 2), Affine(), flip=flip, hidden=8))
        y = layer(x)[0]
        assert [c for c in range(3) if not torch.equal(y[:, c], x[:, c])] == expected


def test_contexts_broadcast_over_images() -> None:
    layer = perturbed(ImageCoupling((2, 4, 4), Affine(), context=3, hidden=8))
    x, context = torch.randn(5, 1, 2, 4, 4), torch.randn(7, 3)
    y, ladj = layer(x, context)
    assert y.shape == (5, 7, 2, 4, 4)
    one, ladj_one = layer(x[2, 0], context[4])
    torch.testing.assert_close(y[2, 4], one)
    torch.testing.assert_close(ladj[2, 4], ladj_one)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shape": (1, 4, 4)}, "must move some and keep some"),
        ({"mask": [True, True]}, "must move some and keep some"),
        ({"mask": [True]}, "must hold 2 booleans"),
        ({"shape": (4, 4)}, r"\(channels, height, width\)"),
        ({"conditioner": ConvNet(1, 3)}, r"its conditioner must map x \(\*batch, 1, 4, 4\)"),
        ({"conditioner": nn.Linear(3, 2)}, "but calling it failed"),
    ],
)
def test_couplings_that_do_not_fit(options: dict[str, object], message: str) -> None:
    shape = options.pop("shape", (2, 4, 4))
    with pytest.raises(ShapeError, match=message):
        ImageCoupling(shape, Affine(), **options)  # type: ignore[arg-type]


def test_couplings_of_another_kind() -> None:
    with pytest.raises(ValueError, match="'channels', 'checkerboard' or 2 booleans"):
        ImageCoupling((2, 4, 4), Affine(), mask="stripes")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="from the reals to the reals"):
        ImageCoupling((2, 4, 4), Exp())
    with pytest.raises(ContextError, match="conditional on a context"):
        ImageCoupling((2, 4, 4), Affine(), context=3)(torch.zeros(2, 4, 4))


def test_split_keeps_noise_that_leaves_early() -> None:
    split = Split(Reshape((8,), (2, 2, 2)), channels=3)
    z = torch.arange(20.0)
    image, _ = split(z)
    assert torch.equal(image[:2].flatten(), z[:8])
    assert torch.equal(image[2:].flatten(), z[8:])


def _deep(reversible: bool) -> Sequential:
    shape = (4, 2, 2)
    inner = Sequential(
        Reshape((8,), (2, 2, 2)),
        *(ImageCoupling((2, 2, 2), Affine(), flip=k == 1, hidden=8) for k in range(2)),
        reversible=reversible,
    )
    layers = [
        layer
        for k in range(3)
        for layer in (
            ImageCoupling(shape, Affine(), flip=k % 2 == 1, hidden=8),
            Pixelwise(LU(4), 2, 2),
            Pixelwise(ActNorm(4), 2, 2),
        )
    ]
    board = ImageCoupling((1, 4, 4), Affine(), mask="checkerboard", hidden=8)
    return Sequential(
        Split(inner, 2), *layers, Inverse(Squeeze((1, 4, 4))), board, reversible=reversible
    )


@pytest.mark.parametrize("inverted", [False, True])
def test_a_reversible_stack_has_the_gradients_of_an_ordinary_one(inverted: bool) -> None:
    found: list[list[Tensor]] = []
    for reversible in (False, True):
        torch.manual_seed(0)
        stack = perturbed(_deep(reversible).double())
        shape = stack.out_shape if inverted else stack.in_shape
        x = torch.randn(6, *shape, generator=torch.Generator().manual_seed(1)).double()
        x.requires_grad_()
        y, ladj = (stack.inverse if inverted else stack)(x)
        (y.square().sum() + ladj.sum()).backward()
        found.append([x.grad, *(p.grad for p in stack.parameters())])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, atol=1e-9, rtol=1e-9)
