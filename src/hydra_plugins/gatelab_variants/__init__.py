"""Hydra finds a variant by its name alone, whatever folder of conf/variant/ it lies in."""
