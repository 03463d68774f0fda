"""What gatelab.from_onnx reads, beside equations written by hand and beside ONNX Runtime."""

import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

import gatelab
from gatelab import probes
from gatelab.errors import UserError
from gatelab.exchange import found_in
from tests.exchange.onnx_files import PARAMETERS, case, engine, imported, model, ours, random_case, with_states

ATOL = 1e-5


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "model.onnx"


def logistic(v):
    return 1 / (1 + np.exp(-v))


def by_hand(one, gate=logistic, candidate=np.tanh, shown=np.tanh):
    """Return Y and final states of one direction, in double precision, step after step, from ONNX's text."""
    settings, tensors = one.attributes, {key: array.astype(np.float64) for key, array in one.tensors.items()}
    hidden = settings["hidden_size"]
    W, R = tensors["W"][0], tensors["R"][0]
    Wb, Rb = np.split(tensors["B"][0], 2) if "B" in tensors else (np.zeros(len(W)), np.zeros(len(W)))
    pi, po, pf = np.split(tensors["P"][0], 3) if "P" in tensors else np.zeros((3, hidden))
    limit = settings.get("clip", np.inf)
    steps, batch = one.x.shape[:2]
    lengths = tensors.get("sequence_lens", np.full(batch, steps)).astype(int)
    y, last = np.zeros((steps, batch, hidden)), np.zeros((2, batch, hidden))

    def rows(v, k):
        return v[k * hidden : (k + 1) * hidden]

    def k(v):
        return np.clip(v, -limit, limit)

    for n in range(batch):
        h = tensors["initial_h"][0, n] if "initial_h" in tensors else np.zeros(hidden)
        c = tensors["initial_c"][0, n] if "initial_c" in tensors else np.zeros(hidden)
        order = range(lengths[n])
        for t in reversed(order) if settings.get("direction") == "reverse" else order:
            a, b = W @ one.x[t, n] + Wb, R @ h + Rb
            if one.operator == "RNN":
                h = candidate(k(a + b))
            elif one.operator == "GRU":
                z, r = gate(k(rows(a + b, 0))), gate(k(rows(a + b, 1)))
                after = r * rows(b, 2)
                before = rows(R, 2) @ (r * h) + rows(Rb, 2)
                new = candidate(k(rows(a, 2) + (after if settings.get("linear_before_reset") else before)))
                h = (1 - z) * new + z * h
            else:
                i = gate(k(rows(a + b, 0) + pi * c))
                f = 1 - i if settings.get("input_forget") else gate(k(rows(a + b, 2) + pf * c))
                c = f * c + i * candidate(k(rows(a + b, 3)))
                h = gate(k(rows(a + b, 1) + po * c)) * shown(c)
            y[t, n] = h
        last[:, n] = (h, c) if lengths[n] else 0
    return [y, *last[: 2 if one.operator == "LSTM" else 1, None]]


def agree(one, path, reference=None, **options):
    """Compare what is read with ONNX Runtime and, where given, with equations by hand; return the nodes."""
    nodes = imported(one, path, **options)
    found = ours(one, nodes)
    for wanted in (engine(one), *([] if reference is None else [reference])):
        for mine, theirs in zip(found, wanted, strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=0, atol=ATOL)
    return nodes


