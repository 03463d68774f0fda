"""The command `store`: the state of a store, damaged runs and claims; frees claims, trains damaged runs again.

What is done with whole stores, named by a first word such as `merge`, is in `store_words.py`.
"""

import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Self

from pydantic import model_validator

from gatelab.cli.arguments import Help, Request, Switch, options_help, requested
from gatelab.cli.store_words import WORDS_HELP, carry_out_word
from gatelab.configuration import RunConfiguration, run_configuration
from gatelab.errors import UserError, one_line
from gatelab.locations import command_line
from gatelab.store import Inventory, Store, inventory, remove_leftovers_of
from gatelab.sweeps.search.journal import check_journal

__all__ = ["store"]

_CHECK = "check"
_LONGEST_COMMAND = 1000  # characters
_LONGEST_NAME = 500  # of a file
_SHOWN = 5  # entries of the cache, which may have hundreds of older versions


class _Request(Request):
    runs: Annotated[str, Help(FOLDER="the store (default {default})")] = "runs/"
    check: Annotated[
        Switch,
        Help(
            true="read every byte: checkpoints, studies and the cache of compiled code too; status 1 if any is damaged "
            "(default {default}: results, configurations, histories and provenance)"
        ),
    ] = False
    free: Annotated[
        str,
        Help(
            IDENTITY="remove the claim on a run, so that it can be trained",
            all="every claim except those of living processes of this machine, and leftover files",
        ),
    ] = ""
    force: Annotated[
        Switch, Help(true="with free=: also the claims of living processes, which then stop writing these runs")
    ] = False
    retrain: Annotated[
        str,
        Help(
            IDENTITY="train a damaged run again, from its frozen configuration",
            damaged="all that are damaged, after reading every byte",
        ),
    ] = ""

    @model_validator(mode="after")
    def _together(self) -> Self:
        if self.force and not self.free:
            raise ValueError("force=true: goes with free=, and has no effect without it")
        if self.free and self.retrain:
            raise ValueError(f"free={self.free} retrain={self.retrain}: one after the other")
        return self


HELP = f"""\
Show the state of a store, and repair it.

    {command_line("store")} runs=runs/
    {command_line("store")} check runs=runs/        the same as check=true

{options_help(_Request)}
{WORDS_HELP}"""


def store(arguments: list[str]) -> int:
    """Run the command (see ``--help``), and return the exit status.

    Returns:
        0; 1 if damage was found or a run could not be trained again; 130 or 143 if a signal has stopped it.

    Raises:
        UserError: an unknown key, a value that is not allowed, an unknown run, a claim that must not be freed.
    """
    if {"--help", "-h"} & set(arguments):
        print(HELP, end="")
        return 0
    if arguments and "=" not in arguments[0] and arguments[0] != _CHECK:
        return carry_out_word(arguments[0], arguments[1:], (_CHECK,))
    if _CHECK in arguments[:1]:
        arguments = [*arguments[1:], "check=true"]
    request = requested(_Request, arguments)
    place = Store(request.runs)
    if request.free:
        _free(place, request.free, force=request.force)
        return 0
    if request.retrain:
        return _retrain(place, request.retrain)
    found = inventory(place, every_byte=request.check)
    print("\n".join(_lines(request.runs, found)))
    problems = list(map(str, found.damaged.values()))
    if request.check:
        problems += _check_studies(place.runs_dir / "studies")
        problems += _check_compiled()
    return int(request.check and bool(problems))


def _lines(runs: str, found: Inventory) -> list[str]:
    def row(name: str, count: int, words: str = "") -> str:
        return f"  {name:<11}{count:>6}  {words}".rstrip()

    old = f"{len(found.unsealed)} of them without a seal, older than seals" if found.unsealed else ""
    lines = [f"{runs}: {found.runs} run{'' if found.runs == 1 else 's'}", row("finished", len(found.finished), old)]
    lines.append(
        row("unfinished", len(found.unfinished), "the command that began them continues them" * bool(found.unfinished))
    )
    lines.append(row("claimed", len(found.claimed)))
    lines += [f"    {identity}  {owner}" for identity, owner in found.claimed.items()]
    lines.append(row("failed", len(found.failed), "failed.json says why" * bool(found.failed)))
    lines += [f"    {identity}" for identity in found.failed]
    lines.append(
        row("damaged", len(found.damaged), f"retrain=damaged trains {_them(found.damaged)} again" * bool(found.damaged))
    )
    lines += [f"    {one}" for one in found.damaged.values()]
    lines.append(
        row("leftovers", len(found.leftovers), f"free=all removes {_them(found.leftovers)}" * bool(found.leftovers))
    )
    lines += [f"    {one_line(path, _LONGEST_NAME)}" for path in found.leftovers]
    return lines


