"""Variants compared with a baseline, seed by seed, as on the comparison page."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any, Literal

from gatelab.api.run import Run
from gatelab.api.runs import Runs
from gatelab.errors import UserError, suggest
from gatelab.evidence.analysis import Analysis, analyse
from gatelab.evidence.collected import read_evidence
from gatelab.evidence.filters import Filters, read_results
from gatelab.evidence.question import Question, asked
from gatelab.evidence.varied import value_text
from gatelab.report.report import Report, build_report, write_report
from gatelab.report.runs_table import runs_table
from gatelab.report.tables import Table
from gatelab.store import Store

__all__ = ["Comparison", "Gain", "compare"]


@dataclass(frozen=True, slots=True)
class Gain:
    """The gain of a variant over the baseline on one task; positive is better, for either direction of the score.

    >>> runs = gatelab.sweep("variant=lstm,gru", "task=adding", "seed=range(3)", *tiny, workers=0)
    >>> gru = gatelab.compare(runs, baseline="lstm")["adding", "gru"]
    >>> gru.task, gru.variant, gru.pairs
    ('adding', 'gru', 3)
    """

    task: str
    variant: str
    gain: float
    """Mean paired difference of test scores, in the unit of the score."""
    interval: tuple[float, float]
    """95 % confidence interval of the gain, Student's; it does not know of failures too rare for these runs."""
    median: float
    """Median paired difference, which the verdict is of."""
    median_interval: tuple[float, float]
    """Its exact 95 % interval; without limits below six pairs."""
    p: float
    """Of the test of typical runs, corrected for all comparisons of its family; NaN where nothing was tested."""
    verdict: str
    """``better in typical runs``, ``worse in typical runs``, ``no difference found``, ``undecided: `` with the reason
    (``too few seeds``, or a caveat that explains the gain as well), or ``not compared`` where the two share no seed."""
    pairs: int
    """Seeds that both have."""
    failed: tuple[int, int]
    """Runs of the variant and of the baseline that diverged or ended nearer to chance than to perfect."""
    caveats: tuple[str, ...]
    """A sentence for each unequal condition: settings that differ, searches of unequal size."""


class Comparison(Mapping[tuple[str, str], Gain]):
    """A mapping from (task, variant) to the gain of the variant over the baseline. Made by :func:`compare`.

        >>> runs = gatelab.sweep("variant=lstm,gru", "task=adding", "seed=range(3)", *tiny, workers=0)
        >>> comparison = gatelab.compare(runs, baseline="lstm")
        >>> list(comparison)
        [('adding', 'gru')]
        >>> gru = comparison["adding", "gru"]
        >>> gru.verdict, gru.pairs, gru.interval[0] < gru.gain < gru.interval[1]
        ('undecided: too few seeds', 3, True)

    A notebook shows its table, and the answer in words.
    """

    def __init__(self, analysis: Analysis, store: Store, command: str) -> None:
        self._analysis = analysis
        self._store = store
        self._command = command

    def __getitem__(self, place: tuple[str, str]) -> Gain:
        found = self._analysis.comparisons.get(place)
        if found is None:
            raise UserError(self._absent(place))
        gain, median = found.gain, found.typical
        return Gain(
            *place,
            gain=gain.estimate,
            interval=(gain.low, gain.high),
            median=median.estimate,
            median_interval=(median.low, median.high),
            p=found.p,
            verdict=found.words,
            pairs=found.n,
            failed=(found.failures[0].count, found.failures[1].count),
            caveats=tuple(caveat.sentence for caveat in found.caveats),
        )

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._analysis.comparisons)

    def __len__(self) -> int:
        return len(self._analysis.comparisons)

    def __contains__(self, place: object) -> bool:
        return place in self._analysis.comparisons

    @cached_property
    def table(self) -> Table:
        """The table of the page: every variant on every task, and its gain over the baseline.

            >>> runs = gatelab.sweep("variant=lstm,gru", "task=adding", "seed=range(3)", *tiny, workers=0)
            >>> table = gatelab.compare(runs, baseline="lstm").table
            >>> [row["variant"] for row in table.rows]
            ['lstm', 'gru']

        ``print(table)`` aligns it; ``table.markdown()``, ``table.latex()`` and ``table.csv()`` are its other forms.
        """
        from gatelab.report.sections.headline import headline_table

        return headline_table(self._analysis)

    @property
    def summary(self) -> tuple[str, ...]:
        """The answer in words: a sentence for each variant, with its caveats.

        >>> runs = gatelab.sweep("variant=lstm,gru", "task=adding", "seed=range(3)", *tiny, workers=0)
        >>> any(line.startswith("gru: ") for line in gatelab.compare(runs, baseline="lstm").summary)
        True
        """
        from gatelab.report.sections.verdict import verdict

        return verdict(self._analysis, self._command).summary

    def write(self, folder: str | Path = "report/") -> list[Path]:
        """Write the comparison page and its tables and figures, as ``gatelab compare`` does; return the files.

            >>> runs = gatelab.sweep("variant=lstm,gru", "task=adding", "seed=range(3)", *tiny, workers=0)
            >>> files = gatelab.compare(runs, baseline="lstm").write("report/")
            >>> Path("report/index.html") in files
            True

        Raises:
            UserError: the folder cannot be written.
        """
        return write_report(self._report(), Path(folder))

    def _report(self) -> Report:
        report = build_report(self._analysis.evidence, self._command)
        report.files["runs.csv"] = runs_table(self._analysis.evidence.selection).csv().encode("utf-8")
        return report

    def __repr__(self) -> str:
        evidence = self._analysis.evidence
        against = f" with {evidence.question.baseline}" if evidence.question.baseline else ""
        counts = f"{len(evidence.labels)} variants on {len(evidence.tasks)} tasks, {len(evidence.runs)} runs"
        return f"<Comparison{against}: {counts}>"

    def _repr_html_(self) -> str:
        lines = "".join(f"<li>{escape(line)}</li>" for line in self.summary)
        return f"<ul>{lines}</ul>{self.table.html()}"

    def _absent(self, place: Any) -> str:
        known = list(self._analysis.comparisons)
        if not known:
            return "nothing is compared: compare(…, baseline=…) must name a variant with which others can be compared"
        if not isinstance(place, tuple) or len(place) != 2:
            return f"comparison[{place!r}]: must be a task and a variant, such as comparison{list(known[0])}"
        for position, noun in enumerate(("task", "variant")):
            names = sorted({one[position] for one in known})
            if place[position] not in names:
                hint = suggest(str(place[position]), names)
                return f"no comparison of {noun} '{place[position]}'{hint}; there are {', '.join(names)}"
        return f"variant '{place[1]}' has no runs of task '{place[0]}' to compare"


