"""Blocks as C: for each sequence of a tile loops over whole vectors, and row functions between them."""

from gatelab.compiler.graph import Block, Node, Place, PlaceWrite
from gatelab.compiler.passes import Pass, passes
from gatelab.language.sizes import Length
from gatelab.paths.native.places import LENGTH_NAMES, Places, of_field
from gatelab.paths.power_text import power_text

__all__ = ["BlockText"]


class BlockText:
    """Writes the blocks of a plan."""

    def __init__(self, at: Places) -> None:
        self.at = at

    def block(self, stage: int, *, back: bool) -> str:
        """Write the block of a stage, or its adjoint."""
        block = (self.at.plan.backward if back else self.at.plan.forward)[stage]
        last = stage == len(self.at.plan.forward) - 1
        sizes = self.at.node_sizes(block)
        places = dict.fromkeys(
            [*(n.place for i in block.live() if (n := block.nodes[i]).place), *(s.place for s in block.stores)]
        )
        if back and last:
            # what a sequence that has ended needs
            places |= {Place("arriving", s): None for s in self.at.states}
            places |= {Place("leaving", s): None for s in self.at.states}
        if not back and last:
            places |= {Place("previous", s): None for s in self.at.states}
            places |= {Place("next", s): None for s in self.at.states}
        names = {place: f"r{i}" for i, place in enumerate(places)}
        lines = [f"    {self._declared(place, name, back=back)}" for place, name in names.items()]
        if back:
            lines.append("    if (f->lengths && t >= f->lengths[run * f->batch + b]) {")
            if last:
                for state, size in self.at.states.items():
                    arriving, leaving = names[Place("arriving", state)], names[Place("leaving", state)]
                    lines.append(f"        memcpy({leaving}, {arriving}, sizeof(R) * {self.at.padded(size)});")
                if self.at.maps:
                    row = self.at.row(Place("slot", number=0))
                    lines.append(f"        memset({row}, 0, sizeof(R) * {len(self.at.maps)} * f->HP);")
                if self.at.plan.pending:
                    row = self.at.row(Place("pending", number=self.at.plan.pending[0]))
                    lines.append(f"        memset({row}, 0, sizeof(R) * {len(self.at.plan.pending)} * f->WP);")
                lines.append(f"        if (f->dx) memset({self.at.row(Place('input_adjoint'))}, 0, sizeof(R) * f->IP);")
            lines += ["        continue;", "    }"]
        for size in LENGTH_NAMES:
            lines += self._loop(block, sizes, names, size, back=back)
        if not back:
            lines += self._after_rows(names, last=last)
        name = f"block_back_{stage}" if back else f"block_{stage}"
        return (
            f"static void {name}(const struct frame *f, long run, long t, long from, long rows) {{\n"
            f"{self.at.declared_width}{self.at.declared_scratch}"
            "    for (long b = from; b < from + rows; b++) {\n"
            + "".join(f"    {line}\n" for line in lines) + "    }\n}\n"
        )  # fmt: skip

    def ended(self) -> str:
        """Write the step count after which all sequences of a tile have ended, and what such a step leaves behind.

        The tape is cleared: the backward pass multiplies it with deltas that are zero, which must not meet a NaN.
        """
        lines = []
        for state, size in self.at.states.items():
            new, old = (self.at.row(Place(kind, state)) for kind in ("next", "previous"))
            lines.append(f"memcpy({new}, {old}, sizeof(R) * {self.at.padded(size)});")
        if self.at.plan.slot_count:
            lines.append(f"memset({self.at.row(Place('slot', number=0))}, 0, sizeof(R) * L);")
        for number in range(len(self.at.plan.stages.outputs)):
            size = self.at.place_size(Place("output", number=number))
            to = f"f->output_{number} + ((run * f->steps + t) * f->batch + b) * {of_field(size)}"
            lines.append(f"if (f->output_{number}) memset({to}, 0, sizeof(R) * {of_field(size)});")
        return (
            "static long last_step(const struct frame *f, long run, long from, long rows) {\n"
            "    if (!f->lengths) return f->steps;\n"
            "    long last = 0;\n"
            "    for (long b = from; b < from + rows; b++) {\n"
            "        const long length = (long)f->lengths[run * f->batch + b];\n"
            "        last = length > last ? length : last;\n"
            "    }\n"
            "    return last < f->steps ? last : f->steps;\n"
            "}\n\n"
            "static void ended(const struct frame *f, long run, long t, long from, long rows) {\n"
            f"{self.at.declared_width}"
            "    for (long b = from; b < from + rows; b++) {\n"
            + "".join(f"        {line}\n" for line in lines) + "    }\n}\n"
        )  # fmt: skip

    def _declared(self, place: Place, name: str, *, back: bool) -> str:
        """Declare the row pointer of a place."""
        if place.kind == "output":
            size = self.at.place_size(place)
            at = "((run * f->steps + t) * f->batch + b)"
            if back:
                return (f"const R *{name} = f->doutput_{place.number} ? "
                        f"f->doutput_{place.number} + {at} * {self.at.padded(size)} : f->zeros;")  # fmt: skip
            return (
                f"R *{name} = f->output_{place.number} && {of_field(size)} == {self.at.padded(size)} ? "
                f"f->output_{place.number} + {at} * {of_field(size)} : scratch + {place.number} * f->WP;"
            )
        if place.kind == "constant_adjoint":
            return f"R *{name} = f->sums + (run * f->batch + b) * {len(self.at.sums)} * f->WP;"
        if place.kind == "input_adjoint":
            return f"R *{name} = f->dx ? {self.at.row(place)} : 0;"
        return f"R *{name} = {self.at.row(place)};"

    def _loop(
        self, block: Block, sizes: list[Length], names: dict[Place, str], size: Length, *, back: bool
    ) -> list[str]:
        """Write the loops over the elements of all vectors of one length, and the row functions of these vectors."""
        stores = [s for s in block.stores if self.at.store_size(s.place, sizes[s.node]) == size]
        if not stores:
            return []
        only_dx = all(store.place.kind == "input_adjoint" for store in stores)
        guard = f"if ({names[stores[0].place]}) " if only_dx else ""
        lines = ["    {"]
        scratch = self.at.scratch_rows(block, stores)
        for one in passes(block, stores):
            lines += self._pass(one, block, names, scratch, size, guard, only_dx=only_dx, back=back)
            for index in one.rows:
                node = block.nodes[index]
                rows = [scratch[index], *(self._row(argument, block, names, scratch) for argument in node.arguments)]
                lines.append(f"    {guard}row_{node.name}({', '.join(rows)}, {of_field(size)});")
        return [*lines, "    }"]

    def _row(self, index: int, block: Block, names: dict[Place, str], scratch: dict[int, str]) -> str:
        """Return the row that an argument of a row function stands in."""
        place = block.nodes[index].place
        return scratch[index] if place is None else names[place]

    def _pass(
        self, one: Pass, block: Block, names: dict[Place, str], scratch: dict[int, str], size: Length, guard: str,
        *, only_dx: bool, back: bool,
    ) -> list[str]:  # fmt: skip
        length = of_field(size)
        lines = [f"    const V v{i} = {self._expression(block.nodes[i], block, names)};" for i in one.uniform]
        if one.nodes or one.stores or one.reductions:
            of = {index: block.nodes[index] for index in one.reductions}
            lines += [f"    V a{index} = first_{node.name}();" for index, node in of.items()]
            lines.append(f"    {guard}for (long j = 0; j < {self.at.padded(size)}; j += LANES) {{")
            lines += [f"        const V v{index} = load({scratch[index]} + j);" for index in one.fetched]
            lines += [f"        const V v{i} = {self._expression(block.nodes[i], block, names)};" for i in one.nodes]
            lines += [f"        store({scratch[index]} + j, v{index});" for index in one.kept]
            lines += [
                f"        a{index} = next_{node.name}(a{index}, v{node.arguments[0]}, {length} - j);"
                for index, node in of.items()
            ]
            lines += [f"        {self._stored(store, names, size, only_dx=only_dx, back=back)}" for store in one.stores]
            lines.append("    }")
            lines += [f"    const V v{i} = splat(last_{node.name}(a{i}, {length}));" for i, node in of.items()]
        return lines

    def _stored(self, store: PlaceWrite, names: dict[Place, str], size: Length, *, only_dx: bool, back: bool) -> str:
        to = names[store.place]
        if store.place.kind == "constant_adjoint":
            to = f"{to} + {self.at.sums[store.place.number, size]} * f->WP"
        value = f"v{store.node}"
        if store.adds:
            value = f"load({to} + j) + {value}"
        if back:  # an adjoint
            value = f"no_subnormal({value})"
        guard = f"if ({to}) " if store.place.kind == "input_adjoint" and not only_dx else ""
        return f"{guard}store({to} + j, {value});"

    def _expression(self, node: Node, block: Block, names: dict[Place, str]) -> str:
        arguments = [f"v{argument}" for argument in node.arguments]
        match node.kind:
            case "number":
                return f"splat({self._number(node.value)})"
            case "read":
                assert node.place is not None
                if node.place.kind == "beside" and self.at.place_size(node.place) == "one":
                    return f"splat({names[node.place]}[0])"
                return f"load({names[node.place]} + j)"
            case "negate":
                return f"-{arguments[0]}"
            case "function":
                return f"f_{node.name}({', '.join(arguments)})"
        if node.name != "**":
            return f"{arguments[0]} {node.name} {arguments[1]}"
        exponent = block.nodes[node.arguments[1]].value
        simple = power_text(arguments[0], exponent, "f_sqrt", "splat((R)1)")
        return simple or f"raised({arguments[0]}, {self._number(exponent)})"

    def _number(self, value: float) -> str:
        return f"((R){value.hex()})"

    def _after_rows(self, names: dict[Place, str], *, last: bool) -> list[str]:
        """Write what happens to a whole row: the states of a sequence that has ended, outputs of an odd length."""
        lines = []
        if last:
            lines.append("    const int ended = f->lengths && t >= f->lengths[run * f->batch + b];")
            for state, size in self.at.states.items():
                new, old = names[Place("next", state)], names[Place("previous", state)]
                lines.append(f"    if (ended) memcpy({new}, {old}, sizeof(R) * {self.at.padded(size)});")
        for place in [place for place in names if place.kind == "output"]:
            number = place.number
            size = self.at.place_size(place)
            to = f"f->output_{number} + ((run * f->steps + t) * f->batch + b) * {of_field(size)}"
            lines.append(f"    if (f->output_{number} && {of_field(size)} != {self.at.padded(size)}) "
                         f"memcpy({to}, {names[place]}, sizeof(R) * {of_field(size)});")  # fmt: skip
            lines.append("    if (f->lengths && t >= f->lengths[run * f->batch + b]) "
                         f"memset({to}, 0, sizeof(R) * {of_field(size)});")  # fmt: skip
        return lines
