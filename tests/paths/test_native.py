"""The native path computes what the loop computes: outputs, states and every gradient, at any size."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gatelab.compiler import parameter_shapes, program
from gatelab.errors import UserError
from gatelab.language import Variant, variant_files
from gatelab.language.functions import ELEMENTARY
from gatelab.language.library import load_variant
from gatelab.layers.layer import Layer
from gatelab.paths.native import memory_pool
from tests.conformance.sizes import fitting
from tests.paths.both_paths import assert_identical, assert_same, results, run
from tests.paths.random_variants import variants
from tests.paths.test_loop import EQUATIONS

OF_EQUATIONS = tuple(name for name in variant_files() if load_variant(name).trees)
FEW = ("cifg", "elman", "gru", "gru_v3", "janet", "lstm", "mgu", "peephole", "ur_lstm")  # compiling takes a second each
DTYPES = (torch.float32, torch.float64)

# time, batch, input, hidden
SIZES = ((4, 3, 3, 8), (3, 7, 5, 63), (1, 1, 2, 1), (2, 9, 20, 130), (5, 1, 1, 16), (2, 33, 4, 4))


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def poison(monkeypatch):
    """Fill every buffer with NaN (all bits set) before use: what is not written shows."""
    take = memory_pool.Pool._take

    def poisoned(self, size):
        block = take(self, size)
        block[:] = 255
        return block

    monkeypatch.setattr(memory_pool.Pool, "_take", poisoned)
    monkeypatch.setattr(memory_pool, "_SMALL", -1)


def errors(rounded: dict[str, torch.Tensor], law: dict[str, torch.Tensor]) -> dict[str, float]:
    """Return four times how far the loop in single precision is off, name by name."""
    return {
        name: 4 * float((value - law[name]).abs().max()) if value.numel() else 0.0 for name, value in rounded.items()
    }


def of_equations(name: str) -> Variant:
    equations = EQUATIONS[name]
    states = [state for state in "hcgps" if state in equations]
    return Variant.from_mapping({"name": "tried", "state": states, "equations": equations})


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", FEW)
def test_shipped_variants_agree_with_the_loop(name, dtype):
    agrees_with_the_loop(name, dtype)


@pytest.mark.parametrize("name", sorted(set(OF_EQUATIONS) - set(FEW)))
@pytest.mark.parametrize("dtype", [torch.float32, pytest.param(torch.float64, marks=pytest.mark.slow)], ids=str)
def test_the_whole_catalogue_agrees_with_the_loop(name, dtype):
    agrees_with_the_loop(name, dtype)


def agrees_with_the_loop(name, dtype):
    variant = load_variant(name)
    for time, batch, *sizes in SIZES if name in FEW else SIZES[:3]:
        inputs, hidden = fitting(variant, *sizes)
        arguments = (variant, time, batch, inputs, hidden)
        ours = results("native", *arguments, dtype)
        law = results("loop", *arguments, torch.float64)
        # some cells amplify roundings (dividing by a small normaliser, say): the loop in the same precision does so too
        slack = {} if dtype == torch.float64 else errors(results("loop", *arguments, dtype), law)
        assert_same(ours, law, dtype, slack)


@pytest.mark.parametrize("name", FEW)
def test_stacks_lengths_and_recorded_values_agree_with_the_loop(name):
    variant = load_variant(name)
    record = tuple(variant.equations)
    lengths = torch.tensor([[3, 0, 5, 1], [5, 5, 2, 0]])
    for hidden in (5, 16):
        for runs, valid in ((2, None), (2, lengths), (None, lengths[0])):
            for wanted in ((), record) if valid is None else ((),):
                arguments = (variant, 5, 4, 3, hidden, torch.float64, runs, valid, wanted)
                assert_same(results("native", *arguments), results("loop", *arguments), torch.float64)


@pytest.mark.parametrize("name", EQUATIONS)
def test_equations_of_every_form_agree_with_the_loop(name):
    variant = of_equations(name)
    for inputs, hidden in ((3, 4), (4, 4), (20, 5)):
        if inputs == hidden or not variant.needs_equal_sizes:
            for runs in (None, 2):
                arguments = (variant, 4, 2, inputs, hidden, torch.float64, runs, None, tuple(variant.equations))
                assert_same(results("native", *arguments), results("loop", *arguments), torch.float64)


@settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_random_programs_agree_with_the_loop(data):
    equal = data.draw(st.booleans())
    variant = data.draw(variants(equal_sizes=equal))
    hidden = data.draw(st.sampled_from((1, 3, 8, 11)))
    inputs = hidden if equal or variant.needs_equal_sizes else data.draw(st.sampled_from((1, 2, 13)))
    arguments = (variant, 3, 2, inputs, hidden, torch.float64, data.draw(st.sampled_from((None, 2))))
    assert_same(results("native", *arguments), results("loop", *arguments), torch.float64)


@pytest.mark.parametrize("name", FEW)
def test_gradients_are_those_of_finite_differences(name):
    variant = load_variant(name)
    torch.manual_seed(3)
    shapes = parameter_shapes(variant, 2, 3)
    leaves = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes.values()]
    states = [torch.randn(2, 3, dtype=torch.float64, requires_grad=True) for _ in variant.states]
    inputs = torch.randn(3, 2, 2, dtype=torch.float64, requires_grad=True)

    def function(x, *rest):
        initial = dict(zip(variant.states, rest, strict=False))
        weights = dict(zip(shapes, rest[len(initial) :], strict=True))
        output, finals, _ = run("native", program(variant), weights, x, initial, 3)
        return output, *finals.values()

    assert torch.autograd.gradcheck(function, (inputs, *states, *leaves))


@pytest.mark.parametrize("name", FEW)
def test_the_same_bits_twice_with_two_threads_and_alone(name, two_threads):
    variant = load_variant(name)
    lengths = torch.randint(0, 7, (3, 19), generator=torch.Generator().manual_seed(1))
    arguments = (variant, 6, 19, 3, 20, torch.float32, 3)
    for valid in (None, lengths):
        of_two = results("native", *arguments, valid)
        torch.set_num_threads(1)
        of_one = results("native", *arguments, valid)
        assert_identical(of_two, of_one)
        assert_identical(results("native", *arguments, valid), of_one)
        torch.set_num_threads(2)
        for position in range(3):
            alone = results("native", *arguments, valid, only_run=position)
            assert_identical(alone, {key: value[position] for key, value in of_one.items()})


@pytest.mark.parametrize("hidden", [6, 40])
@pytest.mark.parametrize("name", ["cifg", "gru_v3", "lstm"])
def test_a_sequence_does_not_depend_on_its_neighbours(name, hidden):
    # up to 7 sequences: products of x_t for some steps at once; 40 units: enough vectors for blocks of one and two rows
    variant, weights, x = small_case(name, time=37, batch=11, hidden=hidden)
    lengths = torch.tensor([37, 35, 0, 1, 32, 33, 37, 2, 31, 30, 37])
    for valid in (None, lengths):
        whole = of_some(variant, weights, x, hidden, valid)
        for rows in [*(slice(row, row + 1) for row in range(11)), *(slice(0, count) for count in range(2, 11))]:
            some = of_some(variant, weights, x[:, rows], hidden, None if valid is None else valid[rows])
            assert_identical(some, {key: value[..., rows, :] for key, value in whole.items()})


def of_some(variant, weights, x, hidden, lengths):
    """Return outputs, final states and the gradient of the inputs: all that each sequence has of its own."""
    x = x.clone().requires_grad_()
    states = {state: torch.zeros(x.shape[1], hidden) for state in variant.states}
    output, finals, _ = run("native", program(variant), weights, x, states, hidden, lengths)
    with torch.no_grad():
        untaped, _, _ = run("native", program(variant), weights, x, states, hidden, lengths)
    (gradient,) = torch.autograd.grad((output * output.detach().cos()).sum(), x)
    return {
        "output": output.detach(),
        "untaped": untaped,
        "gradient": gradient,
        **{k: v.detach() for k, v in finals.items()},
    }


def small_case(name, time=4, batch=2, dtype=torch.float32, hidden=6):
    variant = load_variant(name)
    torch.manual_seed(0)
    weights = {
        key: torch.randn(shape, dtype=dtype, requires_grad=True)
        for key, shape in parameter_shapes(variant, 3, hidden).items()
    }
    return variant, weights, torch.randn(time, batch, 3, dtype=dtype)


def test_the_way_back_can_be_walked_twice():
    variant, weights, x = small_case("lstm")
    states = {"h": torch.zeros(2, 6), "c": torch.zeros(2, 6)}
    output, _, _ = run("native", program(variant), weights, x, states, 6)
    first = torch.autograd.grad(output.sum(), list(weights.values()), retain_graph=True)
    second = torch.autograd.grad(output.sum(), list(weights.values()))
    for one, two in zip(first, second, strict=True):
        assert torch.equal(one, two)


def test_a_gradient_of_a_gradient_is_refused():
    variant, weights, x = small_case("elman")
    output, _, _ = run("native", program(variant), weights, x, {"h": torch.zeros(2, 6)}, 6)
    with pytest.raises(UserError, match="no gradient of its gradient"):
        torch.autograd.grad(output.sum(), list(weights.values()), create_graph=True)


def test_an_output_changed_in_place_is_noticed():
    variant = load_variant("elman")
    layer = Layer(variant, 3, 32)
    output, _, _ = layer(torch.randn(4, 2, 3))
    assert not output._is_view()
    with torch.no_grad():
        output.zero_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        output.sum().backward()


def test_only_final_states_or_no_gradients_asked_for():
    variant, weights, x = small_case("lstm")
    states = {"h": torch.zeros(2, 6), "c": torch.zeros(2, 6)}
    only = {**{key: value.detach() for key, value in weights.items()}, "f_bias": weights["f_bias"]}
    for path in ("native", "loop"):
        _, finals, _ = run(path, program(variant), only, x, states, 6)
        finals["c"].sum().backward()
    gradient = weights["f_bias"].grad / 2
    _, finals, _ = run("loop", program(variant), only, x, states, 6)
    torch.testing.assert_close(torch.autograd.grad(finals["c"].sum(), weights["f_bias"])[0], gradient)
    with torch.no_grad():
        output, finals, _ = run("native", program(variant), weights, x, states, 6)
    assert not output.requires_grad
    expected, states_of_loop, _ = run("loop", program(variant), weights, x, states, 6)
    torch.testing.assert_close(output, expected.detach())
    torch.testing.assert_close(finals["c"], states_of_loop["c"].detach())


def test_inputs_that_are_not_contiguous():
    variant, weights, x = small_case("gru")
    turned = x.transpose(0, 1).contiguous().transpose(0, 1)
    states = {"h": torch.zeros(1, 6).expand(2, 6)}
    ours, _, _ = run("native", program(variant), weights, turned, states, 6)
    same, _, _ = run("native", program(variant), weights, x, {"h": torch.zeros(2, 6)}, 6)
    assert torch.equal(ours, same)


@pytest.mark.parametrize("shape", [(0, 2, 3), (4, 0, 3)])
def test_nothing_to_do(shape):
    variant, weights, _ = small_case("lstm")
    states = {name: torch.zeros(shape[1], 6) for name in ("h", "c")}
    output, finals, _ = run("native", program(variant), weights, torch.zeros(shape), states, 6)
    assert output.shape == (*shape[:2], 6)
    assert finals["c"].shape == (shape[1], 6)


def test_tensors_of_wrong_shape_are_refused():
    variant, weights, x = small_case("elman")
    with pytest.raises(UserError, match="weight_1 of shape"):
        run("native", program(variant), {**weights, "h_weight_h": torch.zeros(6, 5)}, x, {"h": torch.zeros(2, 6)}, 6)


def test_tensors_of_another_kind_are_refused():
    variant, weights, x = small_case("elman")
    halves = {name: weight.bfloat16() for name, weight in weights.items()}
    with pytest.raises(UserError, match="path=native cannot run: it knows float32 and float64, not bfloat16"):
        run("native", program(variant), halves, x.bfloat16(), {"h": torch.zeros(2, 6, dtype=torch.bfloat16)}, 6)
    with pytest.raises(UserError, match="input is bfloat16, the weights are float32: must be float32 too"):
        run("native", program(variant), weights, x.bfloat16(), {"h": torch.zeros(2, 6)}, 6)
    doubles = {name: weight.double() for name, weight in weights.items()}
    with pytest.raises(UserError, match="state h is float32, the weights are float64: must be float64 too"):
        run("native", program(variant), doubles, x.double(), {"h": torch.zeros(2, 6)}, 6)


# ---- element-wise functions over the whole range

GRID = np.concatenate([s * np.geomspace(1e-30, 1e4, 40000) for s in (1, -1)] + [np.linspace(-20, 20, 40001)])
RELATIVE = {torch.float32: 1e-6, torch.float64: 1e-13}
SMALLEST = {
    torch.float32: 1e-35,
    torch.float64: 1e-300,
}  # sigmoid is 0 where it would be no normal number, silu with it
ONE = tuple(name for name, function in ELEMENTARY.items() if function.arity == 1)


def of_function(name: str, values: torch.Tensor) -> torch.Tensor:
    """Evaluate a function through a program: a state that is the function of x."""
    variant = Variant.from_mapping({"name": "f", "state": ["h"], "equations": {"h": f"{name}(x)"}})
    states = {"h": torch.zeros(1, len(values), dtype=values.dtype)}
    return run("native", program(variant), {}, values.view(1, 1, -1), states, len(values))[0].view(-1)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", ONE)
def test_functions_are_accurate_over_the_whole_range(name, dtype):
    points = torch.from_numpy(GRID).to(dtype)
    points = points[points > 0] if name in ("log", "sqrt") else points
    with np.errstate(over="ignore", under="ignore"):
        exact = torch.from_numpy(
            np.asarray(ELEMENTARY[name].value(points.numpy().astype(np.longdouble))).astype(np.float64)
        )
    ours = of_function(name, points).double()
    # results beyond the dtype are infinite; hard_sigmoid, sin and cos pass through 0, where no relative error is small
    finite = exact.abs() < torch.finfo(dtype).max
    error = (ours - exact).abs()
    floor = 2e-7 if name in ("hard_sigmoid", "sin", "cos") and dtype == torch.float32 else SMALLEST[dtype]
    assert bool((error <= RELATIVE[dtype] * exact.abs() + floor)[finite].all()), points[finite][
        (error - RELATIVE[dtype] * exact.abs())[finite].argmax()
    ]
    assert bool((ours[~finite] == exact[~finite].sign() * np.inf).all())
    assert not bool(ours.isnan().any())


@pytest.mark.parametrize("name", [name for name in ONE if name != "step"])
def test_a_nan_that_comes_in_goes_out(name):
    assert bool(of_function(name, torch.full((5,), float("nan"))).isnan().all())


@pytest.mark.parametrize("name", FEW)
def test_steps_after_the_last_end_leave_nothing_of_the_memory_behind(name, monkeypatch):
    """Memory is full of NaN, and no sequence reaches the last steps: of one run, of one tile, of the whole stack."""

    def spoiled(self, shape, dtype):
        return torch.full(shape, float("nan"), dtype=dtype)

    monkeypatch.setattr(memory_pool.Pool, "tensor", spoiled)
    lengths = torch.tensor([[2, 0, 1], [4, 3, 1], [0, 0, 0]])
    arguments = (load_variant(name), 6, 3, 3, 5, torch.float64, 3, lengths)
    assert_same(results("native", *arguments), results("loop", *arguments), torch.float64)
