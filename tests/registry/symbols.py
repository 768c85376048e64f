"""Flows of sequences of symbols; the number of features is that of positions."""

from __future__ import annotations

from diffeo.models import ArgmaxAutoregressive, ArgmaxCoupling
from diffeo.surjections import BinaryArgmax
from registry.entry import BOTH, Entry

TINY = {"dim": 8, "layers": 1, "heads": 2}

SURJECTIONS: list[Entry] = [
    Entry(
        "BinaryArgmax",
        (BinaryArgmax,),
        lambda d, c: BinaryArgmax(d, 3, context=c, **TINY),
        features=(1, 2),
        contexts=BOTH,
    ),
    Entry(
        "BinaryArgmax of a power of 2",
        (BinaryArgmax,),
        lambda d, c: BinaryArgmax(d, 4, context=c, **TINY),
        features=(2, 3),
        quick=(2,),
    ),
]

DENSITIES: list[Entry] = [
    Entry(
        "ArgmaxAutoregressive",
        (ArgmaxAutoregressive,),
        lambda d, c: ArgmaxAutoregressive(d, 3, near=2, context=c, **TINY),
        features=(1, 3, 8),
        contexts=BOTH,
        quick=(1, 3),
    ),
    Entry(
        "ArgmaxAutoregressive of voices",
        (ArgmaxAutoregressive,),
        lambda d, c: ArgmaxAutoregressive(
            d, "ab", near=(-2, 2), periods=(2,), groups=2, any_order=0.5, dropout=0.1, **TINY
        ),
        features=(4,),
    ),
    Entry(
        "ArgmaxAutoregressive that recurs",
        (ArgmaxAutoregressive,),
        lambda d, c: ArgmaxAutoregressive(
            d, 2, near=1, recurrent=1, context=c, **{**TINY, "layers": 0}
        ),
        features=(3,),
        contexts=(3,),
    ),
    Entry(
        "ArgmaxCoupling",
        (ArgmaxCoupling,),
        lambda d, c: ArgmaxCoupling(d, 3, couplings=2, **TINY),
        features=(2,),
    ),
    Entry(
        "ArgmaxCoupling given a context",
        (ArgmaxCoupling,),
        lambda d, c: ArgmaxCoupling(d, 3, couplings=2, context=c, **TINY),
        features=(3,),
        contexts=(3,),
    ),
]
