"""Train a run, or with --multirun a sweep: what scripts/train.py and `gatelab train` do."""

import contextlib
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import hydra
from omegaconf import DictConfig

from gatelab.configuration import added_directories, arranged, plain, run_configuration, translated
from gatelab.errors import UserError
from gatelab.locations import conf_directory
from gatelab.reports import runs_table, variants_table

__all__ = ["begin_sweep", "train", "train_points"]

_begun: list[Path] = []  # folders that were not there before the sweep, the innermost first


def train(arguments: list[str]) -> int:
    """Train what the arguments describe: Hydra overrides, and Hydra's own flags such as ``-m`` and ``--cfg job``.

    Raises:
        UserError: in one line, before anything starts.
    """
    arguments = arranged(arguments)
    directories = added_directories(arguments)

    refused: list[UserError] = []
    _begun.clear()

    def job(configuration: DictConfig) -> None:
        # carried past Hydra, which would print a line of its own above ours
        try:
            with translated(arguments):
                point = plain(configuration)
            train_points([point], None, directories)
        except UserError as error:
            refused.append(error)

    saved, sys.argv = sys.argv, ["train.py", *arguments]
    # Hydra's own way with errors is a report of several lines; with this it lets them through, and translated() has one
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        with translated(arguments):
            hydra.main(version_base="1.3", config_path=str(conf_directory()), config_name="train")(job)()
        if refused:
            raise refused[0]
    except UserError:
        _remove_what_was_begun()
        raise
    finally:
        sys.argv = saved
    return 0


def begin_sweep(folder: Path) -> None:
    """Note the folder into which Hydra will write the configuration of a sweep, even of one that is refused."""
    _begun[:] = [place for place in (folder, *folder.parents) if not place.exists()]


def _remove_what_was_begun() -> None:
    if _begun:
        (_begun[0] / "multirun.yaml").unlink(missing_ok=True)
    # where runs have been trained, folders are not empty and stay
    with contextlib.suppress(OSError):
        for folder in _begun:
            folder.rmdir()


def train_points(
    points: Sequence[Mapping[str, Any]],
    sweep: str | None,
    directories: Sequence[Path] = (),
    names: Sequence[str] | None = None,
) -> list[float]:
    """Train composed configurations and print their tables; return each run's validation score.

    Args:
        points: nested plain values, one for each run.
        sweep: the name of the sweep; None for a single run.
        directories: folders beside conf/ that hold variants.
        names: what errors call each point.
    """
    checked = []
    for position, point in enumerate(points):
        try:
            checked.append(run_configuration(point, directories))
        except UserError as error:
            if names is None or len(points) == 1:
                raise
            # an equation's error has a caret below its first line
            sentence, *caret = str(error).split("\n")
            place = f"(point {position + 1} of {len(points)}: {names[position]})"
            raise UserError("\n".join([f"{sentence} {place}", *caret])) from None
    # torch and Lightning take seconds to import, and what is wrong with a configuration should show at once
    from gatelab.sweeps import execute
    from gatelab.training.mirrors import mirror_comparison

    results = execute(checked, sweep)
    unique = list({result.identity: result for result in results}.values())
    tables = {"runs": runs_table(unique)}
    if sweep is not None:
        tables["variants"] = variants_table(unique)
    for table in tables.values():
        print(table.text())
    print(f"runs: {Path(checked[0].runs_dir).resolve()}")
    if sweep is not None:
        mirror_comparison(checked[0], sweep, {name: table.cells() for name, table in tables.items()})
    return [result.validation.score for result in results]
