"""What reads what, drawn: a diagram in the language of Mermaid, which GitHub and documentation sites render."""

from collections.abc import Iterator

from gatelab.language.tree import Expression, FunctionCall, Learned, Linear, Operation, Read, children
from gatelab.language.variant import Variant

__all__ = ["wiring"]

_ARROWS = {"matrix": "==>", "diagonal": "-.->", "element": "-->"}
_STRONGER = ("matrix", "diagonal", "element")  # of several ways between two vectors, the one that is drawn


def wiring(variant: Variant) -> str:
    """Return the diagram of one step.

    Rounded nodes are what the step begins with: x_t and the old states. Boxes are equations, with the function that is
    applied last; the output has a double frame. A thick arrow is a learned matrix, a dotted one a learned diagonal, a
    thin one acts element by element.
    """
    lines = ["flowchart LR"]
    starts: dict[str, str] = {}
    edges: dict[tuple[str, str], str] = {}
    for name, tree in variant.trees.items():
        for read, way in _reads(tree, "element"):
            source = f"e_{read.name}" if read.when == "now" else f"s_{read.name}"
            if read.when != "now":
                starts[source] = f"{read.name}_t" if read.when == "input" else f"{read.name}_t-1"
            known = edges.get((source, f"e_{name}"), "element")
            edges[source, f"e_{name}"] = min(known, way, key=_STRONGER.index)
    lines += [f'  {node}(["{label}"])' for node, label in starts.items()]
    for name, tree in variant.trees.items():
        label = f"{name}_t" + (f": {tree.function}" if isinstance(tree, FunctionCall) else "")
        lines.append(f'  e_{name}[["{label}"]]' if name == variant.output else f'  e_{name}["{label}"]')
    lines += [f"  {source} {_ARROWS[way]} {target}" for (source, target), way in edges.items()]
    return "\n".join(lines)


def _reads(expression: Expression, way: str) -> Iterator[tuple[Read, str]]:
    """Yield what an expression reads, and through what."""
    match expression:
        case Read():
            yield expression, way
        case Linear(sources=sources):
            for source in sources:
                yield from _reads(source, "matrix")
        case Operation(left=Learned(kind="diagonal"), right=right):
            yield from _reads(right, "diagonal" if way == "element" else way)
        case _:
            for child in children(expression):
                yield from _reads(child, way)
