"""Weight gradients as C: one large product for each group, after the loop over time."""

from gatelab.language.sizes import Length
from gatelab.paths.native.places import Places, of_field

__all__ = ["GradientText"]


class GradientText:
    """Writes the weight gradients of a plan."""

    def __init__(self, at: Places) -> None:
        self.at = at

    def gradients(self) -> str:
        """Write the weight gradients: tasks of four panels of a group, then the transposes."""
        lines = ["static void gradients(const struct frame *f) {", self.at.declared_width.rstrip("\n")]
        lines += ["    const long each = " + self.at.gradient_size() + ";", "    (void)each;"]
        for g, group in enumerate(self.at.groups):
            before = self.at.gradients_before[g]
            width = f"{len(group.maps)} * f->HP"
            sources = []
            for source in group.sources:
                place = self.at.plan.place(source)
                row = self.at.row_width(place)
                if place.kind == "previous":
                    i, wide = self.at.state(place.name)
                    first = f"f->initial_{i} + run * f->batch * {wide}"
                    rest = f"f->state_{i} + run * f->depth_{i} * f->batch * {wide}"
                else:
                    first = self.at.row(place, "0", "0")
                    rest = f"{first} + f->batch * {row}"
                sources.append(f"{{{first}, {rest}, {row}, {self.at.count(source)}}}")
            delta = f"f->tape + run * f->tape_depth * f->batch * L + {self.at.plan.slots[group.maps[0].value]} * f->HP"
            lines += [
                "    {",
                f"    const long panels = {width} / LANES, tasks = (panels + 7) / 8;",
                "    #pragma omp parallel for schedule(dynamic, 1) num_threads(f->threads) if (f->threads > 1)",
                "    for (long task = 0; task < f->runs * tasks; task++) {",
                "        NO_SUBNORMALS;",
                "        const long run = task / tasks, v = task % tasks * 8;",
                f"        const struct source s[] = {{{', '.join(sources)}}};",
                f"        R *to = f->gradients + run * each + {before};",
                f"        shared.weight_gradient({delta}, L, last_step(f, run, 0, f->batch) * f->batch, f->batch, "
                f"f->lengths ? f->lengths + run * f->batch : 0, s, {len(sources)}, "
                "v * LANES, panels - v < 8 ? panels - v : 8, "
                f"to, to + {self.at.depth(group.sources)} * {width}, "
                f"f->space + omp_get_thread_num() * {self.at.space()});",
                "    }",
                "    }",
            ]
        lines += [
            "    #pragma omp parallel for schedule(static) num_threads(f->threads) if (f->threads > 1)",
            "    for (long run = 0; run < f->runs; run++) {",
            "        NO_SUBNORMALS;",
        ]
        number = bias = 0
        for g, group in enumerate(self.at.groups):
            before = self.at.gradients_before[g]
            width = f"{len(group.maps)} * f->HP"
            *begins, depth = self.at.depths(group.sources)
            lines += ["        {", f"        const R *of = f->gradients + run * each + {before};"]
            for position, _ in enumerate(group.maps):
                for source, begin in zip(group.sources, begins, strict=True):
                    count = self.at.count(source)
                    lines.append(
                        f"        if (f->dweight_{number}) "
                        f"shared.unpack_gradient(f->dweight_{number} + run * f->H * {count}, of, {depth}, {width}, "
                        f"{begin}, {position} * f->HP, f->H, {count});"
                    )
                    number += 1
                lines.append(
                    f"        if (f->dbias_{bias}) memcpy(f->dbias_{bias} + run * f->H, "
                    f"of + {depth} * {width} + {position} * f->HP, sizeof(R) * f->H);"
                )
                bias += 1
            lines.append("        }")
        sums: dict[int, list[tuple[Length, int]]] = {}
        for (constant, length), position in self.at.sums.items():
            sums.setdefault(constant, []).append((length, position))
        for index in self.at.plan.constants:
            size = self.at.constants[index]
            count = "1" if size == "one" else of_field(size)
            lines += [f"        if (f->dconstant_{index}) {{", f"        R *to = f->dconstant_{index} + run * {count};",
                      f"        memset(to, 0, sizeof(R) * {count});"]  # fmt: skip
            for length, position in sums.get(index, ()):
                lines.append(
                    f"        for (long b = 0; b < f->batch; b++) for (long j = 0; j < {of_field(length)}; j++) "
                    f"to[{'0' if size == 'one' else 'j'}] += "
                    f"f->sums[((run * f->batch + b) * {len(self.at.sums)} + {position}) * f->WP + j];"
                )
            lines.append("        }")
        return "\n".join([*lines, "    }", "}\n"])
