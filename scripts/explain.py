"""Explain a variant, or a stored run: see `python scripts/explain.py --help`."""

import sys

from gatelab.cli import entry
from gatelab.cli.main import command

if __name__ == "__main__":
    entry.run(command("explain"), sys.argv[1:])
