"""Which runs of a store a comparison is made of: by task, variant, settings, age, and the command that trained them."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from gatelab.errors import UserError, one_line, suggest
from gatelab.evidence.data_versions import data_versions
from gatelab.evidence.earlier_numbers import without_earlier_numbers
from gatelab.evidence.varied import shown_value, value_text
from gatelab.evidence.versions import ToldApart, told_apart
from gatelab.keys import value_of
from gatelab.store import Result, Store

__all__ = ["Filters", "filters_of", "read_results", "several"]

_SHOWN = 12  # values, and commands, that a message lists


@dataclass(frozen=True, slots=True)
class Filters:
    """What is asked for; what is empty lets every run through."""

    tasks: tuple[str, ...] = ()
    variants: tuple[str, ...] = ()
    """Labels; a label that several versions share means all of them, the name of a variant without such a label all its
    edits."""
    where: Mapping[str, str] = field(default_factory=dict)
    """Dotted setting -> value, as tables write it."""
    since: str = ""
    """A date, or a date and a time: ISO 8601, UTC."""
    sweep: str = ""
    """Part of the command that trained the runs."""

    def __post_init__(self) -> None:
        """Refuse what is no date, before the store is read."""
        if self.since:
            _moment(self.since)


def several(text: str) -> tuple[str, ...]:
    """Return the words between commas, those within brackets of any kind left alone."""
    words, depth = [""], 0
    for letter in text:
        depth += (letter in "([{") - (letter in ")]}")
        if letter == "," and depth <= 0:
            words.append("")
        else:
            words[-1] += letter
    return tuple(filter(None, words))


def filters_of(task: str, variant: str, where: Iterable[str], since: str, sweep: str) -> Filters:
    """Return filters from the words of a command.

    Raises:
        UserError: ``where`` is not of the form key=value, or names a key twice; ``since`` is no date.
    """
    conditions: dict[str, str] = {}
    for word in (one for text in where for one in several(text)):
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise UserError(f"where={word}: must be of the form where=key=value, such as where=training.max_steps=1000")
        if key in conditions:
            raise UserError(f"where={word}: {key} is given twice, {conditions[key]} and {value}")
        conditions[key] = value
    return Filters(several(task), several(variant), conditions, since, sweep)


def read_results(store: Store, filters: Filters | None = None, identities: Collection[str] | None = None) -> ToldApart:
    """Return the results of a store that a comparison is made of, variants told apart over the whole store.

    Args:
        store: where the runs lie.
        filters: which are wanted; None for all.
        identities: only runs among these; None for all.

    Raises:
        UserError: there are none, or a filter names what no run has.
    """
    filters = filters or Filters()
    told = told_apart(store, store.results())
    results = [result for result in told.results if identities is None or result.identity in identities]
    if not results:
        raise UserError(f"no finished runs in {store.place}{' that are whole' if store.damaged else ''}")
    results = _of_tasks(results, filters.tasks, store.place)
    results = _of_variants(told, results, filters.variants)
    for key, value in filters.where.items():
        results = _where(results, key, value)
    notes: list[str] = []
    if filters.since:
        results, undated = _since(store, results, filters.since)
        if undated:
            whose = "1 run has" if undated == 1 else f"{undated} runs have"
            notes.append(f"since={filters.since}: {whose} no date and cannot be compared with it; left out")
    if filters.sweep:
        results = _trained_by(store, results, filters.sweep)
    results, earlier = without_earlier_numbers(store, results)
    notes += [*earlier, *data_versions(store, results)]
    return replace(told.of(results), notes=tuple(notes))


def _of_tasks(results: Sequence[Result], tasks: Collection[str], place: str) -> list[Result]:
    known = {result.task for result in results}
    for task in tasks:
        if task not in known:
            there = ", ".join(sorted(known))
            raise UserError(f"no runs of task '{task}'{suggest(task, known)}; {place} has {there}")
    return [result for result in results if not tasks or result.task in tasks]


def _of_variants(told: ToldApart, results: Sequence[Result], variants: Collection[str]) -> list[Result]:
    if not variants:
        return list(results)
    labels = {result.label for result in results}
    shared = {version.label: version.shared for version in told.versions}
    wanted: set[str] = set()
    for name in variants:
        meant = {label for label in labels if name in (label, shared.get(label))}
        meant = meant or {result.label for result in results if result.variant == name}
        if not meant:
            there = _listed(sorted(labels))
            raise UserError(f"variant={name}: no run has it{suggest(name, labels)}; there are {there}")
        wanted |= meant
    return [result for result in results if result.label in wanted]


def _where(results: Sequence[Result], key: str, value: str) -> list[Result]:
    known = sorted({key for result in results for key in result.settings})
    if key not in known:
        raise UserError(f"where={key}={value}: no such setting{suggest(key, known)}; allowed are settings of the runs")
    found = [result for result in results if _same(key, value_of(result.settings, key), value)]
    if not found:
        there = _listed(sorted({value_text(value_of(result.settings, key)) for result in results}))
        raise UserError(f"where={key}={value}: no run has this value; there are {there}")
    return found


def _same(key: str, value: object, text: str) -> bool:
    if text in (value_text(value), shown_value(key, value)):
        return True
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return float(text) == value
    except ValueError:
        return False


def _since(store: Store, results: Sequence[Result], since: str) -> tuple[list[Result], int]:
    """Return the results that are as new, and how many have no date."""
    moment = _moment(since)
    dates = {result.identity: date for result in results if (date := _date(store, result))}
    found = [result for result in results if result.identity in dates and dates[result.identity] >= moment]
    if not found:
        newest = (
            f"the newest is of {max(dates.values()).isoformat(timespec='seconds')}" if dates else "no run has a date"
        )
        raise UserError(f"since={since}: no run is as new; {newest}")
    return found, len(results) - len(dates)


def _moment(text: str) -> datetime:
    try:
        return _utc(datetime.fromisoformat(text))
    except ValueError:
        raise UserError(f"since={text}: must be a date, such as 2026-11-29 or 2026-11-29T08:30") from None


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _date(store: Store, result: Result) -> datetime | None:
    try:
        return _utc(datetime.fromisoformat(str(store.provenance(result.identity).get("date"))))
    except (UserError, ValueError):
        return None


def _trained_by(store: Store, results: Sequence[Result], words: str) -> list[Result]:
    commands = {result.identity: _command(store, result) for result in results}
    found = [result for result in results if words in commands[result.identity]]
    if not found:
        there = _listed(sorted({one_line(command, 120) for command in commands.values() if command}), "; ")
        raise UserError(f"sweep={words}: no run was trained by a command with these words; there are {there or 'none'}")
    return found


def _command(store: Store, result: Result) -> str:
    try:
        command = store.provenance(result.identity).get("command")
    except UserError:
        return ""
    return re.sub(r"\s+", " ", " ".join(map(str, command))) if isinstance(command, list) else ""


def _listed(names: Sequence[str], comma: str = ", ") -> str:
    more = [f"and {len(names) - _SHOWN} more"] if len(names) > _SHOWN else []
    return comma.join([*names[:_SHOWN], *more])
