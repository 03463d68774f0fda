"""Cells of Flax, Equinox and Haiku: the values that these libraries computed come out, and other trees are one line.

The values were measured by tests/exchange/measure_libraries.py; the libraries are not needed here.
"""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

import gatelab
from gatelab.errors import UserError
from gatelab.exchange import found_in_jax
from gatelab.exchange.layouts import JAX

MEASURED = dict(np.load(Path(__file__).parent / "measured" / "jax.npz"))
X = torch.from_numpy(MEASURED["x"])
CELLS = list(dict.fromkeys(name.split("|")[0] for name in MEASURED if "|" in name))


def measured(cell: str) -> tuple[dict[str, np.ndarray], torch.Tensor]:
    """Return the parameters of a cell by their paths, and its outputs."""
    own = {name.split("|")[1]: array for name, array in MEASURED.items() if name.split("|")[0] == cell}
    return own, torch.from_numpy(own.pop("outputs"))


def nested(parameters: dict[str, np.ndarray]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for path, array in parameters.items():
        *above, name = path.split("/")
        at = tree
        for part in above:
            at = at.setdefault(part, {})
        at[name] = array
    return tree


def assert_outputs(rnn: gatelab.RNN, outputs: torch.Tensor) -> None:
    for layer in rnn.layers:
        layer.path = "loop"  # which compiles nothing
    with torch.no_grad():
        torch.testing.assert_close(rnn(X)[0], outputs, rtol=0, atol=1e-13)


def test_every_layout_was_measured():
    without = {"flax.nnx.Bidirectional"}  # two GRUCells
    asked = {name.removesuffix(" without biases").removesuffix(" with one bias") for name in CELLS} - without
    # flax.linen.OptimizedLSTMCell has the parameters of its LSTMCell
    assert asked - {"flax.linen.OptimizedLSTMCell"} == {layout.cell for layout in JAX}


@pytest.mark.parametrize("cell", CELLS)
def test_the_outputs_are_those_of_the_library(cell):
    parameters, outputs = measured(cell)
    (found,) = found_in_jax(nested(parameters))
    assert_outputs(found.rnn, outputs)
    assert found.rnn.bias == ("without biases" not in cell)
    # the names of some cells are those of another with the same equations
    shown = {"flax.linen.OptimizedLSTMCell": "flax.linen.LSTMCell", "flax.nnx.Bidirectional": "flax.nnx.GRUCell"}
    assert found.source.startswith(shown.get(cell, cell.removesuffix(" without biases").removesuffix(" with one bias")))


@pytest.mark.parametrize("separator", ["/", "."])
@pytest.mark.parametrize("cell", ["flax.linen.GRUCell", "flax.nnx.Bidirectional", "haiku.LSTM", "equinox.nn.GRUCell"])
def test_files_of_names_and_arrays_are_read(cell, separator, tmp_path):
    parameters, outputs = measured(cell)
    flat = {path.replace("/", separator): array for path, array in parameters.items()}
    np.savez_compressed(tmp_path / "tree.npz", **flat)
    save_file(flat, tmp_path / "tree.safetensors")
    for name in ("tree.npz", "tree.safetensors"):
        assert_outputs(gatelab.from_jax(tmp_path / name), outputs)


def test_a_cell_is_chosen_by_its_place():
    tree = {
        "encoder": nested(measured("haiku.GRU")[0]),
        "cells": [nested(measured("flax.nnx.LSTMCell")[0]), None, {"dense": {"kernel": np.zeros((3, 4))}}],
        "step": 3,
    }
    assert [one.name for one in found_in_jax(tree)] == ["encoder/gru", "cells/0/cell"]
    assert_outputs(gatelab.from_jax(tree, "cells/0/cell"), measured("flax.nnx.LSTMCell")[1])
    with pytest.raises(UserError, match=r"^parameters: several recurrent networks: encoder/gru, cells/0/cell"):
        gatelab.from_jax(tree)
    with pytest.raises(UserError, match=r"no layer 'encoder/gur' \(did you mean 'encoder/gru'\?\)"):
        gatelab.from_jax(tree, "encoder/gur")


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_the_dtype_is_kept(dtype):
    tree = {path: array.astype(dtype) for path, array in measured("equinox.nn.LSTMCell")[0].items()}
    assert next(gatelab.from_jax(tree).parameters()).dtype is torch.from_numpy(np.zeros(1, dtype)).dtype


def changed(cell: str, **changes: Any) -> dict[str, Any]:
    """Return the tree of a cell with other parameters; None leaves one out."""
    parameters = {**measured(cell)[0], **{name.replace("__", "/"): array for name, array in changes.items()}}
    return nested({name: array for name, array in parameters.items() if array is not None})


REFUSED: dict[str, Any] = {
    "no recurrent cell is known by these names: dense/kernel, dense/bias": {
        "dense": {"kernel": np.zeros((3, 4)), "bias": np.zeros(4)}},
    "no recurrent cell is known by these names: none": {},
    # torch's cell has two biases
    "has the names of equinox.nn.LSTMCell, and 'bias_ih', which that has not": changed(
        "equinox.nn.LSTMCell without biases", bias_ih=np.zeros(12)),
    "has the names of flax.linen.LSTMCell, and 'ii/scale'": changed(
        "flax.linen.LSTMCell", params__cell__ii__scale=np.zeros(3)),
    "has the names of haiku.GRU, but no shapes of it: b (9,), w_h (4, 9), w_i (2, 9)": changed(
        "haiku.GRU", gru__w_h=np.zeros((4, 9))),
    "has the names of flax.nnx.OptimizedLSTMCell, flax.nnx.GRUCell, flax.nnx.SimpleCell, but no shapes of": changed(
        "flax.nnx.GRUCell", cell__dense_h__kernel=np.zeros((3, 6))),
    "b of shape (8,): must be (9,)": changed("haiku.GRU", gru__b=np.zeros(8)),
    "w_i of shape (2, 8): must be (2, 9)": changed("haiku.GRU", gru__w_i=np.zeros((2, 8))),
    "ii/kernel of shape (2,): must be (2, 3)": changed("flax.linen.LSTMCell", params__cell__ii__kernel=np.zeros(2)),
    "weights of torch.float32, torch.float64: must be of one of": changed(
        "haiku.GRU", gru__b=np.zeros(9, np.float32)),
    "weights of torch.int64: must be of one of": {"gru": {
        "w_i": np.zeros((2, 9), int), "w_h": np.zeros((3, 9), int), "b": np.zeros(9, int)}},
    "gru/b: a str of <U4: must be an array of numbers": changed("haiku.GRU", gru__b="text"),
    "gru/b: a ndarray of object: must be an array of numbers": changed("haiku.GRU", gru__b=np.array([print])),
    "parameters is a list: must be nested mappings of arrays": [1, 2],
    "parameters is a NoneType": None,
    "its two directions have other equations, sizes or dtypes": changed(
        "flax.nnx.Bidirectional", backward_rnn__cell__dense_i__kernel=np.zeros((5, 9))),
}  # fmt: skip


@pytest.mark.parametrize("message, tree", REFUSED.items(), ids=REFUSED)
def test_other_trees_are_refused_in_one_line(message, tree):
    with pytest.raises(UserError) as refused:
        gatelab.from_jax(tree)
    assert message in str(refused.value)
    assert str(refused.value).isprintable()


def test_a_tree_in_itself_is_refused():
    tree: dict[str, Any] = {}
    tree["again"] = tree
    with pytest.raises(UserError, match="nested deeper than 50 levels"):
        gatelab.from_jax(tree)


def test_an_array_that_cannot_be_had_is_refused():
    class Deleted:
        def __array__(self, dtype=None, copy=None):
            raise RuntimeError("Array has been deleted.")

    with pytest.raises(UserError, match=r"^parameters, a/b: no array: RuntimeError: Array has been deleted.$"):
        gatelab.from_jax({"a": {"b": Deleted()}})


def npy(shape: str, data: bytes, dtype: str = "'<f8'") -> bytes:
    """Return the bytes of a .npy file with any header."""
    header = f"{{'descr': {dtype}, 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + data


HOSTILE = {
    "huge": npy("(1000000, 1000000)", b""),
    "larger than it is": npy("(3,)", bytes(8)),
    "objects": npy("(1,)", b"\x80\x04N.", "'|O'"),
    "code": npy("__import__('os').system('touch harmed')", b""),
    "cut": b"\x93NUMPY\x01\x00",
    "version": b"\x93NUMPY\x09\x00" + bytes(20),
    "empty": b"",
    "text": b"hello",
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_hostile_arrays_are_refused_in_one_line(content, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with zipfile.ZipFile("x.npz", "w") as packed:
        packed.writestr("gru/b.npy", content)
    with pytest.raises(UserError, match=r"^x.npz(: must be an archive of NumPy arrays|, gru/b: )[^\n]*$"):
        gatelab.from_jax("x.npz")
    assert not (tmp_path / "harmed").exists()


def test_a_file_that_unpacks_to_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("gatelab.exchange.parameter_tree._MOST_BYTES", 2**20)
    np.savez_compressed(tmp_path / "x.npz", a=np.zeros(2**18))
    with pytest.raises(UserError, match="unpacks to more than 1 MB"):
        gatelab.from_jax(tmp_path / "x.npz")


@pytest.mark.parametrize("name, message", [
    ("x.npz", "x.npz: must be an archive"), ("x.safetensors", "not a safetensors file"),
    ("x.pkl", "must end with .npz or .safetensors"), ("absent.npz", "cannot be read: No such file"),
])  # fmt: skip
def test_other_files_are_refused_in_one_line(name, message, tmp_path):
    if "absent" not in name:
        (tmp_path / name).write_bytes(b"PK\x03\x04 not an archive")
    with pytest.raises(UserError, match=message):
        gatelab.from_jax(tmp_path / name)


def test_a_cut_archive_is_refused(tmp_path):
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **measured("haiku.GRU")[0])
    for share in (0.2, 0.5, 0.9):
        (tmp_path / "x.npz").write_bytes(buffer.getvalue()[: int(share * len(buffer.getvalue()))])
        with pytest.raises(UserError, match="must be an archive of NumPy arrays"):
            gatelab.from_jax(tmp_path / "x.npz")
