"""What lies in a store, and mending it: `python scripts/store.py --help` says how."""

import sys

from gatelab.cli import entry
from gatelab.cli.main import command

if __name__ == "__main__":
    entry.run(command("store"), sys.argv[1:])
