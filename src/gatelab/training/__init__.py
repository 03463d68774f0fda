"""Training of one stack: many runs of equal shapes at once, by one Lightning fit."""

from gatelab.store import Stop, Stopped
from gatelab.training.fit import train_stack

__all__ = ["Stop", "Stopped", "train_stack"]
