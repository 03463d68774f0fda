"""What a step can cost at least on devices that are not here: a roofline on paper.

    python -m benchmarks.gpu.roofline write=true

Operations and bytes of a step are counted in the kernels that are written for a variant; the peaks of devices are
published ones. Three things take a step's time, and the longest of them bounds it:

    tile        a tile runs on one processor of the device, at its share of the peak: a chip is full when there are as
                many tiles as processors, and one run of 64 sequences has 16 tiles
    memory      what the kernels read and write of sequences, at the bandwidth of the device's memory
    weights     what they read of weights at every step, where these are not held on the chip and those of all runs
                exceed the second cache

``write=true`` puts the tables into docs/gpu.md. It needs no Triton and no GPU.
"""

import re
import sys
from dataclasses import dataclass

import torch

from benchmarks.gpu.marked_page import written_or_printed
from benchmarks.gpu.variant_calls import call_of
from gatelab.language.sizes import Lengths
from gatelab.paths.native.gathering import gathered
from gatelab.paths.native.specification import vector_lengths
from gatelab.paths.triton.kernel_text import KernelText
from gatelab.paths.triton.tiling import tiling_of
from gatelab.report.tables import significant

VARIANTS = ("elman", "lstm", "gru")
HIDDEN = (32, 64, 128, 256, 512, 1024)
BATCH, INPUTS = 64, 32


@dataclass(frozen=True)
class Device:
    """Published peaks of a device.

    Attributes:
        name: the device.
        single: multiplications and additions of single precision outside tensor cores, TFLOP/s.
        memory: GB/s of its memory.
        processors: streaming multiprocessors.
        cache: MB of the second cache.
        source: where NVIDIA says so.
    """

    name: str
    single: float
    memory: float
    processors: int
    cache: float
    source: str


DEVICES = (
    Device("A100", 19.5, 2039, 108, 40, "A100 80GB SXM datasheet, 2021; Ampere architecture whitepaper, 2020"),
    Device("H100", 66.9, 3350, 132, 50, "H100 SXM datasheet; Hopper architecture whitepaper, 2022"),
    Device("H200", 66.9, 4800, 132, 50, "H200 SXM datasheet, 2023"),
)


@dataclass(frozen=True)
class Step:
    """What one step of one sequence takes in one of the two kernels.

    Attributes:
        operations: multiplications and additions of its products.
        bytes: read and written of memory, without weights.
        weights: bytes of the matrices that it multiplies with.
    """

    operations: int
    bytes: int
    weights: int


def steps_of(name: str, hidden: int) -> dict[str, Step]:
    """Return what a step of a variant takes, forwards and backwards."""
    call = call_of(name, hidden, torch.float32, INPUTS)
    form, _ = gathered(call)
    inputs = call.inputs.shape[-1]
    text = KernelText(vector_lengths(form, inputs, [state.shape[-1] for state in call.states.values()]))
    length = Lengths(inputs, hidden)
    _, forward, backward = re.split(r"\ndef (?:forward|backward)\(", text.kernels().text)
    found = {}
    for kernel, body in (("forward", forward), ("backward", backward)):
        loop = re.search(r"\n    for \w+ in range\(steps\):\n((?:        .*\n?)+)", body)
        assert loop is not None
        moved = re.findall(r"tl\.(?:load|store)\(.*mask=mask_([HI])", loop[1])
        maps = text.maps.values() if kernel == "forward" else ()
        sources = [source for one in maps for source in one.sources if not text.is_input(source)]
        if kernel == "backward":
            stages = range(len(text.plan.products))
            sources = [one.source for stage in stages for one in text.adjoints(stage) for _ in one.maps]
        entries = hidden * sum(length.of(text.size(source)) for source in sources)
        size = {"H": hidden, "I": inputs}
        found[kernel] = Step(2 * entries, 4 * sum(size[letter] for letter in moved), 4 * entries)
    return found


def bound(step: Step, device: Device, runs: int, rows: int, *, streamed: bool) -> tuple[float, str]:
    """Return the least seconds of a step of a stack of runs, and what bounds it."""
    tiles = runs * -(-BATCH // rows)
    # a processor can have several tiles at once, but they share what it computes with
    turns = -(-tiles // device.processors)
    times = {
        "tile": turns * rows * step.operations / (device.single * 1e12 / device.processors),
        "memory": runs * BATCH * step.bytes / (device.memory * 1e9),
    }
    if streamed and runs * step.weights > device.cache * 1e6:
        times["weights"] = runs * step.weights / (device.memory * 1e9)
    longest = max(times, key=times.__getitem__)
    return times[longest], longest


def tables() -> str:
    """Return the tables as Markdown."""
    lines = [
        "| device | float32 | memory | processors | second cache | source, NVIDIA |",
        "|---|---:|---:|---:|---:|---|",
        *(
            f"| {d.name} | {d.single:g} TFLOP/s | {d.memory:,g} GB/s | {d.processors} | {d.cache:g} MB | {d.source} |"
            for d in DEVICES
        ),
        "",
        f"A step of a sequence, {INPUTS} inputs, float32; then the least time of a step forwards and backwards of",
        f"one run of {BATCH} sequences, and of a stack of 128 such runs, in microseconds a run, with what bounds it",
        "(its tiles, memory, or weights that are read at every step):",
        "",
        "| variant | hidden | kFLOP forward, backward | kB forward, backward | weights | "
        + " | ".join(f"{d.name}, 1 run | {d.name}, 128 runs" for d in DEVICES) + " |",
        "|---|---:|---:|---:|---|" + "---:|" * 2 * len(DEVICES),
    ]  # fmt: skip
    for name in VARIANTS:
        for hidden in HIDDEN:
            tiling = tiling_of(call_of(name, hidden, torch.float32, INPUTS))
            streamed = tiling.chunk > 0
            both = steps_of(name, hidden).values()
            cells = [
                _cell([bound(step, device, runs, tiling.rows, streamed=streamed) for step in both], runs)
                for device in DEVICES for runs in (1, 128)
            ]  # fmt: skip
            counted = (", ".join(_short(n / 1e3) for n in numbers) for numbers in (
                [step.operations for step in both], [step.bytes for step in both]))  # fmt: skip
            where = "read" if streamed else "held"
            lines.append(f"| {name} | {hidden} | {' | '.join(counted)} | {where} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cell(bounds: list[tuple[float, str]], runs: int) -> str:
    total = sum(seconds for seconds, _ in bounds) * 1e6 / runs
    return f"{_short(total)} {'/'.join(dict.fromkeys(what for _, what in bounds))}"


def _short(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else significant(number, 2)


def main(words: list[str]) -> None:
    """Print the tables, or write them into the page."""
    written_or_printed("roofline", tables(), words)


if __name__ == "__main__":
    main(sys.argv[1:])
