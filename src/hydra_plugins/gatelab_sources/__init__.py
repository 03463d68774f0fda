"""Groups of configurations that Hydra finds by name and gets as data: variants, experiments, a user's files."""
