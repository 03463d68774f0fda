"""What a section is made of. Sections hold plain values; ``render`` turns them into HTML, and ``write`` into files."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from gatelab.report.tables import Table

__all__ = ["Absent", "Block", "Code", "Figure", "Figures", "MethodNote", "Section", "Tabular", "Text"]


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph; a list if there are several lines."""

    lines: tuple[str, ...]
    kind: str = ""
    """``note`` for what is small, ``flag`` for what must not be overlooked."""

    @classmethod
    def of(cls, *lines: str, kind: str = "") -> "Text":
        """Return a text of some lines."""
        return cls(lines, kind)


@dataclass(frozen=True, slots=True)
class Code:
    """Text to be copied: commands, BibTeX."""

    title: str
    text: str
    folded: bool = False


@dataclass(frozen=True, slots=True)
class Figure:
    """A drawing, once as SVG and once as PDF."""

    name: str
    """Of the files, without ending."""
    title: str
    svg: str
    pdf: bytes
    view: str = ""
    """``steps`` or ``seconds`` for a figure that a switch of the page shows or hides."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures side by side, as many as there is room for, and what they show."""

    figures: tuple[Figure, ...]
    caption: str


@dataclass(frozen=True, slots=True)
class Tabular:
    """A table; rows with a field ``variant`` are hidden with that variant."""

    name: str
    """Of the files, without ending."""
    caption: str
    table: Table
    folded: bool = False


Block = Text | Code | Figures | Tabular


@dataclass(frozen=True, slots=True)
class MethodNote:
    """What a Methods section says of a statistic."""

    sentence: str
    """LaTeX, which may cite."""
    references: tuple[str, ...]
    """Keys of references.bib."""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page under a heading."""

    key: str
    title: str
    blocks: Sequence[Block] = field(default_factory=tuple)
    methods: tuple[MethodNote, ...] = ()
    """Of the statistics that only this section shows."""


@dataclass(frozen=True, slots=True)
class Absent:
    """A part of the page that these runs have nothing for, and why."""

    title: str
    reason: str
