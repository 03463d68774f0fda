"""C from a plan: the whole run over a batch of sequences, forwards and backwards, as one source text.

The text consists of what the files of c/ hold and of what is written here from checked instructions: numbers, indices
and names of this room. No name and no text of a variant file enters it.
"""

from dataclasses import dataclass
from importlib.resources import files

from gatelab.compiler.adjoint import ProgramPlan
from gatelab.language.sizes import Length, filled
from gatelab.paths.native.block_text import BlockText
from gatelab.paths.native.function_text import functions
from gatelab.paths.native.gradient_text import GradientText
from gatelab.paths.native.places import Places
from gatelab.paths.native.product_text import ProductText

__all__ = ["PRODUCTS", "Source", "emit", "products_text", "shared_text", "subnormal_text", "whole_text"]

_SHARED, _FILES = ("subnormal.h", "vectors.h", "functions.h", "angles.h"), ("rows.h", "products.h")
PRODUCTS = ("product", "pack_transposed", "pack_rows", "weight_gradient", "unpack_gradient")
"""The functions of c/products.c, in the order in which ``share`` of a program takes their addresses."""


@dataclass(frozen=True)
class Source:
    """A source text and how to call it.

    Attributes:
        text: C with the functions ``share``, ``measure``, ``forward`` and ``backward``.
        sizes: names of the integers that they take, in order.
        buffers: names of the pointers that they take, in order.
        outputs: length of each output's vector.
        sources: length of every vector that weights multiply, in the order of the weights.
    """

    text: str
    sizes: tuple[str, ...]
    buffers: tuple[str, ...]
    outputs: tuple[Length, ...]
    sources: tuple[Length, ...]


def emit(
    plan: ProgramPlan, states: dict[str, Length], constants: dict[int, Length], *, double: bool, equal: bool = False
) -> Source:
    """Write the C of a plan.

    Args:
        plan: the program with its adjoint.
        states: length of each state's vector.
        constants: length of what no step changes, by instruction.
        double: double precision instead of single.
        equal: x_t is as long as a hidden vector, and equations mix the two element by element.
    """
    return _Emitter(Places(plan, states, constants, "hidden" if equal else "input"), double=double).source()


def subnormal_text() -> str:
    """Return ``NO_SUBNORMALS``, for programs that have none of the other texts; :func:`shared_text` has it."""
    return _file("subnormal.h")


def shared_text(*, double: bool) -> str:
    """Return vectors and the functions of numbers: what every program begins with."""
    return "\n".join([f"#define DOUBLE {int(double)}", *map(_file, _SHARED)])


def products_text(*, double: bool) -> str:
    """Return what programs share: a source text with the functions of :data:`PRODUCTS`."""
    return "\n".join([f"#define DOUBLE {int(double)}", *map(_file, ("vectors.h", "products.h", "products.c"))])


def whole_text(own: str) -> str:
    """Return a source text in single precision that has all these functions, and those of rows and products, itself."""
    return "\n".join([shared_text(double=False), *map(_file, (*_FILES, "products.c")), own])


def _file(name: str) -> str:
    return files("gatelab.paths.native").joinpath("c", name).read_text(encoding="utf-8")


def _sharing() -> str:
    """Write the addresses of the shared functions, and the function that sets them."""
    fields = "".join(f"    __typeof__({name}) *{name};\n" for name in PRODUCTS)
    return (
        f"static struct {{\n{fields}}} shared;\n\n"
        "void share(void *const *functions) { memcpy(&shared, functions, sizeof shared); }\n"
    )


