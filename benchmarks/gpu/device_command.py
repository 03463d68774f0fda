"""Time our paths on a CUDA device beside cuDNN and others: `python scripts/benchmark.py device=cuda`."""

import statistics
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu.contenders import Contender, Size, contenders
from benchmarks.gpu.roofline import DEVICES, steps_of
from benchmarks.paths.parity import check_parity
from gatelab.cli.arguments import keyed
from gatelab.disk import check_place, make_folder, write_atomically, writing
from gatelab.errors import UserError
from gatelab.language import load_variant
from gatelab.report import Column, Table
from gatelab.report.tables import significant

__all__ = ["DEFAULTS", "device_benchmark", "timed_on"]

DEFAULTS = {
    "device": "cuda", "variants": "elman,lstm,gru,gru_v3,peephole,layer_norm_lstm", "hidden": "32,64,128,256,512,1024",
    "stacks": "1,8,32,128,256", "sequence": "100x64x32", "dtype": "float32", "compile": "no", "repeats": "15",
    "out": "benchmark/gpu/",
}  # fmt: skip

_KINDS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def device_benchmark(arguments: list[str]) -> int:
    """Check, time, print and write; return the exit status 0.

    Raises:
        UserError: there is no CUDA device; an unknown key or value; a path that computes something else than the loop.
    """
    request = DEFAULTS | keyed(arguments, DEFAULTS)
    if not torch.cuda.is_available():
        built = "" if torch.version.cuda else f", and torch {torch.__version__} was built without CUDA"
        raise UserError(f"device=cuda: no CUDA device is available{built}; allowed here: cpu")
    names = request["variants"].split(",")
    for name in names:
        load_variant(name)
    hidden, stacks = (_numbers(key, request[key]) for key in ("hidden", "stacks"))
    steps, batch, inputs = _sequence(request["sequence"])
    if request["dtype"] not in _KINDS:
        raise UserError(f"dtype={request['dtype']}: must be one of {', '.join(_KINDS)}")
    dtype = _KINDS[request["dtype"]]
    if request["compile"] not in ("yes", "no"):
        raise UserError(f"compile={request['compile']}: must be yes or no")
    (repeats,) = _numbers("repeats", request["repeats"])
    if request["out"]:
        check_place(Path(request["out"]), f"out={request['out']}")
    for name in names:
        check_parity(name, "cuda")
    print(f"parity with the loop: {', '.join(names)}")
    kind = torch.cuda.get_device_name()
    rows: list[dict[str, Any]] = []
    for units in hidden:
        for runs in stacks:
            for name in names:
                equal = load_variant(name).needs_equal_sizes
                size = Size(steps, batch, units if equal else inputs, units, runs)
                rows += timed_on("cuda", name, size, dtype, repeats, compiled=request["compile"] == "yes")
            print(f"timed: hidden {units}, {runs} run{'s' * (runs > 1)}", flush=True)
    for row in rows:
        row |= shares(row, kind)
    table = Table(_columns(), rows)
    head = (
        f"{kind}, torch {torch.__version__}, {request['dtype']}, {steps} steps, {batch} sequences a run. Times are "
        f"medians of {repeats} rounds; a ratio is the median of ratios within a round."
    )
    print(f"\n{head}\n\n{table.text()}")
    if request["out"]:
        folder = Path(request["out"])
        make_folder(folder)
        with writing(folder):
            write_atomically(folder / "benchmark.md", f"# On a GPU\n\n{head}\n\n{table.markdown()}".encode())
            write_atomically(folder / "benchmark.csv", table.csv().encode())
        print(f"written: {folder}/benchmark.md, .csv")
    return 0


def timed_on(
    device: str, name: str, size: Size, dtype: torch.dtype, repeats: int, *, compiled: bool = False
) -> list[dict[str, Any]]:
    """Time all that computes a variant, once in each round, one after the other; a first round warms up.

    Returns:
        A row for each: median milliseconds forwards and with the backward pass, for the stack and for a run, and the
        median over the rounds of the ratio to torch.nn, whose modules run one after the other.
    """
    found = contenders(name, size, device, dtype, compiled=compiled)
    forward: dict[str, list[float]] = {key: [] for key in found}
    both: dict[str, list[float]] = {key: [] for key in found}
    for turn in range(repeats + 1):
        for key, contender in found.items():
            without, entire = (_seconds(contender, device, backward=back) for back in (False, True))
            if turn:
                forward[key].append(without)
                both[key].append(entire)
    return [
        {
            "variant": name, "path": key, "hidden": size.hidden, "runs": size.runs, "size": size,
            "forward_ms": statistics.median(forward[key]) * 1e3, "both_ms": statistics.median(both[key]) * 1e3,
            "a_run_ms": statistics.median(both[key]) * 1e3 / size.runs,
            "of_torch.nn": statistics.median(
                mine / theirs for mine, theirs in zip(both[key], both["torch.nn"], strict=True)
            ),
        }
        for key in found
    ]  # fmt: skip


def _seconds(contender: Contender, device: str, *, backward: bool) -> float:
    """Return the seconds of a call, from an idle device to an idle device."""
    if device == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    if backward:
        torch.autograd.grad(contender.forward(), contender.learned, allow_unused=True)
    else:
        with torch.no_grad():
            contender.forward()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def shares(row: Mapping[str, Any], kind: str) -> dict[str, float]:
    """Return the shares of a device's published peaks that the steps of a row reach; NaN where none is known here."""
    device = next((one for one in DEVICES if one.name in kind), None)
    if device is None or row["path"] != "triton":
        return {"of_peak": float("nan"), "of_memory": float("nan")}
    size: Size = row["size"]
    both = steps_of(row["variant"], size.hidden).values()
    sequences, seconds = size.runs * size.batch * size.time, row["both_ms"] / 1e3
    return {
        "of_peak": sequences * sum(step.operations for step in both) / seconds / (device.single * 1e12),
        "of_memory": sequences * sum(step.bytes for step in both) / seconds / (device.memory * 1e9),
    }


def _numbers(key: str, text: str) -> list[int]:
    numbers = text.split(",")
    for number in numbers:
        if not number.isdecimal() or int(number) < 1:
            raise UserError(f"{key}={text}: must be whole numbers of at least 1")
    return [int(number) for number in numbers]


def _sequence(text: str) -> tuple[int, int, int]:
    parts = text.split("x")
    if len(parts) != 3:
        raise UserError(f"sequence={text}: must be time, batch and input size, such as 100x64x32")
    steps, batch, inputs = (_numbers("sequence", part)[0] for part in parts)
    return steps, batch, inputs


def _columns() -> list[Column]:
    def number(header: str, field: str, digits: int = 3) -> Column:
        return Column(header, (field,), lambda value: significant(value, digits), "right")

    return [
        Column("variant", ("variant",)), Column("path", ("path",)), Column("hidden", ("hidden",), align="right"),
        Column("runs", ("runs",), align="right"), number("forward ms", "forward_ms"), number("fwd+bwd ms", "both_ms"),
        number("ms a run", "a_run_ms"), number("/ torch.nn", "of_torch.nn", 2),
        number("share of float32 peak", "of_peak", 2), number("share of memory peak", "of_memory", 2),
    ]  # fmt: skip
