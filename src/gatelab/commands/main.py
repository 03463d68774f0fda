"""The `gatelab` command: one name for all doors."""

import sys

from gatelab.commands import door
from gatelab.errors import UserError, suggest

__all__ = ["COMMANDS", "main"]

COMMANDS = {
    "train": "train a run, or with -m a sweep",
    "compare": "tables of stored runs",
    "reproduce": "a paper's numbers and claims beside our runs",
    "catalogue": "every variant, task and opening",
    "benchmark": "every variant timed beside torch.nn.LSTM and GRU",
    "wandb-sweep": "a W&B sweep file and its agent's command",
}


def main() -> None:
    """Run `gatelab <command> <arguments>` and leave the process."""
    door.run(_command, sys.argv[1:])


def _command(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        width = max(map(len, COMMANDS))
        print("usage: gatelab <command> [key=value …]\n")
        print("\n".join(f"  {name:<{width}}  {meaning}" for name, meaning in COMMANDS.items()))
        return 0
    name, rest = arguments[0], arguments[1:]
    if name not in COMMANDS:
        raise UserError(f"unknown command '{name}'{suggest(name, COMMANDS)}; allowed: {', '.join(COMMANDS)}")
    # each command brings its own libraries, some of which take seconds to import
    if name == "train":
        from gatelab.commands.train import train

        return train(rest)
    if name == "compare":
        from gatelab.commands.compare import compare

        return compare(rest)
    if name == "reproduce":
        from gatelab.commands.reproduce import reproduce

        return reproduce(rest)
    if name == "benchmark":
        from gatelab.commands.benchmark import benchmark

        return benchmark(rest)
    if name == "wandb-sweep":
        from gatelab.commands.wandb_sweep import wandb_sweep

        return wandb_sweep(rest)
    from gatelab.commands.catalogue import catalogue

    return catalogue(rest)
