"""Files of Keras 3: the outputs that Keras computed come out, and damaged or hostile files are one line.

The files were written by tests/exchange/measure_libraries.py; Keras is not needed here.
"""

import io
import json
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

import gatelab
from gatelab.errors import UserError
from gatelab.exchange import found_in_keras
from gatelab.exchange.keras_config import ACTIVATIONS
from gatelab.reading.hdf5 import read_hdf5

MEASURED = Path(__file__).parent / "measured"
FILE = MEASURED / "layers.keras"
VALUES = dict(np.load(MEASURED / "keras.npz"))
READ: dict[bytes, Any] = {}
LAYERS = [name for name in VALUES if name != "x"]
OTHER_ACTIVATIONS = ("lstm_other", "gru_other", "simple_linear", "simple_silu", "of_a_cell")
X = torch.from_numpy(VALUES["x"])


def outputs(rnn: gatelab.RNN, x: torch.Tensor) -> np.ndarray:
    """Return the outputs by the loop, which compiles nothing."""
    for layer in rnn.layers:
        layer.path = "loop"
    with torch.no_grad():
        return rnn(x)[0].numpy()


@pytest.fixture
def read_once(monkeypatch):
    """Read the weights, which takes a process each time, once for many tests."""

    def read(content: bytes, where: str, wanted: str) -> Any:
        if content not in READ:
            READ[content] = read_hdf5(content, where, wanted)
        return READ[content]

    monkeypatch.setattr("gatelab.exchange.keras_file.read_hdf5", read)


def close(rnn: gatelab.RNN, layer: str) -> bool:
    """Return whether outputs are those of Keras, in single precision."""
    return np.allclose(outputs(rnn, X), VALUES[layer], rtol=1e-5, atol=1e-5)


def member(name: str) -> bytes:
    with zipfile.ZipFile(FILE) as packed:
        return packed.read(name)


def weights_file(folder: Path) -> Path:
    """Write the weights alone, as ``model.save_weights`` does."""
    (folder / "layers.weights.h5").write_bytes(member("model.weights.h5"))
    return folder / "layers.weights.h5"


def test_every_layer_is_found():
    assert sorted(one.name for one in found_in_keras(FILE)) == sorted(LAYERS)


@pytest.mark.parametrize("layer", LAYERS)
def test_the_outputs_are_those_of_keras(layer, read_once):
    rnn = gatelab.from_keras(FILE, layer)
    assert close(rnn, layer)
    assert rnn.bias == ("no_bias" not in layer)
    assert rnn.bidirectional == layer.startswith("both")


def test_equations_say_what_the_layer_computes(read_once):
    variant = gatelab.from_keras(FILE, "lstm_other").variant
    assert variant.name == "lstm_hard_sigmoid_softplus"
    assert dict(variant.equations) == {
        "i": "hard_sigmoid(linear(x, h))", "f": "hard_sigmoid(linear(x, h))", "z": "softplus(linear(x, h))",
        "o": "hard_sigmoid(linear(x, h))", "c": "f * c + i * z", "h": "o * softplus(c)",
    }  # fmt: skip
    assert gatelab.from_keras(FILE, "gru_before").variant == gatelab.variant("gru_v3")
    assert gatelab.from_keras(FILE, "gru_after").variant == gatelab.variant("gru")


def test_weights_alone_have_the_default_activations(tmp_path):
    path = weights_file(tmp_path)
    found = {one.name: one for one in found_in_keras(path)}
    assert sorted(found) == sorted(LAYERS)
    # without a bias nothing says on which side of the product the reset gate is
    unknown = {*OTHER_ACTIVATIONS, "gru_before_no_bias"}
    assert {layer for layer in LAYERS if not close(found[layer].rnn, layer)} == unknown
    assert "activations are not in the file and are taken for the defaults" in found["lstm"].source


FUNCTIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "tanh": np.tanh, "sigmoid": lambda u: 1 / (1 + np.exp(-u)), "relu": lambda u: np.maximum(u, 0),
    "linear": lambda u: u, "hard_sigmoid": lambda u: np.clip(u / 6 + 0.5, 0, 1),
    "hard_tanh": lambda u: np.clip(u, -1, 1),
    "softplus": lambda u: np.log1p(np.exp(u)), "silu": lambda u: u / (1 + np.exp(-u)),
    "swish": lambda u: u / (1 + np.exp(-u)), "exponential": np.exp, "log_sigmoid": lambda u: -np.log1p(np.exp(-u)),
}  # fmt: skip
"""The activations as keras.activations documents them."""


def edited(folder: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """Write the file with another configuration."""
    config = json.loads(member("config.json"))
    change({layer["config"]["name"]: layer for layer in config["config"]["layers"]})
    members = {"config.json": json.dumps(config).encode(), "model.weights.h5": member("model.weights.h5")}
    return packed(folder / "edited.keras", members)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_is_the_function_of_this_name(name, tmp_path, read_once):
    path = edited(tmp_path, lambda layers: layers["simple"]["config"].update(activation=name))
    rnn = gatelab.from_keras(path, "simple")
    first = rnn.layers[0].state_dict()
    pre = X[:, 0].numpy() @ first["h_weight_x"].numpy().T + first["h_bias"].numpy()
    assert np.allclose(outputs(rnn, X[:, :1])[:, 0], FUNCTIONS[name](pre), rtol=1e-5, atol=1e-6)


WRONG: dict[str, Callable[[dict[str, Any]], object]] = {
    "layer simple: activation=gelu: has no equations here": lambda layers: layers["simple"]["config"].update(
        activation="gelu"),
    "layer simple: activation={module: builtins, class_name: eval": lambda layers: layers["simple"]["config"].update(
        activation={"module": "builtins", "class_name": "eval", "config": "1"}),
    "recurrent_activation=sigmiod: has no equations here (did you mean 'sigmoid'?)": lambda layers: layers["lstm"][
        "config"].update(recurrent_activation="sigmiod"),
    "layer lstm: class os.LSTM: must be one of": lambda layers: layers["lstm"].update(module="os"),
    "layer lstm: class mine.LSTM: must be one of": lambda layers: layers["lstm"].update(
        module="mine", registered_name="mine>LSTM"),
    "layer lstm: class keras.layers.ConvLSTM2D: must be one of": lambda layers: layers["lstm"].update(
        class_name="ConvLSTM2D"),
    "are not those of keras.layers.GRU": lambda layers: layers["lstm"].update(class_name="GRU"),
    "layer gru_before: variables 0 (2, 9), 1 (3, 9), 2 (9,) are not those of keras.layers.GRU": lambda layers: layers[
        "gru_before"]["config"].update(reset_after=True),
    "are not those of keras.layers.GRU with reset_after=False": lambda layers: layers["gru_after"]["config"].update(
        reset_after=False),
    "layer lstm: go_backwards=true": lambda layers: layers["lstm"]["config"].update(go_backwards=True),
    "layer both_gru: merge_mode=sum: must be concat": lambda layers: layers["both_gru"]["config"].update(
        merge_mode="sum"),
    "layer both_gru: its forward layer has go_backwards=true": lambda layers: layers["both_gru"]["config"]["layer"][
        "config"].update(go_backwards=True),
    "layer both_gru: its two directions have other equations": lambda layers: layers["both_gru"]["config"].update(
        backward_layer={**layers["both_gru"]["config"]["layer"], "config": {
            **layers["both_gru"]["config"]["layer"]["config"], "activation": "relu"}}),
    "layer simple: config.json does not have this layer": lambda layers: layers["simple"]["config"].update(name="x"),
    "layer simple: config.json has several layers of this name": lambda layers: layers["simple_silu"]["config"].update(
        name="simple"),
    "layer of_a_cell: class keras.layers.RNN: must be one of": lambda layers: layers["of_a_cell"]["config"].update(
        cell=None),
}  # fmt: skip


@pytest.mark.parametrize("message, change", WRONG.items(), ids=WRONG)
def test_a_configuration_that_has_no_equations_is_one_line(message, change, tmp_path, read_once):
    path = edited(tmp_path, change)
    with pytest.raises(UserError) as refused:
        found_in_keras(path)
    assert message in str(refused.value)
    assert str(refused.value).startswith(str(path))
    assert str(refused.value).isprintable()


def stored(folder: Path, write: Callable[[h5py.File], object]) -> Path:
    """Write a .weights.h5 file by hand: an LSTM that ``write`` may change."""
    with h5py.File(folder / "x.weights.h5", "w") as file:
        for name, shape in (("0", (2, 12)), ("1", (3, 12)), ("2", (12,))):
            file[f"layers/lstm/cell/vars/{name}"] = np.zeros(shape, np.float32)
        write(file)
    return folder / "x.weights.h5"


VARS = "layers/lstm/cell/vars"


def replaced(file: h5py.File, name: str, **made: Any) -> None:
    del file[f"{VARS}/{name}"]
    file.create_dataset(f"{VARS}/{name}", **made)


def linked(file: h5py.File, link: Any) -> None:
    file["layers/other"] = link


def in_itself(file: h5py.File) -> None:
    file["layers/lstm/again"] = file["layers"]


def elsewhere(file: h5py.File) -> None:
    replaced(file, "2", shape=(12,), dtype="f4", external=[("secret.bin", 0, 48)])


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout(shape=(12,), dtype="f4")
    layout[:] = h5py.VirtualSource("secret.h5", "data", shape=(12,))
    del file[f"{VARS}/2"]
    file.create_virtual_dataset(f"{VARS}/2", layout)


HOSTILE: dict[str, Callable[[h5py.File], object]] = {
    "other is a link to another place": lambda file: linked(file, h5py.ExternalLink("secret.h5", "/data")),
    "layers/other is a link to another": lambda file: linked(file, h5py.SoftLink("/layers/lstm")),
    "groups deeper than 50": in_itself,
    "vars/2: lies in another file": elsewhere,
    "vars/2: lies in another file, or needs a plug-in": virtual,
    "shape (12, 100000000) is more than such a file can hold": lambda file: replaced(
        file, "1", shape=(12, 10**8), dtype="f4", chunks=(12, 1000)),
    "vars/2: int64 of shape (12,): must be floating": lambda file: replaced(file, "2", data=np.zeros(12, int)),
    "must be floating numbers": lambda file: replaced(file, "2", data=np.array([b"a"] * 12)),
    "weights of torch.float32, torch.float64": lambda file: replaced(file, "2", data=np.zeros(12)),
    "2 of shape (11,): must be (12,)": lambda file: replaced(file, "2", data=np.zeros(11, np.float32)),
    "lstm: has no 0, which keras.layers.LSTM has": lambda file: file.__delitem__(f"{VARS}/0"),
    "no recurrent layer that is read here; layers with a cell: lstm": lambda file: replaced(
        file, "1", data=np.zeros((3, 10), np.float32)),
    "variables 0 (2, 12), 1 (3, 12), 2/0 (12,), 2/1 (12,) are not": lambda file: replaced(
        file, "2", data=np.zeros((2, 12), np.float32)),
}  # fmt: skip


@pytest.mark.parametrize("message, write", HOSTILE.items(), ids=HOSTILE)
def test_hostile_weights_are_refused_in_one_line(message, write, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret.bin").write_bytes(bytes(48))
    path = stored(tmp_path, write)
    with pytest.raises(UserError) as refused:
        gatelab.from_keras(path)
    assert message in str(refused.value)
    assert str(refused.value).isprintable()


def test_a_file_without_names_of_layers_uses_those_of_its_groups(tmp_path):
    assert [one.name for one in found_in_keras(stored(tmp_path, lambda file: None))] == ["lstm"]


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.95])
@pytest.mark.parametrize("ending", ["keras", "weights.h5"])
def test_a_cut_file_is_one_line(share, ending, tmp_path):
    data = FILE.read_bytes() if ending == "keras" else member("model.weights.h5")
    (tmp_path / f"x.{ending}").write_bytes(data[: int(share * len(data))])
    with pytest.raises(UserError, match=r"not a .keras file|cannot be read as HDF5"):
        gatelab.from_keras(tmp_path / f"x.{ending}")


