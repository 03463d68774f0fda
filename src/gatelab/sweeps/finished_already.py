"""Notes on runs that the store already has: they are not trained again, and some requested settings have no effect."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from gatelab.configuration import RunConfiguration
from gatelab.errors import UserError, one_line
from gatelab.store import Store

__all__ = ["of_finished"]

_LOOKED_AT = 200  # finished runs whose configuration is read: ten thousand would take seconds


def of_finished(points: Sequence[RunConfiguration], pending: Collection[str]) -> Iterator[str]:
    """Yield a line if there are finished runs, with the requested settings that only training would apply.

    Only scientific keys define a run; how it was computed and where it was logged is fixed when it is trained.

    Args:
        points: of a sweep, or a single run.
        pending: identities of those without a result.
    """
    runs = {run.identity: run for run in points}
    finished = [run for identity, run in runs.items() if identity not in pending]
    if not finished:
        return
    counts: dict[str, int] = {}
    for run in finished[:_LOOKED_AT]:
        for text in _in_vain(run):
            counts[text] = counts.get(text, 0) + 1
    several = len(runs) > 1
    if several and pending and not counts:
        return  # the missing runs are trained; there is nothing else to report
    if not several:
        line = f"run {finished[0].identity} is finished: nothing was trained"
    elif pending:
        line = f"{len(finished)} of {len(runs)} runs are finished and were not trained again"
    else:
        line = f"all {len(runs)} runs are finished: nothing was trained"
    if counts:
        few = f" of the first {_LOOKED_AT}" if len(finished) > _LOOKED_AT else ""
        each = [f"{text} ({count}{few} runs)" if several else text for text, count in counts.items()]
        line += f", and nothing was done for {', '.join(each)}; another runs_dir trains again"
    yield line


def _in_vain(run: RunConfiguration) -> Iterator[str]:
    """Yield the requested settings of a finished run that differ from those with which it was trained."""
    store = Store(run.runs_dir)
    try:
        stored, result = store.configuration(run.identity), store.finished(run.identity)
    except UserError:  # reading the run reports the damage
        return
    asked = run.mapping()
    if run.path != "auto" and result is not None and run.path != result.path:
        yield f"path={run.path} (it took {result.path})"
    if run.device != "auto" and run.device != stored.get("device"):
        yield f"device={run.device}"
    if run.threads != stored.get("threads"):
        yield f"threads={run.threads}"
    if asked["stack"] != stored.get("stack"):
        yield f"stack.size={run.stack.size}"
    yield from _loggers(asked["logger"], stored.get("logger") or {})


def _loggers(asked: Mapping[str, Any], stored: Mapping[str, Any]) -> Iterator[str]:
    for kind, options in asked.items():
        if options is None or options.get("mode") == "disabled":
            continue
        before = stored.get(kind)
        if before is None:
            yield f"logger={kind}"
        else:
            for name, value in options.items():
                if value != before.get(name):
                    yield f"logger.{kind}.{name}={one_line(value)}"
