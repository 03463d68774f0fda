"""The paper and our runs side by side: a table of numbers, and a verdict on each claim."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gatelab.papers.checks.tested import Test
from gatelab.papers.claims import PaperClaim
from gatelab.papers.folder import Experiment
from gatelab.papers.measures import Measured, measured
from gatelab.papers.published import Published
from gatelab.papers.trials import Trials
from gatelab.papers.verdicts import EVIDENCE, Verdict
from gatelab.report import Column, Table
from gatelab.report.tables import significant
from gatelab.statistics import holm

__all__ = ["PaperComparison", "compare_with_paper", "evidence_words", "our_number", "plain_number"]


@dataclass(frozen=True, slots=True)
class PaperComparison:
    """What is printed of an experiment."""

    numbers: Table
    """The paper's numbers beside ours."""
    claims: Table
    verdicts: tuple[tuple[str, Verdict], ...]
    """Each claim with its verdict, in the order of claims.yaml."""


def compare_with_paper(experiment: Experiment, trials: Trials) -> PaperComparison:
    """Return the comparison of an experiment's runs with its paper.

    Raises UserError for a damaged published.csv or claims.yaml.
    """
    claims = experiment.claims.claims
    verdicts = _verdicts(claims, trials, experiment.name)
    return PaperComparison(
        numbers=_numbers(experiment.published, trials),
        claims=_claims(claims, verdicts),
        verdicts=tuple((claim.says, verdict) for claim, verdict in zip(claims, verdicts, strict=True)),
    )


def _verdicts(claims: Sequence[PaperClaim], trials: Trials, name: str) -> list[Verdict]:
    tests = {place: found for place, claim in enumerate(claims) if (found := _test(claim, trials)) is not None}
    family = holm(list(tests.values()), family=f"the tests of {name}")
    corrected = dict(zip(tests, family.adjusted, strict=True))
    return [
        claim.check.verdict(trials, corrected.get(place))
        if claim.check is not None
        else Verdict("not comparable", claim.not_comparable)
        for place, claim in enumerate(claims)
    ]


def _test(claim: PaperClaim, trials: Trials) -> float | None:
    """Return the uncorrected p of a claim that is a test; None of any other, and of one without runs."""
    found = claim.check.significance(trials) if isinstance(claim.check, Test) else None
    return None if found is None else found.p


def _numbers(published: Sequence[Published], trials: Trials) -> Table:
    columns = [
        Column("number", ("says",)),
        Column("our runs", ("runs",)),
        Column("unit", ("unit",)),
        Column("published", ("published",), plain_number, "right"),
        Column("evidence", ("evidence",), evidence_words),
        Column("ours", ("ours", "low", "high", "not_comparable"), _ours, "right"),
        Column("of runs", ("n",), lambda n: str(n) if n else "–", "right"),
        Column("source", ("source",)),
    ]
    return Table(columns, [_number(number, trials) for number in published])


def _number(number: Published, trials: Trials) -> dict[str, Any]:
    nothing = Measured(math.nan, math.nan, math.nan, 0)
    runs = trials.of(number.group) if number.measure else []
    ours = measured(number.measure, runs) if number.measure else nothing
    reason = number.not_comparable
    if number.measure and math.isnan(ours.value):
        reason = f"none of {len(runs)} runs has a {number.measure}" if runs else "no such run"
    return {
        "says": number.says,
        "runs": str(number.group) if number.measure else "–",
        "unit": number.unit,
        "published": number.value,
        "evidence": number.evidence,
        "ours": ours.value,
        "low": ours.low,
        "high": ours.high,
        "n": ours.runs,
        "not_comparable": reason,
        "source": number.source,
    }


def _claims(claims: Sequence[PaperClaim], verdicts: Sequence[Verdict]) -> Table:
    columns = [
        Column("claim", ("claim",)),
        Column("evidence", ("evidence",), evidence_words),
        Column("verdict", ("verdict",), strong="strong"),
        Column("because", ("why",)),
        Column("source", ("source",)),
    ]
    rows = [
        {
            "claim": claim.says,
            "evidence": claim.evidence,
            "verdict": verdict.word,
            "why": verdict.why,
            "source": claim.source,
            "strong": True,
        }
        for claim, verdict in zip(claims, verdicts, strict=True)
    ]
    return Table(columns, rows)


def evidence_words(mark: str) -> str:
    """Return how a number or a statement with a mark is introduced, and the mark."""
    return f"{EVIDENCE[mark]} [{mark}]"


def plain_number(value: float) -> str:
    """Return a published number as the paper prints it."""
    return f"{value:.12g}"


def our_number(value: float, low: float, high: float) -> str:
    """Return a measured number, with its interval if it has one."""
    return _short(value) if math.isnan(low) else f"{_short(value)} [{_short(low)}, {_short(high)}]"


def _ours(value: float, low: float, high: float, not_comparable: str) -> str:
    return f"not comparable: {not_comparable}" if not_comparable else our_number(value, low, high)


def _short(value: float) -> str:
    # numbers of sequences and of weights are whole, and large
    return f"{value:.0f}" if abs(value) >= 1000 else significant(value)
