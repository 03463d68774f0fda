"""A variant: named states, equations that run top to bottom or a module, and what follows from them."""

import keyword
from collections import ChainMap
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from gatelab.errors import UserError, one_line, suggest
from gatelab.language.foreign import MODULES, known_module
from gatelab.language.functions import FUNCTIONS
from gatelab.language.ordering import nearest_order
from gatelab.language.parsing import RESERVED, LearnedTensor, canonical_text, parse_equation
from gatelab.language.sizes import Size, has_size, vector_size, vector_sizes
from gatelab.language.tree import Expression, FunctionCall, Learned, Linear, Operation, Read, When, walk
from gatelab.language.typesetting import latex_lines, latex_text, plain_lines, plain_text

__all__ = ["ROLES", "Variant"]

ROLES = ("retain", "write", "expose", "reset", "opening")
"""What a gate can be declared to do: keep the state, let new content in, let the state out, hide the state from the
candidate; ``opening`` names the equation whose bias an opening sets, where that is not the retaining gate's own."""

KEYS = ("name", "source", "notes", "state", "equations", "output", "roles", "module")
COMPUTED = ("state", "equations", "order", "output", "module")
"""What of a variant decides the operations of a step; ``order`` is that of the equations. The rest names things."""


@dataclass(frozen=True)
class Variant:
    """One gate mapping, written as equations, or as the name of a module where equations cannot say it.

        >>> gatelab.variant("lstm").states
        ('h', 'c')
        >>> gatelab.variant("lstm").equations["c"]
        'f * c + i * z'

    Build one with :func:`gatelab.variant`, :meth:`from_mapping` or :meth:`edit`. Equations that do not
    reach the output have been dropped, with their parameters.

    A module has no equations, trees and sizes, and its parameters are those that
    :data:`gatelab.language.foreign.MODULES` lists.

    Attributes:
        name: what tables call it.
        source: the paper it comes from.
        notes: where paper and common implementations differ, or other remarks.
        states: names that are carried from step to step, in declared order.
        equations: right-hand side of each equation, in running order, in canonical spelling.
        trees: the same, parsed.
        output: the equation that leaves the layer.
        roles: role -> equation, for openings and diagnostics.
        parameters: every learned tensor, in running order.
        sizes: length of each equation's vector.
        needs_equal_sizes: some equation mixes x_t with a hidden vector element by element, or the output has the
            length of x_t, so that the input size must equal the hidden size.
        module: the module's name; None for equations.
    """

    name: str
    source: str
    notes: str
    states: tuple[str, ...]
    equations: Mapping[str, str]
    output: str
    roles: Mapping[str, str]
    trees: Mapping[str, Expression] = field(compare=False, repr=False)
    parameters: tuple[LearnedTensor, ...] = field(compare=False, repr=False)
    sizes: Mapping[str, Size] = field(compare=False, repr=False)
    needs_equal_sizes: bool = field(compare=False, repr=False)
    module: str | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Variant) and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def _identity(self) -> tuple[object, ...]:
        # the order of equations has a meaning, which a comparison of mappings would miss
        equations, roles = tuple(self.equations.items()), tuple(sorted(self.roles.items()))
        return self.name, self.source, self.notes, self.states, equations, self.output, roles, self.module

    @staticmethod
    def from_mapping(mapping: Mapping[str, Any], where: str = "variant", edited: Collection[str] = ()) -> "Variant":
        """Check the content of a variant file and return the variant.

        Args:
            mapping: keys name, state and equations (or module), and optionally source, notes, output and roles.
            where: what errors call it, such as "conf/variant/mine.yaml".
            edited: equations that were changed in place. They may read a name that is written further down; the
                equations are then put in an order that gives every name the value it had at its old place.

        Raises:
            UserError: naming file, equation and place.
        """
        for key in mapping:
            if key not in KEYS:
                raise UserError(f"{where}: unknown key '{key}'{suggest(str(key), KEYS)}; allowed: {', '.join(KEYS)}")
        name = mapping.get("name")
        if not isinstance(name, str) or not name.isidentifier():
            raise UserError(f"{where}: name={one_line(name)} must be letters, digits and underscores")
        states = _names(mapping.get("state"), f"{where}: state")
        if mapping.get("module") is not None:
            return _of_module(mapping, name, states, where)
        texts = _texts(mapping.get("equations"), where)
        for state in states:
            if state not in texts:
                hint = suggest(state, texts)
                raise UserError(f"{where}: state '{state}' is never written{hint}; it needs an equation")
        output = mapping.get("output") or "h"
        if not isinstance(output, str) or output not in texts:
            raise UserError(f"{where}: output '{output}' has no equation{suggest(str(output), texts)}; "
                            f"equations: {', '.join(texts)}")  # fmt: skip
        trees, owned = _parse(texts, states, where, edited)
        if edited:
            trees = _ordered(trees, where)
            texts = {name: texts[name] for name in trees}
        alive = _alive(trees, owned, output)
        roles = _roles(mapping.get("roles") or {}, texts, alive, where)
        sizes, mixed = vector_sizes({name: tree for name, tree in trees.items() if name in alive})
        parameters = tuple(parameter for name in texts if name in alive for parameter in owned[name])
        names = [part for parameter in parameters for part in parameter.parts]
        if len(set(names)) < len(names):
            raise UserError(f"{where}: two equations own a parameter of the same name; rename one of them")
        variant = Variant(
            name=name,
            source=str(mapping.get("source") or ""),
            notes=str(mapping.get("notes") or "").strip(),
            states=tuple(state for state in states if state in alive),
            equations={name: canonical_text(text) for name, text in texts.items() if name in alive},
            output=output,
            roles=roles,
            trees={name: tree for name, tree in trees.items() if name in alive},
            parameters=parameters,
            sizes=sizes,
            needs_equal_sizes=mixed or sizes[output] == "input",
        )
        _check_sizes(variant, where)
        return variant

    def edit(self, name: str | None = None, **equations: str | float | None) -> "Variant":
        """Return the variant with some equations replaced, added (they run first) or, with None, removed.

            >>> gatelab.variant("peephole").edit(i="1 - f").equations["i"]  # couples it to the forget gate
            '1 - f'

        Raises:
            UserError: as :meth:`from_mapping`, and for a module.
        """
        self.check_equations("edit")
        for removed, text in equations.items():
            if text is None and removed not in self.equations:
                raise UserError(f"variant '{self.name}' has no equation '{removed}'{suggest(removed, self.equations)}")
        texts = {name: text for name, text in {**self.equations, **equations}.items() if text is not None}
        changed = {**self.mapping(), "name": name or self.name, "equations": texts}
        changed["state"] = [state for state in self.states if state in texts]
        changed["roles"] = {role: equation for role, equation in self.roles.items() if equation in texts}
        return Variant.from_edited_mapping(changed, self.equations, where=f"variant '{self.name}', edited")

    @staticmethod
    def from_edited_mapping(mapping: Mapping[str, Any], original: Mapping[str, Any], where: str) -> "Variant":
        """Return the variant of a mapping whose equations began as the original's and may have been changed since.

        A changed equation may read a name that is written further down; an added one runs first, as in :meth:`edit`.
        """
        texts = mapping.get("equations")
        if not isinstance(texts, Mapping):
            return Variant.from_mapping(mapping, where)
        added = {name: text for name, text in texts.items() if name not in original}
        kept = {name: text for name, text in texts.items() if name in original}
        changed = [name for name, text in kept.items() if str(text) != str(original[name])]
        return Variant.from_mapping({**mapping, "equations": {**added, **kept}}, where, [*added, *changed])

    def mapping(self) -> dict[str, Any]:
        """Return the content of a file that would define this variant."""
        written = (
            {"equations": dict(self.equations), "output": self.output}
            if self.module is None
            else {"module": self.module}
        )
        return {
            "name": self.name,
            "source": self.source,
            "notes": self.notes,
            "state": list(self.states),
            **written,
            "roles": dict(self.roles),
        }

    def check_equations(self, purpose: str) -> None:
        """Raise a UserError if the variant is a module; ``purpose`` is what the equations are wanted for, a verb."""
        if self.module is not None:
            raise UserError(f"variant '{self.name}' is a module and has no equations to {purpose}")

    def reads(self, equation: str) -> tuple[str, ...]:
        """Return the vectors that an equation's linear maps and diagonals see, as text: ``("x", "h")``."""
        owned = (parameter for parameter in self.parameters if parameter.equation == equation)
        return tuple(dict.fromkeys(parameter.source for parameter in owned if parameter.source is not None))

    def latex(self) -> str:
        """Return the equations as an ``aligned`` environment of LaTeX, with the letters of :meth:`plain`."""
        facts = None if self.module is None else MODULES[self.module]
        return latex_text(latex_lines(*self._typeset()) if facts is None else facts.latex)

    def plain(self) -> str:
        """Return the equations as aligned lines of text; :func:`gatelab.language.typesetting.plain_lines` says how."""
        facts = None if self.module is None else MODULES[self.module]
        return plain_text(plain_lines(*self._typeset()) if facts is None else facts.plain)

    def _typeset(self) -> tuple[Mapping[str, Expression], tuple[LearnedTensor, ...], dict[str, Expression]]:
        return self.trees, self.parameters, {parameter.name: source for parameter, source in self.weights()}

    def size(self, expression: Expression) -> Size:
        """Return the length of an expression's vector (numbers and scalars count as hidden)."""
        return vector_size(expression, self.sizes)

    def weights(self) -> Iterator[tuple[LearnedTensor, Expression]]:
        """Yield every weight matrix and diagonal with the expression it multiplies."""
        by_name = {parameter.name: parameter for parameter in self.parameters}
        for tree in self.trees.values():
            for node in walk(tree):
                if isinstance(node, Linear):
                    for weight, source in zip(node.weights, node.sources, strict=True):
                        yield by_name[weight], source
                elif isinstance(node, Operation) and isinstance(node.left, Learned) and node.left.kind == "diagonal":
                    yield by_name[node.left.parameter], node.right


