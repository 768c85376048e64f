"""Texts: what the subcommands do with them."""
