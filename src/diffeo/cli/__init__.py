"""The command `diffeo`. Each subcommand is one file; heavy imports wait until it runs."""
