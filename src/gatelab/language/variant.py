"""A variant: named states, equations that run top to bottom or the name of a foreign step, and what follows."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from gatelab.errors import UserError, one_line, suggest
from gatelab.language.equations import added_first, alive, in_order, parsed
from gatelab.language.foreign import FOREIGN, known_foreign
from gatelab.language.functions import FUNCTIONS
from gatelab.language.parsing import LearnedTensor, canonical_text, value_text
from gatelab.language.sizes import BESIDE, GIVEN, Length, has_size, is_dt, vector_size, vector_sizes
from gatelab.language.surrogates import value_tree
from gatelab.language.tree import Expression, FunctionCall, Learned, Linear, Operation, Read, walk
from gatelab.language.typesetting import latex_lines, latex_text, plain_lines, plain_text
from gatelab.language.variant_file import KEYS, checked_roles, equation_texts, state_names

__all__ = ["Variant"]


@dataclass(frozen=True)
class Variant:
    """One gate mapping, written as equations, or foreign: a step that equations cannot say, by its name.

        >>> gatelab.variant("lstm").states
        ('h', 'c')
        >>> gatelab.variant("lstm").equations["c"]
        'f * c + i * z'

    Build one with :func:`gatelab.variant`, :meth:`from_mapping` or :meth:`edit`. Equations that do not
    reach the output have been dropped, with their parameters.

    A foreign variant has no equations, trees and sizes, and its parameters are those that
    :data:`gatelab.language.foreign.FOREIGN` lists.

    Attributes:
        name: what tables call it.
        source: the paper it comes from.
        notes: where paper and common implementations differ, or other remarks.
        states: names that are carried from step to step, in declared order.
        equations: right-hand side of each equation, in running order, in canonical spelling.
        trees: the same, parsed; spans are columns of the text that was parsed, as :meth:`respelled` says.
        output: the equation that leaves the layer.
        roles: role -> equation, for openings and diagnostics.
        parameters: every learned tensor, in running order.
        sizes: length of each equation's vector.
        needs_equal_sizes: some equation mixes x_t with a hidden vector element by element, or the output has the
            length of x_t, so that the input size must equal the hidden size.
        foreign: the name of a foreign variant, ``module`` in files; None for equations.
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
    sizes: Mapping[str, Length] = field(compare=False, repr=False)
    needs_equal_sizes: bool = field(compare=False, repr=False)
    foreign: str | None = None

    @cached_property
    def beside(self) -> tuple[str, ...]:
        """What the equations read beside x_t: ``mask``, ``dt``, masks of training, in the order of their columns."""
        nodes = (node for tree in self.trees.values() for node in walk(tree))
        read = {node.name for node in nodes if isinstance(node, Read) and node.when == "input"}
        return tuple(name for name in BESIDE if name in read)

    @property
    def given(self) -> tuple[str, ...]:
        """What of :attr:`beside` comes with the data: all but what training draws."""
        return tuple(name for name in self.beside if name in GIVEN)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Variant) and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def _identity(self) -> tuple[object, ...]:
        # the order of equations has a meaning, which a comparison of mappings would miss
        equations, roles = tuple(self.equations.items()), tuple(sorted(self.roles.items()))
        return self.name, self.source, self.notes, self.states, equations, self.output, roles, self.foreign

    @staticmethod
    def from_mapping(
        mapping: Mapping[str, Any], where: str = "variant", edited: Collection[str] = (), *, drawn: bool = False
    ) -> "Variant":
        """Check the content of a variant file and return the variant.

        Args:
            mapping: keys name, state and equations (or module, the name of a foreign variant), and optionally source,
                notes, output and roles.
            where: what errors call it, such as "conf/variant/mine.yaml".
            edited: equations that were changed in place. They may read a name that is written further down; the
                equations are then put in an order that gives every name the value it had at its old place.
            drawn: whether equations may read what training draws: those that :mod:`gatelab.language.masks` wrote.

        Raises:
            UserError: naming file, equation and place.
        """
        for key in mapping:
            if key not in KEYS:
                raise UserError(f"{where}: unknown key '{key}'{suggest(str(key), KEYS)}; allowed: {', '.join(KEYS)}")
        name = mapping.get("name")
        if not isinstance(name, str) or not name.isidentifier():
            raise UserError(f"{where}: name={one_line(name)} must be letters, digits and underscores")
        states = state_names(mapping.get("state"), f"{where}: state")
        if mapping.get("module") is not None:
            return _foreign(mapping, name, states, where)
        texts = equation_texts(mapping.get("equations"), where)
        for state in states:
            if state not in texts:
                hint = suggest(state, texts)
                raise UserError(f"{where}: state '{state}' is never written{hint}; it needs an equation")
        output = mapping.get("output") or "h"
        if not isinstance(output, str) or output not in texts:
            raise UserError(f"{where}: output '{output}' has no equation{suggest(str(output), texts)}; "
                            f"equations: {', '.join(texts)}")  # fmt: skip
        trees, owned = parsed(texts, states, where, edited, drawn=drawn)
        if edited:
            trees = in_order(trees, where)
            texts = {name: texts[name] for name in trees}
        living = alive(trees, owned, output)
        roles = checked_roles(mapping.get("roles") or {}, texts, living, where)
        sizes, mixed = vector_sizes({name: tree for name, tree in trees.items() if name in living})
        parameters = tuple(parameter for name in texts if name in living for parameter in owned[name])
        names = [part for parameter in parameters for part in parameter.parts]
        if len(set(names)) < len(names):
            raise UserError(f"{where}: two equations own a parameter of the same name; rename one of them")
        variant = Variant(
            name=name,
            source=str(mapping.get("source") or ""),
            notes=str(mapping.get("notes") or "").strip(),
            states=tuple(state for state in states if state in living),
            equations={name: canonical_text(text) for name, text in texts.items() if name in living},
            output=output,
            roles=roles,
            trees={name: tree for name, tree in trees.items() if name in living},
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
            UserError: as :meth:`from_mapping`, and for a foreign variant.
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
        edited = [name for name, text in texts.items() if name not in original or str(text) != str(original[name])]
        return Variant.from_mapping({**mapping, "equations": added_first(texts, original)}, where, edited)

    def respelled(self) -> "Variant":
        """Return the same variant parsed from its canonical texts, so that the spans of trees are columns of these."""
        drawn = len(self.beside) > len(self.given)
        return Variant.from_mapping(self.mapping(), f"variant '{self.name}'", drawn=drawn)

    def values_only(self) -> "Variant":
        """Return the variant without the functions that change a gradient and no value: ``stop(h)`` is ``h``.

        It has the same values, names and parameters; its derivatives are those of the values.
        """
        trees = {name: value_tree(tree) for name, tree in self.trees.items()}
        if trees == self.trees:
            return self
        return replace(self, trees=trees, equations={name: value_text(text) for name, text in self.equations.items()})

    def mapping(self) -> dict[str, Any]:
        """Return the content of a file that would define this variant."""
        written = (
            {"equations": dict(self.equations), "output": self.output}
            if self.foreign is None
            else {"module": self.foreign}
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
        """Raise a UserError if the variant is foreign; ``purpose`` is what the equations are wanted for, a verb."""
        if self.foreign is not None:
            raise UserError(f"variant '{self.name}' is foreign and has no equations to {purpose}")

    def reads(self, equation: str) -> tuple[str, ...]:
        """Return the vectors that an equation's linear maps and diagonals see, as text: ``("x", "h")``."""
        owned = (parameter for parameter in self.parameters if parameter.equation == equation)
        return tuple(dict.fromkeys(parameter.source for parameter in owned if parameter.source is not None))

    def latex(self) -> str:
        """Return the equations as an ``aligned`` environment of LaTeX, with the letters of :meth:`plain`."""
        facts = None if self.foreign is None else FOREIGN[self.foreign]
        return latex_text(latex_lines(*self._typeset()) if facts is None else facts.latex)

    def plain(self) -> str:
        """Return the equations as aligned lines of text; :func:`gatelab.language.typesetting.plain_lines` says how."""
        facts = None if self.foreign is None else FOREIGN[self.foreign]
        return plain_text(plain_lines(*self._typeset()) if facts is None else facts.plain)

    def _typeset(self) -> tuple[Mapping[str, Expression], tuple[LearnedTensor, ...], dict[str, Expression]]:
        return self.trees, self.parameters, {parameter.name: source for parameter, source in self.weights()}

    def size(self, expression: Expression) -> Length:
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


def _foreign(mapping: Mapping[str, Any], name: str, states: list[str], where: str) -> Variant:
    """Return the variant of a file that names a foreign one."""
    facts = known_foreign(mapping["module"], where)
    if mapping.get("equations"):
        raise UserError(f"{where}: variant '{name}' is foreign and has no equations to edit")
    if mapping.get("output"):
        raise UserError(
            f"{where}: output={mapping['output']}: variant '{name}' is foreign, and its output cannot be chosen"
        )
    if tuple(states) != facts.states:
        given, wanted = ", ".join(states), ", ".join(facts.states)
        foreign = f"the foreign variant {mapping['module']}"
        raise UserError(f"{where}: state=[{given}]: must be [{wanted}], the states of {foreign}")
    return Variant(
        name=name,
        source=str(mapping.get("source") or ""),
        notes=str(mapping.get("notes") or "").strip(),
        states=facts.states,
        equations={},
        output="h",
        roles=checked_roles(mapping.get("roles") or {}, facts.gates, set(facts.gates), where, "gate"),
        trees={},
        parameters=facts.parameters,
        sizes={},
        needs_equal_sizes=False,
        foreign=mapping["module"],
    )


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
            if isinstance(node, Linear) and any(is_dt(source) for source in node.sources):
                raise UserError(
                    f"{where}, equation {name}: {variant.equations[name]} has a matrix that meets dt, which is one "
                    "number, the same for all units; write dt*vector(0.1)"
                )
            if isinstance(node, FunctionCall) and FUNCTIONS[node.function].rows and not has_size(node, variant.sizes):
                text = variant.equations[name]
                raise UserError(f"{where}, equation {name}: {node.function}() acts on a vector; {text} has none")
