"""The headline table: every variant on every task at a glance."""

import math
from collections.abc import Mapping

from gatelab.evidence.analysis import Analysis
from gatelab.evidence.failing import failures
from gatelab.evidence.paired_comparison import MAJORITY, PairedComparison
from gatelab.evidence.scores import shown_name
from gatelab.evidence.step_times import step_times
from gatelab.report.drawing.styles import Look
from gatelab.report.sections.parts import Section, Tabular
from gatelab.report.sections.wording import estimate, listed, p_value, rounded, signed_interval, span
from gatelab.report.tables import ABSENT, Column, Table, significant

__all__ = ["headline", "headline_table"]


def headline(analysis: Analysis, looks: dict[str, Look]) -> Section:  # noqa: ARG001 - as every section
    """Return the section."""
    baseline = analysis.evidence.question.baseline
    compared = (
        f" Gain is the median difference to {baseline} at the same seed with its exact interval, with a positive sign"
        " where the variant is better, whichever way the score points; bold where the corrected test finds a difference"
        " and nothing else explains it. P(better) is the probability of being better at the same seed."
        if baseline is not None
        else ""
    )
    caption = (
        "Test scores at the step and setting that validation chose. Brackets are 95 % intervals over seeds: Student's"
        " for means, which do not know of failures too rare for these runs; Wilson's for P(better). A failed run"
        " diverged or ended nearer to chance than to perfect."
        f" IQM is the mean of the middle half.{compared} {_scores(analysis)} {_times(analysis)}"
    )
    blocks = [Tabular("headline", caption, headline_table(analysis))]
    if analysis.comparisons:
        blocks.append(Tabular("tests", _TESTS, tests_table(analysis)))
    return Section("headline", "Results", tuple(blocks))


_TESTS = (
    "The verdict goes by the first p, of typical runs: no pair counts for more than 1.5 times what the middle one does,"
    " and a diverged run is put at the median of the runs of both. Most of the unequal pairs must agree with it, a"
    f" diverged run counted as the question says (as many by chance: at most {100 * MAJORITY:g} %). Beside it the same"
    " pairs tested for means (sign flips) and by Wilcoxon's signed ranks, where a diverged run counts as the question"
    " says; each is corrected by Holm over the same family. Failed runs with the exact 95 % interval of their share."
)


def tests_table(analysis: Analysis) -> Table:
    """Return a row for each comparison: three tests of the same pairs, and failures."""
    columns = [
        Column("task", ("task",)),
        Column("variant", ("variant",)),
        Column("pairs", ("pairs", "unequal"), _pairs, "right"),
        Column("median gain", _ends("typical"), signed_interval, "right"),
        Column("p, typical runs", ("p_holm",), p_value, "right", strong="decided"),
        Column("mean gain", _ends("gain"), signed_interval, "right"),
        Column("p, means", ("p_means",), p_value, "right"),
        Column("p, signed ranks", ("p_ranks",), p_value, "right"),
        Column("failed", ("failed", "failed_low", "failed_high"), _failed, "right"),
        Column("of the baseline", ("baseline_failed", "baseline_failed_low", "baseline_failed_high"), _failed, "right"),
    ]
    rows = [
        {"task": task, "variant": label, **_compared(comparison)}
        for (task, label), comparison in analysis.comparisons.items()
    ]
    return Table(columns, rows)


def _ends(name: str) -> tuple[str, str, str, str]:
    """Return the fields of an estimate with its interval."""
    return name, f"{name}_low", f"{name}_high", f"{name}_degenerate"


def _pairs(pairs: int | None, unequal: int | None) -> str:
    if pairs is None or unequal is None:
        return ABSENT
    return str(pairs) if pairs == unequal else f"{pairs} ({pairs - unequal} equal)"


def _failed(told: str | None, low: float, high: float) -> str:
    return "–" if told is None else f"{told} [{100 * low:.0f}, {100 * high:.0f} %]"


