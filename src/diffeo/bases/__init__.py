"""Simple distributions at the bottom of a flow."""

from diffeo.bases.mixture import GaussianMixture
from diffeo.bases.normal import DiagonalNormal, MultivariateNormal, StandardNormal
from diffeo.bases.normal_mixture import MultivariateNormalMixture
from diffeo.bases.product import Product
from diffeo.bases.resampled import ResampledNormal
from diffeo.bases.student_t import MultivariateStudentT, StudentT
from diffeo.bases.uniform import BoxUniform
from diffeo.bases.von_mises import TorusUniform, VonMises
from diffeo.bases.von_mises_fisher import (
    SphereUniform,
    VonMisesFisher,
    VonMisesFisherMixture,
)
from diffeo.bases.von_mises_fisher_em import fit_von_mises_fisher

__all__ = [
    "BoxUniform",
    "DiagonalNormal",
    "GaussianMixture",
    "MultivariateNormal",
    "MultivariateNormalMixture",
    "MultivariateStudentT",
    "Product",
    "ResampledNormal",
    "SphereUniform",
    "StandardNormal",
    "StudentT",
    "TorusUniform",
    "VonMises",
    "VonMisesFisher",
    "VonMisesFisherMixture",
    "fit_von_mises_fisher",
]
