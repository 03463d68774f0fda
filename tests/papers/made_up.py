"""Runs made up for claims: test scores by label and seed, without training anything."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gatelab.papers import Trials, read_trials
from gatelab.store import Performance, Store
from tests.store.examples import diverged, example


def store_of(folder: Path, scores: Mapping[str, Sequence[float | None]], **fields: Any) -> Store:
    """Write a run for each score, at seeds 0, 1, …; None lets it diverge. Validation scores are the test's.

    The history has the score at step 20 and half of it at step 10; a batch has four sequences.
    """
    store = Store(folder)
    settings = {"training.batch_size": 4, "optimizer.lr": 0.1, **fields.pop("settings", {})}
    number = len(list(folder.iterdir())) if folder.exists() else 0
    for label, values in scores.items():
        for seed, score in enumerate(values):
            named = {"identity": f"{number:016x}", "label": label, "seed": seed, "settings": settings, **fields}
            if score is None:
                result = diverged(**named)
            else:
                result = example(test_score=score, validation=Performance(0.25, score), **named)
            record = store.record(result.identity, {"seed": seed})
            for step, part in ((10, 0.5), (20, 1.0)):
                record.append(step, "validation", {"loss": 1.0, "score": part * (score or 0.0)})
            record.write_provenance(
                {
                    "date": f"2026-01-0{1 + seed}T00:00:00+00:00",
                    "git": {"commit": "c" * 40, "dirty": False},
                    "platform": "Linux",
                    "cpu_count": 2,
                    "device": "cpu",
                    "versions": {"torch": "2.13.0"},
                    "command": ["somewhere/train.py"],
                }
            )
            record.finish(result)
            number += 1
    return store


def trials_of(
    folder: Path, scores: Mapping[str, Sequence[float | None]], *, solved: float = 0.9, **fields: Any
) -> Trials:
    """Return the same runs as they are read from the store."""
    return read_trials(store_of(folder, scores, **fields), None, solved)
