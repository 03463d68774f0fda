"""The format number of a store: written when the store is created, checked before anything is read.

    runs/format.json    {"format": 1}

A store without the file is older than the number, and has format 1. The number is raised when the meaning of a run's
files changes, so that an older gatelab refuses them in one line and never misreads them.
"""

import json
import os
from pathlib import Path

from gatelab.disk import make_folder, write_atomically, writing
from gatelab.errors import UserError
from gatelab.reading import parse_json, read_bytes
from gatelab.store.file_system import check_file_system

__all__ = ["FORMAT", "NAME", "check_format", "number_of", "write_format"]

FORMAT = 1
NAME = "format.json"


def check_format(runs_dir: Path) -> None:
    """Raise a UserError if this version cannot read the format of a store."""
    path = runs_dir / NAME
    if not os.path.lexists(path):
        return
    number_of(read_bytes(path), str(path))


def number_of(data: bytes, path: str) -> int:
    """Return the number in the bytes of a format.json. Raises UserError, naming ``path``, if it is not one we read."""
    content = parse_json(data, path)
    number = content.get("format") if isinstance(content, dict) else None
    if type(number) is not int or number < 1:
        raise UserError(f"{path}: damaged: must hold the format number of the store, a whole number of at least 1")
    if number > FORMAT:
        raise UserError(f"{path}: format={number}: a newer gatelab wrote this store; this one reads up to {FORMAT}")
    return number


def write_format(runs_dir: Path) -> None:
    """Probe the file system, and write the number into a store that has none, before the first run.

    Raises UserError if it cannot be written, or if the file system cannot hold a store.
    """
    check_file_system(runs_dir)
    path = runs_dir / NAME
    if path.exists():
        return
    make_folder(runs_dir)
    with writing(path):
        write_atomically(path, f"{json.dumps({'format': FORMAT})}\n".encode())
