"""What lies in a store, and mending it: `python scripts/store.py --help` says how."""

import sys

from gatelab.commands import door
from gatelab.commands.main import command

if __name__ == "__main__":
    door.run(command("store"), sys.argv[1:])
