"""Functions of a whole vector, and those composed of others, on the paths that run them."""

import numpy as np
import pytest
import torch

from gatelab.language import Variant
from gatelab.language.functions import COMPOSED, ROW_FUNCTIONS
from gatelab.layers.layer import Layer
from tests.paths.both_paths import assert_same, results
from tests.paths.test_native import errors

PATHS = ("native", "loop")


def variant_of(text):
    return Variant.from_mapping({"name": "tried", "state": ["h"], "equations": {"h": text}})


def row(name, u):
    """The definitions, one row at a time."""
    e = np.exp(u - u.max())
    values = {
        "softmax": e / e.sum(),
        "cumax": np.array([e[: i + 1].sum() / e.sum() for i in range(len(u))]),
        "layer_norm": (u - u.mean()) / np.sqrt(u.var() + 1e-5),
        "roll": np.array([u[-1], *u[:-1]]),
    }
    return values[name]


@pytest.mark.parametrize("size", [1, 5, 67])
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", ROW_FUNCTIONS)
def test_values_of_row_functions(name, path, size):
    x = torch.randn(3, 2, size, dtype=torch.float64)
    output, _, _ = Layer(variant_of(f"{name}(x)"), size, size, dtype=torch.float64, path=path)(x)
    expected = np.stack([[row(name, one) for one in step] for step in x.numpy()])
    np.testing.assert_allclose(output.numpy(), expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(ROW_FUNCTIONS[name].value(x.numpy()), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", ROW_FUNCTIONS)
def test_gradients_of_row_functions(name, path):
    layer = Layer(variant_of(f"{name}(linear(x, h))"), 2, 3, dtype=torch.float64, path=path)
    x = torch.randn(3, 2, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda value: layer(value)[0], (x,))


# each is read by element-wise functions, by another row function, by a product, by nothing, and more than once
FORMS = {
    "of a product": {"h": "sigmoid({0}(linear(x, h)))*h"},
    "of itself": {"h": "{0}({0}(linear(x, h)))"},
    "of a state": {"g": "sigmoid(linear(x, h))", "h": "g*{0}(h) + {0}(h + g)"},
    "into a product": {"h": "tanh(linear({0}(x), {0}(h)))"},
    "of a function": {"a": "{0}(exp(tanh(linear(x, h))))", "h": "tanh(a*a + {0}(a*h))"},
    "of each other": {"h": "{0}(softmax(linear(x, h)) + roll(cumax(linear(x, h)))) + layer_norm({0}(h))"},
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ROW_FUNCTIONS)
def test_row_functions_agree_on_both_paths(name, form, dtype):
    equations = {equation: text.format(name) for equation, text in FORMS[form].items()}
    variant = Variant.from_mapping({"name": "tried", "state": ["h"], "equations": equations})
    for hidden in (1, 16, 19):
        sizes, more = (variant, 4, 3, 3, hidden), (2, torch.tensor([[4, 1, 3], [2, 4, 0]]))
        loop, law = (results("loop", *sizes, kind, *more) for kind in (dtype, torch.float64))
        # a mean taken off leaves what rounding has left of it
        assert_same(results("native", *sizes, dtype, *more), loop, dtype, errors(loop, law))


@pytest.mark.parametrize("name", ROW_FUNCTIONS)
def test_a_row_function_of_a_row_that_is_not_finite_is_that_of_the_loop(name):
    for value in (float("nan"), float("inf"), -float("inf")):
        x = torch.tensor([[[0.5, value, 1.0, -2.0, 0.0]]], dtype=torch.float64)
        found = []
        for path in PATHS:
            given = x.clone().requires_grad_()
            output, _, _ = Layer(variant_of(f"{name}(x)"), 5, 5, dtype=torch.float64, path=path)(given)
            (output * torch.arange(1.0, 6.0, dtype=torch.float64)).sum().backward()
            found.append((output.detach(), given.grad))
        for native, loop in zip(*found, strict=True):
            torch.testing.assert_close(native, loop, rtol=1e-12, atol=1e-12, equal_nan=True)


@pytest.mark.parametrize("name", [*ROW_FUNCTIONS, "tanh"])
def test_a_long_vector_fits(name):
    # what a block keeps meanwhile stands in memory of its own, not on the stack of a thread
    x = torch.full((1, 1, 2_500_001), 0.5)
    output, _, _ = Layer(variant_of(f"{name}(0.5*{name}(x) + h)"), *x.shape[2:] * 2, path="native")(x)
    assert output.isfinite().all()


@pytest.mark.parametrize("name", ROW_FUNCTIONS)
@pytest.mark.parametrize("size", [5, 64, 67])
@pytest.mark.parametrize("path", PATHS)
def test_a_row_function_gives_a_run_of_a_stack_the_bits_of_the_run_alone(name, path, size):
    layer = Layer(variant_of(f"{name}(x + h)"), size, size, path=path)
    x = torch.randn(6, 4, 3, size)
    stacked = layer(x)[0]
    for run in range(6):
        assert torch.equal(stacked[run], layer(x[run : run + 1])[0][0])


@pytest.mark.parametrize("name", COMPOSED)
def test_composed_functions_agree_on_both_paths_and_with_their_table(name):
    variant = variant_of(f"{name}(3*linear(x, h))*{name}(linear(x))")
    arguments = (variant, 4, 3, 3, 5, torch.float64)
    assert_same(results("native", *arguments), results("loop", *arguments), torch.float64)
    x = torch.linspace(-30, 30, 401, dtype=torch.float64)[:, None, None]
    output, _, _ = Layer(variant_of(f"{name}(x)"), 1, 1, dtype=torch.float64)(x)
    np.testing.assert_allclose(output[:, 0, 0], COMPOSED[name].value(x[:, 0, 0].numpy()), rtol=0, atol=1e-12)


@pytest.mark.parametrize("path", ["loop", "native"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", COMPOSED)
def test_composed_functions_and_their_slopes_are_finite_far_out(name, dtype, path):
    x = torch.tensor([-1e4, -100.0, -1.0, 0.0, 1.0, 100.0, 1e4], dtype=dtype)[:, None, None].requires_grad_()
    output, _, _ = Layer(variant_of(f"{name}(x)"), 1, 1, dtype=dtype, path=path)(x)
    output.sum().backward()
    assert output.isfinite().all()
    assert x.grad.isfinite().all()
    # they only grow, to rounding
    assert (output[1:] >= output[:-1] - 1e-6).all()
