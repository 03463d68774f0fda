"""A block as Triton statements: one for each node, on tensors that hold a tile of sequences by a vector.

Every value has two axes, each as long as the tile or the vector, or 1 where it is the same along it: Triton broadcasts.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from gatelab.compiler.graph import Block, Node, Place, PlaceWrite
from gatelab.compiler.plan_lengths import PlanLengths
from gatelab.language.functions import FUNCTIONS, INNER
from gatelab.language.sizes import Length, filled
from gatelab.paths.power_text import power_text

__all__ = ["BlockLines", "Written", "columns_of", "count_of", "function_text", "width_of"]

_LETTERS: dict[Length, str] = {"input": "I", "hidden": "H"}


def count_of(size: Length) -> str:
    """Return the length of a vector, as generated code names it."""
    return _LETTERS[filled(size)]


def width_of(size: Length) -> str:
    """Return the length that holds it: the next power of two."""
    return f"{count_of(size)}P"


def columns_of(size: Length) -> str:
    """Return the row of column numbers of a vector."""
    return f"columns_{count_of(size)}"


@dataclass(frozen=True)
class Written:
    """A block's statements, and the name of the value of each of its stores."""

    lines: list[str]
    stores: list[tuple[PlaceWrite, str]]


class BlockLines:
    """Writes blocks."""

    def __init__(self, lengths: PlanLengths) -> None:
        self.lengths = lengths

    def write(self, block: Block, prefix: str, read: Callable[[Place], str]) -> Written:
        """Write a block.

        Args:
            block: what to write.
            prefix: what the names of its values begin with.
            read: returns the name of the value at a place.
        """
        sizes = self.lengths.node_sizes(block)
        names: dict[int, str] = {}
        lines: list[str] = []
        for index in block.live():
            node = block.nodes[index]
            if node.kind == "read":
                assert node.place is not None
                names[index] = read(node.place)
                continue
            names[index] = f"{prefix}{index}"
            arguments = [names[argument] for argument in node.arguments]
            of_row = filled(sizes[node.arguments[0]]) if node.arguments else "hidden"
            lines.append(f"{names[index]} = {self._expression(block, node, arguments, of_row)}")
        stores = []
        for store in block.stores:
            width = width_of(self.lengths.store_size(store.place, sizes[store.node]))
            stores.append((store, f"tl.broadcast_to({names[store.node]}, [ROWS, {width}])"))
        return Written(lines, stores)

    def _expression(self, block: Block, node: Node, arguments: list[str], of_row: Length) -> str:
        match node.kind:
            case "number":
                return f"tl.full([1, 1], {_number(node.value)}, tl.float32)"
            case "negate":
                return f"-{arguments[0]}"
            case "function" if (FUNCTIONS | INNER)[node.name].rows:
                return _of_row(node.name, f"tl.broadcast_to({arguments[0]}, [ROWS, {width_of(of_row)}])", of_row)
            case "function":
                return f"f_{node.name}({', '.join(arguments)})"
        if node.name != "**":
            return f"{arguments[0]} {node.name} {arguments[1]}"
        exponent = block.nodes[node.arguments[1]].value
        simple = power_text(arguments[0], exponent, "tl.sqrt_rn", "1.0")
        return simple or f"raised({arguments[0]}, {arguments[1]})"


def _of_row(name: str, row: str, size: Length) -> str:
    """Return a function of a whole row; what stands behind its end does not enter."""
    inside = f"{columns_of(size)} < {count_of(size)}"
    zeroed = f"tl.where({inside}, {row}, 0.0)"
    match name:
        case "sum":
            return f"tl.sum({zeroed}, axis=1, keep_dims=True)"
        case "mean":
            return f"tl.sum({zeroed}, axis=1, keep_dims=True) / {count_of(size)}"
        case "largest":
            return f"tl.max(tl.where({inside}, {row}, float('-inf')), axis=1, keep_dims=True)"
        case "cumsum":
            return f"tl.cumsum({zeroed}, axis=1)"
        case "suffix_sum":
            return f"tl.cumsum({zeroed}, axis=1, reverse=True)"
        case "roll" | "roll_back":
            step = count_of(size) + (" - 1" if name == "roll" else " + 1")
            places = f"({columns_of(size)} + {step}) % {count_of(size)}"
            return f"tl.gather({row}, tl.broadcast_to({places}, [ROWS, {width_of(size)}]), axis=1)"
        case _:
            raise AssertionError(name)


def _number(value: float) -> str:
    return repr(value) if abs(value) < float("inf") else f"float('{value}')"


def function_text(body: str) -> str:
    """Write the functions of the table that some statements use, each before what uses it."""
    table = FUNCTIONS | INNER
    wanted: dict[str, None] = {}
    waiting = re.findall(r"\bf_(\w+)\(", body)
    while waiting:
        name = waiting.pop()
        if name not in wanted:
            wanted[name] = None
            waiting += re.findall(r"\bf_(\w+)\(", table[name].triton)
    parts = [
        f"@triton.jit\ndef f_{name}({', '.join(table[name].arguments)}):\n    return {table[name].triton}\n"
        for name in table
        if name in wanted
    ]
    return "\n\n".join(parts)
