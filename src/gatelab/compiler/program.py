"""A variant as a schedule: what is computed once, what for the whole sequence at once, and what step by step.

The tree becomes instructions in single-assignment form. Equal expressions become one instruction. Matrix products of
the same source are joined: all gates of an LSTM see h through one product of four times the width, and what a gate adds
from x_t alone is computed for the whole sequence before the first step and handed to that product as its addend.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import Literal

from gatelab.language.functions import FUNCTIONS
from gatelab.language.ordering import ordered
from gatelab.language.parsing import parse_equation
from gatelab.language.sizes import BESIDE
from gatelab.language.tree import Expression, FunctionCall, Learned, Linear, Negation, Number, Operation, Read
from gatelab.language.variant import Variant

__all__ = ["Instruction", "Phase", "Program", "program", "unstopped"]

Phase = Literal["once", "sequence", "step"]
"""When an instruction runs: its value is the same for all steps, known from x for all steps at once, or known step by
step."""

Kind = Literal["number", "parameter", "input", "state", "negate", "operation", "function", "product", "join", "part"]


@dataclass(frozen=True)
class Instruction:
    """One value.

    Attributes:
        kind: what computes it. ``product`` is the source times the joined weights, transposed, plus the addend if there
            is one; ``join`` lays addends side by side; ``part`` cuts one of a product's ``parts`` equal pieces.
        phase: when it runs.
        arguments: indices of the instructions it reads; of a product: its source and, if any, its addend.
        name: the parameter, state, operation or function; of an input what stands beside x, "" for x itself.
        value: of a number.
        weights: of a product: the weight matrices, joined along their rows.
        biases: of a product: the bias of each weight, or None.
        position, parts: of a part.
    """

    kind: Kind
    phase: Phase
    arguments: tuple[int, ...] = ()
    name: str = ""
    value: float = 0.0
    weights: tuple[str, ...] = ()
    biases: tuple[str | None, ...] = ()
    position: int = 0
    parts: int = 1


@dataclass(frozen=True, eq=False)
class Program:
    """The schedule of a variant.

    Attributes:
        instructions: all values, each after what it reads.
        equations: equation -> index of its value.
        states: state -> index of its new value.
        output: index of the output's value.
        variant: whose schedule it is.
    """

    instructions: tuple[Instruction, ...]
    equations: Mapping[str, int]
    states: Mapping[str, int]
    output: int
    variant: Variant

    def __reduce__(self) -> tuple[Callable[[Variant], "Program"], tuple[Variant]]:
        # a copy is the schedule that program() knows, so that what is kept for it is found
        return program, (self.variant,)

    def phase(self, phase: Phase) -> tuple[int, ...]:
        """Return the indices of the instructions of one phase, in running order."""
        return tuple(index for index, instruction in enumerate(self.instructions) if instruction.phase == phase)


def unstopped(instructions: Sequence[Instruction], index: int) -> int:
    """Return the value of which a value is ``stop(…)``: the same numbers, without what goes backwards."""
    while instructions[index].kind == "function" and instructions[index].name == "stop":
        index = instructions[index].arguments[0]
    return index


@cache
def expansion(function: str) -> Expression:
    """Return the tree of a function that is made of others, over its argument u."""
    text = FUNCTIONS[function].expansion
    return parse_equation(text, "expansion", {"u": "now"}, frozenset(), f"expansion of {function}")[0]


@lru_cache(maxsize=256)
def program(variant: Variant) -> Program:
    """Return the schedule of a variant.

    Raises:
        UserError: the variant is foreign.
    """
    variant.check_equations("compile")
    scheduler = _Scheduler()
    for name, tree in variant.trees.items():
        scheduler.values[name] = scheduler.schedule(tree)
    return scheduler.finish(variant)


@dataclass(frozen=True)
class _Term:
    """A product before it is joined with others of the same source: one weight, its bias, its addend."""

    source: int
    weight: str
    bias: str | None
    addend: int | None


class _Scheduler:
    """Collects instructions and terms, then joins the terms."""

    def __init__(self) -> None:
        self.nodes: list[Instruction | _Term] = []
        self.phases: list[Phase] = []
        self.values: dict[str, int] = {}
        self._known: dict[tuple[Instruction | _Term, float], int] = {}

    def schedule(self, tree: Expression) -> int:
        match tree:
            case Number(value=value):
                return self._add(Instruction("number", "once", value=value))
            case Learned(parameter=parameter):
                return self._add(Instruction("parameter", "once", name=parameter))
            case Read(name=name, when="input"):
                return self._add(Instruction("input", "sequence", name=name if name in BESIDE else ""))
            case Read(name=name, when="previous"):
                return self._add(Instruction("state", "step", name=name))
            case Read(name=name):
                return self.values[name]
            case Negation(operand=operand):
                return self._element_wise("negate", "", (self.schedule(operand),))
            case Operation(symbol=symbol, left=left, right=right):
                return self._element_wise("operation", symbol, (self.schedule(left), self.schedule(right)))
            case FunctionCall(function=function, arguments=arguments):
                values = tuple(map(self.schedule, arguments))
                if FUNCTIONS[function].expansion:
                    return self._expanded(expansion(function), values[0])
                return self._element_wise("function", function, values)
            case Linear():
                return self._linear(tree)

    def _linear(self, tree: Linear) -> int:
        """W_a a + W_b b + bias, what is known before the first step first, so that each product of a step adds to it.

        Before the first step the sum is taken apart from the products: these then need nothing but their source, and
        joining those of one source can never make two of them wait for each other.
        """
        sources = [self.schedule(source) for source in tree.sources]
        pairs = sorted(zip(sources, tree.weights, strict=True), key=lambda pair: self.phases[pair[0]] == "step")
        total: int | None = None
        for source, weight in pairs:
            if total is None:
                total = self._add(_Term(source, weight, tree.bias, None))
            elif self.phases[source] == "step":
                total = self._add(_Term(source, weight, None, total))
            else:
                total = self._element_wise("operation", "+", (total, self._add(_Term(source, weight, None, None))))
        assert total is not None  # the parser refuses linear() without a source
        return total

    def _expanded(self, tree: Expression, argument: int) -> int:
        """Schedule a function that is made of others; its tree reads the argument alone."""
        match tree:
            case Read():
                return argument
            case Number():
                return self.schedule(tree)
            case Negation(operand=operand):
                return self._element_wise("negate", "", (self._expanded(operand, argument),))
            case Operation(symbol=symbol, left=left, right=right):
                values = self._expanded(left, argument), self._expanded(right, argument)
                return self._element_wise("operation", symbol, values)
            case FunctionCall(function=function, arguments=arguments):
                parts = tuple(self._expanded(part, argument) for part in arguments)
                return self._element_wise("function", function, parts)
            case _:
                raise AssertionError(tree)

    def _element_wise(self, kind: Kind, name: str, arguments: tuple[int, ...]) -> int:
        return self._add(Instruction(kind, self._latest(arguments), arguments, name=name))

    def _latest(self, arguments: tuple[int, ...]) -> Phase:
        phases = {self.phases[argument] for argument in arguments}
        return "step" if "step" in phases else "sequence" if "sequence" in phases else "once"

    def _add(self, node: Instruction | _Term) -> int:
        # -0.0 equals 0.0
        key = node, math.copysign(1.0, node.value) if isinstance(node, Instruction) else 1.0
        if key not in self._known:
            self._known[key] = len(self.nodes)
            self.nodes.append(node)
            if isinstance(node, Instruction):
                self.phases.append(node.phase)
            else:
                # a product runs at the earliest for the whole sequence: its source may be a learned vector
                latest = self._latest((node.source,) if node.addend is None else (node.source, node.addend))
                self.phases.append(latest)
        return self._known[key]

    def finish(self, variant: Variant) -> Program:
        """Join the terms that share source, phase and readiness, and order everything."""
        groups: dict[tuple[int, Phase, bool], list[int]] = {}
        for index, node in enumerate(self.nodes):
            if isinstance(node, _Term):
                joins = node.addend is not None and self.phases[node.addend] == "sequence"
                chained = node.addend is not None and not joins
                # a term whose addend is itself a product of this step waits for it, so it stays alone
                group = -1 - index if chained else node.source
                groups.setdefault((group, self.phases[index], joins), []).append(index)
        members_of = {member: members for members in groups.values() for member in members}
        out: list[Instruction] = []
        places: dict[int, int] = {}

        def emit(instruction: Instruction) -> int:
            out.append(instruction)
            return len(out) - 1

        def terms_of(index: int) -> list[_Term]:
            return [term for member in members_of[index] if isinstance(term := self.nodes[member], _Term)]

        def needs(index: int) -> tuple[int, ...]:
            node = self.nodes[index]
            if isinstance(node, Instruction):
                return node.arguments
            # the first term of a group stands for all of them
            first = members_of[index][0]
            if index != first:
                return (first,)
            return node.source, *(term.addend for term in terms_of(index) if term.addend is not None)

        for index in ordered(self.values.values(), needs):
            node = self.nodes[index]
            if isinstance(node, Instruction):
                places[index] = emit(replace(node, arguments=tuple(places[argument] for argument in node.arguments)))
                continue
            if index != members_of[index][0]:
                continue  # the first term of its group has brought it along
            members, terms, phase = members_of[index], terms_of(index), self.phases[index]
            arguments: tuple[int, ...] = (places[node.source],)
            addends = [places[term.addend] for term in terms if term.addend is not None]
            if len(addends) == 1:
                arguments += (addends[0],)
            elif addends:
                arguments += (emit(Instruction("join", "sequence", tuple(addends))),)
            weights, biases = tuple(term.weight for term in terms), tuple(term.bias for term in terms)
            product = emit(Instruction("product", phase, arguments, weights=weights, biases=biases))
            if len(members) == 1:
                places[index] = product
                continue
            for position, member in enumerate(members):
                part = Instruction("part", phase, (product,), position=position, parts=len(members))
                places[member] = emit(part)
        equations = {name: places[index] for name, index in self.values.items()}
        states = {name: equations[name] for name in variant.states}
        return Program(tuple(out), equations, states, equations[variant.output], variant)
