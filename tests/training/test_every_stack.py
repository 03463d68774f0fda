"""A run has bit for bit the numbers in a stack that it has alone: samples of variant, task, path, sizes and options.

``GATELAB_STACKS=2000 python -m pytest tests/training/test_every_stack.py`` draws as many; 3 is the default.
"""

import os
import random
from pathlib import Path
from typing import Any

import pytest

from gatelab.compiler import program
from gatelab.compiler.scannable import scan_order
from gatelab.configuration import shape_key
from gatelab.language import load_variant, variant_files
from gatelab.store import Stop, Stopped
from gatelab.training import train_stack
from tests.training.examples import ADDING, COPYING, DIGITS, chorales, configuration, outcome

SAMPLES = int(os.environ.get("GATELAB_STACKS", "3"))

FEW = {"validation_size": 20, "test_size": 12}
TASKS: dict[str, dict[str, Any]] = {
    "adding": {**ADDING, "length": 5},
    "adding of one step": {**ADDING, "length": 2},
    "copying": COPYING,
    "digits": DIGITS,
    "reverse_string": {"length": 5, "min_length": 1, "symbols": 3, **FEW},
    "parity": {"length": 6, "min_length": 1, **FEW},
    "dyck_1": {"length": 8, "min_length": 2, **FEW},
    "embedded_reber": {"length": 12, **FEW},
    "mqar": {"length": 12, "vocabulary": 10, "pairs": 2, **FEW},
    "selective_copying": {"length": 8, "tokens": 3, "symbols": 4, **FEW},
    "state_tracking": {"length": 5, **FEW},
    "repeat_previous": {"length": 6, "k": 2, **FEW},
    "delay": {"length": 7, "lag": 2, **FEW},
    "bucket_sort": {"length": 6, "min_length": 1, **FEW},
    "two_sequence_a": {"length": 6, **FEW},
}
"""Tasks of both readouts, with one output and several, of vectors and tokens, with equal lengths and different ones."""


def drawn(seed: int, folder: Path) -> list[dict[str, Any]]:
    """Draw three runs that can share a stack."""
    draw = random.Random(seed)
    variant = draw.choice(sorted(variant_files()))
    found = load_variant(variant)
    paths = ["auto", "loop"]
    if found.trees and scan_order(program(found)) is not None:
        paths.append("scan")
    task = draw.choice([*TASKS, "chorales", "chorales"])
    sections: dict[str, Any] = {
        "variant": variant,
        "task": chorales(folder) if task == "chorales" else {"name": task.split()[0], **TASKS[task]},
        "path": draw.choice(paths),
        "model": {
            "hidden_size": draw.choice([1, 1, 2, 3, 5, 8, 12, 33]),
            "num_layers": draw.choice([1, 1, 2]),
            "bidirectional": draw.random() < 0.25,
            "embedding": draw.choice([None, None, 1, 4]),
        },
    }
    if any(parameter.form for parameter in found.parameters):
        # matrices of a form have sizes that suit it
        sections["model"] |= {"hidden_size": draw.choice([8, 16]), "embedding": "hidden", "bidirectional": False}
    elif found.needs_equal_sizes:
        sections["model"] |= {"embedding": "hidden", "num_layers": 1, "bidirectional": False}
    elif task == "mqar":
        sections["model"]["embedding"] = draw.choice([1, 4])
    training = {"max_steps": 4, "validate_every": 2, "batch_size": draw.choice([1, 1, 2, 3, 7])}
    clip = draw.choice([None, 1.0])
    noise = draw.random() < 0.2
    rates = [0.0, 0.3, 0.6] if sections["model"]["num_layers"] > 1 and draw.random() < 0.5 else [0.0] * 3
    return [
        {
            **sections,
            "model": {**sections["model"], "dropout": rate},
            "training": {**training, "clip_norm": clip, "weight_noise": 0.05 * number * noise},
            "seed": seed + number,
        }
        for number, rate in enumerate(rates)
    ]


def assert_alone_and_together(several: list[dict[str, Any]], folder: Path) -> None:
    together = [configuration(folder / "together", **sections) for sections in several]
    assert len({shape_key(run) for run in together}) == 1
    train_stack(together)
    for sections in several:
        run = configuration(folder / "alone", **sections)
        train_stack([run])
        assert outcome(folder / "alone", run.identity) == outcome(folder / "together", run.identity), sections


class At(Stop):
    """Asks to stop at the n-th question."""

    def __init__(self, question: int) -> None:
        super().__init__(self.count)
        self.left = question

    def count(self) -> bool:
        self.left -= 1
        return self.left == 0


def assert_stopped_and_regrouped(several: list[dict[str, Any]], folder: Path, question: int) -> None:
    """Stop a stack, go on with one run alone and then with the others: as after a kill, stacks are other ones."""
    runs = [configuration(folder / "regrouped", **sections) for sections in several]
    try:
        train_stack(runs, stop=At(question))
    except Stopped:
        train_stack(runs[1:2])
        train_stack(runs)
    for run in runs:
        assert outcome(folder / "regrouped", run.identity) == outcome(folder / "together", run.identity), several


@pytest.mark.parametrize("seed", range(SAMPLES))
def test_a_stack_is_its_runs_alone_and_a_stop_changes_nothing(seed, tmp_path):
    several = drawn(seed, tmp_path)
    assert_alone_and_together(several, tmp_path)
    assert_stopped_and_regrouped(several, tmp_path, 3 + seed % 3)
