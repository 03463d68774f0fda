"""docs/reliability.md, written from the lines that the parts have noted."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from tests.trust.parts import PARTS, Part

__all__ = ["largest_rate", "page"]

Line = Mapping[str, Any]

_HEAD = """\
# Reliability

What was done to gatelab, and what came of it. `make trust` does all of it again, in a night, and writes this page from
the lines that its parts leave in `docs/reliability/`; `make trust PART=kills` does one part, and goes on where it was
stopped; `make test` does a little of every part. No figure stands here that was not measured.

A trial has failed if anything that its part promises did not hold. Where n trials had no failure, the true share of
failures is below the bound in the table, at 95 % confidence (1 - 0.05^(1/n)), as far as other trials are like these.
"""

_TAIL = """\
## What was not tried

- A power cut. What is on the disk after a kill is what the kernel has; that files are on the disk before they have
  their names is tested by the order of the calls alone.
- SLURM and Ray on several machines: `make test-slurm` has a real cluster of one node, `make test-ray` three nodes on
  one machine.
- Network file systems (NFS, Lustre), other file systems than that of the machine above, several machines on one store.
- A folder of another user: calls were refused as they are there (EACCES, EROFS), but by a library.
- GPUs: all trials ran on a CPU. Bits are promised there alone.
- macOS and Windows; processors and versions other than those above.
- Weights & Biases' server: wandb was offline.
- Damage that is made to fit: somebody who changes a file and its seal together.
- Faults of memory and of other hardware.
"""


def page(noted: Mapping[str, Sequence[Line]]) -> str:
    """Return the page.

    Args:
        noted: part -> its lines, the oldest first.
    """
    latest = {name: _latest(lines) for name, lines in noted.items()}
    rows = [
        "| part | trials | of | failed | true share below | commit | date | hours |",
        "|---|--:|--:|--:|--:|---|---|--:|",
        *(_row(part, latest[part.name]) for part in PARTS.values()),
    ]
    sections = [_section(part, noted[part.name], latest[part.name]) for part in PARTS.values()]
    return "\n".join([_HEAD, *rows, "", _machines(latest), "", *sections, _TAIL])


def largest_rate(trials: int) -> float:
    """Return the largest true rate of failures at which so many trials without one have a chance of 5 %."""
    return 1 - 0.05 ** (1 / trials)


def _latest(lines: Sequence[Line]) -> list[Line]:
    """Return the last line of each chunk, and none of a chunk that shares trials with a later one."""
    last = {line["chunk"]: line for line in lines}
    chosen: list[Line] = []
    for line in sorted(last.values(), key=lambda line: -lines.index(line)):
        if not any(_overlap(line["chunk"], other["chunk"]) for other in chosen):
            chosen.append(line)
    return chosen[::-1]


def _overlap(one: str, other: str) -> bool:
    (kind, first, count), (kind_2, first_2, count_2) = _numbers(one), _numbers(other)
    return kind == kind_2 and first < first_2 + count_2 and first_2 < first + count


def _numbers(chunk: str) -> tuple[str, int, int]:
    kind, _, numbers = chunk.rpartition(" ")
    first, _, count = numbers.partition("+")
    return kind, int(first), int(count)


def _row(part: Part, lines: Sequence[Line]) -> str:
    if not lines:
        return f"| {part.name} | not run | {part.trials:,} | | | | | |"
    trials, failed = _sum(lines, "trials"), _sum(lines, "failed")
    bound = "" if failed else f"{100 * largest_rate(trials):.2g} %"
    commits = ", ".join(dict.fromkeys(line["commit"] for line in lines))
    dates = sorted({line["date"] for line in lines})
    date = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
    hours = sum(line["seconds"] for line in lines) / 3600
    return f"| {part.name} | {trials:,} | {part.trials:,} | {failed} | {bound} | {commits} | {date} | {hours:.2f} |"


def _section(part: Part, lines: Sequence[Line], latest: Sequence[Line]) -> str:
    words = [f"## {part.name}", "", part.text, ""]
    if not latest:
        return "\n".join([*words, "Not run.", ""])
    kinds: dict[str, Counter[str]] = {}
    for line in latest:
        kind = _numbers(line["chunk"])[0]
        kinds.setdefault(kind, Counter()).update(
            {"trials": line["trials"], "failed": line["failed"], **line["outcomes"]}
        )
    outcomes = list(
        dict.fromkeys(name for counted in kinds.values() for name in counted if name not in ("trials", "failed"))
    )
    words += [
        f"| | {part.trial} | failed |{''.join(f' {name} |' for name in outcomes)}",
        f"|---|--:|--:|{'--:|' * len(outcomes)}",
    ]
    for kind, counted in kinds.items():
        cells = [f"{counted[name]:,}" for name in ("trials", "failed", *outcomes)]
        words.append(f"| {kind} | {' | '.join(cells)} |")
    failures = [failure for line in latest for failure in line["failures"]]
    if failures:
        words += ["", "Failed:", "", *(f"- {_plain(failure)}" for failure in failures)]
    before = sum(line["failed"] for line in lines) - _sum(latest, "failed")
    if before:
        words += [
            "",
            f"Before that, {before} trials of this part failed at earlier commits; what they showed is mended.",
        ]
    return "\n".join([*words, ""])


def _machines(latest: Mapping[str, Sequence[Line]]) -> str:
    lines = [line for chosen in latest.values() for line in chosen]
    if not lines:
        return "Nothing has been run."
    machines = dict.fromkeys(line["machine"] for line in lines)
    versions = dict.fromkeys(line["versions"] for line in lines)
    return "\n".join([*(f"Machine: {name}.  " for name in machines), *(f"Versions: {name}." for name in versions)])


def _sum(lines: Sequence[Line], name: str) -> int:
    return sum(int(line[name]) for line in lines)


def _plain(text: str) -> str:
    """Return words of a trial as Markdown shows them."""
    return "`" + text.replace("`", "'") + "`"
