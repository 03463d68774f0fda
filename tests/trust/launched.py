"""What a launched child does. Imported once by the fork server, with everything that takes long to import."""

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

import gatelab.cli.compare
import gatelab.cli.store
import gatelab.cli.train
import gatelab.report.report  # and matplotlib with it
import gatelab.training.loggers.loggers  # Lightning and all of training
from gatelab.cli import entry
from gatelab.training import recording

COMMANDS = {
    "train": gatelab.cli.train.train,
    "compare": gatelab.cli.compare.compare,
    "store": gatelab.cli.store.store,
}


def launched(
    folder: str,
    command: str,
    arguments: list[str],
    printed: tuple[str, str],
    environment: Mapping[str, str],
    prepare: Callable[[Path], Callable[[], None] | None] | None,
) -> None:
    """Do what a command does, in a folder and in a session of its own, and leave the process with its status."""
    os.setsid()
    os.chdir(folder)
    os.environ.update(environment)
    for number, stream, name in ((1, sys.stdout, printed[0]), (2, sys.stderr, printed[1])):
        stream.flush()
        file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        os.dup2(file, number)
        os.close(file)
    torch.set_num_threads(1)
    # a checkpoint at every validation: these sweeps are so short that they would get none
    recording.SHARE = 1.0
    after = prepare(Path(folder)) if prepare is not None else None
    try:
        entry.run(COMMANDS[command], arguments)
    finally:
        if after is not None:
            after()
