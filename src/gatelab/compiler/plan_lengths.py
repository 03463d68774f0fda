"""How long every value of a plan is: what a writer of code needs to know of it beside the plan itself."""

from gatelab.compiler.adjoint import ProgramPlan
from gatelab.compiler.graph import Block, Place
from gatelab.language.sizes import BESIDE, Length, filled, joint

__all__ = ["PlanLengths"]


class PlanLengths:
    """The lengths of the values of a plan.

    Attributes:
        plan, states, constants: the plan, the length of each state and of each constant.
        of_input: the length of x_t: "hidden" where equations mix x_t with hidden vectors element by element.
        sizes_of: length of every instruction's value.
        slot_sizes: length of every slot of the tape.
        sums: (constant, length) -> its place among the sums over steps of what arrives at constants: one for each
            length of vector that reads it.
    """

    def __init__(
        self, plan: ProgramPlan, states: dict[str, Length], constants: dict[int, Length], of_input: Length
    ) -> None:
        self.plan, self.states, self.constants, self.of_input = plan, states, constants, of_input
        self.program = plan.stages.program
        self.sizes_of = self._sizes()
        at_home = {home.number: value for value, home in plan.homes.items() if home.kind == "slot"}
        self.slot_sizes: list[Length] = [
            filled(self.sizes_of[at_home[slot]]) if slot in at_home else "hidden" for slot in range(plan.slot_count)
        ]
        self.sums: dict[tuple[int, Length], int] = {}
        for block in plan.backward:
            of = self.node_sizes(block)
            for store in block.stores:
                if store.place.kind == "constant_adjoint":
                    self.sums.setdefault((store.place.number, filled(of[store.node])), len(self.sums))

    def _sizes(self) -> dict[int, Length]:
        """Return the length of every instruction's value."""
        sizes: dict[int, Length] = {}
        for index, instruction in enumerate(self.program.instructions):
            if index in self.constants:
                sizes[index] = self.constants[index]
            elif instruction.kind == "input":
                sizes[index] = self._beside(instruction.name)
            elif instruction.kind == "state":
                sizes[index] = self.states.get(instruction.name, "hidden")
            elif instruction.kind in ("product", "part", "join"):
                sizes[index] = "hidden"
            else:
                sizes[index] = joint(sizes[argument] for argument in instruction.arguments)
        return sizes

    def _beside(self, name: str) -> Length:
        """Return the length of what stands beside x, or of x_t for no name."""
        length = BESIDE.get(name, "input")
        return self.of_input if length == "input" else length

    def place_size(self, place: Place) -> Length:
        """Return the length of the vector at a place."""
        match place.kind:
            case "input" | "input_adjoint":
                return self.of_input
            case "beside":
                return self._beside(place.name)
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

    def node_sizes(self, block: Block) -> list[Length]:
        """Return the length of the value of each node of a block."""
        sizes: list[Length] = []
        for node in block.nodes:
            if node.place is not None:
                sizes.append(self.place_size(node.place))
            else:
                sizes.append(joint(sizes[argument] for argument in node.arguments))
        return sizes

    def store_size(self, place: Place, node: Length) -> Length:
        """Return the length of what is stored at a place: a sum of what arrives at a constant is as long as that."""
        return filled(node) if place.kind == "constant_adjoint" else filled(self.place_size(place))
