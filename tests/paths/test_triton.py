"""The kernels compute what the loop computes: run by Triton's interpreter, without a GPU.

`make test-triton` sets TRITON_INTERPRET=1, which must be set before Triton is imported.
"""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gatelab.compiler import parameter_shapes, program
from gatelab.errors import UserError
from gatelab.language import Variant, load_variant, variant_files
from gatelab.language.functions import ELEMENTARY
from gatelab.layers.structured_weights import whole_weights
from gatelab.paths import choice, limits, path_named
from gatelab.paths.call import Call
from gatelab.paths.triton import device_scan, tiling
from gatelab.paths.triton.tiling import tiling_of
from tests.conformance.sizes import fitting
from tests.paths.both_paths import TOLERANCE, assert_same, results
from tests.paths.random_variants import variants
from tests.paths.test_loop import EQUATIONS
from tests.paths.test_native import errors
from tests.paths.test_surrogates import MIXED

pytestmark = [
    pytest.mark.triton,
    # the interpreter computes with NumPy, which says so where IEEE arithmetic gives an infinity or NaN
    pytest.mark.filterwarnings("ignore:(divide by zero|invalid value|overflow) encountered:RuntimeWarning"),
]

TRITON = path_named("triton")
OF_EQUATIONS = tuple(name for name in variant_files() if limits(TRITON, load_variant(name), "cuda") is None)
# one stage and several, an odd shape of states, learned vectors and scalars, rows, x element by element
FEW = ("elman", "gru", "layer_norm_gru", "layer_norm_lstm", "lstm", "min_gru", "on_lstm", "peephole", "sru", "ur_lstm")
SINGLE = torch.float32


@pytest.fixture(autouse=True)
def poison(monkeypatch):
    """Fill all memory with NaN before use: what is not written shows."""
    empty = torch.empty

    def poisoned(*arguments, **options):
        made = empty(*arguments, **options)
        return made.fill_(float("nan")) if made.is_floating_point() else made

    monkeypatch.setattr(torch, "empty", poisoned)


def agrees(variant: Variant, time: int, batch: int, inputs: int, hidden: int, *rest: object) -> None:
    inputs, hidden = fitting(variant, inputs, hidden)
    arguments = (variant, time, batch, inputs, hidden)
    law = results("loop", *arguments, torch.float64, *rest)
    # some cells amplify roundings: the loop in the same precision does so too; infinite values must be the same
    slack = errors(results("loop", *arguments, SINGLE, *rest), law)
    slack = {key: value if np.isfinite(value) else 0.0 for key, value in slack.items()}
    assert_same(results("triton", *arguments, SINGLE, *rest), law, SINGLE, slack)


@pytest.mark.parametrize("name", FEW)
def test_stacks_lengths_and_recorded_values_agree_with_the_loop(name):
    variant = load_variant(name)
    lengths = torch.tensor([[3, 0, 1, 3, 2], [3, 3, 2, 0, 1]])
    agrees(variant, 3, 5, 3, 5, 2, lengths, tuple(variant.equations))


@pytest.fixture
def streamed(monkeypatch):
    """Weights are read at every step, sixteen of their columns at a time, as at sizes that no test can wait for."""
    monkeypatch.setattr(tiling, "LARGEST_HELD", 0)
    monkeypatch.setattr(tiling, "_CHUNK", 0)


@pytest.mark.usefixtures("streamed")
@pytest.mark.parametrize("name", FEW)
def test_weights_read_at_every_step_give_what_the_loop_gives(name):
    variant = load_variant(name)
    lengths = torch.tensor([[3, 0, 1, 3, 2], [3, 3, 2, 0, 1]])
    agrees(variant, 3, 5, 3, 19, 2, lengths, tuple(variant.equations))


@pytest.mark.parametrize("name", ["min_gru", "min_lstm", "sru_v1", "lru"])
def test_a_scan_gives_what_the_loop_gives(name, monkeypatch):
    monkeypatch.setattr(tiling, "_MANY_STEPS", 1)
    monkeypatch.setattr(tiling, "_processors", lambda device: 1000)
    # two stretches of steps at once and a part of one, two tiles of columns and a part of one
    monkeypatch.setattr(device_scan, "_STEPS", 16)
    lengths = torch.tensor([[37, 0, 16, 37, 17], [33, 1, 32, 0, 37]])
    variant = load_variant(name)
    assert TRITON.manner(call_of_length(variant, 37)) == "all steps are scanned at once"
    agrees(variant, 37, 5, 7, 7, 2, lengths, tuple(variant.equations))
    agrees(variant, 20, 3, 7, 7)


