"""How fast the paths are: timed side by side, after they were found to compute the same."""

from benchmarks.paths.parity import check_parity
from benchmarks.paths.peak import peak_gigaflops
from benchmarks.paths.timing import REFERENCES, Shape, timed, unfit

__all__ = ["REFERENCES", "Shape", "check_parity", "peak_gigaflops", "timed", "unfit"]
