"""The files of a run that go with it: everything regular in its folder, without claims and half-written files."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from gatelab.store.finished_run import RESULT

__all__ = ["IDENTITY", "STUDIES", "allowed", "files_of", "study_files"]

IDENTITY = re.compile(r"[0-9a-f]{16}")
STUDIES = "studies"
_LEFT_BEHIND = re.compile(r"claim-\d+\.json|\..*\.tmp")
_DEEPEST = 12  # folders below that of a run: loggers make a few
_LONGEST = 200  # bytes of a name; the system takes 255


def files_of(folder: Path) -> list[str]:
    """Return the names of a run's files below its folder, the result first, then sorted. Links are left out."""
    found = [name for name in _below(folder, "") if allowed(name)]
    return sorted(found, key=lambda name: (name != RESULT, name))


def study_files(runs_dir: Path) -> list[str]:
    """Return the names of the files of studies in a store, sorted."""
    folder = runs_dir / STUDIES
    return sorted(filter(allowed, _below(folder, ""))) if folder.is_dir() else []


def allowed(name: str) -> bool:
    """Return whether a name below the folder of a run may be that of one of its files."""
    parts = name.split("/")
    plain = all(
        part not in ("", ".", "..") and len(os.fsencode(part)) <= _LONGEST and "\0" not in part for part in parts
    )
    return plain and len(parts) <= _DEEPEST and not _LEFT_BEHIND.fullmatch(parts[-1])


def _below(folder: Path, above: str) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _below(Path(entry.path), f"{above}{entry.name}/")
            elif entry.is_file(follow_symlinks=False):
                yield f"{above}{entry.name}"
