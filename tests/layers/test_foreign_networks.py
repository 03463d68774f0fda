"""Foreign variants in the model around them: states as torch has them, openings, gates, directions."""

import numpy as np
import pytest
import torch

from gatelab import RNN
from gatelab.errors import UserError
from gatelab.language import load_variant
from gatelab.layers.openings import opening_from_mapping
from gatelab.paths.choice import Choice

HIDDEN, HEADS = 8, 4


def opened(opening: str, hidden_size: int = HIDDEN) -> dict[str, np.ndarray]:
    """Return the biases of an mLSTM's layer after an opening."""
    rnn = RNN("mlstm", 3, hidden_size)
    opening_from_mapping({"name": opening}).apply(rnn, np.random.default_rng(4))
    return {key: value.detach().numpy() for key, value in rnn.layers[0].named_parameters() if key.endswith("_bias")}


def test_the_path_that_is_recorded():
    assert RNN("mlstm", 3, HIDDEN).choice() == Choice("native", "the fastest that can run")
    refused = r"^path=scan cannot run: variant 'mlstm' is foreign; must be auto, native or loop$"
    with pytest.raises(UserError, match=refused):
        RNN("mlstm", 3, HIDDEN, path="scan").choice()


def test_states_are_returned_and_taken():
    rnn = RNN("mlstm", 3, HIDDEN, num_layers=2, bidirectional=True).double()
    inputs = torch.randn(5, 2, 3).double()
    output, state = rnn(inputs)
    assert output.shape == (5, 2, 2 * HIDDEN)
    assert [tuple(part.shape) for part in state] == [(4, 2, HIDDEN * HIDDEN // HEADS), (4, 2, HIDDEN), (4, 2, HEADS)]
    again, _ = rnn(inputs, tuple(torch.zeros_like(part) for part in state))
    assert torch.equal(again, output)
    with pytest.raises(UserError, match=r"^the state of variant 'mlstm' must be \(C, n, m\), one tensor each$"):
        rnn(inputs, state[0])
    with pytest.raises(UserError, match=r"^variant 'mlstm' is not torch's"):
        rnn.to_torch()


def test_sizes_are_checked():
    with pytest.raises(UserError, match=r"^hidden_size=0: must be at least 1$"):
        RNN("mlstm", 3, 0)
    with pytest.raises(UserError, match=r"^recompute=0: must be at least 1$"):
        RNN("mlstm", 3, 8, recompute=0)


def test_zero_clears_every_bias():
    assert all(not bias.any() for bias in opened("zero").values())


@pytest.mark.parametrize("hidden_size, heads", [(HIDDEN, HEADS), (6, 1)])
def test_openings_of_gates_set_the_forget_gate_of_every_head(hidden_size, heads):
    assert opened("one", hidden_size)["f_bias"].tolist() == [1.0] * heads
    memory = np.exp(opened("chrono", hidden_size)["f_bias"].astype(np.float64))
    assert memory.shape == (heads,)
    assert memory.min() > 1
    assert memory.max() < 99
    retained = 1 / (1 + np.exp(-opened("uniform", hidden_size)["f_bias"].astype(np.float64)))
    assert retained.min() >= min(1 / heads, 0.5)
    assert retained.max() <= 1 - min(1 / heads, 0.5)
    for opening in ("one", "chrono", "uniform"):
        assert all(not bias.any() for name, bias in opened(opening, hidden_size).items() if name != "f_bias")


def test_gates_are_recorded_by_name():
    rnn = RNN(load_variant("mlstm"), 3, HIDDEN)
    _, _, records = rnn.run(torch.randn(5, 2, 3), record=("f", "o"))
    assert {name: tuple(values.shape) for name, values in records[0].items()} == {
        "f": (5, 2, HEADS),
        "o": (5, 2, HIDDEN),
    }
