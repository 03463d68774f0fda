"""The eight diagnostics on cases whose answers are known."""

import math

import numpy as np
import pytest
import torch

import gatelab
from gatelab import UserError, probes
from gatelab.tasks import TASKS, Batch
from tests.layers.test_gates import batch_of
from tests.probes.looking import HIDDEN, TIME, data, model


def lstm(**biases):
    """Return an LSTM whose weights are zero, but for the biases given."""
    rnn = gatelab.RNN("lstm", 3, HIDDEN, dtype=torch.float64)
    with torch.no_grad():
        for parameter in rnn.parameters():
            parameter.zero_()
        for name, value in biases.items():
            rnn.layers[0].get_parameter(f"{name}_bias").copy_(torch.as_tensor(value, dtype=torch.float64))
    return rnn


def logit(share):
    return math.log(share / (1 - share))


X = torch.randn(TIME, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def test_traces_are_the_gates_and_units_stand_in_the_order_in_which_they_forget():
    rnn = lstm(f=[logit(0.5), logit(0.99), logit(0.1), logit(0.9)])
    found = probes.gate_traces(rnn, X)
    assert found.ordered_by == "f"
    assert found.order.tolist() == [1, 3, 0, 2]
    np.testing.assert_allclose(found.values["f"][2, 1], [0.5, 0.99, 0.1, 0.9], rtol=1e-12)
    assert all(np.array_equal(found.values[name], value.detach()) for name, value in rnn.gates(X).items())


def test_saturation_of_gates_that_are_open_shut_and_between():
    found = probes.saturation(lstm(f=[10.0, -10.0, 0.0, 10.0]), X)
    assert found.shut["f"].tolist() == [0, 1, 0, 0]
    assert found.open["f"].tolist() == [1, 0, 0, 1]
    assert found.counts["f"].tolist() == [12, *[0] * 9, 12, *[0] * 8, 24]
    np.testing.assert_allclose(found.spread["f"], 0, atol=1e-12)


def test_a_gate_of_nine_tenths_remembers_for_9_49_steps():
    found = probes.time_scales(lstm(f=[logit(0.9)] * 3 + [logit(0.99)]), X, lag=50)
    np.testing.assert_allclose(found.tau, [9.4912, 9.4912, 9.4912, 99.4992], atol=1e-4)
    np.testing.assert_allclose(found.half_life[:3], 6.5788, atol=1e-4)
    np.testing.assert_allclose(found.horizon, [10, 10, 10, 100], rtol=1e-9)
    np.testing.assert_allclose(found.bias_only, found.tau, rtol=1e-9)
    assert (found.gate, found.long_enough) == ("f", 0.25)


def test_time_scales_are_means_of_logarithms():
    rnn = lstm()
    with torch.no_grad():
        rnn.layers[0].get_parameter("f_weight_x")[:, 0] = 1.0
    x = torch.zeros(2, 1, 3, dtype=torch.float64)
    x[:, 0, 0] = torch.tensor([2.0, -1.0])
    expected = 2 / (math.log1p(math.exp(-2)) + math.log1p(math.exp(1)))
    found = probes.time_scales(rnn, x)
    np.testing.assert_allclose(found.tau, expected, rtol=1e-12)
    np.testing.assert_allclose(found.bias_only, 1 / math.log(2), rtol=1e-12)


def test_what_only_writes_keeps_the_rest():
    """gru_3 keeps 1 - z and says z alone; the cell of lstm_1997 keeps all."""
    rnn = gatelab.RNN("gru_3", 3, HIDDEN, dtype=torch.float64)
    with torch.no_grad():
        rnn.layers[0].get_parameter("z_bias").fill_(logit(0.1))
    found = probes.time_scales(rnn, X)
    assert found.gate == ""
    np.testing.assert_allclose(found.tau, 9.4912, atol=1e-4)
    assert np.isinf(probes.time_scales(model("lstm_1997"), X).tau).all()


DECAY = [0.9, 0.5, -0.8, 0.99]


def linear():
    """Return h = vector * h + W x with known eigenvalues."""
    rnn = gatelab.RNN(gatelab.variant("elman").edit(h="diag(h) + project(x)"), 3, HIDDEN, dtype=torch.float64)
    with torch.no_grad():
        rnn.layers[0].get_parameter("h_diagonal_h").copy_(torch.tensor(DECAY, dtype=torch.float64))
    return rnn


def test_memory_of_a_linear_map_is_that_of_its_eigenvalues():
    rnn = linear()
    found = probes.effective_memory(rnn, X)
    weight = rnn.layers[0].get_parameter("h_weight_x").detach().numpy()
    expected = [np.linalg.norm(np.array(DECAY)[:, None] ** lag * weight) for lag in range(TIME)]
    np.testing.assert_allclose(found.measured, expected, rtol=1e-10)
    np.testing.assert_allclose(found.kept, expected, rtol=1e-10)
    np.testing.assert_allclose(found.recurrent, 0, atol=1e-12)
    assert np.isnan(found.nominal).all()  # no role says what retains


def test_memory_beside_the_product_of_forget_gates():
    rnn = lstm(f=[logit(0.9)] * HIDDEN)
    with torch.no_grad():
        for gate in "iz":
            rnn.layers[0].get_parameter(f"{gate}_weight_x").normal_()
    found = probes.effective_memory(rnn, X)
    np.testing.assert_allclose(found.nominal, 0.9 ** np.arange(TIME), rtol=1e-10)
    np.testing.assert_allclose(found.recurrent, 0, atol=1e-12)  # nothing reads h


def test_memory_is_the_gradient_of_autograd():
    rnn = model("peephole", path="loop")
    leaf = X.clone().requires_grad_()
    output = rnn(leaf)[0][-1]
    rows = [torch.autograd.grad(output[:, unit].sum(), leaf, retain_graph=True)[0] for unit in range(HIDDEN)]
    norms = torch.stack(rows).square().sum((0, -1)).mean(-1).sqrt().flip(0)
    np.testing.assert_allclose(probes.effective_memory(rnn, X).measured, norms, rtol=1e-9)


@pytest.mark.parametrize("variant", ["lstm", "gru", "peephole", "min_lstm", "rhn_depth_3", "on_lstm", "su_rnn"])
def test_the_cell_is_the_weighted_sum_of_what_was_written(variant):
    found = probes.retention_matrix(model(variant), X)
    assert found.error < 1e-6
    assert not np.triu(found.mean, 1).any()


def test_weights_of_an_lstm_by_hand():
    rnn = model("lstm")
    gates = {name: value.detach().numpy()[:, 1] for name, value in rnn.gates(X).items()}
    found = probes.retention_matrix(rnn, X, sequence=1, units=[2])
    assert found.state == "c"
    expected = gates["i"][1, 2] * gates["f"][2, 2] * gates["f"][3, 2]
    np.testing.assert_allclose(found.weights[3, 1, 0], expected, rtol=1e-9)
    assert (np.abs(found.content) <= 1).all()  # the candidates


def test_a_map_of_rank_2_toggles_in_2_directions():
    rnn = lstm()
    left = torch.linalg.qr(torch.randn(HIDDEN, 2, dtype=torch.float64))[0]
    right = torch.linalg.qr(torch.randn(3 + HIDDEN, 2, dtype=torch.float64))[0]
    whole = 3 * left @ right.T
    with torch.no_grad():
        rnn.layers[0].get_parameter("f_weight_x").copy_(whole[:, :3])
        rnn.layers[0].get_parameter("f_weight_h").copy_(whole[:, 3:])
    found = probes.toggle_space(rnn, X)
    assert (found.gate, found.rank, found.sources) == ("f", 2, (("x", 3), ("h", HIDDEN)))
    assert found.effective_rank == pytest.approx(2, abs=1e-6)
    np.testing.assert_allclose(found.singular_values[:2], 3, rtol=1e-9)
    assert found.blind.shape == (3 + HIDDEN, 3 + HIDDEN - 2)
    np.testing.assert_allclose(whole.numpy() @ found.blind, 0, atol=1e-12)
    assert found.visited_dimension <= 2 + 1e-9


def test_a_gate_may_be_scaled_by_a_number():
    found = probes.toggle_space(model("lem"), X)
    assert (found.gate, found.sources) == ("a", (("x", 3), ("h", HIDDEN)))


def test_a_map_as_drawn_passes_on_43_directions():
    """64 units that read 16 inputs and themselves: drawn uniformly, as torch draws weights."""
    found = probes.toggle_space(gatelab.RNN("lstm", 16, 64), torch.randn(3, 2, 16))
    assert found.rank == 64
    assert found.effective_rank == pytest.approx(43, abs=1)


def test_the_parts_of_a_pre_activation_share_its_variance():
    rnn = model("peephole")
    found = probes.toggle_space(rnn, X, gate="o")
    assert set(found.shares) == {"x", "h", "c", "bias"}
    assert sum(found.shares.values()) == pytest.approx(1, abs=1e-9)
    groups = found.groups(2)
    assert sorted(unit for units in groups.values() for unit in units) == list(range(HIDDEN))
    bias_alone = probes.toggle_space(lstm(f=[1.0, -1.0, 2.0, 0.0]), X)
    assert bias_alone.shares["bias"] == pytest.approx(1)
    assert (bias_alone.rank, bias_alone.effective_rank, bias_alone.visited_dimension) == (0, 0.0, 0.0)


def test_eigenvalues_and_exponents_of_a_linear_map():
    x = torch.randn(400, 2, 3, dtype=torch.float64)
    found = probes.dynamics(linear(), x, samples=5)
    np.testing.assert_allclose(found.eigenvalues, np.tile([0.99, 0.9, -0.8, 0.5], (5, 1)), rtol=1e-9)
    assert found.slow.tolist() == [1] * 5
    np.testing.assert_allclose(found.exponents, np.tile(np.log([0.99, 0.9, 0.8, 0.5]), (2, 1)), atol=1e-6)


def test_eigenvalues_are_those_of_autograd():
    rnn = model("gru", path="loop")
    found = probes.dynamics(rnn, X, samples=1)
    step, sequence = found.steps[0]
    before = rnn(X)[0][step - 1, sequence] if step else torch.zeros(HIDDEN, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(
        lambda h: rnn(X[step : step + 1, sequence : sequence + 1], h.view(1, 1, -1))[0].flatten(), before.detach()
    )
    expected = torch.linalg.eigvals(jacobian).abs().sort(descending=True)[0]
    np.testing.assert_allclose(np.abs(found.eigenvalues[0]), expected, rtol=1e-9, atol=1e-12)


def copier():
    """Return a network that writes its first number, marked by the second, holds it, and puts it out at the end."""
    network = gatelab.Network(gatelab.variant("lstm"), 2, 1, 1).double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        layer = network.rnn.layers[0]
        for name, value in {"f_bias": 20.0, "i_bias": -20.0, "o_bias": 20.0}.items():
            layer.get_parameter(name).fill_(value)
        layer.get_parameter("i_weight_x")[0, 1] = 40.0
        layer.get_parameter("z_weight_x")[0, 0] = 0.01
        network.readout.weight.fill_(100.0)
    return network


def copied(steps=8, count=40):
    random = np.random.default_rng(0)
    inputs = random.uniform(-1, 1, (steps, count, 2)).astype(np.float32)
    inputs[:, :, 1] = np.arange(steps)[:, None] == 0
    ones = np.ones(count, np.float32)
    return Batch(inputs, np.full(count, steps), inputs[0, :, :1], ones, ones)


def test_a_gate_that_forgets_destroys_a_copy():
    task, batch = TASKS["adding"](), copied()
    found = probes.interventions(copier(), batch, task)
    changes = dict(zip(found.kinds, found.change[:, 0], strict=True))
    assert (found.gate, found.score_name) == ("f", "mean squared error")
    assert found.untouched.mean() < 1e-6
    assert changes["zero"] == pytest.approx((batch.targets**2).mean(), rel=1e-3)
    low, high = found.interval[found.kinds.index("zero"), 0]
    assert 0 < low < changes["zero"] < high
    # it is constant on data: its mean, and its values in another order, are itself
    for kind in ("mean", "shuffled in time", "shuffled over sequences"):
        assert abs(changes[kind]) < 1e-9


def test_the_writing_gate_of_a_copy_must_know_when():
    found = probes.interventions(copier(), copied(), TASKS["adding"](), gate="i")
    changes = dict(zip(found.kinds, found.change[:, 0], strict=True))
    assert changes["zero"] > 0.2
    assert changes["shuffled in time"] > 0.2
    assert abs(changes["shuffled over sequences"]) < 1e-9  # all sequences are marked alike


def test_units_are_touched_by_themselves():
    network = gatelab.Network(gatelab.variant("gru"), 2, 1, HIDDEN, 2, bidirectional=True).double()
    groups = {"one": [1], "none of the rest": [0, 2, 3]}
    found = probes.interventions(network, copied(), TASKS["adding"](), groups=groups, layer=1, direction=1)
    assert found.scores.shape == (5, 2, 40)
    assert list(found.groups) == list(groups)
    assert (found.change != 0).all()
    assert not network.rnn.layers[3]._forward_hooks


def test_padding_does_not_count():
    rnn = model("lstm")
    x = X.numpy().copy()
    padded = batch_of(np.concatenate([x, np.full((3, 2, 3), np.nan)]), [TIME, 4])
    alone = X[:4, 1:]
    traces = probes.gate_traces(rnn, padded)
    assert not traces.values["f"][4:, 1].any()
    matrix = probes.retention_matrix(rnn, padded, sequence=1)
    np.testing.assert_allclose(matrix.weights, probes.retention_matrix(rnn, alone).weights, rtol=1e-9)
    first = batch_of(padded.inputs[:, 1:], [4])
    for name, attribute in (("time_scales", "tau"), ("effective_memory", "measured"), ("dynamics", "exponents")):
        diagnostic = getattr(probes, name)
        found, expected = (getattr(diagnostic(rnn, shown), attribute) for shown in (first, alone))
        np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.parametrize("path", ["loop", "native", "scan"])
def test_numbers_are_those_of_the_loop(path):
    law, rnn = model("qrnn_fo", path="loop"), model("qrnn_fo", path=path)
    rnn.load_state_dict(law.state_dict())
    for name, attribute in (
        ("time_scales", "tau"), ("effective_memory", "measured"), ("retention_matrix", "weights"),
        ("dynamics", "exponents"), ("toggle_space", "image"), ("credit", "inputs"),
    ):  # fmt: skip
        diagnostic = getattr(probes, name)
        found, expected = getattr(diagnostic(rnn, X), attribute), getattr(diagnostic(law, X), attribute)
        np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-10)


def test_the_second_direction_reads_from_the_end():
    rnn = model("lstm", bidirectional=True)
    alone = gatelab.RNN("lstm", 3, HIDDEN, dtype=torch.float64)
    alone.layers[0].load_state_dict(rnn.layers[1].state_dict())
    found = probes.retention_matrix(rnn, X, direction=1)
    np.testing.assert_allclose(found.weights, probes.retention_matrix(alone, X.flip(0)).weights, rtol=1e-9)


def test_a_twin_is_drawn_anew_and_leaves_the_model_alone():
    rnn = gatelab.RNN("lstm", 3, HIDDEN, opening="one")
    before = {name: value.clone() for name, value in rnn.state_dict().items()}
    twin, again = probes.untrained_twin(rnn), probes.untrained_twin(rnn)
    assert twin.layers[0].get_parameter("f_bias").tolist() == [1.0] * HIDDEN
    for name, value in rnn.state_dict().items():
        assert torch.equal(value, before[name])
        assert torch.equal(twin.state_dict()[name], again.state_dict()[name])
    assert not torch.equal(twin.layers[0].get_parameter("i_weight_h"), before["layers.0.i_weight_h"])


@pytest.mark.parametrize(
    ("name", "variant", "line"),
    [
        ("gate_traces", "elman", "gate traces: not defined for variant 'elman', which has no gates"),
        ("time_scales", "cornn", r"time scales: not defined for variant 'cornn', which declares no gate that retains "
                                 r"or writes \(roles: none\)"),
        ("retention_matrix", "star", "whose state h goes through a function at each step"),
        ("retention_matrix", "hgrn", "whose state re keeps of im as well"),
        ("retention_matrix", "mlstm", "variant 'mlstm' is foreign and has no equations to find what is retained in"),
        ("toggle_space", "layer_norm_lstm", "toggle space: not defined for variant 'layer_norm_lstm'"),
        ("dynamics", "mlstm", "variant 'mlstm' is foreign and has no equations to linearise"),
    ],
)  # fmt: skip
def test_what_is_not_defined_says_why(name, variant, line):
    rnn = model(variant)
    with pytest.raises(UserError, match=line):
        getattr(probes, name)(rnn, data(rnn))


@pytest.mark.parametrize(
    "name", [name for name in probes.__all__ if name not in ("GateCallback", "step_jacobian", "untrained_twin")]
)
def test_numbers_that_are_none_and_nothing_at_all_are_refused(name):
    """An eigenvalue of what is no number ends the process in some libraries."""
    rest = (TASKS["adding"](),) if name == "interventions" else ()
    diagnostic = getattr(probes, name)
    network = gatelab.Network(gatelab.variant("gru"), 3, 1, HIDDEN)
    ones = np.ones(2, np.float32)
    broken, empty = (
        Batch(np.full((TIME, 2, 3), value, np.float32), np.full(2, length), np.ones((2, 1), np.float32), ones, ones)
        for value, length in ((math.nan, TIME), (1.0, 0))
    )
    with pytest.raises(UserError, match="inputs are not finite: a diagnostic needs a network and data that are"):
        diagnostic(network, broken, *rest)
    with pytest.raises(UserError, match="lengths of the batch are all 0"):
        diagnostic(network, empty, *rest)
    fine = broken._replace(inputs=np.ones((TIME, 2, 3), np.float32))
    network.rnn.layers[0].get_parameter("n_bias").data.fill_(math.nan)
    with pytest.raises(UserError, match=r"(states|gates) are not finite"):
        diagnostic(network, fine, *rest)


def test_what_cannot_be_is_refused():
    rnn, task = model("cifg"), TASKS["adding"]()
    with pytest.raises(UserError, match="toggle space: not defined for gate 'i' of variant 'cifg', i = 1 - f"):
        probes.toggle_space(rnn, X, gate="i")
    with pytest.raises(UserError, match=r"gate=g: is no equation of variant 'cifg'; gates: f, i, o"):
        probes.toggle_space(rnn, X, gate="g")
    with pytest.raises(UserError, match="layer=1: must be from 0 to 0"):
        probes.dynamics(rnn, X, layer=1)
    with pytest.raises(UserError, match="samples=0: must be at least 1"):
        probes.dynamics(rnn, X, samples=0)
    with pytest.raises(UserError, match="network is a RNN: must be a gatelab"):
        probes.interventions(rnn, copied(), task)
    with pytest.raises(UserError, match=r"group 'far' of units \[7\]: must be some of 0 to 0"):
        probes.interventions(copier(), copied(), task, groups={"far": [7]})
    with pytest.raises(UserError, match=r"units=\[9\]: must be from 0 to 3, at least one"):
        probes.retention_matrix(rnn, X, units=[9])
