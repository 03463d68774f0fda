"""A file is read by what wrote it: gatelab, torch, Keras, Flax, Equinox or Haiku."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_torch_file
from torch import nn

from gatelab import RNN, Network, from_torch_file, variant
from gatelab.errors import UserError
from gatelab.exchange import found_in

MEASURED = Path(__file__).parent / "measured"


def equinox_cell(name: str) -> dict[str, np.ndarray]:
    with np.load(MEASURED / "jax.npz") as cells:
        own = {key.split("|")[1]: cells[key] for key in cells if key.startswith(f"equinox.nn.{name}|")}
    return {f"encoder.{key}": array for key, array in own.items() if key != "outputs"}


def test_files_of_every_program_are_read(tmp_path):
    torch.save(nn.GRU(3, 4).state_dict(), tmp_path / "model.pt")
    save_torch_file(nn.LSTMCell(3, 4).state_dict(), tmp_path / "torch.safetensors")
    save_file(equinox_cell("LSTMCell"), tmp_path / "equinox.safetensors")
    np.savez(tmp_path / "tree.npz", **equinox_cell("GRUCell"))
    shutil.copy(MEASURED / "layers.keras", tmp_path / "layers.keras")
    RNN("cifg", 3, 4).save(tmp_path / "ours.safetensors")
    Network(variant("mgu"), 3, 2, 4, embedding=5).save(tmp_path / "network.safetensors")
    found = {file.name: found_in(file) for file in sorted(tmp_path.iterdir())}
    sources = {name: networks[0].source.replace(str(tmp_path), "HERE") for name, networks in found.items()}
    assumed = "; its squashing functions are not in the parameters and are taken for the defaults"
    assert sources == {
        "equinox.safetensors": f"equinox.nn.LSTMCell at encoder of HERE/equinox.safetensors{assumed}",
        "layers.keras": "Keras Bidirectional GRU, layer both_gru of HERE/layers.keras",
        "model.pt": "torch.nn.GRU of HERE/model.pt",
        "network.safetensors": "RNN of a network, above its embedding: data are what that hands up, saved by gatelab "
        "in HERE/network.safetensors",
        "ours.safetensors": "RNN, saved by gatelab in HERE/ours.safetensors",
        "torch.safetensors": "torch.nn.LSTM of HERE/torch.safetensors",
        "tree.npz": f"equinox.nn.GRUCell at encoder of HERE/tree.npz{assumed}",
    }
    assert found["equinox.safetensors"][0].rnn.bias
    assert found["network.safetensors"][0].rnn.input_size == 5


@pytest.mark.parametrize("name, message", [
    ("model.pkl", "must end with .pt, .pth, .pt2, .ckpt, .safetensors, .keras, .weights.h5, .npz"),
    ("absent.keras", "cannot be read: No such file"), ("absent.safetensors", "cannot be read: No such file"),
])  # fmt: skip
def test_other_files_are_one_line(name, message, tmp_path):
    with pytest.raises(UserError, match=message):
        found_in(tmp_path / name)


def test_a_cell_of_equinox_is_not_taken_for_one_of_torch(tmp_path):
    save_file(equinox_cell("LSTMCell"), tmp_path / "equinox.safetensors")
    with pytest.raises(UserError, match=r"encoder: 'bias' is no weight of torch; gatelab.from_jax reads"):
        from_torch_file(tmp_path / "equinox.safetensors")
