"""Music: what the subcommands do with it."""
