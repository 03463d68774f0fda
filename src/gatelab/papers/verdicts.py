"""What can be said of a claim, in fixed words."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["EVIDENCE", "Verdict", "Word"]

Word = Literal["reproduced", "partly", "not reproduced", "not comparable"]

EVIDENCE: dict[str, str] = {
    "V": "paper",
    "S": "paper, as quoted by others",
    "M": "paper (unverified)",
    "X": "not in the paper",
}
"""Mark -> how a number or a statement with it is introduced: read in the paper or its official code (V), quoted by a
third party (S), from memory (M), or our own question (X)."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to one claim."""

    word: Word
    why: str
    """The numbers behind it, or why there are none."""

    def __str__(self) -> str:
        return f"{self.word}: {self.why}"
