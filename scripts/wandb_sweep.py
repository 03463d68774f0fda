"""Write a Weights & Biases sweep: see `python scripts/wandb_sweep.py --help`."""

import sys

from gatelab.cli import entry
from gatelab.cli.main import command

if __name__ == "__main__":
    entry.run(command("wandb-sweep"), sys.argv[1:])
