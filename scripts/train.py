"""Train a run, or with --multirun a sweep; see README.md."""

import sys

from gatelab.commands import door
from gatelab.commands.main import command

if __name__ == "__main__":
    door.run(command("train"), sys.argv[1:])
