"""RNN('lstm') is torch.nn.LSTM and RNN('gru') is torch.nn.GRU: numbers, gradients and weights, both ways."""

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

from gatelab import RNN, Variant, variant
from gatelab.errors import UserError
from tests.conformance.closeness import assert_close

KINDS = {"lstm": nn.LSTM, "gru": nn.GRU}
GATES = {"lstm": "ifzo", "gru": "run"}  # in the order in which torch stacks their rows

SETTINGS = {
    "one layer": {},
    "two layers": {"num_layers": 2},
    "three layers": {"num_layers": 3},
    "bidirectional": {"bidirectional": True},
    "two layers, bidirectional, batch first": {"num_layers": 2, "bidirectional": True, "batch_first": True},
    "batch first": {"batch_first": True},
    "without biases": {"bias": False},
    "one unit": {"hidden_size": 1},
    "seven units": {"hidden_size": 7, "num_layers": 2},
    "one feature": {"input_size": 1},
}
SIZES = {"input_size": 3, "hidden_size": 4}


@pytest.fixture(params=KINDS)
def kind(request) -> str:
    return request.param


def build(kind: str, **settings) -> nn.LSTM | nn.GRU:
    return KINDS[kind](**{**SIZES, **settings}, dtype=torch.float64)


def initial_state(module: nn.LSTM | nn.GRU, *batch: int):
    layers = module.num_layers * (2 if module.bidirectional else 1)
    h, c = torch.randn(2, layers, *batch, module.hidden_size, dtype=torch.float64)
    return (h, c) if isinstance(module, nn.LSTM) else h


def tensors(result) -> list[Tensor]:
    """Return output and states of a call as a flat list."""
    output, state = result
    return [
        output.data if isinstance(output, PackedSequence) else output,
        *(state if type(state) is tuple else [state]),
    ]


def sum_with_weights(values: list[Tensor]) -> Tensor:
    return torch.stack(
        [(value * torch.linspace(-1, 1, value.numel()).view(value.shape)).sum() for value in values]
    ).sum()


def leaves_of(state) -> list[Tensor]:
    return [] if state is None else list(state) if isinstance(state, tuple) else [state]


def assert_same_call(module: nn.LSTM | nn.GRU, rnn: RNN, x: Tensor, state=None, lengths=None, *, sort=True) -> None:
    """Assert equal outputs, states and gradients: of the input, of the initial states and of every weight."""
    gradients = []
    results = []
    for callee in (module, rnn):
        callee.zero_grad()
        leaf = x.clone().requires_grad_()
        states = copy.deepcopy(state)
        for part in leaves_of(states):
            part.requires_grad_()
        fed = leaf if lengths is None else pack_padded_sequence(leaf, lengths, module.batch_first, enforce_sorted=sort)
        result = callee(fed) if states is None else callee(fed, states)
        if lengths is not None:
            assert torch.equal(result[0].batch_sizes, fed.batch_sizes)
            assert (result[0].sorted_indices is None) == (fed.sorted_indices is None)
        results.append(tensors(result))
        sum_with_weights(results[-1]).backward()
        gradients.append([leaf.grad, *(part.grad for part in leaves_of(states))])
    for ours, theirs in zip(results[1] + gradients[1], results[0] + gradients[0], strict=True):
        assert_close(ours, theirs)
    assert_same_weight_gradients(module, rnn)


def gradient(parameter: nn.Parameter) -> Tensor:
    assert parameter.grad is not None
    return parameter.grad


def assert_same_weight_gradients(module: nn.LSTM | nn.GRU, rnn: RNN) -> None:
    suffixes = [
        name.removeprefix("weight_ih_") for name, _ in module.named_parameters() if name.startswith("weight_ih")
    ]
    for layer, suffix in zip(rnn.layers, suffixes, strict=True):
        compared = set()
        for position, gate in enumerate(GATES[rnn.variant.name]):
            rows = slice(position * module.hidden_size, (position + 1) * module.hidden_size)
            pairs = {"weight_x": "weight_ih", "weight_h": "weight_hh"}
            if module.bias:
                pairs |= {"bias": "bias_ih"}
                # one bias where torch has two: the gradient of either
                pairs |= {"bias_2" if (rnn.variant.name, gate) == ("gru", "n") else "bias": "bias_hh"}
            for ours, theirs in pairs.items():
                assert_close(
                    gradient(layer.get_parameter(f"{gate}_{ours}")),
                    gradient(module.get_parameter(f"{theirs}_{suffix}"))[rows],
                )
                compared.add(f"{gate}_{ours}")
        assert not module.bias or compared == {name for name, _ in layer.named_parameters()}


@pytest.mark.parametrize("with_state", [False, True])
@pytest.mark.parametrize("setting", SETTINGS)
def test_outputs_states_and_all_gradients_are_those_of_torch(kind, setting, with_state):
    module = build(kind, **SETTINGS[setting])
    x = torch.randn(5, 2, module.input_size, dtype=torch.float64)
    batch = 5 if module.batch_first else 2
    assert_same_call(module, RNN.from_torch(module), x, initial_state(module, batch) if with_state else None)


@pytest.mark.parametrize("time, batch", [(1, 1), (1, 3), (6, 1), (3, 0)])
def test_odd_lengths_and_batches_are_those_of_torch(kind, time, batch):
    module = build(kind, bidirectional=True)
    x = torch.randn(time, batch, 3, dtype=torch.float64)
    assert_same_call(module, RNN.from_torch(module), x, initial_state(module, batch))


