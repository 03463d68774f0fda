"""How numbers and lists are written on the page."""

import math
import re
from collections.abc import Iterable, Sequence

from gatelab.report.tables import ABSENT, significant

__all__ = [
    "counted",
    "estimate",
    "file_names",
    "listed",
    "number",
    "p_value",
    "rounded",
    "signed",
    "signed_interval",
    "span",
]


def estimate(value: float, low: float, high: float, degenerate: object) -> str:
    """Return ``0.91 [0.88, 0.93]``; without the interval where the data say nothing about it."""
    if math.isnan(value) or degenerate:
        return significant(value, 3)
    return f"{significant(value, 3)} [{significant(low, 3)}, {significant(high, 3)}]"


def rounded(text: str) -> str:
    """Return the text of settings for reading: long numbers cut to three digits, and without what is not set (null)."""
    text = " ".join(word for word in text.split(" ") if not word.endswith("=null"))
    return re.sub(r"\d+\.\d{4,}(?:e-?\d+)?", lambda match: f"{float(match[0]):.3g}", text)


def number(value: float) -> str:
    """Return a number as short as three digits allow: ``32``, ``0.0971``."""
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:g}"


def signed(value: float | None, digits: int = 3) -> str:
    """Return a difference with its sign: ``+0.120``, ``−0.030``; ``0`` has none."""
    if value is None or math.isnan(value):
        return ABSENT
    if value == 0:
        return "0"
    return f"{'−' if value < 0 else '+'}{significant(abs(value), digits)}"


def signed_interval(value: float | None, low: float, high: float, degenerate: object) -> str:
    """Return ``+0.120 [+0.08, +0.16]``; without the interval where the data say nothing about it."""
    if value is None or math.isnan(value) or degenerate:
        return signed(value)
    return f"{signed(value)} [{signed(low, 2)}, {signed(high, 2)}]"


def p_value(p: float | None) -> str:
    """Return a p value: three digits after the point, and ``< 0.001`` below that."""
    if p is None or math.isnan(p):
        return ABSENT
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def span(seconds: float) -> str:
    """Return a time in the unit that suits it."""
    if math.isnan(seconds):
        return ABSENT
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return ``1 run`` or ``2 runs``."""
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"


def listed(names: Iterable[str]) -> str:
    """Return ``a``, ``a and b`` or ``a, b and c``."""
    words = list(names)
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def file_names(names: Sequence[str]) -> dict[str, str]:
    """Return for each name, such as that of a task, one that any file system takes; no two are equal."""
    found: dict[str, str] = {}
    for name in names:
        plain = re.sub(r"[^A-Za-z0-9_.]+", "-", name).strip("-.") or "unnamed"
        taken = set(found.values())
        found[name] = next(
            word
            for count in range(1, len(names) + 2)
            if (word := plain if count == 1 else f"{plain}-{count}") not in taken
        )
    return found
