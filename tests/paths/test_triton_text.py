"""Kernels as text, and who may run them: all that needs no Triton."""

import ast
import dataclasses
import re

import pytest
import torch

from gatelab.compiler import parameter_shapes, program
from gatelab.errors import UserError
from gatelab.language import Variant, load_variant, variant_files
from gatelab.language.functions import FUNCTIONS, INNER
from gatelab.layers.layer import Layer
from gatelab.layers.structured_weights import whole_weights
from gatelab.paths import choice, limits, path_named
from gatelab.paths.call import Call
from gatelab.paths.native.build import CACHE_VARIABLE
from gatelab.paths.native.gathering import gathered
from gatelab.paths.native.specification import vector_lengths
from gatelab.paths.triton import able_device
from gatelab.paths.triton.kernel_module import kernel_module
from gatelab.paths.triton.kernel_text import Kernels, KernelText
from gatelab.paths.triton.streamed_text import StreamedText
from gatelab.paths.triton.tiling import Tiling, held_matrices, power_of_two, refused_size, scans, tiling_of, too_large
from tests.conformance.sizes import fitting
from tests.paths.test_loop import EQUATIONS
from tests.paths.test_surrogates import MIXED

TRITON = path_named("triton")
REFUSED = {
    name: reason for name in variant_files() if (reason := limits(TRITON, load_variant(name), "cuda")) is not None
}
OF_EQUATIONS = tuple(name for name in variant_files() if name not in REFUSED)


def call_of(variant: Variant, inputs: int = 3, hidden: int = 5, dtype: torch.dtype = torch.float32, batch: int = 2):
    inputs, hidden = fitting(variant, inputs, hidden)
    shapes = parameter_shapes(variant, inputs, hidden)
    weights = {name: torch.zeros(shape, dtype=dtype) for name, shape in shapes.items()}
    lengths = {"input": inputs, "hidden": hidden}
    states = {state: torch.zeros(batch, lengths[variant.sizes[state]], dtype=dtype) for state in variant.states}
    x = torch.zeros(2, batch, inputs, dtype=dtype)
    return Call(program(variant), whole_weights(variant, weights), x, states, hidden)


def kernels_of(variant: Variant, text: type[KernelText] = KernelText) -> Kernels:
    call = call_of(variant)
    form, _ = gathered(call)
    vectors = vector_lengths(form, call.inputs.shape[-1], [state.shape[-1] for state in call.states.values()])
    return text(vectors).kernels()


def test_what_is_refused_of_the_catalogue_and_why():
    """All else has kernels: the next tests write them."""
    beside = "its kernels take x alone, and the equations read {} beside it"
    assert {
        "cfc_dt": beside.format("dt"),
        "ct_lstm": beside.format("dt"),
        "gru_d": beside.format("mask and dt"),
        "ltc_dt": beside.format("dt"),
        "mlstm": "the variant is foreign, and it runs equations",
        "phased_lstm_dt": beside.format("dt"),
    } == REFUSED


def test_every_function_that_has_c_has_triton():
    for row in (FUNCTIONS | INNER).values():
        assert bool(row.c) == bool(row.triton), row.name


@pytest.mark.parametrize("text", [KernelText, StreamedText])
@pytest.mark.parametrize("name", OF_EQUATIONS)
def test_kernels_are_python_made_of_numbers_and_names_of_ours(name, text):
    variant = load_variant(name)
    kernels = kernels_of(variant, text)
    tree = ast.parse(kernels.text)
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    outputs = sum(argument.startswith("output_") for argument in kernels.forward)
    flags = [f"ARRIVES_{n}" for n in range(outputs)]
    for kernel, arguments, more in (("forward", kernels.forward, []), ("backward", kernels.backward, flags)):
        names = [argument.arg for argument in functions[kernel].args.args]
        assert names == [*arguments, "steps", "batch", *text.constants, *more]
    ours = r"[a-z]+|[a-z]+_[a-zHI]+|(?:[a-z]+_?)?\d+(?:_\d+)?|[A-Z]+(?:_\d+)?|log_of_one_plus"
    known = {"tl", "triton"} | {f"f_{name}" for name in FUNCTIONS | INNER}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id not in known:
            assert re.fullmatch(ours, node.id), node.id
    assert kernels_of(load_variant(name), text).text == kernels.text


