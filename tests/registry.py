"""Every public transform, univariate, base and model, with constructors; the audit runs over it.

A public class that is not ``covered`` here fails ``test_registry.py``.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

import diffeo
from diffeo import bases, transforms, univariates
from diffeo.supports import Support, interval, positive, real

FEATURES = (1, 2, 3, 8)
HIDDEN = (16, 16)


@dataclass(frozen=True)
class Entry:
    """One way to build a public part.

    Attributes:
        name: the test's name.
        covers: the public classes that it stands for.
        make: builds it from a number of features and a width of context.
        features: admissible numbers of features.
        contexts: admissible widths of context.
        identity: starts at the identity.
        single_tolerance: of float32; a comment gives the reason where it is not the default.
    """

    name: str
    covers: tuple[type, ...]
    make: Callable[[int, int], Any]
    features: tuple[int, ...] = FEATURES
    contexts: tuple[int, ...] = (0,)
    identity: bool = False
    single_tolerance: float | None = None

    def build(self, features: int, context: int) -> Any:
        """The part, with weights that do not depend on what ran before."""
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            torch.manual_seed(0)
            # an affine model says at D = 1 that it is only affine; test_models looks at that
            warnings.filterwarnings("ignore", ".* with one feature is .*", UserWarning)
            return self.make(features, context)


BOTH = (0, 3)


def _data(features: int) -> Tensor:
    return torch.randn(200, features) * torch.arange(1, features + 1) + 3


def _initialized(layer: Any) -> Any:
    layer.initialize(_data(layer.in_shape[0]))
    return layer


def _supports(features: int) -> list[Support]:
    kinds = [interval(-1.0, 3.0), positive(), real()]
    return [kinds[i % 3] for i in range(features)]


class OwnNet(nn.Module):
    """A user's conditioner."""

    def __init__(self, in_features: int, out_features: int, context: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(max(in_features + context, 1), 16), nn.Tanh(), nn.Linear(16, out_features)
        )

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        if context is not None:
            batch = torch.broadcast_shapes(x.shape[:-1], context.shape[:-1])
            x = torch.cat([x.expand(*batch, -1), context.expand(*batch, -1)], dim=-1)
        return self.layers(x if x.shape[-1] else x.new_zeros(*x.shape[:-1], 1))


def _own_coupling(features: int, context: int) -> Any:
    moved = features // 2 if features > 1 else 1
    net = OwnNet(features - moved, 2 * moved, context)
    return transforms.Coupling(features, univariates.Affine(), context=context, conditioner=net)


LEARNED: dict[str, Callable[[], Any]] = {
    "Shift": univariates.Shift,
    "Affine": univariates.Affine,
    "RationalQuadraticSpline": univariates.RationalQuadraticSpline,
}
# the image of sampled points is bounded away from the ends, so float32 keeps its digits
FIXED: dict[str, Callable[[], Any]] = {
    "Exp": univariates.Exp,
    "Softplus": univariates.Softplus,
    "Sigmoid": lambda: univariates.Sigmoid(-1.0, 3.0),
    "Tanh": univariates.Tanh,
}


def _learned_univariates() -> list[Entry]:
    entries = []
    for name, make in LEARNED.items():
        for residual in (False, True):
            kind = " residual" if residual else ""
            options = {"hidden": HIDDEN, "residual": residual}
            entries += [
                Entry(
                    f"Elementwise {name}{kind}",
                    (transforms.Elementwise, getattr(univariates, name)),
                    lambda d, c, m=make, o=options: transforms.Elementwise(d, m(), context=c, **o),
                    contexts=(3,) if residual else BOTH,
                    identity=True,
                ),
                Entry(
                    f"Coupling {name}{kind}",
                    (transforms.Coupling, getattr(univariates, name)),
                    lambda d, c, m=make, o=options: transforms.Coupling(d, m(), context=c, **o),
                    contexts=BOTH,
                    identity=True,
                ),
                Entry(
                    f"MaskedAutoregressive {name}{kind}",
                    (transforms.MaskedAutoregressive, getattr(univariates, name)),
                    lambda d, c, m=make, o=options: transforms.MaskedAutoregressive(
                        d, m(), context=c, **o
                    ),
                    contexts=BOTH,
                    identity=True,
                    # the inverse feeds each feature's rounding into the networks of all later ones
                    single_tolerance=1e-4,
                ),
            ]
    return entries


def _fixed_univariates() -> list[Entry]:
    entries = []
    for name, make in FIXED.items():
        cls = getattr(univariates, name)
        entries += [
            Entry(
                f"Elementwise {name}",
                (transforms.Elementwise, cls),
                lambda d, c, m=make: transforms.Elementwise(d, m()),
            ),
            Entry(
                f"Inverse {name}",
                (transforms.Inverse, cls),
                lambda d, c, m=make: transforms.Inverse(transforms.Elementwise(d, m())),
                features=(1, 3),
            ),
        ]
    return entries


