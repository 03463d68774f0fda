"""What the functions of a variant cost: every variant beside itself with a sigmoid for each element-wise function.

    python -m benchmarks.functions                 # every variant of the catalogue with other functions than sigmoid
    python -m benchmarks.functions slstm rwkv_4    # some

CPU time of one thread, forward + backward, T = 100, batch 32, hidden 64, the two in turn in one process; the ratio is
the median over the rounds. Functions of rows, and those that cost no more than a sum, are the same in both.
"""

import re
import statistics
import sys
import time
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gatelab.language import Variant, load_variant, variant_files
from gatelab.language.functions import FUNCTIONS
from gatelab.layers.layer import Layer
from gatelab.report.tables import Column, Table, significant

__all__ = ["compared", "like_sigmoids", "main"]

_ROUNDS = 15
_TIME, _BATCH, _HIDDEN = 100, 32, 64  # as many inputs as units, so that every variant fits
_COUNTED = [name for name, row in FUNCTIONS.items() if not row.rows and not row.cheap]


def like_sigmoids(variant: Variant) -> Variant | None:
    """Return a variant with a sigmoid in place of each counted function; None if it has no other."""
    pattern = re.compile(rf"\b({'|'.join(_COUNTED)})\(")
    texts = {name: pattern.sub("sigmoid(", text) for name, text in variant.equations.items()}
    if variant.foreign is not None or texts == dict(variant.equations):
        return None
    mapping = {"name": variant.name, "state": list(variant.states), "equations": texts, "output": variant.output}
    return Variant.from_mapping(mapping)


def compared(name: str) -> dict[str, object] | None:
    """Return a row of the table: milliseconds of a variant and of its like, and the median ratio."""
    variant = load_variant(name)
    like = like_sigmoids(variant)
    if like is None:
        return None
    layers = [Layer(one, _HIDDEN, _HIDDEN, path="native") for one in (variant, like)]
    x = torch.randn(_TIME, _BATCH, _HIDDEN)
    times: list[list[float]] = [[], []]
    for turn in range(_ROUNDS + 1):
        for layer, of_layer in zip(layers, times, strict=True):
            seconds = _seconds(layer, x)
            if turn:  # the first only warms up
                of_layer.append(seconds * 1e3)
    ratio = statistics.median(one / other for one, other in zip(*times, strict=True))
    used = sorted({name for name in _COUNTED for text in variant.equations.values() if f"{name}(" in text})
    return {
        "variant": name, "functions": ", ".join(used), "ms": min(times[0]), "like": min(times[1]), "ratio": ratio,
    }  # fmt: skip


def _seconds(layer: nn.Module, x: Tensor) -> float:
    layer.zero_grad()
    start = time.process_time()
    layer(x)[0].sum().backward()
    return time.process_time() - start


def main(names: Sequence[str]) -> None:
    """Print the table of these variants, or of all."""
    torch.set_num_threads(1)
    rows = []
    for name in names or variant_files():
        if row := compared(name):
            rows.append(row)
            print(f"{name}: {row['ratio']:.2f}", file=sys.stderr, flush=True)
    rows.sort(key=lambda row: -float(str(row["ratio"])))

    def number(value: float) -> str:
        return significant(value, 3)

    columns = [
        Column("variant", ("variant",)), Column("functions", ("functions",)),
        Column("ms, best", ("ms",), number, "right"), Column("with sigmoids", ("like",), number, "right"),
        Column("ratio", ("ratio",), number, "right"),
    ]  # fmt: skip
    print(Table(columns, rows).markdown())


if __name__ == "__main__":
    main(sys.argv[1:])
