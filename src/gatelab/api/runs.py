"""Many stored runs: selected, counted, put into a table."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from gatelab.api.run import Run
from gatelab.errors import UserError, suggest
from gatelab.evidence.versions import told_apart
from gatelab.report.tables import Column, Table, significant
from gatelab.store import Store, settings

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["Runs", "runs"]

_SHOWN = 20  # runs that a notebook shows


@dataclass(frozen=True)
class _Facts:
    """The properties for selection; None if a damaged run lacks them."""

    status: str
    label: str | None = None
    variant: str | None = None
    task: str | None = None
    seed: int | None = None
    settings: Mapping[str, Any] | None = None


class Runs(Sequence[Run]):
    """Runs in a fixed order: a sequence with a length, positions and slices.

        >>> runs = gatelab.sweep("variant=lstm,gru", "task=adding", "seed=range(2)", *tiny, workers=0)
        >>> len(runs), runs[0].label, [run.seed for run in runs[-2:]]
        (4, 'lstm', [0, 1])
        >>> runs
        <Runs: 4 runs of 2 variants on 1 task: 4 finished>

    Made by :func:`runs` and :func:`sweep`. A run's files are read on access.
    """

    def __init__(self, runs: Iterable[Run], labels: Mapping[Run, str] | None = None) -> None:
        self._runs = tuple(runs)
        self._facts: dict[Run, _Facts] = {}
        self._labels = labels

    def where(
        self,
        settings: Mapping[str, Any] | None = None,
        *,
        variant: str | Collection[str] | None = None,
        label: str | Collection[str] | None = None,
        task: str | Collection[str] | None = None,
        seed: int | Collection[int] | None = None,
        status: str | Collection[str] | None = None,
    ) -> "Runs":
        """Return the runs that match all arguments; a list, range or set of values means one of them.

            >>> runs = gatelab.sweep("variant=lstm,gru", "task=adding", "optimizer.lr=0.01,0.1", *tiny, workers=0)
            >>> len(runs.where(variant="gru", task="adding"))
            2
            >>> len(runs.where({"optimizer.lr": 0.1}, variant=["lstm", "gru"]))
            2
            >>> runs.where(variant="grru")
            Traceback (most recent call last):
            gatelab.errors.UserError: no runs of variant 'grru' (did you mean 'gru'?); there are gru, lstm

        Args:
            settings: dotted key of the configuration -> value.
            variant: name before edits. label: as tables call it, edits included; ``leaky (2)`` where two sets of
                equations have had one name.
            task, seed, status: see :class:`Run`.

        Raises:
            UserError: a name that none of the runs has.
        """
        named = {"variant": variant, "label": label, "task": task, "seed": seed, "status": status}
        wanted = {name: _several(value) for name, value in named.items() if value is not None}
        keys = {key: _several(value) for key, value in (settings or {}).items()}
        for name, values in wanted.items():
            if name not in ("seed", "status"):
                self._check(name, values)
        self._check_keys(keys)
        return Runs((run for run in self if self._fits(run, wanted, keys)), self._labels)

    def one(
        self,
        settings: Mapping[str, Any] | None = None,
        *,
        variant: str | Collection[str] | None = None,
        label: str | Collection[str] | None = None,
        task: str | Collection[str] | None = None,
        seed: int | Collection[int] | None = None,
        status: str | Collection[str] | None = None,
    ) -> Run:
        """Return the only run that matches all arguments, which are those of :meth:`where`.

            >>> runs = gatelab.sweep("variant=lstm,gru", "task=adding", "seed=range(2)", *tiny, workers=0)
            >>> runs.one(variant="gru", seed=1).label
            'gru'
            >>> runs.one(variant="gru")
            Traceback (most recent call last):
            gatelab.errors.UserError: 2 runs fit, must be one; they differ in seed

        Raises:
            UserError: none or several; the message shows in which settings these differ.
        """
        found = self.where(settings, variant=variant, label=label, task=task, seed=seed, status=status)
        if len(found) == 1:
            return found[0]
        if not found:
            raise UserError(f"none of {len(self)} runs fits, must be one")
        raise UserError(f"{len(found)} runs fit, must be one; they differ in {', '.join(found._differences())}")

    def frame(self) -> "DataFrame":
        """Return a row for each run: its properties, its result, and its settings by dotted keys.

            >>> frame = gatelab.sweep("variant=lstm,gru", "task=adding", *tiny, workers=0).frame()
            >>> list(frame.columns[:6])
            ['identity', 'label', 'variant', 'task', 'seed', 'status']
            >>> frame["test"].notna().all().item(), frame["model.hidden_size"].tolist()
            (True, [4, 4])

        ``test`` and ``validation`` are scores, ``test_loss`` and ``validation_loss`` losses; NaN without a result.

        Raises:
            UserError: pandas is not installed.
        """
        try:
            import pandas
        except ImportError:
            raise UserError("frame(): needs `pip install pandas`") from None
        return pandas.DataFrame([self._row(run) for run in self])

    def __len__(self) -> int:
        return len(self._runs)

    def __iter__(self) -> Iterator[Run]:
        return iter(self._runs)

    @overload
    def __getitem__(self, index: int) -> Run: ...
    @overload
    def __getitem__(self, index: slice) -> "Runs": ...
    def __getitem__(self, index: int | slice) -> "Run | Runs":
        return Runs(self._runs[index], self._labels) if isinstance(index, slice) else self._runs[index]

    def __repr__(self) -> str:
        return f"<Runs: {self._told()}>"

    def _repr_html_(self) -> str:
        more = f"<p>and {len(self) - _SHOWN} more</p>" if len(self) > _SHOWN else ""
        return f"<p>{self._told()}</p>{self._table().html()}{more}"

    def _told(self) -> str:
        facts = [self._of(run) for run in self]
        counts = {status: sum(one.status == status for one in facts) for status in _STATUSES}
        standing = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
        labels, tasks = ({getattr(one, name) for one in facts} - {None} for name in ("label", "task"))
        what = f" of {_count(len(labels), 'variant')} on {_count(len(tasks), 'task')}: {standing}" if facts else ""
        return f"{_count(len(self), 'run')}{what}"

    def _table(self) -> Table:
        columns = [Column(name, (name,)) for name in ("identity", "label", "task", "seed", "status")]
        scores = [Column(name, (name,), significant, "right") for name in ("validation", "test")]
        rows = [self._row(run) for run in self._runs[:_SHOWN]]
        return Table([*columns, *scores], [{"validation": None, "test": None, **row} for row in rows])

    def _of(self, run: Run) -> _Facts:
        if run not in self._facts or self._facts[run].status not in ("finished", "diverged"):
            facts = _facts(run)
            self._facts[run] = replace(facts, label=self._told_apart().get(run, facts.label))
        return self._facts[run]

    def _told_apart(self) -> Mapping[Run, str]:
        """Return the labels of runs that have a result, two sets of equations under one name told apart."""
        if self._labels is None:
            self._labels = _labels(self)
        return self._labels

    def _fits(self, run: Run, wanted: Mapping[str, Collection[Any]], keys: Mapping[str, Collection[Any]]) -> bool:
        facts = self._of(run)
        named = all(getattr(facts, name) in values for name, values in wanted.items())
        return named and all((facts.settings or {}).get(key) in values for key, values in keys.items())

    def _check(self, name: str, values: Collection[Any]) -> None:
        known = sorted({getattr(self._of(run), name) for run in self} - {None})
        for value in values:
            if value not in known:
                there = f"there are {', '.join(known)}" if known else "there are no runs"
                raise UserError(f"no runs of {name} '{value}'{suggest(str(value), known)}; {there}")

    def _check_keys(self, keys: Iterable[str]) -> None:
        known = {key for run in self for key in self._of(run).settings or {}} if keys else set()
        for key in keys:
            if key not in known:
                raise UserError(f"{key}: no such setting{suggest(str(key), known)}; allowed are settings of the runs")

    def _differences(self) -> list[str]:
        facts = [self._of(run) for run in self]
        named = [name for name in ("label", "task", "seed", "status") if len({getattr(one, name) for one in facts}) > 1]
        keys = dict.fromkeys(key for one in facts for key in one.settings or {})
        varied = [key for key in keys if len({repr((one.settings or {}).get(key)) for one in facts}) > 1]
        return [*named, *varied[:_SHOWN]]

    def _row(self, run: Run) -> dict[str, Any]:
        facts = self._of(run)
        row = {"identity": run.identity}
        row |= {name: getattr(facts, name) for name in ("label", "variant", "task", "seed", "status")}
        if facts.status in ("finished", "diverged"):
            result = run.result
            for split in ("validation", "test"):
                performance = getattr(result, split)
                row |= {split: performance.score, f"{split}_loss": performance.loss}
            row |= {name: getattr(result, name) for name in _OF_RESULT}
        return {**row, **(facts.settings or {})}


_STATUSES = ("finished", "diverged", "failed", "training", "unfinished", "damaged")
_OF_RESULT = (
    "score_name", "higher_is_better", "chance", "perfect", "best_step", "diverged_at", "parameters", "steps", "seconds",
    "path",
)  # fmt: skip


def runs(folder: str | Path = "runs/") -> Runs:
    """Return all runs in a folder, in the order of their identities: finished, failed, unfinished and damaged ones.

        >>> _ = gatelab.sweep("variant=lstm,gru", "task=adding", *tiny, workers=0)
        >>> runs = gatelab.runs("runs/")
        >>> sorted(run.label for run in runs.where(task="adding", seed=0))
        ['gru', 'lstm']

    Only the names of the folders are read at first.

    Raises:
        UserError: there is no such folder.
    """
    store = Store(folder)
    return Runs(Run(store, identity) for identity in store.identities())


def _facts(run: Run) -> _Facts:
    status = run.status
    if status in ("finished", "diverged"):
        result = run.result
        return _Facts(status, result.label, result.variant, result.task, result.seed, result.settings)
    try:
        return _Facts(status, run.label, run.variant.name, run.task.name, run.seed, settings(run.configuration))
    except UserError:
        return _Facts(status)


def _labels(runs: Iterable[Run]) -> dict[Run, str]:
    """Return the labels of the runs that have a result, told apart within each folder."""
    folders: dict[Path, dict[str, Run]] = {}
    for run in runs:
        if run.status in ("finished", "diverged"):
            folders.setdefault(run.folder.parent, {})[run.identity] = run
    return {
        members[result.identity]: result.label
        for folder, members in folders.items()
        for result in told_apart(Store(folder), [run.result for run in members.values()]).results
    }


def _several(value: Any) -> Collection[Any]:
    return value if isinstance(value, Collection) and not isinstance(value, str) else (value,)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
