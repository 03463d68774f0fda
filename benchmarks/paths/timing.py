"""Times of one layer, forward and forward + backward: everything once per round, so that noise affects all equally."""

import importlib.util
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from gatelab.compiler import multiply_adds
from gatelab.errors import UserError
from gatelab.language import load_variant
from gatelab.layers.foreign import layer_of
from gatelab.paths import PATHS, able

__all__ = ["REFERENCES", "Shape", "timed", "unfit"]

REFERENCES: dict[str, Callable[[int, int], nn.Module]] = {"torch.nn.LSTM": nn.LSTM, "torch.nn.GRU": nn.GRU}
"""The references, by which every time is divided."""

# the cells of the torchrecurrent library that are variants of ours, where it is installed
_TORCHRECURRENT = {"peephole": "PeepholeLSTM", "mgu": "MGU", "janet": "JANET"}


@dataclass(frozen=True)
class Shape:
    """The sizes of one measurement."""

    time: int
    batch: int
    inputs: int
    hidden: int

    def __str__(self) -> str:
        return f"{self.time}×{self.batch}×{self.inputs}×{self.hidden}"


def unfit(name: str, shape: Shape) -> str:
    """Return why a variant cannot have these sizes; empty if it can."""
    try:
        layer_of(load_variant(name), shape.inputs, shape.hidden)
    except UserError as error:
        return str(error)
    return ""


def timed(
    names: Sequence[str], shape: Shape, threads: int, peak: float, repeats: int, *, loop: bool
) -> list[dict[str, Any]]:
    """Time every path of some variants beside the references.

    Args:
        names: variants.
        shape: sizes of the sequence and the layer.
        threads: CPU threads of torch and of the native path.
        peak: GFLOP/s of a matrix product with so many threads.
        repeats: rounds, after one that warms up.
        loop: whether the loop is timed too.

    Returns:
        A row for each (variant, path): median milliseconds, medians over the rounds of the ratio to each reference in
        the same round, the share of the peak, and the memory kept for the backward pass, in bytes and in bytes a step.
    """
    torch.set_num_threads(threads)
    x = torch.randn(shape.time, shape.batch, shape.inputs)
    modules = _modules(names, shape, loop=loop)
    forward: dict[tuple[str, str], list[float]] = {key: [] for key in modules}
    both: dict[tuple[str, str], list[float]] = {key: [] for key in modules}
    for turn in range(repeats + 1):
        for key, module in modules.items():
            module.zero_grad()
            without, entire = _seconds(module, x, backward=False), _seconds(module, x, backward=True)
            if turn:  # the first round only warms up
                forward[key].append(without)
                both[key].append(entire)
    rows = []
    for name, path in modules:
        kept = _kept(modules[name, path], x)
        row: dict[str, Any] = {"variant": name, "path": path, "shape": str(shape), "threads": threads}
        for way, times in (("forward", forward), ("both", both)):
            row[f"{way}_ms"] = statistics.median(times[name, path]) * 1e3
            for reference in REFERENCES:
                pairs = zip(times[name, path], times[reference, "torch"], strict=True)
                row[f"{way}_of_{reference}"] = statistics.median(mine / theirs for mine, theirs in pairs)
        for other in ("loop", "torchrecurrent"):
            pairs = zip(both[name, path], both.get((name, other), []), strict=False)
            row[f"both_of_{other}"] = statistics.median([mine / theirs for mine, theirs in pairs] or [float("nan")])
        row["share_of_peak"] = _share(name, path, shape, row["both_ms"], peak)
        row |= {"kept_bytes": kept, "kept_bytes_per_step": kept / shape.time}
        rows.append(row)
    return rows


def _modules(names: Sequence[str], shape: Shape, *, loop: bool) -> dict[tuple[str, str], nn.Module]:
    modules: dict[tuple[str, str], nn.Module] = {
        (name, "torch"): kind(shape.inputs, shape.hidden) for name, kind in REFERENCES.items()
    }
    for name in names:
        variant, last = load_variant(name), PATHS[-1]
        for path in able(variant, "cpu"):
            if (loop or path is not last) and not unfit(name, shape):
                modules[name, path.name] = layer_of(variant, shape.inputs, shape.hidden, path=path.name)
        if name in _TORCHRECURRENT and importlib.util.find_spec("torchrecurrent"):
            cells = importlib.import_module("torchrecurrent")
            modules[name, "torchrecurrent"] = getattr(cells, _TORCHRECURRENT[name])(shape.inputs, shape.hidden)
    return modules


def _seconds(module: nn.Module, x: Tensor, *, backward: bool) -> float:
    if not backward:
        with torch.no_grad():
            start = time.perf_counter()
            module(x)
            return time.perf_counter() - start
    start = time.perf_counter()
    module(x)[0].sum().backward()
    return time.perf_counter() - start


def _share(name: str, path: str, shape: Shape, milliseconds: float, peak: float) -> float | None:
    """Return the products' share of the peak: their time at the peak over the total time."""
    if path not in [one.name for one in PATHS]:
        return None
    # in the backward pass a product of the same size for the weights, and one without x for the states' adjoints
    variant = load_variant(name)
    forwards = multiply_adds(variant, shape.inputs, shape.hidden)
    of_each_input = multiply_adds(variant, 2, shape.hidden) - multiply_adds(variant, 1, shape.hidden)
    operations = 2 * shape.time * shape.batch * (3 * forwards - shape.inputs * of_each_input)
    return operations / 1e9 / (milliseconds / 1e3) / peak


def _kept(module: nn.Module, x: Tensor) -> int:
    """Return the bytes that a forward pass keeps for the backward pass, without weights and input."""
    ours = {tensor.untyped_storage().data_ptr() for tensor in (x, *module.parameters())}
    storages: dict[int, int] = {}

    def count(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in ours:
            storages[storage.data_ptr()] = storage.nbytes()
        return tensor

    with saved_tensors_hooks(count, lambda tensor: tensor):
        module(x)
    return sum(storages.values())
