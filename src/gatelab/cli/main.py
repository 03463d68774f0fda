"""The `gatelab` command: one name for all commands."""

import importlib
import importlib.metadata
import sys
from collections.abc import Callable

from gatelab.cli import entry
from gatelab.errors import UserError, suggest
from gatelab.uncollected import uncollected

__all__ = ["COMMANDS", "command", "main"]

COMMANDS = {
    "train": "train a run, or with -m a sweep",
    "compare": "tables of stored runs",
    "explain": "what the gates of a variant compute, and what those of a run do",
    "reproduce": "numbers and claims of a paper, compared with our runs",
    "store": "state of a store; check, merge, archive and prune it; train damaged runs again, free claims",
    "catalogue": "every variant, task and opening",
    "wandb-sweep": "a W&B sweep file and its agent's command",
}


def command(name: str) -> Callable[[list[str]], int]:
    """Return what a command does, a function of its arguments.

    It is imported when it is called, within ``entry.run``: imports may take seconds, and Ctrl-C works during them.
    """
    function = name.replace("-", "_")

    def call(arguments: list[str]) -> int:
        with uncollected():
            module = importlib.import_module(f"gatelab.cli.{function}")
        status: int = getattr(module, function)(arguments)
        return status

    return call


def main() -> None:
    """Run `gatelab <command> <arguments>` and leave the process."""
    entry.run(_command, sys.argv[1:])


def _command(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        width = max(map(len, COMMANDS))
        print("usage: gatelab <command> [key=value …]\n")
        print("\n".join(f"  {name:<{width}}  {meaning}" for name, meaning in COMMANDS.items()))
        return 0
    if arguments[0] == "--version":
        print(f"gatelab {importlib.metadata.version('gatelab')}")
        return 0
    name, rest = arguments[0], arguments[1:]
    if name not in COMMANDS:
        raise UserError(f"unknown command '{name}'{suggest(name, COMMANDS)}; allowed: {', '.join(COMMANDS)}")
    return command(name)(rest)
