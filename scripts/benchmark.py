"""Time every path beside torch.nn.LSTM and GRU: see `python scripts/benchmark.py --help`."""

import sys
from pathlib import Path

from gatelab.cli import entry


def benchmark(arguments: list[str]) -> int:
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # benchmarks/ is no part of the package
    from benchmarks.paths.command import benchmark

    return benchmark(arguments)


if __name__ == "__main__":
    entry.run(benchmark, sys.argv[1:])
