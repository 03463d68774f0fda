"""What the tests say of one variant on one task: a word, its strength, and what is out of the way."""

from dataclasses import dataclass

from gatelab.evidence.analysis import Analysis
from gatelab.evidence.paired_comparison import PairedComparison
from gatelab.report.sections.wording import counted, p_value, signed

__all__ = ["KINDS", "Answer", "answer_of"]

_SYMBOLS = {"better": "▲", "worse": "▼", "undecided": "◇", "no difference found": "○", "not compared": "·"}
KINDS = tuple(_SYMBOLS)
"""The kinds of answers, what was found first."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a cell of the grid says of a variant on a task."""

    kind: str
    """``better``, ``worse``, ``undecided``, ``no difference found`` or ``not compared``."""
    detail: str
    """What belongs to the kind: of what it speaks (``in typical runs``), or why it is undecided."""
    gain: str
    """Median gain with its sign."""
    interval: str
    """Its interval, where there is one."""
    strength: str
    """How many seeds agree, and the corrected p."""
    remark: str
    """What is out of the way: failures, or why nothing is compared."""

    @property
    def words(self) -> str:
        """Kind and detail: ``better in typical runs``, ``undecided: too few seeds``."""
        return self.than("")

    def than(self, baseline: str) -> str:
        """Return the same with the name of the baseline: ``better than lstm in typical runs``."""
        if self.kind not in ("better", "worse"):
            return f"{self.kind}: {self.detail}" if self.detail else self.kind
        return f"{self.kind}{f' than {baseline}' if baseline else ''} {self.detail}"

    @property
    def symbol(self) -> str:
        """The same without colour."""
        return _SYMBOLS[self.kind]


def answer_of(analysis: Analysis, task: str, label: str) -> Answer:
    """Return what the tests say of a variant on a task."""
    comparison = analysis.comparisons.get((task, label))
    if comparison is None or not comparison.n:
        return Answer("not compared", "", "", "", "", _not_compared(analysis, task, label))
    detail = comparison.reason
    if comparison.decided:
        small = ", by less than matters" if comparison.band.holds(comparison.typical) else ""
        detail = f"{comparison.scope}{small}"
    ours, theirs = comparison.failures
    baseline = analysis.evidence.question.baseline
    remark = f"{ours} failed, {theirs} of {baseline}" if comparison.tells_failures else ""
    gain = comparison.typical
    interval = "" if gain.degenerate else f"[{signed(gain.low, 2)}, {signed(gain.high, 2)}]"
    return Answer(comparison.verdict, detail, signed(gain.estimate), interval, _strength(comparison), remark)


def _strength(comparison: PairedComparison) -> str:
    """Return how many seeds are better, and p: ``9 of 10 seeds better, p = 0.020``."""
    better = int((comparison.pairs.differences.values > 0).sum())
    equal = int((comparison.pairs.differences.values == 0).sum())
    p = p_value(comparison.p)
    ties = f", {equal} equal" if equal else ""
    seeds = counted(comparison.pairs.differences.counts.n_used, "seed")
    equation = f"p {p}" if p.startswith("<") else f"p = {p}"
    equation = equation.replace(" ", "\N{NO-BREAK SPACE}")  # stays on one line
    return f"{better} of {seeds} better{ties}, {equation}"


def _not_compared(analysis: Analysis, task: str, label: str) -> str:
    evidence = analysis.evidence
    if (task, label) not in evidence.settings:
        return "no runs"
    if (task, evidence.question.baseline) not in evidence.settings:
        return "no runs of the baseline"
    both = analysis.comparisons.get((task, label))
    return "no common seed with two scores" if both is not None and both.pairs.n else "no seed in common"
