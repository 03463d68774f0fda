"""Hydra's launcher ``stacked``: the points of a sweep that share their shapes are trained together."""
