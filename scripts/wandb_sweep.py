"""Write a Weights & Biases sweep: `python scripts/wandb_sweep.py --help` says how."""

import sys

from gatelab.commands import door
from gatelab.commands.main import command

if __name__ == "__main__":
    door.run(command("wandb-sweep"), sys.argv[1:])
