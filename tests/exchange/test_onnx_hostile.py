"""Damaged and hostile ONNX files: each is refused in one line, without an engine, in bounded memory."""

import os
import re
import resource
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import gatelab
from gatelab.cli.explain import explain
from gatelab.errors import UserError
from gatelab.exchange.onnx_in import model_file, wire_bounds
from tests.exchange.onnx_files import case, model

Change = Callable[[onnx.ModelProto], None]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "model.onnx"


def whole(operator="LSTM", **attributes) -> onnx.ModelProto:
    one = case(operator, np.random.default_rng(0), **attributes)
    if operator == "LSTM":
        one.tensors["P"] = np.ones((1, 12), np.float32)
    return model(one)


def node(content):
    return content.graph.node[-1]


def weight(content, name="W"):
    return next(one for one in content.graph.initializer if one.name == name)


def attribute(name, value, operator="LSTM"):
    def changed(content):
        kept = [one for one in node(content).attribute if one.name != name]
        del node(content).attribute[:]
        node(content).attribute.extend([*kept, helper.make_attribute(name, value)])

    return operator, changed


def replaced(name, array):
    return "LSTM", lambda content: weight(content, name).CopyFrom(numpy_helper.from_array(array, name))


def tensor(name="W", **fields):
    def changed(content):
        for key, value in fields.items():
            if isinstance(value, list):
                getattr(weight(content, name), key)[:] = value
            else:
                setattr(weight(content, name), key, value)

    return "LSTM", changed


def external(**facts):
    def changed(content):
        one = weight(content)
        one.ClearField("raw_data")
        one.data_location = TensorProto.EXTERNAL
        for key, value in facts.items():
            one.external_data.add(key=key, value=str(value))

    return "LSTM", changed


def cyclic(content):
    content.graph.node.insert(0, helper.make_node("Identity", ["Y"], ["again"], name="loop"))
    node(content).input[0] = "again"


def computed(content):
    content.graph.node.insert(0, helper.make_node("Neg", ["W"], ["negative"], name="minus"))
    node(content).input[1] = "negative"


def in_function(content):
    content.functions.add(name="layer", domain="own").node.append(
        helper.make_node("GRU", ["a", "b", "c"], ["d"], name="deep")
    )


def as_input(content):
    weight(content).name = "other"
    content.graph.input.append(helper.make_tensor_value_info("W", 1, None))


def of_text(content):
    content.graph.node.insert(0, helper.make_node("Constant", [], ["text"], value_string="a"))
    node(content).input[1] = "text"


def layout_in_13(content):
    content.opset_import[0].version = 13
    attribute("layout", 1)[1](content)


def version(number):
    return "LSTM", lambda content: setattr(content.opset_import[0], "version", number)


def reading(place, name):
    return "LSTM", lambda content: node(content).input.__setitem__(place, name)


def zeros(*shape, kind=np.float32):
    return np.zeros(shape, kind)


def typed(name, kind):
    def changed(content):
        next(one for one in node(content).attribute if one.name == name).type = kind

    return changed


