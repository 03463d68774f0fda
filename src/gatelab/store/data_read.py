"""Which data a run has read: the place and the hash that its configuration keeps."""

from dataclasses import dataclass
from functools import lru_cache
from itertools import takewhile
from pathlib import Path
from typing import Any

from gatelab.errors import UserError
from gatelab.reading import parse_yaml

__all__ = ["DataRead", "data_of_section", "data_read", "hash_shown"]

_DIGITS = 12


@dataclass(frozen=True, slots=True)
class DataRead:
    """The local data of a task."""

    task: str
    path: str
    """As it was given."""
    sha256: str

    @property
    def place(self) -> tuple[str, str]:
        """Task and full path: two with the same place are "the same data" to whoever gives the path."""
        return self.task, str(Path(self.path).expanduser().absolute())


def data_read(name: Any, path: Any, sha256: Any) -> DataRead | None:
    """Return the data of a task's keys ``name``, ``path`` and ``sha256``; None if it reads none of its own."""
    told = [name, path, sha256]
    return DataRead(*told) if all(isinstance(one, str) for one in told) else None


@lru_cache(maxsize=256)
def data_of_section(text: str) -> DataRead | None:
    """Return the same of the lines of a stored configuration's section ``task``; None also if they are damaged."""
    # what was fitted may be long, and says nothing of the place
    lines = takewhile(lambda line: not line.startswith("  fitted:"), text.splitlines())
    try:
        section = parse_yaml("\n".join(lines), "config.yaml", dumped=True)
    except UserError:
        return None
    keys = section.get("task") if isinstance(section, dict) else None
    return data_read(*(keys.get(key) for key in ("name", "path", "sha256"))) if isinstance(keys, dict) else None


def hash_shown(sha256: str) -> str:
    """Return the first digits of a hash, enough to tell data apart."""
    return sha256[:_DIGITS]
