"""Texts that only the user has: one file, or a folder with training, validation and test under their usual names."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from gatelab.errors import UserError
from gatelab.tasks.sources.fetch import check_content, read_own_file
from gatelab.tasks.sources.usual_names import FileState, nearest_file, state_of

__all__ = ["OwnText", "hash_of_text", "read_byte_parts", "read_text_parts"]

USUAL_NAMES = (
    ("ptb.train.txt", "ptb.valid.txt", "ptb.test.txt"),
    ("ptb.char.train.txt", "ptb.char.valid.txt", "ptb.char.test.txt"),
    ("wiki.train.tokens", "wiki.valid.tokens", "wiki.test.tokens"),
    ("train.txt", "valid.txt", "test.txt"),
)
"""Names of training, validation and test: of the Penn Treebank, of WikiText, and of many others."""
_MEANING = "a text file, or a folder with " + " or ".join(", ".join(names) for names in USUAL_NAMES)


class OwnText(NamedTuple):
    """A text of the user, or any other file."""

    parts: tuple[bytes, ...]
    """One, which is to be divided, or training, validation and test."""
    files: tuple[str | None, ...]
    """What errors call them."""
    sha256: str
    """Of the file; of three files, of their hashes, a line each."""


def read_text_parts(path: str | None, sha256: str | None) -> tuple[str, ...]:
    """Return a text, or the three parts of one.

    Raises :class:`UserError` in one line if it is missing, is not in UTF-8, or has another hash than one that is given.
    """
    text = _read(path, state_of(path))
    check_content("path", path, sha256, text.sha256)
    return tuple(_decoded(content, file) for content, file in zip(text.parts, text.files, strict=True))


def read_byte_parts(path: str | None, sha256: str | None) -> tuple[bytes, ...]:
    """Return a file, or the three of a folder, as bytes. Raises as :func:`read_text_parts`; every byte is allowed."""
    text = _read(path, state_of(path))
    check_content("path", path, sha256, text.sha256)
    return text.parts


def hash_of_text(path: str) -> str:
    """Return the hash that names a text. Raises as :func:`read_byte_parts`."""
    return _read(path, state_of(path)).sha256


@lru_cache(maxsize=2)
def _read(path: str | None, state: FileState) -> OwnText:  # noqa: ARG001 - a file that changes is read anew
    files = [path] if path is None or not Path(path).expanduser().is_dir() else _in_folder(path)
    contents = [read_own_file("path", file, None, _MEANING) for file in files]
    hashes = [hashlib.sha256(content).hexdigest() for content in contents]
    whole = hashes[0] if len(hashes) == 1 else hashlib.sha256("\n".join(hashes).encode()).hexdigest()
    return OwnText(tuple(contents), tuple(files), whole)


def _in_folder(path: str) -> list[str | None]:
    folder, named = Path(path).expanduser(), f"task.path={path}"
    for names in USUAL_NAMES:
        found = [nearest_file(folder, [name], named) for name in names]
        if found[0] is not None:
            for name, file in zip(names, found, strict=True):
                if file is None:
                    raise UserError(f"{named}: there is {found[0].name} and no {name}")
            return [str(file) for file in found]
    looked_for = ", ".join(names[0] for names in USUAL_NAMES)
    raise UserError(f"{named}: has none of {looked_for}; must be {_MEANING}")


def _decoded(content: bytes, file: str | None) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"task.path={file}: is not text in UTF-8 (byte {error.start})") from error
