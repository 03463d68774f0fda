"""Where everything stands in memory, as C: lengths of vectors, rows of places, sizes of buffers.

All is row-major, rows padded to whole vectors (f->HP is the padded hidden size):

    tape    (runs, time, batch, slots)      see equations/adjoint.py; without a way back one step is enough
    states  (runs, time, batch, size)       values after each step; without a way back two steps are enough
    packed  weights in panels, for each run: of each group for the way forward, of each source for the way back
"""

from collections.abc import Iterable
from typing import Literal

from gatelab.equations.adjoint import Plan, ProductAdjoint
from gatelab.equations.graph import Block, Place

__all__ = ["Places", "Size", "filled"]

Size = Literal["I", "H", "1"]
"""Length of a vector: that of x_t, that of the hidden state, or a single number for all elements."""

_FIXED = ("runs", "steps", "batch", "I", "H", "threads", "tile", "tape_depth", "x_row")


class Places:
    """The memory of a plan.

    Attributes:
        plan, states, constants: the plan, the length of each state and of each constant.
        of_input: what the length of x_t is called: "H" where equations mix x_t with hidden vectors element by element.
        names: of the integers that compiled functions take.
        buffers: of the pointers.
        sizes_of: length of every instruction's value.
        slot_sizes: length of every slot of the tape.
        sums: (constant, length) -> its place among the sums over steps of what arrives at constants.
        weights: every weight matrix, in the order of the maps.
        adjoints: the adjoints of all products.
    """

    def __init__(self, plan: Plan, states: dict[str, Size], constants: dict[int, Size], of_input: Size) -> None:
        self.plan, self.states, self.constants, self.of_input = plan, states, constants, of_input
        self.program = plan.stages.program
        self.maps = {one.value: one for one in plan.stages.maps}
        self.groups = plan.stages.groups
        self.weights = [weight for one in plan.stages.maps for weight in one.weights]
        self.state_names = list(states)
        self.adjoints = [product for stage in plan.products for product in stage]
        self.sizes_of = self._sizes()
        at_home = {home.number: value for value, home in plan.homes.items() if home.kind == "slot"}
        self.slot_sizes: list[Size] = [
            filled(self.sizes_of[at_home[slot]]) if slot in at_home else "H" for slot in range(plan.slot_count)
        ]
        # sums over steps of what arrives at a constant: one for each length of vector that reads it
        self.sums: dict[tuple[int, Size], int] = {}
        for block in plan.backward:
            of = self.node_sizes(block)
            for store in block.stores:
                if store.place.kind == "constant_adjoint":
                    self.sums.setdefault((store.place.number, filled(of[store.node])), len(self.sums))
        self.names = (*_FIXED, *(f"depth_{i}" for i in range(len(states))))
        self.buffers = (
            "x", "lengths", "zeros", "tape", "packed", "packed_back", "constants", "pending", "sums", "gradients",
            "space", "dx",
            *(f"{kind}_{i}" for i in range(len(states)) for kind in ("initial", "state", "adjoint")),
            *(f"{kind}_{i}" for i in range(len(plan.stages.outputs)) for kind in ("output", "doutput")),
            *(f"{kind}_{i}" for i in range(len(self.weights)) for kind in ("weight", "dweight")),
            *(f"{kind}_{i}" for i in range(len(self.maps)) for kind in ("bias", "dbias")),
            *(f"{kind}_{i}" for i in plan.constants for kind in ("constant", "dconstant")),
        )  # fmt: skip

    def _sizes(self) -> dict[int, Size]:
        """Return the length of every instruction's value."""
        sizes: dict[int, Size] = {}
        for index, instruction in enumerate(self.program.instructions):
            if index in self.constants:
                sizes[index] = self.constants[index]
            elif instruction.kind == "input":
                sizes[index] = self.of_input
            elif instruction.kind == "state":
                sizes[index] = self.states.get(instruction.name, "H")
            elif instruction.kind in ("product", "part", "join"):
                sizes[index] = "H"
            else:
                sizes[index] = _joint(sizes[argument] for argument in instruction.arguments)
        return sizes

    def place_size(self, place: Place) -> Size:
        match place.kind:
            case "input" | "input_adjoint":
                return self.of_input
            case "previous" | "next" | "arriving" | "leaving":
                return self.states[place.name]
            case "slot":
                return self.slot_sizes[place.number]
            case "output":
                return filled(self.sizes_of[self.plan.stages.outputs[place.number]])
            case "constant":
                return self.constants[place.number]
            case _:
                return filled(self.sizes_of[place.number])

    def node_sizes(self, block: Block) -> list[Size]:
        sizes: list[Size] = []
        for node in block.nodes:
            if node.place is not None:
                sizes.append(self.place_size(node.place))
            else:
                sizes.append(_joint(sizes[argument] for argument in node.arguments))
        return sizes

    def slot_offset(self, number: int) -> str:
        """Return where a slot begins in its row: those of hidden vectors first, then those as long as x_t."""
        hidden = sum(size == "H" for size in self.slot_sizes[:number])
        if number < self.plan.slot_count and self.slot_sizes[number] == "H":
            return f"{hidden} * f->HP"
        return f"({self.slot_sizes.count('H')} * f->HP + {number - hidden} * f->IP)"

    def count(self, source: int) -> str:
        return f"f->{filled(self.sizes_of[source])}"

    def padded(self, size: Size) -> str:
        return {"I": "f->IP", "H": "f->HP", "1": "f->WP"}[size]

    def depth(self, sources: tuple[int, ...]) -> str:
        return "(" + (" + ".join(self.count(source) for source in sources) or "0") + ")"

    def group_size(self, index: int) -> str:
        group = self.groups[index]
        return f"{self.depth(group.sources)} * {len(group.maps)} * f->HP"

    def adjoint_size(self, product: ProductAdjoint) -> str:
        return f"{len(product.maps)} * f->H * PAD({self.count(product.source)})"

    def total(self, terms: list[str]) -> str:
        return "(" + (" + ".join(terms) or "0") + ")"

    def packed_size(self) -> str:
        return self.total([*(self.group_size(g) for g in range(len(self.groups))), f"{len(self.maps)} * f->HP"])

    def packed_back_size(self) -> str:
        return self.total([self.adjoint_size(product) for product in self.adjoints])

    def gradient_size(self) -> str:
        return self.total([f"({self.depth(group.sources)} + 1) * {len(group.maps)} * f->HP" for group in self.groups])

    def space(self) -> str:
        """Return what one thread needs for weight gradients: a panel of deltas and all sources of a group."""
        longest = max((len(group.sources) for group in self.groups), default=0)
        return f"(CHUNK * (2 * LANES + {longest} * (f->WP + ROWS)))"

    def row(self, place: Place, b: str = "b", t: str = "t") -> str:
        """Return the address of a place's row of sequence b at step t of a run."""
        match place.kind:
            case "input":
                return f"f->x + ((run * f->steps + {t}) * f->batch + {b}) * f->x_row"
            case "slot":
                offset = self.slot_offset(place.number)
                return f"f->tape + ((run * f->tape_depth + {t} % f->tape_depth) * f->batch + {b}) * L + {offset}"
            case "previous":
                i, width = self.state(place.name)
                return (
                    f"(t ? f->state_{i} + ((run * f->depth_{i} + (t - 1) % f->depth_{i}) * f->batch + {b}) * {width}"
                    f" : f->initial_{i} + (run * f->batch + {b}) * {width})"
                )
            case "next":
                i, width = self.state(place.name)
                return f"f->state_{i} + ((run * f->depth_{i} + {t} % f->depth_{i}) * f->batch + {b}) * {width}"
            case "arriving" | "leaving":
                i, width = self.state(place.name)
                turn = "(f->steps - 1 - t)" if place.kind == "arriving" else "(f->steps - t)"
                return f"f->adjoint_{i} + (({turn} % 2 * f->runs + run) * f->batch + {b}) * {width}"
            case "pending":
                number = self.plan.pending.index(place.number)
                return f"f->pending + ((run * f->batch + {b}) * {len(self.plan.pending)} + {number}) * f->WP"
            case "constant":
                number = self.plan.constants.index(place.number)
                return f"f->constants + (run * {len(self.plan.constants)} + {number}) * f->WP"
            case "input_adjoint":
                return f"f->dx + ((run * f->steps + t) * f->batch + {b}) * f->IP"
            case kind:
                raise AssertionError(kind)

    def row_width(self, place: Place) -> str:
        match place.kind:
            case "input":
                return "f->x_row"
            case "slot":
                return "L"
            case "previous" | "next" | "arriving" | "leaving":
                return self.state(place.name)[1]
            case "pending":
                return f"{len(self.plan.pending)} * f->WP"
            case "input_adjoint":
                return "f->IP"
            case kind:
                raise AssertionError(kind)

    def state(self, name: str) -> tuple[int, str]:
        return self.state_names.index(name), self.padded(self.states[name])

    @property
    def declared_width(self) -> str:
        return "    const long L = f->L;\n    (void)L;\n"


def _joint(sizes: Iterable[Size]) -> Size:
    """Return the length of what is made of several values element by element."""
    return max(sizes, default="1", key=("1", "I", "H").index)


def filled(size: Size) -> Size:
    """Return the length of the vector that a value fills: a number fills hidden vectors."""
    return "H" if size == "1" else size
