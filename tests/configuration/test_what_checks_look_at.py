"""Checks of a run that differs from a known one are left out where they look at nothing that differs."""

from types import SimpleNamespace

import pytest

from gatelab.configuration import composed
from gatelab.configuration.conflicts import _CHECKS

RUNS = [
    ["task=adding"],
    ["task=adding", "path=scan", "variant=min_gru", "device=cpu"],
    ["task=adding", "optimizer=adamw", "schedule=linear", "schedule.warmup_steps=3"],
    ["task=copying", "training.truncate=4", "training.update=step", "training.stop_at=0.5"],
    ["task=adding", "training.devices=2", "stack.size=1", "training.stop_at=0.1"],
]


@pytest.mark.parametrize("words", RUNS, ids=" ".join)
def test_a_check_looks_at_what_it_says_alone(words):
    run = composed([*words, "logger=none"])
    for look, sections in _CHECKS:
        look(SimpleNamespace(**{name: getattr(run, name) for name in sections}))


def test_every_section_in_which_runs_are_varied_is_looked_at():
    assert {"optimizer", "schedule", "training"} <= set().union(*(sections for _, sections in _CHECKS))
