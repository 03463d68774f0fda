"""Compare stored runs: tables printed, and a report written: a page, its tables and its figures."""

import sys
from dataclasses import dataclass
from pathlib import Path

from gatelab.cli.arguments import keyed
from gatelab.disk import check_place
from gatelab.errors import UserError, one_line, suggest
from gatelab.evidence.collected import Evidence, read_evidence
from gatelab.evidence.damage import damage_lines
from gatelab.evidence.filters import Filters, filters_of, read_results
from gatelab.evidence.question import Question, asked
from gatelab.evidence.selection import Selection, select
from gatelab.evidence.several_questions import several_questions
from gatelab.locations import command_line
from gatelab.report import Table, runs_table, variants_table
from gatelab.store import Store
from gatelab.uncollected import set_aside, uncollected

__all__ = ["compare"]

_LONGEST_LINE = 1000  # characters of a note, which may quote a store

HELP = f"""\
Compare stored runs.

    {command_line("compare")} runs=runs/ baseline=lstm out=report/ task=adding,copying

    runs=FOLDER       the store (default runs/)
    baseline=LABEL    the variant that the others are compared with, seed by seed (default none: nothing is tested)
    task=NAME,...     only these tasks (default all)
    variant=LABEL,... only these variants (default all)
    where=KEY=VALUE   only runs with these settings, such as where=training.max_steps=1000; may be given again
    since=DATE        only runs that ended at this date or later: 2026-11-29, or 2026-11-29T08:30 (UTC)
    sweep=WORDS       only runs trained by a command that contains these words
    by=task,KEY,...   compare separately for each value of these keys, such as model.hidden_size, and of the task
                      (default task); other varied keys count as a search: the best value for each variant is reported
    apart=KEY,...     settings that distinguish variants: with opening.name one is called 'lstm opening=chrono', and can
                      be the baseline (default none)
    select=validation selects the best setting; nothing else is allowed
    small=SHARE       gains below this share of the way from chance to perfect are too small to matter (default 0.01)
    diverged=worst    a diverged run gets the score of the worst run of the two compared, or chance (default)
             separate diverged runs are only counted
    family=page       which tests are corrected together: all of the page (default)
           task       those of each task
    out=FOLDER        the folder of the report (default report/): index.html, which needs no other file,
                      table.md, table.tex, table.csv, runs.csv, and every table and figure; out= writes nothing
    wandb=PROJECT     or ENTITY/PROJECT: log the table and the page there too (default none)
"""


_MOST_ROWS = 200  # of the table of runs, on the terminal


@dataclass(frozen=True, slots=True)
class _Request:
    runs: str = "runs/"
    baseline: str = ""
    out: str = "report/"
    task: str = ""
    by: str = "task"
    apart: str = ""
    select: str = "validation"
    small: str = "0.01"
    diverged: str = "worst"
    family: str = "page"
    variant: str = ""
    where: tuple[str, ...] = ()
    since: str = ""
    sweep: str = ""
    wandb: str = ""

    def question(self) -> Question:
        """Return the question, checked.

        Raises:
            UserError: a value that is not allowed.
        """
        if self.select == "test":
            raise UserError(
                "select=test: refused, for a setting chosen by the scores that are then reported looks better than it"
                " is; "
                "allowed is validation"
            )
        if self.select != "validation":
            raise UserError(f"select={self.select}: must be validation{suggest(self.select, ['validation'])}")
        if self.wandb and not self.out:
            raise UserError(f"wandb={self.wandb}: what goes there is what is written; out= must name a folder")
        apart = self.apart.split(",") if self.apart else ()
        return asked(self.baseline, self.by.split(","), apart, self.small, self.diverged, self.family)

    def command(self) -> str:
        """Return the command of the same question, without the places of its output."""
        standard = _Request()
        names = [name for name in self.__dataclass_fields__ if name not in ("out", "wandb")]
        given = [name for name in names if getattr(self, name) != getattr(standard, name)]
        values = {name: getattr(self, name) for name in given}
        words = [
            f"{name}={value}" for name, one in values.items() for value in (one if isinstance(one, tuple) else [one])
        ]
        return command_line("compare", *words)

    def filters(self) -> Filters:
        """Return which runs are wanted, checked.

        Raises:
            UserError: a filter that is not of its form.
        """
        return filters_of(self.task, self.variant, self.where, self.since, self.sweep)


