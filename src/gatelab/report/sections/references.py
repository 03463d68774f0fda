"""The references of the statistics on the page, out of references.bib."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

__all__ = ["bibtex"]


def bibtex(keys: Sequence[str]) -> str:
    """Return the BibTeX entries of some keys, each once, in the order of the keys."""
    return "\n\n".join(_entries()[key] for key in dict.fromkeys(keys))


@cache
def _entries() -> dict[str, str]:
    """Return key -> entry; entries are separated by empty lines, and begin with ``@kind{key,``."""
    text = Path(__file__).with_suffix(".bib").read_text(encoding="utf-8")
    return {entry.partition("{")[2].partition(",")[0]: entry for entry in text.strip().split("\n\n")}
