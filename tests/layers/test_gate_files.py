"""A gate in a file: weights and equations come back bit for bit, and a damaged file is one line."""

import json
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch.nn.utils import parametrizations

import gatelab
from gatelab import RNN, Network, Variant, __version__
from gatelab.errors import UserError
from gatelab.language import load_variant, variant_files
from gatelab.layers.openings import OPENINGS, Zero
from tests.conformance.sizes import fitting
from tests.outside.made_up import HOSTILE

OPTIONS: dict[str, dict[str, Any]] = {
    "layers": {"num_layers": 3, "dropout": 0.25},
    "directions": {"num_layers": 2, "bidirectional": True, "batch_first": True},
    "no bias": {"bias": False},
    "segments": {"recompute": 4},
    **{f"opening {name}": {"opening": name} for name in sorted(OPENINGS)},
    "keys of an opening": {"opening": {"name": "chrono", "max_time": 7}},
    "lists of an opening": {"opening": {"name": "given", "retain": [1.0, 2.0], "write": -1.0}},
}
DTYPES = [torch.float16, torch.bfloat16, torch.float32, torch.float64]


def bits(tensor: torch.Tensor) -> bytes:
    return tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


def assert_same(one: torch.nn.Module, other: torch.nn.Module) -> None:
    """Assert equal names, dtypes and bits of all weights."""
    first, second = one.state_dict(), other.state_dict()
    assert list(first) == list(second)
    for name, tensor in first.items():
        assert second[name].dtype is tensor.dtype
        assert bits(second[name]) == bits(tensor), name


@pytest.mark.parametrize("name", sorted(variant_files()))
def test_every_variant_comes_back(name, tmp_path):
    known = load_variant(name)
    rnn = RNN(name, *fitting(known, 3, 4))
    rnn.save(tmp_path / "gate.safetensors")
    again = gatelab.load(tmp_path / "gate.safetensors")
    assert isinstance(again, RNN)
    assert again.variant == known
    assert_same(rnn, again)
    assert repr(again) == repr(rnn)


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_options_come_back(options, tmp_path):
    rnn = RNN("lstm", 3, 4, **options).eval()
    rnn.save(tmp_path / "gate.safetensors")
    again = gatelab.load(tmp_path / "gate.safetensors")
    assert_same(rnn, again)
    assert repr(again) == repr(rnn)
    assert again.opening == rnn.opening
    assert [layer.recompute for layer in again.layers] == [layer.recompute for layer in rnn.layers]
    x = torch.randn(2, 5, 3)
    assert bits(again(x)[0]) == bits(rnn(x)[0])


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_dtypes_come_back(dtype, tmp_path):
    rnn = RNN("peephole", 3, 4, dtype=dtype)
    with torch.no_grad():
        rnn.layers[0].get_parameter("f_bias").copy_(torch.tensor([float("nan"), float("inf"), -0.0, 1e-7]))
    rnn.save(tmp_path / "gate.safetensors")
    assert_same(rnn, gatelab.load(tmp_path / "gate.safetensors"))


def test_a_variant_of_ones_own_comes_back(tmp_path):
    edited = load_variant("peephole").edit("mine", i="1 - f", h="o * tanh(gain * c)", gain="0.5 + vector(0.25)")
    rnn = RNN(edited, 3, 4)
    rnn.save(tmp_path / "gate.safetensors")
    again = gatelab.load(tmp_path / "gate.safetensors")
    assert isinstance(again, RNN)
    assert again.variant == edited
    assert list(again.variant.equations.items()) == list(edited.equations.items())
    assert_same(rnn, again)


