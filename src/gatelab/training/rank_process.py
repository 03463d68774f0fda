"""A process that trains a run together with the one that started it: reads what to train from stdin, keeps no files."""

import json
import os
import signal
import sys
import threading
from pathlib import Path

from gatelab import signals

__all__ = ["main"]


def main() -> None:
    """Train the run that stdin describes; end when stdin does."""
    # before there is any thread: the first process acts on signals, and ends this one
    signal.pthread_sigmask(signal.SIG_BLOCK, signals.ending())
    source = sys.stdin.buffer
    task = json.loads(source.readline())
    state = source.read(task["state"])
    threading.Thread(target=_end_with, args=(source.fileno(),), daemon=True).start()
    import torch

    from gatelab.configuration import Reading
    from gatelab.permission import allowing
    from gatelab.store import Stop
    from gatelab.training.checkpoint import read_state, restore
    from gatelab.training.process_group import Rank, joined
    from gatelab.training.stack import initial_weights, network
    from gatelab.training.stack_batches import StackData
    from gatelab.training.stack_module import StackModule
    from gatelab.training.trainers import fit, measure_test

    with allowing(task["allow_import"]):
        run = Reading(frozen=True).run(task["configuration"])
    if run.identity != task["identity"]:
        raise RuntimeError("started by another version of gatelab")
    torch.set_num_threads(run.threads)
    rank, device = Rank(task["place"], task["of"]), task["device"]
    template = network(run)
    data = StackData([run], template, rank)
    module = StackModule([run], template, initial_weights([run], template), rank)
    module = module.to(torch.device(device, rank.place) if device == "cuda" else device)
    shapes = {name: tuple(weight.shape[1:]) for name, weight in module.weights().items()}
    restore(module, [read_state(state, shapes) if state else None])
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    channel.write("ready\n")
    channel.flush()
    with joined(rank, Path(task["folder"]), device):
        fit(module, data, [], Stop(), device)
        if module.progress[0].best_step is not None:
            module.load_best()
            measure_test(module, data, Stop(), device)


def _end_with(source: int) -> None:
    """End this process, which has nothing to save, when nobody is left who writes to stdin."""
    while os.read(source, 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
