"""What equations alone say of a variant, as text for a terminal."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from gatelab.compiler import dependent_products, multiply_adds, parameter_count, program
from gatelab.compiler.gate_algebra import step_jacobian
from gatelab.compiler.program import Instruction
from gatelab.compiler.stages import stages
from gatelab.disk import make_folder, write_atomically, writing
from gatelab.errors import UserError
from gatelab.language import Variant
from gatelab.language.bounds import bounds, gates
from gatelab.language.functions import SURROGATES
from gatelab.language.relatives import relatives
from gatelab.language.wiring import wired, wiring
from gatelab.paths import PATHS, limits
from gatelab.report.drawing.wiring_drawing import wiring_file
from gatelab.report.gates.variant_page import variant_page
from gatelab.report.tables import Column, Table

__all__ = ["explained_variant", "write_variant"]


def explained_variant(
    variant: Variant, title: str, input_size: int, hidden_size: int, others: Mapping[str, Variant]
) -> str:
    """Return all that is derived from the equations of a variant, as text for a terminal.

    Args:
        variant: the variant.
        title: what it is called: its name and its edits.
        input_size, hidden_size: of the layer that is counted.
        others: name -> the variants among which its relatives are looked for.
    """
    parts = [
        "\n".join(line for line in (title, variant.source, variant.notes) if line),
        _states(variant),
        _titled("Equations", variant.plain()),
        *(_titled(*section) for section in _sections(variant, title, input_size, hidden_size, others).items()),
        _titled("Wiring, for Mermaid", wiring(variant) if variant.trees else ""),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def write_variant(
    variant: Variant, title: str, input_size: int, hidden_size: int, others: Mapping[str, Variant], out: Path
) -> None:
    """Write the same as a page with the wiring drawn (.html), or the drawing alone (.svg).

    Raises:
        UserError: another ending; a drawing of a variant without equations; a file that cannot be written.
    """
    if out.suffix == ".svg":
        variant.check_equations("draw")
        text = wiring_file(wired(variant), f"What each equation of {title} reads")
    elif out.suffix == ".html":
        sections = {
            "States and output": _states(variant),
            **_sections(variant, title, input_size, hidden_size, others),
        }
        text = variant_page(variant, title, {name: text for name, text in sections.items() if text})
    else:
        raise UserError(f"out={out}: must end with .html, a page, or .svg, a drawing")
    with writing(f"out={out}"):
        make_folder(out.parent)
        write_atomically(out, text.encode("utf-8"))


def _states(variant: Variant) -> str:
    return f"states {', '.join(variant.states) or 'none'}; output {variant.output}"


def _sections(
    variant: Variant, title: str, input_size: int, hidden_size: int, others: Mapping[str, Variant]
) -> dict[str, str]:
    """Return title -> text, "" where there is nothing to say."""
    return {
        "As text": "\n".join(f"{name}: {text}" for name, text in variant.equations.items()),
        "What each equation reads through its weights": _reads(variant),
        f"Counts, at {input_size} inputs and {hidden_size} units": _counts(variant, input_size, hidden_size),
        "Stages of a step": "\n".join(_stages(variant)),
        "Paths": "\n".join(_paths(variant)),
        "The derivative of a step": _jacobian(variant),
        "Nearest relatives, of the catalogue": _relatives(variant, title, others),
        "LaTeX": variant.latex(),
    }


def _titled(title: str, text: str) -> str:
    return f"{title}\n{'-' * len(title)}\n{text.rstrip()}" if text else ""


def _reads(variant: Variant) -> str:
    if not variant.trees:
        return ""
    roles: dict[str, list[str]] = {}
    for role, equation in variant.roles.items():
        roles.setdefault(equation, []).append(role)
    limits, acting = bounds(variant), gates(variant)
    rows = [
        {
            "equation": name,
            "reads": ", ".join(variant.reads(name)) or "–",
            "role": ", ".join(roles.get(name, [])) or ("gate" if name in acting else "–"),
            "values": "[{:g}, {:g}]".format(*limits[name]),
        }
        for name in variant.equations
    ]
    return Table([Column(name, (name,)) for name in ("equation", "reads", "role", "values")], rows).text()


def _counts(variant: Variant, input_size: int, hidden_size: int) -> str:
    if variant.needs_equal_sizes and input_size != hidden_size:
        return "the variant needs as many inputs as units: give input_size= and hidden_size= the same number"
    sizes = (variant, input_size, hidden_size)
    try:
        counted = f"{parameter_count(*sizes):,} parameters, {multiply_adds(*sizes):,} multiply-adds a step"
    except UserError as error:  # such as a number of blocks that does not divide the sizes
        return str(error)
    products = dependent_products(variant)
    return f"{counted}, {products} sequential matrix product{'' if products == 1 else 's'} a step"


def _stages(variant: Variant) -> Iterator[str]:
    """Yield a line for each stage: its products, and how many values are computed element by element."""
    if not variant.trees:
        return
    schedule = program(variant)
    cut = stages(schedule)
    # an equation that is an affine map and no more has the value of the map
    named = {value: name for name, value in schedule.equations.items()}
    owners = {parameter.name: parameter.equation for parameter in variant.parameters}
    for number, block in enumerate(cut.blocks):
        products = []
        for group in cut.groups:
            if group.stage == number:
                read = [named.get(value, _source(schedule.instructions[value])) for value in group.sources]
                made = dict.fromkeys(owners[one.weights[0]] for one in group.maps)
                products.append(f"a product of {', '.join(read)} for {', '.join(made)}")
        reached = [name for name, value in schedule.equations.items() if value in block]
        element = f"{len(block)} values element by element" + (f" ({', '.join(reached)})" if reached else "")
        yield f"{number + 1}. {'; '.join([*products, element])}"


def _source(instruction: Instruction) -> str:
    """Return what a product reads where that is no equation."""
    known = {"input": instruction.name or "x", "state": f"the old {instruction.name}"}
    return known.get(instruction.kind, "a value made element by element")


def _paths(variant: Variant) -> Iterator[str]:
    """Yield a line for each path: whether it can run the variant on a CPU, and why not."""
    width = max(len(path.name) for path in PATHS)
    for path in PATHS:
        reason = limits(path, variant)
        yield f"{path.name:<{width}}  {'can run it' if reason is None else f'cannot run it: {reason}'}"


def _jacobian(variant: Variant) -> str:
    try:
        formulas = step_jacobian(variant).plain()
    except UserError as error:  # a foreign one, or one with too many routes
        return str(error)
    if variant.values_only() == variant:
        return formulas
    surrogates = [name for name in SURROGATES if any(f"{name}(" in text for text in variant.equations.values())]
    return (
        f"as the backward pass takes it in training, with {', '.join(surrogates)}; not the derivative of the values\n"
        + formulas
    )


def _relatives(variant: Variant, title: str, others: Mapping[str, Variant]) -> str:
    name = variant.name if title == variant.name else "this"
    lines = [relative.text(name) for relative in relatives(variant, others)]
    return "\n".join(lines) or "none with few edits"
