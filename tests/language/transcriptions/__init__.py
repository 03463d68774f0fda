"""Variants written a second time, in NumPy, straight from the formulas of their papers."""
