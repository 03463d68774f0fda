"""Compare stored runs: `python scripts/compare.py --help` says how."""

import sys

from gatelab.commands import door
from gatelab.commands.main import command

if __name__ == "__main__":
    door.run(command("compare"), sys.argv[1:])
