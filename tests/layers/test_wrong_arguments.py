"""Arguments of a wrong type, count or value are refused in one line that names them, before anything runs."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from gatelab import RNN
from gatelab.errors import UserError
from gatelab.language import load_variant
from gatelab.layers.foreign import layer_of

X = torch.linspace(-1, 1, 5 * 2 * 3).view(5, 2, 3)
MASK = torch.ones(5, 2, 4)
ZEROS = {"h": torch.zeros(2, 4), "c": torch.zeros(2, 4)}
PACKED = torch.nn.utils.rnn.pack_padded_sequence(X, torch.tensor([5, 2]))


def refused(call: Any, line: str) -> None:
    with pytest.raises(UserError) as raised:
        call()
    assert line in str(raised.value)
    assert "\n" not in str(raised.value)


RUN: dict[str, tuple[dict[str, Any], str]] = {
    "masks: an array": ({"masks": [MASK.numpy()]}, "mask is a ndarray: must be a tensor"),
    "masks: None": ({"masks": [None]}, "mask is a NoneType: must be a tensor"),
    "masks: numbers": ({"masks": [[1.0]]}, "mask is a list: must be a tensor"),
    "masks: one tensor": ({"masks": MASK[None]}, "masks are a Tensor: must be a list of 1, one for each layer but"),
    "masks: a number": ({"masks": 3}, "masks are a int: must be a list of 1, one for each layer but the last"),
    "masks: a generator": ({"masks": iter([MASK])}, "masks are a list_iterator: must be a list of 1"),
    "masks: elsewhere": ({"masks": [MASK.to("meta")]}, "mask is on meta, the input is on cpu: must be on it too"),
    "masks: doubles": ({"masks": [MASK.double()]}, "mask of torch.float64, shape (5, 2, 4): must be torch.float32"),
    "masks: sparse": ({"masks": [MASK.to_sparse()]}, "mask has the layout sparse_coo: must be dense"),
    "states: a number": ({"states": 3}, "states are a int: must be a list of 2, one for each layer and direction"),
    "states: text": ({"states": "hc"}, "states are a str: must be a list of 2, one for each layer and direction"),
    "states: a tensor": ({"states": torch.zeros(2, 2, 4)}, "states are a Tensor: must be a list of 2"),
    "states: a mapping": ({"states": ZEROS}, "states are a dict: must be a list of 2"),
    "states: none of them": ({"states": []}, "0 states: must be 2, one for each layer and direction"),
    "states: of one layer": ({"states": [ZEROS]}, "1 states: must be 2, one for each layer and direction"),
    "states: of three": ({"states": [ZEROS] * 3}, "3 states: must be 2, one for each layer and direction"),
    "states: tensors": ({"states": [ZEROS["h"]] * 2}, "states are a Tensor: must be a mapping of h, c to tensors"),
    "states: arrays": (
        {"states": [ZEROS, {"h": np.zeros((2, 4)), "c": np.zeros((2, 4))}]}, "state h is a ndarray: must be a tensor",
    ),
    "states: of another layer": ({"states": [ZEROS, {"h": ZEROS["h"]}]}, "states h: must be h, c"),
    "record: None": ({"record": None}, "record=None: must be a list of names among i, f, z, o, c, h"),
    "record: a number": ({"record": 3}, "record=3: must be a list of names among i, f, z, o, c, h"),
    "record: truth": ({"record": True}, "record=True: must be a list of names among"),
    "record: lists": ({"record": [["f"]]}, "record=[['f']]: must be a list of names among"),
    "record: numbers": ({"record": [3]}, "record=[3]: must be a list of names among"),
    "record: bytes": ({"record": b"f"}, "record=b'f': must be a list of names among"),
    "lengths: text": ({"lengths": "52"}, "lengths are a str: must be whole numbers"),
}  # fmt: skip


@pytest.mark.parametrize("case", RUN)
def test_a_wrong_argument_of_run_is_named(case):
    arguments, line = RUN[case]
    refused(lambda: RNN("lstm", 3, 4, 2).run(X, **arguments), line)


INPUTS: dict[str, tuple[Any, str]] = {
    "None": (None, "input is a NoneType: must be a tensor"),
    "an array": (X.numpy(), "input is a ndarray: must be a tensor"),
    "a list": ([[1.0]], "input is a list: must be a tensor"),
    "packed": (PACKED, "input is a PackedSequence: must be a tensor"),
    "a number": (torch.tensor(1.0), "input of shape (): must be (time, batch, 3)"),
    "one axis": (torch.zeros(3), "input of shape (3,): must be (time, batch, 3)"),
    "two axes": (torch.zeros(5, 3), "input of shape (5, 3): must be (time, batch, 3)"),
    "five axes": (X[None, None], "input of shape (1, 1, 5, 2, 3): must be (time, batch, 3)"),
    "another width": (torch.zeros(5, 2, 4), "input of shape (5, 2, 4): must be (time, batch, 3)"),
}


@pytest.mark.parametrize("lengths", [None, [5, 2]])
@pytest.mark.parametrize("case", INPUTS)
def test_wrong_inputs_of_run_and_of_a_layer_are_named(case, lengths):
    inputs, line = INPUTS[case]
    for variant in ("lstm", "mlstm"):
        rnn = RNN(variant, 3, 4, bidirectional=True)
        refused(lambda rnn=rnn: rnn.run(inputs, lengths=lengths), line)
        refused(lambda rnn=rnn: rnn.layers[0](inputs, None, lengths), line)


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors:UserWarning")
def test_a_nested_tensor_is_refused_whatever_its_layout():
    for layout in (torch.strided, torch.jagged):
        nested = torch.nested.nested_tensor([torch.zeros(5, 2, 3)], layout=layout)
        for call in (RNN("lstm", 3, 4).run, RNN("lstm", 3, 4).layers[0]):
            with pytest.raises(UserError, match=r"input is a nested tensor: must|input has the layout jagged"):
                call(nested)


STATES: dict[str, tuple[Any, str]] = {
    "a number": (3, "states are a int: must be a mapping of h, c to tensors"),
    "a list": ([ZEROS["h"], ZEROS["c"]], "states are a list: must be a mapping of h, c to tensors"),
    "a tensor": (ZEROS["h"], "states are a Tensor: must be a mapping of h, c to tensors"),
    "no state": ({}, "states none: must be h, c"),
    "one too many": ({**ZEROS, "d": ZEROS["h"]}, "states h, c, d: must be h, c"),
    "numbers as names": ({0: ZEROS["h"], 1: ZEROS["c"]}, "states 0, 1: must be h, c"),
    "None": ({"h": None, "c": None}, "state h is a NoneType: must be a tensor"),
    "numbers": ({"h": 0.0, "c": 0.0}, "state h is a float: must be a tensor"),
    "arrays": ({name: value.numpy() for name, value in ZEROS.items()}, "state h is a ndarray: must be a tensor"),
}


@pytest.mark.parametrize("recompute", [None, 2])
@pytest.mark.parametrize("path", ["auto", "loop"])
@pytest.mark.parametrize("case", STATES)
def test_wrong_states_of_a_layer_are_named(case, path, recompute):
    states, line = STATES[case]
    layer = layer_of(load_variant("lstm"), 3, 4, path=path, recompute=recompute)
    refused(lambda: layer(X, states), line)


def recorded(names: Any) -> list[dict[str, Tensor]]:
    torch.manual_seed(0)
    return RNN("lstm", 3, 4, 2, bidirectional=True).run(X, record=names)[2]


@pytest.mark.parametrize(
    "names", [("f", "o"), (name for name in "fo"), {"f": 1, "o": 2}, np.array(["f", "o"])],
    ids=["tuple", "generator", "mapping", "array"],
)  # fmt: skip
def test_names_to_record_may_come_in_any_form_and_are_recorded_in_every_layer(names):
    expected = recorded(["f", "o"])
    assert [list(one) for one in expected] == [["f", "o"]] * 4
    for found, law in zip(recorded(names), expected, strict=True):
        assert found.keys() == law.keys()
        assert all(torch.equal(found[name], law[name]) for name in law)
