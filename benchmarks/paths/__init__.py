"""How fast the paths are: timed side by side, after they were found to compute the same."""

from gatelab.benchmarks.parity import check_parity
from gatelab.benchmarks.peak import peak_gigaflops
from gatelab.benchmarks.timing import REFERENCES, Shape, timed

__all__ = ["REFERENCES", "Shape", "check_parity", "peak_gigaflops", "timed"]