def _of_module(mapping: Mapping[str, Any], name: str, states: list[str], where: str) -> Variant:
    """Return the variant of a file that names a module."""
    module = known_module(mapping["module"], where)
    if mapping.get("equations"):
        raise UserError(f"{where}: variant '{name}' is a module and has no equations to edit")
    if mapping.get("output"):
        raise UserError(f"{where}: output={mapping['output']}: variant '{name}' is a module, whose output is its own")
    if tuple(states) != module.states:
        wanted = ", ".join(module.states)
        raise UserError(
            f"{where}: state=[{', '.join(states)}]: must be [{wanted}], the states of module {mapping['module']}"
        )
    return Variant(
        name=name,
        source=str(mapping.get("source") or ""),
        notes=str(mapping.get("notes") or "").strip(),
        states=module.states,
        equations={},
        output="h",
        roles=_roles(mapping.get("roles") or {}, module.gates, set(module.gates), where, "gate"),
        trees={},
        parameters=module.parameters,
        sizes={},
        needs_equal_sizes=False,
        module=mapping["module"],
    )


def _names(value: Any, where: str) -> list[str]:
    if not isinstance(value, list | tuple) or not value:
        raise UserError(f"{where}={one_line(value)} must be a list of names, such as [h, c]")
    seen = set()
    for name in value:
        _check_name(name, where)
        if name in seen:
            raise UserError(f"{where}: '{name}' is listed twice")
        seen.add(name)
    return list(value)


