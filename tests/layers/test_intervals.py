"""dt and mask beside x: on every path, in stacks of layers, both directions, training and files."""

import numpy as np
import pytest
import torch

import gatelab
from gatelab import UserError
from gatelab.language import Variant, bounds, gates, load_variant
from gatelab.probes import credit, dynamics, step_jacobian
from tests.language.transcriptions.intervals import TRANSCRIPTIONS
from tests.paths.both_paths import assert_same, paths_of, results

TIME, BATCH, INPUT, HIDDEN = 9, 3, 4, 5


def own(state=("h",), **equations):
    return Variant.from_mapping({"name": "own", "state": list(state), "equations": equations})


DECAY = own(f="exp(-dt*softplus(vector(1)))", h="f*h + (1 - f)*tanh(linear(x, h))")
LINEAR = own(h="exp(-dt*softplus(vector(1)))*h + linear(x)")


def given(name="dt"):
    """Intervals from 0 to 3, and a mask of zeros and ones."""
    random = torch.Generator().manual_seed(2)
    dt = 3 * torch.rand(TIME, BATCH, generator=random, dtype=torch.float64)
    mask = (torch.rand(TIME, BATCH, INPUT, generator=random) < 0.6).double()
    return {"dt": dt, "mask": mask} if "mask" in name else {"dt": dt}


def inputs():
    return torch.randn(TIME, BATCH, INPUT, dtype=torch.float64)


@pytest.mark.parametrize("path", ["loop", "native"])
@pytest.mark.parametrize("name", TRANSCRIPTIONS)
def test_the_equations_compute_what_the_paper_says_with_intervals(name, path):
    torch.manual_seed(5)
    rnn = gatelab.RNN(name, INPUT, HIDDEN, dtype=torch.float64, path=path)
    for parameter in rnn.parameters():
        parameter.data.add_(0.3 * torch.randn_like(parameter))
    x, beside = inputs(), given("mask" if "mask" in rnn.variant.beside else "dt")
    with torch.no_grad():
        found = rnn(x, **beside)[0].numpy()
    weights = {key.removeprefix("layers.0."): value.detach().numpy() for key, value in rnn.named_parameters()}
    expected = TRANSCRIPTIONS[name](weights, x.numpy(), HIDDEN, **{key: value.numpy() for key, value in beside.items()})
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-12)
    with torch.no_grad():
        assert not np.allclose(found, rnn(x)[0].numpy())


@pytest.mark.parametrize(
    "variant",
    [
        DECAY,
        LINEAR,
        own(("h", "t"), t="t + dt", h="tanh(linear(x, h)*dt + 0.1*t)"),
        own(e="exp(-dt)", h="e*h + tanh(linear(x, e))*diag(dt)"),
        own(h="dt*scalar(0.5)"),
        own(h="mask*h + linear(x)"),
        load_variant("gru_d"),
        load_variant("ct_lstm"),
    ],
    ids=["decay", "linear", "clock", "alone", "number", "equal", "gru_d", "ct_lstm"],
)
def test_paths_agree(variant):
    sizes = {"inputs": 5} if variant.needs_equal_sizes else {}
    record = tuple(variant.equations)
    for more in ({}, {"runs": 2}, {"lengths": torch.tensor([4, 2, 0])}):
        law = results("loop", variant, record=record, **sizes, **more)
        for path in paths_of(variant):
            assert_same(results(path, variant, record=record, **sizes, **more), law, torch.float64)


def test_one_is_meant_where_nothing_is_given():
    rnn = gatelab.RNN("gru_d", INPUT, HIDDEN, 2, bidirectional=True, dtype=torch.float64)
    x = inputs()
    ones = {"dt": torch.ones(TIME, BATCH), "mask": torch.ones(TIME, BATCH, INPUT)}
    assert torch.equal(rnn(x)[0], rnn(x, **ones)[0])
    assert torch.equal(rnn(x, dt=ones["dt"])[0], rnn(x)[0])


def test_a_clock_that_counts_intervals_is_the_one_that_counts_steps():
    counted, timed = (
        gatelab.RNN(name, INPUT, HIDDEN, dtype=torch.float64) for name in ("phased_lstm", "phased_lstm_dt")
    )
    timed.load_state_dict(counted.state_dict())
    x = inputs()
    assert torch.equal(counted(x)[0], timed(x)[0])


def test_forms_of_a_call():
    first = gatelab.RNN(DECAY, INPUT, HIDDEN, dtype=torch.float64, batch_first=True)
    last = gatelab.RNN(DECAY, INPUT, HIDDEN, dtype=torch.float64)
    last.load_state_dict(first.state_dict())
    x, dt = inputs(), given()["dt"]
    expected = last(x, dt=dt)[0]
    torch.testing.assert_close(first(x.transpose(0, 1), dt=dt.T)[0].transpose(0, 1), expected)
    torch.testing.assert_close(last(x[:, 1], dt=dt[:, 1])[0], expected[:, 1])
    torch.testing.assert_close(last(x, dt=dt.numpy())[0], expected)
    columns = torch.cat([x, dt[..., None]], -1)
    torch.testing.assert_close(last.run(columns)[0], expected)
    assert last.gates(x, dt=dt)["f"].shape == (TIME, BATCH, HIDDEN)