@pytest.mark.parametrize("settings", [
    {}, {"embedding": 3}, {"embedding": 3, "tokens": True}, {"embedding": 3, "direct": True}, {"bias": False},
    {"num_layers": 2, "bidirectional": True, "readout": "every"},
], ids=str)  # fmt: skip
@pytest.mark.parametrize("name", ["gru", "mlstm"])
def test_networks_come_back(name, settings, tmp_path):
    network = Network(load_variant(name), 5, 2, 8, **settings)
    network.reset_parameters(torch.Generator().manual_seed(1))
    network.origin = {"task": "mine", "numbers": [1, 0.1, None]}
    network.save(tmp_path / "net.safetensors")
    again = gatelab.load(tmp_path / "net.safetensors")
    assert isinstance(again, Network)
    assert again.origin == network.origin
    assert_same(network, again)
    x = torch.randint(0, 5, (6, 2)) if settings.get("tokens") else torch.randn(6, 2, 5)
    assert bits(again(x)) == bits(network.eval()(x))
    again.save(tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == (tmp_path / "net.safetensors").read_bytes()
    assert_same(RNN.from_pretrained(tmp_path / "net.safetensors"), network.rnn)


def test_loading_draws_no_random_number_and_weights_learn(tmp_path):
    RNN("lstm", 3, 4, opening="chrono").save(tmp_path / "gate.safetensors")
    before = torch.get_rng_state()
    rnn = gatelab.load(tmp_path / "gate.safetensors")
    assert torch.equal(torch.get_rng_state(), before)
    assert not rnn.training
    rnn(torch.randn(5, 2, 3))[0].sum().backward()
    assert all(parameter.grad is not None for parameter in rnn.parameters())


def test_another_library_reads_it_and_sees_the_equations(tmp_path):
    rnn = RNN("cifg", 3, 4)
    rnn.save(tmp_path / "gate.safetensors")
    assert load_file(tmp_path / "gate.safetensors").keys() == rnn.state_dict().keys()
    with safe_open(tmp_path / "gate.safetensors", "pt") as file:
        metadata = file.metadata()
    variant = json.loads(metadata["variant"])
    assert variant["equations"] == dict(load_variant("cifg").equations)
    assert variant["source"] == load_variant("cifg").source
    assert json.loads(metadata["rnn"])["hidden_size"] == 4
    assert json.loads(metadata["gatelab"]) == {"format": 1, "version": __version__}


def test_a_weight_that_is_computed_is_saved_as_it_is(tmp_path):
    rnn = RNN("gru", 3, 4)
    parametrizations.weight_norm(rnn.layers[0], "u_weight_h")
    rnn.save(tmp_path / "gate.safetensors")
    x = torch.randn(5, 2, 3)
    assert torch.equal(gatelab.load(tmp_path / "gate.safetensors")(x)[0], rnn(x)[0])


def test_an_opening_of_another_package_is_left_out(tmp_path):
    class Mine(Zero):
        name: Any = "elsewhere:Mine"

    rnn = RNN("lstm", 3, 4, opening=Mine())
    rnn.save(tmp_path / "gate.safetensors")
    assert gatelab.load(tmp_path / "gate.safetensors").opening is None


def written(path, **changes: Any) -> None:
    """Write the file of an LSTM with other metadata; a mapping changes keys of a section, None leaves it out."""
    rnn = RNN("lstm", 3, 4)
    rnn.save(path)
    with safe_open(path, "pt") as file:
        metadata = dict(file.metadata())
    for section, change in changes.items():
        if isinstance(change, dict):
            metadata[section] = json.dumps({**json.loads(metadata.get(section, "{}")), **change})
        elif change is None:
            del metadata[section]
        else:
            metadata[section] = change
    save_file(load_file(path), path, metadata)


def alone(equation: str) -> dict[str, Any]:
    """Return keys of a variant with one equation."""
    return {"state": ["h"], "roles": {}, "equations": {"h": equation}}


NEWER = f"written by gatelab 9.9, and this is {__version__}"
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "not ours": ({"gatelab": None}, "gatelab did not write it"),
    "a newer format": ({"gatelab": {"format": 2, "version": "9.9"}}, f"format 2 is newer than 1.*{NEWER}"),
    "a newer section": ({"gatelab": {"version": "9.9"}, "rotations": {}}, f"unknown section 'rotations'.*{NEWER}"),
    "a newer key": ({"gatelab": {"version": "9.9"}, "rnn": {"zoneout": 1}}, f"unknown key 'rnn.zoneout'.*{NEWER}"),
    "a format of text": ({"gatelab": {"format": "1"}}, "format=1: must be a number from 1 to 1"),
    "no variant": ({"variant": None}, "section 'variant' is missing"),
    "no sizes": ({"rnn": None}, "section 'rnn' is missing"),
    "no JSON": ({"rnn": "{"}, "rnn: not a complete JSON file"),
    "a list": ({"rnn": "[]"}, "rnn: must be a mapping"),
    "a key of the variant": ({"variant": {"code": "x"}}, "variant: unknown key 'code'"),
    "an unknown function": ({"variant": alone("system(x)")}, "unknown function 'system'"),
    "python": ({"variant": alone("__import__('os').system('id')")}, "equation h"),
    "another module": ({"variant": {"module": "os", "equations": None}}, "module=os is no foreign variant"),
    "long equations": ({"variant": {"notes": "a" * 2**17}}, "variant: too large: at most 131072 bytes"),
    "sizes that must be equal": ({"variant": alone("x * tanh(linear(x, h))")}, "as many features as units, 4$"),
    "an empty size": ({"rnn": {"hidden_size": 0}}, "hidden_size=0: must be at least 1"),
    "a size of text": ({"rnn": {"hidden_size": "4"}}, "hidden_size=4: must be an integer"),
    "a huge size": ({"rnn": {"hidden_size": 2**60}}, "must be at most 1048576"),
    "another size": ({"rnn": {"hidden_size": 5}}, r"tensor 'layers.0.i_weight_x' has shape \[4, 3\]: must have \[5, 3"),
    "the largest size": ({"rnn": {"hidden_size": 2**20}}, r"must have \[1048576, 3\]"),
    "many layers": ({"rnn": {"num_layers": 1024, "bidirectional": True}}, "12 tensors, but .* need 24576"),
    "too many layers": ({"rnn": {"num_layers": 10**9}}, "must be at most 1024"),
    "a dropout of 1": ({"rnn": {"dropout": 1.0}}, "dropout=1: must be less than 1"),
    "biases that are there": ({"rnn": {"bias": False}}, "12 tensors, but .* need 8|bias"),
    "an unknown opening": ({"rnn": {"opening": {"name": "wide"}}}, "opening"),
    "a network": ({"network": {"input_size": 3, "output_size": 2, "readout": "last", "embedding": None,
                               "tokens": False}}, "12 tensors, but .* need 14"),
    "a network of another size": ({"network": {"input_size": 4, "output_size": 2, "readout": "last",
                                               "embedding": None, "tokens": False}}, "rnn.input_size=3"),
    "other equations": ({"variant": alone("tanh(linear(x, h))")}, "12 tensors, but .* need 3"),
    "tensors of other names": ({"variant": {"equations": {
        "a": "sigmoid(linear(x, h))", "b": "sigmoid(linear(x, h))", "z": "tanh(linear(x, h))",
        "c": "a*c + b*z", "o": "sigmoid(linear(x, h))", "h": "o*tanh(c)"}, "roles": {}}},
        "'layers.0.a_weight_x' is missing"),
}  # fmt: skip


