"""Stores made up for the page: results, histories, configurations and provenance, without training anything."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from gatelab.store import Performance, Store
from tests.store.examples import diverged, example

LSTM: dict[str, Any] = {
    "name": "lstm",
    "state": ["h", "c"],
    "equations": {
        "i": "sigmoid(linear(x, h))",
        "f": "sigmoid(linear(x, h))",
        "z": "tanh(linear(x, h))",
        "c": "f * c + i * z",
        "o": "sigmoid(linear(x, h))",
        "h": "o * tanh(c)",
    },
    "output": "h",
    "roles": {"retain": "f", "write": "i", "expose": "o"},
}


def add(
    store: Store,
    *,
    label: str = "lstm",
    task: str = "adding",
    seed: int = 0,
    test: float = 0.5,
    validation: float | None = None,
    curve: dict[int, float] | None = None,
    failed: bool = False,
    variant: dict[str, Any] | None = None,
    task_keys: dict[str, Any] | None = None,
    **fields: Any,
) -> str:
    """Write one run with an accuracy; ``failed`` lets it diverge at step 40. Returns its identity."""
    settings = {"task.name": task, "training.max_steps": 100, **fields.pop("settings", {})}
    number = len(list(store.runs_dir.iterdir())) if store.runs_dir.exists() else 0
    fields = {"settings": settings, "identity": f"{number:016x}", "steps": 100, "best_step": 100, **fields}
    if failed:
        fields.pop("best_step"), fields.pop("steps")
        result = diverged(label=label, task=task, seed=seed, **fields)
    else:
        judged = Performance(0.25, test if validation is None else validation)
        result = example(label=label, task=task, seed=seed, test_score=test, validation=judged, **fields)
    configuration = {
        "variant": variant or {**LSTM, "name": label},
        "task": {"name": task, **(task_keys or {})},
        "seed": seed,
    }
    record = store.record(result.identity, configuration)
    for step, score in (curve or {50: test / 2, 100: test}).items():
        if not failed or step <= 40:
            gates = {"gates/f/mean": 0.75, "gates/f/shut": 0.125, "gates/f/open": 0.5}
            gates |= {"gates/f/decay_10": 0.02, "gates/f/decay_50": 0.1, "gates/f/decay_90": 0.5}
            record.append(step, "validation", {"loss": 1 - score, "score": score, **gates})
    record.write_provenance(
        {
            "date": f"2026-01-0{1 + seed % 9}T00:00:00+00:00",
            "git": {"commit": "c" * 40, "dirty": False},
            "versions": {"torch": "2.13.0", "gatelab": "0.1.0"},
            "device": "cpu",
        }
    )
    record.finish(result)
    return result.identity


def fail(store: Store, *, label: str = "lstm", task: str = "adding", seed: int = 0, reason: str = "no memory") -> str:
    """Write a run that could not be trained."""
    identity = f"{len(list(store.runs_dir.iterdir())):016x}"
    store.record(identity, {"seed": seed})
    told = {"identity": identity, "label": label, "task": task, "seed": seed, "reason": reason, "attempts": 2}
    (store.runs_dir / identity / "failed.json").write_text(json.dumps(told))
    return identity


def paired(folder: Path, gains: dict[str, list[float]], task: str = "adding") -> Store:
    """Write a store where lstm has test scores 0.50, 0.51, … over the seeds, and each label its gains above them."""
    store = Store(folder)
    seeds = max(len(differences) for differences in gains.values())
    for seed in range(seeds):
        add(store, task=task, seed=seed, test=0.5 + 0.01 * seed)
    for label, differences in gains.items():
        for seed, gain in enumerate(differences):
            add(store, label=label, task=task, seed=seed, test=0.5 + 0.01 * seed + gain)
    return store


def large(folder: Path, *, variants: int = 10, tasks: int = 10, seeds: int = 10, points: int = 100) -> Store:
    """Write a store of many runs with long curves."""
    store = Store(folder)
    generator = np.random.default_rng(0)
    for task in range(tasks):
        for variant in range(variants):
            for seed in range(seeds):
                height = 0.3 + 0.05 * variant + 0.05 * generator.standard_normal()
                steps = 10 * np.arange(1, points + 1)
                noise = 0.02 * generator.standard_normal(points)
                scores = height * (1 - np.exp(-steps / (3 * points))) + noise
                curve = {int(step): float(score) for step, score in zip(steps, scores, strict=True)}
                add(
                    store,
                    label=f"variant{variant}",
                    task=f"task{task}",
                    seed=seed,
                    test=float(min(1, max(0, height))),
                    curve=curve,
                    steps=10 * points,
                    best_step=10 * points,
                    failed=seed == 9 and variant == 9,
                )
    return store
