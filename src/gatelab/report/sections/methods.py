"""Text for a Methods section, and the references of what was used."""

from collections.abc import Sequence

from gatelab.evidence.analysis import Analysis
from gatelab.evidence.paired_comparison import MAJORITY
from gatelab.report.sections.parts import Code, Section, Text
from gatelab.report.sections.protocol import protocol
from gatelab.report.sections.references import bibtex
from gatelab.report.sections.wording import counted, listed, p_value
from gatelab.statistics.significance import LARGEST

__all__ = ["methods"]


def methods(analysis: Analysis, sections: Sequence[Section]) -> Section:
    """Return the section; ``sections`` are those on the page, each with the methods that it alone uses."""
    sentences, keys = _text(analysis, sections)
    introduction = Text.of(
        "What was done, as text to edit, and the references of what was used. Add what the page cannot know: why these"
        " variants, tasks and settings.",
        kind="note",
    )
    blocks = (introduction, Code("Methods", " ".join(sentences)), Code("BibTeX", bibtex(keys)))
    return Section("methods", "Text for a Methods section", blocks)


def _text(analysis: Analysis, sections: Sequence[Section]) -> tuple[list[str], list[str]]:
    evidence = analysis.evidence
    seeds = sorted({len({run.result.seed for run in evidence.chosen(*cell).runs}) for cell in evidence.cells()})
    number = counted(seeds[0], "seed") if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]} seeds"
    sentences = [
        f"We trained {counted(len(evidence.labels), 'variant')} on {counted(len(evidence.tasks), 'task')} with"
        f" {number} each"
        f" ({counted(len(evidence.runs), 'run')})."
    ]
    sentences += protocol(analysis)
    keys: list[str] = []
    if evidence.search:
        sentences.append(
            "The hyperparameters of each variant were chosen on each task by the mean validation score over seeds,"
            " among the settings with at least half as many seeds as the one with the most, and the test split was not"
            " looked at for that."
        )
    sentences.append(
        "A run is judged by its test score at the step with the best validation score. We report means with"
        " Student's intervals (95 %) \\citep{student1908}, medians, and interquartile means \\citep{agarwal2021}."
    )
    keys += ["student1908", "agarwal2021"]
    sentences.append(_diverged(analysis))
    if any(comparison.n for comparison in analysis.comparisons.values()):
        sentences += _comparisons(analysis)
        keys += ["fisher1935", "huber1964", "holm1979", "wilcoxon1945", "clopper1934", "bouthillier2021", "wilson1927"]
        if any(not comparison.test.exact for comparison in analysis.comparisons.values()):
            keys.append("phipson2010")
    for method in (method for section in sections for method in section.methods):
        sentences.append(method.sentence)
        keys += method.references
    return sentences, keys


def _diverged(analysis: Analysis) -> str:
    count = sum(not run.finished for run in analysis.evidence.runs)
    if not count:
        return "No run diverged."
    told = {
        "worst": "each scores like the worst finished run of the two variants compared, or chance if that is worse",
        "separate": "they are left out of the numbers and counted beside them",
    }
    return f"{counted(count, 'run')} diverged; {told[analysis.evidence.question.diverged]}."


def _comparisons(analysis: Analysis) -> list[str]:
    question = analysis.evidence.question
    tested = [comparison for comparison in analysis.comparisons.values() if comparison.n]
    tests = listed(sorted({comparison.test.test for comparison in tested}))
    families = listed(f"{counted(family.size, 'comparison')} ({family.name})" for family in analysis.families)
    smallest = max(comparison.test.smallest_p for comparison in tested)
    neutral = "a diverged run was put at the median of the runs of both" if question.diverged == "worst" else ""
    return [
        f"Every variant was compared with {question.baseline} in typical runs: by a two-sided test that flips the signs"
        f" of the differences at equal seeds \\citep{{fisher1935}}, their size bounded at {LARGEST:g} times its median"
        f" \\citep{{huber1964}} ({tests}){f'; {neutral}' if neutral else ''}. Its null hypothesis is that a variant"
        f" changes nothing, and a difference is reported where most of the unequal pairs agree (one-sided sign test,"
        f" p at most {MAJORITY:g}); $\\alpha = {question.alpha:g}$ after Holm's correction \\citep{{holm1979}} over"
        f" {families}, and the smallest p that every comparison could have reached is {p_value(smallest)} before"
        f" correction. Means (by sign flips) and signed ranks \\citep{{wilcoxon1945}} were tested beside it. Median"
        f" differences have exact intervals, shares of failed runs those of \\citet{{clopper1934}}, and the"
        f" probability of being better at the same seed \\citep{{bouthillier2021}} that of \\citet{{wilson1927}}."
    ]
