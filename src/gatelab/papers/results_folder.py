"""results/<profile>/ of an experiment: what was measured, written only when asked, and read again."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, Field

from gatelab.disk import because, sync_folder, write_atomically
from gatelab.errors import UserError
from gatelab.evidence.collected import Evidence, read_evidence
from gatelab.evidence.question import Question
from gatelab.evidence.selection import Selection, select
from gatelab.locations import command_line
from gatelab.papers.checks.tested import Test
from gatelab.papers.comparison import PaperComparison
from gatelab.papers.folder import CORRECTED, PAPER, Experiment, shown_file
from gatelab.papers.rank_table import ranks_section
from gatelab.papers.trials import Trials
from gatelab.reading import read_rows, read_yaml
from gatelab.report import runs_table, variants_table
from gatelab.report.report import build_report
from gatelab.report.tables import csv_text, from_csv
from gatelab.store import Result, Store
from gatelab.validation import check

__all__ = ["Stored", "said_of", "stored_results", "write_results"]

_NUMBERS, _VERDICTS, _ABOUT = "numbers.csv", "verdicts.csv", "about.yaml"
_SHOWN = ("runs-", "curves-", "best-tenth-", "marginal-")

SCALED_DOWN = (
    "This is not the protocol as published: numbers are compared only where settings agree, and a verdict speaks of "
    "the smaller question."
)
"""What is said of every profile but the paper's."""

_CORRECTED = (
    "A correction of the profile `paper`: the protocol as the sources point to it. What differs stands in the README, "
    "beside the verdict of before."
)


def said_of(profile: str) -> list[str]:
    """Return what is said of a profile that is not the paper's: nothing, or one line."""
    return [] if profile == PAPER else [_CORRECTED if profile == CORRECTED else SCALED_DOWN]


def write_results(
    experiment: Experiment, profile: str, store: Store, trials: Trials, comparison: PaperComparison
) -> list[Path]:
    """Write runs.csv, comparison.md, numbers.csv, verdicts.csv, about.yaml and figures/; return where they lie.

    Raises UserError if the folder cannot be written, or if there is no run.
    """
    results = [trial.result for trial in trials.trials]
    if not results:
        raise UserError(f"write=true: no finished run of {experiment.name}, profile={profile}; nothing was measured")
    folder = experiment.folder / "results" / profile
    selection = select(results)
    evidence = _evidence(experiment, store, results)
    figures = _figures(evidence)
    contents = {
        "runs.csv": runs_table(selection).csv(),
        _NUMBERS: comparison.numbers.csv(),
        _VERDICTS: _verdicts_csv(comparison),
        "comparison.md": _page(experiment, profile, comparison, selection, evidence, sorted(figures)),
        _ABOUT: yaml.safe_dump(_about(profile, store, results), sort_keys=False, allow_unicode=True, width=120),
    }
    written = {name: text.encode("utf-8") for name, text in contents.items()} | figures
    try:
        (folder / "figures").mkdir(parents=True, exist_ok=True)
        for old in (folder / "figures").glob("*.svg"):
            if f"figures/{old.name}" not in figures:
                old.unlink()
        for name, content in written.items():
            write_atomically(folder / name, content, names=False)
        for place in (folder, folder / "figures"):
            sync_folder(place)
    except OSError as error:
        raise UserError(f"write=true: {folder} cannot be written: {because(error)}") from error
    return [folder / name for name in written]


def _evidence(experiment: Experiment, store: Store, results: Sequence[Result]) -> Evidence:
    """Return what the runs say to the question of the claims."""
    checks = [claim.check for claim in experiment.claims.claims if claim.check is not None]
    # what claims tell apart stands apart, of one variant too
    named = dict.fromkeys(key for check in checks for group in check.groups for key in group.where)
    known = {key for result in results for key in result.settings}
    apart = tuple(key for key in named if key in known and not key.startswith("task."))
    # whoever the claims compare most variants with
    labels = {result.label for result in select(results, Question(apart=apart)).results}
    baselines = Counter(check.than for check in checks if isinstance(check, Test) and check.than in labels)
    baseline = next((label for label, _ in baselines.most_common(1)), None)
    question = Question(baseline=baseline, apart=apart)
    return read_evidence(store, question, results)


