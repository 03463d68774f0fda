"""Write docs/kernel.md, a variant on its way from text to C: docs/_site/kernel.txt with what the compiler makes."""

import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent, indent

from gatelab.compiler import Instruction, Program, program
from gatelab.compiler.adjoint import ProgramPlan, plan
from gatelab.compiler.gate_algebra import step_jacobian
from gatelab.compiler.graph import Block, Place
from gatelab.language import Variant, load_variant
from gatelab.language.tree import Expression, FunctionCall, Linear, Negation, Number, Operation, Read
from gatelab.locations import conf_directory
from gatelab.paths.native.emit import emit

PAGE = Path(__file__).parents[1] / "docs" / "kernel.md"
VARIANT = "ugrnn"

TEXT = PAGE.parent / "_site" / "kernel.txt"


def page() -> str:
    """Return the page."""
    variant = load_variant(VARIANT)
    made = program(variant)
    planned = plan(made)
    code = emit(planned, dict.fromkeys(variant.states, "hidden"), {}, double=False).text
    ahead = [each for each in made.instructions if each.phase == "sequence"]
    blocks = {
        "text": _file_text(),
        "tree": "\n".join(line for name, tree in variant.trees.items() for line in _tree(tree, f"{name} = ", "")),
        "program": "\n".join(_program(made)),
        "jacobian": step_jacobian(variant).plain(),
        "cut": "\n".join(_stages(variant, planned)),
        "adjoint": "\n".join(_adjoint(variant, planned)),
        "forward": _loop(code, "block_0"),
        "backward": _loop(code, "block_back_0"),
        "loop": _loop(code, "forward", "for (long t = 0;"),
    }
    words = {
        "name": VARIANT,
        "gates": " and ".join(name for name, tree in variant.trees.items() if isinstance(tree, FunctionCall)),
        "gate": variant.roles["retain"],
        "count": len(made.instructions),
        "sequence": len(ahead),
        "stages": f"{len(planned.forward)} stage{'s' if len(planned.forward) > 1 else ''}",
        "slots": planned.slot_count,
    }
    return TEXT.read_text(encoding="utf-8").format(
        **words, **{key: indent(text.rstrip(), "    ") for key, text in blocks.items()}
    )


