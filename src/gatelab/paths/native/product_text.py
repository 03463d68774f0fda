"""Products as C: packing of weights, the products of a stage, and their adjoints."""

from collections.abc import Sequence

from gatelab.compiler.graph import Place
from gatelab.paths.native.places import Places, of_field

__all__ = ["ProductText"]


class ProductText:
    """Writes the products of a plan."""

    def __init__(self, at: Places) -> None:
        self.at = at
        self.groups: list[list[int]] = [[] for _ in at.plan.forward]
        for number, group in enumerate(at.groups):
            self.groups[group.stage].append(number)

    def packing(self) -> str:
        """Write the functions that pack weights, biases and constants for the two ways."""
        lines = [
            "static void pack(const struct frame *f, long run) {",
            f"    R *to = f->packed + run * {self.at.packed_size()};",
        ]
        number = 0
        for g, group in enumerate(self.at.groups):
            *before, depth = self.at.depths(group.sources)
            for position in range(len(group.maps)):
                for source, begin in zip(group.sources, before, strict=True):
                    lines.append(
                        f"    shared.pack_transposed(to, {depth}, {len(group.maps)} * f->HP, {begin}, "
                        f"{position} * f->HP, f->weight_{number} + run * f->H * {self.at.count(source)}, f->H, "
                        f"{self.at.count(source)});"
                    )
                    number += 1
            lines.append(f"    to += {self.at.group_size(g)};")
        for i in range(len(self.at.maps)):
            lines += [
                f"    memset(to + {i} * f->HP, 0, sizeof(R) * f->HP);",
                f"    if (f->bias_{i}) memcpy(to + {i} * f->HP, f->bias_{i} + run * f->H, sizeof(R) * f->H);",
            ]
        lines.append(f"    R *of = f->constants + run * {len(self.at.plan.constants)} * f->WP;")
        for i, index in enumerate(self.at.plan.constants):
            if self.at.constants[index] == "one":
                lines.append(f"    for (long j = 0; j < f->WP; j++) of[{i} * f->WP + j] = f->constant_{index}[run];")
            else:
                count = of_field(self.at.constants[index])
                lines += [
                    f"    memset(of + {i} * f->WP, 0, sizeof(R) * f->WP);",
                    f"    memcpy(of + {i} * f->WP, f->constant_{index} + run * {count}, sizeof(R) * {count});",
                ]
        lines += ["}", "", "static void pack_back(const struct frame *f, long run) {",
                  f"    R *to = f->packed_back + run * {self.at.packed_back_size()};"]  # fmt: skip
        for product in self.at.adjoints:
            count = self.at.count(product.source)
            for i, (_, weight) in enumerate(product.maps):
                lines.append(
                    f"    shared.pack_rows(to, {len(product.maps)} * f->H, PAD({count}), {i} * f->H, "
                    f"f->weight_{self.at.weight_numbers[weight]} + run * f->H * {count}, f->H, {count});"
                )
            lines.append(f"    to += {self.at.adjoint_size(product)};")
        return "\n".join([*lines, "}\n"])

    def forward(self, stage: int) -> str:
        """Write the products of a stage: all, or what :meth:`ahead` leaves of them."""
        body = []
        for g in self.groups[stage]:
            sources, inputs = self.at.groups[g].sources, self._inputs(g)
            if inputs == len(sources):
                body.append("    if (f->ahead < 2)\n")
                inputs = 0
            done = self.at.depth(sources[:inputs])
            body.append(
                f"    {{\n        const int ahead = f->ahead > 1 ? {inputs} : 0;\n{self._segments(g)}"
                f"{self._product(g, 'rows', f's + ahead, {len(sources)} - ahead', f'ahead ? {done} : 0')}    }}\n"
            )
        return self._products(f"products_{stage}", body)

    def ahead(self) -> str:
        """Write what needs no state of the products of all stages, for some steps of a tile that is the whole batch.

        A step of few rows takes as long as it takes to read the weights. Those of x_t are here read for many steps.
        """
        body = []
        for g, group in enumerate(self.at.groups):
            if inputs := self._inputs(g):
                whole = inputs == len(group.sources)
                product = self._product(g, "count * rows", f"s, {inputs}", "0", whole=whole)
                body.append(f"    {{\n{self._segments(g)}{product}    }}\n")
        return self._products("ahead", body, ", long count")

    def _inputs(self, g: int) -> int:
        """Return how many of the first sources of a group are x_t."""
        kinds = [self.at.plan.place(source).kind for source in self.at.groups[g].sources]
        return next((i for i, kind in enumerate(kinds) if kind != "input"), len(kinds))

    def _segments(self, g: int) -> str:
        segments = []
        for source in self.at.groups[g].sources:
            place = self.at.plan.place(source)
            segments.append(f"{{{self.at.row(place, 'from')}, {self.at.row_width(place)}, 1, {self.at.count(source)}}}")
        return f"        const struct segment s[] = {{{', '.join(segments)}}};\n"

    def _product(self, g: int, rows: str, segments: str, begun: str, *, whole: bool = True) -> str:
        """Write a product of a group, of which some sources may be summed up. Sums of all get the biases."""
        maps = self.at.groups[g].maps
        biases = f"biases + {self.at.map_numbers[maps[0].value]} * f->HP" if whole else "0"
        first = Place("slot", number=self.at.plan.slots[maps[0].value])
        return (
            f"        shared.product((struct product){{{rows}, {len(maps)} * f->HP / LANES, {segments}, "
            f"{self.at.depth(self.at.groups[g].sources)}, {begun}, packed + {self.at.packed_before[g]}, "
            f"{biases}, 0, {self.at.row(first, 'from')}, L, t & 1}});\n"
        )

    def _products(self, name: str, body: Sequence[str], more: str = "") -> str:
        """Write a function of products."""
        return (
            f"static void {name}(const struct frame *f, long run, long t, long from, long rows{more}) {{\n"
            f"{self.at.declared_width}"
            f"    const R *packed = f->packed + run * {self.at.packed_size()};\n"
            f"    const R *biases = packed + {self.at.packed_before[-1]};\n"
            "    (void)biases;\n" + "".join(body) + "}\n"
        )

    def backward(self, stage: int) -> str:
        """Write the adjoints of the products of a stage."""
        body = []
        for number, product in enumerate(self.at.plan.products[stage], self.at.first_adjoints[stage]):
            before = self.at.adjoints_before[number]
            count = self.at.count(product.source)
            lines = [f"struct segment s[{len(product.maps)}];", "int count = 0;"]
            runs = _neighbours([self.at.plan.slots[value] for value, _ in product.maps])
            for slot, length in runs:
                row = self.at.row(Place("slot", number=slot), "from")
                lines.append(f"count = columns(s, count, {row}, L, {length}, f->H, f->HP);")
            to = self.at.row(product.place, "from")
            init = ("to", self.at.row_width(product.place)) if product.adds else ("f->zeros", "0")
            lines += [
                f"R *to = {to};",
                f"shared.product((struct product){{rows, PAD({count}) / LANES, s, count, "
                f"{len(product.maps)} * f->H, 0, packed + {before}, "
                f"{init[0]}, {init[1]}, to, {self.at.row_width(product.place)}, t & 1}});",
            ]
            guard = "if (f->dx) " if product.place.kind == "input_adjoint" else ""
            body.append(f"    {guard}{{\n" + "".join(f"        {line}\n" for line in lines) + "    }\n")
        return (
            f"static void products_back_{stage}(const struct frame *f, long run, long t, long from, long rows) {{\n"
            "    NO_SUBNORMALS;\n"
            f"{self.at.declared_width}"
            f"    const R *packed = f->packed_back + run * {self.at.packed_back_size()};\n    (void)packed;\n"
            + "".join(body) + "}\n"
        )  # fmt: skip


def _neighbours(slots: list[int]) -> list[tuple[int, int]]:
    """Return (first, length) of each stretch of consecutive slots, in the given order."""
    stretches: list[tuple[int, int]] = []
    for slot in slots:
        if stretches and sum(stretches[-1]) == slot:
            stretches[-1] = (stretches[-1][0], stretches[-1][1] + 1)
        else:
            stretches.append((slot, 1))
    return stretches
