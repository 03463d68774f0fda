"""The scan on a CPU beside the native path and the loop, over long sequences: `python -m benchmarks.scan`.

CPU time of forward + backward, the least of some rounds in turn in one process; one run, 64 units. With two threads the
time of both is added up, so that half of it is the least that can pass on the clock.
"""

import sys
import time

import torch
from torch import Tensor, nn

from gatelab.language import load_variant
from gatelab.layers.layer import Layer
from gatelab.report.tables import Column, Table, significant

__all__ = ["main", "measured"]

_PATHS = ("native", "scan", "loop")
_LONGEST_LOOP = 10_000  # steps: longer, its graph fills the memory; it grows by the step


def measured(name: str, steps: int, batch: int, threads: int, rounds: int) -> dict[str, object]:
    """Return a row: milliseconds of each path."""
    torch.set_num_threads(threads)
    x = torch.randn(steps, batch, 64)
    ways = [path for path in _PATHS if path != "loop" or steps <= _LONGEST_LOOP]
    layers = {path: Layer(load_variant(name), 64, 64, path=path) for path in ways}
    least = dict.fromkeys(ways, float("inf"))
    for turn in range(rounds + 1):
        for path, layer in layers.items():
            seconds = _seconds(layer, x)
            if turn or rounds == 0:
                least[path] = min(least[path], seconds * 1e3)
    return {"variant": name, "steps": steps, "batch": batch, "threads": threads, **dict.fromkeys(_PATHS), **least}


def _seconds(layer: nn.Module, x: Tensor) -> float:
    layer.zero_grad()
    start = time.process_time()
    layer(x)[0].sum().backward()
    return time.process_time() - start


def main() -> None:
    """Print the table."""
    rows = []
    for steps, rounds in ((1_000, 5), (10_000, 2), (100_000, 1)):
        for name in ("min_gru", "lru"):
            for batch in (1, 16):
                for threads in (1, 2):
                    if steps * batch > 200_000:
                        continue
                    rows.append(measured(name, steps, batch, threads, rounds))
                    print(rows[-1], file=sys.stderr, flush=True)

    def number(value: float | None) -> str:
        return "–" if value is None else significant(value, 3)

    titles = [Column(title, (title,), align="right") for title in ("steps", "batch", "threads")]
    times = [Column(f"{path}, ms", (path,), number, "right") for path in _PATHS]
    print(Table([Column("variant", ("variant",)), *titles, *times], rows).markdown())


if __name__ == "__main__":
    main()
