"""Write a Weights & Biases sweep: `python scripts/wandb_sweep.py --help` says how."""

import sys

from gatelab.commands import door
from gatelab.commands.wandb_sweep import wandb_sweep

if __name__ == "__main__":
    door.run(wandb_sweep, sys.argv[1:])
