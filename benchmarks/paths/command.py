"""Time every path beside torch.nn.LSTM and torch.nn.GRU, after checking that they compute the same."""

import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu.device_command import device_benchmark
from benchmarks.paths import Shape, check_parity, peak_gigaflops, timed, unfit
from benchmarks.paths.drawing import drawn
from gatelab.cli.arguments import keyed
from gatelab.disk import check_place, make_folder, write_atomically, writing
from gatelab.errors import UserError
from gatelab.language import load_variant, variant_files
from gatelab.paths import PATHS, able
from gatelab.report import Column, Table
from gatelab.report.tables import significant

__all__ = ["benchmark"]

HELP = """\
Time every variant on every path that can run it, beside torch.nn.LSTM and torch.nn.GRU.

    python scripts/benchmark.py variants=lstm,gru shapes=100x32x8x64 threads=1 out=benchmark/

    variants=NAME,...   which variants (default all that compile)
    shapes=TxBxIxH,...  time, batch, input, hidden (default 100x32x8x64,200x32x2x128,100x64x64x256,784x64x1x128)
    threads=N,...       how many threads (default 1,2)
    repeats=N           rounds; in each round everything is timed once, one after the other (default 15)
    loop=yes|no         whether the loop is timed too (default yes)
    out=FOLDER          where benchmark.md, .csv and .png are written (default benchmark/); out= writes nothing

A ratio is the median over the rounds of (this time / torch's time in the same round). Nothing is timed whose outputs
and gradients differ from the loop's in double precision. Where the library torchrecurrent is installed, its cells of
the same name are timed too.

    python scripts/benchmark.py device=cuda

times our paths on a CUDA device, in stacks of runs, beside torch.nn.LSTM and GRU (cuDNN; a module for each run, one
after the other), and beside FlashRNN and haste where they are installed. Its keys are

    variants=NAME,...  hidden=N,...  stacks=N,...  sequence=TxBxI  dtype=float32|bfloat16|float16
    compile=yes|no     whether the loop under torch.compile is timed too (default no: it takes minutes to compile)
    repeats=N  out=FOLDER
"""

_DEFAULTS = {
    "variants": "", "shapes": "100x32x8x64,200x32x2x128,100x64x64x256,784x64x1x128", "threads": "1,2",
    "repeats": "15", "loop": "yes", "out": "benchmark/", "device": "cpu",
}  # fmt: skip


def benchmark(arguments: list[str]) -> int:
    """Check, time, print and write; return the exit status 0.

    ``arguments`` are ``key=value`` strings, as ``--help`` explains.

    Raises:
        UserError: an unknown key or value, a path that cannot run, or one that computes something else than the loop.
    """
    if {"--help", "-h"} & set(arguments):
        print(HELP, end="")
        return 0
    if "device=cuda" in arguments:
        return device_benchmark(arguments)
    request = _DEFAULTS | keyed(arguments, _DEFAULTS)
    if request["device"] != "cpu":
        raise UserError(f"device={request['device']}: must be cpu or cuda")
    if request["loop"] not in ("yes", "no"):
        raise UserError(f"loop={request['loop']}: must be yes or no")
    names = request["variants"].split(",") if request["variants"] else _compiled()
    shapes = [_shape(text) for text in request["shapes"].split(",")]
    threads = [_number("threads", text) for text in request["threads"].split(",")]
    repeats = _number("repeats", request["repeats"])
    if request["out"]:  # before the minutes that timing takes
        check_place(Path(request["out"]), f"out={request['out']}")
    for name in names:
        check_parity(name)
    print(f"parity with the loop: {', '.join(names)}")
    machine = _machine()
    rows: list[dict[str, Any]] = []
    for count in threads:
        peak = peak_gigaflops() * count
        for shape in shapes:
            for name in names:
                if reason := unfit(name, shape):
                    print(f"not timed at {shape}: {name} ({reason})")
            rows += timed(names, shape, count, peak, repeats, loop=request["loop"] == "yes")
            print(f"timed: {shape}, {count} thread{'s' * (count > 1)}", flush=True)
    means, table = Table(_mean_columns(), _means(rows)), Table(_columns(), rows)
    print(f"\n{machine}\n\n{means.text()}\n{table.text()}")
    if request["out"]:
        _write(Path(request["out"]), machine, means, table, threads[0])
    return 0


