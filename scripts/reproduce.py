"""Reproduce a paper's ablation: `python scripts/reproduce.py --help` says how."""

import sys

from gatelab.commands import door
from gatelab.commands.main import command

if __name__ == "__main__":
    door.run(command("reproduce"), sys.argv[1:])