NAN = np.full((1, 16, 3), np.nan, np.float32)
REFUSED = {
    # weights that are not constant
    "an input": ("LSTM", as_input, r"W is not constant: 'W' is an input of the graph"),
    "computed": ("LSTM", computed, r"W is not constant: 'negative' is computed by the Neg node 'minus'"),
    "absent": (*reading(1, "gone"), r"node 'cell' reads 'gone' before it exists"),
    "a cycle": ("LSTM", cyclic, r"node 'loop' reads 'Y' before it exists: a cycle, or nodes that are not in order"),
    "twice": (
        "LSTM",
        lambda c: c.graph.node.append(helper.make_node("Neg", ["X"], ["Y"])),
        r"two values are called 'Y'",
    ),
    "two initializers": ("LSTM", lambda c: c.graph.initializer.append(weight(c)), r"two initializers are called 'W'"),
    "in a function": ("LSTM", in_function, r"GRU node 'deep' is within the function 'layer'"),
    "no weights": (*reading(2, ""), r"must have X, W and R"),
    "no outputs": ("LSTM", lambda c: node(c).output.__delitem__(slice(None)), r"must have 1 to 3 outputs"),
    "a Constant of text": ("LSTM", of_text, r"'text' is a Constant without a tensor"),
    # attributes
    "no direction": (
        *attribute("direction", "sideways"),
        r"direction=sideways: must be one of forward, reverse, bidirectional",
    ),
    "two directions": (*attribute("direction", "bidirectional"), r"W of shape \(1, 16, 3\): must be \(2, 16, 3\)"),
    "no such attribute": (*attribute("output_sequence", 1), r"unknown attribute 'output_sequence' in opset 14"),
    "a slip": (*attribute("clipp", 1.0), r"unknown attribute 'clipp' \(did you mean 'clip'\?\)"),
    "of another operator": (*attribute("linear_before_reset", 1), r"unknown attribute 'linear_before_reset'"),
    "a hidden size": (*attribute("hidden_size", 5), r"W of shape \(1, 16, 3\): must be \(1, 20, 3\)"),
    "a hidden size below 1": (*attribute("hidden_size", -1), r"hidden_size=-1: must be at least 1"),
    "a huge hidden size": (*attribute("hidden_size", 2**62), r"W of shape \(1, 16, 3\): must be"),
    "no clip": (*attribute("clip", 0.0), r"clip=0\.0: must be above 0"),
    "clip of no number": (*attribute("clip", float("nan")), r"clip=nan: must be above 0"),
    "clip of another type": (*attribute("clip", 1), r"attribute clip must be of type FLOAT"),
    "a mistaken type": ("LSTM", typed("hidden_size", 1), r"attribute hidden_size must be of type INT"),
    "no switch": (*attribute("input_forget", 7), r"input_forget=7: must be 0 or 1"),
    "layout": (*attribute("layout", 2), r"layout=2: must be 0 or 1"),
    "few activations": (*attribute("activations", ["Tanh"]), r"1 activations: must be 3"),
    "an activation": (
        *attribute("activations", ["Sigmoid", "Tanhh", "Tanh"]),
        r"unknown activation 'Tanhh' \(did you mean 'Tanh'",
    ),
    "text in another code": (*attribute("activations", [b"\xff", b"Tanh", b"Tanh"]), r"an attribute is not UTF-8 text"),
    "Affine alone": (
        *attribute("activations", ["Sigmoid", "Affine", "Tanh"]),
        r"Affine without activation_alpha, for which",
    ),
    "parameters left over": (
        *attribute("activation_alpha", [0.5]),
        r"activation_alpha has 1 more than its functions take",
    ),
    "parameters of no number": (*attribute("activation_beta", [float("inf")]), r"activation_beta is not finite"),
    "an attribute twice": ("LSTM", lambda c: node(c).attribute.append(node(c).attribute[0]), r"is there twice"),
    # tensors
    "an empty batch of gates": (*replaced("W", zeros(1, 0, 3)), r"W: shape \[1, 0, 3\]: every size must be at least 1"),
    "no features": (*replaced("W", zeros(1, 16, 0)), r"W: shape \[1, 16, 0\]: every size must be at least 1"),
    "no hidden units": (*replaced("R", zeros(1, 0, 0)), r"R: shape \[1, 0, 0\]"),
    "a matrix": (*replaced("R", zeros(16, 4)), r"R of shape \(16, 4\): must have 3 axes"),
    "a projection": (*replaced("R", zeros(1, 16, 2)), r"R of shape \(1, 16, 2\): must be \(1, 16, 4\)"),
    "half of B": (*replaced("B", zeros(1, 16)), r"B of shape \(1, 16\): must be \(1, 32\)"),
    "P of four gates": (*replaced("P", zeros(1, 16)), r"P of shape \(1, 16\): must be \(1, 12\)"),
    "whole numbers": (*replaced("W", zeros(1, 16, 3, kind=np.int64)), r"W: numbers of int64: must be float32 or"),
    "two dtypes": (*replaced("R", np.zeros((1, 16, 4))), r"W of float32, R of float64, .* must be of one dtype"),
    "not finite": (*replaced("W", NAN), r"W: its numbers are not finite"),
    "a negative size": (*tensor(dims=[1, -16, 3]), r"shape \[1, -16, 3\]: every size must be at least 1"),
    "a huge shape": (*tensor(dims=[2**40, 2**40, 2**40]), r"too large"),
    "more than there is": (*tensor(dims=[1, 16, 30000]), r"W: 192 bytes of numbers; its shape \[1, 16, 30000\] needs"),
    "many axes": (*tensor(dims=[1] * 9), r"every size must be at least 1"),
    "no such type": (*tensor(data_type=99), r"numbers of type 99 of ONNX: must be float32 or"),
    "text": (*tensor(data_type=8), r"numbers of type 8 of ONNX"),
    "cut": ("LSTM", lambda c: setattr(weight(c), "raw_data", weight(c).raw_data[:-1]), r"W: 191 bytes of numbers"),
    "in two fields": (*tensor(float_data=[1.0] * 48), r"its numbers are in float_data and raw_data"),
    "in segments": ("LSTM", lambda c: weight(c).segment.__setattr__("begin", 0), r"a tensor in segments is not read"),
    # the file
    "an old opset": (*version(6), r"opset 6: must be from 7 to"),
    "a future opset": (*version(999), r"opset 999: must be from 7 to"),
    "no opset": ("LSTM", lambda c: c.opset_import.__delitem__(0), r"versions \[\] of ONNX's operators: must be one"),
    "another domain": (
        "LSTM",
        lambda c: setattr(node(c), "domain", "com.example"),
        r"of the domain 'com\.example', which is not known",
    ),
    "layout before opset 14": ("GRU", layout_in_13, r"unknown attribute 'layout' in opset 13"),
    "no recurrent node": ("GRU", lambda c: setattr(node(c), "op_type", "Neg"), r"no LSTM, GRU or RNN node in it"),
    # files beside it
    "a folder up": (*external(location="../secret.bin"), r"must be a file within the folder of the ONNX file"),
    "a folder up within": (*external(location="below/../../secret.bin"), r"must be a file within the folder"),
    "an absolute path": (*external(location="/etc/passwd"), r"must be a file within the folder"),
    "no place": (*external(offset=0), r"external data in '': must be a file within the folder"),
    "the folder": (*external(location="."), r"must be at most 16 folders deep|is not a file"),
    "another system's path": (*external(location="..\\secret.bin"), r"must be a file within the folder"),
    "a zero character": (*external(location="a\0b"), r"must be a file within the folder"),
    "no file": (*external(location="gone.bin"), r"'gone\.bin': cannot be read: No such file"),
    "a link": (*external(location="link.bin"), r"'link\.bin': cannot be read: it is a link, which is not followed"),
    "a folder that is a link": (*external(location="folder/secret.bin"), r"cannot be read"),
    "a pipe": (*external(location="pipe"), r"'pipe': it is not a file"),
    "too few bytes": (*external(location="short.bin"), r"bytes 0 to 5 of a file of 5; its shape needs 192"),
    "beyond the end": (*external(location="short.bin", offset=10**17, length=192), r"of a file of 5"),
    "a negative offset": (*external(location="short.bin", offset=-1), r"offset=-1: must be a whole number"),
    "a key": (*external(location="short.bin", basepath="/"), r"unknown or repeated key 'basepath'"),
}


