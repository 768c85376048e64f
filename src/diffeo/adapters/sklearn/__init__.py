"""scikit-learn: estimators with densities."""

from diffeo.adapters.sklearn.density import FlowDensity
from diffeo.adapters.sklearn.regressor import FlowRegressor

__all__ = ["FlowDensity", "FlowRegressor"]
