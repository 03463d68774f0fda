"""Measures a sweep against the usual way without gatelab; see `python benchmarks/sweep.py --help`."""

import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gatelab.cli import entry
from gatelab.cli.arguments import keyed
from gatelab.compiler import multiply_adds
from gatelab.errors import UserError
from gatelab.language import load_variant
from gatelab.store import Store

HELP = """\
Measure the 64-run sweep (lstm, hidden 64, adding with T = 100, batch 32, 8 seeds x 8 learning rates) and the costs
around it. Needs an idle machine; every measurement is made `repeats` times, its median is shown.

    python benchmarks/sweep.py                                   all of it, with 500 steps: hours on two cores
    python benchmarks/sweep.py steps=5 repeats=1 runs=4          to see that it works
    python benchmarks/sweep.py only=fixed,memory,store

    steps=N      optimisation steps of a run (default 500)
    runs=N       most seeds, and most learning rates (default 8)
    seeds=N      seeds of each learning rate, if not `runs`: 64 makes a sweep of 512 runs
    repeats=N    measurements of each kind (default 3)
    only=NAME,…  of peak, basic, joblib, stacked, fixed, memory, store (default all; joblib needs
                 `pip install hydra-joblib-launcher==1.2.0`)
    many=N       trivial runs of the memory measurement (default 1000)
    stored=N     runs of the store that is read (default 10000)
    launcher=WORDS  further overrides of the stacked sweep, such as hydra.launcher.executor=inline
    out=FILE     where the numbers are written as JSON (default none)
"""

ROOT = Path(__file__).resolve().parents[1]
RATES = ("1e-4", "2e-4", "5e-4", "1e-3", "2e-3", "5e-3", "1e-2", "2e-2")
LENGTH, HIDDEN, BATCH = 100, 64, 32
TINY = [
    "task=adding", "task.length=2", "task.validation_size=2", "task.test_size=2", "model.hidden_size=2",
    "training.batch_size=2", "training.max_steps=1", "logger=none", "progress=false",
]  # fmt: skip


@dataclass(frozen=True)
class Request:
    """The arguments, read."""

    steps: int = 500
    runs: int = 8
    seeds: int = 0
    repeats: int = 3
    only: str = "peak,basic,joblib,stacked,fixed,memory,store"
    many: int = 1000
    stored: int = 10_000
    launcher: str = ""
    out: str = ""


def benchmark(arguments: list[str]) -> int:
    """Measure, and print each number as soon as it is known."""
    if {"-h", "--help"} & set(arguments):
        print(HELP, end="")
        return 0
    request = _request(arguments)
    print(f"{platform.processor() or platform.machine()}, {len(os.sched_getaffinity(0))} cores, {request}")
    found: dict[str, Any] = {}
    for name in request.only.split(","):
        found[name] = MEASUREMENTS[name](request)
        print(f"{name}: {found[name]}", flush=True)
    for slow in ("basic", "joblib"):
        if isinstance(found.get(slow), float) and isinstance(found.get("stacked"), float):
            print(f"stacked is {found[slow] / found['stacked']:.2f} times as fast as {slow}")
    if {"peak", "stacked"} <= set(found):
        print(f"stacked reaches {_work(request) / found['stacked'] / found['peak'] / 1e9:.0%} of the peak")
    if request.out:
        Path(request.out).write_text(json.dumps(found, indent=2) + "\n")
    return 0


def _request(arguments: list[str]) -> Request:
    given: dict[str, Any] = keyed(arguments, Request.__dataclass_fields__)
    for key, value in given.items():
        if isinstance(Request.__dataclass_fields__[key].default, int):
            if not value.isdecimal() or int(value) < 1:
                raise UserError(f"{key}={value}: must be an integer of at least 1")
            given[key] = int(value)
    request = Request(**given)
    for name in request.only.split(","):
        if name not in MEASUREMENTS:
            raise UserError(f"only={name}: must be of {', '.join(MEASUREMENTS)}")
    return request


def peak(request: Request) -> float:
    """GFLOP/s of the compiled kernel at its best, lstm forwards at hidden size 256, on all cores."""
    import torch

    from gatelab.layers.layer import Layer

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    steps, batch, size = 50, 128, 256
    variant = load_variant("lstm")
    layer, x = Layer(variant, size, size, path="native"), torch.randn(steps, batch, size)
    operations = 2 * multiply_adds(variant, size, size) * steps * batch

    @torch.no_grad()
    def once() -> float:
        begun = time.perf_counter()
        layer(x)
        return operations / (time.perf_counter() - begun) / 1e9

    once()
    return max(once() for _ in range(10 * request.repeats))


def basic(request: Request) -> float:
    """Seconds of the sweep with torch.nn.LSTM, one run after the other; torch may use every core."""
    threads = len(os.sched_getaffinity(0))
    return _median(request, lambda folder: _timed(_plain(request, folder, [f"threads={threads}"]), folder))


def joblib(request: Request) -> float | str:
    """Seconds of the same with Hydra's joblib launcher, two jobs at once."""
    if importlib.util.find_spec("hydra_plugins.hydra_joblib_launcher") is None:
        return "hydra-joblib-launcher is not installed"
    words = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
    return _median(request, lambda folder: _timed(_plain(request, folder, words), folder))