@pytest.fixture
def surroundings(tmp_path):
    """Lay files beside the model, and a secret that no file may reach."""
    inside = tmp_path / "model"
    inside.mkdir()
    (tmp_path / "secret.bin").write_bytes(bytes(192))
    (inside / "link.bin").symlink_to("../secret.bin")
    (inside / "folder").symlink_to("..")
    (inside / "short.bin").write_bytes(b"short")
    os.mkfifo(inside / "pipe")
    return inside


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_in_one_line(name, surroundings):
    operator, change, message = REFUSED[name]
    content = whole(operator)
    change(content)
    path = surroundings / "model.onnx"
    path.write_bytes(content.SerializeToString())
    with pytest.raises(UserError, match=message) as refused:
        gatelab.from_onnx(path)
    assert "\n" not in str(refused.value)
    assert str(refused.value).startswith(str(path))


def test_what_a_node_is_refused_for_has_its_name(file):
    content = whole()
    attribute("clip", -1.0)[1](content)
    file.write_bytes(content.SerializeToString())
    with pytest.raises(UserError, match=re.escape(f"{file}, LSTM node 'cell': clip=-1.0: must be above 0")):
        gatelab.from_onnx(file)


def test_a_node_that_is_refused_does_not_keep_others_back(file):
    content, other = whole(), whole("GRU")
    node(other).name, node(other).attribute[0].i = "bad", 17
    node(other).input[:] = ["X", *(f"{name}_2" for name in node(other).input[1:])]
    node(other).output[:] = [f"{name}_2" for name in node(other).output]
    for one in other.graph.initializer:
        one.name += "_2"
    content.graph.initializer.extend(other.graph.initializer)
    content.graph.node.append(node(other))
    file.write_bytes(content.SerializeToString())
    with pytest.raises(UserError, match="GRU node 'bad'"):
        gatelab.from_onnx(file)
    assert gatelab.from_onnx(file, "cell").rnn.variant.name == "peephole"


