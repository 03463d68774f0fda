"""Which column is what: the roles that are given, and a guess for each of the others, which is always told."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from gatelab.errors import UserError, one_line, suggest
from gatelab.tasks.series.series_keys import SeriesKeys
from gatelab.tasks.series.series_table import SeriesTable, TableColumn

__all__ = ["ColumnRoles", "are_classes", "column_of", "find_roles", "not_used"]

_TARGETS = ("target", "label", "class", "y")
_SERIES = ("series", "series_id", "unique_id", "case_id", "case", "id")
_TIMES = ("time", "timestamp", "datetime", "date", "t", "step")
_MOST_WORDS = 20  # of a text column that is taken as an input without being named
_MOST_CLASSES = 20  # of whole numbers that are taken as classes
_SHOWN = 4  # columns that a sentence names
_NUMBERED = re.compile(r"(.*?)[ _.:-]*(\d+)", re.DOTALL)
_BESIDE = ("file", "folder")  # columns that a folder of files adds


@dataclass(frozen=True)
class ColumnRoles:
    """The role of each column that has one; the fields are those of the task."""

    form: str
    inputs: tuple[str, ...]
    target: tuple[str, ...]
    series: str | None
    time: str | None
    weight: str | None
    channels: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Of a wide table: the name of each input, and its columns in the order of time."""


def find_roles(table: SeriesTable, keys: SeriesKeys) -> ColumnRoles:
    """Return the role of each column.

    Raises:
        UserError: a column that is named is absent, or no target is named and none can be guessed.
    """
    for key in ("series", "time", "weight"):
        if (name := getattr(keys, key)) is not None:
            column_of(table, name, key)
    for key in ("inputs", "target"):
        for name in getattr(keys, key) or ():
            column_of(table, name, key)
    taken = {*(keys.inputs or ()), *(keys.target or ()), keys.weight, keys.split}
    series = keys.series or (None if table.series is not None else _named(table, _SERIES, taken))
    time = keys.time or _named(table, _TIMES, {*taken, series})
    target = keys.target or (() if keys.horizon else _guessed_target(table, {*taken, series, time}))
    roles = ColumnRoles(keys.form or "long", (), target, series, time, keys.weight)
    beside = {series, time, keys.weight, keys.split, *_BESIDE, *(() if keys.horizon else target)}
    others = [name for name in table.columns if name not in beside]
    if keys.inputs is None:
        _check_numbers(table, others)
    rows_are_steps = time is not None or (series is not None and _repeats(table.columns[series]))
    if keys.form == "wide" or (keys.form is None and not rows_are_steps and _is_wide(table, keys, others)):
        steps = keys.inputs or tuple(name for name in others if table.columns[name].kind == "number")
        id_column = keys.series or (None if series in steps else series)
        wide = replace(roles, form="wide", inputs=steps, series=id_column, time=None)
        return replace(wide, channels=_channels(steps))
    inputs = keys.inputs or tuple(name for name in others if _is_input(table.columns[name]))
    if keys.horizon and not target:
        target = tuple(name for name in inputs if table.columns[name].kind == "number")
    if not inputs or not target:
        left = not_used(table, replace(roles, inputs=inputs, target=target), keys)
        what = "an input" if not inputs else "a target"
        raise UserError(
            f"{table.named}: no column is left as {what}{_has(table)}{''.join(f'; {note}' for note in left)}"
        )
    return replace(roles, inputs=inputs, target=target)


def _check_numbers(table: SeriesTable, names: Sequence[str]) -> None:
    """Refuse a slip in a column of numbers, which would not be an input because of it, and nobody would know."""
    doubtful = next((table.columns[name] for name in names if table.columns[name].doubt), None)
    if doubtful is not None:
        raise UserError(
            f"{table.named}: column '{one_line(doubtful.name)}', {doubtful.doubt}; task.inputs=[…] can leave it out"
        )


def _repeats(column: TableColumn) -> bool:
    labels = [label for label in column.labels() if label is not None]
    return len(set(labels)) < len(labels)


