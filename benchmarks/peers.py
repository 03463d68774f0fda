"""Measures gatelab beside other ways to the same networks; see `python -m benchmarks.peers --help`."""

import importlib.util
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import gatelab
from benchmarks import training_steps
from benchmarks.request import request_of
from gatelab.cli import entry

HELP = """\
Measure forward and backward of lstm and gru beside torch.nn.LSTM and GRU and JAX, of peephole and mgu beside
torchrecurrent, and whole training steps of a stack beside JAX: milliseconds and microseconds of the processor, one
thread. All ways take turns, and medians are shown. What is not installed is told in one line and left out:

    pip install --target FOLDER jax optax torchrecurrent     # a folder of its own, then PYTHONPATH=FOLDER
    python -m benchmarks.peers
    python -m benchmarks.peers shapes=4x2x3x5 steps=4x1x4 repeats=1 seconds=0.01

    shapes=TxBxIxH,…  steps, batch, inputs, hidden size (default 50x16x2x36,100x32x8x64,200x32x2x128)
    steps=TxBxH,…     of whole training steps (default those of benchmarks.training_steps; none for none)
    runs=N            of the stack whose training steps are measured (default 64)
    repeats=N         of each measurement (default 5)
    seconds=N         at least, of each measurement (default 1)
    write=true        write the tables into docs/speed/peers.md
"""
PAGE = Path(__file__).resolve().parents[1] / "docs" / "speed" / "peers.md"
MARK = "<!-- tables -->"


@dataclass(frozen=True)
class Request:
    """The arguments, read."""

    shapes: str = "50x16x2x36,100x32x8x64,200x32x2x128"
    steps: str = training_steps.Request.shapes
    runs: int = 64
    repeats: int = 5
    seconds: float = 1.0
    write: str = "false"


Made = Callable[[], None]
"""One forward and one backward pass."""


def benchmark(arguments: list[str]) -> int:
    """Measure, and print the tables."""
    if {"-h", "--help"} & set(arguments):
        print(HELP, end="")
        return 0
    request = request_of(Request, arguments)
    torch.set_num_threads(1)
    lacking = [name for name in ("jax", "optax", "torchrecurrent") if importlib.util.find_spec(name) is None]
    if lacking:
        print(f"not installed, and left out: {', '.join(lacking)}", file=sys.stderr)
    tables = [_table(variant, request, lacking) for variant in BESIDE]
    print("\n\n".join(tables), flush=True)
    if request.steps != "none":
        words = [f"{name}={getattr(request, name)}" for name in ("runs", "repeats", "seconds")]
        print()
        training_steps.benchmark([f"shapes={request.steps}", *words])
    if request.write == "true":
        before, _, _ = PAGE.read_text(encoding="utf-8").partition(MARK)
        PAGE.write_text(before + MARK + "\n\n" + "\n\n".join(tables) + "\n", encoding="utf-8")
    return 0


def ours(variant: str, length: int, batch: int, inputs: int, hidden: int) -> Made:
    """gatelab.RNN."""
    return _module(gatelab.RNN(variant, inputs, hidden), length, batch, inputs)


