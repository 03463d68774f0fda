"""Solvers written by hand: they see inputs and lengths alone, and their outputs score perfect.

An oracle takes a task and a batch and returns outputs (batch, output) or (time, batch, output) as float32 numpy array:
a large logit for the class it is sure of, or the number itself.
"""

from tests.tasks.oracles import formal, memory, reber, recall, timing

ORACLES = {**formal.ORACLES, **memory.ORACLES, **reber.ORACLES, **recall.ORACLES, **timing.ORACLES}
"""Oracle by task name; a task of real data, which has no perfect solution, has none."""
