"""Zoneout and dropout within a step against plain loops around PyTorch's own cells."""

import numpy as np
import pytest
import torch
from torch import nn

from gatelab import variant
from gatelab.language.masked import in_training
from gatelab.layers.drawn_columns import draw_columns
from gatelab.layers.rnn import RNN
from gatelab.layers.torch_weights import copy_from_torch

STEPS, BATCH, INPUTS, HIDDEN = 6, 3, 4, 5


def mask(word, seed=0, rate=0.4):
    return draw_columns(word, np.random.default_rng(seed), rate, 1, STEPS, BATCH, HIDDEN)[0].double()


def run(name, module, words, masks, path):
    """Run a variant with masks and the weights of a module of PyTorch: outputs and the gradient of the inputs."""
    plain = RNN(name, INPUTS, HIDDEN, path="loop", dtype=torch.float64)
    copy_from_torch(list(plain.layers), module)
    rnn = RNN(in_training(variant(name), words), INPUTS, HIDDEN, path=path, dtype=torch.float64)
    for own, known in zip(rnn.parameters(), plain.parameters(), strict=True):
        own.data = known.data.clone()
    x = inputs().requires_grad_()
    output, _, _ = rnn.run(x, drawn=[torch.cat(masks, -1)])
    (slope,) = torch.autograd.grad(output.square().sum(), x)
    return output, slope


def inputs():
    return torch.randn(STEPS, BATCH, INPUTS, dtype=torch.float64, generator=torch.Generator().manual_seed(3))


def lstm_loop(module, kept_h, kept_c, dropped, varied):
    x, h, c = inputs().requires_grad_(), torch.zeros(BATCH, HIDDEN).double(), torch.zeros(BATCH, HIDDEN).double()
    outputs = []
    for t in range(STEPS):
        sums = x[t] @ module.weight_ih_l0.T + module.bias_ih_l0 + module.bias_hh_l0
        sums = sums + (h * varied[t]) @ module.weight_hh_l0.T
        i, f, g, o = sums.chunk(4, -1)
        new = f.sigmoid() * c + i.sigmoid() * (g.tanh() * dropped[t])
        new_h = o.sigmoid() * new.tanh()
        c = torch.where(kept_c[t] == 1, c, new)
        h = torch.where(kept_h[t] == 1, h, new_h)
        outputs.append(h)
    output = torch.stack(outputs)
    return output, torch.autograd.grad(output.square().sum(), x)[0]


@pytest.mark.parametrize("path", ["loop", "native"])
def test_an_lstm_with_all_of_them(path):
    torch.manual_seed(0)
    module = nn.LSTM(INPUTS, HIDDEN, dtype=torch.float64)
    words = ("zoneout_hidden", "zoneout_cell", "recurrent_dropout", "variational_dropout")
    masks = [mask(word, seed) for seed, word in enumerate(words)]
    expected = lstm_loop(module, *masks)
    for found, wanted in zip(run("lstm", module, words, masks, path), expected, strict=True):
        torch.testing.assert_close(found, wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize("path", ["loop", "native"])
def test_zoneout_of_a_gru(path):
    torch.manual_seed(1)
    module, kept = nn.GRU(INPUTS, HIDDEN, dtype=torch.float64), mask("zoneout_hidden")
    x, h, outputs = inputs().requires_grad_(), torch.zeros(BATCH, HIDDEN).double(), []
    for t in range(STEPS):
        _, new = module(x[t : t + 1], h[None])
        h = torch.where(kept[t] == 1, h, new[0])
        outputs.append(h)
    expected = torch.stack(outputs)
    output, slope = run("gru", module, ("zoneout_hidden",), [kept], path)
    torch.testing.assert_close(output, expected, rtol=0, atol=1e-12)
    wanted = torch.autograd.grad(expected.square().sum(), x)[0]
    torch.testing.assert_close(slope, wanted, rtol=0, atol=1e-12)


def test_masks_have_their_rates():
    rate, size = 0.3, (2, 50, 40, 10)
    found = {
        word: draw_columns(word, np.random.default_rng(5), rate, *size)
        for word in ("zoneout_cell", "recurrent_dropout", "variational_dropout")
    }
    for word, drawn in found.items():
        assert drawn.shape == size
        hit = drawn == 1 if word.startswith("zoneout") else drawn == 0
        numbers = drawn.numel() / (50 if word == "variational_dropout" else 1)
        assert float(hit.float().mean()) == pytest.approx(rate, abs=5 * (rate * (1 - rate) / numbers) ** 0.5)
    assert set(found["zoneout_cell"].unique().tolist()) == {0.0, 1.0}
    assert found["recurrent_dropout"].max() == pytest.approx(1 / (1 - rate))
    once = found["variational_dropout"]
    assert torch.equal(once, once[:, :1].expand_as(once))
    assert not torch.equal(found["recurrent_dropout"][:, 0], found["recurrent_dropout"][:, 1])