def compare(
    runs: str | Path | Runs = "runs/",
    baseline: str | None = None,
    *,
    task: str | Collection[str] = (),
    variant: str | Collection[str] = (),
    where: Mapping[str, Any] | None = None,
    since: str = "",
    sweep: str = "",
    by: str | Collection[str] = ("task",),
    apart: str | Collection[str] = (),
    small: float = 0.01,
    diverged: Literal["worst", "separate"] = "worst",
    family: Literal["page", "task"] = "page",
) -> Comparison:
    """Compare stored runs, as ``gatelab compare`` does.

        >>> _ = gatelab.sweep("variant=lstm,gru", "task=adding", "seed=range(3)", *tiny, workers=0)
        >>> comparison = gatelab.compare("runs/", baseline="lstm", task="adding")
        >>> comparison["adding", "gru"].verdict
        'undecided: too few seeds'
        >>> gatelab.compare("runs/", baseline="lsmt")
        Traceback (most recent call last):
        gatelab.errors.UserError: unknown baseline 'lsmt' (did you mean 'lstm'?); known are gru, lstm

    Args:
        runs: a folder, or the runs to compare, all of one folder.
        baseline: the variant that the others are compared with, seed by seed; None tests nothing.
        task: only these tasks; () for all.
        variant: only these variants, as tables call them; () for all.
        where: only runs with these settings: dotted key -> value.
        since: only runs that ended at this date or later, such as "2026-11-29".
        sweep: only runs trained by a command that contains these words.
        by: compare separately for each value of these settings, such as ``model.hidden_size``, and of the task. Other
            varied settings count as a search: the one with the best validation score is reported.
        apart: settings that distinguish variants: with ``opening.name`` one is called "lstm opening=chrono".
        small: gains below this share of the way from chance to perfect are too small to matter.
        diverged: a diverged run gets the score of the "worst" run of the two that are compared (or chance), or is
            "separate" and left out.
        family: the tests that are corrected together: all of the "page", or those of each "task".

    Raises:
        UserError: as the command, with the same line.
    """
    question = asked(baseline, _names(by), _names(apart), small, diverged, family)
    store, chosen = _chosen(runs)
    conditions = {key: value_text(value) for key, value in (where or {}).items()}
    filters = Filters(_names(task), _names(variant), conditions, since, sweep)
    with store.indexed():
        evidence = read_evidence(store, question, read_results(store, filters, chosen))
    return Comparison(analyse(evidence), store, _call(store, question, filters))


def _chosen(runs: str | Path | Runs) -> tuple[Store, frozenset[str] | None]:
    if isinstance(runs, str | Path):
        return Store(runs), None
    folders = {run.folder.parent: run for run in runs}
    if not folders:
        raise UserError("there are no runs to compare")
    if len(folders) > 1:
        raise UserError(f"runs of {', '.join(map(str, sorted(folders)))}: must be of one folder")
    return Store(next(iter(folders))), frozenset(run.identity for run in runs if isinstance(run, Run))


def _names(names: str | Collection[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def _call(store: Store, question: Question, filters: Filters) -> str:
    """Return the call that asks the same, as the page tells it."""
    usual = Question()
    given = {name: getattr(question, name) for name in ("by", "apart", "small", "diverged", "family")}
    words = [repr(str(store.runs_dir)), f"baseline={question.baseline!r}"]
    names = {"task": list(filters.tasks), "variant": list(filters.variants), "where": dict(filters.where)}
    wanted = {**names, "since": filters.since, "sweep": filters.sweep}
    words += [f"{name}={value!r}" for name, value in wanted.items() if value]
    words += [f"{name}={value!r}" for name, value in given.items() if value != getattr(usual, name)]
    return f"gatelab.compare({', '.join(words)})"
