"""List every variant, task and opening: `python scripts/catalogue.py --help` says how."""

import sys

from gatelab.commands import door
from gatelab.commands.main import command

if __name__ == "__main__":
    door.run(command("catalogue"), sys.argv[1:])
