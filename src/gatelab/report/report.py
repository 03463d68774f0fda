"""The whole report of a comparison: one page, its tables in three formats, its figures in two."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from gatelab.disk import because, sync_folder, write_atomically
from gatelab.errors import UserError
from gatelab.evidence.analysis import Analysis, analyse
from gatelab.evidence.collected import Evidence
from gatelab.report.drawing.styles import Look, looks
from gatelab.report.html.render import render
from gatelab.report.runs_table import runs_table
from gatelab.report.sections.across import across
from gatelab.report.sections.budget_curves import budget
from gatelab.report.sections.every_run import dots
from gatelab.report.sections.everything_else import leftovers
from gatelab.report.sections.fairness import fairness
from gatelab.report.sections.forest import forest
from gatelab.report.sections.headline import headline
from gatelab.report.sections.hyperparameters import hyperparameters
from gatelab.report.sections.ladder import ladder
from gatelab.report.sections.learning_curves import curves
from gatelab.report.sections.mechanism import mechanism
from gatelab.report.sections.methods import methods
from gatelab.report.sections.parts import Absent, Block, Figures, Section, Tabular
from gatelab.report.sections.power_note import power
from gatelab.report.sections.verdict import verdict
from gatelab.report.tables import Table, markdown_text

__all__ = ["SECTIONS", "Report", "build_report", "write_report"]


_MOST_ROWS = 500  # of a table that is read; 20,000 make a page of 20 MB


@dataclass(frozen=True, slots=True)
class Report:
    """A report, before it is written."""

    files: dict[str, bytes]
    """Path below its folder -> content."""
    summary: tuple[str, ...]
    """The answer in words, a line for each variant, what stands in its way, and what was tested."""
    tests: Table | None
    """Of each comparison: gains, three tests of the same pairs, failures. None where nothing is compared."""


SECTIONS: tuple[Callable[[Analysis, dict[str, Look]], Section | Absent], ...] = (
    headline,
    forest,
    dots,
    curves,
    budget,
    across,
    hyperparameters,
    ladder,
    mechanism,
    fairness,
    power,
)
"""The sections in the order of the page; ``leftovers`` and ``methods``, which are about the others, come after them."""


def build_report(evidence: Evidence, command: str, runs: Table | None = None) -> Report:
    """Return the report; the same evidence gives the same bytes.

    Args:
        evidence: what a store says.
        command: what made the report, for the page.
        runs: the table of runs, if the caller has it already.
    """
    runs = runs or runs_table(evidence.selection)
    analysis = analyse(evidence)
    appearance = dict(looks(evidence.labels))
    parts = [section(analysis, appearance) for section in SECTIONS]
    sections = [part for part in parts if isinstance(part, Section)]
    sections.append(leftovers(analysis, [part for part in parts if isinstance(part, Absent)], runs))
    sections.append(methods(analysis, sections))
    head = verdict(analysis, command)
    whole = list(_tables(sections))
    sections = [_readable(section) for section in sections]
    page = render(head, sections, appearance, evidence)
    summary = head.summary
    tables = list(_tables(sections))
    first = next(block for block in tables if block.name == "headline")
    # the table of runs is there twice, and may have a row for each of a hundred thousand
    texts = {id(table): table.csv() for table in [runs, *(block.table for block in whole)]}
    contents = {
        "index.html": page,
        "table.md": _markdown(head.title, [*summary, *head.notes], tables),
        "table.tex": "\n".join(_latex(block) for block in tables if not block.folded),
        "table.csv": first.table.csv(),
        "runs.csv": texts[id(runs)],
    }
    for block, full in zip(tables, whole, strict=True):
        contents |= {
            f"tables/{block.name}.md": block.table.markdown(),
            f"tables/{block.name}.tex": _latex(block),
            f"tables/{block.name}.csv": texts[id(full.table)],
        }
    written = {name: text.encode("utf-8") for name, text in contents.items()}
    for group in _figures(sections):
        for figure in group.figures:
            written[f"figures/{figure.name}.svg"] = f'<?xml version="1.0" encoding="utf-8"?>\n{figure.svg}\n'.encode()
            written[f"figures/{figure.name}.pdf"] = figure.pdf
    tested = next((block.table for block in tables if block.name == "tests"), None)
    return Report(written, summary, tested)


def write_report(report: Report, folder: Path) -> list[Path]:
    """Write the files of a report and return where they lie; each appears whole or not at all.

    Figures and tables of an earlier report in the same folder that this one does not have are removed.
    Raises UserError if the folder cannot be written.
    """
    try:
        for name in ("figures", "tables"):
            (folder / name).mkdir(parents=True, exist_ok=True)
            for old in (folder / name).iterdir():
                if old.suffix in (".svg", ".pdf", ".md", ".tex", ".csv") and f"{name}/{old.name}" not in report.files:
                    old.unlink()
        for name, content in report.files.items():
            write_atomically(folder / name, content, names=False)
        for place in (folder / "figures", folder / "tables", folder):
            sync_folder(place)
    except OSError as error:
        raise UserError(f"out={folder}: the report cannot be written: {because(error)}") from error
    return [folder / name for name in report.files]


def _tables(sections: list[Section]) -> Iterator[Tabular]:
    return (block for section in sections for block in section.blocks if isinstance(block, Tabular))


def _figures(sections: list[Section]) -> Iterator[Figures]:
    return (block for section in sections for block in section.blocks if isinstance(block, Figures))


def _readable(section: Section) -> Section:
    """Return a section whose tables have no more rows than somebody reads; their CSV files have all."""

    def readable(block: Block) -> Block:
        if not isinstance(block, Tabular) or len(block.table.rows) <= _MOST_ROWS:
            return block
        kept = f"The first {_MOST_ROWS:,} of {len(block.table.rows):,} rows; tables/{block.name}.csv has all."
        return replace(block, caption=f"{block.caption} {kept}", table=block.table.first(_MOST_ROWS))

    return replace(section, blocks=tuple(map(readable, section.blocks)))


def _markdown(title: str, sentences: list[str], tables: list[Tabular]) -> str:
    # labels stand in sentences, too
    listed = "".join(f"- {markdown_text(sentence)}\n" for sentence in sentences)
    parts = [f"# {markdown_text(title)}\n\n{listed}"]
    parts += [f"## {block.name}\n\n{markdown_text(block.caption)}\n\n{block.table.markdown()}" for block in tables]
    return "\n".join(parts)


def _latex(block: Tabular) -> str:
    return block.table.latex(block.caption, f"tab:{block.name}")
