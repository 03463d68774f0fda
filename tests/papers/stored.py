"""Trials as runs.csv of an experiment's results has them: scores and settings, without histories."""

import csv
import math
from collections.abc import Mapping
from pathlib import Path

from gatelab.papers.trials import Trial, Trials
from gatelab.report.tables import from_csv
from gatelab.store import Performance, Result


def stored_trials(folder: Path, solved: float, common: Mapping[str, object] | None = None) -> Trials:
    """Return the trials of a results folder; the steps at which tasks were solved are not in it (infinite).

    Args:
        folder: of the results.
        solved: the score at which a task counts as solved.
        common: settings that all of the runs have; the folder names those in which they differ.
    """
    with (folder / "runs.csv").open(encoding="utf-8", newline="") as file:
        rows = [{key: from_csv(cell) for key, cell in row.items()} for row in csv.DictReader(file)]
    return Trials(tuple(_trial(row, solved, common or {}) for row in rows))


def _trial(row: dict[str, str], solved: float, common: Mapping[str, object]) -> Trial:
    higher = row["score"].endswith("↑")
    test, ended = float(row["test_score"]), row["status"] == "finished"
    task, _, told = row["task"].partition(" ")  # settings of the task are part of its name
    result = Result(
        identity=row["identity"], label=row["variant"], variant=row["variant"].split(" ")[0], task=task,
        seed=int(row["seed"]), status="finished" if ended else "diverged",
        diverged_at=int(row["diverged_at"]) if row["diverged_at"] else None,
        best_step=int(row["best_step"]) if row["best_step"] else None,
        validation=Performance(float(row["validation_loss"]), float(row["validation_score"])),
        test=Performance(float(row["test_loss"]), test), score_name=row["score"], higher_is_better=higher,
        chance=math.nan, perfect=math.nan, parameters=int(row["parameters"]), steps=int(row["steps"]),
        seconds=float(row["seconds"]), path=row["path"], path_reason="",
        settings=dict(common)
        | _settings(row["settings"])
        | {"task.name": task}
        | {f"task.{key}": value for key, value in _settings(told).items()},
    )  # fmt: skip
    assert row["status"] in ("finished", "diverged")
    return Trial(result, ended and (test >= solved if higher else test <= solved), math.inf)


def _settings(text: str) -> dict[str, object]:
    """Return settings of a text such as ``optimizer.lr=0.1 opening=chrono``; a name is told without ``.name``."""
    found: dict[str, object] = {}
    for word in filter(None, text.split(" ")):
        key, _, value = word.partition("=")
        try:
            found[key] = int(value) if value.isdigit() else float(value)
        except ValueError:
            found[key] = found[f"{key}.name"] = value
    return found
