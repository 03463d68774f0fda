"""Reproduce a paper's ablation: train the missing runs, and print the paper's numbers beside ours."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from gatelab.cli.arguments import Help, Request, Switch, options_help, requested, whole
from gatelab.errors import UserError
from gatelab.evidence.damage import damage_lines
from gatelab.locations import command_line, experiments_directory, in_checkout
from gatelab.papers import (
    Experiment,
    compare_with_paper,
    experiments_named,
    grid,
    overview_table,
    read_trials,
    said_of,
    stored_results,
    write_overview,
    write_results,
)
from gatelab.store import Store

__all__ = ["reproduce"]


class _Request(Request):
    experiment: Annotated[str, Help(NAME="an experiment, all those of a paper, or all; without it they are listed")] = (
        ""
    )
    profile: Annotated[
        str,
        Help(
            paper="the published protocol (default)",
            quick="a small version in minutes; some have others, see the list",
        ),
    ] = "paper"
    runs: Annotated[str, Help(FOLDER="the store (default {default}); its runs are not trained again")] = "runs/"
    train: Annotated[Switch, Help(false="train nothing, compare existing runs (default {default})")] = True
    plan: Annotated[Switch, Help(true="only print the plan and its cost (default {default})")] = False
    workers: Annotated[int | None, whole(1), Help(NUMBER="processes that train (default as in a sweep)")] = None
    write: Annotated[Switch, Help(true="write the results into the experiment's folder (default {default})")] = False
    check: Annotated[
        Switch,
        Help(true="end with status 1 if a verdict differs from the results in the folder (default {default})"),
    ] = False

    def notes(self) -> Iterator[str]:
        """Yield a line for each option that has no effect with the others."""
        if self.plan:
            for name in ("write", "check"):
                if getattr(self, name):
                    yield f"{name}=true has no effect: plan=true compares nothing"
        elif not self.train and self.workers:
            yield f"workers={self.workers} has no effect: train=false trains nothing"


HELP = f"""\
Reproduce a paper: train the missing runs, and print the paper's numbers and claims beside our results.

    {command_line("reproduce")} experiment=weiss_2018 profile=quick

{options_help(_Request)}"""


def reproduce(arguments: list[str]) -> int:
    """Run the command (see ``--help``), and return the exit status.

    Returns:
        0; 1 if a run failed or, with ``check=true``, a verdict has changed; 130 or 143 if a signal has stopped it.

    Raises:
        UserError: an unknown key, experiment or profile, a value that is not allowed, a damaged file of an experiment.
    """
    if {"--help", "-h"} & set(arguments):
        print(HELP, end="")
        return 0
    request = requested(_Request, arguments)
    if not request.experiment:
        print(overview_table().text(), end="")
        return 0
    experiments = experiments_named(request.experiment)
    if request.write and not in_checkout():
        home = experiments_directory()
        raise UserError(f"write=true: needs a checkout of the repository; these experiments are installed in {home}")
    for note in request.notes():
        print(f"note: {note}", file=sys.stderr)
    # errors in the last folder are shown before the first one trains for hours
    for experiment in experiments:
        experiment.option(request.profile)
        _ = experiment.claims, experiment.published
    worst = 0
    for experiment in experiments:
        status = _reproduce(experiment, request)
        if status > 1:
            return status
        worst = max(worst, status)
    return worst


def _reproduce(experiment: Experiment, request: _Request) -> int:
    option = experiment.option(request.profile)
    planned = grid(option)
    # the points of a search are unknown beforehand: all runs of its own folder belong to it
    runs_dir = Path(request.runs) if planned is not None else Path(request.runs) / option.replace("/", "_")
    print(f"{experiment.name}, profile {request.profile}")
    status = 0
    if request.train or request.plan:
        status = _train(option, runs_dir, request)
        if status > 1 or request.plan:
            return status
    store = Store(runs_dir)
    identities = None if planned is None else [run.identity for run in planned]
    trials = read_trials(store, identities, experiment.claims.solved)
    comparison = compare_with_paper(experiment, trials)
    for line in said_of(request.profile):
        print(line)
    tables = [table.text() for table in (comparison.numbers, comparison.claims) if table.rows]
    print("\n".join(tables))
    wanted = len(set(identities or ()))
    if len(trials.trials) < wanted:
        print(f"{wanted - len(trials.trials)} of {wanted} runs are missing")
    for line in damage_lines(str(runs_dir), store.damaged.values()):
        print(line)
    if request.write:
        for path in write_results(experiment, request.profile, store, trials, comparison):
            print(f"written: {path}")
        print(f"written: {write_overview()}")
    if request.check:
        stored = stored_results(experiment, request.profile)
        if stored is None:
            raise UserError(f"check=true: {experiment.name} has no results of profile={request.profile}")
        changed = [
            f"changed: {says}: {stored.verdicts.get(says, 'no verdict')} before, now {verdict.word}"
            for says, verdict in comparison.verdicts
            if stored.verdicts.get(says) != verdict.word
        ]
        print("\n".join(changed) or "every verdict agrees with the results in the folder")
        status = max(status, bool(changed))
    return status


def _train(option: str, runs_dir: Path, request: _Request) -> int:
    # imported here: comparing existing runs does not need it
    from gatelab.cli.train import train

    words = ["-m", f"+experiment={option}", f"runs_dir={runs_dir}", "logger=none"]
    words += [f"hydra.launcher.workers={request.workers}"] if request.workers else []
    words += ["plan_only=true"] if request.plan else []
    return train(words)
