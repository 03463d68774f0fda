"""The output of a command for a sweep: its plan, and the outcomes of its runs."""

from collections.abc import Sequence

from gatelab.configuration import RunConfiguration
from gatelab.evidence.selection import select
from gatelab.evidence.varied import setting_text
from gatelab.keys import STACKABLE
from gatelab.progress import duration
from gatelab.report import Column, Table, runs_table, variants_table
from gatelab.store import Result, settings
from gatelab.sweeps import Failure, Plan
from gatelab.sweeps.estimate import Estimate, StackKind

__all__ = [
    "cost_line",
    "cost_total",
    "duration",
    "failures_table",
    "of_untried",
    "plan_table",
    "plan_total",
    "result_tables",
]


def result_tables(results: Sequence[Result], *, sweep: bool) -> dict[str, Table]:
    """Return the tables of runs and, of a sweep, of variants."""
    selection = select(results)
    tables = {"runs": runs_table(selection)}
    if sweep:
        tables["variants"] = variants_table(selection)
    return tables


def failures_table(failures: Sequence[Failure]) -> Table:
    """Return a row for each run that could not be trained, with its reason."""
    columns = [
        Column("run", ("identity",)),
        Column("variant", ("label",)),
        Column("task", ("task",)),
        Column("seed", ("seed",), align="right"),
        Column("tried", ("attempts",), align="right"),
        Column("failed because", ("reason",)),
    ]
    names = ("identity", "label", "task", "seed", "attempts", "reason")
    return Table(columns, [{name: getattr(failure, name) for name in names} for failure in failures])


def plan_table(kinds: Sequence[StackKind]) -> Table:
    """Return a row for each kind of stacks to be trained."""
    settings = _settings([kind.runs[0] for kind in kinds])
    columns = [
        Column("stacks", ("stacks",), align="right"),
        Column("variant", ("variant",)),
        Column("task", ("task",)),
        *([Column("settings", ("settings",))] if any(settings) else []),
        Column("runs", ("runs",), align="right"),
        Column("steps", ("steps",), align="right"),
    ]
    rows = [
        {
            "stacks": kind.stacks,
            "variant": kind.runs[0].label,
            "task": kind.runs[0].task.name,
            "settings": told,
            "runs": len(kind.runs),
            "steps": kind.runs[0].training.max_steps,
        }
        for kind, told in zip(kinds, settings, strict=True)
    ]
    return Table(columns, rows)


def _settings(runs: Sequence[RunConfiguration]) -> list[str]:
    """Return the settings in which runs of the same task differ between stacks of different shapes."""
    flat = [settings(run.mapping()) for run in runs]
    spelt: dict[tuple[str, str], set[str]] = {}
    for run, own in zip(runs, flat, strict=True):
        for key, value in own.items():
            spelt.setdefault((run.task.name, key), set()).add(repr(value))
    return [
        setting_text(own, [key for key in own if len(spelt[run.task.name, key]) > 1 and not _in_one_stack(key)])
        for run, own in zip(runs, flat, strict=True)
    ]


def _in_one_stack(key: str) -> bool:
    return key in STACKABLE or key.partition(".")[0] in STACKABLE


def plan_total(work: Plan, slots: int) -> str:
    """Return the plan in one line."""
    runs = sum(len(stack) for stack in work.stacks)
    finished = f"{len(work.finished):,} runs are finished"
    if not runs:
        return f"{finished}, nothing is to be trained"
    at_once = f", {slots} at once" if slots > 1 else ""
    stacks = "1 stack" if len(work.stacks) == 1 else f"{len(work.stacks):,} stacks"
    return f"{finished}, {runs:,} are to be trained in {stacks}{at_once}"


def cost_line(kind: StackKind, told: str, cost: Estimate) -> str:
    """Return the cost of each stack of a kind in one line; ``told`` are the settings that distinguish it."""
    first, runs = kind.runs[0], len(kind.runs)
    times = f"{kind.stacks:,} × " if kind.stacks > 1 else ""
    together = f", {runs} runs together" if runs > 1 else ""
    memory = f"{cost.memory / 2**30:.2f} GB"
    step = f"{1000 * cost.step_seconds:.1f} ms a step"
    name = " ".join(filter(None, [first.label, "on", first.task.name, told]))
    return f"{name}{together}: {step}, {times}{duration(cost.seconds)}, {memory}"


def of_untried(count: int) -> str:
    """Return the note on kinds of stacks that were not tried; nothing if all were."""
    if not count:
        return ""
    several = "1 kind was" if count == 1 else f"{count:,} kinds were"
    return f"; {several} not tried, for that takes too long: as much for their size as the others is supposed"


def cost_total(costs: Sequence[tuple[StackKind, Estimate]], slots: int) -> str:
    """Return the wall time of a whole plan."""
    # stacks are assigned in order, each to the first free worker
    busy = [0.0] * slots
    for kind, cost in costs:
        for _ in range(kind.stacks):
            busy[busy.index(min(busy))] += cost.seconds
    return f"in all about {duration(max(busy))}"
