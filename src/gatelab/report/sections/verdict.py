"""The answer in words, from the corrected tests and nothing else, and where the numbers come from."""

import hashlib
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gatelab.evidence.analysis import Analysis
from gatelab.evidence.failing import Failures
from gatelab.evidence.paired_comparison import PairedComparison
from gatelab.evidence.several_questions import several_questions
from gatelab.report.sections.answers import KINDS, Answer, answer_of
from gatelab.report.sections.wording import counted, listed
from gatelab.statistics import exact_share

__all__ = ["Head", "verdict"]


@dataclass(frozen=True, slots=True)
class Head:
    """The head of the page."""

    title: str
    answers: tuple[tuple[str, str], ...]
    """Label and what the tests say of it, in words."""
    rows: tuple[tuple[str, tuple[Answer, ...]], ...]
    """Label and its answers, one for each task; empty without a baseline."""
    tasks: tuple[str, ...]
    tested: tuple[str, ...]
    """What was tested, and what that leaves open."""
    notes: tuple[str, ...]
    flags: tuple[str, ...]
    provenance: tuple[tuple[str, str], ...]

    @property
    def summary(self) -> tuple[str, ...]:
        """The answer in words, what stands in its way, and what was tested: what a terminal shows."""
        return (*(f"{label}: {words}" for label, words in self.answers), *self.flags, *self.tested)


def verdict(analysis: Analysis, command: str) -> Head:
    """Return the head of the page; ``command`` is what made it."""
    evidence = analysis.evidence
    baseline = evidence.question.baseline
    others = [label for label in evidence.labels if label != baseline]
    rows = tuple((label, tuple(answer_of(analysis, task, label) for task in evidence.tasks)) for label in others)
    return Head(
        title=_title(analysis, others),
        answers=tuple((label, _words(analysis, label)) for label in others) if baseline is not None else (),
        rows=rows if baseline is not None else (),
        tasks=evidence.tasks,
        tested=tuple(_tested(analysis)),
        notes=tuple(_notes(analysis)),
        flags=tuple(_flags(analysis, command)),
        provenance=tuple(_provenance(analysis, command)),
    )


def _title(analysis: Analysis, others: Sequence[str]) -> str:
    evidence = analysis.evidence
    tasks = evidence.tasks[0] if len(evidence.tasks) == 1 else f"{len(evidence.tasks)} tasks"
    if evidence.question.baseline is None:
        return f"{counted(len(evidence.labels), 'variant')} on {tasks}"
    shown = listed(others) if 0 < len(others) <= 4 else counted(len(others), "variant")
    return f"{shown} against {evidence.question.baseline} on {tasks}"


def _words(analysis: Analysis, label: str) -> str:
    """Return what the tests say of one variant: ``better than lstm in typical runs on adding; …``, with failures."""
    baseline = analysis.evidence.question.baseline or ""
    tasks = analysis.evidence.tasks
    by_kind: dict[tuple[int, str], list[str]] = {}
    for task in tasks:
        answer = answer_of(analysis, task, label)
        by_kind.setdefault((KINDS.index(answer.kind), answer.than(baseline)), []).append(task)
    clauses = [
        f"{words} on {_of(members, len(tasks))}{_failed(analysis, label, members)}"
        for (_, words), members in sorted(by_kind.items())
    ]
    return f"{'; '.join(clauses)}."


def _failed(analysis: Analysis, label: str, tasks: Sequence[str]) -> str:
    """Return the failures of a variant and of the baseline on some tasks; nothing if none is out of the way."""
    known = [analysis.comparisons[task, label] for task in tasks if (task, label) in analysis.comparisons]
    if not any(comparison.tells_failures for comparison in known):
        return ""
    ours, theirs = ([comparison.failures[side] for comparison in known] for side in (0, 1))
    return f" (failed runs: {_together(ours)}, of {analysis.evidence.question.baseline} {_together(theirs)})"


def _together(accounts: Sequence[Failures]) -> str:
    return f"{sum(each.count for each in accounts)} of {sum(each.runs for each in accounts)}"


def _of(tasks: Sequence[str], all_tasks: int) -> str:
    if len(tasks) <= 4:
        return listed(tasks)
    return f"all {all_tasks} tasks" if len(tasks) == all_tasks else f"{len(tasks)} of {all_tasks} tasks"


def _tested(analysis: Analysis) -> list[str]:
    tested = [comparison for comparison in analysis.comparisons.values() if comparison.n]
    if not tested:
        return []
    seeds = sorted({comparison.n for comparison in tested})
    shown = counted(seeds[0], "paired seed") if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]} paired seeds"
    sizes = "; ".join(f"{counted(family.size, 'comparison')} ({family.name})" for family in analysis.families)
    alpha = analysis.evidence.question.alpha
    apart = len(analysis.families)
    by_task = (
        f" Tasks are corrected each by itself: by chance alone, some verdict is wrong on up to"
        f" {100 * (1 - (1 - alpha) ** apart):.0f} % of such pages."
        if apart > 1
        else ""
    )
    return [
        f"{shown}, sign flips of bounded differences, corrected by Holm over {sizes}, two-sided, α = {alpha:g}."
        f"{by_task}",
        "Tested was that a variant changes nothing, so that each difference could as well have the opposite sign."
        " Better and worse speak of typical runs, by the median difference, and not of means: a failure too rare for"
        " these runs would change a mean.",
        _failures(analysis, tested),
    ]


