"""RNN: lengths, states, dropout, copies and the errors of a call."""

import copy
from typing import cast

import pytest
import torch
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence

from gatelab import RNN, Variant
from gatelab.errors import UserError
from tests.conformance.closeness import assert_close

DOUBLE = torch.float64

INPUT_AS_STATE = Variant.from_mapping(
    {"name": "previous_input", "state": ["h", "p"], "equations": {"h": "tanh(linear(x, p, h))", "p": "x"}}
)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("variant", ["peephole", "gru_v3"])
def test_padded_sequences_are_each_sequence_alone(variant, bidirectional):
    rnn = RNN(variant, 3, 4, 2, bidirectional=bidirectional, dtype=DOUBLE)
    lengths = torch.tensor([5, 0, 2, 1])
    x = torch.randn(5, 4, 3, dtype=DOUBLE)
    output, state = rnn(x, lengths=lengths)
    loss_of_each_alone = torch.zeros((), dtype=DOUBLE)
    for index, length in enumerate(lengths.tolist()):
        output_alone, state_alone = rnn(x[:length, index : index + 1])
        loss_of_each_alone += output_alone.square().sum()
        assert_close(output[:length, index : index + 1], output_alone)
        assert not output[length:, index].any()
        for part, part_alone in zip(as_tuple(state), as_tuple(state_alone), strict=True):
            assert_close(part[:, index : index + 1], part_alone)
    parameters = list(rnn.parameters())
    gradients = torch.autograd.grad(output.square().sum(), parameters)
    gradients_alone = torch.autograd.grad(loss_of_each_alone, parameters)
    for gradient, gradient_alone in zip(gradients, gradients_alone, strict=True):
        assert_close(gradient, gradient_alone)


def as_tuple(state) -> tuple[Tensor, ...]:
    return state if isinstance(state, tuple) else (state,)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("padding", [1e6, -3.0])
def test_what_the_padding_holds_does_not_matter(padding, bidirectional):
    rnn = RNN("lstm", 3, 4, 2, bidirectional=bidirectional, dtype=DOUBLE)
    lengths = torch.tensor([4, 0, 2])
    clean = torch.randn(4, 3, 3, dtype=DOUBLE)
    padded = torch.arange(4)[:, None] >= lengths
    results = []
    for x in (clean, clean.masked_fill(padded[..., None], padding)):
        leaf = x.clone().requires_grad_()
        output, (h, c) = rnn(leaf, lengths=lengths)
        gradients = torch.autograd.grad(output.square().sum() + h.sum() + c.sum(), [leaf, *rnn.parameters()])
        assert not gradients[0][padded].any()
        results.append([output, h, c, *gradients])
    for one, other in zip(*results, strict=True):
        assert_close(one, other)


def test_lengths_agree_with_a_packed_sequence():
    rnn = RNN("cifg", 3, 4, 2, bidirectional=True, batch_first=True, dtype=DOUBLE)
    x, lengths = torch.randn(3, 5, 3, dtype=DOUBLE), torch.tensor([2, 5, 3])
    output, state = rnn(x, lengths=lengths)
    packed, packed_state = rnn(pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False))
    padded, _ = torch.nn.utils.rnn.pad_packed_sequence(packed, batch_first=True)
    assert_close(padded, output)
    for one, other in zip(state, packed_state, strict=True):
        assert_close(one, other)


def test_a_sequence_of_length_zero_keeps_its_state():
    rnn = RNN("lstm", 3, 4)
    state = (torch.randn(1, 2, 4), torch.randn(1, 2, 4))
    _, final = rnn(torch.randn(5, 2, 3), state, lengths=torch.tensor([0, 5]))
    for part, start in zip(final, state, strict=True):
        assert torch.equal(part[:, 0], start[:, 0])


@pytest.mark.parametrize("bidirectional", [False, True])
def test_no_steps_give_no_outputs_and_the_initial_state(bidirectional):
    rnn = RNN("lstm", 3, 4, 2, bidirectional=bidirectional)
    h, c = torch.randn(2, 4 if bidirectional else 2, 5, 4)
    output, (final_h, final_c) = rnn(torch.empty(0, 5, 3), (h, c))
    assert output.shape == (0, 5, rnn.output_size)
    assert torch.equal(final_h, h) and torch.equal(final_c, c)