def stacked(request: Request) -> float:
    """Seconds of the sweep as gatelab trains it."""
    words = [
        "variant=lstm", "task=adding", f"task.length={LENGTH}", f"model.hidden_size={HIDDEN}",
        f"training.batch_size={BATCH}", f"training.max_steps={request.steps}", "logger=none", "progress=false",
        f"seed=range({_seeds(request)})", f"optimizer.lr={_rates(request)}", *request.launcher.split(),
    ]  # fmt: skip
    return _median(request, lambda folder: _timed(_gatelab(words, folder), folder))


def fixed(request: Request) -> dict[str, float]:
    """Milliseconds that one more run costs when it hardly trains: the slope between 8 and 72 runs of one step."""

    def slope(command: Callable[[int, Path], list[str]]) -> float:
        few = _median(request, lambda folder: _timed(command(8, folder), folder))
        many = _median(request, lambda folder: _timed(command(72, folder), folder))
        return 1000 * (many - few) / 64

    def plain(n: int, folder: Path) -> list[str]:
        sizes = ["steps=1", "hidden_size=2", "length=2", "batch_size=2"]
        return [*_script("plain_lightning.py"), "-m", f"seed=range({n})", *sizes, f"hydra.sweep.dir={folder}"]

    return {
        "basic": slope(plain),
        "stacked": slope(lambda n, folder: _gatelab([*TINY, f"seed=range({n})", *request.launcher.split()], folder)),
    }


def memory(request: Request) -> dict[str, float]:
    """Resident megabytes of the launcher over a sweep of trivial runs, by the share of finished runs."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # small stacks, so that there are many of them
        words = [*TINY, f"seed=range({request.many})", "stack.size=10", *request.launcher.split()]
        seen: dict[int, float] = {}
        process = subprocess.Popen(_gatelab(words, folder), stdout=subprocess.DEVNULL, cwd=folder, env=_environment())
        while process.poll() is None:
            done = sum(1 for _ in (folder / "runs").glob("*/result.json")) if (folder / "runs").exists() else 0
            tenth = 10 * done // request.many
            if tenth > 0:
                seen[tenth * 10] = max(seen.get(tenth * 10, 0.0), _resident(process.pid))
            time.sleep(0.2)
        if process.returncode:
            raise UserError(f"the sweep of {request.many} runs ended with status {process.returncode}")
    return {f"{share} %": megabytes for share, megabytes in sorted(seen.items())}


def store(request: Request) -> float:
    """Seconds to read every result of a large store."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _timed(_gatelab([*TINY, "seed=0"], folder, sweep=False), folder)
        (result,) = Store(folder / "runs").results()
        for number in range(request.stored):
            identity = f"{number:016x}"
            (folder / "many" / identity).mkdir(parents=True)
            mapping = {**result.to_mapping(), "identity": identity, "seed": number}
            (folder / "many" / identity / "result.json").write_text(json.dumps(mapping, indent=2))

        def read() -> float:
            begun = time.perf_counter()
            assert len(Store(folder / "many").results()) == request.stored
            return time.perf_counter() - begun

        return statistics.median(read() for _ in range(request.repeats))


def _plain(request: Request, folder: Path, words: list[str]) -> list[str]:
    sweep = [f"seed=range({_seeds(request)})", f"lr={_rates(request)}", f"steps={request.steps}"]
    sizes = [f"hidden_size={HIDDEN}", f"length={LENGTH}", f"batch_size={BATCH}"]
    return [*_script("plain_lightning.py"), "-m", *sweep, *sizes, f"hydra.sweep.dir={folder}", *words]


def _gatelab(words: list[str], folder: Path, *, sweep: bool = True) -> list[str]:
    script = [sys.executable, str(ROOT / "scripts" / "train.py")]
    return [*script, *(["-m"] if sweep else []), *words, f"runs_dir={folder / 'runs'}"]


def _script(name: str) -> list[str]:
    # hide the warnings of Lightning and torch
    return [sys.executable, "-W", "ignore", str(Path(__file__).with_name(name))]


def _rates(request: Request) -> str:
    return ",".join(RATES[: _side(request)])


def _side(request: Request) -> int:
    return min(request.runs, len(RATES))


def _seeds(request: Request) -> int:
    return request.seeds or _side(request)


def _work(request: Request) -> float:
    """Floating-point operations of the sweep's matrix products: two a multiply-add, forward once and backward twice."""
    step = multiply_adds(load_variant("lstm"), 2, HIDDEN)
    return 6.0 * step * LENGTH * BATCH * request.steps * _side(request) * _seeds(request)


def _median(request: Request, measure: Callable[[Path], float]) -> float:
    taken = []
    for _ in range(request.repeats):
        with tempfile.TemporaryDirectory() as folder:
            taken.append(measure(Path(folder)))
    return statistics.median(taken)


def _timed(command: list[str], folder: Path) -> float:
    begun = time.perf_counter()
    ended = subprocess.run(command, cwd=folder, env=_environment(), capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - begun
    if ended.returncode:
        raise UserError(f"{' '.join(command[1:])} ended with status {ended.returncode}:\n{ended.stderr[-2000:]}")
    return seconds


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT / "src"), "HYDRA_FULL_ERROR": "1"}


def _resident(process: int) -> float:
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0.0
    kilobytes = next((line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")), "0")
    return int(kilobytes) / 1024


MEASUREMENTS: dict[str, Callable[[Request], Any]] = {
    "peak": peak,
    "basic": basic,
    "joblib": joblib,
    "stacked": stacked,
    "fixed": fixed,
    "memory": memory,
    "store": store,
}

if __name__ == "__main__":
    entry.run(benchmark, sys.argv[1:])
