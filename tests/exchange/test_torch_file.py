"""Recurrent networks in files of torch weights: found by names and shapes, refused in one line."""

import os
import pickle
import warnings
import zipfile

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import gatelab
from gatelab.errors import UserError
from gatelab.exchange import found_in_torch
from gatelab.exchange.any_file import found_in

KINDS = {"lstm": nn.LSTM, "gru": nn.GRU, "elman": nn.RNN}


def saved(path, state) -> str:
    torch.save(state, path)
    return str(path)


def output(module, x):
    return module(x)[0].detach()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "settings",
    [{}, {"num_layers": 3}, {"bidirectional": True, "num_layers": 2}, {"bias": False}, {"dtype": torch.float64}],
)
def test_the_network_is_the_one_of_torch(kind, settings, tmp_path):
    module = KINDS[kind](3, 5, **settings)
    rnn = gatelab.from_torch_file(saved(tmp_path / "model.pt", module.state_dict()))
    x = torch.randn(7, 2, 3, dtype=settings.get("dtype"))
    assert rnn.variant.name == gatelab.variant(kind).name
    torch.testing.assert_close(output(rnn, x), output(module, x))


@pytest.mark.parametrize("cell, kind", [(nn.LSTMCell, "lstm"), (nn.GRUCell, "gru"), (nn.RNNCell, "elman")])
def test_a_cell_is_a_layer(cell, kind, tmp_path):
    module = cell(3, 5)
    rnn = gatelab.from_torch_file(saved(tmp_path / "model.pt", module.state_dict()))
    x = torch.randn(1, 2, 3)
    step = module(x[0])
    torch.testing.assert_close(output(rnn, x)[0], (step[0] if kind == "lstm" else step).detach())


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.ModuleDict({"lstm": nn.LSTM(3, 5)})
        self.decoder = nn.GRU(5, 4)
        self.readout = nn.Linear(4, 2)


def test_layers_are_found_by_their_place_in_the_model(tmp_path):
    model = Model()
    path = saved(tmp_path / "model.pt", model.state_dict())
    found = found_in_torch(path)
    assert [(one.name, one.rnn.variant.name) for one in found] == [("encoder.lstm", "lstm"), ("decoder", "gru")]
    assert found[0].source == f"torch.nn.LSTM at encoder.lstm of {path}"
    x = torch.randn(7, 2, 5)
    torch.testing.assert_close(output(gatelab.from_torch_file(path, "decoder"), x), output(model.decoder, x))


WRAPPED = {
    "lightning": lambda state: {"epoch": 3, "state_dict": state, "hyper_parameters": {"lr": 0.1}},
    "a training script": lambda state: {"model_state_dict": state, "optimizer_state_dict": {"state": {}}},
    "data parallel": lambda state: {f"module.{name}": value for name, value in state.items()},
    "compiled": lambda state: {f"_orig_mod.{name}": value for name, value in state.items()},
}


@pytest.mark.parametrize("wrapped", WRAPPED)
def test_checkpoints_that_wrap_the_weights_are_read(wrapped, tmp_path):
    path = saved(tmp_path / "model.ckpt", WRAPPED[wrapped](Model().state_dict()))
    assert [one.name for one in found_in_torch(path)] == ["encoder.lstm", "decoder"]


def test_safetensors_are_read(tmp_path):
    module = nn.LSTM(3, 5)
    save_file(module.state_dict(), tmp_path / "model.safetensors")
    x = torch.randn(7, 2, 3)
    rnn = gatelab.from_torch_file(tmp_path / "model.safetensors")
    torch.testing.assert_close(output(rnn, x), output(module, x))


def test_the_old_format_of_torch_is_read(tmp_path):
    torch.save(nn.GRU(3, 5).state_dict(), tmp_path / "model.pt", _use_new_zipfile_serialization=False)
    assert gatelab.from_torch_file(tmp_path / "model.pt").variant.name == "gru"


def changed(**changes):
    """Return the state_dict of an LSTM with some tensors replaced; None takes one away."""
    state = {**nn.LSTM(3, 5).state_dict(), **changes}
    return {name: value for name, value in state.items() if value is not None}


REFUSED = {
    "no recurrent layer in it": nn.Linear(3, 5).state_dict(),
    "several recurrent networks: encoder.lstm, decoder; choose one by layer=": Model().state_dict(),
    "a projection (proj_size) has no equations here": nn.LSTM(3, 5, proj_size=2).state_dict(),
    "has weight_ih_l0 and no weight_hh_l0": changed(weight_hh_l0=None),
    "no bias_hh_l0": changed(bias_hh_l0=None),
    "weight_hh_l0 of shape (20,): must be a matrix": changed(weight_hh_l0=torch.zeros(20)),
    "weight_hh of shape (10, 5): must have 4 (LSTM), 3 (GRU) or 1 (RNN)": changed(weight_hh_l0=torch.zeros(10, 5)),
    "weight_hh of shape (0, 0)": changed(weight_hh_l0=torch.zeros(0, 0)),
    "bias_ih_l0 of shape (19,): must be (20,)": changed(bias_ih_l0=torch.zeros(19)),
    "bias_ih_l0 of torch.int64: must be float32": changed(bias_ih_l0=torch.zeros(20, dtype=torch.int64)),
    "bias_ih_l0 of torch.float64: must be float32": changed(bias_ih_l0=torch.zeros(20, dtype=torch.float64)),
    "names of 4000 layers, and only 5 weights": changed(weight_ih_l3999=torch.zeros(20, 5)),
    "holds a list: must be a state_dict": [1, 2],
    "too large": {"weight_ih_l0": torch.zeros(1).expand(10**12)},
}


