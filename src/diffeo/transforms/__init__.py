"""Invertible maps on events, with both directions and both log-determinants."""

from diffeo.transform import Transform
from diffeo.transforms.autoregressive import MaskedAutoregressive
from diffeo.transforms.batch_norm import BatchNorm
from diffeo.transforms.block_autoregressive import BlockAutoregressive
from diffeo.transforms.chosen import Chosen
from diffeo.transforms.compose import Inverse, Sequential
from diffeo.transforms.constrain import Constrain
from diffeo.transforms.continuous import Continuous
from diffeo.transforms.correlation import CorrelationCholesky
from diffeo.transforms.coupling import Coupling
from diffeo.transforms.elementwise import Elementwise
from diffeo.transforms.factored import QR, SVD
from diffeo.transforms.hamiltonian import Leapfrog
from diffeo.transforms.images import ImageCoupling, Pixelwise, Reshape, Split, Squeeze
from diffeo.transforms.low_rank import LowRankPlusDiagonal
from diffeo.transforms.lu import LU
from diffeo.transforms.matrix_exponential import MatrixExponential
from diffeo.transforms.normal_scores import NormalScores
from diffeo.transforms.ordered import Increments
from diffeo.transforms.orthogonal import Cayley, Householder, Rotation
from diffeo.transforms.patches import Patchify
from diffeo.transforms.permutations import Permutation, Reverse
from diffeo.transforms.planar import Planar, PlanarStack
from diffeo.transforms.radial import Radial
from diffeo.transforms.residual import Residual
from diffeo.transforms.residuals import LinearResiduals
from diffeo.transforms.scaling import ActNorm, Standardize
from diffeo.transforms.simplex import StickBreaking
from diffeo.transforms.sphere import ExponentialMap, FromCylinder, Moebius, OnCylinder
from diffeo.transforms.sylvester import Sylvester
from diffeo.transforms.transformer import TransformerAutoregressive
from diffeo.transforms.triangular import Triangular
from diffeo.transforms.wavelets import DCT, Haar

__all__ = [
    "DCT",
    "LU",
    "QR",
    "SVD",
    "ActNorm",
    "BatchNorm",
    "BlockAutoregressive",
    "Cayley",
    "Chosen",
    "Constrain",
    "Continuous",
    "CorrelationCholesky",
    "Coupling",
    "Elementwise",
    "ExponentialMap",
    "FromCylinder",
    "Haar",
    "Householder",
    "ImageCoupling",
    "Increments",
    "Inverse",
    "Leapfrog",
    "LinearResiduals",
    "LowRankPlusDiagonal",
    "MaskedAutoregressive",
    "MatrixExponential",
    "Moebius",
    "NormalScores",
    "OnCylinder",
    "Patchify",
    "Permutation",
    "Pixelwise",
    "Planar",
    "PlanarStack",
    "Radial",
    "Reshape",
    "Residual",
    "Reverse",
    "Rotation",
    "Sequential",
    "Split",
    "Squeeze",
    "Standardize",
    "StickBreaking",
    "Sylvester",
    "Transform",
    "TransformerAutoregressive",
    "Triangular",
]
