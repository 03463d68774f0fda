"""What speaks against a comparison beside its numbers: settings that differ, and searches of unequal size."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from gatelab.evidence.choosing import FEWEST_FRESH
from gatelab.evidence.collected import Evidence
from gatelab.evidence.held_equal import KeyUse, key_uses
from gatelab.evidence.varied import is_budget, shortened, value_text

__all__ = ["Caveat", "caveats"]


@dataclass(frozen=True, slots=True)
class Caveat:
    """One thing that a reader of a verdict has to know."""

    kind: Literal["unequal settings", "unequal search"]
    sentence: str
    """What is so, in one sentence, with the names of the variants and the values."""
    favours: Literal["variant", "baseline", "either", "neither"]
    """Whose win it can explain. A win that a caveat can explain is not shown as a clean one."""


def caveats(evidence: Evidence, task: str, label: str, baseline: str) -> tuple[Caveat, ...]:
    """Return what speaks against the comparison of a variant with a baseline on a task."""
    return (*_unequal_settings(evidence, task, label, baseline), *_unequal_search(evidence, task, label, baseline))


def _unequal_settings(evidence: Evidence, task: str, label: str, baseline: str) -> Iterator[Caveat]:
    unequal = [use for use in key_uses(evidence, task, [label, baseline]) if use.differs and not use.alike]
    # who searches a learning rate over another range still tunes it; another range of budgets is another budget
    tuned = [use for use in unequal if use.searched_by_all and not is_budget(use.key)]
    given = [use for use in unequal if use not in tuned]
    if given:
        told = "; ".join(_values(use, label, baseline) for use in given)
        sentence = f"{label} and {baseline} on {task} differ in more than their equations, and not by a common search: "
        yield Caveat("unequal settings", f"{sentence}{told}.", "either")
    if tuned:
        told = "; ".join(_values(use, label, baseline) for use in tuned)
        sentence = f"{label} and {baseline} on {task} were both searched, over different values or combinations: "
        yield Caveat("unequal settings", f"{sentence}{told}.", "neither")


def _values(use: KeyUse, label: str, baseline: str) -> str:
    ours, theirs = (_rounded(use.chosen[side]) for side in (label, baseline))
    if ours == theirs:
        ours, theirs = use.chosen_text(label), use.chosen_text(baseline)
    return f"{shortened(use.key)} {ours} ({label}) against {theirs} ({baseline})"


def _rounded(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else value_text(value)


def _unequal_search(evidence: Evidence, task: str, label: str, baseline: str) -> Iterator[Caveat]:
    ours, theirs = len(evidence.settings[task, label]), len(evidence.settings[task, baseline])
    both = evidence.to_compare(task, label, baseline)
    if ours == theirs or not both.ours:
        return
    tried = f"{_settings(ours)} of {label} and {theirs} of {baseline} were tried on {task}"
    if both.fresh:
        yield Caveat("unequal search", f"{tried}; compared are fresh seeds, which took no part in choosing.", "neither")
    else:
        more: Literal["variant", "baseline"] = "variant" if ours > theirs else "baseline"
        reason = (
            "and seeds that chose are among those that are compared: the best of many settings looks better than it is."
            f" At least {FEWEST_FRESH} fresh seeds of the chosen settings decide."
        )
        yield Caveat("unequal search", f"{tried}, {reason}", more)


def _settings(number: int) -> str:
    return "1 setting" if number == 1 else f"{number} settings"