def _failures(analysis: Analysis, tested: Sequence[PairedComparison]) -> str:
    """Return how many runs failed, and what so many runs cannot exclude."""
    baseline = analysis.evidence.question.baseline
    told = {str(baseline): {comparison.task: comparison.failures[1] for comparison in tested}}
    for comparison in tested:
        told.setdefault(comparison.label, {})[comparison.task] = comparison.failures[0]
    accounts = {label: list(of_task.values()) for label, of_task in told.items()}
    bad = [f"{label} {_together(each)}" for label, each in accounts.items() if any(one.count for one in each)]
    none_bad = "None of the runs that are compared failed"
    words = f"Failed (diverged, or nearer to chance than to perfect): {listed(bad)} runs" if bad else none_bad
    blind = sorted({each.task for each in tested if not math.isfinite(analysis.evidence.of_task(each.task).chance)})
    if blind:
        words += f"; on {listed(blind)} only runs that diverged count as failed, for chance is not known"
    fewest = min(one.runs for each in accounts.values() for one in each)
    limit = 100 * exact_share(0, fewest).high
    none = f"{counted(fewest, 'run')} without a failure"
    return f"{words}. {none} cannot exclude that up to {limit:.0f} % of runs fail (95 %); no verdict speaks of those."


def _notes(analysis: Analysis) -> list[str]:
    evidence, question = analysis.evidence, analysis.evidence.question
    notes = []
    if question.baseline is None:
        notes.append("No baseline was named, so nothing was tested: baseline=LABEL compares the others with one.")
    diverged = sum(not run.finished for run in evidence.runs)
    ended = f"{counted(len(evidence.runs), 'run')}: {len(evidence.runs) - diverged} finished, {diverged} diverged"
    told = {
        "worst": "; a diverged run scores like the worst run of the two that are compared, or chance",
        "separate": "; diverged runs are left out of every number but the counts",
    }
    lost = Counter(failure.label for failure in evidence.failed)
    whose = listed(f"{count} of {label}" for label, count in sorted(lost.items()))
    failed = f", {len(evidence.failed)} could not be trained ({whose})" if lost else ""
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
    seeds: dict[tuple[str, int, int], list[str]] = {}
    for task, label in evidence.cells():
        counts = sorted(len({run.result.seed for run in each.runs}) for each in evidence.settings[task, label])
        if counts[0] < counts[-1]:
            seeds.setdefault((task, counts[0], counts[-1]), []).append(label)
    notes += [
        f"Settings of {listed(labels)} on {task} have {fewest} to {most} seeds."
        for (task, fewest, most), labels in seeds.items()
    ]
    for (task, label), comparison in analysis.comparisons.items():
        left_out = evidence.to_compare(task, label, evidence.question.baseline or "").left_out
        if left_out:
            fresh = counted(len(comparison.pairs.seeds), "fresh seed")
            chose = (
                f"{counted(left_out, 'seed')} that took part in choosing {'is' if left_out == 1 else 'are'} left out"
            )
            notes.append(f"{label} on {task} is compared at {fresh}; {chose}.")
    return notes


def _flags(analysis: Analysis, command: str) -> list[str]:
    """Return questions, versions, caveats, and a sentence for each number of pairs that could decide nothing."""
    undecidable: dict[tuple[int, int, int], list[PairedComparison]] = {}
    for comparison in analysis.comparisons.values():
        if comparison.too_few:
            key = (comparison.n, comparison.unequal, comparison.comparisons)
            undecidable.setdefault(key, []).append(comparison)
    selection = analysis.evidence.selection
    # where no filter helps, a caveat says the same of each comparison
    lines = [each.line(command) for each in several_questions(selection) if each.common or not analysis.comparisons]
    flags = [f"{line[0].upper()}{line[1:]}." for line in lines]
    flags += [f"{line}." for line in selection.versions]
    flags += [caveat.sentence for comparison in analysis.comparisons.values() for caveat in comparison.caveats]
    return [*flags, *(_too_few(analysis, members) for _, members in sorted(undecidable.items()))]


def _too_few(analysis: Analysis, members: Sequence[PairedComparison]) -> str:
    first = members[0]
    tasks = len(analysis.evidence.tasks)
    names = [f"{each.label} on {each.task}" if tasks > 1 else each.label for each in members]
    whose = listed(names) if len(names) <= 4 else counted(len(names), "comparison")
    if not first.unequal:
        return f"{whose}: {_all_equal(first.n)}, so that nothing can be told from them."
    ties = first.n - first.unequal
    of_these = f", of which {ties} {'is' if ties == 1 else 'are'} equal," if ties else ""
    among = (
        f" among {counted(first.comparisons, 'comparison')}, the others as they are" if first.comparisons > 1 else ""
    )
    reach = max(each.attainable for each in members)
    share = " at this share of ties" if ties else ""
    # later steps of Holm's are milder, so that fewer may do
    anyhow = ", whatever the others are" if first.comparisons > 1 else ""
    enough = f"From {first.seeds_to_decide} seeds on{share} it can be reached{anyhow}."
    return (
        f"{whose}: undecided, which is not equal. {counted(first.n, 'paired seed')}{of_these} cannot reach"
        f" p < {first.alpha:g}{among}: the smallest p possible is {reach:.2g}. {enough}"
    )


def _all_equal(pairs: int) -> str:
    return "the only pair is equal" if pairs == 1 else f"all {pairs} pairs are equal"


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
