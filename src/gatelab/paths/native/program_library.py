"""The library of a program, and that of the products, which all programs share.

The products are half of the work of a compiler, and the same for every program: they are compiled once.
"""

import ctypes

from gatelab.paths.native.build import load
from gatelab.paths.native.emit import PRODUCTS, products_text

__all__ = ["load_program"]


def load_program(text: str, *, double: bool) -> ctypes.CDLL:
    """Return the library of a program, ready to run.

    Args:
        text: as :func:`gatelab.paths.native.emit.emit` writes it.
        double: double precision instead of single.

    Raises:
        UserError: no compiler, or a compiler that fails.
    """
    library = load(text, "share", "measure", "forward", "backward")
    products = load(products_text(double=double), *PRODUCTS)
    addresses = [ctypes.cast(products[name], ctypes.c_void_p) for name in PRODUCTS]
    library.share((ctypes.c_void_p * len(PRODUCTS))(*addresses))
    return library
