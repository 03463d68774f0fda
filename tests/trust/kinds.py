"""Kinds of sweep to kill, to crash and to run out of disk: their overrides and files. All are small and quick."""

import hashlib
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gatelab.store import Store
from tests.training.examples import outcome

__all__ = ["SWEEPS", "Sweep", "everything", "same"]


@dataclass(frozen=True)
class Sweep:
    """One kind of sweep.

    Attributes:
        overrides: of ``train.py -m``, beside those of all, with blanks between them.
        files: name -> content, put beside the store before the sweep.
        environment: variables it is started with.
    """

    overrides: str
    files: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def arguments(self) -> list[str]:
        return [*_ALL.split(), *self.overrides.split()]

    def lay_out(self, folder: Path) -> Path:
        """Make the folder of a launch, with the files of the kind."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in self.files.items():
            (folder / name).write_text(content)
        return folder


_ALL = (
    "-m runs_dir=runs progress=false logger=none hydra.launcher.executor=inline model.hidden_size=4"
    " training.batch_size=4 training.max_steps=160 training.validate_every=20"
)
_ADDING = "task=adding task.length=6 task.validation_size=16 task.test_size=16"
_REVERSE = "task=reverse_string task.length=3 task.validation_size=16 task.test_size=16"
_REBER = "task=embedded_reber task.validation_size=8 task.test_size=8"


def _text() -> str:
    draw = random.Random(1)
    return "".join(draw.choice("etaoin shrdlu\n") for _ in range(4000))


_TEXT = _text()

SWEEPS: dict[str, Sweep] = {
    "early stopping and schedules": Sweep(
        f"{_ADDING} variant=lstm,gru seed=range(2) optimizer.lr=0.01,0.5 schedule=cosine,linear training.patience=2"
    ),
    "diverging": Sweep(
        f"{_ADDING} optimizer=sgd optimizer.lr=0.01,0.1,1e30 training.clip_norm=null variant=lstm,peephole"
        " seed=range(2)"
    ),
    "layers, directions, dropout": Sweep(
        f"{_ADDING} variant=cifg,gru model.num_layers=2 model.bidirectional=true model.dropout=0.0,0.3 seed=range(2)"
        " training.max_steps=120"
    ),
    "noise": Sweep(
        f"{_ADDING} variant=lstm,elman training.input_noise=0.0,0.3 training.weight_noise=0.0,0.05 seed=range(2)"
    ),
    "a module (mLSTM)": Sweep(f"{_ADDING} variant=mlstm training.max_steps=120 seed=range(6)"),
    "loop and lengths": Sweep(
        f"{_REVERSE} path=loop variant=gru,layer_norm_gru training.batch_size=1 training.max_steps=120 seed=range(4)"
    ),
    "scan and openings": Sweep(f"{_ADDING} path=scan variant=min_gru,t_gru opening=default,one seed=range(3)"),
    "rmsprop and lengths": Sweep(f"{_REBER} optimizer=rmsprop variant=lstm,gru training.max_steps=120 seed=range(3)"),
    "processes and csv": Sweep(
        f"{_ADDING} variant=lstm,gru logger=csv hydra.launcher.executor=processes hydra.launcher.workers=2"
        " seed=range(3) training.max_steps=600 training.validate_every=50"
    ),
    "Weights & Biases, offline": Sweep(
        f"{_ADDING} variant=lstm logger=wandb seed=range(3)", environment={"WANDB_MODE": "offline"}
    ),
    "search": Sweep(
        f"{_ADDING} hydra/sweeper=optuna_search optimizer.lr=tag(log,interval(1e-3,1e-1)) variant=lstm"
        " hydra.sweeper.n_trials=6 hydra.sweeper.batch_size=2 hydra.sweeper.seeds=2 hydra.sweeper.study_name=rates"
        " training.max_steps=120"
    ),
    "text, one unit": Sweep(
        f"task=characters task.path=text.txt task.sha256={hashlib.sha256(_TEXT.encode()).hexdigest()} task.length=12"
        " model.hidden_size=1,5 model.embedding=3 seed=range(4)",
        files={"text.txt": _TEXT},
    ),
}
"""By the name that the page has for it."""


def everything(folder: Path) -> dict[str, dict[str, Any]]:
    """Return what every finished run below a folder has written, by identity, as it must be bit for bit."""
    store = folder / "runs"
    return {result.identity: outcome(store, result.identity) for result in Store(store).results()}


def same(folder: Path, whole: dict[str, dict[str, Any]]) -> None:
    """Assert that a folder holds the runs of an uninterrupted sweep, bit for bit, and none that is unfinished."""
    found = everything(folder)
    assert found.keys() == whole.keys()
    for identity, content in whole.items():
        differing = [name for name, value in content.items() if found[identity].get(name) != value]
        assert not differing, f"run {identity} differs in {', '.join(differing)}"
    assert not Store(folder / "runs").unfinished()