def _figures(evidence: Evidence) -> dict[str, bytes]:
    """Return the figures of the comparison page of these runs that a paper would show: path -> SVG."""
    report = build_report(evidence, command_line("reproduce"))
    return {
        name: content
        for name, content in report.files.items()
        if name.endswith(".svg") and name.removeprefix("figures/").startswith(_SHOWN) and "-seconds" not in name
    }


@dataclass(frozen=True, slots=True)
class Stored:
    """The results in an experiment's folder, of one profile."""

    profile: str
    about: Mapping[str, Any]
    """Of about.yaml."""
    numbers: Sequence[Mapping[str, str]]
    """The rows of numbers.csv."""
    verdicts: Mapping[str, str]
    """Claim -> word."""


def stored_results(experiment: Experiment, profile: str) -> Stored | None:
    """Return the results of a profile, or None if there are none. Raises UserError if a file is missing or damaged."""
    folder = experiment.folder / "results" / profile
    if not folder.is_dir():
        return None
    verdicts = read_rows(folder / _VERDICTS, shown_file(folder / _VERDICTS), columns=["claim", "verdict"])
    about, where = read_yaml(folder / _ABOUT, shown_file(folder / _ABOUT), dumped=True), shown_file(folder / _NUMBERS)
    check(_About, about, shown_file(folder / _ABOUT))
    numbers = read_rows(folder / _NUMBERS, where)
    for place, row in enumerate(numbers, 1):
        check(_Number, row, f"{where}, row {place}")
    return Stored(
        profile,
        about=about,
        numbers=[{key: from_csv(cell) for key, cell in row.items()} for row in numbers],
        verdicts={from_csv(row["claim"]): row.get("verdict", "") for row in verdicts},
    )


class _About(BaseModel):
    """What is read of about.yaml."""

    date: str = Field(pattern=r"^[\d-]*$")
    runs: int
    core_hours: float


class _Number(BaseModel):
    """What is read of a row of numbers.csv."""

    says: str
    unit: str
    published: float
    evidence: Literal["V", "S", "M"]
    ours: float
    low: float
    high: float


def _verdicts_csv(comparison: PaperComparison) -> str:
    rows = ([says, verdict.word, verdict.why] for says, verdict in comparison.verdicts)
    return csv_text(["claim", "verdict", "because"], rows)


def _page(
    experiment: Experiment,
    profile: str,
    comparison: PaperComparison,
    selection: Selection,
    evidence: Evidence,
    figures: Sequence[str],
) -> str:
    scaled = said_of(profile)
    ranks = ranks_section(evidence)
    parts = [
        f"# {experiment.name}, profile {profile}",
        *scaled,
        *([f"## Numbers\n\n{comparison.numbers.markdown()}"] if comparison.numbers.rows else []),
        f"## Claims\n\n{comparison.claims.markdown()}",
        *([f"## Ranks\n\n{ranks}"] if ranks else []),
        f"## Our runs\n\n{variants_table(selection).markdown()}",
        "## Figures",
        *(f"![{Path(name).stem}]({name})" for name in figures),
    ]
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def _about(profile: str, store: Store, results: Sequence[Result]) -> dict[str, object]:
    """Say when, where and from which code the runs come; several values where they differ."""
    origins = [store.provenance(result.identity) for result in results]
    commits = {_commit(origin) for origin in origins}
    return {
        "profile": profile,
        "date": max(str(origin.get("date", "")) for origin in origins)[:10],
        "commit": sorted(commits),
        "machine": sorted({_machine(origin) for origin in origins}),
        "device": sorted({str(origin.get("device")) for origin in origins}),
        "versions": origins[0].get("versions", {}),
        "runs": len(results),
        "diverged": sum(result.status == "diverged" for result in results),
        "core_hours": round(sum(result.seconds for result in results) / 3600, 4),
    }


def _machine(origin: dict[str, object]) -> str:
    """Return system, architecture and cores; which kernel it was changes no number."""
    words = str(origin.get("platform", "unknown"))
    architecture = next((name for name in ("x86_64", "aarch64", "arm64", "AMD64") if name in words), "")
    return f"{words.partition('-')[0]} {architecture}".strip() + f", {origin.get('cpu_count')} cores"


def _commit(origin: dict[str, object]) -> str:
    git = origin.get("git")
    if not isinstance(git, dict) or not git.get("commit"):
        return "unknown"
    return f"{git['commit']}{' with changes' if git.get('dirty') else ''}"
