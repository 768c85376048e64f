"""The version of diffeo."""

__version__ = "0.1.0"
