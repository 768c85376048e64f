"""Images: what the subcommands do with them."""
