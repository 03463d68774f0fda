"""The nearest relatives of a variant: those of the catalogue from which a few changed equations lead to it.

Nothing is listed by hand. Equations are compared by name; where the names differ, those with the same role, and the
states in their order, are taken for the same. Each relative is checked: its edit gives the equations of the variant.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from gatelab.errors import UserError
from gatelab.language.tree import Read, walk
from gatelab.language.variant import Variant

__all__ = ["Relative", "relatives"]

MOST_EDITS = 3
"""Changed equations beyond which two variants are not called relatives."""


@dataclass(frozen=True)
class Relative:
    """A variant that a few edits turn into another.

    Attributes:
        name: of the relative.
        renamed: name in the relative -> name in the variant, where they differ.
        changed: equation -> its new text, in the names of the variant.
        dropped: equations of the relative that the variant lacks, in the names of the variant.
    """

    name: str
    renamed: Mapping[str, str]
    changed: Mapping[str, str]
    dropped: tuple[str, ...]

    @property
    def edits(self) -> int:
        """How many equations differ."""
        return len(self.changed) + len(self.dropped)

    def text(self, of: str) -> str:
        """Return the relation as a line: ``cifg = lstm with i: 1 - f``."""
        edits = "; ".join(f"{name}: {text}" for name, text in self.changed.items())
        words = [self.name, f"with {edits}" if edits else "", f"without {', '.join(self.dropped)}"]
        said = " ".join(word for word in words if word and (self.dropped or not word.startswith("without")))
        called = ", ".join(f"{theirs} is called {ours}" for theirs, ours in self.renamed.items())
        return f"{of} = {said}{f' ({called})' if called else ''}"


def relatives(variant: Variant, others: Mapping[str, Variant], count: int = 5) -> list[Relative]:
    """Return the nearest of some variants, the fewest edits first; none that needs more than 3, or shares none.

        >>> others = {name: gatelab.variant(name) for name in ("lstm", "gru")}
        >>> [relative.text("cifg") for relative in relatives(gatelab.variant("cifg"), others)]
        ['cifg = lstm with i: 1 - f']

    Args:
        variant: what is looked at; a foreign one has no relatives.
        others: name -> variant; one with the name of the variant and its equations is left out.
        count: how many are returned at most.
    """
    found: list[tuple[int, int, Relative]] = []
    for name, other in others.items():
        if other.foreign or (name == variant.name and other.equations == variant.equations):
            continue
        relative = _compared(variant, name, other)
        if relative.edits <= MOST_EDITS and len(relative.changed) < len(variant.equations):
            found.append((relative.edits, sum(map(len, relative.changed.values())) + len(relative.renamed), relative))
    nearest: list[Relative] = []
    for _, _, relative in sorted(found, key=lambda one: (*one[:2], one[2].name)):
        if len(nearest) < count and _leads_to(variant, relative, others[relative.name]):
            nearest.append(relative)
    return nearest


def _compared(variant: Variant, name: str, other: Variant) -> Relative:
    called = _renaming(variant, other)
    theirs = {called.get(equation, equation): _renamed(text, called) for equation, text in other.equations.items()}
    changed = {equation: text for equation, text in variant.equations.items() if theirs.get(equation) != text}
    return Relative(name, called, changed, tuple(equation for equation in theirs if equation not in variant.equations))


def _renaming(variant: Variant, other: Variant) -> dict[str, str]:
    """Return name in the other -> name in the variant, where they differ and no name gets two meanings."""
    same = dict(zip(other.states, variant.states, strict=False))
    same |= {equation: variant.roles[role] for role, equation in other.roles.items() if role in variant.roles}
    called = {theirs: ours for theirs, ours in same.items() if theirs != ours}
    names = [called.get(equation, equation) for equation in other.equations]
    return called if len(set(names)) == len(names) else {}


def _renamed(text: str, called: Mapping[str, str]) -> str:
    return re.sub(r"[A-Za-z_]\w*", lambda match: called.get(match[0], match[0]), text)


def _leads_to(variant: Variant, relative: Relative, other: Variant) -> bool:
    """Return whether the relative, edited, has the equations of the variant."""
    called = relative.renamed
    if not variant.equations:
        return False
    mapping = other.mapping()
    mapping["equations"] = {called.get(name, name): _renamed(text, called) for name, text in other.equations.items()}
    mapping["state"] = [called.get(state, state) for state in other.states]
    mapping["output"] = called.get(other.output, other.output)
    mapping["roles"] = {}
    try:
        renamed = Variant.from_mapping(mapping)
        edited = renamed.edit(**relative.changed, **dict.fromkeys(relative.dropped))
    except UserError:  # an edit that leaves the other's output or an order without an equation
        return False
    return _meaning(edited) == _meaning(variant)


def _meaning(variant: Variant) -> tuple[object, ...]:
    # the same text reads another value where the order is another: the cell before or after its update
    reads = {name: [one.when for one in walk(tree) if isinstance(one, Read)] for name, tree in variant.trees.items()}
    return dict(variant.equations), reads, set(variant.states), variant.output
