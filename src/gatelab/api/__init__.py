"""The public Python API: the functions of the commands, for scripts and notebooks. ``gatelab`` has every name."""
