"""Time every path beside torch.nn.LSTM and torch.nn.GRU, after checking that they compute the same."""

import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gatelab.commands.peak import peak_gigaflops
from gatelab.equations import load_variant, multiply_adds, program, variant_files
from gatelab.errors import UserError, suggest
from gatelab.recurrence import Layer, run_loop, run_native
from gatelab.reports import Column, Table
from gatelab.reports.tables import significant
from gatelab.runs import write_atomically

__all__ = ["benchmark"]

HELP = """\
Time every variant on the compiled path beside torch.nn.LSTM, torch.nn.GRU and the loop.

    python scripts/benchmark.py variants=lstm,gru shapes=100x32x8x64 threads=1 out=benchmark/

    variants=NAME,...   which variants (default all)
    shapes=TxBxIxH,...  time, batch, input, hidden (default 100x32x8x64,200x32x2x128,100x64x64x256,784x64x1x128)
    threads=N,...       how many threads (default 1,2)
    repeats=N           rounds; in each round everything is timed once, one after the other (default 15)
    loop=yes|no         whether the loop is timed too (default yes)
    out=FOLDER          where benchmark.md and benchmark.csv are written (default benchmark/); out= writes nothing

A ratio is the median over the rounds of (this time / torch's time in the same round). Nothing is timed whose outputs
and gradients differ from the loop's in double precision.
"""

_KEYS = {
    "variants": "", "shapes": "100x32x8x64,200x32x2x128,100x64x64x256,784x64x1x128", "threads": "1,2",
    "repeats": "15", "loop": "yes", "out": "benchmark/",
}  # fmt: skip
_TOLERANCE = 1e-4  # of single precision, relative to the largest value, after a few steps
_REFERENCES: dict[str, Callable[[int, int], nn.LSTM | nn.GRU]] = {"torch.nn.LSTM": nn.LSTM, "torch.nn.GRU": nn.GRU}

Run = Callable[..., tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]]


@dataclass(frozen=True)
class _Shape:
    time: int
    batch: int
    inputs: int
    hidden: int

    def __str__(self) -> str:
        return f"{self.time}×{self.batch}×{self.inputs}×{self.hidden}"


def benchmark(arguments: list[str]) -> int:
    """Check, time, print and write; return the exit status 0.

    ``arguments`` are ``key=value`` strings, as ``--help`` explains.

    Raises:
        UserError: an unknown key or value, a path that cannot run, or one that computes something else than the loop.
    """
    if {"--help", "-h"} & set(arguments):
        print(HELP, end="")
        return 0
    request = _parsed(arguments)
    names = request["variants"].split(",") if request["variants"] else list(variant_files())
    shapes = [_shape(text) for text in request["shapes"].split(",")]
    threads = [_number("threads", text) for text in request["threads"].split(",")]
    for name in names:
        check_parity(name)
    print(f"parity with the loop: {', '.join(names)}")
    rows: list[dict[str, Any]] = []
    for count in threads:
        torch.set_num_threads(count)
        peak = peak_gigaflops() * count
        for shape in shapes:
            rows += _timed(
                names, shape, count, peak, _number("repeats", request["repeats"]), loop=request["loop"] == "yes"
            )
            print(f"timed: {shape}, {count} thread{'s' * (count > 1)}", flush=True)
    table = Table(_columns(), rows)
    print(f"\n{_machine()}\n\n{table.text()}")
    if request["out"]:
        folder = Path(request["out"])
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / "benchmark.md", f"# Benchmark\n\n{_machine()}\n\n{table.markdown()}".encode())
        write_atomically(folder / "benchmark.csv", table.csv().encode())
        print(f"written: {folder}/benchmark.md, {folder}/benchmark.csv")
    return 0


def check_parity(name: str) -> None:
    """Refuse a variant whose compiled outputs or gradients are not the loop's.

    Raises:
        UserError: naming the variant and how far apart the two are.
    """
    torch.manual_seed(0)
    variant = load_variant(name)
    layer = Layer(variant, 5, 19)
    x = torch.randn(7, 6, 5)
    found: dict[Run, list[Tensor]] = {}
    for run, dtype in ((run_native, torch.float32), (run_loop, torch.float64)):
        weights = {key: value.detach().to(dtype).requires_grad_() for key, value in layer.named_parameters()}
        states = {state: torch.zeros(6, size, dtype=dtype) for state, size in layer.state_sizes().items()}
        output, _, _ = run(program(variant), weights, x.to(dtype), states, 19)
        found[run] = [output, *torch.autograd.grad(output.square().sum(), list(weights.values()))]
    for ours, law in zip(found[run_native], found[run_loop], strict=True):
        apart = float((ours.double() - law).abs().max().detach() / law.abs().max().detach().clamp(min=1e-30))
        if not apart < _TOLERANCE:
            raise UserError(f"variant '{name}': path native is {apart:.1e} away from the loop; nothing is timed")


