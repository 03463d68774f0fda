"""metrics.jsonl: the history of a run, one JSON object a line."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gatelab.disk import because
from gatelab.errors import UserError
from gatelab.reading import open_regular
from gatelab.store.json_numbers import number

__all__ = ["Validated", "complete_bytes", "read_history", "validated"]

_NUMBERS = (float, int)


@dataclass(frozen=True, slots=True)
class Validated:
    """What validation has measured of a run."""

    steps: tuple[int, ...]
    scores: tuple[float, ...]
    row: Mapping[str, Any]
    """The line of its history at the step that validation chose, the last if there are several; may be empty."""


def validated(rows: Iterable[Mapping[str, Any]], best_step: int | None) -> Validated:
    """Return what the rows of a history say of validation."""
    found = [row for row in rows if row["split"] == "validation" and "score" in row]
    best: Mapping[str, Any] = {}
    for row in found:
        best = row if row["step"] == best_step else best
    return Validated(tuple(row["step"] for row in found), tuple(float(row["score"]) for row in found), best)


def complete_bytes(path: Path) -> bytes:
    """Return the complete lines of a file; a killed process may have left an incomplete one at the end.

    An absent file has no lines. Raises UserError if it cannot be read.
    """
    try:
        with open_regular(path) as file:
            data = file.readall()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {because(error)}") from error
    return data[: data.rfind(b"\n") + 1]


def read_history(path: Path) -> list[dict[str, Any]]:
    """Return the complete lines of a metrics.jsonl as mappings, in the order written.

    Each has ``step`` (int), ``split`` (str) and numbers; NaN and infinities are floats again. Raises UserError with
    the file and the line for a damaged line, except an incomplete last one.
    """
    lines = complete_bytes(path).splitlines()
    rows = _rows(lines)
    return rows if rows is not None else [_row(line, path, count) for count, line in enumerate(lines, start=1)]


def _rows(lines: Sequence[bytes]) -> list[dict[str, Any]] | None:
    """Return all rows, parsed at once; None if one is damaged or has a number that JSON lacks."""
    if not all(line[:1] == b"{" and line[-1:] == b"}" for line in lines):
        return None
    try:
        rows: list[dict[str, Any]] = json.loads(b"[" + b",".join(lines) + b"]")
    except (ValueError, RecursionError):
        return None
    if len(rows) != len(lines):  # two objects on one line
        return None
    for row in rows:
        if type(row) is not dict or type(row.get("step")) is not int or type(row.get("split")) is not str:
            return None
        if any(type(value) not in _NUMBERS for key, value in row.items() if key != "split"):
            return None
    return rows


def _row(line: bytes, path: Path, count: int) -> dict[str, Any]:
    try:
        row = json.loads(line)
        if not isinstance(row, dict) or not isinstance(row.get("step"), int) or not isinstance(row.get("split"), str):
            raise ValueError("an object with step and split was expected")
        return {key: value if key == "split" else number(value) for key, value in row.items()}
    except (ValueError, RecursionError) as error:  # JSONDecodeError and UnicodeDecodeError are ValueErrors
        raise UserError(f"{path}, line {count}: damaged history: {error}") from error