CASES = {
    "lstm": ("LSTM", {}), "lstm reverse": ("LSTM", {"direction": "reverse"}), "lstm clip": ("LSTM", {"clip": 0.3}),
    "coupled": ("LSTM", {"input_forget": 1}), "coupled clip": ("LSTM", {"input_forget": 1, "clip": 0.25}),
    "gru": ("GRU", {}), "gru after": ("GRU", {"linear_before_reset": 1}), "gru clip": ("GRU", {"clip": 0.2}),
    "gru reverse": ("GRU", {"direction": "reverse", "linear_before_reset": 1, "clip": 0.4}),
    "rnn": ("RNN", {}), "rnn clip": ("RNN", {"clip": 0.2, "direction": "reverse"}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("full", [False, True], ids=["plain", "with states, lengths and peepholes"])
def test_a_node_computes_what_the_text_of_onnx_says(name, full, file):
    operator, attributes = CASES[name]
    rng = np.random.default_rng(1)
    one = case(operator, rng, **attributes)
    if full:
        with_states(one, rng).tensors["sequence_lens"] = np.array([6, 0, 4], np.int32)
        if operator == "LSTM":
            one.tensors["P"] = rng.uniform(-1, 1, (1, 12)).astype(np.float32)
    agree(one, file, by_hand(one))


SHAPES: dict[str, Callable[..., Any]] = {
    "Sigmoid": logistic, "Tanh": np.tanh, "Relu": lambda v: np.maximum(v, 0), "Softsign": lambda v: v / (1 + abs(v)),
    "Softplus": lambda v: np.log1p(np.exp(v)), "LeakyRelu": lambda v, a: np.where(v < 0, a * v, v),
    "ThresholdedRelu": lambda v, a: np.where(v > a, v, 0), "Elu": lambda v, a: np.where(v < 0, a * np.expm1(v), v),
    "HardSigmoid": lambda v, a, b: np.clip(a * v + b, 0, 1), "Affine": lambda v, a, b: a * v + b,
    "ScaledTanh": lambda v, a, b: a * np.tanh(b * v),
}  # fmt: skip


@pytest.mark.parametrize("operator", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize("name", SHAPES)
def test_an_activation_with_its_parameters(name, operator, file):
    parameters = np.array([0.3, 0.6], np.float32)[: sum(PARAMETERS[name][:2])]
    lists = dict(zip(("activation_alpha", "activation_beta"), ([float(one)] for one in parameters), strict=False))
    # each operator in another place: the last of an LSTM acts on the cell
    names = {"LSTM": ["Sigmoid", "Tanh", name], "GRU": ["Sigmoid", name], "RNN": [name]}[operator]
    one = case(operator, np.random.default_rng(2), activations=names, **lists)

    def function(v):
        return SHAPES[name](v, *parameters.astype(np.float64))

    place = {"LSTM": "shown", "GRU": "candidate", "RNN": "candidate"}[operator]
    agree(one, file, by_hand(one, **{place: function}))


def test_parameters_are_taken_from_the_front_by_the_functions_that_have_them(file):
    one = case("LSTM", np.random.default_rng(3), activations=["hardsigmoid", "Tanh", "LeakyRelu"],
               activation_alpha=[0.25, 0.5], activation_beta=[0.4])  # fmt: skip
    hand = by_hand(one, gate=lambda v: SHAPES["HardSigmoid"](v, 0.25, 0.4), shown=lambda v: SHAPES["LeakyRelu"](v, 0.5))
    (node,) = agree(one, file, hand)
    assert node.rnn.variant.equations["i"] == "max(0, min(1, 0.25 * linear(x, h) + 0.4))"
    assert node.rnn.variant.equations["h"] == "o * (max(c, 0) + 0.5 * min(c, 0))"


def test_defaults_of_parameters(file):
    one = case("LSTM", np.random.default_rng(3), activations=["HardSigmoid", "Elu", "LeakyRelu"])
    hard, elu, leaky = SHAPES["HardSigmoid"], SHAPES["Elu"], SHAPES["LeakyRelu"]
    agree(one, file, by_hand(one, lambda v: hard(v, 0.2, 0.5), lambda v: elu(v, 1.0), lambda v: leaky(v, 0.01)))


@pytest.mark.parametrize("seed", range(200))
def test_random_nodes_agree_with_onnx_runtime(seed, file):
    agree(random_case(seed), file, form=("initializer", "constant", "identity")[seed % 3])


@pytest.mark.slow
@pytest.mark.parametrize("block", range(28))
def test_three_thousand_random_nodes(block, file):
    for seed in range(200 + 100 * block, 300 + 100 * block):
        agree(random_case(seed), file, form=("initializer", "constant", "identity")[seed % 3])


def test_random_nodes_reach_the_whole_space():
    drawn = [random_case(seed) for seed in range(200)]
    for key, values in {"direction": 3, "input_forget": 2, "linear_before_reset": 2, "layout": 1}.items():
        assert len({one.attributes[key] for one in drawn if key in one.attributes}) == values
    assert {name for one in drawn for name in one.attributes.get("activations", ())} == set(PARAMETERS)
    assert {key for one in drawn for key in one.tensors} == {
        "W", "R", "B", "P", "sequence_lens", "initial_h", "initial_c",
    }  # fmt: skip
    assert any(0 in one.tensors.get("sequence_lens", ()) for one in drawn)


@pytest.mark.parametrize("name", ["lstm", "peephole", "gru", "gru_v3", "elman"])
def test_a_node_of_the_catalogue_has_its_name(name, file):
    rnn = gatelab.RNN(name, 3, 4)
    gatelab.to_onnx(rnn, file)
    (node,) = gatelab.from_onnx(file).values()
    assert node.rnn.variant == rnn.variant
    for key, weight in rnn.state_dict().items():
        torch.testing.assert_close(node.rnn.state_dict()[key], weight, rtol=0, atol=0)


@pytest.mark.parametrize(("operator", "name"), [("LSTM", "lstm"), ("GRU", "gru_v3"), ("RNN", "elman")])
def test_a_node_without_b_has_no_biases(operator, name, file):
    one = case(operator, np.random.default_rng(0))
    del one.tensors["B"]
    (node,) = agree(one, file, by_hand(one))
    assert node.rnn.variant == gatelab.RNN(name, 3, 4, bias=False).variant
    assert not node.rnn.bias


def test_other_nodes_have_a_variant_of_their_own(file):
    (node,) = imported(case("LSTM", np.random.default_rng(0), input_forget=1, clip=3.0), file)
    assert node.rnn.variant.name == "onnx_lstm"
    assert dict(node.rnn.variant.equations) == {
        "i": "sigmoid(min(max(linear(x, h), -3.0), 3.0))",
        "f": "1 - i",
        "z": "tanh(min(max(linear(x, h), -3.0), 3.0))",
        "o": "sigmoid(min(max(linear(x, h), -3.0), 3.0))",
        "c": "f * c + i * z",
        "h": "o * tanh(c)",
    }
    assert node.rnn.variant.roles == {"retain": "f", "write": "i", "expose": "o"}


def test_directions_with_other_functions_are_two_networks(file):
    one = case("GRU", np.random.default_rng(0), direction="bidirectional",
               activations=["Sigmoid", "Tanh", "Sigmoid", "Relu"])  # fmt: skip
    forward, reverse = agree(one, file)
    assert (forward.name, forward.reverse, reverse.name, reverse.reverse) == (
        "cell.forward",
        False,
        "cell.reverse",
        True,
    )
    assert gatelab.from_onnx(file, "cell.reverse").rnn.variant.equations["n"].startswith("relu")
    with pytest.raises(UserError, match=r"choose cell\.forward or cell\.reverse$"):
        gatelab.from_onnx(file, "cell")
    with pytest.raises(UserError, match=r"no node 'cel' \(did you mean 'cell'\?\); there are cell$"):
        gatelab.from_onnx(file, "cel")


def test_the_batch_is_first_in_layout_1(file):
    (node,) = imported(case("GRU", np.random.default_rng(0), layout=1), file)
    assert node.rnn.batch_first


@pytest.mark.parametrize("dtype", [np.float64, np.float16])
def test_other_precisions(dtype, file):
    one = case("LSTM", np.random.default_rng(4))
    reduced = {key: array.astype(dtype) for key, array in one.tensors.items()}
    one.tensors = reduced
    (node,) = imported(one, file)
    wanted = torch.float64 if dtype == np.float64 else torch.float32
    assert {weight.dtype for weight in node.rnn.parameters()} == {wanted}
    y, *_ = by_hand(one)
    node.rnn.layers[0].path = "loop"
    with torch.no_grad():
        np.testing.assert_allclose(node.run(torch.from_numpy(one.x).to(wanted))[0], y, rtol=0, atol=1e-6)


def test_bfloat16_is_widened(file):
    one = case("RNN", np.random.default_rng(4))
    content = model(one)
    for tensor in content.graph.initializer:
        bits = numpy_helper.to_array(tensor).view(np.uint32) >> 16
        tensor.CopyFrom(
            onnx.TensorProto(name=tensor.name, dims=tensor.dims, data_type=16, int32_data=bits.ravel().tolist())
        )
    file.write_bytes(content.SerializeToString())
    weight = gatelab.from_onnx(file, "cell").rnn.layers[0].get_parameter("h_weight_x")
    cut = (one.tensors["W"].view(np.uint32) >> 16 << 16).view(np.float32)
    np.testing.assert_array_equal(weight.detach(), cut[0])


def test_hidden_size_may_be_absent(file):
    one = case("GRU", np.random.default_rng(5))
    wanted = by_hand(one)
    del one.attributes["hidden_size"]
    for mine, theirs in zip(ours(one, imported(one, file)), wanted, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=ATOL)


def test_states_and_lengths_of_the_file_are_kept(file):
    rng = np.random.default_rng(6)
    one = with_states(case("LSTM", rng, batch=2), rng)
    one.tensors["sequence_lens"] = np.array([2, 5], np.int32)
    (given,) = imported(one, file)
    assert given.runtime == {"sequence_lens": "sequence_lens", "initial_h": "initial_h", "initial_c": "initial_c"}
    assert (given.state, given.lengths) == (None, None)
    assert "initial_h is given at run time" in given.source
    one.fixed |= {"sequence_lens", "initial_h", "initial_c"}
    (kept,) = imported(one, file)
    assert (kept.runtime, kept.lengths.tolist()) == ({}, [2, 5])
    np.testing.assert_array_equal(kept.state[1], one.tensors["initial_c"])


def test_tensors_beside_the_file(file):
    one = case("LSTM", np.random.default_rng(7))
    onnx.save(model(one), file, save_as_external_data=True, location="weights.bin", size_threshold=0)
    node = gatelab.from_onnx(file, "cell")
    for mine, theirs in zip(ours(one, [node]), by_hand(one), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=ATOL)


def test_nodes_are_found_by_name_and_in_graphs_within(file):
    inner = model(case("GRU", np.random.default_rng(8))).graph
    del inner.input[:]
    outer = model(case("LSTM", np.random.default_rng(8)), name="first")
    outer.graph.initializer.append(numpy_helper.from_array(np.array(True), "yes"))
    for output in inner.output:
        output.name = f"inner_{output.name}"
    inner.node[0].output[:] = [output.name for output in inner.output]
    branch = onnx.helper.make_node("If", ["yes"], ["a", "b"], then_branch=inner, else_branch=inner)
    outer.graph.node.append(branch)
    file.write_bytes(outer.SerializeToString())
    # its weights have the names of those around it, and other values
    assert list(gatelab.from_onnx(file)) == ["first", "cell_1", "cell_2"]


@pytest.mark.parametrize(("kind", "name"), [(torch.nn.LSTM, "lstm"), (torch.nn.GRU, "gru")])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_what_torch_exports(kind, name, bidirectional, file):
    module = kind(5, 6, num_layers=2, bidirectional=bidirectional).eval()
    x = torch.randn(7, 3, 5)
    with warnings.catch_warnings(action="ignore"):  # this exporter is the old one, and needs no more packages
        torch.onnx.export(module, (x,), file, dynamo=False)
    nodes = list(gatelab.from_onnx(file).values())
    assert [node.rnn.variant.name for node in nodes] == [name, name]
    y = x
    for node in nodes:
        for layer in node.rnn.layers:
            layer.path = "loop"
        y, _ = node.run(y)
    torch.testing.assert_close(y, module(x)[0], rtol=0, atol=ATOL)


def test_probes_look_at_what_was_read(file):
    (node,) = imported(case("LSTM", np.random.default_rng(9), clip=1.0), file)
    batch = np.random.default_rng(0).normal(size=(12, 4, 3)).astype(np.float32)
    assert set(probes.saturation(node.rnn, batch).shut) == {"i", "f", "o"}


def test_a_file_is_found_by_its_ending(file):
    imported(case("GRU", np.random.default_rng(0), linear_before_reset=1), file)
    (found,) = found_in(file)
    assert (found.name, found.rnn.variant.name) == ("cell", "gru")
    assert found.source == f"GRU node 'cell' of {file}"


def test_without_onnx_one_line_says_what_to_install(file, monkeypatch):
    imported(case("GRU", np.random.default_rng(0)), file)
    monkeypatch.setattr("gatelab.exchange.onnx_in.model_file.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"needs onnx: pip install 'gatelab\[onnx\]'$"):
        gatelab.from_onnx(file)


def test_onnx_is_imported_where_it_is_needed():
    program = "import gatelab, sys; gatelab.from_onnx; assert not {'onnx', 'onnxruntime'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)