def torchs(variant: str, length: int, batch: int, inputs: int, hidden: int) -> Made:
    """The layer of PyTorch."""
    return _module({"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[variant](inputs, hidden), length, batch, inputs)


def torchrecurrents(variant: str, length: int, batch: int, inputs: int, hidden: int) -> Made:
    """The layer of torchrecurrent: a loop over steps in Python."""
    import torchrecurrent  # type: ignore[import-not-found]

    named = {"peephole": torchrecurrent.PeepholeLSTM, "mgu": torchrecurrent.MGU}
    return _module(named[variant](inputs, hidden), length, batch, inputs)


def jaxs(variant: str, length: int, batch: int, inputs: int, hidden: int) -> Made:
    """`lax.scan` over steps, jitted, with gradients of all weights and of the inputs."""
    import jax
    from jax import numpy as jnp

    gates = 4 if variant == "lstm" else 3
    key = jax.random.key(0)
    shapes = {
        "x": (inputs, gates * hidden),
        "h": (hidden, gates * hidden),
        "b": (gates * hidden,),
        "r": (gates * hidden,),
    }
    weights = {name: jax.random.uniform(key, shape, minval=-0.1, maxval=0.1) for name, shape in shapes.items()}

    def lstm(own: Any, state: Any, read: Any) -> Any:
        h, c = state
        i, f, z, o = jnp.split(read + h @ own["h"] + own["r"], 4, -1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(z)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    def gru(own: Any, state: Any, read: Any) -> Any:
        (h,) = state
        r, z, n = jnp.split(read, 3, -1)
        of_r, of_z, of_n = jnp.split(h @ own["h"] + own["r"], 3, -1)
        z = jax.nn.sigmoid(z + of_z)
        h = (1 - z) * jnp.tanh(n + jax.nn.sigmoid(r + of_r) * of_n) + z * h
        return (h,), h

    step = lstm if variant == "lstm" else gru

    def total(own: Any, x: Any) -> Any:
        zeros = (jnp.zeros((batch, hidden)),) * (2 if variant == "lstm" else 1)
        _, output = jax.lax.scan(lambda state, read: step(own, state, read), zeros, x @ own["x"] + own["b"])
        return output.sum()

    both = jax.jit(jax.value_and_grad(total, argnums=(0, 1)))
    x = jax.random.normal(key, (length, batch, inputs))

    def once() -> None:
        jax.block_until_ready(both(weights, x))

    return once


WAYS: dict[str, tuple[str, Callable[[str, int, int, int, int], Made]]] = {
    "gatelab": ("gatelab.RNN", ours),
    "torch": ("torch.nn", torchs),
    "torchrecurrent": ("torchrecurrent", torchrecurrents),
    "jax": ("JAX", jaxs),
}
"""Package -> its column, and what makes a layer of it."""
BESIDE = {
    "lstm": ("gatelab", "torch", "jax"),
    "gru": ("gatelab", "torch", "jax"),
    "peephole": ("gatelab", "torchrecurrent"),
    "mgu": ("gatelab", "torchrecurrent"),
}
"""Variant -> the packages that have it."""


def _module(layer: torch.nn.Module, length: int, batch: int, inputs: int) -> Made:
    x = torch.randn(length, batch, inputs, requires_grad=True)
    weights = [x, *layer.parameters()]

    def once() -> None:
        found = layer(x)
        output = found[0] if isinstance(found, tuple) else found
        torch.autograd.grad(output.sum(), weights, allow_unused=True)

    return once


def _table(variant: str, request: Request, lacking: list[str]) -> str:
    ways = {name: WAYS[name] for name in BESIDE[variant] if name not in lacking}
    others = [column for _, (column, _) in list(ways.items())[1:]]
    columns = ["gatelab.RNN", *others, *(f"gatelab / {one}" for one in others)]
    lines = [f"| {variant}: T, batch, inputs, hidden | {' | '.join(columns)} |", "|---" + "|---:" * len(columns) + "|"]
    for shape in request.shapes.split(","):
        sizes = [int(size) for size in shape.split("x")]
        made = {name: make(variant, *sizes) for name, (_, make) in ways.items()}
        counts = {name: _enough(once, request.seconds) for name, once in made.items()}
        rounds = [{name: _cost(made[name], counts[name]) for name in ways} for _ in range(request.repeats)]
        shown = [f"{statistics.median(one[name] for one in rounds) * 1e3:.2f}" for name in ways]
        ratios = [f"{statistics.median(one['gatelab'] / one[name] for one in rounds):.2f}" for name in [*ways][1:]]
        lines.append(f"| {', '.join(map(str, sizes))} | {' | '.join(shown + ratios)} |")
    return "\n".join(lines)


def _enough(once: Made, seconds: float) -> int:
    """Return how many calls take as long as wished, after two that warm everything up."""
    for _ in range(2):
        once()
    begun = time.process_time()
    once()
    return max(1, int(seconds / max(1e-6, time.process_time() - begun)))


def _cost(once: Made, count: int) -> float:
    begun = time.process_time()
    for _ in range(count):
        once()
    return (time.process_time() - begun) / count


if __name__ == "__main__":
    entry.run(benchmark, sys.argv[1:])
