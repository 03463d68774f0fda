"""The paths that run a program over a sequence; the loop is the reference, and all others must agree with it.

Knows programs and tensors, but no weights of a layer, no task and no training.
"""

from gatelab.paths.choice import Choice, choose
from gatelab.paths.loop import run_loop
from gatelab.paths.native import run_native

__all__ = ["Choice", "choose", "run_loop", "run_native"]