@pytest.mark.parametrize("name", ["../../up", "<script>alert(1)</script>", "a\nb\x1b[31m", "", "x" * 10_000, "ü/✓"])
def test_names_are_shown_as_text(name, file):
    content = whole(clip=1.0)
    node(content).name = name
    attribute("clip", -1.0)[1](content)
    file.write_bytes(content.SerializeToString())
    with pytest.raises(UserError, match=r"clip=-1\.0") as refused:
        gatelab.from_onnx(file)
    assert str(refused.value).isprintable() and len(str(refused.value)) <= 600
    assert os.listdir(file.parent) == ["model.onnx"]


def test_a_file_that_is_cut_anywhere_is_refused_or_read(file):
    content = whole("GRU").SerializeToString()
    for end in range(0, len(content), 7):
        file.write_bytes(content[:end])
        with pytest.raises(UserError) as refused:
            gatelab.from_onnx(file)
        assert "\n" not in str(refused.value)


def test_changed_bytes_are_refused_or_read(file):
    """Nothing but a UserError comes out, whatever the bytes say."""
    content = whole("LSTM").SerializeToString()
    rng = np.random.default_rng(0)
    read = 0
    for _ in range(400):
        changed = bytearray(content)
        for place in rng.integers(0, len(content), rng.integers(1, 4)):
            changed[place] = rng.integers(0, 256)
        file.write_bytes(changed)
        with suppress(UserError):  # refused or read: either is right
            gatelab.from_onnx(file)
            read += 1
    assert 50 < read < 350


def wrapped(field, content):
    """Return a message with one field of bytes."""
    head, length = bytes([field << 3 | 2]), len(content)
    while length > 127:
        head += bytes([length & 127 | 128])
        length >>= 7
    return head + bytes([length]) + content


def test_graphs_within_graphs_have_an_end(file):
    graph = b""
    for _ in range(30):
        graph = wrapped(1, wrapped(5, wrapped(6, graph)))  # node, attribute, graph
    file.write_bytes(wrapped(7, graph))
    with pytest.raises(UserError, match="more than 64 messages deep"):
        gatelab.from_onnx(file)


@pytest.mark.parametrize(
    "content", [b"", b"\0", b"PK\3\4", b"<html>", b"\x80\4.", bytes(1000), b"\x0a\xff\xff\xff\xff\x7f"]
)
def test_another_file_is_refused(content, file):
    file.write_bytes(content)
    with pytest.raises(UserError, match="no ONNX file"):
        gatelab.from_onnx(file)


def test_many_small_messages_are_counted_before_they_are_made(file, monkeypatch):
    monkeypatch.setattr(wire_bounds, "_MOST_FIELDS", 1000)
    file.write_bytes(wrapped(7, wrapped(1, b"") * 2000))
    with pytest.raises(UserError, match="more than 1000 nodes, names and values"):
        gatelab.from_onnx(file)


def test_packed_numbers_are_counted(file, monkeypatch):
    monkeypatch.setattr(wire_bounds, "_MOST_PACKED", 1000)
    content = whole()
    content.graph.initializer.append(TensorProto(name="many", dims=[2000], data_type=7, int64_data=[1] * 2000))
    file.write_bytes(content.SerializeToString())
    with pytest.raises(UserError, match="whole numbers of more than 1000 bytes"):
        gatelab.from_onnx(file)


def test_a_file_that_is_too_large_is_not_read(file, monkeypatch):
    monkeypatch.setattr(model_file, "_MOST_BYTES", 100)
    file.write_bytes(whole().SerializeToString())
    with pytest.raises(UserError, match=r"too large: .* at most 100"):
        gatelab.from_onnx(file)


@pytest.mark.slow
def test_a_file_of_empty_nodes_takes_little_memory(file):
    file.write_bytes(wrapped(7, wrapped(1, b"") * 20_000_000))
    program = f"import gatelab; gatelab.from_onnx({str(file)!r})"
    limit = 2**33

    def bounded():
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, preexec_fn=bounded, timeout=60, check=False
    )
    assert "more than 1000000 nodes, names and values" in ended.stderr


def test_the_command_exits_with_status_2(file, monkeypatch, capsys):
    content = whole()
    computed(content)
    file.write_bytes(content.SerializeToString())
    np.savez(file.parent / "inputs.npz", inputs=np.zeros((4, 2, 3)))
    with pytest.raises(UserError, match="W is not constant"):
        explain([f"model={file}", f"data={file.parent / 'inputs.npz'}"])
    with pytest.raises(UserError, match=r"^model= and weights= both name the file"):
        explain([f"model={file}", f"weights={file}", "data=inputs.npz"])