def test_the_state_is_passed_on():
    rnn = RNN("peephole", 3, 4, 2, bidirectional=False, dtype=DOUBLE)
    x = torch.randn(6, 2, 3, dtype=DOUBLE)
    whole, state = rnn(x)
    first, middle = rnn(x[:2])
    second, end = rnn(x[2:], middle)
    assert_close(torch.cat([first, second]), whole)
    for part, expected in zip(end, state, strict=True):
        assert_close(part, expected)


@pytest.mark.parametrize("layers", [1, 2])
def test_a_state_of_the_length_of_x_is_that_of_the_formula(layers):
    rnn = RNN(INPUT_AS_STATE, 3, 4, layers, dtype=DOUBLE)
    x = torch.randn(5, 2, 3, dtype=DOUBLE)
    h = torch.randn(layers, 2, 4, dtype=DOUBLE)
    p = [torch.randn(2, 3 if layer == 0 else 4, dtype=DOUBLE) for layer in range(layers)]
    output, (final_h, final_p) = rnn(x, (h, p if layers == 2 else torch.stack(p)))
    expected = x
    for layer, start_h, previous in zip(rnn.layers, h, p, strict=True):
        weights = {name: weight.T for name, weight in layer.named_parameters() if "weight" in name}
        value, steps = start_h, []
        for step in expected:
            sources = step @ weights["h_weight_x"] + previous @ weights["h_weight_p"] + value @ weights["h_weight_h"]
            value = torch.tanh(sources + layer.get_parameter("h_bias"))
            previous = step
            steps.append(value)
        below, expected = expected, torch.stack(steps)
    assert_close(output, expected)
    assert_close(final_h[-1], expected[-1])
    assert_close(final_p[-1], below[-1])
    assert isinstance(final_p, list) == (layers == 2)
    again, _ = rnn(x, (final_h, final_p))
    assert again.shape == output.shape


def test_a_recorded_equation_has_the_length_of_its_vector():
    rnn = RNN(INPUT_AS_STATE, 1, 4)
    x = torch.randn(5, 2, 1)
    _, _, (recorded,) = rnn.run(x, record=["p", "h"])
    assert torch.equal(recorded["p"], x)
    assert recorded["h"].shape == (5, 2, 4)


def test_recorded_values_of_the_backward_direction_stand_at_their_steps():
    rnn = RNN(INPUT_AS_STATE, 3, 4, bidirectional=True)
    x = torch.randn(5, 2, 3)
    output, _, (_, backwards) = rnn.run(x, None, torch.tensor([5, 3]), record=["p", "h"])
    assert torch.equal(backwards["p"][:, 0], x[:, 0])
    assert torch.equal(backwards["p"][:3, 1], x[:3, 1])
    assert not bool(backwards["p"][3:, 1].any())  # behind the end there is nothing to record
    assert torch.equal(backwards["h"], output[..., 4:])


def test_dropout_masks_multiply_what_goes_to_the_next_layer():
    rnn = RNN("gru", 3, 4, 2, dropout=0.5, dtype=DOUBLE)
    x = torch.randn(5, 2, 3, dtype=DOUBLE)
    mask = torch.randint(0, 2, (5, 2, 4)).to(torch.float64) * 2
    output, _, _ = rnn.run(x, masks=[mask])
    between, _, _ = rnn.layers[0](x)
    expected, _, _ = rnn.layers[1](between * mask)
    assert_close(output, expected)


def test_dropout_zeroes_its_share_between_layers_and_scales_the_rest():
    # the second layer hands its input through, so that the output shows what reached it
    through = Variant.from_mapping({"name": "through", "state": ["h"], "equations": {"h": "x + 0*h"}})
    rnn = RNN(through, 8, 8, 2, dropout=0.25)
    output, _ = rnn(torch.ones(100, 50, 8))
    assert set(output.unique().tolist()) == {0.0, torch.tensor(1 / 0.75).item()}
    # 40000 draws: five standard deviations of the share
    assert abs((output == 0).float().mean().item() - 0.25) < 5 * (0.25 * 0.75 / 40000) ** 0.5


