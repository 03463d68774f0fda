"""Where everything stands in memory, as C: lengths of vectors, rows of places, sizes of buffers.

All is row-major, rows padded to whole vectors (f->HP is the padded hidden size):

    tape    (runs, time, batch, slots)      see compiler/adjoint.py; without a backward pass f->ahead steps are enough
    states  (runs, time, batch, size)       values after each step; without a backward pass two steps are enough
    packed  weights in panels, for each run: of each group for the forward pass, of each source for the backward pass
    scratch (threads, rows, longest size)   outputs of an odd length; what row functions read and return
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from functools import cached_property
from itertools import accumulate

from gatelab.compiler.adjoint import ProductAdjoint, ProgramPlan
from gatelab.compiler.graph import Block, Place, PlaceWrite
from gatelab.compiler.passes import passes
from gatelab.compiler.plan_lengths import PlanLengths
from gatelab.language.sizes import BESIDE, Length, filled

__all__ = ["LENGTH_NAMES", "Places", "beside_in_memory", "of_field"]

LENGTH_NAMES: dict[Length, str] = {"input": "I", "hidden": "H"}
"""What C calls the lengths of vectors."""

_FIXED = ("runs", "steps", "batch", *LENGTH_NAMES.values(), "threads", "tile", "ahead", "tape_depth", "x_row")


class Places(PlanLengths):
    """The memory of a plan.

    Attributes:
        names: of the integers that compiled functions take.
        buffers: of the pointers.
        map_numbers: affine value -> its place among the maps.
        weights: every weight matrix, in the order of the maps; weight_numbers: the place of each.
        adjoints: the adjoints of all products; first_adjoints: for each stage the place of its first.
        packed_before, adjoints_before, gradients_before: where what belongs to each group (or adjoint) begins.
    """

    def __init__(
        self, plan: ProgramPlan, states: dict[str, Length], constants: dict[int, Length], of_input: Length
    ) -> None:
        super().__init__(plan, states, constants, of_input)
        self.maps = {one.value: one for one in plan.stages.maps}
        self.map_numbers = {value: number for number, value in enumerate(self.maps)}
        self.groups = plan.stages.groups
        self.weights = [weight for one in plan.stages.maps for weight in one.weights]
        self.weight_numbers = {weight: number for number, weight in enumerate(self.weights)}
        self._longest = max((len(group.sources) for group in self.groups), default=0)
        self.adjoints = [product for stage in plan.products for product in stage]
        self.first_adjoints = [0, *accumulate(map(len, plan.products))]
        self._states = {name: (number, self.padded(size)) for number, (name, size) in enumerate(states.items())}
        self._pending = {index: number for number, index in enumerate(plan.pending)}
        self._constants = {index: number for number, index in enumerate(plan.constants)}
        # slots of hidden vectors before each; those as long as x_t follow all of them
        self._hidden_before = [0, *accumulate(int(size == "hidden") for size in self.slot_sizes)]
        packed = [self._all_sources(group.sources, len(group.maps)) for group in self.groups]
        self.packed_before = _running(packed)
        self.gradients_before = _running(
            Counter({**one, "f->HP": len(group.maps)}) for one, group in zip(packed, self.groups, strict=True)
        )
        self.adjoints_before = _running(
            Counter({f"f->H * PAD({self.count(product.source)})": len(product.maps)}) for product in self.adjoints
        )
        self.beside = beside_in_memory(self.program.variant.beside)
        self.names = (*_FIXED, *(f"depth_{i}" for i in range(len(states))), *(("beside_row",) if self.beside else ()))
        self.buffers = (
            "x", "lengths", "zeros", "tape", "packed", "packed_back", "constants", "pending", "sums", "gradients",
            "space", "scratch", "dx",
            *(f"{kind}_{i}" for i in range(len(states)) for kind in ("initial", "state", "adjoint")),
            *(f"{kind}_{i}" for i in range(len(plan.stages.outputs)) for kind in ("output", "doutput")),
            *(f"{kind}_{i}" for i in range(len(self.weights)) for kind in ("weight", "dweight")),
            *(f"{kind}_{i}" for i in range(len(self.maps)) for kind in ("bias", "dbias")),
            *(f"{kind}_{i}" for i in plan.constants for kind in ("constant", "dconstant")),
            *(("beside",) if self.beside else ()),
        )  # fmt: skip

    def scratch_rows(self, block: Block, stores: Sequence[PlaceWrite]) -> dict[int, str]:
        """Return the row of scratch of each node that needs one, behind those of the outputs."""
        first = len(self.plan.stages.outputs)
        indices = [index for one in passes(block, stores) for index in (*one.kept, *one.rows)]
        return {index: f"(scratch + {first + row} * f->WP)" for row, index in enumerate(indices)}

    @cached_property
    def scratch(self) -> int:
        """Rows of scratch of one thread."""
        needed = [len(self.scratch_rows(block, block.stores)) for block in (*self.plan.forward, *self.plan.backward)]
        return len(self.plan.stages.outputs) + max(needed, default=0)

    def slot_offset(self, number: int) -> str:
        """Return where a slot begins in its row: those of hidden vectors first, then those as long as x_t."""
        hidden = self._hidden_before[number]
        if number < self.plan.slot_count and self.slot_sizes[number] == "hidden":
            return f"{hidden} * f->HP"
        return f"({self._hidden_before[-1]} * f->HP + {number - hidden} * f->IP)"

    def count(self, source: int) -> str:
        """Return the length of a source, as C."""
        return of_field(filled(self.sizes_of[source]))

    def padded(self, size: Length) -> str:
        """Return a length rounded up to whole vectors of the processor, as C."""
        return "f->WP" if size == "one" else f"{of_field(size)}P"

    def depth(self, sources: Sequence[int]) -> str:
        """Return the length of some sources side by side."""
        return _sum(Counter(self.count(source) for source in sources))

    def depths(self, sources: Sequence[int]) -> list[str]:
        """Return the length of what stands before each source, side by side."""
        return _running(Counter({self.count(source): 1}) for source in sources)

    def group_size(self, index: int) -> str:
        """Return the size of the packed weights of a group, as C."""
        group = self.groups[index]
        return _sum(self._all_sources(group.sources, len(group.maps)))

    def adjoint_size(self, product: ProductAdjoint) -> str:
        """Return the size of the packed weights of the adjoint of a product, as C."""
        return f"{len(product.maps)} * f->H * PAD({self.count(product.source)})"

    def packed_size(self) -> str:
        """Return the size of all packed weights and biases, as C."""
        return f"({self.packed_before[-1]} + {len(self.maps)} * f->HP)"

    def packed_back_size(self) -> str:
        """Return the size of all packed weights of the backward pass, as C."""
        return self.adjoints_before[-1]

    def gradient_size(self) -> str:
        """Return the size of all weight gradients, as C."""
        return self.gradients_before[-1]

    def _all_sources(self, sources: Sequence[int], maps: int) -> Counter[str]:
        lengths = Counter(self.count(source) for source in sources)
        return Counter({f"{length} * f->HP": number * maps for length, number in lengths.items()})

    def space(self) -> str:
        """Return what one thread needs for weight gradients: a panel of deltas and all sources of a group."""
        return f"(CHUNK * (2 * LANES + {self._longest} * (f->WP + ROWS)))"

    def row(self, place: Place, b: str = "b", t: str = "t") -> str:
        """Return the address of a place's row of sequence b at step t of a run."""
        match place.kind:
            case "input":
                return f"f->x + ((run * f->steps + {t}) * f->batch + {b}) * f->x_row"
            case "beside":
                return (f"f->beside + ((run * f->steps + {t}) * f->batch + {b}) * f->beside_row "
                        f"+ {self._beside_before(place.name)}")  # fmt: skip
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
                number = self._pending[place.number]
                return f"f->pending + ((run * f->batch + {b}) * {len(self.plan.pending)} + {number}) * f->WP"
            case "constant":
                number = self._constants[place.number]
                return f"f->constants + (run * {len(self.plan.constants)} + {number}) * f->WP"
            case "input_adjoint":
                return f"f->dx + ((run * f->steps + t) * f->batch + {b}) * f->IP"
            case kind:
                raise AssertionError(kind)

    def _beside_before(self, name: str) -> str:
        """Return the numbers before a vector in the row of what stands beside x, as C."""
        lengths = [BESIDE[one] for one in self.beside[: self.beside.index(name)]]
        return _sum(Counter("1" if length == "one" else of_field(length) for length in lengths))

    def row_width(self, place: Place) -> str:
        """Return the distance between the rows of two sequences at a place, as C."""
        match place.kind:
            case "input":
                return "f->x_row"
            case "beside":
                return "f->beside_row"
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
        """Return the number of a state and its padded length, as C."""
        return self._states[name]

    @property
    def declared_scratch(self) -> str:
        """The C declaration of the scratch of this thread."""
        return f"    R *scratch = f->scratch + omp_get_thread_num() * {self.scratch} * f->WP;\n    (void)scratch;\n"

    @property
    def declared_width(self) -> str:
        """The C declaration of the width of a row of the tape."""
        return "    const long L = f->L;\n    (void)L;\n"


def _sum(lengths: Counter[str]) -> str:
    """Return a sum as C. Equal terms are counted: spelled out, the sums before many groups would be long."""
    return "(" + (" + ".join(f"{number} * {length}" for length, number in lengths.items()) or "0") + ")"


def _running(terms: Iterable[Counter[str]]) -> list[str]:
    """Return the sum before each of some terms, and the sum of all, as C."""
    total: Counter[str] = Counter()
    texts = [_sum(total)]
    for term in terms:
        total.update(term)
        texts.append(_sum(total))
    return texts


def beside_in_memory(beside: Collection[str]) -> tuple[str, ...]:
    """Return the order in memory of what stands beside x: numbers first, so that each begins at its place."""
    return tuple(sorted(beside, key=lambda name: BESIDE[name] != "one"))


def of_field(size: Length) -> str:
    """Return the length of a vector, as C."""
    return f"f->{LENGTH_NAMES[size]}"