def _file_text() -> str:
    (file,) = conf_directory().rglob(f"{VARIANT}.yaml")
    return re.sub(r"^(source|notes):.*?\n(?=\w)", "", file.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def _tree(tree: Expression, start: str, margin: str) -> Iterator[str]:
    """Yield the lines of a tree, one for each node."""
    parts: tuple[Expression, ...] = ()
    match tree:
        case Number(value=value):
            said = f"number {value:g}"
        case Read(name=name, when=when):
            said = {"input": f"read {name}_t, the input", "previous": f"read {name}_t-1", "now": f"read {name}_t"}[when]
        case Negation(operand=operand):
            said, parts = "negation", (operand,)
        case Operation(symbol=symbol, left=left, right=right):
            said, parts = f"operation {symbol}", (left, right)
        case FunctionCall(function=function, arguments=arguments):
            said, parts = f"function {function}", arguments
        case Linear(sources=sources, weights=weights, bias=bias):
            said, parts = f"affine map with {', '.join([*weights, *([bias] if bias else [])])}", sources
        case _:
            raise AssertionError(tree)
    yield f"{margin}{start}{said}"
    for part in parts:
        yield from _tree(part, "", f"{margin}{' ' * len(start) if start else ''}  ")


def _program(made: Program) -> Iterator[str]:
    named = {value: f"   # {name}" for name, value in made.equations.items()}
    for number, each in enumerate(made.instructions):
        yield f"{number:>2}  {each.phase:<8}  {_instruction(each)}{named.get(number, '')}"


def _instruction(each: Instruction) -> str:
    read = [f"[{argument}]" for argument in each.arguments]
    match each.kind:
        case "number":
            return f"{each.value:g}"
        case "parameter":
            return each.name
        case "input":
            return "x"
        case "state":
            return f"{each.name} of the step before"
        case "negate":
            return f"-{read[0]}"
        case "operation":
            return f" {each.name} ".join(read)
        case "function":
            return f"{each.name}({', '.join(read)})"
        case "product":
            biases = [bias for bias in each.biases if bias]
            added = " + ".join([*read[1:], *([", ".join(biases)] if biases else [])])
            return f"({'; '.join(each.weights)}) {read[0]}{' + ' if added else ''}{added}"
        case "join":
            return f"{' and '.join(read)} side by side"
        case "part":
            return f"part {each.position + 1} of {each.parts} of {read[0]}"


def _stages(variant: Variant, planned: ProgramPlan) -> Iterator[str]:
    owners = {parameter.name: parameter.equation for parameter in variant.parameters}
    program_ = planned.stages.program
    for number, block in enumerate(planned.forward):
        for group in planned.stages.groups:
            if group.stage == number:
                read = ", ".join(_source(program_.instructions[value]) for value in group.sources)
                made = ", ".join(owners[one.weights[0]] for one in group.maps)
                yield f"stage {number + 1}: a product of ({read}) gives the pre-activations of {made}"
        yield f"stage {number + 1}: a block computes"
        names = _forward_names(variant, planned)
        yield from (f"    {line}" for line in _block(block, names, {**names, **_kept(planned)}))


def _source(instruction: Instruction) -> str:
    return "x_t" if instruction.kind == "input" else f"{instruction.name}_t-1"


def _forward_names(variant: Variant, planned: ProgramPlan) -> dict[Place, str]:
    owner = {one.value: _owner(variant, one.weights[0]) for one in planned.stages.maps}
    states = variant.states
    return {
        **{Place("slot", number=slot): f"a_{owner[v]}" for v, slot in planned.slots.items()},
        **{Place("previous", state): f"{state}_t-1" for state in states},
        **{Place("next", state): f"{state}_t" for state in states},
        Place("output", number=0): "the output",
    }


def _owner(variant: Variant, weight: str) -> str:
    return next(parameter.equation for parameter in variant.parameters if parameter.name == weight)


def _adjoint(variant: Variant, planned: ProgramPlan) -> Iterator[str]:
    deltas = {Place("slot", number=slot): _delta(variant, planned, value) for value, slot in planned.slots.items()}
    names = {
        **{Place("previous", state): f"{state}_t-1" for state in variant.states},
        **{Place("arriving", state): f"d{state}_t" for state in variant.states},
        **{Place("leaving", state): f"d{state}_t-1" for state in variant.states},
        Place("output", number=0): "dy_t",
        Place("input_adjoint"): "dx_t",
    }
    for number in range(len(planned.backward) - 1, -1, -1):
        yield f"stage {number + 1}: a block computes"
        block = planned.backward[number]
        yield from (f"    {line}" for line in _block(block, {**names, **_kept(planned)}, {**names, **deltas}))
        for product in planned.products[number]:
            terms = " + ".join(f"{weight}ᵀ delta_{_owner(variant, weight)}" for _, weight in product.maps)
            yield f"stage {number + 1}: a product gives {names[product.place]} {'+=' if product.adds else '='} {terms}"


def _kept(planned: ProgramPlan) -> dict[Place, str]:
    equations = {value: name for name, value in planned.stages.program.equations.items()}
    return {place: f"{equations[value]}_t" for value, place in planned.homes.items() if value in equations}


def _delta(variant: Variant, planned: ProgramPlan, value: int) -> str:
    (one,) = (one for one in planned.stages.maps if one.value == value)
    return f"delta_{_owner(variant, one.weights[0])}"


def _block(block: Block, read: dict[Place, str], stored: dict[Place, str]) -> Iterator[str]:
    """Yield the lines of a block: what is read and numbers by their names, everything else as v1, v2, …"""
    names: dict[int, str] = {}
    for index in block.live():
        node = block.nodes[index]
        arguments = [names[argument] for argument in node.arguments]
        match node.kind:
            case "number":
                names[index] = f"{node.value:g}"
                continue
            case "read":
                assert node.place is not None
                names[index] = read[node.place]
                continue
            case "negate":
                said = f"-{arguments[0]}"
            case "operation":
                said = f" {node.name} ".join(arguments)
            case "function":
                said = f"{node.name}({', '.join(arguments)})"
        names[index] = f"v{index}"
        yield f"v{index} = {said}"
    for store in block.stores:
        yield f"{stored[store.place]} {'+=' if store.adds else '='} {names[store.node]}"


def _loop(code: str, function: str, start: str = "for (long j = 0; j < f->HP;") -> str:
    """Return the loop of a function of the text that begins with some words."""
    (body,) = re.findall(rf"^(?:static )?void {function}\(.*?^}}\n", code, re.MULTILINE | re.DOTALL)
    lines = body.splitlines()
    first = next(number for number, line in enumerate(lines) if line.strip().startswith(start))
    margin = re.match(" *", lines[first])[0]  # type: ignore[index]
    last = next(number for number in range(first, len(lines)) if lines[number].startswith(f"{margin}}}"))
    return dedent("\n".join(lines[first : last + 1]))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