@pytest.mark.parametrize("message", REFUSED)
def test_other_weights_are_refused_in_one_line(message, tmp_path):
    path = saved(tmp_path / "model.pt", REFUSED[message])
    with pytest.raises(UserError) as refused:
        gatelab.from_torch_file(path)
    assert message in str(refused.value)
    assert str(refused.value).startswith(path)
    assert "\n" not in str(refused.value)


def test_an_unknown_layer_gets_the_names(tmp_path):
    path = saved(tmp_path / "model.pt", Model().state_dict())
    with pytest.raises(UserError, match=r"no layer 'decodr' \(did you mean 'decoder'\?\); there are encoder.lstm, dec"):
        gatelab.from_torch_file(path, "decodr")


class Harmful:
    def __reduce__(self):
        return os.system, ("echo harmed > harmed",)


def written(path, kind):
    """Write a file that is no state_dict."""
    torch.save(nn.LSTM(3, 5).state_dict(), path)
    whole = path.read_bytes()
    if kind == "cut":
        path.write_bytes(whole[: len(whole) // 2])
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "text":
        path.write_text("weight_ih_l0: 1\n")
    elif kind == "a pickle with code":
        path.write_bytes(pickle.dumps(Harmful()))
    elif kind == "a whole module":
        torch.save(nn.LSTM(3, 5), path)


@pytest.mark.parametrize("kind", ["cut", "empty", "text", "a pickle with code", "a whole module"])
@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
def test_other_files_are_refused_in_one_line(kind, suffix, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    written(tmp_path / f"model.{suffix}", kind)
    with pytest.raises(UserError, match=r"^model.\w+: cannot be read as (tensors|safetensors)[^\n]*$"):
        gatelab.from_torch_file(f"model.{suffix}")
    assert not (tmp_path / "harmed").exists()


def test_an_archive_that_unpacks_to_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("gatelab.exchange.state_dict._MOST_BYTES", 2**20)
    with zipfile.ZipFile(tmp_path / "model.pt", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("archive/data.pkl", bytes(2**20 + 1))
    with pytest.raises(UserError, match="it unpacks to more than"):
        gatelab.from_torch_file(tmp_path / "model.pt")


def test_a_folder_a_pipe_and_a_missing_file_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.pt")
    for name, said in (("", "it is a folder"), ("pipe.pt", "it is a pipe"), ("none.pt", "No such file")):
        with pytest.raises(UserError, match=said):
            gatelab.from_torch_file(tmp_path / name)


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.GRU(3, 5, num_layers=2, bidirectional=True)
        self.register_buffer("counted", torch.zeros(2, dtype=torch.int64))

    def forward(self, x):
        return self.encoder(x)[0]


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """Write an exported program; return its path, and its module."""
    module = Tagger()
    path = tmp_path_factory.mktemp("exported") / "tagger.pt2"
    with warnings.catch_warnings(action="ignore"):
        torch.export.save(torch.export.export(module, (torch.randn(4, 2, 3),)), path)
    return path, module


def test_an_exported_program_is_read_without_being_made(program, monkeypatch):
    path, module = program
    monkeypatch.setattr(torch, "load", None)
    monkeypatch.setattr(torch.export, "load", None)
    rnn = gatelab.from_torch_file(path, "encoder")
    x = torch.randn(7, 2, 3)
    torch.testing.assert_close(output(rnn, x), module(x).detach())
    (found,) = found_in(path)
    assert found.name == "encoder"


TABLE = "data/weights/model_weights_config.json"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"path_name": "weight_0"', '"path_name": "../../etc/passwd"', "path_name: String should match pattern"),
        ('"path_name": "weight_0"', '"path_name": "weight_99"', "encoder.weight_ih_l0: there is no weight_99"),
        ('"use_pickle": false', '"use_pickle": true', "use_pickle: Input should be False"),
        ('"sizes": [{"as_int": 15}', '"sizes": [{"as_int": 999999999999}', "do not fit 45 numbers"),
        ('"strides": [{"as_int": 3}', '"strides": [{"as_int": 0}', "do not fit 45 numbers"),
        ('"storage_offset": {"as_int": 0}', '"storage_offset": {"as_int": -4}', "should be greater than or equal to 0"),
        ('{"config":', '{"konfig":', "must have the key config"),
        ("}}}}", "", "not a complete JSON file"),
    ],
)
def test_a_program_whose_table_lies_is_refused_in_one_line(program, tmp_path, old, new, said):
    path = tmp_path / "bad.pt2"
    with zipfile.ZipFile(program[0]) as good, zipfile.ZipFile(path, "w") as bad:
        for member in good.infolist():
            content = good.read(member)
            if member.filename.endswith(TABLE):
                assert old.encode() in content
                content = content.replace(old.encode(), new.encode(), 1)
            bad.writestr(member, content)
    with pytest.raises(UserError) as refused:
        gatelab.from_torch_file(path)
    assert said in str(refused.value) and "\n" not in str(refused.value)


def test_a_packed_or_older_program_is_refused(program, tmp_path):
    packed = tmp_path / "packed.pt2"
    with zipfile.ZipFile(program[0]) as good, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as bad:
        for name in good.namelist():
            bad.writestr(name, good.read(name))
    with pytest.raises(UserError, match=r"is packed or too large$"):
        gatelab.from_torch_file(packed)
    with zipfile.ZipFile(tmp_path / "old.pt2", "w") as old:
        old.writestr("serialized_exported_program.json", "{}")
    with pytest.raises(UserError, match=r"old\.pt2: an exported program of a torch before 2\.9; save it again"):
        gatelab.from_torch_file(tmp_path / "old.pt2")
