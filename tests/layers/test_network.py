"""The network around a variant: what it reads out, with and without lengths, alone and in a stack."""

import numpy as np
import pytest
import torch
from torch.func import functional_call

from gatelab.errors import UserError
from gatelab.language import load_variant
from gatelab.layers.network import Network
from gatelab.randomness import generator

TIME, BATCH, INPUT, HIDDEN, OUTPUT = 6, 4, 3, 5, 2
LENGTHS = torch.tensor([6, 1, 4, 2])


def network(readout="last", output=OUTPUT, hidden=HIDDEN, seed=0, variant="lstm", **options):
    built = Network(load_variant(variant), INPUT, output, hidden, readout=readout, **options)
    built.reset_parameters(torch.Generator().manual_seed(seed))
    return built


def inputs(*shape):
    return torch.randn(*(shape or (TIME, BATCH)), INPUT, generator=torch.Generator().manual_seed(1))


def close(found, expected):
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("lengths", [None, LENGTHS])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("num_layers", [1, 2])
def test_shapes(lengths, bidirectional, num_layers):
    options = {"num_layers": num_layers, "bidirectional": bidirectional}
    assert network("last", **options)(inputs(), lengths).shape == (BATCH, OUTPUT)
    assert network("every", **options)(inputs(), lengths).shape == (TIME, BATCH, OUTPUT)


@pytest.mark.parametrize("readout", ["last", "every"])
def test_direct_weights_read_what_the_first_layer_reads(readout):
    built, plain = network(readout, direct=True, bias=False), network(readout)
    # the other weights are drawn as without
    assert torch.equal(built.readout.weight, plain.readout.weight) and built.readout.bias is None
    shown = inputs()
    shown[2:, 3] = float("nan")
    found = built(shown, LENGTHS)
    below = shown @ built.direct.weight.T
    law = plain(shown, LENGTHS) - plain.readout.bias
    for sequence, length in enumerate(LENGTHS.tolist()):
        if readout == "last":
            close(found[sequence], law[sequence] + below[length - 1, sequence])
        else:
            close(found[:length, sequence], (law + below)[:length, sequence])
    valid = torch.arange(TIME)[:, None] < LENGTHS
    (found if readout == "last" else found[valid]).sum().backward()
    assert all(bool(weight.grad.isfinite().all()) for weight in built.parameters())
    assert built.direct.weight.grad.any()


def test_every_reads_each_step_out_linearly():
    built = network("every")
    hidden, _ = built.rnn(inputs())
    close(built(inputs()), hidden @ built.readout.weight.T + built.readout.bias)


def test_last_is_the_last_of_every():
    last, every = network("last"), network("every")
    close(last(inputs()), every(inputs())[-1])


def test_last_with_lengths_is_the_last_valid_step():
    built = network("last")
    found = built(inputs(), LENGTHS)
    for sequence, length in enumerate(LENGTHS.tolist()):
        close(found[sequence], built(inputs()[:length, sequence : sequence + 1])[0])


