"""Reproduce a paper's ablation: see `python scripts/reproduce.py --help`."""

import sys

from gatelab.cli import entry
from gatelab.cli.main import command

if __name__ == "__main__":
    entry.run(command("reproduce"), sys.argv[1:])
