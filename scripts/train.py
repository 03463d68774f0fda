"""Train a run, or with --multirun a sweep; see README.md."""

import sys

from gatelab.cli import entry
from gatelab.cli.main import command

if __name__ == "__main__":
    entry.run(command("train"), sys.argv[1:])
