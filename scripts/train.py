"""Train a run, or with --multirun a sweep; see README.md."""

import sys

from gatelab.commands.door import run
from gatelab.commands.train import train

if __name__ == "__main__":
    run(train, sys.argv[1:])
