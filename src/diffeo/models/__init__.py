"""Named architectures."""

from diffeo.models.affine import IAF, MAF, NICE, RealNVP
from diffeo.models.bnaf import BNAF
from diffeo.models.circular import CircularNSF
from diffeo.models.continuous import CNF, OTFlow
from diffeo.models.flow_matching import FlowMatching
from diffeo.models.gaussianization import Gaussianization
from diffeo.models.graphical import GraphicalFlow
from diffeo.models.images import FlowPlusPlus, Glow, ImageRealNVP, TarFlow
from diffeo.models.monotone import NAF, UNAF, BernsteinFlow, SOSFlow
from diffeo.models.names import MODEL_NAMES, model_class
from diffeo.models.nsf import NSF
from diffeo.models.residual_classics import PlanarFlow, RadialFlow, SylvesterFlow
from diffeo.models.residual_flow import ResidualFlow
from diffeo.models.sequences import ArgmaxAutoregressive, ArgmaxCoupling
from diffeo.models.sphere_flow import SphereFlow

__all__ = [
    "BNAF",
    "CNF",
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
    "FlowMatching",
    "FlowPlusPlus",
    "Gaussianization",
    "Glow",
    "GraphicalFlow",
    "ImageRealNVP",
    "OTFlow",
    "PlanarFlow",
    "RadialFlow",
    "RealNVP",
    "ResidualFlow",
    "SOSFlow",
    "SphereFlow",
    "SylvesterFlow",
    "TarFlow",
    "model_class",
]
