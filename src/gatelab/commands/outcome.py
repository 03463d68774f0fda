"""What a command prints of a sweep: its plan, and what became of its runs."""

from collections.abc import Sequence

from gatelab.reports import Column, Table, runs_table, variants_table
from gatelab.runs import Result
from gatelab.sweeps import Failure, Plan
from gatelab.sweeps.estimate import Estimate

__all__ = ["duration", "failures_table", "plan_table", "plan_total", "result_tables"]


def result_tables(results: Sequence[Result], *, sweep: bool) -> dict[str, Table]:
    """Return the tables of runs and, of a sweep, of variants."""
    tables = {"runs": runs_table(results)}
    if sweep:
        tables["variants"] = variants_table(results)
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


def plan_table(work: Plan, estimates: Sequence[Estimate]) -> Table:
    """Return a row for each stack that is to be trained."""
    columns = [
        Column("stack", ("stack",), align="right"),
        Column("variant", ("variant",)),
        Column("task", ("task",)),
        Column("runs", ("runs",), align="right"),
        Column("steps", ("steps",), align="right"),
        Column("ms a step", ("step_seconds",), lambda seconds: f"{1000 * seconds:.1f}", "right"),
        Column("time", ("seconds",), duration, "right"),
        Column("memory", ("memory",), lambda size: f"{size / 2**30:.2f} GB", "right"),
    ]
    rows = [
        {
            "stack": position,
            "variant": stack[0].label,
            "task": stack[0].task.name,
            "runs": len(stack),
            "steps": stack[0].training.max_steps,
            "step_seconds": estimate.step_seconds,
            "seconds": estimate.seconds,
            "memory": estimate.memory,
        }
        for position, (stack, estimate) in enumerate(zip(work.stacks, estimates, strict=True), start=1)
    ]
    return Table(columns, rows)


def plan_total(work: Plan, estimates: Sequence[Estimate], slots: int) -> str:
    """Return the plan in one line."""
    runs = sum(len(stack) for stack in work.stacks)
    finished = f"{len(work.finished)} runs are finished"
    if not runs:
        return f"{finished}, nothing is to be trained"
    # stacks are handed out as they come, each to who is free first
    busy = [0.0] * slots
    for estimate in estimates:
        busy[busy.index(min(busy))] += estimate.seconds
    at_once = f", {slots} stacks at once" if slots > 1 else ""
    return f"{finished}, {runs} are to be trained in {len(work.stacks)} stacks{at_once}: about {duration(max(busy))}"


def duration(seconds: float) -> str:
    """Return a time as a person says it: ``40 s``, ``12 min``, ``3.5 h``."""
    if seconds < 100:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
