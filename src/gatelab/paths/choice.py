"""Which path runs a call: asked for by name or chosen, and why."""

import logging
from dataclasses import dataclass

from gatelab import paths
from gatelab.compiler import Program
from gatelab.errors import UserError
from gatelab.paths.call import Call, Outputs
from gatelab.paths.path import Path, UnableError
from gatelab.paths.tensors import check_kinds

__all__ = ["Choice", "carried_out", "choose", "run", "say_once"]

_FASTEST = "the fastest that can run"
_log = logging.getLogger(__name__)
_said: set[str] = set()  # reasons that the log has: each is said once
_unable: dict[tuple[str, Program], str] = {}  # what a path has found while it ran: not tried again


@dataclass(frozen=True)
class Choice:
    """The path that runs, and why, for the record of a run."""

    path: str
    reason: str


def choose(name: str, call: Call) -> Choice:
    """Return the path that runs a call.

    Raises:
        UserError: an unknown path, or one asked for that cannot run.
    """
    path, reason = _chosen(name, call)
    manner = path.manner(call)
    return Choice(path.name, f"{reason}; {manner}" if manner else reason)


def run(name: str, call: Call) -> Outputs:
    """Run a call on the path asked for, or, for ``auto``, on the first of :data:`gatelab.paths.PATHS` that can.

    Raises:
        UserError: as :func:`carried_out`.
    """
    return carried_out(name, call)[1]


def carried_out(name: str, call: Call) -> tuple[Path, Outputs]:
    """Run a call as :func:`run` does, and return the path that ran it too.

    If that is not the most preferred one, the log says so, once for each reason.

    Raises:
        UserError: as :func:`choose`; also when a path that was asked for finds that it cannot run after all; tensors
            that do not belong together.
    """
    if not call.plain:
        check_kinds(call.inputs, call.states, call.weights)
    while True:
        path, reason = _chosen(name, call)
        if name == "auto" and reason != _FASTEST:
            say_once(Choice(path.name, reason))
        try:
            return path, path.run(call)
        except UnableError as error:
            if name != "auto":
                raise
            _unable[path.name, call.program] = str(error)


def say_once(choice: Choice) -> None:
    """Say on the log that ``auto`` takes another than the most preferred path, once for each reason."""
    if choice.reason not in _said:
        _said.add(choice.reason)
        _log.warning("path=auto takes the %s: %s", choice.path, choice.reason)


def _chosen(name: str, call: Call) -> tuple[Path, str]:
    path = paths.path_named(name)
    if path is not None:
        if reason := _refusal(path, call):
            raise UserError(f"path={name} cannot run: {reason}")
        return path, "asked for"
    refused: list[str] = []
    for path in paths.PATHS:
        if not path.pays(call):
            continue
        reason = _refusal(path, call)
        if reason is None and path.unproven is None:
            return path, "; ".join(refused) or _FASTEST
        if reason is None:
            refused.append(f"{path.name} must be asked for, path={path.name}: {path.unproven}")
        else:
            refused.append(f"{path.name} cannot run: {reason}")
    raise AssertionError("the last path refuses nothing")


def _refusal(path: Path, call: Call) -> str | None:
    found = _unable.get((path.name, call.program)) if _unable else None
    return found or path.refusal(call)
