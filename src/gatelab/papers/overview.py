"""All experiments on one page, from the results in their folders: the papers' numbers beside ours, and the verdicts."""

import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from gatelab.disk import because, write_atomically
from gatelab.errors import UserError
from gatelab.locations import experiments_directory
from gatelab.papers.claims import PaperClaim
from gatelab.papers.comparison import evidence_words, our_number, plain_number
from gatelab.papers.folder import CORRECTED, Experiment, experiment_names, load_experiment
from gatelab.papers.results_folder import Stored, said_of, stored_results
from gatelab.papers.verdicts import Word
from gatelab.report import Column, Table

__all__ = ["overview_page", "overview_table", "write_overview"]

_HEAD = """\
# What became of the claims

Each experiment with the results of its largest profile that was measured: how many of its claims they reproduce
([what the words mean](../docs/papers.md)), the papers' numbers beside ours, and the verdicts. `write=true` of
`scripts/reproduce.py` writes this page from the results in the folders; nothing in it is written by hand. A corrected
protocol stands beside the first one, whose verdicts stay.
"""

_CORRECTED = " (corrected)"


def overview_table() -> Table:
    """Return a row for each experiment: its profiles, and what the largest measured one says to its claims.

    Raises UserError if a file of the results is missing.
    """
    columns = [
        Column("experiment", ("name",)),
        Column("profiles", ("profiles",), ", ".join),
        Column("measured", ("measured",), lambda profile: profile or "–"),
        Column("runs", ("runs",), _number, "right"),
        Column("core-hours", ("core_hours",), lambda hours: "–" if hours is None else f"{hours:.2f}", "right"),
        *(Column(word, (word,), _number, "right") for word in get_args(Word)),
    ]
    rows = []
    for experiment, found in _shown():
        counted = Counter(word for _, word in _verdicts(experiment, found)) if found else None
        row = {
            "name": experiment.name,
            "profiles": experiment.profiles,
            "measured": found.profile if found else None,
            "runs": found.about["runs"] if found else None,
            "core_hours": found.about["core_hours"] if found else None,
            **{word: counted[word] if counted is not None else None for word in get_args(Word)},
        }
        rows.append(row)
    return Table(columns, rows)


def overview_page() -> str:
    """Return the overview with the numbers and the claims of each experiment, as Markdown."""
    parts = [_HEAD, overview_table().markdown()]
    for experiment, found in _shown():
        if found is None:
            continue
        folder = f"{experiment.name}/results/{found.profile}"
        parts.append(f"## {experiment.name}{_CORRECTED if found.profile == CORRECTED else ''}\n")
        parts.append(
            f"[Protocol, cost and deviations]({experiment.name}/README.md) · profile {found.profile}, measured"
            f" {found.about['date']}: [tables and figures]({folder}/comparison.md)\n"
        )
        parts += [f"{line}\n" for line in said_of(found.profile)]
        numbers = _numbers(found)
        parts += [numbers.markdown()] if numbers.rows else []
        parts.append(_claims(experiment, found).markdown())
    return "\n".join(parts)


def write_overview() -> Path:
    """Write the page as experiments/README.md and return where it lies. Raises UserError if it cannot be written."""
    path = experiments_directory() / "README.md"
    try:
        write_atomically(path, overview_page().encode("utf-8"))
    except OSError as error:
        raise UserError(f"write=true: {path} cannot be written: {because(error)}") from error
    return path


def _shown() -> Iterator[tuple[Experiment, Stored | None]]:
    """Yield each experiment with its largest measured results, and again with those of a corrected protocol."""
    for experiment in map(load_experiment, experiment_names()):
        stored = {profile: stored_results(experiment, profile) for profile in experiment.profiles}
        yield experiment, next((each for name, each in stored.items() if each and name != CORRECTED), None)
        if corrected := stored.get(CORRECTED):
            yield experiment, corrected


def _numbers(found: Stored) -> Table:
    """Return the numbers that can be compared."""
    columns = [
        Column("number", ("says",)),
        Column("unit", ("unit",)),
        Column("published", ("published",), plain_number, "right"),
        Column("evidence", ("evidence",), evidence_words),
        Column("ours", ("ours", "low", "high"), our_number, "right"),
    ]
    rows = [
        {**row, **{key: float(row[key]) for key in ("published", "ours", "low", "high")}}
        for row in found.numbers
        if not math.isnan(float(row["ours"]))
    ]
    return Table(columns, rows)


def _claims(experiment: Experiment, found: Stored) -> Table:
    columns = [
        Column("claim", ("claim",)),
        Column("evidence", ("evidence",), evidence_words),
        Column("verdict", ("verdict",), strong="strong"),
    ]
    rows = [
        {"claim": claim.says, "evidence": claim.evidence, "verdict": word, "strong": True}
        for claim, word in _verdicts(experiment, found)
    ]
    return Table(columns, rows)


def _verdicts(experiment: Experiment, found: Stored) -> list[tuple[PaperClaim, str]]:
    """Return the claims with their verdicts; one that was added since the results were written has none."""
    claims = experiment.claims.claims
    return [(claim, found.verdicts[claim.says]) for claim in claims if claim.says in found.verdicts]


def _number(count: int | None) -> str:
    return "–" if count is None else str(count)
