"""Results to test with."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

from gatelab.store import Performance, Result, Store, identity, scientific, seal

_EXAMPLE = Result(
    identity="0123456789abcdef",
    label="lstm",
    variant="lstm",
    task="adding",
    seed=0,
    status="finished",
    diverged_at=None,
    best_step=900,
    validation=Performance(loss=0.25, score=0.5),
    test=Performance(loss=0.125, score=0.75),
    score_name="accuracy",
    higher_is_better=True,
    chance=0.1,
    perfect=1.0,
    parameters=1234,
    steps=1000,
    seconds=12.5,
    path="loop",
    path_reason="asked for",
    settings={},
)


def example(*, test_score: float = 0.75, **fields: Any) -> Result:
    """Return a finished run of lstm on adding, with some fields changed; its identity follows label, task and seed."""
    changed = replace(_EXAMPLE, test=Performance(loss=0.125, score=test_score), **fields)
    if "identity" in fields:
        return changed
    words = f"{changed.label}/{changed.task}/{changed.seed}"
    return replace(changed, identity=hashlib.sha256(words.encode()).hexdigest()[:16])


def diverged(**fields: Any) -> Result:
    """Return a run that diverged at step 40, before any validation."""
    nothing = Performance(float("nan"), float("nan"))
    ended: dict[str, Any] = {"status": "diverged", "diverged_at": 40, "best_step": None, "steps": 40}
    return replace(example(**fields), validation=nothing, test=nothing, **ended)


def stored(runs_dir: Path, seed: int, *, steps: int = 4, best_step: int = 4, end: bool = True, **fields: Any) -> str:
    """Write a run into a store, made up; return its identity. Without ``end`` it has no result, only checkpoints."""
    configuration = {"variant": {"name": "lstm"}, "seed": seed, "path": "auto", "label": "lstm"}
    name = identity(scientific(configuration))
    record = Store(runs_dir).record(name, configuration)
    for step in range(1, steps + 1):
        record.append(step, "validation", {"loss": 1 / step, "score": 0.1 * step})
    for checkpoint, step in (("best.pt", best_step), ("last.pt", steps)):
        record.write_checkpoint(checkpoint, seal(_ARCHIVE, step))
    record.write_provenance({"device": "cpu"})
    if end:
        record.finish(example(identity=name, seed=seed, steps=steps, best_step=best_step, **fields))
    return name


_ARCHIVE = b"weights" + b"PK\x05\x06" + bytes(18)
"""What ends like an archive of torch."""