def test_a_variants_own_names_do_not_enter():
    equations = {"quux": "sigmoid(linear(x, corge))", "corge": "quux*tanh(linear(x, corge)) + (1 - quux)*corge"}
    text = kernels_of(
        Variant.from_mapping({"name": "own", "state": ["corge"], "output": "corge", "equations": equations})
    ).text
    assert "quux" not in text
    assert "corge" not in text


@pytest.mark.parametrize("equations", MIXED, ids=[str(number) for number in range(len(MIXED))])
def test_gradients_that_equations_stop_or_scale_have_kernels(equations):
    states = ["h", "r"] if "r" in equations else ["h"]
    variant = Variant.from_mapping({"name": "own", "state": states, "equations": equations})
    ast.parse(kernels_of(variant).text)


def test_a_stopped_x_is_multiplied_before_the_first_step():
    """No weight of x is held on the chip, whether a gradient goes to x or not."""
    stopped, whole = (
        Variant.from_mapping({"name": "own", "state": ["h"], "equations": {"h": f"tanh(linear({x}, h))"}})
        for x in ("stop(x)", "x")
    )
    assert held_matrices(program(stopped)) == held_matrices(program(whole)) == 1
    for variant in (stopped, whole):
        assert sum(argument.startswith("weight_") for argument in kernels_of(variant).forward) == 1


@pytest.mark.parametrize("name", EQUATIONS)
def test_equations_of_every_form_have_kernels(name):
    equations = EQUATIONS[name]
    states = [state for state in "hcgps" if state in equations]
    variant = Variant.from_mapping({"name": "tried", "state": states, "equations": equations})
    ast.parse(kernels_of(variant).text)


def test_what_runs_is_our_text_whatever_the_file_says(tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    text = "NUMBER = 18\n"
    module = kernel_module(text)
    (file,) = tmp_path.glob("*.py")
    assert file.read_text() == text
    assert module.NUMBER == 18
    file.write_text("NUMBER = 81\n")
    kernel_module.cache_clear()
    assert kernel_module(text).NUMBER == 18
    assert file.read_text() == text
    # a link in the place of the file is replaced, and what it leads to is left as it is
    other = tmp_path / "other.txt"
    other.write_text(text)
    file.unlink()
    file.symlink_to(other)
    kernel_module.cache_clear()
    assert kernel_module(text).NUMBER == 18
    assert not file.is_symlink()
    assert not list(tmp_path.glob("**/*.pyc"))


def test_a_folder_that_others_may_write_gets_no_file(tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    tmp_path.chmod(0o777)
    assert kernel_module("NUMBER = 19\n").NUMBER == 19
    assert not list(tmp_path.iterdir())


def test_the_cpu_is_refused_in_one_line(monkeypatch):
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    layer = Layer(load_variant("lstm"), 3, 4, path="triton")
    with pytest.raises(UserError, match=r"^path=triton cannot run: it runs on CUDA devices, not on the CPU$"):
        layer(torch.zeros(2, 1, 3))


def test_without_triton_the_reason_says_how_to_get_it(monkeypatch):
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    monkeypatch.setattr(able_device, "find_spec", lambda name: None)
    able_device.missing.cache_clear()
    with pytest.raises(UserError, match=r"Triton is not installed \(pip install 'gatelab\[gpu\]'\)$"):
        choice.choose("triton", call_of(load_variant("lstm")))
    able_device.missing.cache_clear()


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"inputs": torch.zeros(2, 2, 3, dtype=torch.float64)}, "the input is float64"),
        ({"inputs": torch.zeros(0, 2, 3)}, "there is no step, no sequence or no input"),
        ({"inputs": torch._neg_view(torch.zeros(2, 2, 3))}, "input is no dense tensor"),
    ],
)
def test_tensors_that_kernels_cannot_take(changed, reason):
    call = dataclasses.replace(call_of(load_variant("gru")), **changed)
    assert reason in str(able_device.fault(call))
    assert able_device.fault(call_of(load_variant("gru"))) is None


