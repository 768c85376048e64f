"""Clouds of points: what the subcommands do with them."""
