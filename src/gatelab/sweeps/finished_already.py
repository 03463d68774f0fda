"""What is said of runs that the store has already: not trained again, and what was asked for in vain."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from gatelab.configuration import RunConfiguration
from gatelab.errors import UserError, one_line
from gatelab.store import Store

__all__ = ["of_finished"]

_LOOKED_AT = 200  # finished runs whose configuration is read: of ten thousand it would take seconds


def of_finished(points: Sequence[RunConfiguration], pending: Collection[str]) -> Iterator[str]:
    """Yield a line if there are finished runs, with what was asked of them that training alone would do.

    A run is what its science says; how it is computed and where it is logged is settled when it is trained.

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
        return  # what is missing is trained, and that is all there is to say
    if not several:
        line = f"run {finished[0].identity} is finished: nothing was trained"
    elif pending:
        line = f"{len(finished)} of {len(runs)} runs are finished and were not trained again"
    else:
        line = f"all {len(runs)} runs are finished: nothing was trained"
    if counts:
        few = f" of the first {_LOOKED_AT}" if len(finished) > _LOOKED_AT else ""
        each = [f"{text} ({count}{few} runs)" if several else text for text, count in counts.items()]
        line += f", and nothing was done for {', '.join(each)}; another runs_dir trains anew"
    yield line


def _in_vain(run: RunConfiguration) -> Iterator[str]:
    """Yield what was asked of a finished run and is not as it was trained."""
    store = Store(run.runs_dir)
    try:
        stored, result = store.configuration(run.identity), store.finished(run.identity)
    except UserError:  # damage is told by who reads the run
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
