"""List every variant, task and opening: `python scripts/catalogue.py --help` says how."""

import sys

from gatelab.commands import door
from gatelab.commands.catalogue import catalogue

if __name__ == "__main__":
    door.run(catalogue, sys.argv[1:])
