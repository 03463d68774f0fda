"""What measuring gates at validations costs: ``python -m benchmarks.probes`` (docs/probes.md, During training).

A stack of 8 (hidden 64, adding with 100 steps of time, batch 32) is trained in one process. Each round takes some
steps, then the measurement that every run has, then what training.probes adds. The least CPU time of each over the
rounds is its cost; they alternate, so that other programs of the machine disturb all alike.
"""

import time
from collections.abc import Callable, Sequence

import torch
import yaml

from gatelab.configuration import RunConfiguration, run_configuration
from gatelab.language import variant_files
from gatelab.training.recording import Recording
from gatelab.training.stack import initial_weights, network
from gatelab.training.stack_batches import StackData
from gatelab.training.stack_module import StackModule
from gatelab.training.weighted import mean_losses

RUNS, ROUNDS, STEPS = 8, 12, 4
VARIANTS = "lstm", "gru", "mgu"


def configuration(variant: str, seed: int) -> RunConfiguration:
    """Return a run of the stack."""
    return run_configuration(
        {
            "variant": yaml.safe_load(variant_files()[variant].read_text()),
            "opening": {"name": "default"},
            "task": {"name": "adding", "length": 100, "validation_size": 1000, "test_size": 10},
            "model": {"hidden_size": 64, "num_layers": 1, "dropout": 0.0, "bidirectional": False},
            "optimizer": {"_target_": "torch.optim.Adam", "lr": 0.001},
            "schedule": {"name": "constant"},
            "training": {"batch_size": 32, "probes": True},
            "seed": seed,
        }
    )


def least(actions: Sequence[Callable[[], object]]) -> list[float]:
    """Return the least CPU seconds of each action over rounds in which all are carried out."""
    seconds = [[0.0] * len(actions) for _ in range(ROUNDS)]
    for round_ in seconds:
        for place, action in enumerate(actions):
            begun = time.process_time()
            action()
            round_[place] = time.process_time() - begun
    return [min(each) for each in zip(*seconds, strict=True)]


def measured(variant: str) -> tuple[float, float, float, int]:
    """Return CPU seconds of a step, of the gates and of what the key adds; and steps between validations."""
    runs = [configuration(variant, seed) for seed in range(RUNS)]
    template = network(runs[0])
    data, module = StackData(runs, template), StackModule(runs, template, initial_weights(runs, template))
    module.judged = list(range(RUNS))
    recording = Recording([], [], next(iter(data.val_dataloader())), [])

    def steps() -> None:
        for number in range(STEPS):
            batch = data.batch(number)
            losses = mean_losses(module.task, module(batch), batch.targets, batch.loss_weights)
            module.stack_optimizer.zero_grad()
            losses.sum().backward()
            module.stack_optimizer.step()

    actions = [steps, lambda: recording._gates(module), lambda: recording._further(module)]
    least(actions)  # what is compiled, is compiled here
    step, gates, further = least(actions)
    return step / STEPS, gates, further, runs[0].training.validate_every


def main() -> None:
    """Print a row for each variant."""
    torch.set_num_threads(1)
    print("| variant | a step | gates, always | training.probes | share of training | both |")
    print("|---|---:|---:|---:|---:|---:|")
    for variant in VARIANTS:
        step, gates, further, every = measured(variant)
        shares = (further / every / step, (gates + further) / every / step)
        times = [f"{1000 * one:.1f} ms" for one in (step, gates, further)]
        print(f"| {' | '.join([variant, *times, *(f'{one:.1%}' for one in shares)])} |")


if __name__ == "__main__":
    main()
