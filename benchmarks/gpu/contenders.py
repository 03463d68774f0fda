"""What is timed beside each other on a device: our paths on a stack of runs, and what else computes the same there."""

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gatelab.compiler import parameter_shapes, program
from gatelab.language import load_variant
from gatelab.layers.structured_weights import whole_weights
from gatelab.paths import able, choice
from gatelab.paths.call import Call

__all__ = ["Contender", "Size", "contenders"]

CUDNN: dict[str, Callable[[int, int], nn.Module]] = {"lstm": nn.LSTM, "gru_v3": nn.GRU}
"""The variants that cuDNN computes; to others its LSTM is the reference."""

_HASTE = {"lstm": "LSTM", "gru_v3": "GRU"}
_FLASHRNN = {"elman": 1, "lstm": 4}  # functions that are ours to the letter, and their gates


@dataclass(frozen=True)
class Size:
    """The sizes of one measurement: a stack of runs with as many sequences each."""

    time: int
    batch: int
    inputs: int
    hidden: int
    runs: int


@dataclass(frozen=True)
class Contender:
    """Something that is timed.

    Attributes:
        forward: runs all sequences of all runs and returns the sum of the outputs.
        learned: what gradients are asked of.
    """

    forward: Callable[[], Tensor]
    learned: tuple[Tensor, ...]


def contenders(name: str, size: Size, device: str, dtype: torch.dtype, *, compiled: bool) -> dict[str, Contender]:
    """Return what is timed of a variant, by its name.

    Args:
        name: the variant.
        size: the sizes.
        device: where.
        dtype: of inputs and weights.
        compiled: whether the loop under torch.compile is among them.
    """
    generator = torch.Generator().manual_seed(0)

    def leaf(*shape: int) -> Tensor:
        drawn = torch.randn(shape, generator=generator) / size.hidden**0.5
        return drawn.to(device=device, dtype=dtype).requires_grad_()

    variant = load_variant(name)
    shapes = parameter_shapes(variant, size.inputs, size.hidden)
    learned = {key: leaf(size.runs, *shape) for key, shape in shapes.items()}
    x = leaf(size.runs, size.time, size.batch, size.inputs).detach()
    lengths = {"input": size.inputs, "hidden": size.hidden}
    states = {state: x.new_zeros(size.runs, size.batch, lengths[variant.sizes[state]]) for state in variant.states}

    def through(path: str) -> Callable[[], Tensor]:
        def forward() -> Tensor:
            call = Call(program(variant), whole_weights(variant, learned), x, states, size.hidden)
            return choice.run(path, call)[0].sum()

        return forward

    leaves = tuple(learned.values())
    found = {path.name: Contender(through(path.name), leaves) for path in able(variant, device)}
    if compiled:
        found["loop, torch.compile"] = Contender(torch.compile(through("loop")), leaves)
    modules = {"torch.nn": CUDNN.get(name, nn.LSTM)}
    if importlib.util.find_spec("haste_pytorch") and name in _HASTE:
        modules["haste"] = getattr(importlib.import_module("haste_pytorch"), _HASTE[name])
    for other, kind in modules.items():
        found[other] = _one_by_one(kind, x, size.hidden)
    if importlib.util.find_spec("flashrnn") and name in _FLASHRNN:
        found["flashrnn"] = _flashrnn(name, size, x, leaf)
    return found


def _one_by_one(kind: Callable[[int, int], nn.Module], x: Tensor, hidden: int) -> Contender:
    """Return what has a module of its own for each run of a stack."""
    copies = [kind(x.shape[-1], hidden).to(device=x.device, dtype=x.dtype) for _ in x]

    def forward() -> Tensor:
        return torch.stack([copy(part)[0].sum() for copy, part in zip(copies, x, strict=True)]).sum()

    return Contender(forward, tuple(weight for copy in copies for weight in copy.parameters()))


def _flashrnn(name: str, size: Size, x: Tensor, leaf: Callable[..., Tensor]) -> Contender:
    """Return FlashRNN with a head for each run: x (batch, time, gates, heads, size), as its README has it."""
    function = importlib.import_module("flashrnn").flashrnn
    gates, wide = _FLASHRNN[name], _FLASHRNN[name] * size.hidden
    of_x, of_h = leaf(size.runs, size.inputs, wide), leaf(gates, size.runs, size.hidden, size.hidden)
    bias = leaf(gates, size.runs, size.hidden)

    def forward() -> Tensor:
        made = torch.bmm(x.flatten(1, 2), of_x).view(size.runs, size.time, size.batch, gates, size.hidden)
        states, _ = function(made.permute(2, 1, 3, 0, 4).contiguous(), of_h, bias, function=name, backend="cuda_fused")
        return states[0].sum()

    return Contender(forward, (of_x, of_h, bias))
