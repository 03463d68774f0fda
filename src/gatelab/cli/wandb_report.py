"""Log a written comparison to Weights & Biases: its table, and its page as an artifact."""

import csv
import math
import sys
from pathlib import Path
from typing import Any

from gatelab.configuration.wandb_environment import default
from gatelab.errors import UserError, kind_and_words
from gatelab.keys import WandbSection
from gatelab.reading import read_text
from gatelab.validation import check

__all__ = ["log_report"]

_PAGE, _TABLE = "index.html", "table.csv"
_FILES = (_PAGE, _TABLE, "table.md", "table.tex", "runs.csv")


def log_report(folder: Path, place: str, directory: Path) -> None:
    """Log the table and the page in a folder to one run of job type "report"; print where it went.

    The mode is that of the environment variable WANDB_MODE, and offline without it. If W&B fails or does not end, a
    line is printed on stderr: the report is already written.

    Args:
        folder: where `gatelab compare` has written index.html and table.csv.
        place: PROJECT or ENTITY/PROJECT.
        directory: the parent of W&B's folder, as for the compared runs: the store.

    Raises:
        UserError: an invalid place or mode of W&B, or a folder without page or table.
    """
    section = _section(place)
    for name in (_PAGE, _TABLE):
        if not (folder / name).is_file():
            raise UserError(f"wandb={place}: {folder / name} is missing; needed are {_PAGE} and {_TABLE}")
    try:
        path = _logged(folder, section, directory)
    except Exception as error:  # W&B may raise anything; the report is already complete
        print(f"warning: the report is not in W&B: {kind_and_words(error)}", file=sys.stderr)
        return
    if path is not None:
        print(f"W&B (offline): wandb sync {path}")


def _section(place: str) -> WandbSection:
    entity, _, project = place.rpartition("/")
    mode = default("mode", "offline")
    return check(WandbSection, {"project": project, "entity": entity or None, "mode": mode}, "wandb")


def _logged(folder: Path, section: WandbSection, directory: Path) -> Path | None:
    """Log the report; return the folder to sync, None if it is on the server or nowhere."""
    # here, because they import torch, which takes seconds
    import wandb

    from gatelab.training.loggers.wandb_process import start_run
    from gatelab.training.timeouts import within

    columns, rows = _read(folder / _TABLE)
    run = start_run(section, directory, name=f"report {folder.resolve().name}", job_type="report", tags=["report"])

    def log() -> None:
        # a column may hold numbers and, for missing ones, text
        run.log({"comparison": wandb.Table(columns=list(columns), data=rows, allow_mixed_types=True)})
        artifact = wandb.Artifact("comparison", type="report")
        for name in _FILES:
            if (folder / name).is_file():
                artifact.add_file(str(folder / name), name=name)
        run.log_artifact(artifact)
        run.finish()

    within(section.patience, log)
    return Path(run.settings.sync_dir) if run.offline else None


def _read(path: Path) -> tuple[list[str], list[list[Any]]]:
    """Return columns and rows of a CSV; finite numbers become floats, empty cells and NaN become None."""
    columns, *rows = csv.reader(read_text(path).splitlines(keepends=True))
    return columns, [[_value(cell) for cell in row] for row in rows]


def _value(cell: str) -> float | str | None:
    try:
        number = float(cell)
    except ValueError:
        return cell or None
    return number if math.isfinite(number) else None