def not_used(table: SeriesTable, roles: ColumnRoles, keys: SeriesKeys) -> tuple[str, ...]:
    """Return a sentence on the columns that cannot be guessed to be inputs; none if others were not taken either."""
    used = {*roles.inputs, *roles.target, roles.series, roles.time, roles.weight, keys.split, *_BESIDE}
    left = [column for name, column in table.columns.items() if name not in used]
    usable = (column.kind == "number" or (roles.form == "long" and _is_input(column)) for column in left)
    if not left or any(usable):  # then the user has named the inputs
        return ()
    shown = [f"'{one_line(column.name, 30)}'{_such_as(column)}" for column in left[:_SHOWN]]
    more = f" and {len(left) - _SHOWN} more" if len(left) > _SHOWN else ""
    kinds = "steps are numbers" if roles.form == "wide" else f"inputs are numbers, or at most {_MOST_WORDS} words"
    return (f"not used, since {kinds}: {', '.join(shown)}{more}; task.inputs=[…] takes what it names",)


def _such_as(column: TableColumn) -> str:
    there = (label for label in column.labels() if label is not None)
    return "".join(f" (such as {one_line(label, 30)})" for label in islice(there, 1))


def column_of(table: SeriesTable, name: str, key: str) -> TableColumn:
    """Return a column. Raises :class:`UserError` with the nearest name if there is none; ``key`` names it."""
    if name not in table.columns:
        raise UserError(
            f"task.{key}={one_line(name)}: no such column{suggest(name, table.columns)}{_has(table, 'the table')}"
        )
    return table.columns[name]


def _has(table: SeriesTable, who: str = "it") -> str:
    shown = [one_line(name, 30) for name in list(table.columns)[:12]]
    more = f" and {len(table.columns) - 12} more" if len(table.columns) > 12 else ""
    return f"; {who} has {', '.join(shown)}{more}"


def _named(table: SeriesTable, words: Sequence[str], taken: Iterable[str | None]) -> str | None:
    """Return the column with the first of some usual names, in any case."""
    names = {name.lower(): name for name in reversed(list(table.columns)) if name not in set(taken)}
    return next((names[word] for word in words if word in names), None)


def _guessed_target(table: SeriesTable, taken: Iterable[str | None]) -> tuple[str, ...]:
    found = _named(table, _TARGETS, taken)
    if found is None:
        raise UserError(
            f"{table.named}: no column is called {', '.join(_TARGETS)}; name one by task.target=NAME, or forecast by "
            f"task.horizon=STEPS{_has(table)}"
        )
    return (found,)


def _is_input(column: TableColumn) -> bool:
    if column.kind == "number":
        return True
    return column.kind == "text" and len({text for text in column.labels() if text is not None}) <= _MOST_WORDS


def _is_wide(table: SeriesTable, keys: SeriesKeys, names: Sequence[str]) -> bool:
    """Return whether the columns are numbered steps: three or more of them, and most of all."""
    if table.series is not None or keys.series or keys.time or keys.horizon or keys.per == "step":
        return False
    numbers = [name for name in keys.inputs or names if table.columns[name].kind == "number"]
    numbered = [name for name in numbers if _NUMBERED.fullmatch(name)]
    return len(numbered) >= 3 and len(numbered) == len(numbers)


def _channels(steps: Sequence[str]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return the columns of each input by the words before their numbers: a_0, b_0, a_1, b_1 are two inputs."""
    found = [_NUMBERED.fullmatch(name) for name in steps]
    grouped: dict[str, list[tuple[int, str]]] = {}
    for name, match in zip(steps, found, strict=True):
        if match is not None:
            grouped.setdefault(match[1], []).append((int(match[2]), name))
    places = {tuple(sorted(number for number, _ in group)) for group in grouped.values()}
    if not all(found) or len(places) != 1 or len(set(next(iter(places)))) != len(next(iter(places))):
        return (("value", tuple(steps)),)
    return tuple((word or "value", tuple(name for _, name in sorted(group))) for word, group in grouped.items())


def are_classes(column: TableColumn) -> bool:
    """Return whether a target is taken as classes: text, or at most 20 whole numbers."""
    if column.numbers is None:
        return True
    values = np.unique(column.numbers[~column.missing])
    return column.kind == "number" and len(values) <= _MOST_CLASSES and bool((values == np.round(values)).all())
