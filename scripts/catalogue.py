"""List every variant, task and opening: see `python scripts/catalogue.py --help`."""

import sys

from gatelab.cli import entry
from gatelab.cli.main import command

if __name__ == "__main__":
    entry.run(command("catalogue"), sys.argv[1:])