def headline_table(analysis: Analysis) -> Table:
    """Return a row for each task and variant; scores of the chosen setting, time of all runs of the variant."""
    evidence = analysis.evidence
    baseline = evidence.question.baseline
    columns = [
        Column("task", ("task", "score"), lambda task, score: f"{task} {score[-1]}"),
        Column("variant", ("variant",)),
        *([Column("setting", ("setting",), rounded)] if evidence.search else []),
        Column("mean", ("mean", "mean_low", "mean_high", "degenerate"), estimate, "right"),
        Column("median", ("median",), significant, "right"),
        Column("IQM", ("iqm",), significant, "right"),
        Column("runs", ("runs", "diverged"), _runs, "right"),
        Column("failed", ("failures",), align="right"),
    ]
    if baseline is not None:
        gain, better = _ends("typical"), _ends("better")
        columns += [
            Column(f"median gain over {baseline}", gain, signed_interval, "right", strong="decided"),
            Column("p (Holm)", ("p_holm",), p_value, "right"),
            Column("P(better)", better, _probability, "right"),
        ]
    columns += [
        Column("parameters", ("parameters",), align="right"),
        Column("ms / step", ("step_milliseconds",), lambda value: significant(value, 3), "right"),
        Column("time, all runs", ("seconds",), span, "right"),
    ]
    times = {task: step_times(evidence, task).milliseconds for task in evidence.tasks}
    return Table(columns, [_row(analysis, task, label, times[task]) for task, label in evidence.cells()])


def _scores(analysis: Analysis) -> str:
    """Return what the scores are called: ``Scores: accuracy ↑ (digits, chorales); mean squared error ↓ (adding).``"""
    tasks: dict[str, list[str]] = {}
    for task in analysis.evidence.tasks:
        tasks.setdefault(shown_name(analysis.evidence.of_task(task)), []).append(task)
    if len(tasks) == 1:
        return f"Score: {next(iter(tasks))}."
    return f"Scores: {'; '.join(f'{name} ({listed(members)})' for name, members in tasks.items())}."


def _times(analysis: Analysis) -> str:
    """Return of which runs the times of a step are, and where there are none, why."""
    reasons = [step_times(analysis.evidence, task).reason for task in analysis.evidence.tasks]
    alike = "ms / step is of runs trained alike: the same path, stack, threads, machine and batch size."
    return " ".join([alike, *filter(None, reasons)])


def _runs(runs: int, diverged: int) -> str:
    return f"{runs} ({diverged} diverged)" if diverged else str(runs)


def _row(analysis: Analysis, task: str, label: str, times: Mapping[str, float]) -> dict[str, object]:
    standing = analysis.standings[task, label]
    setting, interval = standing.setting, standing.interval
    everything = [run for each in analysis.evidence.settings[task, label] for run in each.runs]
    result = setting.runs[0].result
    row: dict[str, object] = {
        "task": task,
        "score": shown_name(result),
        "variant": label,
        "setting": setting.text,
        "mean": interval.estimate,
        "mean_low": interval.low,
        "mean_high": interval.high,
        "degenerate": interval.degenerate,
        "median": standing.location.median,
        "iqm": standing.location.iqm,
        "runs": standing.sample.counts.n,
        "diverged": standing.sample.counts.n_diverged,
        "failures": failures(setting.results).count,
    }
    if analysis.evidence.question.baseline is not None:
        row |= _compared(analysis.comparisons.get((task, label)))
    return row | {
        "parameters": result.parameters,
        "step_milliseconds": times.get(label),
        "seconds": math.fsum(run.result.seconds for run in everything),
        "runs_searched": len(everything),
    }


def _compared(comparison: PairedComparison | None) -> dict[str, object]:
    """Return the fields of a comparison; None for each where there is none."""
    names = ("p", "p_holm", "p_means", "p_ranks", "family", "verdict", "decided", "pairs", "unequal")
    intervals = ("typical", "gain", "better", "failed", "baseline_failed")
    if comparison is None or not comparison.n:
        ends = (end for name in intervals for end in _ends(name))
        return {**dict.fromkeys((*names, *ends)), "verdict": "not compared"}
    values = (
        comparison.test.p,
        comparison.p,
        comparison.p_means,
        comparison.p_ranks,
        comparison.comparisons,
        comparison.words,
        comparison.decided,
        comparison.n,
        comparison.unequal,
    )
    ours, theirs = comparison.failures
    found: dict[str, object] = dict(zip(names, values, strict=True))
    shown = (comparison.typical, comparison.gain, comparison.better, ours.share, theirs.share)
    for name, interval in zip(intervals, shown, strict=True):
        numbers = (interval.estimate, interval.low, interval.high, interval.degenerate)
        found |= dict(zip(_ends(name), numbers, strict=True))
    return found | {"failed": str(ours), "baseline_failed": str(theirs)}


def _probability(value: float | None, low: float, high: float, degenerate: object) -> str:
    if value is None or math.isnan(value):
        return "–"
    return f"{value:.2f}" if degenerate else f"{value:.2f} [{low:.2f}, {high:.2f}]"
