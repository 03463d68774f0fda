"""Where the runs of a stack resume: the checkpoints that can be used, and which runs can share a fit."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gatelab.disk import because
from gatelab.errors import one_line
from gatelab.probes.records import parsed
from gatelab.reading import open_regular
from gatelab.store import Record
from gatelab.training.checkpoint import RunState, best_bytes, read_state
from gatelab.training.loggers.loggers import RunLoggers

__all__ = ["ResumedGroup", "begin", "groups", "replay", "states"]

_START = (0, False)  # the position of a new run


@dataclass
class ResumedGroup:
    """Runs of a stack that are trained by one fit.

    Attributes:
        members: their positions in the stack.
        states: the checkpoint of each; None for one that starts from the beginning.
    """

    members: list[int]
    states: list[RunState | None]


def states(record: Record, shapes: Mapping[str, tuple[int, ...]]) -> list[RunState]:
    """Return the usable checkpoints of a run, the latest first; prints a line on stderr for a damaged one.

    Args:
        record: of the run.
        shapes: parameter name -> shape, of its network.
    """
    found = []
    for name in ("last.pt", "previous.pt"):
        path = record.checkpoint_path(name)
        try:
            with open_regular(path) as file:
                state = read_state(file.readall(), shapes)
            if not record.holds(state.history):
                raise ValueError("metrics.jsonl does not begin with the history of this checkpoint")
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            reason = because(error) if isinstance(error, OSError) else error
            print(f"warning: {path}: damaged checkpoint, not used: {one_line(reason, 200)}", file=sys.stderr)
            continue
        state.file = name
        found.append(state)
    return sorted(found, key=lambda state: state.position, reverse=True)


def groups(available: Sequence[Sequence[RunState]]) -> list[ResumedGroup]:
    """Sort the runs of a stack into groups that can resume together.

    A process that dies while it writes the checkpoints of a stack leaves some runs one checkpoint behind the others;
    the others resume from their previous one, so that the stack stays together. Runs that no longer learn fit into any
    group.

    Args:
        available: the checkpoints of each run, the latest first.
    """
    ended = {run: choices[0] for run, choices in enumerate(available) if choices and not choices[0].progress.active}
    remaining: dict[int, dict[tuple[int, bool], RunState | None]] = {
        run: {state.position: state for state in reversed(choices) if state.progress.active} or {_START: None}
        for run, choices in enumerate(available)
        if run not in ended
    }
    chosen: list[dict[int, RunState | None]] = []
    while remaining:
        furthest = min(max(choices) for choices in remaining.values())
        chosen.append({run: choices.pop(furthest) for run, choices in remaining.items() if furthest in choices})
        remaining = {run: choices for run, choices in remaining.items() if run not in chosen[-1]}
    if not chosen:
        chosen.append({})
    largest = max(chosen, key=len)
    largest |= ended
    return [ResumedGroup(sorted(group), [group[run] for run in sorted(group)]) for group in chosen if group]


def begin(record: Record, state: RunState | None) -> None:
    """Reset the folder of a run to its checkpoint: later content will be written again."""
    if state is None:
        record.restart()
        return
    if state.file != "last.pt":
        # damaged, or ahead of the rest of the stack: moved aside, it would overwrite the good one
        record.checkpoint_path("last.pt").unlink(missing_ok=True)
    record.rewind(state.history)
    if state.progress.best_step is None:
        record.checkpoint_path("best.pt").unlink(missing_ok=True)
    else:
        record.write_checkpoint("best.pt", best_bytes(state.progress), durable=False)


def replay(loggers: RunLoggers, history: Sequence[Mapping[str, Any]]) -> None:
    """Log the history of a resumed run again, because its loggers start from the beginning."""
    rows: dict[int, dict[str, float]] = {}
    for row in history:
        numbers = rows.setdefault(row["step"], {})
        for name, value in row.items():
            if name not in ("step", "split"):
                numbers[f"{row['split']}/{name}" if parsed(name) is None else name] = value
    for step, numbers in rows.items():
        loggers.log(step, numbers)