@pytest.mark.parametrize("readout", ["last", "every"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_padding_has_no_influence(readout, bidirectional):
    built = network(readout, bidirectional=bidirectional, num_layers=2)
    padded = inputs()
    steps = torch.arange(TIME)[:, None]
    padded[steps >= LENGTHS] = 1e3
    found, expected = built(padded, LENGTHS), built(inputs(), LENGTHS)
    if readout == "every":
        found, expected = found[steps < LENGTHS], expected[steps < LENGTHS]
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


@pytest.mark.parametrize("options", [{}, {"readout": "every"}, {"embedding": 3}], ids=["last", "every", "embedded"])
def test_lengths_may_be_whole_numbers_of_any_kind(options):
    built = network(**options)
    expected = built(inputs(), LENGTHS)
    for lengths in (LENGTHS.tolist(), LENGTHS.numpy().astype(np.uint8), LENGTHS.to(torch.uint8), LENGTHS.int()):
        assert torch.equal(built(inputs(), lengths), expected)
    with pytest.raises(UserError, match=r"lengths of shape \(2,\): must be \(4,\), one for each sequence"):
        built(inputs(), torch.tensor([6, 1]))


@pytest.mark.parametrize("lengths", [None, LENGTHS])
def test_bidirectional_last_reads_the_end_of_each_direction(lengths):
    built = network("last", bidirectional=True)
    _, (h, _) = built.rnn(inputs(), lengths=lengths)
    ends = torch.cat([h[0], h[1]], -1)
    close(built(inputs(), lengths), ends @ built.readout.weight.T + built.readout.bias)


def test_the_readout_is_drawn_last_and_within_its_bound():
    built = network(hidden=16, bidirectional=True, output=200)
    bound = 32**-0.5
    for values in (built.readout.weight, built.readout.bias):
        assert bound * 0.9 < values.abs().max() < bound
    # the weights of the layers do not depend on how many outputs follow
    close(network(output=1).rnn.layers[0].f_weight_h.data, network(output=9).rnn.layers[0].f_weight_h.data)


def stacked(count, **options):
    runs = [dict(network(seed=seed, **options).named_parameters()) for seed in range(count)]
    return network(**options), {name: torch.stack([run[name].detach() for run in runs]) for name in runs[0]}


@pytest.mark.parametrize("readout", ["last", "every"])
@pytest.mark.parametrize("output", [1, 2, 3, 10])
@pytest.mark.parametrize("hidden", [5, 16])
@pytest.mark.parametrize("lengths", [None, LENGTHS])
def test_a_run_of_a_stack_is_bit_for_bit_the_run_alone(readout, output, hidden, lengths):
    options = {"readout": readout, "output": output, "hidden": hidden, "num_layers": 2}
    template, weights = stacked(5, **options)
    shown = inputs(5, TIME, BATCH)
    valid = None if lengths is None else lengths.expand(5, BATCH)
    together = functional_call(template, weights, (shown, valid))
    for run in range(5):
        only = slice(run, run + 1)
        alone_weights = {name: weight[only].clone() for name, weight in weights.items()}
        alone = functional_call(template, alone_weights, (shown[only].clone(), None if valid is None else valid[only]))
        assert torch.equal(alone[0], together[run])
        plain = network(seed=run, **options)(shown[run], lengths)
        torch.testing.assert_close(alone[0], plain, rtol=0, atol=1e-6)


def test_gradients_of_a_stack_are_those_of_the_runs():
    template, weights = stacked(3, output=1)
    weights = {name: weight.requires_grad_() for name, weight in weights.items()}
    functional_call(template, weights, (inputs(3, TIME, BATCH), None)).square().sum().backward()
    for run in range(3):
        alone = network(seed=run, output=1)
        alone(inputs(3, TIME, BATCH)[run]).square().sum().backward()
        for name, parameter in alone.named_parameters():
            torch.testing.assert_close(weights[name].grad[run], parameter.grad, rtol=0, atol=1e-5)


def test_dropout_masks_keep_the_mean_and_follow_the_generator():
    built = network(num_layers=3, hidden=50, bidirectional=True)
    masks = built.draw_masks(generator(0, "dropout", 4), 0.25, 20, 30)
    assert len(masks) == 2
    assert {mask.shape for mask in masks} == {(20, 30, 100)}
    assert {value.item() for mask in masks for value in mask.unique()} == {0.0, np.float32(4 / 3).item()}
    # 120,000 draws: a standard deviation of 0.0017
    assert abs(torch.stack(masks).mean().item() - 1) < 0.008
    again = built.draw_masks(generator(0, "dropout", 4), 0.25, 20, 30)
    assert all(torch.equal(one, other) for one, other in zip(masks, again, strict=True))
    other = built.draw_masks(generator(0, "dropout", 5), 0.25, 20, 30)
    assert not torch.equal(masks[0], other[0])
    assert all(torch.equal(mask, torch.ones_like(mask)) for mask in built.draw_masks(generator(0, "a"), 0.0, 2, 3))
    assert network(num_layers=1).draw_masks(generator(0, "a"), 0.5, 2, 3) == []


def test_masks_act_between_layers():
    built = network(num_layers=2)
    close(built(inputs(), None, [torch.ones(TIME, BATCH, HIDDEN)]), built(inputs()))
    # with everything dropped the second layer sees zeros for any input
    nothing = [torch.zeros(TIME, BATCH, HIDDEN)]
    close(built(inputs(), None, nothing), built(torch.zeros(TIME, BATCH, INPUT), None, nothing))
    assert not torch.allclose(built(inputs(), None, nothing), built(inputs()))


@pytest.mark.parametrize("embedding", [1, 2, 7])
def test_an_embedding_is_a_linear_map_of_the_inputs(embedding):
    net = network(embedding=embedding)
    assert net.embedding.shape == (INPUT, embedding)
    expected = net.readout(net.rnn(inputs() @ net.embedding)[0][-1])
    close(net(inputs()), expected)


def test_an_embedding_changes_no_other_starting_weight():
    # of equal shapes: the first layer reads as many features
    plain, embedded = dict(network().named_parameters()), dict(network(embedding=INPUT).named_parameters())
    assert set(embedded) == {*plain, "embedding"}
    for name, weight in plain.items():
        assert torch.equal(weight, embedded[name])


TOKENS = torch.tensor([[0, 2, 1, 1], [2, 2, 0, 1], [1, 0, 0, 0], [0, 1, 2, 0], [1, 1, 1, 1], [2, 0, 2, 0]])


def test_a_token_is_a_row_of_the_embedding():
    net = network(embedding=4, tokens=True)
    one_hot = torch.nn.functional.one_hot(TOKENS, INPUT).float()
    expected = net.readout(net.rnn(one_hot @ net.embedding)[0][-1])
    close(net(TOKENS), expected)


@pytest.mark.parametrize("tokens", [False, True])
@pytest.mark.parametrize("embedding", [1, 5])
def test_an_embedded_run_of_a_stack_is_bit_for_bit_the_run_alone(embedding, tokens):
    template, weights = stacked(5, embedding=embedding, tokens=tokens, hidden=8)
    shown = torch.stack([TOKENS.roll(run, 0) for run in range(5)]) if tokens else inputs(5, TIME, BATCH)

    def trained(runs):
        leaves = {name: weight[runs].clone().requires_grad_() for name, weight in weights.items()}
        output = functional_call(template, leaves, (shown[runs].clone(), None))
        gradients = torch.autograd.grad(output.square().sum(), list(leaves.values()))
        return [output.detach(), *gradients]

    together = trained(slice(5))
    for run in range(5):
        for alone, whole in zip(trained(slice(run, run + 1)), together, strict=True):
            assert torch.equal(alone[0], whole[run])
        plain = network(seed=run, embedding=embedding, tokens=tokens, hidden=8)
        close(plain(shown[run]), together[0][run])


@pytest.mark.parametrize("token", [-1, INPUT])
def test_a_token_of_no_row_is_refused_alone_and_in_a_stack(token):
    built = network(embedding=4, tokens=True)
    tokens = torch.zeros(TIME, BATCH, dtype=torch.int64)
    tokens[2, 1] = token
    line = f"tokens from {min(token, 0)} to {max(token, 0)}: must be from 0 to {INPUT - 1}"
    with pytest.raises(UserError, match=line):
        built(tokens)
    stacked = {name: torch.stack([weight, weight]) for name, weight in built.named_parameters()}
    for one, other in ((tokens, tokens * 0), (tokens * 0, tokens)):  # which would be a row of the other run
        with pytest.raises(UserError, match=line):
            functional_call(built, stacked, (torch.stack([one, other]),))
    assert built(tokens, torch.tensor([2] * BATCH)).isfinite().all()


def test_tokens_without_an_embedding_are_refused():
    with pytest.raises(UserError, match="tokens must have an embedding"):
        network(tokens=True)


@pytest.mark.parametrize("tokens", [True, False])
def test_a_new_network_has_an_embedding_that_was_drawn(tokens, monkeypatch):
    empty = torch.empty
    monkeypatch.setattr(torch, "empty", lambda *size, **how: empty(*size, **how).fill_(float("nan")))
    network = Network(load_variant("gru"), 7, 3, 5, embedding=4, tokens=tokens)
    assert bool(network.embedding.isfinite().all())
    assert float(network.embedding.detach().std()) > 0.05
