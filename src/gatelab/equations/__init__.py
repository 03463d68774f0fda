"""The language of gates: equations as data, and what is derived from them without a tensor library."""

from gatelab.equations.library import edited_variant, load_variant, variant_files, variant_from_file
from gatelab.equations.program import Instruction, Program, program
from gatelab.equations.variant import Variant

__all__ = ["Instruction", "Program", "Variant", "edited_variant", "load_variant", "program", "variant_files", "variant_from_file"]
