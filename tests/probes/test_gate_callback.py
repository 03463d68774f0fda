"""The gates of a LightningModule of one's own, at each validation."""

import math
import warnings

import pytest
import torch
from pytorch_lightning import LightningModule, Trainer, seed_everything
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from torch.utils.data import DataLoader

import gatelab
from gatelab.probes import GateCallback

TIME, BATCH, INPUT, HIDDEN = 9, 4, 3, 5
LENGTHS = (9, 9, 4, 2)
LAST = [length - 1 for length in LENGTHS]

LEAST_TRAINER = {
    "logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False,
    "accelerator": "cpu",
}  # fmt: skip


class Regression(LightningModule):
    """Reads a batch with an RNN, and its last outputs with a linear layer; ``form`` says how sequences come."""

    def __init__(self, rnn, form="padded"):
        super().__init__()
        self.rnn = rnn
        self.readout = torch.nn.Linear(rnn.hidden_size, 1)
        self.form = form

    def outputs(self, inputs):
        if self.form == "packed":
            packed = pack_padded_sequence(inputs, torch.tensor(LENGTHS), batch_first=True)
            return pad_packed_sequence(self.rnn(packed)[0], batch_first=True)[0][range(BATCH), LAST]
        if self.form == "lengths":
            return self.rnn(inputs, lengths=torch.tensor(LENGTHS))[0][range(BATCH), LAST]
        return self.rnn(inputs)[0][:, -1]

    def training_step(self, batch, _):
        return self.readout(self.outputs(batch)).mean()

    def validation_step(self, batch, _):
        self.outputs(batch)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)

    def loader(self):
        data = torch.randn(2 * BATCH, TIME, INPUT, generator=torch.Generator().manual_seed(1))
        return DataLoader(data, batch_size=BATCH)

    train_dataloader = val_dataloader = loader


def fitted(module, *callbacks, **options):
    trainer = Trainer(max_epochs=1, callbacks=list(callbacks), **LEAST_TRAINER, **options)
    trainer.fit(module)
    return {name: float(value) for name, value in trainer.callback_metrics.items()}


def module(variant="lstm", form="padded", **options):
    seed_everything(3, verbose=False)
    return Regression(gatelab.RNN(variant, INPUT, HIDDEN, batch_first=True, **options), form)


def by_hand(model, lengths=(TIME,) * BATCH):
    """Return the numbers of the forget gate of the first validation batch, with torch alone."""
    weights = dict(model.rnn.named_parameters())
    batch = next(iter(model.loader()))
    values = []
    with torch.no_grad():
        for sequence, length in zip(batch, lengths, strict=True):
            hidden, cell = torch.zeros(HIDDEN), torch.zeros(HIDDEN)
            for x in sequence[:length]:
                sums = {
                    gate: weights[f"layers.0.{gate}_weight_x"] @ x
                    + weights[f"layers.0.{gate}_weight_h"] @ hidden
                    + weights[f"layers.0.{gate}_bias"]
                    for gate in "ifoz"
                }
                i, f, o = (torch.sigmoid(sums[gate]) for gate in "ifo")
                cell = f * cell + i * torch.tanh(sums["z"])
                hidden = o * torch.tanh(cell)
                values.append(f)
    gate = torch.stack(values)
    low, middle, high = (-gate.log()).mean(0).quantile(torch.tensor([0.1, 0.5, 0.9])).tolist()
    return {
        "mean": gate.mean().item(), "shut": (gate < 0.1).float().mean().item(),
        "open": (gate > 0.9).float().mean().item(), "decay_10": low, "decay_50": middle, "decay_90": high,
    }  # fmt: skip


@pytest.mark.parametrize("form", ["padded", "packed", "lengths"])
def test_numbers_of_the_forget_gate(form):
    model = module(form=form)
    with torch.no_grad():
        model.rnn.layers[0].get_parameter("f_weight_x").mul_(6)  # some open, some shut
    metrics = fitted(model, GateCallback())
    expected = by_hand(model, (TIME,) * BATCH if form == "padded" else LENGTHS)
    assert 0 < expected["shut"] < 1
    assert 0 < expected["open"] < 1
    assert {name: metrics[f"gates/f/{name}"] for name in expected} == pytest.approx(expected, abs=2e-6)
    singular = torch.linalg.svdvals(model.rnn.layers[0].get_parameter("f_weight_h").detach().double()) ** 2
    shares = singular / singular.sum()
    assert metrics["gates/f/effective_rank"] == pytest.approx(math.exp(-(shares * shares.log()).sum()), abs=1e-4)
    assert {name.split("/")[1] for name in metrics} == {"i", "f", "o"}


@pytest.mark.parametrize("form", ["padded", "packed", "lengths"])
def test_the_gradient_of_a_linear_recurrence(form):
    """With h = h/2 + x and a mean over 4 sequences of 3 · Σ h_T, ∂loss/∂x_(T−k) has the norm 0.75 · √5 / 2^k."""
    model = module("elman", form)
    model.rnn = gatelab.RNN(gatelab.variant("elman").edit(h="linear(h) + linear(x)"), HIDDEN, HIDDEN, batch_first=True)
    with torch.no_grad():
        layer = model.rnn.layers[0]
        layer.get_parameter("h_weight_h").copy_(torch.eye(HIDDEN) / 2)
        layer.get_parameter("h_weight_x").copy_(torch.eye(HIDDEN))
        model.readout.weight.fill_(3)
    data = torch.zeros(BATCH, TIME, HIDDEN)
    model.train_dataloader = model.val_dataloader = lambda: DataLoader(data, batch_size=BATCH)
    found = {
        int(name.rpartition("_")[2]): value
        for name, value in fitted(model, GateCallback(gradient=True)).items()
        if name.startswith("gradient/")
    }
    assert found == pytest.approx({lag: 0.75 * math.sqrt(5) / 2**lag for lag in (0, 1, 2, 5)}, rel=1e-5)


def ours(told):
    return [str(one.message) for one in told if "GateCallback" in str(one.message)]


def test_training_is_bit_for_bit_the_same():
    plain, watched = module("gru", num_layers=2), module("gru", num_layers=2)
    fitted(plain)
    metrics = fitted(watched, GateCallback(gradient=True))
    for one, other in zip(plain.parameters(), watched.parameters(), strict=True):
        assert torch.equal(one, other)
    assert {name.split("/")[1] for name in metrics if name.startswith("gates/")} == {
        "0.0.r", "0.0.u", "1.0.r", "1.0.u",
    }  # fmt: skip


def test_a_module_with_two_rnns_of_which_one_is_never_called():
    model = module()
    model.other = gatelab.RNN("gru", INPUT, HIDDEN)
    with warnings.catch_warnings(record=True, action="always") as told:
        metrics = fitted(model, GateCallback())
    assert {name.split("/")[1] for name in metrics} == {"rnn.i", "rnn.f", "rnn.o"}
    assert ours(told) == ["GateCallback: the first validation batch did not call 'other'; nothing is logged of it"]


def test_a_module_without_an_rnn_is_told():
    model = module()
    model.rnn = torch.nn.LSTM(INPUT, HIDDEN, batch_first=True)
    with warnings.catch_warnings(record=True, action="always") as told:
        assert fitted(model, GateCallback()) == {}
    assert ours(told) == ["GateCallback: Regression has no gatelab.RNN; nothing is logged of it"]


def test_no_hook_stays_behind():
    model = module()
    fitted(model, GateCallback(gradient=True))
    assert not model.rnn._forward_pre_hooks
