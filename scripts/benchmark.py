"""Time every path beside torch.nn.LSTM and GRU: `python scripts/benchmark.py --help` says how."""

import sys

from gatelab.cli import entry
from gatelab.cli.main import command

if __name__ == "__main__":
    entry.run(command("benchmark"), sys.argv[1:])