def test_the_other_direction_counts_intervals_from_the_end():
    """Read from its end a sequence is one whose times are mirrored: its intervals are those between them."""
    both = gatelab.RNN(DECAY, INPUT, HIDDEN, bidirectional=True, dtype=torch.float64)
    alone = gatelab.RNN(DECAY, INPUT, HIDDEN, dtype=torch.float64)
    alone.layers[0].load_state_dict(both.layers[1].state_dict())
    x, times = inputs(), given()["dt"].cumsum(0)
    for length in (TIME, 5):
        dt = torch.diff(times, dim=0, prepend=times[:1])
        mirrored = torch.diff(-times[:length].flip(0), dim=0, prepend=-times[length - 1 : length])
        expected = alone(x[:length].flip(0), dt=mirrored)[0].flip(0)
        found = both(x, dt=dt, lengths=[length] * BATCH)[0][:length, :, HIDDEN:]
        torch.testing.assert_close(found, expected)


def test_every_layer_sees_the_intervals():
    rnn = gatelab.RNN(DECAY, INPUT, HIDDEN, 2, dtype=torch.float64)
    x, dt = inputs(), given()["dt"]
    below, above = (gatelab.RNN(DECAY, size, HIDDEN, dtype=torch.float64) for size in (INPUT, HIDDEN))
    for one, layer in zip((below, above), rnn.layers, strict=True):
        one.layers[0].load_state_dict(layer.state_dict())
    torch.testing.assert_close(rnn(x, dt=dt)[0], above(below(x, dt=dt)[0], dt=dt)[0])


@pytest.mark.parametrize(
    ("variant", "beside", "line"),
    [
        (
            "lstm",
            {"dt": torch.ones(TIME, BATCH)},
            "dt= is given, but variant 'lstm' does not read dt: no equation does",
        ),
        ("cfc_dt", {"mask": torch.ones(TIME, BATCH, INPUT)}, "variant 'cfc_dt' does not read mask: it reads dt"),
        ("cfc_dt", {"dt": torch.ones(BATCH, TIME)}, r"dt of shape \(3, 9\): must be \(time, batch\)"),
        ("cfc_dt", {"dt": -torch.ones(TIME, BATCH)}, "dt has an interval of -1: must be 0 or more"),
        ("gru_d", {"mask": torch.ones(TIME, BATCH)}, r"mask of shape \(9, 3\): must be \(time, batch, input\)"),
    ],
)
def test_what_does_not_fit_is_one_line(variant, beside, line):
    with pytest.raises(UserError, match=line):
        gatelab.RNN(variant, INPUT, HIDDEN, dtype=torch.float64)(inputs(), **beside)


def test_the_language_knows_the_names():
    assert gates(DECAY) == ("f",)
    assert bounds(DECAY)["f"] == (0.0, 1.0)
    assert DECAY.beside == ("dt",)
    assert load_variant("gru_d").beside == ("mask", "dt")
    assert own(dt="sigmoid(linear(x))", h="dt*h + x").beside == ()  # an equation of that name
    with pytest.raises(UserError, match="has a matrix that meets dt, which is one number"):
        own(h="tanh(linear(x, dt))")
    with pytest.raises(UserError, match="did you mean 'dt'"):
        own(h="dtt*h")
    assert "dt" not in {source for _, source in step_jacobian(DECAY).entries}


def test_diagnostics_see_what_the_network_saw():
    rnn = gatelab.RNN(DECAY, INPUT, HIDDEN, 2, dtype=torch.float64)
    columns = torch.cat([inputs(), given()["dt"][..., None]], -1)
    leaf = columns.clone().requires_grad_()
    rnn.run(leaf)[0][-1].sum().backward()
    assert leaf.grad is not None
    found = credit(rnn, columns, layer=0)
    np.testing.assert_allclose(found.inputs.sum(0), leaf.grad[..., :INPUT].flip(0), rtol=1e-6, atol=1e-10)
    assert not leaf.grad[..., INPUT:].any()
    assert not np.array_equal(dynamics(rnn, columns).exponents, dynamics(rnn, columns[..., :INPUT]).exponents)


def test_a_network_and_its_file_take_the_columns(tmp_path):
    network = gatelab.Network(DECAY, INPUT, 2, hidden_size=HIDDEN, embedding=3, direct=True)
    network.reset_parameters(torch.Generator().manual_seed(1))
    columns = torch.cat([inputs(), given()["dt"][..., None]], -1).float()
    found = network(columns)
    assert not torch.equal(found, network(columns[..., :INPUT]))
    network.save(tmp_path / "gate.safetensors")
    torch.testing.assert_close(gatelab.load(tmp_path / "gate.safetensors")(columns), found)
    with pytest.raises(UserError, match="reads mask, which is of the inputs themselves"):
        gatelab.Network(load_variant("gru_d"), INPUT, 2, hidden_size=HIDDEN, embedding=3)