def _check_name(name: Any, where: str) -> None:
    if not isinstance(name, str) or not name.isidentifier() or not name.isascii() or name.startswith("_"):
        raise UserError(f"{where}: '{one_line(name)}' is not a name (letters, digits and underscores, a letter first)")
    if name in RESERVED or keyword.iskeyword(name):
        raise UserError(f"{where}: '{name}' is a name of the language; choose another")


def _texts(value: Any, where: str) -> dict[str, str]:
    if not isinstance(value, Mapping) or not value:
        raise UserError(f"{where}: equations={one_line(value)} must be a mapping from names to right-hand sides")
    texts = {}
    for name, text in value.items():
        _check_name(name, f"{where}: equations")
        if isinstance(text, bool) or not isinstance(text, str | int | float):
            raise UserError(
                f"{where}, equation {name}: {one_line(text)} must be a right-hand side such as tanh(linear(x, h))"
            )
        texts[name] = str(text)
    return texts


def _parse(
    texts: Mapping[str, str], states: list[str], where: str, edited: Collection[str]
) -> tuple[dict[str, Expression], dict[str, tuple[LearnedTensor, ...]]]:
    scope: dict[str, When] = {"x": "input", **dict.fromkeys(states, "previous")}
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


def _ordered(trees: Mapping[str, Expression], where: str) -> dict[str, Expression]:
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


def _check_sizes(variant: Variant, where: str) -> None:
    """Refuse weights that are shared between sources of different lengths, and row functions of no vector."""
    sources = {parameter.name: variant.size(source) for parameter, source in variant.weights()}
    for parameter in variant.parameters:
        form = parameter.form
        if form is not None and form.kind == "tied" and sources[form.other] != sources[parameter.name]:
            raise UserError(
                f"{where}, equation {parameter.equation}: '{parameter.source}' has the {sources[parameter.name]} size "
                f"and cannot share {form.other}, which meets a vector of the {sources[form.other]} size"
            )
    for name, tree in variant.trees.items():
        for node in walk(tree):
            if isinstance(node, FunctionCall) and FUNCTIONS[node.function].rows and not has_size(node, variant.sizes):
                text = variant.equations[name]
                raise UserError(f"{where}, equation {name}: {node.function}() acts on a vector; {text} has none")


def _alive(trees: Mapping[str, Expression], owned: Mapping[str, tuple[LearnedTensor, ...]], output: str) -> set[str]:
    """Return the equations that reach the output: at this step, through a state at a later one, or by their weights."""
    owner = {parameter.name: equation for equation, parameters in owned.items() for parameter in parameters}
    alive: set[str] = set()
    waiting = [output]
    while waiting:
        name = waiting.pop()
        if name not in alive:
            alive.add(name)
            waiting += [node.name for node in walk(trees[name]) if isinstance(node, Read) and node.when != "input"]
            forms = [parameter.form for parameter in owned[name] if parameter.form is not None]
            waiting += [owner[form.other] for form in forms if form.kind == "tied"]
    return alive


def _roles(value: Any, texts: Collection[str], alive: set[str], where: str, noun: str = "equation") -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise UserError(
            f"{where}: roles={one_line(value)} must be a mapping such as {{retain: f, write: i, expose: o}}"
        )
    for role, equation in value.items():
        if role not in ROLES:
            raise UserError(f"{where}: unknown role '{role}'{suggest(str(role), ROLES)}; allowed: {', '.join(ROLES)}")
        if not isinstance(equation, str) or equation not in texts:
            raise UserError(f"{where}: role {role}={one_line(equation)} is no {noun}{suggest(str(equation), texts)}; "
                            f"{noun}s: {', '.join(texts)}")  # fmt: skip
    return {role: equation for role, equation in value.items() if equation in alive}
