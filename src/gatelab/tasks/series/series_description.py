"""What was understood of a table, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from gatelab.errors import UserError, one_line
from gatelab.tasks.series.column_roles import ColumnRoles
from gatelab.tasks.series.series_data import Understood, data_of, table_of, understood
from gatelab.tasks.series.series_encoding import feature_names
from gatelab.tasks.series.series_table import SeriesTable, TableColumn
from gatelab.tasks.task import parts_described, range_of

if TYPE_CHECKING:
    from gatelab.tasks.series.series_task import Series

__all__ = ["described", "summary"]

_SHOWN = 12
_DECIDED = ("form", "inputs", "target", "series", "time", "goal", "per", "split", "length")


def summary(known: Understood) -> str:
    """Return what was understood in one sentence."""
    keys = known.keys
    pairs = [f"{name}={_value(getattr(keys, name))}" for name in _DECIDED if getattr(keys, name) is not None]
    return f"task 'series': {len(known.ordered.names):,} series of {known.ordered.named}; {', '.join(pairs)}"


def described(task: Series) -> Iterator[str]:
    """Yield lines: the table, each column with its role, the series, the parts, chance.

    Raises:
        UserError: after the columns, if the keys do not fit them or leave open what cannot be guessed.
    """
    table = table_of(task)
    yield f"{table.named}: {table.size:,} rows, {len(table.columns):,} columns, sha256 {table.sha256()}"
    yield from (f"  {note}" for note in table.notes)
    try:
        known = understood(task)
    except UserError:
        yield from _columns(table, None)  # what there is to choose from
        raise
    yield from _columns(table, known.roles)
    yield from _keys(task, known)
    yield from _series(known)
    yield from (f"  {note}" for note in known.notes if note not in table.notes)
    data = data_of(task)
    names = feature_names(known.ordered, known.keys, data.fitted)
    yield f"inputs of the network: {task.input_size} ({_few([one_line(name, 30) for name in names])})"
    if data.fitted.classes:
        yield from _classes(task, data.fitted.classes)
    yield from parts_described(task)


def _columns(table: SeriesTable, roles: ColumnRoles | None) -> Iterator[str]:
    for name, column in list(table.columns.items())[:_SHOWN]:
        missing = int(column.missing.sum())
        facts = [_role(name, roles), column.kind, *([f"{missing:,} missing"] if missing else []), _values(column)]
        yield f"  {one_line(name, 40)}: {', '.join(fact for fact in facts if fact)}"
    if len(table.columns) > _SHOWN:
        yield f"  … and {len(table.columns) - _SHOWN:,} more columns"


def _role(name: str, roles: ColumnRoles | None) -> str:
    if roles is None:
        return ""
    places = {"input": roles.inputs, "target": roles.target, "series": (roles.series,), "time": (roles.time,)}
    found = [role for role, names in places.items() if name in names]
    return " and ".join(found) or ("weight" if name == roles.weight else "not used")


def _values(column: TableColumn) -> str:
    there = ~column.missing
    if not there.any():
        return "no value"
    if column.doubt:
        return column.doubt
    if column.kind == "number" and column.numbers is not None:
        return f"{column.numbers[there].min():g} to {column.numbers[there].max():g}"
    labels = column.labels()[there]
    if column.kind == "time" and column.texts is not None:
        return f"{min(labels)} to {max(labels)}"
    words = sorted(set(labels))
    return f"{len(words):,} words: {_few([one_line(word, 20) for word in words], 4)}"


def _keys(task: Series, known: Understood) -> Iterator[str]:
    """Yield each key that the data have decided, and each that was given."""
    yield "keys:"
    for name in _DECIDED:
        value = getattr(known.keys, name)
        if value is not None:
            guessed = " (guessed)" if getattr(task, name) is None else ""
            yield f"  task.{name}={_value(value)}{guessed}"


def _series(known: Understood) -> Iterator[str]:
    count = len(known.ordered.names)
    yield f"series: {count:,}, of {range_of(known.ordered.lengths)} rows"


def _classes(task: Series, classes: Sequence[str]) -> Iterator[str]:
    training = task.training()
    counts = Counter(training.targets[training.score_weights > 0].tolist())
    shown = [f"{one_line(word, 20)} {counts[place]:,}" for place, word in enumerate(classes)]
    yield f"classes, with their targets in training: {_few(shown, 20)}"


def _value(value: object) -> str:
    if not isinstance(value, tuple):
        return one_line(value)
    few = _few([one_line(word, 30) for word in value])
    return few if len(value) == 1 else f"[{few.replace(', ', ',')}]"


def _few(words: Sequence[str], most: int = 8) -> str:
    more = f", … ({len(words) - most:,} more)" if len(words) > most else ""
    return f"{', '.join(words[:most])}{more}"
