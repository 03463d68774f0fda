"""Drawings of the comparison page: the same bytes each time, as SVG and PDF."""