@pytest.mark.parametrize("changes, line", WRONG.values(), ids=WRONG)
def test_wrong_metadata_is_one_line(changes, line, tmp_path):
    path = tmp_path / "gate.safetensors"
    written(path, **changes)
    with pytest.raises(UserError, match=line) as raised:
        gatelab.load(path)
    assert str(raised.value).startswith(str(path))
    assert len(str(raised.value).split("\n")) in (1, 3)  # below a wrong equation stand the equation and a caret


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_of_code_imports_nothing(name, tmp_path, monkeypatch):
    imported: list[str] = []
    monkeypatch.setattr("gatelab.outside.importlib.import_module", imported.append)
    written(tmp_path / "gate.safetensors", rnn={"opening": {"name": name}})
    with pytest.raises(UserError, match=r"rnn.opening"):
        gatelab.load(tmp_path / "gate.safetensors")
    assert imported == []


def test_dtypes_that_no_recurrence_has_are_one_line(tmp_path):
    path = tmp_path / "gate.safetensors"
    RNN("lstm", 3, 4).save(path)
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    tensors = load_file(path)
    for change in (torch.int32, torch.float64):
        save_file({**tensors, "layers.0.f_bias": tensors["layers.0.f_bias"].to(change)}, path, metadata)
        with pytest.raises(UserError, match="must be one for all tensors, of F16, BF16, F32, F64"):
            gatelab.load(path)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.6, 0.9, 0.999])
