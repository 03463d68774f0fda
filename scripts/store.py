"""What lies in a store, and mending it: `python scripts/store.py --help` says how."""

import sys

from gatelab.commands import door
from gatelab.commands.store import store

if __name__ == "__main__":
    door.run(store, sys.argv[1:])