def test_double_precision_is_the_loops():
    assert able_device.fault(call_of(load_variant("gru"), dtype=torch.float64)) == (
        "it knows float32, bfloat16 and float16, not float64"
    )


def test_weights_stay_on_the_chip_or_are_read_at_every_step():
    lstm = load_variant("lstm")
    assert held_matrices(program(lstm)) == 4
    assert too_large(call_of(lstm, 3, 64)) is None
    assert too_large(call_of(lstm, 3, 128, torch.bfloat16)) is None
    assert too_large(call_of(load_variant("gru"), 3, 128)) is None
    assert too_large(call_of(lstm, 3, 128)) == "4 matrices at hidden size 128 take 256 KiB, the chip has 211"
    assert too_large(call_of(lstm, 3, 129)) == "the hidden size is above 128"
    assert refused_size(call_of(lstm, 3, 1024)) is None
    assert refused_size(call_of(lstm, 3, 1025)) == "its kernels have room for vectors of up to 1024 numbers, not 1025"


def test_the_record_of_a_run_says_where_weights_are():
    assert TRITON.manner(call_of(load_variant("gru"), 3, 64)) == "weights are held on the chip"
    assert TRITON.manner(call_of(load_variant("gru"), 3, 200)) == (
        "weights are read at every step: the hidden size is above 128"
    )


def test_long_sequences_that_leave_a_device_idle_are_scanned_where_states_are_linear(monkeypatch):
    monkeypatch.setattr("gatelab.paths.triton.tiling._processors", lambda device: 108)

    def long(name: str, steps: int, batch: int) -> Call:
        call = call_of(load_variant(name), 8, 8, batch=batch)
        return dataclasses.replace(call, inputs=torch.zeros(steps, batch, 8))

    assert scans(long("min_gru", 512, 64))
    assert not scans(long("min_gru", 511, 64))
    assert not scans(long("min_gru", 512, 64 * 108))
    assert not scans(long("gru", 512, 64))


@pytest.mark.parametrize(
    ("hidden", "dtype", "expected"),
    [
        (128, torch.float32, Tiling(8, 128, 16, "ieee", 16, 64, 128)),
        (130, torch.float32, Tiling(8, 256, 16, "ieee", 16, 64, 256)),
        (512, torch.float32, Tiling(4, 512, 16, "ieee", 16, 32, 512)),
        (1000, torch.float32, Tiling(4, 1024, 16, "ieee", 16, 16, 1024)),
        (1000, torch.bfloat16, Tiling(16, 1024, 16, "ieee", 16, 32, 1024)),
    ],
)
def test_tiles_of_weights_that_are_read_at_every_step(hidden, dtype, expected):
    tiling = tiling_of(call_of(load_variant("lstm"), 3, hidden, dtype))
    assert tiling == expected
    assert tiling.options["num_stages"] == 2


def test_tiles_follow_the_sizes():
    assert [power_of_two(size) for size in (1, 16, 17, 100, 128)] == [16, 16, 32, 128, 128]
    assert tiling_of(call_of(load_variant("lstm"), 3, 40)) == Tiling(4, 64, 16, "ieee", 8)
    assert tiling_of(call_of(load_variant("lstm"), 3, 40, torch.bfloat16)) == Tiling(16, 64, 16, "ieee", 8)
    assert Tiling(16, 64, 16, "ieee", 8).tiles(17) == 2
    assert Tiling(16, 64, 16, "ieee", 8).options["enable_fp_fusion"] is True
