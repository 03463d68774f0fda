"""The page of a network of one's own: the gates of handwritten torch, and which files it refuses."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from gatelab.cli import explained_page, explained_weights
from gatelab.cli.explain import explain
from gatelab.errors import UserError
from gatelab.report.gates.guides import GUIDES

ROOT = Path(__file__).parents[2]
STEPS, BATCH, INPUT, HIDDEN = 7, 4, 3, 5


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.LSTM(INPUT, HIDDEN, num_layers=2)
        self.decoder = nn.GRU(HIDDEN, HIDDEN, bidirectional=True)


@pytest.fixture
def model(tmp_path, monkeypatch):
    """Return a model whose weights lie in model.pt, beside data in data.npz."""
    monkeypatch.chdir(tmp_path)
    made = Model()
    torch.save(made.state_dict(), "model.pt")
    torch.save(made.encoder.state_dict(), "encoder.pt")
    random = np.random.default_rng(0)
    inputs = random.normal(size=(STEPS, BATCH, INPUT)).astype(np.float32)
    np.savez("data.npz", inputs=inputs, lengths=np.array([STEPS, 3, 2, 5]))
    np.savez("turned.npz", inputs.swapaxes(0, 1))
    return made


@pytest.fixture
def subjects(monkeypatch):
    """Return what is looked at, without drawing it."""
    seen = []
    monkeypatch.setattr(explained_weights, "write_page", lambda words, looked_at, out: seen.extend(looked_at))
    return seen


def handwritten_gates(weights, inputs, layer):
    """Return the gates of an LSTM's layer, by the equations in torch's documentation."""
    read = torch.as_tensor(inputs)
    for depth in range(layer + 1):
        of_x, of_h, bias_x, bias_h = (
            weights[f"encoder.{kind}_l{depth}"] for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        h = c = torch.zeros(read.shape[1], HIDDEN)
        outputs = []
        gates: dict[str, list[torch.Tensor]] = {"i": [], "f": [], "o": []}
        for x in read:
            i, f, g, o = (x @ of_x.T + bias_x + h @ of_h.T + bias_h).chunk(4, -1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
            outputs.append(h)
            for name, value in (("i", i), ("f", f), ("o", o)):
                gates[name].append(value.sigmoid())
        read = torch.stack(outputs)
    return {name: torch.stack(values) for name, values in gates.items()}


@pytest.mark.parametrize(("layer", "depth"), [("encoder", 0), ("encoder.l1", 1)])
@pytest.mark.parametrize("data", [["data=data.npz"], ["data=turned.npz", "batch_first=true"]])
def test_gates_are_those_of_handwritten_torch(model, subjects, layer, depth, data):
    assert explain(["weights=model.pt", f"layer={layer}", *data]) == 0
    trained, untrained = subjects
    inputs, lengths = trained.batch
    expected = handwritten_gates(model.state_dict(), inputs.astype(np.float32), depth)
    from gatelab import probes

    found = probes.gate_traces(trained.model, trained.batch, **explained_page._at(trained))
    for name, values in expected.items():
        for sequence, length in enumerate(lengths):
            theirs = values[:length, sequence].detach().numpy()
            np.testing.assert_allclose(found.values[name][:length, sequence], theirs, rtol=1e-5, atol=1e-6)
    assert (trained.name, untrained.name) == ("trained", "untrained")
    assert not torch.equal(trained.rnn.layers[0].f_bias, untrained.rnn.layers[0].f_bias)


@pytest.mark.slow
def test_a_page_shows_all_that_needs_no_task(model, capsys):
    assert explain(["weights=encoder.pt", "data=data.npz", "layer=l1", "gate=i", "out=own.html"]) == 0
    page = Path("own.html").read_text()
    wanted = [name for name in GUIDES if name != "interventions"]
    assert re.findall(r'<section id="(\w+)">', page) == ["equations", *wanted, "absent"]
    assert "<li>Interventions: not defined without a task, which says what a score is</li>" in page
    assert "torch.nn.LSTM of encoder.pt" in page
    assert "What moves gate i" in page
    assert "layer 1" in page


@pytest.mark.slow
def test_a_direction_is_chosen(model):
    inputs = np.zeros((STEPS, BATCH, HIDDEN))
    np.savez("wide.npz", inputs=inputs)
    assert explain(["weights=model.pt", "data=wide.npz", "layer=decoder", "direction=backward"]) == 0
    page = Path("explained.html").read_text()
    assert "layer 0, backward" in page
    assert "Credit: not defined for a bidirectional model" in page


def saved(name, **arrays):
    np.savez(name, **arrays)
    return f"data={name}"


ENOUGH = np.zeros((STEPS, BATCH, INPUT))
REFUSED: dict[str, Callable[[], list[str | None]]] = {
    "several recurrent networks: encoder, decoder; choose one by layer=": lambda: ["weights=model.pt"],
    r"layer=encodr: no layer of model.pt \(did you mean 'encoder'\?\); there are encoder, encoder.l1, decoder": (
        lambda: ["weights=model.pt", "layer=encodr"]
    ),
    "weights= needs data= too": lambda: ["weights=encoder.pt", None],
    "direction=backward: must be one of forward": lambda: ["weights=encoder.pt", "direction=backward"],
    r"gate=g: must be one of i, f, o": lambda: ["weights=encoder.pt", "gate=g"],
    "nothing.pt: cannot be read: No such file": lambda: ["weights=nothing.pt"],
    "nothing.npz: cannot be read: No such file": lambda: ["weights=encoder.pt", "data=nothing.npz"],
    "unknown key 'seed'": lambda: ["weights=encoder.pt", "seed=3"],
    r"encoder.pt: must be an archive of NumPy arrays": lambda: ["weights=encoder.pt", "data=model.csv"],
    r"inputs of float64, shape \(7, 4, 9\): must be numbers \(time, batch, features\), with 3 features": (
        lambda: ["weights=encoder.pt", saved("wide.npz", inputs=np.zeros((7, 4, 9)))]
    ),
    r"inputs of float64, shape \(7, 3\): must be": (
        lambda: ["weights=encoder.pt", saved("flat.npz", inputs=np.zeros((7, 3)))]
    ),
    r"inputs of <U1, shape": lambda: ["weights=encoder.pt", saved("text.npz", inputs=np.full((7, 4, 3), "a"))],
    "must have an array 'inputs', or one array beside 'lengths'; has a, b": (
        lambda: ["weights=encoder.pt", saved("two.npz", a=ENOUGH, b=ENOUGH)]
    ),
    "must have an array 'inputs', or one array beside 'lengths'; has none": (
        lambda: ["weights=encoder.pt", saved("none.npz", lengths=np.ones(4))]
    ),
    "lengths must be 4 whole numbers from 1 to 7": (
        lambda: ["weights=encoder.pt", saved("long.npz", inputs=ENOUGH, lengths=np.full(4, 8))]
    ),
    "inputs are not finite": lambda: ["weights=encoder.pt", saved("nan.npz", inputs=ENOUGH * np.nan)],
    "holds Python objects, which are not read": (
        lambda: ["weights=encoder.pt", saved("objects.npz", inputs=np.array([{}], dtype=object))]
    ),
}


@pytest.mark.parametrize("message", REFUSED)
def test_refused_in_one_line(model, message):
    Path("model.csv").write_text("1,2\n")
    given = REFUSED[message]()
    if not any(word is None or word.startswith("data=") for word in given):
        given.append("data=data.npz")
    message = message.replace("encoder.pt: must be an archive", "model.csv: must be an archive")
    with pytest.raises(UserError, match=message) as refused:
        explain([word for word in given if word])
    assert "\n" not in str(refused.value)
    assert not Path("explained.html").exists()


@pytest.mark.slow
def test_the_command_ends_with_status_2_and_one_line(model, tmp_path):
    torch.save(nn.Linear(3, 4).state_dict(), "linear.pt")
    command = [sys.executable, str(ROOT / "scripts" / "explain.py"), "weights=linear.pt", "data=data.npz"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == "linear.pt: no recurrent layer in it\n"