class _Emitter:
    def __init__(self, at: Places, *, double: bool) -> None:
        self.at, self.double = at, double

    def source(self) -> Source:
        products, blocks = ProductText(self.at), BlockText(self.at)
        parts = [shared_text(double=self.double), functions(), *map(_file, _FILES), _sharing()]
        parts += [self._call_frame(), self._measure(), products.packing()]
        for stage in range(len(self.at.plan.forward)):
            parts += [products.forward(stage), blocks.block(stage, back=False)]
        parts.append(products.ahead())
        for stage in range(len(self.at.plan.backward)):
            parts += [blocks.block(stage, back=True), products.backward(stage)]
        parts += [blocks.ended(), GradientText(self.at).gradients(), self._forward(), self._backward()]
        outputs = tuple(filled(self.at.sizes_of[value]) for value in self.at.plan.stages.outputs)
        sources = tuple(filled(self.at.sizes_of[source]) for one in self.at.plan.stages.maps for source in one.sources)
        return Source("\n".join(parts), self.at.names, self.at.buffers, outputs, sources)

    def _call_frame(self) -> str:
        fields = "".join(f"    long {name};\n" for name in self.at.names) + "".join(
            f"    R *{name};\n" for name in self.at.buffers if name != "lengths"
        )
        reading = "".join(f"    f.{name} = n[{i}];\n" for i, name in enumerate(self.at.names)) + "".join(
            f"    f.{name} = p[{i}];\n" for i, name in enumerate(self.at.buffers)
        )
        return (
            f"struct frame {{\n{fields}    int64_t *lengths;\n    long HP, IP, WP, L;\n}};\n\n"
            "static struct frame framed(const long *n, void *const *p) {\n    struct frame f;\n" + reading +
            "    f.HP = PAD(f.H);\n    f.IP = PAD(f.I);\n    f.WP = f.HP > f.IP ? f.HP : f.IP;\n"
            f"    f.L = {self.at.slot_offset(self.at.plan.slot_count).replace('f->', 'f.')};\n"
            "    return f;\n}\n"
        )  # fmt: skip

    def _measure(self) -> str:
        """Write the function that tells how many numbers each buffer holds."""
        sizes = {
            "zeros": "f->WP",
            "tape": "f->runs * f->tape_depth * f->batch * f->L",
            "packed": f"f->runs * {self.at.packed_size()}",
            "packed_back": f"f->runs * {self.at.packed_back_size()}",
            "constants": f"f->runs * {len(self.at.plan.constants)} * f->WP",
            "pending": f"f->runs * f->batch * {len(self.at.plan.pending)} * f->WP",
            "sums": f"f->runs * f->batch * {len(self.at.sums)} * f->WP",
            "gradients": f"f->runs * {self.at.gradient_size()}",
            "space": f"f->threads * {self.at.space()}",
            "scratch": f"f->threads * {self.at.scratch} * f->WP",
        }
        positions = {name: position for position, name in enumerate(self.at.buffers)}
        lines = "".join(f"    out[{positions[name]}] = {text};\n" for name, text in sizes.items())
        return (
            "void measure(const long *n, void *const *p, long *out) {\n"
            "    struct frame frame = framed(n, p), *f = &frame;\n"
            f"{lines}    out[{len(self.at.buffers)}] = LANES;\n}}\n"
        )

    def _forward(self) -> str:
        steps = "".join(
            f"            products_{stage}(f, run, t, from, rows);\n            block_{stage}(f, run, t, from, rows);\n"
            for stage in range(len(self.at.plan.forward))
        )
        return f"""
void forward(const long *n, void *const *p) {{
    const struct frame frame = framed(n, p), *f = &frame;
    const long tiles = (f->batch + f->tile - 1) / f->tile;
    #pragma omp parallel for schedule(static) num_threads(f->threads) if (f->threads > 1 && f->runs > 1)
    for (long run = 0; run < f->runs; run++) pack(f, run);
    #pragma omp parallel for schedule(dynamic, 1) num_threads(f->threads) if (f->threads > 1)
    for (long task = 0; task < f->runs * tiles; task++) {{
        const long run = task / tiles, from = task % tiles * f->tile;
        const long rows = f->batch - from < f->tile ? f->batch - from : f->tile;
        const long end = last_step(f, run, from, rows);
        for (long t = 0; t < end; t++) {{
            if (f->ahead > 1 && t % f->ahead == 0)
                ahead(f, run, t, from, rows, end - t < f->ahead ? end - t : f->ahead);
{steps}        }}
        for (long t = end; t < f->steps; t++) ended(f, run, t, from, rows);
    }}
}}
"""

    def _backward(self) -> str:
        sums = f"f->batch * {len(self.at.sums)} * f->WP"
        steps = "".join(
            f"            block_back_{stage}(f, run, t, from, rows);\n"
            f"            if (t < end) products_back_{stage}(f, run, t, from, rows);\n"
            for stage in range(len(self.at.plan.backward) - 1, -1, -1)
        )
        return f"""
void backward(const long *n, void *const *p) {{
    const struct frame frame = framed(n, p), *f = &frame;
    const long tiles = (f->batch + f->tile - 1) / f->tile;
    memset(f->zeros, 0, sizeof(R) * f->WP);
    #pragma omp parallel for schedule(static) num_threads(f->threads) if (f->threads > 1 && f->runs > 1)
    for (long run = 0; run < f->runs; run++) {{
        pack_back(f, run);
        memset(f->sums + run * {sums}, 0, sizeof(R) * {sums});
    }}
    #pragma omp parallel for schedule(dynamic, 1) num_threads(f->threads) if (f->threads > 1)
    for (long task = 0; task < f->runs * tiles; task++) {{
        const long run = task / tiles, from = task % tiles * f->tile;
        const long rows = f->batch - from < f->tile ? f->batch - from : f->tile;
        const long end = last_step(f, run, from, rows);
        for (long t = f->steps - 1; t >= 0; t--) {{
{steps}        }}
    }}
    gradients(f);
}}
"""
