"""The language of gates: equations as data, and what is derived from them without a tensor library."""

from gatelab.equations.bounds import Interval, bounds, gates
from gatelab.equations.counting import dependent_products, multiply_adds, parameter_count, parameter_shapes
from gatelab.equations.library import edited_variant, load_variant, variant_files, variant_from_file
from gatelab.equations.program import Instruction, Program, program
from gatelab.equations.typesetting import latex, plain
from gatelab.equations.variant import Variant

__all__ = [
    "Instruction",
    "Interval",
    "Program",
    "Variant",
    "bounds",
    "dependent_products",
    "edited_variant",
    "gates",
    "latex",
    "load_variant",
    "multiply_adds",
    "parameter_count",
    "parameter_shapes",
    "plain",
    "program",
    "variant_files",
    "variant_from_file",
]