def _compiled() -> list[str]:
    """Return the variants that the native path can run."""
    return [name for name in variant_files() if PATHS[0] in able(load_variant(name), "cpu")]


def _write(folder: Path, machine: str, means: Table, table: Table, threads: int) -> None:
    make_folder(folder)
    text = (
        f"# Benchmark\n\n{machine}\n\n![Forward and backward over torch.nn.LSTM](benchmark.png)\n\n"
        f"## Geometric means over the shapes, forward + backward\n\n{means.markdown()}\n"
        f"## Every shape\n\n{table.markdown()}"
    )
    with writing(folder):
        write_atomically(folder / "benchmark.md", text.encode())
        write_atomically(folder / "benchmark.csv", table.csv().encode())
        write_atomically(folder / "benchmark.png", drawn(table.rows, threads))
    print(f"written: {folder}/benchmark.md, .csv, .png")


_RATIOS = ("both_of_torch.nn.LSTM", "both_of_torch.nn.GRU", "both_of_loop", "both_of_torchrecurrent")


def _means(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    groups: dict[tuple[str, str, int], list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["variant"], row["path"], row["threads"]), []).append(row)
    return [
        {
            "variant": name, "path": path, "threads": threads,
            **{ratio: _geometric_mean([row[ratio] for row in group]) for ratio in _RATIOS},
        }
        for (name, path, threads), group in groups.items()
    ]  # fmt: skip


def _geometric_mean(values: Sequence[float]) -> float:
    # a path that was not timed has no ratio
    return statistics.geometric_mean(values) if all(value == value for value in values) else float("nan")


def _number_column(header: str, field: str, digits: int = 3) -> Column:
    return Column(header, (field,), lambda value: significant(value, digits), "right")


def _mean_columns() -> list[Column]:
    return [
        Column("variant", ("variant",)), Column("path", ("path",)), Column("threads", ("threads",), align="right"),
        _number_column("/ torch.nn.LSTM", _RATIOS[0], 2), _number_column("/ torch.nn.GRU", _RATIOS[1], 2),
        _number_column("/ loop", _RATIOS[2], 2), _number_column("/ torchrecurrent", _RATIOS[3], 2),
    ]  # fmt: skip


def _columns() -> list[Column]:
    return [
        Column("variant", ("variant",)), Column("path", ("path",)), Column("T×B×I×H", ("shape",)),
        Column("threads", ("threads",), align="right"),
        _number_column("forward ms", "forward_ms"), _number_column("fwd+bwd ms", "both_ms"),
        _number_column("forward / LSTM", "forward_of_torch.nn.LSTM", 2),
        _number_column("fwd+bwd / LSTM", "both_of_torch.nn.LSTM", 2),
        _number_column("fwd+bwd / GRU", "both_of_torch.nn.GRU", 2),
        _number_column("share of peak", "share_of_peak", 2),
        Column("kept MB", ("kept_bytes",), lambda value: significant(value / 1e6, 3), "right"),
        Column("kB a step", ("kept_bytes_per_step",), lambda value: significant(value / 1e3, 3), "right"),
    ]  # fmt: skip


def _machine() -> str:
    cpu = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        cpu = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), cpu)
    return (
        f"{cpu}, {os.cpu_count()} cores; {peak_gigaflops():.0f} GFLOP/s measured per core in single precision; "
        f"torch {torch.__version__}, float32. Times are medians; a ratio is the median of ratios within a round. "
        "Kept: memory that the forward pass keeps for the backward pass, weights and input left out."
    )


def _shape(text: str) -> Shape:
    numbers = text.split("x")
    if len(numbers) != 4:
        raise UserError(f"shapes={text}: must be time, batch, input and hidden size, such as 100x32x8x64")
    return Shape(*(_number("shapes", number) for number in numbers))


def _number(key: str, text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise UserError(f"{key}={text}: must be a whole number of at least 1")
    return int(text)
