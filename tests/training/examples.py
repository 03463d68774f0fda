"""Runs small enough for a test, and what they leave on disk."""

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from gatelab.configuration import RunConfiguration, run_configuration
from gatelab.language import variant_files
from gatelab.store import Store

ADDING = {"name": "adding", "length": 8, "validation_size": 40, "test_size": 30}
COPYING = {"name": "copying", "length": 3, "tokens": 2, "symbols": 4, "validation_size": 30, "test_size": 30}
DIGITS = {"name": "digits", "validation_size": 20, "test_size": 20}
ADAM = {"_target_": "torch.optim.Adam", "lr": 0.01}
OPTIMIZERS: dict[str, dict[str, Any]] = {
    "Adadelta": {"rho": 0.8},
    "Adagrad": {"lr_decay": 0.1},
    "Adam": {"betas": [0.8, 0.99]},
    "Adam amsgrad": {"amsgrad": True},
    "AdamW": {"betas": [0.9, 0.95]},
    "Adamax": {},
    "NAdam": {},
    "NAdam decoupled": {"decoupled_weight_decay": True},
    "RAdam": {"betas": [0.9, 0.9]},
    "RMSprop": {"alpha": 0.9},
    "RMSprop centered": {"centered": True, "momentum": 0.5},
    "SGD": {"momentum": 0.9, "nesterov": True},
    "SGD plain": {},
}
"""Every optimiser that a configuration may name, and its ways: a name -> its own arguments."""


def optimizer(name: str, lr: float, weight_decay: float) -> dict[str, Any]:
    return {"_target_": f"torch.optim.{name.split()[0]}", "lr": lr, "weight_decay": weight_decay, **OPTIMIZERS[name]}


def configuration(
    runs_dir: Path, variant: str = "lstm", task: dict[str, Any] = ADDING, seed: int = 0, **sections: Any
) -> RunConfiguration:
    """A run of eight steps of the adding problem, with some sections replaced or changed in part."""
    whole: dict[str, Any] = {
        "variant": variant_file(variant),
        "opening": {"name": "default"},
        "task": task,
        "model": {"hidden_size": 5, "num_layers": 1, "dropout": 0.0, "bidirectional": False},
        "optimizer": ADAM,
        "schedule": {"name": "constant"},
        "training": {"max_steps": 8, "batch_size": 6, "clip_norm": 1.0, "validate_every": 3, "patience": None},
        "seed": seed,
        "runs_dir": str(runs_dir),
        "path": "auto",
        "device": "cpu",
        "threads": 1,
        "stack": {"size": "auto"},
        "logger": {},
        "progress": False,
    }
    for name, section in sections.items():
        partly = name in ("model", "training")
        whole[name] = {**whole[name], **section} if partly else section
    return run_configuration(whole)


@cache
def variant_file(name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(variant_files()[name].read_text())
    return content


def chorales(folder: Path) -> dict[str, Any]:
    """A file of short random chorales; most fill the six steps of the longest, so that some batches have no gap."""
    random = np.random.default_rng(0)

    def split(lengths: list[int]) -> list[list[list[int]]]:
        return [[sorted(set(random.integers(40, 80, 3).tolist())) for _ in range(length)] for length in lengths]

    pieces = {"train": split([6, 6, 4, 6, 6, 6, 6, 3]), "valid": split([5, 6, 2]), "test": split([6, 4])}
    text = json.dumps(pieces)
    path = folder / "chorales.json"
    path.write_text(text)
    return {"name": "chorales", "path": str(path), "sha256": hashlib.sha256(text.encode()).hexdigest()}


def checkpoint(runs_dir: Path, identity: str, name: str) -> dict[str, Any]:
    content: dict[str, Any] = torch.load(runs_dir / identity / "checkpoint" / name, weights_only=True)
    return content


def bits(value: Any) -> Any:
    """A value with every tensor as its bytes, so that == means bit for bit."""
    if isinstance(value, torch.Tensor):
        return value.dtype, tuple(value.shape), value.numpy().tobytes()
    if isinstance(value, float):
        return value.hex()  # NaN is not equal to NaN
    if isinstance(value, list):
        return [bits(item) for item in value]
    return {name: bits(item) for name, item in value.items()} if isinstance(value, dict) else value


def outcome(runs_dir: Path, identity: str) -> dict[str, Any]:
    """Everything a finished run has written that must not depend on its neighbours."""
    folder = runs_dir / identity
    result = json.loads((folder / "result.json").read_text())
    # the seal covers the times in the other files
    del result["seconds"], result["seal"]
    checkpoints = {path.name: checkpoint(runs_dir, identity, path.name) for path in (folder / "checkpoint").iterdir()}
    for content in checkpoints.values():
        content.pop("seconds", None)
    return {
        "result": result,
        "history": (folder / "metrics.jsonl").read_text(),
        **{name: bits(checkpoints[name]) for name in sorted(checkpoints)},
    }


def rows(runs_dir: Path, identity: str, split: str) -> list[dict[str, Any]]:
    return [row for row in Store(runs_dir).history(identity) if row["split"] == split]