def call_of_length(variant: Variant, time: int) -> Call:
    states = {state: torch.zeros(2, 5) for state in variant.states}
    weights = {name: torch.zeros(shape) for name, shape in parameter_shapes(variant, 5, 5).items()}
    return Call(program(variant), whole_weights(variant, weights), torch.zeros(time, 2, 5), states, 5)


@pytest.mark.parametrize(
    ("name", "rows"), [("lstm", 8), ("fgr", 4), ("ltc", 4), ("layer_norm_lstm", 4), ("on_lstm", 4)]
)
def test_a_step_with_many_vectors_gets_few_rows(name, rows):
    """Registers have no room for more: machine code of eight rows spills them (docs/gpu.md)."""
    variant = load_variant(name)
    states = {state: torch.zeros(2, 128) for state in variant.states}
    weights = {key: torch.zeros(shape) for key, shape in parameter_shapes(variant, 128, 128).items()}
    call = Call(program(variant), whole_weights(variant, weights), torch.zeros(3, 2, 128), states, 128)
    assert tiling_of(call).rows == rows


def test_a_hidden_size_beyond_the_chip_agrees_with_the_loop():
    agrees(load_variant("lstm"), 2, 3, 3, 130, 2)


@pytest.mark.parametrize("equations", MIXED, ids=[str(number) for number in range(len(MIXED))])
def test_stopped_and_scaled_gradients_agree_with_the_loop(equations):
    states = ["h", "r"] if "r" in equations else ["h"]
    variant = Variant.from_mapping({"name": "own", "state": states, "equations": equations})
    agrees(variant, 3, 3, 3, 5, 2, torch.tensor([[3, 0, 1], [1, 3, 2]]), tuple(variant.equations))


@pytest.mark.parametrize("name", ["binary_lstm", "lstm_truncated", "h_detach"])
def test_variants_with_gradients_of_their_own_agree_with_the_loop(name):
    agrees(load_variant(name), 3, 3, 3, 5)


@pytest.mark.parametrize("name", OF_EQUATIONS)
def test_the_whole_catalogue_agrees_with_the_loop(name):
    variant = load_variant(name)
    agrees(variant, 3, 3, 3, 5)
    lengths = torch.tensor([[4, 0, 1, 4, 2], [4, 3, 2, 0, 1]])
    agrees(variant, 4, 5, 5, 19, 2, lengths, tuple(variant.equations))


@pytest.mark.slow
@pytest.mark.usefixtures("streamed")
@pytest.mark.parametrize("name", OF_EQUATIONS)
def test_the_whole_catalogue_agrees_with_weights_read_at_every_step(name):
    variant = load_variant(name)
    agrees(variant, 3, 5, 5, 19, 2, torch.tensor([[3, 0, 1, 3, 2], [3, 3, 2, 0, 1]]), tuple(variant.equations))


@pytest.mark.parametrize("name", EQUATIONS)
def test_equations_of_every_form_agree_with_the_loop(name):
    equations = EQUATIONS[name]
    states = [state for state in "hcgps" if state in equations]
    variant = Variant.from_mapping({"name": "tried", "state": states, "equations": equations})
    for inputs, hidden in ((3, 4), (4, 4)):
        if inputs == hidden or not variant.needs_equal_sizes:
            agrees(variant, 2, 2, inputs, hidden, 2, None, tuple(variant.equations))


@pytest.mark.slow
@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_random_programs_agree_with_the_loop(data):
    equal = data.draw(st.booleans())
    variant = data.draw(variants(equal_sizes=equal))
    hidden = data.draw(st.sampled_from((1, 3, 17)))
    inputs = hidden if equal or variant.needs_equal_sizes else data.draw(st.sampled_from((1, 2, 20)))
    agrees(variant, 2, 2, inputs, hidden, data.draw(st.sampled_from((None, 2))))


@pytest.mark.parametrize("name", sorted(ELEMENTARY))
def test_functions_have_the_values_of_their_table(name):
    function = ELEMENTARY[name]
    arguments = ", ".join(("x", "0.5 - x")[: function.arity])
    variant = Variant.from_mapping({"name": "f", "state": ["h"], "equations": {"h": f"{name}({arguments})"}})
    grid = np.array([-90.0, -20, -3, -1, -0.625, -0.01, -1e-6, 0, 1e-6, 0.01, 0.3, 0.625, 1, 3, 20, 90], np.float32)
    x = torch.tensor(grid).reshape(1, 1, 16)
    call = Call(program(variant), {}, x, {"h": torch.zeros(1, 16)}, 16)
    found = choice.run("triton", call)[0].reshape(16).double().numpy()
    with np.errstate(all="ignore"):
        doubles = grid.astype(np.float64)
        expected = np.asarray(function.value(*(doubles, 0.5 - doubles)[: function.arity]), np.float64)
    np.testing.assert_allclose(
        found, np.asarray(expected, np.float32), rtol=2e-6, atol=1e-30 if name != "cos" else 1e-6
    )


