"""The language of gates: equations as data, and what follows from them without a tensor library.

Knows nothing of tensors, training or stores.
"""

from gatelab.language.bounds import Interval, bounds, gates
from gatelab.language.library import edited_variant, load_variant, variant_files, variant_from_file
from gatelab.language.variant import Variant

__all__ = [
    "Interval",
    "Variant",
    "bounds",
    "edited_variant",
    "gates",
    "load_variant",
    "variant_files",
    "variant_from_file",
]
