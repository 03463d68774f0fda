"""What a gradient that fades costs: one LSTM layer, the loss at its last step or at all.

    python -m benchmarks.fading

A gradient that comes from the last step alone fades on its way back, through subnormal numbers. CPU time of one
thread, forward + backward, milliseconds, batch 32, 64 inputs and units: medians of rounds in which all take turns.
Compiled code of gatelab makes no subnormal adjoints; torch.nn.LSTM is measured as it is, and after
torch.set_flush_denormal(True).
"""

import statistics
import time

import torch
from torch import nn

from gatelab import RNN
from gatelab.report.tables import Column, Table, significant

__all__ = ["main", "measured"]

_ROUNDS = 9
_BATCH, _HIDDEN = 32, 64


def measured(steps: int) -> list[dict[str, object]]:
    """Return two rows of the table: the loss at all steps, and at the last."""
    x = torch.rand(steps, _BATCH, _HIDDEN, requires_grad=True)
    layers = {"gatelab": RNN("lstm", _HIDDEN, _HIDDEN, path="native"), "torch": nn.LSTM(_HIDDEN, _HIDDEN)}
    ways = [("gatelab", False), ("torch", False), ("torch", True)]
    rows: list[dict[str, object]] = []
    for loss, first in (("all", 0), ("last", steps - 1)):
        times: dict[tuple[str, bool], list[float]] = {way: [] for way in ways}
        for turn in range(_ROUNDS + 1):
            for name, flush in ways:
                seconds = _seconds(layers[name], x, first, flush=flush)
                if turn:  # the first only warms up
                    times[name, flush].append(seconds * 1e3)
        ours, theirs, flushed = (statistics.median(times[way]) for way in ways)
        rows.append({"steps": steps, "loss": loss, "gatelab": ours, "torch": theirs, "flushed": flushed})
    return rows


def _seconds(layer: nn.Module, x: torch.Tensor, first: int, *, flush: bool) -> float:
    torch.set_flush_denormal(flush)
    begin = time.process_time()
    output, _ = layer(x)
    output[first:].sum().backward()
    seconds = time.process_time() - begin
    torch.set_flush_denormal(False)
    layer.zero_grad()
    x.grad = None
    return seconds


def main() -> None:
    """Measure and print."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    rows = [row for steps in (100, 200, 400) for row in measured(steps)]

    def number(value: float) -> str:
        return significant(value, 3)

    columns = [
        Column("steps", ("steps",), align="right"), Column("loss at", ("loss",)),
        Column("gatelab.RNN", ("gatelab",), number, "right"), Column("torch.nn.LSTM", ("torch",), number, "right"),
        Column("torch.nn.LSTM, flushing", ("flushed",), number, "right"),
    ]  # fmt: skip
    print(Table(columns, rows).markdown())


if __name__ == "__main__":
    main()