def compare(arguments: list[str]) -> int:
    """Print the table of runs and the table of variants, write the report, and return the exit status 0.

    ``arguments`` are ``key=value`` strings, as ``--help`` explains. Raises UserError for an unknown key, task or
    baseline, for a value that is not allowed, and for a folder without finished runs.
    """
    if {"--help", "-h"} & set(arguments):
        print(HELP, end="")
        return 0
    request = _request(arguments)
    question, filters = request.question(), request.filters()
    if request.family != "page" and not request.baseline:
        print(f"note: family={request.family} has no effect: without baseline= nothing is tested", file=sys.stderr)
    if request.out:  # before the report, which takes seconds
        check_place(Path(request.out), f"out={request.out}")
    store = Store(request.runs)
    # of a hundred thousand runs nothing is garbage
    with store.indexed(), uncollected():
        try:
            results = read_results(store, filters)
        except UserError:
            for line in damage_lines(request.runs, store.damaged.values()):
                print(line, file=sys.stderr)
            raise
        evidence = read_evidence(store, question, results) if request.out else None
        selection = evidence.selection if evidence is not None else select(results, question)
    with set_aside():
        _show(request, store, selection, evidence)
    return 0


def _show(request: _Request, store: Store, selection: Selection, evidence: Evidence | None) -> None:
    for line in [*(each.line(request.command()) for each in several_questions(selection)), *selection.versions]:
        print(one_line(line, _LONGEST_LINE))
    runs, variants = runs_table(selection), variants_table(selection)
    print(runs.first(_MOST_ROWS).text())
    if len(runs.rows) > _MOST_ROWS:
        where = f"; {Path(request.out) / 'runs.csv'} has all" if request.out else ""
        print(f"the first {_MOST_ROWS:,} of {len(runs.rows):,} runs{where}\n")
    print(variants.text())
    for note in _notes(selection, store):
        print(one_line(note, _LONGEST_LINE))
    if evidence is not None:
        _write(request, evidence, runs)


def _request(arguments: list[str]) -> _Request:
    # the one key that may stand there more than once
    where = tuple(word.removeprefix("where=") for word in arguments if word.startswith("where="))
    others = [word for word in arguments if not word.startswith("where=")]
    return _Request(**keyed(others, _Request.__dataclass_fields__), where=where)


_DIVERGED = {
    "worst": "each scores like the worst run of the two compared, or chance",
    "separate": "in no number but the counts",
}


def _notes(selection: Selection, store: Store) -> list[str]:
    """Return the facts that the tables do not show."""
    runs = len(selection.results)
    finished = sum(result.status == "finished" for result in selection.results)
    meaning = f" ({_DIVERGED[selection.question.diverged]})" if finished < runs else ""
    notes = [f"{runs} runs: {finished} finished, {runs - finished} diverged{meaning}"]
    unfinished = store.unfinished()
    if unfinished:
        notes.append(f"begun and not ended, so in no table: {len(unfinished)} (of any task)")
    return [*notes, *damage_lines(str(store.runs_dir), store.damaged.values())]


def _write(request: _Request, evidence: Evidence, runs: Table) -> None:
    # imported here: matplotlib and optuna take seconds, and tables do not need them
    from gatelab.report.report import build_report, write_report

    report = build_report(evidence, request.command(), runs)
    if report.tests is not None:
        print(report.tests.text())
    folder = Path(request.out)
    write_report(report, folder)
    for name in report.files:
        if "/" not in name:
            print(f"written: {folder / name}")
    print(f"written: {folder / 'tables'} and {folder / 'figures'}, each in every format\n")
    # what one came for, where the eye is
    for line in report.summary:
        print(one_line(line, _LONGEST_LINE))
    print(f"the page, for a browser: {(folder / 'index.html').resolve()}")
    if request.wandb:
        from gatelab.cli.wandb_report import log_report

        log_report(folder, request.wandb, Path(request.runs))
