"""The ablation ladder: what a gate still sees, from everything to nothing, and what each step costs."""

from collections.abc import Mapping
from dataclasses import dataclass

from gatelab.evidence.analysis import Analysis, compared
from gatelab.evidence.paired_comparison import PairedComparison, corrected
from gatelab.language.tree import Learned, Linear, Read, walk
from gatelab.language.variant import Variant
from gatelab.report.drawing.styles import Look
from gatelab.report.sections.parts import Absent, Section, Tabular, Text
from gatelab.report.sections.wording import counted, p_value, signed_interval
from gatelab.report.tables import Column, Table

__all__ = ["RUNGS", "Rung", "ladder", "rung", "rungs"]

RUNGS = (
    "sees x and the state",
    "does not see x",
    "does not see the state",
    "has no weights of its own",
    "constant for each unit",
    "none",
)


@dataclass(frozen=True, slots=True)
class Rung:
    """A variant that differs from another of the same name in one gate."""

    task: str
    base: str
    """Label of the variant with no edits."""
    gate: str
    label: str
    step: str
    """One of ``RUNGS``."""


def ladder(analysis: Analysis, looks: dict[str, Look]) -> Section | Absent:  # noqa: ARG001 - as every section
    """Return the section."""
    title = "Ablation ladder"
    found = rungs(analysis)
    if not found:
        return Absent(
            title, 'no variant stands beside one with an edited gate (variant.equations.o="sigmoid(linear(x))")'
        )
    group = [
        compared(analysis.evidence, each.task, each.label, each.base, 10_000 + place)
        for place, each in enumerate(found)
    ]
    family, members = corrected(group, f"{counted(len(group), 'ablation')} against what they are ablations of")
    caveats = tuple(dict.fromkeys(caveat.sentence for member in members for caveat in member.caveats))
    caption = (
        "What a gate still sees, and the median gain over the same variant with the whole gate, paired by seed; bold"
        f" where the verdict is better or worse. A family of its own: {family.name}."
    )
    flags = (Text(caveats, "flag"),) if caveats else ()
    return Section("ladder", title, (*flags, Tabular("ablation-ladder", caption, _table(found, members))))


def rungs(analysis: Analysis) -> list[Rung]:
    """Return the ablations among the variants, by task, base and gate, then down the ladder."""
    evidence = analysis.evidence
    variants: dict[tuple[str, str], Mapping[str, object]] = {}
    for task, label in evidence.cells():
        identity = evidence.chosen(task, label).runs[0].result.identity
        section = evidence.configurations.get(identity, {}).get("variant")
        if isinstance(section, Mapping) and isinstance(section.get("equations"), Mapping):
            variants[task, label] = section
    found = []
    for (task, label), section in variants.items():
        name = str(section["name"])
        whole = [name, *reversed(evidence.versions_of(name))]
        if label in whole:
            continue
        for base in whole:  # of a file that was edited, the newest version from which one gate is away
            original = variants.get((task, base))
            gate = None if original is None else _edited(original, section)
            if gate is not None:
                found.append(Rung(task, base, gate, label, rung(section, gate)))
                break
    return sorted(found, key=lambda each: (each.task, each.base, each.gate, RUNGS.index(each.step), each.label))


def rung(section: Mapping[str, object], gate: str) -> str:
    """Return what a gate of a variant (the content of its file) sees, as one of ``RUNGS``."""
    variant = Variant.from_mapping(section)
    if gate not in variant.trees:
        return "none"
    nodes = list(walk(variant.trees[gate]))
    seen = {node.name for node in nodes if isinstance(node, Read)}
    learned = any(isinstance(node, Learned | Linear) for node in nodes)
    if seen and not learned:
        return "has no weights of its own"  # 1 - f sees whatever f sees
    if seen == {"x"}:
        return "does not see the state"
    if seen:
        return "sees x and the state" if "x" in seen else "does not see x"
    return "constant for each unit" if learned else "none"


def _edited(original: Mapping[str, object], section: Mapping[str, object]) -> str | None:
    """Return the one gate whose equation was edited or lost; None if that is not all."""
    before, after, roles = original["equations"], section["equations"], original.get("roles")
    assert isinstance(before, Mapping)
    assert isinstance(after, Mapping)
    changed = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    gates = set(roles.values()) if isinstance(roles, Mapping) else set()
    return changed[0] if len(changed) == 1 and changed[0] in gates else None


def _table(found: list[Rung], members: list[PairedComparison]) -> Table:
    columns = [
        Column("task", ("task",)),
        Column("of", ("base",)),
        Column("gate", ("gate",)),
        Column("the gate", ("step",)),
        Column("variant", ("variant",)),
        Column("gain", ("gain", "gain_low", "gain_high", "degenerate"), signed_interval, "right", strong="decided"),
        Column("pairs", ("pairs",), align="right"),
        Column("p (Holm)", ("p_holm",), p_value, "right"),
        Column("verdict", ("verdict",)),
    ]
    rows = [
        {
            "task": each.task,
            "base": each.base,
            "gate": each.gate,
            "step": each.step,
            "variant": each.label,
            "gain": member.typical.estimate,
            "gain_low": member.typical.low,
            "gain_high": member.typical.high,
            "degenerate": member.typical.degenerate,
            "pairs": member.pairs.differences.counts.n_used,
            "p_holm": member.p if member.n else None,
            "verdict": member.words,
            "decided": member.decided,
        }
        for each, member in zip(found, members, strict=True)
    ]
    return Table(columns, rows)
