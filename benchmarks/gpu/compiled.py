"""Compile the kernels of variants for devices that are not here, and count what a step takes of them.

    python -m benchmarks.gpu.compiled lstm,gru hidden=64 devices=80,90,100

writes a row for each kernel into docs/speed/gpu_kernels.csv: registers of a thread, shared memory, bytes that are
spilled, and instructions of the loop over time. It needs Triton (make test-triton puts it into .venv-triton), and no
GPU. ``all`` stands for every variant that has kernels.
"""

import csv
import hashlib
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from benchmarks.gpu.variant_calls import call_of
from gatelab.language import load_variant, variant_files
from gatelab.paths import limits, path_named
from gatelab.paths.native.gathering import gathered
from gatelab.paths.triton.device_run import DeviceRun, device_run
from gatelab.paths.triton.kernel_places import CONSTANTS
from gatelab.paths.triton.tiling import Tiling, refused_size, tiling_of

TABLE = Path(__file__).parents[2] / "docs" / "speed" / "gpu_kernels.csv"
COLUMNS = (
    "variant", "kernel", "device", "hidden", "dtype", "products", "rows", "warps", "registers", "shared", "spilled",
    "instructions", "FFMA", "HMMA", "LDS", "LDG", "STG", "BAR", "MUFU", "triton", "text",
)  # fmt: skip
KEY = COLUMNS[:8]
_TOOLS = Path(triton.__file__).parent / "backends" / "nvidia" / "bin"
_INSTRUCTION = re.compile(r"/\*([0-9a-f]{4,})\*/\s+(?:@!?U?P\w+\s+)?([A-Z0-9_]+)[^;]*;")
_BRANCH = re.compile(r"/\*([0-9a-f]{4,})\*/\s+(?:@!?U?P\w+\s+)?BRA[^;]*`\((\.L_x_\d+)\)")


def compiled(run: DeviceRun, kernel: str, tiling: Tiling, device: int, dtype: str) -> dict[str, object]:
    """Return what the machine code of a kernel takes."""
    names = run.kernels.forward if kernel == "forward" else run.kernels.backward
    outside = re.compile("x$|initial|output|doutput|dfinal|final|weight|bias|constant|scratch")
    types = {name: "*i64" if name == "lengths" else f"*{dtype}" if outside.match(name) else "*fp32" for name in names}
    values = (run.form.hidden_size, run.length.input, tiling.hidden, tiling.input, tiling.rows, False, True)
    known = dict(zip(CONSTANTS, (*values, tiling.products), strict=True))
    if tiling.chunk:
        known |= {"CHUNK": tiling.chunk, "WIDTH": tiling.width}
    if kernel == "backward":
        known |= {f"ARRIVES_{n}": True for n in range(len(run.outputs))}
    source = ASTSource(
        getattr(run.module, kernel),
        types | {"steps": "i32", "batch": "i32"} | dict.fromkeys(known, "constexpr"),
        constexprs=known,
        attrs={(place,): [["tt.divisibility", 16]] for place in range(len(names))},
    )
    made = triton.compile(source, target=GPUTarget("cuda", device, 32), options=tiling.options)
    return {"shared": made.metadata.shared, **_counted(made.asm["cubin"])}


def _counted(machine_code: bytes) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "kernel.cubin"
        file.write_bytes(machine_code)
        usage = subprocess.run(
            [_TOOLS / "cuobjdump", "--dump-resource-usage", file], check=True, capture_output=True, text=True
        ).stdout
        text = subprocess.run([_TOOLS / "nvdisasm", file], check=True, capture_output=True, text=True).stdout
    found = re.search(r"REG:(\d+) STACK:(\d+)", usage)
    assert found is not None, usage
    counts = Counter(name for _, name in _loop(text))
    kinds = {kind: counts[kind] for kind in ("FFMA", "HMMA", "LDS", "LDG", "STG", "BAR", "MUFU")}
    return {"registers": int(found[1]), "spilled": int(found[2]), "instructions": sum(counts.values()), **kinds}


