"""What a caller may set of an RNN, a layer or a network: odd values are one line, and leave nothing behind."""

import warnings
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.masked import masked_tensor
from torch.nn.utils import parametrizations, prune

from gatelab import RNN
from gatelab.errors import UserError
from gatelab.language import load_variant
from gatelab.layers.foreign import layer_of
from gatelab.layers.network import Network

X = torch.linspace(-1, 1, 5 * 2 * 3).view(5, 2, 3)
NAN = float("nan")

WHOLE: list[tuple[Any, str]] = [
    (0, "0: must be at least 1"), (-1, "-1: must be at least 1"), (3.0, "3.0: must be a whole number, at least 1"),
    ("3", "'3': must be a whole number"), (True, "True: must be a whole number"), ([3], "[3]: must be a whole number"),
    (NAN, "nan: must be a whole number"), (10**30, f"{10**30}: must be at least 1 and at most 2147483647"),
]  # fmt: skip


def refused(line: str, call: Any) -> None:
    with pytest.raises(UserError) as raised:
        call()
    assert line in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("value, line", WHOLE)
@pytest.mark.parametrize("name", ["input_size", "hidden_size", "num_layers", "recompute"])
def test_sizes_are_whole_numbers(name, value, line):
    given = {"input_size": 3, "hidden_size": 4, name: value}
    refused(f"{name}={line}", lambda: RNN("lstm", **given))
    if name != "num_layers":
        refused(f"{name}={line}", lambda: layer_of(load_variant("lstm"), **given))
        refused(f"{name}={line}", lambda: layer_of(load_variant("mlstm"), **given))


@pytest.mark.parametrize("value, line", WHOLE)
@pytest.mark.parametrize("name", ["input_size", "output_size", "hidden_size", "num_layers", "embedding"])
def test_sizes_of_a_network_are_whole_numbers(name, value, line):
    given = {"input_size": 3, "output_size": 2, "hidden_size": 4, name: value}
    refused(f"{name}={line}", lambda: Network(load_variant("lstm"), **given))


def test_numbers_of_numpy_become_pythons():
    """They are the same key of a cache as Python's: an RNN with numpy's 7 broke all later ones of size 7."""
    for seven in (np.int64(7), np.uint8(7), torch.tensor(7), 7):
        rnn = RNN("lstm", seven, seven, seven, recompute=seven)
        assert {type(size) for size in (rnn.input_size, rnn.hidden_size, rnn.num_layers)} == {int}
        output, _ = rnn(torch.zeros(5, 2, 7))
        assert output.shape == (5, 2, 7)
    assert type(RNN("lstm", 3, 4, dropout=np.float32(0.25)).dropout) is float


SETTINGS: list[tuple[dict[str, Any], str]] = [
    ({"variant": None}, "variant is a NoneType: must be a name, the path of a file or a Variant"),
    ({"variant": nn.LSTM}, "variant is a type: must be a name"),
    ({"variant": {"name": "x"}}, "variant is a dict: must be a name"),
    ({"dropout": "0.5"}, "dropout='0.5': must be a number, at least 0 and below 1"),
    ({"dropout": None}, "dropout=None: must be a number"),
    ({"dropout": True}, "dropout=True: must be a number"),
    ({"dropout": NAN}, "dropout=nan: must be a number"),
    ({"dropout": 1j}, "dropout=1j: must be a number"),
    ({"bidirectional": "no"}, "bidirectional='no': must be True or False"),
    ({"bidirectional": None}, "bidirectional=None: must be True or False"),
    ({"bidirectional": 2}, "bidirectional=2: must be True or False"),
    ({"batch_first": "no"}, "batch_first='no': must be True or False"),
    ({"path": "lop"}, "path=lop: must be one of auto, native, triton, scan, loop (did you mean 'loop'?)"),
    ({"path": None}, "path=None: must be one of auto, native, triton, scan, loop"),
    ({"path": ["loop"]}, "path=['loop']: must be one of auto, native, triton, scan, loop"),
    (
        {"dtype": "float32"},
        "dtype='float32': must be one of torch.float16, torch.bfloat16, torch.float32,",
    ),
    ({"dtype": torch.int64}, "dtype=torch.int64: must be one of torch.float16"),
    ({"dtype": torch.complex64}, "dtype=torch.complex64: must be one of torch.float16"),
    ({"dtype": np.float32}, "dtype=<class 'numpy.float32'>: must be one of torch.float16"),
    ({"device": "gpu"}, "device='gpu': cannot be used here"),
    ({"device": NAN}, "device=nan: cannot be used here"),
]


