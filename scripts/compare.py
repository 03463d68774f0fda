"""Compare stored runs: see `python scripts/compare.py --help`."""

import sys

from gatelab.cli import entry
from gatelab.cli.main import command

if __name__ == "__main__":
    entry.run(command("compare"), sys.argv[1:])
