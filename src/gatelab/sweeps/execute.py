"""Carries out a plan, stack after stack, in this process."""

from collections.abc import Sequence

from gatelab.configuration import RunConfiguration
from gatelab.runs import Result
from gatelab.sweeps.plan import plan
from gatelab.training import train_stack

__all__ = ["execute"]


def execute(configurations: Sequence[RunConfiguration], sweep: str | None = None) -> list[Result]:
    """Train what is missing and return the result of every point, in order.

    Args:
        configurations: the points.
        sweep: the name under which loggers group the runs.
    """
    work = plan(configurations)
    results = dict(work.finished)
    for position, stack in enumerate(work.stacks):
        title = stack[0].label if len(work.stacks) == 1 else f"[{position + 1}/{len(work.stacks)}] {stack[0].label}"
        title += f" on {stack[0].task.name}" + (f" × {len(stack)} runs" if len(stack) > 1 else "")
        for result in train_stack(stack, sweep, title):
            results[result.identity] = result
    return [results[configuration.identity] for configuration in configurations]
