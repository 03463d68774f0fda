"""One fitted stack: many runs of equal shapes trained at once by one Lightning fit."""

from gatelab.runs import Stop, Stopped
from gatelab.training.fit import train_stack
from gatelab.training.stack import STACKABLE, shape_key

__all__ = ["STACKABLE", "Stop", "Stopped", "shape_key", "train_stack"]
