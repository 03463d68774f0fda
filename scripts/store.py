"""Show and repair a store: see `python scripts/store.py --help`."""

import sys

from gatelab.cli import entry
from gatelab.cli.main import command

if __name__ == "__main__":
    entry.run(command("store"), sys.argv[1:])
