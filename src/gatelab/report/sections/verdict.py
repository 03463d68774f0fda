"""The answer in words, from the corrected tests and nothing else, and where the numbers come from."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gatelab.evidence.analysis import Analysis, PairedComparison
from gatelab.report.sections.wording import counted, listed, signed
from gatelab.statistics import plan_comparison

__all__ = ["Answer", "Head", "verdict"]

_SYMBOLS = {"better": "▲", "worse": "▼", "undecided": "◇", "no difference found": "○", "not compared": "·"}
_TOO_SMALL = "too small to matter"
_ORDER = ("better", "worse", "undecided", "no difference found", "not compared")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a cell of the grid says of a variant on a task."""

    kind: str
    """``better``, ``worse``, ``undecided``, ``no difference found`` or ``not compared``."""
    gain: str
    remark: str

    @property
    def words(self) -> str:
        """Kind and, where it belongs to the verdict, remark: ``undecided: unequal search``."""
        if self.remark == _TOO_SMALL:
            return f"{self.kind}, by less than matters"
        return f"{self.kind}: {self.remark}" if self.kind == "undecided" else self.kind

    @property
    def symbol(self) -> str:
        """The same without colour."""
        return _SYMBOLS[self.kind]


@dataclass(frozen=True, slots=True)
class Head:
    """The head of the page."""

    title: str
    answers: tuple[tuple[str, str], ...]
    """Label and what the tests say of it, in words."""
    rows: tuple[tuple[str, tuple[Answer, ...]], ...]
    """Label and its answers, one for each task; empty without a baseline."""
    tasks: tuple[str, ...]
    notes: tuple[str, ...]
    flags: tuple[str, ...]
    provenance: tuple[tuple[str, str], ...]


def verdict(analysis: Analysis, command: str) -> Head:
    """Return the head of the page; ``command`` is what made it."""
    evidence = analysis.evidence
    baseline = evidence.question.baseline
    others = [label for label in evidence.labels if label != baseline]
    rows = tuple((label, tuple(_answer(analysis, task, label) for task in evidence.tasks)) for label in others)
    return Head(
        title=_title(analysis, others),
        answers=tuple((label, _words(analysis, label)) for label in others) if baseline is not None else (),
        rows=rows if baseline is not None else (),
        tasks=evidence.tasks,
        notes=tuple(_notes(analysis)),
        flags=tuple(_flags(analysis)),
        provenance=tuple(_provenance(analysis, command)),
    )


def _title(analysis: Analysis, others: Sequence[str]) -> str:
    evidence = analysis.evidence
    tasks = evidence.tasks[0] if len(evidence.tasks) == 1 else f"{len(evidence.tasks)} tasks"
    if evidence.question.baseline is None:
        return f"{counted(len(evidence.labels), 'variant')} on {tasks}"
    shown = listed(others) if 0 < len(others) <= 4 else counted(len(others), "variant")
    return f"{shown} against {evidence.question.baseline} on {tasks}"


def _answer(analysis: Analysis, task: str, label: str) -> Answer:
    comparison = analysis.comparisons.get((task, label))
    if comparison is None or comparison.pairs.differences.counts.n_used == 0:
        return Answer("not compared", "", _not_compared(analysis, task, label))
    remark = _TOO_SMALL if comparison.decided and comparison.band.holds(comparison.gain) else ""
    if comparison.verdict == "undecided":
        remark = listed(caveat.kind for caveat in comparison.clouds)
    if not comparison.found and not comparison.decidable:
        remark = "could not be decided"
    return Answer(comparison.verdict, signed(comparison.gain.estimate), remark)


def _not_compared(analysis: Analysis, task: str, label: str) -> str:
    evidence = analysis.evidence
    if (task, label) not in evidence.settings:
        return "no runs"
    if (task, evidence.question.baseline) not in evidence.settings:
        return "no runs of the baseline"
    return "no seed in common"


def _words(analysis: Analysis, label: str) -> str:
    """Return what the tests say of one variant: ``better than lstm on adding; no difference found on digits.``"""
    baseline = analysis.evidence.question.baseline
    by_kind: dict[str, list[str]] = {}
    for task in analysis.evidence.tasks:
        by_kind.setdefault(_answer(analysis, task, label).words, []).append(task)
    clauses = [
        f"{_than(kind, baseline)} on {_of(by_kind[kind], len(analysis.evidence.tasks))}"
        for kind in sorted(by_kind, key=lambda words: (_ORDER.index(re.split("[:,]", words)[0]), words))
    ]
    return f"{'; '.join(clauses)}."


def _than(kind: str, baseline: str | None) -> str:
    word, comma, rest = kind.partition(", ")
    return f"{word} than {baseline}{comma}{rest}" if word in ("better", "worse") else kind


def _of(tasks: Sequence[str], all_tasks: int) -> str:
    if len(tasks) <= 4:
        return listed(tasks)
    return f"all {all_tasks} tasks" if len(tasks) == all_tasks else f"{len(tasks)} of {all_tasks} tasks"


