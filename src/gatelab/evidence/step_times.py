"""The time of a step, compared among runs that were trained alike and left out where there are none."""

from collections.abc import Mapping
from dataclasses import dataclass

from gatelab.evidence.collected import EndedRun, Evidence
from gatelab.evidence.origins import Conditions
from gatelab.statistics import summarise

__all__ = ["StepTimes", "step_times"]


@dataclass(frozen=True, slots=True)
class StepTimes:
    """Of one task."""

    milliseconds: Mapping[str, float]
    """Label -> mean over its runs at the reported setting that were trained like those of the others; may be empty."""
    reason: str
    """Why there are none; empty if there are."""


def step_times(evidence: Evidence, task: str) -> StepTimes:
    """Return the time of a step of each variant, over runs of the same path, stack, threads, machine and batch size."""
    groups = {
        label: _by_conditions(evidence, [run for run in evidence.chosen(task, label).runs if run.result.steps])
        for label in evidence.labels
        if (task, label) in evidence.settings
    }
    groups = {label: group for label, group in groups.items() if group}
    common = set.intersection(*(set(group) for group in groups.values())) if groups else set()
    if not common:
        return StepTimes({}, _reason(task, groups) if groups else f"no run of {task} has taken a step")
    # that of which every variant has the most runs
    alike = max(sorted(common), key=lambda each: min(len(group[each]) for group in groups.values()))
    times = {
        label: summarise([1000 * run.result.seconds / run.result.steps for run in group[alike]]).mean
        for label, group in groups.items()
    }
    return StepTimes(times, "")


def _by_conditions(evidence: Evidence, runs: list[EndedRun]) -> dict[Conditions, list[EndedRun]]:
    groups: dict[Conditions, list[EndedRun]] = {}
    for run in runs:
        groups.setdefault(evidence.conditions.get(run.result.identity, ()), []).append(run)
    return groups


def _reason(task: str, groups: Mapping[str, Mapping[Conditions, list[EndedRun]]]) -> str:
    """Say in what the runs of the variants differ, by the conditions of which they have none in common."""
    values = {
        label: {name: {dict(each).get(name, "") for each in group} for name, _ in next(iter(group))}
        for label, group in groups.items()
    }
    names = list(next(iter(values.values())))
    apart = [name for name in names if not set.intersection(*(known[name] for known in values.values()))] or names
    told = []
    for name in apart:
        each = [f"{' or '.join(sorted(known[name]))} ({label})" for label, known in values.items()]
        told.append(f"{name} {', '.join(each)}")
    return f"The variants were not trained alike on {task}, so that times of a step do not compare: {'; '.join(told)}."
