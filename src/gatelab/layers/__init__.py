"""Layers of a variant and the readout around them."""
