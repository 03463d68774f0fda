"""Compare stored runs: tables of variants and of runs, printed and written to a folder."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gatelab.commands.arguments import keyed
from gatelab.errors import UserError, suggest
from gatelab.reports import Table, runs_table, variants_table
from gatelab.runs import Result, Store, write_atomically

__all__ = ["compare"]

HELP = """\
Compare stored runs.

    python scripts/compare.py runs=runs/ baseline=lstm out=report/ task=adding,copy

    runs=FOLDER       where the runs lie (default runs/)
    baseline=LABEL    the variant that the others are compared with, seed by seed (default none)
    task=NAME,...     only these tasks (default all)
    out=FOLDER        where table.md, table.csv and runs.csv are written (default report/); out= writes nothing
"""


@dataclass(frozen=True, slots=True)
class _Request:
    runs: str = "runs/"
    baseline: str = ""
    out: str = "report/"
    task: str = ""


def compare(arguments: list[str]) -> int:
    """Print the table of runs and the table of variants, write both, and return the exit status 0.

    ``arguments`` are ``key=value`` strings, as ``--help`` explains. Raises UserError for an unknown key, task or
    baseline, and for a folder without finished runs.
    """
    if {"--help", "-h"} & set(arguments):
        print(HELP, end="")
        return 0
    request = _Request(**keyed(arguments, _Request.__dataclass_fields__))
    store = Store(request.runs)
    results = _of_tasks(store.results(), request)
    _check_baseline(results, request.baseline)
    runs, variants = runs_table(results), variants_table(results, request.baseline or None)
    notes = _notes(results, store)
    print(f"{runs.text()}\n{variants.text()}")
    for note in notes:
        print(note)
    if request.out:
        for path in _write(Path(request.out), runs, variants, notes):
            print(f"written: {path}")
    return 0


def _of_tasks(results: list[Result], request: _Request) -> list[Result]:
    if not results:
        raise UserError(f"no finished runs in {request.runs}")
    known = {result.task for result in results}
    wanted = request.task.split(",") if request.task else sorted(known)
    for task in wanted:
        if task not in known:
            raise UserError(f"no runs of task '{task}'{suggest(task, known)}; {request.runs} has {_listed(known)}")
    return [result for result in results if result.task in wanted]


def _check_baseline(results: Sequence[Result], baseline: str) -> None:
    known = {result.label for result in results}
    if baseline and baseline not in known:
        raise UserError(f"unknown baseline '{baseline}'{suggest(baseline, known)}; known are {_listed(known)}")


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names))


def _notes(results: Sequence[Result], store: Store) -> list[str]:
    """Return what the tables alone would hide."""
    finished = sum(result.status == "finished" for result in results)
    notes = [
        f"{len(results)} runs: {finished} finished, {len(results) - finished} diverged (without a score to average)"
    ]
    unfinished = store.unfinished()
    if unfinished:
        notes.append(f"begun and not ended, so in no table: {len(unfinished)} (of any task)")
    return notes


def _write(folder: Path, runs: Table, variants: Table, notes: Sequence[str]) -> list[Path]:
    listed = "".join(f"- {note}\n" for note in notes)
    document = f"# Variants\n\n{variants.markdown()}\n{listed}\n# Runs\n\n{runs.markdown()}"
    texts = {"table.md": document, "table.csv": variants.csv(), "runs.csv": runs.csv()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            write_atomically(folder / name, text.encode("utf-8"))
    except OSError as error:
        raise UserError(f"out={folder}: the tables cannot be written: {error.strerror}") from error
    return [folder / name for name in texts]
