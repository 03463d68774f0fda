"""What reads what in one step of a variant: boxes and arrows, to be drawn, or written in the language of Mermaid."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from gatelab.language.tree import Expression, FunctionCall, Learned, Linear, Operation, Read, children
from gatelab.language.variant import Variant

__all__ = ["ARROWS", "SHAPES", "Arrow", "Box", "Shape", "Wiring", "wired", "wiring"]

Shape = Literal["start", "equation", "output"]
Arrow = Literal["matrix", "diagonal", "element"]

SHAPES: Mapping[Shape, tuple[str, str]] = {"start": ("([", "])"), "equation": ("[", "]"), "output": ("[[", "]]")}
"""Kind of a box -> how Mermaid begins and ends it."""
ARROWS: Mapping[Arrow, str] = {"matrix": "==>", "diagonal": "-.->", "element": "-->"}
"""What stands on a way from one vector to another, the strongest first -> its arrow in Mermaid."""
_STRONGER = tuple(ARROWS)


@dataclass(frozen=True)
class Box:
    """A vector.

    Attributes:
        shape: ``start``, what the step begins with: x_t and the old states; ``equation``; or ``output``.
        label: its name and its step, and of an equation the function that is applied last: ``f_t: sigmoid``.
    """

    shape: Shape
    label: str


@dataclass(frozen=True)
class Wiring:
    """The boxes of one step by name, and for each pair of them of which the second reads the first, through what."""

    boxes: Mapping[str, Box]
    arrows: Mapping[tuple[str, str], Arrow]


def wired(variant: Variant) -> Wiring:
    """Return the wiring of one step; of several ways between two vectors the strongest counts."""
    starts: dict[str, Box] = {}
    arrows: dict[tuple[str, str], Arrow] = {}
    for name, tree in variant.trees.items():
        for read, way in _reads(tree, "element"):
            source = f"e_{read.name}" if read.when == "now" else f"s_{read.name}"
            if read.when != "now":
                starts[source] = Box("start", f"{read.name}_t" if read.when == "input" else f"{read.name}_t-1")
            known = arrows.get((source, f"e_{name}"), "element")
            arrows[source, f"e_{name}"] = min(known, way, key=_STRONGER.index)
    equations = {
        f"e_{name}": Box(
            "output" if name == variant.output else "equation",
            f"{name}_t" + (f": {tree.function}" if isinstance(tree, FunctionCall) else ""),
        )
        for name, tree in variant.trees.items()
    }
    return Wiring(starts | equations, arrows)


def wiring(variant: Variant) -> str:
    """Return the diagram of one step in the language of Mermaid, which GitHub draws.

    Rounded nodes are what the step begins with: x_t and the old states. Boxes are equations, with the function that is
    applied last; the output has a double frame. A thick arrow is a learned matrix, a dotted one a learned diagonal, a
    thin one acts element by element.
    """
    drawn = wired(variant)
    lines = ["flowchart LR"]
    for name, box in drawn.boxes.items():
        before, after = SHAPES[box.shape]
        lines.append(f'  {name}{before}"{box.label}"{after}')
    lines += [f"  {source} {ARROWS[way]} {target}" for (source, target), way in drawn.arrows.items()]
    return "\n".join(lines)


def _reads(expression: Expression, way: Arrow) -> Iterator[tuple[Read, Arrow]]:
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