def test_no_dropout_after_the_last_layer_and_none_in_evaluation():
    x = torch.randn(5, 2, 3)
    single = RNN("lstm", 3, 4, dropout=0.9)
    assert torch.equal(single(x)[0], single.eval()(x)[0])
    double = RNN("lstm", 3, 4, 2, dropout=0.9)
    assert not torch.equal(double(x)[0], double(x)[0])
    double.eval()
    assert torch.equal(double(x)[0], double(x)[0])


def test_state_dict_is_saved_and_loaded_as_weights_only(tmp_path):
    rnn = RNN("ur_lstm", 3, 4, 2, bidirectional=True)
    torch.save(rnn.state_dict(), tmp_path / "weights.pt")
    other = RNN("ur_lstm", 3, 4, 2, bidirectional=True)
    other.load_state_dict(torch.load(tmp_path / "weights.pt", weights_only=True))
    x = torch.randn(5, 2, 3)
    assert torch.equal(other(x)[0], rnn(x)[0])


def test_a_deep_copy_computes_the_same_and_is_its_own():
    rnn = RNN("peephole", 3, 4)
    x = torch.randn(5, 2, 3)
    before = rnn(x)[0]
    other = copy.deepcopy(rnn)
    assert torch.equal(other(x)[0], before)
    with torch.no_grad():
        for value in other.parameters():
            value.zero_()
    assert torch.equal(rnn(x)[0], before)


def test_initial_weights_follow_the_generator_and_lie_within_their_bound():
    first, second = (RNN("peephole", 3, 16, 2) for _ in range(2))
    for rnn in (first, second):
        rnn.reset_parameters(torch.Generator().manual_seed(7))
    assert all(torch.equal(one, other) for one, other in zip(first.parameters(), second.parameters(), strict=True))
    assert all(value.abs().max() <= 0.25 for value in first.parameters())
    assert all(value.unique().numel() > 1 for value in first.parameters())


def test_parametrized_weights_are_used():
    rnn = RNN("elman", 3, 4, dtype=DOUBLE)
    torch.nn.utils.parametrizations.orthogonal(rnn.layers[0], "h_weight_h")
    layer = rnn.layers[0]
    weight = cast(Tensor, layer.h_weight_h)
    assert_close(weight @ weight.T, torch.eye(4, dtype=DOUBLE))
    x = torch.randn(2, 1, 3, dtype=DOUBLE)
    weight_x, bias = layer.get_parameter("h_weight_x"), layer.get_parameter("h_bias")
    first = torch.tanh(x[0] @ weight_x.T + bias)
    second = torch.tanh(x[1] @ weight_x.T + first @ weight.T + bias)
    assert_close(rnn(x)[0], torch.stack([first, second]))


def test_repr_names_the_variant_and_the_sizes():
    assert repr(RNN("cifg", 3, 4)).startswith("RNN(\n  cifg, input_size=3, hidden_size=4")


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"variant": "lsmt"}, r"unknown variant 'lsmt' \(did you mean"),
        ({"input_size": 0}, "input_size=0: must be at least 1"),
        ({"hidden_size": -1}, "hidden_size=-1: must be at least 1"),
        ({"num_layers": 0}, "num_layers=0: must be at least 1"),
        ({"dropout": 1.0}, "dropout=1.0: must be a number, at least 0 and below 1"),
    ],
)
def test_impossible_settings_are_refused(arguments, message):
    with pytest.raises(UserError, match=message):
        RNN(**{"variant": "lstm", "input_size": 3, "hidden_size": 4, **arguments})


