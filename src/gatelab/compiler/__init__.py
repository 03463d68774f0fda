"""Equations turned into programs: schedules, derivatives, costs; shared by every path, without a tensor library.

Knows nothing of tensors: a path turns a program into calls of PyTorch or into C.
"""

from gatelab.compiler.costs import dependent_products, multiply_adds, parameter_count, parameter_shapes
from gatelab.compiler.program import Instruction, Program, program

__all__ = [
    "Instruction",
    "Program",
    "dependent_products",
    "multiply_adds",
    "parameter_count",
    "parameter_shapes",
    "program",
]
