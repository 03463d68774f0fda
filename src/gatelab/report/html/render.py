"""Sections to HTML, by a template that escapes everything that is not drawn or written here."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape

from gatelab.evidence.collected import Evidence
from gatelab.evidence.varied import setting_text
from gatelab.keys import TOLD
from gatelab.report.drawing.styles import Look
from gatelab.report.drawing.themed import base_style, themed
from gatelab.report.sections.parts import Block, Figure, Figures, Section, Tabular
from gatelab.report.sections.verdict import Head
from gatelab.report.tables import Column, significant

__all__ = ["breakable", "render", "widths"]

# The markers of matplotlib that styles.py uses, in a box from -6 to 6.
_SHAPES = {
    "o": "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0 -10 0",
    "s": "M-4.5 -4.5H4.5V4.5H-4.5Z",
    "^": "M0 -5.5L5.5 4.5H-5.5Z",
    "D": "M0 -5.8L5.8 0L0 5.8L-5.8 0Z",
    "v": "M0 5.5L5.5 -4.5H-5.5Z",
    "P": "M-2 -5.5H2V-2H5.5V2H2V5.5H-2V2H-5.5V-2H-2Z",
    "X": "M-5 -2.4L-2.4 -5L0 -2.6L2.4 -5L5 -2.4L2.6 0L5 2.4L2.4 5L0 2.6L-2.4 5L-5 2.4L-2.6 0Z",
    "<": "M-5.5 0L4.5 -5.5V5.5Z",
}

_KINDS = {
    "better": "better",
    "worse": "worse",
    "undecided": "open",
    "no difference found": "open",
    "not compared": "none",
}

_LONG = 18  # letters from which a cell may break into lines


def render(verdict: Head, sections: Sequence[Section], looks: Mapping[str, Look], evidence: Evidence) -> str:
    """Return the page."""
    # what is data is escaped, wherever it stands; drawings, style and script come from here
    environment = Environment(autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True)
    environment.filters["breakable"] = breakable
    template = environment.from_string(_resource("page.html"))

    def mark(label: str) -> Markup:
        look = looks.get(label)
        if look is None:
            return Markup("")
        return Markup('<svg class="mark" aria-hidden="true"><use href="#mark{}"/></svg>').format(look.number)

    return template.render(
        verdict=verdict,
        sections=sections,
        looks=looks,
        baseline=evidence.question.baseline,
        shapes=_SHAPES,
        kinds=_KINDS,
        style=Markup(base_style() + _resource("page.css")),
        themed=themed,
        script=Markup(_resource("page.js")),
        runs=Markup(_json(_runs(evidence, sections))),
        mark=mark,
        kind_of=lambda block: type(block).__name__,
        widths=widths,
        drawing=_drawing,
        shown=lambda block: _shown(block, looks),
    )


def breakable(name: str) -> Markup:
    """Return a name that may go on in the next line after an underscore, and not in the middle of a word."""
    return escape(name).replace("_", Markup("_<wbr>"))


_MOST_COLUMNS = 7  # of a table that half of the page has room for


def widths(blocks: Sequence[Block]) -> list[str]:
    """Return how wide each block of a section stands on a desktop.

    A lone figure would leave half of the page empty: it is a ``half`` beside the next block, if that is a lone figure
    or a small table, and else has its caption ``beside`` it. All others are ``whole``.
    """
    found: list[str] = []
    while len(found) < len(blocks):
        place = len(found)
        if not _lone(blocks[place]):
            found.append("whole")
        elif place + 1 < len(blocks) and _fits(blocks[place + 1]):
            found += ["half", "half"]
        else:
            found.append("beside")
    return found


def _lone(block: Block) -> bool:
    return isinstance(block, Figures) and sum(figure.view != "seconds" for figure in block.figures) == 1


def _fits(block: Block) -> bool:
    small = isinstance(block, Tabular) and not block.folded and len(block.table.columns) <= _MOST_COLUMNS
    return small or _lone(block)


def _resource(name: str) -> str:
    return files("gatelab.report.html").joinpath(name).read_text(encoding="utf-8")


def _drawing(figure: Figure) -> Markup:
    # matplotlib has escaped the texts in it, and drawing.py the title
    return Markup(themed(figure.svg))


@dataclass(frozen=True, slots=True)
class _Cell:
    text: str
    attributes: Markup
    strong: bool
    marked: bool
    """Whether it names a variant."""


@dataclass(frozen=True, slots=True)
class _Row:
    attributes: Markup
    cells: list[_Cell]


@dataclass(frozen=True, slots=True)
class _Heading:
    header: str
    kind: str


@dataclass(frozen=True, slots=True)
class _Shown:
    columns: list[_Heading]
    rows: list[_Row]


def _shown(block: Tabular, looks: Mapping[str, Look]) -> _Shown:
    table = block.table
    _, cells = table.cells()
    rows = []
    before: object = None
    for row, line, bold in zip(table.rows, cells, table.strong(), strict=True):
        label, group = row.get("variant"), row.get("task")
        classes = [looks[label].hook] if isinstance(label, str) and label in looks else []
        # a rule between tasks
        classes += ["first"] if before is not None and group != before else []
        before = group
        attributes = Markup(' class="{}"').format(" ".join(classes)) if classes else Markup("")
        shown = [
            _Cell(text, _cell_attributes(text, row[column.fields[0]], column), strong, column.header == "variant")
            for text, column, strong in zip(line, table.columns, bold, strict=True)
        ]
        rows.append(_Row(attributes, shown))
    return _Shown([_Heading(column.header, _heading_kind(column)) for column in table.columns], rows)


def _heading_kind(column: Column) -> str:
    return "right" if column.align == "right" else "name" if column.header == "variant" else ""


def _cell_attributes(text: str, value: object, column: Column) -> Markup:
    kinds = {"right": column.align == "right", "name": column.header == "variant", "long": len(text) > _LONG}
    kind = next((kind for kind, applies in kinds.items() if applies), "")
    attributes = Markup(' class="{}"').format(kind) if kind else Markup("")
    if isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value):
        attributes += Markup(' data-sort="{}"').format("Infinity" if value == math.inf else repr(value))
    return attributes


def _json(value: Any) -> str:
    # "<" could end the element that the text stands in
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


_NAMES = ("run", "status", "setting", "best step", "validation", "test", "parameters", "time", "configuration")


_DRAWN = re.compile(r' data-run="(\d+)"')


def _runs(evidence: Evidence, sections: Sequence[Section]) -> dict[str, Any]:
    """Return what the page tells of a run under the pointer, of those that are drawn: number -> its properties.

    The configuration of a run is told as far as it differs on the page.
    """
    drawings = (figure.svg for section in sections for block in section.blocks if isinstance(block, Figures)
                for figure in block.figures)  # fmt: skip
    drawn = {int(number) for svg in drawings for number in _DRAWN.findall(svg)}
    varied = evidence.selection.varied
    rows = {}
    for run in (run for run in evidence.runs if run.number in drawn):
        result = run.result
        settings = [key for key in varied[result.task] if key not in evidence.searched[result.task]]
        fixed = [key for key in TOLD if key in result.settings and key not in varied[result.task]]
        rows[run.number] = [
            f"{result.label} on {result.task}, seed {result.seed}",
            result.identity,
            "finished" if run.finished else f"diverged at step {result.diverged_at}",
            run.setting,
            result.best_step,
            significant(result.validation.score),
            significant(result.test.score),
            result.parameters,
            f"{result.seconds:.1f} s for {result.steps} steps, {result.path}",
            setting_text(result.settings, [*settings, *fixed]),
        ]
    return {"names": _NAMES, "runs": rows}
