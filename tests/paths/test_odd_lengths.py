"""Lengths of every form, wherever they enter (RNN, layers, a network): the same numbers or the same line."""

from array import array
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from gatelab import RNN
from gatelab.errors import UserError
from gatelab.language import load_variant
from gatelab.layers.foreign import layer_of
from gatelab.layers.network import Network

X = torch.linspace(-1, 1, 5 * 2 * 3).view(5, 2, 3)
PLAIN = torch.tensor([5, 2])
MASKED = np.ma.array([5, 2], mask=[False, True])


def layer(variant: str, path: str = "auto", recompute: int | None = None) -> Callable[[Any], Tensor]:
    torch.manual_seed(0)
    built = layer_of(load_variant(variant), 3, 4, path=path, recompute=recompute)
    return lambda lengths: built(X, None, lengths)[0]


def rnn(lengths: Any) -> Tensor:
    torch.manual_seed(0)
    return RNN("lstm", 3, 4, bidirectional=True)(X, lengths=lengths)[0]


def network(lengths: Any) -> Tensor:
    torch.manual_seed(0)
    built = Network(load_variant("lstm"), 3, 2, 4, embedding=3)
    built.reset_parameters(torch.Generator().manual_seed(0))
    return built(X, lengths)


def embedded(lengths: Any) -> Tensor:
    built = Network(load_variant("lstm"), 3, 2, 4, embedding=3)
    built.reset_parameters(torch.Generator().manual_seed(0))
    return built.embedded(X.masked_fill((torch.arange(5)[:, None] >= PLAIN)[..., None], float("nan")), lengths)


DOORS = {
    **{f"a layer, {path}": layer("min_gru", path) for path in ("auto", "loop", "native", "scan")},
    "a layer in segments": layer("lstm", recompute=2),
    "a module": layer("mlstm"),
    "RNN": rnn,
    "a network": network,
    "an embedding": embedded,
}

GOOD: dict[str, Any] = {
    "list": [5, 2],
    "tuple": (5, 2),
    "range": range(5, 1, -3),
    "array": array("i", [5, 2]),
    "masked, nothing hidden": np.ma.array([5, 2]),
    "big end first": np.array([5, 2], ">i4"),
    "numbers in arrays": [np.array(5), np.array(2)],
    **{
        f"numpy {kind}": np.array([5, 2], kind)
        for kind in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
    },
    **{
        str(kind): PLAIN.to(kind)
        for kind in (torch.uint8, torch.int8, torch.int16, torch.uint16, torch.int32, torch.uint32, torch.uint64)
    },
}


@pytest.mark.parametrize("form", GOOD)
@pytest.mark.parametrize("door", DOORS)
def test_whole_numbers_of_any_kind_are_lengths(door, form):
    assert torch.equal(DOORS[door](GOOD[form]), DOORS[door](PLAIN))


BAD: dict[str, tuple[Any, str]] = {
    "masked": (MASKED, r"lengths=\[5 --\]: some are masked, must be whole numbers"),
    "masked among others": ([MASKED[1], 5], r"lengths=\[masked, 5\]: must be whole numbers"),
    "a masked number": ([np.ma.array(5, mask=True), 2], r"lengths=\[masked_array.*: must be whole numbers"),
    "floats": ([5.0, 2.0], r"lengths=\[5.0, 2.0\]: must be whole numbers"),
    "a float": (5.0, "lengths are a float: must be whole numbers"),
    "a number": (5, r"lengths of shape \(\): must be \(2,\), one for each sequence"),
    "truth": ([True, False], r"lengths=\[True, False\]: must be whole numbers"),
    "a truth": (True, "lengths are a bool: must be whole numbers"),
    "text": ("52", "lengths are a str: must be whole numbers"),
    "bytes": (b"\x05\x02", "lengths are a bytes: must be whole numbers"),
    "a set": ({5, 2}, "lengths are a set: must be whole numbers"),
    "a mapping": ({0: 5, 1: 2}, "lengths are a dict: must be whole numbers"),
    "a generator": ((number for number in (5, 2)), "lengths are a generator: must be whole numbers"),
    "negative": ([-1, 2], "lengths from -1 to 2: must be from 0 to 5 steps"),
    "too long": ([6, 2], "lengths from 2 to 6: must be from 0 to 5 steps"),
    "beyond int64": (np.array([2**63 + 1, 2], np.uint64), "lengths from 2 to 9223372036854775809: must be from 0 to 5"),
    "beyond int64, a tensor": (
        torch.tensor([2**63 + 1, 2], dtype=torch.uint64), "lengths from 2 to 9223372036854775809: must be from 0 to 5",
    ),
    "too few": ([5], r"lengths of shape \(1,\): must be \(2,\)"),
    "too many": ((5, 2, 1), r"lengths of shape \(3,\): must be \(2,\)"),
    "a row": (np.array([[5, 2]]), r"lengths of shape \(1, 2\): must be \(2,\)"),
    "a column": (torch.tensor([[5], [2]]), r"lengths of shape \(2, 1\): must be \(2,\)"),
    "array of floats": (np.array([5.0, 2.0]), "lengths of float64: must be whole numbers"),
    "objects": (np.array([5, 2], object), "lengths of object: must be whole numbers"),
    "tensor of floats": (torch.tensor([5.0, 2.0]), "lengths of float32: must be whole numbers"),
    "tensor of truth": (torch.tensor([True, False]), "lengths of bool: must be whole numbers"),
    "sparse": (PLAIN.to_sparse(), "lengths are a sparse or nested tensor: must be dense"),
    "on meta": (PLAIN.to("meta"), "lengths are on meta, the input is on cpu: must have values"),
}  # fmt: skip


@pytest.mark.parametrize("form", BAD)
@pytest.mark.parametrize("door", DOORS)
def test_other_lengths_are_refused_in_one_line(door, form):
    lengths, line = BAD[form]
    with pytest.raises(UserError, match=line) as raised:
        DOORS[door](lengths)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("variant", ["lstm", "mlstm"])
def test_a_stack_may_have_the_same_lengths_in_every_run(variant):
    built = layer_of(load_variant(variant), 3, 4)
    for name, weight in dict(built.named_parameters()).items():
        setattr(built, name, torch.nn.Parameter(torch.stack([weight, weight * 2, weight * 3])))
    x = torch.stack([X, X, X])
    assert torch.equal(built(x, None, [5, 2])[0], built(x, None, PLAIN.expand(3, 2))[0])