def packed(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in {"metadata.json": b'{"keras_version": "3.15.1"}', **members}.items():
            file.writestr(name, data)
    return path


ARCHIVES: dict[str, tuple[dict[str, bytes], str]] = {
    "no weights": ({"config.json": b"{}"}, "not a .keras file: .*model.weights.h5"),
    "no configuration": ({"model.weights.h5": b""}, "not a .keras file: .*config.json"),
    "no JSON": ({"config.json": b"{", "model.weights.h5": b""}, "config.json: not a complete JSON file"),
    "a bomb": ({"config.json": b" " * 2**26, "model.weights.h5": b""}, "config.json unpacks to 67108864 bytes"),
    "no HDF5": ({"config.json": b"{}", "model.weights.h5": b"hello"}, "cannot be read as HDF5"),
    "Keras 2": ({"metadata.json": b'{"keras_version": "2.13.1"}', "config.json": b"{}", "model.weights.h5": b""},
                "written by Keras 2.13.1: must be 3 or newer; save it with Keras 3"),
    "no version": ({"metadata.json": b"[]", "config.json": b"{}", "model.weights.h5": b""}, "written by Keras null"),
    "deep": ({"config.json": b"[" * 500 + b"]" * 500, "model.weights.h5": b""}, "nested too deep"),
}  # fmt: skip


@pytest.mark.parametrize("members, message", ARCHIVES.values(), ids=ARCHIVES)
def test_other_archives_are_one_line(members, message, tmp_path):
    with pytest.raises(UserError, match=message):
        gatelab.from_keras(packed(tmp_path / "x.keras", members))


def test_other_files_are_one_line(tmp_path, monkeypatch):
    (tmp_path / "x.keras").mkdir()
    others = {"x.keras": "it is a folder", "y.keras": "No such file", "x.h5": "is of Keras 2: save it again"}
    for name, message in others.items():
        with pytest.raises(UserError, match=message):
            gatelab.from_keras(tmp_path / name)
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(UserError, match=r"files of Keras need h5py: pip install 'gatelab\[keras\]'$"):
        gatelab.from_keras(FILE)


def test_a_file_on_which_its_library_loops_is_one_line(monkeypatch):
    monkeypatch.setattr("gatelab.reading.hdf5._SECONDS", 0.001)
    with pytest.raises(UserError, match=r"layers.keras: cannot be read as HDF5 within 0.001 seconds$"):
        gatelab.from_keras(FILE)


def test_a_file_on_which_its_library_crashes_is_one_line(monkeypatch):
    monkeypatch.setattr("gatelab.reading.hdf5.sys.executable", "/bin/false")
    with pytest.raises(UserError, match=r"layers.keras: cannot be read as HDF5: its reader ended with status 1$"):
        gatelab.from_keras(FILE)


def read_or_refused(path: Path) -> bool:
    """Return True if a file is read, or refused in one line; any other error is the test's."""
    try:
        found_in_keras(path)
    except UserError as error:
        return str(error).isprintable()
    return True


def test_the_file_is_what_the_docstring_says():
    with h5py.File(io.BytesIO(member("model.weights.h5"))) as file:
        assert list(file["layers/lstm/cell/vars"]) == ["0", "1", "2"]
