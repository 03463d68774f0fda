"""Groups of configurations that Hydra finds by name and not by folder: variants and experiments."""
