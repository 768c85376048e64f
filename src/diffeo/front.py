"""The names that a user needs, all in one place; `diffeo` has them from here."""

from diffeo import bases, inference, nets, objectives, surjections, transforms, univariates
from diffeo.audit import check_flow, check_transform
from diffeo.flow import Flow
from diffeo.images import ImageModel
from diffeo.inference import fit_posterior
from diffeo.mixture import Ensemble, Mixture
from diffeo.model import load
from diffeo.models import (
    BNAF,
    IAF,
    MAF,
    NAF,
    NICE,
    NSF,
    UNAF,
    ArgmaxAutoregressive,
    ArgmaxCoupling,
    BernsteinFlow,
    CircularNSF,
    FlowPlusPlus,
    Gaussianization,
    Glow,
    ImageRealNVP,
    PlanarFlow,
    RadialFlow,
    RealNVP,
    ResidualFlow,
    SOSFlow,
    SylvesterFlow,
    TarFlow,
)
from diffeo.models.fitting import fit
from diffeo.points import PointCloudFlow
from diffeo.report import plot_density, plot_pairs
from diffeo.sequences import LatentSequenceFlow
from diffeo.supports import (
    categories,
    circle,
    corr_cholesky,
    integers,
    interval,
    ordered,
    positive,
    positive_ordered,
    real,
    simplex,
    torus,
)
from diffeo.surjective_flow import SurjectiveFlow
from diffeo.tabular import TableFlow
from diffeo.transforms import Inverse, Sequential
from diffeo.version import __version__

__all__ = [
    "BNAF",
    "IAF",
    "MAF",
    "NAF",
    "NICE",
    "NSF",
    "UNAF",
    "ArgmaxAutoregressive",
    "ArgmaxCoupling",
    "BernsteinFlow",
    "CircularNSF",
    "Ensemble",
    "Flow",
    "FlowPlusPlus",
    "Gaussianization",
    "Glow",
    "ImageModel",
    "ImageRealNVP",
    "Inverse",
    "LatentSequenceFlow",
    "Mixture",
    "PlanarFlow",
    "PointCloudFlow",
    "RadialFlow",
    "RealNVP",
    "ResidualFlow",
    "SOSFlow",
    "Sequential",
    "SurjectiveFlow",
    "SylvesterFlow",
    "TableFlow",
    "TarFlow",
    "__version__",
    "bases",
    "categories",
    "check_flow",
    "check_transform",
    "circle",
    "corr_cholesky",
    "fit",
    "fit_posterior",
    "inference",
    "integers",
    "interval",
    "load",
    "nets",
    "objectives",
    "ordered",
    "plot_density",
    "plot_pairs",
    "positive",
    "positive_ordered",
    "real",
    "simplex",
    "surjections",
    "torus",
    "transforms",
    "univariates",
]
