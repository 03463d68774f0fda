"""The headline table: every variant on every task at a glance."""

import math

from gatelab.evidence.analysis import Analysis, PairedComparison
from gatelab.evidence.scores import shown_name
from gatelab.report.drawing.styles import Look
from gatelab.report.sections.parts import Section, Tabular
from gatelab.report.sections.wording import estimate, listed, p_value, rounded, signed_interval, span
from gatelab.report.tables import Column, Table, significant
from gatelab.statistics import locate

__all__ = ["headline", "headline_table"]


def headline(analysis: Analysis, looks: dict[str, Look]) -> Section:  # noqa: ARG001 - as every section
    """Return the section."""
    baseline = analysis.evidence.question.baseline
    compared = (
        f" Gain is the mean difference to {baseline} at the same seed, with a positive sign where the variant is"
        f" better,"
        " whichever way the score points; bold where the corrected test finds a difference. P(better) is the"
        " probability of being better at the same seed."
        if baseline is not None
        else ""
    )
    caption = (
        "Test scores at the step and setting that validation chose. Brackets are 95 % intervals over seeds, Student's"
        " for"
        " means and bootstrapped for P(better), where they are too narrow below ten pairs. "
        f"IQM is the mean of the middle half.{compared} {_scores(analysis)}"
    )
    return Section("headline", "Results", (Tabular("headline", caption, headline_table(analysis)),))


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
    ]
    if baseline is not None:
        gain = ("gain", "gain_low", "gain_high", "gain_degenerate")
        better = ("better", "better_low", "better_high", "better_degenerate")
        columns += [
            Column(f"gain over {baseline}", gain, signed_interval, "right", strong="decided"),
            Column("p (Holm)", ("p_holm",), p_value, "right"),
            Column("P(better)", better, _probability, "right"),
        ]
    columns += [
        Column("parameters", ("parameters",), align="right"),
        Column("ms / step", ("step_milliseconds",), lambda value: significant(value, 3), "right"),
        Column("time, all runs", ("seconds",), span, "right"),
    ]
    return Table(columns, [_row(analysis, task, label) for task, label in evidence.cells()])


def _scores(analysis: Analysis) -> str:
    """Return what the scores are called: ``Scores: accuracy ↑ (digits, chorales); mean squared error ↓ (adding).``"""
    tasks: dict[str, list[str]] = {}
    for task in analysis.evidence.tasks:
        tasks.setdefault(shown_name(analysis.evidence.of_task(task)), []).append(task)
    if len(tasks) == 1:
        return f"Score: {next(iter(tasks))}."
    return f"Scores: {'; '.join(f'{name} ({listed(members)})' for name, members in tasks.items())}."


def _runs(runs: int, diverged: int) -> str:
    return f"{runs} ({diverged} diverged)" if diverged else str(runs)


def _row(analysis: Analysis, task: str, label: str) -> dict[str, object]:
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
    }
    if analysis.evidence.question.baseline is not None:
        row |= _compared(analysis.comparisons.get((task, label)))
    steps = [1000 * run.result.seconds / run.result.steps for run in everything if run.result.steps]
    return row | {
        "parameters": result.parameters,
        "step_milliseconds": locate(steps).mean,
        "seconds": math.fsum(run.result.seconds for run in everything),
        "runs_searched": len(everything),
    }


def _compared(comparison: PairedComparison | None) -> dict[str, object]:
    names = ("gain", "gain_low", "gain_high", "gain_degenerate", "pairs", "p", "p_holm", "family", "decided")
    if comparison is None:
        nothing = dict.fromkeys((*names, "better", "better_low", "better_high", "better_degenerate"))
        return nothing
    gain, better = comparison.gain, comparison.better
    values = (
        gain.estimate,
        gain.low,
        gain.high,
        gain.degenerate,
        comparison.pairs.differences.counts.n_used,
        comparison.test.p,
        comparison.p,
        comparison.comparisons,
        comparison.decided,
    )
    better_interval: dict[str, object] = {
        "better": better.estimate,
        "better_low": better.low,
        "better_high": better.high,
        "better_degenerate": better.degenerate,
    }
    return {**dict(zip(names, values, strict=True)), **better_interval}


def _probability(value: float | None, low: float, high: float, degenerate: object) -> str:
    if value is None or math.isnan(value):
        return "–"
    return f"{value:.2f}" if degenerate else f"{value:.2f} [{low:.2f}, {high:.2f}]"
