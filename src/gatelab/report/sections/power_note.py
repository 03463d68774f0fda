"""The power note: what so many seeds could have seen, and how many would settle what is open."""

import math

from gatelab.evidence.analysis import Analysis
from gatelab.report.drawing.styles import Look
from gatelab.report.sections.parts import Absent, Section, Tabular
from gatelab.report.sections.wording import p_value, signed
from gatelab.report.tables import Column, Table, significant
from gatelab.statistics import cohens_dz, seeds_needed, smallest_detectable_effect
from gatelab.statistics.location import standard_deviation

__all__ = ["power", "power_table"]

POWER = 0.8


def power(analysis: Analysis, looks: dict[str, Look]) -> Section | Absent:  # noqa: ARG001 - as every section
    """Return the section."""
    title = "What so many seeds can see"
    if not analysis.comparisons:
        return Absent(title, "nothing was compared with a baseline")
    caption = (
        "The smallest p possible is that of these pairs, ties left out, if all agreed and the other comparisons stayed"
        " as they are (Holm's later steps are milder). The smallest gain that so many pairs find four times out of five"
        " is by a t test at α over the size of the family and with the spread of these very pairs; a smaller one may be"
        " there and stay unseen. The last column is the number of seeds that would find a gain as large as the one"
        " observed; it is as uncertain as that gain is."
    )
    return Section("power", title, (Tabular("power", caption, power_table(analysis)),))


def power_table(analysis: Analysis) -> Table:
    """Return a row for each comparison."""
    columns = [
        Column("task", ("task",)),
        Column("variant", ("variant",)),
        Column("pairs", ("pairs",), align="right"),
        Column("smallest p possible (Holm)", ("smallest_p",), p_value, "right"),
        Column("sd of the differences", ("spread",), lambda value: significant(value, 3), "right"),
        Column("smallest gain found in 4 of 5", ("smallest",), lambda value: significant(value, 3), "right"),
        Column("observed gain", ("gain",), signed, "right"),
        Column("verdict", ("verdict",)),
        Column("seeds to settle it", ("needed",), lambda value: "–" if value is None else str(value), "right"),
    ]
    rows = []
    for (task, label), comparison in analysis.comparisons.items():
        differences = comparison.typical_pairs.differences
        pairs, family = comparison.n, max(1, comparison.comparisons)
        spread = standard_deviation(differences.values)
        effect = smallest_detectable_effect(pairs, paired=True, power=POWER, alpha=comparison.alpha, comparisons=family)
        observed = cohens_dz(differences).value
        needed = None
        if not comparison.found and math.isfinite(observed) and observed != 0:
            needed = seeds_needed(abs(observed), paired=True, power=POWER, alpha=comparison.alpha, comparisons=family)
        if comparison.too_few and comparison.seeds_to_decide is not None:
            needed = max(needed or 0, comparison.seeds_to_decide)
        rows.append(
            {
                "task": task,
                "variant": label,
                "pairs": pairs,
                "smallest_p": comparison.attainable,
                "spread": spread,
                "smallest": effect * spread if math.isfinite(effect) and spread > 0 else math.nan,
                "gain": comparison.typical.estimate,
                "verdict": comparison.words,
                "needed": needed,
            }
        )
    return Table(columns, rows)
