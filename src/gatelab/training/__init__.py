"""One fitted stack: many runs of equal shapes trained at once by one Lightning fit."""

from gatelab.training.fit import train_stack
from gatelab.training.stack import STACKABLE, shape_key

__all__ = ["STACKABLE", "shape_key", "train_stack"]
