"""Measures whole training steps of a stack; see `python -m benchmarks.training_steps --help`."""

import importlib.util
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import numpy as np
import torch

from benchmarks.request import request_of
from gatelab.cli import entry
from gatelab.configuration import composed
from gatelab.store import Stop
from gatelab.training import optimizer, trainers
from gatelab.training.direct_step import direct_step
from gatelab.training.fused_optimizer import fused_optimizer
from gatelab.training.stack import initial_weights, network
from gatelab.training.stack_batches import StackData
from gatelab.training.stack_module import StackModule

HELP = """\
Measure whole training steps (batch, forward, loss, backward, clip, Adam) of a stack of lstm on the adding problem, in
microseconds of the processor a run and step, one thread: direct steps, Lightning's loop, and, where jax and optax are
installed, the same step jitted and vmapped. Each is measured in turn, `repeats` times; medians and ratios are shown.
With another optimiser than adam: direct steps, and the same with torch's own optimiser around compiled layers.

    python -m benchmarks.training_steps
    python -m benchmarks.training_steps shapes=12x1x8 runs=4 repeats=1
    python -m benchmarks.training_steps optimizer=sgd

    shapes=TxBxH,…  steps, batch, hidden size (default 12x1x8,50x16x16,50x16x36,100x32x64)
    runs=N          of the stack (default 64)
    repeats=N       of each measurement (default 5)
    seconds=N       at least, of each measurement (default 2)
    optimizer=NAME  adam (default), sgd or rmsprop, of conf/optimizer
"""


@dataclass(frozen=True)
class Request:
    """The arguments, read."""

    shapes: str = "12x1x8,50x16x16,50x16x36,100x32x64"
    runs: int = 64
    repeats: int = 5
    seconds: float = 2.0
    optimizer: Literal["adam", "sgd", "rmsprop"] = "adam"


def benchmark(arguments: list[str]) -> int:
    """Measure, and print a line for each shape."""
    if {"-h", "--help"} & set(arguments):
        print(HELP, end="")
        return 0
    request = request_of(Request, arguments)
    torch.set_num_threads(1)
    ways: dict[str, Callable[[int, int, int, int], Callable[[int], None]]] = {"direct": direct, "Lightning": lightning}
    if request.optimizer != "adam":
        ours = partial(_gatelab, chosen=direct_step, kind=request.optimizer)
        ways = {"direct": ours, "torch's optimiser": partial(ours, fused=_none)}
    elif importlib.util.find_spec("jax") and importlib.util.find_spec("optax"):
        ways["jax"] = jitted
    print(f"| T, batch, hidden | {' | '.join(ways)} | {' | '.join(f'direct / {way}' for way in [*ways][1:])} |")
    print("|---" + "|---:" * (2 * len(ways) - 1) + "|")
    for shape in request.shapes.split(","):
        sizes = [int(size) for size in shape.split("x")]
        takes = {way: make(request.runs, *sizes) for way, make in ways.items()}
        counts = {way: _enough(take, request.seconds) for way, take in takes.items()}
        rounds = [{way: _cost(takes[way], counts[way]) for way in ways} for _ in range(request.repeats)]
        shown = [f"{statistics.median(one[way] for one in rounds) / request.runs * 1e6:,.1f}" for way in ways]
        ratios = [f"{statistics.median(one['direct'] / one[way] for one in rounds):.2f}" for way in [*ways][1:]]
        print(f"| {', '.join(map(str, sizes))} | {' | '.join(shown + ratios)} |", flush=True)
    return 0


def direct(runs: int, length: int, batch: int, hidden: int) -> Callable[[int], None]:
    """Return what takes some direct steps."""
    return _gatelab(runs, length, batch, hidden, direct_step)


def lightning(runs: int, length: int, batch: int, hidden: int) -> Callable[[int], None]:
    """Return what takes some steps in Lightning's loop."""
    return _gatelab(runs, length, batch, hidden, lambda *_: "not in this benchmark")


def _none(*_: Any) -> list[dict[str, Any]]:
    """Return that no optimiser is compiled."""
    return []