def _notes(analysis: Analysis) -> list[str]:
    evidence, question = analysis.evidence, analysis.evidence.question
    notes = []
    if question.baseline is None:
        notes.append("No baseline was named, so nothing was tested: baseline=LABEL compares the others with one.")
    if analysis.comparisons:
        seeds = sorted({comparison.pairs.n for comparison in analysis.comparisons.values()})
        shown = counted(seeds[0], "paired seed") if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]} paired seeds"
        sizes = "; ".join(f"{counted(family.size, 'comparison')} ({family.name})" for family in analysis.families)
        notes.append(f"{shown}, sign-flip tests, corrected by Holm over {sizes}, two-sided, α = {question.alpha:g}.")
    diverged = sum(not run.finished for run in evidence.runs)
    ended = f"{counted(len(evidence.runs), 'run')}: {len(evidence.runs) - diverged} finished, {diverged} diverged"
    told = {
        "worst": "; a diverged run scores like the worst run of its task, or chance",
        "separate": "; diverged runs are left out of every number but the counts",
    }
    failed = f", {len(evidence.failed)} failed" if evidence.failed else ""
    notes.append(f"{ended}{failed}{told[question.diverged] if diverged else ''}.")
    if evidence.search:
        notes += _choices(analysis)
    return notes


def _choices(analysis: Analysis) -> list[str]:
    """Return how settings were chosen, and at which seeds they are compared."""
    evidence = analysis.evidence
    notes = [
        "The setting of each variant was chosen by its mean validation score, among those with at least half as many"
        " seeds as the one with the most."
    ]
    for task, label in evidence.cells():
        counts = sorted(len({run.result.seed for run in each.runs}) for each in evidence.settings[task, label])
        if counts[0] < counts[-1]:
            notes.append(f"Settings of {label} on {task} have {counts[0]} to {counts[-1]} seeds.")
    for (task, label), comparison in analysis.comparisons.items():
        left_out = evidence.to_compare(task, label, evidence.question.baseline or "").left_out
        if left_out:
            fresh = counted(len(comparison.pairs.seeds), "fresh seed")
            chose = (
                f"{counted(left_out, 'seed')} that took part in choosing {'is' if left_out == 1 else 'are'} left out"
            )
            notes.append(f"{label} on {task} is compared at {fresh}; {chose}.")
    return notes


def _flags(analysis: Analysis) -> list[str]:
    """Return the caveats, then one sentence for each number of seeds that could not have decided anything."""
    undecidable: dict[tuple[int, int], list[PairedComparison]] = {}
    for comparison in analysis.comparisons.values():
        used = comparison.pairs.differences.counts.n_used
        if used and not comparison.found and not comparison.decidable:
            undecidable.setdefault((used, comparison.comparisons), []).append(comparison)
    flags = [caveat.sentence for comparison in analysis.comparisons.values() for caveat in comparison.caveats]
    for (used, size), members in sorted(undecidable.items()):
        alpha = members[0].alpha
        among = f" among {size} comparisons" if size > 1 else ""
        enough = plan_comparison(used, size, alpha=alpha).seeds_to_decide
        flags.append(
            f"{counted(used, 'paired seed')} cannot reach p < {alpha:g}{among}, whatever the runs say: "
            f"“no difference found” says nothing here. At least {enough} seeds are needed."
        )
    return flags


def _provenance(analysis: Analysis, command: str) -> list[tuple[str, str]]:
    evidence, known = analysis.evidence, analysis.evidence.provenance
    words = [f"{run.result.identity} {run.result.status} {run.result.test.score!r}" for run in evidence.runs]
    signature = hashlib.sha256(json.dumps(words).encode()).hexdigest()[:16]
    strip = [("newest run", known.newest or "unknown"), ("runs", f"{len(words)}, signature {signature}")]
    strip.append(("code", _shares(known.commits, len(words), short=12)))
    for package in ("gatelab", "torch"):
        strip.append((package, _shares(known.versions.get(package, {}), len(words))))
    strip += [("device", _shares(known.devices, len(words))), ("made by", command)]
    return strip


def _shares(counts: Mapping[str, int], runs: int, short: int | None = None) -> str:
    if not counts:
        return "unknown"
    shown = {value: _cut(value, short) for value in counts}
    missing = runs - sum(counts.values())
    words = [
        shown[value] if len(counts) == 1 and not missing else f"{shown[value]} ({counted(counts[value], 'run')})"
        for value in sorted(counts, key=lambda value: (-counts[value], value))
    ]
    more = [f"{len(words) - 4} more"] if len(words) > 5 else []
    return listed([*(words[:4] if more else words), *more, *([f"unknown ({missing})"] if missing else [])])


def _cut(value: str, short: int | None) -> str:
    name, space, rest = value.partition(" ")
    return f"{name[:short]}{space}{rest}"
