"""Tables: what the subcommands do with them."""