def _gatelab(
    runs: int, length: int, batch: int, hidden: int, chosen: Any, kind: str = "adam", fused: Any = fused_optimizer
) -> Callable[[int], None]:
    sizes = [f"task.length={length}", f"training.batch_size={batch}", f"model.hidden_size={hidden}", "threads=1"]
    held_out = ["task.validation_size=4", "task.test_size=4"]
    base = composed(
        ["variant=lstm", "task=adding", f"optimizer={kind}", "device=cpu", "logger=none", *sizes, *held_out]
    )

    def take(steps: int) -> None:
        training = base.training.model_copy(update={"max_steps": steps, "validate_every": steps + 1})
        stack = [replace(base, seed=seed, training=training) for seed in range(runs)]
        template = network(stack[0])
        setattr(optimizer, "fused_optimizer", fused)  # noqa: B010 - which of the two
        module = StackModule(stack, template, initial_weights(stack, template))
        module.validated_at = steps  # none is due at the end
        setattr(trainers, "direct_step", chosen)  # noqa: B010 - which of the two roads
        trainers.fit(module, StackData(stack, template), [], Stop(), "cpu")

    return take


def jitted(runs: int, length: int, batch: int, hidden: int) -> Callable[[int], None]:
    """Return what takes some steps of the same network in JAX, jitted and vmapped over the runs."""
    import jax
    import optax  # type: ignore[import-not-found]
    from jax import numpy as jnp

    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(1e-3))
    random = np.random.default_rng(0)
    shapes = {"x": (2, 4 * hidden), "h": (hidden, 4 * hidden), "b": (4 * hidden,), "w": (hidden, 1), "c": (1,)}
    weights = {
        name: jnp.asarray(random.uniform(-0.1, 0.1, (runs, *shape)), jnp.float32) for name, shape in shapes.items()
    }

    def loss(own: Any, inputs: Any, targets: Any) -> Any:
        def step(state: Any, x: Any) -> Any:
            h, c = state
            i, f, z, o = jnp.split(x @ own["x"] + h @ own["h"] + own["b"], 4, -1)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(z)
            return (jax.nn.sigmoid(o) * jnp.tanh(c), c), None

        zeros = jnp.zeros((batch, hidden))
        (h, _), _ = jax.lax.scan(step, (zeros, zeros), inputs)
        return jnp.mean((h @ own["w"] + own["c"] - targets) ** 2)

    def one(own: Any, state: Any, key: Any) -> Any:
        numbers, first, second = jax.random.split(key, 3)
        values = jax.random.uniform(numbers, (length, batch))
        marks = [
            jax.random.randint(first, (batch,), 0, length // 2),
            jax.random.randint(second, (batch,), length // 2, length),
        ]
        marked = sum(jax.nn.one_hot(mark, length, axis=0) for mark in marks)
        gradients = jax.grad(loss)(own, jnp.stack([values, marked], -1), (values * marked).sum(0)[:, None])
        updates, state = optimizer.update(gradients, state)
        return optax.apply_updates(own, updates), state

    many = jax.jit(jax.vmap(one))
    split = jax.jit(lambda key: jax.random.split(key, runs))
    state = jax.vmap(optimizer.init)(weights)

    def take(steps: int) -> None:
        current = weights, state
        for number in range(steps):
            current = many(*current, split(jax.random.key(number)))
        jax.block_until_ready(current)

    return take


def _enough(take: Callable[[int], None], seconds: float) -> int:
    """Return a number of steps that take as long as wished, after a first few that warm everything up."""
    take(2)
    steps = 4
    while True:
        begun = time.process_time()
        take(steps)
        if time.process_time() - begun > seconds / 4:
            return max(4, int(steps * seconds / (time.process_time() - begun)))
        steps *= 2


def _cost(take: Callable[[int], None], steps: int) -> float:
    """Return the processor's seconds a step: start and end of a fit are taken off by a second, shorter one."""
    taken = []
    for count in (2, steps + 2):
        begun = time.process_time()
        take(count)
        taken.append(time.process_time() - begun)
    return (taken[1] - taken[0]) / steps


if __name__ == "__main__":
    entry.run(benchmark, sys.argv[1:])
