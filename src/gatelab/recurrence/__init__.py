"""A variant over a sequence: its weights and the paths that run it."""

from gatelab.recurrence.layer import Layer, parameter_shapes
from gatelab.recurrence.loop import run_loop

__all__ = ["Layer", "parameter_shapes", "run_loop"]