@pytest.mark.parametrize("given, line", SETTINGS)
def test_other_settings_are_checked(given, line):
    refused(line, lambda: RNN(**{"variant": "lstm", "input_size": 3, "hidden_size": 4, **given}))


@pytest.mark.parametrize(
    "given, line",
    [
        ({"readout": "first"}, "readout='first': must be last or every"),
        ({"readout": None}, "readout=None: must be last or every"),
        ({"tokens": "yes", "embedding": 2}, "tokens='yes': must be True or False"),
    ],
)
def test_other_settings_of_a_network_are_checked(given, line):
    refused(line, lambda: Network(load_variant("lstm"), 3, 2, 4, **given))


@pytest.mark.parametrize("lengths", [None, [5, 2]])
def test_inputs_of_a_network_are_checked(lengths):
    vectors, tokens = (
        Network(load_variant("lstm"), 3, 2, 4, **given) for given in ({}, {"embedding": 2, "tokens": True})
    )
    refused("input is a NoneType: must be a tensor", lambda: vectors(None, lengths))
    refused("input is a ndarray: must be a tensor", lambda: tokens(np.zeros((5, 2), int), lengths))
    refused("input of shape (5, 3): must be (time, batch, 3)", lambda: vectors(X[:, 0], lengths))
    refused("input of torch.float32, shape (5, 2): must be tokens", lambda: tokens(X[..., 0], lengths))
    refused("input of torch.int64, shape (5,): must be tokens", lambda: tokens(X[:, 0, 0].long(), lengths))
    refused("input of 0 steps: must be at least 1 for a prediction from the last", lambda: vectors(X[:0]))


@pytest.mark.parametrize("generator", [3, np.random.default_rng(0)])
def test_a_generator_is_pytorchs(generator):
    refused("must be a torch.Generator", lambda: RNN("lstm", 3, 4).reset_parameters(generator))


@pytest.mark.filterwarnings("ignore:The PyTorch API of MaskedTensors:UserWarning")
def test_masked_tensors_are_refused():
    mask, rnn = torch.rand(5, 2, 3) > 0.5, RNN("lstm", 3, 4)
    h = torch.zeros(1, 2, 4)
    refused("input is a MaskedTensor: must be plain numbers", lambda: rnn(masked_tensor(X, mask)))
    refused("state h is a MaskedTensor: must be", lambda: rnn(X, (masked_tensor(h, h == 0), h)))
    lengths = masked_tensor(torch.tensor([5, 2]), torch.tensor([True, False]))
    refused("lengths are a MaskedTensor: must be plain whole numbers", lambda: rnn(X, lengths=lengths))


# ---- to torch and from it


def lstm(change: Any, layers: int = 1) -> nn.LSTM:
    module = nn.LSTM(3, 4, layers)
    change(module)
    return module


def with_weight(name: str, weight: Any) -> Any:
    return lambda module: setattr(module, name, nn.Parameter(weight))


def test_weights_of_a_shape_or_dtype_of_their_own_are_named_both_ways():
    wrong = with_weight("weight_hh_l0", torch.zeros(8, 4))
    refused("weight_hh_l0 of shape (8, 4): must have 4 times hidden_size rows", lambda: RNN.from_torch(lstm(wrong)))
    narrow = with_weight("weight_hh_l0", torch.zeros(16, 1))  # which would be repeated
    refused("weight i_weight_h of torch.float32, shape (4, 1): must be", lambda: RNN.from_torch(lstm(narrow)))
    double = with_weight("weight_hh_l1", torch.zeros(16, 4, dtype=torch.float64))
    refused("weight i_weight_h of torch.float64, shape (4, 4): must be", lambda: RNN.from_torch(lstm(double, 2)))
    rnn = RNN("lstm", 3, 4, 2)
    rnn.layers[1].double()
    refused("weight i_weight_x of torch.float64, shape (4, 4): must be torch.float32", rnn.to_torch)


FORMS = {
    "weight norm": parametrizations.weight_norm,
    "pruned": lambda module, name: prune.l1_unstructured(module, name, 0.5),
    "orthogonal": parametrizations.orthogonal,
}


@pytest.mark.parametrize("form", FORMS)
def test_weights_that_are_made_of_others_are_carried_as_they_are(form):
    module = nn.LSTM(3, 4)
    FORMS[form](module, "weight_hh_l0")
    torch.testing.assert_close(RNN.from_torch(module)(X)[0], module(X)[0])
    rnn = RNN("gru", 3, 4)
    FORMS[form](rnn.layers[0], "n_weight_h")
    torch.testing.assert_close(rnn.to_torch()(X)[0], rnn(X)[0])


def test_dropout_of_one_layer_is_no_warning_of_torch():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        RNN("lstm", 3, 4, dropout=0.5).to_torch()