@pytest.mark.parametrize("with_state", [False, True])
def test_a_single_sequence_without_batch_axis(kind, with_state):
    module = build(kind, num_layers=2, bidirectional=True, batch_first=True)
    x = torch.randn(5, 3, dtype=torch.float64)
    assert_same_call(module, RNN.from_torch(module), x, initial_state(module) if with_state else None)


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("with_state", [False, True])
@pytest.mark.parametrize("lengths", [[5, 3, 3, 1], [3, 5, 1, 3], [2, 2, 2, 2]])
def test_packed_sequences(kind, lengths, with_state, batch_first):
    module = build(kind, num_layers=2, bidirectional=True, batch_first=batch_first)
    x = torch.randn(*((4, 5) if batch_first else (5, 4)), 3, dtype=torch.float64)
    state = initial_state(module, 4) if with_state else None
    sort = lengths == sorted(lengths, reverse=True)
    assert_same_call(module, RNN.from_torch(module), x, state, torch.tensor(lengths), sort=sort)


def test_a_packed_result_unpacks_to_the_order_of_the_input(kind):
    module = build(kind)
    x = torch.randn(5, 3, 3, dtype=torch.float64)
    packed = pack_padded_sequence(x, torch.tensor([2, 5, 3]), enforce_sorted=False)
    ours, _ = RNN.from_torch(module)(packed)
    theirs, _ = module(packed)
    assert torch.equal(ours.sorted_indices, theirs.sorted_indices)
    assert torch.equal(ours.unsorted_indices, theirs.unsorted_indices)


def test_single_precision_agrees_to_its_rounding(kind):
    module = build(kind, num_layers=2).float()
    x = torch.randn(20, 4, 3)
    for ours, theirs in zip(tensors(RNN.from_torch(module)(x)), tensors(module(x)), strict=True):
        assert_close(ours, theirs)


def test_weights_go_to_torch_and_back_unchanged(kind):
    rnn = RNN(kind, 3, 4, 2, bidirectional=True)
    back = RNN.from_torch(rnn.to_torch())
    expected = rnn.state_dict()
    assert back.state_dict().keys() == expected.keys()
    assert all(torch.equal(value, expected[name]) for name, value in back.state_dict().items())


def test_to_torch_computes_the_same(kind):
    rnn = RNN(kind, 3, 4, 3, bidirectional=True, dtype=torch.float64)
    assert_same_call(rnn.to_torch(), rnn, torch.randn(5, 2, 3, dtype=torch.float64))


@pytest.mark.parametrize("training", [False, True])
def test_settings_are_carried_over_both_ways(kind, training):
    module = build(kind, num_layers=2, dropout=0.25, bidirectional=True, batch_first=True).train(training)
    rnn = RNN.from_torch(module)
    for copied in (rnn, rnn.to_torch()):
        for setting in (
            "input_size",
            "hidden_size",
            "num_layers",
            "dropout",
            "bidirectional",
            "batch_first",
            "training",
        ):
            assert getattr(copied, setting) == getattr(module, setting)
        assert {value.dtype for value in copied.parameters()} == {torch.float64}


def test_the_copies_share_no_memory(kind):
    module = build(kind)
    rnn = RNN.from_torch(module)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    with torch.no_grad():
        for value in rnn.parameters():
            value.zero_()
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_a_subclass_of_a_torch_module_is_carried_over():
    class Own(nn.GRU):
        pass

    module = Own(3, 4, dtype=torch.float64)
    assert_same_call(module, RNN.from_torch(module), torch.randn(5, 2, 3, dtype=torch.float64))


@pytest.mark.parametrize(
    "module, named",
    [(nn.LSTM(3, 4, proj_size=2), "LSTM with proj_size"), (nn.Linear(3, 4), "Linear")],
)
def test_other_modules_are_refused(module, named):
    with pytest.raises(UserError, match=f"^{named}: only torch.nn.LSTM, GRU and RNN without projection"):
        RNN.from_torch(module)


@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
def test_a_plain_rnn_is_carried_over_and_back(nonlinearity):
    module = nn.RNN(3, 4, num_layers=2, bidirectional=True, nonlinearity=nonlinearity, dtype=torch.float64)
    rnn, x = RNN.from_torch(module), torch.randn(5, 2, 3, dtype=torch.float64)
    back = rnn.to_torch()
    assert isinstance(back, nn.RNN)
    for ours in (rnn, back):
        torch.testing.assert_close(ours(x), module(x))


OTHERS: dict[str, Variant] = {
    "another variant": variant("cifg"),
    "an edited equation": variant("lstm").edit(o="1"),
    "another output": Variant.from_mapping({**variant("lstm").mapping(), "output": "c"}),
    "the states the other way round": Variant.from_mapping({**variant("lstm").mapping(), "state": ["c", "h"]}),
}


@pytest.mark.parametrize("other", OTHERS)
def test_variants_that_torch_does_not_have_are_refused(other):
    with pytest.raises(UserError, match="is not torch's: only lstm, gru and elman have a torch form"):
        RNN(OTHERS[other], 3, 4).to_torch()


def test_the_order_of_equations_counts_before_going_to_torch():
    mapping = variant("lstm").mapping()
    early = {name: mapping["equations"][name] for name in ("i", "f", "z", "o", "h", "c")}
    with pytest.raises(UserError, match="is not torch's"):
        RNN(Variant.from_mapping({**mapping, "equations": early}), 3, 4).to_torch()
