"""Reproduce a paper's ablation: `python scripts/reproduce.py --help` says how."""

import sys

from gatelab.commands import door
from gatelab.commands.reproduce import reproduce

if __name__ == "__main__":
    door.run(reproduce, sys.argv[1:])