def _loop(text: str) -> list[tuple[int, str]]:
    """Return (address, name) of the instructions of the longest loop: that over time."""
    labels: dict[str, int] = {}
    address = 0
    waiting: list[str] = []
    for line in text.splitlines():
        if label := re.match(r"\s*(\.L_x_\d+):", line):
            waiting.append(label[1])
        elif found := _INSTRUCTION.search(line):
            address = int(found[1], 16)
            labels |= dict.fromkeys(waiting, address)
            waiting = []
    jumps = [(labels.get(target), int(at, 16)) for at, target in _BRANCH.findall(text)]
    back = [(first, last) for first, last in jumps if first is not None and first <= last]
    first, last = max(back, key=lambda pair: pair[1] - pair[0])
    every = [(int(at, 16), name) for at, name in _INSTRUCTION.findall(text)]
    return [(at, name) for at, name in every if first <= at <= last]


def rows_of(
    name: str, hidden: int, devices: list[int], dtype: torch.dtype, known: Mapping[tuple[str, ...], Mapping[str, str]]
) -> Iterator[dict[str, object]]:
    """Yield a row for each kernel of a variant and each device, but for those known of the same text and compiler."""
    call = call_of(name, hidden, dtype)
    if reason := refused_size(call):
        print(f"{name}: {reason}", flush=True)
        return
    form, _ = gathered(call)
    tiling = tiling_of(call)
    sizes = tuple(state.shape[-1] for state in call.states.values())
    run = device_run(form, call.inputs.shape[-1], sizes, streamed=tiling.chunk > 0)
    short = {torch.float32: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16"}[dtype]
    for device in devices:
        for kernel in ("forward", "backward"):
            row = {
                "variant": name, "kernel": kernel, "device": f"sm_{device}", "hidden": hidden, "dtype": short,
                "products": tiling.products, "rows": tiling.rows, "warps": tiling.warps, "triton": triton.__version__,
                "text": hashlib.sha256(run.kernels.text.encode()).hexdigest()[:12],
            }  # fmt: skip
            before = known.get(key_of(row), {})
            if all(before.get(column) == row[column] for column in ("text", "triton")):
                continue
            start = time.monotonic()
            facts = compiled(run, kernel, tiling, device, short)
            print({**row, **facts, "seconds": round(time.monotonic() - start)}, flush=True)
            yield {**row, **facts}


def key_of(row: Mapping[str, object]) -> tuple[str, ...]:
    """Return what tells a row from all others."""
    return tuple(str(row[column]) for column in KEY)


def main(words: list[str]) -> None:
    """Compile what the words name, and write the table after each variant."""
    options = dict(word.split("=", 1) for word in words[1:])
    path = path_named("triton")
    assert path is not None
    every = [name for name in variant_files() if limits(path, load_variant(name), "cuda") is None]
    names = every if words[0] == "all" else words[0].split(",")
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[options.get("dtype", "fp32")]
    if options.get("products") == "tf32x3":
        torch.set_float32_matmul_precision("high")
    devices = [int(device) for device in options.get("devices", "80,90,100").split(",")]
    hidden = [int(size) for size in options.get("hidden", "64").split(",")]
    os.environ.pop("TRITON_INTERPRET", None)
    for size in hidden:
        for name in names:
            rows = list(csv.DictReader(TABLE.open(encoding="utf-8"))) if TABLE.exists() else []
            table: dict[tuple[str, ...], Mapping[str, object]] = {key_of(row): row for row in rows}
            if found := list(rows_of(name, size, devices, dtype, {key_of(row): row for row in rows})):
                table |= {key_of(row): row for row in found}
                with TABLE.open("w", encoding="utf-8", newline="") as file:
                    writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
                    writer.writeheader()
                    writer.writerows(table[one] for one in sorted(table))


if __name__ == "__main__":
    main(sys.argv[1:])
