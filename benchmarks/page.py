"""The whole comparison page, simulated: how often a verdict is wrong, and how often it finds what is there.

    python -m benchmarks.page write=true

Every page is made of results that are drawn, and goes through the code of the real one: selection, pairing, caveats,
tests, correction, words; only drawing is left out. Page i of a row is always the same. The counts are kept in ``out``
(benchmarks/page.json) after every 25 pages; the same command goes on where it stopped, and more pages are added to
those that are there. ``rows=WORD`` takes the rows whose name has the word. ``write=true`` puts the table into
docs/statistics.md.
"""

import json
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.page_rows import ROWS, Row, Shelf
from gatelab.cli.arguments import keyed
from gatelab.disk import write_atomically
from gatelab.evidence.analysis import Analysis, analyse
from gatelab.evidence.collected import read_evidence
from gatelab.randomness import generator
from gatelab.report.sections.verdict import verdict

PAGE = Path(__file__).parents[1] / "docs" / "statistics.md"
COUNTS = Path(__file__).parent / "page.json"
BEGIN, END = "<!-- benchmarks/page.py begin -->\n", "<!-- benchmarks/page.py end -->\n"
TOGETHER = 25


@dataclass(slots=True)
class Count:
    """What the pages of a row said."""

    pages: int = 0
    wrong: int = 0
    """Pages with a clean verdict that is not true."""
    asked: int = 0
    """Comparisons with something to find."""
    found: int = 0
    """Those with the clean verdict that is true."""


@dataclass(frozen=True, slots=True)
class _Request:
    pages: str = "400"
    rows: str = ""
    out: str = str(COUNTS)
    write: str = "false"


def simulate(row: Row, count: Count, pages: int) -> None:
    """Add pages of a row to its counts."""
    for place in range(count.pages, count.pages + pages):
        shelf = Shelf(row.draw(generator(0, f"simulated page {row.name}", place)))
        analysis = analyse(read_evidence(shelf.store, row.question, shelf.results))
        said = verdicts(analysis)
        count.wrong += any(words and words != row.true.get(label, "") for (_, label), words in said.items())
        asked = [place for place in analysis.comparisons if place[1] in row.true]
        count.asked += len(asked)
        count.found += sum(said[place] == row.true[place[1]] for place in asked)
    count.pages += pages


def verdicts(analysis: Analysis) -> dict[tuple[str, str], str]:
    """Return task and label -> the words of a clean verdict, as the page has them; empty where there is none."""
    head = verdict(analysis, "")
    return {
        (task, label): answer.words.removesuffix(", by less than matters") if answer.kind in ("better", "worse") else ""
        for label, answers in head.rows
        for task, answer in zip(head.tasks, answers, strict=True)
    }


def table(counts: Mapping[str, Count]) -> str:
    """Return the table of all rows that were simulated, as Markdown."""
    lines = ["| pages of | pages | false verdict, % ± se | found, % ± se |", "|---|---:|---:|---:|"]
    for row in ROWS:
        if count := counts.get(row.name):
            found = _share(count.found, count.asked) if row.true else "–"
            lines.append(f"| {row.name} | {count.pages} | {_share(count.wrong, count.pages)} | {found} |")
    return "".join(f"{line}\n" for line in lines)


def _share(part: int, whole: int) -> str:
    share = part / whole if whole else math.nan
    return f"{100 * share:.1f} ± {100 * math.sqrt(share * (1 - share) / whole):.1f}" if whole else "–"


def read_counts(path: Path) -> dict[str, Count]:
    """Return the counts in a file; none if there is no file."""
    told = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return {name: Count(**count) for name, count in told.items()}


def write_counts(path: Path, counts: Mapping[str, Count]) -> None:
    """Write the counts, whole or not at all."""
    told = {
        row.name: {
            "pages": count.pages, "wrong": count.wrong, "asked": count.asked, "found": count.found,
        }
        for row in ROWS if (count := counts.get(row.name))
    }  # fmt: skip
    write_atomically(path, (json.dumps(told, indent=1) + "\n").encode())


def main(arguments: list[str]) -> int:
    """Simulate, print the table, and return the exit status 0."""
    request = _Request(**keyed(arguments, _Request.__dataclass_fields__))
    path = Path(request.out)
    counts = read_counts(path)
    for row in ROWS:
        if request.rows in row.name:
            count = counts.setdefault(row.name, Count())
            while count.pages < int(request.pages):
                simulate(row, count, min(TOGETHER, int(request.pages) - count.pages))
                write_counts(path, counts)
            print(f"{row.name}: {count}", file=sys.stderr, flush=True)
    print(table(counts), end="")
    if request.write == "true":
        text = PAGE.read_text(encoding="utf-8")
        before, after = text.split(BEGIN)[0], text.split(END)[1]
        write_atomically(PAGE, f"{before}{BEGIN}{table(counts)}{END}{after}".encode())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