def test_a_variant_that_mixes_x_with_hidden_vectors_needs_equal_sizes():
    mixed = Variant.from_mapping({"name": "mixed", "state": ["h"], "equations": {"h": "tanh(x + linear(h))"}})
    assert RNN(mixed, 4, 4, 2)(torch.randn(5, 2, 4))[0].shape == (5, 2, 4)
    with pytest.raises(UserError, match="hidden_size=4 must equal the input size 3"):
        RNN(mixed, 3, 4)


H, C = torch.zeros(2, 2, 3, 4)
PACKED = pack_padded_sequence(torch.zeros(5, 2, 3), torch.tensor([5, 1]))
WRONG_CALLS = {
    "one axis": (torch.zeros(3), None, None, r"input of shape \(3,\): must be \(time, batch, input\) or"),
    "four axes": (torch.zeros(1, 5, 3, 3), None, None, r"input of shape \(1, 5, 3, 3\): must be"),
    "features": (torch.zeros(5, 3, 2), None, None, r"input of shape \(5, 3, 2\): the last axis must be input_size=3"),
    "packed features": (
        pack_padded_sequence(torch.zeros(5, 2, 7), torch.tensor([5, 1])), None, None, "must be input_size=3",
    ),
    "a state without its cell": (torch.zeros(5, 3, 3), H, None, r"the state of variant 'lstm' must be \(h, c\)"),
    "too many states": (torch.zeros(5, 3, 3), (H, C, C), None, r"the state of variant 'lstm' must be \(h, c\)"),
    "too few layers": (torch.zeros(5, 3, 3), (H, C[:1]), None, r"state c of shapes \[\(3, 4\)\]: must be \[\(3, 4\), "),
    "another batch": (torch.zeros(5, 1, 3), (H, C), None, r"state h of shapes \[\(3, 4\), .*: must be \[\(1, 4\)"),
    "a batch of one to be repeated": (torch.zeros(5, 3, 3), (H[:, :1], C), None, r"state h of shapes \[\(1, 4\)"),
    "another hidden size": (torch.zeros(5, 3, 3), (H, C[..., :2]), None, r"state c of shapes \[\(3, 2\)"),
    "a batch in the state alone": (torch.zeros(5, 3), (H, C), None, r"state h of shapes .* must be \[\(4,\), \(4,\)\]"),
    "packed and another batch": (PACKED, (H, C), None, r"state h of shapes .* must be \[\(2, 4\), \(2, 4\)\]"),
    "too few lengths": (torch.zeros(5, 3, 3), None, [5, 1], r"lengths of shape \(2,\): must be \(3,\), one for each"),
    "lengths of a single sequence": (torch.zeros(5, 3), None, [5], "lengths= of a single sequence: must be left out"),
    "lengths of a packed sequence": (PACKED, None, [5, 1], "lengths= is known of a PackedSequence: must be left out"),
    "too long": (torch.zeros(5, 3, 3), None, [1, 6, 2], "lengths from 1 to 6: must be from 0 to 5 steps"),
    "negative": (torch.zeros(5, 3, 3), None, [1, -1, 2], "lengths from -1 to 2: must be from 0 to 5 steps"),
}  # fmt: skip


@pytest.mark.parametrize("call", WRONG_CALLS)
def test_a_wrong_call_is_told_in_one_line(call):
    inputs, state, lengths, message = WRONG_CALLS[call]
    with pytest.raises(UserError, match=message) as raised:
        RNN("lstm", 3, 4, 2)(inputs, state, lengths=None if lengths is None else torch.tensor(lengths))
    assert "\n" not in str(raised.value)


def test_batch_first_says_so_and_checks_lengths_along_its_axes():
    rnn = RNN("lstm", 3, 4, batch_first=True)
    with pytest.raises(UserError, match=r"must be \(batch, time, input\) or \(time, input\)"):
        rnn(torch.zeros(3))
    with pytest.raises(UserError, match=r"must be \(2,\), one for each"):
        rnn(torch.zeros(2, 5, 3), lengths=torch.ones(5, dtype=torch.int64))
    assert rnn(torch.zeros(2, 5, 3), lengths=torch.tensor([5, 4]))[0].shape == (2, 5, 4)
