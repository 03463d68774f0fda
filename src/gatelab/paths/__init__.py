"""A variant over a sequence: its weights and the paths that run it."""

from gatelab.recurrence.layer import Layer, RecurrentLayer
from gatelab.recurrence.loop import run_loop
from gatelab.recurrence.modules import layer_of
from gatelab.recurrence.native import run_native
from gatelab.recurrence.paths import Choice, choose

__all__ = ["Choice", "Layer", "RecurrentLayer", "choose", "layer_of", "run_loop", "run_native"]
