"""A table of raw values, and its spellings: aligned text, Markdown, LaTeX, CSV."""

import csv
import io
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import Any, Literal

__all__ = ["Column", "Table", "csv_text", "from_csv", "markdown_text", "plain", "seconds_text", "significant"]

ABSENT = "–"


def plain(value: object) -> str:
    """Return a value as it is, and a dash for None."""
    return ABSENT if value is None else str(value)


def significant(value: float | None, digits: int = 4) -> str:
    """Return a number rounded to significant digits (zeros kept: 0.9000), and a dash for None and NaN."""
    if value is None or math.isnan(value):
        return ABSENT
    return f"{value:#.{digits}g}".rstrip(".")


def seconds_text(seconds: float) -> str:
    """Return seconds with one decimal."""
    return ABSENT if math.isnan(seconds) else f"{seconds:.1f}"


@dataclass(frozen=True, slots=True)
class Column:
    """What readers see under one header, made of one or several fields of a row."""

    header: str
    fields: tuple[str, ...]
    show: Callable[..., str] = plain
    """Called with the values of ``fields``, in order."""
    align: Literal["left", "right"] = "left"
    strong: str | None = None
    """Name of a field; where it is true, the cell is bold (not in aligned text)."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of named values. Readers see the columns; CSV has every field, in full precision."""

    columns: Sequence[Column]
    rows: Sequence[Mapping[str, Any]]

    def first(self, most: int) -> "Table":
        """Return the table with no more than so many rows."""
        return self if len(self.rows) <= most else replace(self, rows=self.rows[:most])

    def text(self) -> str:
        """Return the table aligned for a terminal, without colour; lines end with a newline."""
        lines = [self._headers(), *self._cells()]
        widths = [max(len(line[index]) for line in lines) for index in range(len(self.columns))]
        lines.insert(1, ["-" * width for width in widths])
        return "".join(f"{self._aligned(line, widths)}\n" for line in lines)

    def __str__(self) -> str:
        return self.text()

    def html(self) -> str:
        """Return the table as an element of HTML, without looks."""
        heads = "".join(f"<th>{escape(header)}</th>" for header in self._headers())
        lines = ["".join(f"<td>{escape(cell)}</td>" for cell in line) for line in self._cells()]
        body = "".join(f"<tr>{line}</tr>" for line in lines)
        return f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"

    def _repr_html_(self) -> str:
        return self.html()

    def markdown(self) -> str:
        """Return the table in the Markdown of GitHub; what Markdown would read as markup is escaped."""
        rule = ["---:" if column.align == "right" else ":---" for column in self.columns]
        headers = [markdown_text(header) for header in self._headers()]
        lines = [list(map(markdown_text, line)) for line in self._cells()]
        body = [
            [f"**{cell}**" if strong else cell for cell, strong in zip(line, bold, strict=True)]
            for line, bold in zip(lines, self.strong(), strict=True)
        ]
        return "".join(f"| {' | '.join(line)} |\n" for line in [headers, rule, *body])

    def latex(self, caption: str = "", label: str = "") -> str:
        r"""Return the table as a LaTeX ``table`` for the package booktabs; what LaTeX reads as markup is escaped."""
        rule = "".join("r" if column.align == "right" else "l" for column in self.columns)
        lines = [" & ".join(map(_typeset, self._headers()))]
        for line, bold in zip(self._cells(), self.strong(), strict=True):
            cells = [_typeset(cell) for cell in line]
            lines.append(
                " & ".join(rf"\textbf{{{cell}}}" if strong else cell for cell, strong in zip(cells, bold, strict=True))
            )
        head, *body = [rf"    {line} \\" for line in lines]
        return "\n".join(
            [
                r"% needs \usepackage{booktabs}",
                r"\begin{table}",
                r"  \centering",
                *([rf"  \caption{{{_typeset(caption)}}}"] if caption else []),
                *([rf"  \label{{{label}}}"] if label else []),
                rf"  \begin{{tabular}}{{{rule}}}",
                r"    \toprule",
                head,
                r"    \midrule",
                *body,
                r"    \bottomrule",
                r"  \end{tabular}",
                r"\end{table}",
                "",
            ]
        )

    def strong(self) -> list[list[bool]]:
        """Return, for each row and column, whether the cell is bold."""
        return [
            [column.strong is not None and bool(row[column.strong]) for column in self.columns] for row in self.rows
        ]

    def csv(self) -> str:
        """Return every field of every row, floats by repr (NaN is ``nan``), None as nothing; the first line names them.

        The fields are those of the first row, in its order; a table without rows has those of its columns.
        """
        names = list(self.rows[0]) if self.rows else [field for column in self.columns for field in column.fields]
        return csv_text(names, ([row.get(name) for name in names] for row in self.rows))

    def cells(self) -> tuple[list[str], list[list[str]]]:
        """Return the headers and, for each row, what readers see below them."""
        return self._headers(), self._cells()

    def _headers(self) -> list[str]:
        return [_printable(column.header) for column in self.columns]

    def _cells(self) -> list[list[str]]:
        return [[_cell(column, row) for column in self.columns] for row in self.rows]

    def _aligned(self, line: Sequence[str], widths: Sequence[int]) -> str:
        cells = (
            cell.rjust(width) if column.align == "right" else cell.ljust(width)
            for cell, width, column in zip(line, widths, self.columns, strict=True)
        )
        return "  ".join(cells).rstrip()


def _cell(column: Column, row: Mapping[str, Any]) -> str:
    return _printable(column.show(*(row[field] for field in column.fields)))


def _printable(text: str) -> str:
    # A label comes from a file that anyone may have written: no line breaks, no terminal control sequences.
    return text if text.isprintable() else "".join(letter if letter.isprintable() else " " for letter in text)


def csv_text(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return CSV with a header. A text that a spreadsheet would take for a formula begins with an apostrophe."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([_no_formula(name) for name in names])
    writer.writerows([_no_formula(value) for value in row] for row in rows)
    return text.getvalue()


def from_csv(cell: str) -> str:
    """Return a text as it was before :func:`csv_text` wrote it."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULA) else cell


def _no_formula(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    text = value if value.isprintable() else _printable(value)
    return f"'{text}" if value.startswith(_FORMULA) and not _NUMBER.fullmatch(value) else text


# as spreadsheets read them, full-width forms too
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(inf|nan)")

# Beside what always is markup: _ and ~ where they could begin or end a part, $ of a formula, and addresses that become
# links without any bracket. A name such as layer_norm_gru stays as it is.
_MARKUP = re.compile(r"[\\|*`\[$~]|(?<![^\W_])_|_(?![^\W_])")
_ENTITIES = (("&", "&amp;"), ("<", "&lt;"), ("://", "&#58;//"), ("www.", "www&#46;"), ("@", "&#64;"))


def markdown_text(cell: str) -> str:
    """Return a text as Markdown shows it: what would be read as markup is escaped."""
    cell = _MARKUP.sub(r"\\\g<0>", cell)
    for text, entity in _ENTITIES:
        cell = cell.replace(text, entity)
    return cell


_LATEX = {
    "\\": r"\textbackslash{}",
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "–": "--",
    "±": r"$\pm$",
    "×": r"$\times$",
    "·": r"$\cdot$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "∞": r"$\infty$",
    "−": r"$-$",
}


def _typeset(cell: str) -> str:
    return "".join(_LATEX.get(letter, letter) for letter in cell)