def test_a_cut_file_is_one_line(share, tmp_path):
    path = tmp_path / "gate.safetensors"
    RNN("lstm", 3, 4).save(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(UserError, match=str(path)):
        gatelab.load(path)


def test_changed_bytes_are_one_line_or_other_weights(tmp_path):
    path, random = tmp_path / "gate.safetensors", np.random.default_rng(3)
    rnn = RNN("gru", 3, 4)
    rnn.save(path)
    data = path.read_bytes()
    header = 8 + int.from_bytes(data[:8], "little")
    refused = 0
    for place in random.integers(0, header, 300):
        changed = bytearray(data)
        changed[place] = random.integers(256)
        path.write_bytes(changed)
        refused += refuses(path)
    assert refused > 200  # the rest changed a letter of the source or the notes


def refuses(path) -> bool:
    """Return whether a file is refused in a line; any other error is the test's."""
    try:
        gatelab.load(path)
    except UserError:
        return True
    return False


def test_what_cannot_be_saved_is_one_line(tmp_path):
    rnn = RNN("lstm", 3, 4)
    with pytest.raises(UserError, match=r"x.safetensors: cannot be written: No such file or directory$"):
        rnn.save(tmp_path / "absent" / "x.safetensors")
    rnn.layers[0].half()
    rnn.layers[0].f_bias.data = rnn.layers[0].f_bias.data.float()
    with pytest.raises(UserError, match=r"^weights of torch.float16, torch.float32: a file has one dtype"):
        rnn.save(tmp_path / "x.safetensors")
    network = Network(load_variant("gru"), 3, 2, 4)
    network.origin = {"task": {1, 2}}
    with pytest.raises(UserError, match=r"^origin=.*: cannot be saved: it must be plain values"):
        network.save(tmp_path / "x.safetensors")
    with pytest.raises(UserError, match=r"num_layers=1025: must be at most 1024"):
        RNN("min_gru", 1, 1, 1025).save(tmp_path / "x.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_a_place_of_another_kind_is_one_line(tmp_path):
    rnn = RNN("lstm", 3, 4)
    for name in ("gate.pt", "gate.h5", "gate.SafeTensors"):
        with pytest.raises(UserError, match=r"must end with .safetensors, or be a folder \(without an ending\)$"):
            rnn.save(tmp_path / name)
    (tmp_path / "README.md").write_text("# My project\n")
    with pytest.raises(UserError, match=r"README.md: no model card of gatelab, and would be replaced$"):
        rnn.save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]
    rnn.save(tmp_path / "v1.0")
    rnn.save(tmp_path / "v1.0")  # its own card is replaced
    assert gatelab.load(tmp_path / "v1.0" / "model.safetensors").variant == rnn.variant


def test_what_could_not_be_read_again_is_not_saved(tmp_path):
    noted = Variant.from_mapping({**load_variant("gru").mapping(), "notes": "a" * 2**17})
    with pytest.raises(UserError, match=r"^variant of \d+ letters cannot be read again; at most 131072$"):
        RNN(noted, 3, 4).save(tmp_path / "x.safetensors")


def test_a_folder_is_loaded(tmp_path):
    Network(load_variant("gru"), 3, 2, 4).save(tmp_path / "net")
    assert isinstance(gatelab.load(tmp_path / "net"), Network)
    with pytest.raises(UserError, match=r"holds no .safetensors file$"):
        gatelab.load(tmp_path)
    with pytest.raises(UserError, match=r"absent.safetensors: cannot be read: No such file"):
        gatelab.load(tmp_path / "absent.safetensors")