def _timed(
    names: Sequence[str], shape: _Shape, threads: int, peak: float, repeats: int, *, loop: bool
) -> list[dict[str, Any]]:
    """Time everything once a round, forward and forward + backward; return a row for each."""
    x = torch.randn(shape.time, shape.batch, shape.inputs)
    modules: dict[tuple[str, str], nn.Module] = {}
    for name, kind in _REFERENCES.items():
        module = kind(shape.inputs, shape.hidden)
        modules[name, "torch"] = module
    for name in names:
        for path in ("native", "loop") if loop else ("native",):
            layer = Layer(load_variant(name), shape.inputs, shape.hidden)
            layer.path = path
            modules[name, path] = layer
    forward: dict[tuple[str, str], list[float]] = {key: [] for key in modules}
    both: dict[tuple[str, str], list[float]] = {key: [] for key in modules}
    for turn in range(repeats + 1):
        for key, timed in modules.items():
            timed.zero_grad()
            without, entire = _seconds(timed, x, backward=False), _seconds(timed, x, backward=True)
            if turn:  # the first round only warms up
                forward[key].append(without)
                both[key].append(entire)
    rows = []
    for name, path in modules:
        steps = shape.time * shape.batch
        row: dict[str, Any] = {"variant": name, "path": path, "shape": str(shape), "threads": threads}
        row["share_of_peak"] = None
        for way, times in (("forward", forward), ("both", both)):
            row[f"{way}_ms"] = statistics.median(times[name, path]) * 1e3
            for reference in _REFERENCES:
                pairs = zip(times[name, path], times[reference, "torch"], strict=True)
                row[f"{way}_of_{reference}"] = statistics.median(mine / torchs for mine, torchs in pairs)
        if path != "torch":
            # on the way back a product of the same size for the weights, and one without x for the states' adjoints
            variant = load_variant(name)
            forwards = multiply_adds(variant, shape.inputs, shape.hidden)
            of_each_input = multiply_adds(variant, 2, shape.hidden) - multiply_adds(variant, 1, shape.hidden)
            operations = 2 * steps * (3 * forwards - shape.inputs * of_each_input)
            row["share_of_peak"] = operations / 1e9 / (row["both_ms"] / 1e3) / peak
        rows.append(row)
    return rows


def _seconds(module: nn.Module, x: Tensor, *, backward: bool) -> float:
    if not backward:
        with torch.no_grad():
            start = time.perf_counter()
            module(x)
            return time.perf_counter() - start
    start = time.perf_counter()
    module(x)[0].sum().backward()
    return time.perf_counter() - start


def _columns() -> list[Column]:
    def number(header: str, field: str, digits: int = 3) -> Column:
        return Column(header, (field,), lambda value: significant(value, digits), "right")

    return [
        Column("variant", ("variant",)), Column("path", ("path",)), Column("T×B×I×H", ("shape",)),
        Column("threads", ("threads",), align="right"),
        number("forward ms", "forward_ms"), number("fwd+bwd ms", "both_ms"),
        number("forward / LSTM", "forward_of_torch.nn.LSTM", 2), number("fwd+bwd / LSTM", "both_of_torch.nn.LSTM", 2),
        number("forward / GRU", "forward_of_torch.nn.GRU", 2), number("fwd+bwd / GRU", "both_of_torch.nn.GRU", 2),
        number("share of peak", "share_of_peak", 2),
    ]  # fmt: skip


def _machine() -> str:
    cpu = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        cpu = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), cpu)
    return (
        f"{cpu}, {os.cpu_count()} cores; {peak_gigaflops():.0f} GFLOP/s measured per core in single precision; "
        f"torch {torch.__version__}, float32. Times are medians; a ratio is the median of ratios within a round."
    )


def _parsed(arguments: Sequence[str]) -> Mapping[str, str]:
    request = dict(_KEYS)
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if not equals or key not in _KEYS:
            raise UserError(f"'{argument}': must be key=value{suggest(key, _KEYS)}; keys are {', '.join(_KEYS)}")
        request[key] = value
    if request["loop"] not in ("yes", "no"):
        raise UserError(f"loop={request['loop']}: must be yes or no")
    return request


def _shape(text: str) -> _Shape:
    numbers = text.split("x")
    if len(numbers) != 4:
        raise UserError(f"shapes={text}: must be time, batch, input and hidden size, such as 100x32x8x64")
    return _Shape(*(_number("shapes", number) for number in numbers))


def _number(key: str, text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise UserError(f"{key}={text}: must be a whole number of at least 1")
    return int(text)
