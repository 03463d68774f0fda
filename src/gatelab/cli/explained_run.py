"""What the gates of stored runs do, as a page: every diagnostic, of trained networks and of their untrained twins."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gatelab.api.run import Run, load_run
from gatelab.api.runs import runs
from gatelab.cli.explained_page import SEQUENCES, Preface, Subject, chosen_focus, write_page
from gatelab.errors import UserError
from gatelab.reading import parse_yaml
from gatelab.report.tables import significant
from gatelab.tasks import Batch
from gatelab.tasks.checking import same

__all__ = ["chosen_runs", "explained_runs"]

MOST = 4
"""Runs on one page."""
_NAMED = ("variant", "label", "task", "status")


def chosen_runs(names: Sequence[str], folder: str, query: Mapping[str, str]) -> list[Run]:
    """Return runs by their identities or folders, or the only one that fits a query.

    Args:
        names: each 16 hex digits, looked for in ``folder``, or the path of a run's folder; none for a query.
        folder: the store.
        query: variant, label, task, seed, status, or a dotted key of the configuration -> value.

    Raises:
        UserError: there is none, or there are several; a run that is named twice, or too many.
    """
    if names:
        if query:
            raise UserError(f"{next(iter(query))}=: run= names one run already; remove one of them")
        if len(names) > MOST:
            raise UserError(f"run= names {len(names)} runs; at most {MOST} stand side by side")
        named = [load_run(name if Path(name).is_dir() else Path(folder) / name) for name in names]
        for place, run in enumerate(named):
            if any(other.folder.samefile(run.folder) for other in named[:place]):
                raise UserError(f"run= names {run.identity} twice")
        return named
    asked: dict[str, Any] = {key: value for key, value in query.items() if key in _NAMED}
    settings = {key: parse_yaml(value, key) for key, value in query.items() if key not in asked}
    if "seed" in settings:
        asked["seed"] = settings.pop("seed")
    return [runs(folder).one(settings, **asked)]


def explained_runs(chosen: Sequence[Run], out: Path, layer: str = "", direction: str = "", gate: str = "") -> None:
    """Write the page of runs.

    Args:
        chosen: the runs; several stand side by side, on the same data.
        out: the file.
        layer, direction, gate: the names of what is looked at; "" for the first layer, forward, and the gate that
            retains.

    Raises:
        UserError: a run without a checkpoint, or a damaged one; runs of other data; a place that a network does not
            have; a file that cannot be written.
    """
    batch = _same_batch(chosen)
    some, names = batch.select(slice(0, SEQUENCES)), _names(chosen)
    subjects: dict[str, list[Subject]] = {"best": [], "initial": []}
    for run, name in zip(chosen, names, strict=True):
        for weights, those in subjects.items():
            network = run.network(weights)  # type: ignore[arg-type]
            focus = chosen_focus(network.rnn, layer, direction, gate)
            those.append(Subject(_column(name if len(chosen) > 1 else "", weights), network, some, run.task, focus))
    trained = subjects["best"]
    steps, sequences = batch.inputs.shape[:2]
    words = Preface(
        f"{' and '.join(names)} on {chosen[0].task.name}" + (f", seed {chosen[0].seed}" if len(chosen) == 1 else ""),
        [_facts(run, subject, name) for run, subject, name in zip(chosen, trained, names, strict=True)],
        f"Looked at are the first {some.inputs.shape[1]} of {sequences} validation sequences, {steps} steps long, and "
        f"{trained[0].focus.words}. "
        "Trained is the network with the best validation score; untrained is the same network before its first step. "
        "A random network shows structure too, so read every drawing beside its twin.",
        columns=2 if len(chosen) in (1, 4) else len(chosen),
        histories={name: run.history() for run, name in zip(chosen, names, strict=True)},
    )
    write_page(words, [*trained, *subjects["initial"]], out)


def _column(name: str, weights: str) -> str:
    untrained = weights == "initial"
    if not name:
        return "untrained" if untrained else "trained"
    return f"{name}, untrained" if untrained else name


def _same_batch(chosen: Sequence[Run]) -> Batch:
    """Return the validation data of runs, which must be the same."""
    first, batch = chosen[0], chosen[0].task.validation()
    for run in chosen[1:]:
        other = run.task.validation()
        if not same(batch, other):
            raise UserError(f"run=: {first.identity} and {run.identity} have other data: {_difference(first, run)}")
    return batch


def _difference(first: Run, second: Run) -> str:
    """Say in which key of the task two runs differ."""
    ours, theirs = first.configuration["task"], second.configuration["task"]
    key = next((key for key in {**ours, **theirs} if ours.get(key) != theirs.get(key)), "path")
    return f"task.{key} is {ours.get(key)} and {theirs.get(key)}; side by side they need the same"


def _names(chosen: Sequence[Run]) -> list[str]:
    """Return what runs are called: as little as tells them apart."""
    for names in ([run.label for run in chosen], [f"{run.label}, seed {run.seed}" for run in chosen]):
        if len(set(names)) == len(names):
            return names
    return [f"{run.label} {run.identity[:8]}" for run in chosen]


def _facts(run: Run, subject: Subject, name: str) -> dict[str, str]:
    facts = {
        "run": run.identity,
        "status": run.status,
        "units": str(subject.rnn.hidden_size),
        "layers": str(subject.rnn.num_layers),
    }
    if run.status in ("finished", "diverged"):
        facts[f"validation {run.result.score_name}"] = significant(run.result.validation.score)
    return {"variant": name, **facts}
