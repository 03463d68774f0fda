"""What leaves as ONNX, run by ONNX Runtime, beside the loop over the equations."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.reference
import onnxruntime
import pytest
import torch

import gatelab
from gatelab.exchange.onnx_out import compared, leaving
from gatelab.language.functions import FUNCTIONS

LONGEST = 9


def opened(path: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def ran(file: Path | onnxruntime.InferenceSession, **inputs: Any) -> dict[str, np.ndarray]:
    """Return output name -> value."""
    session = opened(file) if isinstance(file, Path) else file
    fed = {name: value.numpy() if isinstance(value, torch.Tensor) else value for name, value in inputs.items()}
    return dict(zip((one.name for one in session.get_outputs()), session.run(None, fed), strict=True))


def written(tmp_path: Path, model: Any, **options: Any) -> Path:
    path = tmp_path / "gate.onnx"
    gatelab.to_onnx(model, path, **options)
    onnx.checker.check_model(path, full_check=True)
    return path


def operators(path: Path) -> list[str]:
    """Return the operators that run over time."""
    nodes = onnx.load(path).graph.node
    return [node.op_type for node in nodes if node.op_type in ("LSTM", "GRU", "RNN", "Scan")]


def started(rnn: gatelab.RNN, batch: int) -> tuple[Any, dict[str, torch.Tensor]]:
    """Return a state that a run reaches, in the form of a call, and by the names of a file."""
    x = torch.randn(3, batch, rnn.input_size, dtype=next(rnn.parameters()).dtype)
    with torch.no_grad():
        _, state = rnn(x.transpose(0, 1) if rnn.batch_first else x)
    return state, named(rnn, state)


def named(rnn: gatelab.RNN, state: Any) -> dict[str, torch.Tensor]:
    parts = (state,) if len(rnn.variant.states) == 1 else state
    found: dict[str, torch.Tensor] = {}
    for name, part in zip(rnn.variant.states, parts, strict=True):
        found |= {f"{name}.{i}": one for i, one in enumerate(part)} if isinstance(part, list) else {name: part}
    return found


def check(rnn: gatelab.RNN, path: Path, lengths: Any = None, within: float = 1e-5) -> None:
    """Compare outputs and states of a file with those of the loop, from a state that is not zero."""
    session = opened(path)
    for steps, batch in ((LONGEST, 4), (1, 4), (5, 4)) if lengths else ((LONGEST, 4), (1, 2)):
        state, start = started(rnn, batch)
        x = torch.randn(steps, batch, rnn.input_size, dtype=next(rnn.parameters()).dtype)
        x = x.transpose(0, 1).contiguous() if rnn.batch_first else x
        valid = None if lengths is None else torch.tensor(lengths).clamp(max=steps)
        with torch.no_grad():
            output, after = rnn(x, state, lengths=valid)
        given = {} if valid is None else {"lengths": valid}
        found = ran(session, input=x, **given, **{f"initial_{name}": value for name, value in start.items()})
        expected = {"output": output, **{f"final_{name}": value for name, value in named(rnn, after).items()}}
        assert set(found) == set(expected)
        for name, value in expected.items():
            np.testing.assert_allclose(found[name], value.numpy(), 0, within * max(1, value.abs().max()), err_msg=name)


def test_a_variant_that_reads_intervals_does_not_leave_yet(tmp_path):
    with pytest.raises(gatelab.UserError, match="variant 'gru_d' reads mask and dt beside x, which no file has yet"):
        gatelab.to_onnx(gatelab.RNN("gru_d", 3, 4), tmp_path / "gate.onnx")


@pytest.mark.parametrize("name", [name for name in gatelab.variants() if not gatelab.variant(name).beside])
def test_every_variant_leaves(tmp_path, name):
    rnn = gatelab.RNN(name, 8, 8, path="loop")
    check(rnn, written(tmp_path, rnn))


@pytest.mark.parametrize(
    "name", ["antisymmetric", "mlstm", "slstm", "min_lstm", "phased_lstm", "rwkv_4", "lstm", "cumax"]
)
def test_double_precision_is_kept(tmp_path, name):
    on = gatelab.variant("lstm").edit(f="cumax(linear(x, h))", i="softmax(linear(x, h))") if name == "cumax" else name
    rnn = gatelab.RNN(on, 8, 8, path="loop", dtype=torch.float64)
    path = written(tmp_path, rnn)
    assert operators(path) == ["Scan"]
    check(rnn, path, within=1e-13)


def test_the_dtype_can_be_chosen(tmp_path):
    rnn = gatelab.RNN("lstm", 3, 5)
    path = written(tmp_path, rnn, dtype="float64")
    check(gatelab.RNN("lstm", 3, 5, dtype=torch.float64, path="loop").requires_grad_(False), path, within=9e9)
    assert {one.type for one in onnxruntime.InferenceSession(path).get_inputs()} == {"tensor(double)"}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_function_has_operators(tmp_path, function):
    # over all signs, at 0 and where exp() ends; each argument of its own
    first = {"log": "1 + abs(3*x)", "sqrt": "abs(3*x)"}.get(function, "3*x")
    call = f"{function}({first}{', 2*h' if FUNCTIONS[function].arity == 2 else ''})"
    variant = gatelab.Variant.from_mapping(
        {"name": "one", "state": ["h"], "equations": {"g": call, "h": "0.5*h + linear(x) + g"}}
    )
    rnn = gatelab.RNN(variant, 6, 6, path="loop", dtype=torch.float64)
    check(rnn, written(tmp_path, rnn), within=1e-12)


@pytest.mark.parametrize(
    ("name", "found"), [("lstm_truncated", ["LSTM"]), ("h_detach", ["LSTM"]), ("su_rnn", ["Scan"])]
)
def test_what_changes_a_gradient_leaves_as_its_values(tmp_path, name, found):
    rnn = gatelab.RNN(name, 6, 6, path="loop")
    path = written(tmp_path, rnn)
    assert operators(path) == found
    check(rnn, path)


LENGTHS = [9, 4, 1, 0]


@pytest.mark.parametrize("name", ["lstm", "gru", "peephole", "slstm", "mlstm", "qrnn_f_window_2", "elman"])
@pytest.mark.parametrize("engine", ["onnxruntime", "openvino", "any"])
def test_lengths_directions_layers_and_states(tmp_path, name, engine):
    rnn = gatelab.RNN(name, 8, 8, num_layers=2, bidirectional=True, batch_first=True, dropout=0.5, path="loop")
    path = written(tmp_path, rnn, lengths=True, engine=engine)
    check(rnn.eval(), path, LENGTHS)


def test_what_stands_behind_the_end_does_not_matter(tmp_path):
    for name in ("lstm", "slstm"):
        rnn = gatelab.RNN(name, 4, 8, bidirectional=True)
        path = written(tmp_path, rnn, lengths=True, states=False)
        x, lengths = torch.randn(6, 3, 4), torch.tensor([6, 2, 0])
        clean = ran(path, input=x, lengths=lengths)["output"]
        x[2:, 1], x[:, 2] = torch.nan, torch.inf
        np.testing.assert_array_equal(ran(path, input=x, lengths=lengths)["output"], clean)


# expected by hand: an operator of ONNX, or None for a Scan
NODES = {
    "lstm": "LSTM", "cifg": "LSTM", "cifg_peephole": "LSTM", "peephole": "LSTM", "noaf": "LSTM", "niaf": "LSTM",
    "group_lstm": "LSTM", "low_rank_lstm": "LSTM", "slim_lstm_4": "LSTM",
    "gru": "GRU", "gru_v3": "GRU", "gru_1": "GRU", "mgu": "GRU", "min_gru": "GRU", "qrnn_f": "GRU", "light_ru": "GRU",
    "elman": "RNN", "ind_rnn": "RNN",
    "peephole_old_cell": None, "nig": None, "nfg": None, "nog": None, "lstmp": None, "slstm": None, "janet": None,
    "capped_lstm": None, "ugrnn": None, "li_gru": None, "leaky_rnn": None, "ur_lstm": None, "multiplicative_lstm": None,
    "memory_controller_lstm": None, "gru_decay": None, "brc": None, "mut3": None, "mlstm": None,
}  # fmt: skip


@pytest.mark.parametrize("name", NODES)
def test_a_node_is_written_where_the_equations_are_one(tmp_path, name):
    assert operators(written(tmp_path, gatelab.RNN(name, 4, 4))) == [NODES[name] or "Scan"]


@pytest.mark.parametrize(
    ("name", "changed", "operator"),
    [
        ("lstm", {"i": "1 - f"}, "LSTM"),
        ("lstm", {"c": "c - i*c + i*z", "f": None}, "LSTM"),
        ("lstm", {"c": "z*i + c*f", "h": "tanh(c)*(1 - o)"}, "LSTM"),
        ("lstm", {"i": "hard_sigmoid(linear(x, h))"}, "Scan"),  # i and f share an activation in a node
        ("lstm", {"z": "sigmoid(linear(x, h) - 0.5*linear(x))", "o": "1 - sigmoid(-linear(x) + 2)"}, "LSTM"),
        ("lstm", {"f": "1 - exp(-relu(linear(x, h)))"}, "Scan"),
        ("lstm", {"f": "1 - tanh(linear(x, h))"}, "Scan"),
        ("lstm", {"h": "o*tanh(c + 0.1)"}, "Scan"),
        ("lstm", {"f": "sigmoid(linear(x, h, c))"}, "Scan"),  # a peephole is a diagonal
        ("peephole", {"z": "tanh(linear(x, h) + diag(c))"}, "Scan"),  # the candidate has none
        ("gru", {"h": "h + (1 - u)*(n - h)"}, "GRU"),
        ("gru", {"h": "u*n + (1 - u)*h"}, "GRU"),
        ("gru", {"n": "relu(linear(x, r*h))", "r": "1 - sigmoid(linear(h))"}, "GRU"),
        ("gru", {"n": "tanh(linear(x, r*h) + r*linear(h))"}, "Scan"),
        ("gru", {"n": "tanh(linear(x, h))"}, "Scan"),
        ("gru", {"h": "u*h + (1 - 0.9*u)*n"}, "Scan"),
        ("gru", {"h": "u*h + (1 + u)*n"}, "Scan"),
        ("elman", {"h": "relu(linear(x) - project(h))"}, "RNN"),
        ("elman", {"h": "softplus(linear(x, h))"}, "Scan"),
        ("elman", {"h": "tanh(linear(x, h)) + 1"}, "Scan"),
    ],
)  # fmt: skip
def test_other_spellings_are_seen_and_other_equations_are_not(tmp_path, name, changed, operator):
    rnn = gatelab.RNN(gatelab.variant(name).edit(**changed), 4, 4, path="loop")
    path = written(tmp_path, rnn, lengths=True)
    assert operators(path) == [operator]
    check(rnn, path, LENGTHS)


def test_every_layer_is_one_node_for_both_directions(tmp_path):
    path = written(tmp_path, gatelab.RNN("lstm", 4, 4, num_layers=3, bidirectional=True))
    assert operators(path) == ["LSTM"] * 3


@pytest.mark.parametrize(
    ("name", "engine", "lengths", "operator"),
    [
        ("lstm", "openvino", True, "LSTM"),
        ("lstm", "any", False, "LSTM"),
        ("lstm", "any", True, "Scan"),  # the evaluator of the package onnx ignores lengths
        ("peephole", "openvino", False, "Scan"),
        ("niaf", "openvino", False, "Scan"),  # no activation Affine
        ("peephole", "onnxruntime", True, "LSTM"),
    ],
)
def test_what_an_engine_drops_leaves_as_a_scan(tmp_path, name, engine, lengths, operator):
    assert operators(written(tmp_path, gatelab.RNN(name, 4, 4), engine=engine, lengths=lengths)) == [operator]


@pytest.mark.parametrize("name", ["lstm", "peephole", "slstm", "mlstm"])
def test_any_is_what_the_evaluator_of_onnx_runs_too(tmp_path, name):
    rnn = gatelab.RNN(name, 4, 4, bidirectional=True, path="loop")
    path = written(tmp_path, rnn, engine="any", lengths=True, states=False)
    x, lengths = torch.randn(5, 2, 4), torch.tensor([5, 3])
    (found,) = onnx.reference.ReferenceEvaluator(str(path)).run(None, {"input": x.numpy(), "lengths": lengths.numpy()})
    np.testing.assert_allclose(found, rnn(x, lengths=lengths)[0].detach().numpy(), 0, 1e-5)


@pytest.mark.parametrize("opset", [18, 20, 22, 24])
def test_every_opset_runs(tmp_path, opset):
    for name in ("gru", "layer_norm_lstm", "shuffling_rnn"):
        rnn = gatelab.RNN(name, 4, 4, path="loop")
        path = written(tmp_path, rnn, opset=opset)
        assert [one.version for one in onnx.load(path).opset_import] == [opset]
        check(rnn, path)


LOWEST = [
    ("lstm", {"num_layers": 2, "bidirectional": True}, None, 7, ""),
    ("gru", {"batch_first": True}, None, 7, ""),
    ("cifg_peephole", {}, None, 7, ""),
    ("elman", {}, [9, 1, 0, 5], 9, "Where"),
    ("brc", {}, None, 9, "Scan"),
    ("brc", {"bidirectional": True, "num_layers": 2}, None, 10, "Slice"),
    ("brc", {}, [9, 1, 0, 5], 11, "Range"),
    ("mlstm", {}, None, 9, "Scan"),
    ("layer_norm_lstm", {}, None, 11, "ReduceMean"),
    ("on_lstm", {}, None, 11, "CumSum"),
    ("atr", {"dtype": torch.float64}, None, 9, "Scan"),
]
"""Variant, options, lengths, the oldest opset, and the operator that needs it."""


@pytest.mark.parametrize(("name", "options", "lengths", "lowest", "operator"), LOWEST)
def test_old_opsets_run_as_far_as_their_operators_reach(tmp_path, name, options, lengths, lowest, operator):
    rnn = gatelab.RNN(name, 4, 4, path="loop", **options)
    for opset in (lowest, 12, 17):  # what became an input in 13 and 18 is an attribute there
        path = written(tmp_path, rnn, opset=opset, lengths=lengths is not None)
        assert [one.version for one in onnx.load(path).opset_import] == [opset]
        check(rnn, path, lengths)
    before = path.read_bytes()
    if lowest > 7:
        with pytest.raises(gatelab.UserError) as refused:
            gatelab.to_onnx(rnn, path, opset=lowest - 1, lengths=lengths is not None)
        assert str(refused.value) == f"opset={lowest - 1}: this model needs {lowest} or later, for its {operator}"
        assert path.read_bytes() == before


@pytest.mark.parametrize(("lengths", "lowest"), [(False, 7), (True, 11)])
def test_a_network_leaves_in_an_old_opset(tmp_path, lengths, lowest):
    network = gatelab.Network(
        gatelab.variant("gru"), 7, 3, 5, 2, bidirectional=True, readout="last", embedding=4, tokens=True
    )
    path = written(tmp_path, network, opset=lowest, lengths=lengths)
    x, valid = torch.randint(7, (6, 3)), torch.tensor([6, 2, 1])
    given = {"lengths": valid} if lengths else {}
    expected = network(x, **given).detach().numpy()
    np.testing.assert_allclose(ran(path, input=x, **given)["output"], expected, 0, 1e-5)


def test_single_numbers_have_no_axis(tmp_path):
    model = onnx.load(written(tmp_path, gatelab.RNN("brc", 3, 4), lengths=True))
    shapes = {one.name: list(one.dims) for one in model.graph.initializer}
    (steps,) = (node for node in model.graph.node if node.op_type == "Range")
    assert [shapes[name] for name in steps.input if name in shapes] == [[], []]


@pytest.mark.parametrize("readout", ["last", "every"])
@pytest.mark.parametrize("embedding", ["tokens", "linear", "none"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_network_leaves_with_embedding_and_readout(tmp_path, readout, embedding, bidirectional):
    features = None if embedding == "none" else 4
    network = gatelab.Network(
        gatelab.variant("peephole"), 7, 3, 5, 2,
        bidirectional=bidirectional, readout=readout, embedding=features, tokens=embedding == "tokens",
    )  # fmt: skip
    x = torch.randint(7, (6, 3)) if embedding == "tokens" else torch.randn(6, 3, 7)
    path = written(tmp_path, network)
    np.testing.assert_allclose(ran(path, input=x)["output"], network(x).detach().numpy(), 0, 1e-5)
    path = written(tmp_path, network, lengths=True, states=True, engine="any")
    lengths = torch.tensor([6, 2, 1])
    x[2:, 1] = 99  # no token, no number that is used
    zeros = {f"initial_{name}": np.zeros((4 if bidirectional else 2, 3, 5), np.float32) for name in "hc"}
    found = ran(path, input=x, lengths=lengths, **zeros)
    np.testing.assert_allclose(found["output"], network(x, lengths).detach().numpy(), 0, 1e-5)
    assert set(found) == {"output", "final_h", "final_c"}


@pytest.mark.parametrize("readout", ["last", "every"])
def test_direct_weights_leave_and_a_bias_need_not(tmp_path, readout):
    network = gatelab.Network(gatelab.variant("gru"), 7, 3, 5, readout=readout, direct=True, bias=False)
    path = written(tmp_path, network, lengths=True)
    x, lengths = torch.randn(6, 3, 7), torch.tensor([6, 2, 1])
    x[2:, 1] = 99
    found = ran(path, input=x, lengths=lengths)["output"]
    np.testing.assert_allclose(found, network(x, lengths).detach().numpy(), 0, 1e-5)


def test_a_run_leaves(tmp_path):
    run = gatelab.train(
        "variant=cifg", "task=adding", "model.hidden_size=4", "training.max_steps=4", "training.batch_size=4",
        "training.validate_every=2", "task.length=8", "task.validation_size=10", "task.test_size=10", "logger=none",
        f"runs_dir={tmp_path / 'runs'}",
    )  # fmt: skip
    path = written(tmp_path, run)
    batch = run.task.validation()
    expected = run.network()(torch.as_tensor(batch.inputs)).detach().numpy()
    np.testing.assert_allclose(ran(path, input=batch.inputs)["output"], expected, 0, 1e-5)


def test_the_file_says_what_it_computes(tmp_path):
    path = written(tmp_path, gatelab.RNN("peephole", 3, 5, num_layers=2))
    said = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    assert said["gatelab.version"] == gatelab.__version__
    variant = gatelab.Variant.from_mapping(json.loads(said["gatelab.variant"]))
    assert variant == gatelab.variant("peephole")
    assert said["gatelab.equations"] == variant.plain()
    assert json.loads(said["gatelab.rnn"])["num_layers"] == 2


def test_equal_weights_give_equal_bytes_and_the_rnn_is_left_as_it_was(tmp_path):
    rnn = gatelab.RNN("slstm", 3, 5).train()
    first = written(tmp_path, rnn).read_bytes()
    assert written(tmp_path, rnn).read_bytes() == first
    assert rnn.training
    assert rnn.layers[0].path == "auto"


def test_a_file_that_differs_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr(compared, "TOLERANCE", 0.0)
    (tmp_path / "gate.onnx").write_text("before")
    with pytest.raises(
        gatelab.UserError, match=r"^.*gate\.onnx: not written: output of ONNX Runtime after 4 steps has "
    ):
        gatelab.to_onnx(gatelab.RNN("lstm", 3, 5), tmp_path / "gate.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["gate.onnx"]
    assert (tmp_path / "gate.onnx").read_text() == "before"


def test_what_onnx_runtime_refuses_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setitem(FUNCTIONS, "tanh", dataclasses.replace(FUNCTIONS["tanh"], onnx="NoOperator(u)"))
    with pytest.raises(gatelab.UserError, match=r"gate\.onnx: not written: ONNX Runtime refuses it: .*NoOperator"):
        gatelab.to_onnx(gatelab.RNN("slstm", 3, 5), tmp_path / "gate.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"engine": "openvno"}, r"^engine=openvno: must be .*, any \(did you mean 'openvino'\?\)$"),
        ({"opset": 6}, r"^opset=6: must be from 7 to 24$"),
        ({"opset": 99}, r"^opset=99: must be from 7 to 24$"),
        ({"dtype": "float16"}, r"^dtype=float16: must be float32 or float64$"),
        ({"lengths": 3}, r"^lengths=3: must be "),
        ({"path": "gate.txt"}, r"^gate\.txt: must end with \.onnx$"),
        ({"path": "nowhere/gate.onnx"}, r"^nowhere/gate\.onnx: there is no folder nowhere$"),
        ({"path": 3}, r"^path is a int: must be the path of a file"),
        ({"model": torch.nn.LSTM(2, 2)}, r"^model is a LSTM: must be a gatelab\.RNN, a gatelab\.Network or a run$"),
    ],
)  # fmt: skip
def test_wrong_arguments_are_refused_in_one_line(tmp_path, monkeypatch, options, said):
    monkeypatch.chdir(tmp_path)
    given = {"model": gatelab.RNN("lstm", 2, 2), "path": "gate.onnx", **options}
    with pytest.raises(gatelab.UserError, match=said):
        gatelab.to_onnx(given.pop("model"), given.pop("path"), **given)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_the_missing_extra_is_named(tmp_path, monkeypatch, package):
    monkeypatch.setattr(leaving, "find_spec", lambda name: None if name == package else object())
    with pytest.raises(gatelab.UserError, match=rf"^to_onnx: needs {package}: pip install 'gatelab\[onnx\]'$"):
        gatelab.to_onnx(gatelab.RNN("lstm", 2, 2), tmp_path / "gate.onnx")
