"""Compare stored runs: `python scripts/compare.py --help` says how."""

import sys

from gatelab.commands import door
from gatelab.commands.compare import compare

if __name__ == "__main__":
    door.run(compare, sys.argv[1:])
