"""Time every path beside torch.nn.LSTM and GRU: `python scripts/benchmark.py --help` says how."""

import sys

from gatelab.commands import door
from gatelab.commands.main import command

if __name__ == "__main__":
    door.run(command("benchmark"), sys.argv[1:])