def _them(several: object) -> str:
    return "it" if len(several) == 1 else "them"  # type: ignore[arg-type]


def _check_studies(folder: Path) -> list[str]:
    problems, journals = [], sorted(folder.glob("*.journal"))
    for path in journals:
        try:
            check_journal(path)
        except UserError as error:
            problems.append(str(error))
    whole = len(journals) - len(problems)
    print(f"studies: {whole} whole, {len(problems)} damaged (those in a database are not checked)")
    for problem in problems:
        print(f"    {problem}")
    return problems


def _check_compiled() -> list[str]:
    # it imports torch, which takes seconds
    from gatelab.paths.native.build import cache_directory, check_cache

    folder = cache_directory()
    if folder is None or not folder.is_dir():
        print("compiled code: none")
        return []
    whole, damaged = check_cache(folder)
    words = " (never loaded; compiled again when needed)" if damaged else ""
    print(f"compiled code: {whole} whole, {len(damaged)} damaged or of an older version{words} in {folder}")
    for path, reason in damaged[:_SHOWN]:
        print(f"    {one_line(path, _LONGEST_NAME)}: {one_line(reason)}")
    if len(damaged) > _SHOWN:
        print(f"    and {len(damaged) - _SHOWN} more")
    # it costs only the time to compile
    return []


def _free(place: Store, which: str, *, force: bool) -> None:
    if which != "all":
        owner = place.free(which, force=force)
        print(f"{which}: {'there was no claim' if owner is None else f'was claimed by {owner}'}; it is free")
        return
    found = inventory(place)
    kept = 0
    for identity in found.claimed:
        try:
            print(f"{identity}: was claimed by {place.free(identity, force=force)}; it is free")
        except UserError as error:
            kept += 1
            print(error, file=sys.stderr)
    remove_leftovers_of(found)
    print(f"{len(found.claimed) - kept} claims freed, {kept} kept, {len(found.leftovers)} leftovers removed")


def _retrain(place: Store, which: str) -> int:
    if which == "damaged":
        found = inventory(place, every_byte=True)
        identities = list(found.damaged)
        if not identities:
            print(f"{place.runs_dir}: no run is damaged")
            return 0
    else:
        place.folder(which)
        if place.damage(which) is None and place.finished(which) is not None:
            raise UserError(f"retrain={which}: the run is finished and no file of it is damaged")
        identities = [which]
    runs, lost = _configurations(place, identities)
    for problem in lost:
        print(problem, file=sys.stderr)
    if not runs:
        return 1
    for run in runs:
        place.forget_result(run.identity)
    return max(_trained(runs), int(bool(lost)))


def _configurations(place: Store, identities: Sequence[str]) -> tuple[list[RunConfiguration], list[str]]:
    """Return the configurations of runs, to be trained in this store, and a line for each that cannot be trained."""
    runs, lost = [], []
    for identity in identities:
        try:
            mapping = place.frozen_configuration(identity)
            run = run_configuration({**mapping, "runs_dir": str(place.runs_dir)}, frozen=True)
            if run.identity != identity:
                raise UserError("in this version of gatelab it is another run")
            runs.append(run)
        except UserError as error:
            began = _began(place, identity)
            lost.append(f"run {identity} cannot be trained from its config.yaml: {error}; it was begun by: {began}")
    return runs, lost


def _began(place: Store, identity: str) -> str:
    """Return the command in a run's provenance.json."""
    try:
        words = place.provenance(identity)["command"]
        return one_line(shlex.join(["python", *map(str, words)]), _LONGEST_COMMAND)
    except (UserError, KeyError, TypeError):
        return "an unknown command"


def _trained(runs: Sequence[RunConfiguration]) -> int:
    # imported here: the state of a store does not need it
    from gatelab.cli.outcome import failures_table
    from gatelab.evidence.selection import select
    from gatelab.report import runs_table
    from gatelab.store import Result, Stopped
    from gatelab.sweeps import Failure, Interrupted, execute

    try:
        outcomes = execute([replace(run, progress=False) for run in runs])
    except (Stopped, Interrupted) as stop:
        print(stop, file=sys.stderr)
        return stop.status
    failures = [outcome for outcome in outcomes if isinstance(outcome, Failure)]
    results = [outcome for outcome in outcomes if isinstance(outcome, Result)]
    if results:
        print(runs_table(select(results)).text())
    if failures:
        print(failures_table(failures).text())
    print(f"{len(results)} of {len(runs)} damaged runs trained again")
    return int(bool(failures))
