"""The equations of a variant as a whole: parsed, put in order, without those that reach nothing, and checked."""

from collections import ChainMap
from collections.abc import Collection, Mapping
from typing import Any

from gatelab.errors import UserError
from gatelab.language.ordering import nearest_order
from gatelab.language.parsing import LearnedTensor, parse_equation
from gatelab.language.sizes import BESIDE, GIVEN
from gatelab.language.tree import Expression, Read, When, walk
from gatelab.language.word_table import INPUT

__all__ = ["added_first", "alive", "in_order", "parsed"]


def parsed(
    texts: Mapping[str, str], states: list[str], where: str, edited: Collection[str], *, drawn: bool = False
) -> tuple[dict[str, Expression], dict[str, tuple[LearnedTensor, ...]]]:
    """Parse equations that run top to bottom; those of ``edited`` may read a name that is written further down.

    With ``drawn`` they may also read what training draws.

    Returns:
        Equation -> tree, and equation -> the parameters that it owns.

    Raises:
        UserError: naming file, equation and place.
    """
    # an equation may have the name of what stands beside x, and is then what that name means
    inputs = (INPUT, *(name for name in (BESIDE if drawn else GIVEN) if name not in texts))
    scope: dict[str, When] = {**dict.fromkeys(inputs, "input"), **dict.fromkeys(states, "previous")}
    trees: dict[str, Expression] = {}
    parameters: dict[str, tuple[LearnedTensor, ...]] = {}
    later = dict.fromkeys(texts)
    ahead: dict[str, When] = dict.fromkeys((name for name in texts if name not in scope), "now")
    reaching, changed = ChainMap(scope, ahead), frozenset(edited)
    for name, text in texts.items():
        del later[name]
        ahead.pop(name, None)
        known = reaching if name in changed else scope
        trees[name], parameters[name] = parse_equation(
            text, name, known, later.keys(), f"{where}, equation {name}", parameters
        )
        scope[name] = "now"
    return trees, parameters


def added_first(texts: Mapping[str, Any], original: Collection[str]) -> dict[str, Any]:
    """Return equations with those that the original has not in front: what an edit adds runs first."""
    added = {name: text for name, text in texts.items() if name not in original}
    return {**added, **{name: text for name, text in texts.items() if name in original}}


def in_order(trees: Mapping[str, Expression], where: str) -> dict[str, Expression]:
    """Order equations so that each runs after what it reads of this step and before what overwrites its old states.

    Of several possible orders it is the one nearest to the given order.
    """
    before: dict[str, set[str]] = {name: set() for name in trees}
    for name, tree in trees.items():
        for node in walk(tree):
            if isinstance(node, Read) and node.when == "now":
                before[name].add(node.name)
            elif isinstance(node, Read) and node.when == "previous" and node.name != name:
                before[node.name].add(name)
    order = nearest_order(trees, before)
    if len(order) < len(trees):
        stuck = ", ".join(name for name in trees if name not in set(order))
        raise UserError(f"{where}: equations {stuck} need each other's values of the same step; no order runs them")
    return {name: trees[name] for name in order}


def alive(trees: Mapping[str, Expression], owned: Mapping[str, tuple[LearnedTensor, ...]], output: str) -> set[str]:
    """Return the equations that reach the output: at this step, through a state at a later one, or by their weights."""
    owner = {parameter.name: equation for equation, parameters in owned.items() for parameter in parameters}
    found: set[str] = set()
    waiting = [output]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += [node.name for node in walk(trees[name]) if isinstance(node, Read) and node.when != "input"]
            forms = [parameter.form for parameter in owned[name] if parameter.form is not None]
            waiting += [owner[form.other] for form in forms if form.kind == "tied"]
    return found
