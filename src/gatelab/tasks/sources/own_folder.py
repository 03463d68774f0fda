"""Files in a folder of the user, and which of them are for training, validation and test."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gatelab.errors import UserError, one_line

__all__ = ["PARTS", "files_below", "part_named", "parts_of_files", "systematic"]

PARTS = ("training", "validation", "test")

_WORDS = {"train": 0, "training": 0, "valid": 1, "validation": 1, "val": 1, "dev": 1, "test": 2, "testing": 2}
_MOST_FILES = 100_000


def part_named(word: str) -> int | None:
    """Return the place in ``PARTS`` of a word such as ``train``, ``val`` or ``test``; None for another word."""
    return _WORDS.get(word.lower())


def files_below(folder: Path, named: str, endings: Collection[str], most_bytes: int) -> list[Path]:
    """Return the files of a folder, and of those below it, whose names end so; in the order of their names.

    Args:
        folder: to be looked through; hidden files are left out.
        named: what errors call it.
        endings: in lower case, with the dot.
        most_bytes: of all of them together.

    Raises:
        UserError: there is none, they are too many, or one is a link out of the folder.
    """
    inside, files, size = folder.resolve(), [], 0
    for file in sorted(folder.rglob("*")):
        if file.suffix.lower() not in endings or file.name.startswith(".") or file.is_dir():
            continue
        if not file.resolve().is_relative_to(inside):
            raise UserError(f"{named}: '{one_line(file.relative_to(folder))}' is a link out of the folder")
        files.append(file)
        size += file.stat().st_size if file.exists() else 0
        if len(files) > _MOST_FILES or size > most_bytes:
            raise UserError(f"{named}: more than {_MOST_FILES:,} files, or than {most_bytes >> 20} MB")
    if not files:
        raise UserError(f"{named}: has no file {', '.join(endings)}")
    return files


def parts_of_files(files: Sequence[Path], folder: Path, named: str) -> list[int] | None:
    """Return the part of each file, by the end of its name or by a folder above it; None if none says it.

    Raises:
        UserError: only some say it.
    """
    parts = [_part(file, folder) for file in files]
    found = [part for part in parts if part is not None]
    if found and len(found) < len(parts):
        odd = one_line(files[parts.index(None)].relative_to(folder))
        raise UserError(f"{named}: '{odd}' is of no part; each file must say train, valid or test, or none")
    return found or None


def _part(file: Path, folder: Path) -> int | None:
    words = [re.split(r"[_.\- ]", file.stem)[-1], *file.relative_to(folder).parts[:-1]]
    return next((part for word in words if (part := part_named(word)) is not None), None)


def systematic(
    places: NDArray[np.int64], share: float, random: np.random.Generator, classes: NDArray[np.int64] | None = None
) -> NDArray[np.int64]:
    """Return a share of some places, in random order; of each class about the same share.

    Args:
        places: to be drawn from.
        share: from 0 to 1.
        random: decides the order.
        classes: (n,) by place; None if there are none.
    """
    shuffled = random.permutation(places)
    if classes is not None:
        shuffled = shuffled[np.argsort(classes[shuffled], kind="stable")]
    steps = np.floor(np.arange(len(shuffled) + 1) * share + 0.5)
    return shuffled[np.diff(steps) > 0]
