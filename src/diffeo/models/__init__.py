"""Named architectures."""

from diffeo.models.affine import IAF, MAF, NICE, RealNVP
from diffeo.models.bnaf import BNAF
from diffeo.models.circular import CircularNSF
from diffeo.models.gaussianization import Gaussianization
from diffeo.models.images import FlowPlusPlus, Glow, ImageRealNVP, TarFlow
from diffeo.models.monotone import NAF, UNAF, BernsteinFlow, SOSFlow
from diffeo.models.names import MODEL_NAMES, model_class
from diffeo.models.nsf import NSF
from diffeo.models.residual_classics import PlanarFlow, RadialFlow, SylvesterFlow
from diffeo.models.residual_flow import ResidualFlow
from diffeo.models.sequences import ArgmaxAutoregressive, ArgmaxCoupling

__all__ = [
    "BNAF",
    "IAF",
    "MAF",
    "MODEL_NAMES",
    "NAF",
    "NICE",
    "NSF",
    "UNAF",
    "ArgmaxAutoregressive",
    "ArgmaxCoupling",
    "BernsteinFlow",
    "CircularNSF",
    "FlowPlusPlus",
    "Gaussianization",
    "Glow",
    "ImageRealNVP",
    "PlanarFlow",
    "RadialFlow",
    "RealNVP",
    "ResidualFlow",
    "SOSFlow",
    "SylvesterFlow",
    "TarFlow",
    "model_class",
]