TRANSFORMS: list[Entry] = [
    *_learned_univariates(),
    *_fixed_univariates(),
    Entry("Coupling of a user's network", (transforms.Coupling,), _own_coupling, contexts=BOTH),
    Entry("LU", (transforms.LU,), lambda d, c: transforms.LU(d), identity=True),
    Entry(
        "Permutation",
        (transforms.Permutation,),
        lambda d, c: transforms.Permutation([*range(1, d), 0]),
    ),
    Entry("Reverse", (transforms.Reverse,), lambda d, c: transforms.Reverse(d)),
    Entry("ActNorm", (transforms.ActNorm,), lambda d, c: transforms.ActNorm(d), identity=True),
    Entry(
        "ActNorm of data", (transforms.ActNorm,), lambda d, c: _initialized(transforms.ActNorm(d))
    ),
    Entry(
        "Standardize",
        (transforms.Standardize,),
        lambda d, c: transforms.Standardize(d),
        identity=True,
    ),
    Entry(
        "Standardize of data",
        (transforms.Standardize,),
        lambda d, c: _initialized(transforms.Standardize(d)),
    ),
    Entry("Constrain", (transforms.Constrain,), lambda d, c: transforms.Constrain(_supports(d))),
    Entry(
        "Sequential",
        (transforms.Sequential,),
        lambda d, c: transforms.Sequential(
            transforms.LU(d),
            transforms.Coupling(d, univariates.Affine(), context=c, hidden=HIDDEN),
            transforms.Reverse(d),
            transforms.ActNorm(d),
        ),
        contexts=BOTH,
    ),
    Entry(
        "Inverse of an autoregression",
        (transforms.Inverse,),
        lambda d, c: transforms.Inverse(
            transforms.MaskedAutoregressive(
                d,
                univariates.Affine(),
                order=[*range(1, d), 0],
                context=c,
                hidden=HIDDEN,
            )
        ),
        contexts=BOTH,
        identity=True,
        # as MaskedAutoregressive
        single_tolerance=1e-4,
    ),
]

SMALL: dict[str, Any] = {"layers": 2, "hidden": HIDDEN}


def _models() -> list[Entry]:
    entries = []
    for cls in (diffeo.NICE, diffeo.RealNVP, diffeo.MAF, diffeo.IAF, diffeo.NSF):
        kinds = {"": {}}
        if cls is diffeo.NSF:
            kinds |= {" autoregressive": {"autoregressive": True}}
        for kind, options in kinds.items():
            entries += [
                Entry(
                    f"{cls.__name__}{kind}",
                    (cls,),
                    lambda d, c, k=cls, o=options: k(d, context=c, **SMALL, **o),
                    contexts=BOTH,
                ),
                Entry(
                    f"{cls.__name__}{kind} with supports",
                    (cls,),
                    lambda d, c, k=cls, o=options: k(d, supports=_supports(d), **SMALL, **o),
                    features=(1, 3),
                ),
            ]
    entries.append(
        Entry(
            "RealNVP residual",
            (diffeo.RealNVP,),
            lambda d, c: diffeo.RealNVP(d, context=c, residual=True, **SMALL),
            features=(3,),
            contexts=BOTH,
        )
    )
    return entries


def _learned_mixture(d: int, c: int) -> Any:
    return diffeo.Mixture(diffeo.RealNVP(d, context=c, **SMALL), diffeo.NSF(d, context=c, **SMALL))


DENSITIES: list[Entry] = [
    *_models(),
    Entry("StandardNormal", (bases.StandardNormal,), lambda d, c: bases.StandardNormal(d)),
    Entry(
        "DiagonalNormal",
        (bases.DiagonalNormal,),
        lambda d, c: bases.DiagonalNormal(d, 1.0, 2.0, context=c, hidden=HIDDEN),
        contexts=BOTH,
    ),
    Entry(
        "DiagonalNormal learned",
        (bases.DiagonalNormal,),
        lambda d, c: bases.DiagonalNormal(d, learned=True, context=c, hidden=HIDDEN),
        contexts=BOTH,
    ),
    Entry(
        "MultivariateNormal",
        (bases.MultivariateNormal,),
        lambda d, c: bases.MultivariateNormal(d, 1.0, torch.eye(d) + 0.5),
    ),
    Entry(
        "MultivariateNormal learned",
        (bases.MultivariateNormal,),
        lambda d, c: bases.MultivariateNormal(d, learned=True),
    ),
    Entry("StudentT", (bases.StudentT,), lambda d, c: bases.StudentT(d, 3.0)),
    Entry("BoxUniform", (bases.BoxUniform,), lambda d, c: bases.BoxUniform(d, -1.0, 2.0)),
    Entry("GaussianMixture", (bases.GaussianMixture,), lambda d, c: bases.GaussianMixture(d, 4)),
    Entry(
        "Flow",
        (diffeo.Flow,),
        lambda d, c: diffeo.Flow(
            bases.DiagonalNormal(d, context=c, hidden=HIDDEN),
            transforms.Coupling(d, univariates.Affine(), context=c, hidden=HIDDEN),
        ),
        contexts=BOTH,
    ),
    Entry(
        "Flow of a log-normal",
        (diffeo.Flow,),
        lambda d, c: diffeo.Flow(
            bases.StandardNormal(d),
            transforms.Sequential(
                transforms.Elementwise(d, univariates.Affine()),
                transforms.Elementwise(d, univariates.Exp()),
            ),
        ),
    ),
    Entry(
        "Flow without weights on a mixture",
        (diffeo.Flow,),
        lambda d, c: diffeo.Flow(bases.GaussianMixture(d, 3), transforms.Reverse(d)),
    ),
    Entry(
        "Flow of a user's network",
        (diffeo.Flow,),
        lambda d, c: diffeo.Flow(bases.StandardNormal(d), _own_coupling(d, c)),
        contexts=BOTH,
    ),
    Entry("Mixture", (diffeo.Mixture,), _learned_mixture, contexts=BOTH),
    Entry(
        "Ensemble",
        (diffeo.Ensemble,),
        lambda d, c: diffeo.Ensemble(*(diffeo.MAF(d, context=c, **SMALL) for _ in range(2))),
        contexts=BOTH,
    ),
]


def cases(entries: list[Entry]) -> list[tuple[Entry, int, int]]:
    """Every entry at each of its admissible sizes."""
    return [(e, d, c) for e in entries for d in e.features for c in e.contexts]