def leaves_of(variant: Variant, dtype: torch.dtype, time: int = 3, batch: int = 4) -> Call:
    generator = torch.Generator().manual_seed(7)

    def leaf(*shape: int) -> torch.Tensor:
        return (0.5 * torch.randn(shape, generator=generator)).to(dtype).requires_grad_()

    weights = {name: leaf(*shape) for name, shape in parameter_shapes(variant, 3, 5).items()}
    states = {state: leaf(batch, 5) for state in variant.states}
    return Call(program(variant), whole_weights(variant, weights), leaf(time, batch, 3), states, 5)


def gradients(path: str, call: Call, loss, *, retain: bool = False) -> list[torch.Tensor]:
    leaves = [call.inputs, *call.states.values(), *call.weights.values()]
    total = loss(*choice.run(path, call)[:2])
    if retain:
        torch.autograd.grad(total, leaves, retain_graph=True, allow_unused=True)
    found = torch.autograd.grad(total, leaves, allow_unused=True, materialize_grads=True)
    return list(found)


@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_a_tape_that_is_not_kept_or_used_up_is_computed_again(name):
    call = leaves_of(load_variant(name), SINGLE)

    def loss(output, finals):
        return (output * output).sum() + sum(value.sum() for value in finals.values())

    once = gradients("triton", call, loss)
    again = gradients("triton", call, loss, retain=True)
    not_kept = gradients("triton", dataclasses.replace(call, keep="nothing"), loss)
    for first, second, third in zip(once, again, not_kept, strict=True):
        assert torch.equal(first, second)
        assert torch.equal(first, third)


def test_only_a_final_state_is_used():
    call = leaves_of(load_variant("lstm"), SINGLE)
    found, law = (gradients(path, call, lambda output, finals: finals["c"].sum()) for path in ("triton", "loop"))
    for one, other in zip(found, law, strict=True):
        torch.testing.assert_close(one, other, rtol=TOLERANCE[SINGLE][0], atol=TOLERANCE[SINGLE][1])


def test_padding_may_hold_anything():
    call = leaves_of(load_variant("layer_norm_gru"), SINGLE)
    lengths = torch.tensor([3, 1, 0, 2])
    x = call.inputs.detach().clone()
    x[1:, 1], x[:, 2], x[2:, 3] = float("nan"), float("inf"), float("nan")
    padded = dataclasses.replace(call, inputs=x.requires_grad_(), lengths=lengths)
    clean = dataclasses.replace(call, lengths=lengths)

    def loss(output, finals):
        return output.cos().sum() + finals["h"].sum()

    for one, other in zip(gradients("triton", padded, loss), gradients("triton", clean, loss), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_half_precision_stays_near_single(name):
    call = leaves_of(load_variant(name), torch.float16)

    def loss(output, finals):
        return output.float().sum() + sum(value.float().sum() for value in finals.values())

    found = gradients("triton", call, loss)
    single = dataclasses.replace(
        call,
        inputs=call.inputs.detach().float().requires_grad_(),
        states={key: value.detach().float().requires_grad_() for key, value in call.states.items()},
        weights={key: value.detach().float().requires_grad_() for key, value in call.weights.items()},
    )
    law = gradients("loop", single, loss)
    for one, other in zip(found, law, strict=True):
        assert one.dtype == torch.float16
        assert float((one.float() - other).abs().max()) <= 0.004 * max(1.0, float(other.abs().max()))


def test_what_the_interpreter_multiplies_wrongly_is_refused():
    with pytest.raises(UserError, match=r"^path=triton cannot run: Triton's interpreter has no products of bfloat16$"):
        choice.run("triton", leaves_of(load_variant("gru"), torch.bfloat16))


def test_products_of_three_roundings_are_asked_for_with_torchs_own_switch():
    torch.set_float32_matmul_precision("high")
    tiling = tiling_of(leaves_of(load_variant("lstm"), SINGLE))
    torch.set_float32_matmul_precision("highest")
    assert (tiling.products, tiling.rows) == ("tf32x3", 16)
    assert tiling_of(leaves_of(load_variant("lstm"), SINGLE)).products == "ieee"


def test_a_gradient_of_the_gradient_is_the_loops():
    call = leaves_of(load_variant("gru"), SINGLE)
    output = choice.run("triton", call)[0]
    with pytest.raises(UserError, match=r"^path=triton has no gradient of its gradient: take path=loop"):
        torch.autograd.grad(output.sum(), call.inputs, create_graph=True)
